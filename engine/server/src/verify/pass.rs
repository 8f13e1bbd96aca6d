//! Both sides, read once in whole, side by side.
//!
//! Order: the target's moment is fixed before the source's. So a row that was deleted meanwhile is the one kind of
//! surplus that the flow makes by itself.

use super::buckets::{Buckets, Record};
use super::expected::Expected;
use super::pace::Pace;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use syncline_core::{Error, Kind, Result};
use syncline_postgres::TargetRows;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// After how many rows of the target it is asked whether to rest.
const ROWS: u64 = 4096;

/// What both sides have.
pub(crate) struct Read {
    pub(crate) said: Buckets,
    pub(crate) there: Buckets,
    pub(crate) rows_said: u64,
    pub(crate) rows_there: u64,
    /// Source rows that their mapping refuses.
    pub(crate) refused: u64,
    /// Target rows without a key.
    pub(crate) keyless: u64,
}

/// What is read, and where what has no room goes.
#[derive(Clone)]
pub(crate) struct Sides {
    pub(crate) target: Arc<TargetRows>,
    /// By mapping.
    pub(crate) expected: Arc<Vec<Expected>>,
    pub(crate) directory: PathBuf,
    /// Of each side, in memory.
    pub(crate) bytes_max: usize,
    pub(crate) pace: Pace,
}

impl Sides {
    /// Reads both.
    pub(crate) async fn read(&self) -> Result<Read> {
        let (begun, has_begun) = oneshot::channel();
        let of_target = self.clone();
        let reading_target = spawn_blocking(move || of_target.read_target(begun));
        // It ends with an error where it does not begin, which is told below.
        let _ = has_begun.await;
        let of_source = self.clone();
        let reading_source = spawn_blocking(move || of_source.read_source());
        let (there, said) = tokio::join!(reading_target, reading_source);
        let (there, rows_there, keyless) = there.map_err(cut_off)??;
        let (said, rows_said, refused) = said.map_err(cut_off)??;
        Ok(Read { said, there, rows_said, rows_there, refused, keyless })
    }

    fn read_target(&self, begun: oneshot::Sender<()>) -> Result<(Buckets, u64, u64)> {
        let mut buckets = Buckets::new(&self.directory, self.bytes_max);
        let (mut begun, mut rows, mut since) = (Some(begun), 0, Instant::now());
        let keyless = self.target.scan(&mut |row| {
            if let Some(begun) = begun.take() {
                // Nobody waits where the verification ended meanwhile.
                let _ = begun.send(());
            }
            let Some((key, hashes)) = row else { return self.pace.check() };
            for (mapping, &hash) in (0..).zip(hashes) {
                let record = Record { key, mapping, hash, origin: &[] };
                buckets.push(record).map_err(|error| no_room(&error))?;
            }
            rows += 1;
            if rows % ROWS == 0 {
                self.pace.rest(ROWS, since)?;
                since = Instant::now();
            }
            Ok(())
        })?;
        Ok((buckets, rows, keyless))
    }

    fn read_source(&self) -> Result<(Buckets, u64, u64)> {
        let mut buckets = Buckets::new(&self.directory, self.bytes_max);
        let (mut rows, mut refused) = (0, 0);
        for (mapping, expected) in self.expected.iter().enumerate() {
            let number = u16::try_from(mapping)
                .map_err(|_| Error::new(Kind::Config, "too many mappings write one table"))?;
            let mut since = Instant::now();
            expected.scan(&mut |said| {
                rows += said.rows.len() as u64;
                refused += said.refused;
                let mut keep = |row: usize, key: &[u8], hash: u64| {
                    let origin = said.origins.get(row).map(Vec::as_slice).unwrap_or_default();
                    let record = Record { key, mapping: number, hash, origin };
                    buckets.push(record).map_err(|error| no_room(&error))
                };
                Handle::current().block_on(self.target.forms(mapping, &said.rows, &mut keep))?;
                self.pace.rest(said.read, since)?;
                since = Instant::now();
                Ok(())
            })?;
        }
        Ok((buckets, rows, refused))
    }
}

pub(crate) fn cut_off(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, "reading was cut off").caused_by(error)
}

pub(crate) fn no_room(error: &std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "can't keep what was read in the state directory")
        .detail(error.to_string())
}
