//! Reads frames by place, in large reads, without copying payloads.

use crate::Error;
use crate::frame::{self, Frame, HEAD_BYTES, HEADER, Head, PREAMBLE_BYTES};
use bytes::Bytes;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A segment open for reading. Cheap to clone; reads share no cursor.
#[derive(Debug, Clone)]
pub struct Segment {
    file: Arc<File>,
    path: Arc<PathBuf>,
}

impl Segment {
    /// Opens a segment and reads its header frame.
    ///
    /// # Errors
    /// `Read` when the file can't be read, `Damaged` when it does not begin as a segment does.
    pub fn open(path: &Path) -> Result<(Self, Frame), Error> {
        let segment = Self::reopen(path)?;
        let length = segment.length()?;
        let damaged = |what| segment.damaged(0, what);
        if length < PREAMBLE_BYTES {
            return Err(damaged("shorter than a segment can be"));
        }
        let preamble = segment.read_at(0, PREAMBLE_BYTES as usize)?;
        frame::check_preamble(&preamble).map_err(damaged)?;
        let header = segment.frames(PREAMBLE_BYTES, length, 4096).next();
        match header {
            Some(Ok(header)) if header.kind == HEADER => Ok((segment, header)),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Err(damaged("a segment without a header")),
        }
    }

    /// Opens a segment whose header was read before.
    ///
    /// # Errors
    /// `Read` when the file can't be opened.
    pub fn reopen(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::read(path))?;
        Ok(Self { file: Arc::new(file), path: Arc::new(path.to_owned()) })
    }

    /// The file's length now.
    ///
    /// # Errors
    /// `Read` when the system does not say.
    pub fn length(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(Error::read(&self.path))?.len())
    }

    /// The frames that lie between two places, which are where frames begin or end. Every frame
    /// must be whole. Reads about `read_bytes` at a time, more for a larger frame.
    #[must_use]
    pub fn frames(&self, from: u64, until: u64, read_bytes: usize) -> Frames {
        Frames {
            segment: self.clone(),
            at: from,
            until,
            read_bytes,
            chunk: Bytes::new(),
            synced: 0,
        }
    }

    pub(crate) fn read_at(&self, at: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.read_into(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills a buffer with the bytes at a place, as they are: who reads a part of a frame checks it
    /// himself.
    ///
    /// # Errors
    /// `Read` when the system refuses, or the file ends before.
    pub fn read_into(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(bytes, at).map_err(Error::read(&self.path))
    }

    /// That the bytes at a place are not what was written.
    #[must_use]
    pub fn damage(&self, at: u64, what: &'static str) -> Error {
        self.damaged(at, what)
    }

    pub(crate) fn damaged(&self, at: u64, what: &'static str) -> Error {
        Error::Damaged { path: self.path.to_path_buf(), at, what }
    }
}

/// The frames of a part of a segment, in order. Ends after the first error.
#[derive(Debug)]
pub struct Frames {
    segment: Segment,
    at: u64,
    until: u64,
    read_bytes: usize,
    /// What was read of the file from `at` on.
    chunk: Bytes,
    /// What the frames so far say of how much of the segment was durable.
    pub(crate) synced: u64,
}

impl Frames {
    fn frame(&mut self) -> Result<Frame, Error> {
        self.fill(HEAD_BYTES as u64)?;
        let head = Head::decode(&self.chunk, self.at)
            .ok_or_else(|| self.segment.damaged(self.at, "a frame's head does not hold"))?;
        self.fill(head.frame_bytes())?;
        let mut frame = self.chunk.split_to(head.frame_bytes() as usize);
        let mut payload = frame.split_off(HEAD_BYTES);
        payload.truncate(head.length as usize);
        if crc32c::crc32c(&payload) != head.checksum {
            return Err(self.segment.damaged(self.at, "a frame's payload does not hold"));
        }
        let at = self.at;
        self.at += head.frame_bytes();
        self.synced = self.synced.max(head.synced);
        Ok(Frame { at, end: self.at, kind: head.kind, number: head.number, payload })
    }

    /// Makes sure that the chunk holds so many bytes.
    fn fill(&mut self, bytes: u64) -> Result<(), Error> {
        if self.chunk.len() as u64 >= bytes {
            return Ok(());
        }
        let left = self.until.saturating_sub(self.at);
        if left < bytes {
            return Err(self.segment.damaged(self.at, "the segment ends inside a frame"));
        }
        let length = left.min(bytes.max(self.read_bytes as u64));
        self.chunk = self.segment.read_at(self.at, length as usize)?.into();
        Ok(())
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.until {
            return None;
        }
        let frame = self.frame();
        if frame.is_err() {
            self.at = self.until;
        }
        Some(frame)
    }
}
