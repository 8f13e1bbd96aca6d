//! What became of one key: its golden row, and its conflicts.

use crate::claims::{Claims, Touched};
use crate::policy::{By, Compiled, Exists, Verdict, decide, decision_id, exists};
use syncline_core::{Closed, ConflictKind, Digest, Op};

/// What claims come to by some rules.
#[derive(Debug)]
pub(crate) struct Judged<'r, 'c, 'a> {
    pub(crate) rules: &'r Compiled,
    claims: &'c Claims<'a>,
    pub(crate) exists: Exists<'a>,
    /// By unit; those that nobody asked for yet are missing.
    verdicts: Vec<Option<Verdict<'a>>>,
}

impl<'r, 'c, 'a> Judged<'r, 'c, 'a> {
    pub(crate) fn new(rules: &'r Compiled, claims: &'c Claims<'a>) -> Self {
        let verdicts = rules.units.iter().map(|_| None).collect();
        Self { rules, claims, exists: exists(rules, claims), verdicts }
    }

    /// What a unit comes to.
    pub(crate) fn unit(&mut self, unit: usize) -> &Verdict<'a> {
        let (rules, claims) = (self.rules, self.claims);
        self.verdicts[unit].get_or_insert_with(|| decide(rules, &rules.units[unit], claims))
    }

    /// The value of a field; NULL where the rules don't know the field.
    pub(crate) fn field(&mut self, field: u16) -> Option<&[u8]> {
        let unit = self.rules.unit_of(field)?;
        let column = self.rules.units[unit].fields.iter().position(|&it| it == field)?;
        self.unit(unit).value.column(column)
    }

    /// Whether a field has a value whose column is of another type by other rules: its word is lost.
    pub(crate) fn loses_a_value(&mut self, others: &Compiled) -> bool {
        let fields = self.rules.fields.iter().zip(self.rules.rules.schema.columns());
        let is_kept = |name: &str| others.rules.schema.index_of(name).is_some();
        let mut lost = fields
            .filter(|(field, column)| !others.fields.contains(field) && is_kept(&column.name));
        lost.any(|(&field, _)| self.field(field).is_some())
    }

    /// The names of the units that something is open on.
    pub(crate) fn open_units(&mut self) -> Vec<&'r str> {
        let rules = self.rules;
        let is_open = |&unit: &usize| self.conflict(unit).is_some();
        let open: Vec<usize> = (0..rules.units.len()).filter(is_open).collect();
        open.into_iter().map(|unit| rules.units[unit].name.as_str()).collect()
    }

    /// The unit with a name.
    pub(crate) fn unit_named(&self, name: &str) -> Option<usize> {
        self.rules.units.iter().position(|unit| unit.name == name)
    }

    /// What it was judged on.
    pub(crate) fn claims(&self) -> &'c Claims<'a> {
        self.claims
    }

    /// What is open on a unit. Where there is no entity nothing is asked of its fields.
    pub(crate) fn conflict(&mut self, unit: usize) -> Option<(ConflictKind, Digest)> {
        if self.exists.exists { self.unit(unit).conflict } else { None }
    }

    /// Why nothing is open on a unit, or on whether the entity exists.
    fn why_closed(&mut self, unit: Option<usize>) -> Closed {
        let decision = match unit {
            Some(_) if !self.exists.exists => None,
            Some(unit) => match self.unit(unit).by {
                By::Decision(id) => Some(id),
                _ => None,
            },
            None => self.exists.decision,
        };
        match decision {
            Some(id) => Closed::Decided { decision: decision_id(id) },
            None if self.exists.exists => Closed::Agreed,
            None => Closed::Gone,
        }
    }
}

/// What became of a conflict, by unit; none for the entity's existence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    Raised { unit: Option<usize>, kind: ConflictKind, evidence: Digest },
    Closed { unit: Option<usize>, why: Closed },
}

/// The units to look at again.
pub(crate) fn touched_units(rules: &Compiled, touched: &Touched) -> Vec<usize> {
    if touched.existence {
        return (0..rules.units.len()).collect();
    }
    let mut units: Vec<usize> =
        touched.fields.iter().filter_map(|&field| rules.unit_of(field)).collect();
    units.sort_unstable();
    units.dedup();
    units
}

/// Why a golden row is told again that is no other than it was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Again {
    /// A row was copied: that is to mend what targets have.
    pub(crate) is_copied: bool,
    /// Something else may have been told before a crash, and was not committed.
    pub(crate) in_doubt: bool,
    /// What was told then may be that the entity exists.
    pub(crate) may_have_been: bool,
    /// What was told then may be another golden row: more was known of the key by then than one word.
    pub(crate) may_have_differed: bool,
}

/// The operation that takes the old golden row to the new one; none where they are the same, and nothing
/// has to be told again.
///
/// A row that is only told again is as good as copied. Not so where it differs from what may have been told:
/// then targets may hold a row that by now they must not.
pub(crate) fn operation(
    old: &mut Judged<'_, '_, '_>,
    new: &mut Judged<'_, '_, '_>,
    units: &[usize],
    again: Again,
) -> Option<Op> {
    match (old.exists.exists, new.exists.exists) {
        (false, false) => again.may_have_been.then_some(Op::Delete),
        (true, false) => Some(Op::Delete),
        (_, true) if again.in_doubt => {
            Some(if again.may_have_differed { Op::Update } else { Op::Snapshot })
        }
        (false, true) => Some(if again.is_copied { Op::Snapshot } else { Op::Insert }),
        (true, true) => {
            let rules = new.rules;
            let fields = units.iter().flat_map(|&unit| &rules.units[unit].fields);
            let mut differs = fields.map(|&field| old.field(field) != new.field(field));
            if differs.any(|differs| differs) {
                return Some(Op::Update);
            }
            again.is_copied.then_some(Op::Snapshot)
        }
    }
}

/// What became of conflicts between two judgements by the same rules.
pub(crate) fn turns(
    old: &mut Judged<'_, '_, '_>,
    new: &mut Judged<'_, '_, '_>,
    units: &[usize],
) -> Vec<Turn> {
    let mut turns = Vec::new();
    let all: Vec<usize>;
    let units = if old.exists.exists == new.exists.exists {
        units
    } else {
        all = (0..new.rules.units.len()).collect();
        &all
    };
    for &unit in units {
        let why = new.why_closed(Some(unit));
        turns.extend(unit_turn((old, Some(unit)), (new, unit), why));
    }
    let why = new.why_closed(None);
    turns.extend(existence_turn(old, new, why));
    turns
}

/// All that is asked of a key, and all that is not: where something else may have been noted before a
/// crash.
pub(crate) fn all_turns(new: &mut Judged<'_, '_, '_>) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut state = |unit, conflict: Option<(ConflictKind, Digest)>, why| {
        turns.push(match conflict {
            Some((kind, evidence)) => Turn::Raised { unit, kind, evidence },
            None => Turn::Closed { unit, why },
        });
    };
    for unit in 0..new.rules.units.len() {
        let conflict = new.conflict(unit);
        state(Some(unit), conflict, new.why_closed(Some(unit)));
    }
    let why = new.why_closed(None);
    state(None, new.exists.conflict, why);
    turns
}

/// What became of the conflict on whether the entity exists. One that is open as it was is raised
/// again where the other answer is in force meanwhile.
pub(crate) fn existence_turn(
    old: &Judged<'_, '_, '_>,
    new: &Judged<'_, '_, '_>,
    why: Closed,
) -> Option<Turn> {
    let (before, now) = (old.exists.conflict, new.exists.conflict);
    if let Some((kind, evidence)) = now.filter(|_| before == now) {
        let raised = Turn::Raised { unit: None, kind, evidence };
        return (old.exists.exists != new.exists.exists).then_some(raised);
    }
    turn(None, before, now, why)
}

/// What became of the conflict on a unit, which the old rules may not know. One that is open as it was
/// is raised again where another value is in force meanwhile.
pub(crate) fn unit_turn(
    (old, of_old): (&mut Judged<'_, '_, '_>, Option<usize>),
    (new, unit): (&mut Judged<'_, '_, '_>, usize),
    why: Closed,
) -> Option<Turn> {
    let before = of_old.and_then(|of_old| old.conflict(of_old));
    let now = new.conflict(unit);
    if let (Some(of_old), Some((kind, evidence))) = (of_old, now.filter(|_| before == now)) {
        let columns = 0..new.rules.units[unit].fields.len();
        let (old, new) = (&old.unit(of_old).value, &new.unit(unit).value);
        let mut differs = columns.map(|column| old.column(column) != new.column(column));
        let raised = Turn::Raised { unit: Some(unit), kind, evidence };
        return differs.any(|differs| differs).then_some(raised);
    }
    turn(Some(unit), before, now, why)
}

fn turn(
    unit: Option<usize>,
    old: Option<(ConflictKind, Digest)>,
    new: Option<(ConflictKind, Digest)>,
    why: Closed,
) -> Option<Turn> {
    match (old, new) {
        (old, Some((kind, evidence))) if old != new => Some(Turn::Raised { unit, kind, evidence }),
        (Some(_), None) => Some(Turn::Closed { unit, why }),
        _ => None,
    }
}
