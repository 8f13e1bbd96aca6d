//! Before much of a table is deleted or changed at once, a person is asked.
//!
//! Counts what one transaction of the target would do to each table. A table's own rows are counted only
//! when so many are reached that they may be much of it.

use super::Lane;
use crate::isolate::MappedRows;
use crate::{GateSettings, Shutdown};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    Error, KeyTexts, Kind, MassChange, MassKind, Offset, Op, Result, Sink, TableName, TableSchema,
    Transform,
};
use tokio::select;
use tokio::time::sleep;

/// Keys that are shown to who decides.
const KEYS_SHOWN: usize = 10;

/// What the open transaction does to the tables.
#[derive(Debug, Default)]
pub(super) struct Gate {
    tables: BTreeMap<TableName, Counted>,
    /// Everything before this offset was let pass.
    open_until: Option<Offset>,
}

#[derive(Debug, Default)]
struct Counted {
    deletes: u64,
    changes: u64,
    /// Rows of the table before the transaction, once that was asked.
    before: Option<u64>,
    keys: Vec<String>,
}

impl Gate {
    /// Another transaction begins.
    pub(super) fn begin(&mut self) {
        self.tables.clear();
    }

    /// Whether rows that are to be written make too much of a change, and of what.
    pub(super) async fn on_rows(
        &mut self,
        lane: &Lane,
        sink: &mut dyn Sink,
        wave: &[MappedRows],
    ) -> Result<Option<Exceeded>> {
        for MappedRows { mapping, rows } in wave {
            let transform = &lane.transforms[*mapping];
            let schema = transform.writes();
            let counted = self.tables.entry(schema.name().clone()).or_default();
            let earlier = counted.deletes;
            let is = |op: Op| rows.ops().iter().filter(|&&it| it == op as u8).count() as u64;
            counted.deletes += is(Op::Delete);
            counted.changes += is(Op::Update);
            if counted.deletes > earlier && counted.keys.len() < KEYS_SHOWN {
                let texts = KeyTexts::new(rows);
                let deleted = (0..rows.len()).filter(|&row| rows.op(row) == Op::Delete);
                let room = KEYS_SHOWN - counted.keys.len();
                counted.keys.extend(deleted.take(room).map(|row| texts.get(row)));
            }
            let exceeded = counted.check(lane, sink, schema, earlier).await?;
            if let Some((kind, rows, of)) = exceeded {
                let keys = counted.keys.clone();
                return Ok(Some(Exceeded { transform: transform.clone(), kind, rows, of, keys }));
            }
        }
        Ok(None)
    }

    /// The same for a table that is to be emptied.
    pub(super) async fn on_truncate(
        &mut self,
        lane: &Lane,
        sink: &mut dyn Sink,
        transform: &Arc<dyn Transform>,
    ) -> Result<Option<Exceeded>> {
        let settings = &lane.settings.gates;
        let Some(rows) = sink.count(transform.writes()).await? else { return Ok(None) };
        let is_much = rows >= settings.rows_min && settings.deletes_percent < 100;
        Ok(is_much.then(|| Exceeded {
            transform: transform.clone(),
            kind: MassKind::Deletes,
            rows,
            of: rows,
            keys: Vec::new(),
        }))
    }
}

impl Counted {
    async fn check(
        &mut self,
        lane: &Lane,
        sink: &mut dyn Sink,
        schema: &TableSchema,
        written: u64,
    ) -> Result<Option<(MassKind, u64, u64)>> {
        let GateSettings { deletes_percent, changes_percent, rows_min, .. } = lane.settings.gates;
        let kinds = [
            (MassKind::Deletes, self.deletes, deletes_percent),
            (MassKind::Changes, self.changes, changes_percent),
        ];
        for (kind, rows, percent) in kinds {
            if rows < rows_min || percent >= 100 {
                continue;
            }
            let before = match self.before {
                Some(before) => before,
                None => match sink.count(schema).await? {
                    Some(left) => *self.before.insert(left + written),
                    None => return Ok(None),
                },
            };
            if u128::from(rows) * 100 > u128::from(before) * u128::from(percent) {
                return Ok(Some((kind, rows, before)));
            }
        }
        Ok(None)
    }
}

/// Too much of a change.
pub(super) struct Exceeded {
    transform: Arc<dyn Transform>,
    kind: MassKind,
    rows: u64,
    of: u64,
    keys: Vec<String>,
}

impl Gate {
    /// What waits for a person, where something is too much and nobody let it pass yet. Nothing may be open
    /// at the target meanwhile.
    pub(super) async fn shut(
        &mut self,
        lane: &Lane,
        exceeded: Option<Exceeded>,
        from: Offset,
    ) -> Result<Option<MassChange>> {
        let is_open = self.open_until.is_some_and(|until| from < until);
        let Some(exceeded) = exceeded.filter(|_| !is_open) else { return Ok(None) };
        let Exceeded { transform, kind, rows, of, keys } = exceeded;
        let until = lane.log.tail(&lane.topic).await?.next;
        let change = MassChange {
            reader: lane.reader.clone(),
            table: transform.writes().name().clone(),
            kind,
            rows,
            of,
            mapping: transform.name().to_owned(),
            keys,
            from,
            until,
        };
        if lane.gates.lets(&change).await? {
            self.open_until = Some(until);
            return Ok(None);
        }
        Ok(Some(change))
    }
}

/// Waits until a person lets it pass, or until told to stop; then the transaction is read once more.
pub(super) async fn wait(lane: &Lane, change: &MassChange, told: &mut Shutdown) -> Result<()> {
    let waiting = waiting(change);
    tracing::warn!("{}: {waiting}; {}", lane.reader, waiting.detail_text().unwrap_or_default());
    lane.registry.lane(&lane.reader).state.retrying(&waiting);
    loop {
        select! {
            () = told.requested() => return Err(waiting),
            () = sleep(lane.settings.gates.poll) => {}
        }
        if lane.gates.lets(change).await? {
            return Err(Error::new(Kind::Unavailable, "a gate was opened"));
        }
    }
}

fn waiting(change: &MassChange) -> Error {
    let MassChange { table, kind, rows, of, mapping, .. } = change;
    let what = match kind {
        MassKind::Deletes => "deleted",
        MassKind::Changes => "changed",
    };
    Error::new(Kind::Unavailable, format!("much of {table} would be {what} at once"))
        .detail(format!("{rows} rows or more, of {of}, by {mapping}; nothing of it is written yet"))
        .hint("`syncline gates list` shows it; let it pass with `syncline gates open`")
}
