//! The names of all points, from the sources: whoever adds one has it tried.

use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::path::Path;

const ROOMS: [&str; 2] = ["../engine", "../connectors"];
const BEFORE: &str = "fail_point!(\"";

/// Every name, in order.
pub(crate) fn all() -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for room in ROOMS {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut names)?;
    }
    ensure!(names.len() > 40, "the sources have {} points", names.len());
    Ok(names.into_iter().collect())
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let Some((_, rest)) = line.split_once(BEFORE) else { continue };
                let Some((name, _)) = rest.split_once('"') else { continue };
                ensure!(names.insert(name.to_owned()), "two points are named {name}");
            }
        }
    }
    Ok(())
}
