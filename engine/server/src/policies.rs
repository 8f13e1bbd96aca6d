//! How things are decided, in plain English.

use std::collections::BTreeMap;
use syncline_core::SystemName;
use syncline_resolve::{EntityRules, Existence, Fallback, Policy, Unit};

/// What the existence of an entity is called among its fields.
pub(crate) const EXISTENCE: &str = "existence";

/// How each field and group of the entities is decided, and whether there is one at all.
#[derive(Debug, Default)]
pub(crate) struct Policies(BTreeMap<(String, String), String>);

impl Policies {
    /// By these rules.
    pub(crate) fn of(rules: &[EntityRules]) -> Self {
        let of_entity = |rules: &EntityRules| {
            let entity = rules.schema.name().to_string();
            let units = rules.units.iter().map(|unit| (unit.name.clone(), sentence(unit)));
            let existence = (EXISTENCE.to_owned(), existence_sentence(&rules.existence));
            let all = units.chain([existence]);
            all.map(|(name, said)| ((entity.clone(), name), said)).collect::<Vec<_>>()
        };
        Self(rules.iter().flat_map(of_entity).collect())
    }

    /// How a subject is decided; empty where there is no such subject.
    pub(crate) fn sentence(&self, entity: &str, subject: &str) -> &str {
        self.0.get(&(entity.to_owned(), subject.to_owned())).map_or("", String::as_str)
    }
}

/// How a unit is decided, in plain English.
pub(crate) fn sentence(unit: &Unit) -> String {
    let decided = policy_sentence(&unit.policy);
    let null = match unit.null_is_value {
        true => " NULL is a value like others.",
        false => "",
    };
    format!("{decided}{null}")
}

pub(crate) fn policy_sentence(policy: &Policy) -> String {
    match policy {
        Policy::Prefer(list) => format!("The word of the first that has one: {}.", chain(list)),
        Policy::Newest(fallback) => {
            format!("What was said last; {}.", where_clocks_fail(fallback))
        }
        Policy::Oldest(fallback) => {
            format!("What was said first and never taken back; {}.", where_clocks_fail(fallback))
        }
        Policy::Max => "The greatest value that a source says.".to_owned(),
        Policy::Min => "The least value that a source says.".to_owned(),
        Policy::Longest(list) => format!("The text with the most characters; {}.", ties(list)),
        Policy::MostCommon(list) => format!("What most sources say; {}.", ties(list)),
        Policy::Ordered(order) => {
            format!("The value that is furthest in {}.", order.join(", "))
        }
        Policy::Union => "Every element that a source has.".to_owned(),
        Policy::Intersection => "The elements that all sources have.".to_owned(),
        Policy::Sum => "The sum of what the sources say.".to_owned(),
        Policy::All => "What each source says, as a JSON object by source.".to_owned(),
        Policy::Sql(text) => format!(
            "What this comes to, over a column a source: {text}; where it fails, a person is asked \
             and what it last came to stays."
        ),
        Policy::Ask(Fallback::Ask) => "What all sources agree on; where they disagree, a person \
             is asked and the last agreed value stays."
            .to_owned(),
        Policy::Ask(Fallback::Prefer(list)) => format!(
            "What all sources agree on; where they disagree, a person is asked, and until then the \
             word of the first that has one holds: {}.",
            chain(list)
        ),
    }
}

fn where_clocks_fail(fallback: &Fallback) -> String {
    match fallback {
        Fallback::Ask => {
            "where the clocks can't tell, a person is asked and the last agreed value \
             stays"
                .to_owned()
        }
        Fallback::Prefer(list) => format!(
            "where the clocks can't tell, the word of the first that has one: {}",
            chain(list)
        ),
    }
}

fn ties(list: &[SystemName]) -> String {
    match list {
        [] => "among equals, the greatest by value".to_owned(),
        list => format!("among equals, that of the first: {}", chain(list)),
    }
}

pub(crate) fn chain(list: &[SystemName]) -> String {
    list.iter().map(SystemName::as_str).collect::<Vec<_>>().join(", then ")
}

fn existence_sentence(existence: &Existence) -> String {
    match existence {
        Existence::Any => "It exists while a source has it.".to_owned(),
        Existence::All => "It exists while all sources that write it have it.".to_owned(),
        Existence::Owner(owner) => format!("It exists while {owner} has it."),
        Existence::Ask => {
            "It exists while a source has it; where another one deleted it, a person \
             is asked."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(policy: Policy) -> String {
        policy_sentence(&policy)
    }

    #[test]
    fn every_policy_is_a_sentence() {
        let list = || vec![SystemName::new("hr"), SystemName::new("sis")];
        let policies = [
            Policy::Prefer(list()),
            Policy::Newest(Fallback::Ask),
            Policy::Newest(Fallback::Prefer(list())),
            Policy::Oldest(Fallback::Ask),
            Policy::Max,
            Policy::Min,
            Policy::Longest(Vec::new()),
            Policy::Longest(list()),
            Policy::MostCommon(list()),
            Policy::Ordered(vec!["applicant".into(), "active".into(), "left".into()]),
            Policy::Union,
            Policy::Intersection,
            Policy::Sum,
            Policy::All,
            Policy::Ask(Fallback::Ask),
            Policy::Ask(Fallback::Prefer(list())),
            Policy::Sql("coalesce(sis, upper(hr))".into()),
        ];
        insta::assert_snapshot!(policies.map(told).join("\n"));
    }
}
