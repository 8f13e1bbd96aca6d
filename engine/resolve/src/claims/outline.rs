//! A row of claims as it lies: where its parts are, without building them.
//!
//! Most rows are simple: nobody decided anything on them, and nothing in them is a write of ours. Of
//! such a row an outline is enough to hear one more change ([`Outline::hear`]), to tell what is said
//! before and after, and to write the row that comes of it. Everything else is for [`super::Claims`],
//! which says what all of it means; an outline of any other row is refused.
//!
//! One outline serves all rows of a batch, so that reading a row allocates nothing.

use super::LIFE;
use super::row::{LAYOUT, MARK_BYTES, decode_mark};
use crate::Mark;

/// Most marks that an origin may have here.
pub(super) const MARKS_MAX: usize = 120;

/// Before or after the change that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// The parts of a row.
#[derive(Debug, Default)]
pub(crate) struct Outline<'a> {
    pub(super) row: &'a [u8],
    /// Where the first origin begins.
    pub(super) begin: usize,
    pub(super) origins: Vec<OutlineOrigin<'a>>,
    /// Of all origins, one after the other.
    pub(super) fields: Vec<OutlineField>,
    pub(super) runs: Vec<OutlineRun<'a>>,
    /// The origin that was heard last, and when.
    pub(super) heard: Option<(usize, Mark)>,
}

/// The word of one record. Marks go by their index; one behind the last is what is heard now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutlineOrigin<'a> {
    pub(crate) mapping: u16,
    pub(crate) record: &'a [u8],
    pub(super) marks: &'a [u8],
    /// As in the row: 0 for none, else an index and one.
    pub(super) seen: usize,
    pub(super) gone: usize,
    pub(super) was: bool,
    /// Its bytes in the row.
    pub(super) from: usize,
    pub(super) until: usize,
    pub(super) before: Part,
    pub(super) after: Part,
    /// Whether it was there before the change that was heard.
    pub(super) was_here: bool,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    pub(super) from: u32,
    pub(super) until: u32,
}

impl Part {
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.from as usize..self.until as usize).unwrap_or_default()
    }

    pub(super) fn is_empty(self) -> bool {
        self.from == self.until
    }

    /// From a place to the end of a list.
    pub(super) fn behind<T>(from: usize, list: &[T]) -> Self {
        let number = |place| u32::try_from(place).expect("a row is smaller than 4 GiB");
        Self { from: number(from), until: number(list.len()) }
    }
}

/// One field: its runs, newest first but for the one that holds, which is the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutlineField {
    pub(super) id: u16,
    pub(super) floor: u8,
    pub(super) runs: Part,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct OutlineRun<'a> {
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Outline<'a> {
    /// Of no row.
    pub(crate) fn clear(&mut self) {
        (self.row, self.begin, self.heard) = (&[], 0, None);
        self.origins.clear();
        self.fields.clear();
        self.runs.clear();
    }

    /// Of a row; false where it is not a simple one, or is damaged.
    pub(crate) fn read(&mut self, row: &'a [u8]) -> bool {
        self.clear();
        self.row = row;
        self.read_origins().is_some()
    }

    pub(crate) fn origins(&self) -> &[OutlineOrigin<'a>] {
        &self.origins
    }

    /// What an origin says in a field, and since which of its marks. `hint` is the field's place among
    /// all that the origin may speak of.
    pub(crate) fn said(
        &self,
        origin: &OutlineOrigin<'a>,
        side: Side,
        (id, hint): (u16, usize),
    ) -> Option<(Option<&'a [u8]>, usize)> {
        let part = if side == Side::After { origin.after } else { origin.before };
        let fields = part.of(&self.fields);
        let field = match fields.get(hint).filter(|field| field.id == id) {
            Some(field) => field,
            None => &fields[fields.binary_search_by_key(&id, |field| field.id).ok()?],
        };
        let run = field.runs.of(&self.runs).last()?;
        Some((run.value, usize::from(run.first)))
    }

    /// A mark of an origin's.
    pub(crate) fn mark(&self, origin: &OutlineOrigin<'a>, index: usize) -> Mark {
        let of_row = origin.marks.chunks_exact(MARK_BYTES).nth(index).and_then(decode_mark);
        let heard = || self.heard.expect("only what is heard has another mark").1;
        of_row.unwrap_or_else(heard)
    }

    fn read_origins(&mut self) -> Option<()> {
        let mut input = Bytes { row: self.row, at: 0 };
        if input.byte()? != LAYOUT {
            return None;
        }
        let count = input.number()?;
        self.begin = input.at;
        for _ in 0..count {
            let origin = self.read_origin(&mut input)?;
            self.origins.push(origin);
        }
        (input.at == self.row.len()).then_some(())
    }

    fn read_origin(&mut self, input: &mut Bytes<'a>) -> Option<OutlineOrigin<'a>> {
        let from = input.at;
        let mapping = u16::try_from(input.number()?).ok()?;
        let length = input.number()?;
        let record = input.take(length)?;
        let count = input.number().filter(|count| *count <= MARKS_MAX)?;
        let marks = input.take(count * MARK_BYTES)?;
        let is_flag = |mark: &[u8]| mark.last().is_some_and(|flag| *flag <= 1);
        let (seen, gone) = (input.number()?, input.number()?);
        let was = input.byte()?;
        if !marks.chunks_exact(MARK_BYTES).all(is_flag) || seen.max(gone) > count || was > 1 {
            return None;
        }
        let begin = self.fields.len();
        for _ in 0..input.number()? {
            let field = self.read_field(input, count)?;
            self.fields.push(field);
        }
        let fields = Part::behind(begin, &self.fields);
        Some(OutlineOrigin {
            mapping,
            record,
            marks,
            seen,
            gone,
            was: was == 1,
            from,
            until: input.at,
            before: fields,
            after: fields,
            was_here: seen > 0,
        })
    }

    fn read_field(&mut self, input: &mut Bytes<'a>, marks: usize) -> Option<OutlineField> {
        let id = u16::try_from(input.number()?).ok().filter(|id| *id != LIFE)?;
        let floor = input.number().filter(|floor| *floor <= marks)? as u8;
        let begin = self.runs.len();
        for _ in 0..=input.number()? {
            let first = input.number()?;
            let is_echo = first & 1 == 1;
            let (first, last) = (first >> 1, input.number()?);
            if is_echo || first.max(last) >= marks {
                return None;
            }
            let value = match input.number()? {
                0 => None,
                length => Some(input.take(length - 1)?),
            };
            self.runs.push(OutlineRun { first: first as u8, last: last as u8, value });
        }
        Some(OutlineField { id, floor, runs: Part::behind(begin, &self.runs) })
    }
}

impl OutlineOrigin<'_> {
    /// Whether the record says something. One that did not before did so never.
    pub(crate) fn is_here(&self, side: Side) -> bool {
        if side == Side::After { self.seen > 0 } else { self.was_here }
    }

    /// Whether its system had the record and has it no more. One without a mark was not known before.
    pub(crate) fn is_gone(&self, side: Side) -> bool {
        let is_known = side == Side::After || !self.marks.is_empty();
        self.was && is_known && !self.is_here(side)
    }

    pub(super) fn mark_count(&self) -> usize {
        self.marks.len() / MARK_BYTES
    }
}

/// Reads a row from its beginning.
struct Bytes<'a> {
    row: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.row.get(self.at)?;
        self.at += 1;
        Some(*byte)
    }

    #[inline]
    fn number(&mut self) -> Option<usize> {
        let first = self.byte()?;
        if first < 0x80 { Some(usize::from(first)) } else { self.long_number(first) }
    }

    /// Of at most four bytes: no part of a row that can be written is longer.
    fn long_number(&mut self, first: u8) -> Option<usize> {
        let mut number = usize::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.row.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }
}
