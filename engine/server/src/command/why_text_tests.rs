//! What people read of why.

use super::why::{LaneNow, Report, Route};
use super::why_text::to_text;
use std::collections::BTreeMap;
use syncline_core::ConflictKind;
use syncline_resolve::{
    Before, Change, DecidedBy, DecisionStanding, Existence, Fallback, Flip, MadeDecision, Margin,
    Measure, Policy, Record, RecordState, Said, Since, Standing, TimeTold, Why, WhyColumn,
    WhyExists, WhyUnit, WhyWord,
};

const NOON: i64 = 1_764_072_000_000_000;

fn since(seconds: i64) -> Since {
    Since { micros: NOON + seconds * 1_000_000, copied: false }
}

fn word(source: &str, value: &str) -> WhyWord {
    WhyWord {
        source: source.into(),
        mapping: format!("person/from_{source}.sql"),
        record: "[\"7\"]".into(),
        value: Some(value.into()),
    }
}

fn said(source: &str, value: Option<&str>, at: i64, standing: Standing) -> Said {
    Said {
        source: Some(source.into()),
        mapping: format!("person/from_{source}.sql"),
        record: "[\"7\"]".into(),
        value: value.map(str::to_owned),
        since: Some(since(at)),
        uncertainty: Some(1_000_000),
        standing,
        holds_ours: false,
        before: Vec::new(),
    }
}

/// An e-mail address that two systems say, one of them last.
fn email() -> WhyUnit {
    let before = Before { value: Some("ada@old.example".into()), since: since(-90), ours: false };
    WhyUnit {
        name: "email".into(),
        fields: vec!["email".into()],
        value: Some("ada@new.example".into()),
        policy: Policy::Newest(Fallback::Ask),
        null_is_value: false,
        by: DecidedBy::Winner {
            source: "sis".into(),
            mapping: "person/from_sis.sql".into(),
            record: "[\"7\"]".into(),
        },
        reason: None,
        columns: Vec::new(),
        said: vec![
            said("hr", Some("ada@hr.example"), 0, Standing::Speaks),
            Said {
                before: vec![before],
                ..said("sis", Some("ada@new.example"), 5, Standing::Speaks)
            },
            said("crm", None, 1, Standing::Withdrawn),
        ],
        decisions: Vec::new(),
        conflict: None,
        margin: Some(Margin {
            runner_up: Some(word("hr", "ada@hr.example")),
            measure: Measure::Time {
                ahead: Some(5_250_000),
                uncertainty: 2_000_000,
                told_by: TimeTold::Clocks,
            },
        }),
        flip: Some(Flip {
            change: Change::Withdrawn(word("sis", "ada@new.example")),
            becomes: Some("ada@hr.example".into()),
            conflict: None,
        }),
        tried: 3,
    }
}

/// A group that waits for a person, after a decision that the sources have overtaken.
fn address() -> WhyUnit {
    let value = |street: &str| Some(format!("[\"{street}\",null]"));
    WhyUnit {
        name: "address".into(),
        fields: vec!["street".into(), "city".into()],
        value: value("Calle Mayor 1"),
        policy: Policy::Ask(Fallback::Ask),
        by: DecidedBy::LastAgreed,
        reason: None,
        columns: Vec::new(),
        said: vec![
            said("hr", value("Calle Mayor 1").as_deref(), 0, Standing::Speaks),
            said("sis", value("Rue Vieille 5").as_deref(), 9, Standing::Speaks),
        ],
        decisions: vec![MadeDecision {
            id: "d-17".into(),
            at: since(3),
            value: value("Calle Mayor 1"),
            standing: DecisionStanding::Outdated,
        }],
        conflict: Some(ConflictKind::ValueConcurrent),
        margin: None,
        flip: None,
        ..email()
    }
}

fn report(units: Vec<WhyUnit>) -> Report {
    let record = |source: &str, state| Record {
        source: Some(source.into()),
        mapping: format!("person/from_{source}.sql"),
        record: "[\"7\"]".into(),
        state,
        heard: Some(since(5)),
    };
    let lane = LaneNow { state: "running".into(), waiting: 0, lag_ms: 0.0 };
    Report {
        why: Why {
            entity: "person".into(),
            key: vec!["S1042".into()],
            rules: "0123456789abcdef0123456789abcdef".into(),
            is_outdated: false,
            existence: WhyExists {
                exists: true,
                policy: Existence::Any,
                records: vec![
                    record("hr", RecordState::There),
                    record("sis", RecordState::There),
                    record("crm", RecordState::Deleted),
                ],
                decision: None,
                conflict: None,
            },
            units,
        },
        conflicts: BTreeMap::from([("address".to_owned(), 12)]),
        is_running: true,
        goes_to: vec![Route {
            mapping: "person/to_lms.sql".into(),
            writes: "lms.public.users".into(),
            lane: Some(lane),
            set_aside: Vec::new(),
            unknown: None,
        }],
    }
}

#[test]
fn all_fields_are_an_overview() {
    insta::assert_snapshot!(to_text(&report(vec![email(), address()]), 1));
}

#[test]
fn one_field_is_told_with_all_that_was_said() {
    insta::assert_snapshot!(to_text(&report(vec![email()]), 2));
}

#[test]
fn a_question_is_told_with_the_decision_that_was_overtaken() {
    let mut report = report(vec![address()]);
    report.is_running = false;
    report.why.is_outdated = true;
    insta::assert_snapshot!(to_text(&report, 2));
}

/// A number that an expression computes, and fails on now.
#[test]
fn an_expression_is_told_with_what_it_is_computed_from() {
    let column = |source: &str, value: Option<&str>| WhyColumn {
        source: source.into(),
        value: value.map(str::to_owned),
    };
    let unit = WhyUnit {
        name: "load".into(),
        fields: vec!["load".into()],
        value: Some("4".into()),
        policy: Policy::Sql("sis / coalesce(hr, crm)".into()),
        by: DecidedBy::Expression,
        columns: vec![column("crm", None), column("hr", Some("3")), column("sis", Some("12"))],
        said: vec![
            said("hr", Some("3"), 0, Standing::Speaks),
            said("sis", Some("12"), 5, Standing::Speaks),
        ],
        margin: None,
        flip: Some(Flip {
            change: Change::Withdrawn(word("hr", "3")),
            becomes: None,
            conflict: None,
        }),
        ..email()
    };
    let failing = WhyUnit {
        by: DecidedBy::LastAgreed,
        reason: Some("division by zero".into()),
        columns: vec![column("crm", None), column("hr", Some("0")), column("sis", Some("12"))],
        conflict: Some(ConflictKind::ConstraintFailed),
        ..unit.clone()
    };
    let told = [unit, failing].map(|unit| to_text(&report(vec![unit]), 2));
    insta::assert_snapshot!(told.join("\n"));
}
