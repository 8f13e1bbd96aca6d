//! What can't be read stops the source, and says where it is and what mends it.

use super::scene::{Ask, Log, Scene, Until};
use super::sent::{bare, emptied, key, row};
use syncline_core::{Kind, Report};

#[test]
fn a_record_that_is_none_of_debezium_is_named_and_can_be_left_out() {
    let mut scene = Scene::new("broken", &[("students", 1)]);
    scene.write("students", 0, &row("c", 1, "Ada", "a"));
    scene.write("students", 0, &(key(2), Some("no JSON".into())));
    scene.write("students", 0, &row("c", 3, "Mary", "c"));
    let mut log = Log::default();
    let error = scene.run(&mut log, Ask::default(), Until::rows(2)).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let told = error.to_string();
    assert!(told.starts_with("topic broken.public.students, partition 0, offset 1: "), "{told}");
    assert_eq!(
        error.hint_text(),
        Some(
            "leave this record out: pass_over = [\"broken.public.students/0/1\"] in [systems.sis]"
        )
    );
    scene.settings.pass_over.insert("broken.public.students/0/1".into());
    scene.run_to(&mut log, 2);
    assert_eq!(log.lines(), ["Insert students: 1 | Ada | a", "Insert students: 3 | Mary | c"]);
    let told =
        |report: &Report| matches!(report, Report::Notice(text) if text.contains("students/0/1"));
    assert!(log.reports.iter().any(told));
}

#[test]
fn a_record_without_its_schema_says_which_setting_brings_it() {
    let scene = Scene::new("bare", &[("students", 1)]);
    scene.write("students", 0, &bare(1));
    let mut log = Log::default();
    let error = scene.run(&mut log, Ask::default(), Until::rows(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    let hint = error.hint_text().unwrap();
    assert!(hint.contains("value.converter.schemas.enable=true"), "{hint}");
}

#[test]
fn a_truncate_among_partitions_has_no_order() {
    let scene = Scene::new("unordered", &[("students", 2)]);
    scene.write("students", 1, &emptied());
    let mut log = Log::default();
    let error = scene.run(&mut log, Ask::default(), Until::rows(1)).unwrap_err();
    assert!(error.to_string().ends_with("was emptied, and nothing says when"), "{error}");
    assert!(error.hint_text().unwrap().contains("pass_over"), "{error:?}");
}

#[test]
fn a_table_without_a_topic_says_what_to_add() {
    let mut scene = Scene::new("unnamed", &[("students", 1)]);
    scene.settings.topics.clear();
    let error = scene.run(&mut Log::default(), Ask::default(), Until::rows(1)).unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("\"public.students\" = \"its topic\" in [systems.sis.topics]")
    );
}
