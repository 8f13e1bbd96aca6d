//! What is done beside snapshot and stream, on a connection and a thread of its own: telling how much log the
//! server keeps for us, nudging an idle slot forward, and noticing that a table was taken away: the
//! stream does not say so, it is only silent.

use crate::begin::Wanted;
use crate::catalog::{FINGERPRINT_SQL, fingerprint};
use crate::source::Capture;
use crate::wire::{Connection, Purpose, Row, literal};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};
use syncline_core::{Report, Result, TableName};

/// How often the slot is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The heartbeat's name in the log, for whoever reads it there.
const HEARTBEAT: &str = "syncline.heartbeat";

/// Whether the stream brought anything since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Activity(AtomicBool);

impl Activity {
    #[inline]
    pub(crate) fn mark(&self) {
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Watches until the returned sender is dropped.
pub(crate) fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    capture: &'env Capture<'env>,
    activity: &'env Activity,
    wanted: &[Wanted],
) -> Sender<()> {
    let (sender, stopped) = channel();
    let tables: Vec<Captured> = wanted.iter().map(Captured::of).collect();
    scope.spawn(move || {
        let mut watch = Watch {
            capture,
            activity,
            tables,
            connection: None,
            beat: Instant::now(),
            looked: None,
            troubled: false,
        };
        let tick = LOOK_EVERY.min(capture.settings.heartbeat).max(Duration::from_millis(10));
        while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            watch.tick();
        }
    });
    sender
}

/// A table as this run began with it.
struct Captured {
    oid: u32,
    name: TableName,
    partitions: String,
}

impl Captured {
    fn of(wanted: &Wanted) -> Self {
        let relation = &wanted.relation;
        Self {
            oid: relation.oid,
            name: relation.table.schema.name().clone(),
            partitions: fingerprint(&relation.partitions),
        }
    }
}

struct Watch<'a> {
    capture: &'a Capture<'a>,
    activity: &'a Activity,
    tables: Vec<Captured>,
    connection: Option<Connection>,
    beat: Instant,
    looked: Option<Instant>,
    /// Whether the operator was told that watching fails.
    troubled: bool,
}

impl Watch<'_> {
    /// Failing here never ends the stream: it has a connection of its own and will notice.
    fn tick(&mut self) {
        let outcome = self.look().and_then(|()| self.heartbeat());
        match outcome {
            Ok(()) => self.troubled = false,
            Err(error) => {
                self.connection = None;
                if !std::mem::replace(&mut self.troubled, true) {
                    let text = format!("can't watch the slot for now: {error}");
                    self.capture.outlet.report(Report::Notice(text));
                }
            }
        }
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        if self.connection.is_none() {
            let mut connection = Connection::open(self.capture.settings, Purpose::Query)?;
            connection.set_tick(Some(self.capture.settings.connect_timeout))?;
            self.connection = Some(connection);
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => unreachable!("opened above"),
        }
    }

    fn look(&mut self) -> Result<()> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let slot = literal(&self.capture.settings.slot);
        let row = self.connection()?.query_one(&format!(
            "SELECT greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() \
             THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint, \
             wal_status, \
             (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') \
             FROM pg_replication_slots WHERE slot_name = {slot}"
        ))?;
        self.report(&row)?;
        self.compare_tables()
    }

    /// Ends the run where a table is not published any more, or has other partitions.
    fn compare_tables(&mut self) -> Result<()> {
        let publication = literal(&self.capture.settings.publication);
        let rows = self.connection()?.query(&format!(
            "SELECT c.oid, {FINGERPRINT_SQL} FROM pg_publication_tables t \
             JOIN pg_namespace n ON n.nspname = t.schemaname \
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename \
             WHERE t.pubname = {publication}"
        ))?;
        let mut published = HashMap::with_capacity(rows.len());
        for row in &rows {
            published.insert(row.parse::<u32>(0)?, row.text(1));
        }
        let what = self.tables.iter().find_map(|table| match published.get(&table.oid) {
            None => Some(format!("{} is not captured any more", table.name)),
            Some(now) if *now != table.partitions => {
                Some(format!("the partitions of {} are not what they were", table.name))
            }
            Some(_) => None,
        });
        if let Some(what) = what {
            // The first difference ends the run; there is no second.
            let _ = self.capture.changed.set(what);
        }
        Ok(())
    }

    fn report(&mut self, row: &Row) -> Result<()> {
        let bytes: u64 = row.parse(0)?;
        let kept_megabytes: i64 = row.parse(2)?;
        let of_server = u64::try_from(kept_megabytes).ok().map(|megabytes| megabytes << 20);
        let of_settings = self.capture.settings.wal_bytes_max;
        let bytes_max = of_server.into_iter().chain(of_settings).min();
        self.capture.outlet.report(Report::Retained { bytes, bytes_max });
        if row.text(1) == "unreserved" {
            let text = "the server is about to give the slot up: it retains more WAL than allowed";
            self.capture.outlet.report(Report::Notice(text.to_owned()));
        }
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<()> {
        if self.beat.elapsed() < self.capture.settings.heartbeat {
            return Ok(());
        }
        self.beat = Instant::now();
        if self.activity.take() {
            return Ok(());
        }
        self.connection()?
            .query(&format!("SELECT pg_logical_emit_message(false, '{HEARTBEAT}', '')"))
            .map(drop)
    }
}
