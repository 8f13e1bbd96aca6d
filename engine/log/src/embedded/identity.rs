//! Which log lies in a directory: an id made with the directory, by which a target tells whether its
//! progress is of this log.

use crate::rules::new_id;
use std::path::Path;
use syncline_core::{Error, Kind, LogId, Result};
use syncline_segment::{load_note, save_note};

const FILE: &str = "id";

/// The id of the log in this directory; made where there is none yet.
///
/// # Errors
/// `Corrupt` when the file is not what was written, `Unavailable` when it can't be read or written.
pub(super) fn of(directory: &Path) -> Result<LogId> {
    let path = directory.join(FILE);
    if let Some(bytes) = load_note(&path)? {
        let bytes: Option<[u8; 8]> = bytes.try_into().ok();
        return bytes.map(|bytes| LogId(u64::from_le_bytes(bytes))).ok_or_else(|| {
            Error::new(Kind::Corrupt, format!("{} is no id of a log", path.display()))
        });
    }
    let id = new_id();
    save_note(&path, &id.0.to_le_bytes())?;
    Ok(id)
}
