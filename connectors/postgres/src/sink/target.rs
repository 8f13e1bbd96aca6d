//! What the target's own catalog says of a table that is written.

use super::order::Node;
use super::sqlstate;
use crate::values::encode::PgType;
use futures::future::try_join4;
use syncline_core::{Error, Kind, Result};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

/// A table as the target describes it.
#[derive(Debug, Clone)]
pub(crate) struct TargetTable {
    /// Its object identifier.
    pub(crate) oid: u32,
    /// Its name as SQL: quoted and qualified.
    pub(crate) sql: String,
    /// Its columns.
    pub(crate) columns: Vec<TargetColumn>,
    /// Sets of columns that are unique and that `ON CONFLICT` can name.
    pub(crate) unique: Vec<UniqueIndex>,
    /// The tables its foreign keys refer to; itself where it refers to itself.
    pub(crate) parents: Vec<u32>,
    /// The tables whose foreign keys refer to it; itself where it refers to itself.
    pub(crate) children: Vec<u32>,
    /// Whether a constraint on it or to it can be checked late.
    pub(crate) deferrable: bool,
    /// Whether `COPY` writes to it: not through a view, nor where row-level security holds for us.
    pub(crate) copyable: bool,
}

/// A unique index that is neither partial, nor deferrable, nor on expressions.
#[derive(Debug, Clone)]
pub(crate) struct UniqueIndex {
    /// Its columns, in its order.
    pub(crate) columns: Vec<String>,
    /// Whether it has rows in the order that comparing rows of these columns gives.
    pub(crate) ordered: bool,
}

/// A column as the target describes it.
#[derive(Debug, Clone)]
pub(crate) struct TargetColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type, domains resolved.
    pub(crate) pg_type: PgType,
    /// Whether it may be null.
    pub(crate) nullable: bool,
    /// Whether it is computed and can't be written.
    pub(crate) generated: bool,
    /// Whether it is an identity that the server always makes, unless an insert overrides it.
    pub(crate) identity_always: bool,
}

impl TargetTable {
    /// Whether its rows refer to rows of the same table.
    pub(crate) fn refers_to_itself(&self) -> bool {
        self.parents.contains(&self.oid)
    }

    /// It and the tables it refers to.
    pub(crate) fn node(&self) -> Node {
        Node { oid: self.oid, parents: self.parents.clone() }
    }

    /// Whether any foreign key refers to it.
    pub(crate) fn is_referenced(&self) -> bool {
        !self.children.is_empty()
    }
}

/// A name as SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

const TABLE: &str = "
    SELECT c.oid, EXISTS (
        SELECT FROM pg_catalog.pg_constraint k
        WHERE k.condeferrable AND c.oid IN (k.conrelid, k.confrelid)),
        c.relkind IN ('r', 'p') AND NOT pg_catalog.row_security_active(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f')";

/// Domains are followed down to the type they are made of.
const COLUMNS: &str = "
    WITH RECURSIVE base AS (
        SELECT a.attnum, t.oid, t.typtype, t.typbasetype
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT base.attnum, t.oid, t.typtype, t.typbasetype
        FROM base JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype
        WHERE base.typtype = 'd')
    SELECT a.attname::text, t.oid, t.typname::text, pg_catalog.format_type(t.oid, -1),
        t.typtype = 'e', NOT a.attnotnull, a.attgenerated <> '', a.attidentity = 'a'
    FROM base
    JOIN pg_catalog.pg_class c ON c.relname = $2
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = base.attnum
    JOIN pg_catalog.pg_type t ON t.oid = base.oid
    WHERE base.typtype <> 'd'
    ORDER BY a.attnum";

const UNIQUE: &str = "
    SELECT ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]
        ORDER BY place),
        (SELECT pg_catalog.min(i.indoption[place] & 1) = pg_catalog.max(i.indoption[place] & 1)
                AND pg_catalog.bool_and(o.opcdefault)
            FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
            JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[place])
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indimmediate
        AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";

const FOREIGN_KEYS: &str = "
    SELECT k.conrelid, k.confrelid
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid IN (k.conrelid, k.confrelid)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND k.contype = 'f' AND k.conparentid = 0";

/// Reads what the catalog says of a table.
///
/// # Errors
/// `Config` when there is no such table.
pub(crate) async fn describe(client: &Client, schema: &str, table: &str) -> Result<TargetTable> {
    let named = format!("{schema}.{table}");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&schema, Type::TEXT), (&table, Type::TEXT)];
    let ask = |query| client.query_typed(query, &parameters);
    let answers = try_join4(ask(TABLE), ask(COLUMNS), ask(UNIQUE), ask(FOREIGN_KEYS)).await;
    let unreadable = |error| sqlstate::error(format!("can't look at table {named}"), error);
    let (found, columns, unique, foreign_keys) = answers.map_err(unreadable)?;
    let Some(found) = found.first() else {
        return Err(Error::new(Kind::Config, format!("there is no table {named} to write to"))
            .hint("create the table, or correct its name in the mapping"));
    };
    let describe = || -> std::result::Result<TargetTable, tokio_postgres::Error> {
        let oid: u32 = found.try_get(0)?;
        let edges: Vec<(u32, u32)> = foreign_keys
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<std::result::Result<_, tokio_postgres::Error>>()?;
        Ok(TargetTable {
            oid,
            sql: format!("{}.{}", quoted(schema), quoted(table)),
            columns: columns.iter().map(column).collect::<std::result::Result<_, _>>()?,
            unique: unique
                .iter()
                .map(|row| Ok(UniqueIndex { columns: row.try_get(0)?, ordered: row.try_get(1)? }))
                .collect::<std::result::Result<_, tokio_postgres::Error>>()?,
            parents: edges.iter().filter(|edge| edge.0 == oid).map(|edge| edge.1).collect(),
            children: edges.iter().filter(|edge| edge.1 == oid).map(|edge| edge.0).collect(),
            deferrable: found.try_get(1)?,
            copyable: found.try_get(2)?,
        })
    };
    describe().map_err(unreadable)
}

fn column(row: &Row) -> std::result::Result<TargetColumn, tokio_postgres::Error> {
    Ok(TargetColumn {
        name: row.try_get(0)?,
        pg_type: PgType {
            oid: row.try_get(1)?,
            name: row.try_get(2)?,
            sql: row.try_get(3)?,
            is_enum: row.try_get(4)?,
        },
        nullable: row.try_get(5)?,
        generated: row.try_get(6)?,
        identity_always: row.try_get(7)?,
    })
}
