//! How others failed, told again: each story comes out well here.

use crate::fixture::{COLUMNS, Cell, MAPPINGS, Row, batch, rules, systems};
use crate::told::Heart;
use std::sync::Arc;
use syncline_core::{ConflictKind, Op, TableSchema, Transaction};
use syncline_resolve::{ClaimingMapping, EntityRules, Existence, Fallback, Policy};

const SECOND: i64 = 1_000_000;

/// A row of `k` from the record `r` of a mapping (by number): its commit and time in seconds.
pub(crate) fn row(
    mapping: usize,
    op: Op,
    (commit, second): (u64, i64),
    said: &[(&str, &'static str)],
) -> Row {
    let mut cells = [Cell::Absent; 9];
    for (name, text) in said {
        let column = COLUMNS.iter().position(|it| it == name).unwrap();
        cells[column] = if *text == "NULL" { Cell::Null } else { Cell::Text(text) };
    }
    let at = Transaction { epoch: 1, commit, committed_at: second * SECOND, ours: false };
    let (record, key) = ("r".to_owned(), "k".to_owned());
    Row { mapping, record, former: None, key, op, at, ordinal: 0, cells }
}

const SIS: usize = 0;
const HR: usize = 1;
const LMS: usize = 2;

pub(crate) fn heart(policy: Policy) -> Heart {
    Heart::new(rules(&policy, Existence::Any, false))
}

fn newest() -> Policy {
    Policy::Newest(Fallback::Ask)
}

/// A row that came of a write of ours.
pub(crate) fn ours(row: Row) -> Row {
    Row { at: Transaction { ours: true, ..row.at }, ..row }
}

/// lms is written to, and is heard: all it says is what is agreed, and what people there say.
pub(crate) fn two_way() -> EntityRules {
    let mut rules = rules(&newest(), Existence::Any, false);
    let ClaimingMapping { returned, .. } = &mut rules.mappings[LMS];
    *returned = Some((1..9).collect());
    rules
}

pub(crate) fn golden(heart: &Heart, column: &str) -> Option<String> {
    let column = COLUMNS.iter().position(|it| *it == column).unwrap();
    heart.told.table.get("k").and_then(|row| row[column].clone())
}

/// A golden value as it is after rows are heard one by one.
fn after(policy: Policy, rows: &[Row], column: &str) -> Option<String> {
    let mut heart = heart(policy);
    rows.iter().for_each(|row| heart.hear(std::slice::from_ref(row)));
    golden(&heart, column)
}

fn orders(rows: &[Row; 3]) -> Vec<[Row; 3]> {
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        .map(|order| order.map(|at| rows[at].clone()))
        .to_vec()
}

fn open(heart: &Heart, subject: &str) -> Option<ConflictKind> {
    heart.told.conflicts.get(&("k".to_owned(), subject.to_owned())).map(|open| open.kind)
}

/// Two systems change a name in the same second. SymmetricDS lets both keep their own; Spock and
/// pgactive compare who applies with who sends, and with three systems end up in different states.
#[test]
fn f01_equal_stamps_come_to_one_value_everywhere() {
    let rows = [(SIS, "a"), (HR, "b"), (LMS, "c")]
        .map(|(who, name)| row(who, Op::Insert, (1, 100), &[("name", name)]));
    let prefer = || Policy::Newest(Fallback::Prefer(systems(&["hr", "sis"])));
    for order in orders(&rows) {
        assert_eq!(after(prefer(), &order, "name").as_deref(), Some("b"));
    }
}

/// The time of what is there was purged from a history table, and so whatever came next won, however
/// old it was. Here the time is kept with the word, through a restart.
#[test]
fn f02_what_is_old_does_not_win_because_history_is_gone() {
    let mut heart = heart(newest());
    heart.hear(&[row(SIS, Op::Insert, (1, 1_000), &[("name", "new")])]);
    heart.commit();
    heart.reopen(rules(&newest(), Existence::Any, false));
    heart.hear(&[row(HR, Op::Insert, (1, 10), &[("name", "old")])]);
    assert_eq!(golden(&heart, "name").as_deref(), Some("new"));
}

/// A clock is ahead by less than clocks are known to be wrong: Riak in last-write-wins mode lost writes
/// so, and nobody was told.
#[test]
fn f03_clocks_that_can_not_tell_ask() {
    let mut heart = heart(newest());
    heart.hear(&[row(SIS, Op::Insert, (1, 101), &[("name", "a")])]);
    heart.hear(&[row(HR, Op::Insert, (1, 100), &[("name", "b")])]);
    assert_eq!(open(&heart, "name"), Some(ConflictKind::ValueConcurrent));
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"), "agreed on while alone");
    heart.hear(&[row(HR, Op::Update, (2, 200), &[("name", "c")])]);
    assert_eq!((open(&heart, "name"), golden(&heart, "name").as_deref()), (None, Some("c")));
}

/// Bucardo took the database that was touched last, for all rows and columns.
#[test]
fn f04_each_field_has_its_own_latest_word() {
    let rows = [
        row(SIS, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")]),
        row(HR, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")]),
        row(SIS, Op::Update, (2, 200), &[("name", "new"), ("seats", "7")]),
        row(HR, Op::Update, (2, 300), &[("name", "a"), ("seats", "-3")]),
    ];
    assert_eq!(after(newest(), &rows, "name").as_deref(), Some("new"));
    assert_eq!(after(newest(), &rows, "seats").as_deref(), Some("-3"));
}

/// What was deleted came back with a repair or a late message (Cassandra, Scylla, cr-sqlite); what was
/// inserted again stayed away.
#[test]
fn f05_the_deleted_stays_deleted_and_the_reinserted_stays() {
    let insert = row(SIS, Op::Insert, (1, 1), &[("name", "a")]);
    let delete = row(SIS, Op::Delete, (3, 3), &[]);
    let late = row(SIS, Op::Update, (2, 2), &[("name", "b")]);
    let again = row(SIS, Op::Insert, (4, 4), &[("name", "c")]);
    let mut heart = heart(newest());
    for told in [&insert, &delete, &late, &insert, &delete] {
        heart.hear(std::slice::from_ref(told));
    }
    assert!(heart.told.table.is_empty());
    for told in [&again, &late, &delete, &insert] {
        heart.hear(std::slice::from_ref(told));
        assert_eq!(golden(&heart, "name").as_deref(), Some("c"));
    }
}

/// `+1` at two places made one with last-write-wins; a delta that was sent twice made three.
#[test]
fn f06_counts_add_up_and_replays_do_not() {
    let rows = [(SIS, "7"), (HR, "-3"), (SIS, "7"), (HR, "-3")]
        .map(|(who, seats)| row(who, Op::Insert, (1, 1), &[("seats", seats)]));
    assert_eq!(after(Policy::Sum, &rows, "seats").as_deref(), Some("4"));
}

/// The city of one with the postcode of another: a row that no system ever had (PGD's column
/// conflicts).
#[test]
fn f07_an_address_is_one_systems() {
    let mut heart = heart(newest());
    let old = &[("street", "s1"), ("city", "c1"), ("postcode", "p1")];
    heart.hear(&[row(SIS, Op::Insert, (1, 100), old)]);
    heart.hear(&[row(HR, Op::Insert, (1, 100), old)]);
    heart.hear(&[row(SIS, Op::Update, (2, 200), &[("city", "c2")])]);
    heart.hear(&[row(HR, Op::Update, (2, 300), &[("postcode", "p2")])]);
    let address = ["street", "city", "postcode"].map(|column| golden(&heart, column).unwrap());
    assert_eq!(address, ["s1", "c1", "p2"]);
}

/// The same with a clock that was set back between two changes of a record, while somebody is asked:
/// what was last agreed was put together column by column.
#[test]
fn f07_what_was_agreed_on_an_address_is_one_systems() {
    let mut heart = heart(Policy::Ask(Fallback::Ask));
    let said = |street, city| [("street", street), ("city", city), ("postcode", "p1")];
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &said("s1", "c1"))]);
    heart.hear(&[row(SIS, Op::Update, (2, 300), &said("s2", "c1"))]);
    heart.hear(&[row(SIS, Op::Update, (3, 200), &said("s2", "c2"))]);
    heart.hear(&[row(HR, Op::Insert, (1, 250), &said("s3", "c3"))]);
    let address = ["street", "city"].map(|column| golden(&heart, column).unwrap());
    assert_eq!(address, ["s1", "c1"], "s1 and c2 were never said together");
}

/// An insert that leaves a column to its default counted as if it had been written (PGD).
#[test]
fn f08_null_says_nothing() {
    let rows = [
        row(SIS, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")]),
        row(HR, Op::Insert, (1, 900), &[("name", "NULL"), ("seats", "-3")]),
    ];
    assert_eq!(after(newest(), &rows, "name").as_deref(), Some("a"));
    assert_eq!(after(newest(), &rows, "seats").as_deref(), Some("-3"));
}

/// Whether hearing a row makes anything be written.
fn writes(heart: &mut Heart, told: Row) -> bool {
    let (rows, records) = batch(std::slice::from_ref(&told));
    let outcome = heart.entity.hear_rows(MAPPINGS[told.mapping].1, &rows, &records, false).unwrap();
    heart.told.take(&outcome, true);
    outcome.golden.is_some()
}

/// What was written to a system came back as its change, was written on, and came back again (TiCDC with
/// cyclic replication; 13 thousand conflicts became 67 thousand in Dotmim.Sync).
#[test]
fn f09_what_we_wrote_is_nobodys_word() {
    let mut heart = Heart::new(two_way());
    assert!(writes(&mut heart, row(SIS, Op::Insert, (1, 100), &[("name", "a")])));
    assert!(!writes(&mut heart, ours(row(LMS, Op::Insert, (1, 900), &[("name", "a")]))));
    // The echo is younger than what sis says next, and does not stand against it.
    assert!(writes(&mut heart, row(SIS, Op::Update, (2, 500), &[("name", "b")])));
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"));
    assert!(!writes(&mut heart, ours(row(LMS, Op::Update, (2, 950), &[("name", "b")]))));
    assert!(writes(&mut heart, row(LMS, Op::Update, (3, 999), &[("name", "c")])), "a person did");
    assert_eq!(golden(&heart, "name").as_deref(), Some("c"));
    assert!(heart.told.conflicts.is_empty());
}

/// A target keeps a text cut, and without end it is told the whole one and tells the cut one (seeds: SQL
/// Server's resolvers and time zones, cr-sqlite's floats). A form of what we wrote is at rest; a trigger that
/// takes it back in its own name is asked about.
#[test]
fn f10_a_target_with_a_form_of_its_own_comes_to_rest() {
    let mut heart = Heart::new(two_way());
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", " Ana ")])]);
    for commit in 1..=3 {
        let cut = ours(row(LMS, Op::Update, (commit, 200), &[("name", "Ana")]));
        assert!(!writes(&mut heart, cut), "{commit}");
    }
    assert_eq!(golden(&heart, "name").as_deref(), Some(" Ana "));
    let written = (4..20)
        .filter(|commit| {
            let at = (2 * commit, 300 + 2 * *commit as i64);
            let took_back = row(LMS, Op::Update, at, &[("name", "ANA")]);
            let was_written = writes(&mut heart, took_back);
            let told_again = (at.0 + 1, at.1 + 1);
            was_written
                | writes(&mut heart, ours(row(LMS, Op::Update, told_again, &[("name", " Ana ")])))
        })
        .count();
    assert_eq!(open(&heart, "name"), Some(ConflictKind::Flapping));
    assert!(written <= 4, "{written} times");
}

/// A restored machine gave the same position to another change: equal versions, and whoever came first
/// stayed (cr-sqlite compared versions only). A fork is one row as a whole.
#[test]
fn f11_one_position_with_two_values_comes_to_one() {
    let fork = |second, name, city| {
        let street = if name == "a" { "s2" } else { "s1" };
        row(SIS, Op::Update, (5, second), &[("name", name), ("street", street), ("city", city)])
    };
    for (one, other) in [(100, 100), (100, 101), (101, 100)] {
        let rows = [
            row(SIS, Op::Insert, (1, 50), &[("name", "a"), ("street", "s2"), ("city", "c1")]),
            fork(one, "a", "c1"),
            fork(other, "b", "c2"),
        ];
        let all: Vec<_> = orders(&rows)
            .iter()
            .map(|order| {
                ["name", "street", "city"].map(|column| after(newest(), order, column).unwrap())
            })
            .collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        if one != other {
            let whole = [["a", "s2", "c1"], ["b", "s1", "c2"]];
            assert!(whole.iter().any(|row| all[0] == *row), "torn: {:?}", all[0]);
        }
    }
}

/// An update before the insert it changes, a delete before the insert it undoes: discarded, and the
/// nodes differ for ever (PGD with three nodes).
#[test]
fn f12_any_order_of_one_records_changes_comes_to_the_same() {
    let rows = [
        row(SIS, Op::Insert, (1, 1), &[("name", "a"), ("seats", "7")]),
        row(SIS, Op::Update, (2, 2), &[("name", "b")]),
        row(SIS, Op::Delete, (3, 3), &[]),
    ];
    for order in orders(&rows) {
        assert_eq!(after(newest(), &order, "name"), None);
    }
    let kept = [rows[1].clone(), rows[0].clone()];
    assert_eq!(after(newest(), &kept, "name").as_deref(), Some("b"));
    assert_eq!(after(newest(), &kept, "seats").as_deref(), Some("7"));
}

/// One row that waits for a person held all that came behind it (SymmetricDS, SQL Server).
#[test]
fn f13_a_conflict_holds_nothing_but_its_field() {
    let mut heart = heart(Policy::Ask(Fallback::Ask));
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")])]);
    let other = Row { key: "other".into(), ..row(HR, Op::Insert, (1, 100), &[("name", "x")]) };
    heart.hear(&[row(HR, Op::Insert, (1, 100), &[("name", "b"), ("seats", "7")]), other]);
    assert!(open(&heart, "name").is_some());
    assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
    assert!(heart.told.table.contains_key("other"));
}

/// A repair copied rows again, and to all others they were new writes that won (ACE without
/// `--preserve-origin`). A copy tells that it was so, not since when.
#[test]
fn f14_a_copy_is_no_new_word() {
    let rows = [
        row(SIS, Op::Insert, (1, 100), &[("name", "a")]),
        row(HR, Op::Update, (1, 200), &[("name", "b")]),
        row(SIS, Op::Snapshot, (9, 900), &[("name", "a")]),
    ];
    assert_eq!(after(newest(), &rows, "name").as_deref(), Some("b"));
}

/// A person answered on two values while a third arrived (ACE's `allow_stale_repairs`). The question
/// names what it rests on, and is another one as soon as that changes.
#[test]
fn f15_a_question_names_its_evidence() {
    let mut heart = heart(Policy::Ask(Fallback::Ask));
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", "a")])]);
    heart.hear(&[row(HR, Op::Insert, (1, 100), &[("name", "b")])]);
    let of = ("k".to_owned(), "name".to_owned());
    let two = heart.told.conflicts[&of].clone();
    heart.hear(&[row(LMS, Op::Insert, (1, 100), &[("name", "c")])]);
    let three = heart.told.conflicts[&of].clone();
    assert_ne!(two.evidence, three.evidence);
    assert_eq!((two.words.len(), three.words.len()), (2, 3));
    heart.hear(&[row(LMS, Op::Delete, (2, 101), &[])]);
    assert_eq!(heart.told.conflicts[&of], two, "the same words are the same question");
}

/// The questions's value in force was that of when it was first asked, although the sources had since
/// agreed on another one between two batches.
#[test]
fn f15_a_question_shows_the_value_that_is_in_force() {
    let mut heart = heart(Policy::Ask(Fallback::Ask));
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", "a")])]);
    heart.hear(&[row(HR, Op::Insert, (1, 101), &[("name", "a")])]);
    heart.hear(&[row(SIS, Op::Update, (2, 102), &[("name", "b")])]);
    heart.hear(&[row(HR, Op::Update, (2, 103), &[("name", "c")])]);
    let to_and_fro = [(3, "b"), (4, "c")]
        .map(|(at, name)| row(HR, Op::Update, (at, 200 + at as i64), &[("name", name)]));
    heart.hear(&to_and_fro);
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"), "agreed on meanwhile");
    heart.told.check_in_force();
}

/// Conflicts went unrecorded unless somebody had switched it on (Spock, SymmetricDS, pgactive).
#[test]
fn f16_a_conflict_is_always_told_with_its_words() {
    let mut heart = heart(newest());
    heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", "a")])]);
    heart.hear(&[row(HR, Op::Insert, (1, 100), &[("name", "b")])]);
    let open = &heart.told.conflicts[&("k".to_owned(), "name".to_owned())];
    let word = |who: usize, name: &str| {
        (MAPPINGS[who].0.to_owned(), "[\"r\"]".to_owned(), Some(name.to_owned()))
    };
    assert_eq!(open.words, [word(SIS, "a"), word(HR, "b")].into());
}

/// A family's telephone made two people one (record linkage by shared identifiers). Nothing but the key
/// joins records.
#[test]
fn f18_who_shares_all_but_the_key_stays_two() {
    let mut heart = heart(newest());
    let said = &[("name", "a"), ("street", "s1"), ("city", "c1"), ("postcode", "p1")];
    let twin = Row { key: "twin".into(), ..row(HR, Op::Insert, (1, 100), said) };
    heart.hear(&[row(SIS, Op::Insert, (1, 100), said), twin]);
    assert_eq!(heart.told.table.len(), 2);
    heart.hear(&[row(SIS, Op::Delete, (2, 200), &[])]);
    assert_eq!(heart.told.table.keys().collect::<Vec<_>>(), ["twin"]);
}

/// Two peers made the same thing at once, and one's was lost (y-crdt). Here both words are kept, and
/// each holds when the other withdraws.
#[test]
fn f19_two_inserts_of_one_key_are_both_kept() {
    let mut heart = heart(Policy::Prefer(systems(&["hr", "sis"])));
    heart.hear(&[row(SIS, Op::Insert, (1, 1), &[("name", "a")])]);
    heart.hear(&[row(HR, Op::Insert, (1, 1), &[("name", "b")])]);
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"));
    heart.hear(&[row(HR, Op::Delete, (2, 2), &[])]);
    assert_eq!(golden(&heart, "name").as_deref(), Some("a"));
}

/// A column's type changes while rows are under way: bytes of the one type are never read as the
/// other. What was said in the old type is not known in the new one until it is said again.
#[test]
fn f20_a_field_of_another_type_is_another_field() {
    let mut heart = heart(newest());
    heart.hear(&[row(SIS, Op::Insert, (1, 1), &[("name", "a"), ("seats", "7")])]);
    heart.commit();
    let mut other = rules(&newest(), Existence::Any, false);
    let mut columns = other.schema.columns().to_vec();
    columns[3].data_type = arrow_schema::DataType::Int64;
    columns[3].native_type = "bigint".into();
    other.schema = Arc::new(TableSchema::new(other.schema.name().clone(), 2, columns, vec![0]));
    heart.reopen(other);
    heart.redecide();
    assert_eq!(golden(&heart, "seats"), None);
    assert_eq!(golden(&heart, "name").as_deref(), Some("a"));
}
