//! What is changed at the source: the same rows for all contenders.

use std::fmt::Write;

/// The table: nine columns, about 170 bytes a row as the stream sends it.
pub const TABLES: &str = "
    CREATE TABLE people (
        id bigint PRIMARY KEY,
        external_id uuid NOT NULL,
        given_name text NOT NULL,
        family_name text NOT NULL,
        email text NOT NULL,
        department integer NOT NULL,
        score double precision,
        updated_at timestamptz NOT NULL,
        note text
    );
    CREATE TABLE marks (id bigint PRIMARY KEY);
";

/// Its columns.
pub const COLUMNS: &str =
    "id, external_id, given_name, family_name, email, department, score, updated_at, note";

/// Six expressions over them, in their place.
pub const EXPRESSIONS: &str = "id, external_id, upper(given_name), trim(family_name), lower(email),
    department + 1, coalesce(score, 0) * 2, updated_at, given_name || ' ' || note";

/// A filter that takes one in twenty away.
pub const FILTER: &str = "WHERE department <> 7";

/// How many tables there are, and how large their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// One is `people`; of more, each is a `people_0` and so on.
    pub tables: u32,
    /// Rows of about 2 KB, which PostgreSQL still keeps whole in the table, in place of 170 bytes.
    pub is_wide: bool,
}

impl Shape {
    /// One table of small rows.
    pub const SMALL: Self = Self { tables: 1, is_wide: false };

    /// The names of the tables.
    pub fn names(self) -> impl Iterator<Item = String> {
        (0..self.tables).map(move |number| self.name(number))
    }

    /// What makes the tables.
    #[must_use]
    pub fn definition(self) -> String {
        let mut sql = TABLES.to_owned();
        if self.tables > 1 {
            for name in self.names() {
                let _ = write!(sql, "CREATE TABLE {name} (LIKE people INCLUDING ALL);");
            }
            sql.push_str("DROP TABLE people;");
        }
        sql
    }

    fn name(self, number: u32) -> String {
        if self.tables == 1 { "people".to_owned() } else { format!("people_{number}") }
    }
}

/// One kind of change to many rows.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    kind: Kind,
    /// Rows changed.
    pub rows: u32,
    /// Rows a transaction; each transaction is of one table, the next of the next.
    transaction: u32,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
    /// Of ten: three inserts, four updates, three deletes; as many rows after as before.
    Mixed,
    /// The whole table, whatever went before.
    Delete,
}

/// How many kinds of change there are.
pub const KINDS: usize = 4;

/// All kinds of change at each size of a transaction, in an order that begins and ends with empty tables.
/// Transactions of one row are of a fifth of the rows.
pub fn all(rows: u32, transactions: &[u32], shape: Shape) -> Vec<Workload> {
    let kinds: [Kind; KINDS] = [Kind::Insert, Kind::Update, Kind::Mixed, Kind::Delete];
    transactions
        .iter()
        .map(|&transaction| (if transaction == 1 { rows / 5 } else { rows }, transaction.min(rows)))
        .flat_map(|(rows, transaction)| {
            kinds.map(|kind| Workload { kind, rows, transaction, shape })
        })
        .collect()
}

impl Workload {
    /// New rows, a thousand a transaction.
    #[must_use]
    pub fn inserts(rows: u32) -> Self {
        Self { kind: Kind::Insert, rows, transaction: 1000, shape: Shape::SMALL }
    }

    /// Every row once, a thousand a transaction.
    #[must_use]
    pub fn updates(rows: u32) -> Self {
        Self { kind: Kind::Update, ..Self::inserts(rows) }
    }

    /// Its name in the report.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Insert => "inserts",
            Kind::Update => "updates",
            Kind::Mixed => "mixed",
            Kind::Delete => "deletes",
        };
        format!("{kind}, {} a transaction", self.transaction)
    }

    /// A block that makes the changes and commits as it goes. Rows are met in an order that is
    /// scattered over each table, save where they are new.
    #[must_use]
    pub fn sql(&self) -> String {
        let Self { rows, transaction, shape, .. } = *self;
        let tables = shape.tables;
        let changes = match tables {
            1 => self.change("people", 0),
            _ => {
                let change = |(number, table): (u32, String)| {
                    format!("WHEN {number} THEN {}", self.change(&table, number))
                };
                let changes: String = (0..).zip(shape.names()).map(change).collect();
                format!("CASE step % {tables} {changes} END CASE;")
            }
        };
        format!(
            "DO $$
             DECLARE
                 first bigint;
             BEGIN
                 FOR step IN 0 .. {rows} / {transaction} - 1 LOOP
                     first := (step / {tables}) * {transaction};
                     {changes}
                     COMMIT;
                 END LOOP;
             END $$"
        )
    }

    /// Of a table, which has the numbers from 0 on.
    fn change(&self, table: &str, number: u32) -> String {
        let Self { transaction, shape, .. } = *self;
        let rows = self.rows / shape.tables;
        let last = format!("first + {transaction} - 1");
        // A stride that shares no factor with the row counts visits every row once.
        let scattered = format!("SELECT (i * 7919) % {rows} FROM generate_series(first, {last}) i");
        let update = "SET score = score + 1, updated_at = clock_timestamp()";
        let insert = |numbers: &str| insert_into(table, numbers, shape.is_wide);
        match self.kind {
            Kind::Insert => insert(&format!("SELECT generate_series(first, {last})")),
            Kind::Update => format!("UPDATE {table} {update} WHERE id = ANY (ARRAY({scattered}));"),
            Kind::Mixed => {
                let new = format!(
                    "SELECT {rows} + i FROM generate_series(first, {last}) AS i WHERE i % 10 < 3"
                );
                let met = format!("{scattered} WHERE i % 10 BETWEEN");
                format!(
                    "{}
                     UPDATE {table} {update} WHERE id = ANY (ARRAY({met} 3 AND 6));
                     DELETE FROM {table} WHERE id = ANY (ARRAY({met} 7 AND 9));",
                    insert(&new)
                )
            }
            Kind::Delete => format!(
                "DELETE FROM {table} WHERE id = ANY (ARRAY(
                     SELECT id FROM gone WHERE number = {number} AND place BETWEEN first AND {last}));"
            ),
        }
    }

    /// What must be there before the changes, in the writer's session.
    #[must_use]
    pub fn prepare(&self) -> Option<String> {
        let of = |(number, table): (u32, String)| {
            format!(
                "SELECT {number} AS number, row_number() OVER (ORDER BY hashint8(id)) - 1 AS place, id
                 FROM {table} WHERE id >= 0"
            )
        };
        let all: Vec<String> = (0..).zip(self.shape.names()).map(of).collect();
        (self.kind == Kind::Delete).then(|| {
            format!(
                "DROP TABLE IF EXISTS gone;
                 CREATE TEMP TABLE gone AS {};
                 CREATE INDEX ON gone (number, place); ANALYZE gone",
                all.join(" UNION ALL ")
            )
        })
    }
}

/// Inserts a row for each number of a query.
#[must_use]
pub fn insert(numbers: &str) -> String {
    insert_into("people", numbers, false)
}

fn insert_into(table: &str, numbers: &str, is_wide: bool) -> String {
    let note = if is_wide { "repeat(md5(i::text), 57)" } else { "'note ' || md5(i::text)" };
    format!(
        "INSERT INTO {table} SELECT i, md5(i::text)::uuid, 'Given ' || i % 1000,
             'Family ' || i % 5000, 'person.' || i || '@uni.example', i % 20, i * 0.5,
             timestamptz '2026-01-01Z' + make_interval(secs => i), {note}
         FROM ({numbers}) AS numbers (i);"
    )
}

#[cfg(test)]
mod tests {
    use super::{Shape, Workload, all};

    #[test]
    fn every_workload_has_its_own_name() {
        let names: Vec<String> =
            all(1000, &[1, 100], Shape::SMALL).iter().map(Workload::name).collect();
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
