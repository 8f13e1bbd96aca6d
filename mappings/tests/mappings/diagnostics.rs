//! What `check` says, word for word. One snapshot a story.

use super::support::{check_in, rendered};

/// Snapshots what is found in one mapping.
macro_rules! finds {
    ($($name:ident: $sql:expr,)*) => {$(
        #[test]
        fn $name() {
            let sql = $sql;
            insta::assert_snapshot!(stringify!($name), rendered(&[("person/m.sql", sql)]));
        }
    )*};
}

finds! {
    a_good_mapping_has_nothing_to_find: "
-- Users are students with an email.
INSERT INTO lms.public.users (id, email, phone, born)
SELECT s.id, coalesce(s.email, ''), s.phone, s.birth_date
FROM sis.public.students AS s
WHERE s.id > 0;",

    syntax_error: "INSERT INTO person (id)\nSELECT id, FROM sis.public.students",
    unterminated_text: "INSERT INTO person (id)\nSELECT 'abc FROM sis.public.students",
    unterminated_name: "\"INSERT INTO person (id)",
    statement_ends_early: "INSERT INTO person (id) SELECT",
    empty_file: "-- nothing here yet\n",
    two_statements: "INSERT INTO person (id, full_name) SELECT code, code FROM sis.public.courses;\nSELECT 1;",
    not_an_insert: "SELECT id FROM sis.public.students",
    no_columns_named: "INSERT INTO person SELECT id, email FROM sis.public.students",
    on_conflict: "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM sis.public.students ON CONFLICT DO NOTHING",
    returning: "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM sis.public.students RETURNING id",

    unknown_system: "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM siss.public.students",
    unknown_system_like_no_other: "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM warehouse.public.students",
    unknown_table: "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM sis.public.student",
    unknown_entity: "INSERT INTO persons (id, full_name) SELECT id::text, first_name FROM sis.public.students",
    table_without_its_system: "INSERT INTO users (id, email) SELECT id, 'x' FROM sis.public.students",
    two_part_name: "INSERT INTO lms.users (id, email) SELECT id, 'x' FROM sis.public.students",
    unknown_column: "INSERT INTO lms.public.users (id, email)\nSELECT id,\n       emial\nFROM sis.public.students",
    unknown_qualifier: "INSERT INTO lms.public.users (id, email) SELECT t.id, 'x' FROM sis.public.students s",
    upper_case_folds_and_quotes_do_not: "INSERT INTO lms.public.users (ID, EMAIL) SELECT ID, \"Email\" FROM sis.public.students",
    unknown_target_column: "INSERT INTO lms.public.users (id, email, fone) SELECT id, 'x', phone FROM sis.public.students",
    duplicate_target_column: "INSERT INTO lms.public.users (id, email, email) SELECT id, 'x', 'y' FROM sis.public.students",
    generated_target_column: "INSERT INTO lms.public.users (id, email, slug) SELECT id, 'x', 'y' FROM sis.public.students",
    too_few_values: "INSERT INTO lms.public.users (id, email, phone) SELECT id, 'x' FROM sis.public.students",
    too_many_values: "INSERT INTO lms.public.users (id, email) SELECT id, 'x', phone FROM sis.public.students",
    values_in_another_order: "INSERT INTO lms.public.users (id, email, phone) SELECT id, 'x', coalesce(phone, '') AS name FROM sis.public.students",

    several_errors_at_once: "
INSERT INTO lms.public.users (id, email, fone, points)
SELECT id, emial, phone, lenght(bio) + nothing
FROM sis.public.students
WHERE random() > activ",

    wider_integer: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', credits FROM sis.public.students",
    text_into_number: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', phone FROM sis.public.students",
    digits_after_the_point: "INSERT INTO lms.public.users (id, email, gpa) SELECT id, 'x', gpa FROM sis.public.students",
    wide_numeric_into_narrow: "INSERT INTO lms.public.users (id, email, amount) SELECT id, 'x', balance FROM sis.public.students",
    wide_numeric_in_an_expression: "INSERT INTO lms.public.users (id, email, amount) SELECT id, 'x', balance * 2 FROM sis.public.students",
    text_into_wide_numeric: "INSERT INTO lms.public.users (id, email, balance) SELECT id, 'x', bio FROM sis.public.students",
    boolean_into_json: "INSERT INTO lms.public.users (id, email, note) SELECT id, 'x', active FROM sis.public.students",
    time_into_date: "INSERT INTO lms.public.users (id, email, born) SELECT id, 'x', updated_at FROM sis.public.students",
    array_into_text: "INSERT INTO lms.public.users (id, email, name) SELECT id, 'x', tags FROM sis.public.students",
    constant_that_does_not_fit: "INSERT INTO lms.public.users (id, email, points) SELECT id, 'x', 70000 FROM sis.public.students",
    quoted_constant_that_is_not_valid: "INSERT INTO lms.public.users (id, email, born) SELECT id, 'x', 'tomorrow' FROM sis.public.students",
    constant_too_long: "INSERT INTO lms.public.users (id, email, phone) SELECT id, 'x', '123456789012345678901' FROM sis.public.students",
    text_longer_than_its_target: "INSERT INTO lms.public.users (id, email, name) SELECT id, 'x', last_name FROM sis.public.students",
    text_into_enum: "INSERT INTO lms.public.users (id, email, level) SELECT id, 'x', bio FROM sis.public.students",
    constant_that_is_no_label: "INSERT INTO lms.public.users (id, email, level) SELECT id, 'x', 'bachelors' FROM sis.public.students",
    text_into_json: "INSERT INTO lms.public.users (id, email, note) SELECT id, 'x', bio FROM sis.public.students",
    null_into_not_null: "INSERT INTO lms.public.users (id, email) SELECT id, NULL FROM sis.public.students",
    perhaps_null_into_not_null: "INSERT INTO lms.public.users (id, email) SELECT id, email FROM sis.public.students",
    not_null_by_the_condition: "INSERT INTO lms.public.users (id, email, login) SELECT id, email, lower(nick) FROM sis.public.students WHERE email IS NOT NULL AND (phone = '1' OR active) AND nick <> ''",
    null_in_spite_of_the_condition: "INSERT INTO lms.public.users (id, email) SELECT id, email FROM sis.public.students WHERE email IS NOT NULL OR active",
    required_column_missing: "INSERT INTO lms.public.users (id) SELECT id FROM sis.public.students",
    key_column_missing: "INSERT INTO lms.public.users (email) SELECT 'x' FROM sis.public.students",
    target_without_key: "INSERT INTO lms.public.log (line) SELECT code FROM sis.public.courses",
    source_without_identity: "INSERT INTO lms.public.courses (code, title) SELECT line, line FROM sis.public.log",

    key_from_outside_the_identity: "INSERT INTO lms.public.courses (code, title) SELECT phone, 'x' FROM sis.public.students",
    key_from_the_time: "INSERT INTO lms.public.courses (code, title) SELECT now()::text, 'x' FROM sis.public.courses",
    large_values_beside_others: "INSERT INTO lms.public.users (id, email, note) SELECT id, 'x', bio || phone FROM sis.public.students",
    large_values_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE bio <> ''",
    time_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE updated_at < now()",
    reads_what_it_writes: "INSERT INTO sis.public.courses (code, title) SELECT code, title FROM sis.public.courses",

    join: "INSERT INTO lms.public.users (id, email)\nSELECT s.id, 'x' FROM sis.public.students s\nJOIN sis.public.courses c ON c.code = s.code",
    comma_join: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students, sis.public.courses",
    group_by: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students GROUP BY id HAVING id > 1",
    aggregate: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', sum(credits) FROM sis.public.students",
    window_function: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', row_number() OVER (ORDER BY id) FROM sis.public.students",
    distinct: "INSERT INTO lms.public.users (id, email) SELECT DISTINCT id, 'x' FROM sis.public.students",
    order_by_and_limit: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students ORDER BY id LIMIT 5",
    union: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students UNION ALL SELECT 1, 'y'",
    subquery_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE id IN (SELECT 1)",
    star: "INSERT INTO lms.public.users (id, email) SELECT * FROM sis.public.students",
    values_alone: "INSERT INTO lms.public.users (id, email) VALUES (1, 'x')",
    no_from: "INSERT INTO lms.public.users (id, email) SELECT 1, 'x'",
    common_table_that_nothing_reads: "INSERT INTO lms.public.users (id, email) WITH x AS (SELECT id FROM sis.public.students) SELECT id, 'x' FROM sis.public.students",
    nested_query_without_a_name: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM (SELECT id, id + 1 FROM sis.public.students) s",

    function_that_changes: "INSERT INTO lms.public.users (id, email) SELECT id, gen_random_uuid()::text FROM sis.public.students",
    unknown_function: "INSERT INTO lms.public.users (id, email) SELECT id, lowr(phone) FROM sis.public.students",
    function_of_another_type: "INSERT INTO lms.public.users (id, email) SELECT id, lower(credits) FROM sis.public.students",
    text_compared_with_number: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE phone = 5",
    quoted_value_of_another_type: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE id = 'five'",
    condition_that_is_not_boolean: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE id",
    enum_order: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE status > 'active'",
    no_such_operator: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', birth_date * 2 FROM sis.public.students",
    no_such_cast: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', birth_date::int4 FROM sis.public.students",
    numeric_without_precision: "INSERT INTO lms.public.users (id, email, amount) SELECT id, 'x', credits::numeric FROM sis.public.students",
    constant_that_divides_by_zero: "INSERT INTO lms.public.users (id, email, credits) SELECT id, 'x', 1 / 0 FROM sis.public.students",
    pattern_that_is_not_valid: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE phone ~ '('",
    unknown_zone: "INSERT INTO lms.public.users (id, email, seen) SELECT id, 'x', updated_at AT TIME ZONE 'Paris' FROM sis.public.students",
    between_two_types: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE id > 0 AND phone BETWEEN 1 AND 5",
    branches_of_two_types: "INSERT INTO lms.public.users (id, email) SELECT id, CASE WHEN id > 1 THEN phone ELSE credits END FROM sis.public.students",
    part_that_counts_otherwise: "INSERT INTO lms.public.users (id, email, ratio) SELECT id, 'x', extract(isodow FROM birth_date) FROM sis.public.students",
    column_names_by_order: "INSERT INTO lms.public.users (id, email) SELECT s.id, s.mail FROM (SELECT phone AS mail, id FROM sis.public.students) AS s(id, mail)",
    column_names_of_a_common_table: "INSERT INTO lms.public.users (id, email) WITH s (id, mail) AS (SELECT id, 'x' AS mail FROM sis.public.students) SELECT id, mail FROM s",
    too_few_arguments_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE mod(id) = 0",
    json_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE note = '{}'",
    interval_in_where: "INSERT INTO lms.public.oddities (id) SELECT id FROM sis.public.oddities WHERE stay > '1 day'",
    domain_over_numeric_in_where: "INSERT INTO lms.public.oddities (id) SELECT id FROM sis.public.oddities WHERE worth > 9",
    domain_over_text_is_text: "INSERT INTO lms.public.oddities (id, label) SELECT id, lower(label) FROM sis.public.oddities WHERE stay IS NOT NULL AND host IS NULL",
    generated_source_column: "INSERT INTO lms.public.oddities (id, label) SELECT id, upper(full_name) FROM sis.public.oddities WHERE full_name <> ''",
    fractions_of_a_second: "INSERT INTO lms.public.oddities (id, at) SELECT id, at FROM sis.public.oddities",
    fractions_of_a_second_with_a_cast: "INSERT INTO lms.public.oddities (id, at) SELECT id, CAST(at AS timestamp(0)) FROM sis.public.oddities",
    wide_numeric_into_fewer_digits: "INSERT INTO lms.public.oddities (id, big) SELECT id, big FROM sis.public.oddities",
    unbounded_numeric_into_bounded: "INSERT INTO lms.public.oddities (id, big) SELECT id, worth FROM sis.public.oddities",
    wide_numeric_that_fits: "INSERT INTO lms.public.oddities (id, big) SELECT id, fits FROM sis.public.oddities",
    computed_numeric_into_fewer_digits: "INSERT INTO lms.public.oddities (id, big) SELECT id, worth::numeric(20,4) FROM sis.public.oddities",
    computed_text_longer_than_its_target: "INSERT INTO lms.public.oddities (id, small) SELECT id, small || '!' FROM sis.public.oddities",
    computed_texts_that_fit: "INSERT INTO lms.public.oddities (id, small, label) SELECT id, left(small || '!', 10), CASE WHEN id > 1 THEN 'many' ELSE status::text END FROM sis.public.oddities",
    no_such_label_in_where: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE status = 'activ'",
    greatest_of_enums: "INSERT INTO lms.public.users (id, email, login) SELECT id, 'x', greatest(status, 'active') FROM sis.public.students WHERE status IS NOT NULL",
    padded_text_in_a_pattern: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE code LIKE 'ab'",
    padded_text_beside_text: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE code = email",
    citext_in_a_function_of_its_own: "INSERT INTO lms.public.users (id, email, login) SELECT id, 'x', coalesce(replace(nick, 'a', 'b'), '') FROM sis.public.students",
    pattern_with_another_meaning: "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students WHERE email ~ '\\bx'",
    pattern_that_finds_another_part: "INSERT INTO lms.public.users (id, email) SELECT id, regexp_replace(first_name, 'a|ab', '') FROM sis.public.students",
    encoding_that_is_not_known: "INSERT INTO lms.public.users (id, email) SELECT id, coalesce(encode(photo, 'base64'), '') FROM sis.public.students",
    offset_as_a_zone: "INSERT INTO lms.public.users (id, email, seen) SELECT id, 'x', updated_at AT TIME ZONE '+02:00' FROM sis.public.students",
    abbreviation_as_a_zone: "INSERT INTO lms.public.users (id, email, seen) SELECT id, 'x', updated_at AT TIME ZONE 'CET' FROM sis.public.students",
    date_in_a_zone: "INSERT INTO lms.public.users (id, email, created) SELECT id, 'x', birth_date AT TIME ZONE 'Europe/Madrid' FROM sis.public.students",
    several_rows_into_one: "INSERT INTO lms.public.badges (id, label) SELECT student, course FROM sis.public.marks",
    several_records_that_speak_of_one_entity: "INSERT INTO person (id, full_name) SELECT student::text, course FROM sis.public.marks",
    several_rows_told_apart_by_the_condition: "INSERT INTO lms.public.badges (id, label) SELECT student, 'maths' FROM sis.public.marks WHERE course = 'maths'",
    one_row_by_another_unique_column: "INSERT INTO lms.public.badges (id) SELECT mark::int4 FROM sis.public.marks WHERE mark IS NOT NULL",
    large_value_of_a_row_that_enters: "INSERT INTO lms.public.users (id, email, note) SELECT id, 'x', bio FROM sis.public.students WHERE active",
    json_written_as_text: "INSERT INTO lms.public.oddities (id, label, note) SELECT id, small::jsonb, small::jsonb FROM sis.public.oddities",
}

const STUDENTS_TO_USERS: &str =
    "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students";

#[test]
fn two_mappings_that_write_one_column() {
    let files = [("a.sql", STUDENTS_TO_USERS), ("b.sql", STUDENTS_TO_USERS)];
    insta::assert_snapshot!("two_mappings_that_write_one_column", rendered(&files));
    let checked = check_in("UTC", &files);
    assert_eq!(checked.mappings.len(), 1, "the first stands");
}

#[test]
fn a_third_mapping_that_writes_a_column_of_the_second() {
    let labels =
        "INSERT INTO lms.public.badges (id, label) SELECT id, phone FROM sis.public.students";
    let colors =
        "INSERT INTO lms.public.badges (id, color) SELECT id, 'red' FROM sis.public.students";
    let files = [("a.sql", labels), ("b.sql", colors), ("c.sql", colors)];
    insta::assert_snapshot!("a_third_mapping_that_writes_a_column_of_the_second", rendered(&files));
}

#[test]
fn two_mappings_with_columns_apart() {
    let labels =
        "INSERT INTO lms.public.badges (id, label) SELECT id, phone FROM sis.public.students";
    let colors =
        "INSERT INTO lms.public.badges (id, color) SELECT id, 'red' FROM sis.public.students";
    let files = [("a.sql", labels), ("b.sql", colors)];
    insta::assert_snapshot!("two_mappings_with_columns_apart", rendered(&files));
}

#[test]
fn an_entity_may_have_several_sources() {
    let students =
        "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM sis.public.students";
    let users = "INSERT INTO person (id, full_name) SELECT id::text, email FROM lms.public.users";
    let checked = check_in("UTC", &[("person/a.sql", students), ("person/b.sql", users)]);
    assert_eq!(checked.diagnostics, []);
    assert_eq!(checked.mappings.len(), 2);
}

#[test]
fn an_entity_that_nothing_writes() {
    let users = "INSERT INTO lms.public.courses (code, title) SELECT id, full_name FROM person";
    insta::assert_snapshot!("an_entity_that_nothing_writes", rendered(&[("p.sql", users)]));
}

#[test]
fn a_key_from_outside_an_entitys_key() {
    let into =
        "INSERT INTO person (id, full_name) SELECT id::text, first_name FROM sis.public.students";
    let out = "INSERT INTO lms.public.courses (code, title) SELECT full_name, id FROM person";
    let files = [("person/from.sql", into), ("person/to.sql", out)];
    insta::assert_snapshot!("a_key_from_outside_an_entitys_key", rendered(&files));
}

#[test]
fn a_change_that_would_come_back() {
    let into = "INSERT INTO person (id, full_name) SELECT code, 'x' FROM sis.public.courses";
    let on = "INSERT INTO lms.public.courses (code, title) SELECT id, full_name FROM person";
    let back =
        "INSERT INTO sis.public.courses (code, title) SELECT code, title FROM lms.public.courses";
    let files = [("person/from.sql", into), ("person/to.sql", on), ("courses.sql", back)];
    insta::assert_snapshot!("a_change_that_would_come_back", rendered(&files));
}

#[test]
fn two_systems_both_ways_through_an_entity_come_to_rest() {
    let files = [
        ("a.sql", "INSERT INTO person (id, full_name) SELECT code, 'x' FROM sis.public.courses"),
        ("b.sql", "INSERT INTO sis.public.courses (code, title) SELECT id, full_name FROM person"),
        ("c.sql", "INSERT INTO person (id, full_name) SELECT code, title FROM lms.public.courses"),
        ("d.sql", "INSERT INTO lms.public.courses (code, title) SELECT id, full_name FROM person"),
    ];
    assert_eq!(rendered(&files), "");
}

#[test]
fn an_unknown_project_zone() {
    let checked = check_in("Europe/Pariss", &[("m.sql", STUDENTS_TO_USERS)]);
    insta::assert_snapshot!("an_unknown_project_zone", checked.diagnostics[0].render(""));
}

#[test]
fn warnings_do_not_block() {
    let sql = "INSERT INTO lms.public.users (id, email) SELECT id, email FROM sis.public.students";
    let checked = check_in("UTC", &[("m.sql", sql)]);
    assert_eq!(checked.diagnostics.len(), 1);
    assert_eq!(checked.mappings.len(), 1);
}

#[test]
fn a_mapping_says_what_it_reads_and_writes() {
    let checked = check_in(
        "UTC",
        &[(
            "m.sql",
            "INSERT INTO lms.public.users (id, email, name)
             SELECT id, coalesce(email, ''), left(first_name || ' ' || last_name, 30)
             FROM (SELECT * FROM sis.public.students) s",
        )],
    );
    assert!(checked.mappings.is_empty());
    let mapping = super::support::mapping(
        "INSERT INTO lms.public.users (id, email, name)
         SELECT id, lower(mail), -- as they log in
                left(first_name || ' ' || last_name, 30)
         FROM (SELECT id, coalesce(email, '') AS mail, first_name, last_name, phone
               FROM sis.public.students WHERE active) AS s
         WHERE phone IS DISTINCT FROM 'x'",
    );
    let columns: Vec<String> = mapping
        .columns
        .iter()
        .map(|c| {
            format!("{} {} = {} [{}]", c.target, c.data_type, c.expression, c.inputs.join(" "))
        })
        .collect();
    assert_eq!(
        columns,
        [
            "id int4 = id [id]",
            "email text = lower(mail) [email]",
            "name varchar(30) = left(first_name || ' ' || last_name, 30) [first_name last_name]",
        ]
    );
    let filter = mapping.filter.as_deref();
    assert_eq!(filter, Some("(active) AND (phone IS DISTINCT FROM 'x')"));
    assert_eq!(mapping.filter_inputs, ["phone", "active"]);
}
