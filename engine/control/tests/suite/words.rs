//! What the stories say to the store.

use syncline_control::{
    Change, ClaimView, CloseReason, Conflict, ConflictChange, ConflictKind, Control, Decision,
    Error, Filter, Happened, Raise,
};

pub(crate) fn claim(source: &str, value: &str) -> ClaimView {
    ClaimView {
        source: source.to_owned(),
        mapping: format!("person/from_{source}.sql"),
        record: "[\"7\"]".to_owned(),
        value: Some(value.to_owned()),
        since: Some(1_000),
        uncertainty_micros: 50,
    }
}

pub(crate) fn raise(evidence: &str) -> Raise {
    Raise {
        kind: ConflictKind::ValueConcurrent,
        evidence: evidence.to_owned(),
        claims: vec![claim("sis", "ana@uni.example"), claim("hr", "a.ruiz@uni.example")],
        in_force: Some("ana@uni.example".to_owned()),
        policy: "ask".to_owned(),
        policy_revision: "r1".to_owned(),
    }
}

pub(crate) fn about(entity: &str, key: &str, subject: &str, state: Change) -> ConflictChange {
    let key = serde_json::to_string(&[key]).expect("a text has a JSON form");
    ConflictChange { entity: entity.to_owned(), key, subject: subject.to_owned(), state }
}

/// The e-mail address of person S1042 is in conflict, on this evidence.
pub(crate) fn raised(evidence: &str) -> ConflictChange {
    about("person", "S1042", "email", Change::Raised(raise(evidence)))
}

/// The e-mail address of person S1042 is in conflict no more.
pub(crate) fn closed(reason: CloseReason) -> ConflictChange {
    about("person", "S1042", "email", Change::Closed { reason })
}

pub(crate) fn decision(id: &str, conflict: i64, evidence: &str) -> Decision {
    Decision {
        id: id.to_owned(),
        conflict,
        what: "{\"take\":\"sis\"}".to_owned(),
        by: "maria".to_owned(),
        at: 500,
        note: Some("phoned the student".to_owned()),
        evidence: evidence.to_owned(),
    }
}

/// The one conflict there is.
pub(crate) async fn only(control: &Control) -> Result<Conflict, Error> {
    let mut all = control.list(&Filter::default()).await?;
    assert_eq!(all.len(), 1, "one conflict");
    Ok(all.remove(0))
}

/// A history in a word or a few for each event.
pub(crate) async fn story(control: &Control, id: i64) -> Result<Vec<String>, Error> {
    let events = control.history(id).await?;
    Ok(events.iter().map(|event| format!("{} {}", event.at, told(&event.happened))).collect())
}

fn told(happened: &Happened) -> String {
    match happened {
        Happened::Raised { evidence, .. } => format!("raised on {evidence}"),
        Happened::EvidenceChanged { evidence, .. } => format!("now on {evidence}"),
        Happened::Decided { decision, by } => format!("{by} decided {decision}"),
        Happened::Undone { decision, by } => format!("{by} undid {decision}"),
        Happened::Reopened { after, evidence, .. } => {
            format!("reopened on {evidence} after {}", after.as_str())
        }
        Happened::Closed { reason } => format!("closed: {}", reason.as_str()),
    }
}
