//! Changes of many tables becoming entries, and where a boundary may stand.
//!
//! ```text
//!  rows of table 1 ┐
//!  rows of table 2 ┼─ seal ─▶ [entry][entry] ── truncate or new columns in between keep order
//!  rows of table 3 ┘                └ take: the last one gets the boundary, if no transaction is open
//! ```

use crate::rows::{Carried, Change, Field, RowBatch};
use std::sync::Arc;
use syncline_core::{Body, Boundary, Entry, Result, TableName, TableSchema};

/// Most entries that are kept before they are handed over.
const ENTRIES_MAX: usize = 64;

/// Most rows and bytes before a batch is handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// What was read and not yet handed over.
#[derive(Debug)]
pub(super) struct Assembly {
    tables: Vec<RowBatch>,
    /// Tables with rows, in order of their first row.
    touched: Vec<usize>,
    sealed: Vec<Entry>,
    limits: Limits,
    rows: usize,
    bytes: usize,
    full: bool,
    /// Whether entries were handed over since the last boundary.
    behind: bool,
    /// The last commit that has no boundary yet.
    committed: Option<Boundary>,
}

impl Assembly {
    pub(super) fn new(schemas: impl Iterator<Item = Arc<TableSchema>>, limits: Limits) -> Self {
        Self {
            tables: schemas.map(RowBatch::new).collect(),
            touched: Vec::new(),
            sealed: Vec::new(),
            limits,
            rows: 0,
            bytes: 0,
            full: false,
            behind: false,
            committed: None,
        }
    }

    /// Adds a row of a table.
    #[inline]
    pub(super) fn append<'a>(
        &mut self,
        table: usize,
        change: Change,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) -> Result<Carried> {
        let Some(batch) = self.tables.get_mut(table) else { return Ok(Carried::Whole) };
        if batch.is_empty() {
            self.touched.push(table);
        }
        let before = batch.text_bytes();
        let carried = batch.append(change, fields)?;
        self.rows += 1;
        self.bytes += batch.text_bytes() - before;
        self.full |=
            self.rows >= self.limits.rows || self.bytes >= self.limits.bytes || batch.masks_full();
        Ok(carried)
    }

    /// Adds that tables were emptied, after the rows so far.
    pub(super) fn truncate(&mut self, tables: Vec<TableName>) -> Result<()> {
        self.seal()?;
        self.sealed.push(Entry { body: Body::Truncate(tables), boundary: None });
        Ok(())
    }

    /// From here on a table has other columns.
    pub(super) fn set_schema(&mut self, table: usize, schema: Arc<TableSchema>) -> Result<()> {
        self.seal()?;
        if let Some(batch) = self.tables.get_mut(table) {
            *batch = RowBatch::new(schema);
        }
        Ok(())
    }

    /// A transaction is whole.
    pub(super) fn committed(&mut self, boundary: Boundary) {
        self.committed = Some(boundary);
    }

    /// Whether it should be handed over before more comes.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.full || self.sealed.len() >= ENTRIES_MAX
    }

    /// Whether it should be handed over at the commit that was just read: another transaction of
    /// this size might not fit beside what is there, and a batch that ends inside of a transaction
    /// has no boundary. One that did end so gets its boundary at once.
    pub(super) fn is_due_at_commit(&self) -> bool {
        self.committed.is_some()
            && (self.behind
                || self.rows >= self.limits.rows.div_ceil(2)
                || self.bytes >= self.limits.bytes.div_ceil(2)
                || self.sealed.len() >= ENTRIES_MAX / 2)
    }

    /// Whether there are rows, or entries handed over that wait for their boundary.
    pub(super) fn has_news(&self) -> bool {
        self.rows > 0 || !self.sealed.is_empty() || (self.behind && self.committed.is_some())
    }

    /// The last commit, where its transaction had nothing for us.
    pub(super) fn take_idle(&mut self) -> Option<Boundary> {
        if self.has_news() || self.behind { None } else { self.committed.take() }
    }

    /// Takes what there is; with a boundary where no transaction is open.
    pub(super) fn take(&mut self, transaction_open: bool) -> Result<Vec<Entry>> {
        self.seal()?;
        let mut entries = std::mem::take(&mut self.sealed);
        let boundary = if transaction_open { None } else { self.committed.take() };
        match (entries.last_mut(), boundary) {
            (Some(last), _) => {
                last.boundary = boundary;
                self.behind = boundary.is_none();
            }
            (None, Some(boundary)) => {
                entries.push(Entry { body: Body::Nothing, boundary: Some(boundary) });
                self.behind = false;
            }
            (None, None) => {}
        }
        Ok(entries)
    }

    /// Turns rows into entries, one a table.
    fn seal(&mut self) -> Result<()> {
        for table in self.touched.drain(..) {
            if let Some(batch) = self.tables.get_mut(table) {
                self.sealed.push(Entry { body: Body::Rows(batch.finish()?), boundary: None });
            }
        }
        (self.rows, self.bytes) = (0, 0);
        self.full = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::{Op, Position, SystemName, Transaction};

    const LIMITS: Limits = Limits { rows: 4, bytes: 1 << 20 };

    fn name(table: &str) -> TableName {
        TableName::table(&SystemName::new("sis"), "public", table)
    }

    fn assembly() -> Assembly {
        let schemas =
            ["a", "b"].map(|table| TableSchema::new(name(table), 1, Vec::new(), Vec::new()));
        Assembly::new(schemas.into_iter().map(Arc::new), LIMITS)
    }

    fn boundary(commit: u64) -> Boundary {
        Boundary { position: Position { epoch: 1, commit, ordinal: 0 }, committed_at: 0 }
    }

    fn row(assembly: &mut Assembly, table: usize, commit: u64) {
        let transaction = Transaction { epoch: 1, commit, committed_at: 0, ours: false };
        let change = Change { op: Op::Insert, ordinal: 0, transaction };
        assembly.append(table, change, []).unwrap();
    }

    /// What entries are, and the place of their boundary.
    fn shape(entries: &[Entry]) -> Vec<(&'static str, usize, Option<u64>)> {
        let entries = entries.iter().map(|entry| {
            let kind = match &entry.body {
                Body::Rows(_) => "rows",
                Body::Truncate(_) => "truncate",
                Body::Abandoned => "abandoned",
                Body::Nothing => "nothing",
            };
            (kind, entry.rows(), entry.boundary.map(|boundary| boundary.position.commit))
        });
        entries.collect()
    }

    #[test]
    fn the_boundary_is_on_the_last_entry_and_only_when_no_transaction_is_open() {
        let mut assembly = assembly();
        row(&mut assembly, 1, 10);
        row(&mut assembly, 0, 10);
        assembly.committed(boundary(11));
        row(&mut assembly, 0, 20);
        let entries = assembly.take(true).unwrap();
        assert_eq!(shape(&entries), [("rows", 1, None), ("rows", 2, None)]);
        assembly.committed(boundary(21));
        assert!(assembly.has_news(), "what was handed over waits for its boundary");
        assert_eq!(assembly.take_idle(), None);
        assert_eq!(shape(&assembly.take(false).unwrap()), [("nothing", 0, Some(21))]);
        assert!(!assembly.has_news());
    }

    #[test]
    fn it_is_due_at_a_commit_once_half_full_and_at_once_where_a_boundary_is_missing() {
        let mut assembly = assembly();
        row(&mut assembly, 0, 10);
        assembly.committed(boundary(11));
        assert!(!assembly.is_due_at_commit(), "small transactions gather");
        row(&mut assembly, 1, 20);
        assembly.committed(boundary(21));
        assert!(assembly.is_due_at_commit(), "half of the rows, over all tables");
        assembly.take(false).unwrap();
        for _ in 0..4 {
            row(&mut assembly, 0, 30);
        }
        assembly.take(true).unwrap();
        row(&mut assembly, 0, 30);
        assembly.committed(boundary(31));
        assert!(assembly.is_due_at_commit(), "what was handed over waits for its boundary");
        assembly.take(false).unwrap();
        assembly.committed(boundary(41));
        assert!(!assembly.is_due_at_commit(), "nothing of ours");
    }

    #[test]
    fn a_truncate_keeps_rows_apart_and_a_transaction_without_rows_is_idle() {
        let mut assembly = assembly();
        row(&mut assembly, 0, 10);
        assembly.truncate(vec![name("a")]).unwrap();
        row(&mut assembly, 0, 10);
        assembly.committed(boundary(11));
        let entries = assembly.take(false).unwrap();
        assert_eq!(
            shape(&entries),
            [("rows", 1, None), ("truncate", 0, None), ("rows", 1, Some(11))]
        );
        assembly.committed(boundary(31));
        assert_eq!(assembly.take_idle(), Some(boundary(31)));
    }

    #[test]
    fn it_is_full_by_rows_over_all_tables_and_by_entries() {
        let mut assembly = assembly();
        for table in [0, 1, 0] {
            row(&mut assembly, table, 10);
            assert!(!assembly.is_full());
        }
        row(&mut assembly, 1, 10);
        assert!(assembly.is_full());
        assembly.take(true).unwrap();
        assert!(!assembly.is_full());
        for _ in 0..ENTRIES_MAX {
            assembly.truncate(vec![name("a")]).unwrap();
        }
        row(&mut assembly, 0, 10);
        assert!(assembly.is_full(), "so many truncates end a batch too");
    }
}
