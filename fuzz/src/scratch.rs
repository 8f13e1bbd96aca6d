//! A directory for one input's files, in memory where the system has such a place.

use std::path::Path;
use tempfile::TempDir;

/// A directory that goes with what it holds.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::Builder::new().prefix("syncline-fuzz-").tempdir_in(memory);
    made.or_else(|_| tempfile::tempdir()).expect("there is room for a directory")
}
