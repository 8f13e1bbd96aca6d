//! A batch of rows, heard key by key.
//!
//! Most keys are simple and go the short way ([`super::plain`]): their rows are read as they lie, and
//! nobody has to be asked. All others are weighed here, with all that is kept of them. Both ways
//! come to the same. Where expressions decide, the keys of a piece are merged first, so that what they come to is
//! computed at once.

use super::compare::{Again, Judged, all_turns, operation, touched_units, turns};
use super::golden::GoldenRows;
use super::incoming::Incoming;
use super::keep::Entity;
use super::key::Groups;
use super::returned::must_return;
use crate::claims::{Claims, Touched, decode, encode};
use crate::policy::exists;
use crate::rows::RowBuffer;
use syncline_core::{ChangeBatch, ConflictChange, Error, Kind, Op, Resolved, Result, Transaction};

/// How many keys are read at a time: what is read of them stays near the processor until it is used.
const KEYS_READ: usize = 1024;

/// A batch on its way.
pub(super) struct Merging<'m> {
    pub(super) batch: &'m ChangeBatch,
    pub(super) incoming: &'m Incoming<'m>,
    at: Vec<Transaction>,
    pub(super) in_doubt: bool,
    pub(super) golden: GoldenRows<'m>,
    conflicts: Vec<ConflictChange>,
}

/// One key of it: its bytes, its rows in the batch, and what is kept of it so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergedKey<'m, 'b> {
    pub(super) key: &'m [u8],
    pub(super) rows: &'m [u32],
    pub(super) before: Option<&'b [u8]>,
}

/// A key whose rows were merged, to be decided.
struct Weighed<'m, 'b> {
    of: MergedKey<'m, 'b>,
    old: Claims<'b>,
    new: Claims<'b>,
    /// The units to look at again.
    units: Vec<usize>,
    again: Again,
}

impl Merging<'_> {
    /// The place of a row.
    pub(super) fn at(&self, row: usize) -> (Transaction, u32) {
        (self.at[row], self.batch.ordinals()[row])
    }
}

impl Entity {
    pub(super) fn merge(
        &mut self,
        batch: &ChangeBatch,
        incoming: &Incoming<'_>,
        in_doubt: bool,
    ) -> Result<Resolved> {
        let key = self.key_columns_of(batch)?;
        let groups = Groups::of(batch, &key)?;
        let given =
            self.given(batch, incoming, &key).filter(|_| !in_doubt && !self.rules.computes());
        let golden = match given {
            Some(given) => GoldenRows::of_batch(&self.rules, given),
            None => GoldenRows::new(&self.rules),
        };
        let at = batch.row_transactions().copied().collect();
        let conflicts = Vec::new();
        let mut merging = Merging { batch, incoming, at, in_doubt, golden, conflicts };
        let in_order: Vec<usize> = groups.by_last_row().collect();
        let mut buffer = std::mem::take(&mut self.buffer);
        for some in in_order.chunks(KEYS_READ) {
            self.merge_some(&mut merging, &groups, some, &mut buffer)?;
        }
        self.buffer = buffer;
        let Merging { golden, conflicts, .. } = merging;
        Ok(Resolved { golden: golden.finish(&self.rules)?, conflicts })
    }

    fn merge_some<'m>(
        &mut self,
        merging: &mut Merging<'m>,
        groups: &'m Groups,
        some: &[usize],
        buffer: &mut RowBuffer,
    ) -> Result<()> {
        let keys: Vec<&[u8]> = some.iter().map(|&group| groups.key(group)).collect();
        self.rows.read(&keys, buffer)?;
        let mut plain = self.plain_keys(merging);
        let mut waiting = Vec::new();
        for (slot, &group) in some.iter().enumerate() {
            let (rows, before) = (groups.rows(group), buffer.get(slot));
            let key = MergedKey { key: groups.key(group), rows, before };
            let is_heard = match &mut plain {
                Some(plain) => self.hear_plainly(merging, plain, key)?,
                None => false,
            };
            if is_heard {
                continue;
            }
            let weighed = self.take_in(merging, key)?;
            match self.rules.computes() {
                true => waiting.extend(weighed),
                false => weighed.map_or(Ok(()), |it| self.tell(merging, &it))?,
            }
        }
        self.compute(&waiting);
        for weighed in &waiting {
            self.tell(merging, weighed)?;
        }
        Ok(())
    }

    /// Merges the rows of a key with all that is kept of it; none where nothing has to be decided.
    fn take_in<'m: 'b, 'b>(
        &mut self,
        merging: &Merging<'m>,
        of: MergedKey<'m, 'b>,
    ) -> Result<Option<Weighed<'m, 'b>>> {
        let (incoming, in_doubt) = (merging.incoming, merging.in_doubt);
        let mut claims = match of.before {
            Some(row) => decode(row).ok_or_else(|| self.damaged())?,
            None => Claims::default(),
        };
        let old = claims.clone();
        let (mut touched, mut changed, mut is_copied) = (Touched::default(), false, false);
        let mut may_have_been = false;
        for row in of.rows.iter().map(|&row| row as usize) {
            is_copied |= incoming.is_copied(row);
            let observation = incoming.observation(row);
            if let Some(former) = incoming.former(row) {
                claims.follow(&former, &observation);
                changed |= claims.merge(&former, &mut touched);
            }
            changed |= claims.merge(&observation, &mut touched);
            may_have_been |= in_doubt && exists(&self.rules, &claims).exists;
        }
        if changed {
            self.encoded.clear();
            encode(&claims, &mut self.encoded);
            self.rows.write(of.key, &self.encoded)?;
        }
        let units = touched_units(&self.rules, &touched);
        if units.is_empty() && !touched.existence && !is_copied && !in_doubt {
            return Ok(None);
        }
        let may_have_differed = in_doubt && (of.before.is_some() || of.rows.len() > 1);
        let again = Again { is_copied, in_doubt, may_have_been, may_have_differed };
        Ok(Some(Weighed { of, old, new: claims, units, again }))
    }

    /// Computes what all these keys need, by the rules that hold and by those that held before.
    fn compute(&self, weighed: &[Weighed<'_, '_>]) {
        self.rules.compute(weighed.iter().flat_map(|it| [&it.old, &it.new]));
        if let Some(former) = self.former_rules() {
            former.compute(weighed.iter().map(|it| &it.old));
        }
    }

    /// Decides a key.
    fn tell<'m>(&self, merging: &mut Merging<'m>, weighed: &Weighed<'m, '_>) -> Result<()> {
        let Weighed { of: MergedKey { key, rows, .. }, old: old_claims, new: claims, .. } = weighed;
        let (units, again) = (&weighed.units, weighed.again);
        let mut old = Judged::new(&self.rules, old_claims);
        let mut new = Judged::new(&self.rules, claims);
        let turned = match again.in_doubt {
            true => all_turns(&mut new),
            false => turns(&mut old, &mut new, units),
        };
        let mut op = operation(&mut old, &mut new, units, again);
        if let Some(former) = self.former_rules() {
            // It may have been told by the former rules, or by these already.
            let mut told = Judged::new(former, old_claims);
            let again = self.decide_again(key, &mut told, &mut new, &mut merging.conflicts)?;
            op = op.or(again);
        }
        if op.is_none() && must_return(&self.rules, &mut new, units) {
            op = Some(Op::Update);
        }
        if let Some(op) = op {
            let last = *rows.last().expect("a key has a row") as usize;
            let at = merging.at(last);
            let is_known = !again.in_doubt && self.former_rules().is_none();
            let shown = if new.exists.exists { &mut new } else { &mut old };
            merging.golden.push(&self.rules, (key, op, at), shown, is_known);
        }
        for turn in turned {
            merging.conflicts.push(self.told(key, turn, &mut new)?);
        }
        Ok(())
    }

    fn key_columns_of(&self, batch: &ChangeBatch) -> Result<Vec<usize>> {
        let schema = &self.rules.rules.schema;
        let place = |&column: &usize| batch.schema().index_of(&schema.columns()[column].name);
        schema.key().iter().map(place).collect::<Option<_>>().ok_or_else(|| {
            Error::new(Kind::Internal, format!("a batch for {} lacks its key", schema.name()))
        })
    }
}
