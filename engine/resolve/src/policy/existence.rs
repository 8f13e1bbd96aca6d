//! Whether an entity exists.

use super::compiled::{Compiled, EXISTENCE};
use super::decision::decisions;
use crate::Existence;
use crate::claims::Claims;
use std::collections::BTreeSet;
use syncline_core::{ConflictKind, Digest, SystemName};

/// What is decided of an entity's existence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Exists<'a> {
    pub(crate) exists: bool,
    pub(crate) conflict: Option<(ConflictKind, Digest)>,
    /// The decision by which it is so, where a person decided.
    pub(crate) decision: Option<&'a [u8]>,
}

/// Decides it.
pub(crate) fn exists<'a>(rules: &Compiled, claims: &Claims<'a>) -> Exists<'a> {
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
        let exists = decided.value.one() == Some(&[1]);
        return Exists { exists, conflict: None, decision: Some(decided.id) };
    }
    let settled = |exists| Exists { exists, conflict: None, decision: None };
    let is_torn = !here.is_empty() && !gone.is_empty();
    match &rules.rules.existence {
        Existence::Any => settled(!here.is_empty()),
        Existence::Owner(owner) => settled(here.contains(owner)),
        Existence::All => {
            let all: BTreeSet<&SystemName> =
                rules.rules.mappings.iter().map(|mapping| &mapping.system).collect();
            settled(here == all)
        }
        Existence::Ask if is_torn => Exists {
            // Until somebody answers nothing is deleted; but what was decided before still holds.
            exists: decided.first().is_none_or(|it| it.value.one() == Some(&[1])),
            conflict: Some((ConflictKind::DeleteVsUpdate, evidence)),
            decision: None,
        },
        Existence::Ask => settled(!here.is_empty()),
    }
}

fn evidence(said: &mut [(&str, &[u8], bool)]) -> Digest {
    said.sort_unstable();
    said.iter().fold(Digest::default(), |digest, (system, record, is_here)| {
        digest.part(system.as_bytes()).part(record).with(&[u8::from(*is_here)])
    })
}
