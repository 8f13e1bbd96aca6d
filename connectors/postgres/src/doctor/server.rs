//! The server: version, clock, log settings, slots.

use super::visit::Visit;
use crate::wire::{identifier, literal};
use std::time::{SystemTime, UNIX_EPOCH};
use syncline_core::{Result, Severity, TableName};

/// Clocks further apart than this make lag and stamps misleading.
const CLOCKS_APART_MAX_MICROS: i64 = 1_000_000;

impl Visit<'_> {
    /// What holds for reading and writing.
    pub(super) fn server(&mut self) -> Result<()> {
        let version = self.connection.query_one("SHOW server_version")?;
        self.well(format!("PostgreSQL {}", version.text(0)));
        let before = clock();
        let row = self
            .connection
            .query_one("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")?;
        let (theirs, after) = (row.parse::<i64>(0)?, clock());
        // Their clock was read somewhere between our two readings.
        let apart = if theirs < before { theirs - before } else { (theirs - after).max(0) };
        match apart.abs() > CLOCKS_APART_MAX_MICROS {
            false => self.well("its clock agrees with ours"),
            true => {
                let seconds = apart / 1_000_000;
                self.ill(
                    Severity::Warning,
                    "its clock differs from ours",
                    format!("by {seconds} s; lag and the order between systems will mislead"),
                    "synchronise both machines by NTP",
                );
            }
        }
        Ok(())
    }

    /// What capturing needs.
    pub(super) fn capture(&mut self, reads: &[TableName]) -> Result<()> {
        self.wal_level()?;
        self.room()?;
        self.privileges(reads)?;
        self.retention()?;
        self.slots()
    }

    fn wal_level(&mut self) -> Result<()> {
        let level = self.connection.query_one("SHOW wal_level")?;
        match level.text(0) {
            "logical" => self.well("wal_level is logical"),
            level => self.ill(
                Severity::Error,
                "changes can't be captured: wal_level is not logical",
                format!("wal_level = {level}"),
                "ALTER SYSTEM SET wal_level = 'logical'; then restart the server",
            ),
        }
        Ok(())
    }

    fn room(&mut self) -> Result<()> {
        let ours = literal(&self.settings.slot);
        let row = self.connection.query_one(&format!(
            "SELECT current_setting('max_replication_slots')::int, \
             (SELECT count(*) FROM pg_replication_slots WHERE slot_name <> {ours}), \
             current_setting('max_wal_senders')::int, \
             (SELECT count(*) FROM pg_stat_replication WHERE pid NOT IN \
             (SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = {ours}))"
        ))?;
        for (setting, most, used) in [
            ("max_replication_slots", row.parse::<i64>(0)?, row.parse::<i64>(1)?),
            ("max_wal_senders", row.parse(2)?, row.parse(3)?),
        ] {
            match used < most {
                true => self.well(format!("{setting} leaves room")),
                false => self.ill(
                    Severity::Error,
                    format!("{setting} leaves no room for us"),
                    format!("{used} of {most} are taken"),
                    format!("ALTER SYSTEM SET {setting} = {}; then restart the server", used + 5),
                ),
            }
        }
        Ok(())
    }

    fn privileges(&mut self, reads: &[TableName]) -> Result<()> {
        let publication = literal(&self.settings.publication);
        let row = self.connection.query_one(&format!(
            "SELECT rolsuper OR rolreplication, current_user, \
             has_database_privilege(current_database(), 'CREATE'), current_database(), \
             EXISTS (SELECT FROM pg_publication WHERE pubname = {publication}) \
             FROM pg_roles WHERE rolname = current_user"
        ))?;
        let (role, database) = (identifier(row.text(1)), identifier(row.text(3)));
        match row.is_true(0) {
            true => self.well("the role may replicate"),
            false => self.ill(
                Severity::Error,
                "the role may not replicate",
                format!("role {role}"),
                format!("ALTER ROLE {role} REPLICATION"),
            ),
        }
        if row.is_true(4) || row.is_true(2) {
            self.well("the publication is there or can be made");
            return Ok(());
        }
        let names = crate::publication::table_list(reads, self.system)?;
        let publication = identifier(&self.settings.publication);
        self.ill(
            Severity::Error,
            "the publication is missing and the role may not make it",
            format!("no CREATE on database {database}"),
            format!(
                "run as owner of the tables: CREATE PUBLICATION {publication} FOR TABLE {names} \
                 WITH (publish_via_partition_root = true)"
            ),
        );
        Ok(())
    }

    fn retention(&mut self) -> Result<()> {
        let row = self.connection.query_one("SHOW max_slot_wal_keep_size")?;
        match row.text(0) {
            "-1" => self.ill(
                Severity::Warning,
                "nothing limits the WAL that a slot nobody reads retains",
                "max_slot_wal_keep_size = -1: the disk can run full",
                "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
            ),
            kept => self.well(format!("a slot retains {kept} of WAL at most")),
        }
        Ok(())
    }

    /// Slots that nobody reads and that hold the log back; of ours only that it is lost.
    fn slots(&mut self) -> Result<()> {
        let rows = self.connection.query(
            "SELECT slot_name, active, coalesce(wal_status, ''), pg_size_pretty(greatest( \
             pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
             ELSE pg_current_wal_lsn() END, restart_lsn), 0)) FROM pg_replication_slots \
             ORDER BY slot_name",
        )?;
        let mut left = false;
        for row in &rows {
            let (name, ours) = (row.text(0), row.text(0) == self.settings.slot);
            let drop_it = format!("SELECT pg_drop_replication_slot({})", literal(name).trim());
            if ours && row.text(2) == "lost" {
                self.ill(
                    Severity::Error,
                    format!("our slot {name:?} is lost"),
                    "the server dropped WAL that was not captured",
                    format!("{drop_it}; then syncline backfill --all --system {}", self.system),
                );
            } else if !ours && !row.is_true(1) {
                left = true;
                self.ill(
                    Severity::Warning,
                    format!("slot {name:?} is read by nobody"),
                    format!("it retains {} of WAL", row.text(3)),
                    drop_it,
                );
            }
        }
        if !left {
            self.well("no slot is left behind");
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the clocks are what is compared")]
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or_default()
}
