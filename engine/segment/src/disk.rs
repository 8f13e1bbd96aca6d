//! The two calls on which durability rests, so that a test can make them fail.

use std::fs::File;
use std::io::{self, IoSlice, Write};

/// Writes and syncs files. As written here it does what the system does; a fault suite overrides.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Writes some of the pieces at the file's cursor; returns how many bytes.
    ///
    /// # Errors
    /// The system's.
    fn write(&self, file: &mut File, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        file.write_vectored(pieces)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// The system's.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The disk as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
