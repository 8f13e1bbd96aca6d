//! The initial copy: every table once, in chunks, by several connections, through the same codec as
//! the stream.
//!
//! ```text
//!  for each table:  plan chunks ─▶ [chunk][chunk][chunk]…  taken by connections as they are free
//!                                   └ last batch of a chunk carries the note that it is done
//! ```
//!
//! Why the result is right, also after a crash. All chunks read in one run see one snapshot. In the
//! first run it is the slot's: everything before its point is in the snapshot, everything after in
//! the stream. After a crash that snapshot is gone, so what is missing is read in a later one, while
//! the stream still begins at the slot's point: it replays changes that the later rows already have,
//! and as they are whole images or deletes of a key, in order, the table ends where the source is.
//! One thing remains: a row may have *moved* meanwhile, by an update, out of a chunk still to read
//! into one already read, and its updates in the stream may leave out large values that did not
//! change. Therefore chunks already done are scanned again for rows whose `xmin` is as new as the
//! first snapshot's; there are few, and they are emitted whole. A table that was rewritten (`VACUUM
//! FULL`, `CLUSTER`) has all rows in other places and is read from its start.

mod chunks;
mod copy;
mod read;

pub(crate) use copy::{View, run};
