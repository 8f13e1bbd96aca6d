//! Entities against the mappings that speak of them: who is believed must have a word, and whose
//! word there is must be heard.

use super::entity::{DeclaredUnit, Entity};
use super::settings;
use super::{Project, TextFile};
use crate::problem::{Place, Problem, Severity, did_you_mean};
use std::collections::BTreeSet;
use syncline_core::SystemName;
use syncline_mappings::{Mapping, PolicyExpressions};
use syncline_resolve::{ClaimingMapping, Existence, Policy};

/// Which mappings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// All there are.
    All,
    /// Some have errors, so that what they bring is not known.
    Some,
}

impl Project {
    /// What is wrong between the entities and these mappings, which are those without an error.
    pub(crate) fn check_claims(&self, mappings: &[Mapping]) -> Vec<Problem> {
        let is_known = |file: &TextFile| mappings.iter().any(|it| it.name == file.path);
        let known = if self.mappings.iter().all(is_known) { Known::All } else { Known::Some };
        let names = self.entities.iter().map(|entity| SystemName::new(&entity.name()));
        let sources = self.settings.systems.keys().cloned().chain(names).collect();
        let expressions = PolicyExpressions::default();
        let check = |entity: &Entity| entity.check(mappings, known, (&sources, &expressions));
        self.entities.iter().flat_map(check).collect()
    }
}

/// The sources that entities name and that are neither a system of the project nor an entity.
pub(super) fn unknown_sources(entities: &[Entity], systems: &[&SystemName]) -> Vec<Problem> {
    let names: Vec<String> = entities.iter().map(Entity::name).collect();
    let is_known = |source: &SystemName| {
        systems.contains(&source) || names.iter().any(|name| name == source.as_str())
    };
    let unknown = |what: &str, source: &SystemName, place: &Place| {
        let known = || systems.iter().map(|system| system.as_str());
        Problem::new(format!("{what} names an unknown system {:?}", source.as_str()))
            .at(place.clone())
            .detail(format!("{} has {}", settings::FILE, known().collect::<Vec<_>>().join(", ")))
            .hint(did_you_mean(source.as_str(), known()))
    };
    let mut problems = Vec::new();
    for entity in entities {
        if let Existence::Owner(owner) = &entity.existence
            && !is_known(owner)
        {
            problems.push(unknown("exists", owner, &entity.existence_place));
        }
        for declared in &entity.units {
            let sources = declared.unit.policy.sources().iter().filter(|source| !is_known(source));
            problems.extend(sources.map(|source| unknown("prefer", source, &declared.prefer)));
        }
    }
    problems
}

impl Entity {
    fn check(
        &self,
        mappings: &[Mapping],
        known: Known,
        (sources, expressions): (&BTreeSet<SystemName>, &PolicyExpressions),
    ) -> Vec<Problem> {
        let claiming = self.claiming(mappings);
        if claiming.is_empty() {
            return self.unclaimed_at_all(known).into_iter().collect();
        }
        let mut problems: Vec<Problem> = self.owner_without_a_word(&claiming, known).collect();
        for declared in &self.units {
            let claimed = Claimed::new(self, declared, &claiming);
            problems.extend(claimed.in_part());
            problems.extend(claimed.left_out());
            problems.extend(claimed.undecided());
            problems.extend(claimed.counts_itself());
            problems.extend(claimed.expression(sources, known, expressions));
            if known == Known::All {
                problems.extend(claimed.preferred_without_a_word());
                problems.extend(claimed.unclaimed());
            }
        }
        problems.sort_by_key(|problem| problem.place.as_ref().map_or(0, |place| place.line));
        problems
    }

    fn unclaimed_at_all(&self, known: Known) -> Option<Problem> {
        let name = self.name();
        let wrong = warning(format!("no mapping writes {name}"), &self.place)
            .hint(format!("add a mapping: INSERT INTO {name} (…) SELECT … FROM a system's table"));
        (known == Known::All).then_some(wrong)
    }

    fn owner_without_a_word(
        &self,
        claiming: &[ClaimingMapping],
        known: Known,
    ) -> impl Iterator<Item = Problem> {
        let owner = match &self.existence {
            Existence::Owner(owner) if known == Known::All => Some(owner),
            _ => None,
        };
        let silent = owner.filter(|owner| claiming.iter().all(|it| it.system != **owner));
        let wrong = silent.map(|owner| {
            let name = self.name();
            let message =
                format!("exists names {owner}, but no mapping from {owner} writes {name}");
            Problem::new(message)
                .at(self.existence_place.clone())
                .detail(format!("{name} would never exist"))
                .hint(format!("add a mapping from {owner}, or name another owner"))
        });
        wrong.into_iter()
    }
}

/// A field or group with those who speak of it.
pub(super) struct Claimed<'e> {
    pub(super) declared: &'e DeclaredUnit,
    /// In full: `person.email`.
    pub(super) name: String,
    pub(super) entity: &'e Entity,
    pub(super) by: Vec<&'e ClaimingMapping>,
}

impl<'e> Claimed<'e> {
    fn new(
        entity: &'e Entity,
        declared: &'e DeclaredUnit,
        claiming: &'e [ClaimingMapping],
    ) -> Self {
        let speaks =
            |it: &&ClaimingMapping| declared.unit.columns.iter().any(|c| it.columns.contains(c));
        let name = format!("{}.{}", entity.name(), declared.unit.name);
        Self { declared, name, entity, by: claiming.iter().filter(speaks).collect() }
    }

    /// Its systems, each once, in the order of their names.
    pub(super) fn systems(&self) -> BTreeSet<&SystemName> {
        self.by.iter().map(|it| &it.system).collect()
    }

    /// A group that a mapping writes only some fields of.
    fn in_part(&self) -> Vec<Problem> {
        let Some(members) = &self.declared.group else { return Vec::new() };
        let wrong = self.by.iter().filter_map(|mapping| {
            let is_written = |column: &&usize| mapping.columns.contains(column);
            let (written, missing): (Vec<usize>, Vec<usize>) =
                self.declared.unit.columns.iter().partition(is_written);
            let message = format!(
                "a group is one value: {} writes {} but not {}",
                mapping.name,
                self.column_names(&written),
                self.column_names(&missing)
            );
            let problem = Problem::new(message)
                .at(members.clone())
                .detail("its fields are always taken together, all from one source")
                .hint("write them all, NULL where the source does not know, or none".to_owned());
            (!missing.is_empty()).then_some(problem)
        });
        wrong.collect()
    }

    fn column_names(&self, columns: &[usize]) -> String {
        let all = self.entity.schema.columns();
        let names = columns.iter().filter_map(|&column| all.get(column));
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Systems that are believed but bring nothing.
    fn preferred_without_a_word(&self) -> Vec<Problem> {
        let systems = self.systems();
        let listed = self.declared.unit.policy.sources().iter();
        let silent = listed.filter(|source| !systems.contains(source));
        let wrong = silent.map(|source| {
            let message =
                format!("prefer names {source}, but no mapping from {source} writes {}", self.name);
            Problem::new(message)
                .at(self.declared.prefer.clone())
                .detail(self.speakers())
                .hint(format!("write it in a mapping from {source}, or take {source} off the list"))
        });
        wrong.collect()
    }

    /// Systems that bring it and are not believed.
    fn left_out(&self) -> Vec<Problem> {
        let Policy::Prefer(list) = &self.declared.unit.policy else { return Vec::new() };
        let unheard = self.by.iter().filter(|mapping| !list.contains(&mapping.system));
        let wrong = unheard.map(|mapping| {
            let system = &mapping.system;
            Problem::new(format!("prefer leaves out {system}, which writes {}", self.name))
                .at(self.declared.prefer.clone())
                .detail(format!("{} writes it; its word would never count", mapping.name))
                .hint(format!("add {system} to the list, or leave the column out of the mapping"))
        });
        wrong.collect()
    }

    fn unclaimed(&self) -> Option<Problem> {
        let is_told = !self.declared.unit.policy.sources().is_empty();
        let wrong = warning(format!("no mapping writes {}", self.name), &self.declared.place)
            .detail("it will always be NULL")
            .hint("write it in a mapping, or leave it out of the entity".to_owned());
        (self.by.is_empty() && !is_told).then_some(wrong)
    }

    /// Several systems that may disagree, and nothing that says who is right.
    fn undecided(&self) -> Option<Problem> {
        if self.declared.is_said || self.systems().len() < 2 {
            return None;
        }
        let systems: Vec<&str> = self.systems().iter().map(|system| system.as_str()).collect();
        let message = format!("disagreements on {} will be asked about", self.name);
        let list = systems.iter().map(|system| format!("{system:?}")).collect::<Vec<_>>();
        let wrong = warning(message, &self.declared.place).detail(self.speakers()).hint(format!(
            "say policy = \"…\" or prefer = [{}]; policy = \"ask\" where people shall decide",
            list.join(", ")
        ));
        Some(wrong)
    }

    /// A system that would count what was written to it, or have it computed from that.
    fn counts_itself(&self) -> Vec<Problem> {
        let (what, end) = match self.declared.unit.policy {
            Policy::Sum => ("the sum", "grow for ever"),
            Policy::All => ("all claims", "grow for ever"),
            Policy::Sql(_) => ("computed", "be computed from itself"),
            _ => return Vec::new(),
        };
        let is_returned = |mapping: &&&ClaimingMapping| {
            let returned = mapping.returned.as_deref().unwrap_or_default();
            self.declared.unit.columns.iter().any(|column| returned.contains(column))
        };
        let wrong = self.by.iter().filter(is_returned).map(|mapping| {
            let ClaimingMapping { name, system, .. } = mapping;
            Problem::new(format!("{} is {what}, and {system} is written what it counts", self.name))
                .at(self.declared.place.clone())
                .detail(format!("{name} reads it from where it is written to: it would {end}"))
                .hint("write it to another column, or read it from another one".to_owned())
        });
        wrong.collect()
    }

    /// Who writes it, in words.
    fn speakers(&self) -> String {
        let names: Vec<&str> = self.by.iter().map(|mapping| mapping.name.as_str()).collect();
        match names.as_slice() {
            [] => "no mapping writes it".to_owned(),
            [one] => format!("only {one} writes it"),
            [before @ .., last] => format!("{} and {last} write it", before.join(", ")),
        }
    }
}

fn warning(message: String, place: &Place) -> Problem {
    Problem { severity: Severity::Warning, ..Problem::new(message).at(place.clone()) }
}
