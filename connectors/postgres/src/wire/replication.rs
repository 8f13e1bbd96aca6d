//! Replication commands, and the answers a standby sends.

use super::connection::Connection;
use super::lsn::Lsn;
use super::query::identifier;
use bytes::BufMut;
use syncline_core::{Error, Kind, Result};

/// Microseconds from 1970 to 2000, PostgreSQL's epoch.
const EPOCH_2000_MICROS: u64 = 946_684_800_000_000;

/// Who the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    pub(crate) system_identifier: String,
    pub(crate) timeline: u32,
    pub(crate) wal_end: Lsn,
}

/// A slot that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotCreated {
    /// Everything committed before it is in the snapshot, everything after in the stream.
    pub(crate) consistent_point: Lsn,
    /// Name of the exported snapshot; good until the next command on this connection.
    pub(crate) snapshot: String,
}

/// What a standby says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StandbyStatus {
    /// Everything before it is durable with us: the server may forget it.
    pub(crate) flushed: Lsn,
    /// Our clock, in µs since 1970 UTC.
    pub(crate) sent_at: u64,
}

impl Connection {
    /// Asks the server who it is.
    pub(crate) fn identify_system(&mut self) -> Result<ServerIdentity> {
        let row = self.query_one("IDENTIFY_SYSTEM")?;
        Ok(ServerIdentity {
            system_identifier: row.text(0).to_owned(),
            timeline: row.parse(1)?,
            wal_end: row.parse(2)?,
        })
    }

    /// Makes a logical slot for pgoutput and exports the snapshot at its consistent point. The server
    /// waits for all transactions that are open; asks at each tick whether to go on.
    pub(crate) fn create_slot(
        &mut self,
        slot: &str,
        on_tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<SlotCreated> {
        let option = match self.version() >= 150_000 {
            true => "(SNAPSHOT 'export')",
            false => "EXPORT_SNAPSHOT",
        };
        let slot = identifier(slot);
        let sql = format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput {option}");
        let rows = self.query_patiently(&sql, on_tick)?;
        let row = rows.first().ok_or_else(|| self.unexpected("no row for a new slot"))?;
        Ok(SlotCreated { consistent_point: row.parse(1)?, snapshot: row.text(2).to_owned() })
    }

    /// Removes a slot that nobody reads.
    pub(crate) fn drop_slot(&mut self, slot: &str) -> Result<()> {
        self.query(&format!("DROP_REPLICATION_SLOT {}", identifier(slot))).map(drop)
    }

    /// Starts the stream; frames follow as copy data.
    pub(crate) fn start_stream(&mut self, slot: &str, from: Lsn, publication: &str) -> Result<()> {
        let publication = identifier(publication).replace('\'', "''");
        let sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '2', \
             publication_names '{publication}', streaming 'on', messages 'true')",
            identifier(slot),
        );
        postgres_protocol::message::frontend::query(&sql, &mut self.output).map_err(|error| {
            Error::new(Kind::Config, "a slot or publication name has a NUL byte").caused_by(error)
        })?;
        self.send()?;
        self.await_tag(b'W', &mut || Ok(()))
    }

    /// Tells the server how far we are.
    pub(crate) fn send_status(&mut self, status: StandbyStatus) -> Result<()> {
        let flushed = status.flushed.0;
        self.output.put_u8(b'd');
        self.output.put_u32(4 + 1 + 8 * 4 + 1);
        self.output.put_u8(b'r');
        // Written, flushed, applied: the same, because what is not durable is not ours yet.
        for _ in 0..3 {
            self.output.put_u64(flushed);
        }
        self.output.put_u64(status.sent_at.saturating_sub(EPOCH_2000_MICROS));
        self.output.put_u8(0);
        self.send()
    }
}
