//! Catalog queries. All run in one snapshot, so that they describe one moment.

use super::partitions::{Partition, partition, partitions_sql};
use crate::values::arrow_type;
use crate::wire::{Connection, Row, literal};
use std::collections::HashMap;
use syncline_core::{
    CatalogTable, Column, Error, ForeignKey, Identity, Kind, Result, SystemName, TableName,
    TableSchema,
};

/// A table with what only PostgreSQL knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) oid: u32,
    pub(crate) partitioned: bool,
    /// What holds its rows, where it is partitioned.
    pub(crate) partitions: Vec<Partition>,
    pub(crate) table: CatalogTable,
    /// Beside each column of the table's schema.
    pub(crate) columns: Vec<RelationColumn>,
}

/// A column as the stream will describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationColumn {
    pub(crate) type_oid: u32,
    pub(crate) modifier: i32,
}

/// Domains and what they are based on.
#[derive(Debug, Clone, Default)]
pub(crate) struct BaseTypes(HashMap<u32, Domain>);

#[derive(Debug, Clone)]
struct Domain {
    base: u32,
    modifier: i32,
    /// The type that it is based on, as PostgreSQL writes it.
    base_name: String,
    not_null: bool,
    has_default: bool,
}

impl BaseTypes {
    /// The type below all domains, with the modifier that holds there.
    pub(crate) fn resolve(&self, type_oid: u32, modifier: i32) -> (u32, i32) {
        let (mut oid, mut resolved) = (type_oid, modifier);
        // Bounded: a domain is never based on itself.
        while let Some(domain) = self.0.get(&oid) {
            (oid, resolved) = (domain.base, domain.modifier);
        }
        (oid, resolved)
    }

    /// The name of the type below all domains; `None` where the type is no domain.
    fn base_name(&self, type_oid: u32) -> Option<&str> {
        let mut domain = self.0.get(&type_oid)?;
        while let Some(below) = self.0.get(&domain.base) {
            domain = below;
        }
        Some(&domain.base_name)
    }

    fn any(&self, type_oid: u32, what: impl Fn(&Domain) -> bool) -> bool {
        let mut oid = type_oid;
        while let Some(domain) = self.0.get(&oid) {
            if what(domain) {
                return true;
            }
            oid = domain.base;
        }
        false
    }
}

/// Reads all domains.
pub(crate) fn base_types(connection: &mut Connection) -> Result<BaseTypes> {
    let rows = connection.query(
        "SELECT oid, typbasetype, typtypmod, typnotnull, typdefault IS NOT NULL, \
         format_type(typbasetype, typtypmod) \
         FROM pg_type WHERE typtype = 'd'",
    )?;
    let mut domains = HashMap::with_capacity(rows.len());
    for row in rows {
        let domain = Domain {
            base: row.parse(1)?,
            modifier: row.parse(2)?,
            base_name: row.text(5).to_owned(),
            not_null: row.is_true(3),
            has_default: row.is_true(4),
        };
        domains.insert(row.parse(0)?, domain);
    }
    Ok(BaseTypes(domains))
}

/// Reads the user tables of a database, or those of them that are named.
pub(crate) fn read_tables(
    connection: &mut Connection,
    system: &SystemName,
    only: Option<&[TableName]>,
) -> Result<Vec<Relation>> {
    connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let relations = read_in_transaction(connection, system, only);
    connection.query("COMMIT")?;
    relations
}

fn read_in_transaction(
    connection: &mut Connection,
    system: &SystemName,
    only: Option<&[TableName]>,
) -> Result<Vec<Relation>> {
    let tables = connection.query(&tables_sql(only))?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let oids: Vec<&str> = tables.iter().map(|row| row.text(0)).collect();
    let oids = oids.join(",");
    let facts = Facts {
        base_types: base_types(connection)?,
        columns: by_table(connection.query(&columns_sql(&oids))?)?,
        indexes: by_table(connection.query(&indexes_sql(&oids))?)?,
        partitions: by_table(connection.query(&partitions_sql(&oids))?)?,
        foreign_keys: by_table(connection.query(&foreign_keys_sql(&oids))?)?,
        enums: by_table(connection.query(
            "SELECT enumtypid, json_agg(enumlabel ORDER BY enumsortorder) \
             FROM pg_enum GROUP BY enumtypid",
        )?)?,
    };
    tables.iter().map(|row| facts.relation(system, row)).collect()
}

fn tables_sql(only: Option<&[TableName]>) -> String {
    let mut sql = String::from(
        "SELECT c.oid, n.nspname, c.relname, c.relreplident, CASE c.relkind WHEN 'p' THEN \
         (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0)::bigint FROM pg_partition_tree(c.oid) p \
         JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf) \
         ELSE greatest(c.reltuples, 0)::bigint END, c.relkind = 'p' \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'",
    );
    if let Some(names) = only {
        let names: Vec<String> = names
            .iter()
            .filter_map(|name| match name {
                TableName::Table { schema, table, .. } => {
                    Some(format!("({}, {})", literal(schema), literal(table)))
                }
                TableName::Entity(_) => None,
            })
            .collect();
        let list = if names.is_empty() { "(NULL, NULL)".to_owned() } else { names.join(", ") };
        sql += &format!(" AND (n.nspname, c.relname) IN ({list})");
    }
    sql + " ORDER BY n.nspname, c.relname"
}

fn columns_sql(oids: &str) -> String {
    format!(
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, \
         format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '', a.attgenerated <> '' \
         FROM pg_attribute a WHERE a.attrelid IN ({oids}) AND a.attnum > 0 \
         AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
    )
}

/// Unique indexes over plain columns that hold for every row at every moment: one that is deferrable
/// is no replica identity, and no target of `ON CONFLICT`.
fn indexes_sql(oids: &str) -> String {
    format!(
        "SELECT i.indrelid, i.indisprimary, i.indisreplident, \
         (SELECT json_agg(k.attnum ORDER BY k.place) \
         FROM unnest(i.indkey) WITH ORDINALITY k(attnum, place) WHERE k.place <= i.indnkeyatts) \
         FROM pg_index i WHERE i.indrelid IN ({oids}) AND i.indisunique AND i.indisvalid \
         AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
         ORDER BY i.indrelid, i.indexrelid"
    )
}

fn foreign_keys_sql(oids: &str) -> String {
    let names = |keys: &str, table: &str| {
        format!(
            "(SELECT json_agg(a.attname ORDER BY k.place) \
             FROM unnest(o.{keys}) WITH ORDINALITY k(attnum, place) \
             JOIN pg_attribute a ON a.attrelid = o.{table} AND a.attnum = k.attnum)"
        )
    };
    format!(
        "SELECT o.conrelid, o.conname, {}, n.nspname, c.relname, {} FROM pg_constraint o \
         JOIN pg_class c ON c.oid = o.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE o.contype = 'f' AND o.conparentid = 0 AND o.conrelid IN ({oids}) \
         ORDER BY o.conrelid, o.conname",
        names("conkey", "conrelid"),
        names("confkey", "confrelid"),
    )
}

/// The answers of all queries, by the object identifier in their first column.
struct Facts {
    base_types: BaseTypes,
    columns: HashMap<u32, Vec<Row>>,
    indexes: HashMap<u32, Vec<Row>>,
    partitions: HashMap<u32, Vec<Row>>,
    foreign_keys: HashMap<u32, Vec<Row>>,
    enums: HashMap<u32, Vec<Row>>,
}

impl Facts {
    fn relation(&self, system: &SystemName, row: &Row) -> Result<Relation> {
        let oid = row.parse(0)?;
        let name = TableName::table(system, row.text(1), row.text(2));
        let mut columns = Vec::new();
        let mut sent = Vec::new();
        for row in rows(&self.columns, oid) {
            let (type_oid, modifier) = (row.parse(3)?, row.parse(4)?);
            columns.push(self.column(row, type_oid, modifier)?);
            sent.push(RelationColumn { type_oid, modifier });
        }
        let (identity, key, unique) = self.keys(oid, row.text(3))?;
        let places = |ids: &[i32]| -> Vec<usize> {
            ids.iter().filter_map(|id| columns.iter().position(|c| c.id == *id)).collect()
        };
        let key = places(&key);
        let unique = unique
            .iter()
            .map(|ids| places(ids).iter().map(|&at| columns[at].name.clone()).collect())
            .collect();
        let enums = self.enums(&columns, &sent)?;
        let based = columns.iter().zip(&sent);
        let domains = based.filter_map(|(column, sent)| {
            let base = self.base_types.base_name(sent.type_oid)?;
            Some((column.name.clone(), base.to_owned()))
        });
        let domains = domains.collect();
        let table = CatalogTable {
            schema: TableSchema::new(name, 1, columns, key),
            identity,
            foreign_keys: self.foreign_keys(system, oid)?,
            unique,
            enums,
            domains,
            rows_estimated: row.parse(4)?,
        };
        let partitions = rows(&self.partitions, oid).map(partition).collect::<Result<_>>()?;
        Ok(Relation { oid, partitioned: row.is_true(5), partitions, table, columns: sent })
    }

    fn column(&self, row: &Row, type_oid: u32, modifier: i32) -> Result<Column> {
        let (base, base_modifier) = self.base_types.resolve(type_oid, modifier);
        Ok(Column {
            name: row.text(2).to_owned(),
            id: row.parse(1)?,
            data_type: arrow_type(base, base_modifier),
            native_type: row.text(5).to_owned(),
            nullable: !row.is_true(6) && !self.base_types.any(type_oid, |d| d.not_null),
            has_default: row.is_true(7) || self.base_types.any(type_oid, |d| d.has_default),
            generated: row.is_true(8),
        })
    }

    /// What the table sends before a change, its key, and its other unique sets, by attribute
    /// number.
    fn keys(
        &self,
        oid: u32,
        replica_identity: &str,
    ) -> Result<(Identity, Vec<i32>, Vec<Vec<i32>>)> {
        let (mut primary, mut chosen, mut unique) = (None, None, Vec::new());
        for row in rows(&self.indexes, oid) {
            let columns: Vec<i32> = json(row.text(3))?;
            if row.is_true(2) {
                chosen = Some(columns.clone());
            }
            match row.is_true(1) {
                true => primary = Some(columns),
                false => unique.push(columns),
            }
        }
        let by_index = replica_identity == "i";
        let identity = match replica_identity {
            "f" => Identity::Full,
            // The chosen index may have been dropped since.
            "i" if chosen.is_some() => Identity::Key,
            "d" if primary.is_some() => Identity::Key,
            _ => Identity::Nothing,
        };
        let key = if by_index { chosen.or_else(|| primary.clone()) } else { primary.clone() };
        let key = key.unwrap_or_default();
        if by_index {
            unique.extend(primary);
        }
        unique.retain(|columns| *columns != key);
        Ok((identity, key, unique))
    }

    fn foreign_keys(&self, system: &SystemName, oid: u32) -> Result<Vec<ForeignKey>> {
        rows(&self.foreign_keys, oid)
            .map(|row| {
                Ok(ForeignKey {
                    name: row.text(1).to_owned(),
                    columns: json(row.text(2))?,
                    references: TableName::table(system, row.text(3), row.text(4)),
                    referenced: json(row.text(5))?,
                })
            })
            .collect()
    }

    fn enums(
        &self,
        columns: &[Column],
        sent: &[RelationColumn],
    ) -> Result<Vec<(String, Vec<String>)>> {
        let mut labelled = Vec::new();
        for (column, sent) in columns.iter().zip(sent) {
            let (base, _) = self.base_types.resolve(sent.type_oid, sent.modifier);
            if let Some(row) = rows(&self.enums, base).next() {
                labelled.push((column.name.clone(), json(row.text(1))?));
            }
        }
        Ok(labelled)
    }
}

fn by_table(rows: Vec<Row>) -> Result<HashMap<u32, Vec<Row>>> {
    let mut tables: HashMap<u32, Vec<Row>> = HashMap::new();
    for row in rows {
        tables.entry(row.parse(0)?).or_default().push(row);
    }
    Ok(tables)
}

fn rows(of: &HashMap<u32, Vec<Row>>, oid: u32) -> impl Iterator<Item = &Row> {
    of.get(&oid).into_iter().flatten()
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::Corrupt, "the server's catalog answered something unexpected")
            .caused_by(error)
    })
}
