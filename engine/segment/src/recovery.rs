//! Finds the last valid frame after a crash, and tells a torn end from damage.

use crate::frame::{ALIGNMENT, HEAD_BYTES, Head, PREAMBLE_BYTES};
use crate::{Disk, Error, Frame, Segment, Writer};
use std::path::Path;
use std::sync::Arc;

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;

/// A segment that can be written to again.
#[derive(Debug)]
pub struct Recovered {
    /// Appends behind the last valid frame.
    pub writer: Writer,
    /// How many bytes of a torn end were cut off.
    pub torn_bytes: u64,
}

/// Reads all frames of the last segment of a log, the header first, cuts off a torn end, and opens
/// the segment for writing. All that was visited, and the segment's name, is durable when it
/// returns, whatever became of the syncs of whoever wrote it.
///
/// # Errors
/// `Damaged` where a frame that was durable is no longer valid; whatever `visit` returns; `Read`
/// and `Write` where the system refuses.
pub fn recover<E: From<Error>>(
    disk: &Arc<dyn Disk>,
    path: &Path,
    mut visit: impl FnMut(Frame) -> Result<(), E>,
) -> Result<Recovered, E> {
    let (segment, _) = Segment::open(path)?;
    let length = segment.length()?;
    let mut end = PREAMBLE_BYTES;
    let mut damage = None;
    let mut frames = segment.frames(PREAMBLE_BYTES, length, READ_BYTES);
    for frame in frames.by_ref() {
        match frame {
            Ok(frame) => {
                end = frame.end;
                visit(frame)?;
            }
            Err(error @ Error::Damaged { .. }) => damage = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(damage) = damage
        && was_durable(&segment, end, length)?
    {
        return Err(damage.into());
    }
    let writer = Writer::resume(disk, path, frames.synced.clamp(PREAMBLE_BYTES, end), end)?;
    Ok(Recovered { writer, torn_bytes: length - end })
}

/// Whether a valid frame behind the bad one at `bad` says that `bad` was durable when it was
/// written.
fn was_durable(segment: &Segment, bad: u64, length: u64) -> Result<bool, Error> {
    let Ok(bytes) = usize::try_from(length - bad) else { return Ok(true) };
    let tail = segment.read_at(bad, bytes)?;
    let mut from = 0;
    while let Some(rest) = tail.get(from..).filter(|rest| rest.len() >= HEAD_BYTES) {
        let valid = Head::decode(rest, bad + from as u64).filter(|head| {
            let payload = rest.get(HEAD_BYTES..).and_then(|rest| rest.get(..head.length as usize));
            payload.is_some_and(|payload| crc32c::crc32c(payload) == head.checksum)
        });
        if valid.is_some_and(|head| head.synced > bad) {
            return Ok(true);
        }
        from += ALIGNMENT as usize;
    }
    Ok(false)
}
