//! Values: what expressions make of them, and what they refuse.

use super::support::{Changes, lines, mapping_in, rejections, run, to_users};
use arrow_array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Int32Array, TimestampMicrosecondArray,
};
use std::sync::Arc;
use syncline_core::{Op, Transformed};

/// Evaluates an expression over one student and gives its text, `NULL`, or `! reason`.
fn evaluate(expression: &str, student: &[(&str, Option<&str>)]) -> String {
    evaluate_in("Europe/Paris", expression, student)
}

fn evaluate_in(zone: &str, expression: &str, student: &[(&str, Option<&str>)]) -> String {
    let mapping = mapping_in(
        zone,
        &format!(
            "INSERT INTO lms.public.users (id, email, login) \
             SELECT id, 'x', coalesce(CAST({expression} AS text), 'NULL') FROM sis.public.students"
        ),
    );
    let mut student = student.to_vec();
    if !student.iter().any(|(name, _)| *name == "id") {
        student.push(("id", Some("1")));
    }
    shown(&run(&mapping, &Changes::of("sis.public.students").insert(&student).batch()))
}

fn shown(done: &Transformed) -> String {
    match done.rejected.first() {
        Some(rejected) => format!("! {}", rejected.reason),
        None => lines(&done.rows)[0].split_once(" login=").unwrap().1.to_owned(),
    }
}

/// Checks a table of expressions over one student.
fn table(student: &[(&str, Option<&str>)], cases: &[(&str, &str)]) {
    let found: Vec<String> = cases
        .iter()
        .map(|(expression, _)| format!("{expression} = {}", evaluate(expression, student)))
        .collect();
    let expected: Vec<String> =
        cases.iter().map(|(expression, expected)| format!("{expression} = {expected}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn integers_are_computed_as_in_postgresql_and_refuse_to_overflow() {
    table(
        &[("id", Some("2147483647")), ("credits", Some("-7"))],
        &[
            ("id + 0", "2147483647"),
            ("id + 1", "! the result is out of range for int4"),
            ("id * 2", "! the result is out of range for int4"),
            ("-id - 2", "! the result is out of range for int4"),
            ("id + 3000000000", "5147483647"),
            ("id::int8 + 1", "2147483648"),
            ("credits / 2", "-3"),
            ("credits % 4", "-3"),
            ("mod(credits, 4)", "-3"),
            ("credits / (id - id)", "! division by zero"),
            ("credits % (credits + 7)", "! division by zero"),
            ("id::int2", "! a value of int4 is out of range for int2"),
            ("abs(credits)", "7"),
            ("-credits", "7"),
        ],
    );
}

#[test]
fn numerics_are_exact_or_refused() {
    table(
        &[("gpa", Some("12.34")), ("balance", Some("123456789012345678901234567890.5"))],
        &[
            ("gpa + 1", "13.34"),
            ("gpa * 1.5", "18.510"),
            ("gpa * 2.0", "24.680"),
            ("gpa::numeric(4,1)", "12.3"),
            ("12.35::numeric(4,1)", "12.4"),
            ("-12.35::numeric(4,1)", "-12.4"),
            ("gpa::numeric(2,1)", "! a value is out of range for numeric(2,1)"),
            ("gpa::int4", "12"),
            ("(gpa + 0.16)::int4", "13"),
            ("gpa / (id - id)", "! division by zero"),
            ("'12.355'::numeric(4,2)", "12.36"),
            ("'-12.345'::numeric(4,2)", "-12.35"),
            ("('1' || '2.3449')::numeric(4,2)", "12.34"),
            ("gpa::float8", "12.34"),
            ("round(gpa, 1)", "12.3"),
            ("round(gpa)", "12"),
            ("gpa / 3", "4.113333"),
            ("(gpa / 3)::numeric(4,2)", "4.11"),
            ("gpa % 5", "2.34"),
            ("trunc(gpa)", "12"),
            ("balance", "123456789012345678901234567890.5"),
            ("balance::numeric(38,2)::int8", "! a value of numeric(38,0) is out of range for int8"),
            ("(balance::numeric(38,0) - 123456789012345678901234567000)::int4", "891"),
            ("balance::numeric(38,2)", "123456789012345678901234567890.50"),
            ("balance::numeric(20,2)", "! a value is out of range for numeric(20,2)"),
            ("gpa > 12.339", "true"),
            ("gpa = 12.340", "true"),
            (
                "gpa * 99999999999999999999999999999999999.0",
                "! the result is out of range for numeric(38,3)",
            ),
        ],
    );
}

#[test]
fn nan_passes_compares_and_is_written_but_never_computed_with() {
    let nan = Decimal128Array::from(vec![i128::MAX]).with_precision_and_scale(4, 2).unwrap();
    let nan: ArrayRef = Arc::new(nan);
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let changes = Changes::of("sis.public.students")
        .arrays(Op::Insert, &[("id", Some(id)), ("gpa", Some(nan.clone()))]);
    let refused = "! a value of numeric(4,2) is NaN, which can't be computed with exactly";
    let cases = [
        ("gpa::text", "NaN"),
        ("gpa::numeric(10,4)::text", "NaN"),
        ("(gpa > 99)::text", "true"),
        ("(gpa = gpa)::text", "true"),
        ("(gpa > 99.99999)::text", "true"),
        ("(gpa + 1)::text", refused),
        ("(gpa - 1)::text", refused),
        ("(gpa * 0)::text", refused),
        ("(-gpa)::text", refused),
        ("abs(gpa)::text", refused),
        ("gpa::float8::text", refused),
        ("gpa::int4::text", "! a value of numeric(38,0) is out of range for int4"),
        ("coalesce(gpa, 0)::text", "NaN"),
    ];
    for (expression, expected) in cases {
        let mapping = to_users("login", expression, "");
        assert_eq!(shown(&run(&mapping, &changes.batch())), expected, "{expression}");
    }
    let pass = to_users("amount", "gpa", "");
    let done = run(&pass, &changes.batch());
    let amount = done.rows.columns().column(2);
    let amount = amount.as_any().downcast_ref::<Decimal128Array>().unwrap();
    assert_eq!(amount.value(0), i128::MAX, "NaN passes into a wider numeric");
}

#[test]
fn infinite_times_pass_compare_and_are_written_but_never_computed_with() {
    let time: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC"));
    let day: ArrayRef = Arc::new(Date32Array::from(vec![i32::MIN]));
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let changes = Changes::of("sis.public.students").arrays(
        Op::Insert,
        &[("id", Some(id)), ("updated_at", Some(time)), ("birth_date", Some(day))],
    );
    let time_refused = "! a value of timestamptz is infinity, which can't be computed with exactly";
    let day_refused = "! a value of date is infinity, which can't be computed with exactly";
    let cases = [
        ("updated_at::text", "infinity"),
        ("birth_date::text", "-infinity"),
        ("updated_at::timestamp::text", "infinity"),
        ("updated_at::date::text", "infinity"),
        ("birth_date::timestamptz::text", "-infinity"),
        ("(updated_at > now())::text", "true"),
        ("(birth_date < '0001-01-01')::text", "true"),
        ("(updated_at > birth_date)::text", "true"),
        ("(updated_at + INTERVAL '1 day')::text", time_refused),
        ("date_trunc('day', updated_at)::text", "infinity"),
        ("(birth_date + 1)::text", day_refused),
        (
            "extract(year FROM birth_date)::text",
            "! a value of timestamp is infinity, which can't be computed with exactly",
        ),
    ];
    for (expression, expected) in cases {
        let mapping = to_users("login", expression, "");
        assert_eq!(shown(&run(&mapping, &changes.batch())), expected, "{expression}");
    }
}

#[test]
fn floats_follow_postgresql() {
    table(
        &[("score", Some("2.5")), ("gpa", Some("1.00"))],
        &[
            ("score::int4", "2"),
            ("(score + 1)::int4", "4"),
            ("score * gpa", "2.5"),
            ("score / (id - id)", "! division by zero"),
            ("score * '1e308' * '1e308'", "! the result is out of range for float8"),
            ("greatest(score, 'Infinity')", "Infinity"),
            ("round(score)", "2"),
            ("round(id) / 2", "0.5"),
            ("1.005::float8::numeric(4,2)", "1.01"),
            ("score::float4", "2.5"),
            ("1e20::float8", "1e+20"),
            ("0.00001::float8", "1e-05"),
            ("0.0001::float8", "0.0001"),
            ("123456789012345::float8", "123456789012345"),
            ("1234567890123456::float8", "1.234567890123456e+15"),
            ("(score * '1e300')::int8", "! a value of float8 is out of range for int8"),
            ("score::numeric(4,2)", "2.50"),
            ("'NaN'::float8", "NaN"),
            ("'-Infinity'::float8", "-Infinity"),
        ],
    );
}

#[test]
fn functions_of_numbers_follow_postgresql() {
    table(
        &[("credits", Some("12")), ("score", Some("6.25")), ("gpa", Some("-1.50"))],
        &[
            ("abs(gpa)", "1.50"),
            ("ceil(gpa)", "-1"),
            ("ceiling(score)", "7"),
            ("floor(gpa)", "-2"),
            ("trunc(score)", "6"),
            ("sign(credits)", "1"),
            ("sqrt(score)", "2.5"),
            ("sqrt(-score)", "! sqrt refuses a value"),
            ("cbrt(27.0::float8)", "3"),
            ("power(credits, 2)", "144"),
            ("pow(score, 2)", "39.0625"),
            ("exp(score - score)", "1"),
            ("ln(score / score)", "0"),
            ("ln(score - score)", "! the result is out of range for float8"),
            ("log(score * 16)", "2"),
            ("gcd(credits, 8)", "4"),
            ("lcm(credits, 8)", "24"),
            ("round(score)", "6"),
            ("round(credits)", "12"),
            ("encode(sha224('a'), 'hex') LIKE 'abd37534%'", "true"),
            ("length(encode(sha384('a'), 'hex'))", "96"),
            ("length(encode(sha512('a'), 'hex'))", "128"),
            ("decode('6162', 'hex')", "\\x6162"),
        ],
    );
}

#[test]
fn texts_follow_postgresql() {
    table(
        &[
            ("email", Some("Ada@Uni.Example")),
            ("phone", None),
            ("code", Some("ab   ")),
            ("nick", Some("Ada")),
            ("active", Some("true")),
            ("first_name", Some("Ada")),
            ("last_name", Some("Lovelace")),
        ],
        &[
            ("lower(email)", "ada@uni.example"),
            ("first_name || ' ' || last_name", "Ada Lovelace"),
            ("first_name || phone", "NULL"),
            ("concat(first_name, phone, '!')", "Ada!"),
            ("concat_ws('-', first_name, phone, last_name)", "Ada-Lovelace"),
            ("'id ' || id", "id 1"),
            ("active", "true"),
            ("code || '.'", "ab."),
            ("code = 'ab'", "true"),
            ("length(code)", "2"),
            ("code = 'ab   '", "true"),
            ("code IN ('ab ', 'x')", "true"),
            ("coalesce(code, 'x') = 'ab '", "true"),
            ("nick = 'ADA'", "true"),
            ("nick = email", "false"),
            ("nick ~ '^aDA$'", "true"),
            ("coalesce(nick, 'x') = 'ADA'", "true"),
            ("nullif(nick, 'ADA')", "NULL"),
            ("CASE WHEN active THEN nick END = 'ADA'", "true"),
            ("CASE nick WHEN 'ADA' THEN 1 END", "1"),
            ("nick::text = 'ADA'", "false"),
            ("concat(active, ' ', first_name)", "t Ada"),
            ("email ~ 'Ada.Uni'", "true"),
            ("('a' || chr(10) || 'b') ~ 'a.b'", "true"),
            ("regexp_replace(email, 'Uni', '$1')", "Ada@$1.Example"),
            (r"regexp_replace(email, '(A)(d)', '\2-\&-\1')", "d-Ad-Aa@Uni.Example"),
            ("nick IN ('x', 'aDA')", "true"),
            ("nick LIKE 'aD%'", "true"),
            ("first_name LIKE 'a%'", "false"),
            ("first_name ILIKE 'a%'", "true"),
            ("email ~ '^[A-Z]'", "true"),
            ("email !~* 'UNI'", "false"),
            ("last_name::varchar(4)", "Love"),
            ("left(last_name, -4)", "Love"),
            ("right(last_name, 3)", "ace"),
            ("substring(last_name FROM 2 FOR 3)", "ove"),
            ("substr(last_name, 5)", "lace"),
            ("position('ace' IN last_name)", "6"),
            ("strpos(last_name, 'x')", "0"),
            ("trim(BOTH 'L' FROM last_name)", "ovelace"),
            ("trim('  a ')", "a"),
            ("ltrim('xxa', 'x')", "a"),
            ("lpad(id::text, 5, '0')", "00001"),
            ("rpad('a', 3, '.')", "a.."),
            ("replace(email, 'Uni', 'U')", "Ada@U.Example"),
            ("split_part(email, '@', 2)", "Uni.Example"),
            ("regexp_replace(email, '@.*', '')", "Ada"),
            ("regexp_like(email, 'uni', 'i')", "true"),
            ("initcap('ada LOVELACE')", "Ada Lovelace"),
            ("reverse('abc')", "cba"),
            ("repeat('ab', 2)", "abab"),
            ("translate('abc', 'ab', 'x')", "xc"),
            ("starts_with(email, 'Ada')", "true"),
            ("ascii('a')", "97"),
            ("chr(97)", "a"),
            ("overlay('abcdef' PLACING 'X' FROM 2 FOR 3)", "aXef"),
            ("to_hex(255)", "ff"),
            ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
            (
                "encode(sha256('a'), 'hex')",
                "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
            ),
            ("octet_length('é')", "2"),
            ("bit_length('é')", "16"),
            ("char_length('é')", "1"),
            ("levenshtein('kitten', 'sitting')", "3"),
        ],
    );
}

#[test]
fn nulls_and_choices_follow_postgresql() {
    table(
        &[("phone", None), ("credits", Some("5")), ("active", None), ("gpa", Some("1.50"))],
        &[
            ("coalesce(phone, 'none')", "none"),
            ("coalesce(NULL, gpa, 2)", "1.50"),
            ("nullif(credits, 5)", "NULL"),
            ("nullif(credits, 6)", "5"),
            ("greatest(credits, NULL, 7)", "7"),
            ("least(credits, gpa)", "1.50"),
            ("CASE credits WHEN 5 THEN 'five' WHEN 6 THEN 'six' END", "five"),
            ("CASE WHEN credits > 5 THEN 'many' END", "NULL"),
            ("CASE WHEN active THEN 1 ELSE 2.5 END", "2.5"),
            ("active IS NOT TRUE", "true"),
            ("active IS UNKNOWN", "true"),
            ("NOT active", "NULL"),
            ("active AND false", "false"),
            ("active OR true", "true"),
            ("phone IS DISTINCT FROM 'x'", "true"),
            ("phone = NULL", "NULL"),
            ("credits BETWEEN 5 AND 6", "true"),
            ("credits NOT BETWEEN 5 AND 6", "false"),
            ("credits IN (1, 5)", "true"),
            ("credits NOT IN (1, NULL)", "NULL"),
            ("credits > gpa", "true"),
            ("credits = '5'", "true"),
        ],
    );
}

#[test]
fn times_meet_in_the_projects_zone() {
    let student = [
        ("updated_at", Some("2024-07-15T22:30:00Z")),
        ("enrolled", Some("2024-07-15T22:30:00.5")),
        ("birth_date", Some("2000-02-29")),
    ];
    table(
        &student,
        &[
            ("updated_at", "2024-07-16 00:30:00+02"),
            ("enrolled", "2024-07-15 22:30:00.5"),
            ("enrolled::timestamptz", "2024-07-15 22:30:00.5+02"),
            ("updated_at::timestamp", "2024-07-16 00:30:00"),
            ("updated_at::date", "2024-07-16"),
            ("updated_at::time", "00:30:00"),
            ("birth_date::timestamptz", "2000-02-29 00:00:00+01"),
            ("enrolled < updated_at", "true"),
            ("updated_at AT TIME ZONE 'UTC'", "2024-07-15 22:30:00"),
            ("enrolled AT TIME ZONE 'America/New_York'", "2024-07-16 04:30:00.5+02"),
            ("updated_at + INTERVAL '6 months'", "2025-01-16 00:30:00+01"),
            ("enrolled - INTERVAL '90 minutes'", "2024-07-15 21:00:00.5"),
            ("birth_date + INTERVAL '1 year'", "2001-02-28 00:00:00"),
            ("birth_date + 1", "2000-03-01"),
            ("birth_date - 29", "2000-01-31"),
            ("birth_date - '2000-01-01'", "59"),
            ("date_trunc('day', updated_at)", "2024-07-16 00:00:00+02"),
            ("date_trunc('month', birth_date)", "2000-02-01 00:00:00+01"),
            ("date_trunc('year', '9999-12-31 23:59:59.999999'::timestamp)", "9999-01-01 00:00:00"),
            ("date_trunc('day', '1500-06-15 12:00'::timestamp)", "1500-06-15 00:00:00"),
            ("extract(year FROM '0044-03-15 BC'::date)", "-44"),
            ("'0044-03-15 BC'::date + 1", "0044-03-16 BC"),
            ("extract(month FROM birth_date) / 4", "0.5000"),
            ("date_part('month', birth_date) / 4", "0.5"),
            ("enrolled::timestamp(0)", "2024-07-15 22:30:01"),
            ("extract(hour FROM updated_at)", "0"),
            ("extract(day FROM updated_at)", "16"),
            ("date_part('year', birth_date)", "2000"),
            ("extract(epoch FROM updated_at)", "1721082600.000000"),
            ("extract(dow FROM birth_date)", "2"),
            ("make_date(2024, 2, 29)", "2024-02-29"),
            ("'2024-01-01 12:00'::timestamptz", "2024-01-01 12:00:00+01"),
            ("'2024-01-01 12:00+00'::timestamptz", "2024-01-01 13:00:00+01"),
            ("birth_date > '1999-12-31'", "true"),
            ("DATE '2024-01-01'", "2024-01-01"),
            ("TIMESTAMP '9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999"),
            ("'0001-01-01'::date", "0001-01-01"),
        ],
    );
    assert_eq!(evaluate_in("UTC", "updated_at", &student), "2024-07-15 22:30:00+00");
    assert_eq!(evaluate_in("Asia/Kolkata", "updated_at", &student), "2024-07-16 04:00:00+05:30");
}

#[test]
fn the_day_the_clocks_change_is_23_hours_long() {
    table(
        &[("updated_at", Some("2024-03-30T11:00:00Z"))],
        &[
            ("updated_at", "2024-03-30 12:00:00+01"),
            ("updated_at + INTERVAL '1 day'", "2024-03-31 12:00:00+02"),
            ("updated_at + INTERVAL '24 hours'", "2024-03-31 13:00:00+02"),
        ],
    );
    table(
        &[("updated_at", Some("2024-03-30T01:30:00Z"))],
        &[("updated_at + INTERVAL '1 day'", "2024-03-31 03:30:00+02")],
    );
    table(
        &[("updated_at", Some("2024-10-26T00:30:00Z"))],
        &[("updated_at + INTERVAL '1 day'", "2024-10-27 02:30:00+01")],
    );
}

#[test]
fn other_types_have_postgresqls_text() {
    table(
        &[("ref", Some("a")), ("photo", Some("\u{0}\u{7f}")), ("tags", None)],
        &[
            ("ref", "61616161-6161-6161-6161-616161616161"),
            ("ref = '61616161-6161-6161-6161-616161616161'", "true"),
            ("'{61616161-6161-6161-6161-616161616161}'::uuid = ref", "true"),
            ("photo", "\\x007f"),
            ("tags IS NULL", "true"),
            (
                "INTERVAL '1 year 2 months -3 days 4 hours 5 minutes 6.5 seconds'",
                "1 year 2 mons -3 days +04:05:06.5",
            ),
            ("INTERVAL '0 seconds'", "00:00:00"),
        ],
    );
}

#[test]
fn a_bad_uuid_is_refused() {
    let mapping = to_users("ref", "phone::uuid", "");
    let changes =
        Changes::of("sis.public.students").insert(&[("id", Some("1")), ("phone", Some("x"))]);
    let done = run(&mapping, &changes.batch());
    assert_eq!(rejections(&done.rejected), ["0: phone::uuid: a text is not a uuid"]);
}

#[test]
fn a_column_that_passes_is_not_copied() {
    let mapping = to_users("phone", "phone", "");
    let changes =
        Changes::of("sis.public.students").insert(&[("id", Some("1")), ("phone", Some("p"))]);
    let batch = changes.batch();
    let done = run(&mapping, &batch);
    let from = batch.columns().column_by_name("phone").unwrap();
    let to = done.rows.columns().column_by_name("phone").unwrap();
    assert!(Arc::ptr_eq(from, to), "the same array");
}
