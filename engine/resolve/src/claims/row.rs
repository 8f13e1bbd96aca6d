//! The bytes of a claims row.
//!
//! ```text
//! row      layout u8, origins n, origin × n
//! origin   mapping n, record (n bytes), marks n, mark × n, seen n, gone n, was u8, fields n, field × n
//! mark     epoch u32, commit u64, ordinal u32, micros i64, copied u8      25 bytes, little-endian
//! field    id n, floor n, older n, run × (1 + older)
//! run      first n × 2, + 1 where it is an echo, last n, value: 0 for NULL, else its length + 1 and its bytes
//! ```
//! `n` is a number in LEB128. Marks are each origin's own, sorted, and named by index; where one may be
//! missing, 0 says so and the index is counted from 1. Equal claims have equal bytes. Layout 1 had no echoes:
//! first n.

use super::{Claims, Field, Origin, Run};
use crate::{Mark, Stamp};
use syncline_core::Position;

pub(super) const LAYOUT: u8 = 2;
const WITHOUT_ECHOES: u8 = 1;
pub(super) const MARK_BYTES: usize = 25;

/// Writes claims behind what a buffer holds.
pub(crate) fn encode(claims: &Claims<'_>, bytes: &mut Vec<u8>) {
    bytes.push(LAYOUT);
    push(bytes, claims.origins.len());
    let mut marks = Vec::with_capacity(8);
    for origin in &claims.origins {
        encode_origin(origin, &mut marks, bytes);
    }
}

fn encode_origin(origin: &Origin<'_>, marks: &mut Vec<Mark>, bytes: &mut Vec<u8>) {
    collect(origin, marks);
    push(bytes, origin.mapping.into());
    push(bytes, origin.record.len());
    bytes.extend_from_slice(origin.record);
    push(bytes, marks.len());
    for mark in marks.iter() {
        encode_mark(*mark, bytes);
    }
    let index = |mark: Mark| marks.iter().position(|it| *it == mark).expect("it was collected");
    let maybe = |mark: Option<Mark>| mark.map_or(0, |mark| index(mark) + 1);
    push(bytes, maybe(origin.seen));
    push(bytes, maybe(origin.gone));
    bytes.push(origin.was.into());
    push(bytes, origin.fields.len());
    for field in &origin.fields {
        push(bytes, field.id.into());
        push(bytes, maybe(field.floor));
        push(bytes, field.older.len());
        for run in field.older.iter().chain([&field.run]) {
            push(bytes, index(run.first) << 1 | usize::from(run.echo));
            push(bytes, index(run.last));
            match run.value {
                None => push(bytes, 0),
                Some(value) => {
                    push(bytes, value.len() + 1);
                    bytes.extend_from_slice(value);
                }
            }
        }
    }
}

pub(super) fn encode_mark(mark: Mark, bytes: &mut Vec<u8>) {
    let mut cell = [0; MARK_BYTES];
    cell[..4].copy_from_slice(&mark.position.epoch.to_le_bytes());
    cell[4..12].copy_from_slice(&mark.position.commit.to_le_bytes());
    cell[12..16].copy_from_slice(&mark.position.ordinal.to_le_bytes());
    cell[16..24].copy_from_slice(&mark.stamp.micros.to_le_bytes());
    cell[24] = mark.stamp.copied.into();
    bytes.extend_from_slice(&cell);
}

/// The distinct marks of an origin, sorted.
fn collect(origin: &Origin<'_>, marks: &mut Vec<Mark>) {
    marks.clear();
    let mut add = |mark: Mark| {
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    };
    origin.seen.into_iter().chain(origin.gone).for_each(&mut add);
    for field in &origin.fields {
        field.floor.into_iter().for_each(&mut add);
        for run in field.older.iter().chain([&field.run]) {
            add(run.first);
            add(run.last);
        }
    }
    marks.sort_unstable();
}

/// Reads claims; `None` when the bytes are not a row.
pub(crate) fn decode(bytes: &[u8]) -> Option<Claims<'_>> {
    let (&layout, rest) = bytes.split_first()?;
    let with_echoes = match layout {
        LAYOUT => true,
        WITHOUT_ECHOES => false,
        _ => return None,
    };
    let mut input = Input { rest, with_echoes };
    let count = input.count()?;
    let mut marks = Vec::with_capacity(8);
    let mut origins = Vec::with_capacity(count);
    for _ in 0..count {
        origins.push(decode_origin(&mut input, &mut marks)?);
    }
    input.rest.is_empty().then_some(Claims { origins })
}

fn decode_origin<'a>(input: &mut Input<'a>, marks: &mut Vec<Mark>) -> Option<Origin<'a>> {
    let mapping = u16::try_from(input.number()?).ok()?;
    let length = input.number()?;
    let record = input.take(length)?;
    marks.clear();
    for _ in 0..input.count()? {
        marks.push(decode_mark(input.take(MARK_BYTES)?)?);
    }
    let (seen, gone) = (input.maybe_mark(marks)?, input.maybe_mark(marks)?);
    let was = input.flag()?;
    let count = input.count()?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let id = u16::try_from(input.number()?).ok()?;
        let floor = input.maybe_mark(marks)?;
        let older = (0..input.count()?).map(|_| input.run(marks)).collect::<Option<Vec<_>>>()?;
        fields.push(Field { id, run: input.run(marks)?, older, floor });
    }
    Some(Origin { mapping, record, seen, gone, was, fields })
}

pub(super) fn decode_mark(bytes: &[u8]) -> Option<Mark> {
    let (epoch, bytes) = bytes.split_first_chunk()?;
    let (commit, bytes) = bytes.split_first_chunk()?;
    let (ordinal, bytes) = bytes.split_first_chunk()?;
    let (micros, bytes) = bytes.split_first_chunk()?;
    let position = Position {
        epoch: u32::from_le_bytes(*epoch),
        commit: u64::from_le_bytes(*commit),
        ordinal: u32::from_le_bytes(*ordinal),
    };
    let stamp = Stamp { micros: i64::from_le_bytes(*micros), copied: flag(*bytes.first()?)? };
    Some(Mark { position, stamp })
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

pub(super) fn push(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Input<'a> {
    rest: &'a [u8],
    with_echoes: bool,
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        flag(self.byte()?)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(number).ok();
            }
        }
        None
    }

    /// A number of things that take at least a byte each.
    fn count(&mut self) -> Option<usize> {
        self.number().filter(|count| *count <= self.rest.len())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn mark(&mut self, marks: &[Mark]) -> Option<Mark> {
        marks.get(self.number()?).copied()
    }

    fn maybe_mark(&mut self, marks: &[Mark]) -> Option<Option<Mark>> {
        match self.number()? {
            0 => Some(None),
            place => marks.get(place - 1).map(|mark| Some(*mark)),
        }
    }

    fn run(&mut self, marks: &[Mark]) -> Option<Run<'a>> {
        let first = self.number()?;
        let (first, echo) =
            if self.with_echoes { (first >> 1, first & 1 == 1) } else { (first, false) };
        let (first, last) = (*marks.get(first)?, self.mark(marks)?);
        let value = match self.number()? {
            0 => None,
            length => Some(self.take(length - 1)?),
        };
        Some(Run { first, last, value, echo })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn mark() -> impl Strategy<Value = Mark> {
        let small = (0_u32..2, 0_u64..3, 0_u32..2, 0_i64..3);
        let position = prop_oneof![small, any::<(u32, u64, u32, i64)>()];
        (position, any::<bool>()).prop_map(|((epoch, commit, ordinal, micros), copied)| Mark {
            position: Position { epoch, commit, ordinal },
            stamp: Stamp { micros, copied },
        })
    }

    type Owned = (Mark, Mark, Option<Vec<u8>>, bool);
    type OwnedField = (u16, Owned, Vec<Owned>, Option<Mark>);
    type OwnedOrigin = (u16, Vec<u8>, (Option<Mark>, Option<Mark>, bool), Vec<OwnedField>);

    fn origin() -> impl Strategy<Value = OwnedOrigin> {
        let run = || (mark(), mark(), option::of(vec(any::<u8>(), 0..200)), any::<bool>());
        let field = (any::<u16>(), run(), vec(run(), 0..4), option::of(mark()));
        let life = (option::of(mark()), option::of(mark()), any::<bool>());
        (any::<u16>(), vec(any::<u8>(), 0..12), life, vec(field, 0..6))
    }

    fn run((first, last, value, echo): &Owned) -> Run<'_> {
        Run { first: *first, last: *last, value: value.as_deref(), echo: *echo }
    }

    fn claims(origins: &[OwnedOrigin]) -> Claims<'_> {
        let origins = origins.iter().map(|(mapping, record, (seen, gone, was), fields)| Origin {
            mapping: *mapping,
            record,
            seen: *seen,
            gone: *gone,
            was: *was,
            fields: fields
                .iter()
                .map(|(id, now, older, floor)| Field {
                    id: *id,
                    run: run(now),
                    older: older.iter().map(run).collect(),
                    floor: *floor,
                })
                .collect(),
        });
        Claims { origins: origins.collect() }
    }

    fn encoded(claims: &Claims<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(claims, &mut bytes);
        bytes
    }

    proptest! {
        /// What is written is read; equal claims have equal bytes, and others have others.
        #[test]
        fn what_is_written_is_read(a in vec(origin(), 0..4), b in vec(origin(), 0..2)) {
            let (a, b) = (claims(&a), claims(&b));
            let bytes = encoded(&a);
            let read = decode(&bytes);
            prop_assert_eq!(read.as_ref(), Some(&a));
            prop_assert_eq!(encoded(&read.unwrap()), bytes.clone());
            prop_assert_eq!(a == b, bytes == encoded(&b));
        }

        /// Bytes that are no row are refused, or read as another row: nothing panics, and no more is
        /// allocated than the bytes can hold.
        #[test]
        fn damaged_bytes_do_not_panic(
            origins in vec(origin(), 0..4), noise in vec((any::<usize>(), any::<u8>()), 0..6),
            cut in any::<usize>(),
        ) {
            let mut bytes = encoded(&claims(&origins));
            for (at, byte) in noise {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = decode(&bytes);
            let _ = decode(&bytes[..cut % (bytes.len() + 1)]);
        }

        #[test]
        fn random_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = LAYOUT;
            }
            let _ = decode(&bytes);
        }

        /// A row that is cut short is never one.
        #[test]
        fn a_part_of_a_row_is_no_row(origins in vec(origin(), 1..3), cut in any::<usize>()) {
            let bytes = encoded(&claims(&origins));
            prop_assert_eq!(decode(&bytes[..cut % bytes.len()]), None);
        }
    }

    /// Rows rest on disks: this layout is a promise.
    #[test]
    fn a_row_is_laid_out_as_it_always_was() {
        let mark = |commit, copied| Mark {
            position: Position { epoch: 1, commit, ordinal: 2 },
            stamp: Stamp { micros: 3, copied },
        };
        let (early, late) = (mark(0x10, true), mark(0x20, false));
        let older = vec![Run { first: early, last: early, value: None, echo: false }];
        let run = Run { first: late, last: late, value: Some(b"ab"), echo: true };
        let fields = vec![Field { id: 5, run, older, floor: Some(early) }];
        let record = b"[\"7\"]";
        let origin = Origin { mapping: 1, record, seen: Some(late), gone: None, was: true, fields };
        let hex: String = encoded(&Claims { origins: vec![origin] })
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let parts = [
            "02",
            "01", // layout, origins
            "01",
            "05",
            "5b2237225d", // mapping, record
            "02",         // marks
            "01000000",
            "1000000000000000",
            "02000000",
            "0300000000000000",
            "01",
            "01000000",
            "2000000000000000",
            "02000000",
            "0300000000000000",
            "00",
            "02",
            "00",
            "01",
            "01", // seen, gone, was, fields
            "05",
            "01",
            "01", // id, floor, older
            "00",
            "00",
            "00", // the run before: NULL
            "03",
            "01",
            "03",
            "6162", // the run that holds, an echo
        ];
        assert_eq!(hex, parts.concat());
    }

    #[test]
    fn a_row_of_the_first_layout_is_read() {
        let first = [
            &[1, 1, 1, 5][..],
            b"[\"7\"]",
            &[1, 1, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 1, 1, 5, 0, 0, 0, 0, 3],
            b"ab",
        ];
        let bytes = first.concat();
        let claims = decode(&bytes).unwrap();
        let run = claims.origins[0].fields[0].run;
        assert_eq!(
            (run.value, run.echo, run.first.position.commit),
            (Some(&b"ab"[..]), false, 0x10)
        );
    }
}
