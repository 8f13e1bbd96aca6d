//! Which conflicts people see.

use super::words::{about, claim, closed, decision, raise, raised};
use super::{Failed, Place};
use syncline_control::{
    Change, CloseReason, ConflictKind, Control, Error, Filter, Order, Raise, State,
};

/// Four conflicts: 1 and 2 raised at 10, 3 and 4 at 20; 2 is decided and 3 is closed.
async fn four(place: &Place) -> Result<Control, Failed> {
    let control = place.open().await?;
    let phone = about("person", "s7_50%", "phone", Change::Raised(raise("f1")));
    control.apply(&[raised("e1"), phone], 10).await?;
    let crm = Raise {
        claims: vec![claim("crm", "30"), claim("sis", "35")],
        kind: ConflictKind::OwnerOverridden,
        ..raise("g1")
    };
    let room = about("room", "Ž 7", "email", Change::Raised(crm));
    let lone = Raise { claims: vec![claim("crm", "x")], ..raise("h1") };
    let lone = about("room", "R 9", "existence", Change::Raised(lone));
    control.apply(&[room, lone], 20).await?;
    control.decide(&decision("d1", 2, "f1")).await?;
    let reason = CloseReason::Agreed;
    control.apply(&[about("room", "Ž 7", "email", Change::Closed { reason })], 30).await?;
    Ok(control)
}

async fn ids(control: &Control, filter: Filter) -> Result<Vec<i64>, Error> {
    let listed = control.list(&filter).await?;
    let by_kind = control.counts_by_kind(&filter).await?;
    let page = listed.len() as u64;
    assert_eq!(by_kind.iter().map(|(_, n)| n).sum::<u64>(), control.count(&filter).await?);
    assert!(control.count(&filter).await? >= page);
    Ok(listed.into_iter().map(|conflict| conflict.id).collect())
}

pub(crate) async fn each_condition_selects(place: &Place) -> Result<(), Failed> {
    let control = four(place).await?;
    let all = || Filter { order: Order::OldestFirst, ..Filter::default() };
    let sources = |names: &[&str]| Filter {
        sources: names.iter().map(|&name| name.to_owned()).collect(),
        ..all()
    };
    let text = |text: &str| Filter { key_text: Some(text.to_owned()), ..all() };
    let state = |state| Filter { state: Some(state), ..all() };
    let kind = |kind| Filter { kind: Some(kind), ..all() };
    let cases: [(Filter, &[i64]); 20] = [
        (all(), &[1, 2, 3, 4]),
        (Filter { entity: Some("room".to_owned()), ..all() }, &[3, 4]),
        (Filter { subject: Some("email".to_owned()), ..all() }, &[1, 3]),
        (kind(ConflictKind::OwnerOverridden), &[3]),
        (kind(ConflictKind::Flapping), &[]),
        (state(State::Open), &[1, 4]),
        (state(State::Decided), &[2]),
        (state(State::Closed), &[3]),
        (Filter { raised_before: Some(20), ..all() }, &[1, 2]),
        (Filter { raised_since: Some(20), ..all() }, &[3, 4]),
        (sources(&["sis"]), &[1, 2, 3]),
        (sources(&["sis", "hr"]), &[1, 2]),
        (sources(&["hr", "sis"]), &[1, 2]),
        (sources(&["hr", "crm"]), &[]),
        (sources(&["nobody"]), &[]),
        (text("s1042"), &[1]),
        (text("S7_"), &[2]),
        (text("%"), &[2]),
        (text("ž"), &[3]),
        (text("7"), &[2, 3]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&control, filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

pub(crate) async fn conditions_hold_together(place: &Place) -> Result<(), Failed> {
    let control = four(place).await?;
    let filter = Filter {
        entity: Some("person".to_owned()),
        subject: Some("email".to_owned()),
        sources: vec!["hr".to_owned(), "sis".to_owned()],
        kind: Some(ConflictKind::ValueConcurrent),
        state: Some(State::Open),
        raised_before: Some(11),
        raised_since: Some(10),
        key_text: Some("1042".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ids(&control, filter.clone()).await?, [1]);
    control.apply(&[closed(CloseReason::Gone)], 40).await?;
    assert_eq!(ids(&control, filter).await?, [0; 0]);
    let by_kind = control.counts_by_kind(&Filter::default()).await?;
    assert_eq!(by_kind, [(ConflictKind::OwnerOverridden, 1), (ConflictKind::ValueConcurrent, 3)]);
    Ok(())
}

pub(crate) async fn pages_follow_one_another_both_ways(place: &Place) -> Result<(), Failed> {
    let control = four(place).await?;
    let sis = vec!["sis".to_owned()];
    for sources in [Vec::new(), sis] {
        for (order, step) in [(Order::NewestFirst, -1), (Order::OldestFirst, 1)] {
            let mut seen = Vec::new();
            let mut filter =
                Filter { order, limit: 2, sources: sources.clone(), ..Filter::default() };
            loop {
                let page = ids(&control, filter.clone()).await?;
                assert!(page.len() <= 2);
                let Some(last) = page.last() else { break };
                filter.after = Some(*last);
                seen.extend(page);
            }
            let mut expected =
                ids(&control, Filter { sources: sources.clone(), ..Filter::default() }).await?;
            if step > 0 {
                expected.reverse();
            }
            assert_eq!(seen, expected);
            assert_eq!(seen.len(), if sources.is_empty() { 4 } else { 3 });
        }
    }
    Ok(())
}
