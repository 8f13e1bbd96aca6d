//! Messages of transactions becoming rows. Knows what is open; does no I/O but asking the catalog
//! about a relation that changed.

use super::assemble::{Assembly, Limits};
use super::message::{Message, OldKind, Tuple};
use super::relations::Relations;
use crate::note::Note;
use crate::rows::{Change, Field};
use crate::source::{Capture, Wanted};
use syncline_core::{Boundary, Entry, Error, Kind, Op, Position, Result, TableSchema, Transaction};

/// A transaction that is being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    transaction: Transaction,
    ordinal: u32,
    /// Whether it is in the log already.
    seen: bool,
}

/// The state of decoding.
pub(super) struct Changes<'a> {
    relations: Relations<'a>,
    assembly: Assembly,
    from: Position,
    open: Option<Open>,
    note: Note,
    note_changed: bool,
}

impl<'a> Changes<'a> {
    pub(super) fn new(
        capture: &'a Capture<'a>,
        wanted: &[Wanted],
        note: Note,
        from: Position,
    ) -> Self {
        let noted: Vec<TableSchema> =
            note.tables.iter().map(|table| table.schema.clone()).collect();
        let relations = Relations::new(capture, wanted, &noted);
        let limits = Limits {
            rows: capture.settings.batch_rows_max,
            bytes: capture.settings.batch_bytes_max,
        };
        let assembly = Assembly::new(relations.schemas(), limits);
        Self { relations, assembly, from, open: None, note, note_changed: false }
    }

    /// A transaction begins; `commit` is where the source committed it.
    pub(super) fn begin(&mut self, commit: u64, committed_at: i64) {
        let transaction = Transaction { epoch: self.from.epoch, commit, committed_at };
        self.open = Some(Open { transaction, ordinal: 0, seen: commit < self.from.commit });
    }

    /// It is whole; the source goes on at `end`.
    pub(super) fn commit(&mut self, end: u64) -> Result<()> {
        let open = self.open.take().ok_or_else(|| outside("a commit"))?;
        if !open.seen {
            let position = Position { epoch: self.from.epoch, commit: end, ordinal: 0 };
            let committed_at = open.transaction.committed_at;
            self.assembly.committed(Boundary { position, committed_at });
        }
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it should be handed over before more comes.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.assembly.is_full()
    }

    /// Whether there is something to hand over that ends with a whole transaction.
    pub(super) fn is_ready(&self) -> bool {
        self.open.is_none() && self.assembly.has_news()
    }

    /// The last commit, where its transaction had nothing for us.
    pub(super) fn take_idle(&mut self) -> Option<Boundary> {
        if self.open.is_some() { None } else { self.assembly.take_idle() }
    }

    /// Takes what there is, and the note where it changed.
    pub(super) fn take(&mut self) -> Result<(Vec<Entry>, Option<&Note>)> {
        let entries = self.assembly.take(self.open.is_some())?;
        let changed = std::mem::take(&mut self.note_changed);
        Ok((entries, changed.then_some(&self.note)))
    }

    /// Takes in a message of the open transaction.
    #[inline]
    pub(super) fn apply(&mut self, message: Message<'_>) -> Result<()> {
        match message {
            Message::Insert { relation, new } => self.insert(relation, new),
            Message::Update { relation, old, new } => self.update(relation, old, new),
            Message::Delete { relation, kind, old } => self.delete(relation, kind, old),
            Message::Truncate { relations } => self.truncate(&relations),
            Message::Relation(message) => {
                if let Some(change) = self.relations.describe(message)? {
                    self.assembly.set_schema(change.table, change.schema.clone())?;
                    if let Some(table) = self.note.tables.get_mut(change.table) {
                        table.oid = change.oid;
                        table.schema = TableSchema::clone(&change.schema);
                        self.note_changed = true;
                    }
                }
                Ok(())
            }
            Message::Other => Ok(()),
            Message::Begin { .. }
            | Message::Commit { .. }
            | Message::StreamStart { .. }
            | Message::StreamStop
            | Message::StreamCommit { .. }
            | Message::StreamAbort { .. } => Err(outside("the frame of another transaction")),
        }
    }

    fn insert(&mut self, relation: u32, new: Tuple<'_>) -> Result<()> {
        let Some((table, change)) = self.next_change(relation, Op::Insert)? else { return Ok(()) };
        self.assembly.append(table, change, new.fields())
    }

    /// The image before, where there is one, and the image after, whose absent values are taken from
    /// the image before where that is whole.
    fn update(
        &mut self,
        relation: u32,
        old: Option<(OldKind, Tuple<'_>)>,
        new: Tuple<'_>,
    ) -> Result<()> {
        let Some((table, change)) = self.next_change(relation, Op::Update)? else { return Ok(()) };
        let Some((kind, old)) = old else {
            return self.assembly.append(table, change, new.fields());
        };
        self.before(table, Change { op: Op::Before, ..change }, kind, old)?;
        match kind {
            OldKind::Key => self.assembly.append(table, change, new.fields()),
            OldKind::Whole => {
                let filled = new.fields().zip(old.fields()).map(|(new, old)| match new {
                    Field::Absent => old,
                    new => new,
                });
                self.assembly.append(table, change, filled)
            }
        }
    }

    fn delete(&mut self, relation: u32, kind: OldKind, old: Tuple<'_>) -> Result<()> {
        let Some((table, change)) = self.next_change(relation, Op::Delete)? else { return Ok(()) };
        self.before(table, change, kind, old)
    }

    /// An image before: of a key image only the identity's columns mean something.
    fn before(
        &mut self,
        table: usize,
        change: Change,
        kind: OldKind,
        old: Tuple<'_>,
    ) -> Result<()> {
        let Self { relations, assembly, .. } = self;
        match kind {
            OldKind::Whole => assembly.append(table, change, old.fields()),
            OldKind::Key => {
                let fields = old.fields().enumerate().map(|(column, field)| {
                    if relations.is_identity(table, column) { field } else { Field::Absent }
                });
                assembly.append(table, change, fields)
            }
        }
    }

    fn truncate(&mut self, relations: &[u32]) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| outside("a truncate"))?;
        if open.seen {
            return Ok(());
        }
        open.ordinal = open.ordinal.saturating_add(1);
        let mut names = Vec::new();
        for &relation in relations {
            if let Some(table) = self.relations.table(relation)? {
                names.extend(self.relations.name(table));
            }
        }
        if names.is_empty() { Ok(()) } else { self.assembly.truncate(names) }
    }

    /// The table and place of the next change; `None` where nobody wants it.
    #[inline]
    fn next_change(&mut self, relation: u32, op: Op) -> Result<Option<(usize, Change)>> {
        let table = self.relations.table(relation)?;
        let open = self.open.as_mut().ok_or_else(|| outside("a row"))?;
        let ordinal = open.ordinal;
        open.ordinal = ordinal.saturating_add(1);
        if open.seen {
            return Ok(None);
        }
        let change = Change { op, ordinal, transaction: open.transaction };
        Ok(table.map(|table| (table, change)))
    }
}

fn outside(what: &str) -> Error {
    Error::new(Kind::Corrupt, "the stream is out of order")
        .detail(format!("{what} outside of its transaction"))
}
