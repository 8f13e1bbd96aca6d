//! `lock`: the systems' tables as they are now, written to `syncline.lock`.

use super::Context;
use crate::problem::{Exit, Failure, Outcome};
use crate::project::{LOCK_FILE, Lock, Project, System, TableDrift, between, render_drift};
use futures::future::{join, join_all};
use serde::Serialize;
use syncline_core::{CatalogTable, SystemName};

#[derive(Serialize)]
struct Report {
    tables: usize,
    drift: Vec<TableDrift>,
}

/// Writes the lock and shows what changed since the last one.
pub(crate) async fn run(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let before = project.read_lock().unwrap_or_default();
    let lock = inspect_all(&project).await?;
    project.write_lock(&lock)?;
    let report = Report { tables: lock.tables.len(), drift: between(&before, &lock) };
    context.output.result(&report, |report| {
        let drift = render_drift(&report.drift);
        let separator = if drift.is_empty() { "nothing changed; " } else { "" };
        format!("{drift}{separator}{LOCK_FILE} has {} tables\n", report.tables)
    });
    Ok(Exit::Ok)
}

/// Asks all systems for their tables at once; what any of them refuses is told together. One that
/// has none of its own keeps those that are locked.
pub(crate) async fn inspect_all(project: &Project) -> Outcome<Lock> {
    let systems = project.all_postgres()?;
    let asked = systems.iter().map(|(system, settings)| async move {
        syncline_postgres::inspect(system, settings).await
    });
    let topics = project.all_debezium()?;
    let looked_at = topics.into_iter().map(|(system, settings)| async move {
        in_topics(move || syncline_debezium::inspect(&system, &settings)).await
    });
    let mut tables = without_asking(project);
    tables.extend(project.declared_tables().cloned());
    let mut failures: Vec<Failure> = Vec::new();
    let (asked, looked_at) = join(join_all(asked), join_all(looked_at)).await;
    for answer in asked.into_iter().chain(looked_at) {
        match answer {
            Ok(answer) => tables.extend(answer),
            Err(error) => failures.push(error.into()),
        }
    }
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None => Ok(Lock::of(tables)),
    }
}

/// Runs what blocks on brokers beside everything else.
pub(crate) async fn in_topics<T: Send + 'static>(
    work: impl FnOnce() -> syncline_core::Result<T> + Send + 'static,
) -> syncline_core::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        syncline_core::Error::new(syncline_core::Kind::Internal, "a look at topics panicked")
            .caused_by(error)
    })?
}

/// The tables of systems that are not asked.
fn without_asking(project: &Project) -> Vec<CatalogTable> {
    let locked = project.read_lock().unwrap_or_default();
    let tables_of = |name: &SystemName| {
        let of_system = |table: &&CatalogTable| table.schema.name().system() == Some(name);
        locked.tables.values().filter(of_system).cloned().collect()
    };
    let systems = project.settings.systems.iter();
    let tables = systems.map(|(name, system)| match system {
        System::Postgres(_) | System::Debezium(_) => Vec::new(),
        System::Generator(settings) => vec![syncline_generator::inspect(settings)],
        System::Discard => tables_of(name),
    });
    tables.flatten().collect()
}
