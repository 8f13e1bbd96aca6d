//! One change, heard by a row as it lies.
//!
//! What comes of it is to the byte what [`super::Claims::merge`] and [`super::encode`] make of it; the
//! tests here say so. The parts of a row that a change leaves alone are copied.

use super::outline::{MARKS_MAX, Outline, OutlineField, OutlineOrigin, OutlineRun, Part, Side};
use super::row::{LAYOUT, MARK_BYTES, decode_mark, encode_mark, push};
use crate::Mark;

/// Who says something, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) mapping: u16,
    pub(crate) record: &'a [u8],
    pub(crate) mark: Mark,
}

/// Writes the row of a key of which one record speaks, with these values, sorted by field.
pub(crate) fn encode_new<'v>(
    speaker: Speaker<'_>,
    values: impl Iterator<Item = (u16, Option<&'v [u8]>)> + Clone,
    bytes: &mut Vec<u8>,
) {
    bytes.extend([LAYOUT, 1]);
    push(bytes, speaker.mapping.into());
    push(bytes, speaker.record.len());
    bytes.extend_from_slice(speaker.record);
    bytes.push(1);
    encode_mark(speaker.mark, bytes);
    // Seen with this mark, never gone, and was there.
    bytes.extend([1, 0, 1]);
    push(bytes, values.clone().count());
    for (id, value) in values {
        push(bytes, id.into());
        // No floor, nothing older; from this mark to this mark.
        bytes.extend([0; 4]);
        push_value(value, bytes);
    }
}

fn push_value(value: Option<&[u8]>, bytes: &mut Vec<u8>) {
    match value {
        None => bytes.push(0),
        Some(value) => {
            push(bytes, value.len() + 1);
            bytes.extend_from_slice(value);
        }
    }
}

impl<'a> Outline<'a> {
    /// Hears that a record is there with these values, sorted by field, each with how many runs are kept
    /// before the one that holds. Adds the fields in which it says something else. False where this was not
    /// said after all that is known of the record, or more is known of it than what it says.
    pub(crate) fn hear(
        &mut self,
        speaker: Speaker<'a>,
        values: impl Iterator<Item = (u16, Option<&'a [u8]>, u8)>,
        touched: &mut Vec<u16>,
    ) -> bool {
        let place = match self.place(speaker) {
            Ok(place) => {
                let origin = &self.origins[place];
                // One that went took with it what it said.
                let is_plain = origin.was_here || origin.before.is_empty();
                if !(is_plain && origin.goes_on(speaker.mark)) {
                    return false;
                }
                place
            }
            Err(place) => {
                let from = place.checked_sub(1).map_or(self.begin, |last| self.origins[last].until);
                self.origins.insert(place, OutlineOrigin::new(speaker, from));
                place
            }
        };
        self.heard = Some((place, speaker.mark));
        let origin = self.origins[place];
        let now = origin.mark_count();
        let after = self.hear_values(origin.before, now as u8, values, touched);
        let origin = &mut self.origins[place];
        (origin.after, origin.seen, origin.was) = (after, now + 1, true);
        true
    }

    /// Hears that a record is gone. False where it was not there, or this was not said after all that is
    /// known of it.
    pub(crate) fn hear_gone(&mut self, speaker: Speaker<'a>) -> bool {
        let Ok(place) = self.place(speaker) else { return false };
        let origin = &mut self.origins[place];
        if !(origin.was_here && origin.goes_on(speaker.mark)) {
            return false;
        }
        // All that it said it said before.
        (origin.after, origin.seen) = (Part::default(), 0);
        origin.gone = origin.mark_count() + 1;
        self.heard = Some((place, speaker.mark));
        true
    }

    fn place(&self, speaker: Speaker<'_>) -> Result<usize, usize> {
        let of = (speaker.mapping, speaker.record);
        self.origins.binary_search_by(|it| (it.mapping, it.record).cmp(&of))
    }

    /// Whether the record that was heard came or went.
    pub(crate) fn comes_or_goes(&self) -> bool {
        let is_other = |origin: &OutlineOrigin<'_>| origin.was_here != origin.is_here(Side::After);
        self.heard.is_some_and(|(place, _)| is_other(&self.origins[place]))
    }

    /// Puts the fields after the change behind all others.
    fn hear_values(
        &mut self,
        before: Part,
        now: u8,
        values: impl Iterator<Item = (u16, Option<&'a [u8]>, u8)>,
        touched: &mut Vec<u16>,
    ) -> Part {
        let begin = self.fields.len();
        let (mut next, until) = (before.from as usize, before.until as usize);
        for (id, value, older_max) in values {
            while next < until && self.fields[next].id < id {
                self.fields.push(self.fields[next]);
                next += 1;
            }
            let field = if next < until && self.fields[next].id == id {
                next += 1;
                let known = self.fields[next - 1];
                self.hear_value(known, (now, value), older_max.into(), touched)
            } else {
                touched.push(id);
                let runs = self.runs.len();
                self.runs.push(OutlineRun { first: now, last: now, value });
                OutlineField { id, floor: 0, runs: Part::behind(runs, &self.runs) }
            };
            self.fields.push(field);
        }
        self.fields.extend_from_within(next..until);
        Part::behind(begin, &self.fields)
    }

    fn hear_value(
        &mut self,
        known: OutlineField,
        (now, value): (u8, Option<&'a [u8]>),
        older_max: usize,
        touched: &mut Vec<u16>,
    ) -> OutlineField {
        let begin = self.runs.len();
        let (from, holds) = (known.runs.from as usize, known.runs.until as usize - 1);
        let held = self.runs[holds];
        let mut floor = known.floor;
        if held.value == value {
            self.runs.extend_from_within(from..holds);
            self.runs.push(OutlineRun { last: now, ..held });
        } else {
            touched.push(known.id);
            // Newest first: the one that held, then those before it, so many of all.
            for place in std::iter::once(holds).chain(from..holds) {
                let run = self.runs[place];
                if self.runs.len() - begin < older_max {
                    self.runs.push(run);
                } else {
                    floor = floor.max(run.last + 1);
                }
            }
            self.runs.push(OutlineRun { first: now, last: now, value });
        }
        OutlineField { floor, runs: Part::behind(begin, &self.runs), ..known }
    }

    /// Writes the row after the change that was heard behind what a buffer holds.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let (place, mark) = self.heard.expect("something was heard");
        let origin = &self.origins[place];
        bytes.push(LAYOUT);
        push(bytes, self.origins.len());
        bytes.extend_from_slice(&self.row[self.begin..origin.from]);
        self.write_origin(origin, mark, bytes);
        bytes.extend_from_slice(&self.row[origin.until..]);
    }

    fn write_origin(&self, origin: &OutlineOrigin<'a>, mark: Mark, bytes: &mut Vec<u8>) {
        let named = self.named_marks(origin);
        let (numbers, count) = numbers(&named[..=origin.mark_count()]);
        let index = |mark: u8| usize::from(numbers[usize::from(mark)]);
        let maybe = |mark: usize| if mark == 0 { 0 } else { index(mark as u8 - 1) + 1 };
        push(bytes, origin.mapping.into());
        push(bytes, origin.record.len());
        bytes.extend_from_slice(origin.record);
        push(bytes, count.into());
        for (known, is_named) in origin.marks.chunks_exact(MARK_BYTES).zip(named) {
            if is_named {
                bytes.extend_from_slice(known);
            }
        }
        encode_mark(mark, bytes);
        push(bytes, maybe(origin.seen));
        push(bytes, maybe(origin.gone));
        bytes.push(origin.was.into());
        let fields = origin.after.of(&self.fields);
        push(bytes, fields.len());
        for field in fields {
            let runs = field.runs.of(&self.runs);
            push(bytes, field.id.into());
            push(bytes, maybe(field.floor.into()));
            push(bytes, runs.len() - 1);
            for run in runs {
                push(bytes, index(run.first) << 1);
                push(bytes, index(run.last));
                push_value(run.value, bytes);
            }
        }
    }

    /// Whether the row still names each mark, and the one behind them that is heard now.
    fn named_marks(&self, origin: &OutlineOrigin<'a>) -> [bool; MARKS_MAX + 1] {
        let mut named = [false; MARKS_MAX + 1];
        let mut maybe = |mark: usize| {
            if mark > 0 {
                named[mark - 1] = true;
            }
        };
        maybe(origin.seen);
        maybe(origin.gone);
        for field in origin.after.of(&self.fields) {
            maybe(field.floor.into());
            for run in field.runs.of(&self.runs) {
                maybe(usize::from(run.first) + 1);
                maybe(usize::from(run.last) + 1);
            }
        }
        named
    }
}

/// The number of each mark among those that are named, and how many these are.
fn numbers(named: &[bool]) -> ([u8; MARKS_MAX + 1], u8) {
    let (mut numbers, mut count) = ([0; MARKS_MAX + 1], 0);
    for (number, is_named) in numbers.iter_mut().zip(named) {
        *number = count;
        count += u8::from(*is_named);
    }
    (numbers, count)
}

impl<'a> OutlineOrigin<'a> {
    fn new(speaker: Speaker<'a>, from: usize) -> Self {
        Self {
            mapping: speaker.mapping,
            record: speaker.record,
            marks: &[],
            seen: 0,
            gone: 0,
            was: false,
            from,
            until: from,
            before: Part::default(),
            after: Part::default(),
            was_here: false,
        }
    }

    /// Whether the record was ever there, and this was said after all that is known of it. Marks are sorted.
    fn goes_on(&self, mark: Mark) -> bool {
        let last = self.marks.chunks_exact(MARK_BYTES).next_back().and_then(decode_mark);
        self.was && last.is_some_and(|last| last.position < mark.position)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Claims, LIFE, Observation, Said, Touched, decode, encode};
    use super::*;
    use crate::Stamp;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use syncline_core::Position;

    /// Which of two mappings, which of two records, how much later (before the last, where it is 0), what: none
    /// where it is gone.
    type Change = (u16, u8, u64, Option<Vec<(u16, Option<u8>)>>);

    fn change() -> impl Strategy<Value = Change> {
        let values = vec((0_u16..5, option::of(0_u8..3)), 0..5);
        (1_u16..3, b'0'..b'2', 0_u64..6, option::weighted(0.7, values))
    }

    fn mark(at: u64) -> Mark {
        Mark {
            position: Position { epoch: 1, commit: at, ordinal: 0 },
            stamp: Stamp { micros: 1000 + at as i64, copied: at.is_multiple_of(7) },
        }
    }

    fn bytes_of(claims: &Claims<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(claims, &mut bytes);
        bytes
    }

    proptest! {
        /// A change that is heard by a row as it lies leaves the bytes that merging it leaves, and touches the
        /// same; where one source tells in its order, all but what comes again is heard so.
        #[test]
        fn a_row_as_it_lies_hears_what_claims_hear(
            changes in vec(change(), 1..40), older_max in 0_u8..3,
        ) {
            const VALUES: [&[u8]; 3] = [b"", b"b", b"some more"];
            let (mut row, mut now) = (Vec::new(), 1);
            let records = [*b"0", *b"1"];
            for (mapping, record, later, said) in &changes {
                now += later;
                let at = mark(if *later == 0 { now / 2 } else { now });
                let record = &records[usize::from(record - b'0')][..];
                let values = said.as_ref().map(|said| {
                    let mut values: Vec<_> = said
                        .iter()
                        .map(|(id, value)| (*id, value.map(|it| VALUES[usize::from(it)]), older_max))
                        .collect();
                    values.sort_by_key(|it| it.0);
                    values.dedup_by_key(|it| it.0);
                    values
                });

                let mut claims = decode(&row).unwrap_or_default();
                let mut touched = Touched::default();
                let said = values.clone().map_or(Said::Gone, Said::Here);
                let told = Observation { mapping: *mapping, record, mark: at, said, echo: false };
                claims.merge(&told, &mut touched);
                let merged = bytes_of(&claims);

                let speaker = Speaker { mapping: *mapping, record, mark: at };
                let mut outline = Outline::default();
                prop_assert!(row.is_empty() || outline.read(&row), "no echo, no decision");
                let mut fields = Vec::new();
                let is_heard = match &values {
                    Some(values) => outline.hear(speaker, values.iter().copied(), &mut fields),
                    None => outline.hear_gone(speaker),
                };
                let before = decode(&row).unwrap_or_default();
                let mut origins = before.origins.iter();
                let before = origins.find(|it| (it.mapping, it.record) == (*mapping, record));
                let goes_on = match (before, &values) {
                    (None, Some(_)) => true,
                    (Some(it), Some(_)) => it.was && (it.is_here() || it.fields.is_empty()),
                    (it, None) => it.is_some_and(|it| it.was && it.is_here()),
                };
                prop_assert!(is_heard || !goes_on || *later == 0, "it goes on");
                if is_heard {
                    let mut patched = Vec::new();
                    outline.write(&mut patched);
                    prop_assert_eq!(&patched, &merged);
                    prop_assert_eq!(outline.comes_or_goes(), touched.existence);
                    prop_assert_eq!(fields, touched.fields);
                }
                if row.is_empty() && let Some(values) = values {
                    let mut new = Vec::new();
                    let values = values.iter().map(|(id, value, _)| (*id, *value));
                    encode_new(speaker, values, &mut new);
                    prop_assert_eq!(&new, &merged);
                }
                prop_assert!(claims.origins.iter().all(|it| it.field(LIFE).is_none()));
                row = merged;
            }
        }
    }
}
