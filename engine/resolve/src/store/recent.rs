//! What was written last, kept in memory: who is spoken of now was mostly spoken of a while ago.
//!
//! Frames as they were written, the oldest let go first; with them go at most so many bytes. A record that
//! is here is read without asking the system.

use super::index::Place;
use std::collections::VecDeque;

/// The last frames of records.
#[derive(Debug)]
pub(super) struct Recent {
    bytes_max: usize,
    bytes: usize,
    /// As they were written, one behind the other.
    frames: VecDeque<RecentFrame>,
}

#[derive(Debug)]
struct RecentFrame {
    /// Of the first record.
    from: Place,
    records: Vec<u8>,
}

impl Recent {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, frames: VecDeque::new() }
    }

    /// Keeps the records of a frame; gives back room for others.
    pub(super) fn keep(&mut self, from: Place, mut records: Vec<u8>) -> Vec<u8> {
        if records.len() > self.bytes_max {
            records.clear();
            return records;
        }
        // A small frame is not kept in large room.
        let mut room = Vec::new();
        if records.len() < records.capacity() / 2 {
            let kept = records.as_slice().to_vec();
            room = std::mem::replace(&mut records, kept);
        }
        self.bytes += records.capacity();
        self.frames.push_back(RecentFrame { from, records });
        while let Some(oldest) = self.let_go_of_oldest() {
            if oldest.capacity() > room.capacity() {
                room = oldest;
            }
        }
        room.clear();
        room
    }

    /// Keeps at most so many bytes from now on.
    pub(super) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        while self.let_go_of_oldest().is_some() {}
    }

    /// The oldest frame, where there are more bytes than there may be.
    fn let_go_of_oldest(&mut self) -> Option<Vec<u8>> {
        if self.bytes <= self.bytes_max {
            return None;
        }
        let oldest = self.frames.pop_front()?.records;
        self.bytes -= oldest.capacity();
        Some(oldest)
    }

    /// The bytes of a record, where they are here.
    pub(super) fn get(&self, place: Place) -> Option<&[u8]> {
        // Numbers of segments come again at some time, so that the order may be broken: then a record
        // is not found, and read from its file.
        let behind = self.frames.partition_point(|frame| frame.from <= place);
        let frame = self.frames.get(behind.checked_sub(1)?)?;
        if frame.from.segment() != place.segment() {
            return None;
        }
        let at = place.offset().checked_sub(frame.from.offset())? as usize;
        frame.records.get(at..at + place.length())
    }

    /// Lets go of what is at a place and behind it in its file: it may be written over.
    pub(super) fn cut(&mut self, place: Place) {
        let is_behind = |frame: &RecentFrame| {
            frame.from.segment() == place.segment() && frame.from.offset() >= place.offset()
        };
        self.let_go(is_behind);
    }

    /// Lets go of a file that is no more.
    pub(super) fn forget(&mut self, segment: u64) {
        self.let_go(|frame| frame.from.segment() == segment);
    }

    fn let_go(&mut self, is_gone: impl Fn(&RecentFrame) -> bool) {
        let bytes = &mut self.bytes;
        self.frames.retain(|frame| {
            if is_gone(frame) {
                *bytes -= frame.records.capacity();
            }
            !is_gone(frame)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(segment: u64, offset: u64) -> Place {
        Place::new(segment, offset, 8)
    }

    #[test]
    fn the_oldest_frames_are_let_go_first() {
        let mut recent = Recent::new(32);
        for frame in 0..4_u8 {
            recent.keep(place(1, 64 * u64::from(frame)), vec![frame; 16]);
        }
        let known =
            |recent: &Recent, frame: u64| recent.get(place(1, 64 * frame + 8)).map(|it| it[0]);
        assert_eq!([0, 1, 2, 3].map(|it| known(&recent, it)), [None, None, Some(2), Some(3)]);
        assert_eq!(recent.get(place(2, 136)), None, "of another file");
        assert_eq!(recent.get(place(1, 144)), None, "between two frames");
        recent.limit(31);
        assert_eq!([2, 3].map(|it| known(&recent, it)), [None, Some(3)]);
        recent.limit(32);
        recent.keep(place(1, 256), vec![4; 16]);
        recent.cut(place(1, 256));
        assert_eq!([3, 4].map(|it| known(&recent, it)), [Some(3), None]);
        recent.forget(1);
        assert_eq!((known(&recent, 3), recent.bytes), (None, 0));
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room() {
        let mut recent = Recent::new(0);
        assert!(recent.keep(place(1, 0), vec![1; 8]).is_empty());
        assert_eq!(recent.get(place(1, 0)), None);
    }
}
