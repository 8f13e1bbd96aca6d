//! Kafka Connect's schema as its JSON converter writes it.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The literal types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConnectType {
    Int8,
    Int16,
    Int32,
    Int64,
    #[serde(alias = "float32")]
    Float,
    #[serde(alias = "float64")]
    Double,
    Boolean,
    String,
    Bytes,
    Array,
    Map,
    Struct,
}

impl ConnectType {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Array => "array",
            Self::Map => "map",
            Self::Struct => "struct",
        }
    }
}

/// One schema: of a value, or of a field in a struct. Defaults and versions say nothing about values
/// and are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ConnectSchema {
    #[serde(rename = "type")]
    pub(crate) kind: ConnectType,
    #[serde(default)]
    pub(crate) optional: bool,
    /// What the literal means.
    pub(crate) name: Option<String>,
    /// The field's name, in a struct.
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// The fields of a struct.
    #[serde(default)]
    pub(crate) fields: Vec<ConnectSchema>,
    /// The elements of an array.
    pub(crate) items: Option<Box<ConnectSchema>>,
}

impl ConnectSchema {
    /// The field of a struct with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.fields.iter().find(|field| field.field == name)
    }

    /// What the literal means; empty where nothing is said.
    pub(crate) fn meaning(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn parameter<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.parameters.get(name)?.parse().ok()
    }
}
