//! Which columns each row speaks of. Absent is never the same as NULL.

use arrow_buffer::ScalarBuffer;
use std::collections::HashMap;
use std::ops::Range;

/// A set of columns, one bit a column: set where the row speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnMask {
    words: Box<[u64]>,
    columns: usize,
}

impl ColumnMask {
    /// All of `columns` columns.
    #[must_use]
    pub fn all(columns: usize) -> Self {
        let mut mask = Self::none(columns);
        for column in 0..columns {
            mask.set(column);
        }
        mask
    }

    /// None of `columns` columns.
    #[must_use]
    pub fn none(columns: usize) -> Self {
        Self { words: vec![0; columns.div_ceil(64)].into(), columns }
    }

    /// Adds a column.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn set(&mut self, column: usize) {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        if let Some(word) = self.words.get_mut(column / 64) {
            *word |= 1 << (column % 64);
        }
    }

    /// Takes a column out.
    pub fn clear(&mut self, column: usize) {
        if let Some(word) = self.words.get_mut(column / 64) {
            *word &= !(1 << (column % 64));
        }
    }

    /// Whether the row speaks of this column; false where there is no such column.
    #[must_use]
    pub fn has(&self, column: usize) -> bool {
        column < self.columns
            && self.words.get(column / 64).is_some_and(|word| word >> (column % 64) & 1 == 1)
    }

    /// Whether every column is present.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.words.iter().map(|word| word.count_ones() as usize).sum::<usize>() == self.columns
    }

    /// How many columns the mask is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns
    }

    /// Whether the mask is over no column at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// The columns that are present, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns).filter(|&column| self.has(column))
    }
}

/// The column masks of a batch's rows. A batch has few distinct masks; rows name them by index.
///
/// Invariant: `rows` is `None` when every row has every column, which is the common case and costs
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    columns: usize,
    masks: Vec<ColumnMask>,
    rows: Option<ScalarBuffer<u16>>,
}

impl Presence {
    /// Most distinct masks one batch can hold; a writer closes the batch before it has more.
    pub const MASKS_MAX: usize = 1 << 16;

    /// Every row has every one of `columns` columns.
    #[must_use]
    pub fn all(columns: usize) -> Self {
        Self { columns, masks: Vec::new(), rows: None }
    }

    /// One mask a row.
    ///
    /// # Panics
    /// When there are more than [`Presence::MASKS_MAX`] distinct masks.
    #[must_use]
    pub fn from_rows(columns: usize, rows: impl IntoIterator<Item = ColumnMask>) -> Self {
        let mut masks = Vec::new();
        let mut known = HashMap::new();
        let rows: Vec<u16> = rows
            .into_iter()
            .map(|mask| {
                *known.entry(mask).or_insert_with_key(|mask| {
                    masks.push(mask.clone());
                    u16::try_from(masks.len() - 1).expect("fewer masks than MASKS_MAX")
                })
            })
            .collect();
        Self::from_parts(columns, masks, rows.into())
    }

    /// From distinct masks and each row's index into them.
    ///
    /// # Panics
    /// When an index has no mask or a mask is over another number of columns.
    #[must_use]
    pub fn from_parts(columns: usize, masks: Vec<ColumnMask>, rows: ScalarBuffer<u16>) -> Self {
        assert!(masks.iter().all(|mask| mask.len() == columns), "masks are over the columns");
        assert!(rows.iter().all(|&row| usize::from(row) < masks.len()), "rows name masks");
        if masks.iter().all(ColumnMask::is_all) {
            return Self::all(columns);
        }
        Self { columns, masks, rows: Some(rows) }
    }

    /// Whether every row has every column.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.rows.is_none()
    }

    /// How many columns the masks are over.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The distinct masks; empty when every row has every column.
    #[must_use]
    pub fn masks(&self) -> &[ColumnMask] {
        &self.masks
    }

    /// Each row's index into [`Presence::masks`]; `None` when every row has every column.
    #[must_use]
    pub fn rows(&self) -> Option<&[u16]> {
        self.rows.as_deref()
    }

    /// Whether this row speaks of this column.
    #[must_use]
    pub fn has(&self, row: usize, column: usize) -> bool {
        match self.mask(row) {
            None => column < self.columns,
            Some(mask) => mask.has(column),
        }
    }

    /// The row's mask; `None` when every row has every column.
    #[must_use]
    pub fn mask(&self, row: usize) -> Option<&ColumnMask> {
        let index = *self.rows.as_ref()?.get(row)?;
        self.masks.get(usize::from(index))
    }

    /// The masks of the rows at these places, in their order.
    #[must_use]
    pub fn take(&self, places: &[u32]) -> Self {
        let Some(rows) = &self.rows else { return Self::all(self.columns) };
        let rows = places.iter().map(|&place| rows[place as usize]).collect::<Vec<_>>();
        Self { columns: self.columns, masks: self.masks.clone(), rows: Some(rows.into()) }
    }

    /// The masks of a run of rows.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let rows = self.rows.as_ref().map(|rows| rows.slice(range.start, range.len()));
        Self { columns: self.columns, masks: self.masks.clone(), rows }
    }

    /// One after the other; `lengths` are the row counts of the parts.
    #[must_use]
    pub fn concat<'a>(
        columns: usize,
        parts: impl IntoIterator<Item = (&'a Self, usize)> + Clone,
    ) -> Self {
        if parts.clone().into_iter().all(|(part, _)| part.is_all()) {
            return Self::all(columns);
        }
        let all = ColumnMask::all(columns);
        Self::from_rows(
            columns,
            parts.into_iter().flat_map(|(part, rows)| {
                let all = &all;
                (0..rows).map(move |row| part.mask(row).unwrap_or(all).clone())
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(columns: usize, present: &[usize]) -> ColumnMask {
        let mut mask = ColumnMask::none(columns);
        for &column in present {
            mask.set(column);
        }
        mask
    }

    #[test]
    fn a_mask_over_many_words_knows_its_columns() {
        let mut wide = ColumnMask::all(1600);
        assert!(wide.is_all() && wide.has(1599) && !wide.has(1600));
        wide.clear(1599);
        assert!(!wide.is_all() && !wide.has(1599) && wide.has(1598));
        assert_eq!(mask(70, &[0, 69]).iter().collect::<Vec<_>>(), [0, 69]);
    }

    #[test]
    fn rows_keep_their_masks_through_take_slice_and_concat() {
        let some = mask(3, &[0, 2]);
        let presence = Presence::from_rows(3, [ColumnMask::all(3), some.clone(), some.clone()]);
        assert!(presence.has(0, 1) && !presence.has(1, 1) && presence.has(2, 2));
        assert_eq!(presence.take(&[2, 0]).mask(0), Some(&some));
        assert_eq!(presence.slice(1..3).mask(0), Some(&some));
        let both = Presence::concat(3, [(&Presence::all(3), 2), (&presence, 3)]);
        assert!(both.has(1, 1) && both.has(2, 1) && !both.has(3, 1));
    }

    #[test]
    fn full_rows_cost_no_masks() {
        assert!(Presence::from_rows(2, vec![ColumnMask::all(2); 5]).is_all());
    }
}
