//! Values of sensitive fields, hidden from those who did not ask to see them.
//!
//! Equal values are hidden alike and nothing is said of how long they are: what is told beside them
//! (who spoke, when, what decided) is told as ever.

use std::collections::BTreeSet;
use syncline_resolve::{Change, Measure, Preview, Why, WhyUnit, WhyWord};

/// What stands for a value that is not shown.
pub(crate) const HIDDEN: &str = "•••";

/// Hides the values of sensitive fields.
pub(crate) fn why(why: &mut Why, sensitive: &BTreeSet<String>) {
    for unit in &mut why.units {
        let hidden: Vec<bool> = unit.fields.iter().map(|it| sensitive.contains(it)).collect();
        if hidden.contains(&true) {
            hide_unit(unit, &hidden);
        }
    }
}

/// Hides the values of sensitive fields.
pub(crate) fn preview(preview: &mut Preview, sensitive: &BTreeSet<String>) {
    for sample in preview.samples.iter_mut().filter(|it| sensitive.contains(&it.field)) {
        hide_text(&mut sample.from);
        hide_text(&mut sample.to);
    }
    // A decision may be on a group, whose fields are not told here.
    if !sensitive.is_empty() {
        for contradiction in &mut preview.contradictions {
            hide_text(&mut contradiction.decided);
            hide_text(&mut contradiction.becomes);
        }
    }
}

fn hide_unit(unit: &mut WhyUnit, hidden: &[bool]) {
    let hide = |value: &mut Option<String>| hide_value(value, hidden);
    hide(&mut unit.value);
    unit.columns.iter_mut().for_each(|column| hide(&mut column.value));
    for said in &mut unit.said {
        hide(&mut said.value);
        said.before.iter_mut().for_each(|before| hide(&mut before.value));
    }
    unit.decisions.iter_mut().for_each(|decision| hide(&mut decision.value));
    if let Some(margin) = &mut unit.margin {
        margin.runner_up.iter_mut().for_each(|word| hide(&mut word.value));
        match &mut margin.measure {
            Measure::Supporters { scores } | Measure::Places { scores } => {
                scores.iter_mut().for_each(|score| hide(&mut score.value));
            }
            // How long a value is says something of it.
            Measure::Characters { scores } => scores.clear(),
            Measure::Time { .. } | Measure::List { .. } | Measure::Value => {}
        }
    }
    if let Some(flip) = &mut unit.flip {
        hide(&mut flip.becomes);
        if let Some(WhyWord { value, .. }) = word_of(&mut flip.change) {
            hide(value);
        }
    }
}

fn word_of(change: &mut Change) -> Option<&mut WhyWord> {
    match change {
        Change::Withdrawn(by)
        | Change::Deleted(by)
        | Change::SaidAnew { by, .. }
        | Change::Says { by, .. } => Some(by),
        Change::Undone { .. } => None,
    }
}

/// A value of a unit: of a group, only those of its fields that are sensitive.
fn hide_value(value: &mut Option<String>, hidden: &[bool]) {
    let Some(text) = value.as_mut() else { return };
    let texts = match hidden.len() {
        1 => None,
        _ => serde_json::from_str::<Vec<Option<String>>>(text).ok(),
    };
    let Some(mut texts) = texts else { return hide_text(value) };
    for (text, _) in texts.iter_mut().zip(hidden).filter(|(_, hidden)| **hidden) {
        hide_text(text);
    }
    *text = serde_json::to_string(&texts).expect("texts are JSON");
}

fn hide_text(value: &mut Option<String>) {
    if let Some(text) = value {
        HIDDEN.clone_into(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_group_only_what_is_sensitive_is_hidden() {
        let hidden = |text: &str, of: &[bool]| {
            let mut value = Some(text.to_owned());
            hide_value(&mut value, of);
            value.unwrap_or_default()
        };
        assert_eq!(hidden("secret", &[true]), HIDDEN);
        assert_eq!(hidden("[\"a\",null,\"b\"]", &[false, true, true]), "[\"a\",null,\"•••\"]");
        assert_eq!(hidden("no list", &[false, true]), HIDDEN);
    }
}
