//! A record of one of Debezium's topics: `length of the key u16, big-endian · key · value`.

use crate::{same, tables};
use syncline_core::{ChangeBatch, Kind, SystemName, TableName};
use syncline_debezium::{
    BinaryMode, DecimalMode, Event, Reader, Record, Settings, TableBuilder, TimePrecision, Writer,
};

/// A record is read, or refused with words; what was read is written, or refused, and read again as the same.
pub(crate) fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (key, value) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let record = Record { key: Some(key).filter(|key| !key.is_empty()), value: Some(value) };
    let mut reader = Reader::new();
    let Ok(Event::Row(change)) = reader.read(record) else { return };
    for decimal in [DecimalMode::Precise, DecimalMode::String, DecimalMode::Double] {
        let settings = Settings {
            decimal,
            time: TimePrecision::Microseconds,
            binary: BinaryMode::Hex,
            ..Settings::default()
        };
        let mut builder = TableBuilder::with_columns(tables::schemas()[0].clone(), settings);
        let _ = builder.append(&change).and_then(|_| builder.finish());
    }
    let mut builder = TableBuilder::new(table(), Settings::default());
    if builder.append(&change).is_err() {
        return;
    }
    if let Ok(Some(batch)) = builder.finish() {
        written(&batch);
    }
}

fn table() -> TableName {
    TableName::table(&SystemName::new("sis"), "public", "students")
}

/// Values are the same once written and read.
fn written(batch: &ChangeBatch) {
    let records = match Writer::new("sis").write(batch, 0) {
        Ok(records) => records,
        Err(error) => {
            assert!(matches!(error.kind(), Kind::Rejected | Kind::Config), "{error:?}");
            return;
        }
    };
    let mut reader = Reader::new();
    let mut builder = TableBuilder::new(table(), Settings::default());
    for written in &records {
        let record = Record { key: written.key.as_deref(), value: written.value.as_deref() };
        if let Event::Row(change) = reader.read(record).expect("what was written is a record") {
            builder.append(&change).expect("what was written are columns");
        }
    }
    let read = builder.finish().expect("rows are a batch").expect("what was written are rows");
    // A key that changes is written as a delete and an insert.
    if read.len() == batch.len() {
        same::columns(batch, &read);
    }
}
