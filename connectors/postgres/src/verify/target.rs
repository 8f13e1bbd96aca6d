//! Rows of a target table: all of them, or those of some keys with the version that they are.
//!
//! A version names one write of one row: a row that has the version it had before was not written since.

use super::alike::NULL;
use super::column::{Compared, EXACT, Exact};
use crate::connect::connect;
use crate::settings::Settings;
use crate::sink::session::Encoded;
use crate::sink::sqlstate;
use crate::sink::target::{TargetTable, describe};
use crate::values::{ColumnBuilder, arrow_type};
use crate::wire::{Connection, CopyStep, Purpose};
use arrow_array::ArrayRef;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{
    ChangeBatch, Error, KeyTexts, Kind, Op, Presence, Result, TableName, TableSchema, Transaction,
    TransactionRun,
};
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Row};

/// How often a read that gets nothing asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);

/// Rows are found by their key through an index, as by the sink.
const OPTIONS: &str = "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c jit=off \
    -c row_security=off";

/// What `COPY` begins with in binary.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = 19;

/// Which write of a row it is.
const VERSION: &str = "t.tableoid::text || '/' || t.xmin::text || '/' || t.ctid::text";

/// A row that was found by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By mapping, the hash of what that mapping writes.
    pub hashes: Vec<u64>,
    /// Which write of the row it is.
    pub version: String,
    /// Its key for people, as [`syncline_core::key_text`] writes it.
    pub key: String,
}

/// Takes a row's key, and the hash of what each mapping writes; `None` where there is none for now.
pub type EachRow<'a> = &'a mut dyn FnMut(Option<(&[u8], &[u64])>) -> Result<()>;

/// One target table, as some mappings write it.
pub struct TargetRows {
    pub(super) client: Client,
    settings: Settings,
    table: String,
    /// By mapping.
    pub(super) mappings: Vec<Mapped>,
}

/// What one mapping writes, in the table's order of its key.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) schema: Arc<TableSchema>,
    /// Places in the schema, and what is there.
    pub(super) key: Vec<(usize, Compared)>,
    pub(super) values: Vec<(usize, Compared)>,
}

impl fmt::Debug for TargetRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetRows").field("table", &self.table).finish_non_exhaustive()
    }
}

impl TargetRows {
    /// Looks at the table that these mappings write; beside each the columns that are not compared.
    ///
    /// # Errors
    /// `Unavailable` when the server is away; `Config` where the table does not fit.
    pub async fn open(
        settings: &Settings,
        mappings: &[(Arc<TableSchema>, BTreeSet<String>)],
    ) -> Result<Self> {
        let nothing = || Error::new(Kind::Internal, "no mapping writes the table");
        let (first, _) = mappings.first().ok_or_else(nothing)?;
        let TableName::Table { schema, table, .. } = first.name() else { return Err(nothing()) };
        let client = connect(settings, OPTIONS).await?;
        let target = describe(&client, schema, table).await?;
        let rows = client.query_typed(EXACT, &[(&target.oid, Type::OID)]).await;
        let rows = rows.map_err(unreadable)?;
        let exact =
            rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))));
        let exact: Exact = exact.collect::<std::result::Result<_, _>>().map_err(unreadable)?;
        let key: Vec<&str> = named(first, first.key());
        let mapped = mappings.iter().map(|of| mapped(of, &key, &target, &exact));
        let mappings = mapped.collect::<Result<_>>()?;
        Ok(Self { client, settings: settings.clone(), table: target.sql, mappings })
    }

    /// Reads the whole table: of each row the key, and the hash of what each mapping writes; `None` now and
    /// then while nothing comes. Rows without a key are counted alone. Blocks.
    ///
    /// # Errors
    /// As of `open`; and what `each` says.
    pub fn scan(&self, each: EachRow<'_>) -> Result<u64> {
        let mut connection = Connection::open(&self.settings, Purpose::Copy)?;
        connection.set_tick(Some(TICK))?;
        let sql = format!(
            "COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)",
            self.columns("").join(", "),
            self.table
        );
        connection.start_copy(&sql, &mut || Ok(()))?;
        // The moment that is read is fixed by now.
        each(None)?;
        let mut row = Hashed::default();
        let mut keyless = 0;
        loop {
            match connection.copy_step()? {
                CopyStep::Tick => each(None)?,
                CopyStep::Done => return Ok(keyless),
                CopyStep::Line(line) => match row.take(&self.mappings, fields(line)) {
                    Took::Nothing => {}
                    Took::Keyless => keyless += 1,
                    Took::Row => each(Some((&row.key, &row.hashes)))?,
                    Took::Torn => {
                        let torn = format!("a row of {} can't be read", self.table);
                        return Err(Error::new(Kind::Corrupt, torn));
                    }
                },
            }
        }
    }

    /// Reads the rows of these keys, each in its place.
    ///
    /// # Errors
    /// As of `open`.
    pub async fn rows(&self, keys: &[&[u8]]) -> Result<Vec<Option<Found>>> {
        let Some(mapped) = self.mappings.first() else { return Ok(Vec::new()) };
        let texts = mapped.key.iter().map(|(_, it)| format!("t.{}::pg_catalog.text", it.sql));
        let selected: Vec<String> = texts.chain(self.columns("t.")).collect();
        let sql = format!(
            "SELECT u.n, {VERSION}, {} FROM {} JOIN {} AS t ON {}",
            selected.join(", "),
            self.meant(""),
            self.table,
            self.same_key()
        );
        let answer = self.client.query_typed(&sql, &typed(&self.key_arrays(keys)?)).await;
        let mut found = vec![None; keys.len()];
        for row in answer.map_err(unreadable)? {
            let place: i64 = row.try_get(0).map_err(unreadable)?;
            let place = usize::try_from(place - 1).ok();
            if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                *slot = Some(self.found(&row)?);
            }
        }
        Ok(found)
    }

    /// Deletes rows that still have the version beside them, in one transaction; says how many.
    ///
    /// # Errors
    /// `Rejected` where the table refuses it; else as of `open`.
    pub async fn delete(&self, rows: &[(&[u8], &str)]) -> Result<u64> {
        let keys: Vec<&[u8]> = rows.iter().map(|(key, _)| *key).collect();
        let versions: Vec<&str> = rows.iter().map(|(_, version)| *version).collect();
        let arrays = self.key_arrays(&keys)?;
        let last = format!(", ${}::pg_catalog.text[]", arrays.len() + 1);
        let sql = format!(
            "DELETE FROM {} AS t USING {} WHERE {} AND {VERSION} = u.version",
            self.table,
            self.meant(&last),
            self.same_key()
        );
        let mut parameters = typed(&arrays);
        parameters.push((&versions, Type::TEXT_ARRAY));
        let deleted = self.client.execute_typed(&sql, &parameters).await;
        deleted.map_err(|error| sqlstate::error(format!("can't delete from {}", self.table), error))
    }

    /// What is read of a row: its key, and what each mapping writes.
    fn columns(&self, table: &str) -> Vec<String> {
        let key = self.mappings.first().map(|it| it.key.as_slice()).unwrap_or_default();
        let values = self.mappings.iter().flat_map(|it| &it.values);
        key.iter().chain(values).map(|(_, column)| column.read(table)).collect()
    }

    /// The keys that are asked for, numbered.
    fn meant(&self, further: &str) -> String {
        let Some(mapped) = self.mappings.first() else { return String::new() };
        let key = || mapped.key.iter().enumerate();
        let arrays = key().map(|(at, (_, it))| format!("${}::{}[]", at + 1, it.element_sql));
        let mut names: Vec<String> = key().map(|(at, _)| format!("c{at}")).collect();
        if !further.is_empty() {
            names.push("version".into());
        }
        format!(
            "unnest({}{further}) WITH ORDINALITY AS u({}, n)",
            arrays.collect::<Vec<_>>().join(", "),
            names.join(", ")
        )
    }

    fn same_key(&self) -> String {
        let Some(mapped) = self.mappings.first() else { return String::new() };
        let same = mapped.key.iter().enumerate();
        let same =
            same.map(|(at, (_, it))| format!("t.{} = {}", it.sql, it.value(&format!("u.c{at}"))));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// Keys as an array parameter a column.
    fn key_arrays(&self, keys: &[&[u8]]) -> Result<Vec<(Encoded, Type)>> {
        let wrong = || Error::new(Kind::Internal, "a key is not of its table");
        let Some(mapped) = self.mappings.first() else { return Ok(Vec::new()) };
        let count = i32::try_from(keys.len()).map_err(|_| wrong())?;
        let mut arrays: Vec<Vec<u8>> = Vec::with_capacity(mapped.key.len());
        for (_, column) in &mapped.key {
            let head = [1, 0, column.element.cast_signed(), count, 1];
            arrays.push(head.iter().flat_map(|field| field.to_be_bytes()).collect());
        }
        for key in keys {
            let mut rest = *key;
            for array in &mut arrays {
                let (field, behind) = split_field(rest).ok_or_else(wrong)?;
                array.extend_from_slice(field);
                rest = behind;
            }
        }
        // The statement says which type each has.
        Ok(arrays.into_iter().map(|array| (Encoded(array), Type::UNKNOWN)).collect())
    }

    fn found(&self, row: &Row) -> Result<Found> {
        let key_columns = self.mappings.first().map_or(0, |it| it.key.len());
        let version = row.try_get(1).map_err(unreadable)?;
        let texts = (0..key_columns).map(|at| row.try_get(2 + at));
        let texts: Vec<Option<String>> =
            texts.collect::<std::result::Result<_, _>>().map_err(unreadable)?;
        let mut bytes = Vec::new();
        for at in 2 + key_columns..row.len() {
            let value: Option<Raw<'_>> = row.try_get(at).map_err(unreadable)?;
            super::alike::Alike::Exact.put(value.map(|Raw(value)| value), &mut bytes);
        }
        let mut hashed = Hashed::default();
        let count = row.len() - 2 - key_columns;
        match hashed.take(&self.mappings, Some((count, &bytes))) {
            Took::Row => {
                let key = self.key_text(&texts);
                Ok(Found { hashes: hashed.hashes, version, key })
            }
            _ => Err(Error::new(Kind::Corrupt, format!("a row of {} can't be read", self.table))),
        }
    }

    /// The key as it is written everywhere else, from the server's texts.
    fn key_text(&self, texts: &[Option<String>]) -> String {
        let text = self.mappings.first().and_then(|mapped| key_text(mapped, texts));
        // A key that can't be carried has its texts.
        text.unwrap_or_else(|| serde_json::to_string(texts).unwrap_or_default())
    }
}

fn key_text(mapped: &Mapped, texts: &[Option<String>]) -> Option<String> {
    let (mut columns, mut arrays): (Vec<_>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for ((place, compared), text) in mapped.key.iter().zip(texts) {
        let column = mapped.schema.columns().get(*place)?.clone();
        let mut builder =
            ColumnBuilder::new(&arrow_type(compared.type_oid, compared.modifier), 1, 0);
        match text.as_deref() {
            // A cast spells booleans out.
            Some("true") if compared.type_oid == 16 => builder.append(b"t").ok()?,
            Some("false") if compared.type_oid == 16 => builder.append(b"f").ok()?,
            Some(text) => builder.append(text.as_bytes()).ok()?,
            None => builder.append_null(),
        }
        arrays.push(arrow_cast::cast(&builder.finish(), &column.data_type).ok()?);
        columns.push(column);
    }
    let key = (0..columns.len()).collect();
    let presence = Presence::all(columns.len());
    let schema = TableSchema::new(mapped.schema.name().clone(), 0, columns, key);
    let transaction = Transaction { epoch: 0, commit: 0, committed_at: 0, ours: false };
    let runs = vec![TransactionRun { transaction, rows: 1 }];
    let ops = vec![Op::Snapshot as u8].into();
    let batch =
        ChangeBatch::try_new(Arc::new(schema), arrays, ops, vec![0].into(), runs, presence).ok()?;
    Some(KeyTexts::new(&batch).get(0))
}

fn mapped(
    (schema, left_out): &(Arc<TableSchema>, BTreeSet<String>),
    key: &[&str],
    target: &TargetTable,
    exact: &Exact,
) -> Result<Mapped> {
    let columns = schema.columns();
    let fit = |place: usize| {
        let column = columns.get(place).map(|column| Compared::fit(column, target, exact));
        column.transpose().map(|column| column.map(|column| (place, column)))
    };
    let of_key = key.iter().filter_map(|name| schema.index_of(name));
    let is_compared = |place: &usize| {
        let is_left_out = columns.get(*place).is_some_and(|it| left_out.contains(&it.name));
        !schema.key().contains(place) && !is_left_out
    };
    let values = (0..columns.len()).filter(is_compared);
    let of = |places: Vec<usize>| -> Result<Vec<_>> {
        let fitted = places.into_iter().filter_map(|place| fit(place).transpose());
        fitted.collect()
    };
    Ok(Mapped { schema: schema.clone(), key: of(of_key.collect())?, values: of(values.collect())? })
}

fn named<'a>(schema: &'a TableSchema, places: &[usize]) -> Vec<&'a str> {
    let columns = places.iter().filter_map(|&place| schema.columns().get(place));
    columns.map(|column| column.name.as_str()).collect()
}

fn unreadable(error: tokio_postgres::Error) -> Error {
    sqlstate::error("can't read the target's rows", error)
}

fn typed(arrays: &[(Encoded, Type)]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    arrays.iter().map(|(array, of)| (array as &(dyn ToSql + Sync), of.clone())).collect()
}

/// A value as the server sends it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The fields of a row of a binary copy, and how many; `None` where it is torn.
fn fields(line: &[u8]) -> Option<(usize, &[u8])> {
    let row = match line.strip_prefix(SIGNATURE) {
        Some(_) => line.get(HEADER_BYTES..)?,
        None => line,
    };
    let Some((count, fields)) = row.split_first_chunk::<2>() else {
        return row.is_empty().then_some((0, row));
    };
    // The end of the copy counts -1 fields.
    Some((usize::try_from(i16::from_be_bytes(*count)).unwrap_or_default(), fields))
}

/// A field with its length, and what follows it.
fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = i32::from_be_bytes(*bytes.first_chunk::<4>()?);
    bytes.split_at_checked(4 + usize::try_from(length).unwrap_or_default())
}

/// What came of a row.
enum Took {
    Nothing,
    Row,
    Keyless,
    Torn,
}

/// One row in the form in which it is compared.
#[derive(Debug, Default)]
struct Hashed {
    key: Vec<u8>,
    hashes: Vec<u64>,
    room: Vec<u8>,
}

impl Hashed {
    fn take(&mut self, mappings: &[Mapped], row: Option<(usize, &[u8])>) -> Took {
        let Some((count, mut rest)) = row else { return Took::Torn };
        if count == 0 {
            return Took::Nothing;
        }
        self.key.clear();
        self.hashes.clear();
        let mut is_keyless = false;
        for (_, column) in mappings.first().map(|it| it.key.as_slice()).unwrap_or_default() {
            let Some((field, behind)) = split_field(rest) else { return Took::Torn };
            is_keyless |= field == NULL;
            put(column, field, &mut self.key);
            rest = behind;
        }
        for mapped in mappings {
            self.room.clear();
            for (_, column) in &mapped.values {
                let Some((field, behind)) = split_field(rest) else { return Took::Torn };
                put(column, field, &mut self.room);
                rest = behind;
            }
            self.hashes.push(super::forms::hash(&self.room));
        }
        if is_keyless { Took::Keyless } else { Took::Row }
    }
}

fn put(column: &Compared, field: &[u8], out: &mut Vec<u8>) {
    let value = field.get(4..).filter(|_| field != NULL);
    column.alike.put(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_and_the_end_of_a_copy_are_no_rows() {
        let mut first = SIGNATURE.to_vec();
        first.extend([0; 8]);
        assert_eq!(fields(&first), Some((0, [].as_slice())));
        first.extend(b"\0\x01\xff\xff\xff\xff");
        assert_eq!(fields(&first), Some((1, NULL.as_slice())));
        assert_eq!(fields(b"\xff\xff"), Some((0, [].as_slice())));
        assert_eq!(fields(b"\0"), None);
        assert_eq!(
            split_field(b"\0\0\0\x02ab!"),
            Some((b"\0\0\0\x02ab".as_slice(), b"!".as_slice()))
        );
        assert_eq!(split_field(b"\0\0\0\x02a"), None);
    }
}
