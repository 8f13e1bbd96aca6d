//! What the frames of a topic's segments say, beside entries. Names of files.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use syncline_core::{Boundary, Error, Kind, Offset, Position, ReaderName, Result, Tail};

/// A frame with an entry; its number is the offset.
pub(super) const ENTRY: u8 = 1;
/// A frame with a schema; its number is what entries of this segment call it by.
pub(super) const SCHEMA: u8 = 2;
/// A frame with a [`Progress`]; its number is the offset after the entry before it.
pub(super) const PROGRESS: u8 = 3;
/// An empty frame that says how far all is durable; written when the log is closed.
pub(super) const CLOSED: u8 = 4;

const EXTENSION: &str = "log";

/// What a segment's header keeps of the segments before it, so that these may be trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The topic, so that a file in the wrong place is noticed.
    pub(super) topic: String,
    /// The first offset.
    pub(super) first: u64,
    position: Option<Position>,
    committed_at: i64,
    open: bool,
    /// How far each reader was.
    pub(super) readers: BTreeMap<ReaderName, Offset>,
}

impl Header {
    pub(super) fn new(topic: &str, tail: &Tail, readers: &BTreeMap<ReaderName, Offset>) -> Self {
        Self {
            topic: topic.to_owned(),
            first: tail.next.0,
            position: tail.boundary.map(|boundary| boundary.position),
            committed_at: tail.boundary.map_or(0, |boundary| boundary.committed_at),
            open: tail.open,
            readers: readers.clone(),
        }
    }

    /// When the source committed the last of what lies before, in µs since 1970 UTC.
    pub(super) fn committed_at(&self) -> i64 {
        self.committed_at
    }

    /// The topic's end where this segment begins.
    pub(super) fn tail(&self) -> Tail {
        let committed_at = self.committed_at;
        let boundary = self.position.map(|position| Boundary { position, committed_at });
        Tail { next: Offset(self.first), boundary, open: self.open }
    }
}

/// How far a reader is; `None` once it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) reader: ReaderName,
    pub(super) next: Option<Offset>,
}

/// Writes a header or progress.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("names and numbers are JSON")
}

/// Reads a header or progress.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(payload).map_err(|error| damaged(path, "a frame of another form", error))
}

/// The error for a segment whose frames hold but don't say what they must.
pub(super) fn damaged(
    path: &Path,
    what: impl Into<String>,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(Kind::Corrupt, format!("{} is not what was written", path.display()))
        .detail(what)
        .hint("restore the log's directory from a copy, or begin anew with a snapshot")
        .caused_by(cause)
}

/// The file of the segment that begins at this offset.
pub(super) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.{EXTENSION}"))
}

/// The first offset of the segment in this file; `None` for another file.
pub(super) fn segment_first(path: &Path) -> Option<u64> {
    let digits = path.file_stem()?.to_str()?;
    let is_segment = path.extension()? == EXTENSION && digits.len() == 20;
    is_segment.then(|| digits.parse().ok())?
}

/// A name as one file name: letters, digits, `-`, `_` and inner dots stay, all else is `%XX`.
///
/// # Errors
/// `Config` when it is empty or too long for a file name.
pub(super) fn file_name(name: &str) -> Result<String> {
    let mut file = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(byte.into()),
            b'.' if place > 0 => file.push('.'),
            other => file.push_str(&format!("%{other:02X}")),
        }
    }
    match file.len() {
        1..=200 => Ok(file),
        length => {
            Err(Error::new(Kind::Config, format!("the name {name:?} can't be a file's name"))
                .detail(format!("it is {length} bytes long, at most 200 are allowed")))
        }
    }
}

/// The name in a file name that [`file_name`] made.
pub(super) fn name_of_file(file: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_is_a_safe_file_name_and_comes_back(name in "\\PC{1,16}|[./%a-z]{1,30}") {
            let file = file_name(&name).unwrap();
            prop_assert!(!file.starts_with('.') && !file.contains('/'));
            prop_assert_eq!(name_of_file(&file), Some(name));
        }
    }

    #[test]
    fn a_name_that_no_file_can_have_is_refused() {
        assert_eq!(file_name("").unwrap_err().kind(), Kind::Config);
        assert_eq!(file_name(&"é".repeat(40)).unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn only_segments_are_taken_for_segments() {
        let directory = Path::new("/log");
        assert_eq!(segment_first(&segment_path(directory, 42)), Some(42));
        for other in ["00000000000000000042.log.new", "42.log", "lock", "x"] {
            assert_eq!(segment_first(&directory.join(other)), None, "{other}");
        }
    }
}
