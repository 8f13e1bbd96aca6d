//! The university's systems disagree: who is asked what, what holds meanwhile, and when it is over. What must
//! be asked stands in a file that the generator of its data wrote, not the engine.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use syncline_control::{Conflict, Control, Filter, State};
use syncline_demo::{
    Cluster, ClusterOptions, Disagreement, Durability, Program, Running, Size, System, Truth,
    University, verify,
};
use syncline_tests::{check_health, copy_reference, program, until};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(90);

/// A question, as it must read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    entity: String,
    key: String,
    subject: String,
    kind: String,
    /// Who says what.
    words: BTreeSet<(String, String)>,
    in_force: Option<String>,
}

/// The truth file.
#[derive(Debug, Deserialize)]
struct TruthFile {
    disagreement: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    person: String,
    subject: String,
    kind: String,
    asked: bool,
    words: Vec<ToldWord>,
    in_force: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ToldWord {
    source: String,
    value: String,
}

impl From<Told> for Asked {
    fn from(told: Told) -> Self {
        let Told { person, subject, kind, words, in_force, .. } = told;
        let words = words.into_iter().map(|it| (it.source, it.value)).collect();
        let key = format!("[\"{person}\"]");
        Self { entity: "person".to_owned(), key, subject, kind, words, in_force }
    }
}

impl From<Conflict> for Asked {
    fn from(found: Conflict) -> Self {
        let Conflict { entity, key, subject, kind, claims, in_force, .. } = found;
        let words = claims.into_iter().map(|it| (it.source, it.value.unwrap_or_default()));
        let (kind, words) = (kind.as_str().to_owned(), words.collect());
        Self { entity, key, subject, kind, words, in_force }
    }
}

/// A small university with the reference project, and nobody at work but this test.
struct Campus {
    university: University,
    program: Program,
    running: Option<Running>,
    directory: TempDir,
    _cluster: Cluster,
}

impl Campus {
    async fn build() -> Result<Self> {
        let options = ClusterOptions { durability: Durability::None, ..ClusterOptions::default() };
        let cluster = Cluster::start(options)?;
        let university = University::build(&cluster, &cluster, Size::scaled(0.02)).await?;
        let program = program()?.with(university.environment());
        let directory = tempfile::tempdir()?;
        let campus = Self { university, program, running: None, directory, _cluster: cluster };
        copy_reference(&campus.project())?;
        campus.syncline("lock")?;
        Ok(campus)
    }

    fn project(&self) -> PathBuf {
        self.directory.path().join("university")
    }

    /// Runs a command that must go well, and tells what it says.
    fn syncline(&self, command: &str) -> Result<String> {
        let output = self.program.command(&self.project()).arg(command).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command}: {said}{wrong}");
        Ok(said)
    }

    async fn at(&self, system: System, sql: &str) -> Result<()> {
        let done = self.university.connect(system).await?.batch_execute(sql).await;
        done.with_context(|| format!("{system}: {sql}"))
    }

    /// All at the same moment, as far as clocks can tell.
    async fn at_once<const N: usize>(&self, told: [(System, String); N]) -> Result<()> {
        let mut ready = Vec::new();
        for (system, sql) in told {
            ready.push((self.university.connect(system).await?, sql));
        }
        let told = ready
            .into_iter()
            .map(|(client, sql)| tokio::spawn(async move { client.batch_execute(&sql).await }));
        for told in told.collect::<Vec<_>>() {
            told.await??;
        }
        Ok(())
    }

    async fn text(&self, system: System, question: &str) -> Result<Option<String>> {
        let row = self.university.connect(system).await?.query_opt(question, &[]).await?;
        Ok(row.and_then(|row| row.get(0)))
    }

    /// Waits until exactly this is asked, and every target holds what is agreed, row by row.
    async fn until_asked(&mut self, what: &str, expected: &BTreeSet<Asked>) -> Result<()> {
        let mut running = self.running.take().context("it runs")?;
        let project = self.project();
        let mut last = String::new();
        let waited = until(what, DEADLINE, async || {
            running.check()?;
            check_health(&project)?;
            let asked = asked(&project).await?;
            let report = verify(&self.university).await?;
            last = format!("{}\n{report}", differences(expected, &asked));
            Ok(asked == *expected && report.is_equal() && report.parked() == 0)
        })
        .await;
        waited.with_context(|| format!("{last}\n{}", running.last_words()))?;
        self.running = Some(running);
        Ok(())
    }
}

async fn control(project: &Path) -> Result<Option<Control>> {
    let file = project.join(".syncline/control.sqlite");
    Ok(Control::open_read_only(&file.to_string_lossy()).await?)
}

/// All that is open.
async fn asked(project: &Path) -> Result<BTreeSet<Asked>> {
    let Some(control) = control(project).await? else { return Ok(BTreeSet::new()) };
    let filter = Filter { state: Some(State::Open), limit: 10_000, ..Filter::default() };
    let open = control.list(&filter).await?;
    let count = open.len();
    let asked: BTreeSet<Asked> = open.into_iter().map(Asked::from).collect();
    ensure!(asked.len() == count, "nothing is asked twice");
    Ok(asked)
}

/// The conflict on something, however it stands.
async fn conflict(project: &Path, key: &str, subject: &str) -> Result<Conflict> {
    let control = control(project).await?.context("there is a store")?;
    let filter = Filter { subject: Some(subject.to_owned()), limit: 10_000, ..Filter::default() };
    let found = control.list(&filter).await?.into_iter().find(|it| it.key == key);
    found.with_context(|| format!("no conflict on {subject} of {key}"))
}

fn differences(expected: &BTreeSet<Asked>, asked: &BTreeSet<Asked>) -> String {
    let missing = expected.difference(asked).map(|it| format!("not asked: {it:?}"));
    let extra = asked.difference(expected).map(|it| format!("asked too: {it:?}"));
    missing.chain(extra).collect::<Vec<_>>().join("\n")
}

/// What the file says that people are asked.
fn read_truth(file: &Path) -> Result<BTreeSet<Asked>> {
    let truth: TruthFile = toml::from_str(&std::fs::read_to_string(file)?)?;
    Ok(truth.disagreement.into_iter().filter(|it| it.asked).map(Asked::from).collect())
}

fn key_of(disagreement: &Disagreement) -> (String, String) {
    (format!("[\"{}\"]", disagreement.person), disagreement.subject.to_owned())
}

#[tokio::test]
async fn the_reference_project_is_well_and_its_cases_pass() -> Result<()> {
    let campus = Campus::build().await?;
    let checked = campus.syncline("check")?;
    ensure!(checked.contains("0 errors, 0 warnings"), "{checked}");
    let tested = campus.syncline("test")?;
    ensure!(tested.contains(" 0 failed") && !tested.contains("0 passed"), "{tested}");
    Ok(())
}

#[tokio::test]
async fn what_is_asked_is_what_the_systems_disagree_on() -> Result<()> {
    let mut campus = Campus::build().await?;
    let truth = campus.university.truth();
    let file = campus.project().join("truth.toml");
    std::fs::write(&file, truth.to_string())?;
    let from_the_beginning = read_truth(&file)?;
    ensure!(from_the_beginning.len() == truth.asked().count(), "the file says all");
    ensure!(from_the_beginning.len() >= 10, "{from_the_beginning:?}");
    campus.running = Some(campus.program.run(&campus.project())?);
    campus.until_asked("what the truth says is asked", &from_the_beginning).await?;

    let still = one_in_two_gives_in(&mut campus, &truth, &from_the_beginning).await?;
    let again = they_fall_out_again(&mut campus, &truth, &still).await?;
    one_strikes_out_what_the_other_keeps(&mut campus, &again).await?;
    a_number_is_changed_and_changed_back(&mut campus, &again).await?;
    policy_decides_without_asking(&mut campus, &again).await
}

/// Every second one of those who are asked about.
fn who_give_in(truth: &Truth) -> impl Iterator<Item = &Disagreement> {
    truth.asked().step_by(2)
}

async fn one_in_two_gives_in(
    campus: &mut Campus,
    truth: &Truth,
    before: &BTreeSet<Asked>,
) -> Result<BTreeSet<Asked>> {
    let mut still = before.clone();
    for it in who_give_in(truth) {
        let (key, subject) = key_of(it);
        still.retain(|asked| (&asked.key, &asked.subject) != (&key, &subject));
        campus.at(it.peace.0, &it.peace.1).await?;
    }
    campus.until_asked("those who came to agree are left alone", &still).await?;
    for it in who_give_in(truth) {
        let (key, subject) = key_of(it);
        let found = conflict(&campus.project(), &key, &subject).await?;
        ensure!(found.state == State::Closed && found.times_reopened == 0, "{found:?}");
    }
    Ok(still)
}

/// The same quarrels once more. What was agreed on in between holds, where nothing else does.
async fn they_fall_out_again(
    campus: &mut Campus,
    truth: &Truth,
    still: &BTreeSet<Asked>,
) -> Result<BTreeSet<Asked>> {
    let mut expected = still.clone();
    for it in who_give_in(truth) {
        let (key, subject) = key_of(it);
        let words = it.words.iter().map(|said| (said.source.to_string(), said.value.clone()));
        let mut asked = Asked {
            entity: "person".to_owned(),
            key,
            subject,
            kind: it.kind.to_owned(),
            words: words.collect(),
            in_force: it.in_force.clone(),
        };
        match it.subject {
            "post" => both_move(campus, &it.person, &mut asked).await?,
            "national_id" => {
                // HR gave in, so that the student desk's was agreed on.
                asked.in_force = Some(it.words[0].value.clone());
                say_again(campus, it).await?;
            }
            _ => say_again(campus, it).await?,
        }
        expected.insert(asked);
    }
    campus.until_asked("those who fall out again are asked about again", &expected).await?;
    for it in who_give_in(truth) {
        let (key, subject) = key_of(it);
        let found = conflict(&campus.project(), &key, &subject).await?;
        ensure!(found.times_reopened >= 1, "{found:?}");
    }
    Ok(expected)
}

async fn say_again(campus: &Campus, it: &Disagreement) -> Result<()> {
    for (system, sql) in &it.quarrel {
        campus.at(*system, sql).await?;
    }
    Ok(())
}

/// Both move house within the clocks' uncertainty, so that nobody can tell who spoke last.
async fn both_move(campus: &mut Campus, person: &str, asked: &mut Asked) -> Result<()> {
    let mut words = asked.words.iter();
    let (_, agreed) = words.find(|(source, _)| source == "sis").context("the desk says one")?;
    let agreed = agreed.clone();
    campus.university.remember_post(person, serde_json::from_str(&agreed)?);
    let move_to = |table: &str, street: &str| {
        format!(
            "UPDATE {table} SET street = '{street}', postcode = '1', city = 'Vic'
             WHERE student_no = '{person}'"
        )
    };
    let (desk, hr) = (move_to("students", "Carrer Nou 1"), move_to("employees", "Carrer Vell 2"));
    campus.at_once([(System::Sis, desk), (System::Hr, hr)]).await?;
    let word =
        |source: &str, street: &str| (source.to_owned(), format!(r#"["{street}","1","Vic"]"#));
    asked.words = BTreeSet::from([word("sis", "Carrer Nou 1"), word("hr", "Carrer Vell 2")]);
    asked.in_force = Some(agreed);
    Ok(())
}

async fn one_strikes_out_what_the_other_keeps(
    campus: &mut Campus,
    before: &BTreeSet<Asked>,
) -> Result<()> {
    let lesson = "course_id = 7 AND role = 'lecturer'";
    let teacher = campus
        .text(System::Sis, &format!("SELECT employee_no::text FROM lecturers WHERE {lesson}"))
        .await?
        .context("somebody teaches")?;
    let (strike, put_back) = (
        format!("DELETE FROM lecturers WHERE {lesson}"),
        format!("INSERT INTO lecturers VALUES (7, {teacher}, 'lecturer', 2)"),
    );
    let word = |source: &str, value: &str| (source.to_owned(), value.to_owned());
    let asked = Asked {
        entity: "teaching".to_owned(),
        key: format!(r#"["7","{teacher}"]"#),
        subject: "existence".to_owned(),
        kind: "delete_vs_update".to_owned(),
        words: BTreeSet::from([word("sis", "deleted"), word("hr", "exists")]),
        in_force: Some("true".to_owned()),
    };
    let mut expected = before.clone();
    expected.insert(asked);
    campus.at(System::Sis, &strike).await?;
    campus.until_asked("a person says whether it is off", &expected).await?;
    campus.at(System::Sis, &put_back).await?;
    campus.until_asked("put back, nothing is asked", before).await?;
    campus.at(System::Sis, &strike).await?;
    campus.until_asked("struck out again, it is asked again", &expected).await?;
    let hr = format!("DELETE FROM assignments WHERE course_id = 7 AND employee_no = {teacher}");
    campus.at(System::Hr, &hr).await?;
    campus.until_asked("struck out by both, it is gone", before).await
}

/// Under another number HR knows nobody; under the old one there is nobody to ask about.
async fn a_number_is_changed_and_changed_back(
    campus: &mut Campus,
    before: &BTreeSet<Asked>,
) -> Result<()> {
    let asked = before.iter().find(|it| it.subject == "birth_date").context("one is asked")?;
    let number = asked.key.trim_matches(['[', ']', '"']).to_owned();
    let renamed = number.replace('S', "R");
    let rename = |from: &str, to: &str| {
        format!("UPDATE students SET student_no = '{to}' WHERE student_no = '{from}'")
    };
    let without: BTreeSet<Asked> =
        before.iter().filter(|it| it.key != asked.key).cloned().collect();
    campus.at(System::Sis, &rename(&number, &renamed)).await?;
    campus.until_asked("nobody is asked about who is gone", &without).await?;
    campus.at(System::Sis, &rename(&renamed, &number)).await?;
    campus.until_asked("who comes back is asked about again", before).await?;
    let found = conflict(&campus.project(), &asked.key, "birth_date").await?;
    ensure!(found.times_reopened >= 1, "{found:?}");
    Ok(())
}

/// What others own is not changed by whoever says otherwise, and nobody is bothered.
async fn policy_decides_without_asking(
    campus: &mut Campus,
    before: &BTreeSet<Asked>,
) -> Result<()> {
    let truth = campus.university.truth();
    let of_kind = |kind: &str| truth.disagreements.iter().find(move |it| it.kind == kind);
    let person = of_kind("owner_overridden").context("there is one")?.person.clone();
    let typed = |field: &str, value: &str| {
        format!(
            "UPDATE users SET {field} = '{value}' WHERE user_id = '{person}';
             INSERT INTO self_service (user_id, field, value)
             VALUES ('{person}', '{field}', '{value}')"
        )
    };
    campus.at(System::Lms, &typed("preferred_name", "Bego")).await?;
    campus.until_asked("people say how they are called", before).await?;
    let names = format!(
        "UPDATE students SET preferred_name = 'B.', given_name = 'Begonia', phone = '+34 1'
         WHERE student_no = '{person}'"
    );
    let phone = format!("UPDATE employees SET phone = '+34 2' WHERE student_no = '{person}'");
    let phone_typed = typed("phone", "+34 3");
    let told = [(System::Sis, names), (System::Hr, phone), (System::Lms, phone_typed)];
    campus.at_once(told).await?;
    campus.until_asked("the student desk does not say otherwise", before).await?;
    let shown = format!(
        "SELECT display_name || '; ' || sort_name || '; ' || phone FROM users
         WHERE user_id = '{person}'"
    );
    let expected = "Bego Ibáñez Peña; Ibáñez Peña, Begoña María; +34 3";
    until("self-service wins where the clocks can't tell", DEADLINE, async || {
        Ok(campus.text(System::Lms, &shown).await?.as_deref() == Some(expected))
    })
    .await?;
    let kinds: BTreeMap<&str, usize> = before.iter().fold(BTreeMap::new(), |mut kinds, it| {
        *kinds.entry(it.kind.as_str()).or_default() += 1;
        kinds
    });
    ensure!(kinds.len() == 3, "{kinds:?}");
    Ok(())
}
