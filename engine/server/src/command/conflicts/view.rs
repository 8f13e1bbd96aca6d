//! A conflict as it is shown, with what only some may see covered.

use crate::masked::HIDDEN;
use crate::policies::EXISTENCE;
use crate::project::{Entity, Project};
use serde::Serialize;
use syncline_control::{ClaimView, CloseReason, Conflict, ConflictKind, State};
use syncline_resolve::utc;

/// A conflict.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) id: i64,
    pub(super) entity: String,
    pub(super) key: Vec<String>,
    pub(super) field: String,
    pub(super) kind: ConflictKind,
    pub(super) state: State,
    /// What settled it.
    pub(super) settled: Option<CloseReason>,
    pub(super) words: Vec<WordView>,
    pub(super) in_force: Option<String>,
    pub(super) policy: String,
    pub(super) policy_revision: String,
    pub(super) evidence: String,
    pub(super) raised_at: String,
    pub(super) changed_at: String,
    pub(super) age_seconds: i64,
    pub(super) times_reopened: u64,
    pub(super) waiting: u64,
    /// Whether values are covered.
    pub(super) covered: bool,
}

/// What one record of one source says.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WordView {
    pub(super) source: String,
    pub(super) mapping: String,
    pub(super) record: String,
    pub(super) value: Option<String>,
    /// None where it was so when it was copied.
    pub(super) since: Option<String>,
    pub(super) uncertainty_ms: i64,
}

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eyes<'p> {
    project: &'p Project,
    /// Whether sensitive values are shown too.
    reveal: bool,
    /// The time, in µs since 1970 UTC.
    now: i64,
}

impl<'p> Eyes<'p> {
    pub(super) fn new(project: &'p Project, reveal: bool, now: i64) -> Self {
        Self { project, reveal, now }
    }

    pub(super) fn see(self, conflict: Conflict) -> View {
        let covered = self.covers(&conflict.entity, &conflict.subject);
        let is_key_covered = self.covers_key(&conflict.entity);
        let value = |value: Option<String>| covered_if(covered, value);
        View {
            id: conflict.id,
            key: key(&conflict.key)
                .into_iter()
                .map(|it| covered_text(is_key_covered, it))
                .collect(),
            kind: conflict.kind,
            state: conflict.state,
            settled: conflict.settled,
            words: self.words(&conflict.entity, &conflict.subject, conflict.claims),
            in_force: value(conflict.in_force),
            policy: conflict.policy,
            policy_revision: conflict.policy_revision,
            evidence: conflict.evidence,
            raised_at: utc(conflict.raised_at),
            changed_at: utc(conflict.changed_at),
            age_seconds: (self.now - conflict.raised_at).max(0) / 1_000_000,
            times_reopened: conflict.times_reopened,
            waiting: conflict.waiting,
            covered,
            entity: conflict.entity,
            field: conflict.subject,
        }
    }

    /// The words on a subject.
    pub(super) fn words(
        self,
        entity: &str,
        subject: &str,
        claims: Vec<ClaimView>,
    ) -> Vec<WordView> {
        let (covered, is_key_covered) = (self.covers(entity, subject), self.covers_key(entity));
        let word = |claim: ClaimView| WordView {
            source: claim.source,
            mapping: claim.mapping,
            record: covered_text(is_key_covered, claim.record),
            value: covered_if(covered, claim.value),
            since: claim.since.map(utc),
            uncertainty_ms: claim.uncertainty_micros / 1_000,
        };
        claims.into_iter().map(word).collect()
    }

    /// Whether the values of a subject are covered. What the project no longer has may have been
    /// sensitive.
    pub(super) fn covers(self, entity: &str, subject: &str) -> bool {
        if self.reveal || subject == EXISTENCE {
            return false;
        }
        let Some(entity) = self.project.entity(entity) else { return true };
        let unit = entity.units.iter().find(|declared| declared.unit.name == subject);
        unit.is_none_or(|declared| is_sensitive(entity, &declared.unit.columns))
    }

    fn covers_key(self, entity: &str) -> bool {
        let entity = self.project.entity(entity);
        !self.reveal && entity.is_none_or(|entity| is_sensitive(entity, entity.schema.key()))
    }
}

fn is_sensitive(entity: &Entity, columns: &[usize]) -> bool {
    let fields = columns.iter().filter_map(|&column| entity.fields.get(column));
    fields.into_iter().any(|field| field.sensitive)
}

fn covered_if(covered: bool, value: Option<String>) -> Option<String> {
    value.map(|value| covered_text(covered, value))
}

fn covered_text(covered: bool, text: String) -> String {
    if covered { HIDDEN.to_owned() } else { text }
}

/// A key's texts.
fn key(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|_| vec![json.to_owned()])
}

/// A value in a line: NULL by its name, line ends as spaces.
pub(super) fn shown(value: Option<&str>) -> String {
    value.map_or("NULL".to_owned(), |value| value.replace(char::is_control, " "))
}

/// The beginning of a text.
pub(super) fn shortened(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// An age in its largest unit: `3d`.
pub(in crate::command) fn age(seconds: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    unit.map_or_else(
        || format!("{seconds}s"),
        |(length, word)| format!("{}{word}", seconds / length),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_into_a_line() {
        assert_eq!(shown(Some("a\nb")), "a b");
        assert_eq!(shown(None), "NULL");
        assert_eq!(shortened("äöüß", 4), "äöüß");
        assert_eq!(shortened("äöüßx", 4), "äöü…");
        assert_eq!([age(5), age(61), age(7_200), age(259_200)], ["5s", "1m", "2h", "3d"]);
    }
}
