//! Rows of a source table as its snapshot and its stream give them: the same columns, the same filter, the
//! same codec.

use crate::begin::Wanted;
use crate::catalog::{append_line, column_list, qualified, read_tables};
use crate::publication::published;
use crate::rows::{Change, RowBatch};
use crate::settings::Settings;
use crate::stream::captured;
use crate::values::encode::{Encoder, Form, put_copy_text};
use crate::wire::{Connection, CopyStep, Purpose, identifier};
use arrow_schema::DataType;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{
    ChangeBatch, Error, Kind, Op, Result, SystemName, TableName, TableSchema, Transaction,
};

/// How often a read that gets nothing asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);

/// A source table, to be read in whole or by key. Blocks.
#[derive(Debug, Clone)]
pub struct SourceRows {
    settings: Settings,
    schema: Arc<TableSchema>,
    /// What is read from, and the condition that published rows meet.
    from: String,
    filter: Option<String>,
    rows_estimated: u64,
}

impl SourceRows {
    /// Looks at a table; of its columns those are read that are named, and its key.
    ///
    /// # Errors
    /// `Unavailable` when the server is away; `Config` where the table is not there.
    pub fn open(
        system: &SystemName,
        settings: &Settings,
        table: &TableName,
        columns: &BTreeSet<String>,
    ) -> Result<Self> {
        let mut connection = Connection::open(settings, Purpose::Query)?;
        let found = read_tables(&mut connection, system, Some(std::slice::from_ref(table)))?;
        let relation = found
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(Kind::Config, format!("there is no table {table}")))?;
        let published = published(&mut connection, system, settings)?.remove(table);
        let wanted = Wanted { relation, published: published.unwrap_or_default() };
        // As everywhere: what inherits is a table of its own, a partitioned table is one.
        let only = if wanted.relation.partitioned { "" } else { "ONLY " };
        Ok(Self {
            settings: settings.clone(),
            schema: Arc::new(narrowed(&captured(&wanted), columns)),
            from: format!("{only}{}", qualified(table, system)?),
            filter: wanted.published.filter,
            rows_estimated: wanted.relation.table.rows_estimated,
        })
    }

    /// How many rows there are, about.
    #[must_use]
    pub fn rows_estimated(&self) -> u64 {
        self.rows_estimated
    }

    /// Whether single rows can be asked for.
    #[must_use]
    pub fn has_key(&self) -> bool {
        !self.schema.key().is_empty()
    }

    /// Reads all rows, batch by batch.
    ///
    /// # Errors
    /// As of `open`; and what `each` says.
    pub fn scan(&self, each: &mut dyn FnMut(ChangeBatch) -> Result<()>) -> Result<()> {
        let condition = self.filter.as_ref().map(|it| format!(" WHERE {it}")).unwrap_or_default();
        self.read(&condition, each)
    }

    /// Reads the rows with these keys, as [`SourceRows::keys`] writes them, at one moment.
    ///
    /// # Errors
    /// As of `scan`.
    pub fn rows(
        &self,
        keys: &[&[u8]],
        each: &mut dyn FnMut(ChangeBatch) -> Result<()>,
    ) -> Result<()> {
        let text = |key: &&[u8]| String::from_utf8_lossy(key).into_owned();
        let keys: Vec<String> = keys.iter().map(text).collect();
        let columns: Vec<_> =
            self.schema.key().iter().filter_map(|&at| self.schema.columns().get(at)).collect();
        let names: Vec<String> = columns.iter().map(|column| identifier(&column.name)).collect();
        let is_meant = match (columns.as_slice(), names.as_slice()) {
            ([column], [name]) => {
                format!("{name} = ANY (ARRAY[{}]::{}[])", keys.join(", "), column.native_type)
            }
            _ => {
                let casts = columns.iter().enumerate();
                let casts = casts.map(|(at, column)| format!("v.c{at}::{}", column.native_type));
                let aliases = (0..columns.len()).map(|at| format!("c{at}"));
                format!(
                    "({}) IN (SELECT {} FROM (VALUES {}) AS v({}))",
                    names.join(", "),
                    casts.collect::<Vec<_>>().join(", "),
                    keys.iter().map(|key| format!("({key})")).collect::<Vec<_>>().join(", "),
                    aliases.collect::<Vec<_>>().join(", "),
                )
            }
        };
        let filter = self.filter.as_ref().map(|it| format!(" AND ({it})")).unwrap_or_default();
        self.read(&format!(" WHERE {is_meant}{filter}"), each)
    }

    /// The keys of a batch's rows, as SQL: what single rows are asked for by. Empty where the table has none.
    ///
    /// # Errors
    /// `Internal` when the batch is not of this table.
    pub fn keys(&self, batch: &ChangeBatch) -> Result<Vec<Vec<u8>>> {
        let wrong = |error| Error::new(Kind::Internal, "a key can't be written").caused_by(error);
        let columns = batch.schema().key().iter().map(|&at| {
            let array = batch.columns().column(at);
            Encoder::new(array, form(array.data_type())).map_err(wrong)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut field = Vec::new();
        let mut key = |row: usize| {
            let mut key = Vec::new();
            for (at, column) in columns.iter().enumerate() {
                field.clear();
                put_copy_text(column, row, &mut field)
                    .map_err(|unfit| Error::new(Kind::Internal, unfit.to_string()))?;
                if at > 0 {
                    key.extend_from_slice(b", ");
                }
                push_literal(&field, &mut key);
            }
            Ok(key)
        };
        (0..batch.len()).map(&mut key).collect()
    }

    fn read(&self, condition: &str, each: &mut dyn FnMut(ChangeBatch) -> Result<()>) -> Result<()> {
        let mut connection = Connection::open(&self.settings, Purpose::Copy)?;
        connection.set_tick(Some(TICK))?;
        let (columns, from) = (column_list(&self.schema), &self.from);
        let sql = format!("COPY (SELECT {columns} FROM {from}{condition}) TO STDOUT");
        connection.start_copy(&sql, &mut || Ok(()))?;
        let mut rows = RowBatch::new(self.schema.clone());
        let transaction = Transaction { epoch: 0, commit: 0, committed_at: 0, ours: false };
        loop {
            match connection.copy_step()? {
                CopyStep::Line(line) => {
                    let ordinal = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    append_line(
                        &mut rows,
                        Change { op: Op::Snapshot, ordinal, transaction },
                        line,
                    )?;
                }
                CopyStep::Tick => each(ChangeBatch::empty(self.schema.clone()))?,
                CopyStep::Done => break,
            }
            let is_full = rows.len() >= self.settings.batch_rows_max
                || rows.text_bytes() >= self.settings.batch_bytes_max;
            if is_full {
                each(rows.finish()?)?;
            }
        }
        if rows.is_empty() { Ok(()) } else { each(rows.finish()?) }
    }
}

/// The columns that are wanted, and the key.
fn narrowed(table: &TableSchema, wanted: &BTreeSet<String>) -> TableSchema {
    let all = table.columns().iter().enumerate();
    let kept = all.filter(|(at, it)| wanted.contains(&it.name) || table.key().contains(at));
    let kept: Vec<usize> = kept.map(|(at, _)| at).collect();
    let key = table.key().iter().filter_map(|key| kept.iter().position(|at| at == key)).collect();
    let columns = kept.iter().filter_map(|&at| table.columns().get(at).cloned()).collect();
    TableSchema::new(table.name().clone(), table.revision(), columns, key)
}

/// The form of a source's own values.
fn form(of: &DataType) -> Form {
    match of {
        DataType::Boolean => Form::Bool,
        DataType::Int16 => Form::Int2,
        DataType::Int32 => Form::Int4,
        DataType::Int64 => Form::Int8,
        DataType::Float32 => Form::Float4,
        DataType::Float64 => Form::Float8,
        DataType::Decimal128(precision, scale) => Form::Decimal(*precision, *scale),
        DataType::Binary => Form::Bytea,
        DataType::Date32 => Form::Date,
        DataType::Time64(_) => Form::Time,
        DataType::Timestamp(..) => Form::Timestamp,
        DataType::FixedSizeBinary(_) => Form::Uuid,
        _ => Form::Text,
    }
}

/// A field of a text copy as a literal: what is escaped there is escaped alike in `E'…'`.
fn push_literal(field: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"E'");
    for &byte in field {
        if byte == b'\'' {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_stay_what_they_are() {
        let mut out = Vec::new();
        push_literal(b"O'Neill \\\\ \\n", &mut out);
        assert_eq!(out, b"E'O''Neill \\\\ \\n'");
    }
}
