//! `why`: why a row of an entity is as it is, and where it goes.
//!
//! The running process is asked, since the claims are its; where none runs, they are opened here.

use super::Context;
use super::parked::kept;
use super::why_text::to_text;
use crate::arguments::Why as Arguments;
use crate::live::{ADDRESS_FILE, ask, ask_why};
use crate::problem::{Exit, Failure, Outcome, Problem, did_you_mean};
use crate::project::{Entity, Project, System};
use crate::weighing::{Answer, Question, Weighing};
use crate::{checked, masked};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use syncline_control::{Control, Filter, State};
use syncline_core::{Parked, SystemName};
use syncline_mappings::Mapping;
use syncline_postgres::{ParkedRow, list_parked};
use syncline_resolve::Why;
use tokio::time::timeout;

/// How long a target may take to say what it has set aside.
const TARGET_TIMEOUT: Duration = Duration::from_secs(5);

/// Why, with what else is known of the row.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) why: Why,
    /// The open conflicts by field, group or `existence`.
    pub(super) conflicts: BTreeMap<String, i64>,
    /// Whether a process works on the project.
    pub(super) is_running: bool,
    /// The mappings that read the entity.
    pub(super) goes_to: Vec<Route>,
}

/// A mapping that carries the row on.
#[derive(Debug, Serialize)]
pub(super) struct Route {
    /// Its file.
    pub(super) mapping: String,
    /// What it writes.
    pub(super) writes: String,
    /// How far its lane is; none where nothing runs.
    pub(super) lane: Option<LaneNow>,
    /// Why this row is set aside there.
    pub(super) set_aside: Vec<String>,
    /// Why that could not be found out.
    pub(super) unknown: Option<String>,
}

/// How far a lane is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LaneNow {
    /// `running`, `retrying`, `stopped` …
    pub(super) state: String,
    /// Entries of the log that are not at the target yet.
    pub(super) waiting: u64,
    /// Age of the oldest of them, in ms.
    pub(super) lag_ms: f64,
}

/// Explains one row.
pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Outcome<Exit> {
    let project = context.project()?;
    let question = question(&project, arguments)?;
    let lock = project.read_lock()?;
    let mappings = checked::check(&project, &lock).mappings;
    let why = answer(&project, &mappings, &question).await?;
    let conflicts = open_conflicts(&project, &why).await?;
    let lanes = lanes(&project).await;
    let goes_to = routes(&project, &mappings, &why, lanes.as_ref()).await;
    let report = Report { why, conflicts, is_running: lanes.is_some(), goes_to };
    context.output.result(&report, |report| to_text(report, arguments.words.len()));
    Ok(Exit::Ok)
}

/// As many words as the key has columns, and perhaps a field.
fn question(project: &Project, arguments: &Arguments) -> Outcome<Question> {
    let Arguments { entity: name, words, reveal } = arguments;
    let entity = project.entity(name).ok_or_else(|| {
        let names: Vec<String> = project.entity_schemas().map(|it| it.name().to_string()).collect();
        Problem::new(format!("unknown entity {name:?}"))
            .detail(format!("the project has {}", names.join(", ")))
            .hint(did_you_mean(name, names.iter().map(String::as_str)))
    })?;
    let columns = key_names(entity);
    if words.len() < columns.len() || words.len() > columns.len() + 1 {
        let example = format!("syncline why {name} {} [FIELD]", columns.join(" ").to_uppercase());
        let wrong = Problem::new(format!("the key of {name} is {}", columns.join(", ")))
            .detail(format!("{} words were given; the last may be a field", words.len()))
            .hint(example);
        return Err(Failure::new(Exit::Usage, wrong));
    }
    let (key, field) = words.split_at(columns.len());
    let field = field.first().cloned();
    if let Some(field) = &field {
        known_field(entity, field)?;
    }
    Ok(Question { entity: name.clone(), key: key.to_vec(), field, reveal: *reveal })
}

fn key_names(entity: &Entity) -> Vec<&str> {
    let columns = entity.schema.columns();
    entity.schema.key().iter().map(|&column| columns[column].name.as_str()).collect()
}

fn known_field(entity: &Entity, field: &str) -> Outcome<()> {
    let columns = entity.schema.columns().iter().map(|column| column.name.as_str());
    let groups = entity.units.iter().filter(|declared| declared.group.is_some());
    let names: Vec<&str> = columns.chain(groups.map(|it| it.unit.name.as_str())).collect();
    let wrong = if key_names(entity).contains(&field) {
        Problem::new(format!("{field} is part of the key of {}", entity.name()))
            .detail("the key is decided by nothing: it says which records speak of the same")
            .hint("ask for another field, or leave it out to see all".to_owned())
    } else if names.contains(&field) {
        return Ok(());
    } else {
        Problem::new(format!("entity {} has no field {field:?}", entity.name()))
            .detail(format!("it has {}", names.join(", ")))
            .hint(did_you_mean(field, names.iter().copied()))
    };
    Err(wrong.into())
}

async fn answer(project: &Project, mappings: &[Mapping], question: &Question) -> Outcome<Why> {
    let state = project.state();
    let answer = match state.join(ADDRESS_FILE).exists() {
        true => ask_why(&state, question).await.ok(),
        false => None,
    };
    let answer = match answer {
        Some(answer) => answer,
        // Where a process has the state and does not answer, this says so.
        None => Weighing::open_kept(project, project.entity_rules(mappings))?.why(question),
    };
    match answer {
        Answer::Why(mut why) => {
            // A running process may not know yet that a field is sensitive.
            let sensitive = project.sensitive_fields().remove(&question.entity);
            if let Some(sensitive) = sensitive.filter(|_| !question.reveal) {
                masked::why(&mut why, &sensitive);
            }
            Ok(*why)
        }
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Unheard { meant } => {
            let (entity, key) = (&question.entity, question.key.join(" "));
            let wrong = Problem::new(format!("no source ever spoke of {entity} {key}"))
                .detail("keys are compared letter by letter, as the mappings give them");
            let meant = meant.map(|meant| format!("did you mean {:?}?", meant.join(" ")));
            let elsewhere = || "`syncline parked list` shows rows that did not get that far".into();
            Err(Failure::new(Exit::Findings, wrong.hint(meant.unwrap_or_else(elsewhere))))
        }
    }
}

/// The ids of what waits for a person on this row.
async fn open_conflicts(project: &Project, why: &Why) -> Outcome<BTreeMap<String, i64>> {
    let control = Control::open_read_only(&project.control()?).await;
    let Some(control) = control.map_err(syncline_core::Error::from)? else {
        return Ok(BTreeMap::new());
    };
    let key = serde_json::to_string(&why.key).expect("texts are JSON");
    let mut filter = Filter {
        entity: Some(why.entity.clone()),
        state: Some(State::Open),
        key_text: Some(why.key.join(" ")),
        ..Filter::default()
    };
    let mut found = BTreeMap::new();
    loop {
        let page = control.list(&filter).await.map_err(syncline_core::Error::from)?;
        let of_key = page.iter().filter(|conflict| conflict.key == key);
        found.extend(of_key.map(|conflict| (conflict.subject.clone(), conflict.id)));
        filter.after = page.last().map(|conflict| conflict.id);
        if page.len() < filter.limit as usize {
            control.close().await;
            return Ok(found);
        }
    }
}

/// What the running process says of its mappings and lanes.
async fn lanes(project: &Project) -> Option<serde_json::Value> {
    let status = ask(&project.state(), "/status", "application/json").await.ok()?;
    serde_json::from_str(&status).ok()
}

async fn routes(
    project: &Project,
    mappings: &[Mapping],
    why: &Why,
    status: Option<&serde_json::Value>,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for mapping in mappings.iter().filter(|it| it.reads.to_string() == why.entity) {
        let (set_aside, unknown) = match set_aside(project, mapping, why).await {
            Ok(reasons) => (reasons, None),
            Err(failure) => {
                let first = failure.problems.into_iter().next();
                (Vec::new(), first.map(|problem| problem.message))
            }
        };
        routes.push(Route {
            mapping: mapping.name.clone(),
            writes: mapping.writes.to_string(),
            lane: status.and_then(|status| lane_of(status, &mapping.name)),
            set_aside,
            unknown,
        });
    }
    routes
}

fn lane_of(status: &serde_json::Value, mapping: &str) -> Option<LaneNow> {
    let mapping = status.get("mappings")?.get(mapping)?;
    let lane = status.get("lanes")?.get(mapping.get("lane")?.as_str()?)?;
    let number = |name: &str| lane.get(name).and_then(serde_json::Value::as_u64);
    Some(LaneNow {
        state: lane.get("state")?.as_str()?.to_owned(),
        waiting: number("end")?.saturating_sub(number("next")?),
        lag_ms: lane.get("lag_ms")?.as_f64()?,
    })
}

/// Why the target has set this row aside. A row that the target refused is known by the target's key:
/// it is found where that is the entity's.
async fn set_aside(project: &Project, mapping: &Mapping, why: &Why) -> Outcome<Vec<String>> {
    let Some(system) = mapping.writes.system() else { return Ok(Vec::new()) };
    let rows = timeout(TARGET_TIMEOUT, at_target(project, system)).await.map_err(|_| {
        let wrong = Problem::new(format!("system {system} does not answer in time"));
        Failure::new(Exit::Unavailable, wrong)
    })??;
    let key = serde_json::to_string(&why.key).expect("texts are JSON");
    let of_row = rows.into_iter().filter(|row| row.mapping == mapping.name && row.key == key);
    Ok(of_row.map(|row| row.reason).collect())
}

/// A row that a target has set aside: mapping, key and reason.
struct AtTarget {
    mapping: String,
    key: String,
    reason: String,
}

async fn at_target(project: &Project, system: &SystemName) -> Outcome<Vec<AtTarget>> {
    Ok(match project.system(system)? {
        System::Postgres(_) => {
            let rows = list_parked(&project.postgres(system)?).await?.into_iter();
            let of = |row: ParkedRow| AtTarget {
                mapping: row.mapping,
                key: row.key,
                reason: row.reason,
            };
            rows.map(of).collect()
        }
        System::Debezium(_) => {
            let rows = kept(project, system).await?.into_iter();
            let of = |(_, row): (_, Parked)| AtTarget {
                mapping: row.key.mapping,
                key: row.key.key,
                reason: row.reason,
            };
            rows.map(of).collect()
        }
        System::Generator(_) | System::Discard => Vec::new(),
    })
}
