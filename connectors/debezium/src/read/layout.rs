//! The columns of a table, and the form in which each is sent.

use super::{Coordinates, Image, RowChange};
use crate::fault::corrupt;
use crate::schema::{
    ConnectSchema, ConnectType, PARAMETER_OWN_COLUMN, PARAMETER_OWN_TYPE, Wire, given_wire, typed,
};
use crate::settings::Settings;
use arrow_schema::DataType;
use std::collections::HashSet;
use std::sync::Arc;
use syncline_core::{Column, Error, Kind, Result, TableName, TableSchema};

/// A MongoDB document's columns: its id as the key has it, and the document as it was sent.
const DOCUMENT_ID: &str = "id";
const DOCUMENT: &str = "document";

/// What rows are read by, and what it was made from.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: Arc<TableSchema>,
    /// One a column.
    pub(super) wires: Vec<Wire>,
    pub(super) is_document: bool,
    sent: Option<Arc<ConnectSchema>>,
    key: Vec<String>,
}

impl Layout {
    /// Whether rows of this change are read by it.
    pub(super) fn is_of(&self, change: &RowChange<'_>, key: &[String]) -> bool {
        let same = match (&self.sent, &change.schema) {
            (Some(known), Some(sent)) => Arc::ptr_eq(known, sent) || known == sent,
            (known, sent) => known.is_none() && sent.is_none(),
        };
        same && self.key == key && self.is_document == is_document(change)
    }

    /// The layout of a change's rows; `given` are the columns where no schema is sent.
    pub(super) fn new(
        name: &TableName,
        change: &RowChange<'_>,
        key: Vec<String>,
        given: Option<&TableSchema>,
        settings: &Settings,
    ) -> Result<Self> {
        let is_document = is_document(change);
        let columns = match &change.schema {
            _ if is_document => document_columns(),
            Some(sent) => sent
                .fields
                .iter()
                .map(|field| sent_column(field, settings))
                .collect::<Result<Vec<_>>>()?,
            None => given_columns(name, given, settings)?,
        };
        let (columns, wires): (Vec<Column>, Vec<Wire>) = columns.into_iter().unzip();
        once("the schema", columns.iter().map(|column| column.name.as_str()))?;
        once("the key", key.iter().map(String::as_str))?;
        let indexes = match given {
            Some(given) if key.is_empty() && change.schema.is_none() => given.key().to_vec(),
            _ => key_indexes(&columns, &key)?,
        };
        let schema = Arc::new(TableSchema::new(name.clone(), 1, columns, indexes));
        Ok(Self { schema, wires, is_document, sent: change.schema.clone(), key })
    }

    /// Gives the schema its revision: that of `previous`, or one more where columns or key changed.
    pub(super) fn follow(&mut self, previous: Option<&TableSchema>) {
        let Some(previous) = previous else { return };
        let same =
            previous.columns() == self.schema.columns() && previous.key() == self.schema.key();
        let revision = previous.revision() + u32::from(!same);
        self.schema = Arc::new(TableSchema::new(
            self.schema.name().clone(),
            revision,
            self.schema.columns().to_vec(),
            self.schema.key().to_vec(),
        ));
    }

    /// Whether a column belongs to the key.
    pub(super) fn is_key(&self, column: usize) -> bool {
        self.schema.key().contains(&column)
    }
}

/// The names of a record's key, in the key's order.
pub(super) fn key_names(key: Option<&Image<'_>>) -> Result<Vec<String>> {
    key.map_or(Ok(Vec::new()), Image::names)
}

fn is_document(change: &RowChange<'_>) -> bool {
    matches!(change.source.coordinates, Coordinates::MongoDb { .. })
        && change.schema.as_ref().is_none_or(|schema| schema.kind == ConnectType::String)
        && [&change.before, &change.after].into_iter().flatten().all(Image::is_document)
}

fn document_columns() -> Vec<(Column, Wire)> {
    let column = |name: &str, native: &str, nullable| Column {
        name: name.into(),
        id: 0,
        data_type: DataType::Utf8,
        native_type: native.into(),
        nullable,
        has_default: false,
        generated: false,
    };
    vec![
        (column(DOCUMENT_ID, "text", false), Wire::Any),
        (column(DOCUMENT, "json", true), Wire::Text),
    ]
}

fn sent_column(field: &ConnectSchema, settings: &Settings) -> Result<(Column, Wire)> {
    let (wire, data_type, native) = typed(field, settings.binary)?;
    let own = field.parameters.get(PARAMETER_OWN_COLUMN).map_or("", String::as_str);
    let mut marks = own.split(',');
    let id = marks.next().and_then(|id| id.parse().ok()).unwrap_or(0);
    let (has_default, generated) =
        (own.split(',').any(|it| it == "default"), own.split(',').any(|it| it == "generated"));
    let native_type = field.parameters.get(PARAMETER_OWN_TYPE).cloned().unwrap_or(native);
    let (name, nullable) = (field.field.clone(), field.optional);
    let column = Column { name, id, data_type, native_type, nullable, has_default, generated };
    Ok((column, wire))
}

fn given_columns(
    name: &TableName,
    given: Option<&TableSchema>,
    settings: &Settings,
) -> Result<Vec<(Column, Wire)>> {
    let Some(given) = given else {
        return Err(Error::new(Kind::Config, format!("records of {name} come without a schema"))
            .detail("nothing says what their columns are")
            .hint("set value.converter.schemas.enable=true, or give the table's columns"));
    };
    let column = |column: &Column| Ok((column.clone(), given_wire(column, settings)?));
    given.columns().iter().map(column).collect()
}

/// Names are of one column each: else nobody knows which of them a value is of.
fn once<'n>(part: &str, names: impl Iterator<Item = &'n str>) -> Result<()> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => Err(corrupt(part, "each column once", format!("\"{twice}\" again"))),
    }
}

fn key_indexes(columns: &[Column], key: &[String]) -> Result<Vec<usize>> {
    let index = |name: &String| {
        columns
            .iter()
            .position(|column| column.name == *name)
            .ok_or_else(|| corrupt("the key", "columns of the row alone", format!("\"{name}\"")))
    };
    key.iter().map(index).collect()
}
