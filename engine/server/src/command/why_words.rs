//! The sentences of `why`.

use crate::policies::chain;
use crate::render;
use syncline_resolve::{
    Change, DecidedBy, Existence, Margin, Measure, Policy, RecordState, Said, Score, Since,
    Standing, TimeTold, WhyExists, WhyUnit, WhyWord,
};

/// A value; of a group, field by field.
pub(super) fn shown(value: Option<&str>, fields: &[String]) -> String {
    let Some(text) = value else { return "NULL".to_owned() };
    let parts = match fields {
        [_] => None,
        _ => serde_json::from_str::<Vec<Option<String>>>(text).ok(),
    };
    let Some(parts) = parts else { return text.to_owned() };
    let part = |(name, value): (&String, &Option<String>)| {
        format!("{name}: {}", value.as_deref().unwrap_or("NULL"))
    };
    fields.iter().zip(&parts).map(part).collect::<Vec<_>>().join(", ")
}

/// A time; of a copied row it is only known that it was so then.
pub(super) fn moment(since: Since) -> String {
    let text = render::moment(since.micros);
    if since.copied { format!("copied {text}") } else { text }
}

/// Whether it exists, and who has it.
pub(super) fn exists(existence: &WhyExists) -> String {
    let sources = |state: RecordState| {
        let of_state = existence.records.iter().filter(|record| record.state == state);
        let mut names: Vec<&str> = of_state.filter_map(|it| it.source.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let rule = match &existence.policy {
        Existence::Any => "while a source has it".to_owned(),
        Existence::Owner(owner) => format!("while {owner} has it"),
        Existence::All => "while all sources that write it have it".to_owned(),
        Existence::Ask => "while a source has it; where they differ a person is asked".to_owned(),
    };
    let answer = if existence.exists { "yes" } else { "no" };
    let had = match sources(RecordState::There).as_str() {
        "" => "no source has it".to_owned(),
        names => format!("in {names}"),
    };
    let deleted = match sources(RecordState::Deleted).as_str() {
        "" => String::new(),
        names => format!(", deleted in {names}"),
    };
    let decided = match &existence.decision {
        Some(id) => format!("; a person decided (decision {id})"),
        None => String::new(),
    };
    format!("{answer}, {rule}: {had}{deleted}{decided}")
}

/// What decided, in a sentence without a full stop.
pub(super) fn because(unit: &WhyUnit) -> String {
    match &unit.by {
        DecidedBy::Nobody => "nobody says anything that counts".to_owned(),
        DecidedBy::Agreement => match speakers(unit).as_slice() {
            [only] => format!("{only} alone speaks of it"),
            several => format!("all agree: {}", several.join(", ")),
        },
        DecidedBy::Expression => "it is what the expression comes to".to_owned(),
        DecidedBy::LastAgreed if unit.reason.is_some() => format!(
            "the expression fails ({}); until a person decides, what it last came to holds",
            unit.reason.as_deref().unwrap_or_default()
        ),
        DecidedBy::Several => format!("made of what {} say", speakers(unit).join(", ")),
        DecidedBy::Decision { id } => format!("a person decided (decision {id})"),
        DecidedBy::Provisional { source, .. } => {
            format!("until a person decides, the word of {source} holds")
        }
        DecidedBy::LastAgreed => "until a person decides, what was last agreed on holds".to_owned(),
        DecidedBy::Winner { source, .. } => format!("{source} {}", won(unit)),
    }
}

fn won(unit: &WhyUnit) -> &'static str {
    let told_by = match unit.margin.as_ref().map(|margin| &margin.measure) {
        Some(Measure::Time { told_by, .. }) => Some(*told_by),
        _ => None,
    };
    match (&unit.policy, told_by) {
        (Policy::Newest(_) | Policy::Oldest(_), Some(TimeTold::List)) => {
            "goes before, where the clocks can't tell"
        }
        (Policy::Newest(_), _) => "said it last",
        (Policy::Oldest(_), _) => "said it first",
        (Policy::Max, _) => "says the greatest value",
        (Policy::Min, _) => "says the least value",
        (Policy::Longest(_), _) => "says the longest text",
        (Policy::MostCommon(_), _) => "says what most say",
        (Policy::Ordered(_), _) => "says what is furthest in the list",
        _ => "goes before all others that speak",
    }
}

/// The sources that have a say, each once.
fn speakers(unit: &WhyUnit) -> Vec<&str> {
    let speaking = unit.said.iter().filter(|said| said.standing == Standing::Speaks);
    let mut names: Vec<&str> = speaking.filter_map(|said| said.source.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// By how much it was decided: a sentence each.
pub(super) fn margin(unit: &WhyUnit) -> Vec<String> {
    let Some(Margin { runner_up, measure }) = &unit.margin else { return Vec::new() };
    let next = |word: &WhyWord| {
        format!("next is {} with {}", word.source, shown(word.value.as_deref(), &unit.fields))
    };
    let mut said = vec![match measure {
        Measure::Time { ahead, uncertainty, told_by } => time(unit, *ahead, *uncertainty, *told_by),
        Measure::Supporters { scores } => scored(unit, scores, |score| match score.score {
            1 => format!("1 source ({})", score.sources.join(", ")),
            many => format!("{many} sources ({})", score.sources.join(", ")),
        }),
        Measure::Characters { scores } if scores.is_empty() => return Vec::new(),
        Measure::Characters { scores } => {
            scored(unit, scores, |score| format!("{} characters", score.score))
        }
        Measure::Places { scores } => scored(unit, scores, |score| match score.score {
            0 => "not in the list".to_owned(),
            place => format!("place {place}"),
        }),
        Measure::List { silent } if silent.is_empty() => "it is the first of the list".to_owned(),
        Measure::List { silent } => {
            format!("before it in the list, and silent: {}", silent.join(", "))
        }
        Measure::Value => "by the value itself".to_owned(),
    }];
    said.extend(runner_up.as_ref().map(next));
    said
}

fn scored(unit: &WhyUnit, scores: &[Score], words: impl Fn(&Score) -> String) -> String {
    let score = |score: &Score| {
        format!("{}: {}", shown(score.value.as_deref(), &unit.fields), words(score))
    };
    scores.iter().map(score).collect::<Vec<_>>().join("; ")
}

fn time(unit: &WhyUnit, ahead: Option<i64>, uncertainty: i64, told_by: TimeTold) -> String {
    let word = if matches!(unit.policy, Policy::Oldest(_)) { "before" } else { "after" };
    let apart = match ahead {
        Some(micros) if micros >= 0 => format!("said {} {word} the next", seconds(micros)),
        Some(micros) => {
            let other = if word == "after" { "before" } else { "after" };
            format!("said {} {other} the next", seconds(-micros))
        }
        None => "one of both was copied, and nobody knows since when it was so".to_owned(),
    };
    match told_by {
        TimeTold::OneSystem => format!("{apart}, in one system's own order"),
        TimeTold::Clocks => {
            format!("{apart}; both clocks together may be wrong by {}", seconds(uncertainty))
        }
        TimeTold::List => format!(
            "{apart}; both clocks together may be wrong by {}, so the list decided: {}",
            seconds(uncertainty),
            chain(unit.policy.sources())
        ),
    }
}

/// As many digits as there are to tell.
fn seconds(micros: i64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The smallest change that would lead to another value, and which.
pub(super) fn change(unit: &WhyUnit) -> String {
    let Some(flip) = &unit.flip else {
        return match unit.tried {
            0 => "no change of what is said now could lead to another value".to_owned(),
            1 => "no other by the one change that was tried".to_owned(),
            tried => format!("no other by any single one of {tried} changes that were tried"),
        };
    };
    let value = |value: &Option<String>| shown(value.as_deref(), &unit.fields);
    let becomes = value(&flip.becomes);
    let asked = match flip.conflict {
        Some(_) => ", and a person would be asked",
        None => "",
    };
    let change = match &flip.change {
        Change::Withdrawn(by) => format!("if {} no longer said {}", by.source, value(&by.value)),
        Change::Deleted(by) => format!("if {} deleted its record {}", by.source, by.record),
        Change::SaidAnew { by, from } => format!(
            "if {} took {} back and said it anew, after {}",
            by.source,
            value(&by.value),
            render::moment(*from)
        ),
        Change::Says { by, .. } => format!("if {} said {} too", by.source, value(&by.value)),
        Change::Undone { id } => format!("if decision {id} were taken back"),
    };
    format!("{becomes} {change}{asked}")
}

/// Whether what is said counts.
pub(super) fn standing(said: &Said) -> String {
    let counts = match said.standing {
        Standing::Speaks => "yes",
        Standing::Withdrawn => "no, NULL says nothing",
        Standing::Silent => "no, it never said anything",
        Standing::Gone => "no, the record is gone",
        Standing::Unlisted => "no, its source is not in the list",
        Standing::Unmapped => "no, its mapping no longer says this",
    };
    let ours = if said.holds_ours { "; holds what we wrote there" } else { "" };
    format!("{counts}{ours}")
}

/// What was said before, a row each, under what is said now.
pub(super) fn said_before(unit: &WhyUnit, said: &Said) -> Vec<Vec<String>> {
    let before = said.before.iter().map(|before| {
        let ours = if before.ours { "before, written by us" } else { "before" };
        vec![
            String::new(),
            shown(before.value.as_deref(), &unit.fields),
            moment(before.since),
            String::new(),
            String::new(),
            ours.to_owned(),
        ]
    });
    before.collect()
}
