//! The claims of all entities, for whoever asks: why a row is as it is, and what other rules would change.

use crate::clock::SystemClock;
use crate::masked;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::state::State;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use syncline_core::{
    Column, Cursor, Error, Expression, Expressions, Kind, LostExpression, Result, SystemName,
};
use syncline_mappings::PolicyExpressions;
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{Entity, EntityRules, JournaledRows, Preview, Rows, SharedEntity, Why};
use syncline_runtime::Clock as _;
use syncline_segment::RealDisk;

/// The folder of claims in the state directory.
const CLAIMS: &str = "claims";

/// How many entities are opened side by side.
const AT_A_TIME: usize = 8;

/// The claims of all entities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weighing {
    entities: BTreeMap<String, SharedEntity>,
    sensitive: BTreeMap<String, BTreeSet<String>>,
    /// Held where this process has nothing else to hold it for.
    _state: Option<Arc<State>>,
}

/// Which row is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The entity.
    pub(crate) entity: String,
    /// Its key, as texts in the key's order.
    pub(crate) key: Vec<String>,
    /// The field or group; all without it.
    pub(crate) field: Option<String>,
    /// Whether sensitive values are shown.
    pub(crate) reveal: bool,
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Why it is so.
    Why(Box<Why>),
    /// Nobody ever spoke of it; perhaps this key is meant, which somebody spoke of.
    Unheard {
        /// The key.
        meant: Option<Vec<String>>,
    },
    /// The question can't be answered.
    Refused(Refusal),
}

/// What other rules would change, by entity.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Foretold {
    /// Of the entities whose rules are others.
    Changes(Vec<Preview>),
    /// It can't be told.
    Refused(Refusal),
}

/// An error on its way from the running process to a command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    kind: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = error.kind().as_str().to_owned();
        let Problem { message, detail, hint, .. } = error.into();
        Self { kind, message, detail, hint }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, message, detail, hint } = refusal;
        let problem = Problem { detail, ..Problem::new(message) }.hint(hint);
        Self::new(Exit::of_word(&kind), problem)
    }
}

impl Weighing {
    /// Opens the claims of entities with these rules; makes those that are not there.
    pub(crate) fn open(project: &Project, state: &State, rules: Vec<EntityRules>) -> Outcome<Self> {
        let expressions: Arc<dyn Expressions> = Arc::new(PolicyExpressions::default());
        Self::open_with(project, state, rules, &expressions)
    }

    fn open_with(
        project: &Project,
        state: &State,
        rules: Vec<EntityRules>,
        expressions: &Arc<dyn Expressions>,
    ) -> Outcome<Self> {
        let mut entities = BTreeMap::new();
        for some in rules.chunks(AT_A_TIME) {
            // Side by side: what is elsewhere is asked for over a network.
            let opened: Vec<Outcome<Entity>> = thread::scope(|scope| {
                let opening: Vec<_> = some
                    .iter()
                    .map(|rules| {
                        scope.spawn(move || {
                            let settings = project.settings.claims;
                            open_entity((state, settings), rules.clone(), expressions)
                        })
                    })
                    .collect();
                let join = |it: thread::ScopedJoinHandle<'_, _>| {
                    it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                opening.into_iter().map(join).collect()
            });
            for (rules, entity) in some.iter().zip(opened) {
                entities.insert(rules.schema.name().to_string(), SharedEntity::new(entity?));
            }
        }
        Ok(Self { entities, sensitive: project.sensitive_fields(), _state: None })
    }

    /// Opens the claims that are there, where no other process works on them.
    pub(crate) fn open_kept(project: &Project, mut rules: Vec<EntityRules>) -> Outcome<Self> {
        let state = project.state();
        rules.retain(|rules| is_kept(&state, &rules.schema.name().to_string()));
        if rules.is_empty() {
            return Ok(Self::default());
        }
        let state = State::open(project)?;
        let expressions: Arc<dyn Expressions> = Arc::new(Forgiving(PolicyExpressions::default()));
        let weighing = Self::open_with(project, &state, rules, &expressions)?;
        Ok(Self { _state: Some(Arc::new(state)), ..weighing })
    }

    /// Whether nobody else has claims in his hands.
    pub(crate) fn is_alone(&self) -> bool {
        self.entities.values().all(SharedEntity::is_alone)
    }

    /// The claims of an entity.
    pub(crate) fn entity(&self, name: &str) -> Option<&SharedEntity> {
        self.entities.get(name)
    }

    /// Answers a question; may wait for the disk.
    pub(crate) fn why(&self, question: &Question) -> Answer {
        let Question { entity: name, key, field, reveal } = question;
        let Some(entity) = self.entities.get(name) else {
            let unknown = Error::new(Kind::Config, format!("nothing was ever said of any {name}"));
            let unknown = unknown.hint("run `syncline run` with the project as it is now");
            return Answer::Refused(unknown.into());
        };
        let answer = entity.with(|entity| -> Result<Answer> {
            if let Some(why) = asked(entity, key, field.as_deref())? {
                return Ok(Answer::Why(Box::new(why)));
            }
            Ok(Answer::Unheard { meant: meant(entity, key)? })
        });
        match answer {
            Ok(Answer::Why(mut why)) => {
                if let Some(sensitive) = self.sensitive.get(name).filter(|_| !reveal) {
                    masked::why(&mut why, sensitive);
                }
                Answer::Why(why)
            }
            Ok(answer) => answer,
            Err(error) => Answer::Refused(Refusal::from(error)),
        }
    }

    /// What these rules would change; reads all claims of the entities whose rules are others.
    pub(crate) fn foretell(&self, rules: Vec<EntityRules>) -> Foretold {
        let foretold = rules.into_iter().filter_map(|rules| {
            let name = rules.schema.name().to_string();
            let entity = self.entities.get(&name)?;
            let mut preview = foretell(entity, rules).transpose()?;
            if let (Ok(preview), Some(sensitive)) = (&mut preview, self.sensitive.get(&name)) {
                masked::preview(preview, sensitive);
            }
            Some(preview)
        });
        match foretold.collect::<Result<Vec<_>>>() {
            Ok(previews) => Foretold::Changes(previews),
            Err(error) => Foretold::Refused(error.into()),
        }
    }
}

fn open_entity(
    (state, settings): (&State, StoreSettings),
    rules: EntityRules,
    expressions: &Arc<dyn Expressions>,
) -> Outcome<Entity> {
    let name = rules.schema.name().to_string();
    let directory = directory(&state.directory, &name);
    let rows = RowStore::open(Arc::new(RealDisk), &directory, settings)?;
    if state.is_ours.as_ref().is_some_and(|it| !it.load(Ordering::Relaxed)) {
        return Err(Error::new(Kind::Unavailable, "another worker has the project by now").into());
    }
    let rows: Box<dyn Rows> = match state.journal(&name)? {
        Some(journal) => Box::new(JournaledRows::open(rows, journal)?),
        None => Box::new(rows),
    };
    // Claims that are begun anew are told from those that went before them.
    let id = SystemClock.now().unsigned_abs();
    Ok(Entity::open_with(rows, rules, id, expressions.clone())?)
}

/// Where the project's expressions are wrong by now, those in force still tell why.
#[derive(Debug)]
struct Forgiving(PolicyExpressions);

impl Expressions for Forgiving {
    fn expression(
        &self,
        text: &str,
        sources: &[SystemName],
        field: &Column,
    ) -> Result<Arc<dyn Expression>> {
        let lost = |error: Error| -> Arc<dyn Expression> {
            let (data_type, reason) = (field.data_type.clone(), error.to_string());
            Arc::new(LostExpression { data_type, reason })
        };
        Ok(self.0.expression(text, sources, field).unwrap_or_else(lost))
    }
}

fn directory(state: &Path, entity: &str) -> PathBuf {
    state.join(CLAIMS).join(entity)
}

fn is_kept(state: &Path, entity: &str) -> bool {
    directory(state, entity).exists()
}

fn asked(entity: &mut Entity, key: &[String], field: Option<&str>) -> Result<Option<Why>> {
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    entity.why(&key, field)
}

/// The key as it is written otherwise, where somebody spoke of that.
fn meant(entity: &mut Entity, key: &[String]) -> Result<Option<Vec<String>>> {
    let spellings: [fn(&str) -> String; 4] = [
        |text| text.trim().to_owned(),
        |text| text.trim().to_uppercase(),
        |text| text.trim().to_lowercase(),
        |text| text.trim().trim_start_matches('0').to_owned(),
    ];
    for spelling in spellings {
        let key: Vec<String> = key.iter().map(|text| spelling(text)).collect();
        if let Ok(Some(why)) = asked(entity, &key, None) {
            return Ok(Some(why.key));
        }
    }
    Ok(None)
}

/// Piece by piece, so that whoever weighs claims meanwhile does not wait for all of it.
fn foretell(entity: &SharedEntity, rules: EntityRules) -> Result<Option<Preview>> {
    let Some(mut previewing) = entity.with(|entity| entity.previewing(rules))? else {
        return Ok(None);
    };
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        from = entity.with(|entity| entity.preview(&mut previewing, cursor))?;
    }
    Ok(Some(previewing.finish()))
}
