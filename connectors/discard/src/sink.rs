//! The sink.

use async_trait::async_trait;
use std::collections::BTreeMap;
use syncline_core::{
    Error, Kind, ParkKey, Parked, Progress, ReaderName, Result, Sink, TargetChange, Written,
};

/// Counts rows and forgets them.
///
/// Progress and the rows set aside last as long as this value does: a process that starts again
/// writes again from the start.
#[derive(Debug, Default)]
pub struct DiscardSink {
    reader: Option<ReaderName>,
    committed: BTreeMap<ReaderName, Kept>,
    open: Option<Kept>,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    progress: Option<Progress>,
    /// In the order they were set aside first.
    parked: Vec<Parked>,
    written: Written,
}

impl DiscardSink {
    /// A sink that is not open yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All rows that were committed.
    #[must_use]
    pub fn committed(&self) -> Written {
        let mut all = Written::default();
        for kept in self.committed.values() {
            all += kept.written;
        }
        all
    }

    fn reader(&self) -> Result<&ReaderName> {
        let closed = || Error::new(Kind::Unavailable, "the sink is not open");
        self.reader.as_ref().ok_or_else(closed)
    }

    fn transaction(&mut self) -> Result<&mut Kept> {
        let committed = self.committed.get(self.reader()?).cloned().unwrap_or_default();
        Ok(self.open.get_or_insert(committed))
    }
}

fn count(changes: &[TargetChange]) -> Written {
    let mut written = Written::default();
    for change in changes {
        let TargetChange::Rows(batch) = change else { continue };
        written += Written::by_operation(batch);
    }
    written
}

#[async_trait]
impl Sink for DiscardSink {
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>> {
        self.open = None;
        self.reader = Some(reader.clone());
        Ok(self.committed.get(reader).and_then(|kept| kept.progress.clone()))
    }

    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written> {
        let written = count(changes);
        self.transaction()?.written += written;
        Ok(written)
    }

    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        let rows = &mut self.transaction()?.parked;
        rows.retain(|row| !settled.contains(&row.key));
        for new in parked {
            match rows.iter_mut().find(|row| row.key == new.key) {
                Some(row) => *row = new.clone(),
                None => rows.push(new.clone()),
            }
        }
        Ok(())
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        let committed = self.committed.get(self.reader()?);
        Ok(self.open.as_ref().or(committed).map(|kept| kept.parked.clone()).unwrap_or_default())
    }

    async fn commit(&mut self, progress: &Progress) -> Result<()> {
        let reader = self.reader()?.clone();
        let mut kept = self.transaction()?.clone();
        self.open = None;
        kept.progress = Some(progress.clone());
        self.committed.insert(reader, kept);
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Op;
    use syncline_core::conformance::sink::{batch, delete, items, system, whole};
    use syncline_core::{LogId, Offset, SystemName, Topic};

    #[tokio::test]
    async fn rows_are_counted_when_they_are_committed_and_progress_is_kept() {
        let topic = Topic::changes(&SystemName::new("source"));
        let reader = ReaderName::apply(&system(), &topic);
        let mut sink = DiscardSink::new();
        assert_eq!(sink.open(&reader).await.unwrap(), None);
        let changes = [
            TargetChange::Rows(batch(&[whole(Op::Insert, 1, "a", 1), delete(2)])),
            TargetChange::Truncate(items()),
        ];
        sink.write(&changes).await.unwrap();
        sink.rollback().await.unwrap();
        sink.write(&changes).await.unwrap();
        assert_eq!(sink.committed(), Written::default());
        let progress = Progress { log: LogId(1), topic, next: Offset(3), committed_at: 9 };
        sink.commit(&progress).await.unwrap();
        assert_eq!(sink.committed(), Written { inserted: 1, updated: 0, deleted: 1 });
        assert_eq!(sink.open(&reader).await.unwrap(), Some(progress));
    }
}
