//! The short way: keys of one row in the batch whose claims are simple, and on which nobody is asked.
//!
//! ```text
//!  key       claims so far      row of claims          golden row
//!  new       none               written from columns   the row of the batch as it is
//!  known     read as they lie   patched                units that were touched are compared; where the record
//!                                                      came or went, all of them
//! ```
//! What is not so simple is left to [`Entity::take_in`], before anything was done.

use super::golden::Given;
use super::incoming::Incoming;
use super::keep::Entity;
use super::merge::{MergedKey, Merging};
use crate::claims::{Outline, OutlineOrigin, Side, encode_new};
use crate::policy::{Compiled, Plain, Plan, Registry, Spokens};
use syncline_core::{ChangeBatch, Op, Result};

/// What is the same for all keys of a batch, and room for one of them.
#[derive(Debug)]
pub(super) struct PlainKeys<'m> {
    /// Whether golden rows of new keys are rows of the batch.
    is_given: bool,
    outline: Outline<'m>,
    spokens: Spokens<'m>,
    touched: Vec<u16>,
    /// By unit.
    is_touched: Vec<bool>,
    values: Vec<Option<Plain<'m>>>,
}

impl<'m> PlainKeys<'m> {
    /// What is told of the key that was heard; none where more than words has to be known.
    fn verdict(&mut self, plan: &Plan, rules: &Compiled, is_copied: bool) -> Option<Verdict> {
        let is_other = self.outline.comes_or_goes();
        self.is_touched.clear();
        self.is_touched.resize(rules.units.len(), is_other);
        for field in self.touched.drain(..) {
            if let Some(unit) = plan.unit_of(field) {
                self.is_touched[unit] = true;
            }
        }
        let silent = Verdict { op: None, is_compared: false };
        if !is_copied && !self.is_touched.contains(&true) {
            return Some(silent);
        }
        let existed = plan.exists(rules, &self.outline, Side::Before)?;
        let exists = plan.exists(rules, &self.outline, Side::After)?;
        self.values.clear();
        self.values.resize(rules.units.len(), None);
        if !exists {
            if !existed {
                return Some(silent);
            }
            // It is told as it was, and only where nothing was asked.
            self.fill(plan, rules, Side::Before)?;
            return Some(Verdict { op: Some(Op::Delete), is_compared: true });
        }
        let differs = self.compare(plan, rules, existed)?;
        let op = match (existed, is_copied) {
            (true, _) if differs => Some(Op::Update),
            (_, true) => Some(Op::Snapshot),
            (false, false) => Some(Op::Insert),
            (true, false) => None,
        };
        if op.is_some() {
            self.fill(plan, rules, Side::After)?;
        }
        Some(Verdict { op, is_compared: true })
    }

    /// Decides the units that were touched; says whether one of them comes to something else.
    fn compare(&mut self, plan: &Plan, rules: &Compiled, existed: bool) -> Option<bool> {
        let mut differs = false;
        for unit in (0..rules.units.len()).filter(|&unit| self.is_touched[unit]) {
            let after =
                plan.decide(rules, unit, (&self.outline, Side::After), &mut self.spokens)?;
            if existed {
                let side = (&self.outline, Side::Before);
                differs |= plan.decide(rules, unit, side, &mut self.spokens)? != after;
            }
            self.values[unit] = Some(after);
        }
        Some(differs)
    }

    /// Decides the other units.
    fn fill(&mut self, plan: &Plan, rules: &Compiled, side: Side) -> Option<()> {
        for (unit, value) in self.values.iter_mut().enumerate().filter(|(_, it)| it.is_none()) {
            let side = (&self.outline, side);
            *value = Some(plan.decide(rules, unit, side, &mut self.spokens)?);
        }
        Some(())
    }
}

struct Verdict {
    op: Option<Op>,
    /// Whether something was touched of an entity that exists or did.
    is_compared: bool,
}

impl Entity {
    /// For rows of a batch; none where they have to be weighed whatever they are: where a unit is computed,
    /// so that all keys are computed at once.
    pub(super) fn plain_keys<'b>(&self, merging: &Merging<'_>) -> Option<PlainKeys<'b>> {
        let is_former = self.former.is_some() && !self.is_redecided;
        let is_weighed = is_former || merging.in_doubt || self.rules.computes();
        if is_weighed || !self.plan.knows(merging.incoming.mapping()) {
            return None;
        }
        Some(PlainKeys {
            is_given: merging.golden.is_given(),
            outline: Outline::default(),
            spokens: Spokens::default(),
            touched: Vec::new(),
            is_touched: Vec::new(),
            values: Vec::new(),
        })
    }

    /// The batch's columns as the entity's, where those of new keys come to golden rows as they are.
    pub(super) fn given<'m>(
        &self,
        batch: &'m ChangeBatch,
        incoming: &'m Incoming<'_>,
        key: &[usize],
    ) -> Option<Given<'m>> {
        let schema = &self.rules.rules.schema;
        // Where something is absent, what its slot holds is not told.
        if batch.presence().rows().is_some() {
            return None;
        }
        let alone = self.plan.alone(incoming.mapping(), schema.columns().len())?;
        let array = |place: usize| batch.columns().column(place).clone();
        let mut columns = vec![None; alone.len()];
        for (&column, &place) in schema.key().iter().zip(key) {
            columns[column] = Some((array(place), None));
        }
        for (field, cells, place) in incoming.columns() {
            let column = self.rules.fields.iter().position(|it| *it == field)?;
            if alone[column] {
                columns[column] = Some((array(place), Some(cells)));
            }
        }
        let has_type =
            |(column, of): (&Option<(arrow_array::ArrayRef, _)>, &syncline_core::Column)| {
                column.as_ref().is_none_or(|(array, _)| *array.data_type() == of.data_type)
            };
        let is_of_types = columns.iter().zip(schema.columns()).all(has_type);
        is_of_types.then_some(Given { rows: batch.len(), columns })
    }

    /// Hears the one row of a simple key; false, and nothing is done, where the key has to be weighed.
    pub(super) fn hear_plainly<'m: 'b, 'b>(
        &mut self,
        merging: &mut Merging<'m>,
        plain: &mut PlainKeys<'b>,
        of: MergedKey<'m, 'b>,
    ) -> Result<bool> {
        let &[row] = of.rows else { return Ok(false) };
        let row = row as usize;
        if !merging.incoming.is_plain(row) {
            return Ok(false);
        }
        match of.before {
            None if plain.is_given && !merging.incoming.is_gone(row) => {
                self.hear_new(merging, of, row).map(|()| true)
            }
            _ => self.hear_known(merging, plain, of, row),
        }
    }

    /// Hears the row of a key that nobody spoke of before.
    fn hear_new<'m>(
        &mut self,
        merging: &mut Merging<'m>,
        of: MergedKey<'m, '_>,
        row: usize,
    ) -> Result<()> {
        let incoming = merging.incoming;
        let speaker = incoming.speaker(row);
        self.encoded.clear();
        encode_new(speaker, incoming.said(row), &mut self.encoded);
        self.rows.write(of.key, &self.encoded)?;
        if self.plan.exists_by(&self.rules, incoming.mapping()) {
            let op = if incoming.is_copied(row) { Op::Snapshot } else { Op::Insert };
            merging.golden.push_given(of.key, op, merging.at(row), row as u32);
        }
        Ok(())
    }

    fn hear_known<'m: 'b, 'b>(
        &mut self,
        merging: &mut Merging<'m>,
        plain: &mut PlainKeys<'b>,
        of: MergedKey<'m, 'b>,
        row: usize,
    ) -> Result<bool> {
        let incoming = merging.incoming;
        let is_read = match of.before {
            Some(before) => {
                let is_decided = |it: &OutlineOrigin<'_>| it.mapping == Registry::DECISIONS;
                plain.outline.read(before) && !plain.outline.origins().iter().any(is_decided)
            }
            None => {
                plain.outline.clear();
                true
            }
        };
        plain.touched.clear();
        let (speaker, outline) = (incoming.speaker(row), &mut plain.outline);
        let is_heard = is_read
            && match incoming.is_gone(row) {
                true => outline.hear_gone(speaker),
                false => outline.hear(speaker, incoming.kept(row), &mut plain.touched),
            };
        if !is_heard {
            return Ok(false);
        }
        let verdict = plain.verdict(&self.plan, &self.rules, incoming.is_copied(row));
        let Some(Verdict { op, is_compared }) = verdict else { return Ok(false) };
        if op.is_none() && is_compared && self.plan.is_returned {
            // Somebody may have to be written to again.
            return Ok(false);
        }
        self.encoded.clear();
        plain.outline.write(&mut self.encoded);
        self.rows.write(of.key, &self.encoded)?;
        if let Some(op) = op {
            let values = plain.values.drain(..).flatten();
            merging.golden.push_plain(&self.plan, (of.key, op, merging.at(row)), values);
        }
        Ok(true)
    }
}
