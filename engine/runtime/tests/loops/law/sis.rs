//! The source that follows the steps, and the mapping between it and the target.

use super::{Identity, Record, Refusals, Step};
use crate::support::{system, text};
use arrow_array::{ArrayRef, StringArray};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use syncline_core::{
    Body, Boundary, ChangeBatch, Column, ColumnMask, Entry, Error, Kind, Op, Position, Presence,
    RejectedRow, TableName, TableSchema, Transaction, TransactionRun, Transform, Transformed,
};

/// The source's rows, and what it says of each step.
pub(super) struct Sis {
    pub(super) identity: Identity,
    pub(super) schema: Arc<TableSchema>,
    pub(super) rows: BTreeMap<u8, Record>,
    pub(super) commit: u64,
}

/// One change as it is sent: the values that it speaks of.
pub(super) type Sent = (Op, [Option<String>; 4]);

pub(super) fn all(record: &Record) -> [Option<String>; 4] {
    record.clone().map(Some)
}

impl Sis {
    pub(super) fn new(identity: Identity) -> Self {
        let key = if identity == Identity::Keyless { vec![] } else { vec![0] };
        let name = TableName::table(&system("sis"), "public", "people");
        let schema = table(name, &["id", "code", "name", "bio"], key);
        Self { identity, schema, rows: BTreeMap::new(), commit: 0 }
    }

    pub(super) fn has_code(&self, code: &str, but: u8) -> bool {
        self.rows.iter().any(|(&id, row)| id != but && row[1] == code)
    }

    /// Steps that can't be taken say nothing.
    pub(super) fn take(&mut self, step: &Step) -> Vec<Sent> {
        match *step {
            Step::Insert { id, code, name, bio } => {
                let row = [key_of(id), key_of(code), name_of(name), bio_of(bio)];
                if self.rows.contains_key(&id) || self.has_code(&row[1], id) {
                    return Vec::new();
                }
                self.rows.insert(id, row.clone());
                vec![(Op::Insert, all(&row))]
            }
            Step::Update { id, to, code, name, bio } => self.update(id, to, [code, name, bio]),
            Step::Delete { id } => {
                let Some(row) = self.rows.remove(&id) else { return Vec::new() };
                match self.identity {
                    Identity::Key => vec![(Op::Delete, [Some(row[0].clone()), None, None, None])],
                    Identity::Full | Identity::Keyless => vec![(Op::Delete, all(&row))],
                }
            }
        }
    }

    pub(super) fn update(&mut self, id: u8, to: Option<u8>, values: [Option<u8>; 3]) -> Vec<Sent> {
        let Some(older) = self.rows.get(&id).cloned() else { return Vec::new() };
        let [code, name, bio] = values;
        let to = to.filter(|to| !self.rows.contains_key(to)).unwrap_or(id);
        let code = code.map(key_of).filter(|code| !self.has_code(code, id));
        let newer = [
            key_of(to),
            code.unwrap_or(older[1].clone()),
            name.map_or(older[2].clone(), name_of),
            bio.map_or(older[3].clone(), bio_of),
        ];
        self.rows.remove(&id);
        self.rows.insert(to, newer.clone());
        let mut after = all(&newer);
        let mut before = all(&older);
        if self.identity == Identity::Key {
            before = [Some(older[0].clone()), None, None, None];
            if to == id {
                // A row that was left out until now can't be had from a part of it, refused or not.
                after[3] = after[3].take_if(|_| bio.is_some() || older[2] == HIDDEN);
                return vec![(Op::Update, after)];
            }
        }
        vec![(Op::Before, before), (Op::Update, after)]
    }

    /// A transaction as entries of several rows.
    pub(super) fn transaction(&mut self, entries: &[Vec<Step>]) -> Vec<Entry> {
        let sent: Vec<Vec<Sent>> = entries
            .iter()
            .map(|steps| steps.iter().flat_map(|step| self.take(step)).collect())
            .filter(|sent: &Vec<Sent>| !sent.is_empty())
            .collect();
        if sent.is_empty() {
            return Vec::new();
        }
        self.commit += 1;
        let position = Position { epoch: 1, commit: self.commit, ordinal: 0 };
        let boundary = Boundary { position, committed_at: 1_000_000 };
        let last = sent.len() - 1;
        let mut first = 0;
        let entry = |(index, sent): (usize, Vec<Sent>)| {
            let batch = self.batch(first, &sent);
            first += u32::try_from(sent.len()).unwrap();
            Entry { body: Body::Rows(batch), boundary: (index == last).then_some(boundary) }
        };
        sent.into_iter().enumerate().map(entry).collect()
    }

    pub(super) fn batch(&self, first: u32, sent: &[Sent]) -> ChangeBatch {
        let ops = sent.iter().map(|(op, _)| *op as u8).collect::<Vec<_>>();
        let places = (first..).take(sent.len()).collect::<Vec<_>>();
        let rows: Vec<_> = sent.iter().map(|(_, values)| values.clone()).collect();
        let rows_len = u32::try_from(sent.len()).unwrap();
        let transaction =
            Transaction { epoch: 1, commit: self.commit, committed_at: 1_000_000, ours: false };
        let runs = vec![TransactionRun { transaction, rows: rows_len }];
        batch_of(&self.schema, &rows, ops, places, runs)
    }

    /// What the target has to hold in the end.
    pub(super) fn mapped(&self) -> BTreeMap<String, [Option<String>; 2]> {
        let shown = self.rows.values().filter(|row| row[2] != HIDDEN);
        let key = if self.identity == Identity::Key { 0 } else { 1 };
        shown.map(|row| (row[key].clone(), [2, 3].map(|at| Some(row[at].clone())))).collect()
    }
}

/// The mapping leaves out rows of this name.
pub(super) const HIDDEN: &str = "name3";

/// The same words for both keys, so that a row of the one may be taken for a row of the other.
pub(super) fn key_of(key: u8) -> String {
    format!("k{key}")
}

pub(super) fn name_of(name: u8) -> String {
    format!("name{name}")
}

pub(super) fn bio_of(bio: u8) -> String {
    format!("bio{bio}")
}

pub(super) fn table(name: TableName, columns: &[&str], key: Vec<usize>) -> Arc<TableSchema> {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        id: 0,
        data_type: arrow_schema::DataType::Utf8,
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    Arc::new(TableSchema::new(name, 1, columns.iter().map(column).collect(), key))
}

/// Rows whose absent values are `None`.
pub(super) fn batch_of<const WIDTH: usize>(
    schema: &Arc<TableSchema>,
    rows: &[[Option<String>; WIDTH]],
    ops: Vec<u8>,
    places: Vec<u32>,
    runs: Vec<TransactionRun>,
) -> ChangeBatch {
    let column = |at: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row[at].as_deref())))
    };
    let masks = rows.iter().map(|row| {
        let mut mask = ColumnMask::none(WIDTH);
        (0..WIDTH).filter(|&at| row[at].is_some()).for_each(|at| mask.set(at));
        mask
    });
    let presence = Presence::from_rows(WIDTH, masks);
    let columns = (0..WIDTH).map(column).collect();
    ChangeBatch::try_new(schema.clone(), columns, ops.into(), places.into(), runs, presence)
        .unwrap()
}

/// `SELECT key, name, bio FROM people WHERE name <> 'name3'`, as [`Transform`] says it has to be.
#[derive(Debug)]
pub(super) struct Translate {
    pub(super) key: usize,
    pub(super) reads: TableName,
    pub(super) writes: Arc<TableSchema>,
    pub(super) refusals: Arc<Mutex<Refusals>>,
}

/// Target rows in the making: operation, the source row, values.
pub(super) type Given = Vec<(Op, usize, [Option<String>; 3])>;

impl Translate {
    pub(super) fn key(
        &self,
        batch: &ChangeBatch,
        row: usize,
        refused: &[String],
    ) -> Option<String> {
        text(batch, self.key, row).filter(|key| !refused.contains(key))
    }

    /// Whether an image that is no more tells that the target never had its row.
    pub(super) fn was_hidden(batch: &ChangeBatch, row: usize) -> bool {
        text(batch, 2, row).as_deref() == Some(HIDDEN)
    }

    pub(super) fn leave(
        &self,
        batch: &ChangeBatch,
        row: usize,
        image: usize,
        refused: &[String],
    ) -> Given {
        let key = self.key(batch, image, refused);
        key.map(|key| (Op::Delete, row, [Some(key), None, None])).into_iter().collect()
    }

    pub(super) fn row(
        &self,
        batch: &ChangeBatch,
        row: usize,
        refused: &[String],
    ) -> Result<Given, &'static str> {
        let before = row.checked_sub(1).filter(|&row| batch.op(row) == Op::Before);
        let gone = before.is_some_and(|before| Self::was_hidden(batch, before));
        let name = text(batch, 2, row);
        if batch.op(row) == Op::Delete {
            let hidden = Self::was_hidden(batch, row);
            return Ok(if hidden { Vec::new() } else { self.leave(batch, row, row, refused) });
        }
        if name.as_ref().is_some_and(|name| refused.contains(name)) {
            return Err("the name can't be mapped");
        }
        if name.as_deref() == Some(HIDDEN) {
            return Ok(match batch.op(row) == Op::Update && !gone {
                true => self.leave(batch, row, before.unwrap_or(row), refused),
                false => Vec::new(),
            });
        }
        let Some(key) = self.key(batch, row, refused) else {
            return Err("the key can't be mapped");
        };
        let older = before.filter(|_| !gone).and_then(|before| self.key(batch, before, refused));
        let moved = older.filter(|older| *older != key);
        if moved.is_some() && !batch.mask(row).is_all() {
            return Err("the key changed, and the change does not have the whole row");
        }
        let old = moved.map(|old| (Op::Delete, row, [Some(old), None, None]));
        let new = (batch.op(row), row, [Some(key), name, text(batch, 3, row)]);
        Ok(old.into_iter().chain([new]).collect())
    }
}

impl Transform for Translate {
    fn name(&self) -> &str {
        "sis.public.people to records"
    }

    fn reads(&self) -> &TableName {
        &self.reads
    }

    fn writes(&self) -> &Arc<TableSchema> {
        &self.writes
    }

    fn transform(&self, batch: &ChangeBatch) -> syncline_core::Result<Transformed> {
        let refusals = self.refusals.lock().unwrap().clone();
        if refusals.misfit {
            return Err(Error::new(Kind::Config, "the table is not what it was"));
        }
        let (mut given, mut rejected) = (Given::new(), Vec::new());
        for row in (0..batch.len()).filter(|&row| batch.op(row) != Op::Before) {
            match self.row(batch, row, &refusals.mapping) {
                Ok(rows) => given.extend(rows),
                Err(reason) => rejected.push(RejectedRow {
                    row,
                    expression: None,
                    reason: reason.into(),
                    hint: None,
                }),
            }
        }
        let transactions: Vec<Transaction> = batch.row_transactions().copied().collect();
        let runs = given
            .iter()
            .map(|(_, row, _)| TransactionRun { transaction: transactions[*row], rows: 1 });
        let rows = batch_of(
            &self.writes,
            &given.iter().map(|(_, _, values)| values.clone()).collect::<Vec<_>>(),
            given.iter().map(|(op, ..)| *op as u8).collect(),
            given.iter().map(|(_, row, _)| batch.ordinals()[*row]).collect(),
            runs.collect(),
        );
        let origins = given.iter().map(|(_, row, _)| u32::try_from(*row).unwrap()).collect();
        Ok(Transformed { rows, origins, rejected })
    }
}
