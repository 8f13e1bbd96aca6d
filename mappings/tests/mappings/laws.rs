//! What holds for every batch: it does not matter how changes are cut into batches, and a row that
//! is rejected takes no other with it.

use super::support::{Changes, check_in, lines, mapping, run};
use proptest::prelude::*;
use syncline_core::{ChangeBatch, Op, Severity};
use syncline_mappings::Mapping;

/// One change: what happens to a row, and the values of `phone`, `credits` and `active`.
#[derive(Debug, Clone)]
struct Change {
    op: u8,
    ids: (u8, u8),
    before: [Field; 3],
    after: [Field; 3],
}

/// A value out of a few, NULL, or absent.
#[derive(Debug, Clone, Copy)]
enum Field {
    Absent,
    Null,
    Value(u8),
}

/// A statement with something of everything, to be spoilt.
const GOOD: &str = "-- users
INSERT INTO lms.public.users (id, email, name, phone, credits, gpa, created, born)
WITH named AS (SELECT id, first_name || ' ' || last_name AS name, email, phone, credits, gpa,
    updated_at, birth_date, active FROM sis.public.students WHERE id BETWEEN 1 AND 10)
SELECT n.id, lower(trim(BOTH ' ' FROM coalesce(n.email, 'x@y'))), left(n.name, 30) AS name,
    CASE WHEN phone LIKE '+%' THEN phone WHEN phone IN ('1', '2') THEN NULL ELSE '-' END,
    (credits * 2 + 1)::int4, CAST(gpa AS numeric(3,1)), updated_at + INTERVAL '1 day',
    (now() AT TIME ZONE 'UTC')::date
FROM named AS n WHERE NOT (active IS FALSE) AND extract(year FROM birth_date) > 1900;";

const PHONES: [&str; 4] = ["1", "2", "none", ""];
const CREDITS: [&str; 4] = ["0", "1", "50000", "7"];
const ACTIVE: [&str; 4] = ["true", "false", "true", "true"];

fn mappings() -> Vec<Mapping> {
    [
        "INSERT INTO lms.public.users (id, email, phone) \
         SELECT id, 'x', phone FROM sis.public.students",
        "INSERT INTO lms.public.users (id, email, credits, points) \
         SELECT id, 'x', (100 / credits)::int4, phone::int2 FROM sis.public.students WHERE active",
        "INSERT INTO lms.public.users (id, email, points, name) \
         SELECT 10 / (id - 2), coalesce(phone, 'x'), credits::int2, phone || credits \
         FROM sis.public.students WHERE active IS NOT FALSE AND 7 / credits < 8",
        "INSERT INTO lms.public.users (id, email, created) \
         SELECT id / 2, 'x', now() FROM sis.public.students WHERE phone <> ''",
    ]
    .map(mapping)
    .into()
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        1 => Just(Field::Absent),
        1 => Just(Field::Null),
        4 => (0..4_u8).prop_map(Field::Value),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let fields = || [field(), field(), field()];
    (0..5_u8, (0..5_u8, 0..5_u8), fields(), fields()).prop_map(|(op, ids, before, after)| Change {
        op,
        ids,
        before,
        after,
    })
}

fn batch(changes: &[Change]) -> ChangeBatch {
    let image = |rows: Changes, op: Op, id: u8, fields: &[Field; 3]| {
        let id = id.to_string();
        let named = [("phone", PHONES), ("credits", CREDITS), ("active", ACTIVE)];
        let mut values = vec![("id", Some(id.as_str()))];
        for ((name, texts), field) in named.iter().zip(fields) {
            match field {
                Field::Absent => {}
                Field::Null => values.push((name, None)),
                Field::Value(at) => values.push((name, Some(texts[usize::from(*at)]))),
            }
        }
        rows.row(op, &values)
    };
    let rows = changes.iter().fold(Changes::of("sis.public.students"), |rows, change| {
        let Change { op, ids, before, after } = change;
        match op {
            0 => image(rows, Op::Insert, ids.0, after),
            1 => image(rows, Op::Snapshot, ids.0, after),
            2 => image(rows, Op::Delete, ids.0, before),
            3 => image(rows, Op::Update, ids.0, after),
            _ => image(image(rows, Op::Before, ids.1, before), Op::Update, ids.0, after),
        }
    });
    rows.batch()
}

/// Output lines with the source rows they come from, and rejected rows, counted from `start`.
fn outcome(mapping: &Mapping, batch: &ChangeBatch, start: usize) -> (Vec<String>, Vec<String>) {
    let done = run(mapping, batch);
    let lines = lines(&done.rows);
    let rows = lines
        .iter()
        .zip(&done.origins)
        .map(|(line, origin)| format!("{}: {line}", *origin as usize + start));
    let rejected = done.rejected.iter().map(|rejected| {
        let mut rejected = rejected.clone();
        rejected.row += start;
        format!("{rejected:?}")
    });
    (rows.collect(), rejected.collect())
}

fn places_to_cut(batch: &ChangeBatch) -> Vec<usize> {
    (1..batch.len()).filter(|&row| batch.op(row - 1) != Op::Before).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_changes_are_cut_into_batches_does_not_matter(
        changes in prop::collection::vec(change(), 0..24),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = batch(&changes);
        let places = places_to_cut(&whole);
        let mut cuts: Vec<usize> = match places.is_empty() {
            true => Vec::new(),
            false => cuts.iter().map(|cut| places[cut.index(places.len())]).collect(),
        };
        cuts.sort_unstable();
        for mapping in mappings() {
            let mut start = 0;
            let mut parts = (Vec::new(), Vec::new());
            for &end in cuts.iter().chain([&whole.len()]) {
                let (rows, rejected) = outcome(&mapping, &whole.slice(start..end), start);
                parts.0.extend(rows);
                parts.1.extend(rejected);
                start = end;
            }
            prop_assert_eq!(&parts, &outcome(&mapping, &whole, 0));
        }
    }

    #[test]
    fn whatever_a_file_says_check_answers(
        from in any::<prop::sample::Index>(),
        length in 0..12_usize,
        put in "[-a-z0-9'\"(),.;:*/ \n]{0,6}",
        zone in prop_oneof![Just("UTC"), Just("Europe/Paris")],
    ) {
        let good: Vec<char> = GOOD.chars().collect();
        let from = from.index(good.len());
        let to = (from + length).min(good.len());
        let changed: String =
            good[..from].iter().copied().chain(put.chars()).chain(good[to..].iter().copied()).collect();
        let checked = check_in(zone, &[("m.sql", &changed)]);
        for found in &checked.diagnostics {
            prop_assert!(found.render(&changed).starts_with(["error: ", "warning: "][usize::from(
                found.severity == Severity::Warning
            )]));
            prop_assert!(found.line >= 1 && found.column >= 1 && found.length >= 1);
        }
        let errors = checked.diagnostics.iter().any(|found| found.severity == Severity::Error);
        let runs = checked.mappings.len() == 1;
        let blank = checked.diagnostics.iter().any(|f| f.message == "the file has no statement");
        prop_assert!(blank || errors != runs);
    }

    #[test]
    fn rejected_rows_take_no_others(changes in prop::collection::vec(change(), 1..24)) {
        let whole = batch(&changes);
        for mapping in mappings() {
            let done = run(&mapping, &whole);
            let gone = |row: usize| {
                let rejected = |row| done.rejected.iter().any(|rejected| rejected.row == row);
                rejected(row) || (whole.op(row) == Op::Before && rejected(row + 1))
            };
            let kept: Vec<u32> =
                (0..whole.len()).filter(|&row| !gone(row)).map(|row| row as u32).collect();
            let without = run(&mapping, &whole.take(&kept).unwrap());
            prop_assert_eq!(&without.rejected, &vec![]);
            prop_assert_eq!(lines(&without.rows), lines(&done.rows));
        }
    }
}
