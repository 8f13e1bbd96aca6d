//! The schemas of keys and values, as Debezium names them.

use super::columns::{Form, column};
use crate::settings::DecimalMode;
use std::sync::Arc;
use syncline_core::{Result, TableName, TableSchema};

/// How one schema's rows are written.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) schema: Arc<TableSchema>,
    /// One a column.
    pub(super) forms: Vec<Form>,
    /// JSON of the key's schema, and of the value's.
    pub(super) key_schema: String,
    pub(super) value_schema: String,
}

/// A table's place in the names of topics and schemas: database, schema and table.
pub(super) fn place(name: &TableName) -> (&str, &str, &str) {
    match name {
        TableName::Table { system, schema, table } => (system.as_str(), schema, table),
        TableName::Entity(entity) => ("", "", entity),
    }
}

impl Envelope {
    /// # Errors
    /// `Config` when a column has a type that can't be written.
    pub(super) fn new(
        schema: Arc<TableSchema>,
        prefix: &str,
        decimals: DecimalMode,
    ) -> Result<Self> {
        let columns =
            schema.columns().iter().map(|of| column(of, decimals)).collect::<Result<Vec<_>>>()?;
        let (forms, fields): (Vec<Form>, Vec<String>) = columns.into_iter().unzip();
        let name = match place(schema.name()) {
            (_, "", entity) => format!("{prefix}.{entity}"),
            (_, schema, table) => format!("{prefix}.{schema}.{table}"),
        };
        let key: Vec<&str> = schema
            .key()
            .iter()
            .filter_map(|&index| fields.get(index).map(String::as_str))
            .collect();
        let key_schema = structure(&key, &format!("{name}.Key"), 0, false, None);
        let value_schema = value_schema(&fields.join(","), &name);
        Ok(Self { schema, forms, key_schema, value_schema })
    }
}

/// A struct's schema as JSON, of its fields' schemas.
fn structure(
    fields: &[&str],
    name: &str,
    version: u32,
    optional: bool,
    field: Option<&str>,
) -> String {
    let version = if version == 0 { String::new() } else { format!(",\"version\":{version}") };
    let field = field.map(|field| format!(",\"field\":\"{field}\"")).unwrap_or_default();
    let name = serde_json::Value::from(name);
    format!(
        "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":{optional},\"name\":{name}{version}{field}}}",
        fields.join(",")
    )
}

fn value_schema(columns: &str, name: &str) -> String {
    let row = |field| structure(&[columns], &format!("{name}.Value"), 0, true, Some(field));
    let plain = |kind: &str, optional: bool, field: &str| {
        format!("{{\"type\":\"{kind}\",\"optional\":{optional},\"field\":\"{field}\"}}")
    };
    let transaction = structure(
        &[
            &plain("string", false, "id"),
            &plain("int64", false, "total_order"),
            &plain("int64", false, "data_collection_order"),
        ],
        "event.block",
        1,
        true,
        Some("transaction"),
    );
    let fields = [
        row("before"),
        row("after"),
        source_schema(&plain),
        plain("string", false, "op"),
        plain("int64", true, "ts_ms"),
        plain("int64", true, "ts_us"),
        plain("int64", true, "ts_ns"),
        transaction,
    ];
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    structure(&fields, &format!("{name}.Envelope"), 2, false, None)
}

/// Debezium's common fields, then our positions.
fn source_schema(plain: &dyn Fn(&str, bool, &str) -> String) -> String {
    let absent = "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"optional\":false},\
        \"optional\":true,\"field\":\"absent\"}";
    let fields = [
        plain("string", false, "version"),
        plain("string", false, "connector"),
        plain("string", false, "name"),
        plain("int64", false, "ts_ms"),
        plain("string", true, "snapshot"),
        plain("string", false, "db"),
        plain("string", true, "sequence"),
        plain("int64", true, "ts_us"),
        plain("int64", true, "ts_ns"),
        plain("string", true, "schema"),
        plain("string", false, "table"),
        plain("int64", false, "epoch"),
        plain("string", false, "commit"),
        plain("int64", false, "ordinal"),
        plain("int64", true, "before_ordinal"),
        plain("boolean", false, "ours"),
        absent.to_owned(),
    ];
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    structure(&fields, "io.debezium.connector.syncline.Source", 1, false, Some("source"))
}
