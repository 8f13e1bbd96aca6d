//! What hands bytes to the decoders here without a server: for fuzzing and for counting instructions alone, and no part of
//! what this crate offers.
//!
//! The tables are fixed: `public.everything`, with a column for each way in which values are carried, and
//! `public.whole`, whose images before are whole rows.

use crate::begin::Wanted;
use crate::catalog::{Relation, RelationColumn, append_line};
use crate::publication::Published;
use crate::rows::{Change, RowBatch};
use crate::stream;
use crate::values::arrow_type;
use crate::values::encode::{Encoder, Form, PgType, put_copy_text};
use std::path::Path;
use std::sync::Arc;
use syncline_core::{
    CatalogTable, ChangeBatch, Column, Entry, Error, Identity, Kind, Op, Result, SystemName,
    TableName, TableSchema, Transaction,
};

/// The object identifiers that the tables have in the stream.
pub const EVERYTHING: u32 = 16_384;
/// See [`EVERYTHING`].
pub const WHOLE: u32 = 16_400;

/// Name, type, its object identifier and modifier of each column of `everything`.
pub const COLUMNS: [(&str, &str, u32, i32); 19] = [
    ("id", "integer", 23, -1),
    ("small", "smallint", 21, -1),
    ("big", "bigint", 20, -1),
    ("single", "real", 700, -1),
    ("double", "double precision", 701, -1),
    ("flag", "boolean", 16, -1),
    ("exact", "numeric(20,4)", 1700, (20 << 16 | 4) + 4),
    ("widest", "numeric(38,10)", 1700, (38 << 16 | 10) + 4),
    ("digits", "numeric", 1700, -1),
    ("txt", "text", 25, -1),
    ("padded", "character(6)", 1042, 10),
    ("raw", "bytea", 17, -1),
    ("day", "date", 1082, -1),
    ("clock", "time without time zone", 1083, -1),
    ("local", "timestamp without time zone", 1114, -1),
    ("instant", "timestamp with time zone", 1184, -1),
    ("who", "uuid", 2950, -1),
    ("doc", "jsonb", 3802, -1),
    ("numbers", "integer[]", 1007, -1),
];

/// The entries that the server's messages come to, up to the first that is wrong. `spill` is a directory for
/// transactions in progress. Batches are small, so that a few bytes come to several.
///
/// # Errors
/// What the stream would end with; with the entries before it.
pub fn stream(bytes: &[u8], spill: &Path) -> (Vec<Entry>, Option<Error>) {
    stream_in(bytes, spill, BatchSize { rows: 64, bytes: 1 << 16 })
}

/// How large batches of changes may be.
#[derive(Debug, Clone, Copy)]
pub struct BatchSize {
    /// See [`Settings::batch_rows_max`](crate::Settings::batch_rows_max).
    pub rows: usize,
    /// See [`Settings::batch_bytes_max`](crate::Settings::batch_bytes_max).
    pub bytes: usize,
}

/// The same in batches of another size.
///
/// # Errors
/// The same.
pub fn stream_in(bytes: &[u8], spill: &Path, size: BatchSize) -> (Vec<Entry>, Option<Error>) {
    let system = SystemName::new("sis");
    let whole = [COLUMNS[0], COLUMNS[9], COLUMNS[11]];
    let tables = [
        wanted(&system, ("everything", EVERYTHING), &COLUMNS, Identity::Key),
        wanted(&system, ("whole", WHOLE), &whole, Identity::Full),
    ];
    stream::entries(&system, &tables, bytes, spill, size)
}

/// The rows of `everything` that lines of a text copy come to, without lines of another width.
///
/// # Errors
/// `Internal` where rows come to no batch.
pub fn snapshot(lines: &[u8]) -> Result<ChangeBatch> {
    let system = SystemName::new("sis");
    let table = wanted(&system, ("everything", EVERYTHING), &COLUMNS, Identity::Key);
    let schema = Arc::new(table.relation.table.schema);
    let transaction = Transaction { epoch: 1, commit: 0, committed_at: 0, ours: false };
    let mut rows = RowBatch::new(schema.clone());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let ordinal = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let change = Change { op: Op::Snapshot, ordinal, transaction };
        // A batch is of no use after a row of another width.
        if append_line(&mut RowBatch::new(schema.clone()), change, line).is_ok() {
            append_line(&mut rows, change, line)?;
        }
        if rows.masks_full() {
            break;
        }
    }
    rows.finish()
}

/// Rows of `everything` as the sink writes them, in text and, one value after the other, in binary.
///
/// # Errors
/// `Rejected` for a value that PostgreSQL does not have.
pub fn copy(batch: &ChangeBatch) -> Result<(Vec<u8>, Vec<u8>)> {
    let unfit = |why: String| Error::new(Kind::Rejected, why);
    let (mut text, mut binary) = (Vec::new(), Vec::new());
    let columns = batch.columns().columns().iter().zip(&COLUMNS);
    let encoders = columns.map(|(array, &(_, sql, oid, _))| {
        let to = PgType { oid, name: sql.to_owned(), sql: sql.to_owned(), is_enum: false };
        let form = Form::choose(array.data_type(), &to);
        let form = form.ok_or_else(|| unfit(format!("no form for {sql}")))?;
        Encoder::new(array, form).map_err(|error| unfit(error.to_string()))
    });
    let encoders = encoders.collect::<Result<Vec<_>>>()?;
    for row in 0..batch.len() {
        for (at, encoder) in encoders.iter().enumerate() {
            if at > 0 {
                text.push(b'\t');
            }
            put_copy_text(encoder, row, &mut text).map_err(|why| unfit(why.to_string()))?;
            encoder.put(row, &mut binary).map_err(|why| unfit(why.to_string()))?;
        }
        text.push(b'\n');
    }
    Ok((text, binary))
}

fn wanted(
    system: &SystemName,
    (table, oid): (&str, u32),
    columns: &[(&str, &str, u32, i32)],
    identity: Identity,
) -> Wanted {
    let described = columns.iter().zip(1..).map(|(&(name, native, oid, modifier), id)| Column {
        name: name.to_owned(),
        id,
        data_type: arrow_type(oid, modifier),
        native_type: native.to_owned(),
        nullable: id > 1,
        has_default: false,
        generated: false,
    });
    let name = TableName::table(system, "public", table);
    let sent =
        columns.iter().map(|&(_, _, type_oid, modifier)| RelationColumn { type_oid, modifier });
    let table = CatalogTable {
        schema: TableSchema::new(name, 1, described.collect(), vec![0]),
        identity,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    };
    let columns = sent.collect();
    let relation = Relation { oid, partitioned: false, partitions: Vec::new(), table, columns };
    Wanted { relation, published: Published::default() }
}
