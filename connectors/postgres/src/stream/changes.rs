//! Messages of transactions becoming rows. Knows what is open; does no I/O but asking the catalog
//! about a relation that changed.

use super::assemble::{Assembly, Limits};
use super::message::{Message, OldKind, Tuple};
use super::relations::Relations;
use crate::begin::Wanted;
use crate::mark;
use crate::note::Note;
use crate::rows::{Carried, Change, Field};
use crate::source::Capture;
use fail::fail_point;
use std::collections::HashSet;
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
    /// The names that writes of ours carry.
    ours: HashSet<String>,
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
        let settings = capture.settings;
        let readers = settings.written_for.iter();
        let ours = readers.map(|reader| mark::name(reader, &settings.database)).collect();
        Self { relations, assembly, from, open: None, note, note_changed: false, ours }
    }

    /// A transaction begins; `commit` is where the source committed it.
    pub(super) fn begin(&mut self, commit: u64, committed_at: i64) {
        let transaction = Transaction { epoch: self.from.epoch, commit, committed_at, ours: false };
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

    /// Whether it should be handed over at the commit that was just read, rather than gather more.
    pub(super) fn is_due_at_commit(&self) -> bool {
        self.assembly.is_due_at_commit()
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
                if let Some(change) = self.relations.describe(*message)? {
                    self.assembly.set_schema(change.table, change.schema.clone())?;
                    if let Some(table) = self.note.tables.get_mut(change.table) {
                        table.oid = change.oid;
                        table.schema = TableSchema::clone(&change.schema);
                        self.note_changed = true;
                        fail_point!("schema.changed");
                    }
                }
                Ok(())
            }
            Message::Origin { name } | Message::Mark { name } => {
                self.whose(name);
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

    /// Before its rows, a transaction says whose it is.
    fn whose(&mut self, name: &str) {
        if let Some(open) = &mut self.open {
            open.transaction.ours |= self.ours.contains(name);
        }
    }

    fn insert(&mut self, relation: u32, new: Tuple<'_>) -> Result<()> {
        let Some((table, change)) = self.next_change(relation, Op::Insert)? else { return Ok(()) };
        self.assembly.append(table, change, new.fields()).map(drop)
    }

    /// The image before, where there is one, and the image after, whose absent values are taken from
    /// the image before: of a key image those of the key, which is large where it did not change.
    ///
    /// In an update, what can't be carried would read as what did not change. The row therefore
    /// comes once more as a new one, which is whole but for that.
    fn update(
        &mut self,
        relation: u32,
        old: Option<(OldKind, Tuple<'_>)>,
        new: Tuple<'_>,
    ) -> Result<()> {
        let Some((table, change)) = self.next_change(relation, Op::Update)? else { return Ok(()) };
        let again = Change { op: Op::Snapshot, ..change };
        let Some((kind, old)) = old else {
            return match self.assembly.append(table, change, new.fields())? {
                Carried::Whole => Ok(()),
                Carried::InPart => self.assembly.append(table, again, new.fields()).map(drop),
            };
        };
        self.before(table, Change { op: Op::Before, ..change }, kind, old)?;
        let Self { relations, assembly, .. } = self;
        let known = |column| kind == OldKind::Whole || relations.is_identity(table, column);
        let filled = || {
            let both = new.fields().zip(old.fields()).enumerate();
            both.map(|(column, (new, old))| match new {
                Field::Absent if known(column) => old,
                new => new,
            })
        };
        match assembly.append(table, change, filled())? {
            Carried::Whole => Ok(()),
            Carried::InPart => assembly.append(table, again, filled()).map(drop),
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
            OldKind::Whole => assembly.append(table, change, old.fields()).map(drop),
            OldKind::Key => {
                let fields = old.fields().enumerate().map(|(column, field)| {
                    if relations.is_identity(table, column) { field } else { Field::Absent }
                });
                assembly.append(table, change, fields).map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Relation, RelationColumn};
    use crate::note::{SnapshotStage, TableNote};
    use crate::settings::Settings;
    use crate::stream::message::{RelationMessage, SentColumn, Within, parse};
    use std::sync::OnceLock;
    use syncline_core::{
        Captured, CatalogTable, Column, Identity, Outlet, Report, Stopped, SystemName, TableName,
    };

    /// Takes nothing and says nothing.
    struct Deaf;

    impl Outlet for Deaf {
        fn emit(&self, _: Captured) -> std::result::Result<(), Stopped> {
            Ok(())
        }
        fn released(&self) -> Option<Position> {
            None
        }
        fn stopping(&self) -> bool {
            false
        }
        fn report(&self, _: Report) {}
    }

    const TYPES: [(&str, u32); 5] =
        [("id", 20), ("name", 25), ("mail", 25), ("changed", 1184), ("active", 16)];

    fn wanted(system: &SystemName) -> Wanted {
        let columns = TYPES.iter().zip(1..).map(|(&(name, oid), id)| Column {
            name: name.into(),
            id,
            data_type: crate::values::arrow_type(oid, -1),
            native_type: String::new(),
            nullable: true,
            has_default: false,
            generated: false,
        });
        let name = TableName::table(system, "public", "t");
        let table = CatalogTable {
            schema: TableSchema::new(name, 1, columns.collect(), vec![0]),
            identity: Identity::Key,
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            enums: Vec::new(),
            domains: Vec::new(),
            rows_estimated: 0,
        };
        let sent = TYPES.map(|(_, type_oid)| RelationColumn { type_oid, modifier: -1 });
        let relation = Relation {
            oid: 7,
            partitioned: false,
            partitions: Vec::new(),
            table,
            columns: sent.to_vec(),
        };
        Wanted { relation, published: crate::publication::Published::default() }
    }

    fn described() -> Message<'static> {
        let columns = TYPES.map(|(name, type_oid)| SentColumn {
            name: name.into(),
            type_oid,
            modifier: -1,
            identity: name == "id",
        });
        Message::Relation(Box::new(RelationMessage {
            oid: 7,
            schema: "public".into(),
            table: "t".into(),
            identity_full: false,
            columns: columns.to_vec(),
        }))
    }

    fn insert(id: u64) -> Vec<u8> {
        let texts = [
            id.to_string(),
            format!("a name of {id}"),
            format!("person{id}@university.example"),
            "2026-11-23 10:11:12.5+00".into(),
            "t".into(),
        ];
        let mut bytes = b"I\0\0\0\x07N\0\x05".to_vec();
        for text in texts {
            bytes.push(b't');
            bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    fn with_changes(from: u64, work: impl FnOnce(&mut Changes<'_>)) {
        let (system, settings) = (SystemName::new("sis"), Settings::new("h", 1, "d", "u"));
        let capture = Capture {
            system: &system,
            settings: &settings,
            outlet: &Deaf,
            tables: &[],
            changed: OnceLock::new(),
        };
        let wanted = [wanted(&system)];
        let mut note = Note::creating("1", 1, "s", 1);
        note.tables = vec![TableNote {
            oid: 7,
            schema: wanted[0].relation.table.schema.clone(),
            snapshot: SnapshotStage::Done,
            partitions: None,
        }];
        let from = Position { epoch: 1, commit: from, ordinal: 0 };
        let mut changes = Changes::new(&capture, &wanted, note, from);
        changes.begin(1, 0);
        changes.apply(described()).unwrap();
        changes.commit(2).unwrap();
        work(&mut changes);
    }

    fn apply(changes: &mut Changes<'_>, bytes: &[u8]) {
        changes.apply(parse(bytes, Within::Whole).unwrap()).unwrap();
    }

    #[test]
    fn a_transaction_that_is_in_the_log_already_is_dropped() {
        with_changes(100, |changes| {
            for commit in [98, 100] {
                changes.begin(commit, 0);
                apply(changes, &insert(commit));
                changes.commit(commit + 2).unwrap();
            }
            let (entries, _) = changes.take().unwrap();
            assert_eq!(entries.iter().map(Entry::rows).sum::<usize>(), 1);
            assert_eq!(entries[0].boundary.map(|boundary| boundary.position.commit), Some(102));
        });
    }

    #[test]
    fn rows_outside_of_a_transaction_are_corrupt() {
        with_changes(0, |changes| {
            let row = insert(1);
            let error = changes.apply(parse(&row, Within::Whole).unwrap()).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt);
            assert_eq!(changes.commit(5).unwrap_err().kind(), Kind::Corrupt);
        });
    }

    #[test]
    #[ignore = "a measurement"]
    #[expect(clippy::disallowed_macros, reason = "a figure to read")]
    fn decodes_rows() {
        const ROWS: u64 = 4_000_000;
        let rows: Vec<Vec<u8>> = (0..8192).map(insert).collect();
        with_changes(0, |changes| {
            let began = std::time::Instant::now();
            changes.begin(10, 0);
            for row in 0..ROWS {
                apply(changes, &rows[usize::try_from(row % 8192).unwrap()]);
                if changes.is_full() {
                    changes.take().unwrap();
                }
            }
            let nanos = began.elapsed().as_nanos() / u128::from(ROWS);
            eprintln!("{nanos} ns a row of {} columns", TYPES.len());
        });
    }
}
