//! What `inspect` says, and the small looks.

use crate::cluster::{Cluster, runtime, system, table};
use arrow_schema::DataType;
use syncline_core::{CatalogTable, Identity};

#[test]
fn tables_are_described_with_keys_references_and_labels() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE SCHEMA hr; CREATE TYPE hr.grade AS ENUM ('junior', 'senior');
         CREATE DOMAIN amount AS numeric(9, 2) NOT NULL DEFAULT 0;
         CREATE DOMAIN salary AS amount;
         CREATE TABLE hr.dept (code text, site int, PRIMARY KEY (site, code));
         CREATE TABLE staff (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE,
             gone int, pay salary, grade hr.grade, site int, dept text,
             twice numeric GENERATED ALWAYS AS (site * 2) STORED, made timestamptz DEFAULT now(),
             FOREIGN KEY (site, dept) REFERENCES hr.dept (site, code));
         ALTER TABLE staff DROP gone;
         INSERT INTO staff (email) SELECT 'p' || g FROM generate_series(1, 500) g; ANALYZE staff;
         CREATE TABLE whole (x int); ALTER TABLE whole REPLICA IDENTITY FULL;
         CREATE TABLE bare (x int); CREATE VIEW seen AS SELECT 1; CREATE TEMP TABLE passing (x int);
         CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts DEFAULT",
    );
    let tables =
        runtime().block_on(syncline_postgres::inspect(&system(), &database.settings())).unwrap();
    let names: Vec<String> = tables.iter().map(|t| t.schema.name().to_string()).collect();
    assert_eq!(
        names,
        [
            "sis.hr.dept",
            "sis.public.bare",
            "sis.public.parts",
            "sis.public.staff",
            "sis.public.whole",
        ]
    );
    let [dept, bare, _, staff, whole] = tables.as_slice() else { panic!("five tables") };
    assert_eq!(dept.schema.key(), [1, 0], "in the order of the index");
    assert_eq!((bare.identity, whole.identity), (Identity::Nothing, Identity::Full));
    expect_staff(staff);
}

fn expect_staff(staff: &CatalogTable) {
    let columns: Vec<_> = staff
        .schema
        .columns()
        .iter()
        .map(|c| {
            (c.name.as_str(), c.id, c.native_type.as_str(), c.nullable, c.has_default, c.generated)
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("id", 1, "bigint", false, true, false),
            ("email", 2, "text", false, false, false),
            ("pay", 4, "public.salary", false, true, false),
            ("grade", 5, "hr.grade", true, false, false),
            ("site", 6, "integer", true, false, false),
            ("dept", 7, "text", true, false, false),
            ("twice", 8, "numeric", true, false, true),
            ("made", 9, "timestamp with time zone", true, true, false),
        ]
    );
    assert_eq!(staff.schema.columns()[2].data_type, DataType::Decimal128(9, 2));
    assert_eq!((staff.identity, staff.schema.key()), (Identity::Key, [0].as_slice()));
    assert_eq!(staff.unique, [["email".to_owned()]]);
    assert_eq!(staff.enums, [("grade".to_owned(), vec!["junior".to_owned(), "senior".to_owned()])]);
    assert_eq!(staff.domains, [("pay".to_owned(), "numeric(9,2)".to_owned())]);
    assert_eq!(staff.rows_estimated, 500);
    let [reference] = staff.foreign_keys.as_slice() else { panic!("one reference") };
    assert_eq!(
        (&*reference.columns, &*reference.referenced),
        (
            ["site", "dept"].map(String::from).as_slice(),
            ["site", "code"].map(String::from).as_slice()
        )
    );
    assert_eq!(reference.references.to_string(), "sis.hr.dept");
}

#[test]
fn a_sample_has_real_rows_and_a_count_all_of_them() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE \"We\"\"ird t\" (id int PRIMARY KEY, \"a\"\"b\" text); INSERT INTO \"We\"\"ird t\" SELECT g, g FROM generate_series(1, 30) g");
    let settings = database.settings();
    let tables = runtime().block_on(syncline_postgres::inspect(&system(), &settings)).unwrap();
    let schema = &tables[0].schema;
    assert_eq!(schema.name(), &table("We\"ird t"));
    let system = system();
    let batch =
        runtime().block_on(syncline_postgres::sample(&system, &settings, schema, 7)).unwrap();
    assert_eq!((batch.len(), batch.columns().num_columns()), (7, 2));
    let count = runtime().block_on(syncline_postgres::count(&system, &settings, schema)).unwrap();
    assert_eq!(count, 30);
}
