//! Small files that are replaced whole: a segment with nothing but its header.

use crate::writer::parent;
use crate::{Disk, Error, RealDisk, Segment, Writer, sync_directory};
use std::path::Path;
use std::sync::Arc;

/// Replaces the note in this file; durable when it returns, and never half-written.
///
/// # Errors
/// `NoRoom` or `Write`; unless the rename itself is in doubt, the former note stands.
pub fn save_note(path: &Path, note: &[u8]) -> Result<(), Error> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    Writer::create(&disk, path, 0, note).map(drop)
}

/// The note in this file; `None` when there is no such file. What it returns is durable: whoever
/// saved it may have died between giving it its name and making that durable.
///
/// # Errors
/// `Read` when it can't be read, `Damaged` when it is not what was written, `Write` when its
/// directory can't be synced.
pub fn load_note(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match Segment::open(path) {
        Ok((segment, header)) if segment.length()? == header.end => {
            sync_directory(parent(path))?;
            Ok(Some(header.payload.to_vec()))
        }
        Ok((segment, header)) => Err(segment.damaged(header.end, "more than one note")),
        Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
