//! Fields that go to and fro: what is written to a system is taken back there, again and again.

use super::compiled::{Compiled, CompiledUnit};
use super::unit::{By, Verdict};
use super::word::{UnitValue, Word, evidence};
use super::{Agreed, unit::fallback_list};
use crate::Policy;
use crate::claims::Claims;
use syncline_core::ConflictKind;

/// Whether some record takes back what is written to it of this unit.
pub(super) fn is_flapping(rules: &Compiled, unit: &CompiledUnit, claims: &Claims<'_>) -> bool {
    claims.origins.iter().filter(|origin| origin.is_here()).any(|origin| {
        let Some(mapping) = rules.mapping(origin.mapping) else { return false };
        let mut returned = unit.fields.iter().filter(|&&id| mapping.returns(id));
        returned.any(|&id| origin.field(id).is_some_and(|field| field.flaps()))
    })
}

/// A person is asked, and meanwhile the value must not depend on who spoke last: where a clock decides,
/// it is the word of the first source of the list, or by name.
pub(super) fn held<'a>(
    unit: &CompiledUnit,
    words: &[Word<'a, '_>],
    decided: Verdict<'a>,
) -> Verdict<'a> {
    let conflict = Some((ConflictKind::Flapping, evidence(words)));
    let (Policy::Newest(fallback) | Policy::Oldest(fallback)) = &unit.policy else {
        return Verdict { conflict, ..decided };
    };
    let list = fallback_list(fallback);
    let rank = |word: &&Word<'a, '_>| {
        let place = list.iter().position(|system| system == word.system);
        (
            place.unwrap_or(list.len()),
            word.system.clone(),
            word.mapping_name.to_owned(),
            word.record,
        )
    };
    let Some(first) = words.iter().min_by_key(rank) else {
        let value = Agreed::Said(UnitValue::One(None));
        return Verdict { value, conflict, by: By::Nobody, reason: None };
    };
    let by = By::Provisional { mapping: first.mapping, record: first.record };
    Verdict { value: Agreed::Said(first.value.clone()), conflict, by, reason: None }
}
