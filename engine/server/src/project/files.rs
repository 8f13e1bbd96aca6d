//! Which files of the project directory are what.
//!
//! Folders and file names are for people; only these have a meaning: `syncline.toml` and
//! `syncline.lock` at the top, `entity.toml` in any folder, `*.sql` anywhere, `*.toml` in a folder
//! named `tests`. Hidden folders and the state directory are not looked into.

use crate::problem::{Exit, Failure, Outcome, Problem};
use std::path::{Path, PathBuf};

/// A file's path, from the project directory with `/` between, and its text.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// The path.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// The project's files by kind, each kind sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Every `entity.toml`.
    pub(crate) entities: Vec<TextFile>,
    /// Every mapping.
    pub(crate) mappings: Vec<TextFile>,
    /// Every test case of mappings.
    pub(crate) cases: Vec<TextFile>,
}

impl Files {
    /// Reads all files under the project directory.
    pub(crate) fn read(directory: &Path, state: &Path) -> Outcome<Self> {
        let mut files = Self::default();
        let mut folders = vec![directory.to_owned()];
        while let Some(folder) = folders.pop() {
            for path in sorted_entries(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.starts_with('.') || path == state {
                    continue;
                }
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if let Some(kind) = files.kind_of(&folder, name) {
                    kind.push(read_text(directory, &path)?);
                }
            }
        }
        for kind in [&mut files.entities, &mut files.mappings, &mut files.cases] {
            kind.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(files)
    }

    fn kind_of(&mut self, folder: &Path, name: &str) -> Option<&mut Vec<TextFile>> {
        let in_tests = folder.file_name().is_some_and(|folder| folder == "tests");
        match Path::new(name).extension()?.to_str()? {
            "toml" if in_tests => Some(&mut self.cases),
            "toml" if name == super::entity::FILE => Some(&mut self.entities),
            "sql" => Some(&mut self.mappings),
            _ => None,
        }
    }
}

fn sorted_entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let unreadable =
        |error: std::io::Error| Failure::io(format!("can't read {}", folder.display()), &error);
    let mut paths = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// Reads a file of the project.
pub(crate) fn read_text(directory: &Path, path: &Path) -> Outcome<TextFile> {
    let seen_from_project = path.strip_prefix(directory).unwrap_or(path);
    let parts: Vec<_> =
        seen_from_project.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let name = parts.join("/");
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(TextFile { path: name, text }),
        Err(error) => Err(Failure::io(format!("can't read {name}"), &error)),
    }
}

/// The project directory: the one named, else the nearest upwards that has `syncline.toml`.
pub(crate) fn find_project(named: Option<&Path>, from: &Path) -> Outcome<PathBuf> {
    let has_settings = |directory: &Path| directory.join(super::settings::FILE).is_file();
    let found = match named {
        Some(directory) => has_settings(directory).then(|| directory.to_owned()),
        None => from.ancestors().find(|directory| has_settings(directory)).map(Path::to_owned),
    };
    let looked_in = named.unwrap_or(from);
    found.ok_or_else(|| {
        let wrong = Problem::new(format!("no project in {}", looked_in.display()))
            .detail(match named {
                Some(_) => "there is no syncline.toml",
                None => "there is no syncline.toml here or in a folder above",
            })
            .hint("name the directory with --project, or make one with `syncline init`".to_owned());
        Failure::new(Exit::Config, wrong)
    })
}
