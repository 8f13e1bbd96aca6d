//! The slot: whether our place in the stream can still be had, and if not, what is lost and what
//! mends it.

use crate::connect::APPLICATION_NAME;
use crate::note::Note;
use crate::settings::Settings;
use crate::wire::{Connection, Lsn, ServerIdentity, literal};
use syncline_core::{Error, Kind, Position, Result, SystemName};

/// A slot as the server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotState {
    pub(crate) plugin: String,
    /// Whether it belongs to the database we are in.
    pub(crate) of_this_database: bool,
    /// Who reads it now, in words.
    pub(crate) reader: Option<String>,
    /// Its server process, where it calls itself as we do and logged in as we did.
    pub(crate) reader_of_ours: Option<i32>,
    /// Whether the server dropped the log it needs.
    pub(crate) lost: bool,
    /// Everything before it may be gone.
    pub(crate) confirmed: Lsn,
}

/// Looks the slot up; `None` where there is none.
pub(crate) fn slot_state(
    connection: &mut Connection,
    settings: &Settings,
) -> Result<Option<SlotState>> {
    let rows = connection.query(&format!(
        "SELECT coalesce(s.plugin, ''), coalesce(s.database = current_database(), false), \
         s.active_pid, a.application_name, a.client_addr, \
         coalesce(s.wal_status, '') = 'lost', coalesce(s.confirmed_flush_lsn, '0/0'), \
         CASE WHEN a.application_name = {} AND a.usename = current_user THEN s.active_pid END \
         FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid \
         WHERE s.slot_name = {}",
        literal(APPLICATION_NAME),
        literal(&settings.slot)
    ))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let reader = row.get(2).map(|pid| match (row.get(3), row.get(4)) {
        (Some(name), Some(address)) => format!("process {pid}, {name} from {address}"),
        (Some(name), None) => format!("process {pid}, {name}"),
        _ => format!("process {pid}"),
    });
    Ok(Some(SlotState {
        plugin: row.text(0).to_owned(),
        of_this_database: row.is_true(1),
        reader,
        lost: row.is_true(5),
        confirmed: row.parse(6)?,
        reader_of_ours: row.get(7).map(|_| row.parse(7)).transpose()?,
    }))
}

/// The slot, taken from a process of ours that still reads it where the work is not its any more.
pub(crate) fn take(connection: &mut Connection, settings: &Settings) -> Result<Option<SlotState>> {
    let slot = slot_state(connection, settings)?;
    let of_ours = slot.as_ref().and_then(|slot| slot.reader_of_ours);
    let Some(process) = of_ours.filter(|_| settings.takes_over()) else { return Ok(slot) };
    tracing::info!("slot {:?} is taken from server process {process}", settings.slot);
    connection.query(&format!("SELECT pg_catalog.pg_terminate_backend({process}, 5000)"))?;
    slot_state(connection, settings)
}

/// The error for a slot that someone else reads: it may be our own process that just died.
pub(crate) fn in_use(settings: &Settings, reader: &str) -> Error {
    Error::new(Kind::Unavailable, format!("slot {:?} is in use", settings.slot))
        .detail(reader.to_owned())
        .hint("stop the other reader; one that died is gone within a minute")
}

/// What a resumed run knows before it asks the server for anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resumed<'a> {
    pub(crate) system: &'a SystemName,
    pub(crate) settings: &'a Settings,
    pub(crate) note: &'a Note,
    /// Where snapshot and stream meet.
    pub(crate) consistent_point: u64,
    /// The last boundary in the log.
    pub(crate) position: Option<Position>,
}

/// Why changes since our position can't be had.
struct Gap {
    why: &'static str,
    expected: String,
    found: String,
}

/// Decides where the stream goes on.
///
/// # Errors
/// `Config` where changes since our position can't be had any more: it names the gap and what mends
/// it. `Unavailable` while another process reads the slot. `Corrupt` where log and note are of
/// different epochs.
pub(crate) fn resume_at(
    resumed: Resumed<'_>,
    server: &ServerIdentity,
    slot: Option<&SlotState>,
) -> Result<Position> {
    let Resumed { system, settings, note, consistent_point, position } = resumed;
    let met = Position { epoch: note.epoch, commit: consistent_point, ordinal: 0 };
    // A boundary from before the slot was made has the same epoch; nothing lies between.
    let position =
        position.map_or(met, |last| Position { commit: last.commit.max(met.commit), ..last });
    if position.epoch != note.epoch {
        return Err(other_epoch(system, position.epoch, note.epoch));
    }
    let from = Lsn(position.commit);
    if let Some(gap) = server_gap(note, server).or_else(|| slot_gap(note, settings, from, slot)) {
        return Err(gap.into_error(system, settings, from, server.wal_end));
    }
    match slot.and_then(|slot| slot.reader.as_deref()) {
        Some(reader) => Err(in_use(settings, reader)),
        None => Ok(position),
    }
}

fn other_epoch(system: &SystemName, log: u32, note: u32) -> Error {
    Error::new(Kind::Corrupt, format!("log and checkpoint of {system} don't belong together"))
        .detail(format!("the log is in epoch {log}, the checkpoint in {note}"))
        .hint("restore both from the same backup")
}

/// Whether this is the server, and the history, that the position was made on.
fn server_gap(note: &Note, server: &ServerIdentity) -> Option<Gap> {
    if note.system_identifier != server.system_identifier {
        return Some(Gap {
            why: "another server answers",
            expected: format!("system identifier {}", note.system_identifier),
            found: server.system_identifier.clone(),
        });
    }
    (note.timeline != server.timeline).then(|| Gap {
        why: "the server's history forked (restored or promoted)",
        expected: format!("timeline {}", note.timeline),
        found: server.timeline.to_string(),
    })
}

/// Whether the slot still has everything from our position on.
fn slot_gap(note: &Note, settings: &Settings, from: Lsn, slot: Option<&SlotState>) -> Option<Gap> {
    let expected = format!("slot {}", note.slot);
    let Some(slot) = slot else {
        return Some(Gap { why: "the slot is gone", expected, found: "nothing".to_owned() });
    };
    if slot.plugin != "pgoutput" || !slot.of_this_database || note.slot != settings.slot {
        let of = if slot.of_this_database { "this database" } else { "another database" };
        let found = format!("slot {}, {} of {of}", settings.slot, slot.plugin);
        return Some(Gap { why: "the slot is another one", expected, found });
    }
    if slot.lost {
        return Some(Gap {
            why: "the server gave the slot up: it retained more WAL than max_slot_wal_keep_size",
            expected,
            found: "wal_status lost".to_owned(),
        });
    }
    (slot.confirmed > from).then(|| Gap {
        why: "the slot was read by someone else or made again",
        expected: format!("{expected} at {from} or before"),
        found: slot.confirmed.to_string(),
    })
}

impl Gap {
    fn into_error(self, system: &SystemName, settings: &Settings, from: Lsn, to: Lsn) -> Error {
        let Self { why, expected, found } = self;
        Error::new(Kind::Config, format!("can't go on reading {system}: {why}"))
            .detail(format!(
                "changes from {from} to {to} may be missing; expected {expected}, found {found}"
            ))
            .hint(format!(
                "SELECT pg_drop_replication_slot('{}') if it is there, then copy the tables again: \
                 syncline backfill --all --system {system}",
                settings.slot
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note::creating("7", 1, "syncline", 2)
    }

    fn server() -> ServerIdentity {
        ServerIdentity { system_identifier: "7".into(), timeline: 1, wal_end: Lsn(900) }
    }

    fn slot() -> SlotState {
        SlotState {
            plugin: "pgoutput".into(),
            of_this_database: true,
            reader: None,
            reader_of_ours: None,
            lost: false,
            confirmed: Lsn(100),
        }
    }

    fn resume(
        position: Option<Position>,
        server: &ServerIdentity,
        slot: Option<&SlotState>,
    ) -> Result<Position> {
        let (system, settings) = (SystemName::new("sis"), Settings::new("h", 1, "d", "u"));
        let note = note();
        let (system, settings, note) = (&system, &settings, &note);
        let resumed = Resumed { system, settings, note, consistent_point: 100, position };
        resume_at(resumed, server, slot)
    }

    fn at(commit: u64) -> Option<Position> {
        Some(Position { epoch: 2, commit, ordinal: 0 })
    }

    #[test]
    fn goes_on_at_its_position_or_where_the_snapshot_ends() {
        assert_eq!(resume(at(150), &server(), Some(&slot())).unwrap().commit, 150);
        assert_eq!(resume(None, &server(), Some(&slot())).unwrap().commit, 100);
    }

    #[test]
    fn every_gap_is_named_and_never_jumped_over() {
        let other = ServerIdentity { system_identifier: "8".into(), ..server() };
        let forked = ServerIdentity { timeline: 2, ..server() };
        let gone = SlotState { lost: true, ..slot() };
        let ahead = SlotState { confirmed: Lsn(151), ..slot() };
        let foreign = SlotState { of_this_database: false, ..slot() };
        for (case, server, slot) in [
            ("another server", &other, Some(&slot())),
            ("forked", &forked, Some(&slot())),
            ("is gone", &server(), None),
            ("gave the slot up", &server(), Some(&gone)),
            ("made again", &server(), Some(&ahead)),
            ("another one", &server(), Some(&foreign)),
        ] {
            let error = resume(at(150), server, slot).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{case}");
            assert!(error.to_string().contains(case), "{case}: {error}");
            assert!(error.detail_text().is_some_and(|d| d.contains("from 0/96 to 0/384")));
            assert!(
                error.hint_text().is_some_and(|hint| hint.contains("backfill --all --system sis"))
            );
        }
    }

    #[test]
    fn a_slot_in_use_is_waited_for() {
        let busy = SlotState { reader: Some("process 5, syncline".into()), ..slot() };
        let error = resume(at(150), &server(), Some(&busy)).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
    }

    #[test]
    fn a_position_of_another_epoch_is_corrupt() {
        let stale = Some(Position { epoch: 1, commit: 500, ordinal: 0 });
        assert_eq!(resume(stale, &server(), Some(&slot())).unwrap_err().kind(), Kind::Corrupt);
    }
}
