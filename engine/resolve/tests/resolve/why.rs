//! Why: what is said to change a value does change it, by the way that changes really come.

use crate::fixture::{COLUMNS, Cell, MAPPINGS, Row, UNITS, rules, spoken_of, systems, values};
use crate::history::{delivery, histories};
use crate::laws::any_rules;
use crate::told::Heart;
use proptest::prelude::*;
use syncline_core::{Kind, Op, Transaction};
use syncline_resolve::{
    Change, DecidedBy, Existence, Fallback, Measure, Policy, Standing, TimeTold, Why, WhyUnit,
    WhyWord,
};

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() }
}

/// A value of the fixture that is known to have this text; it outlives the test.
fn known(column: usize, text: &str) -> &'static str {
    let same = |it: &&&str| **it == text;
    values(column).iter().find(same).copied().expect("only what was said can be said again")
}

/// The cells that say a unit's value, given as its text.
fn cells(unit: usize, value: Option<&str>) -> [Cell; 9] {
    let (_, columns) = UNITS[unit];
    let mut cells = [Cell::Absent; 9];
    let texts: Vec<Option<String>> = match (columns, value) {
        (_, None) => vec![None; columns.len()],
        ([_], Some(text)) => vec![Some(text.to_owned())],
        (_, Some(text)) => serde_json::from_str(text).unwrap(),
    };
    for (&column, text) in columns.iter().zip(texts) {
        cells[column] = text.map_or(Cell::Null, |text| Cell::Text(known(column, &text)));
    }
    cells
}

/// A change of a record, later than all that its system said.
fn row(by: &WhyWord, key: &str, (ordinal, micros): (u32, i64), op: Op, cells: [Cell; 9]) -> Row {
    let mapping = MAPPINGS.iter().position(|(_, name)| *name == by.mapping).unwrap();
    let mut cells = cells;
    for (column, cell) in cells.iter_mut().enumerate() {
        if !spoken_of(mapping).contains(&column) {
            *cell = Cell::Absent;
        }
    }
    let at = Transaction { epoch: 99, commit: 1, committed_at: micros, ours: false };
    let (record, key) = (by.record.clone(), key.to_owned());
    let record = serde_json::from_str::<[String; 1]>(&record).unwrap()[0].clone();
    Row { mapping, record, former: None, key, op, at, ordinal, cells }
}

/// The change as rows of its mapping.
fn rows_of(change: &Change, key: &str, unit: usize) -> Vec<Row> {
    let late = 9_000_000_000;
    match change {
        Change::Withdrawn(by) => {
            vec![row(by, key, (0, late), Op::Update, cells(unit, None))]
        }
        Change::Deleted(by) => vec![row(by, key, (0, late), Op::Delete, [Cell::Absent; 9])],
        Change::Says { by, from } => {
            vec![row(by, key, (0, *from), Op::Update, cells(unit, by.value.as_deref()))]
        }
        Change::SaidAnew { by, from } => vec![
            row(by, key, (0, *from), Op::Update, cells(unit, None)),
            row(by, key, (1, *from), Op::Update, cells(unit, by.value.as_deref())),
        ],
        Change::Undone { .. } => panic!("nobody decided anything"),
    }
}

/// What listeners were told of a unit.
fn golden(heart: &Heart, key: &str, unit: usize) -> Option<String> {
    let row = heart.told.table.get(key).expect("the entity is there");
    let values: Vec<_> = UNITS[unit].1.iter().map(|&column| row[column].clone()).collect();
    match values.as_slice() {
        [only] => only.clone(),
        many if many.iter().all(Option::is_none) => None,
        many => Some(serde_json::to_string(many).unwrap()),
    }
}

fn why(heart: &mut Heart, key: &str) -> Option<Why> {
    heart.entity.why(&[key], None).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    /// What is told is what was told to listeners, and the change that is said to lead to another value
    /// leads to that value when it comes as changes come.
    #[test]
    fn the_reported_change_leads_to_the_reported_value(
        rules in any_rules(), histories in histories(), delivery in delivery(),
        unit in 0_usize..6, key in prop::sample::select(vec!["k0", "k1"]),
    ) {
        let mut heart = Heart::new(rules);
        delivery.batches(&histories).iter().for_each(|batch| heart.hear(batch));
        let Some(why) = why(&mut heart, key) else {
            prop_assert!(!heart.told.table.contains_key(key));
            return Ok(());
        };
        prop_assert_eq!(why.existence.exists, heart.told.table.contains_key(key));
        prop_assert_eq!(why.units.len(), UNITS.len());
        let of = &why.units[unit];
        prop_assert_eq!(&of.name, UNITS[unit].0);
        if !why.existence.exists {
            prop_assert_eq!(&of.flip, &None);
            return Ok(());
        }
        prop_assert_eq!(&of.value, &golden(&heart, key, unit));
        let is_open = heart.told.conflicts.contains_key(&(key.into(), of.name.clone()));
        prop_assert_eq!(of.conflict.is_some(), is_open);
        if let Some(flip) = &of.flip {
            prop_assert_ne!(&flip.becomes, &of.value);
            heart.hear(&rows_of(&flip.change, key, unit));
            prop_assert_eq!(&golden(&heart, key, unit), &flip.becomes, "{:?}", flip);
            let is_open = heart.told.conflicts.contains_key(&(key.into(), of.name.clone()));
            prop_assert_eq!(flip.conflict.is_some(), is_open);
        }
    }

    /// Nothing is asked of the store but to read.
    #[test]
    fn asking_changes_nothing(
        rules in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let batches = delivery.batches(&histories);
        let (mut asked, mut left) = (Heart::new(rules.clone()), Heart::new(rules));
        for batch in &batches {
            asked.hear(batch);
            left.hear(batch);
            let first = why(&mut asked, "k0");
            prop_assert_eq!(first, why(&mut asked, "k0"));
        }
        prop_assert_eq!(asked.told, left.told);
    }
}

const NAME: usize = 0;

/// That a system's record says a name; seconds are by its clock.
fn says(mapping: usize, second: i64, name: Option<&'static str>) -> Row {
    let mut cells = [Cell::Absent; 9];
    cells[1] = name.map_or(Cell::Null, Cell::Text);
    let (micros, commit) = (second * 1_000_000, u64::try_from(second).unwrap());
    let at = Transaction { epoch: 1, commit, committed_at: micros, ours: false };
    let (record, key) = ("r0".to_owned(), "k0".to_owned());
    Row { mapping, record, former: None, key, op: Op::Update, at, ordinal: 0, cells }
}

const SIS: usize = 0;
const HR: usize = 1;

fn asked(policy: &Policy, rows: &[Row]) -> WhyUnit {
    let mut heart = Heart::new(rules(policy, Existence::Any, false));
    rows.iter().for_each(|row| heart.hear(std::slice::from_ref(row)));
    let why = heart.entity.why(&["k0"], Some("name")).unwrap().unwrap();
    assert_eq!(why.units.len(), 1);
    why.units.into_iter().nth(NAME).unwrap()
}

#[test]
fn the_newest_is_ahead_by_so_much_and_would_lose_if_it_fell_silent() {
    let rows = [says(SIS, 10, Some("b")), says(HR, 13, Some("aa"))];
    let unit = asked(&Policy::Newest(Fallback::Ask), &rows);
    assert_eq!(unit.value.as_deref(), Some("aa"));
    let margin = unit.margin.unwrap();
    let (ahead, told_by) = (Some(3_000_000), TimeTold::Clocks);
    assert_eq!(margin.measure, Measure::Time { ahead, uncertainty: 2_000_000, told_by });
    assert_eq!(margin.runner_up.unwrap().source, "sis");
    let flip = unit.flip.unwrap();
    assert!(matches!(flip.change, Change::Withdrawn(WhyWord { source, .. }) if source == "hr"));
    assert_eq!(flip.becomes.as_deref(), Some("b"));
}

#[test]
fn where_clocks_can_not_tell_the_list_did() {
    let rows = [says(SIS, 10, Some("b")), says(HR, 11, Some("aa"))];
    let policy = Policy::Newest(Fallback::Prefer(systems(&["sis", "hr"])));
    let unit = asked(&policy, &rows);
    assert_eq!(unit.value.as_deref(), Some("b"));
    let (ahead, told_by) = (Some(-1_000_000), TimeTold::List);
    let measure = Measure::Time { ahead, uncertainty: 2_000_000, told_by };
    assert_eq!(unit.margin.unwrap().measure, measure);
}

#[test]
fn a_list_tells_who_is_silent_and_who_is_not_in_it() {
    let rows = [says(SIS, 10, Some("b")), says(HR, 13, Some("aa")), says(HR, 14, None)];
    let unit = asked(&Policy::Prefer(systems(&["hr", "crm", "sis"])), &rows);
    let measure = Measure::List { silent: vec!["hr".into(), "crm".into()] };
    assert_eq!(unit.margin.unwrap().measure, measure);
    let hr = unit.said.iter().find(|said| said.source.as_deref() == Some("hr")).unwrap();
    assert_eq!((hr.standing, hr.value.as_deref()), (Standing::Withdrawn, None));

    let unit = asked(&Policy::Prefer(systems(&["hr"])), &rows);
    assert_eq!((unit.value, unit.by), (None, DecidedBy::Nobody));
    let sis = unit.said.iter().find(|said| said.source.as_deref() == Some("sis")).unwrap();
    assert_eq!(sis.standing, Standing::Unlisted);
}

#[test]
fn what_was_said_before_is_told_where_it_is_kept() {
    let rows = [says(SIS, 10, Some("b")), says(SIS, 12, Some("aa")), says(SIS, 14, Some("open"))];
    let unit = asked(&Policy::Ask(Fallback::Ask), &rows);
    let before: Vec<_> = unit.said[0].before.iter().map(|it| it.value.as_deref()).collect();
    assert_eq!(before, [Some("aa"), Some("b")]);
    assert_eq!(unit.said[0].since.unwrap().micros, 14_000_000);
}

#[test]
fn all_that_agree_leave_nothing_small_that_would_change_it() {
    let rows = [says(SIS, 10, Some("b")), says(HR, 13, Some("b"))];
    let unit = asked(&Policy::MostCommon(Vec::new()), &rows);
    assert_eq!((unit.by, unit.margin, unit.flip), (DecidedBy::Agreement, None, None));
    assert_eq!(unit.tried, 4, "each was withdrawn and said anew");
}

#[test]
fn supporters_are_counted_by_source() {
    let rows = [says(SIS, 10, Some("b")), says(HR, 13, Some("aa")), says(2, 14, Some("aa"))];
    let unit = asked(&Policy::MostCommon(Vec::new()), &rows);
    let Measure::Supporters { scores } = unit.margin.unwrap().measure else { panic!("counted") };
    let scores: Vec<_> = scores.into_iter().map(|it| (it.value.unwrap(), it.score)).collect();
    assert_eq!(scores, [("aa".to_owned(), 2), ("b".to_owned(), 1)]);
}

#[test]
fn a_field_of_a_group_is_its_group_and_the_key_is_no_field() {
    let mut heart = Heart::new(rules(&Policy::Max, Existence::Any, false));
    heart.hear(&[says(SIS, 10, Some("b"))]);
    let why = heart.entity.why(&["k0"], Some("city")).unwrap().unwrap();
    assert_eq!(why.units[0].name, "address");
    assert_eq!(why.units[0].fields, COLUMNS[6..]);
    for field in ["id", "nam"] {
        let error = heart.entity.why(&["k0"], Some(field)).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
    }
    assert_eq!(heart.entity.why(&["k0", "k1"], None).unwrap_err().kind(), Kind::Config);
    assert_eq!(heart.entity.why(&["nobody"], None).unwrap(), None);
}
