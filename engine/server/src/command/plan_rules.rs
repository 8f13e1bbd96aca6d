//! What `plan` says of entities whose rules are others than those that decided so far.

use crate::live::{ADDRESS_FILE, ask_foretold};
use crate::masked;
use crate::problem::{Failure, Outcome};
use crate::project::Project;
use crate::render::{Align, count, table};
use crate::weighing::{Foretold, Weighing};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_mappings::Mapping;
use syncline_resolve::{Contradiction, Preview, Sample};

/// What other rules would change.
#[derive(Debug, Default, Serialize)]
pub(super) struct RulesPlan {
    /// By entity, where they are others.
    pub(super) entities: Vec<Preview>,
    /// Why it could not be told.
    pub(super) unknown: Option<String>,
}

/// Goes through all claims with the rules as they are now in the project; changes nothing.
pub(super) async fn rules_plan(project: &Project, mappings: &[Mapping]) -> RulesPlan {
    match foretold(project, mappings).await {
        Ok(mut entities) => {
            let sensitive = project.sensitive_fields();
            for preview in &mut entities {
                if let Some(sensitive) = sensitive.get(&preview.entity) {
                    masked::preview(preview, sensitive);
                }
            }
            RulesPlan { entities, unknown: None }
        }
        Err(failure) => RulesPlan { entities: Vec::new(), unknown: Some(in_a_line(&failure)) },
    }
}

fn in_a_line(failure: &Failure) -> String {
    let lines = failure.problems.iter().map(|problem| match &problem.detail {
        Some(detail) => format!("{} ({detail})", problem.message),
        None => problem.message.clone(),
    });
    lines.collect::<Vec<_>>().join("; ")
}

async fn foretold(project: &Project, mappings: &[Mapping]) -> Outcome<Vec<Preview>> {
    let (state, rules) = (project.state(), project.entity_rules(mappings));
    let answer = match state.join(ADDRESS_FILE).exists() {
        true => ask_foretold(&state, &rules).await.ok(),
        false => None,
    };
    let answer = match answer {
        Some(answer) => answer,
        // Where a process has the state and does not answer, this says so.
        None => Weighing::open_kept(project, rules.clone())?.foretell(rules),
    };
    match answer {
        Foretold::Changes(previews) => Ok(previews),
        Foretold::Refused(refusal) => Err(refusal.into()),
    }
}

/// As a person reads it; empty where the rules are those in force.
pub(super) fn to_text(plan: &RulesPlan) -> String {
    let mut text: String = plan.entities.iter().map(entity).collect();
    if let Some(unknown) = &plan.unknown {
        let _ = writeln!(text, "\nwhat changed policies would change is not known: {unknown}");
    }
    text
}

fn entity(preview: &Preview) -> String {
    let mut text = format!(
        "\n{}: decided otherwise from the next run on; of {} keys\n",
        preview.entity,
        count(preview.keys)
    );
    let mut line = |number: u64, what: &str| {
        if number > 0 {
            let _ = writeln!(text, "  {:>9}  {what}", count(number));
        }
    };
    line(preview.appear, "appear");
    line(preview.vanish, "vanish");
    for (field, number) in &preview.fields {
        line(*number, &format!("have another {field}"));
    }
    line(preview.conflicts_open, "questions come up");
    line(preview.conflicts_close, "questions are gone");
    line(preview.contradicted, "decisions of people decide no longer");
    if is_without_effect(preview) {
        text += "  nothing comes out otherwise\n";
    }
    text + &samples(&preview.samples) + &contradictions(&preview.contradictions)
}

fn is_without_effect(preview: &Preview) -> bool {
    let numbers = [
        preview.appear,
        preview.vanish,
        preview.conflicts_open,
        preview.conflicts_close,
        preview.contradicted,
    ];
    preview.fields.is_empty() && numbers == [0; 5]
}

fn shown(value: Option<&str>) -> String {
    value.unwrap_or("NULL").to_owned()
}

fn samples(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    let headings = [
        ("such as", Align::Left),
        ("field", Align::Left),
        ("is", Align::Left),
        ("becomes", Align::Left),
    ];
    let row = |it: &Sample| {
        vec![it.key.join(" "), it.field.clone(), shown(it.from.as_deref()), shown(it.to.as_deref())]
    };
    format!("\n{}", table(&headings, &samples.iter().map(row).collect::<Vec<_>>()))
}

fn contradictions(contradictions: &[Contradiction]) -> String {
    if contradictions.is_empty() {
        return String::new();
    }
    let headings = [
        ("decided", Align::Left),
        ("subject", Align::Left),
        ("decision", Align::Left),
        ("is", Align::Left),
        ("becomes", Align::Left),
    ];
    let row = |it: &Contradiction| {
        vec![
            it.key.join(" "),
            it.subject.clone(),
            it.decision.clone(),
            shown(it.decided.as_deref()),
            shown(it.becomes.as_deref()),
        ]
    };
    format!("\n{}", table(&headings, &contradictions.iter().map(row).collect::<Vec<_>>()))
}
