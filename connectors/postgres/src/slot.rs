//! The slot: whether our place in the stream can still be had, and if not, what is lost and what
//! mends it.

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
         coalesce(s.wal_status, '') = 'lost', coalesce(s.confirmed_flush_lsn, '0/0') \
         FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid \
         WHERE s.slot_name = {}",
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
    }))
}

/// The error for a slot that someone else reads: it may be our own process that just died.
pub(crate) fn in_use(settings: &Settings, reader: &str) -> Error {
    Error::new(Kind::Unavailable, format!("slot {:?} is in use", settings.slot))
        .detail(reader.to_owned())
        .hint("stop the other reader; one that died is gone within a minute")
}

/// Decides where the stream goes on.
///
/// # Errors
/// `Config` where changes since our position can't be had any more: it names the gap and what mends
/// it. `Unavailable` while another process reads the slot.
pub(crate) fn resume_at(
    system: &SystemName,
    settings: &Settings,
    note: &Note,
    consistent_point: u64,
    position: Option<Position>,
    server: &ServerIdentity,
    slot: Option<&SlotState>,
) -> Result<Position> {
    let lost = Lost { system, settings, server };
    let met = Position { epoch: note.epoch, commit: consistent_point, ordinal: 0 };
    // A boundary from before the slot was made has the same epoch; nothing lies between.
    let position =
        position.map_or(met, |last| Position { commit: last.commit.max(met.commit), ..last });
    let from = Lsn(position.commit);
    if position.epoch != note.epoch {
        return Err(Error::new(
            Kind::Corrupt,
            format!("log and checkpoint of {system} don't belong together"),
        )
        .detail(format!("the log is in epoch {}, the checkpoint in {}", position.epoch, note.epoch))
        .hint("restore both from the same backup"));
    }
    if note.system_identifier != server.system_identifier {
        return Err(lost.since(
            from,
            "another server answers",
            &format!("system identifier {}", note.system_identifier),
            &server.system_identifier,
        ));
    }
    if note.timeline != server.timeline {
        return Err(lost.since(
            from,
            "the server's history forked (restored or promoted)",
            &format!("timeline {}", note.timeline),
            &server.timeline.to_string(),
        ));
    }
    let Some(slot) = slot else {
        return Err(lost.since(from, "the slot is gone", &settings.slot, "nothing"));
    };
    if slot.plugin != "pgoutput" || !slot.of_this_database {
        return Err(lost.since(
            from,
            "the slot is another one",
            "pgoutput in this database",
            &format!("{} (of this database: {})", slot.plugin, slot.of_this_database),
        ));
    }
    if slot.lost {
        return Err(lost.since(
            from,
            "the server gave the slot up: it retained more WAL than max_slot_wal_keep_size",
            "a slot with its WAL",
            "wal_status lost",
        ));
    }
    if slot.confirmed > from {
        return Err(lost.since(
            from,
            "the slot was read by someone else or made again",
            &format!("a slot at {from} or before"),
            &slot.confirmed.to_string(),
        ));
    }
    match &slot.reader {
        Some(reader) => Err(in_use(settings, reader)),
        None => Ok(position),
    }
}

struct Lost<'a> {
    system: &'a SystemName,
    settings: &'a Settings,
    server: &'a ServerIdentity,
}

impl Lost<'_> {
    fn since(&self, from: Lsn, why: &str, expected: &str, found: &str) -> Error {
        let (system, slot) = (self.system, &self.settings.slot);
        Error::new(Kind::Config, format!("can't go on reading {system}: {why}"))
            .detail(format!(
                "changes from {from} to {} may be missing; expected {expected}, found {found}",
                self.server.wal_end
            ))
            .hint(format!(
                "SELECT pg_drop_replication_slot('{slot}') if it is there, then copy the tables \
                 again: syncline backfill {system}"
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
            lost: false,
            confirmed: Lsn(100),
        }
    }

    fn resume(
        position: Option<Position>,
        server: &ServerIdentity,
        slot: Option<&SlotState>,
    ) -> Result<Position> {
        let settings = Settings::new("h", 1, "d", "u");
        resume_at(&SystemName::new("sis"), &settings, &note(), 100, position, server, slot)
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
            assert!(error.hint_text().is_some_and(|hint| hint.contains("backfill sis")));
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
