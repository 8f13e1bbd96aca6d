//! Bytes that were read and not yet taken, and the frames in them.
//!
//! ```text
//!  bytes: [ taken ][ frame ][ frame ][ part of one ][ free ]
//!                  ^ start                         ^ end
//!  frame: tag u8 · length u32 (itself included) · body
//! ```

use std::io::{self, Read};

/// Longest message a server sends: a field has at most 1 GiB.
const FRAME_BYTES_MAX: usize = (1 << 30) + (1 << 20);
/// Room there must be before a read.
const ROOM_BYTES_MIN: usize = 16 << 10;
/// Most room that is made for what a message only says that it has; beyond it, as much as there is already.
const ROOM_BYTES_MAX: usize = 1 << 20;
const HEADER_BYTES: usize = 5;

/// One message of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
}

/// The input buffer of a connection.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    usual: usize,
}

impl Input {
    /// A buffer of this size; it grows for a longer message and shrinks back.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], start: 0, end: 0, usual: bytes }
    }

    /// The tag of the next message, once it is whole.
    ///
    /// # Errors
    /// When its length can't be.
    pub(crate) fn next_tag(&self) -> io::Result<Option<u8>> {
        let whole = self.frame_bytes()?.is_some_and(|bytes| self.end - self.start >= bytes);
        Ok(self.bytes.get(self.start).copied().filter(|_| whole))
    }

    /// Takes the next message; `None` when it is not whole.
    ///
    /// # Errors
    /// When its length can't be.
    pub(crate) fn take(&mut self) -> io::Result<Option<Frame<'_>>> {
        let Some(bytes) = self.frame_bytes()? else { return Ok(None) };
        let Some(frame) = self.bytes.get(self.start..self.end).and_then(|held| held.get(..bytes))
        else {
            return Ok(None);
        };
        self.start += bytes;
        let Some((&tag, rest)) = frame.split_first() else { return Ok(None) };
        Ok(rest.get(4..).map(|body| Frame { tag, body }))
    }

    /// Reads once, as much as there is room for. 0 when the other end closed.
    pub(crate) fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        self.make_room()?;
        let free = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read = from.read(free)?;
        self.end += read;
        Ok(read)
    }

    /// The length of the message at `start`, header included, once its header is there.
    fn frame_bytes(&self) -> io::Result<Option<usize>> {
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Some((_, rest)) = held.split_first() else { return Ok(None) };
        let Some(length) = rest.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(4..=FRAME_BYTES_MAX).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a message of {length} bytes"),
            ));
        }
        Ok(Some(length + 1))
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > self.usual {
                self.bytes.truncate(self.usual);
                self.bytes.shrink_to_fit();
            }
        }
        let held = self.end - self.start;
        let missing = self.frame_bytes()?.unwrap_or(HEADER_BYTES).saturating_sub(held);
        let wanted = missing.min(held.max(ROOM_BYTES_MAX)).max(ROOM_BYTES_MIN);
        if self.bytes.len() - self.end >= wanted {
            return Ok(());
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, held);
        if self.bytes.len() - held < wanted {
            self.bytes.resize(held + wanted, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, body) in frames {
            bytes.push(*tag);
            bytes.extend((body.len() as u32 + 4).to_be_bytes());
            bytes.extend(body);
        }
        bytes
    }

    /// A reader that gives at most `step` bytes at a time.
    struct Steps<'a>(&'a [u8], usize);
    impl Read for Steps<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frames in proptest::collection::vec(
                (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..3000)), 0..40),
            step in 1_usize..5000,
        ) {
            let bytes = encode(&frames);
            let mut reader = Steps(&bytes, step);
            let mut input = Input::with_capacity(64);
            let mut seen = Vec::new();
            loop {
                while let Some(frame) = input.take().unwrap() {
                    seen.push((frame.tag, frame.body.to_vec()));
                }
                if input.fill(&mut reader).unwrap() == 0 { break; }
            }
            prop_assert_eq!(seen, frames);
        }
    }

    /// A line on which one byte was changed had a gigabyte taken for a message that never came.
    #[test]
    fn room_is_made_for_what_came_and_not_for_what_was_announced() {
        let mut bytes = [&b"d"[..], &(1_u32 << 30).to_be_bytes(), &[0; 40]].concat();
        let mut input = Input::with_capacity(64);
        for _ in 0..3 {
            assert_eq!(input.fill(&mut bytes.as_slice()).unwrap(), bytes.len());
            assert!(input.bytes.len() < 4 << 20, "{} bytes", input.bytes.len());
            bytes.fill(0);
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        for length in [0_u32, 3, u32::MAX] {
            let mut bytes = vec![b'd'];
            bytes.extend(length.to_be_bytes());
            let mut input = Input::with_capacity(64);
            input.fill(&mut bytes.as_slice()).unwrap();
            assert!(input.next_tag().is_err(), "{length}");
            assert!(input.take().is_err(), "{length}");
        }
    }
}
