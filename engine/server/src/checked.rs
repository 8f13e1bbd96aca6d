//! The project's mappings, checked: what `check` reports and what everything else runs.

use crate::problem::{Failure, Outcome, Place, Problem, Severity, did_you_mean};
use crate::project::{Lock, Project, TextFile};
use syncline_mappings::{Diagnostic, Mapping};

/// The mappings that can run, and what is wrong with the others.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Those without an error.
    pub(crate) mappings: Vec<Mapping>,
    /// Errors and warnings.
    pub(crate) problems: Vec<Problem>,
}

/// Checks all mappings against these tables, and the entities against the mappings.
pub(crate) fn check(project: &Project, lock: &Lock) -> Checked {
    let catalog = project.catalog(lock);
    let checked =
        syncline_mappings::check(&project.sql_files(), &catalog, &project.mapping_options());
    let found = checked.diagnostics.into_iter();
    let problems = found
        .map(|found| into_problem(found, &project.mappings))
        .chain(project.check_claims(&checked.mappings))
        .collect();
    Checked { mappings: checked.mappings, problems }
}

/// The mappings, all of them well.
pub(crate) fn all_well(project: &Project, lock: &Lock) -> Outcome<Vec<Mapping>> {
    let Checked { mappings, mut problems } = check(project, lock);
    problems.retain(Problem::is_error);
    if problems.is_empty() { Ok(mappings) } else { Err(Failure::config(problems)) }
}

/// The mapping of this name, checked; others may be wrong.
pub(crate) fn find(project: &Project, lock: &Lock, name: &str) -> Outcome<Vec<Mapping>> {
    let file = find_file(&project.mappings, name)?;
    let Checked { mut mappings, mut problems } = check(project, lock);
    match mappings.iter().position(|mapping| mapping.name == file) {
        Some(place) => {
            mappings.swap(0, place);
            Ok(mappings)
        }
        None => {
            problems.retain(|problem| {
                problem.is_error() && problem.place.as_ref().is_some_and(|p| p.file == file)
            });
            Err(Failure::config(problems))
        }
    }
}

/// The path of the mapping that is meant: the whole path, or its end where only one has it.
pub(crate) fn find_file<'p>(files: &'p [TextFile], name: &str) -> Outcome<&'p str> {
    let name = name.trim_start_matches("./");
    let paths = || files.iter().map(|file| file.path.as_str());
    if let Some(path) = paths().find(|path| *path == name) {
        return Ok(path);
    }
    let ending = format!("/{}.sql", name.trim_end_matches(".sql"));
    let mut meant = paths().filter(|path| format!("/{path}").ends_with(&ending));
    match (meant.next(), meant.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(Problem::new(format!("unknown mapping {name:?}"))
            .detail(format!("the project has {}", paths().collect::<Vec<_>>().join(", ")))
            .hint(did_you_mean(name, paths()))
            .into()),
    }
}

fn into_problem(found: Diagnostic, files: &[TextFile]) -> Problem {
    let line = found.line as usize;
    let text = files.iter().find(|file| file.path == found.file).map(|file| file.text.as_str());
    let excerpt = text
        .and_then(|text| text.lines().nth(line.checked_sub(1)?))
        .map(|line| line.trim_end().to_owned());
    Problem {
        severity: match found.severity {
            syncline_core::Severity::Error => Severity::Error,
            syncline_core::Severity::Warning | syncline_core::Severity::Ok => Severity::Warning,
        },
        message: found.message,
        place: Some(Box::new(Place {
            file: found.file,
            line,
            column: found.column as usize,
            length: found.length as usize,
            excerpt,
        })),
        detail: found.detail,
        hint: found.hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<TextFile> {
        ["person/from_sis.sql", "person/to_lms.sql", "course/to_lms.sql"]
            .map(|path| TextFile { path: path.into(), text: String::new() })
            .into()
    }

    #[test]
    fn a_mapping_is_found_by_its_path_or_by_an_end_that_only_it_has() {
        let files = files();
        let found = |name| find_file(&files, name).ok();
        assert_eq!(found("person/to_lms.sql"), Some("person/to_lms.sql"));
        assert_eq!(found("./person/to_lms"), Some("person/to_lms.sql"));
        assert_eq!(found("from_sis"), Some("person/from_sis.sql"));
        assert_eq!(found("to_lms"), None);
        assert_eq!(found("rom_sis"), None);
    }
}
