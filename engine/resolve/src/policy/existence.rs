//! Whether an entity exists.

use super::compiled::{Compiled, EXISTENCE};
use super::decision::decisions;
use crate::Existence;
use crate::claims::Claims;
use std::collections::BTreeSet;
use syncline_core::{ConflictKind, Digest, SystemName};

/// What is decided of an entity's existence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Exists {
    pub(crate) exists: bool,
    pub(crate) conflict: Option<(ConflictKind, Digest)>,
}

/// Decides it.
pub(crate) fn exists(rules: &Compiled, claims: &Claims<'_>) -> Exists {
    let mut here = BTreeSet::new();
    let mut gone = BTreeSet::new();
    let mut said = Vec::new();
    for origin in &claims.origins {
        let Some(mapping) = rules.mapping(origin.mapping) else { continue };
        match (origin.is_had(), origin.was) {
            (true, _) => here.insert(&mapping.system),
            (false, true) => gone.insert(&mapping.system),
            (false, false) => continue,
        };
        said.push((mapping.system.as_str(), origin.record, origin.is_had()));
    }
    if said.is_empty() {
        return Exists::default();
    }
    // A source that has one of its records of the entity has the entity.
    gone.retain(|system| !here.contains(*system));
    let evidence = evidence(&mut said);
    let decided = decisions(&[EXISTENCE], claims);
    if let Some(decided) = decided.iter().find(|it| it.evidence == evidence) {
        return Exists { exists: decided.value.one() == Some(&[1]), conflict: None };
    }
    let is_torn = !here.is_empty() && !gone.is_empty();
    match &rules.rules.existence {
        Existence::Any => Exists { exists: !here.is_empty(), conflict: None },
        Existence::Owner(owner) => Exists { exists: here.contains(owner), conflict: None },
        Existence::All => {
            let all: BTreeSet<&SystemName> =
                rules.rules.mappings.iter().map(|mapping| &mapping.system).collect();
            Exists { exists: here == all, conflict: None }
        }
        Existence::Ask if is_torn => Exists {
            // Until somebody answers nothing is deleted; but what was decided before still holds.
            exists: decided.first().is_none_or(|it| it.value.one() == Some(&[1])),
            conflict: Some((ConflictKind::DeleteVsUpdate, evidence)),
        },
        Existence::Ask => Exists { exists: !here.is_empty(), conflict: None },
    }
}

fn evidence(said: &mut [(&str, &[u8], bool)]) -> Digest {
    said.sort_unstable();
    said.iter().fold(Digest::default(), |digest, (system, record, is_here)| {
        digest.part(system.as_bytes()).part(record).with(&[u8::from(*is_here)])
    })
}
