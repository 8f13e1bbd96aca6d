//! What do the changes of a batch make of one conflict? Decided here, without a database.
//!
//! | stands     | raised, same evidence       | raised, other evidence | closed |
//! |------------|-----------------------------|------------------------|--------|
//! | not there  | raised                      | raised                 | –      |
//! | open       | –                           | evidence changed       | closed |
//! | decided    | –                           | reopened               | closed |
//! | closed     | – after a decision, else reopened | reopened         | –      |
//!
//! Invariant: a batch whose last word on a conflict is what stands already changes nothing of it, so
//! that the same batch again never does.

use crate::change::{Change, Raise};
use crate::kind::{CloseReason, State};

/// A conflict as it stands, as far as it matters for what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) evidence: String,
    pub(crate) state: State,
    pub(crate) settled: Option<CloseReason>,
    pub(crate) times_reopened: i64,
}

/// What happens to a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Raised(&'a Raise),
    EvidenceChanged(&'a Raise),
    Reopened { after: CloseReason, raise: &'a Raise },
    Closed(&'a CloseReason),
}

impl<'a> Step<'a> {
    pub(crate) fn raise(&self) -> Option<&'a Raise> {
        match self {
            Self::Raised(raise) | Self::EvidenceChanged(raise) | Self::Reopened { raise, .. } => {
                Some(raise)
            }
            Self::Closed(_) => None,
        }
    }
}

/// The steps that a batch's changes of one conflict make, and what stands after them. No steps when
/// nothing changes.
pub(crate) fn fold<'a>(
    before: Option<Standing>,
    changes: &[&'a Change],
) -> (Option<Standing>, Vec<Step<'a>>) {
    let stands_already = |standing: &Standing| {
        changes.last().is_none_or(|last| step(Some(standing), last).is_none())
    };
    if before.as_ref().is_some_and(stands_already) {
        return (before, Vec::new());
    }
    let mut standing = before;
    let mut steps = Vec::new();
    for change in changes {
        if let Some(step) = step(standing.as_ref(), change) {
            standing = Some(after(standing, &step));
            steps.push(step);
        }
    }
    (standing, steps)
}

fn step<'a>(standing: Option<&Standing>, change: &'a Change) -> Option<Step<'a>> {
    match (standing, change) {
        (None, Change::Raised(raise)) => Some(Step::Raised(raise)),
        (None, Change::Closed { .. }) => None,
        (Some(standing), Change::Raised(raise)) => raised_again(standing, raise),
        (Some(standing), Change::Closed { reason }) => {
            (standing.state != State::Closed).then_some(Step::Closed(reason))
        }
    }
}

fn raised_again<'a>(standing: &Standing, raise: &'a Raise) -> Option<Step<'a>> {
    let same = standing.evidence == raise.evidence;
    match &standing.settled {
        None if same => None,
        None => Some(Step::EvidenceChanged(raise)),
        // A decision stands while the evidence it was made on does.
        Some(CloseReason::Decided { .. }) if same => None,
        Some(settled) => Some(Step::Reopened { after: settled.clone(), raise }),
    }
}

fn after(standing: Option<Standing>, step: &Step<'_>) -> Standing {
    let reopened = standing.as_ref().map_or(0, |standing| standing.times_reopened);
    let open = |raise: &Raise, times_reopened| Standing {
        evidence: raise.evidence.clone(),
        state: State::Open,
        settled: None,
        times_reopened,
    };
    match step {
        Step::Raised(raise) | Step::EvidenceChanged(raise) => open(raise, reopened),
        Step::Reopened { raise, .. } => open(raise, reopened + 1),
        Step::Closed(reason) => Standing {
            evidence: standing.map(|standing| standing.evidence).unwrap_or_default(),
            state: State::Closed,
            settled: Some((*reason).clone()),
            times_reopened: reopened,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, Step, fold};
    use crate::{Change, CloseReason, ConflictKind, Raise, State};

    fn raised(evidence: &str) -> Change {
        Change::Raised(Raise {
            kind: ConflictKind::ValueConcurrent,
            evidence: evidence.to_owned(),
            claims: Vec::new(),
            in_force: None,
            policy: "ask".to_owned(),
            policy_revision: "1".to_owned(),
        })
    }

    fn closed() -> Change {
        Change::Closed { reason: CloseReason::Agreed }
    }

    fn decided(evidence: &str, state: State) -> Standing {
        let decision = CloseReason::Decided { decision: "d".to_owned() };
        let (settled, times_reopened) = (Some(decision), 0);
        Standing { evidence: evidence.to_owned(), state, settled, times_reopened }
    }

    #[test]
    fn any_batch_a_second_time_changes_nothing() {
        let words = [raised("a"), raised("b"), closed()];
        for first in &words {
            for second in &words {
                for third in &words {
                    let batch = [first, second, third];
                    let (once, _) = fold(None, &batch);
                    let (twice, steps) = fold(once.clone(), &batch);
                    assert_eq!((twice, steps), (once, Vec::new()));
                }
            }
        }
    }

    #[test]
    fn a_decision_stands_while_its_evidence_does() {
        for state in [State::Decided, State::Closed] {
            let stands = decided("a", state);
            assert_eq!(fold(Some(stands.clone()), &[&raised("a")]).1, []);
            let other = raised("b");
            let (after, steps) = fold(Some(stands), &[&other]);
            assert!(matches!(steps.as_slice(), [Step::Reopened { .. }]));
            assert_eq!(after.map(|standing| standing.times_reopened), Some(1));
        }
    }

    #[test]
    fn what_agreed_and_disagrees_again_is_reopened_even_on_the_same_evidence() {
        let (agreed, _) = fold(None, &[&raised("a"), &closed()]);
        let again = raised("a");
        let (after, steps) = fold(agreed, &[&again]);
        assert!(matches!(steps.as_slice(), [Step::Reopened { after: CloseReason::Agreed, .. }]));
        assert_eq!(after.map(|standing| standing.state), Some(State::Open));
    }
}
