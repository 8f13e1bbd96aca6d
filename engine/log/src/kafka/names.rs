//! How topics are called at the brokers.

use syncline_core::{Error, Kind, Result, Topic};

/// Longest name that Kafka takes.
const NAME_BYTES_MAX: usize = 249;

/// The topic of all notes.
const NOTES: &str = "notes";

/// The name of a topic of ours.
///
/// # Errors
/// `Config` for what can't be a name at Kafka.
pub(super) fn of(prefix: &str, topic: &Topic) -> Result<String> {
    check(format!("{prefix}.{topic}"))
}

/// The name of the topic of the claims on an entity.
///
/// # Errors
/// The same.
pub(super) fn claims(prefix: &str, entity: &str) -> Result<String> {
    check(format!("{prefix}.claims.{entity}"))
}

/// The name of the topic by which workers share the work.
///
/// # Errors
/// The same.
pub(super) fn work(prefix: &str) -> Result<String> {
    check(format!("{prefix}.work"))
}

/// The name of the group of workers.
pub(super) fn workers(prefix: &str) -> String {
    format!("{prefix}.workers")
}

/// The name of the topic of notes.
///
/// # Errors
/// The same.
pub(super) fn notes(prefix: &str) -> Result<String> {
    check(format!("{prefix}.{NOTES}"))
}

fn check(name: String) -> Result<String> {
    given(name, "prefix in [log]")
}

/// A name that the project gives, by what it sets there.
///
/// # Errors
/// The same.
pub(super) fn given(name: String, set: &str) -> Result<String> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    if name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
        return Err(Error::new(Kind::Config, format!("Kafka can't have a topic named {name:?}"))
            .detail("a name has letters, digits, '.', '_' and '-', and at most 249 of them")
            .hint(format!("set {set}")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::SystemName;

    #[test]
    fn names_that_kafka_refuses_are_told_with_a_hint() {
        let topic = Topic::changes(&SystemName::new("sis"));
        assert_eq!(of("uni", &topic).unwrap(), "uni.changes.sis");
        assert_eq!(notes("uni").unwrap(), "uni.notes");
        for prefix in ["Universität", "a b", &"x".repeat(250)] {
            let error = of(prefix, &topic).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("prefix")));
        }
    }
}
