//! The partitions of a table, and whether they log what the stream says of their root.
//!
//! With changes under the root's name, the stream describes a row by the *root's* replica identity;
//! what is in it of the row before is by the *partition's*. PostgreSQL never carries one over to the
//! other: `ALTER TABLE root REPLICA IDENTITY …` leaves the partitions as they are.

use super::read::{Relation, json};
use crate::wire::{Connection, Row, identifier};
use syncline_core::{Identity, Result};

/// Statements that a message names at most.
const MENDS_MAX: usize = 10;

/// A relation that holds rows of a partitioned table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) oid: u32,
    /// Quoted name.
    name: String,
    /// Whether it is a table: a foreign one has no log.
    is_table: bool,
    replica_identity: String,
    /// The columns that identify a row in its log.
    identity: Vec<String>,
    /// Its part of the index that is the root's replica identity, quoted.
    index: Option<String>,
}

/// The partitions of these relations, by root and in order of their identifiers.
pub(super) fn partitions_sql(oids: &str) -> String {
    format!(
        "SELECT r.oid, l.oid, n.nspname, l.relname, l.relkind = 'r', l.relreplident, \
         (SELECT coalesce(json_agg(a.attname), '[]') FROM pg_index i \
         CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indrelid = l.oid AND k.place <= i.indnkeyatts AND i.indisunique AND i.indisvalid \
         AND i.indimmediate AND i.indpred IS NULL AND CASE l.relreplident \
         WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END), \
         (SELECT x.relname FROM pg_index o CROSS JOIN pg_partition_tree(o.indexrelid) t \
         JOIN pg_index i ON i.indexrelid = t.relid JOIN pg_class x ON x.oid = t.relid \
         WHERE o.indrelid = r.oid AND o.indisreplident AND i.indrelid = l.oid) \
         FROM pg_class r CROSS JOIN pg_partition_tree(r.oid) p JOIN pg_class l ON l.oid = p.relid \
         JOIN pg_namespace n ON n.oid = l.relnamespace \
         WHERE r.oid IN ({oids}) AND r.relkind = 'p' AND p.isleaf ORDER BY r.oid, l.oid"
    )
}

pub(super) fn partition(row: &Row) -> Result<Partition> {
    Ok(Partition {
        oid: row.parse(1)?,
        name: format!("{}.{}", identifier(row.text(2)), identifier(row.text(3))),
        is_table: row.is_true(4),
        replica_identity: row.text(5).to_owned(),
        identity: json(row.text(6))?,
        index: row.get(7).map(identifier),
    })
}

impl Partition {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its log identifies rows by at least these columns.
    fn identifies(&self, root: Identity, key: &[&str]) -> bool {
        let whole = self.replica_identity == "f" || !self.is_table;
        match root {
            Identity::Full => whole,
            Identity::Key => {
                whole || key.iter().all(|&name| self.identity.iter().any(|column| column == name))
            }
            Identity::Nothing => true,
        }
    }

    /// The statement that makes it log what its root says.
    fn mend(&self, root: Identity) -> String {
        let identity = match (&self.index, root) {
            (Some(index), Identity::Key) => format!("USING INDEX {index}"),
            (None, Identity::Key) if self.replica_identity != "d" => "DEFAULT".to_owned(),
            _ => "FULL".to_owned(),
        };
        format!("ALTER TABLE {} REPLICA IDENTITY {identity}", self.name)
    }

    /// Whether it has rows from before it was attached, which no change tells of. Rows that came
    /// later through its root don't count.
    ///
    /// The row of `pg_inherits` is as old as the attachment, and that of the row type as old as the
    /// table: where both are of one transaction, the table was made as a partition or filled just
    /// before, which the order of commands in that transaction tells apart.
    pub(crate) fn has_rows_of_its_own(&self, connection: &mut Connection) -> Result<bool> {
        if !self.is_table {
            return Ok(false);
        }
        let found = connection.query_one(&format!(
            "SELECT EXISTS (SELECT FROM ONLY {} r CROSS JOIN \
             (SELECT i.xmin AS xid, i.cmin AS command, t.xmin = i.xmin AS at_once FROM pg_inherits i \
             JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_type t ON t.oid = c.reltype \
             WHERE i.inhrelid = {}) a WHERE CASE WHEN r.xmin = a.xid \
             THEN r.cmin::text::bigint < a.command::text::bigint \
             ELSE NOT a.at_once AND age(r.xmin) > age(a.xid) END)",
            self.name, self.oid
        ))?;
        Ok(found.is_true(0))
    }
}

/// The statements to run where partitions don't log what their root says, as one text; `None` where
/// all do.
pub(crate) fn identity_mends(relation: &Relation) -> Option<String> {
    let schema = &relation.table.schema;
    let key = schema.key().iter().filter_map(|&at| schema.columns().get(at));
    let key: Vec<&str> = key.map(|column| column.name.as_str()).collect();
    let root = relation.table.identity;
    let lacking = relation.partitions.iter().filter(|partition| !partition.identifies(root, &key));
    let mends: Vec<String> = lacking.map(|partition| partition.mend(root)).collect();
    let named = mends.get(..MENDS_MAX).unwrap_or(&mends).join("; ");
    match mends.len().saturating_sub(MENDS_MAX) {
        0 if mends.is_empty() => None,
        0 => Some(named),
        more => Some(format!("{named}; and so for {more} more")),
    }
}

/// Partitions in a form to compare: which there are, and what they log.
pub(crate) fn fingerprint(partitions: &[Partition]) -> String {
    let parts = partitions.iter().map(|partition| {
        let Partition { oid, replica_identity, .. } = partition;
        format!("{oid}{replica_identity}")
    });
    parts.collect::<Vec<_>>().join(",")
}

/// The same of the relation `c`, as an expression of SQL; empty where it has none.
pub(crate) const FINGERPRINT_SQL: &str = "(SELECT coalesce(string_agg(l.oid::text || l.relreplident::text, ',' ORDER BY l.oid), '') \
     FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid \
     WHERE p.isleaf AND c.relkind = 'p')";
