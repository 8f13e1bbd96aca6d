//! A row's images as JSON.

use super::envelope::Envelope;
use super::payload::push_value;
use crate::fault::beyond;
use crate::json::push_text;
use arrow_array::Array;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncline_core::{ChangeBatch, Error, Result};

/// Which image of a row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Consumers write it: what it does not speak of has to be told by the placeholder.
    After,
    /// Consumers take the key from it; what it does not speak of is named in `source.absent`.
    Before,
}

/// A batch's rows, ready to be written.
pub(super) struct Rows<'a> {
    pub(super) batch: &'a ChangeBatch,
    pub(super) envelope: &'a Envelope,
    /// What stands for a value that was not sent; `None` where nothing may.
    pub(super) placeholder: Option<&'a str>,
}

impl Rows<'_> {
    /// Adds the row's key; gives `false` where the table has none.
    ///
    /// # Errors
    /// `Rejected` when a value can't be written.
    pub(super) fn push_key(&self, out: &mut String, row: usize) -> Result<bool> {
        let key = self.batch.schema().key();
        if key.is_empty() {
            return Ok(false);
        }
        if let Some(&column) = key.iter().find(|&&column| !self.batch.presence().has(row, column)) {
            return Err(beyond(self.name(column), "it is absent, and belongs to the key"));
        }
        self.push_columns(out, row, Side::Before, key.iter().copied())?;
        Ok(true)
    }

    /// Adds an image.
    ///
    /// # Errors
    /// `Rejected` when a value can't be written, or its absence can't be told.
    pub(super) fn push_image(&self, out: &mut String, row: usize, side: Side) -> Result<()> {
        self.push_columns(out, row, side, 0..self.envelope.forms.len())
    }

    fn push_columns(
        &self,
        out: &mut String,
        row: usize,
        side: Side,
        columns: impl Iterator<Item = usize>,
    ) -> Result<()> {
        out.push('{');
        for (place, column) in columns.enumerate() {
            if place > 0 {
                out.push(',');
            }
            let name = self.name(column);
            push_text(out, name);
            out.push(':');
            let form = self.envelope.forms[column];
            let array = self.batch.columns().column(column);
            if !self.batch.presence().has(row, column) {
                self.push_absent(out, column, side)?;
            } else if array.is_null(row) {
                out.push_str("null");
            } else {
                push_value(out, form, array, row, name)?;
            }
        }
        out.push('}');
        Ok(())
    }

    fn push_absent(&self, out: &mut String, column: usize, side: Side) -> Result<()> {
        let form = self.envelope.forms[column];
        let nullable = self.batch.schema().columns()[column].nullable;
        match side {
            Side::After => {
                let Some(placeholder) = self.placeholder else {
                    return Err(self.absent(column, "whoever reads the topic would take what stands for it for its value")
                        .hint("have the source send whole rows (REPLICA IDENTITY FULL), or set absent = \"placeholder\" where all readers know it"));
                };
                if !form.has_placeholder() {
                    return Err(self
                        .absent(column, "Debezium's format can say so of texts and bytes alone"));
                }
                if form == super::columns::Form::Bytes {
                    out.push('"');
                    STANDARD.encode_string(placeholder, out);
                    out.push('"');
                } else {
                    push_text(out, placeholder);
                }
            }
            Side::Before if nullable => out.push_str("null"),
            Side::Before => out.push_str(form.filling()),
        }
        Ok(())
    }

    fn absent(&self, column: usize, why: &str) -> Error {
        beyond(self.name(column), format_args!("it is absent, and {why}"))
    }

    /// Adds the names of the columns that the row does not speak of, as a JSON array, or null.
    pub(super) fn push_absent_names(&self, out: &mut String, row: usize) {
        let Some(mask) = self.batch.presence().mask(row).filter(|mask| !mask.is_all()) else {
            return out.push_str("null");
        };
        let absent = (0..self.envelope.forms.len()).filter(|&column| !mask.has(column));
        out.push('[');
        for (place, column) in absent.enumerate() {
            if place > 0 {
                out.push(',');
            }
            push_text(out, self.name(column));
        }
        out.push(']');
    }

    fn name(&self, column: usize) -> &str {
        &self.batch.schema().columns()[column].name
    }
}
