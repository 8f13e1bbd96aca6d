//! An outlet that keeps what it is given, as a log would, and runs a source into it.

use crate::cluster::system;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, Captured, ChangeBatch, Entry, Error, Kind, Outlet, Position, Report, Resume, Source,
    Stopped, TableName,
};
use syncline_postgres::{PostgresSource, Settings};

const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: Vec<Entry>,
    pub(crate) reports: Vec<Report>,
    checkpoint: Option<Vec<u8>>,
    copy_again: BTreeSet<TableName>,
    anew: bool,
    released: Option<Position>,
    stopping: bool,
    finished: bool,
    retried: Option<Error>,
    emissions: usize,
    crash_at: Option<usize>,
    held: bool,
    /// The emission behind which notes are not kept, nor anything released.
    notes_until: Option<usize>,
    /// Whether rows came to the door.
    pub(crate) waiting: bool,
    forget: bool,
    pub(crate) rows_seen: u64,
}

impl State {
    /// The batches of a table, in order.
    pub(crate) fn batches(&self, table: &TableName) -> Vec<ChangeBatch> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Rows(batch) if batch.schema().name() == table => Some(batch.clone()),
                _ => None,
            })
            .collect()
    }

    /// The last place where all transactions were whole.
    pub(crate) fn boundary(&self) -> Option<Position> {
        self.entries.iter().rev().find_map(|entry| entry.boundary).map(|b| b.position)
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.reports.iter().any(|report| matches!(report, Report::Streaming))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether everything committed before this place of the source's log is there.
    pub(crate) fn is_past(&self, wal: u64) -> bool {
        self.is_streaming() && self.boundary().is_some_and(|position| position.commit >= wal)
    }
}

/// The log of a test; outlives the runs of a source.
#[derive(Default)]
pub(crate) struct Recorder {
    state: Mutex<State>,
    changed: Condvar,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Refuses everything from this emission on, as if the process had died.
    pub(crate) fn crash_at(&self, emission: usize) {
        let mut state = self.state.lock().unwrap();
        state.emissions = 0;
        state.crash_at = Some(emission);
    }

    /// Takes an order to crash back.
    pub(crate) fn never_crash(&self) {
        self.state.lock().unwrap().crash_at = None;
    }

    /// Lets no rows in until told otherwise.
    pub(crate) fn hold(&self) {
        self.state.lock().unwrap().held = true;
    }

    /// Keeps entries, but no note behind this emission, and releases nothing: a log is a little ahead of
    /// the note.
    pub(crate) fn keep_no_note_after(&self, emission: usize) {
        let mut state = self.state.lock().unwrap();
        state.emissions = 0;
        state.notes_until = Some(emission);
    }

    /// Keeps all notes again.
    pub(crate) fn keep_notes(&self) {
        self.state.lock().unwrap().notes_until = None;
    }

    pub(crate) fn let_go(&self) {
        self.state.lock().unwrap().held = false;
        self.changed.notify_all();
    }

    /// Another log with the same content.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let state = self.state.lock().unwrap();
        let copy = State {
            entries: state.entries.clone(),
            checkpoint: state.checkpoint.clone(),
            ..State::default()
        };
        Arc::new(Self { state: Mutex::new(copy), changed: Condvar::new() })
    }

    /// Waits for an error that is tried again, and takes it.
    pub(crate) fn last_retried(&self) -> Error {
        self.wait("an error that is tried again", |state| state.retried.is_some());
        self.state.lock().unwrap().retried.take().unwrap()
    }

    /// Counts rows instead of keeping them.
    pub(crate) fn forget_rows(&self) {
        self.state.lock().unwrap().forget = true;
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    pub(crate) fn edit_checkpoint(&self, edit: impl FnOnce(String) -> String) {
        let mut state = self.state.lock().unwrap();
        let text = String::from_utf8(state.checkpoint.take().unwrap()).unwrap();
        state.checkpoint = Some(edit(text).into_bytes());
    }

    /// Asks for tables to be copied again by the next run; `anew` as in [`Resume`].
    pub(crate) fn ask(&self, tables: &[TableName], anew: bool) {
        let mut state = self.state.lock().unwrap();
        state.copy_again.extend(tables.iter().cloned());
        state.anew = anew;
    }

    /// Drops all entries, as a log does that was trimmed.
    pub(crate) fn trim(&self) {
        let mut state = self.state.lock().unwrap();
        let boundary = state.entries.iter().rev().find_map(|entry| entry.boundary);
        state.entries = vec![Entry { body: Body::Nothing, boundary }];
    }

    pub(crate) fn forget_checkpoint(&self) {
        self.state.lock().unwrap().checkpoint = None;
    }

    /// Waits until something holds.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock().unwrap();
        while !holds(&state) {
            let ended = state.finished && !state.stopping;
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                // Others still have to come by, to stop the source.
                drop(state);
                panic!("no {what}: {}", if ended { "the source ended" } else { "not in time" });
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn wait_for_the_end(&self) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock().unwrap();
        while !state.finished {
            if Instant::now() > deadline {
                drop(state);
                panic!("the source goes on");
            }
            state = self.changed.wait_timeout(state, Duration::from_millis(50)).unwrap().0;
        }
    }

    /// Where a run begins: what came after the last boundary is given up.
    fn resume(&self) -> Resume {
        let mut state = self.state.lock().unwrap();
        let whole = state.entries.iter().rposition(|entry| entry.boundary.is_some());
        state.entries.truncate(whole.map_or(0, |last| last + 1));
        state.reports.clear();
        state.finished = false;
        Resume {
            position: state.boundary(),
            checkpoint: state.checkpoint.clone(),
            copy_again: state.copy_again.clone(),
            anew: state.anew,
        }
    }

    /// Runs a source into this log.
    pub(crate) fn start(self: &Arc<Self>, settings: &Settings, tables: &[TableName]) -> Running {
        self.state.lock().unwrap().stopping = false;
        let resume = self.resume();
        let mut source = PostgresSource::new(system(), settings.clone(), tables.to_vec());
        let recorder = self.clone();
        let thread = std::thread::spawn(move || {
            let deadline = Instant::now() + DEADLINE;
            let mut resume = resume;
            // As the runtime does: what is only away for now is tried again.
            let outcome = loop {
                let outcome = source.run(resume, &*recorder);
                let away = matches!(&outcome, Err(error) if error.kind() == Kind::Unavailable);
                if !away || recorder.stopping() || Instant::now() > deadline {
                    break outcome;
                }
                recorder.state.lock().unwrap().retried = outcome.err();
                recorder.changed.notify_all();
                std::thread::park_timeout(Duration::from_millis(20));
                resume = recorder.resume();
            };
            recorder.state.lock().unwrap().finished = true;
            recorder.changed.notify_all();
            outcome
        });
        Running { recorder: self.clone(), thread: Some(thread) }
    }

    /// Runs a source until it streams.
    pub(crate) fn start_and_stop(self: &Arc<Self>, settings: &Settings, tables: &[TableName]) {
        let running = self.start(settings, tables);
        self.wait("streaming", State::is_streaming);
        running.stop();
    }

    /// Runs a source until it fails.
    pub(crate) fn failure(self: &Arc<Self>, settings: &Settings, tables: &[TableName]) -> Error {
        let mut running = self.start(settings, tables);
        let outcome = running.thread.take().unwrap().join().unwrap();
        outcome.expect_err("the source should have failed")
    }
}

impl Outlet for Recorder {
    fn emit(&self, captured: Captured) -> Result<(), Stopped> {
        let rows: usize = captured.entries.iter().map(Entry::rows).sum();
        let mut state = self.state.lock().unwrap();
        state.waiting = rows > 0;
        self.changed.notify_all();
        while rows > 0 && state.held && !state.stopping {
            state = self.changed.wait_timeout(state, Duration::from_millis(20)).unwrap().0;
        }
        state.emissions += 1;
        if state.stopping || state.crash_at.is_some_and(|at| state.emissions >= at) {
            state.stopping = true;
            self.changed.notify_all();
            return Err(Stopped);
        }
        state.rows_seen += rows as u64;
        if state.forget {
            let last = captured.entries.into_iter().rev().find(|entry| entry.boundary.is_some());
            let boundary = last.and_then(|entry| entry.boundary);
            state.entries.clear();
            state.entries.push(Entry { body: Body::Nothing, boundary });
        } else {
            state.entries.extend(captured.entries);
        }
        if state.notes_until.is_some_and(|until| state.emissions > until) {
            self.changed.notify_all();
            return Ok(());
        }
        if captured.checkpoint.is_some() {
            state.checkpoint = captured.checkpoint;
            state.copy_again.clear();
            state.anew = false;
        }
        state.released = state.boundary().or(state.released);
        self.changed.notify_all();
        Ok(())
    }

    fn released(&self) -> Option<Position> {
        self.state.lock().unwrap().released
    }

    fn stopping(&self) -> bool {
        self.state.lock().unwrap().stopping
    }

    fn report(&self, report: Report) {
        self.state.lock().unwrap().reports.push(report);
        self.changed.notify_all();
    }
}

/// A source that runs; stopped when dropped.
pub(crate) struct Running {
    recorder: Arc<Recorder>,
    thread: Option<JoinHandle<syncline_core::Result<()>>>,
}

impl Running {
    /// Tells it to stop and waits for it.
    pub(crate) fn stop(mut self) {
        self.recorder.state.lock().unwrap().stopping = true;
        self.thread.take().unwrap().join().unwrap().expect("a source ends well when told to stop");
    }

    /// Waits for it to fail by itself.
    pub(crate) fn failed(mut self) -> Error {
        self.recorder.wait_for_the_end();
        let outcome = self.thread.take().unwrap().join().unwrap();
        outcome.expect_err("the source should have failed")
    }

    /// Waits for a crash that was ordered.
    pub(crate) fn crashed(mut self) {
        self.thread.take().unwrap().join().unwrap().expect("a refused emission ends the run");
        self.recorder.state.lock().unwrap().crash_at = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.recorder.state.lock().unwrap().stopping = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
