//! Rows set aside: which there are, what changed of them, and when each is tried again.
//!
//! Invariant: while a key is parked its row is not at the target as the source has it; every later change
//! of the key is laid over the parked image, so that taking it back never loses a column. Images are
//! copies of their own: none keeps alive the batch that its row came in.

use std::collections::{HashMap, HashSet};
use syncline_core::{
    ChangeBatch, Error, Kind, Op, ParkKey, ParkMark, Parked, Presence, Result, Stage,
};

/// The rows a reader has set aside: as its target holds them, and what changed since.
#[derive(Debug)]
pub(crate) struct Parking {
    shelves: HashMap<(String, Stage), HashMap<String, Kept>>,
    len: usize,
    /// Source rows that tell of a target row which has to go, see [`crate::settle`].
    owing: HashSet<ParkKey>,
    /// What was set aside or taken back in the open transaction.
    changed: HashSet<ParkKey>,
    /// Most rows there may be.
    rows_max: usize,
    /// How often rows were tried again.
    tick: u64,
}

#[derive(Debug)]
struct Kept {
    row: Parked,
    /// The tick from which on it may be tried again.
    due: u64,
}

/// What is set aside and taken back in the open transaction.
#[derive(Debug, Default)]
pub(crate) struct ParkChanges {
    pub(crate) parked: Vec<Parked>,
    pub(crate) settled: Vec<ParkKey>,
}

/// The rows of one mapping that were refused at one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shelf<'a>(&'a HashMap<String, Kept>);

impl<'a> Shelf<'a> {
    pub(crate) fn get(self, key: &str) -> Option<&'a Parked> {
        self.0.get(key).map(|kept| &kept.row)
    }
}

/// A row waits twice as many ticks after each failure, up to two to the power of this.
const WAIT_DOUBLINGS_MAX: u32 = 6;

impl Parking {
    /// With these rows, all of them due: another mapping may run now. More than `rows_max` there
    /// can only be where there are more already.
    pub(crate) fn new(parked: Vec<Parked>, rows_max: usize) -> Self {
        let mut parking = Self {
            shelves: HashMap::new(),
            len: 0,
            owing: HashSet::new(),
            changed: HashSet::new(),
            rows_max: rows_max.max(parked.len()),
            tick: 0,
        };
        parked.into_iter().for_each(|row| parking.insert(row, 0));
        parking
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rows there is room for.
    pub(crate) fn room(&self) -> usize {
        self.rows_max.saturating_sub(self.len)
    }

    /// Rows of one mapping, whatever their stage.
    pub(crate) fn count(&self, mapping: &str) -> usize {
        let of = |stage| self.shelf(mapping, stage).map_or(0, |shelf| shelf.0.len());
        of(Stage::Map) + of(Stage::Write)
    }

    /// The rows of a mapping at a stage; `None` where there is none.
    pub(crate) fn shelf(&self, mapping: &str, stage: Stage) -> Option<Shelf<'_>> {
        let shelf = self.shelves.get(&(mapping.to_owned(), stage))?;
        (!shelf.is_empty()).then_some(Shelf(shelf))
    }

    pub(crate) fn get(&self, key: &ParkKey) -> Option<&Parked> {
        self.shelf(&key.mapping, key.stage)?.get(&key.key)
    }

    /// All rows, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Parked> {
        self.shelves.values().flat_map(HashMap::values).map(|kept| &kept.row)
    }

    /// Sets a row aside; it takes the place of an older one of its key.
    ///
    /// # Errors
    /// `Config` where there are as many as may be.
    pub(crate) fn park(&mut self, mut row: Parked) -> Result<()> {
        if self.room() == 0 && self.get(&row.key).is_none() {
            return Err(too_many_parked(row.culprit.as_deref()));
        }
        row.image = alone(&row.image)?;
        self.changed.insert(row.key.clone());
        let due = self.tick + (1 << row.attempts.min(WAIT_DOUBLINGS_MAX));
        self.insert(row, due);
        Ok(())
    }

    /// Takes a row back.
    pub(crate) fn settle(&mut self, key: &ParkKey) {
        if self.remove(key) {
            self.changed.insert(key.clone());
        }
    }

    /// What is to be written with the open transaction.
    pub(crate) fn changes(&self) -> ParkChanges {
        let mut changes = ParkChanges::default();
        for key in &self.changed {
            match self.get(key) {
                Some(row) => changes.parked.push(row.clone()),
                None => changes.settled.push(key.clone()),
            }
        }
        changes
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The changes were written.
    pub(crate) fn written(&mut self) {
        self.changed.clear();
    }

    /// The keys of one mapping.
    pub(crate) fn keys(&self, mapping: &str) -> Vec<ParkKey> {
        self.rows().map(|row| &row.key).filter(|key| key.mapping == mapping).cloned().collect()
    }

    /// The source rows of one mapping that tell of a target row which has to go.
    pub(crate) fn owing(&self, mapping: &str) -> Vec<ParkKey> {
        self.owing.iter().filter(|key| key.mapping == mapping).cloned().collect()
    }

    /// Begins another round over the rows.
    pub(crate) fn tick(&mut self) {
        self.tick += 1;
    }

    /// The rows of these mappings to try again at this tick, those that came first before others.
    pub(crate) fn due(&self, is_mapping: impl Fn(&str) -> bool, rows_max: usize) -> Vec<ParkKey> {
        let shelves = self.shelves.iter().filter(|((mapping, _), _)| is_mapping(mapping));
        let kept = shelves.flat_map(|(_, shelf)| shelf.values());
        let mut due: Vec<&Parked> =
            kept.filter(|kept| kept.due <= self.tick).map(|kept| &kept.row).collect();
        due.sort_by_key(|row| (row.attempts, row.offset, &row.key));
        due.into_iter().take(rows_max).map(|row| row.key.clone()).collect()
    }

    /// Follows what a person did to the rows. `false` where there is one that is not known here.
    pub(crate) fn follow(&mut self, marks: Vec<ParkMark>) -> bool {
        let mut left: HashSet<ParkKey> = self.rows().map(|row| row.key.clone()).collect();
        for ParkMark { key, attempts } in marks {
            left.remove(&key);
            let shelf = self.shelves.get_mut(&(key.mapping, key.stage));
            let Some(kept) = shelf.and_then(|shelf| shelf.get_mut(&key.key)) else { return false };
            if attempts < kept.row.attempts {
                kept.row.attempts = attempts;
                kept.due = self.tick;
            }
        }
        for dropped in left {
            self.remove(&dropped);
        }
        true
    }

    fn insert(&mut self, row: Parked, due: u64) {
        match owes(&row) {
            true => self.owing.insert(row.key.clone()),
            false => self.owing.remove(&row.key),
        };
        let ParkKey { mapping, stage, key } = row.key.clone();
        let shelf = self.shelves.entry((mapping, stage)).or_default();
        if shelf.insert(key, Kept { row, due }).is_none() {
            self.len += 1;
        }
    }

    fn remove(&mut self, key: &ParkKey) -> bool {
        let shelf = self.shelves.get_mut(&(key.mapping.clone(), key.stage));
        let removed = shelf.is_some_and(|shelf| shelf.remove(&key.key).is_some());
        self.len -= usize::from(removed);
        self.owing.remove(key);
        removed
    }
}

fn owes(row: &Parked) -> bool {
    let is_gone = || (0..row.image.len()).any(|at| row.image.op(at) == Op::Delete);
    row.key.stage == Stage::Map && (row.image.len() > 1 || is_gone())
}

/// Few rows in memory of their own.
fn alone(image: &ChangeBatch) -> Result<ChangeBatch> {
    let rows = u32::try_from(image.len()).expect("a batch has fewer than 2^32 rows");
    let copied = image.take(&(0..rows).collect::<Vec<_>>());
    let copy = copied.and_then(|copy| {
        // A batch's masks are those of all its rows.
        let masks = (0..copy.len()).map(|row| copy.mask(row));
        let presence = Presence::from_rows(copy.schema().columns().len(), masks);
        ChangeBatch::try_new(
            copy.schema().clone(),
            copy.columns().columns().to_vec(),
            copy.ops().clone(),
            copy.ordinals().clone(),
            copy.transactions().to_vec(),
            presence,
        )
    });
    copy.map_err(|error| {
        Error::new(Kind::Internal, "a row could not be taken from its batch").caused_by(error)
    })
}

/// Too many parked rows mean that something is wrong with all of them. Names what refused the last,
/// never its values: this is logged.
pub(crate) fn too_many_parked(refused_by: Option<&str>) -> Error {
    let error = Error::new(Kind::Config, "more rows are refused than may be parked")
        .hint("mend the cause and restart, or raise parked_max");
    match refused_by {
        Some(refused_by) => error.detail(format!("the last was refused by {refused_by}")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, StringArray};
    use std::sync::Arc;
    use syncline_core::{
        Column, Offset, SystemName, TableName, TableSchema, Transaction, TransactionRun,
    };

    fn batch(names: &[String]) -> ChangeBatch {
        let column = Column {
            name: "name".into(),
            id: 0,
            data_type: arrow_schema::DataType::Utf8,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let name = TableName::table(&SystemName::new("lms"), "public", "t");
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(names));
        let rows = u32::try_from(names.len()).unwrap();
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
        ChangeBatch::try_new(
            Arc::new(TableSchema::new(name, 1, vec![column], vec![0])),
            vec![values],
            vec![1_u8; names.len()].into(),
            (0..rows).collect::<Vec<_>>().into(),
            vec![TransactionRun { transaction, rows }],
            Presence::all(1),
        )
        .unwrap()
    }

    fn row(mapping: &str, key: &str, attempts: u32) -> Parked {
        let key = ParkKey { mapping: mapping.into(), stage: Stage::Write, key: key.into() };
        Parked {
            key,
            table: "lms.public.t".into(),
            image: batch(&["a".to_owned()]),
            reason: String::new(),
            culprit: None,
            hint: None,
            offset: Offset(1),
            attempts,
        }
    }

    #[test]
    fn a_parked_row_does_not_keep_the_batch_it_came_in() {
        let mut parking = Parking::new(Vec::new(), 10);
        let names: Vec<String> = (0..10_000).map(|name| format!("name {name}")).collect();
        let image = batch(&names).slice(77..78);
        parking.park(Parked { image, ..row("m.sql", "a", 0) }).unwrap();
        let held = parking.rows().next().unwrap().image.columns().get_array_memory_size();
        assert!(held < 2_000, "{held} bytes");
    }

    #[test]
    fn no_more_rows_are_parked_than_may_be_but_those_that_are_stay() {
        let mut parking = Parking::new(vec![row("m.sql", "a", 0), row("m.sql", "b", 0)], 1);
        parking.park(row("m.sql", "b", 1)).unwrap();
        let error = parking.park(row("m.sql", "c", 0)).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        parking.settle(&row("m.sql", "a", 0).key);
        parking.park(row("m.sql", "c", 0)).unwrap();
        assert_eq!((parking.len(), parking.count("m.sql")), (2, 2));
    }

    #[test]
    fn the_last_word_on_a_row_is_written_once() {
        let mut parking = Parking::new(vec![row("m.sql", "a", 0)], 10);
        parking.settle(&row("m.sql", "a", 0).key);
        parking.settle(&row("m.sql", "never there", 0).key);
        parking.park(row("m.sql", "b", 0)).unwrap();
        parking.park(row("m.sql", "b", 1)).unwrap();
        let changes = parking.changes();
        assert_eq!(changes.settled, [row("m.sql", "a", 0).key]);
        assert_eq!(changes.parked.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1]);
        parking.written();
        assert!(!parking.is_changed() && parking.changes().parked.is_empty());
    }

    #[test]
    fn a_row_waits_twice_as_long_after_each_failure_and_not_at_all_when_asked_for() {
        let mut parking = Parking::new(vec![row("m.sql", "a", 3)], 10);
        let due = |parking: &Parking| parking.due(|mapping| mapping == "m.sql", 10).len();
        assert_eq!(due(&parking), 1, "at first all are tried: the mapping may be another");
        assert!(parking.due(|_| false, 10).is_empty());
        parking.park(row("m.sql", "a", 4)).unwrap();
        for _ in 0..15 {
            parking.tick();
            assert_eq!(due(&parking), 0);
        }
        parking.tick();
        assert_eq!(due(&parking), 1);
        parking.park(row("m.sql", "a", 5)).unwrap();
        let mark = |key: &str| ParkMark { key: row("m.sql", key, 0).key, attempts: 0 };
        assert!(parking.follow(vec![mark("a")]));
        assert_eq!(due(&parking), 1);
        assert!(!parking.follow(vec![mark("a"), mark("b")]), "a row that was not known");
        assert!(parking.follow(Vec::new()) && parking.is_empty());
    }
}
