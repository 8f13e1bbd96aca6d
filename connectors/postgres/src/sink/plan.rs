//! The SQL that writes one mapping's columns to one table. Pure: catalog and schema in, text out.
//!
//! Rows travel as one array parameter a column, so that a statement takes any number of rows
//! without meeting the limit on parameters, and is prepared once:
//!
//! ```sql
//! UPDATE "public"."users" AS t SET "name" = u.c1
//! FROM (SELECT unnest($1::bigint[]) AS c0, unnest($2::text[]) AS c1) AS u WHERE t."id" = ANY (ARRAY[u.c0])
//! ```
//!
//! As columns of a query the arrays are taken apart row by row; as a table (`FROM unnest(…)`) each is written
//! down whole first, to a file where it is larger than `work_mem`: a fifth more work for the server.
//!
//! Keys are compared by `= ANY`, and several columns as rows, not by `=` alone: an equality also offers
//! the planner to read the whole index once and compare each of its rows with each of ours. Of a table
//! that was vacuumed while all its rows were uncommitted it believes that there are none, and takes that.

use super::target::{TargetColumn, TargetTable, UniqueIndex, quoted};
use crate::values::encode::Form;
use std::fmt::Write as _;
use syncline_core::{Column, ColumnMask, Error, Kind, Result, TableSchema};

/// `text`, which every value can be sent as.
const TEXT_OID: u32 = 25;

/// How the columns of one schema go to one table.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The table's name as SQL.
    pub(crate) table: String,
    /// Its columns in the schema's order.
    pub(crate) columns: Vec<PlannedColumn>,
    /// Indexes of the key's columns.
    pub(crate) key: Vec<usize>,
    /// The same in the order of an index by which rows of them are compared, where there is one.
    ordered_key: Option<Vec<usize>>,
    /// Whether a key column may be null: then no index finds a row again.
    pub(crate) nullable_key: bool,
    /// Whether the server must be told to take our identity values.
    overrides_identity: bool,
}

/// One column of a plan.
#[derive(Debug, Clone)]
pub(crate) struct PlannedColumn {
    /// Its name as SQL.
    pub(crate) sql: String,
    /// How its values are sent.
    pub(crate) form: Form,
    /// The type of the elements of its array parameter.
    pub(crate) element: u32,
    /// That type as SQL.
    element_sql: String,
    /// What the server must turn the element into, where it must.
    cast: Option<String>,
    /// Whether an update may set it: an identity that is always generated can't be.
    settable: bool,
    nullable: bool,
    /// Whether values that are equal to the server are equal as we send them.
    exact: bool,
}

/// Types, by name, whose equal values have one form. Of all others, `citext` and `numeric` among
/// them, two keys that differ for us may be one for the server.
const EXACT: [&str; 14] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "oid",
    "uuid",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "text",
    "varchar",
    "bytea",
    "name",
];

impl PlannedColumn {
    /// Fits a mapping's column to the target's of that name.
    fn fit(column: &Column, target: &TargetTable) -> Result<Self> {
        let Some(found) = target.columns.iter().find(|found| found.name == column.name) else {
            let missing = format!("table {} has no column {:?}", target.sql, column.name);
            return Err(Error::new(Kind::Config, missing)
                .hint("add the column to the table, or take it out of the mapping"));
        };
        if found.generated {
            let computed = format!("column {:?} of {} is generated", column.name, target.sql);
            return Err(Error::new(Kind::Config, computed).hint("take it out of the mapping"));
        }
        let TargetColumn { pg_type, .. } = found;
        let Some(form) = Form::choose(&column.data_type, pg_type) else {
            let (from, to) = (&column.data_type, &pg_type.sql);
            let unfit = format!("column {:?} of {} can't take {from}", column.name, target.sql);
            return Err(Error::new(Kind::Config, unfit)
                .detail(format!("it is {to}, and values could be lost on the way"))
                .hint(format!("cast it in the mapping, such as CAST({} AS ...)", column.name)));
        };
        let (element, element_sql, cast) = if form.is_binary() {
            (pg_type.oid, pg_type.sql.clone(), None)
        } else {
            (TEXT_OID, "pg_catalog.text".into(), Some(pg_type.sql.clone()))
        };
        Ok(Self {
            sql: quoted(&column.name),
            form,
            element,
            element_sql,
            cast,
            settable: !found.identity_always,
            nullable: found.nullable,
            exact: pg_type.is_enum || EXACT.contains(&pg_type.name.as_str()),
        })
    }
}

impl Plan {
    /// Fits a mapping's schema to the table it writes.
    ///
    /// # Errors
    /// `Config` when the table lacks a column or a unique index on the key, or a type doesn't fit.
    pub(crate) fn new(schema: &TableSchema, target: &TargetTable) -> Result<Self> {
        let columns = schema
            .columns()
            .iter()
            .map(|column| PlannedColumn::fit(column, target))
            .collect::<Result<Vec<_>>>()?;
        let key = schema.key().to_vec();
        let named = |&index: &usize| schema.columns().get(index).map(|column| column.name.as_str());
        let key_names: Vec<&str> = key.iter().filter_map(named).collect();
        let is_key = |unique: &&UniqueIndex| {
            unique.columns.len() == key_names.len()
                && unique.columns.iter().all(|name| key_names.contains(&name.as_str()))
        };
        let mut indexes = target.unique.iter().filter(is_key);
        let Some(index) = indexes.clone().find(|it| it.ordered).or_else(|| indexes.next()) else {
            return Err(no_key(schema, target, &key_names));
        };
        let overrides_identity = columns.iter().any(|column| !column.settable);
        let nullable_key =
            key.iter().any(|&index| columns.get(index).is_some_and(|column| column.nullable));
        let place = |name: &String| key.get(key_names.iter().position(|it| it == name)?).copied();
        let is_comparable = index.ordered && !nullable_key;
        let ordered_key = is_comparable.then(|| index.columns.iter().filter_map(place).collect());
        let table = target.sql.clone();
        Ok(Self { table, columns, key, ordered_key, nullable_key, overrides_identity })
    }

    /// Every column.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.columns.len()).collect()
    }

    /// Whether rows can go by `COPY` in binary.
    pub(crate) fn copies_binary(&self) -> bool {
        self.columns.iter().all(|column| column.form.is_binary())
    }

    /// `COPY … FROM STDIN` of all columns.
    pub(crate) fn copy(&self) -> String {
        let format = if self.copies_binary() { "binary" } else { "text" };
        format!("COPY {} ({}) FROM STDIN (FORMAT {format})", self.table, self.names(&self.all()))
    }

    /// Sets these columns where the key is there; `None` where there is nothing to set.
    pub(crate) fn update(&self, columns: &[usize]) -> Option<String> {
        let settable: Vec<&PlannedColumn> =
            self.settable(columns).map(|(_, column)| column).collect();
        if settable.is_empty() {
            return None;
        }
        let set = self
            .settable(columns)
            .map(|(index, column)| format!("{} = {}", column.sql, column.value("u", index)))
            .collect::<Vec<_>>();
        let (table, set, rows) = (&self.table, set.join(", "), self.rows(columns));
        Some(format!("UPDATE {table} AS t SET {set} FROM {rows} WHERE {}", self.same_key()))
    }

    /// Inserts whole rows, or where the key is there makes them so.
    pub(crate) fn insert_or_update(&self) -> String {
        self.insert(None)
    }

    /// The same for those rows alone whose key isn't there as the statement begins.
    pub(crate) fn insert_missing(&self) -> String {
        let present = self.present();
        self.insert(Some(&present))
    }

    fn insert(&self, unless: Option<&str>) -> String {
        let columns = self.all();
        let names = self.names(&columns);
        let values = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| column.value("u", index))
            .collect::<Vec<_>>();
        let mut sql = format!("INSERT INTO {} AS t ({names}) ", self.table);
        if self.overrides_identity {
            sql.push_str("OVERRIDING SYSTEM VALUE ");
        }
        let _ = write!(sql, "SELECT {} FROM {}", values.join(", "), self.rows(&columns));
        if let Some(present) = unless {
            let _ = write!(sql, " WHERE NOT EXISTS ({present})");
        }
        if self.nullable_key {
            // NULLs never conflict, so the condition above is all there is.
            return sql;
        }
        let set = self
            .settable(&columns)
            .map(|(_, column)| format!("{0} = excluded.{0}", column.sql))
            .collect::<Vec<_>>();
        let _ = write!(sql, " ON CONFLICT ({}) DO ", self.names(&self.key));
        if set.is_empty() {
            sql.push_str("NOTHING");
        } else {
            let _ = write!(sql, "UPDATE SET {}", set.join(", "));
        }
        sql
    }

    /// Deletes by key.
    pub(crate) fn delete(&self) -> String {
        let (table, keys) = (&self.table, self.rows(&self.key));
        format!("DELETE FROM {table} AS t USING {keys} WHERE {}", self.same_key())
    }

    /// Whether keys that differ may be one for the server.
    pub(crate) fn has_loose_key(&self) -> bool {
        self.key.iter().any(|&index| self.columns.get(index).is_some_and(|column| !column.exact))
    }

    /// Deletes by key, save what is one with a key of the second half of the parameters.
    pub(crate) fn delete_except(&self) -> String {
        let kept = self.rows_from(self.key.len() + 1, "w", &self.key);
        format!(
            "{} AND NOT EXISTS (SELECT FROM {kept} WHERE {})",
            self.delete(),
            self.equal_keys("w")
        )
    }

    /// Counts the keys that are not there.
    pub(crate) fn count_missing(&self) -> String {
        let (keys, present) = (self.rows(&self.key), self.present());
        format!("SELECT pg_catalog.count(*) FROM {keys} WHERE NOT EXISTS ({present})")
    }

    /// The names, as SQL, of the columns that a mask lacks.
    pub(crate) fn lacking(&self, mask: &ColumnMask) -> String {
        let names = self.columns.iter().enumerate().filter(|(index, _)| !mask.has(*index));
        names.map(|(_, column)| column.sql.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What is set where the key is there; of the key what may be written in another way.
    fn settable<'a>(
        &'a self,
        columns: &'a [usize],
    ) -> impl Iterator<Item = (usize, &'a PlannedColumn)> {
        columns.iter().filter_map(|&index| Some((index, self.columns.get(index)?))).filter(
            |(index, column)| column.settable && (!column.exact || !self.key.contains(index)),
        )
    }

    fn names(&self, columns: &[usize]) -> String {
        let names = columns.iter().filter_map(|&index| self.columns.get(index));
        names.map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn rows(&self, columns: &[usize]) -> String {
        self.rows_from(1, "u", columns)
    }

    /// The rows of the parameters from this one on, named by the columns' indexes.
    fn rows_from(&self, first: usize, rows: &str, columns: &[usize]) -> String {
        let array = |(place, &index): (usize, &usize)| {
            let element = self.columns.get(index).map_or("", |column| &column.element_sql);
            format!("pg_catalog.unnest(${}::{element}[]) AS c{index}", first + place)
        };
        let arrays: Vec<String> = columns.iter().enumerate().map(array).collect();
        format!("(SELECT {}) AS {rows}", arrays.join(", "))
    }

    /// The row of the table that has the key of one of ours. The offset keeps the planner from making a join of
    /// it, for which it may read the whole index: it looks once for each of our rows.
    fn present(&self) -> String {
        format!("SELECT FROM {} AS t WHERE {} OFFSET 0", self.table, self.same_key())
    }

    /// That a row of the table has the key of one of ours, in a form that its index is used for.
    fn same_key(&self) -> String {
        match self.ordered_key.as_deref() {
            Some(&[index]) => {
                let Some(column) = self.columns.get(index) else { return String::new() };
                format!("t.{} = ANY (ARRAY[{}])", column.sql, column.value("u", index))
            }
            Some(key) => {
                let of = |value: fn(&PlannedColumn, usize) -> String| {
                    let columns =
                        key.iter().filter_map(|&it| Some(value(self.columns.get(it)?, it)));
                    columns.collect::<Vec<_>>().join(", ")
                };
                let theirs = of(|column, _| format!("t.{}", column.sql));
                let ours = of(|column, index| column.value("u", index));
                format!("({theirs}) >= ({ours}) AND ({theirs}) <= ({ours})")
            }
            None => self.equal_keys("u"),
        }
    }

    fn equal_keys(&self, rows: &str) -> String {
        let same = self.key.iter().filter_map(|&index| {
            let column = self.columns.get(index)?;
            let equals = if column.nullable { "IS NOT DISTINCT FROM" } else { "=" };
            Some(format!("t.{} {equals} {}", column.sql, column.value(rows, index)))
        });
        same.collect::<Vec<_>>().join(" AND ")
    }
}

impl PlannedColumn {
    /// The value of the column with this index in a row of parameters.
    fn value(&self, rows: &str, index: usize) -> String {
        match &self.cast {
            None => format!("{rows}.c{index}"),
            Some(to) => format!("{rows}.c{index}::{to}"),
        }
    }
}

fn no_key(schema: &TableSchema, target: &TargetTable, key: &[&str]) -> Error {
    let table = &target.sql;
    if key.is_empty() {
        return Error::new(Kind::Config, format!("{} has no key to write by", schema.name()))
            .hint(format!("ALTER TABLE {table} ADD PRIMARY KEY (...)"));
    }
    let columns = key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    Error::new(Kind::Config, format!("{table} has no unique index on ({columns})"))
        .detail(
            "rows are found again by their key; the index may be neither partial nor deferrable",
        )
        .hint(format!("CREATE UNIQUE INDEX ON {table} ({columns})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::encode::PgType;
    use arrow_schema::DataType;
    use syncline_core::{SystemName, TableName};

    fn target_column(name: &str, oid: u32, sql: &str) -> TargetColumn {
        let type_name = if sql == "bigint" { "int8" } else { sql };
        let pg_type = PgType { oid, name: type_name.into(), sql: sql.into(), is_enum: false };
        TargetColumn {
            name: name.into(),
            pg_type,
            nullable: false,
            generated: false,
            identity_always: false,
        }
    }

    fn unique(columns: &[&str]) -> UniqueIndex {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        UniqueIndex { columns, ordered: true }
    }

    fn target() -> TargetTable {
        TargetTable {
            oid: 1,
            sql: "\"s\".\"t\"".into(),
            columns: vec![
                target_column("id", 20, "bigint"),
                target_column("no\"te", 25, "text"),
                target_column("ip", 869, "inet"),
            ],
            unique: vec![unique(&["id"])],
            parents: Vec::new(),
            children: Vec::new(),
            deferrable: false,
            copyable: true,
        }
    }

    fn schema(columns: &[(&str, DataType)], key: Vec<usize>) -> TableSchema {
        let columns = columns
            .iter()
            .map(|(name, data_type)| Column {
                name: (*name).into(),
                id: 0,
                data_type: data_type.clone(),
                native_type: String::new(),
                nullable: true,
                has_default: false,
                generated: false,
            })
            .collect();
        TableSchema::new(TableName::table(&SystemName::new("lms"), "s", "t"), 1, columns, key)
    }

    fn plan(target: &TargetTable) -> Result<Plan> {
        let columns = [("id", DataType::Int64), ("no\"te", DataType::Utf8), ("ip", DataType::Utf8)];
        Plan::new(&schema(&columns, vec![0]), target)
    }

    #[test]
    fn an_update_names_only_the_columns_that_changed() {
        let plan = plan(&target()).unwrap();
        assert_eq!(
            plan.update(&[0, 2]).unwrap(),
            "UPDATE \"s\".\"t\" AS t SET \"ip\" = u.c2::inet \
             FROM (SELECT pg_catalog.unnest($1::bigint[]) AS c0, \
             pg_catalog.unnest($2::pg_catalog.text[]) AS c2) AS u \
             WHERE t.\"id\" = ANY (ARRAY[u.c0])"
        );
        assert_eq!(plan.update(&[0]), None);
    }

    #[test]
    fn several_columns_are_compared_in_the_order_of_their_index() {
        let columns = [("id", DataType::Int64), ("no\"te", DataType::Utf8), ("ip", DataType::Utf8)];
        let schema = schema(&columns, vec![0, 2]);
        let mut target = target();
        target.unique = vec![unique(&["ip", "id"])];
        let ends = |target: &TargetTable, end: &str| {
            let delete = Plan::new(&schema, target).unwrap().delete();
            assert!(delete.ends_with(end), "{delete}");
        };
        let (ours, theirs) = ("(u.c2::inet, u.c0)", "(t.\"ip\", t.\"id\")");
        ends(&target, &format!(" WHERE {theirs} >= {ours} AND {theirs} <= {ours}"));
        let equal = " WHERE t.\"id\" = u.c0 AND t.\"ip\" = u.c2::inet";
        target.unique[0].ordered = false;
        ends(&target, equal);
        target.unique.push(unique(&["id", "ip"]));
        ends(&target, " <= (u.c0, u.c2::inet)");
    }

    #[test]
    fn names_are_quoted_wherever_they_stand() {
        let plan = plan(&target()).unwrap();
        assert_eq!(
            plan.copy(),
            "COPY \"s\".\"t\" (\"id\", \"no\"\"te\", \"ip\") FROM STDIN (FORMAT text)"
        );
        assert!(plan.insert_or_update().ends_with(
            " ON CONFLICT (\"id\") DO UPDATE SET \"no\"\"te\" = excluded.\"no\"\"te\", \
             \"ip\" = excluded.\"ip\""
        ));
    }

    #[test]
    fn an_identity_that_is_always_generated_is_overridden_and_never_set() {
        let mut target = target();
        target.columns[1].identity_always = true;
        let plan = plan(&target).unwrap();
        assert!(plan.insert_missing().contains(") OVERRIDING SYSTEM VALUE SELECT "));
        assert!(!plan.update(&[0, 1, 2]).unwrap().contains("SET \"no"));
    }

    #[test]
    fn a_key_that_may_be_null_is_compared_so_that_null_finds_null() {
        let mut target = target();
        target.columns[0].nullable = true;
        let plan = plan(&target).unwrap();
        assert!(plan.delete().ends_with("WHERE t.\"id\" IS NOT DISTINCT FROM u.c0"));
        assert!(!plan.insert_missing().contains("ON CONFLICT"));
    }

    #[test]
    fn what_does_not_fit_says_so_with_what_mends_it() {
        let error = |target: &TargetTable| plan(target).unwrap_err();
        let mut no_index = target();
        no_index.unique = vec![unique(&["id", "ip"])];
        let refused = error(&no_index);
        assert_eq!(refused.to_string(), "\"s\".\"t\" has no unique index on (\"id\")");
        assert_eq!(refused.hint_text(), Some("CREATE UNIQUE INDEX ON \"s\".\"t\" (\"id\")"));
        let mut generated = target();
        generated.columns[2].generated = true;
        assert_eq!(error(&generated).hint_text(), Some("take it out of the mapping"));
        let mut narrow = target();
        narrow.columns[0] = target_column("id", 23, "integer");
        assert_eq!(error(&narrow).kind(), Kind::Config);
    }
}
