//! Keys of rows: comparable bytes for grouping and sorting, and text for people.

use crate::{ChangeBatch, Digest, Error, Kind, Result};
use arrow_array::Array;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_row::{RowConverter, Rows, SortField};
use std::fmt::Write as _;

/// The keys of a batch's rows as bytes that sort as the key columns do.
#[derive(Debug)]
pub struct KeyRows {
    rows: Rows,
}

impl KeyRows {
    /// Encodes the keys of all rows.
    ///
    /// # Errors
    /// `Internal` when a key column's type can't be compared.
    pub fn new(batch: &ChangeBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns: Vec<_> =
            schema.key().iter().map(|&index| batch.columns().column(index).clone()).collect();
        let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
        let unordered = |error: arrow_schema::ArrowError| {
            Error::new(Kind::Internal, format!("the key of {} can't be compared", schema.name()))
                .caused_by(error)
        };
        let converter = RowConverter::new(fields).map_err(unordered)?;
        Ok(Self { rows: converter.convert_columns(&columns).map_err(unordered)? })
    }

    /// The key of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        self.rows.row(row).data()
    }
}

/// Longest text of a key, in bytes, about: what a system can still index. A longer one ends in its
/// hash.
const TEXT_BYTES_MAX: usize = 1024;

/// What is left of a longer text, in characters.
const TEXT_KEPT: usize = 200;

/// The keys of a batch's rows as texts, see [`key_text`].
pub struct KeyTexts<'a> {
    batch: &'a ChangeBatch,
    /// The key's columns; all of them where the table has no key.
    columns: Vec<(usize, Option<ArrayFormatter<'a>>)>,
}

impl std::fmt::Debug for KeyTexts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyTexts").finish_non_exhaustive()
    }
}

impl<'a> KeyTexts<'a> {
    /// Makes ready to write them.
    #[must_use]
    pub fn new(batch: &'a ChangeBatch) -> Self {
        let schema = batch.schema();
        let all: Vec<usize> = (0..schema.columns().len()).collect();
        let columns = if schema.key().is_empty() { &all } else { schema.key() };
        let formatter = |&index: &usize| {
            (index, ArrayFormatter::try_new(batch.columns().column(index), &OPTIONS).ok())
        };
        Self { batch, columns: columns.iter().map(formatter).collect() }
    }

    /// The key of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> String {
        let mut text = String::new();
        self.write(row, &mut text);
        text
    }

    /// The same in place of what a text held.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn write(&self, row: usize, text: &mut String) {
        text.clear();
        if self.batch.schema().key().is_empty() {
            // Writing to a text can't fail.
            let _ = write!(text, "[\"row {:032x}\"]", self.hash(row));
            return;
        }
        for (place, (index, formatter)) in self.columns.iter().enumerate() {
            text.push(if place == 0 { '[' } else { ',' });
            let is_null = self.batch.columns().column(*index).is_null(row);
            match formatter.as_ref().filter(|_| !is_null) {
                Some(formatter) => push_json(text, |text| write!(text, "{}", formatter.value(row))),
                None => text.push_str("null"),
            }
        }
        text.push(']');
        if text.len() > TEXT_BYTES_MAX {
            let hash = Digest::default().with(text.as_bytes()).value();
            let kept: String = text.chars().take(TEXT_KEPT).collect();
            text.clear();
            text.push('[');
            push_json(text, |text| write!(text, "{kept}… {hash:032x}"));
            text.push(']');
        }
    }

    /// Of the whole row. NULLs don't count, so that a column which is added does not make it
    /// another.
    fn hash(&self, row: usize) -> u128 {
        let mut hash = Digest::default();
        let mut value = String::new();
        for (index, formatter) in &self.columns {
            let is_null = self.batch.columns().column(*index).is_null(row);
            let Some(formatter) = formatter.as_ref().filter(|_| !is_null) else { continue };
            value.clear();
            let _ = write!(value, "{}", formatter.value(row));
            let name = self.batch.schema().columns().get(*index).map_or("", |it| it.name.as_str());
            hash = hash.part(name.as_bytes()).part(value.as_bytes());
        }
        hash.value()
    }
}

static OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// Adds what is written as a JSON text.
fn push_json(text: &mut String, write: impl FnOnce(&mut String) -> std::fmt::Result) {
    text.push('"');
    let from = text.len();
    // A value that has no text is an empty one: nothing better can be said of it.
    let _ = write(text);
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().skip(from).all(is_plain) {
        text.push('"');
        return;
    }
    let raw = text.split_off(from);
    text.pop();
    text.push_str(&serde_json::to_string(&raw).expect("a text is JSON"));
}

/// The key of one row as a JSON array of texts, such as `["S1042"]`; null where a part is NULL. A row
/// of a table without a key is known by a hash of all its values: `["row 6c62…"]`. Equal rows of
/// such a table are one.
///
/// # Panics
/// When there is no such row.
#[must_use]
pub fn key_text(batch: &ChangeBatch, row: usize) -> String {
    KeyTexts::new(batch).get(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Column, Presence, SystemName, TableName, TableSchema, Transaction, TransactionRun,
    };
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_schema::DataType;
    use std::sync::Arc;

    fn column(name: &str, data_type: DataType) -> Column {
        Column {
            name: name.into(),
            id: 0,
            data_type,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        }
    }

    fn batch(key: Vec<usize>, columns: Vec<(Column, ArrayRef)>) -> ChangeBatch {
        let name = TableName::table(&SystemName::new("sis"), "public", "t");
        let rows = columns[0].1.len();
        let (columns, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let width = columns.len();
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
        let count = u32::try_from(rows).unwrap();
        ChangeBatch::try_new(
            Arc::new(TableSchema::new(name, 1, columns, key)),
            values,
            vec![1_u8; rows].into(),
            (0..count).collect::<Vec<_>>().into(),
            vec![TransactionRun { transaction, rows: count }],
            Presence::all(width),
        )
        .unwrap()
    }

    fn names(names: &[Option<&str>]) -> (Column, ArrayRef) {
        (column("name", DataType::Utf8), Arc::new(StringArray::from(names.to_vec())))
    }

    fn ids(ids: &[i64]) -> (Column, ArrayRef) {
        (column("id", DataType::Int64), Arc::new(Int64Array::from(ids.to_vec())))
    }

    fn texts(batch: &ChangeBatch) -> Vec<String> {
        let texts = KeyTexts::new(batch);
        (0..batch.len()).map(|row| texts.get(row)).collect()
    }

    #[test]
    fn a_key_is_a_json_array_of_texts() {
        let batch =
            batch(vec![1, 0], vec![ids(&[7, 8, 9]), names(&[Some("a\"\\\n"), None, Some("ü")])]);
        assert_eq!(texts(&batch), [r#"["a\"\\\n","7"]"#, r#"[null,"8"]"#, r#"["ü","9"]"#]);
        let parsed: Vec<Option<String>> = serde_json::from_str(&texts(&batch)[0]).unwrap();
        assert_eq!(parsed, [Some("a\"\\\n".to_owned()), Some("7".to_owned())]);
    }

    #[test]
    fn rows_without_a_key_are_told_apart_by_all_their_values() {
        let rows = batch(vec![], vec![ids(&[1, 1, 2, 1]), names(&[None, Some("a"), None, None])]);
        let told = texts(&rows);
        assert_eq!(told[0], told[3]);
        assert_eq!(told.iter().collect::<std::collections::HashSet<_>>().len(), 3);
        let without = texts(&batch(vec![], vec![ids(&[1])]));
        assert_eq!(without[0], told[0], "a column that was added, and is NULL, changes nothing");
    }

    #[test]
    fn a_long_key_is_cut_and_stays_another_than_its_neighbour() {
        let long = "x".repeat(5000);
        let rows = batch(vec![0], vec![names(&[Some(&long), Some(&format!("{long}y"))])]);
        let told = texts(&rows);
        assert!(told.iter().all(|text| text.len() < 400), "{told:?}");
        assert_ne!(told[0], told[1]);
    }
}
