//! The bytes of a claims row.
//!
//! ```text
//! row      layout u8, origins n, origin × n
//! origin   mapping n, record (n bytes), marks n, mark × n, seen n, gone n, was u8, fields n, field × n
//! mark     epoch u32, commit u64, ordinal u32, micros i64, copied u8      25 bytes, little-endian
//! field    id n, floor n, older n, run × (1 + older)
//! run      first n, last n, value: 0 for NULL, else its length + 1 and its bytes
//! ```
//! `n` is a number in LEB128. Marks are each origin's own, sorted, and named by index; where one may be
//! missing, 0 says so and the index is counted from 1. Equal claims have equal bytes.

use super::{Claims, Field, Origin, Run};
use crate::{Mark, Stamp};
use syncline_core::Position;

const LAYOUT: u8 = 1;
const MARK_BYTES: usize = 25;

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
        bytes.extend(mark.position.epoch.to_le_bytes());
        bytes.extend(mark.position.commit.to_le_bytes());
        bytes.extend(mark.position.ordinal.to_le_bytes());
        bytes.extend(mark.stamp.micros.to_le_bytes());
        bytes.push(mark.stamp.copied.into());
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
            push(bytes, index(run.first));
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
    let mut input = Input(bytes);
    if input.byte()? != LAYOUT {
        return None;
    }
    let count = input.count()?;
    let mut marks = Vec::with_capacity(8);
    let mut origins = Vec::with_capacity(count);
    for _ in 0..count {
        origins.push(decode_origin(&mut input, &mut marks)?);
    }
    input.0.is_empty().then_some(Claims { origins })
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

fn decode_mark(bytes: &[u8]) -> Option<Mark> {
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

fn push(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
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
        self.number().filter(|count| *count <= self.0.len())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
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
        let (first, last) = (self.mark(marks)?, self.mark(marks)?);
        let value = match self.number()? {
            0 => None,
            length => Some(self.take(length - 1)?),
        };
        Some(Run { first, last, value })
    }
}
