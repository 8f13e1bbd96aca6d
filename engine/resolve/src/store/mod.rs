//! Rows by key on append-only segments, with an index in memory.
//!
//! ```text
//! directory   00000001.claims  00000002.claims …      one after the other; the last is written to
//!
//! frame       ROWS    records, one after the other
//!             COMMIT  the note; all records since the last COMMIT or ABORT hold from here on
//!             ABORT   records since the last COMMIT never hold
//!
//! record      0  key length    u32
//!             4  row length    u32
//!             8  crc32c        u32   of key and row, and of a 1 where the key is gone
//!            12  gone          u32   1 where the key has no row any more, else 0
//!            16  key, row, then zeros to a multiple of 8
//! ```
//! Numbers are little-endian. The last record of a key is its row, or says that it has none. The index is
//! rebuilt on opening; it has 16 bytes a key, and a byte of its table, over how full that is.
//!
//! The records that were written last stay in memory too, up to a set number of bytes.
//!
//! **Compaction.** While more than a set share of all records is garbage, a little of the oldest file is
//! written again beside each commit, as any other write, as far as it is still the last of its keys. When
//! all of it was, and that is durable, the file goes. It is always the oldest, since the COMMIT or ABORT of
//! its last records may lie in the next.
//!
//! **Keys that are gone.** A record that says so is garbage from the beginning, but has to stay while an
//! older record of its key may be on the disk. In the oldest file it is not written again, and its key goes
//! from the index: older records of the key are in this file, before it, or in no file, since those before
//! were removed, durably, one after the other. So a crash leaves the older records with the one that says
//! that the key is gone, or none of them. A rollback puts the key back into the index, as its file is still there.

mod changed;
mod compact;
mod index;
mod load;
mod open;
mod read;
mod recent;
mod record;
mod rows;

pub use rows::{RowStore, StoreSettings};
