//! One run of the initial copy: connections on one snapshot, table after table.

use super::chunks::{self, Leaf};
use crate::note::{Note, SnapshotStage, TableNote};
use crate::source::{Capture, Wanted};
use crate::stream;
use crate::wire::{Connection, Purpose, literal};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use syncline_core::{Boundary, Error, Kind, Position, Report, Result, TableSchema, Transaction};

/// What the connections see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// The snapshot that a new slot exported.
    Exported(String),
    /// A snapshot of this run.
    Own,
}

/// The snapshot of one table while it runs; shared by its connections.
pub(super) struct Table<'a> {
    pub(super) capture: &'a Capture<'a>,
    pub(super) wanted: &'a Wanted,
    pub(super) schema: Arc<TableSchema>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) boundary: Boundary,
    pub(super) transaction: Transaction,
    pub(super) xmin: u32,
    pub(super) note: &'a Mutex<Note>,
    pub(super) place: usize,
    pub(super) rows: AtomicU64,
    /// Which task is next; past the end when one failed.
    next: AtomicUsize,
}

/// Reads what the note says was not read yet, and returns the note with all tables done.
///
/// # Errors
/// `Unavailable` when the server goes away; `Closed` when told to stop.
pub(crate) fn run(
    capture: &Capture<'_>,
    note: Note,
    wanted: &[Wanted],
    position: Position,
    view: &View,
) -> Result<Note> {
    if note.tables.iter().all(|table| table.snapshot == SnapshotStage::Done) {
        return Ok(note);
    }
    let (mut connections, seen) = open(capture, view)?;
    let boundary = Boundary { position, committed_at: seen.at };
    let transaction =
        Transaction { epoch: position.epoch, commit: position.commit, committed_at: seen.at };
    // From here on the slot is in use: a note that says so comes before the first row.
    capture.emit(vec![crate::source::nothing(position, seen.at)], Some(&note))?;
    let note = Mutex::new(note);
    for (place, wanted) in wanted.iter().enumerate() {
        let Some(known) = table_note(&note, place)? else { continue };
        if known.snapshot == SnapshotStage::Done {
            continue;
        }
        let leaves = chunks::plan(first(&mut connections)?, capture, wanted, &known)?;
        let table =
            begin(capture, wanted, &note, place, &known, leaves, (boundary, transaction), &seen)?;
        table.copy(&mut connections)?;
    }
    Ok(note.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// What a view shows.
struct Seen {
    /// Oldest transaction that it can't see all of.
    xmin: u32,
    /// The server's clock when it began, in µs since 1970 UTC.
    at: i64,
}

/// Opens the connections, all on one snapshot.
fn open(capture: &Capture<'_>, view: &View) -> Result<(Vec<Connection>, Seen)> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut connections: Vec<Connection> = Vec::new();
    let mut exported = match view {
        View::Exported(name) => Some(name.clone()),
        View::Own => None,
    };
    for _ in 0..capture.settings.snapshot_connections.max(1) {
        let mut connection = Connection::open(capture.settings, Purpose::Copy)?;
        connection.query(BEGIN)?;
        match &exported {
            Some(name) => {
                connection.query(&format!("SET TRANSACTION SNAPSHOT {}", literal(name)))?;
            }
            None => {
                let row = connection.query_one("SELECT pg_export_snapshot()")?;
                exported = Some(row.text(0).to_owned());
            }
        }
        connections.push(connection);
    }
    let row = first(&mut connections)?.query_one(
        "SELECT pg_snapshot_xmin(pg_current_snapshot()), \
         (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    )?;
    // The column xmin has the low half of a transaction's number.
    let xmin = u32::try_from(row.parse::<u64>(0)? & u64::from(u32::MAX)).unwrap_or_default();
    Ok((connections, Seen { xmin, at: row.parse(1)? }))
}

fn first(connections: &mut [Connection]) -> Result<&mut Connection> {
    connections.first_mut().ok_or_else(|| Error::new(Kind::Internal, "no snapshot connection"))
}

fn table_note(note: &Mutex<Note>, place: usize) -> Result<Option<TableNote>> {
    Ok(lock(note)?.tables.get(place).cloned())
}

pub(super) fn lock(note: &Mutex<Note>) -> Result<std::sync::MutexGuard<'_, Note>> {
    note.lock().map_err(|_| Error::new(Kind::Internal, "a snapshot connection panicked"))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one struct, put together once")]
fn begin<'a>(
    capture: &'a Capture<'a>,
    wanted: &'a Wanted,
    note: &'a Mutex<Note>,
    place: usize,
    known: &TableNote,
    leaves: Vec<Leaf>,
    (boundary, transaction): (Boundary, Transaction),
    seen: &Seen,
) -> Result<Table<'a>> {
    let (xmin, rows) = match &known.snapshot {
        SnapshotStage::Running { xmin, rows, .. } => (*xmin, *rows),
        SnapshotStage::Pending | SnapshotStage::Done => (seen.xmin, 0),
    };
    // The columns as this view has them; they may have changed since an earlier run.
    let schema = stream::next_revision(&known.schema, stream::captured(wanted));
    let mut guard = lock(note)?;
    if let Some(table) = guard.tables.get_mut(place) {
        table.schema = schema.clone();
        let leaves = leaves.iter().map(|leaf| leaf.note.clone()).collect();
        table.snapshot = SnapshotStage::Running { xmin, rows, leaves };
    }
    drop(guard);
    let schema = Arc::new(schema);
    capture.outlet.report(Report::Schema(schema.clone()));
    Ok(Table {
        capture,
        wanted,
        schema,
        leaves,
        boundary,
        transaction,
        xmin,
        note,
        place,
        rows: AtomicU64::new(rows),
        next: AtomicUsize::new(0),
    })
}

impl Table<'_> {
    /// Copies the table by all connections, and notes that it is done.
    fn copy(&self, connections: &mut [Connection]) -> Result<()> {
        let tasks = chunks::tasks(&self.leaves);
        self.report(false);
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let running: Vec<_> = connections
                .iter_mut()
                .take(tasks.len().max(1))
                .map(|connection| scope.spawn(|| self.work(connection, &tasks)))
                .collect();
            let panicked = |_| Err(Error::new(Kind::Internal, "a snapshot connection panicked"));
            running.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
        });
        outcomes.into_iter().collect::<Result<()>>()?;
        let mut note = lock(self.note)?;
        if let Some(table) = note.tables.get_mut(self.place) {
            table.snapshot = SnapshotStage::Done;
        }
        self.capture.emit(Vec::new(), Some(&note))?;
        self.report(true);
        Ok(())
    }

    /// Takes tasks until there are none, or one failed.
    fn work(&self, connection: &mut Connection, tasks: &[chunks::Task]) -> Result<()> {
        while let Some(task) = tasks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let read = self.read(connection, *task);
            if read.is_err() {
                self.next.store(tasks.len(), Ordering::Relaxed);
                return read;
            }
        }
        Ok(())
    }

    pub(super) fn report(&self, done: bool) {
        self.capture.outlet.report(Report::Snapshot {
            table: self.schema.name().clone(),
            rows: self.rows.load(Ordering::Relaxed),
            rows_estimated: self.wanted.relation.table.rows_estimated,
            done,
        });
    }
}
