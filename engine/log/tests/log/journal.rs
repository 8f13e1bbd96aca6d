//! Journals at a real broker: what was committed is told, to anybody; what was overtaken commits nothing.

use crate::kafka::{open, settings, shared};
use std::collections::BTreeMap;
use std::time::Duration;
use syncline_core::{Checkpoints, Journal, JournalPlace, Journaled, Kind};
use syncline_demo::Broker;
use syncline_log::{KafkaJournal, KafkaSettings};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn journal(settings: &KafkaSettings) -> KafkaJournal {
    open(settings).journal("person").unwrap()
}

fn write(journal: &mut KafkaJournal, rows: &[(&str, Option<&str>)], note: &str) {
    for (key, row) in rows {
        journal.write(Journaled::Row(key.as_bytes(), row.map(str::as_bytes))).unwrap();
    }
    journal.write(Journaled::Note(note.as_bytes())).unwrap();
}

/// The rows and the note that are told from a place on, over what is known already.
fn told(journal: &mut KafkaJournal, from: JournalPlace, known: &mut Map) -> (String, JournalPlace) {
    let mut note = String::new();
    let end = journal.read(from, &mut |place, told| {
        assert!(place.next > from.next);
        match told {
            Journaled::Row(key, Some(row)) => drop(known.insert(key.to_vec(), row.to_vec())),
            Journaled::Row(key, None) => drop(known.remove(key)),
            Journaled::Note(told) => note = String::from_utf8(told.to_vec()).unwrap(),
        }
        Ok(())
    });
    (note, end.unwrap())
}

fn map(rows: &[(&str, &str)]) -> Map {
    rows.iter().map(|(key, row)| (key.as_bytes().to_vec(), row.as_bytes().to_vec())).collect()
}

#[test]
fn what_was_committed_is_told_and_nothing_else() {
    let broker = shared();
    let settings = settings(&broker, "journal");
    let mut first = journal(&settings);
    first.take_over().unwrap();
    write(&mut first, &[("a", Some("1")), ("b", Some("2")), ("", Some("head"))], "one");
    let place = first.commit().unwrap();
    write(&mut first, &[("a", None), ("c", Some("3"))], "two");
    first.commit().unwrap();
    write(&mut first, &[("b", Some("given up"))], "three");
    first.rollback().unwrap();
    write(&mut first, &[("b", Some("open"))], "four");
    let mut second = journal(&settings);
    second.take_over().unwrap();
    let mut all = Map::new();
    let (note, end) = told(&mut second, JournalPlace::default(), &mut all);
    assert_eq!((note.as_str(), &all), ("two", &map(&[("b", "2"), ("c", "3"), ("", "head")])));
    // A copy that was whole after the first commit comes to the same.
    assert!(second.goes_on_from(place).unwrap());
    let mut copy = map(&[("a", "1"), ("b", "2"), ("", "head")]);
    assert_eq!(told(&mut second, place, &mut copy), (note, end));
    assert_eq!(copy, all);
    assert!(!second.goes_on_from(JournalPlace { next: end.next + 99, ..end }).unwrap());
    // One that was left alone for long may have missed that something went.
    let long_ago = JournalPlace { written_at: place.written_at - 50_000_000, ..place };
    assert!(!second.goes_on_from(long_ago).unwrap());
    let idle = JournalPlace { written_at: end.written_at - 50_000_000, ..end };
    assert!(second.goes_on_from(idle).unwrap(), "nothing came since");
}

#[test]
fn whoever_was_overtaken_commits_nothing() {
    let broker = shared();
    let settings = settings(&broker, "fenced");
    let mut former = journal(&settings);
    former.take_over().unwrap();
    write(&mut former, &[("a", Some("1"))], "one");
    former.commit().unwrap();
    write(&mut former, &[("a", Some("late"))], "late");
    let mut later = journal(&settings);
    later.take_over().unwrap();
    assert_eq!(former.commit().unwrap_err().kind(), Kind::Fenced);
    assert_eq!(former.rollback().unwrap_err().kind(), Kind::Fenced);
    assert_eq!(former.take_over().unwrap_err().kind(), Kind::Fenced);
    write(&mut later, &[("b", Some("2"))], "two");
    later.commit().unwrap();
    let mut all = Map::new();
    let (note, _) = told(&mut later, JournalPlace::default(), &mut all);
    assert_eq!((note.as_str(), all), ("two", map(&[("a", "1"), ("b", "2")])));
}

#[test]
fn whoever_did_nothing_since_learns_that_it_was_overtaken() {
    let broker = shared();
    let settings = settings(&broker, "idle");
    let mut former = journal(&settings);
    former.take_over().unwrap();
    journal(&settings).take_over().unwrap();
    assert_eq!(former.rollback().unwrap_err().kind(), Kind::Fenced);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_a_log_that_was_opened_elsewhere_are_not_written() {
    let broker = shared();
    let settings = settings(&broker, "notes");
    let former = open(&settings);
    former.save("a", b"first").unwrap();
    let later = open(&settings);
    later.save("a", b"second").unwrap();
    assert!(!*former.is_fenced().borrow());
    assert_eq!(former.save("a", b"late").unwrap_err().kind(), Kind::Fenced);
    assert!(*former.is_fenced().borrow());
    assert_eq!(open(&settings).load("a").unwrap().as_deref(), Some(&b"second"[..]));
}

#[test]
fn a_broker_that_is_killed_leaves_a_commit_whole_or_undone() {
    let mut broker = Broker::start().unwrap();
    let settings =
        KafkaSettings { delivery_timeout: Duration::from_secs(3), ..settings(&broker, "killed") };
    let mut journal = journal(&settings);
    journal.take_over().unwrap();
    write(&mut journal, &[("a", Some("1"))], "one");
    let place = journal.commit().unwrap();
    broker.kill().unwrap();
    write(&mut journal, &[("a", Some("2")), ("b", Some("2"))], "two");
    let error = journal.commit().unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    broker.resume().unwrap();
    journal.take_over().unwrap();
    let mut all = map(&[("a", "1")]);
    match told(&mut journal, place, &mut all).0.as_str() {
        "two" => assert_eq!(all, map(&[("a", "2"), ("b", "2")])),
        none => assert_eq!((none, &all), ("", &map(&[("a", "1")]))),
    }
    write(&mut journal, &[("c", Some("3"))], "three");
    journal.commit().unwrap();
    assert_eq!(told(&mut journal, place, &mut all).0, "three");
}
