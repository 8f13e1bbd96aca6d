//! What an envelope says of where its change comes from, and of when it was written.

use super::envelope::place;
use crate::json::push_text;
use std::fmt::Write as _;
use syncline_core::{TableName, Transaction};

/// The block `source`.
pub(super) struct Block<'a> {
    pub(super) prefix: &'a str,
    pub(super) table: &'a TableName,
    pub(super) is_snapshot: bool,
    pub(super) transaction: Transaction,
    pub(super) ordinal: u32,
    /// Of the image before, where it has one of its own.
    pub(super) ordinal_before: Option<u32>,
}

impl Block<'_> {
    /// Adds the block up to the value of its last field, `absent`.
    pub(super) fn push(&self, out: &mut String) {
        let (database, schema, table) = place(self.table);
        let version = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
        let mut text = |name: &str, value: &str| {
            out.push_str(name);
            push_text(out, value);
        };
        text("{\"connector\":", "syncline");
        text(",\"name\":", self.prefix);
        text(",\"db\":", database);
        text(",\"schema\":", schema);
        text(",\"table\":", table);
        text(",\"snapshot\":", if self.is_snapshot { "true" } else { "false" });
        let Transaction { epoch, commit, committed_at, ours } = self.transaction;
        let before = self.ordinal_before.map_or("null".into(), |before| before.to_string());
        // Writing to a text can't fail.
        let _ = write!(
            out,
            ",\"version\":{version},\"sequence\":null,\"ts_ms\":{},\"ts_us\":{committed_at},\
             \"ts_ns\":{},\"epoch\":{epoch},\"commit\":\"{commit}\",\"ordinal\":{},\
             \"before_ordinal\":{before},\"ours\":{ours},\"absent\":",
            committed_at.div_euclid(1_000),
            committed_at.saturating_mul(1_000),
            self.ordinal,
        );
    }
}

/// Adds what follows the block: the operation, and when the envelope was written, in ms since 1970 UTC.
pub(super) fn push_end(out: &mut String, op: char, written_at: i64) {
    let (micros, nanos) = (written_at.saturating_mul(1_000), written_at.saturating_mul(1_000_000));
    // Writing to a text can't fail.
    let _ = write!(
        out,
        ",\"op\":\"{op}\",\"ts_ms\":{written_at},\"ts_us\":{micros},\"ts_ns\":{nanos},\
         \"transaction\":null}}"
    );
}
