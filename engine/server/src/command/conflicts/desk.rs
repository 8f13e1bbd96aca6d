//! The control store, as people come to it.

use crate::arguments::ConflictFilter;
use crate::clock::SystemClock;
use crate::policies::EXISTENCE;
use crate::problem::{Exit, Failure, Outcome, Problem, did_you_mean};
use crate::project::{Entity, Project};
use std::time::Duration;
use syncline_control::{Conflict, Control, Filter, Order};
use syncline_runtime::Clock as _;

/// The store of a project to read; none where nothing ever was in conflict.
pub(in crate::command) async fn to_read(project: &Project) -> Outcome<Option<Control>> {
    Control::open_read_only(&project.control()?).await.map_err(of_store)
}

/// The store of a project to write to, which is there.
pub(in crate::command) async fn to_write(project: &Project) -> Outcome<Control> {
    let address = project.control()?;
    let Some(read) = Control::open_read_only(&address).await.map_err(of_store)? else {
        return Err(Problem::new("nothing was ever in conflict here")
            .hint("conflicts come up while `syncline run` runs".to_owned())
            .into());
    };
    read.close().await;
    Control::open(&address).await.map_err(of_store)
}

/// What the store says went wrong.
pub(in crate::command) fn of_store(error: syncline_control::Error) -> Failure {
    syncline_core::Error::from(error).into()
}

/// The conflict with a number.
pub(in crate::command) async fn conflict(control: &Control, id: i64) -> Outcome<Conflict> {
    control.get(id).await.map_err(of_store)?.ok_or_else(|| unknown(id))
}

/// That there is no such conflict.
pub(super) fn unknown(id: i64) -> Failure {
    Problem::new(format!("there is no conflict {id}"))
        .hint("`syncline conflicts list --state all` has them".to_owned())
        .into()
}

/// The conflicts that are meant, the first page of so many.
pub(super) fn filter(
    project: &Project,
    said: &ConflictFilter,
    order: Order,
    limit: u32,
) -> Outcome<Filter> {
    let entity = said.entity.as_deref().map(|name| entity(project, name)).transpose()?;
    let subject = said.field.as_deref().map(|field| subject(project, entity, field)).transpose()?;
    let now = SystemClock.now();
    let before = |age: Duration| now - i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Ok(Filter {
        entity: said.entity.clone(),
        subject,
        sources: said.sources.clone(),
        kind: said.kind,
        state: said.state.state(),
        raised_before: said.older_than.map(before),
        raised_since: said.newer_than.map(before),
        key_text: said.key.clone(),
        order,
        after: None,
        limit,
    })
}

fn entity<'p>(project: &'p Project, name: &str) -> Outcome<&'p Entity> {
    project.entity(name).ok_or_else(|| {
        let known: Vec<String> = project.entities().map(Entity::name).collect();
        let known = || known.iter().map(String::as_str);
        Problem::new(format!("there is no entity {name:?}"))
            .detail(format!("the project has {}", known().collect::<Vec<_>>().join(", ")))
            .hint(did_you_mean(name, known()))
            .into()
    })
}

/// What a field is decided as: itself, or its group.
fn subject(project: &Project, only: Option<&Entity>, field: &str) -> Outcome<String> {
    let meant = || project.entities().filter(|it| only.is_none_or(|only| only.name() == it.name()));
    let of_entity = |entity: &Entity| {
        let columns = entity.schema.columns();
        let is_it = |&column: &usize| columns.get(column).is_some_and(|it| it.name == field);
        let unit =
            |unit: &syncline_resolve::Unit| unit.name == field || unit.columns.iter().any(is_it);
        let mut units = entity.units.iter().map(|declared| &declared.unit);
        units.find(|it| unit(it)).map(|it| it.name.clone())
    };
    if field == EXISTENCE {
        return Ok(field.to_owned());
    }
    meant().find_map(of_entity).ok_or_else(|| {
        let names =
            || meant().flat_map(|entity| entity.units.iter().map(|it| it.unit.name.as_str()));
        Problem::new(format!("nobody decides on {field:?}"))
            .detail(format!("fields and groups are {}", names().collect::<Vec<_>>().join(", ")))
            .hint(did_you_mean(field, names()))
            .into()
    })
}

/// Who acts: whom the command names, or whoever is logged in.
pub(in crate::command) fn person(named: Option<&str>) -> Outcome<String> {
    let logged_in = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.map(str::to_owned).or_else(logged_in).filter(|name| !name.is_empty()).ok_or_else(|| {
        let wrong = Problem::new("nobody knows who decides")
            .detail("$USER is not set")
            .hint("say it: --as NAME".to_owned());
        Failure::new(Exit::Usage, wrong)
    })
}
