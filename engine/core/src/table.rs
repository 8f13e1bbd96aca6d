//! Tables and entities: their names, columns and keys.

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The project's name for one of the institution's systems, such as `sis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemName(Arc<str>);

impl SystemName {
    /// Wraps a name. Whether it is known is decided where the project is read.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as written in the project.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mapping reads or writes: a system's table (`sis.public.students`) or an entity
/// (`person`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TableName {
    /// A table of a system, with the schema it lives in.
    Table {
        /// The system.
        system: SystemName,
        /// The schema (PostgreSQL) or database (MySQL).
        schema: Arc<str>,
        /// The table.
        table: Arc<str>,
    },
    /// An entity of the project.
    Entity(Arc<str>),
}

impl TableName {
    /// Names a system's table.
    #[must_use]
    pub fn table(system: &SystemName, schema: &str, table: &str) -> Self {
        Self::Table { system: system.clone(), schema: schema.into(), table: table.into() }
    }

    /// Names an entity.
    #[must_use]
    pub fn entity(name: &str) -> Self {
        Self::Entity(name.into())
    }

    /// The system, unless this is an entity.
    #[must_use]
    pub fn system(&self) -> Option<&SystemName> {
        match self {
            Self::Table { system, .. } => Some(system),
            Self::Entity(_) => None,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { system, schema, table } => write!(f, "{system}.{schema}.{table}"),
            Self::Entity(name) => f.write_str(name),
        }
    }
}

/// One column: its name, its Arrow type, and what the system says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name as the system spells it.
    pub name: String,
    /// What identifies the column through renames (PostgreSQL's attribute number), 0 where the
    /// system has nothing of the kind.
    pub id: i32,
    /// The Arrow type its values are carried in (design §5).
    pub data_type: DataType,
    /// The system's own type text, such as `numeric(10,2)` or `public.mood`; `text` for entity
    /// fields of that type.
    pub native_type: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether the system fills it when a writer leaves it out (default or identity).
    pub has_default: bool,
    /// Whether it is computed by the system and can't be written.
    pub generated: bool,
}

/// A table's or entity's columns at one revision.
///
/// Shapes: `arrow()` has one field per column, in the same order. `key` holds indexes into
/// `columns`: what identifies a row (the replica identity of a source, the primary key of a
/// target, the key of an entity); empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    name: TableName,
    revision: u32,
    columns: Vec<Column>,
    key: Vec<usize>,
    arrow: SchemaRef,
}

impl TableSchema {
    /// Makes a schema.
    ///
    /// # Panics
    /// When an index of `key` is not a column.
    #[must_use]
    pub fn new(name: TableName, revision: u32, columns: Vec<Column>, key: Vec<usize>) -> Self {
        assert!(key.iter().all(|&index| index < columns.len()), "key columns exist");
        // Nullable in Arrow whatever the system says: an absent value is a null slot.
        let fields = columns
            .iter()
            .map(|column| Field::new(&column.name, column.data_type.clone(), true))
            .collect::<Vec<_>>();
        Self { name, revision, columns, key, arrow: Arc::new(Schema::new(fields)) }
    }

    /// The table's or entity's name.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// Counts up with each change of the columns as the source announces them.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Indexes of the key's columns.
    #[must_use]
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// The Arrow schema of the value columns.
    #[must_use]
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The index of the column with this name.
    #[must_use]
    pub fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }
}

impl Serialize for TableSchema {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Parts {
            name: self.name.clone(),
            revision: self.revision,
            columns: self.columns.clone(),
            key: self.key.clone(),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for TableSchema {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Parts { name, revision, columns, key } = Parts::deserialize(from)?;
        if key.iter().any(|&index| index >= columns.len()) {
            return Err(serde::de::Error::custom("a key column is out of range"));
        }
        Ok(Self::new(name, revision, columns, key))
    }
}

#[derive(Serialize, Deserialize)]
struct Parts {
    name: TableName,
    revision: u32,
    columns: Vec<Column>,
    key: Vec<usize>,
}
