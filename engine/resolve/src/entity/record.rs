//! The source records that rows come from.

use std::collections::BTreeMap;
use syncline_core::{ChangeBatch, KeyTexts, Op};

/// The keys of records, as JSON arrays of texts: `["1042"]`. One for each row that a mapping gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordKeys {
    text: String,
    ends: Vec<usize>,
    /// By row, the key that its record had until now.
    former: BTreeMap<usize, String>,
}

impl RecordKeys {
    /// Of what a mapping made of a batch of its table: for each row the place of its source row in
    /// the batch.
    #[must_use]
    pub fn of(source: &ChangeBatch, rows: &ChangeBatch, origins: &[u32]) -> Self {
        let texts = KeyTexts::new(source);
        let (mut keys, mut text, mut former) = (Self::default(), String::new(), String::new());
        for (row, &place) in origins.iter().enumerate() {
            let place = place as usize;
            texts.write(place, &mut text);
            if let Some(before) = place.checked_sub(1).filter(|&at| source.op(at) == Op::Before) {
                texts.write(before, &mut former);
                match rows.op(row) {
                    // The entity's key became another: the old one loses the record as it was.
                    Op::Delete => text.clone_from(&former),
                    _ if former != text => drop(keys.former.insert(row, former.clone())),
                    _ => {}
                }
            }
            keys.push(&text);
        }
        keys
    }

    /// Adds one.
    pub fn push(&mut self, key: &str) {
        self.text.push_str(key);
        self.ends.push(self.text.len());
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// That of a row; empty where there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        let from = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let until = self.ends.get(row).copied().unwrap_or_default();
        self.text.get(from.unwrap_or_default()..until).unwrap_or_default()
    }

    /// The key that a row's record had until now, where it was given another.
    #[must_use]
    pub fn former(&self, row: usize) -> Option<&str> {
        self.former.get(&row).map(String::as_str)
    }
}
