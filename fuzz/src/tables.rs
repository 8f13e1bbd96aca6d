//! The tables that the targets know: `everything`, with a column for each way in which values are carried, at two
//! systems and as an entity.

use crate::{pgoutput, scratch};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use syncline_core::{
    Body, CatalogTable, ChangeBatch, Column, Identity, SystemName, TableName, TableSchema,
};
use syncline_mappings::{Catalog, Entity, Mapping, Options, SqlFile, check};
use syncline_postgres::fuzzing::{COLUMNS, EVERYTHING, snapshot, stream};

/// Two rows as a first copy has them.
const LINES: &[u8] = b"1\t-2\t3\t1.5\tNaN\tt\t12.3400\t0.0000000001\t-7e3\ta 'text'\tab    \t\\\\x00ff\t2026-11-27\t\
    24:00:00\t2026-11-27 05:00:00.5\tinfinity\ta0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\t{\"a\": 1}\t{1,NULL}\n\
    2\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n";

/// What mapping files are run by.
const MAPPING: &str = "INSERT INTO lms.public.everything (id, small, txt, exact, instant) \
    SELECT id, small, upper(txt), CAST(exact + 1 AS numeric(20,4)), instant FROM sis.public.everything WHERE flag";

/// The schemas of rows: of the source, and of the entity.
#[must_use]
pub fn schemas() -> &'static [Arc<TableSchema>] {
    static SCHEMAS: LazyLock<Vec<Arc<TableSchema>>> = LazyLock::new(|| {
        let of_source = snapshot(b"").expect("no rows are a batch").schema().clone();
        let of_entity = named(&of_source, TableName::entity("person"));
        vec![of_source, Arc::new(of_entity)]
    });
    &SCHEMAS
}

/// What mappings may name.
#[must_use]
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
        let tables = ["sis", "lms"].map(|system| {
            let name = TableName::table(&SystemName::new(system), "public", "everything");
            (name.clone(), table(named(&schemas()[0], name)))
        });
        let file = "person/entity.toml".to_owned();
        let person = Entity { schema: schemas()[1].clone(), file };
        let entities = BTreeMap::from([("person".to_owned(), person)]);
        Catalog { tables: BTreeMap::from(tables), entities }
    });
    &CATALOG
}

/// Rows of `sis.public.everything`, by copy and by stream: whole ones, ones that lack columns, ones that go.
///
/// # Panics
/// Never: they are fixed.
#[must_use]
pub fn batches() -> &'static [ChangeBatch] {
    static BATCHES: LazyLock<Vec<ChangeBatch>> = LazyLock::new(|| {
        let (entries, error) = stream(&streamed(), scratch::directory().path());
        assert!(entries.len() == 1, "{error:?}");
        let mut batches = vec![snapshot(LINES).expect("lines are a batch")];
        batches.extend(entries.into_iter().filter_map(|entry| match entry.body {
            Body::Rows(batch) => Some(batch),
            _ => None,
        }));
        batches
    });
    &BATCHES
}

/// A mapping of each kind, planned.
pub(crate) fn mappings() -> &'static [Mapping] {
    static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
        let file = SqlFile { path: "everything.sql".to_owned(), text: MAPPING.to_owned() };
        let checked = check(&[file], catalog(), &Options::default());
        assert!(checked.mappings.len() == 1, "{:?}", checked.diagnostics);
        checked.mappings
    });
    &MAPPINGS
}

fn named(of: &TableSchema, name: TableName) -> TableSchema {
    let columns: Vec<Column> = of.columns().to_vec();
    TableSchema::new(name, of.revision(), columns, of.key().to_vec())
}

fn table(schema: TableSchema) -> CatalogTable {
    CatalogTable {
        schema,
        identity: Identity::Key,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    }
}

/// A transaction as `pgoutput` says it: a row comes, another gets a new key, one changes in part, one goes.
fn streamed() -> Vec<u8> {
    let relation = EVERYTHING.to_be_bytes();
    let lines: Vec<&[u8]> = LINES.split(|byte| *byte == b'\n').collect();
    let whole: Vec<Option<&[u8]>> = lines[0].split(|byte| *byte == b'\t').map(Some).collect();
    let mut part = vec![None; whole.len()];
    (part[0], part[5]) = (whole[0], whole[5]);
    let other = |id: &'static [u8]| {
        let mut row = part.clone();
        row[0] = Some(id);
        tuple(&row)
    };
    let messages = [
        [&b"B"[..], &[0, 0, 0, 0, 0, 0, 1, 0], &[0; 12]].concat(),
        described(),
        [&b"I"[..], &relation, b"N", &tuple(&whole)].concat(),
        [&b"U"[..], &relation, b"K", &other(b"1"), b"N", &other(b"7")].concat(),
        [&b"U"[..], &relation, b"N", &tuple(&part)].concat(),
        [&b"D"[..], &relation, b"K", &other(b"7")].concat(),
        [&b"C"[..], &[0; 9], &[0, 0, 0, 0, 0, 0, 2, 0], &[0; 8]].concat(),
    ];
    messages.iter().flat_map(|message| pgoutput::frame(message)).collect()
}

/// The description of `everything`.
fn described() -> Vec<u8> {
    let mut message = [&b"R"[..], &EVERYTHING.to_be_bytes(), b"public\0everything\0d"].concat();
    message.extend((COLUMNS.len() as u16).to_be_bytes());
    for (at, (name, _, oid, modifier)) in COLUMNS.into_iter().enumerate() {
        message.push(u8::from(at == 0));
        message.extend(name.as_bytes());
        message.push(0);
        message.extend(oid.to_be_bytes());
        message.extend(modifier.to_be_bytes());
    }
    message
}

/// A row, whose values are absent where there is none.
fn tuple(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        match value {
            Some(text) => {
                bytes.push(b't');
                bytes.extend((text.len() as u32).to_be_bytes());
                bytes.extend(*text);
            }
            None => bytes.push(b'u'),
        }
    }
    bytes
}
