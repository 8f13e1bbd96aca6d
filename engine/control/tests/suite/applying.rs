//! What resolving says, and what becomes of it.

use super::words::{about, claim, closed, decision, only, raise, raised, story};
use super::{Failed, Place};
use syncline_control::{
    Change, ClaimView, CloseReason, ConflictKind, Error, Filter, Happened, State,
};

pub(crate) async fn a_batch_again_changes_nothing(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let batch = [
        raised("e1"),
        raised("e2"),
        closed(CloseReason::Gone),
        about("person", "S7", "phone", Change::Raised(raise("f1"))),
        about("person", "S8", "phone", Change::Closed { reason: CloseReason::Agreed }),
    ];
    control.apply(&batch, 10).await?;
    let before = control.list(&Filter::default()).await?;
    let histories = [control.history(1).await?, control.history(2).await?];
    control.apply(&batch, 20).await?;
    assert_eq!(control.list(&Filter::default()).await?, before);
    assert_eq!([control.history(1).await?, control.history(2).await?], histories);
    assert_eq!(before.len(), 2, "what was never raised does not close");
    Ok(())
}

pub(crate) async fn equal_evidence_is_the_same_conflict(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    let before = only(&control).await?;
    control.apply(&[raised("e1")], 20).await?;
    assert_eq!(only(&control).await?, before);
    assert_eq!(story(&control, before.id).await?, ["10 raised on e1"]);
    Ok(())
}

pub(crate) async fn other_evidence_while_open_is_an_event(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    let mut other = raise("e2");
    other.claims = vec![claim("crm", "ruiz@uni.example"), claim("hr", "a.ruiz@uni.example")];
    other.kind = ConflictKind::Flapping;
    let other = about("person", "S1042", "email", Change::Raised(other));
    control.apply(&[other], 20).await?;
    let conflict = only(&control).await?;
    assert_eq!((conflict.raised_at, conflict.changed_at), (10, 20));
    assert_eq!((conflict.kind, conflict.times_reopened), (ConflictKind::Flapping, 0));
    assert_eq!(story(&control, conflict.id).await?, ["10 raised on e1", "20 now on e2"]);
    let of = |source: &str| Filter { sources: vec![source.to_owned()], ..Filter::default() };
    assert_eq!(control.count(&of("sis")).await?, 0, "its sources are those of now");
    assert_eq!(control.count(&of("crm")).await?, 1);
    Ok(())
}

pub(crate) async fn a_conflict_closes_by_itself_and_reopens_as_the_same(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    control.apply(&[closed(CloseReason::Agreed)], 20).await?;
    let agreed = only(&control).await?;
    assert_eq!((agreed.state, agreed.settled), (State::Closed, Some(CloseReason::Agreed)));
    control.apply(&[closed(CloseReason::Gone)], 25).await?;
    control.apply(&[raised("e1")], 30).await?;
    let again = only(&control).await?;
    assert_eq!((again.id, again.state, again.settled), (agreed.id, State::Open, None));
    assert_eq!(again.times_reopened, 1);
    assert_eq!(
        story(&control, again.id).await?,
        ["10 raised on e1", "20 closed: agreed", "30 reopened on e1 after agreed"]
    );
    Ok(())
}

pub(crate) async fn a_subject_twice_in_a_batch_is_one_conflict(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    let batch = [raised("e1"), closed(CloseReason::PolicyChanged), raised("e2"), raised("e3")];
    control.apply(&batch, 10).await?;
    let conflict = only(&control).await?;
    assert_eq!((conflict.evidence.as_str(), conflict.state), ("e3", State::Open));
    assert_eq!(
        story(&control, conflict.id).await?,
        [
            "10 raised on e1",
            "10 closed: policy_changed",
            "10 reopened on e2 after policy_changed",
            "10 now on e3"
        ]
    );
    Ok(())
}

pub(crate) async fn a_batch_with_a_broken_key_leaves_nothing(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let mut broken = about("person", "S7", "phone", Change::Raised(raise("f1")));
    broken.key = "S7".to_owned();
    let refused = control.apply(&[raised("e1"), broken], 10).await;
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert_eq!(control.count(&Filter::default()).await?, 0);
    control.apply(&[raised("e1")], 20).await?;
    assert_eq!(only(&control).await?.id, 1);
    Ok(())
}

pub(crate) async fn values_come_back_as_they_were(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let mut odd = raise("e1");
    odd.claims.push(ClaimView {
        value: None,
        since: None,
        uncertainty_micros: i64::MAX,
        ..claim("lib\"rary", "")
    });
    odd.claims.push(claim("crm", "zero \0, quotes '\"\\, Ž 👩‍🎓"));
    odd.claims.push(claim("crm", "a second of the same source"));
    odd.in_force = None;
    let change = about("person", "Ž \"1\"", "existence", Change::Raised(odd.clone()));
    control.apply(std::slice::from_ref(&change), i64::MAX).await?;
    let conflict = only(&control).await?;
    assert_eq!(control.get(conflict.id).await?.as_ref(), Some(&conflict));
    assert_eq!(control.get(conflict.id + 1).await?, None);
    assert_eq!(conflict.claims, odd.claims);
    assert_eq!((conflict.key, conflict.subject), (change.key, change.subject));
    assert_eq!((conflict.in_force, conflict.raised_at), (None, i64::MAX));
    assert_eq!((conflict.policy.as_str(), conflict.policy_revision.as_str()), ("ask", "r1"));
    let history = control.history(conflict.id).await?;
    let raised = Happened::Raised { evidence: "e1".to_owned(), claims: odd.claims };
    assert_eq!(history[0].happened, raised);
    Ok(())
}

pub(crate) async fn kinds_are_counted(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.count_kind(ConflictKind::Skewed, 3).await?;
    control.count_kind(ConflictKind::KeyTaken, 1).await?;
    control.count_kind(ConflictKind::Skewed, 4).await?;
    let totals = control.kind_totals().await?;
    assert_eq!(totals, [(ConflictKind::KeyTaken, 1), (ConflictKind::Skewed, 7)]);
    Ok(())
}

pub(crate) async fn rows_that_wait_are_kept_when_it_changes(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    control.set_waiting(1, 12).await?;
    control.apply(&[raised("e2")], 20).await?;
    control.decide(&decision("d1", 1, "e2")).await?;
    control.apply(&[closed(CloseReason::Decided { decision: "d1".to_owned() })], 30).await?;
    assert_eq!(only(&control).await?.waiting, 12);
    let unknown = control.set_waiting(2, 1).await;
    assert!(matches!(unknown, Err(Error::UnknownConflict { conflict: 2 })));
    Ok(())
}
