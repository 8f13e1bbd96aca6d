//! What `init` makes of addresses and tables.

use super::address::Address;
use super::proposal::{propose, propose_all};
use crate::render;
use arrow_schema::DataType;
use syncline_core::{CatalogTable, Column, Identity, SystemName, TableName, TableSchema};

fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
    Column {
        name: name.into(),
        id: 1,
        native_type: data_type.to_string().to_lowercase(),
        data_type,
        nullable,
        has_default: false,
        generated: false,
    }
}

fn table(system: &str, name: &str, columns: Vec<Column>) -> CatalogTable {
    let name = TableName::table(&SystemName::new(system), "public", name);
    CatalogTable {
        schema: TableSchema::new(name, 0, columns, vec![0]),
        identity: Identity::Key,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    }
}

fn students() -> CatalogTable {
    let columns = vec![
        column("id", DataType::Int64, false),
        column("order", DataType::Utf8, true),
        column("Name", DataType::Utf8, true),
        column("born", DataType::Date32, true),
    ];
    table("sis", "students", columns)
}

fn lms_students(role_nullable: bool) -> CatalogTable {
    let columns = vec![
        column("id", DataType::Int64, false),
        column("Name", DataType::Utf8, false),
        column("order", DataType::Utf8, true),
        column("born", DataType::Utf8, true),
        column("role", DataType::Utf8, role_nullable),
    ];
    table("lms", "students", columns)
}

#[test]
fn an_address_becomes_settings_without_its_password() {
    let text = "sis=postgres://me:p%40ss@db.example:5433/st%2Fu?sslmode=require";
    let address = Address::parse(text).expect("the address is good");
    let settings = address.settings();
    assert_eq!(settings.password.expect("has one").reveal(), "p@ss");
    let toml = address.to_toml(true);
    assert!(!toml.contains("p@ss") && !toml.contains("p%40ss"), "{toml}");
    insta::assert_snapshot!(toml);
}

#[test]
fn a_socket_directory_and_an_address_in_brackets_are_hosts() {
    let socket = Address::parse("a=postgres://me@%2Ftmp%2Fpg:6000/db").expect("good");
    assert_eq!((socket.settings().host.as_str(), socket.settings().port), ("/tmp/pg", 6000));
    let ipv6 = Address::parse("a=postgresql://me@[::1]/db").expect("good");
    assert_eq!((ipv6.settings().host.as_str(), ipv6.settings().port), ("::1", 5432));
}

#[test]
fn bad_addresses_are_told_apart() {
    let told: Vec<_> = [
        "postgres://me@h/db",
        "SIS=postgres://me@h/db",
        "sis=mysql://me@h/db",
        "sis=postgres://me@h",
        "sis=postgres://h/db",
        "sis=postgres://me@h:port/db",
        "sis=postgres://m%ZZ@h/db",
        "sis=postgres://me@h/db?sslmode=maybe",
    ]
    .into_iter()
    .map(|text| Address::parse(text).expect_err("the address is bad"))
    .collect();
    insta::assert_snapshot!(render::problems(&told));
}

#[test]
fn columns_of_the_same_name_and_type_are_proposed() {
    let proposal = propose(&students(), &lms_students(true)).expect("three columns fit");
    insta::assert_snapshot!(proposal.sql);
}

#[test]
fn tables_without_a_common_column_give_no_proposal() {
    let other = table("lms", "other", vec![column("code", DataType::Utf8, false)]);
    assert_eq!(propose(&students(), &other), None);
}

#[test]
fn only_pairs_that_can_run_are_proposed_unasked() {
    let systems = ["sis".to_owned(), "lms".to_owned()];
    let proposed = propose_all(&[students(), lms_students(true)], &systems);
    assert_eq!(proposed.len(), 1);
    assert_eq!(proposed[0].path, "students/to_lms.sql");
    assert_eq!(propose_all(&[students(), lms_students(false)], &systems), []);
}
