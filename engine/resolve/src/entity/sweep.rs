//! What is done over all claims: deciding again by other rules, and forgetting a table that was emptied.

use super::compare::{
    Again, Judged, Turn, all_turns, existence_turn, operation, touched_units, turns, unit_turn,
};
use super::conflict::dropped;
use super::golden::GoldenRows;
use super::keep::Entity;
use super::returned::must_return;
use crate::claims::{Claims, Touched, decode, encode};
use crate::rows::Scanned;
use syncline_core::{Closed, ConflictChange, Cursor, Op, Resolved, Result, Transaction};

/// How many bytes of claims are gone through at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A key of which a mapping's records were let go, before and after.
struct Emptied<'s> {
    key: &'s [u8],
    old: Claims<'s>,
    new: Claims<'s>,
    touched: Touched,
}

impl Entity {
    /// Decides the next piece of all claims again. At the end the new rules hold.
    pub(super) fn redecide(
        &mut self,
        from: Cursor,
        at: Transaction,
    ) -> Result<(Resolved, Option<Cursor>)> {
        let (scanned, next) = self.scan(from)?;
        let mut outcome = Resolved::default();
        if let Some(former) = &self.former {
            let mut golden = GoldenRows::new(&self.rules);
            let claims = self.decoded(&scanned)?;
            for rules in [former, &self.rules] {
                rules.compute(claims.iter().map(|(_, claims)| claims));
            }
            for (key, claims) in &claims {
                let mut old = Judged::new(former, claims);
                let mut new = Judged::new(&self.rules, claims);
                let op = self.decide_again(key, &mut old, &mut new, &mut outcome.conflicts)?;
                if let Some(op) = op {
                    let at = (at, golden.next_ordinal());
                    // These rules may have told of it already, before a crash.
                    let shown = if new.exists.exists { &mut new } else { &mut old };
                    golden.push(&self.rules, (key, op, at), shown, false);
                }
            }
            outcome.golden = golden.finish(&self.rules)?;
        }
        self.is_redecided = next.is_none() && self.former.is_some();
        if self.is_redecided {
            self.is_headed = false;
        }
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
        let again = Again { in_doubt: old.rules.is_unknown, ..Again::default() };
        let op = operation(old, new, &units, again);
        let turns = match old.rules.is_unknown {
            true => all_turns(new),
            false => self.turns_of_rules(old, new),
        };
        for turn in turns {
            conflicts.push(self.told(key, turn, new)?);
        }
        // Nothing is asked any more of units that the rules no longer have.
        for subject in old.open_units() {
            if new.unit_named(subject).is_none() {
                conflicts.push(dropped(&self.rules, key, subject)?);
            }
        }
        let is_lost = old.exists.exists && new.exists.exists && old.loses_a_value(&self.rules);
        let is_told = is_lost || (op.is_none() && must_return(&self.rules, new, &units));
        Ok(op.or(is_told.then_some(Op::Update)))
    }

    /// Conflicts are told by the names of their units, which both rules may have.
    fn turns_of_rules(
        &self,
        old: &mut Judged<'_, '_, '_>,
        new: &mut Judged<'_, '_, '_>,
    ) -> Vec<Turn> {
        let mut turns = Vec::new();
        for unit in 0..self.rules.units.len() {
            let former = old.unit_named(&self.rules.units[unit].name);
            turns.extend(unit_turn((old, former), (new, unit), Closed::RulesChanged));
        }
        turns.extend(existence_turn(old, new, Closed::RulesChanged));
        turns
    }

    /// Lets go of all records that a mapping brought so far, in the next piece of all claims.
    pub(super) fn empty(
        &mut self,
        mapping: u16,
        from: Cursor,
        at: Transaction,
    ) -> Result<(Resolved, Option<Cursor>)> {
        let (scanned, next) = self.scan(from)?;
        let mut golden = GoldenRows::new(&self.rules);
        let mut conflicts = Vec::new();
        let emptied = self.emptied(mapping, &scanned)?;
        self.rules.compute(emptied.iter().flat_map(|it| [&it.old, &it.new]));
        for Emptied { key, old: old_claims, new: claims, touched } in &emptied {
            let units = touched_units(&self.rules, touched);
            let mut old = Judged::new(&self.rules, old_claims);
            let mut new = Judged::new(&self.rules, claims);
            for turn in turns(&mut old, &mut new, &units) {
                conflicts.push(self.told(key, turn, &mut new)?);
            }
            let mut op = operation(&mut old, &mut new, &units, Again::default());
            if op.is_none() && must_return(&self.rules, &mut new, &units) {
                op = Some(Op::Update);
            }
            if let Some(op) = op {
                let at = (at, golden.next_ordinal());
                let shown = if new.exists.exists { &mut new } else { &mut old };
                golden.push(&self.rules, (key, op, at), shown, true);
            }
        }
        Ok((Resolved { golden: golden.finish(&self.rules)?, conflicts }, next))
    }

    /// The keys of which a mapping's records are let go.
    fn emptied<'s>(&mut self, mapping: u16, scanned: &'s Scanned) -> Result<Vec<Emptied<'s>>> {
        let (mut emptied, mut encoded) = (Vec::new(), Vec::new());
        for (key, old) in self.decoded(scanned)? {
            let (mut new, mut touched) = (old.clone(), Touched::default());
            if !new.empty(mapping, &mut touched) {
                continue;
            }
            encoded.clear();
            encode(&new, &mut encoded);
            self.rows.write(key, &encoded)?;
            emptied.push(Emptied { key, old, new, touched });
        }
        Ok(emptied)
    }

    /// The claims among scanned rows, by key.
    pub(super) fn decoded<'s>(&self, scanned: &'s Scanned) -> Result<Vec<(&'s [u8], Claims<'s>)>> {
        let claims = claims_in(scanned);
        claims.map(|(key, row)| Ok((key, decode(row).ok_or_else(|| self.damaged())?))).collect()
    }

    pub(super) fn scan(&mut self, from: Cursor) -> Result<(Scanned, Option<Cursor>)> {
        let mut scanned = Scanned::default();
        let next = self.rows.scan(from, PIECE_BYTES, &mut scanned)?;
        Ok((scanned, next))
    }
}

/// The claims among scanned rows; the row of the empty key is the entity's own.
pub(super) fn claims_in(scanned: &Scanned) -> impl Iterator<Item = (&[u8], &[u8])> {
    let rows = (0..scanned.len()).filter_map(|place| scanned.get(place));
    rows.filter(|(key, _)| !key.is_empty())
}
