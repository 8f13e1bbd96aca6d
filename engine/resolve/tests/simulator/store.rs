//! Where claims rest, and what a crash leaves of them.

use crate::draw::Draw;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use syncline_core::{Cursor, Result};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{MemoryRows, RowBuffer, Rows, Scanned};
use syncline_segment::Disk;
use tempfile::TempDir;

/// Small enough for several files.
const SETTINGS: StoreSettings = StoreSettings { segment_bytes: 4_000, garbage_share: 0.5 };

#[derive(Debug)]
pub(crate) enum Store {
    Memory(Arc<Mutex<MemoryRows>>),
    Disk { directory: TempDir, disk: Arc<Unsafe> },
}

impl Store {
    pub(crate) fn new(on_disk: bool) -> Self {
        if !on_disk {
            return Self::Memory(Arc::default());
        }
        let in_memory = TempDir::new_in("/dev/shm");
        let directory = in_memory.or_else(|_| TempDir::new()).unwrap();
        Self::Disk { directory, disk: Arc::default() }
    }

    pub(crate) fn open(&self) -> Box<dyn Rows> {
        match self {
            Self::Memory(rows) => Box::new(Shared(rows.clone())),
            Self::Disk { directory, disk } => {
                Box::new(RowStore::open(disk.clone(), directory.path(), SETTINGS).unwrap())
            }
        }
    }

    /// The machine stops: what was not made durable is there in part, or not.
    pub(crate) fn crash(&self, draw: &mut Draw) {
        match self {
            Self::Memory(rows) => rows.lock().unwrap().rollback().unwrap(),
            Self::Disk { directory, disk } => disk.crash(directory.path(), draw),
        }
    }
}

/// Rows that outlive the entity that is open on them.
struct Shared(Arc<Mutex<MemoryRows>>);

impl Rows for Shared {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        self.0.lock().unwrap().read(keys, rows)
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.0.lock().unwrap().write(key, row)
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.0.lock().unwrap().remove(key)
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        self.0.lock().unwrap().commit(note)
    }

    fn rollback(&mut self) -> Result<()> {
        self.0.lock().unwrap().rollback()
    }

    fn note(&self) -> Vec<u8> {
        self.0.lock().unwrap().note()
    }

    fn scan(&mut self, from: Cursor, _: usize, rows: &mut Scanned) -> Result<Option<Cursor>> {
        // A row at a time.
        self.0.lock().unwrap().scan(from, 1, rows)
    }
}

/// A disk that remembers how much of each file was made durable: by its number.
#[derive(Debug, Default)]
pub(crate) struct Unsafe {
    durable: Mutex<HashMap<u64, u64>>,
}

impl Disk for Unsafe {
    fn sync(&self, file: &File) -> io::Result<()> {
        let about = file.metadata()?;
        self.durable.lock().unwrap().insert(about.ino(), about.len());
        Ok(())
    }
}

impl Unsafe {
    /// Of what was not durable, an end is lost, and a stretch before it may never have been written.
    fn crash(&self, directory: &Path, draw: &mut Draw) {
        let durable = self.durable.lock().unwrap();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let about = std::fs::metadata(&path).unwrap();
            let safe = durable.get(&about.ino()).copied().unwrap_or(0);
            let lost = usize::try_from(about.len() - safe.min(about.len())).unwrap();
            if lost == 0 {
                continue;
            }
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(safe + draw.below(lost + 1) as u64).unwrap();
            if draw.happens(30) {
                let hole = safe + draw.below(lost) as u64;
                let length = file.metadata().unwrap().len();
                if hole < length {
                    file.set_len(hole).unwrap();
                    file.set_len(length).unwrap();
                }
            }
        }
    }
}
