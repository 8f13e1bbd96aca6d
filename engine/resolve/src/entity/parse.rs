//! From texts to keys, as people give them.

use crate::policy::Compiled;
use crate::text;
use syncline_core::{Column, Error, Kind, Result};

/// The bytes of the key that these texts are, in the order of the key's columns.
///
/// # Errors
/// `Config` where there are more or fewer than the key has columns, or one is no value of its type.
pub(super) fn parse_key(rules: &Compiled, texts: &[&str]) -> Result<Vec<u8>> {
    let schema = &rules.rules.schema;
    let columns = || schema.key().iter().filter_map(|&column| schema.columns().get(column));
    if columns().count() != texts.len() {
        let names: Vec<&str> = columns().map(|column| column.name.as_str()).collect();
        let wrong = format!("{} is no key of {}", words(texts.len()), schema.name());
        return Err(Error::new(Kind::Config, wrong)
            .detail(format!("its key is {}", names.join(", ")))
            .hint("give a value for each of them, in this order"));
    }
    let mut key = Vec::new();
    for (column, text) in columns().zip(texts) {
        let cell = parse_cell(column, text)?;
        let length = u32::try_from(cell.len()).map_err(|_| {
            Error::new(Kind::Config, format!("{} is too long for a key", column.name))
        })?;
        key.extend(length.to_le_bytes());
        key.extend(cell);
    }
    Ok(key)
}

fn parse_cell(column: &Column, text: &str) -> Result<Vec<u8>> {
    text::read(column, text).ok_or_else(|| {
        Error::new(Kind::Config, format!("{text:?} is no {}", column.native_type))
            .detail(format!("{} is of the type {}", column.name, column.native_type))
    })
}

fn words(count: usize) -> String {
    match count {
        1 => "one value".to_owned(),
        count => format!("{count} values"),
    }
}
