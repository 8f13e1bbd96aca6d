//! Policies that are SQL: what is refused and why, and what the others come to.

use super::support::{arrow_type, read, shown};
use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow_select::concat::concat;
use arrow_select::take::take;
use proptest::prelude::*;
use std::sync::Arc;
use syncline_core::{Column, Expression, Expressions as _, SystemName};
use syncline_mappings::{CheckedPolicy, PolicyExpressions, PolicyText};

fn field(native: &str) -> Column {
    Column {
        name: "email".to_owned(),
        id: 0,
        data_type: arrow_type(native),
        native_type: native.to_owned(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}

fn systems(names: &[&str]) -> Vec<SystemName> {
    names.iter().map(|name| SystemName::new(name)).collect()
}

fn checked(native: &str, text: &str) -> CheckedPolicy {
    let (sources, silent) = (systems(&["hr", "sis"]), systems(&["lms"]));
    PolicyExpressions::default().check(&PolicyText {
        file: "person/entity.toml",
        text,
        name: "person.email",
        field: &field(native),
        sources: &sources,
        silent: &silent,
    })
}

fn found(native: &str, text: &str) -> String {
    let diagnostics = checked(native, text).diagnostics;
    diagnostics.iter().map(|found| found.render(text)).collect::<Vec<_>>().join("\n")
}

/// Snapshots what is found in one expression for a field of a type.
macro_rules! finds {
    ($($name:ident: $native:expr, $text:expr,)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), found($native, $text));
        }
    )*};
}

finds! {
    a_good_policy_has_nothing_to_find: "text", "coalesce(sis, upper(hr))",
    a_sum_of_what_there_is: "int4", "coalesce(hr, 0) + sis / 2",
    a_day_in_a_zone_that_is_said: "timestamptz", "date_trunc('day', sis AT TIME ZONE 'Europe/Paris') AT TIME ZONE 'Europe/Paris'",
    a_day_in_no_zone: "timestamptz", "date_trunc('day', sis)",
    a_day_later: "timestamptz", "sis + INTERVAL '1 day'",
    a_part_of_a_time: "numeric(6,0)", "extract(year FROM sis::text::timestamptz)",
    the_time: "timestamptz", "coalesce(sis, now())",
    the_date: "date", "coalesce(sis, current_date)",
    a_random_value: "float8", "coalesce(sis, random())",
    an_aggregate: "int4", "max(sis)",
    a_window_function: "int4", "first_value(sis) OVER ()",
    a_subquery: "int4", "(SELECT 1)",
    an_unknown_source: "text", "coalesce(siss, hr)",
    a_source_that_is_not_mapped: "text", "coalesce(sis, lms)",
    a_qualified_source: "text", "coalesce(person.sis, hr)",
    an_unknown_function: "text", "uper(hr)",
    another_type: "int4", "sis || 'x'",
    a_type_that_loses: "int4", "sis::int8 + hr",
    a_result_that_depends_on_the_zone: "text", "coalesce(sis::timestamptz::text, hr)",
    a_type_that_depends_on_the_zone: "timestamptz", "timestamp '2024-01-01 10:00'",
    a_time_zone_that_is_said: "timestamptz", "coalesce(sis, timestamp '2024-01-01' AT TIME ZONE 'UTC')",
    no_expression: "text", "",
    half_an_expression: "text", "coalesce(sis,",
    two_expressions: "text", "sis, hr",
    no_single_expression: "text", "SELECT sis",
    a_constant_that_can_not_be_computed: "int4", "coalesce(sis, 1 / 0)",
    a_text_that_may_be_too_long: "varchar(3)", "sis || hr",
}

#[test]
fn an_expression_reads_what_it_names() {
    assert_eq!(checked("text", "coalesce(sis, 'x')").reads, systems(&["sis"]));
    assert_eq!(checked("text", "coalesce(sis, upper(hr))").reads, systems(&["hr", "sis"]));
}

fn ready(native: &str, text: &str) -> Arc<dyn Expression> {
    let sources = systems(&["hr", "sis"]);
    PolicyExpressions::default().expression(text, &sources, &field(native)).unwrap()
}

fn array(native: &str, values: &[Option<&str>]) -> ArrayRef {
    let data_type = arrow_type(native);
    let value = |value: &Option<&str>| match value {
        Some(text) => read(&data_type, text),
        None => new_null_array(&data_type, 1),
    };
    let parts: Vec<ArrayRef> = values.iter().map(value).collect();
    concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).unwrap()
}

/// What rows come to, one after the other; `hr` comes before `sis`.
fn computed(expression: &dyn Expression, columns: &[ArrayRef]) -> Vec<String> {
    let rows = columns[0].len();
    let computed = expression.values(rows, columns);
    assert_eq!(computed.values.len(), rows);
    let outcome = |row| match computed.failures.get(&row) {
        Some(reason) => {
            assert!(computed.values.is_null(row));
            format!("fails: {reason}")
        }
        None => shown(&computed.values, row),
    };
    (0..rows).map(outcome).collect()
}

#[test]
fn a_source_that_says_nothing_is_null() {
    let hr = array("text", &[Some("ana"), Some("ana"), None]);
    let sis = array("text", &[None, Some("Ana"), None]);
    let coalesce = ready("text", "coalesce(sis, upper(hr))");
    assert_eq!(computed(&*coalesce, &[hr, sis]), ["ANA", "Ana", "NULL"]);
}

#[test]
fn a_row_that_fails_takes_no_other_with_it() {
    let hr = array("int4", &[Some("5"), Some("0"), Some("2147483647"), None]);
    let sis = array("int4", &[Some("10"), Some("10"), Some("-2147483648"), Some("1")]);
    let quotient = ready("int4", "sis / hr");
    let division = ["2", "fails: division by zero", "-1", "NULL"];
    assert_eq!(computed(&*quotient, &[hr.clone(), sis.clone()]), division);
    let difference = ready("int4", "sis - hr");
    let overflow = ["5", "10", "fails: the result is out of range for int4", "NULL"];
    assert_eq!(computed(&*difference, &[hr, sis]), overflow);
    let number = ready("text", "coalesce(sis::int4, 0)::text");
    let sis = array("text", &[Some("7"), Some("x"), None, Some(" 8 ")]);
    let hr = new_null_array(&arrow_type("text"), 4);
    let cast = ["7", "fails: a text is not a valid int4", "0", "8"];
    assert_eq!(computed(&*number, &[hr, sis]), cast);
}

#[test]
fn a_narrower_result_becomes_the_fields_type() {
    let hr = array("numeric(12,2)", &[Some("1.50")]);
    let sis = new_null_array(&arrow_type("numeric(12,2)"), 1);
    assert_eq!(computed(&*ready("numeric(12,2)", "7"), &[hr.clone(), sis.clone()]), ["7.00"]);
    assert_eq!(computed(&*ready("numeric(12,2)", "coalesce(sis, hr)"), &[hr, sis]), ["1.50"]);
}

#[test]
fn a_policy_of_no_source_is_computed_row_by_row() {
    let constant = PolicyExpressions::default().expression("'x'", &[], &field("text")).unwrap();
    assert_eq!(constant.values(3, &[]).values.len(), 3);
}

#[test]
fn what_is_not_understood_is_not_made_ready() {
    let error = PolicyExpressions::default()
        .expression("coalesce(sis, now()::text)", &systems(&["sis"]), &field("text"))
        .unwrap_err();
    insta::assert_snapshot!(format!("{error:?}"));
}

/// Expressions that fail in parts which other rows do not need.
const GUARDED: [&str; 8] = [
    "sis / hr",
    "CASE WHEN hr = 0 THEN sis ELSE sis / hr END",
    "CASE WHEN hr <> 0 AND sis / hr > 1 THEN 1 ELSE 0 END",
    "CASE WHEN hr = 0 OR sis / hr > 1 THEN 1 ELSE 0 END",
    "CASE WHEN sis / hr > 1 OR hr = 1 THEN sis END",
    "coalesce(hr, 10 / sis)",
    "nullif(sis, hr) - coalesce(hr, 2147483647)",
    "greatest(sis * hr, CASE WHEN NOT (hr = 0) AND (sis IS NULL OR 7 / sis > hr) THEN 3 END)",
];

/// What `hr` and `sis` say.
type Pair = (Option<i32>, Option<i32>);

fn numbers() -> impl Strategy<Value = Vec<Pair>> {
    let number = || prop::option::weighted(0.8, prop::sample::select(vec![0, 1, 2, -1, i32::MAX]));
    prop::collection::vec((number(), number()), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// What a row comes to depends on it alone: not on the rows beside it, nor on their order.
    #[test]
    fn a_row_comes_to_the_same_in_any_company(
        text in prop::sample::select(GUARDED.to_vec()),
        rows in numbers(),
        cuts in prop::collection::vec(1_usize..8, 40),
    ) {
        let expression = ready("int4", text);
        let column = |of: fn(&Pair) -> Option<i32>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<arrow_array::Int32Array>())
        };
        let columns = [column(|row| row.0), column(|row| row.1)];
        let together = computed(&*expression, &columns);
        let part = |from: usize, count: usize| columns.each_ref().map(|it| it.slice(from, count));
        let alone: Vec<String> =
            (0..rows.len()).flat_map(|row| computed(&*expression, &part(row, 1))).collect();
        prop_assert_eq!(&together, &alone);
        let (mut from, mut cut) = (0, Vec::new());
        for count in cuts {
            let count = count.min(rows.len() - from);
            if count > 0 {
                cut.extend(computed(&*expression, &part(from, count)));
            }
            from += count;
        }
        prop_assert_eq!(&together[..cut.len()], cut.as_slice());
        let backwards: UInt32Array = (0..rows.len() as u32).rev().collect::<Vec<_>>().into();
        let turned = columns.each_ref().map(|it| take(it, &backwards, None).unwrap());
        let turned: Vec<String> = computed(&*expression, &turned).into_iter().rev().collect();
        prop_assert_eq!(together, turned);
    }
}
