//! Writing again what still holds of the oldest file.
//!
//! Always the oldest: what says that records hold, or never do, lies behind them, maybe in a later file.

use super::index::Place;
use super::read::READ_BYTES;
use super::record;
use super::rows::{ROWS, RowStore};
use fail::fail_point;
use syncline_core::Result;
use syncline_segment::{HEAD_BYTES, remove, sync_directory};

/// Most bytes that are moved beside one commit.
const PIECE_BYTES: usize = 1 << 20;

/// A file that is being moved.
#[derive(Debug)]
pub(super) struct Compaction {
    number: u64,
    /// Where to go on, and where that was at the last commit.
    at: u64,
    committed_at: u64,
    is_done: bool,
}

impl Compaction {
    /// What was moved since the last commit was not.
    pub(super) fn rollback(&mut self) {
        self.at = self.committed_at;
        self.is_done = false;
    }
}

impl RowStore {
    /// Moves a piece of the oldest file, if there is one to move.
    pub(super) fn move_some(&mut self) -> Result<()> {
        let Some(mut compaction) = self.compaction.take().or_else(|| self.oldest()) else {
            return Ok(());
        };
        let moved = self.move_piece(&mut compaction);
        self.compaction = Some(compaction);
        moved
    }

    /// The oldest file, if there is garbage enough in all of them.
    fn oldest(&self) -> Option<Compaction> {
        let (total, live) = self.bytes();
        let garbage = 1.0 - live as f64 / total.max(1) as f64;
        let number = self.files.values().map(|file| file.number).min()?;
        (number != self.active && garbage > self.settings.garbage_share).then_some(Compaction {
            number,
            at: 0,
            committed_at: 0,
            is_done: false,
        })
    }

    fn move_piece(&mut self, compaction: &mut Compaction) -> Result<()> {
        let place = Place::new(compaction.number, 0, 0);
        let Some(file) = self.files.get(&place.segment()) else { return Ok(()) };
        let (segment, until) = (file.segment.clone(), file.segment.length()?);
        let mut moved = 0;
        for frame in segment.frames(compaction.at.max(32), until, READ_BYTES) {
            let frame = frame?;
            if moved >= PIECE_BYTES {
                return Ok(());
            }
            compaction.at = frame.end;
            if frame.kind != ROWS {
                continue;
            }
            for found in record::all(&frame.payload) {
                let offset = |at: usize| frame.at + (HEAD_BYTES + at) as u64;
                let (at, key, row) = found
                    .map_err(|at| segment.damage(offset(at), "a frame ends within a record"))?;
                let length = record::length(key, row);
                let (hash, place) =
                    (Self::hash(key), Place::new(compaction.number, offset(at), length));
                match row {
                    _ if !self.index.is_at(hash, place) => {}
                    Some(_) => self.stage(hash, Some(place), key, row)?,
                    // Nothing older is anywhere else, and what is in this file goes with it.
                    None => self.forget(hash, place),
                }
                moved += length;
            }
        }
        compaction.is_done = true;
        Ok(())
    }

    /// After a commit: what was moved is durable, so a file that was moved whole can go.
    pub(super) fn moved(&mut self) -> Result<()> {
        let Some(compaction) = &mut self.compaction else { return Ok(()) };
        compaction.committed_at = compaction.at;
        if compaction.is_done {
            let number = compaction.number;
            self.compaction = None;
            let segment = Place::new(number, 0, 0).segment();
            self.recent.forget(segment);
            if let Some(file) = self.files.remove(&segment) {
                fail_point!("claims.moved");
                remove(&file.path)?;
                fail_point!("claims.removed");
                // Order: before a later file goes, with what says that keys of this one are gone.
                sync_directory(&self.directory)?;
            }
        }
        Ok(())
    }
}
