//! What people see of conflicts, and what they may answer.

use super::answer::Subject;
use super::view::Eyes;
use super::{list, show};
use crate::arguments::{Choice, Exists};
use crate::project::Project;
use crate::project::rules_tests::{HR, SIS, Scene};
use crate::render::problems;
use syncline_control::{ClaimView, CloseReason, Conflict, ConflictKind, Event, Happened, State};

const FIELDS: &str = "[fields.email]\ntype = \"varchar(12)\"\npolicy = \"ask\"\n\
     [fields.born]\ntype = \"date\"\npolicy = \"ask\"\nsensitive = true\n\
     [fields.tongues]\ntype = \"text[]\"\npolicy = \"ask\"\n\
     [fields.street]\ntype = \"text\"\n[fields.city]\ntype = \"text\"\n\
     [groups.address]\nfields = [\"street\", \"city\"]\npolicy = \"ask\"\n";

const HOUR: i64 = 3_600_000_000;

fn project() -> Project {
    Scene::new(FIELDS, &[SIS, HR]).project()
}

fn word(source: &str, record: &str, value: Option<&str>) -> ClaimView {
    ClaimView {
        source: source.to_owned(),
        mapping: format!("person/from_{source}.sql"),
        record: format!("[\"{record}\"]"),
        value: value.map(str::to_owned),
        since: (source == "hr").then_some(HOUR),
        uncertainty_micros: 500_000,
    }
}

fn conflict(subject: &str, claims: Vec<ClaimView>) -> Conflict {
    Conflict {
        id: 17,
        entity: "person".to_owned(),
        key: "[\"S1042\"]".to_owned(),
        subject: subject.to_owned(),
        kind: ConflictKind::ValueConcurrent,
        state: State::Open,
        settled: None,
        evidence: "0a:0b".to_owned(),
        in_force: claims.first().and_then(|claim| claim.value.clone()),
        claims,
        policy: "What all sources agree on.".to_owned(),
        policy_revision: "r1".to_owned(),
        raised_at: HOUR,
        changed_at: 2 * HOUR,
        times_reopened: 1,
        waiting: 0,
    }
}

fn on(subject: &str, sis: &str, hr: &str) -> Conflict {
    conflict(subject, vec![word("sis", "1", Some(sis)), word("hr", "7", Some(hr))])
}

fn choice() -> Choice {
    Choice { take: None, value: None, null: false, both: false, exists: None }
}

fn take(source: &str) -> Choice {
    Choice { take: Some(source.to_owned()), ..choice() }
}

fn value(text: &str) -> Choice {
    Choice { value: Some(text.to_owned()), ..choice() }
}

fn answered(conflict: &Conflict, choice: &Choice) -> Result<Vec<Option<String>>, String> {
    let project = project();
    let answer = Subject::of(&project, conflict).and_then(|it| it.answer(choice, conflict));
    answer.map(|it| it.values).map_err(|failure| problems(&failure.problems))
}

fn one(text: &str) -> Result<Vec<Option<String>>, String> {
    Ok(vec![Some(text.to_owned())])
}

#[test]
fn an_answer_is_a_value_for_each_field() {
    let email = on("email", "a@sis", "a@hr");
    assert_eq!(answered(&email, &take("hr")), one("a@hr"));
    assert_eq!(answered(&email, &value("a@uni")), one("a@uni"));
    assert_eq!(answered(&email, &Choice { null: true, ..choice() }), Ok(vec![None]));
    let born = on("born", "1999-12-31", "1999-12-30");
    assert_eq!(answered(&born, &value("+1999-12-29")), one("1999-12-29"));
    let tongues = on("tongues", "{es,en}", "{en,\"old norse\"}");
    let both = Choice { both: true, ..choice() };
    assert_eq!(answered(&tongues, &both), one("{en,es,\"old norse\"}"));
    let address = on("address", "[\"Rue 5\",\"Paris\"]", "[\"Calle 1\",null]");
    assert_eq!(answered(&address, &take("hr")), Ok(vec![Some("Calle 1".to_owned()), None]));
    assert_eq!(answered(&address, &Choice { null: true, ..choice() }), Ok(vec![None, None]));
    let silent = conflict("address", vec![word("hr", "7", None)]);
    assert_eq!(answered(&silent, &take("hr")), Ok(vec![None, None]));
    let existence = on("existence", "deleted", "exists");
    assert_eq!(answered(&existence, &take("sis")), one("false"));
    let no = Choice { exists: Some(Exists::No), ..choice() };
    assert_eq!(answered(&existence, &no), one("false"));
    let twice = vec![word("hr", "7", Some("a")), word("hr", "8", Some("a"))];
    assert_eq!(answered(&conflict("email", twice), &take("hr")), one("a"));
}

#[test]
fn what_is_no_answer_is_told() {
    let email = on("email", "a@sis", "a@hr");
    let twice = vec![word("hr", "7", Some("a")), word("hr", "8", Some("b"))];
    let both = Choice { both: true, ..choice() };
    let yes = Choice { exists: Some(Exists::Yes), ..choice() };
    let told = [
        answered(&email, &take("sys")),
        answered(&conflict("email", twice), &take("hr")),
        answered(&email, &value("much too long an address")),
        answered(&on("born", "1999-12-31", "1999-12-30"), &value("yesterday")),
        answered(&on("address", "[]", "[]"), &value("Calle 1, Madrid")),
        answered(&on("address", "[]", "[]"), &value("[\"Calle 1\"]")),
        answered(&email, &both),
        answered(&on("tongues", "{a}", "{{b}}"), &both),
        answered(&email, &yes),
        answered(&on("existence", "deleted", "exists"), &value("yes")),
        answered(&on("nickname", "a", "b"), &take("hr")),
    ];
    insta::assert_snapshot!(told.map(|it| it.expect_err("it is none")).join("\n"));
}

#[test]
fn conflicts_are_listed_and_shown_with_what_is_sensitive_covered() {
    let project = project();
    let [covered, revealed] = [false, true].map(|reveal| Eyes::new(&project, reveal, 49 * HOUR));
    let all = || {
        vec![on("email", "a@sis", "a\n@hr, quite long for a list"), on("born", "1999-12-31", "x")]
    };
    let listed = list::text_of(all().into_iter().map(|it| covered.see(it)).collect(), 1_200);
    let born = || Conflict {
        state: State::Closed,
        settled: Some(CloseReason::Decided { decision: "17-x".to_owned() }),
        ..on("born", "1999-12-31", "1999-12-30")
    };
    let claims = born().claims;
    let evidence = "0a:0b".to_owned();
    let after = CloseReason::Agreed;
    let events = [
        Happened::Raised { evidence: evidence.clone(), claims: claims.clone() },
        Happened::Reopened { after, evidence, claims },
        Happened::Decided { decision: "17-x".to_owned(), by: "maria".to_owned() },
        Happened::Closed { reason: CloseReason::Decided { decision: "17-x".to_owned() } },
    ];
    let events: Vec<Event> =
        (1..).zip(events).map(|(id, happened)| Event { id, at: id * HOUR, happened }).collect();
    let shown = [covered, revealed].map(|eyes| show::text_of(born(), events.clone(), eyes));
    assert!(!listed.contains("1999") && !shown[0].contains("1999-12-3"), "{listed}{}", shown[0]);
    insta::assert_snapshot!([listed, shown.join("\n")].join("\n"));
}
