//! A source that follows a script, a mapping that renames, and a sink in memory.

use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::{
    Body, Boundary, Captured, ChangeBatch, Column, ColumnMask, Entry, Error, Kind, Offset, Op,
    Outlet, ParkKey, ParkMark, Parked, Position, Presence, Progress, ReaderName, RejectedRow,
    Report, Result, Resume, Sink, Source, SystemName, TableName, TableSchema, TargetChange,
    Transaction, TransactionRun, Transform, Transformed, Written, key_text,
};

/// `id` and `name`, keyed by `id`.
pub(crate) fn people(name: TableName) -> Arc<TableSchema> {
    let column = |name: &str, data_type| Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    let columns = vec![
        column("id", arrow_schema::DataType::Int64),
        column("name", arrow_schema::DataType::Utf8),
    ];
    Arc::new(TableSchema::new(name, 1, columns, vec![0]))
}

/// A change: the operation, the key, and the name where the row speaks of it.
pub(crate) type Change = (Op, i64, Option<&'static str>);

/// One batch of one transaction.
pub(crate) fn rows(
    schema: &Arc<TableSchema>,
    commit: u64,
    first: u32,
    changes: &[Change],
) -> ChangeBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(changes.iter().map(|it| it.1)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(changes.iter().map(|it| it.2)));
    let masks = changes.iter().map(|(_, _, name)| {
        let mut mask = ColumnMask::all(2);
        if name.is_none() {
            mask.clear(1);
        }
        mask
    });
    let count = u32::try_from(changes.len()).unwrap();
    let transaction = Transaction { epoch: 1, commit, committed_at: 1_000_000, ours: false };
    ChangeBatch::try_new(
        schema.clone(),
        vec![ids, names],
        changes.iter().map(|it| it.0 as u8).collect::<Vec<_>>().into(),
        (first..first + count).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction, rows: count }],
        Presence::from_rows(2, masks),
    )
    .unwrap()
}

/// One transaction as entries of one row each; the last has the boundary.
pub(crate) fn transaction(
    schema: &Arc<TableSchema>,
    commit: u64,
    changes: &[Change],
) -> Vec<Entry> {
    let position = Position { epoch: 1, commit, ordinal: 0 };
    let last = changes.len() - 1;
    let one = |(ordinal, change): (usize, &Change)| Entry {
        body: Body::Rows(rows(schema, commit, u32::try_from(ordinal).unwrap(), &[*change])),
        boundary: (ordinal == last).then_some(Boundary { position, committed_at: 1_000_000 }),
    };
    changes.iter().enumerate().map(one).collect()
}

/// Emits the transactions after the position it resumes from, an entry at a time. Fails once after
/// each of the given counts of entries, as if its connection broke.
///
/// Asked to copy again, it emits everything up to that position once more: as good as a snapshot.
#[derive(Default)]
pub(crate) struct Script {
    /// How often it was asked to copy again what it had emitted.
    pub(crate) copies: Arc<AtomicUsize>,
    pub(crate) transactions: Arc<Mutex<Vec<Vec<Entry>>>>,
    pub(crate) failures: Arc<Mutex<Vec<usize>>>,
}

impl Source for Script {
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()> {
        let mut resumed = resume.position;
        let mut left = self.failures.lock().unwrap().pop();
        outlet.emit(Captured { entries: vec![], checkpoint: Some(vec![]) })?;
        if let Some(position) = resumed.filter(|_| !resume.copy_again.is_empty()) {
            self.copies.fetch_add(1, Ordering::Relaxed);
            self.copy(position, outlet)?;
        }
        outlet.report(Report::Streaming);
        while !outlet.stopping() {
            let transactions = self.transactions.lock().unwrap().clone();
            for entries in transactions {
                let position = entries.last().unwrap().boundary.unwrap().position;
                if resumed.is_some_and(|resumed| position <= resumed) {
                    continue;
                }
                for entry in entries {
                    if left == Some(0) {
                        return Err(Error::new(Kind::Unavailable, "the line broke"));
                    }
                    left = left.map(|left| left - 1);
                    outlet.emit(Captured { entries: vec![entry], checkpoint: None })?;
                }
                resumed = Some(position);
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Script {
    fn copy(&self, until: Position, outlet: &dyn Outlet) -> Result<()> {
        let boundary = Some(Boundary { position: until, committed_at: 1_000_000 });
        let transactions = self.transactions.lock().unwrap().clone();
        for entry in transactions.into_iter().flatten() {
            let is_past = entry.boundary.is_some_and(|it| it.position >= until);
            let entries = vec![Entry { boundary, ..entry }];
            outlet.emit(Captured { entries, checkpoint: None })?;
            if is_past {
                break;
            }
        }
        Ok(())
    }
}

/// Waits while a mapping is held up. The tasks of its thread go on elsewhere.
pub(crate) fn wait_while(held_up: &AtomicBool) {
    if held_up.load(Ordering::Relaxed) {
        tokio::task::block_in_place(|| {
            while held_up.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        });
    }
}

/// Copies rows to another table, unless it is held up; refuses rows named `bad`.
#[derive(Debug)]
pub(crate) struct Rename {
    pub(crate) name: String,
    pub(crate) reads: TableName,
    pub(crate) writes: Arc<TableSchema>,
    pub(crate) held_up: Arc<AtomicBool>,
}

impl Transform for Rename {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self) -> &TableName {
        &self.reads
    }

    fn writes(&self) -> &Arc<TableSchema> {
        &self.writes
    }

    fn transform(&self, batch: &ChangeBatch) -> Result<Transformed> {
        wait_while(&self.held_up);
        let names = batch.columns().column(1).as_any().downcast_ref::<StringArray>().unwrap();
        let bad = |row: &u32| names.iter().nth(*row as usize).flatten() == Some("bad");
        let all = 0..u32::try_from(batch.len()).unwrap();
        let (rejected, origins): (Vec<u32>, Vec<u32>) = all.partition(bad);
        let kept = batch.take(&origins).unwrap();
        let rows = ChangeBatch::try_new(
            self.writes.clone(),
            kept.columns().columns().to_vec(),
            kept.ops().clone(),
            kept.ordinals().clone(),
            kept.transactions().to_vec(),
            kept.presence().clone(),
        )
        .unwrap();
        let reject = |row: u32| RejectedRow {
            row: row as usize,
            expression: None,
            reason: "bad".into(),
            hint: None,
        };
        Ok(Transformed { rows, origins, rejected: rejected.into_iter().map(reject).collect() })
    }
}

/// What a target holds: names by key, parked rows, progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) rows: BTreeMap<String, String>,
    /// Rows of the table `cards`, each of which refers to the other table's row of its key.
    pub(crate) cards: BTreeMap<String, String>,
    /// Rows of any other table with three columns, by their first.
    pub(crate) records: BTreeMap<String, [Option<String>; 2]>,
    pub(crate) parked: HashMap<ParkKey, Parked>,
    pub(crate) progress: HashMap<ReaderName, Progress>,
    /// The progress that no crash takes back.
    pub(crate) synced: HashMap<ReaderName, Offset>,
    pub(crate) commits: usize,
    /// The row counts at each commit.
    pub(crate) seen: Vec<usize>,
}

/// A target in memory that refuses rows with the names it is told to, and names that another row
/// has.
#[derive(Clone, Default)]
pub(crate) struct Target {
    pub(crate) held: Arc<Mutex<Held>>,
    pub(crate) refused: Arc<Mutex<Vec<String>>>,
    /// Keys of records that may not go.
    pub(crate) kept: Arc<Mutex<Vec<String>>>,
    pub(crate) away: Arc<AtomicUsize>,
    /// How often a row was refused for what it refers to.
    pub(crate) too_early: Arc<AtomicUsize>,
    /// How often anything was to be written, and parked rows were read.
    pub(crate) writes: Arc<AtomicUsize>,
    pub(crate) reads: Arc<AtomicUsize>,
    /// How many rows were ever set aside.
    pub(crate) ever_parked: Arc<AtomicUsize>,
}

impl Target {
    pub(crate) fn names(&self) -> Vec<String> {
        self.held.lock().unwrap().rows.values().cloned().collect()
    }

    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        Box::new(MemorySink { target: self.clone(), reader: None, open: Vec::new() })
    }
}

struct MemorySink {
    target: Target,
    reader: Option<ReaderName>,
    /// What the open transaction did, in order: others may commit meanwhile.
    open: Vec<Act>,
}

enum Act {
    Write(Vec<TargetChange>),
    Park(Vec<Parked>, Vec<ParkKey>),
}

impl MemorySink {
    /// What the target holds, as the open transaction sees it.
    fn staged(&self) -> Result<Held> {
        let mut held = self.target.held.lock().unwrap().clone();
        self.replay(&mut held)?;
        Ok(held)
    }

    fn own_parked(&self) -> Result<Vec<Parked>> {
        let reader = self.reader.clone().unwrap();
        let mut parked = self.staged()?.parked;
        // A mapping is of one reader: its topic is in its name.
        let of_reader = |row: &Parked| row.key.mapping.starts_with(topic_table(&reader));
        parked.retain(|_, row| of_reader(row));
        Ok(parked.into_values().collect())
    }

    fn replay(&self, held: &mut Held) -> Result<()> {
        for act in &self.open {
            match act {
                Act::Write(changes) => self.write_to(held, changes)?,
                Act::Park(parked, settled) => {
                    for key in settled {
                        held.parked.remove(key);
                    }
                    held.parked.extend(parked.iter().map(|row| (row.key.clone(), row.clone())));
                }
            }
        }
        Ok(())
    }

    fn write_to(&self, held: &mut Held, changes: &[TargetChange]) -> Result<()> {
        let refused = self.target.refused.lock().unwrap().clone();
        let kept = self.target.kept.lock().unwrap().clone();
        for change in changes {
            match change {
                TargetChange::Rows(batch) if batch.schema().columns().len() == 3 => {
                    for row in 0..batch.len() {
                        write_record(held, (&refused, &kept), batch, row)?;
                    }
                }
                TargetChange::Rows(batch) => {
                    for row in 0..batch.len() {
                        write_row(held, &refused, batch, row)?;
                    }
                }
                TargetChange::Truncate(_) => held.rows.clear(),
            }
        }
        Ok(())
    }
}

fn refusal(reason: &str) -> Error {
    Error::new(Kind::Rejected, reason).constraint("names")
}

fn dangling(reason: &str) -> Error {
    Error::new(Kind::Rejected, reason).constraint("cards_have_owners").of_reference()
}

/// A text of a row, unless it is NULL.
pub(crate) fn text(batch: &ChangeBatch, column: usize, row: usize) -> Option<String> {
    let texts = batch.columns().column(column).as_any().downcast_ref::<StringArray>().unwrap();
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

fn write_record(
    held: &mut Held,
    (refused, kept): (&[String], &[String]),
    batch: &ChangeBatch,
    row: usize,
) -> Result<()> {
    let key = text(batch, 0, row).unwrap();
    if batch.op(row) == Op::Delete {
        if kept.contains(&key) && held.records.contains_key(&key) {
            return Err(refusal("the row is kept"));
        }
        held.records.remove(&key);
        return Ok(());
    }
    let is_whole = batch.mask(row).is_all();
    let mut record = match held.records.get(&key) {
        Some(record) => record.clone(),
        None if is_whole => [None, None],
        None => return Err(refusal("the row is not there")),
    };
    for (column, value) in record.iter_mut().enumerate() {
        if batch.presence().has(row, column + 1) {
            *value = text(batch, column + 1, row);
        }
    }
    if record.iter().flatten().any(|value| refused.contains(value)) {
        return Err(refusal("a value is refused"));
    }
    held.records.insert(key, record);
    Ok(())
}

fn write_row(held: &mut Held, refused: &[String], batch: &ChangeBatch, row: usize) -> Result<()> {
    let key = key_text(batch, row);
    let names = batch.columns().column(1).as_any().downcast_ref::<StringArray>().unwrap();
    let cards =
        matches!(batch.schema().name(), TableName::Table { table, .. } if &**table == "cards");
    if batch.op(row) == Op::Delete {
        match cards {
            true => held.cards.remove(&key),
            false if held.cards.contains_key(&key) => return Err(dangling("a card refers to it")),
            false => held.rows.remove(&key),
        };
        return Ok(());
    }
    if cards {
        if !held.rows.contains_key(&key) {
            return Err(dangling("nobody has this card"));
        }
        held.cards.insert(key, names.value(row).to_owned());
        return Ok(());
    }
    if !batch.presence().has(row, 1) {
        let known = held.rows.contains_key(&key);
        return if known { Ok(()) } else { Err(refusal("the row is not there")) };
    }
    let name = names.value(row).to_owned();
    if refused.contains(&name) {
        return Err(refusal("the name is refused"));
    }
    if held.rows.iter().any(|(other, taken)| *other != key && *taken == name) {
        return Err(refusal("the name is taken"));
    }
    held.rows.insert(key, name);
    Ok(())
}

#[async_trait]
impl Sink for MemorySink {
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>> {
        if self.target.away.load(Ordering::Relaxed) > 0 {
            return Err(Error::new(Kind::Unavailable, "the target is away"));
        }
        self.open.clear();
        self.reader = Some(reader.clone());
        self.sync().await?;
        Ok(self.target.held.lock().unwrap().progress.get(reader).cloned())
    }

    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written> {
        self.target.writes.fetch_add(1, Ordering::Relaxed);
        let mut held = self.staged()?;
        let outcome = self.write_to(&mut held, changes);
        if outcome.as_ref().is_err_and(Error::is_of_reference) {
            self.target.too_early.fetch_add(1, Ordering::Relaxed);
        }
        outcome?;
        self.open.push(Act::Write(changes.to_vec()));
        let rows = changes.iter().map(|change| match change {
            TargetChange::Rows(batch) => batch.len() as u64,
            TargetChange::Truncate(_) => 0,
        });
        Ok(Written { updated: rows.sum(), ..Written::default() })
    }

    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        self.target.ever_parked.fetch_add(parked.len(), Ordering::Relaxed);
        self.open.push(Act::Park(parked.to_vec(), settled.to_vec()));
        Ok(())
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        self.target.reads.fetch_add(1, Ordering::Relaxed);
        self.own_parked()
    }

    async fn park_marks(&mut self) -> Result<Vec<ParkMark>> {
        let mark = |row: Parked| ParkMark { key: row.key, attempts: row.attempts };
        Ok(self.own_parked()?.into_iter().map(mark).collect())
    }

    async fn count(&mut self, table: &TableSchema) -> Result<Option<u64>> {
        let held = self.staged()?;
        let is_cards =
            matches!(table.name(), TableName::Table { table, .. } if &**table == "cards");
        let rows = if is_cards { held.cards.len() } else { held.rows.len() };
        Ok(Some(rows as u64))
    }

    async fn commit(&mut self, progress: &Progress) -> Result<()> {
        let reader = self.reader.clone().unwrap();
        let mut held = self.target.held.lock().unwrap();
        let mut next = held.clone();
        let replayed = self.replay(&mut next);
        self.open.clear();
        // Another's commit came between: as a server would, it makes us begin again.
        replayed
            .map_err(|error| Error::new(Kind::Unavailable, "not serialisable").caused_by(error))?;
        next.progress.insert(reader, progress.clone());
        next.commits += 1;
        next.seen.push(next.rows.len());
        *held = next;
        Ok(())
    }

    async fn sync(&mut self) -> Result<()> {
        let reader = self.reader.clone().unwrap();
        let mut held = self.target.held.lock().unwrap();
        if let Some(next) = held.progress.get(&reader).map(|it| it.next) {
            held.synced.insert(reader, next);
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.open.clear();
        Ok(())
    }
}

/// How the mappings of a lane's topic begin.
fn topic_table(reader: &ReaderName) -> &str {
    match reader.as_str().rsplit_once('/') {
        Some((_, topic)) if topic.starts_with("changes.") => "sis.public.people",
        _ => "person",
    }
}

/// Waits for a condition, no longer than ten seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "no {what}");
}

pub(crate) fn system(name: &str) -> SystemName {
    SystemName::new(name)
}
