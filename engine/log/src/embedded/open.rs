//! Opens a directory: takes it, recovers its topics, starts the writer thread.

use super::active::Active;
use super::format::{
    self, ENTRY, Header, PROGRESS, Progress, damaged, name_of_file, segment_first, segment_path,
};
use super::identity;
use super::index::{Index, Places};
use super::lock::DirectoryLock;
use super::settings::Settings;
use super::shared::{Shared, checkpoints_directory, topics_directory};
use super::topic::{Topic, View};
use super::writer::LogWriter;
use crate::rules::advance;
use serde::Deserialize;
use serde::de::value::{Error as NameError, StrDeserializer};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use syncline_core::codec::decode_head;
use syncline_core::{Error, Kind, LogId, Offset, ReaderName, Result, Tail, Topic as TopicName};
use syncline_segment::{Disk, Frame, HEADER, RealDisk, Segment, create_directory, recover};

/// The log in one directory. Dropping it writes what was accepted and lets go of the directory.
#[derive(Debug)]
pub struct EmbeddedLog {
    pub(super) id: LogId,
    pub(super) shared: Arc<Shared>,
    pub(super) saving: Mutex<()>,
    writer: Option<JoinHandle<()>>,
    _lock: DirectoryLock,
}

impl EmbeddedLog {
    /// Opens the log in this directory, made if need be, and recovers it to the last valid entry
    /// of each topic. Reads only each topic's last segment.
    ///
    /// # Errors
    /// `Config` when another process has the directory (the detail names it) or a setting is
    /// impossible; `Corrupt` when bytes that were durable are damaged; `Unavailable` when the
    /// directory can't be read or written.
    pub fn open(directory: &Path, settings: Settings) -> Result<Self> {
        Self::open_on(Arc::new(RealDisk), directory, settings)
    }

    /// As [`EmbeddedLog::open`], on a disk that may fail on purpose.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub fn open_on(disk: Arc<dyn Disk>, directory: &Path, settings: Settings) -> Result<Self> {
        settings.check()?;
        create_directory(directory).map_err(unusable)?;
        let lock = DirectoryLock::take(directory)?;
        for part in [topics_directory(directory), checkpoints_directory(directory)] {
            create_directory(&part).map_err(unusable)?;
        }
        let id = identity::of(directory)?;
        let (mut topics, mut active) = (Vec::new(), HashMap::new());
        for path in list(&topics_directory(directory))? {
            let (topic, segment) = open_topic(&disk, path)?;
            topics.push(topic.clone());
            active.extend(segment.map(|segment| (topic.name.clone(), segment)));
        }
        let shared = Arc::new(Shared::new(directory.to_owned(), settings, topics));
        let writer = LogWriter { shared: shared.clone(), disk, active };
        let writer = std::thread::Builder::new()
            .name("syncline-log".into())
            .spawn(move || writer.run())
            .map_err(|error| {
                Error::new(Kind::Unavailable, "no thread for the log").caused_by(error)
            })?;
        Ok(Self { id, shared, saving: Mutex::new(()), writer: Some(writer), _lock: lock })
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the log's writer thread panicked");
        }
    }
}

fn open_topic(disk: &Arc<dyn Disk>, directory: PathBuf) -> Result<(Arc<Topic>, Option<Active>)> {
    let name = topic_name(&directory)?;
    let mut firsts = Vec::new();
    for path in list(&directory)? {
        match segment_first(&path) {
            Some(first) => firsts.push(first),
            None => drop(std::fs::remove_file(path)),
        }
    }
    firsts.sort_unstable();
    let Some(last) = firsts.pop() else {
        return Ok((Arc::new(Topic::new(name, directory, View::default())), None));
    };
    let mut segments = VecDeque::new();
    for first in firsts {
        segments.push_back(Arc::new(open_sealed(&name, segment_path(&directory, first))?));
    }
    let path = segment_path(&directory, last);
    let mut recovery = Recovery::default();
    let recovered = recover(disk, &path, |frame| recovery.see(&name, &path, &frame))?;
    if recovered.torn_bytes > 0 {
        let bytes = recovered.torn_bytes;
        tracing::warn!(topic = %name, bytes, "cut off what a crash left half-written");
    }
    let index = Arc::new(recovery.index(&path)?);
    segments.push_back(index.clone());
    let view = View::recovered(recovery.tail, recovery.readers, segments);
    let topic = Arc::new(Topic::new(name, directory, view));
    let schemas = index.schemas().into_keys().collect();
    let active = Active { topic: topic.clone(), file: recovered.writer, index, schemas };
    Ok((topic, Some(active)))
}

fn open_sealed(topic: &TopicName, path: PathBuf) -> Result<Index> {
    let (segment, frame) = Segment::open(&path)?;
    let header = read_header(topic, &path, &frame)?;
    Ok(Index::new(header, path, frame.end, Places::unknown(segment.length()?)))
}

fn read_header(topic: &TopicName, path: &Path, frame: &Frame) -> Result<Header> {
    let header: Header = format::decode(&frame.payload, path)?;
    if header.topic != topic.as_str() || segment_first(path) != Some(header.first) {
        let found = format!("it says it is {} from offset {}", header.topic, header.first);
        return Err(damaged(path, found, "a segment in the wrong place"));
    }
    Ok(header)
}

/// What the frames of the last segment add up to.
#[derive(Debug, Default)]
struct Recovery {
    header: Option<(Header, u64)>,
    tail: Tail,
    readers: BTreeMap<ReaderName, Offset>,
    places: Places,
}

impl Recovery {
    fn see(&mut self, topic: &TopicName, path: &Path, frame: &Frame) -> Result<()> {
        match frame.kind {
            HEADER => {
                let header = read_header(topic, path, frame)?;
                self.tail = header.tail();
                self.readers = header.readers.clone();
                self.header = Some((header, frame.end));
                self.places = Places::known(frame.end);
            }
            ENTRY if frame.number == self.tail.next.0 => {
                advance(&mut self.tail, &decode_head(&frame.payload)?);
            }
            ENTRY => {
                let found = format!("offset {} where {} belongs", frame.number, self.tail.next);
                return Err(damaged(path, found, "an entry is missing"));
            }
            PROGRESS => {
                let progress: Progress = format::decode(&frame.payload, path)?;
                match progress.next {
                    Some(next) => self.readers.insert(progress.reader, next),
                    None => self.readers.remove(&progress.reader),
                };
            }
            _ => {}
        }
        self.places.see(frame)
    }

    /// The segment's index, once it is known that no reader has seen more than there is.
    fn index(&mut self, path: &Path) -> Result<Index> {
        let ahead = self.readers.iter().find(|(_, next)| **next > self.tail.next);
        if let Some((reader, next)) = ahead {
            let found = format!("{reader} has read up to {next}, it ends at {}", self.tail.next);
            return Err(damaged(path, found, "entries are missing at the end"));
        }
        let (header, start) = self.header.take().expect("every segment begins with its header");
        Ok(Index::new(header, path.to_owned(), start, std::mem::take(&mut self.places)))
    }
}

fn topic_name(directory: &Path) -> Result<TopicName> {
    let name = directory.file_name().and_then(|name| name.to_str()).and_then(name_of_file);
    let topic =
        name.and_then(|name| TopicName::deserialize(StrDeserializer::<NameError>::new(&name)).ok());
    topic.ok_or_else(|| {
        Error::new(Kind::Config, format!("{} is no topic", directory.display()))
            .hint("move it out of the log's directory")
    })
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| {
            Error::new(Kind::Unavailable, format!("can't list {}", directory.display()))
                .detail(error.to_string())
                .caused_by(error)
        })
}

/// Nothing was promised yet, so a directory that can't be made is the operator's to mend.
fn unusable(error: syncline_segment::Error) -> Error {
    let error = Error::from(error);
    Error::new(Kind::Config, "the log's directory can't be used")
        .detail(format!("{error}: {}", error.detail_text().unwrap_or_default()))
        .hint("make it writable, or set another log directory")
}
