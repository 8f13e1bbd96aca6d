//! A table once more, from its topic.

use super::scene::{Ask, Crash, Log, Scene, Until};
use super::sent::{PLACEHOLDER, emptied, gone, row, tombstone, wider};
use std::collections::BTreeSet;

fn all(scene: &Scene) -> Ask {
    Ask { copy_again: scene.tables.iter().cloned().collect(), anew: false }
}

/// The rows that a run added.
fn added(scene: &Scene, log: &mut Log, ask: Ask) -> Vec<String> {
    let before = log.lines().len();
    log.reports.clear();
    scene.run(log, ask, Until::streaming()).unwrap();
    log.check_order();
    let mut lines = log.lines().split_off(before);
    lines.sort();
    lines
}

fn written(name: &str) -> (Scene, Log) {
    let scene = Scene::new(name, &[("students", 2)]);
    for record in [
        row("r", 1, "never changed", "x"),
        row("c", 2, "Ada", "long"),
        row("c", 4, "Grace", "short"),
        row("u", 2, "Ada L.", PLACEHOLDER),
        row("c", 6, "deleted", "x"),
        row("u", 4, "Grace H.", "shorter"),
        gone(6),
        tombstone(6),
        row("u", 2, "Ada Lovelace", PLACEHOLDER),
    ] {
        scene.write("students", 0, &record);
    }
    scene.write("students", 1, &row("c", 3, "Mary", "other"));
    let mut log = Log::default();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    (scene, log)
}

const COPIED: [&str; 4] = [
    "Snapshot students: 1 | never changed | x",
    "Snapshot students: 2 | Ada Lovelace | long",
    "Snapshot students: 3 | Mary | other",
    "Snapshot students: 4 | Grace H. | shorter",
];

#[test]
fn a_copy_has_the_last_word_on_each_key_that_is_there() {
    let (scene, mut log) = written("copy");
    assert_eq!(added(&scene, &mut log, all(&scene)), COPIED);
    // It is asked for once.
    assert_eq!(added(&scene, &mut log, Ask::default()), [""; 0]);
    scene.write("students", 1, &row("u", 3, "Mary S.", "new"));
    assert_eq!(added(&scene, &mut log, Ask::default()), ["Update students: 3 | Mary S. | new"]);
}

#[test]
fn a_copy_in_several_passes_is_the_same() {
    let (mut scene, mut log) = written("passes");
    scene.settings.copy_keys_max = 2;
    assert_eq!(added(&scene, &mut log, all(&scene)), COPIED);
}

#[test]
fn a_copy_that_was_cut_off_is_made_again() {
    let (mut scene, mut log) = written("cut");
    scene.settings.batch_rows_max = 1;
    scene.settings.batch_bytes_max = 1;
    for after in 0..4 {
        let until = Until::streaming().crash(after, Crash::All);
        log.reports.clear();
        scene.run(&mut log, all(&scene), until).unwrap();
        assert_eq!(added(&scene, &mut log, Ask::default()), COPIED, "{after}");
    }
}

#[test]
fn a_truncate_ends_what_was_before_it() {
    let scene = Scene::new("emptied", &[("students", 1)]);
    for record in [row("c", 1, "a", "x"), emptied(), wider("c", 2, "b", 5)] {
        scene.write("students", 0, &record);
    }
    let mut log = Log::default();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    assert_eq!(added(&scene, &mut log, all(&scene)), ["Snapshot students: 2 | b | NULL | 5"]);
}

#[test]
fn a_row_without_a_key_can_not_be_copied() {
    let scene = Scene::new("keyless", &[("students", 1)]);
    scene.write("students", 0, &(None, row("c", 1, "a", "x").1));
    let mut log = Log::default();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    log.reports.clear();
    let error = scene.run(&mut log, all(&scene), Until::streaming()).unwrap_err();
    assert!(error.to_string().ends_with("a row without a key can't be copied again"), "{error}");
    assert!(error.hint_text().unwrap().contains("message.key.columns"));
}

/// Debezium's producer puts a key elsewhere once the topic has more partitions.
#[test]
fn a_key_in_two_partitions_has_no_last_word() {
    let scene = Scene::new("moved", &[("students", 2)]);
    scene.write("students", 1, &row("c", 1, "older", "x"));
    scene.write("students", 0, &gone(1));
    let mut log = Log::default();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    log.reports.clear();
    let error = scene.run(&mut log, all(&scene), Until::streaming()).unwrap_err();
    assert!(error.to_string().ends_with("the key of a row is in several partitions"), "{error}");
}

#[test]
fn a_gap_stops_it_until_a_person_gives_up_what_is_missing() {
    let scene = Scene::new("gap", &[("students", 1)]);
    for id in 0..3 {
        scene.write("students", 0, &row("c", id, "a", "x"));
    }
    let mut log = Log::default();
    scene.run_to(&mut log, 3);
    for id in 3..6 {
        scene.write("students", 0, &row("c", id, "b", "x"));
    }
    scene.trim("students", 0, 5);
    log.reports.clear();
    let error = scene.run(&mut log, Ask::default(), Until::streaming()).unwrap_err();
    assert_eq!(error.detail_text(), Some("offset 3 is next, and the first that is left is 5"));
    assert!(error.hint_text().unwrap().contains("syncline backfill --all --system sis"));
    // A copy alone is asked for by more than people: it gives nothing up.
    assert!(scene.run(&mut log, all(&scene), Until::streaming()).is_err());
    let given_up = Ask { anew: true, ..all(&scene) };
    assert_eq!(added(&scene, &mut log, given_up), ["Insert students: 5 | b | x"]);
    assert_eq!(log.position().unwrap().epoch, 2);
    scene.write("students", 0, &row("c", 6, "c", "x"));
    assert_eq!(added(&scene, &mut log, Ask::default()), ["Insert students: 6 | c | x"]);
}

#[test]
fn a_topic_that_was_made_again_is_no_silent_jump() {
    let scene = Scene::new("made_again", &[("students", 1)]);
    for id in 0..3 {
        scene.write("students", 0, &row("c", id, "a", "x"));
    }
    let mut log = Log::default();
    scene.run_to(&mut log, 3);
    scene.drop_topic("students");
    log.reports.clear();
    let error = scene.run(&mut log, Ask::default(), Until::streaming()).unwrap_err();
    assert_eq!(error.to_string(), "topic made_again.public.students is gone");
    let given_up = Ask { copy_again: BTreeSet::new(), anew: true };
    scene.make("students", 1);
    let error = scene.run(&mut log, Ask::default(), Until::streaming()).unwrap_err();
    assert!(error.detail_text().unwrap().ends_with("it was made again"), "{error:?}");
    scene.write("students", 0, &row("r", 9, "new", "x"));
    assert_eq!(added(&scene, &mut log, given_up), ["Snapshot students: 9 | new | x"]);
}
