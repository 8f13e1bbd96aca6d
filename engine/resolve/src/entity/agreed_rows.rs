//! Golden rows as the claims come to them now, for whoever compares them with what targets hold.

use super::compare::Judged;
use super::golden::GoldenRows;
use super::keep::Entity;
use crate::claims::{Claims, decode};
use crate::rows::RowBuffer;
use syncline_core::{ChangeBatch, Cursor, Op, Result, Transaction};

/// Golden rows.
#[derive(Debug, Default)]
pub struct AgreedRows {
    /// The rows, as a copy has them; none where there is no row.
    pub rows: Option<ChangeBatch>,
    /// By row, what it is asked for again by.
    pub keys: Vec<Vec<u8>>,
    /// By row, whether a person is asked something about it: then systems that speak of it are left as they are.
    pub is_asked: Vec<bool>,
}

impl Entity {
    /// The golden rows of the next piece of all claims, and where to go on; none at the end. A key that is
    /// written meanwhile may come twice, or not.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when the claims can't be read.
    pub fn agreed(&mut self, from: Cursor) -> Result<(AgreedRows, Option<Cursor>)> {
        let (scanned, next) = self.scan(from)?;
        Ok((self.agreed_by(&self.decoded(&scanned)?)?, next))
    }

    /// The golden rows of these keys; of those that have none, nothing.
    ///
    /// # Errors
    /// As of [`Entity::agreed`].
    pub fn agreed_of(&mut self, keys: &[&[u8]]) -> Result<AgreedRows> {
        let mut rows = RowBuffer::default();
        self.rows.read(keys, &mut rows)?;
        let claims = keys.iter().enumerate().filter_map(|(place, &key)| {
            let claims = decode(rows.get(place)?).ok_or_else(|| self.damaged());
            Some(claims.map(|claims| (key, claims)))
        });
        self.agreed_by(&claims.collect::<Result<Vec<_>>>()?)
    }

    fn agreed_by(&self, claims: &[(&[u8], Claims<'_>)]) -> Result<AgreedRows> {
        self.rules.compute(claims.iter().map(|(_, claims)| claims));
        let mut golden = GoldenRows::new(&self.rules);
        let mut agreed = AgreedRows::default();
        let at = Transaction { epoch: 0, commit: 0, committed_at: 0, ours: false };
        for (key, claims) in claims {
            let mut judged = Judged::new(&self.rules, claims);
            if !judged.exists.exists {
                continue;
            }
            let place = (at, golden.next_ordinal());
            golden.push(&self.rules, (key, Op::Snapshot, place), &mut judged, true);
            agreed.keys.push(key.to_vec());
            let is_asked = judged.exists.conflict.is_some() || !judged.open_units().is_empty();
            agreed.is_asked.push(is_asked);
        }
        agreed.rows = golden.finish(&self.rules)?;
        Ok(agreed)
    }
}
