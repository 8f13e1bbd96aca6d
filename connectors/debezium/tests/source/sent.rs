//! Records as Debezium's connector for PostgreSQL writes them, of a table `(id, name, notes)`.

use serde_json::{Value, json};

/// What stands for a value that was not sent.
pub(crate) const PLACEHOLDER: &str = "__debezium_unavailable_value";

/// Key and value.
pub(crate) type Record = (Option<String>, Option<String>);

fn field(kind: &str, name: &str, optional: bool) -> Value {
    json!({ "type": kind, "optional": optional, "field": name })
}

pub(crate) fn key(id: i32) -> Option<String> {
    let fields = [field("int32", "id", false)];
    let schema = json!({ "type": "struct", "fields": fields, "optional": false, "name": "t.Key" });
    Some(json!({ "schema": schema, "payload": { "id": id } }).to_string())
}

fn schema(columns: &[(&str, &str)]) -> Value {
    let image = |name: &str| {
        let fields: Vec<Value> =
            columns.iter().map(|(name, kind)| field(kind, name, *name != "id")).collect();
        json!({ "type": "struct", "fields": fields, "optional": true, "name": "t.Value", "field": name })
    };
    let fields = [image("before"), image("after"), field("string", "op", false)];
    json!({ "type": "struct", "fields": fields, "optional": false, "name": "t.Envelope" })
}

const COLUMNS: [(&str, &str); 3] = [("id", "int32"), ("name", "string"), ("notes", "string")];

fn envelope(op: &str, before: &Value, after: &Value, at: u64) -> Value {
    let source = json!({
        "connector": "postgresql", "name": "t", "ts_ms": 1_764_064_800_000_u64 + at, "db": "sis",
        "schema": "public", "table": "t", "lsn": 24_000_000 + at, "txId": 700 + at,
        "snapshot": if op == "r" { "true" } else { "false" },
    });
    json!({ "before": before, "after": after, "source": source, "op": op, "ts_ms": 1 })
}

/// A row that was inserted (`c`), updated (`u`) or found by a snapshot (`r`).
pub(crate) fn row(op: &str, id: i32, name: &str, notes: &str) -> Record {
    let after = json!({ "id": id, "name": name, "notes": notes });
    let payload = envelope(op, &Value::Null, &after, 5);
    (key(id), Some(json!({ "schema": schema(&COLUMNS), "payload": payload }).to_string()))
}

/// A row with a further column.
pub(crate) fn wider(op: &str, id: i32, name: &str, points: i32) -> Record {
    let columns = [&COLUMNS[..], &[("points", "int32")]].concat();
    let after = json!({ "id": id, "name": name, "notes": null, "points": points });
    let payload = envelope(op, &Value::Null, &after, 6);
    (key(id), Some(json!({ "schema": schema(&columns), "payload": payload }).to_string()))
}

/// A delete.
pub(crate) fn gone(id: i32) -> Record {
    let before = json!({ "id": id, "name": null, "notes": null });
    let payload = envelope("d", &before, &Value::Null, 7);
    (key(id), Some(json!({ "schema": schema(&COLUMNS), "payload": payload }).to_string()))
}

/// What follows a delete.
pub(crate) fn tombstone(id: i32) -> Record {
    (key(id), None)
}

/// The table was emptied.
pub(crate) fn emptied() -> Record {
    let payload = envelope("t", &Value::Null, &Value::Null, 8);
    (None, Some(json!({ "schema": schema(&COLUMNS), "payload": payload }).to_string()))
}

/// A row without its schema.
pub(crate) fn bare(id: i32) -> Record {
    let after = json!({ "id": id, "name": "n", "notes": null });
    let payload = envelope("c", &Value::Null, &after, 9);
    (Some(json!({ "id": id }).to_string()), Some(payload.to_string()))
}
