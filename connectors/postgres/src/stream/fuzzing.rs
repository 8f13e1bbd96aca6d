//! The stream without a server: bytes in, entries out. For fuzzing alone.

use super::changes::Changes;
use super::columns::{SentType, describe, difference};
use super::idle::Idle;
use super::message::{Envelope, Message, Within, envelope, parse};
use super::reader::{Next, take_in, torn};
use super::spill::Spill;
use crate::begin::Wanted;
use crate::fuzzing::BatchSize;
use crate::note::{Note, SnapshotStage, TableNote};
use crate::settings::Settings;
use crate::source::Capture;
use crate::values::arrow_type;
use crate::watch::Activity;
use crate::wire::{Frame, Input};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use syncline_core::{
    Captured, Entry, Error, Kind, Outlet, Position, Report, Result, Stopped, SystemName,
};

/// Takes nothing and says nothing.
struct Deaf;

impl Outlet for Deaf {
    fn emit(&self, _: Captured) -> std::result::Result<(), Stopped> {
        Ok(())
    }
    fn released(&self) -> Option<Position> {
        None
    }
    fn stopping(&self) -> bool {
        false
    }
    fn report(&self, _: Report) {}
}

/// The entries that frames of the server come to, and what ends them early.
pub(crate) fn entries(
    system: &SystemName,
    wanted: &[Wanted],
    bytes: &[u8],
    spill: &Path,
    size: BatchSize,
) -> (Vec<Entry>, Option<Error>) {
    // A catalog that is asked is away.
    let mut settings = Settings::new("/nowhere", 1, "d", "u");
    settings.spill_directory = spill.to_owned();
    (settings.batch_rows_max, settings.batch_bytes_max) = (size.rows, size.bytes);
    settings.connect_timeout = Duration::from_millis(1);
    let capture = Capture {
        system,
        settings: &settings,
        outlet: &Deaf,
        tables: &[],
        changed: OnceLock::new(),
    };
    let mut note = Note::creating("1", 1, "s", 1);
    note.tables = wanted.iter().map(noted).collect();
    let from = Position { epoch: 1, commit: 1, ordinal: 0 };
    let mut entries = Vec::new();
    let read = || -> Result<()> {
        let mut reading = Reading {
            changes: Changes::new(&capture, wanted, note, from),
            spill: Spill::open(system, &settings)?,
            idle: Idle::new(from.commit, Instant::now()),
            activity: Activity::default(),
            entries: &mut entries,
        };
        reading.read(bytes, wanted)
    };
    let ended = read().err();
    (entries, ended)
}

fn noted(wanted: &Wanted) -> TableNote {
    TableNote {
        oid: wanted.relation.oid,
        schema: wanted.relation.table.schema.clone(),
        snapshot: SnapshotStage::Done,
        partitions: None,
    }
}

struct Reading<'a> {
    changes: Changes<'a>,
    spill: Spill,
    idle: Idle,
    activity: Activity,
    entries: &'a mut Vec<Entry>,
}

impl Reading<'_> {
    fn read(&mut self, mut bytes: &[u8], wanted: &[Wanted]) -> Result<()> {
        let away = |error: std::io::Error| {
            Error::new(Kind::Unavailable, "the server sends what can't be").caused_by(error)
        };
        let mut input = Input::with_capacity(64 << 10);
        while input.fill(&mut bytes).map_err(away)? > 0 {
            while let Some(frame) = input.take().map_err(away)? {
                compare_with_catalog(frame, wanted);
                let Self { changes, spill, idle, activity, .. } = self;
                match take_in(frame, changes, spill, idle, activity)? {
                    Next::Nothing | Next::Reply => {}
                    Next::Committed => self.take(Self::is_due)?,
                    Next::Replay { xid, commit_lsn, end_lsn, committed_at } => {
                        self.replay(xid, commit_lsn, committed_at)?;
                        self.changes.commit(end_lsn)?;
                        self.take(Self::is_due)?;
                    }
                }
                self.take(Self::is_full)?;
            }
        }
        self.take(|_| true)
    }

    fn replay(&mut self, xid: u32, commit: u64, committed_at: i64) -> Result<()> {
        let mut messages = self.spill.commit(xid)?;
        self.changes.begin(commit, committed_at);
        while let Some(message) = messages.next()? {
            self.changes.apply(parse(message, Within::Stream).ok_or_else(torn)?)?;
            self.take(Self::is_full)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.changes.is_full()
    }

    fn is_due(&self) -> bool {
        self.changes.is_due_at_commit()
    }

    fn take(&mut self, when: impl FnOnce(&Self) -> bool) -> Result<()> {
        if when(self) {
            let (entries, _) = self.changes.take()?;
            self.entries.extend(entries);
        }
        Ok(())
    }
}

/// What a described table would be, had the catalog been asked.
fn compare_with_catalog(frame: Frame<'_>, wanted: &[Wanted]) {
    let Some(Envelope::Data(bytes)) = envelope(frame.body).filter(|_| frame.tag == b'd') else {
        return;
    };
    for within in [Within::Whole, Within::Stream] {
        let Some(Message::Relation(message)) = parse(bytes, within) else { continue };
        let types = message.columns.iter().map(|sent| SentType {
            data_type: arrow_type(sent.type_oid, sent.modifier),
            native: sent.type_oid.to_string(),
        });
        let types: Vec<SentType> = types.collect();
        for known in wanted {
            let previous = &known.relation.table.schema;
            let now = describe(&message, &types, Some(&known.relation), previous);
            assert!(!difference(previous, &now).is_empty(), "a change has words");
        }
    }
}
