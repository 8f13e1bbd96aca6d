//! Transactions in progress, kept on disk until they commit or abort, so that memory stays bounded.
//!
//! ```text
//!  <system>-<slot>-<xid>.spill:  length u32 · message as it came, its subtransaction inside
//! ```
//!
//! Nothing here survives a restart on purpose: the server sends a transaction that did not commit
//! again from its start.

use super::message::subtransaction;
use crate::settings::Settings;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use syncline_core::{Error, Kind, Result, SystemName};

const BUFFER_BYTES: usize = 256 << 10;
const SUFFIX: &str = ".spill";

/// The transactions in progress.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    prefix: String,
    transactions: HashMap<u32, Spilled>,
    /// The transaction whose block is being received.
    current: Option<u32>,
}

#[derive(Debug)]
struct Spilled {
    path: PathBuf,
    file: BufWriter<File>,
    /// Subtransactions that were rolled back.
    aborted: HashSet<u32>,
}

impl Spill {
    /// Prepares the directory and removes what an earlier run left there.
    pub(super) fn open(system: &SystemName, settings: &Settings) -> Result<Self> {
        let directory = settings.spill_directory.clone();
        let prefix = format!("{system}-{}-", settings.slot);
        let prepared = fs::create_dir_all(&directory).and_then(|()| sweep(&directory, &prefix));
        prepared.map_err(|error| failed(&directory, error))?;
        Ok(Self { directory, prefix, transactions: HashMap::new(), current: None })
    }

    /// Whether a block is being received.
    #[inline]
    pub(super) fn is_receiving(&self) -> bool {
        self.current.is_some()
    }

    /// A block of a transaction begins.
    ///
    /// # Errors
    /// `Corrupt` when its earlier blocks were never seen.
    pub(super) fn start(&mut self, xid: u32, first: bool) -> Result<()> {
        if first {
            let path = self.directory.join(format!("{}{xid}{SUFFIX}", self.prefix));
            let file = File::create(&path).map_err(|error| failed(&path, error))?;
            let file = BufWriter::with_capacity(BUFFER_BYTES, file);
            self.transactions.insert(xid, Spilled { path, file, aborted: HashSet::new() });
        } else if !self.transactions.contains_key(&xid) {
            return Err(Error::new(
                Kind::Corrupt,
                "the stream goes on with an unknown transaction",
            )
            .detail(format!("transaction {xid}")));
        }
        self.current = Some(xid);
        Ok(())
    }

    /// The block ends.
    pub(super) fn stop(&mut self) {
        self.current = None;
    }

    /// Keeps a message of the block.
    pub(super) fn write(&mut self, message: &[u8]) -> Result<()> {
        let Some(spilled) = self.current.and_then(|xid| self.transactions.get_mut(&xid)) else {
            return Err(Error::new(Kind::Internal, "a streamed message outside of a block"));
        };
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let written = spilled
            .file
            .write_all(&length.to_be_bytes())
            .and_then(|()| spilled.file.write_all(message));
        written.map_err(|error| failed(&spilled.path, error))
    }

    /// A transaction, or a subtransaction of it, is rolled back.
    pub(super) fn abort(&mut self, xid: u32, subtransaction: u32) -> Result<()> {
        if xid != subtransaction {
            if let Some(spilled) = self.transactions.get_mut(&xid) {
                spilled.aborted.insert(subtransaction);
            }
            return Ok(());
        }
        match self.transactions.remove(&xid) {
            Some(spilled) => {
                fs::remove_file(&spilled.path).map_err(|error| failed(&spilled.path, error))
            }
            None => Ok(()),
        }
    }

    /// A transaction commits: its messages, to be read in order.
    ///
    /// # Errors
    /// `Corrupt` when it was never seen.
    pub(super) fn commit(&mut self, xid: u32) -> Result<Replay> {
        let spilled = self.transactions.remove(&xid).ok_or_else(|| {
            Error::new(Kind::Corrupt, "the stream commits an unknown transaction")
                .detail(format!("transaction {xid}"))
        })?;
        let Spilled { path, file, aborted } = spilled;
        let flushed = file.into_inner().map_err(io::IntoInnerError::into_error);
        let file = flushed.and_then(|_written| File::open(&path));
        let file = file.map_err(|error| failed(&path, error))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Replay { path, file, aborted, message: Vec::new() })
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        for spilled in self.transactions.values() {
            // What stays is removed by the next run.
            let _ = fs::remove_file(&spilled.path);
        }
    }
}

/// The messages of a transaction that committed. Removes the file when dropped.
#[derive(Debug)]
pub(super) struct Replay {
    path: PathBuf,
    file: BufReader<File>,
    aborted: HashSet<u32>,
    message: Vec<u8>,
}

impl Replay {
    /// The next message that counts; `None` at the end. Descriptions of tables count even where
    /// their subtransaction was rolled back: the server sends each only once a transaction. So does an
    /// origin, which is the whole transaction's.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let mut length = [0; 4];
            match self.file.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(failed(&self.path, error)),
            }
            self.message.resize(u32::from_be_bytes(length) as usize, 0);
            self.file.read_exact(&mut self.message).map_err(|error| failed(&self.path, error))?;
            if matches!(self.message.first(), Some(b'R' | b'O')) || !self.is_aborted() {
                break;
            }
        }
        Ok(Some(&self.message))
    }

    fn is_aborted(&self) -> bool {
        !self.aborted.is_empty()
            && subtransaction(&self.message).is_some_and(|xid| self.aborted.contains(&xid))
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = fs::remove_file(&self.path);
    }
}

fn sweep(directory: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Unavailable, "can't keep a transaction in progress on disk")
        .detail(format!("{}: {error}", path.display()))
        .hint("free disk space, or name another spill directory")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill(directory: &Path) -> Spill {
        let mut settings = Settings::new("h", 1, "d", "u");
        settings.spill_directory = directory.to_owned();
        Spill::open(&SystemName::new("sis"), &settings).unwrap()
    }

    fn message(tag: u8, xid: u32) -> Vec<u8> {
        [&[tag], xid.to_be_bytes().as_slice(), b"row"].concat()
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn blocks_of_two_transactions_come_back_apart_and_without_what_was_rolled_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = spill(directory.path());
        spill.start(10, true).unwrap();
        spill.write(&message(b'I', 10)).unwrap();
        spill.write(&message(b'R', 11)).unwrap();
        spill.write(&message(b'I', 11)).unwrap();
        spill.stop();
        spill.start(20, true).unwrap();
        spill.write(&message(b'I', 20)).unwrap();
        spill.stop();
        spill.abort(10, 11).unwrap();
        spill.start(10, false).unwrap();
        spill.write(&message(b'U', 10)).unwrap();
        spill.stop();
        let mut replay = spill.commit(10).unwrap();
        let mut seen = Vec::new();
        while let Some(message) = replay.next().unwrap() {
            seen.push((message[0], subtransaction(message).unwrap()));
        }
        assert_eq!(seen, [(b'I', 10), (b'R', 11), (b'U', 10)]);
        drop(replay);
        spill.abort(20, 20).unwrap();
        assert_eq!(files(directory.path()), 0);
    }

    #[test]
    fn leftovers_are_removed_and_other_files_are_not() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("sis-syncline-7.spill"), b"old").unwrap();
        fs::write(directory.path().join("hr-syncline-7.spill"), b"of another").unwrap();
        drop(spill(directory.path()));
        assert_eq!(files(directory.path()), 1);
    }

    #[test]
    fn an_unknown_transaction_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = spill(directory.path());
        assert_eq!(spill.start(1, false).unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(spill.commit(1).unwrap_err().kind(), Kind::Corrupt);
    }
}
