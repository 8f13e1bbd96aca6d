//! What resolving says of conflicts, written down for people.

use crate::clock::SystemClock;
use crate::decisions::{Evidence, Store};
use crate::policies::Policies;
use async_trait::async_trait;
use std::sync::Arc;
use syncline_control::{
    Change, ClaimView, CloseReason, ConflictChange as Noted, ConflictKind as NotedKind, Raise,
};
use syncline_core::{
    Closed, ConflictBook, ConflictChange, ConflictKind, ConflictState, ConflictWord, Digest, Error,
    Kind, Result,
};
use syncline_runtime::Clock as _;

/// Writes conflicts down in the control store.
pub(crate) struct Book {
    store: Arc<Store>,
    policies: Policies,
}

impl Book {
    /// In a store; with how the fields that may be asked about are decided.
    pub(crate) fn new(store: Arc<Store>, policies: Policies) -> Self {
        Self { store, policies }
    }
}

#[async_trait]
impl ConflictBook for Book {
    async fn note(&self, entity: &str, changes: Vec<ConflictChange>) -> Result<()> {
        let changes = changes.into_iter().map(|change| noted(entity, &self.policies, change));
        let changes = changes.collect::<Result<Vec<_>>>()?;
        let control = self.store.open().await?;
        control.apply(&changes, SystemClock.now()).await?;
        // The claims say next how far they have come: nobody would say this again.
        Ok(control.make_durable().await?)
    }
}

fn noted(entity: &str, policies: &Policies, change: ConflictChange) -> Result<Noted> {
    let ConflictChange { key, subject, state } = change;
    let state = match state {
        ConflictState::Closed(why) => Change::Closed { reason: reason(why) },
        ConflictState::Raised { kind, evidence, words, in_force, rules, reason } => {
            let question = question(&evidence, kind, in_force.as_deref(), &rules);
            let unknown = || Error::new(Kind::Internal, format!("{kind} is no kind of conflict"));
            Change::Raised(Raise {
                kind: NotedKind::from_text(kind.as_str()).ok_or_else(unknown)?,
                evidence: Evidence { words: &evidence, question: &question }.to_string(),
                claims: words.into_iter().map(claim).collect(),
                in_force,
                policy: policy(policies.sentence(entity, &subject), reason.as_deref()),
                policy_revision: rules,
            })
        }
    };
    Ok(Noted { entity: entity.to_owned(), key, subject, state })
}

/// How a subject is decided, and why it can't be.
fn policy(sentence: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{sentence} It fails: {reason}."),
        None => sentence.to_owned(),
    }
}

/// A digest of all that a person would decide on: the words, which `evidence` stands for, and what else
/// is shown with them.
fn question(evidence: &str, kind: ConflictKind, in_force: Option<&str>, rules: &str) -> String {
    let digest = Digest::default().part(evidence.as_bytes()).part(kind.as_str().as_bytes());
    let digest = match in_force {
        Some(value) => digest.with(&[1]).part(value.as_bytes()),
        None => digest.with(&[0]),
    };
    digest.part(rules.as_bytes()).to_string()
}

fn reason(why: Closed) -> CloseReason {
    match why {
        Closed::Agreed => CloseReason::Agreed,
        Closed::Decided { decision } => CloseReason::Decided { decision },
        Closed::Gone => CloseReason::Gone,
        Closed::RulesChanged => CloseReason::PolicyChanged,
    }
}

fn claim(word: ConflictWord) -> ClaimView {
    let ConflictWord { source, mapping, record, value, since, uncertainty } = word;
    ClaimView { source, mapping, record, value, since, uncertainty_micros: uncertainty }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::rules_tests::{HR, SIS, Scene, lock};
    use syncline_control::{Filter, State};

    fn raised(in_force: &str) -> ConflictChange {
        let state = ConflictState::Raised {
            kind: ConflictKind::ValueConcurrent,
            evidence: "0a".repeat(16),
            words: Vec::new(),
            in_force: Some(in_force.to_owned()),
            rules: "r1".to_owned(),
            reason: None,
        };
        ConflictChange { key: "[\"7\"]".to_owned(), subject: "email".to_owned(), state }
    }

    #[tokio::test]
    async fn a_conflict_has_its_policy_in_words_and_is_closed_by_its_decision() {
        let scene = Scene::new("[fields.email]\ntype = \"text\"\npolicy = \"ask\"\n", &[SIS, HR]);
        let project = scene.project();
        let mappings = crate::checked::check(&project, &lock()).mappings;
        let state = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::in_directory(state.path()));
        let policies = Policies::of(&project.entity_rules(&mappings));
        let book = Book::new(store.clone(), policies);
        book.note("person", vec![raised("a")]).await.unwrap();
        let control = store.open().await.unwrap();
        let first = control.get(1).await.unwrap().unwrap();
        assert!(first.policy.starts_with("What all sources agree on"), "{}", first.policy);
        let words = Evidence::parse(&first.evidence).unwrap().words.to_owned();
        assert_eq!(words, "0a".repeat(16));
        // The same words and another value in force: another question, on the same words.
        book.note("person", vec![raised("b")]).await.unwrap();
        let second = control.get(1).await.unwrap().unwrap();
        assert_ne!(first.evidence, second.evidence);
        assert_eq!(Evidence::parse(&second.evidence).unwrap().words, words);
        let decision = "1-x".to_owned();
        let state = ConflictState::Closed(Closed::Decided { decision: decision.clone() });
        book.note("person", vec![ConflictChange { state, ..raised("b") }]).await.unwrap();
        let closed = control.list(&Filter::default()).await.unwrap().remove(0);
        assert_eq!(
            (closed.state, closed.settled),
            (State::Closed, Some(CloseReason::Decided { decision }))
        );
    }
}
