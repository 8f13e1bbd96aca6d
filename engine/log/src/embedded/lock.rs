//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use syncline_core::{Error, Kind, Result};

/// Holds a directory until dropped; the system lets go of it when the process ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory.
    ///
    /// # Errors
    /// `Config` when another process has it, `Unavailable` when the file can't be made.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let path = directory.join("lock");
        let unavailable = |error: std::io::Error| {
            let message = format!("can't lock {}", directory.display());
            Error::new(Kind::Unavailable, message).detail(error.to_string()).caused_by(error)
        };
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(directory, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(unavailable)?;
        Ok(Self { _file: file })
    }
}

fn held(directory: &Path, file: &mut File) -> Error {
    let mut pid = String::new();
    let holder = match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.is_empty() => format!("process {pid} has it"),
        _ => "another process has it".to_owned(),
    };
    Error::new(Kind::Config, format!("{} is in use", directory.display()))
        .detail(holder)
        .hint("stop that process, or give this project a log directory of its own")
}
