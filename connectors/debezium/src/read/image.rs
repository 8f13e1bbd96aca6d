//! A row as it was sent, with what its schema says.

use crate::fault::corrupt;
use crate::json::{Object, Shape};
use crate::schema::{ConnectSchema, ConnectType};
use serde_json::value::RawValue;
use std::sync::Arc;
use syncline_core::Result;

/// A row's image, not yet read: a [`crate::TableBuilder`] knows its columns.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    pub(super) raw: &'a RawValue,
    /// The schema it came with, of a struct or, for a MongoDB document, of a text.
    pub(super) schema: Option<Arc<ConnectSchema>>,
}

impl<'a> Image<'a> {
    /// `None` where there is no image.
    pub(super) fn new(
        raw: Option<&'a RawValue>,
        schema: Option<Arc<ConnectSchema>>,
    ) -> Option<Self> {
        raw.filter(|raw| Shape::of(raw) != Shape::Null).map(|raw| Self { raw, schema })
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.raw.get().len()
    }

    /// Whether it is a document in a text.
    pub(super) fn is_document(&self) -> bool {
        Shape::of(self.raw) == Shape::Text
    }

    pub(super) fn members(&self) -> Result<Object<'a>> {
        Object::parse(self.raw)
            .ok_or_else(|| corrupt("a row's image", "an object", Shape::of(self.raw)))
    }

    /// The names of its fields: those of the schema, else those that are there.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        match &self.schema {
            Some(schema) if schema.kind == ConnectType::Struct => {
                Ok(schema.fields.iter().map(|field| field.field.clone()).collect())
            }
            _ => Ok(self.members()?.members().map(|(name, _)| name.to_owned()).collect()),
        }
    }
}
