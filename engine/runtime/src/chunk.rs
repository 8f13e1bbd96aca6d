//! What a reader does with the records of one read: which to write, and where it may commit.
//!
//! ```text
//!   records   r r B r r B r r      B = boundary
//!             └────────┘ └─┘
//!             write, commit   read again later — or, when there is no boundary at all in the
//!                             read, write without committing (a transaction larger than a read)
//! ```

use syncline_core::{Body, Boundary, Offset, Record};

/// A reader's next step.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Give up what was written since the last commit, before anything else.
    pub(crate) rollback: bool,
    /// Entries to write, in order.
    pub(crate) entries: Vec<Record>,
    /// Commit after writing.
    pub(crate) commit: Option<Commit>,
    /// Where to read on.
    pub(crate) next: Offset,
}

/// A commit: everything before `next` is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) next: Offset,
    pub(crate) boundary: Option<Boundary>,
}

/// Decides the next step. `open` says whether rows of an unfinished transaction were written by
/// earlier steps.
///
/// # Panics
/// When there is no record: a read gives at least one.
pub(crate) fn next_chunk(records: Vec<Record>, open: bool) -> Chunk {
    let end = records.last().map(|record| Offset(record.offset.0 + 1)).expect("a record");
    let committable = records.iter().rposition(is_commit_point);
    let Some(last) = committable else {
        return Chunk { rollback: false, entries: records, commit: None, next: end };
    };
    let next = records.get(last + 1).map_or(end, |record| record.offset);
    let boundary = records.get(last).and_then(|record| record.entry.boundary);
    let whole = records.into_iter().take(last + 1).collect();
    let (entries, rollback) = drop_abandoned(whole, open);
    Chunk { rollback, entries, commit: Some(Commit { next, boundary }), next }
}

/// After these a reader may commit: whole transactions, or a transaction that was given up.
fn is_commit_point(record: &Record) -> bool {
    record.entry.boundary.is_some() || matches!(record.entry.body, Body::Abandoned)
}

/// Takes out what was abandoned; the flag says that rows of an abandoned transaction were already
/// written by earlier steps.
fn drop_abandoned(records: Vec<Record>, open: bool) -> (Vec<Record>, bool) {
    let mut kept: Vec<Record> = Vec::with_capacity(records.len());
    let mut whole_up_to = 0;
    let mut first_is_open = open;
    let mut rollback = false;
    for record in records {
        if matches!(record.entry.body, Body::Abandoned) {
            kept.truncate(whole_up_to);
            rollback |= first_is_open;
            first_is_open = false;
            continue;
        }
        let boundary = record.entry.boundary.is_some();
        if !matches!(record.entry.body, Body::Nothing) {
            kept.push(record);
        }
        if boundary {
            whole_up_to = kept.len();
            first_is_open = false;
        }
    }
    (kept, rollback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use syncline_core::{Entry, Position, TableName};

    /// `r` rows, `R` rows with a boundary, `n` nothing with a boundary, `x` abandoned, from 10 on.
    fn records(shape: &str) -> Vec<Record> {
        let boundary = Some(Boundary { position: Position::default(), committed_at: 0 });
        shape
            .chars()
            .zip(10..)
            .map(|(kind, offset)| {
                let rows = || Body::Truncate(vec![TableName::entity("any")]);
                let entry = match kind {
                    'r' => Entry { body: rows(), boundary: None },
                    'R' => Entry { body: rows(), boundary },
                    'n' => Entry { body: Body::Nothing, boundary },
                    'x' => Entry { body: Body::Abandoned, boundary: None },
                    other => unreachable!("{other}"),
                };
                Record { offset: Offset(offset), entry: Arc::new(entry) }
            })
            .collect()
    }

    /// Offsets written, next, whether it commits, whether it rolls back.
    fn step(shape: &str, open: bool) -> (Vec<u64>, u64, bool, bool) {
        let chunk = next_chunk(records(shape), open);
        let written = chunk.entries.iter().map(|record| record.offset.0).collect();
        if let Some(commit) = chunk.commit {
            assert_eq!(commit.next, chunk.next);
        }
        (written, chunk.next.0, chunk.commit.is_some(), chunk.rollback)
    }

    #[test]
    fn whole_transactions_are_written_and_the_begun_one_is_read_again() {
        assert_eq!(step("rRrRr", false), (vec![10, 11, 12, 13], 14, true, false));
        assert_eq!(step("R", false), (vec![10], 11, true, false));
    }

    #[test]
    fn a_transaction_larger_than_a_read_is_written_without_commit() {
        assert_eq!(step("rrr", false), (vec![10, 11, 12], 13, false, false));
        assert_eq!(step("rrR", true), (vec![10, 11, 12], 13, true, false));
    }

    #[test]
    fn what_was_abandoned_is_not_written() {
        assert_eq!(step("RrrxR", false), (vec![10, 14], 15, true, false));
        assert_eq!(step("rrx", false), (vec![], 13, true, false));
    }

    #[test]
    fn what_was_written_before_the_abandonment_is_rolled_back() {
        assert_eq!(step("rxR", true), (vec![12], 13, true, true));
        assert_eq!(step("x", true), (vec![], 11, true, true));
        assert_eq!(step("rRrxR", true), (vec![10, 11, 14], 15, true, false));
    }

    #[test]
    fn a_boundary_without_rows_still_moves_progress() {
        assert_eq!(step("n", false), (vec![], 11, true, false));
    }
}
