//! Letting go of keys that are gone.
//!
//! A row of a key that is gone (a tombstone) is there for whoever says something old, or has not heard yet.
//! Once there is nobody left who could, the row goes: never by age. `docs/design/tombstones.md` has the
//! argument.

use super::keep::Entity;
use super::sweep::claims_in;
use crate::Existence;
use crate::claims::{Claims, Origin, decode};
use crate::decisions::mapping_of;
use crate::policy::{Registry, exists};
use syncline_core::{Cursor, Result, Stable};

impl Entity {
    /// Lets go of what may go of the next piece of all claims; see
    /// [`Claims::collect`](syncline_core::Claims::collect). Nothing while other rules have to decide first.
    pub(super) fn let_go(
        &mut self,
        stable: &Stable,
        from: Cursor,
    ) -> Result<(u64, Option<Cursor>)> {
        if self.former.is_some() {
            return Ok((0, None));
        }
        let (scanned, next) = self.scan(from)?;
        let mut dropped = 0;
        for (key, row) in claims_in(&scanned) {
            let claims = decode(row).ok_or_else(|| self.damaged())?;
            if self.may_go(&claims, stable) {
                self.rows.remove(key)?;
                dropped += 1;
            }
        }
        Ok((dropped, next))
    }

    /// Whether nobody has the entity, nothing is asked of it, and all that was said of it is stable.
    fn may_go(&self, claims: &Claims<'_>, stable: &Stable) -> bool {
        let exists = exists(&self.rules, claims);
        !exists.exists
            && exists.conflict.is_none()
            && claims.origins.iter().all(|origin| self.is_past(origin, stable))
    }

    /// Whether a record is away, by whosever hand, and everything heard of it is stable.
    ///
    /// One that a write of ours made is not away before our delete came back: until then its people may change
    /// it, which does not make it theirs. What they said of it stays their word. Who deleted what is asked about
    /// has to be known for as long as it can be asked again. Of a mapping that is no more nothing is heard.
    fn is_past(&self, origin: &Origin<'_>, stable: &Stable) -> bool {
        if origin.is_in_table() || origin.is_had() {
            return false;
        }
        let is_known = self.rules.mapping(origin.mapping).is_some();
        if !is_known && origin.mapping != Registry::DECISIONS {
            return true;
        }
        if origin.was && self.rules.rules.existence == Existence::Ask && is_known {
            return false;
        }
        let place = match is_known {
            true => stable.get(self.registry.mapping_name(origin.mapping)),
            false => stable.get(&mapping_of(self.rules.rules.schema.name())),
        };
        place.is_some_and(|place| origin.heard().all(|mark| mark.position <= *place))
    }
}
