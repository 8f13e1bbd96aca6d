//! Rows whose home is a journal that any machine can read, with a copy on this one's disk.
//!
//! ```text
//!  commit:  rows written since ─▶ journal, with the note ─▶ copy, with the place behind them
//!  open:    take the journal over ─▶ what is behind the copy's place ─▶ copy
//! ```
//!
//! What is committed is what the journal says. The copy may be behind it: by what a crash cut off between
//! the two, or by all that another machine wrote since. It is never ahead. Where the journal can't tell any more
//! what the copy missed, the copy is made anew.
//!
//! The note of the copy: `J`, the [`JournalPlace`], the note of whoever keeps the rows. A copy without it was
//! never in a journal: its rows go there first.

use crate::rows::{RowBuffer, Rows, Scanned};
use crate::store::RowStore;
use fail::fail_point;
use syncline_core::{Cursor, Error, Journal, JournalPlace, Journaled, Kind, Outcome, Result};

/// What a note begins with that has a place.
const PLACED: u8 = b'J';

/// How many rows the copy takes in between commits of its own, while it catches up.
const CATCH_UP_ROWS: usize = 1 << 16;

/// Rows by key in a journal, and their copy.
pub struct JournaledRows {
    copy: RowStore,
    journal: Box<dyn Journal>,
    /// Up to where the copy has what the journal says.
    place: JournalPlace,
    /// The note of the last commit.
    note: Vec<u8>,
    /// Whether the journal may have more than we know of.
    is_adrift: bool,
}

impl std::fmt::Debug for JournaledRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournaledRows").field("place", &self.place).finish_non_exhaustive()
    }
}

impl JournaledRows {
    /// Takes the journal over, and brings the copy to where it is. Blocks for as long as that takes.
    ///
    /// # Errors
    /// `Fenced` where another took the journal over, `Unavailable` where it or the disk does not answer,
    /// `Corrupt` where the copy is damaged.
    pub fn open(copy: RowStore, mut journal: Box<dyn Journal>) -> Result<Self> {
        journal.take_over()?;
        let (place, note) = placed(&copy.note())?;
        let never_there = place.is_none() && (!copy.is_empty() || !note.is_empty());
        let mut rows =
            Self { copy, journal, place: place.unwrap_or_default(), note, is_adrift: false };
        if never_there {
            return rows.move_in();
        }
        let is_half_gone = rows.place == JournalPlace::default() && !rows.copy.is_empty();
        if is_half_gone || !rows.journal.goes_on_from(rows.place)? {
            rows.begin_anew()?;
        }
        rows.catch_up()?;
        Ok(rows)
    }

    /// Puts rows that were only here into the journal, where it has none.
    fn move_in(mut self) -> Result<Self> {
        let mut others = Vec::new();
        let mut has_note = false;
        self.journal.read(JournalPlace::default(), &mut |_, told| {
            match told {
                Journaled::Row(key, _) => others.push(key.to_vec()),
                Journaled::Note(_) => has_note = true,
            }
            Ok(())
        })?;
        if has_note {
            // Others went on from there since: what they say holds.
            self.begin_anew()?;
            self.catch_up()?;
            return Ok(self);
        }
        // A move that was cut off may have left some.
        for key in others {
            self.journal.write(Journaled::Row(&key, None))?;
        }
        self.journal.commit()?;
        let (mut from, mut scanned) = (Some(Cursor::default()), Scanned::default());
        while let Some(cursor) = from {
            from = self.copy.scan(cursor, 8 << 20, &mut scanned)?;
            for (key, row) in (0..scanned.len()).filter_map(|at| scanned.get(at)) {
                self.journal.write(Journaled::Row(key, Some(row)))?;
            }
            self.journal.commit()?;
        }
        // Order: the note last, as it says that all is there.
        self.journal.write(Journaled::Note(&self.note))?;
        self.place = self.journal.commit()?;
        self.copy.commit(&with_place(self.place, &self.note))?;
        Ok(self)
    }

    fn begin_anew(&mut self) -> Result<()> {
        (self.place, self.note) = (JournalPlace::default(), Vec::new());
        // Order: rows that are there are nobody's before the first of them goes.
        self.copy.commit(&with_place(self.place, &self.note))?;
        self.copy.clear()
    }

    /// Takes in what the journal says behind the copy's place.
    fn catch_up(&mut self) -> Result<()> {
        let Self { copy, journal, place, note, .. } = self;
        let mut rows = 0;
        let end = journal.read(*place, &mut |place, told| {
            match told {
                Journaled::Row(key, Some(row)) => copy.write(key, row)?,
                Journaled::Row(key, None) => copy.remove(key)?,
                Journaled::Note(told) => *note = told.to_vec(),
            }
            rows += 1;
            if rows % CATCH_UP_ROWS == 0 {
                copy.commit(&with_place(place, note))?;
            }
            Ok(())
        })?;
        copy.commit(&with_place(end, note))?;
        self.place = end;
        Ok(())
    }

    /// Takes the journal over again after it was in doubt what it has.
    fn settle(&mut self) -> Result<()> {
        self.journal.take_over()?;
        self.catch_up()?;
        self.is_adrift = false;
        Ok(())
    }
}

/// The place and the rest of a copy's note; no place where it was never in a journal.
fn placed(note: &[u8]) -> Result<(Option<JournalPlace>, Vec<u8>)> {
    let Some((&PLACED, rest)) = note.split_first() else { return Ok((None, note.to_vec())) };
    let split = rest.split_first_chunk::<{ JournalPlace::BYTES }>();
    let (place, note) = split.ok_or_else(|| {
        Error::new(Kind::Corrupt, "the note of a copy of claims can't be understood")
    })?;
    Ok((Some(JournalPlace::from_bytes(*place)), note.to_vec()))
}

fn with_place(place: JournalPlace, note: &[u8]) -> Vec<u8> {
    [&[PLACED], place.to_bytes().as_slice(), note].concat()
}

impl Rows for JournaledRows {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        self.copy.read(keys, rows)
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.copy.write(key, row)
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.copy.remove(key)
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        if self.is_adrift {
            return Err(adrift());
        }
        if note == self.note && !self.copy.is_changed() {
            return Ok(());
        }
        let journal = &mut self.journal;
        self.copy.changed(|key, row| journal.write(Journaled::Row(key, row)))?;
        journal.write(Journaled::Note(note))?;
        let committed = journal.commit();
        self.is_adrift = committed.as_ref().is_err_and(|it| it.outcome() == Outcome::Unknown);
        let place = committed?;
        fail_point!("kafka.journaled");
        let copied = self.copy.commit(&with_place(place, note));
        // Where the disk refuses, the journal is ahead of the copy, which reads on from where it is.
        self.is_adrift = copied.is_err();
        copied?;
        (self.place, self.note) = (place, note.to_vec());
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.copy.rollback()?;
        if self.is_adrift {
            return self.settle();
        }
        self.journal.rollback()
    }

    fn note(&self) -> Vec<u8> {
        self.note.clone()
    }

    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        self.copy.scan(from, bytes_max, rows)
    }
}

fn adrift() -> Error {
    Error::new(Kind::Unavailable, "it is not known yet what the journal of claims has")
}
