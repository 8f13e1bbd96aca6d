//! How entries, batches and schemas are written as bytes.
//!
//! Every number is little-endian unless said otherwise; every section starts at a multiple of 16
//! bytes from the start of the entry, so that arrays can be used where they lie. Decoding copies
//! nothing when the bytes themselves are so aligned.
//!
//! ```text
//! entry      0  body        u8    1 rows, 2 truncate, 3 abandoned, 4 nothing
//!            1  boundary    u8    1 when there is one, else 0
//!            2  zero        u16
//!            4  schema      u32   rows: the number its schema is known by; else 0
//!            8  position    16 B  of the boundary, big-endian (Position::to_bytes)
//!           24  committed   i64   of the boundary, µs since 1970 UTC
//!           32  rows section · table names as JSON · nothing
//!
//! rows       0  rows        u32
//!            4  runs        u32
//!            8  masks       u32   0: every row has every column
//!           12  message     u32   length of the Arrow message, without padding
//!           16  transaction runs  24 B each: epoch u32, rows u32, commit u64, committed i64
//!            ┆  operations        u8 a row
//!            ┆  ordinals          u32 a row
//!            ┆  masks             u64 for each 64 columns, for each mask
//!            ┆  mask of each row  u16 a row; only where there are masks
//!            ┆  Arrow message     flatbuffer `Message` of a `RecordBatch`, no schema, no prefix
//!            ┆  Arrow body        the buffers, to the end
//!
//! standalone 0  "SLB1"
//!            4  checksum    u32   crc32c of everything from 8 on
//!            8  schema      u32   length of the schema's JSON
//!           12  zero        u32
//!           16  schema JSON
//!            ┆  rows section
//! ```
//!
//! Bytes to be decoded are foreign: every length is checked, and bytes that can't be an entry are
//! `Corrupt`, never a panic. Only the standalone form has a checksum of its own; entries lie in
//! frames that have one.

mod columns;
mod entry;
mod rows;
mod sections;
mod standalone;

pub use entry::{BodyKind, Encoded, EntryHead, decode_entry, decode_head, encode_entry};
pub use standalone::{decode_schema, decode_standalone, encode_schema, encode_standalone};

const _: () = assert!(cfg!(target_endian = "little"), "arrays are used where they lie");

#[cfg(test)]
mod tests;
