//! The real entity as a function: rows and what is said in, rows and what comes of it out.

use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_schema::DataType;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use syncline_core::{
    ChangeBatch, Claims as _, Column, ConflictChange, Cursor, LogId, Offset, Op, Position,
    Presence, Resolved, Stable, SystemName, TableName, TableSchema, Topic, Transaction,
    TransactionRun,
};
use syncline_resolve::{
    ClaimingMapping, Entity, EntityRules, Existence, MemoryRows, Policy, RecordKeys, RowBuffer,
    Rows, Unit,
};

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}

fn schema(value: DataType) -> Arc<TableSchema> {
    let columns = vec![column("id", DataType::Utf8), column("name", value)];
    Arc::new(TableSchema::new(TableName::entity("person"), 1, columns, vec![0]))
}

/// Rules for an entity with one field, which these systems speak of, each by the mapping of its name; of
/// `returned` the table is written, too.
pub(crate) fn rules(
    policy: Policy,
    existence: Existence,
    systems: &[&str],
    returned: &[&str],
) -> EntityRules {
    let mapping = |name: &&str| ClaimingMapping {
        name: (*name).to_owned(),
        system: SystemName::new(name),
        columns: vec![0, 1],
        returned: returned.contains(name).then(|| vec![1]),
    };
    EntityRules {
        schema: schema(DataType::Utf8),
        units: vec![Unit {
            name: "name".to_owned(),
            columns: vec![1],
            policy,
            null_is_value: false,
        }],
        existence,
        mappings: systems.iter().map(mapping).collect(),
        uncertainty: BTreeMap::new(),
    }
}

/// One row of the key `k` by a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Said<'a> {
    pub(crate) mapping: &'a str,
    pub(crate) record: &'a str,
    pub(crate) op: Op,
    pub(crate) position: Position,
    pub(crate) ours: bool,
    pub(crate) value: Option<&'a [u8]>,
}

/// What came of what was said, of the key `k`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) golden: Option<(Op, Option<String>)>,
    pub(crate) conflicts: Vec<ConflictChange>,
}

/// Opens the entity on rows, works on it, and gives the rows back.
fn with<T>(
    rows: &MemoryRows,
    rules: &EntityRules,
    work: impl FnOnce(&mut Entity) -> T,
) -> (MemoryRows, T) {
    let shared = Arc::new(Mutex::new(rows.clone()));
    let mut entity = Entity::open(Box::new(shared.clone()), rules.clone(), 7).unwrap();
    let done = work(&mut entity);
    drop(entity);
    let rows = shared.lock().unwrap().clone();
    (rows, done)
}

/// Hears a row; not yet committed.
pub(crate) fn hear(
    rows: &MemoryRows,
    rules: &EntityRules,
    said: &Said<'_>,
    in_doubt: bool,
) -> (MemoryRows, Told) {
    let (batch, records) = batch(said);
    let (rows, resolved) =
        with(rows, rules, |entity| entity.hear_rows(said.mapping, &batch, &records, in_doubt));
    (rows, told(resolved.unwrap()))
}

fn batch(said: &Said<'_>) -> (ChangeBatch, RecordKeys) {
    let Position { epoch, commit, ordinal } = said.position;
    let committed_at = i64::try_from(commit).unwrap() * 60_000_000;
    let transaction = Transaction { epoch, commit, committed_at, ours: said.ours };
    // A decision is no text.
    let (of_value, value): (DataType, ArrayRef) = match said.mapping {
        "decisions" => (DataType::Binary, Arc::new(BinaryArray::from_iter([said.value]))),
        _ => {
            let text = said.value.map(|value| std::str::from_utf8(value).unwrap());
            (DataType::Utf8, Arc::new(StringArray::from_iter([text])))
        }
    };
    let batch = ChangeBatch::try_new(
        schema(of_value),
        vec![Arc::new(StringArray::from(vec!["k"])), value],
        vec![said.op as u8].into(),
        vec![ordinal].into(),
        vec![TransactionRun { transaction, rows: 1 }],
        Presence::all(2),
    );
    let mut records = RecordKeys::default();
    records.push(said.record);
    (batch.unwrap(), records)
}

fn told(resolved: Resolved) -> Told {
    let golden = resolved.golden.map(|batch| {
        let names = batch.columns().column(1).as_any().downcast_ref::<StringArray>().unwrap();
        (batch.op(0), names.iter().next().unwrap().map(str::to_owned))
    });
    Told { golden, conflicts: resolved.conflicts }
}

/// Commits what was heard.
pub(crate) fn commit(rows: &MemoryRows, rules: &EntityRules) -> MemoryRows {
    let topic = Topic::changes(&SystemName::new("any"));
    let commit = |entity: &mut Entity| entity.commit(LogId(1), &topic, Offset(0)).unwrap();
    with(rows, rules, commit).0
}

/// Lets go of what may go, and commits that; how many keys went.
pub(crate) fn collect(
    rows: &MemoryRows,
    rules: &EntityRules,
    stable: &Stable,
) -> (MemoryRows, u64) {
    let (rows, dropped) = with(rows, rules, |entity| {
        let (dropped, next) = entity.collect(stable, Cursor::default()).unwrap();
        assert_eq!(next, None, "one piece");
        dropped
    });
    if dropped == 0 { (rows, 0) } else { (commit(&rows, rules), dropped) }
}

/// Whether anything is kept of the key `k`.
pub(crate) fn is_kept(rows: &MemoryRows) -> bool {
    let mut buffer = RowBuffer::default();
    rows.clone().read(&[KEY], &mut buffer).unwrap();
    buffer.get(0).is_some()
}

/// Takes away what is kept of the key `k`, whatever that is.
pub(crate) fn drop_at_once(rows: &MemoryRows, rules: &EntityRules) -> MemoryRows {
    let mut rows = rows.clone();
    rows.remove(KEY).unwrap();
    commit(&rows, rules)
}

/// The key `k` as claims have it.
const KEY: &[u8] = &[1, 0, 0, 0, b'k'];
