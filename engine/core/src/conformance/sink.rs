//! What every [`Sink`] must do, as a suite that runs on a real target.
//!
//! The target offers one table, [`items`], and refuses rows whose amount is negative. Every case
//! starts with it empty. [`MemoryTarget`] is the specification.

mod memory;

pub use memory::{MemoryRow, MemorySink, MemoryTarget};

use crate::{
    ChangeBatch, Column, ColumnMask, Kind, LogId, Offset, Op, ParkKey, Parked, Presence, Progress,
    ReaderName, Sink, Stage, SystemName, TableName, TableSchema, TargetChange, Topic, Transaction,
    TransactionRun,
};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A target with an empty table [`items`].
#[async_trait]
pub trait SinkTarget: Send + Sync {
    /// Another sink on this target, not open yet.
    fn sink(&self) -> Box<dyn Sink>;

    /// What others see of the table.
    async fn visible(&self) -> Items;
}

/// Rows by id: name and amount.
pub type Items = BTreeMap<i64, (Option<String>, Option<i64>)>;

/// The system that the suite writes to.
#[must_use]
pub fn system() -> SystemName {
    SystemName::new("target")
}

/// `target.public.items`: `id bigint` is its key, `name text` and `amount bigint` may be null.
#[must_use]
pub fn items() -> Arc<TableSchema> {
    let column = |name: &str, data_type, native_type: &str| Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: native_type.into(),
        nullable: name != "id",
        has_default: false,
        generated: false,
    };
    let columns = vec![
        column("id", DataType::Int64, "bigint"),
        column("name", DataType::Utf8, "text"),
        column("amount", DataType::Int64, "bigint"),
    ];
    Arc::new(TableSchema::new(TableName::table(&system(), "public", "items"), 1, columns, vec![0]))
}

/// One change of the table. The outer `None` is absent, the inner one NULL.
#[derive(Debug, Clone)]
pub struct ItemChange {
    /// What happened.
    pub op: Op,
    /// The key.
    pub id: i64,
    /// The name.
    pub name: Option<Option<String>>,
    /// The amount.
    pub amount: Option<Option<i64>>,
}

/// A whole row.
#[must_use]
pub fn whole(op: Op, id: i64, name: &str, amount: i64) -> ItemChange {
    ItemChange { op, id, name: Some(Some(name.into())), amount: Some(Some(amount)) }
}

/// A delete by key.
#[must_use]
pub fn delete(id: i64) -> ItemChange {
    ItemChange { op: Op::Delete, id, name: None, amount: None }
}

/// A batch of these changes, all of one transaction.
///
/// # Panics
/// When there are more changes than a batch can hold.
#[must_use]
pub fn batch(changes: &[ItemChange]) -> ChangeBatch {
    let rows = u32::try_from(changes.len()).expect("few changes");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(changes.iter().map(|change| Some(change.id)).collect::<Int64Array>()),
        Arc::new(
            changes.iter().map(|change| change.name.clone().flatten()).collect::<StringArray>(),
        ),
        Arc::new(changes.iter().map(|change| change.amount.flatten()).collect::<Int64Array>()),
    ];
    let masks = changes.iter().map(|change| {
        let mut mask = ColumnMask::none(3);
        mask.set(0);
        for (column, is_present) in [(1, change.name.is_some()), (2, change.amount.is_some())] {
            if is_present {
                mask.set(column);
            }
        }
        mask
    });
    ChangeBatch::try_new(
        items(),
        columns,
        changes.iter().map(|change| change.op as u8).collect::<Vec<_>>().into(),
        (0..rows).collect::<Vec<_>>().into(),
        vec![TransactionRun {
            transaction: Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false },
            rows,
        }],
        Presence::from_rows(3, masks),
    )
    .expect("columns are of their types")
}

fn reader() -> ReaderName {
    ReaderName::apply(&system(), &topic())
}

fn topic() -> Topic {
    Topic::changes(&SystemName::new("source"))
}

fn progress(next: u64) -> Progress {
    let committed_at = 1_700_000_000_123_456;
    Progress { log: LogId(u64::MAX - 7), topic: topic(), next: Offset(next), committed_at }
}

fn rows(changes: &[ItemChange]) -> [TargetChange; 1] {
    [TargetChange::Rows(batch(changes))]
}

async fn opened(target: &dyn SinkTarget) -> Box<dyn Sink> {
    let mut sink = target.sink();
    sink.open(&reader()).await.expect("the sink opens");
    sink
}

async fn write(sink: &mut dyn Sink, changes: &[ItemChange]) {
    sink.write(&rows(changes)).await.expect("the rows are written");
}

async fn commit(sink: &mut dyn Sink, next: u64) {
    sink.commit(&progress(next)).await.expect("the transaction commits");
}

/// Runs every case, each on a target of its own.
///
/// # Panics
/// When the sink breaks a promise.
pub async fn all<T: SinkTarget>(fresh: impl AsyncFn() -> T) {
    nothing_is_visible_before_commit(&fresh().await).await;
    rows_and_progress_come_together(&fresh().await).await;
    progress_in_another_log_begins_anew(&fresh().await).await;
    a_refused_write_leaves_the_transaction_as_it_was(&fresh().await).await;
    replays_do_no_harm(&fresh().await).await;
    parts_of_rows_leave_the_rest_alone(&fresh().await).await;
    a_part_of_a_missing_row_is_refused(&fresh().await).await;
    whole_rows_are_written_whether_or_not_they_are_there(&fresh().await).await;
    deletes_of_missing_rows_are_nothing(&fresh().await).await;
    truncate_takes_what_is_before_it_and_leaves_what_is_after(&fresh().await).await;
    rows_set_aside_are_replaced_and_settled(&fresh().await).await;
    rows_set_aside_come_and_go_with_the_transaction(&fresh().await).await;
    only_one_instance_writes(&fresh().await).await;
    random_changes_give_what_row_by_row_gives(&fresh().await).await;
}

/// Nothing is visible before [`Sink::commit`], and nothing ever after [`Sink::rollback`].
pub async fn nothing_is_visible_before_commit(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    assert_eq!(target.visible().await, Items::new());
    sink.rollback().await.expect("the sink rolls back");
    write(&mut *sink, &[whole(Op::Insert, 2, "b", 2)]).await;
    commit(&mut *sink, 1).await;
    assert_eq!(target.visible().await, Items::from([(2, (Some("b".into()), Some(2)))]));
}

/// A sink that ends without committing leaves neither rows nor progress; one that commits leaves
/// both.
pub async fn rows_and_progress_come_together(target: &dyn SinkTarget) {
    let mut sink = target.sink();
    assert_eq!(sink.open(&reader()).await.expect("the sink opens"), None);
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    drop(sink);
    let mut sink = target.sink();
    assert_eq!(sink.open(&reader()).await.expect("the sink opens again"), None);
    assert_eq!(target.visible().await, Items::new());
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    commit(&mut *sink, 7).await;
    assert_eq!(sink.open(&reader()).await.expect("the same sink reopens"), Some(progress(7)));
    commit(&mut *sink, 8).await;
    drop(sink);
    let mut sink = target.sink();
    assert_eq!(sink.open(&reader()).await.expect("the sink opens once more"), Some(progress(8)));
    assert_eq!(target.visible().await.len(), 1);
}

/// Progress says which log it is of, and may be less in another one.
pub async fn progress_in_another_log_begins_anew(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    commit(&mut *sink, 9).await;
    drop(sink);
    let mut sink = target.sink();
    assert_eq!(sink.open(&reader()).await.expect("the sink opens"), Some(progress(9)));
    write(&mut *sink, &[whole(Op::Insert, 2, "b", 2)]).await;
    let other = Progress { log: LogId(3), ..progress(4) };
    sink.commit(&other).await.expect("progress in another log is less");
    assert_eq!(sink.open(&reader()).await.expect("the sink reopens"), Some(other));
    assert_eq!(target.visible().await.len(), 2);
}

/// A write that is `Rejected` takes nothing with it.
pub async fn a_refused_write_leaves_the_transaction_as_it_was(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    for first in [Some(whole(Op::Insert, 1, "a", 1)), None] {
        if let Some(first) = first {
            write(&mut *sink, &[first]).await;
        }
        let changes = rows(&[whole(Op::Insert, 2, "b", 2), whole(Op::Insert, 3, "c", -1)]);
        let refused = sink.write(&changes).await.expect_err("a negative amount is refused");
        assert_eq!(refused.kind(), Kind::Rejected, "{refused}");
    }
    write(&mut *sink, &[whole(Op::Insert, 4, "d", 4)]).await;
    commit(&mut *sink, 1).await;
    assert_eq!(target.visible().await.into_keys().collect::<Vec<_>>(), [1, 4]);
}

/// The same changes written again after a commit give the same rows.
pub async fn replays_do_no_harm(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    // Enough rows for whatever way a sink has with many.
    let mut first: Vec<ItemChange> = (0..500).map(|id| whole(Op::Insert, id, "a", id)).collect();
    first.extend((500..1000).map(|id| whole(Op::Snapshot, id, "s", id)));
    let second = [whole(Op::Update, 1, "b", 10), delete(2), whole(Op::Insert, 1000, "c", 1)];
    for round in 0..3 {
        write(&mut *sink, &first).await;
        write(&mut *sink, &second).await;
        commit(&mut *sink, round + 1).await;
        let items = target.visible().await;
        assert_eq!(items.len(), 1000);
        assert_eq!(items.get(&1), Some(&(Some("b".into()), Some(10))));
        assert!(!items.contains_key(&2) && items.contains_key(&1000));
    }
}

/// Absent columns stay as they are; NULL is written.
pub async fn parts_of_rows_leave_the_rest_alone(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    let before = [1, 2, 3].map(|id| whole(Op::Insert, id, "before", id));
    write(&mut *sink, &before).await;
    let part = |id, name: Option<Option<&str>>, amount| ItemChange {
        op: Op::Update,
        id,
        name: name.map(|name| name.map(Into::into)),
        amount,
    };
    let parts = [
        part(1, Some(Some("after")), None),
        part(2, None, Some(Some(20))),
        part(3, Some(None), None),
    ];
    write(&mut *sink, &parts).await;
    // Two parts of one row in one batch.
    write(&mut *sink, &[part(1, None, Some(None)), part(1, Some(Some("last")), None)]).await;
    commit(&mut *sink, 1).await;
    let expected = Items::from([
        (1, (Some("last".into()), None)),
        (2, (Some("before".into()), Some(20))),
        (3, (None, Some(3))),
    ]);
    assert_eq!(target.visible().await, expected);
}

/// What a row lacks can't be made up.
pub async fn a_part_of_a_missing_row_is_refused(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    let part = |id| ItemChange { op: Op::Update, id, name: Some(Some("b".into())), amount: None };
    for changes in [vec![part(1), part(2)], vec![delete(1), part(1)]] {
        let refused = sink.write(&rows(&changes)).await.expect_err("a part of no row is refused");
        assert_eq!(refused.kind(), Kind::Rejected, "{refused}");
    }
    commit(&mut *sink, 1).await;
    assert_eq!(target.visible().await, Items::from([(1, (Some("a".into()), Some(1)))]));
}

/// Inserts of keys that are there, and updates of keys that are not.
pub async fn whole_rows_are_written_whether_or_not_they_are_there(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1), whole(Op::Snapshot, 2, "a", 1)]).await;
    commit(&mut *sink, 1).await;
    let again = [
        whole(Op::Insert, 1, "b", 2),
        whole(Op::Snapshot, 2, "b", 2),
        whole(Op::Update, 3, "b", 2),
        whole(Op::Update, 1, "c", 3),
    ];
    write(&mut *sink, &again).await;
    commit(&mut *sink, 2).await;
    let row = |name: &str, amount| (Some(name.to_owned()), Some(amount));
    let expected = Items::from([(1, row("c", 3)), (2, row("b", 2)), (3, row("b", 2))]);
    assert_eq!(target.visible().await, expected);
}

/// Deleting what is not there is not an error.
pub async fn deletes_of_missing_rows_are_nothing(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1), delete(2), delete(3)]).await;
    let written = sink.write(&rows(&[delete(1), delete(9)])).await.expect("deletes are written");
    assert_eq!(written.deleted, 1);
    commit(&mut *sink, 1).await;
    assert_eq!(target.visible().await, Items::new());
}

/// A truncate stands in the order of the changes around it.
pub async fn truncate_takes_what_is_before_it_and_leaves_what_is_after(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    commit(&mut *sink, 1).await;
    let changes = [
        TargetChange::Rows(batch(&[whole(Op::Insert, 2, "b", 2)])),
        TargetChange::Truncate(items()),
        TargetChange::Rows(batch(&[whole(Op::Insert, 3, "c", 3)])),
    ];
    sink.write(&changes).await.expect("a truncate between rows is written");
    commit(&mut *sink, 2).await;
    assert_eq!(target.visible().await, Items::from([(3, (Some("c".into()), Some(3)))]));
}

fn park_key(mapping: &str, stage: Stage, key: &str) -> ParkKey {
    ParkKey { mapping: mapping.into(), stage, key: key.into() }
}

fn parked(mapping: &str, key: &str, attempts: u32) -> Parked {
    Parked {
        key: park_key(mapping, Stage::Write, key),
        table: items().name().to_string(),
        image: batch(&[whole(Op::Insert, 1, "a", i64::from(attempts))]),
        reason: format!("attempt {attempts}"),
        culprit: (attempts > 0).then(|| "amount_check".into()),
        hint: (attempts > 1).then(|| "make it positive".into()),
        offset: Offset(u64::from(attempts)),
        attempts,
    }
}

fn shape(parked: &[Parked]) -> Vec<String> {
    let image = |image: &ChangeBatch| format!("{:?} {:?}", image.columns(), image.ops());
    let mut shapes: Vec<String> = parked
        .iter()
        .map(|row| {
            let Parked { key, table, reason, culprit, hint, offset, attempts, .. } = row;
            let image = image(&row.image);
            format!("{key:?} {table} {reason} {culprit:?} {hint:?} {offset} {attempts} {image}")
        })
        .collect();
    shapes.sort();
    shapes
}

/// At most one row is set aside for each key, the latest; all of it comes back.
pub async fn rows_set_aside_are_replaced_and_settled(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    sink.park(&[parked("m.sql", "[\"1\"]", 0), parked("m.sql", "[\"2\"]", 0)], &[])
        .await
        .expect("park");
    commit(&mut *sink, 1).await;
    let settled = park_key("m.sql", Stage::Write, "[\"2\"]");
    let of_source = park_key("m.sql", Stage::Map, "[\"1\"]");
    let again = [
        parked("m.sql", "[\"1\"]", 2),
        parked("n.sql", "[\"1\"]", 1),
        Parked { key: of_source.clone(), ..parked("m.sql", "[\"1\"]", 3) },
    ];
    sink.park(&again, &[settled]).await.expect("park again");
    commit(&mut *sink, 2).await;
    drop(sink);
    let mut sink = opened(target).await;
    assert_eq!(shape(&sink.parked().await.expect("parked rows are read")), shape(&again));
    let mut marks = sink.park_marks().await.expect("marks are read");
    marks.sort_by(|a, b| a.key.cmp(&b.key));
    let mut expected: Vec<_> = again.iter().map(|row| (&row.key, row.attempts)).collect();
    expected.sort();
    assert_eq!(marks.iter().map(|it| (&it.key, it.attempts)).collect::<Vec<_>>(), expected);
    sink.park(&[], &[of_source]).await.expect("the source's row of the key is settled");
    assert_eq!(shape(&sink.parked().await.expect("parked rows are read")), shape(&again[..2]));
    let other = ReaderName::apply(&system(), &Topic::entity("person"));
    let mut sink = target.sink();
    sink.open(&other).await.expect("another reader opens");
    assert!(sink.parked().await.expect("another reader's rows are read").is_empty());
}

/// A row is set aside, or not, with the rows and the progress around it.
pub async fn rows_set_aside_come_and_go_with_the_transaction(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    sink.park(&[parked("m.sql", "[\"1\"]", 0)], &[]).await.expect("park");
    sink.rollback().await.expect("the sink rolls back");
    assert!(sink.parked().await.expect("parked rows are read").is_empty());
    write(&mut *sink, &[whole(Op::Insert, 1, "a", 1)]).await;
    sink.park(&[parked("m.sql", "[\"1\"]", 0)], &[]).await.expect("park");
    assert_eq!(sink.parked().await.expect("one's own rows are read").len(), 1);
    drop(sink);
    let mut sink = opened(target).await;
    assert!(sink.parked().await.expect("parked rows are read").is_empty());
    assert_eq!(target.visible().await, Items::new());
}

/// Of two instances for one reader only one commits: either the second may not open, or the first
/// is fenced.
pub async fn only_one_instance_writes(target: &dyn SinkTarget) {
    let mut first = opened(target).await;
    write(&mut *first, &[whole(Op::Insert, 1, "first", 1)]).await;
    commit(&mut *first, 1).await;
    let mut second = target.sink();
    match second.open(&reader()).await {
        Err(refused) => {
            assert_eq!(refused.kind(), Kind::Fenced, "{refused}");
            write(&mut *first, &[whole(Op::Insert, 2, "first", 2)]).await;
            commit(&mut *first, 2).await;
        }
        Ok(found) => {
            assert_eq!(found, Some(progress(1)));
            write(&mut *second, &[whole(Op::Insert, 2, "second", 2)]).await;
            commit(&mut *second, 2).await;
            let late = async {
                first.write(&rows(&[whole(Op::Insert, 3, "first", 3)])).await?;
                first.commit(&progress(3)).await
            };
            let fenced = late.await.expect_err("an older instance is fenced");
            assert_eq!(fenced.kind(), Kind::Fenced, "{fenced}");
        }
    }
    assert_eq!(target.visible().await.into_keys().collect::<Vec<_>>(), [1, 2]);
}

/// Random batches over few keys, against a map that is changed row by row.
pub async fn random_changes_give_what_row_by_row_gives(target: &dyn SinkTarget) {
    let mut sink = opened(target).await;
    let mut random = Random(0x5EED);
    let mut model = Items::new();
    for round in 0..40 {
        let changes: Vec<ItemChange> = (0..random.below(40)).map(|_| random.change()).collect();
        let mut after = model.clone();
        let known = changes.iter().all(|change| apply(&mut after, change));
        match sink.write(&rows(&changes)).await {
            Ok(_) if known => model = after,
            // Parts may be made whole by what follows; whether they are is the sink's affair.
            Ok(_) => sink.rollback().await.expect("the sink rolls back"),
            Err(refused) => {
                assert_eq!(refused.kind(), Kind::Rejected, "{refused}");
                assert!(
                    !known,
                    "round {round}: {refused} {:?}\n{changes:?}",
                    refused.detail_text()
                );
            }
        }
        commit(&mut *sink, round + 1).await;
        assert_eq!(target.visible().await, model, "round {round}: {changes:?}");
    }
}

/// Changes the model; `false` when a part of a row that is not there was met.
fn apply(model: &mut Items, change: &ItemChange) -> bool {
    match change {
        ItemChange { op: Op::Delete, id, .. } => {
            model.remove(id);
        }
        ItemChange { id, name: Some(name), amount: Some(amount), .. } => {
            model.insert(*id, (name.clone(), *amount));
        }
        ItemChange { id, name, amount, .. } => {
            let Some(row) = model.get_mut(id) else { return false };
            if let Some(name) = name {
                row.0.clone_from(name);
            }
            if let Some(amount) = amount {
                row.1 = *amount;
            }
        }
    }
    true
}

/// A small generator of numbers (xorshift), so that every run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn change(&mut self) -> ItemChange {
        let id = self.below(12).cast_signed();
        let name = (self.below(5) > 0).then(|| format!("name {}", self.below(100)));
        let amount = (self.below(5) > 0).then(|| self.below(100).cast_signed());
        let op = match self.below(10) {
            0..=2 => Op::Insert,
            3 | 4 => Op::Snapshot,
            5..=7 => Op::Update,
            _ => return delete(id),
        };
        // Parts are rare, so that most batches hold none of a missing row.
        let is_part = op == Op::Update && self.below(8) == 0;
        let name = if is_part && self.below(2) == 0 { None } else { Some(name) };
        ItemChange { op, id, name, amount: if is_part { None } else { Some(amount) } }
    }
}
