//! Positions: what orders a source's changes, as (epoch, commit, ordinal).
//!
//! | connector | commit | ordinal |
//! |---|---|---|
//! | PostgreSQL | LSN of the commit *before* the transaction (`source.sequence`), so that it grows as commits do and is one for all rows of a transaction; the change's own LSN where it is missing: snapshots, and what comes before the first commit | counted |
//! | MySQL, MariaDB | file's number × 2^40 + position: of the event, as the transaction is not told | row in the event |
//! | SQL Server | `commit_lsn`, its three parts in 24, 24 and 16 bits | counted |
//! | Oracle | `commit_scn`; `scn` in a snapshot | counted |
//! | MongoDB | seconds of the change × 2^32 + `ord` | counted |
//! | Syncline | as written | as written |
//!
//! *Counted* is `transaction.total_order` where the connector sends it
//! (`provide.transaction.metadata=true`), and else the row's place among the table's rows of that
//! commit as they come. Limits: counted by coming, a transaction that the connector sends again from
//! its middle gets other ordinals than at first. The log of a MySQL server may have 2^24 files, of
//! 2^40 bytes. A SQL Server log that is larger (2^24 virtual files, or one of 8 GiB) is refused. Where
//! a source's history begins anew, the epoch has to be raised ([`crate::Settings::epoch`]).

use super::{Coordinates, SourceInfo, TransactionPlace};
use crate::fault::corrupt;
use syncline_core::{Position, Result};

/// A change's commit, and its ordinal where the record has it.
pub(super) fn place(
    source: &SourceInfo,
    transaction: Option<&TransactionPlace>,
    epoch: u32,
) -> Result<(Position, bool)> {
    let total_order = transaction.and_then(|place| u32::try_from(place.total_order).ok());
    let counted = |commit: u64| {
        (Position { epoch, commit, ordinal: total_order.unwrap_or(0) }, total_order.is_some())
    };
    match &source.coordinates {
        Coordinates::PostgreSql { lsn, committed_before, .. } => committed_before
            .or(*lsn)
            .map(counted)
            .ok_or_else(|| corrupt("the block source", "\"sequence\" or \"lsn\"", "none")),
        Coordinates::Binlog { file, pos, row, .. } => {
            Ok((Position { epoch, commit: binlog(file, *pos)?, ordinal: *row }, true))
        }
        Coordinates::SqlServer { commit_lsn, .. } => sql_server(commit_lsn.as_deref()).map(counted),
        Coordinates::Oracle { scn, commit_scn, .. } => commit_scn
            .as_ref()
            .or(scn.as_ref())
            .and_then(|scn| scn.parse().ok())
            .map(counted)
            .ok_or_else(|| {
                corrupt("the block source", "a number \"commit_scn\" or \"scn\"", "none")
            }),
        Coordinates::MongoDb { ord } => {
            let seconds = u32::try_from(source.at_us.div_euclid(1_000_000));
            seconds.map(|seconds| counted(u64::from(seconds) << 32 | u64::from(*ord))).map_err(
                |_| corrupt("the time of a change", "a second from 1970 to 2106", "another"),
            )
        }
        Coordinates::Syncline { epoch, commit, ordinal, .. } => {
            Ok((Position { epoch: *epoch, commit: *commit, ordinal: *ordinal }, true))
        }
    }
}

fn binlog(file: &str, pos: u64) -> Result<u64> {
    let number = file.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
    match number {
        Some(number) if number < 1 << 24 && pos < 1 << 40 => Ok(number << 40 | pos),
        _ => Err(corrupt(
            "the place in the binlog",
            "a file numbered up to 16777215 and a position below 2^40",
            "others",
        )),
    }
}

fn sql_server(lsn: Option<&str>) -> Result<u64> {
    let expected = "three hexadecimal numbers of 24, 24 and 16 bits";
    let Some(lsn) = lsn else { return Err(corrupt("\"commit_lsn\"", expected, "none")) };
    let parts: Vec<u64> =
        lsn.split(':').filter_map(|part| u64::from_str_radix(part, 16).ok()).collect();
    match parts.as_slice() {
        &[file, block, slot] if file < 1 << 24 && block < 1 << 24 && slot < 1 << 16 => {
            Ok(file << 40 | block << 16 | slot)
        }
        _ => Err(corrupt("\"commit_lsn\"", expected, "another form")),
    }
}
