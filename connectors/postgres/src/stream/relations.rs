//! Which table a relation of the stream is, and what its columns are.
//!
//! The first description of a table is compared with what was known of it; when it differs, or when
//! another one follows, the catalog is asked.

use super::columns::{SentType, describe, difference};
use super::message::{RelationMessage, SentColumn};
use crate::begin::Wanted;
use crate::catalog::{base_types, captured_columns, read_tables};
use crate::source::Capture;
use crate::values::arrow_type;
use crate::wire::{Connection, Purpose, literal};
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{Error, Identity, Kind, Report, Result, TableName, TableSchema};

/// The columns that snapshot and stream carry of a table: not those that are generated or not
/// published.
pub(crate) fn captured(wanted: &Wanted) -> TableSchema {
    let mut table = wanted.relation.table.schema.clone();
    if let Some(published) = &wanted.published.columns {
        let columns = table.columns().iter().cloned().map(|mut column| {
            column.generated |= !published.contains(&column.name);
            column
        });
        table = TableSchema::new(
            table.name().clone(),
            table.revision(),
            columns.collect(),
            table.key().to_vec(),
        );
    }
    captured_columns(&table)
}

/// These columns under the revision that follows: the same where nothing changed.
pub(crate) fn next_revision(previous: &TableSchema, now: TableSchema) -> TableSchema {
    let same = previous.columns() == now.columns() && previous.key() == now.key();
    let revision = previous.revision() + u32::from(!same);
    TableSchema::new(now.name().clone(), revision, now.columns().to_vec(), now.key().to_vec())
}

/// A wanted table as the stream last described it.
#[derive(Debug)]
struct Known {
    oid: u32,
    schema: Arc<TableSchema>,
    /// What the stream says while nothing changes.
    expected: Option<Vec<SentColumn>>,
    /// Whether the stream described it in this session.
    described: bool,
    identity: Vec<bool>,
}

/// All relations of a session.
pub(super) struct Relations<'a> {
    capture: &'a Capture<'a>,
    known: Vec<Known>,
    /// Every relation that was described: which table it is, if we want it.
    by_oid: HashMap<u32, Option<usize>>,
    last: (u32, Option<usize>),
    /// Opened when the catalog is first asked.
    catalog: Option<Connection>,
}

/// What a description of a relation means.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) table: usize,
    pub(super) oid: u32,
    pub(super) schema: Arc<TableSchema>,
}

impl<'a> Relations<'a> {
    /// The tables as the note has them.
    pub(super) fn new(capture: &'a Capture<'a>, wanted: &[Wanted], noted: &[TableSchema]) -> Self {
        let known = wanted.iter().zip(noted).map(|(wanted, noted)| {
            let now = captured(wanted);
            let same = noted.columns() == now.columns() && noted.key() == now.key();
            Known {
                oid: wanted.relation.oid,
                schema: Arc::new(noted.clone()),
                expected: same.then(|| expected(wanted, noted)),
                described: false,
                identity: Vec::new(),
            }
        });
        Self {
            capture,
            known: known.collect(),
            by_oid: HashMap::new(),
            last: (0, None),
            catalog: None,
        }
    }

    /// The tables' columns, in the order in which they were asked for.
    pub(super) fn schemas(&self) -> impl Iterator<Item = Arc<TableSchema>> + '_ {
        self.known.iter().map(|known| known.schema.clone())
    }

    /// The table of a relation; `None` for one that nobody asked for.
    ///
    /// # Errors
    /// `Corrupt` when the stream never described it.
    #[inline]
    pub(super) fn table(&mut self, oid: u32) -> Result<Option<usize>> {
        if self.last.0 == oid {
            return Ok(self.last.1);
        }
        let table = *self.by_oid.get(&oid).ok_or_else(|| {
            Error::new(Kind::Corrupt, "the stream has rows of a relation it never described")
                .detail(format!("relation {oid}"))
        })?;
        self.last = (oid, table);
        Ok(table)
    }

    /// Whether a column of a table is part of what identifies its rows.
    pub(super) fn is_identity(&self, table: usize, column: usize) -> bool {
        let known = self.known.get(table);
        known.and_then(|known| known.identity.get(column)).copied().unwrap_or(false)
    }

    pub(super) fn name(&self, table: usize) -> Option<TableName> {
        self.known.get(table).map(|known| known.schema.name().clone())
    }

    /// Takes a description in; says what changed, if anything did.
    ///
    /// # Errors
    /// `Config` when the table is another one than before; `Unavailable` when the catalog can't be
    /// asked.
    pub(super) fn describe(&mut self, message: RelationMessage) -> Result<Option<Change>> {
        self.last = (0, None);
        let name = TableName::table(self.capture.system, &message.schema, &message.table);
        let place = self
            .known
            .iter()
            .position(|known| known.oid == message.oid)
            .or_else(|| self.known.iter().position(|known| *known.schema.name() == name));
        self.by_oid.insert(message.oid, place);
        let Some((table, known)) = place.and_then(|at| Some((at, self.known.get_mut(at)?))) else {
            return Ok(None);
        };
        if known.oid != message.oid {
            let known = known.oid;
            if !self.is_still(known, &message)? {
                return Err(made_again(&name));
            }
            // An older table of this name; the one we know was copied since.
            self.by_oid.insert(message.oid, None);
            return Ok(None);
        }
        known.identity = message.columns.iter().map(|column| column.identity).collect();
        let same = known.expected.as_ref().is_some_and(|sent| same_columns(sent, &message));
        let first = !std::mem::replace(&mut known.described, true);
        if same && first {
            return Ok(None);
        }
        let mut catalog = match self.catalog.take() {
            Some(catalog) => catalog,
            None => Connection::open(self.capture.settings, Purpose::Query)?,
        };
        // A second description means that something was altered, perhaps a column dropped and
        // added again under its name: it may read the same and not be the same.
        if same && same_numbers(&mut catalog, &message, &known.schema)? {
            self.catalog = Some(catalog);
            return Ok(None);
        }
        let schema = ask_catalog(self.capture, &mut catalog, &message, &known.schema)?;
        self.catalog = Some(catalog);
        known.expected = Some(message.columns);
        if schema.revision() == known.schema.revision() {
            return Ok(None);
        }
        let difference = difference(&known.schema, &schema);
        known.schema = Arc::new(schema);
        let schema = known.schema.clone();
        self.capture.outlet.report(Report::Notice(format!("{name} changed: {difference}")));
        self.capture.outlet.report(Report::Schema(schema.clone()));
        Ok(Some(Change { table, oid: message.oid, schema }))
    }

    /// Whether a table that we know has the name that a description says.
    fn is_still(&mut self, oid: u32, message: &RelationMessage) -> Result<bool> {
        let mut catalog = match self.catalog.take() {
            Some(catalog) => catalog,
            None => Connection::open(self.capture.settings, Purpose::Query)?,
        };
        let rows = catalog.query(&format!(
            "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = {oid} AND n.nspname = {} AND c.relname = {}",
            literal(&message.schema),
            literal(&message.table)
        ))?;
        self.catalog = Some(catalog);
        Ok(!rows.is_empty())
    }
}

fn made_again(name: &TableName) -> Error {
    Error::new(Kind::Config, format!("{name} was dropped and made again since it was copied"))
        .detail("changes made in between were not captured")
        .hint(format!("copy it again: syncline backfill {name}"))
}

/// What the stream should say of a table that did not change.
fn expected(wanted: &Wanted, noted: &TableSchema) -> Vec<SentColumn> {
    let all = &wanted.relation.table;
    let sent = all.schema.columns().iter().zip(&wanted.relation.columns);
    sent.filter_map(|(column, sent)| {
        let at = noted.index_of(&column.name)?;
        Some(SentColumn {
            name: column.name.clone(),
            type_oid: sent.type_oid,
            modifier: sent.modifier,
            identity: match all.identity {
                Identity::Full => true,
                Identity::Key => noted.key().contains(&at),
                Identity::Nothing => false,
            },
        })
    })
    .collect()
}

/// Whether the columns are the same; with whole images every column is said to identify the row,
/// which says nothing of the key.
fn same_columns(expected: &[SentColumn], message: &RelationMessage) -> bool {
    expected.len() == message.columns.len()
        && expected.iter().zip(&message.columns).all(|(expected, sent)| {
            (&expected.name, expected.type_oid, expected.modifier)
                == (&sent.name, sent.type_oid, sent.modifier)
                && (message.identity_full || expected.identity == sent.identity)
        })
}

/// Whether the catalog has the same attribute numbers as these columns.
fn same_numbers(
    catalog: &mut Connection,
    message: &RelationMessage,
    known: &TableSchema,
) -> Result<bool> {
    let rows = catalog.query(&format!(
        "SELECT attnum, attname FROM pg_attribute WHERE attrelid = {} AND attnum > 0",
        message.oid
    ))?;
    let mut numbers = HashMap::with_capacity(rows.len());
    for row in &rows {
        numbers.insert(row.text(1), row.parse::<i32>(0)?);
    }
    Ok(known.columns().iter().all(|column| numbers.get(column.name.as_str()) == Some(&column.id)))
}

/// Asks the catalog about a relation that reads differently than before.
fn ask_catalog(
    capture: &Capture<'_>,
    connection: &mut Connection,
    message: &RelationMessage,
    previous: &TableSchema,
) -> Result<TableSchema> {
    let name = TableName::table(capture.system, &message.schema, &message.table);
    let now = read_tables(connection, capture.system, Some(&[name]))?
        .into_iter()
        .find(|relation| relation.oid == message.oid);
    let base_types = base_types(connection)?;
    let list = |of: &dyn Fn(&SentColumn) -> String| {
        message.columns.iter().map(of).collect::<Vec<_>>().join(",")
    };
    let rows = connection.query(&format!(
        "SELECT format_type(t.oid, t.modifier) FROM unnest(ARRAY[{}]::oid[], ARRAY[{}]::int[]) \
         WITH ORDINALITY t(oid, modifier, place) ORDER BY t.place",
        list(&|column| column.type_oid.to_string()),
        list(&|column| column.modifier.to_string()),
    ))?;
    let types: Vec<SentType> = message
        .columns
        .iter()
        .zip(&rows)
        .map(|(column, row)| {
            let (base, modifier) = base_types.resolve(column.type_oid, column.modifier);
            SentType { data_type: arrow_type(base, modifier), native: row.text(0).to_owned() }
        })
        .collect();
    Ok(describe(message, &types, now.as_ref(), previous))
}
