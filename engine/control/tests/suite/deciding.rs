//! What people say, and what becomes of it.

use super::words::{about, closed, decision, only, raise, raised, story};
use super::{Failed, Place};
use syncline_control::{
    Change, CloseReason, Decision, DecisionFilter, Error, Said, SaidWhat, State, Undone,
};

fn decided(decision: &str) -> CloseReason {
    CloseReason::Decided { decision: decision.to_owned() }
}

pub(crate) async fn a_decision_holds_until_a_source_says_something_new(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    control.decide(&decision("d1", 1, "e1")).await?;
    control.apply(&[raised("e1")], 510).await?;
    assert_eq!(only(&control).await?.state, State::Decided, "raised before it was heard of");
    control.apply(&[closed(decided("d1"))], 520).await?;
    control.apply(&[raised("e1")], 530).await?;
    let conflict = only(&control).await?;
    assert_eq!((conflict.state, conflict.settled), (State::Closed, Some(decided("d1"))));
    control.apply(&[raised("e2")], 540).await?;
    let conflict = only(&control).await?;
    assert_eq!((conflict.state, conflict.times_reopened), (State::Open, 1));
    assert_eq!(
        story(&control, 1).await?,
        [
            "10 raised on e1",
            "500 maria decided d1",
            "520 closed: decided",
            "540 reopened on e2 after decided"
        ]
    );
    Ok(())
}

pub(crate) async fn a_decision_again_is_the_same_one(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    let first = decision("d1", 1, "e1");
    control.decide(&first).await?;
    control.decide(&first).await?;
    assert_eq!(story(&control, 1).await?.len(), 2);
    let other = Decision { what: "{\"take\":\"hr\"}".to_owned(), ..first };
    let refused = control.decide(&other).await;
    assert!(matches!(refused, Err(Error::DecisionTaken { .. })), "{refused:?}");
    Ok(())
}

pub(crate) async fn an_outdated_or_late_decision_is_refused(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let nowhere = control.decide(&decision("d0", 1, "e1")).await;
    assert!(matches!(nowhere, Err(Error::UnknownConflict { conflict: 1 })));
    control.apply(&[raised("e1")], 10).await?;
    control.apply(&[raised("e2")], 20).await?;
    let outdated = control.decide(&decision("d1", 1, "e1")).await;
    assert!(matches!(outdated, Err(Error::EvidenceChanged { conflict: 1 })));
    control.decide(&decision("d2", 1, "e2")).await?;
    let late = control.decide(&decision("d3", 1, "e2")).await;
    assert!(matches!(late, Err(Error::Settled { state: State::Decided, .. })));
    assert_eq!(control.decisions(&DecisionFilter::default()).await?.len(), 1);
    Ok(())
}

pub(crate) async fn undoing_opens_the_conflict_again(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    let first = decision("d1", 1, "e1");
    control.decide(&first).await?;
    control.apply(&[closed(decided("d1"))], 520).await?;
    assert_eq!(control.undo("d1", "jo", 600).await?, Some(first));
    let conflict = only(&control).await?;
    assert_eq!((conflict.state, conflict.settled, conflict.changed_at), (State::Open, None, 600));
    assert_eq!(control.undo("d1", "jo", 700).await?, None, "taken back already");
    assert_eq!(control.undo("d9", "jo", 700).await?, None, "there is none");
    control.decide(&decision("d2", 1, "e1")).await?;
    assert_eq!(
        story(&control, 1).await?,
        [
            "10 raised on e1",
            "500 maria decided d1",
            "520 closed: decided",
            "600 jo undid d1",
            "500 maria decided d2"
        ]
    );
    Ok(())
}

pub(crate) async fn undoing_what_was_reopened_meanwhile_changes_no_conflict(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    control.decide(&decision("d1", 1, "e1")).await?;
    control.apply(&[raised("e2"), closed(CloseReason::Agreed)], 510).await?;
    let before = only(&control).await?;
    assert!(control.undo("d1", "jo", 600).await?.is_some());
    assert_eq!(only(&control).await?, before);
    assert_eq!(story(&control, 1).await?.last().map(String::as_str), Some("600 jo undid d1"));
    Ok(())
}

pub(crate) async fn decisions_are_listed_by_what_is_asked(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let room = about("room", "R1", "capacity", Change::Raised(raise("f1")));
    control.apply(&[raised("e1"), room], 10).await?;
    control.decide(&decision("d1", 1, "e1")).await?;
    control.decide(&Decision { by: "jo".to_owned(), ..decision("d2", 2, "f1") }).await?;
    control.undo("d1", "jo", 600).await?;
    let ids = async |filter: DecisionFilter| {
        let found = control.decisions(&filter).await?;
        Ok::<_, Error>(found.into_iter().map(|record| record.decision.id).collect::<Vec<_>>())
    };
    let all = DecisionFilter::default;
    assert_eq!(ids(all()).await?, ["d1", "d2"]);
    assert_eq!(ids(DecisionFilter { conflict: Some(2), ..all() }).await?, ["d2"]);
    assert_eq!(ids(DecisionFilter { by: Some("jo".into()), ..all() }).await?, ["d2"]);
    assert_eq!(ids(DecisionFilter { entity: Some("person".into()), ..all() }).await?, ["d1"]);
    assert_eq!(ids(DecisionFilter { limit: 1, ..all() }).await?, ["d1"]);
    let records = control.decisions(&all()).await?;
    assert_eq!(records[0].decision, decision("d1", 1, "e1"));
    assert_eq!(records[0].undone, Some(Undone { by: "jo".to_owned(), at: 600 }));
    let after = Some(records[0].number);
    assert_eq!(ids(DecisionFilter { after, ..all() }).await?, ["d2"]);
    Ok(())
}

pub(crate) async fn what_is_said_is_heard_once_and_in_order(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    assert_eq!((control.feed(0, 10).await?, control.last_said().await?), (Vec::new(), 0));
    let room = about("room", "R1", "capacity", Change::Raised(raise("f1")));
    control.apply(&[raised("e1"), room], 10).await?;
    assert_eq!(control.feed(0, 10).await?, [], "raising is not said by a person");
    control.decide(&decision("d1", 1, "e1")).await?;
    control.apply(&[closed(decided("d1"))], 520).await?;
    control.decide(&decision("d2", 2, "f1")).await?;
    control.undo("d1", "jo", 600).await?;
    let feed = control.feed(0, 10).await?;
    let told = |said: &Said| (said.what, said.decision.id.clone(), said.entity.clone(), said.at);
    assert_eq!(
        feed.iter().map(told).collect::<Vec<_>>(),
        [
            (SaidWhat::Decided, "d1".to_owned(), "person".to_owned(), 500),
            (SaidWhat::Decided, "d2".to_owned(), "room".to_owned(), 500),
            (SaidWhat::Undone, "d1".to_owned(), "person".to_owned(), 600),
        ]
    );
    assert_eq!(feed[0].decision, decision("d1", 1, "e1"));
    assert_eq!((feed[0].key.as_str(), feed[0].subject.as_str()), ("[\"S1042\"]", "email"));
    assert!(feed.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(control.feed(0, 1).await?, feed[..1]);
    assert_eq!(control.feed(feed[0].number, 10).await?, feed[1..]);
    assert_eq!(control.last_said().await?, feed[2].number);
    Ok(())
}
