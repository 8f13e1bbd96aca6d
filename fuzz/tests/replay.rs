//! Kept inputs of every target: real bytes, what fuzzing found beside them, and what once broke something.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

use std::fs;
use std::path::{Path, PathBuf};
use syncline_fuzz::{TARGETS, target};

/// Most that is kept of a target: a checkout must stay small, and this a test among others.
const FILES_MAX: usize = 100;
const BYTES_MAX: u64 = 208 << 10;

macro_rules! replays {
    ($($test:ident of $target:literal,)*) => {
        $(#[test] fn $test() { replay($target); })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$($target),*];
            assert_eq!(TARGETS.map(|target| target.name), replayed);
        }
    };
}

replays! {
    bytes_of_a_replication_stream of "pgoutput",
    lines_of_a_first_copy of "snapshot",
    segments_after_a_crash of "frames",
    segments_of_a_topic of "log",
    entries_of_a_log of "entry",
    batches_with_their_schema of "batch",
    rows_of_claims of "claims",
    files_of_claims of "store",
    records_of_debezium of "debezium",
    files_of_a_project of "project",
    sql_of_mappings of "sql",
}

fn replay(name: &str) {
    let run = target(name).unwrap().run;
    let corpus = kept("corpus", name);
    assert!(!corpus.is_empty(), "there are no kept inputs of {name}");
    let bytes: u64 = corpus.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(corpus.len() <= FILES_MAX && bytes <= BYTES_MAX, "too much is kept of {name}");
    for path in corpus.iter().chain(&kept("crashes", name)) {
        let input = fs::read(path).unwrap();
        // Told only where the target panics.
        let telling = Telling(path);
        run(&input);
        std::mem::forget(telling);
    }
}

/// Says at which input it was when it panicked.
struct Telling<'a>(&'a Path);

impl Drop for Telling<'_> {
    #[expect(clippy::disallowed_macros, reason = "which input it was is what a person needs")]
    fn drop(&mut self) {
        eprintln!("at {}", self.0.display());
    }
}

/// The inputs of a target; stories are beside what they tell of.
fn kept(folder: &str, name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|extension| extension != "md"));
    paths.sort();
    paths
}

/// What no longer breaks is told what it broke, or nobody knows why it is kept.
#[test]
fn every_crash_has_its_story() {
    for target in TARGETS {
        for path in kept("crashes", target.name) {
            assert!(path.with_extension("md").exists(), "{} has no story", path.display());
        }
    }
}
