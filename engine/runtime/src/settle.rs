//! How source rows that a mapping refuses are set aside, and how later changes of them join them.
//!
//! ```text
//!  changes ─▶ which speak of parked rows, or were refused ─▶ laid over what is known, mapped again
//!                                                             ├─ taken:   the parked row is settled
//!                                                             └─ refused: parked as it is now
//! ```
//!
//! Invariant: of a row that is set aside the target holds nothing, or what it had before *under the
//! target key that the parked image has*. So where a refused change gives its row another key, what
//! the target has under the old one goes at once, as it would have without the refusal: by the time
//! the row is taken, the old key may be another row's. Only where the mapping can't say what the old
//! key was, because it fits the table no longer, the image before is parked too: the row *owes*. As
//! soon as the mapping can tell, and before it gives anything else, all that is owed goes.

use crate::apply::{concat, run_transform};
use crate::parking::{Parking, Shelf};
use crate::rejoin::{Rows, align, last_row, moved_to, overlay, take};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, KeyTexts, Kind, Offset, Op, ParkKey, Parked, RejectedRow, Result, Stage,
    TableSchema, Transform, Transformed,
};

/// What a mapping made of a batch.
#[derive(Debug)]
pub(crate) struct MappedBatch {
    pub(crate) input: ChangeBatch,
    pub(crate) output: Transformed,
    /// The first entry that `input` came with.
    pub(crate) offset: Offset,
    /// How often its rows were tried before.
    pub(crate) attempts: u32,
}

/// Rows that are to be written, and where they come from.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) rows: ChangeBatch,
    /// Changes of the table that the mapping reads.
    pub(crate) source: ChangeBatch,
    /// For each row, the place of its change among these.
    pub(crate) origins: Vec<u32>,
}

/// The rows alone, in their order.
pub(crate) fn rows_of(settled: Vec<Settled>) -> Result<Option<ChangeBatch>> {
    let rows: Vec<ChangeBatch> = settled.into_iter().map(|settled| settled.rows).collect();
    if rows.is_empty() { Ok(None) } else { concat(&rows).map(Some) }
}

impl MappedBatch {
    fn settled(self) -> Settled {
        let Transformed { rows, origins, .. } = self.output;
        Settled { rows, source: self.input, origins }
    }
}

/// Parks what a mapping refused, and joins changes with the parked source rows of their keys; gives
/// the rows that are to be written, in the order of their source; at least one batch, if an empty one.
pub(crate) async fn settle_source(
    parking: &mut Parking,
    transform: &Arc<dyn Transform>,
    mapped: MappedBatch,
) -> Result<Vec<Settled>> {
    let mut settled = settle_owed(parking, transform)?;
    settled.push(settle(parking, transform, mapped).await?);
    Ok(settled)
}

/// Tries a parked source row again; gives the rows that are to be written.
pub(crate) async fn retry_source(
    parking: &mut Parking,
    transform: &Arc<dyn Transform>,
    key: &ParkKey,
) -> Result<Vec<Settled>> {
    let mut settled = settle_owed(parking, transform)?;
    if let Some(row) = parking.get(key).cloned() {
        let output = run_transform(transform, &row.image).await?;
        parking.settle(key);
        let attempts = row.attempts.saturating_add(1);
        let mapped = MappedBatch { input: row.image, output, offset: row.offset, attempts };
        settled.push(settle(parking, transform, mapped).await?);
    }
    settled.retain(|settled| !settled.rows.is_empty());
    Ok(settled)
}

/// The deletes of all target rows that are owed, as far as the mapping can tell them.
fn settle_owed(parking: &mut Parking, transform: &Arc<dyn Transform>) -> Result<Vec<Settled>> {
    let mut deletes = Vec::new();
    let mut unfit: Vec<Arc<TableSchema>> = Vec::new();
    for key in parking.owing(transform.name()) {
        let Some(row) = parking.get(&key).cloned() else { continue };
        let (schema, known) = (row.image.schema().clone(), Known::of(&row));
        let Some(base) = known.base.filter(|_| !unfit.contains(&schema)) else { continue };
        let after = known.image.as_ref().unwrap_or(&base);
        let left =
            concat(&[moved_to(&base, Op::Delete, after)?, moved_to(after, Op::Delete, after)?])?;
        let output = match transform.transform(&left) {
            Err(error) if error.kind() == Kind::Config => {
                unfit.push(schema);
                continue;
            }
            output => output?,
        };
        if output.rejected.iter().any(|rejected| rejected.row == 0) {
            continue;
        }
        let is_gone = known.image.is_none();
        let places = if is_gone { moved_from(&output) } else { moved(&output, &[0], |_| false).0 };
        if !places.is_empty() {
            let rows = take(&output.rows, &places)?;
            let origins = places.iter().map(|&place| output.origins[place as usize]).collect();
            deletes.push(Settled { rows, source: left, origins });
        }
        match known.image {
            Some(image) => parking.park(Parked { image, ..row })?,
            None => parking.settle(&key),
        }
    }
    Ok(deletes)
}

async fn settle(
    parking: &mut Parking,
    transform: &Arc<dyn Transform>,
    mapped: MappedBatch,
) -> Result<Settled> {
    let shelf = parking.shelf(transform.name(), Stage::Map);
    if shelf.is_none() && mapped.output.rejected.is_empty() {
        return Ok(mapped.settled());
    }
    let touched = Search::new(shelf, &mapped).touched()?;
    if touched.is_empty() {
        return Ok(mapped.settled());
    }
    let again = Again::map(transform, &touched).await?;
    let refused = refused(&touched, &mapped.output, &again);
    let left = Left::of(transform, &touched, &refused).await?;
    park(parking, transform.name(), &mapped, &touched, &refused, &left)?;
    assemble(mapped, &touched, again, left)
}

/// What is known of a source row that is set aside, or was until this batch.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Its last image; none of a row that is gone.
    image: Option<ChangeBatch>,
    /// The image that the target may have a row of, where that has to be told.
    base: Option<ChangeBatch>,
}

impl Known {
    fn of(parked: &Parked) -> Self {
        let last = last_row(&parked.image);
        if last.op(0) == Op::Delete {
            return Self { image: None, base: Some(last) };
        }
        let base = (parked.image.len() > 1).then(|| parked.image.slice(0..1));
        Self { image: Some(last), base }
    }
}

/// A change that speaks of a row which is set aside, or is to be.
#[derive(Debug)]
struct Touched {
    /// Its place in the batch.
    row: usize,
    /// The key that its row had before it.
    left: String,
    /// The key that its row has.
    key: String,
    /// An image of its row that the target may have a row of.
    before: Option<ChangeBatch>,
    /// Whether that is what was owed at `left`.
    is_owed: bool,
    /// The change, with all that is known of its row.
    image: ChangeBatch,
    /// Whether that is more than the batch has.
    is_joined: bool,
}

impl Touched {
    fn is_delete(&self) -> bool {
        self.image.op(0) == Op::Delete
    }

    /// The changes to map instead of the batch's.
    fn changes(&self) -> Result<Vec<ChangeBatch>> {
        let op = if self.is_delete() { Op::Delete } else { Op::Before };
        let before = self.before.as_ref().map(|before| moved_to(before, op, &self.image));
        Ok(before.transpose()?.into_iter().chain([self.image.clone()]).collect())
    }
}

/// Looks for the changes that speak of rows which are set aside, or are to be.
struct Search<'a> {
    shelf: Option<Shelf<'a>>,
    input: &'a ChangeBatch,
    rejected: HashSet<usize>,
    rows: Rows<'a>,
    /// What this batch said of rows; nothing of those that are gone from their key.
    known: HashMap<String, Option<Known>>,
}

impl<'a> Search<'a> {
    fn new(shelf: Option<Shelf<'a>>, mapped: &'a MappedBatch) -> Self {
        Self {
            shelf,
            input: &mapped.input,
            rejected: mapped.output.rejected.iter().map(|rejected| rejected.row).collect(),
            rows: Rows::new(&mapped.input),
            known: HashMap::new(),
        }
    }

    fn touched(mut self) -> Result<Vec<Touched>> {
        let texts = KeyTexts::new(self.input);
        let (mut key, mut left) = (String::new(), String::new());
        let mut touched = Vec::new();
        for row in (0..self.input.len()).filter(|&row| self.input.op(row) != Op::Before) {
            let before = row.checked_sub(1).filter(|&row| self.input.op(row) == Op::Before);
            texts.write(row, &mut key);
            texts.write(before.unwrap_or(row), &mut left);
            let known = self.find(&left);
            let speaks = known.is_some() || self.find(&key).is_some();
            if speaks || self.rejected.contains(&row) {
                touched.push(self.touch(row, before, (&left, &key), known.unwrap_or_default())?);
            }
        }
        Ok(touched)
    }

    fn find(&self, key: &str) -> Option<Known> {
        match self.known.get(key) {
            Some(known) => known.clone(),
            None => self.shelf?.get(key).map(Known::of),
        }
    }

    fn touch(
        &mut self,
        row: usize,
        before: Option<usize>,
        (left, key): (&str, &str),
        known: Known,
    ) -> Result<Touched> {
        let change = self.rows.get(row);
        let Known { image: older, base } = known;
        let mut image = match older.filter(|_| !change.mask(0).is_all()) {
            Some(older) => overlay(&older, &change)?,
            None => change.clone(),
        };
        let is_partial = !change.mask(0).is_all() && !image.presence().eq(change.presence());
        let is_joined = is_partial || base.is_some();
        let base = base.map(|base| align(&base, self.input.schema())).transpose()?;
        if base.is_some() && image.op(0) != Op::Delete {
            image = moved_to(&image, Op::Update, &change)?;
        }
        let is_owed = base.is_some();
        let before = base.or_else(|| before.map(|before| self.rows.get(before)));
        self.known.insert(left.to_owned(), None);
        self.known.insert(key.to_owned(), self.after(row, &image, before.as_ref()));
        let (left, key) = (left.to_owned(), key.to_owned());
        Ok(Touched { row, left, key, before, is_owed, image, is_joined })
    }

    /// What is known of the row after a change.
    fn after(
        &self,
        row: usize,
        image: &ChangeBatch,
        before: Option<&ChangeBatch>,
    ) -> Option<Known> {
        if image.op(0) != Op::Delete {
            return Some(Known { image: Some(image.clone()), base: None });
        }
        let base = before.unwrap_or(image).clone();
        self.rejected.contains(&row).then_some(Known { image: None, base: Some(base) })
    }
}

/// What the mapping makes of the changes that were joined.
struct Again {
    output: Option<Transformed>,
    /// For each change that it was given, the touched one that it is of.
    of: Vec<usize>,
}

impl Again {
    async fn map(transform: &Arc<dyn Transform>, touched: &[Touched]) -> Result<Self> {
        let (mut changes, mut of) = (Vec::new(), Vec::new());
        for (index, change) in touched.iter().enumerate().filter(|(_, it)| it.is_joined) {
            let joined = change.changes()?;
            of.extend(std::iter::repeat_n(index, joined.len()));
            changes.extend(joined);
        }
        let output = match changes.is_empty() {
            true => None,
            false => Some(run_transform(transform, &concat(&changes)?).await?),
        };
        Ok(Self { output, of })
    }
}

/// Which of the touched changes the mapping refuses, and why.
fn refused<'a>(
    touched: &[Touched],
    output: &'a Transformed,
    again: &'a Again,
) -> HashMap<usize, &'a RejectedRow> {
    let places = touched.iter().enumerate().filter(|(_, change)| !change.is_joined);
    let places: HashMap<usize, usize> = places.map(|(index, it)| (it.row, index)).collect();
    let as_it_came = output.rejected.iter();
    let as_it_came = as_it_came.filter_map(|it| Some((*places.get(&it.row)?, it)));
    let joined = again.output.iter().flat_map(|output| &output.rejected);
    let joined = joined.filter_map(|it| Some((*again.of.get(it.row)?, it)));
    as_it_came.chain(joined).collect()
}

/// The target rows that refused changes leave behind.
#[derive(Debug, Default)]
struct Left {
    /// Their deletes, each with the touched change that it is of.
    deletes: Option<ChangeBatch>,
    of: Vec<usize>,
    /// Changes of which that can't be said.
    unknown: HashSet<usize>,
}

impl Left {
    /// Maps each image before, and the one after it, as if they were deleted: that gives their keys.
    async fn of(
        transform: &Arc<dyn Transform>,
        touched: &[Touched],
        refused: &HashMap<usize, &RejectedRow>,
    ) -> Result<Self> {
        let (mut changes, mut of) = (Vec::new(), Vec::new());
        for (index, change) in touched.iter().enumerate() {
            if let (Some(before), true) = (&change.before, refused.contains_key(&index)) {
                changes.push(moved_to(before, Op::Delete, &change.image)?);
                changes.push(moved_to(&change.image, Op::Delete, &change.image)?);
                of.push(index);
            }
        }
        if changes.is_empty() {
            return Ok(Self::default());
        }
        let output = run_transform(transform, &concat(&changes)?).await?;
        let unknown = output.rejected.iter().filter(|it| it.row % 2 == 0);
        let unknown = unknown.map(|it| of[it.row / 2]).collect();
        // An entity knows records by their source's key: what the former one said is said no more.
        let is_entity = transform.writes().name().system().is_none();
        let is_renamed = |index: usize| touched[index].left != touched[index].key;
        let (places, of) = moved(&output, &of, |index| is_entity && is_renamed(index));
        let deletes = match places.is_empty() {
            true => None,
            false => Some(take(&output.rows, &places)?),
        };
        Ok(Self { deletes, of, unknown })
    }
}

/// The deletes of keys that were left for another, or that have to be told in any case, and the changes
/// they are of.
fn moved(
    output: &Transformed,
    of: &[usize],
    in_any_case: impl Fn(usize) -> bool,
) -> (Vec<u32>, Vec<usize>) {
    let texts = KeyTexts::new(&output.rows);
    let of_origin: HashMap<usize, String> =
        output.origins.iter().enumerate().map(|(at, it)| (*it as usize, texts.get(at))).collect();
    let moved = output.origins.iter().zip(0..).filter(|(origin, _)| {
        let origin = **origin as usize;
        let is_other = || of_origin.get(&origin) != of_origin.get(&(origin + 1));
        origin.is_multiple_of(2) && (in_any_case(of[origin / 2]) || is_other())
    });
    moved.map(|(origin, place)| (place, of[*origin as usize / 2])).unzip()
}

/// The delete of the first of two images.
fn moved_from(output: &Transformed) -> Vec<u32> {
    let places = output.origins.iter().zip(0..).filter(|(origin, _)| **origin == 0);
    places.map(|(_, place)| place).collect()
}

fn park(
    parking: &mut Parking,
    mapping: &str,
    mapped: &MappedBatch,
    touched: &[Touched],
    refused: &HashMap<usize, &RejectedRow>,
    left: &Left,
) -> Result<()> {
    let key = |key: &str| ParkKey { mapping: mapping.into(), stage: Stage::Map, key: key.into() };
    for (index, change) in touched.iter().enumerate() {
        let (from, to) = (key(&change.left), key(&change.key));
        let known = |key: &ParkKey| parking.get(key).map(Known::of).unwrap_or_default();
        // By a change of this very batch, which the mapping could tell as little of.
        let owed = known(&from).base.filter(|_| !change.is_owed);
        // Of another row, which was deleted, and whose key this one takes.
        let owed_before = known(&to).base.filter(|_| from != to);
        parking.settle(&from);
        parking.settle(&to);
        let Some(rejected) = refused.get(&index) else { continue };
        let is_untold = change.is_delete() || left.unknown.contains(&index);
        let before = owed.or_else(|| change.before.clone().filter(|_| is_untold));
        for (key, image) in images(change, (from, to), before, owed_before)? {
            parking.park(Parked {
                key,
                table: image.schema().name().to_string(),
                image,
                reason: rejected.reason.clone(),
                culprit: rejected.expression.clone(),
                hint: rejected.hint.clone(),
                offset: mapped.offset,
                attempts: mapped.attempts,
            })?;
        }
    }
    Ok(())
}

/// The images to park for a refused change. `before` is one that the target may have a row of, so
/// that it owes; `owed_before` is what was owed at its new key.
fn images(
    change: &Touched,
    (from, to): (ParkKey, ParkKey),
    before: Option<ChangeBatch>,
    owed_before: Option<ChangeBatch>,
) -> Result<Vec<(ParkKey, ChangeBatch)>> {
    let image = &change.image;
    let as_op = |row: &ChangeBatch, op| moved_to(&align(row, image.schema())?, op, image);
    if change.is_delete() {
        return Ok(vec![(to, as_op(before.as_ref().unwrap_or(image), Op::Delete)?)]);
    }
    let (left, base) = if from == to { (None, before) } else { (before, owed_before) };
    let mut images = Vec::new();
    if let Some(left) = left {
        images.push((from, as_op(&left, Op::Delete)?));
    }
    images.push(match base {
        Some(base) => (to, concat(&[as_op(&base, Op::Before)?, as_op(image, Op::Update)?])?),
        None => (to, image.clone()),
    });
    Ok(images)
}

/// All rows to write in the order of the changes that they are of.
fn assemble(mapped: MappedBatch, touched: &[Touched], again: Again, left: Left) -> Result<Settled> {
    if again.output.is_none() && left.deletes.is_none() {
        return Ok(mapped.settled());
    }
    let output = mapped.output;
    let joined: HashSet<usize> =
        touched.iter().filter(|it| it.is_joined).map(|it| it.row).collect();
    let mut places: Vec<(usize, u32)> = Vec::new();
    for (origin, place) in output.origins.iter().zip(0..) {
        if !joined.contains(&(*origin as usize)) {
            places.push((*origin as usize, place));
        }
    }
    let mut pieces = vec![output.rows];
    let mut add = |rows: ChangeBatch, of: &mut dyn Iterator<Item = usize>| {
        let first: usize = pieces.iter().map(ChangeBatch::len).sum();
        let first = u32::try_from(first).expect("a batch has fewer than 2^32 rows");
        places.extend(of.map(|index| touched[index].row).zip(first..));
        pieces.push(rows);
    };
    if let Some(deletes) = left.deletes {
        add(deletes, &mut left.of.iter().copied());
    }
    if let Some(output) = again.output {
        add(output.rows, &mut output.origins.iter().map(|origin| again.of[*origin as usize]));
    }
    places.sort_by_key(|(row, _)| *row);
    let (origins, places): (Vec<usize>, Vec<u32>) = places.into_iter().unzip();
    let rows = take(&concat(&pieces)?, &places)?;
    let origins = origins.into_iter().map(|row| u32::try_from(row).expect("see above"));
    Ok(Settled { rows, source: mapped.input, origins: origins.collect() })
}
