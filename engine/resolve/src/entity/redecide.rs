//! Deciding again by other rules.

use super::compare::{Judged, Turn, operation, turn, unit_turn};
use super::conflict::{Closed, ConflictChange, dropped};
use super::golden::GoldenRows;
use super::keep::{Entity, Outcome};
use crate::claims::decode;
use crate::rows::{Cursor, Scanned};
use syncline_core::{Op, Result, Transaction};

/// How many bytes of claims are decided again at a time.
const PIECE_BYTES: usize = 1 << 20;

impl Entity {
    /// Whether the rules are others than those that decided so far.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.former.is_some() && !self.is_redecided
    }

    /// Decides the next piece of all claims again, as of a transaction that stands for the change of the
    /// rules; says where to go on, none at the end. Then the new rules hold, once
    /// [`Entity::commit`] was called. What was heard before is committed; what is heard meanwhile is
    /// decided by the new rules at once, and may be told twice.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when claims can't be read.
    pub fn redecide(&mut self, from: Cursor, at: Transaction) -> Result<(Outcome, Option<Cursor>)> {
        let mut scanned = Scanned::default();
        let next = self.rows.scan(from, PIECE_BYTES, &mut scanned)?;
        let mut outcome = Outcome::default();
        if let Some(former) = &self.former {
            let mut golden = GoldenRows::new(&self.rules);
            for (key, row) in (0..scanned.len()).filter_map(|place| scanned.get(place)) {
                let claims = decode(row).ok_or_else(|| self.damaged())?;
                let mut old = Judged::new(former, &claims);
                let mut new = Judged::new(&self.rules, &claims);
                let op = self.decide_again(key, &mut old, &mut new, &mut outcome.conflicts)?;
                if let Some(op) = op {
                    let ordinal = u32::try_from(golden.len()).unwrap_or(u32::MAX);
                    let shown = if new.exists.exists { &mut new } else { &mut old };
                    golden.push(&self.rules, key, op, (at, ordinal), shown);
                }
            }
            outcome.golden = golden.finish(&self.rules)?;
        }
        self.is_redecided = next.is_none() && self.former.is_some();
        Ok((outcome, next))
    }

    /// What becomes of a key when other rules decide it.
    pub(super) fn decide_again(
        &self,
        key: &[u8],
        old: &mut Judged<'_, '_, '_>,
        new: &mut Judged<'_, '_, '_>,
        conflicts: &mut Vec<ConflictChange>,
    ) -> Result<Option<Op>> {
        let units: Vec<usize> = (0..self.rules.units.len()).collect();
        let op = operation(old, new, &units, false);
        for turn in self.turns(old, new) {
            conflicts.push(self.told(key, turn, new)?);
        }
        self.close_dropped(key, old, new, conflicts)?;
        let is_lost = old.exists.exists && new.exists.exists && old.loses_a_value(&self.rules);
        Ok(op.or(is_lost.then_some(Op::Update)))
    }

    /// Nothing is asked any more of units that the rules no longer have.
    fn close_dropped(
        &self,
        key: &[u8],
        old: &mut Judged<'_, '_, '_>,
        new: &Judged<'_, '_, '_>,
        conflicts: &mut Vec<ConflictChange>,
    ) -> Result<()> {
        for subject in old.open_units() {
            if new.unit_named(subject).is_none() {
                conflicts.push(dropped(&self.rules, key, subject)?);
            }
        }
        Ok(())
    }

    /// Conflicts are told by the names of their units, which both rules may have.
    fn turns(&self, old: &mut Judged<'_, '_, '_>, new: &mut Judged<'_, '_, '_>) -> Vec<Turn> {
        let mut turns = Vec::new();
        for unit in 0..self.rules.units.len() {
            let former = old.unit_named(&self.rules.units[unit].name);
            turns.extend(unit_turn((old, former), (new, unit), Closed::RulesChanged));
        }
        turns.extend(turn(None, old.exists.conflict, new.exists.conflict, Closed::RulesChanged));
        turns
    }
}
