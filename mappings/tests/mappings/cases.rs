//! Case files: what passes, and what is said of what does not.

use super::support::{catalog, check_in};
use syncline_mappings::cases::{CaseResult, run_case};

const TO_USERS: &str = "
    INSERT INTO lms.public.users (id, email, phone, gpa, created, login)
    SELECT id, lower(email), phone, gpa::numeric(3,1), updated_at, upper(bio)
    FROM sis.public.students WHERE email IS NOT NULL";

fn run(cases: &str) -> CaseResult {
    let checked = check_in("UTC", &[("users.sql", TO_USERS)]);
    run_case(cases, &checked.mappings, &catalog())
}

/// What is said of a file, case by case.
fn said(result: &CaseResult) -> String {
    let mut said = result.error.clone().unwrap_or_default();
    for case in &result.cases {
        let verdict = if case.passed() { "as expected" } else { "not as expected" };
        said.push_str(&format!("{}: {verdict}\n", case.name));
        case.differences.iter().for_each(|difference| said.push_str(&format!("  {difference}\n")));
    }
    said
}

#[test]
fn a_case_says_what_goes_in_and_what_comes_out() {
    let result = run(r#"
mapping = "users.sql"

[[case]]
name = "a student comes, changes, and goes"
[[case.change]]
insert = { id = 1, email = "Ada@x", gpa = 1.25, updated_at = 2024-01-01T00:00:00Z, bio = "b" }
null = ["phone"]
[[case.change]]
update = { id = 1, email = "Ada@y", phone = "5", gpa = "NaN", updated_at = "infinity" }
[[case.change]]
before = { id = 1 }
update = { id = 2, email = "Ada@y", phone = "5", gpa = 2, updated_at = "infinity", bio = "" }
[[case.change]]
delete = { id = 2 }

[[case.row]]
insert = { id = 1, email = "ada@x", gpa = 1.3, created = 2024-01-01T01:00:00+01:00, login = "B" }
null = ["phone"]
[[case.row]]
update = { id = 1, email = "ada@y", phone = "5", gpa = "NaN", created = "infinity" }
[[case.row]]
delete = { id = 1 }
[[case.row]]
update = { id = 2, email = "ada@y", phone = "5", gpa = 2.0, created = "infinity", login = "" }
[[case.row]]
delete = { id = 2 }

[[case]]
name = "what can't be mapped is parked"
[[case.change]]
insert = { id = 1, email = "a", phone = "", gpa = 100, bio = "" }
null = ["updated_at"]
[[case.parked]]
change = 1
reason = "out of range for numeric(3,1)"
"#);
    assert_eq!(said(&result).matches("not as").count(), 1, "{}", said(&result));
    assert!(result.cases[0].passed(), "{}", said(&result));
    // 100 does not fit numeric(4,2), the source's own type.
    insta::assert_snapshot!("a_case_with_a_value_that_its_column_refuses", said(&result));
}

#[test]
fn differences_are_told_row_by_row() {
    let result = run(r#"
mapping = "users.sql"

[[case]]
name = "other values"
[[case.change]]
insert = { id = 1, email = "A", phone = "", gpa = 1, bio = "" }
null = ["updated_at"]
[[case.row]]
insert = { id = 1, email = "A", gpa = 1, phone = "", login = "" }

[[case]]
name = "a row too many and a parked one too few"
[[case.change]]
insert = { id = 1, email = "a", phone = "", gpa = 1, updated_at = "infinity", bio = "" }
[[case.parked]]
change = 1
reason = "of range"

[[case]]
name = "parked for nothing"
[[case.change]]
update = { id = 1, phone = "" }
"#);
    insta::assert_snapshot!("differences_are_told_row_by_row", said(&result));
}

#[test]
fn what_is_wrong_with_a_case_is_said_at_its_place() {
    for (name, cases) in [
        ("a_case_file_that_is_no_toml", "[[case]\nname = 'x'"),
        ("a_case_with_an_unknown_key", "[[case]]\nname = 'x'\nchanges = []"),
    ] {
        insta::assert_snapshot!(name, said(&run(cases)));
    }
    let wrong = [
        ("unknown mapping", "mapping = 'nope.sql'"),
        ("no mapping", ""),
        ("missing value", "mapping = 'users.sql'\nchange = [{ insert = { id = 1 } }]"),
        ("unknown column", "mapping = 'users.sql'\nchange = [{ update = { idd = 1 } }]"),
        ("bad value", "mapping = 'users.sql'\nchange = [{ update = { id = 'one' } }]"),
        ("two operations", "mapping = 'users.sql'\nchange = [{ update = {}, insert = {} }]"),
        ("bad time", "mapping = 'users.sql'\ncommitted_at = 'noon'\nchange = []"),
    ];
    let all: Vec<String> = wrong
        .iter()
        .map(|(name, rest)| {
            let change = if rest.contains("change =") { "" } else { "\nchange = []" };
            said(&run(&format!("[[case]]\nname = '{name}'\n{rest}{change}")))
        })
        .collect();
    insta::assert_snapshot!("cases_that_can_not_run", all.concat());
}
