//! When the target refuses a batch: find the rows it refuses, write all others.
//!
//! The rows are put back into the order they were told in; pieces of that sequence are tried, and
//! halves of the pieces, until single rows are left. A row that is refused stays aside for the rest of the pass; later
//! changes of its key are laid over it. What is left is tried again once something was written after
//! it: a later row may have been the cause's cure.

use crate::marks::Marker;
use crate::parking::too_many_parked;
use crate::rejoin::overlay;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use syncline_core::{
    ChangeBatch, Error, KeyTexts, Kind, Position, Result, Sink, TargetChange, Written, key_text,
};

/// Rows that one mapping writes.
#[derive(Debug, Clone)]
pub(crate) struct MappedRows {
    /// Index of the mapping in the lane.
    pub(crate) mapping: usize,
    /// The target's rows.
    pub(crate) rows: ChangeBatch,
}

/// A row the target refuses.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Index of the mapping in the lane.
    pub(crate) mapping: usize,
    /// Its key as text.
    pub(crate) key: String,
    /// The row alone.
    pub(crate) row: ChangeBatch,
    /// Why.
    pub(crate) error: Error,
}

/// What became of a wave of rows.
#[derive(Debug, Default)]
pub(crate) struct Isolated {
    pub(crate) written: Written,
    pub(crate) refused: Vec<Refused>,
}

/// Rounds over the refused rows.
const ROUNDS_MAX: usize = 8;

/// Rows of the first piece that is tried, and of the first one after a refusal.
const PIECE_ROWS_MIN: usize = 64;
/// Rows of a piece at the most: what is written in vain for a row that is refused.
const PIECE_ROWS_MAX: usize = 1024;

/// What became of a wave that was written at once.
#[derive(Debug)]
pub(crate) enum Whole {
    Written(Written),
    /// Nothing of it was written.
    Refused(Error),
}

/// Writes the wave at once.
///
/// # Errors
/// Any error but `Rejected`.
pub(crate) async fn write_whole(sink: &mut dyn Sink, wave: &[MappedRows]) -> Result<Whole> {
    let changes: Vec<_> = wave.iter().map(|it| TargetChange::Rows(it.rows.clone())).collect();
    match sink.write(&changes).await {
        Ok(written) => Ok(Whole::Written(written)),
        Err(error) if error.kind() == Kind::Rejected => Ok(Whole::Refused(error)),
        Err(error) => Err(error),
    }
}

/// Writes everything that the target takes of a wave that it refused as a whole.
///
/// # Errors
/// Any error but `Rejected`; `Config` where it refuses more than `refused_max` rows.
pub(crate) async fn write_apart(
    sink: &mut dyn Sink,
    wave: &[MappedRows],
    refused_max: usize,
    mark: &Marker,
) -> Result<Isolated> {
    let mut isolation = Isolation::new(sink, wave, refused_max, mark);
    isolation.pass().await?;
    isolation.retry().await?;
    Ok(isolation.finish())
}

/// The same as long as few are refused; none where there are more, with the open transaction to be given up.
///
/// # Errors
/// Any error but `Rejected`.
pub(crate) async fn write_few_apart(
    sink: &mut dyn Sink,
    wave: &[MappedRows],
    refused_max: usize,
    mark: &Marker,
) -> Result<Option<Isolated>> {
    let mut isolation = Isolation::new(sink, wave, refused_max, mark);
    let passed = isolation.pass().await;
    if isolation.is_full {
        return Ok(None);
    }
    passed?;
    isolation.retry().await?;
    Ok(Some(isolation.finish()))
}

/// A row of the wave.
#[derive(Debug, Clone, Copy)]
struct Place {
    batch: usize,
    row: usize,
    /// Rows of one key of one mapping have the same number.
    key: usize,
}

struct Isolation<'a> {
    sink: &'a mut dyn Sink,
    wave: &'a [MappedRows],
    /// Moves with every piece: whoever waits for the lane sees that it works.
    mark: &'a Marker,
    /// In the order they were told in.
    rows: Vec<Place>,
    /// Refused so far by key.
    refused: HashMap<usize, Waiting>,
    refused_max: usize,
    /// More were refused.
    is_full: bool,
    met: usize,
    /// How often the target took something.
    writes: usize,
    written: Written,
}

/// A row that was refused, for now.
struct Waiting {
    /// The order they were met in.
    met: usize,
    /// What had been written when it was refused.
    writes: usize,
    refused: Refused,
}

impl<'a> Isolation<'a> {
    fn new(
        sink: &'a mut dyn Sink,
        wave: &'a [MappedRows],
        refused_max: usize,
        mark: &'a Marker,
    ) -> Self {
        Self {
            mark,
            sink,
            wave,
            rows: in_order(wave),
            refused: HashMap::new(),
            refused_max,
            is_full: false,
            met: 0,
            writes: 0,
            written: Written::default(),
        }
    }

    /// Tries pieces that grow while they are taken; one that is refused is halved until single rows
    /// are left. Halves of everything would write most rows again for each one that is refused.
    async fn pass(&mut self) -> Result<()> {
        let (mut next, mut size) = (0, PIECE_ROWS_MIN);
        while next < self.rows.len() {
            let piece = next..self.rows.len().min(next + size);
            next = piece.end;
            size = match self.halve(piece).await? {
                true => (size * 2).min(PIECE_ROWS_MAX),
                false => PIECE_ROWS_MIN,
            };
        }
        Ok(())
    }

    /// Writes a piece, in halves where it must be; tells whether it was taken as a whole.
    async fn halve(&mut self, piece: Range<usize>) -> Result<bool> {
        let mut ranges = vec![piece];
        let mut whole = true;
        while let Some(range) = ranges.pop() {
            if range.len() == 1 {
                self.write_row(range.start).await?;
            } else if !range.is_empty() && !self.write_range(range.clone()).await? {
                whole = false;
                let (left, right) = halves(range);
                ranges.extend([right, left]);
            }
        }
        Ok(whole)
    }

    /// Whether the target took the range as a whole.
    async fn write_range(&mut self, range: Range<usize>) -> Result<bool> {
        if self.touches_refused(range.clone()) {
            return Ok(false);
        }
        let changes = self.changes(range)?;
        self.mark.stir();
        match self.sink.write(&changes).await {
            Ok(written) => {
                self.count(written);
                Ok(true)
            }
            Err(error) if error.kind() == Kind::Rejected => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn write_row(&mut self, index: usize) -> Result<()> {
        let Place { batch, row, key } = self.rows[index];
        let mapped = &self.wave[batch];
        let newer = mapped.rows.slice(row..row + 1);
        let row = match self.refused.remove(&key) {
            Some(older) => overlay(&older.refused.row, &newer)?,
            None => newer,
        };
        self.try_row(key, mapped.mapping, row).await
    }

    /// Keeps a row that the target does not take.
    async fn try_row(&mut self, key: usize, mapping: usize, row: ChangeBatch) -> Result<()> {
        self.mark.stir();
        match self.sink.write(&[TargetChange::Rows(row.clone())]).await {
            Ok(written) => {
                self.count(written);
                Ok(())
            }
            Err(error) if error.kind() == Kind::Rejected => {
                self.met += 1;
                if self.refused.len() >= self.refused_max {
                    self.is_full = true;
                    return Err(too_many_parked(error.constraint_name()));
                }
                let refused = Refused { mapping, key: key_text(&row, 0), row, error };
                let (met, writes) = (self.met, self.writes);
                self.refused.insert(key, Waiting { met, writes, refused });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, written: Written) {
        self.writes += 1;
        self.written += written;
    }

    async fn retry(&mut self) -> Result<()> {
        for _round in 0..ROUNDS_MAX {
            let writes = self.writes;
            let mut waiting: Vec<_> =
                self.refused.extract_if(|_, waiting| waiting.writes < writes).collect();
            if waiting.is_empty() {
                break;
            }
            waiting.sort_unstable_by_key(|(_, waiting)| waiting.met);
            for (key, Waiting { refused, .. }) in waiting {
                self.try_row(key, refused.mapping, refused.row).await?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Isolated {
        let mut refused: Vec<_> = self.refused.into_values().collect();
        refused.sort_unstable_by_key(|waiting| waiting.met);
        let refused = refused.into_iter().map(|waiting| waiting.refused).collect();
        Isolated { written: self.written, refused }
    }

    fn touches_refused(&self, range: Range<usize>) -> bool {
        !self.refused.is_empty()
            && self.rows[range].iter().any(|place| self.refused.contains_key(&place.key))
    }

    /// The rows of a range as one batch a mapping.
    fn changes(&self, range: Range<usize>) -> Result<Vec<TargetChange>> {
        let mut places: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for &Place { batch, row, .. } in &self.rows[range] {
            let row = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
            places.entry(batch).or_default().push(row);
        }
        places
            .into_iter()
            .map(|(batch, rows)| self.wave[batch].rows.take(&rows).map(TargetChange::Rows))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| {
                Error::new(Kind::Internal, "rows could not be taken from a batch").caused_by(error)
            })
    }
}

fn halves(range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / 2;
    (range.start..middle, middle..range.end)
}

/// All rows: those of different tables by transaction and ordinal, those of one table as they are.
///
/// Places say little there: an entity's rows have those of many sources, which have no order among each
/// other, and what is copied again has a later one than what was streamed after it began. So a row counts
/// as told no earlier than any before it in its batch.
fn in_order(wave: &[MappedRows]) -> Vec<Place> {
    let mut rows: Vec<(Position, Place)> = Vec::new();
    let mut keys: HashMap<(usize, String), usize> = HashMap::new();
    for (batch, mapped) in wave.iter().enumerate() {
        let ordinals = mapped.rows.ordinals().iter();
        let texts = KeyTexts::new(&mapped.rows);
        let mut reached = Position::default();
        for (row, (of, &ordinal)) in mapped.rows.row_transactions().zip(ordinals).enumerate() {
            let next = keys.len();
            let key = *keys.entry((mapped.mapping, texts.get(row))).or_insert(next);
            reached = reached.max(Position { epoch: of.epoch, commit: of.commit, ordinal });
            rows.push((reached, Place { batch, row, key }));
        }
    }
    // Stable: rows that count as told at the same time stay as they are.
    rows.sort_by_key(|(reached, _)| *reached);
    rows.into_iter().map(|(_, place)| place).collect()
}
