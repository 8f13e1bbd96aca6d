//! Append-only files of checked frames: the one thing that knows bytes on disk.
//!
//! ```text
//! segment   0  "syncline segment"
//!          16  version   u32
//!          20  zero      12 B
//!          32  frame of kind HEADER, then frames to the end
//!
//! frame     0  length    u32   of the payload, without padding
//!           4  kind      u8    HEADER, or what the caller says
//!           5  zero      3 B
//!           8  number    u64   what the caller says: an offset, an id
//!          16  synced    u64   bytes of this file that were durable when this was written
//!          24  payload checksum  u32  crc32c
//!          28  head checksum     u32  crc32c of the frame's place in the file (u64) and bytes 0–28
//!          32  payload, then zeros to a multiple of 16
//! ```
//! Numbers are little-endian.
//!
//! **Torn or damaged.** Only the last frames of the last segment can be torn by a crash: what was
//! written but not yet synced may lie on the disk in part, and in any order. Each frame therefore
//! says how far the file was durable when it was written. A bad frame is the torn end exactly when
//! no good frame behind it says that its place was durable already; else a durable frame was
//! damaged, and that is `Corrupt`. The head checksum covers the place, so bytes of an older file,
//! or a segment stored as a value inside a segment, never pass for a frame.
//!
//! **Doubt.** After a failed write or sync nobody knows what is on the disk: the [`Writer`] refuses
//! everything from then on. The exception is a full disk: nothing of that write counts, the file
//! is cut back to what was durable, and the writer can go on. Whoever opens it after a doubt, or
//! after a crash, finds what the system shows of it, which is not what is on the disk: a sync that
//! failed is not tried again by the system. So before anything of it is counted on, [`recover`]
//! writes once more what no frame says was durable, and makes the names durable.

mod disk;
mod error;
mod frame;
mod note;
mod reader;
mod recovery;
mod writer;

pub use disk::{Disk, RealDisk};
pub use error::Error;
pub use frame::{Frame, HEAD_BYTES, HEADER};
pub use note::{load_note, save_note};
pub use reader::{Frames, Segment};
pub use recovery::{Recovered, recover};
pub use writer::{Writer, create_directory, remove, sync_directory};
