//! The keys and hashes of one side, in buckets by key; on disk beyond a limit.
//!
//! ```text
//!  record: mapping u16 · hash u64 · key length u32 · origin length u32 · key · origin      (little-endian)
//! ```
//!
//! Equal keys are in one bucket, so that two sides are compared bucket by bucket.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Result, Seek as _, Write as _};
use std::path::Path;

/// How many buckets a side has: of a table of any size one is in memory at a time.
pub(crate) const BUCKETS: usize = 256;

const HEAD_BYTES: usize = 18;

/// What is kept of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record<'a> {
    /// Its key in the target.
    pub(crate) key: &'a [u8],
    /// The mapping that says it, or that writes these columns.
    pub(crate) mapping: u16,
    /// The hash of what that mapping writes.
    pub(crate) hash: u64,
    /// What its source row is asked for by; empty on the target's side.
    pub(crate) origin: &'a [u8],
}

/// One side.
#[derive(Debug)]
pub(crate) struct Buckets {
    memory: Vec<Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
    /// Where records went that had no room; made with the first of them.
    files: Vec<File>,
    directory: std::path::PathBuf,
}

impl Buckets {
    /// Nothing yet. Beyond so many bytes it goes to files in a directory that is there, which nobody else sees and
    /// which are gone with the process.
    pub(crate) fn new(directory: &Path, bytes_max: usize) -> Self {
        let memory = vec![Vec::new(); BUCKETS];
        Self { memory, bytes: 0, bytes_max, files: Vec::new(), directory: directory.into() }
    }

    /// Keeps a record.
    pub(crate) fn push(&mut self, record: Record<'_>) -> Result<()> {
        let Record { key, mapping, hash, origin } = record;
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
        let Some(bucket) = self.memory.get_mut(bucket_of(key)) else { return Ok(()) };
        bucket.extend_from_slice(&mapping.to_le_bytes());
        bucket.extend_from_slice(&hash.to_le_bytes());
        bucket.extend_from_slice(&length(key));
        bucket.extend_from_slice(&length(origin));
        bucket.extend_from_slice(key);
        bucket.extend_from_slice(origin);
        self.bytes += HEAD_BYTES + key.len() + origin.len();
        if self.bytes > self.bytes_max { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        while self.files.len() < BUCKETS {
            self.files.push(unnamed(&self.directory)?);
        }
        for (bucket, file) in self.memory.iter_mut().zip(&mut self.files) {
            file.write_all(bucket)?;
            bucket.clear();
        }
        self.bytes = 0;
        Ok(())
    }

    /// The records of a bucket, as [`records`] reads them; they are gone here afterwards.
    pub(crate) fn take(&mut self, bucket: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(file) = self.files.get_mut(bucket) {
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            file.set_len(0)?;
            file.rewind()?;
        }
        if let Some(memory) = self.memory.get_mut(bucket) {
            bytes.append(memory);
        }
        Ok(bytes)
    }
}

/// A file that has no name any more.
fn unnamed(directory: &Path) -> Result<File> {
    let path = directory.join(format!("bucket-{}", std::process::id()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// FNV-1a, folded: buckets need no better.
fn bucket_of(key: &[u8]) -> usize {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folded = hash ^ hash >> 32;
    usize::try_from(folded % BUCKETS as u64).unwrap_or_default()
}

/// Reads the records of a bucket.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while let Some((record, rest)) = record(bytes) {
        records.push(record);
        bytes = rest;
    }
    records
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (mapping, rest) = bytes.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (origin, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*key)).ok()?)?;
    let (origin, rest) =
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*origin)).ok()?)?;
    let (mapping, hash) = (u16::from_le_bytes(*mapping), u64::from_le_bytes(*hash));
    Some((Record { key, mapping, hash, origin }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(directory: &Path, bytes_max: usize, count: u64) -> Buckets {
        let mut buckets = Buckets::new(directory, bytes_max);
        for number in 0..count {
            let (key, origin) = (format!("key {number}"), number.to_string());
            let mapping = u16::try_from(number % 3).unwrap();
            let (key, origin) = (key.as_bytes(), origin.as_bytes());
            buckets.push(Record { key, mapping, hash: number * 7, origin }).unwrap();
        }
        buckets
    }

    /// All records, as texts, sorted; each bucket with its number.
    fn all(buckets: &mut Buckets) -> Vec<(usize, String, u16, u64, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut all = Vec::new();
        for bucket in 0..BUCKETS {
            let bytes = buckets.take(bucket).unwrap();
            all.extend(
                records(&bytes)
                    .into_iter()
                    .map(|it| (bucket, text(it.key), it.mapping, it.hash, text(it.origin))),
            );
        }
        all.sort();
        all
    }

    #[test]
    fn what_was_spilled_comes_back_as_what_was_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = filled(directory.path(), usize::MAX, 5000);
        let mut spilled = filled(directory.path(), 1000, 5000);
        assert!(spilled.bytes <= 1000 && !spilled.files.is_empty());
        let kept = all(&mut kept);
        assert_eq!(kept.len(), 5000);
        assert_eq!(kept, all(&mut spilled));
        assert!(all(&mut spilled).is_empty(), "it is gone once it was taken");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is left");
    }

    #[test]
    fn keys_are_spread_over_the_buckets() {
        let directory = tempfile::tempdir().unwrap();
        let mut buckets = filled(directory.path(), usize::MAX, 25_600);
        for bucket in 0..BUCKETS {
            let count = records(&buckets.take(bucket).unwrap()).len();
            assert!((40..250).contains(&count), "{count}");
        }
    }

    #[test]
    fn a_torn_record_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut buckets = filled(directory.path(), usize::MAX, 1);
        let bytes = (0..BUCKETS).map(|it| buckets.take(it).unwrap()).find(|it| !it.is_empty());
        let bytes = bytes.unwrap();
        assert_eq!(records(&bytes).len(), 1);
        assert!((0..bytes.len()).all(|length| records(&bytes[..length]).is_empty()));
    }
}
