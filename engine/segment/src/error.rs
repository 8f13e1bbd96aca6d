//! What can go wrong with a file of frames.

use std::io;
use std::path::{Path, PathBuf};
use syncline_core::Kind;

/// A failure on a segment file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk or quota is full. Nothing of the write counts.
    #[error("no room to write {}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A write or sync failed: what is on the disk is in doubt.
    #[error("can't {doing} {}", path.display())]
    Write {
        /// What failed.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file can't be opened or read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that were durable are not what was written.
    #[error("{} is damaged at byte {at}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// An earlier write failed; nothing is written any more.
    #[error("{} is no longer written to after a failed write", path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn write(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoRoom { path, source }
            }
            _ => Self::Write { doing, path, source },
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// Whether the file is as it was before: the same write may succeed once there is room.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }
}

impl From<Error> for syncline_core::Error {
    fn from(error: Error) -> Self {
        let (kind, hint) = match &error {
            Error::NoRoom { .. } => (Kind::Unavailable, "free space on that disk"),
            Error::Read { .. } => (Kind::Unavailable, "check the disk and the file's permissions"),
            Error::Write { .. } | Error::Poisoned { .. } => {
                (Kind::Corrupt, "check the disk, then restart: what was durable is still there")
            }
            Error::Damaged { .. } => {
                (Kind::Corrupt, "the disk or a program changed this file; restore it from a copy")
            }
        };
        let detail = match &error {
            Error::NoRoom { source, .. }
            | Error::Write { source, .. }
            | Error::Read { source, .. } => source.to_string(),
            Error::Damaged { what, .. } => (*what).to_owned(),
            Error::Poisoned { .. } => "what is on the disk is in doubt".to_owned(),
        };
        Self::new(kind, error.to_string()).detail(detail).hint(hint).caused_by(error)
    }
}
