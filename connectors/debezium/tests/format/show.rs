//! Records from files, and batches as lines that a person can check.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use std::path::Path;
use std::sync::Arc;
use syncline_core::{ChangeBatch, SystemName, TableName};
use syncline_debezium::{Event, Reader, Record, RowChange, Settings, TableBuilder};

/// Key and value of a record; each is `null` where Kafka has none.
#[derive(serde::Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    key: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
}

/// A record of `records/`.
pub(crate) struct Kept {
    key: Option<String>,
    value: Option<String>,
}

impl Kept {
    pub(crate) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/records");
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect(name);
        Self::of(&text)
    }

    pub(crate) fn of(text: &str) -> Self {
        let file: File<'_> = serde_json::from_str(text).unwrap();
        let given = |raw: &serde_json::value::RawValue| {
            Some(raw.get().to_owned()).filter(|text| text != "null")
        };
        Self { key: given(file.key), value: given(file.value) }
    }

    /// With a piece of its text replaced, which has to be there.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        let value = self.value.take().unwrap();
        assert!(value.contains(from), "{from} is in the record");
        self.value = Some(value.replace(from, to));
        self
    }

    pub(crate) fn without_key(self) -> Self {
        Self { key: None, ..self }
    }

    /// Key and value as a converter with `schemas.enable=false` writes them.
    pub(crate) fn without_schema(self) -> Self {
        #[derive(serde::Deserialize)]
        struct Parts {
            payload: Box<serde_json::value::RawValue>,
        }
        let payload =
            |text: String| serde_json::from_str::<Parts>(&text).unwrap().payload.get().to_owned();
        Self { key: self.key.map(payload), value: self.value.map(payload) }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            key: self.key.as_deref().map(str::as_bytes),
            value: self.value.as_deref().map(str::as_bytes),
        }
    }

    pub(crate) fn event(&self) -> syncline_core::Result<Event<'_>> {
        Reader::new().read(self.record())
    }

    pub(crate) fn row(&self) -> RowChange<'_> {
        match self.event().unwrap() {
            Event::Row(change) => change,
            other => panic!("a row, not {other:?}"),
        }
    }
}

pub(crate) fn table() -> TableName {
    TableName::table(&SystemName::new("sis"), "public", "students")
}

/// The batch of one record.
pub(crate) fn batch(kept: &Kept, settings: Settings) -> syncline_core::Result<ChangeBatch> {
    let mut builder = TableBuilder::new(table(), settings);
    builder.append(&kept.row())?;
    Ok(builder.finish()?.unwrap())
}

/// A line a row: operation, commit/ordinal, then the values; `·` is absent.
pub(crate) fn lines(batch: &ChangeBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    // The formatter knows no zone by name.
    let naive: Vec<ArrayRef> = batch.columns().columns().iter().map(without_zone).collect();
    let formatters: Vec<_> =
        naive.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let line = |(row, transaction): (usize, &syncline_core::Transaction)| {
        let values: Vec<String> = formatters
            .iter()
            .enumerate()
            .map(|(column, it)| match batch.presence().has(row, column) {
                true => it.value(row).to_string(),
                false => "·".into(),
            })
            .collect();
        let (op, ordinal) = (batch.op(row), batch.ordinals()[row]);
        format!("{op:?} {:x}/{ordinal}: {}", transaction.commit, values.join(" | "))
    };
    batch.row_transactions().enumerate().map(line).collect()
}

fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let column = column.as_primitive::<TimestampMicrosecondType>().clone();
            Arc::new(column.with_timezone_opt::<Arc<str>>(None))
        }
        _ => column.clone(),
    }
}

/// Name, Arrow type and native type of each column.
pub(crate) fn columns(batch: &ChangeBatch) -> Vec<String> {
    let column =
        |it: &syncline_core::Column| format!("{} {} ({})", it.name, it.data_type, it.native_type);
    batch.schema().columns().iter().map(column).collect()
}
