//! Opening: the index from the files, and where to write on.

use super::index::{Index, Place, SEGMENT_BYTES_MAX, SEGMENTS_MAX};
use super::read::READ_BYTES;
use super::record;
use super::rows::{ABORT, COMMIT, File, ROWS, RowStore, StoreSettings};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syncline_core::{Error, Kind, Result};
use syncline_segment::{Disk, Frame, HEAD_BYTES, Segment, Writer, create_directory, recover};

const EXTENSION: &str = "claims";

/// What the header of each file says, so that no other file is taken for one.
const HEADER: &[u8] = b"claims 1";

pub(super) fn open(
    disk: Arc<dyn Disk>,
    directory: &Path,
    settings: StoreSettings,
) -> Result<RowStore> {
    create_directory(directory)?;
    let mut settings = settings;
    settings.segment_bytes = settings.segment_bytes.min(SEGMENT_BYTES_MAX / 2);
    let mut numbers = numbers(directory)?;
    let last = numbers.pop();
    let mut loading = Loading::default();
    for number in numbers {
        let path = path_of(directory, number);
        let (segment, header) = Segment::open(&path)?;
        check(&segment, &header)?;
        let until = segment.length()?;
        loading.begin(number, path, segment.clone());
        for frame in segment.frames(header.end, until, READ_BYTES) {
            loading.visit(number, &segment, &frame?)?;
        }
    }
    let (active, writer) = match last {
        Some(number) => {
            let path = path_of(directory, number);
            let (segment, header) = Segment::open(&path)?;
            check(&segment, &header)?;
            loading.begin(number, path.clone(), segment.clone());
            let recovered = recover(&disk, &path, |frame| {
                loading.visit(number, &segment, &frame).map_err(Failed)
            });
            (number, recovered.map_err(|failed| failed.0)?.writer)
        }
        None => {
            let (writer, file) = create(&disk, directory, 1)?;
            loading.files.insert(1, file);
            (1, writer)
        }
    };
    let Loading { index, gone, files, note, waiting } = loading;
    let mut store = RowStore {
        disk,
        directory: directory.to_owned(),
        settings,
        index,
        gone,
        files,
        active,
        writer,
        staged: Vec::new(),
        undo: Vec::new(),
        has_orphans: !waiting.is_empty(),
        note,
        compaction: None,
        read: HashMap::new(),
    };
    // Before anything is written behind them: else a later commit would take them in.
    crate::rows::Rows::rollback(&mut store)?;
    Ok(store)
}

/// An error of ours on its way through [`recover`].
struct Failed(Error);

impl From<syncline_segment::Error> for Failed {
    fn from(error: syncline_segment::Error) -> Self {
        Self(error.into())
    }
}

fn check(segment: &Segment, header: &Frame) -> Result<()> {
    if header.payload.as_ref() == HEADER {
        return Ok(());
    }
    Err(segment.damage(header.at, "this is no file of claims that this version can read").into())
}

pub(super) fn create(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    number: u64,
) -> Result<(Writer, File)> {
    let path = path_of(directory, number);
    let writer = Writer::create(disk, &path, number, HEADER)?;
    let segment = Segment::reopen(&path)?;
    Ok((writer, File { number, path, segment, total: 0, live: 0 }))
}

fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.{EXTENSION}"))
}

/// The numbers of the files that are there, ascending.
fn numbers(directory: &Path) -> Result<Vec<u64>> {
    let unreadable = |error: std::io::Error| {
        Error::new(Kind::Unavailable, format!("can't read {}", directory.display()))
            .detail(error.to_string())
    };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(number) = stem.filter(|_| is_ours).and_then(|stem| stem.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The index in the making.
#[derive(Default)]
struct Loading {
    index: Index,
    gone: HashSet<Place>,
    files: BTreeMap<u64, File>,
    note: Vec<u8>,
    /// Records since the last commit, and whether each says that its key is gone.
    waiting: Vec<(u64, Place, bool)>,
}

impl Loading {
    fn begin(&mut self, number: u64, path: PathBuf, segment: Segment) {
        let file = File { number, path, segment, total: 0, live: 0 };
        self.files.insert(number % SEGMENTS_MAX, file);
    }

    fn visit(&mut self, number: u64, segment: &Segment, frame: &Frame) -> Result<()> {
        match frame.kind {
            ROWS => {
                for found in record::all(&frame.payload) {
                    let offset = |at: usize| frame.at + (HEAD_BYTES + at) as u64;
                    let (at, key, row) = found
                        .map_err(|at| segment.damage(offset(at), "a frame ends within a record"))?;
                    let length = record::length(key, row);
                    let place = Place::new(number, offset(at), length);
                    self.waiting.push((RowStore::hash(key), place, row.is_none()));
                    if let Some(file) = self.files.get_mut(&place.segment()) {
                        file.total += length as u64;
                    }
                }
            }
            COMMIT => {
                for (hash, place, is_gone) in std::mem::take(&mut self.waiting) {
                    self.take_in(hash, place, is_gone)?;
                }
                self.note = frame.payload.to_vec();
            }
            ABORT => self.waiting.clear(),
            _ => {}
        }
        Ok(())
    }

    fn take_in(&mut self, hash: u64, place: Place, is_gone: bool) -> Result<()> {
        let old = self.same_key(hash, place)?;
        match old {
            Some(old) => {
                self.index.replace(hash, old, place);
                let was_gone = self.gone.remove(&old);
                if let Some(file) = self.files.get_mut(&old.segment()).filter(|_| !was_gone) {
                    file.live = file.live.saturating_sub(old.length() as u64);
                }
            }
            None => self.index.insert(hash, place),
        }
        if is_gone {
            self.gone.insert(place);
        } else if let Some(file) = self.files.get_mut(&place.segment()) {
            file.live += place.length() as u64;
        }
        Ok(())
    }

    /// The former place of the key of a record. Keys of one hash are told apart only where there are
    /// several: where a hash is met again, both records are read.
    fn same_key(&self, hash: u64, place: Place) -> Result<Option<Place>> {
        let key = |place: Place| -> Result<Vec<u8>> {
            let file = self.files.get(&place.segment());
            let mut bytes = vec![0; place.length()];
            let file = file.ok_or_else(|| Error::new(Kind::Corrupt, "a file of claims is gone"))?;
            file.segment.read_into(place.offset(), &mut bytes)?;
            let key = record::read(&bytes, false).map(|(key, ..)| key.to_vec());
            key.ok_or_else(|| file.segment.damage(place.offset(), "a record does not hold").into())
        };
        let mut known = self.index.places(hash);
        let Some(first) = known.next() else { return Ok(None) };
        let wanted = key(place)?;
        for candidate in std::iter::once(first).chain(known) {
            if key(candidate)? == wanted {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}
