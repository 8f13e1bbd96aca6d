//! Many changes of a key to the one that counts.
//!
//! ```text
//!            then │ insert    snapshot   update      part of a row   delete
//!  before         │ (whole)   (whole)    (whole)
//!  ───────────────┼──────────────────────────────────────────────────────────
//!  nothing        │ insert    snapshot   upsert      partial         delete
//!  insert         │ upsert    upsert     insert      insert          delete
//!  snapshot       │ snapshot  snapshot   snapshot    snapshot        delete
//!  upsert         │ upsert    upsert     upsert      upsert          delete
//!  partial        │ upsert    upsert     upsert      partial         delete
//!  delete, orphan │ upsert    upsert     upsert      orphan          delete
//! ```
//!
//! Parts of rows are merged column by column into what is before them. An image that is not whole
//! counts as a part whatever its operation. An *orphan* is a part of a row that was deleted before
//! it: its other columns can't be known, so a sink must refuse it.
//!
//! Invariant: a key is in exactly one lane; each lane is sorted by key.

use crate::{ChangeBatch, ColumnMask, Error, KeyRows, Kind, Op, Result};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::ArrowError;
use std::collections::HashMap;
use std::sync::Arc;

/// A batch with one row per key, split as a sink needs it. Lanes without rows are `None`.
#[derive(Debug, Clone, Default)]
pub struct Reduced {
    /// Keys to delete: the key columns alone, in the key's order.
    pub deletes: Option<RecordBatch>,
    /// Whole images of keys that were inserted here with nothing before.
    pub inserts: Option<RecordBatch>,
    /// Whole images that a snapshot found: perhaps new.
    pub snapshots: Option<RecordBatch>,
    /// Whole images whose key may be there: every column is written.
    pub upserts: Option<RecordBatch>,
    /// Parts of rows by the columns they speak of.
    pub partial: Vec<PartialRows>,
    /// Where there are orphans: the columns that one of them doesn't speak of.
    pub orphans: Option<ColumnMask>,
}

/// Rows that speak of the same columns, and only these.
#[derive(Debug, Clone)]
pub struct PartialRows {
    /// The columns, of the batch's schema.
    pub mask: ColumnMask,
    /// Their values: one column for each column of the mask, in order.
    pub rows: RecordBatch,
}

/// Reduces a batch to the last word on each key.
///
/// Costs a look at each key when these ascend, a sort when they don't, and copies values only where
/// rows move.
///
/// # Errors
/// `Internal` when the key can't be compared, or an image before is among the rows.
pub fn reduce(batch: &ChangeBatch) -> Result<Reduced> {
    if batch.ops().contains(&(Op::Before as u8)) {
        return Err(Error::new(Kind::Internal, "an image before reached a sink"));
    }
    let keys = KeyRows::new(batch)?;
    let (places, distinct) = key_order(&keys, batch.len());
    let mut lanes = Lanes::new(batch);
    places
        .chunk_by(|&a, &b| !distinct && keys.get(a as usize) == keys.get(b as usize))
        .for_each(|changes| lanes.add(changes));
    lanes.finish().map_err(|error| {
        Error::new(Kind::Internal, "rows of a batch can't be picked").caused_by(error)
    })
}

/// The rows' places sorted by key, then by order in the batch; and whether all keys differ.
fn key_order(keys: &KeyRows, len: usize) -> (Vec<u32>, bool) {
    let rows = u32::try_from(len).expect("a batch has fewer rows than u32::MAX");
    if (1..len).all(|row| keys.get(row - 1) < keys.get(row)) {
        return ((0..rows).collect(), true);
    }
    // Most keys differ within their first bytes, so most comparisons never touch the key itself.
    let mut order: Vec<(u128, u32)> =
        (0..rows).map(|row| (prefix(keys.get(row as usize)), row)).collect();
    order.sort_unstable_by(|&(a_prefix, a), &(b_prefix, b)| {
        a_prefix
            .cmp(&b_prefix)
            .then_with(|| keys.get(a as usize).cmp(keys.get(b as usize)))
            .then(a.cmp(&b))
    });
    let distinct = order.windows(2).all(|pair| match pair {
        &[(a_prefix, a), (b_prefix, b)] => {
            a_prefix != b_prefix || keys.get(a as usize) != keys.get(b as usize)
        }
        _ => true,
    });
    (order.into_iter().map(|(_, row)| row).collect(), distinct)
}

fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u128::from_be_bytes(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Insert,
    Snapshot,
    Upsert,
    Partial,
    Delete,
    Orphan,
}

/// The table at the top of this file.
fn next_lane(before: Option<Lane>, op: Op, whole: bool) -> Lane {
    use Lane::{Delete, Insert, Orphan, Partial, Snapshot, Upsert};
    match (before, op) {
        (_, Op::Delete) => Delete,
        (None | Some(Partial), _) if !whole => Partial,
        (Some(Delete | Orphan), _) if !whole => Orphan,
        (Some(lane), _) if !whole => lane,
        (None, Op::Insert) | (Some(Insert), Op::Update) => Insert,
        (None, Op::Snapshot) | (Some(Snapshot), _) => Snapshot,
        (None | Some(Insert | Upsert | Partial | Delete | Orphan), _) => Upsert,
    }
}

/// The rows of one lane: where each row comes from, and single values that come from elsewhere.
#[derive(Debug, Default)]
struct Pick {
    places: Vec<u32>,
    /// (row of the lane, column, place), in ascending order of rows.
    patches: Vec<(usize, usize, u32)>,
}

impl Pick {
    /// One column of the lane.
    fn column(&self, column: usize, from: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
        let in_place = self.places.len() == from.len()
            && self.places.iter().zip(0..).all(|(&place, row)| place == row);
        let mut patches =
            self.patches.iter().filter(|(_, patched, _)| *patched == column).peekable();
        if in_place && patches.peek().is_none() {
            return Ok(from.clone());
        }
        let mut places = self.places.clone();
        for &(row, _, place) in patches {
            places[row] = place;
        }
        arrow_select::take::take(from, &UInt32Array::from(places), None)
    }

    /// The lane's rows with these columns.
    fn rows(
        &self,
        batch: &ChangeBatch,
        columns: impl Iterator<Item = usize>,
    ) -> std::result::Result<RecordBatch, ArrowError> {
        let columns: Vec<usize> = columns.collect();
        let arrays = columns
            .iter()
            .map(|&column| self.column(column, batch.columns().column(column)))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let schema = Arc::new(batch.schema().arrow().project(&columns)?);
        let options = RecordBatchOptions::new().with_row_count(Some(self.places.len()));
        RecordBatch::try_new_with_options(schema, arrays, &options)
    }
}

/// Collects the rows of all lanes.
struct Lanes<'a> {
    batch: &'a ChangeBatch,
    /// Whether each distinct mask of the batch has every column.
    whole: Vec<bool>,
    deletes: Pick,
    inserts: Pick,
    snapshots: Pick,
    upserts: Pick,
    partial: Vec<(ColumnMask, Pick)>,
    partial_of: HashMap<ColumnMask, usize>,
    orphans: Option<ColumnMask>,
}

impl<'a> Lanes<'a> {
    fn new(batch: &'a ChangeBatch) -> Self {
        Self {
            batch,
            whole: batch.presence().masks().iter().map(ColumnMask::is_all).collect(),
            deletes: Pick::default(),
            inserts: Pick::default(),
            snapshots: Pick::default(),
            upserts: Pick::default(),
            partial: Vec::new(),
            partial_of: HashMap::new(),
            orphans: None,
        }
    }

    fn is_whole(&self, place: u32) -> bool {
        let Some(masks) = self.batch.presence().rows() else { return true };
        let mask = masks.get(place as usize).map(|&mask| usize::from(mask));
        mask.and_then(|mask| self.whole.get(mask)).copied().unwrap_or(false)
    }

    /// Adds all changes of one key, in order.
    fn add(&mut self, changes: &[u32]) {
        let mut lane = None;
        // Where the image that counts begins: nothing before it survives.
        let mut start = 0;
        for (index, &place) in changes.iter().enumerate() {
            let (op, whole) = (self.batch.op(place as usize), self.is_whole(place));
            let next = next_lane(lane, op, whole);
            let begins_anew = whole || next == Lane::Delete;
            let follows_delete = lane == Some(Lane::Delete);
            if begins_anew || follows_delete {
                start = index;
            }
            lane = Some(next);
        }
        let (Some(lane), Some(image)) = (lane, changes.get(start..)) else { return };
        match lane {
            Lane::Partial => self.add_partial(image),
            Lane::Orphan => self.add_orphan(image),
            Lane::Delete => merge(&mut self.deletes, self.batch, image),
            Lane::Insert => merge(&mut self.inserts, self.batch, image),
            Lane::Snapshot => merge(&mut self.snapshots, self.batch, image),
            Lane::Upsert => merge(&mut self.upserts, self.batch, image),
        }
    }

    fn add_orphan(&mut self, image: &[u32]) {
        let columns = self.batch.schema().columns().len();
        let unknown = self.orphans.get_or_insert_with(|| ColumnMask::none(columns));
        for column in 0..columns {
            if !image.iter().any(|&place| self.batch.presence().has(place as usize, column)) {
                unknown.set(column);
            }
        }
    }

    /// Adds to the lane of exactly the columns that these parts speak of together.
    fn add_partial(&mut self, image: &[u32]) {
        let mut masks =
            image.iter().filter_map(|&place| self.batch.presence().mask(place as usize));
        let Some(mut mask) = masks.next().cloned() else { return };
        for column in masks.flat_map(ColumnMask::iter) {
            mask.set(column);
        }
        let index = match self.partial_of.get(&mask) {
            Some(&index) => index,
            None => {
                self.partial.push((mask.clone(), Pick::default()));
                self.partial_of.insert(mask, self.partial.len() - 1);
                self.partial.len() - 1
            }
        };
        if let Some((_, pick)) = self.partial.get_mut(index) {
            merge(pick, self.batch, image);
        }
    }

    fn finish(self) -> std::result::Result<Reduced, ArrowError> {
        let Self { batch, .. } = self;
        let all = 0..batch.schema().columns().len();
        let lane = |pick: &Pick, columns: &mut dyn Iterator<Item = usize>| {
            (!pick.places.is_empty()).then(|| pick.rows(batch, columns)).transpose()
        };
        let partial = |(mask, pick): (ColumnMask, Pick)| {
            let rows = pick.rows(batch, mask.iter())?;
            Ok::<_, ArrowError>(PartialRows { mask, rows })
        };
        Ok(Reduced {
            deletes: lane(&self.deletes, &mut batch.schema().key().iter().copied())?,
            inserts: lane(&self.inserts, &mut all.clone())?,
            snapshots: lane(&self.snapshots, &mut all.clone())?,
            upserts: lane(&self.upserts, &mut all.clone())?,
            partial: self
                .partial
                .into_iter()
                .map(partial)
                .collect::<std::result::Result<_, _>>()?,
            orphans: self.orphans,
        })
    }
}

/// Adds the image that these changes make together: the last of them, with what it doesn't speak of
/// from those before it.
fn merge(pick: &mut Pick, batch: &ChangeBatch, image: &[u32]) {
    let Some((&last, earlier)) = image.split_last() else { return };
    let row = pick.places.len();
    pick.places.push(last);
    if earlier.is_empty() {
        return;
    }
    for column in 0..batch.schema().columns().len() {
        if batch.presence().has(last as usize, column) {
            continue;
        }
        let speaks = |&&place: &&u32| batch.presence().has(place as usize, column);
        if let Some(&place) = earlier.iter().rev().find(speaks) {
            pick.patches.push((row, column, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Column, Presence, SystemName, TableName, TableSchema, Transaction, TransactionRun,
    };
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Array, Int64Array, StringArray};
    use arrow_schema::DataType;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A row's values beside its key; the inner `None` is NULL.
    type Values = [Option<i64>; 2];

    #[derive(Debug, Clone)]
    struct Change {
        op: Op,
        key: i64,
        /// The outer `None` is absent.
        values: [Option<Option<i64>>; 2],
    }

    fn schema() -> Arc<TableSchema> {
        let column = |name: &str, data_type| Column {
            name: name.into(),
            id: 0,
            data_type,
            native_type: "int8".into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let name = TableName::table(&SystemName::new("lms"), "public", "t");
        let columns = vec![
            column("a", DataType::Int64),
            column("key", DataType::Int64),
            column("b", DataType::Utf8),
        ];
        Arc::new(TableSchema::new(name, 1, columns, vec![1]))
    }

    fn batch(changes: &[Change]) -> ChangeBatch {
        let value = |change: &Change, index: usize| change.values[index].flatten();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(changes.iter().map(|change| value(change, 0)).collect::<Int64Array>()),
            Arc::new(changes.iter().map(|change| Some(change.key)).collect::<Int64Array>()),
            Arc::new(
                changes
                    .iter()
                    .map(|change| value(change, 1).map(|number| number.to_string()))
                    .collect::<StringArray>(),
            ),
        ];
        let masks = changes.iter().map(|change| {
            let mut mask = ColumnMask::none(3);
            mask.set(1);
            for (index, column) in [(0, 0), (1, 2)] {
                if change.values[index].is_some() {
                    mask.set(column);
                }
            }
            mask
        });
        let rows = u32::try_from(changes.len()).unwrap();
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
        ChangeBatch::try_new(
            schema(),
            columns,
            changes.iter().map(|change| change.op as u8).collect::<Vec<_>>().into(),
            (0..rows).collect::<Vec<_>>().into(),
            vec![TransactionRun { transaction, rows }],
            Presence::from_rows(3, masks),
        )
        .unwrap()
    }

    /// Row by row; `false` when a part of a row that isn't there was met.
    fn apply_one_by_one(table: &mut BTreeMap<i64, Values>, changes: &[Change]) -> bool {
        for change in changes {
            if change.op == Op::Delete {
                table.remove(&change.key);
            } else if let [Some(a), Some(b)] = change.values {
                table.insert(change.key, [a, b]);
            } else {
                let Some(row) = table.get_mut(&change.key) else { return false };
                for (to, from) in row.iter_mut().zip(change.values) {
                    *to = from.unwrap_or(*to);
                }
            }
        }
        true
    }

    /// Reads `(key, a, b)` back; `columns` are the indexes that `rows` has.
    fn read(rows: &RecordBatch, columns: &[usize]) -> Vec<(i64, Values)> {
        let place = |column| columns.iter().position(|&at| at == column);
        (0..rows.num_rows())
            .map(|row| {
                let number = |column: usize| {
                    let array = rows.column(place(column)?).as_primitive::<Int64Type>();
                    (!array.is_null(row)).then(|| array.value(row))
                };
                let text = || {
                    let array = rows.column(place(2)?).as_string::<i32>();
                    (!array.is_null(row)).then(|| array.value(row).parse().unwrap())
                };
                (number(1).unwrap(), [number(0), text()])
            })
            .collect()
    }

    fn apply_reduced(table: &mut BTreeMap<i64, Values>, reduced: &Reduced) -> bool {
        if reduced.orphans.is_some() {
            return false;
        }
        for (key, _) in reduced.deletes.iter().flat_map(|rows| read(rows, &[1])) {
            table.remove(&key);
        }
        let whole = [&reduced.inserts, &reduced.snapshots, &reduced.upserts];
        for rows in whole.into_iter().flatten() {
            table.extend(read(rows, &[0, 1, 2]));
        }
        for partial in &reduced.partial {
            let columns: Vec<usize> = partial.mask.iter().collect();
            for (key, values) in read(&partial.rows, &columns) {
                let Some(row) = table.get_mut(&key) else { return false };
                for (index, column) in [(0, 0), (1, 2)] {
                    if partial.mask.has(column) {
                        row[index] = values[index];
                    }
                }
            }
        }
        true
    }

    fn change() -> impl Strategy<Value = Change> {
        let op =
            prop_oneof![Just(Op::Insert), Just(Op::Update), Just(Op::Delete), Just(Op::Snapshot)];
        let value = || prop::option::weighted(0.8, prop::option::of(0..100_i64));
        (op, -3..6_i64, value(), value()).prop_map(|(op, key, a, b)| {
            let whole = matches!(op, Op::Insert | Op::Snapshot);
            let fill =
                |value: Option<Option<i64>>| if whole { value.or(Some(None)) } else { value };
            Change { op, key, values: [fill(a), fill(b)] }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn lanes_give_what_row_by_row_gives(
            changes in prop::collection::vec(change(), 0..30),
            before in prop::collection::btree_map(
                -3..6_i64, (prop::option::of(0..9_i64), prop::option::of(0..9_i64)), 0..5),
        ) {
            let before: BTreeMap<i64, Values> =
                before.into_iter().map(|(key, (a, b))| (key, [a, b])).collect();
            let (mut naive, mut lanes) = (before.clone(), before);
            let reduced = reduce(&batch(&changes)).unwrap();
            let known = apply_one_by_one(&mut naive, &changes);
            let applied = apply_reduced(&mut lanes, &reduced);
            if known {
                prop_assert!(applied);
                prop_assert_eq!(naive, lanes);
            } else if reduced.orphans.is_some() {
                prop_assert!(!applied);
            }
        }

        #[test]
        fn each_key_is_in_one_lane_and_each_lane_is_sorted(
            changes in prop::collection::vec(change(), 0..30),
        ) {
            let reduced = reduce(&batch(&changes)).unwrap();
            let lanes = [(&reduced.inserts, &[0, 1, 2][..]), (&reduced.snapshots, &[0, 1, 2]),
                (&reduced.upserts, &[0, 1, 2]), (&reduced.deletes, &[1])];
            let mut seen = Vec::new();
            for (rows, columns) in lanes.into_iter().filter_map(|(rows, at)| Some((rows.as_ref()?, at))) {
                let keys: Vec<i64> = read(rows, columns).into_iter().map(|(key, _)| key).collect();
                prop_assert!(keys.is_sorted());
                seen.extend(keys);
            }
            for partial in &reduced.partial {
                let columns: Vec<usize> = partial.mask.iter().collect();
                let rows = read(&partial.rows, &columns);
                let keys: Vec<i64> = rows.into_iter().map(|(key, _)| key).collect();
                prop_assert!(keys.is_sorted());
                seen.extend(keys);
            }
            let count = seen.len();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(count, seen.len());
        }
    }

    fn whole(op: Op, key: i64, a: i64) -> Change {
        Change { op, key, values: [Some(Some(a)), Some(Some(a))] }
    }

    #[test]
    fn rows_in_key_order_are_not_copied() {
        let batch = batch(&[whole(Op::Insert, 1, 1), whole(Op::Insert, 2, 2)]);
        let rows = reduce(&batch).unwrap().inserts.unwrap();
        let buffer = |array: &ArrayRef| array.as_primitive::<Int64Type>().values().as_ptr();
        assert_eq!(buffer(rows.column(1)), buffer(batch.columns().column(1)));
    }

    #[test]
    fn an_insert_that_follows_a_delete_is_no_longer_known_to_be_new() {
        let reduced = reduce(&batch(&[whole(Op::Delete, 1, 0), whole(Op::Insert, 1, 5)])).unwrap();
        assert!(reduced.inserts.is_none() && reduced.deletes.is_none());
        assert_eq!(read(&reduced.upserts.unwrap(), &[0, 1, 2]), [(1, [Some(5), Some(5)])]);
    }

    #[test]
    fn a_part_of_a_deleted_row_names_the_columns_that_are_lost() {
        let part = Change { op: Op::Update, key: 1, values: [Some(Some(1)), None] };
        let reduced = reduce(&batch(&[whole(Op::Delete, 1, 0), part])).unwrap();
        assert_eq!(reduced.orphans.unwrap().iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn keys_that_differ_only_late_are_told_apart() {
        let name = TableName::table(&SystemName::new("lms"), "public", "t");
        let key = Column { data_type: DataType::Utf8, ..schema().columns()[1].clone() };
        let schema = Arc::new(TableSchema::new(name, 1, vec![key], vec![0]));
        let long = "x".repeat(40);
        let keys = StringArray::from(vec![format!("{long}b"), format!("{long}a"), long.clone()]);
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
        let batch = ChangeBatch::try_new(
            schema,
            vec![Arc::new(keys)],
            vec![1_u8; 3].into(),
            vec![0_u32, 1, 2].into(),
            vec![TransactionRun { transaction, rows: 3 }],
            Presence::all(1),
        )
        .unwrap();
        let rows = reduce(&batch).unwrap().inserts.unwrap();
        let sorted = StringArray::from(vec![long.clone(), format!("{long}a"), format!("{long}b")]);
        assert_eq!(rows.column(0).as_string::<i32>(), &sorted);
    }
}
