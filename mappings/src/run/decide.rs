//! What each change of the source means for the target, before any value is computed.

use super::evaluate::{Failure, values};
use super::facts::Masks;
use super::program::{Filter, Program};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use syncline_core::{ChangeBatch, Op, RejectedRow, Result};

/// What the filter says of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
    /// A column it needs is absent.
    Unknown,
    /// It can't be computed for this row.
    Broken,
}

/// A source row that becomes a target row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    /// The row with the image after.
    pub(super) row: usize,
    /// The row with the image before, where the target may hold a row made of it.
    pub(super) before: Option<usize>,
}

/// A source row whose target row goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leave {
    /// The row that says so.
    pub(super) row: usize,
    /// The row whose image has the target's key.
    pub(super) image: usize,
}

/// What is to be done with the rows of a batch. All lists are in source order.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    pub(super) writes: Vec<Write>,
    pub(super) leaves: Vec<Leave>,
    pub(super) rejected: Vec<RejectedRow>,
}

/// Decides what each row of a batch means.
pub(super) fn decide(
    program: &Program,
    masks: &Masks<'_>,
    batch: &ChangeBatch,
    input: &RecordBatch,
) -> Result<Decisions> {
    let judge = Judge::new(program.filter.as_ref(), masks, batch, input)?;
    let mut decisions = Decisions::default();
    decisions.writes.reserve(batch.len());
    for row in 0..batch.len() {
        match batch.op(row) {
            Op::Before => {}
            Op::Delete => {
                if !judge.was_never_there(row) {
                    decisions.leaves.push(Leave { row, image: row });
                }
            }
            Op::Update => {
                let before = row.checked_sub(1).filter(|&row| batch.op(row) == Op::Before);
                judge.update(row, before, &mut decisions);
            }
            Op::Insert | Op::Snapshot => match judge.verdict(row) {
                Verdict::Passes => decisions.writes.push(Write { row, before: None }),
                Verdict::Fails => {}
                Verdict::Unknown | Verdict::Broken => decisions.rejected.push(judge.reject(row)),
            },
        }
    }
    Ok(decisions)
}

/// The filter's verdicts over a batch.
struct Judge<'a> {
    filter: Option<&'a Filter>,
    batch: &'a ChangeBatch,
    masks: &'a Masks<'a>,
    passes: Option<arrow_array::BooleanArray>,
    broken: Vec<Failure>,
}

impl<'a> Judge<'a> {
    fn new(
        filter: Option<&'a Filter>,
        masks: &'a Masks<'a>,
        batch: &'a ChangeBatch,
        input: &RecordBatch,
    ) -> Result<Self> {
        let can_judge = masks.can_judge();
        let Some(judging) = filter.filter(|_| can_judge) else {
            return Ok(Self { filter, batch, masks, passes: None, broken: Vec::new() });
        };
        let judged = values(&judging.expr, input, &DataType::Boolean)?;
        let passes = Some(judged.array.as_boolean().clone());
        Ok(Self { filter, batch, masks, passes, broken: judged.failures })
    }

    fn verdict(&self, row: usize) -> Verdict {
        if self.filter.is_none() {
            return Verdict::Passes;
        }
        let Some(passes) = &self.passes else { return Verdict::Unknown };
        if !self.masks.is_all() && !self.masks.of(row).filter {
            return Verdict::Unknown;
        }
        if self.failure(row).is_some() {
            return Verdict::Broken;
        }
        if passes.is_valid(row) && passes.value(row) { Verdict::Passes } else { Verdict::Fails }
    }

    /// Whether an image that is no more tells that the target never had its row.
    fn was_never_there(&self, row: usize) -> bool {
        self.filter.is_some_and(|filter| filter.judges_before)
            && self.verdict(row) == Verdict::Fails
    }

    fn update(&self, row: usize, before: Option<usize>, decisions: &mut Decisions) {
        let gone = before.is_some_and(|before| self.was_never_there(before));
        match self.verdict(row) {
            Verdict::Passes => {
                decisions.writes.push(Write { row, before: before.filter(|_| !gone) });
            }
            Verdict::Fails if gone => {}
            Verdict::Fails => {
                decisions.leaves.push(Leave { row, image: before.unwrap_or(row) });
            }
            Verdict::Unknown | Verdict::Broken => decisions.rejected.push(self.reject(row)),
        }
    }

    fn reject(&self, row: usize) -> RejectedRow {
        let expression = self.filter.map(|filter| filter.text.clone());
        match self.failure(row) {
            Some(failure) => {
                RejectedRow { row, expression, reason: failure.reason.clone(), hint: None }
            }
            None => {
                let (reason, hint) = lacking(self.batch, row, "condition");
                RejectedRow { row, expression, reason, hint }
            }
        }
    }

    fn failure(&self, row: usize) -> Option<&Failure> {
        let place = self.broken.binary_search_by_key(&row, |failure| failure.row).ok()?;
        self.broken.get(place)
    }
}

/// What mends a row that lacks columns.
pub(super) const FULL_HINT: &str =
    "ALTER TABLE … REPLICA IDENTITY FULL makes the source send whole rows";

/// Whether a row is whole, but for values that its source could not carry.
pub(super) fn is_new(batch: &ChangeBatch, row: usize) -> bool {
    matches!(batch.op(row), Op::Insert | Op::Snapshot)
}

/// Why a row is refused that lacks a column which `what` needs, and what mends it.
pub(super) fn lacking(batch: &ChangeBatch, row: usize, what: &str) -> (String, Option<String>) {
    let (needs, hint) = match is_new(batch, row) {
        true => (
            "a value that can't be carried exactly: it is out of range, or no valid text",
            "correct the value at the source",
        ),
        false => ("a column that the change does not have", FULL_HINT),
    };
    (format!("the {what} needs {needs}"), Some(hint.to_owned()))
}
