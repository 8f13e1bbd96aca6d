//! The control store as a source: what people decided and took back, in that order.
//!
//! A position's commit is the number of the last event before it. Asked to copy again, it tells all
//! events once more with the positions they had, which changes nothing of what was heard. Where the
//! store is another one than was read before, its numbers are too: they begin a new epoch.

use super::note::Note;
use super::settings::Settings;
use super::store::Store;
use super::words::Evidence;
use std::sync::Arc;
use std::time::{Duration, Instant};
use syncline_control::{Control, Said, SaidWhat};
use syncline_core::{
    Body, Boundary, Captured, Entry, Error, Kind, Outlet, Position, Report, Result, Resume, Source,
    Transaction,
};
use syncline_resolve::decisions::{DecisionRow, Deed, rows, system};
use tokio::runtime::Handle;

/// The longest it looks away from whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// Whether a system's name is that of the decisions.
pub(crate) fn is_decisions(system_name: &str) -> bool {
    system_name == system().as_str()
}

/// Reads decisions.
pub(crate) struct DecisionsSource {
    store: Arc<Store>,
    settings: Settings,
    runtime: Handle,
}

/// Where reading is.
#[derive(Debug, Clone, Copy)]
struct Place {
    epoch: u32,
    /// The number of the last event that was read.
    event: i64,
    /// When that was.
    at: i64,
}

impl DecisionsSource {
    /// Of a store, which is asked on a runtime.
    pub(crate) fn new(store: Arc<Store>, settings: Settings, runtime: Handle) -> Self {
        Self { store, settings, runtime }
    }

    /// Where to begin.
    fn begin(&self, control: &Control, resume: &Resume, outlet: &dyn Outlet) -> Result<Place> {
        let Some(position) = resume.position else {
            return Ok(Place { epoch: 1, event: 0, at: 0 });
        };
        let note = Note::read(resume.checkpoint.as_deref())?;
        let event = event_of(position)?;
        if self.runtime.block_on(note.is_of(control, event))? {
            return Ok(Place { epoch: position.epoch, event, at: 0 });
        }
        let notice = "the control store is not the one that decisions were read from so far: those \
                      that it has are read from the beginning, and earlier ones stay as they are";
        outlet.report(Report::Notice(notice.to_owned()));
        Ok(Place { epoch: position.epoch + 1, event: 0, at: 0 })
    }

    /// Tells what was read before once more, and notes that it did.
    fn copy_again(&self, control: &Control, place: Place, outlet: &dyn Outlet) -> Result<()> {
        let mut from = Place { event: 0, ..place };
        let mut last = Note::default();
        while from.event < place.event && !outlet.stopping() {
            let mut read = self.read(control, from)?;
            read.retain(|said| said.number <= place.event);
            let Some(said) = read.last() else { break };
            (from.event, from.at, last) = (said.number, said.at, Note::of(said));
            outlet.emit(told(&read, place, None)?)?;
        }
        if outlet.stopping() {
            return Ok(());
        }
        let entries = nothing(Place { at: from.at, ..place });
        Ok(outlet.emit(Captured { entries, checkpoint: Some(last.to_bytes()) })?)
    }

    fn read(&self, control: &Control, place: Place) -> Result<Vec<Said>> {
        Ok(self.runtime.block_on(control.feed(place.event, self.settings.rows_max))?)
    }

    /// Waits until it is time to look again, or to stop.
    fn wait(&self, outlet: &dyn Outlet) {
        let began = Instant::now();
        while began.elapsed() < self.settings.poll && !outlet.stopping() {
            std::thread::park_timeout(LOOK.min(self.settings.poll));
        }
    }
}

impl Source for DecisionsSource {
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()> {
        let store = self.store.clone();
        let control = self.runtime.block_on(store.open())?;
        let mut place = self.begin(control, &resume, outlet)?;
        match resume.copy_again.is_empty() {
            false => self.copy_again(control, place, outlet)?,
            // How far it is, for those who wait for it.
            true => outlet.emit(Captured { entries: nothing(place), checkpoint: None })?,
        }
        outlet.report(Report::Streaming);
        while !outlet.stopping() {
            let read = self.read(control, place)?;
            match read.last() {
                None => self.wait(outlet),
                Some(last) => {
                    place = Place { event: last.number, at: last.at, ..place };
                    outlet.emit(told(&read, place, Some(&Note::of(last)))?)?;
                }
            }
        }
        Ok(())
    }
}

/// What was said, up to a place.
fn told(read: &[Said], until: Place, note: Option<&Note>) -> Result<Captured> {
    let all = read.iter().map(|said| row(said, until.epoch)).collect::<Result<Vec<_>>>()?;
    let boundary = Some(until.boundary());
    let entries = vec![Entry { body: Body::Rows(rows(&all)?), boundary }];
    Ok(Captured { entries, checkpoint: note.map(Note::to_bytes) })
}

/// That nothing more was said; nothing at all before anything was.
fn nothing(place: Place) -> Vec<Entry> {
    let entry = Entry { body: Body::Nothing, boundary: Some(place.boundary()) };
    if place.event > 0 { vec![entry] } else { Vec::new() }
}

fn row(said: &Said, epoch: u32) -> Result<DecisionRow> {
    let decision = &said.decision;
    let damaged =
        |what: &str| Error::new(Kind::Corrupt, format!("decision {} has no {what}", decision.id));
    let evidence = Evidence::parse(&decision.evidence).ok_or_else(|| damaged("evidence"))?;
    let commit = u64::try_from(said.number).map_err(|_| damaged("number"))?;
    Ok(DecisionRow {
        deed: match said.what {
            SaidWhat::Decided => Deed::Decided,
            SaidWhat::Undone => Deed::Undone,
        },
        transaction: Transaction { epoch, commit, committed_at: said.at, ours: false },
        id: decision.id.clone(),
        entity: said.entity.clone(),
        key: said.key.clone(),
        subject: said.subject.clone(),
        evidence: evidence.words.to_owned(),
        value: decision.what.clone(),
        by: decision.by.clone(),
        note: decision.note.clone(),
        at: decision.at,
    })
}

impl Place {
    fn boundary(self) -> Boundary {
        let commit = self.event.unsigned_abs();
        let position = Position { epoch: self.epoch, commit, ordinal: 0 };
        Boundary { position, committed_at: self.at }
    }
}

fn event_of(position: Position) -> Result<i64> {
    i64::try_from(position.commit)
        .map_err(|_| Error::new(Kind::Corrupt, format!("decisions have no position {position}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Mutex;
    use syncline_control::{Change, ConflictChange, ConflictKind, Decision, Raise};
    use syncline_core::{ChangeBatch, Op, Stopped};
    use syncline_resolve::decisions::table;

    /// Takes what comes, and stops once it streams and nothing more is there.
    #[derive(Default)]
    struct Taker {
        taken: Mutex<Vec<Captured>>,
        notices: Mutex<usize>,
        asked: Mutex<u32>,
    }

    impl Outlet for Taker {
        fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
            self.taken.lock().unwrap().push(captured);
            Ok(())
        }

        fn released(&self) -> Option<Position> {
            None
        }

        fn stopping(&self) -> bool {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked > 20
        }

        fn report(&self, report: Report) {
            if matches!(report, Report::Notice(_)) {
                *self.notices.lock().unwrap() += 1;
            }
        }
    }

    /// What a run of the source gave: rows as position and id, where to resume, and its note.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Given {
        rows: Vec<(u32, u64, Op)>,
        position: Option<Position>,
        checkpoint: Option<Vec<u8>>,
        notices: usize,
    }

    fn rows_of(batch: &ChangeBatch) -> impl Iterator<Item = (u32, u64, Op)> + '_ {
        let of = |(row, at): (usize, &Transaction)| (at.epoch, at.commit, batch.op(row));
        batch.row_transactions().enumerate().map(of)
    }

    async fn run(state: &Path, resume: Resume) -> Given {
        let store = Arc::new(Store::in_directory(state));
        let settings = Settings { poll: Duration::from_millis(1), rows_max: 2 };
        let mut source = DecisionsSource::new(store, settings, Handle::current());
        let taker = tokio::task::spawn_blocking(move || {
            let taker = Taker::default();
            source.run(resume, &taker).unwrap();
            taker
        });
        let taker = taker.await.unwrap();
        let mut given = Given { notices: *taker.notices.lock().unwrap(), ..Given::default() };
        for captured in taker.taken.into_inner().unwrap() {
            for entry in captured.entries {
                let boundary = entry.boundary.unwrap();
                given.position = Some(boundary.position);
                if let Body::Rows(batch) = &entry.body {
                    given.rows.extend(rows_of(batch));
                }
            }
            given.checkpoint = captured.checkpoint.or(given.checkpoint);
        }
        given
    }

    /// Raises and decides so many conflicts, and takes the first decision back.
    async fn decide(state: &Path, conflicts: i64, salt: &str) {
        let control =
            Control::open(&state.join(super::super::FILE).to_string_lossy()).await.unwrap();
        for id in 1..=conflicts {
            let raise = Raise {
                kind: ConflictKind::ValueConcurrent,
                evidence: "00ff:1".to_owned(),
                claims: Vec::new(),
                in_force: None,
                policy: String::new(),
                policy_revision: String::new(),
            };
            let raised = ConflictChange {
                entity: "person".to_owned(),
                key: format!("[\"{id}\"]"),
                subject: "name".to_owned(),
                state: Change::Raised(raise),
            };
            control.apply(&[raised], 1).await.unwrap();
            let decision = Decision {
                id: format!("{id}-{salt}"),
                conflict: id,
                what: "{\"values\":[null]}".to_owned(),
                by: "maria".to_owned(),
                at: 5,
                note: None,
                evidence: "00ff:1".to_owned(),
            };
            control.decide(&decision).await.unwrap();
        }
        control.undo(&format!("1-{salt}"), "maria", 6).await.unwrap();
        control.close().await;
    }

    fn again(given: &Given) -> Resume {
        let (position, checkpoint) = (given.position, given.checkpoint.clone());
        Resume { position, checkpoint, ..Resume::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_said_is_read_once_and_again_when_asked() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(run(state.path(), Resume::default()).await, Given::default());
        decide(state.path(), 3, "a").await;
        let first = run(state.path(), Resume::default()).await;
        let said =
            vec![(1, 2, Op::Insert), (1, 4, Op::Insert), (1, 6, Op::Insert), (1, 7, Op::Delete)];
        assert_eq!(first.rows, said);
        assert_eq!(first.position, Some(Position { epoch: 1, commit: 7, ordinal: 0 }));
        let resumed = run(state.path(), again(&first)).await;
        assert_eq!((resumed.rows, resumed.position), (Vec::new(), first.position));
        // In the middle of what was read at once.
        let middle = Resume {
            position: first.position.map(|it| Position { commit: 4, ..it }),
            ..Resume::default()
        };
        assert_eq!(run(state.path(), middle).await.rows, said[2..]);
        let copied = Resume { copy_again: BTreeSet::from([table()]), ..again(&first) };
        let copied = run(state.path(), copied).await;
        assert_eq!((&copied.rows, copied.position), (&said, first.position));
        assert_eq!(copied.checkpoint, first.checkpoint, "it was told: that is noted");
        assert_eq!(copied.notices, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_store_is_read_from_its_beginning() {
        let state = tempfile::tempdir().unwrap();
        decide(state.path(), 2, "a").await;
        let first = run(state.path(), Resume::default()).await;
        // As long as the other one, and shorter.
        for (conflicts, rows) in [(2, 3), (1, 2)] {
            let other = tempfile::tempdir().unwrap();
            decide(other.path(), conflicts, "b").await;
            let given = run(other.path(), again(&first)).await;
            assert_eq!((given.rows.len(), given.notices), (rows, 1));
            assert!(given.rows.iter().all(|(epoch, ..)| *epoch == 2), "{given:?}");
            let resumed = run(other.path(), again(&given)).await;
            assert_eq!((resumed.rows.len(), resumed.notices), (0, 0));
        }
    }
}
