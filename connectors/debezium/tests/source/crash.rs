//! A crash at every place where one can be, against the run without one.

use super::scene::{Ask, Crash, Log, Scene, Until};
use super::sent::{gone, row, tombstone};
use std::collections::BTreeMap;

const ROWS: usize = 44;

/// Two topics, three partitions; chunks and batches so small that there are many.
fn written(name: &str) -> Scene {
    let mut scene = Scene::new(name, &[("students", 2), ("courses", 1)]);
    scene.settings.chunk_records_max = 7;
    scene.settings.batch_rows_max = 2;
    scene.settings.batch_bytes_max = 2000;
    for round in 0..4 {
        for id in 0..4 {
            scene.write("students", id % 2, &row("u", id, &format!("{round}"), "s"));
            scene.write("courses", 0, &row("u", id, &format!("{round}"), "c"));
        }
        scene.write("students", round % 2, &gone(round));
        scene.write("students", round % 2, &tombstone(round));
        for id in 4..6 {
            scene.write("courses", 0, &row("u", id, &format!("{round}"), "d"));
        }
    }
    scene
}

/// What was said of each key, in order: the same however it is cut into chunks.
fn by_key(log: &Log) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let (what, rest) = line.split_once(": ").unwrap();
        let table = what.rsplit(' ').next().unwrap();
        let id = rest.split(" | ").next().unwrap();
        said.entry(format!("{table}/{id}")).or_default().push(line.clone());
    }
    said
}

fn undisturbed(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let mut log = Log::default();
    scene.run_to(&mut log, ROWS);
    log.check_order();
    assert_eq!(log.rows(), ROWS);
    by_key(&log)
}

#[test]
fn a_crash_at_any_hand_over_loses_nothing_and_repeats_nothing() {
    let scene = written("crash");
    let expected = undisturbed(&scene);
    for how in [Crash::Nothing, Crash::FirstEntry, Crash::Entries, Crash::All] {
        let mut after = 0;
        loop {
            let mut log = Log::default();
            scene.run(&mut log, Ask::default(), Until::rows(ROWS).crash(after, how)).unwrap();
            let crashed = std::mem::take(&mut log.crashed);
            scene.run_to(&mut log, ROWS);
            log.check_order();
            assert_eq!(by_key(&log), expected, "{how:?} at hand-over {after}");
            after += 1;
            if !crashed {
                break;
            }
        }
        assert!(after > 12, "there are many places");
    }
}

#[test]
fn crash_after_crash_it_comes_to_the_same() {
    let scene = written("crashes");
    let expected = undisturbed(&scene);
    for how in [Crash::Nothing, Crash::FirstEntry, Crash::Entries, Crash::All] {
        for after in 1..6 {
            let mut log = Log::default();
            while log.rows() < ROWS {
                // After some of these only the boundary of the next note is new: it has to end all the same.
                let until = Until::rows(ROWS).crash(after + usize::from(how != Crash::All), how);
                scene.run(&mut log, Ask::default(), until).unwrap();
            }
            log.check_order();
            assert_eq!(by_key(&log), expected, "{how:?} after {after}");
        }
    }
}
