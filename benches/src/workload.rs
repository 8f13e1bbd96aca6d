//! What is changed at the source: the same rows for both contenders.

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

/// One kind of change to many rows.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    kind: Kind,
    /// Rows changed.
    pub rows: u32,
    /// Rows a transaction.
    transaction: u32,
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

/// All workloads, in an order that begins and ends with an empty table.
pub fn all(rows: u32) -> Vec<Workload> {
    let kinds = [Kind::Insert, Kind::Update, Kind::Mixed, Kind::Delete];
    [(rows, 1000), (rows / 5, 1)]
        .into_iter()
        .flat_map(|(rows, transaction)| kinds.map(|kind| Workload { kind, rows, transaction }))
        .collect()
}

impl Workload {
    /// New rows, a thousand a transaction.
    #[must_use]
    pub fn inserts(rows: u32) -> Self {
        Self { kind: Kind::Insert, rows, transaction: 1000 }
    }

    /// Every row once, a thousand a transaction.
    #[must_use]
    pub fn updates(rows: u32) -> Self {
        Self { kind: Kind::Update, rows, transaction: 1000 }
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
    /// scattered over the table, save where they are new.
    pub fn sql(&self) -> String {
        let Self { rows, transaction, .. } = *self;
        let change = self.change();
        format!(
            "DO $$
             DECLARE
                 first bigint;
             BEGIN
                 FOR first IN SELECT generate_series(0, {rows} - 1, {transaction}) LOOP
                     {change}
                     COMMIT;
                 END LOOP;
             END $$"
        )
    }

    fn change(&self) -> String {
        let Self { rows, transaction, .. } = *self;
        let last = format!("first + {transaction} - 1");
        // A stride that shares no factor with the row counts visits every row once.
        let scattered = format!("SELECT (i * 7919) % {rows} FROM generate_series(first, {last}) i");
        let update = format!(
            "UPDATE people SET score = score + 1, updated_at = clock_timestamp()
             WHERE id = ANY (ARRAY({scattered}));"
        );
        match self.kind {
            Kind::Insert => insert(&format!("SELECT generate_series(first, {last})")),
            Kind::Update => update,
            Kind::Mixed => {
                let new = format!(
                    "SELECT {rows} + i FROM generate_series(first, {last}) AS i WHERE i % 10 < 3"
                );
                let met = format!("{scattered} WHERE i % 10 BETWEEN");
                format!(
                    "{}
                     UPDATE people SET score = score + 1, updated_at = clock_timestamp()
                     WHERE id = ANY (ARRAY({met} 3 AND 6));
                     DELETE FROM people WHERE id = ANY (ARRAY({met} 7 AND 9));",
                    insert(&new)
                )
            }
            Kind::Delete => format!(
                "DELETE FROM people WHERE id = ANY (ARRAY(
                     SELECT id FROM gone WHERE place BETWEEN first AND {last}));"
            ),
        }
    }

    /// What must be there before the changes, in the writer's session.
    pub fn prepare(&self) -> Option<&'static str> {
        (self.kind == Kind::Delete).then_some(
            "DROP TABLE IF EXISTS gone;
             CREATE TEMP TABLE gone AS
                 SELECT row_number() OVER (ORDER BY hashint8(id)) - 1 AS place, id FROM people;
             CREATE INDEX ON gone (place); ANALYZE gone",
        )
    }
}

/// Inserts a row for each number of a query.
pub fn insert(numbers: &str) -> String {
    format!(
        "INSERT INTO people SELECT i, md5(i::text)::uuid, 'Given ' || i % 1000,
             'Family ' || i % 5000, 'person.' || i || '@uni.example', i % 20, i * 0.5,
             timestamptz '2026-01-01Z' + make_interval(secs => i), 'note ' || md5(i::text)
         FROM ({numbers}) AS numbers (i);"
    )
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn every_workload_has_its_own_name() {
        let names: Vec<String> = all(1000).iter().map(super::Workload::name).collect();
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
