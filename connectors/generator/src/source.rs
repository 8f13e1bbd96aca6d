//! The source.

use crate::settings::Settings;
use crate::values::{committed_at, rows, schema};
use std::sync::Arc;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, Boundary, Captured, Entry, Error, Kind, Outlet, Position, Report, Result, Resume, Source,
    TableSchema,
};

/// The longest it looks away from whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// Emits the rows of its settings in order, whole transactions, from wherever it is resumed.
///
/// A position's commit is the number of rows before it. With a rate, rows appear as time passes
/// since the run began; what a run missed while it was not running does not come all at once.
#[derive(Debug)]
pub struct GeneratorSource {
    settings: Settings,
    schema: Arc<TableSchema>,
}

impl GeneratorSource {
    /// A source with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let schema = schema(&settings);
        Self { settings, schema }
    }

    /// The one table it makes up.
    #[must_use]
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// How many rows of this run there may be after it ran for so long.
    fn allowed(&self, ran: Duration) -> u64 {
        let Some(rate) = self.settings.rows_per_second else { return u64::MAX };
        let rows = ran.as_micros() * u128::from(rate) / 1_000_000;
        u64::try_from(rows).unwrap_or(u64::MAX)
    }

    fn transaction(&self, first: u64, end: u64) -> Result<Captured> {
        let boundary = Boundary {
            position: Position { epoch: 1, commit: end, ordinal: 0 },
            committed_at: committed_at(&self.settings, end),
        };
        let rows = rows(&self.settings, &self.schema, first..end)?;
        let entries = vec![Entry { body: Body::Rows(rows), boundary: Some(boundary) }];
        Ok(Captured { entries, checkpoint: None })
    }
}

impl Source for GeneratorSource {
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()> {
        let start = match resume.position {
            None => 0,
            Some(Position { epoch: 1, commit, .. }) => commit,
            Some(position) => {
                let message = format!("a generator has no position {position}");
                return Err(Error::new(Kind::Corrupt, message));
            }
        };
        outlet.report(Report::Schema(self.schema.clone()));
        outlet.report(Report::Streaming);
        let began = Instant::now();
        let mut next = start;
        while !outlet.stopping() {
            let transaction = u64::from(self.settings.transaction_rows.max(1));
            let end = (next + transaction).min(self.settings.rows.unwrap_or(u64::MAX));
            if end > next && self.allowed(began.elapsed()) >= end - start {
                outlet.emit(self.transaction(next, end)?)?;
                next = end;
            } else {
                // Nothing is due. Whoever stops the run may wake it sooner.
                std::thread::park_timeout(LOOK);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use syncline_core::{ChangeBatch, Stopped, SystemName};

    /// Takes a set number of rows, then asks to stop.
    struct Taker {
        taken: Mutex<Vec<Entry>>,
        enough: usize,
    }

    impl Taker {
        fn rows(&self) -> usize {
            self.taken.lock().unwrap().iter().map(Entry::rows).sum()
        }
    }

    impl Outlet for Taker {
        fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
            self.taken.lock().unwrap().extend(captured.entries);
            Ok(())
        }

        fn released(&self) -> Option<Position> {
            None
        }

        fn stopping(&self) -> bool {
            self.rows() >= self.enough
        }

        fn report(&self, _: Report) {}
    }

    fn settings() -> Settings {
        let rows = Some(2500);
        Settings { seed: 7, rows, ..Settings::new(SystemName::new("made_up")) }
    }

    fn run(settings: Settings, position: Option<Position>, enough: usize) -> Vec<Entry> {
        let taker = Taker { taken: Mutex::new(Vec::new()), enough };
        let resume = Resume { position, ..Resume::default() };
        GeneratorSource::new(settings).run(resume, &taker).unwrap();
        taker.taken.into_inner().unwrap()
    }

    fn batch(entries: &[Entry]) -> ChangeBatch {
        let rows = |entry: &Entry| match &entry.body {
            Body::Rows(batch) => Some(batch.clone()),
            _ => None,
        };
        ChangeBatch::concat(&entries.iter().filter_map(rows).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_run_that_is_resumed_goes_on_where_it_was() {
        let whole = run(settings(), None, 2500);
        assert_eq!(whole.len(), 3);
        let first = run(settings(), None, 1000);
        let rest = run(settings(), first[0].boundary.map(|boundary| boundary.position), 1500);
        let resumed: Vec<Entry> = first.into_iter().chain(rest).collect();
        assert_eq!(batch(&whole).columns(), batch(&resumed).columns());
        let other = run(Settings { seed: 8, ..settings() }, None, 2500);
        assert_ne!(batch(&whole).columns(), batch(&other).columns());
    }

    #[test]
    fn a_rate_is_kept() {
        let settings = Settings { rows_per_second: Some(1000), transaction_rows: 10, ..settings() };
        let began = Instant::now();
        run(settings, None, 200);
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    }
}
