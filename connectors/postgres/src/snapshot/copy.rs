//! One run of the initial copy: connections on one snapshot, table after table.

use super::chunks::{self, Leaf};
use crate::begin::Wanted;
use crate::note::{Note, SnapshotStage};
use crate::source::Capture;
use crate::stream;
use crate::wire::{Connection, Purpose, literal};
use fail::fail_point;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use syncline_core::{
    Boundary, Entry, Error, Kind, Position, Report, Result, TableSchema, Transaction,
};

/// A note of this size is not handed over with every chunk,
const LARGE_NOTE_BYTES: usize = 64 << 10;
/// but no more often than this.
const LARGE_NOTE_EVERY: Duration = Duration::from_secs(1);
/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often it looks before the operator is told what is waited for.
const LOOKS_BEFORE_NOTICE: u32 = 40;

/// What the connections see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// The snapshot that a new slot exported.
    Exported(String),
    /// A snapshot of this run.
    Own,
}

/// One run: what all tables share.
struct Run<'a> {
    capture: &'a Capture<'a>,
    note: Mutex<Noted>,
    boundary: Boundary,
    /// Oldest transaction that this run's view can't see all of.
    xmin: u32,
}

/// The note, and when it was last handed over.
pub(super) struct Noted {
    pub(super) note: Note,
    at: Instant,
    bytes: usize,
}

impl Noted {
    /// Hands entries over, and the note with them: always where it is small, and now and then where
    /// it is large. What it does not say yet is read again after a crash, and nothing else.
    pub(super) fn emit(&mut self, capture: &Capture<'_>, entries: Vec<Entry>) -> Result<()> {
        let is_due = self.bytes < LARGE_NOTE_BYTES || self.at.elapsed() >= LARGE_NOTE_EVERY;
        if is_due {
            self.at = Instant::now();
        }
        self.bytes = capture.emit(entries, is_due.then_some(&self.note))?.unwrap_or(self.bytes);
        Ok(())
    }
}

/// The snapshot of one table while it runs; shared by its connections.
pub(super) struct Table<'a> {
    pub(super) capture: &'a Capture<'a>,
    pub(super) wanted: &'a Wanted,
    pub(super) schema: Arc<TableSchema>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) boundary: Boundary,
    pub(super) transaction: Transaction,
    /// The same as of the view under which the table was begun.
    pub(super) xmin: u32,
    pub(super) note: &'a Mutex<Noted>,
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
    if *view == View::Own {
        await_older_transactions(capture)?;
    }
    let (mut connections, seen) = open(capture, view)?;
    let boundary = Boundary { position, committed_at: seen.at };
    // From here on the slot is in use: a note that says so is durable before the first row is there.
    capture.emit(vec![crate::source::nothing(position, seen.at)], Some(&note))?;
    capture.await_released(position)?;
    fail_point!("snapshot.in_use");
    let noted = Noted { note, at: Instant::now(), bytes: 0 };
    let run = Run { capture, note: Mutex::new(noted), boundary, xmin: seen.xmin };
    for (place, wanted) in wanted.iter().enumerate() {
        if let Some(table) = run.begin(first(&mut connections)?, place, wanted)? {
            table.copy(&mut connections)?;
            fail_point!("snapshot.table");
        }
    }
    let noted = run.note.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    capture.emit(Vec::new(), Some(&noted.note))?;
    fail_point!("snapshot.done");
    Ok(noted.note)
}

/// Waits until all transactions that run now have ended.
///
/// One that changed a table before the table was published, and commits after our view, would be in
/// neither: the stream has only what was published when it was written.
fn await_older_transactions(capture: &Capture<'_>) -> Result<()> {
    let mut connection = Connection::open(capture.settings, Purpose::Query)?;
    // A number of our own is later than that of every transaction that runs; the end of a snapshot is
    // only later than the last that ended. A standby gives out none, nor does it publish tables.
    let next: u64 = connection
        .query_one(
            "SELECT CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmax(pg_current_snapshot()) \
             ELSE pg_current_xact_id() END",
        )?
        .parse(0)?;
    let oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())";
    let mut looks = 0;
    while connection.query_one(oldest)?.parse::<u64>(0)? < next {
        capture.check_stop()?;
        looks += 1;
        if looks == LOOKS_BEFORE_NOTICE {
            capture.say_waiting();
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
    Ok(())
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

pub(super) fn lock(note: &Mutex<Noted>) -> Result<std::sync::MutexGuard<'_, Noted>> {
    note.lock().map_err(|_| Error::new(Kind::Internal, "a snapshot connection panicked"))
}

impl<'a> Run<'a> {
    /// Plans a table and notes that it is begun; `None` where it is done already.
    fn begin(
        &'a self,
        connection: &mut Connection,
        place: usize,
        wanted: &'a Wanted,
    ) -> Result<Option<Table<'a>>> {
        let mut noted = lock(&self.note)?;
        let Some(known) = noted.note.tables.get_mut(place) else { return Ok(None) };
        let (xmin, rows) = match &known.snapshot {
            SnapshotStage::Done => return Ok(None),
            SnapshotStage::Running { xmin, rows, .. } => (*xmin, *rows),
            SnapshotStage::Pending => (self.xmin, 0),
        };
        // The tick of the table before: a catalog query may take longer.
        connection.set_tick(None)?;
        let leaves = chunks::plan(connection, self.capture, wanted, known)?;
        fail_point!("snapshot.planned");
        chunks::hold(connection, self.capture, &leaves)?;
        // The columns as this view has them; they may have changed since an earlier run.
        known.schema = stream::next_revision(&known.schema, stream::captured(wanted));
        let cut = leaves.iter().map(|leaf| leaf.note.clone()).collect();
        known.snapshot = SnapshotStage::Running { xmin, rows, leaves: cut };
        let schema = Arc::new(known.schema.clone());
        drop(noted);
        self.capture.outlet.report(Report::Schema(schema.clone()));
        let Boundary { position, committed_at } = self.boundary;
        Ok(Some(Table {
            capture: self.capture,
            wanted,
            schema,
            leaves,
            boundary: self.boundary,
            transaction: Transaction {
                epoch: position.epoch,
                // Before the position, as the first transaction of the stream may be right at it; and
                // after all that ended before, since the record of a commit is longer than this.
                commit: position.commit.saturating_sub(1),
                committed_at,
                ours: false,
            },
            xmin,
            note: &self.note,
            place,
            rows: AtomicU64::new(rows),
            next: AtomicUsize::new(0),
        }))
    }
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
        let mut noted = lock(self.note)?;
        if let Some(table) = noted.note.tables.get_mut(self.place) {
            table.snapshot = SnapshotStage::Done;
        }
        noted.emit(self.capture, Vec::new())?;
        drop(noted);
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
