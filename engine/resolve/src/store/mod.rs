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
//!             8  crc32c        u32   of key and row
//!            12  zero          u32
//!            16  key, row, then zeros to a multiple of 8
//! ```
//! Numbers are little-endian. The last record of a key is its row. The index is rebuilt on opening; it has
//! 16 bytes a key, and a byte of its table, over how full that is.
//!
//! **Compaction.** While more than a set share of all records is garbage, a little of the oldest file is
//! written again beside each commit, as any other write, as far as it is still the last of its keys. When
//! all of it was, and that is durable, the file goes. It is always the oldest, since the COMMIT or ABORT of
//! its last records may lie in the next. A key is never removed, so nothing can come back by this.

mod compact;
mod index;
mod open;
mod read;
mod record;
mod rows;

pub use rows::{RowStore, StoreSettings};
