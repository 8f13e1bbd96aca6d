//! Opening: the index from the files, and where to write on.

use super::index::SEGMENT_BYTES_MAX;
use super::load::Loading;
use super::read::{LastRead, READ_BYTES};
use super::recent::Recent;
use super::rows::{File, RowStore, StoreSettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syncline_core::{Cursor, Error, Kind, Result};
use syncline_segment::{Disk, Frame, Segment, Writer, create_directory, recover};

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
    // The last two files have more than that.
    let recent_bytes = usize::try_from(settings.segment_bytes / 2).unwrap_or(usize::MAX);
    let recent_from = last.unwrap_or_default().saturating_sub(1);
    let mut loading = Loading::new(Recent::new(recent_bytes), recent_from);
    for number in numbers {
        let path = path_of(directory, number);
        let (segment, header) = Segment::open(&path)?;
        check(&segment, &header)?;
        let until = segment.length()?;
        loading.add(File::new(number, path, segment.clone()));
        for frame in segment.frames(header.end, until, READ_BYTES) {
            loading.visit(number, &segment, &frame?)?;
        }
    }
    let (active, writer) = match last {
        Some(number) => {
            let path = path_of(directory, number);
            let (segment, header) = Segment::open(&path)?;
            check(&segment, &header)?;
            loading.add(File::new(number, path.clone(), segment.clone()));
            let recovered = recover(&disk, &path, |frame| {
                loading.visit(number, &segment, &frame).map_err(Failed)
            });
            (number, recovered.map_err(|failed| failed.0)?.writer)
        }
        None => {
            let (writer, file) = create(&disk, directory, 1)?;
            loading.add(file);
            (1, writer)
        }
    };
    let loaded = loading.finish()?;
    let mut store = RowStore {
        disk,
        directory: directory.to_owned(),
        settings,
        index: loaded.index,
        gone: loaded.gone,
        files: loaded.files,
        active,
        writer,
        staged: Vec::new(),
        undo: Vec::new(),
        since: Cursor::default(),
        has_orphans: loaded.has_orphans,
        note: loaded.note,
        compaction: None,
        read: LastRead::default(),
        recent: loaded.recent,
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
    Ok((writer, File::new(number, path, segment)))
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
