//! What a row's presence mask means for a mapping: worked out once a mask, not once a row.

use super::program::Program;
use arrow_buffer::ScalarBuffer;
use syncline_core::{ChangeBatch, ColumnMask, Presence};

/// Whether an expression's value is known for rows with a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// All its inputs are there.
    Yes,
    /// None is: the target keeps what it has.
    Absent,
    /// Some are and some are not.
    Mixed,
}

/// What one mask means.
#[derive(Debug)]
pub(super) struct Facts {
    /// Whether the filter can be judged.
    pub(super) filter: bool,
    /// Whether the target's key is known.
    pub(super) key: bool,
    /// One a target column.
    pub(super) columns: Vec<Known>,
    /// Whether all target columns are known.
    pub(super) whole: bool,
}

/// The facts of all masks of a batch. Where every row has every column, there is but one.
#[derive(Debug)]
pub(super) struct Masks<'a> {
    facts: Vec<Facts>,
    rows: Option<&'a [u16]>,
}

impl<'a> Masks<'a> {
    pub(super) fn new(program: &Program, places: &[usize], batch: &'a ChangeBatch) -> Self {
        let presence = batch.presence();
        let facts = match presence.rows() {
            None => vec![Facts::of(program, |_| true)],
            Some(_) => presence
                .masks()
                .iter()
                .map(|mask| {
                    Facts::of(program, |input| {
                        places.get(input).is_some_and(|&place| mask.has(place))
                    })
                })
                .collect(),
        };
        Self { facts, rows: presence.rows() }
    }

    /// Whether every row has every column.
    pub(super) fn is_all(&self) -> bool {
        self.rows.is_none()
    }

    /// Whether the filter can be judged for any row.
    pub(super) fn can_judge(&self) -> bool {
        self.facts.iter().any(|facts| facts.filter)
    }

    /// The number of a row's mask.
    pub(super) fn number(&self, row: usize) -> u16 {
        self.rows.and_then(|rows| rows.get(row)).copied().unwrap_or(0)
    }

    pub(super) fn of(&self, row: usize) -> &Facts {
        self.facts.get(usize::from(self.number(row))).expect("each row's mask has its facts")
    }

    /// The presence of output rows: that of their source row, or (`None`) of the key alone.
    pub(super) fn presence(
        &self,
        program: &Program,
        rows: impl Iterator<Item = Option<usize>>,
    ) -> Presence {
        let columns = program.columns.len();
        let mut masks: Vec<ColumnMask> =
            self.facts.iter().map(|facts| target_mask(&facts.columns)).collect();
        let key_only = u16::try_from(masks.len()).unwrap_or(u16::MAX);
        let mut key = ColumnMask::none(columns);
        program.writes.key().iter().for_each(|&index| key.set(index));
        masks.push(key);
        let rows: ScalarBuffer<u16> =
            rows.map(|row| row.map_or(key_only, |row| self.number(row))).collect();
        if rows.iter().all(|&row| masks.get(usize::from(row)).is_some_and(ColumnMask::is_all)) {
            return Presence::all(columns);
        }
        Presence::from_parts(columns, masks, rows)
    }
}

impl Facts {
    fn of(program: &Program, has: impl Fn(usize) -> bool) -> Self {
        let known = |inputs: &[usize]| {
            let there = inputs.iter().filter(|&&input| has(input)).count();
            match there {
                there if there == inputs.len() => Known::Yes,
                0 => Known::Absent,
                _ => Known::Mixed,
            }
        };
        let columns: Vec<Known> =
            program.columns.iter().map(|column| known(&column.inputs)).collect();
        let is_known = |index: &usize| columns.get(*index) == Some(&Known::Yes);
        Self {
            filter: program
                .filter
                .as_ref()
                .is_none_or(|filter| known(&filter.inputs) == Known::Yes),
            key: program.writes.key().iter().all(is_known),
            whole: columns.iter().all(|column| *column == Known::Yes),
            columns,
        }
    }
}

fn target_mask(columns: &[Known]) -> ColumnMask {
    let mut mask = ColumnMask::none(columns.len());
    for (index, known) in columns.iter().enumerate() {
        if *known == Known::Yes {
            mask.set(index);
        }
    }
    mask
}
