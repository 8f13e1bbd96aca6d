//! Log → log: what systems say of an entity becomes the entity's agreed rows.
//!
//! ```text
//!  changes.sis ─▶ mappings ─┐
//!  changes.hr  ─▶ mappings ─┼─▶ claims ─▶ golden rows ─▶ entity.person
//!                           │         └─▶ conflicts ──▶ book
//!      one at a time, a transaction whole before the next topic's turn
//! ```
//!
//! One loop an entity, since a topic has one writer. Order of effects: golden rows durable → conflicts
//! noted → rows set aside noted → claims committed, and with them how far each topic was heard → rows taken back
//! noted → the log told. A crash between repeats golden rows, which is harmless, or conflicts, which are known by then.
//!
//! Where workers share a project, a process that was thought dead may go on for a while. Claims can be committed
//! by the last one alone that took them over. It takes the topic over next, by an entry that the other does not know
//! of: what that one appends behind it does not count, and before it begins anew it asks for its claims.

use crate::apply::{Mapped, Prepared, Preparing, Reach, Step};
use crate::clock::Clock;
use crate::collect::Collecting;
use crate::marks::Marks;
use crate::notes::HeardTo;
use crate::parking::Parking;
use crate::settle::{MappedBatch, Settled, retry_source, settle_source};
use crate::status::{LoopState, StateCell};
use crate::supervise::Attempt;
use crate::take::take;
use crate::{Registry, Settings, Shutdown, notes};
use async_trait::async_trait;
use fail::fail_point;
use futures::future::select_all;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use syncline_core::{
    Body, Boundary, ChangeLog, Checkpoints, Claims, ConflictBook, Cursor, Entry, Error, Heard,
    Kind, Offset, Position, ReaderName, Resolved, Result, Sweep, Topic, Transaction, Transform,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::{select, task::spawn_blocking};

/// The claims of an entity, shared with the thread that weighs them.
pub(crate) type SharedClaims = Arc<Mutex<Box<dyn Claims>>>;

/// One topic that speaks of the entity.
pub(crate) struct Input {
    pub(crate) reader: ReaderName,
    pub(crate) topic: Topic,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
}

/// One entity's resolve: everything an attempt needs.
pub(crate) struct Resolve {
    pub(crate) entity: String,
    pub(crate) topic: Topic,
    pub(crate) inputs: Vec<Input>,
    /// Who reads its topic.
    pub(crate) readers: Vec<ReaderName>,
    pub(crate) claims: SharedClaims,
    pub(crate) conflicts: Arc<dyn ConflictBook>,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

#[async_trait]
impl Attempt for Resolve {
    fn name(&self) -> String {
        format!("resolve/{}", self.entity)
    }

    fn states(&self) -> Vec<&StateCell> {
        self.inputs.iter().map(|input| &self.registry.lane(&input.reader).state).collect()
    }

    /// Resolves until told to stop, or until something fails.
    async fn attempt(&self, shutdown: &mut Shutdown) -> Result<()> {
        // Order: whoever has the claims may have the topic.
        self.with_claims(|claims| claims.rollback()).await?;
        take(self.log.as_ref(), &self.topic).await?;
        fail_point!("resolve.taken");
        let mut resolving = Resolving {
            resolve: self,
            parking: Vec::new(),
            next: Vec::new(),
            doubt_until: Vec::new(),
            abandoned: vec![false; self.inputs.len()],
            open: None,
            within: vec![false; self.inputs.len()],
            collecting: Collecting::new(self.settings.collect_interval),
        };
        let mut tasks = JoinSet::new();
        let mut steps = Vec::new();
        for input in &self.inputs {
            let from = self.begin(input).await?;
            let tail = self.log.tail(&input.topic).await?;
            resolving.doubt_until.push(tail.next);
            if from == tail.next && !tail.open {
                resolving.collecting.pass(input, tail.boundary);
            }
            resolving.next.push(from);
            resolving.parking.push(self.parked(input, from)?);
            let (prepared, receiver) = mpsc::channel(1);
            let preparing = Preparing {
                log: self.log.clone(),
                topic: input.topic.clone(),
                transforms: input.transforms.clone(),
                reach: Arc::new(Reach::steady(self.settings.apply_bytes_max)),
            };
            tasks.spawn(preparing.run(from, prepared));
            steps.push(receiver);
        }
        resolving.redecide().await?;
        resolving.retry_parked().await?;
        resolving.run(steps, shutdown).await
    }
}

impl Resolve {
    /// Where a topic goes on: where the claims are, or where its reader began.
    async fn begin(&self, input: &Input) -> Result<Offset> {
        let (log, topic) = (self.log.id(), input.topic.clone());
        let heard = self.with_claims(move |claims| Ok(claims.progress(log, &topic))).await?;
        let told = self.log.progress(&input.reader, &input.topic).await?;
        let from = heard.max(told).unwrap_or_default();
        self.log.commit(&input.reader, &input.topic, from).await?;
        Ok(from)
    }

    /// The rows of a topic that are set aside, where so far was heard.
    fn parked(&self, input: &Input, next: Offset) -> Result<Parking> {
        let heard = HeardTo { log: self.log.id(), next };
        let rows = notes::settle(self.checkpoints.as_ref(), &input.reader, heard)?;
        Ok(Parking::new(rows, self.settings.parked_max))
    }

    /// Weighs claims on a thread that may wait for the disk.
    pub(crate) async fn with_claims<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Claims) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let claims = self.claims.clone();
        let weighing = spawn_blocking(move || {
            // A panic may have left them half-heard; the attempt that follows begins with a rollback.
            let mut claims = claims.lock().unwrap_or_else(PoisonError::into_inner);
            work(claims.as_mut())
        });
        let ended = weighing.await;
        ended
            .map_err(|error| Error::new(Kind::Internal, "weighing claims ended").caused_by(error))?
    }
}

/// A transaction of which golden rows are in the log, and not yet its end.
struct Open {
    input: usize,
    /// The entity topic's boundary before it.
    boundary: Option<Boundary>,
}

/// The state of one attempt. By input: what is parked, and how far it is heard.
struct Resolving<'a> {
    resolve: &'a Resolve,
    parking: Vec<Parking>,
    next: Vec<Offset>,
    /// Where each topic ended when the attempt began: what lies before may have been heard, and told,
    /// by an earlier one that did not come to commit it.
    doubt_until: Vec<Offset>,
    /// Whether a transaction of the topic was given up after conflicts of it may have been noted, and
    /// nothing was heard for good since.
    abandoned: Vec<bool>,
    open: Option<Open>,
    /// Whether a part of a transaction is heard, and not yet its end.
    within: Vec<bool>,
    collecting: Collecting,
}

impl Resolving<'_> {
    async fn run(
        &mut self,
        mut steps: Vec<mpsc::Receiver<Result<Prepared>>>,
        shutdown: &mut Shutdown,
    ) -> Result<()> {
        for state in self.resolve.states() {
            state.set(LoopState::Running);
        }
        for input in 0..steps.len() {
            self.count(input).await?;
        }
        loop {
            select! { biased;
                () = shutdown.requested() => return Ok(()),
                () = self.collecting.is_time(), if !self.within.contains(&true) => {
                    self.collecting.step(self.resolve, self.next[0]).await?;
                }
                (input, step) = next_step(&mut steps, self.open.as_ref()) => match step {
                    Some(step) => self.on_step(input, step?).await?,
                    None => return Err(Error::new(Kind::Internal, "reading ended by itself")),
                },
            }
        }
    }

    /// Decides again what other rules decided.
    async fn redecide(&mut self) -> Result<()> {
        if self.resolve.with_claims(|claims| Ok(claims.is_outdated())).await? {
            tracing::info!("{} has other rules: all is decided again", self.resolve.entity);
            let committed_at = self.resolve.clock.now();
            let at = Transaction { epoch: 0, commit: 0, committed_at, ours: false };
            self.sweep(Sweep::Redecide, at).await?;
            self.end(0, &self.resolve.topic).await?;
        }
        Ok(())
    }

    /// Tries parked rows again, once: only another mapping makes anything else of them.
    async fn retry_parked(&mut self) -> Result<()> {
        for (input, of) in self.resolve.inputs.iter().enumerate() {
            let due = self.parking[input].due(|_| true, usize::MAX);
            if due.is_empty() {
                continue;
            }
            for key in due {
                let named = |it: &&Arc<dyn Transform>| it.name() == key.mapping;
                let Some(transform) = of.transforms.iter().find(named) else { continue };
                let settled = retry_source(&mut self.parking[input], transform, &key).await?;
                self.hear(input, transform.name(), settled).await?;
            }
            self.end(input, &of.topic).await?;
        }
        Ok(())
    }

    /// Ends a transaction of our own, at the boundary that a topic has come to.
    async fn end(&mut self, input: usize, topic: &Topic) -> Result<()> {
        let boundary = self.resolve.log.tail(topic).await?.boundary;
        let unbound =
            || Boundary { position: Position::default(), committed_at: self.resolve.clock.now() };
        let boundary = boundary.unwrap_or_else(unbound);
        self.append(input, Vec::new(), Some(boundary)).await?;
        self.commit(input, self.next[input]).await
    }

    async fn on_step(&mut self, input: usize, prepared: Prepared) -> Result<()> {
        if prepared.rollback {
            self.abandon(input).await?;
        }
        let boundary = prepared.commit.and_then(|commit| commit.boundary);
        let is_heard = !prepared.steps.is_empty();
        self.within[input] = true;
        for step in prepared.steps {
            match step {
                Step::Rows(mapped) => self.on_rows(input, *mapped).await?,
                Step::Truncate { mapping } => self.on_truncate(input, mapping, boundary).await?,
            }
        }
        match prepared.commit {
            Some(commit) => {
                self.append(input, Vec::new(), boundary).await?;
                fail_point!("resolve.whole");
                self.commit(input, commit.next).await?;
                self.abandoned[input] &= !is_heard;
                self.within[input] = false;
                self.collecting.pass(&self.resolve.inputs[input], boundary);
                Ok(())
            }
            None => {
                let reader = &self.resolve.inputs[input].reader;
                self.resolve.marks.reader(reader).stir();
                Ok(())
            }
        }
    }

    async fn on_rows(&mut self, input: usize, mapped: Mapped) -> Result<()> {
        let Mapped { mapping, input: rows, output, offset } = mapped;
        let transform = &self.resolve.inputs[input].transforms[mapping];
        let counters = self.resolve.registry.mapping(transform.name());
        counters.rows_in.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let mapped = MappedBatch { input: rows, output, offset, attempts: 0 };
        let settled = settle_source(&mut self.parking[input], transform, mapped).await?;
        let given: usize = settled.iter().map(|settled| settled.rows.len()).sum();
        counters.rows_out.fetch_add(given as u64, Ordering::Relaxed);
        self.hear(input, transform.name(), settled).await
    }

    async fn on_truncate(
        &mut self,
        input: usize,
        mapping: usize,
        boundary: Option<Boundary>,
    ) -> Result<()> {
        self.collecting.disturb();
        let name = self.resolve.inputs[input].transforms[mapping].name().to_owned();
        for key in self.parking[input].keys(&name) {
            self.parking[input].settle(&key);
        }
        let now = self.resolve.clock.now();
        let at = boundary.map_or(
            Transaction { epoch: 0, commit: 0, committed_at: now, ours: false },
            |it| {
                let (epoch, commit) = (it.position.epoch, it.position.commit);
                Transaction { epoch, commit, committed_at: it.committed_at, ours: false }
            },
        );
        self.sweep_for(input, Sweep::Emptied(name), at).await
    }

    async fn hear(&mut self, input: usize, mapping: &str, settled: Vec<Settled>) -> Result<()> {
        let in_doubt = self.abandoned[input] || self.next[input] < self.doubt_until[input];
        for Settled { rows, source, origins } in
            settled.into_iter().filter(|it| !it.rows.is_empty())
        {
            self.collecting.hear(mapping, &rows);
            let mapping = mapping.to_owned();
            let resolved = self.resolve.with_claims(move |claims| {
                claims.hear(Heard {
                    mapping: &mapping,
                    source: &source,
                    rows: &rows,
                    origins: &origins,
                    in_doubt,
                })
            });
            let resolved = resolved.await?;
            fail_point!("resolve.heard");
            self.emit(input, resolved).await?;
        }
        Ok(())
    }

    async fn sweep(&mut self, sweep: Sweep, at: Transaction) -> Result<()> {
        self.sweep_for(0, sweep, at).await
    }

    async fn sweep_for(&mut self, input: usize, sweep: Sweep, at: Transaction) -> Result<()> {
        let mut from = Some(Cursor::default());
        while let Some(cursor) = from {
            let sweep = sweep.clone();
            let piece = self.resolve.with_claims(move |claims| claims.sweep(&sweep, cursor, at));
            let (resolved, next) = piece.await?;
            self.emit(input, resolved).await?;
            fail_point!("resolve.swept");
            from = next;
        }
        Ok(())
    }

    /// Golden rows go to the log, then conflicts to the book.
    async fn emit(&mut self, input: usize, resolved: Resolved) -> Result<()> {
        if let Some(golden) = resolved.golden {
            self.append(input, vec![Entry { body: Body::Rows(golden), boundary: None }], None)
                .await?;
            fail_point!("resolve.golden");
        }
        if !resolved.conflicts.is_empty() {
            self.resolve.conflicts.note(&self.resolve.entity, resolved.conflicts).await?;
            fail_point!("resolve.conflicts");
        }
        Ok(())
    }

    /// Appends to the entity's topic, with the boundary where the transaction is whole.
    async fn append(
        &mut self,
        input: usize,
        mut entries: Vec<Entry>,
        boundary: Option<Boundary>,
    ) -> Result<()> {
        if boundary.is_some() {
            // Nothing came of the transaction: then nothing has to end.
            if self.open.take().is_none() && entries.is_empty() {
                return Ok(());
            }
            match entries.last_mut() {
                Some(last) => last.boundary = boundary,
                None => entries.push(Entry { body: Body::Nothing, boundary }),
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        if boundary.is_none() && self.open.is_none() {
            let boundary = self.resolve.log.tail(&self.resolve.topic).await?.boundary;
            self.open = Some(Open { input, boundary });
        }
        self.resolve.log.append(&self.resolve.topic, entries).await?.durable.await?;
        Ok(())
    }

    async fn abandon(&mut self, input: usize) -> Result<()> {
        if let Some(Open { boundary, .. }) = self.open.take() {
            let entry = Entry { body: Body::Abandoned, boundary };
            self.resolve.log.append(&self.resolve.topic, vec![entry]).await?.durable.await?;
            fail_point!("resolve.abandoned");
        }
        self.resolve.with_claims(|claims| claims.rollback()).await?;
        self.parking[input] = self.resolve.parked(&self.resolve.inputs[input], self.next[input])?;
        self.abandoned[input] = true;
        Ok(())
    }

    async fn commit(&mut self, input: usize, next: Offset) -> Result<()> {
        let Input { reader, topic, .. } = &self.resolve.inputs[input];
        let (log, heard) = (self.resolve.log.id(), topic.clone());
        let checkpoints = self.resolve.checkpoints.as_ref();
        let is_changed = self.parking[input].is_changed();
        if is_changed {
            // Order: rows that are set aside are noted before they count as heard, those taken back after it. Where
            // nothing more is heard, the claims will not tell one from the other: then they are tried again.
            let until = (next > self.next[input]).then_some(HeardTo { log, next });
            notes::add(checkpoints, reader, &self.parking[input], until)?;
            fail_point!("resolve.set_aside");
        }
        self.resolve.with_claims(move |claims| claims.commit(log, &heard, next)).await?;
        fail_point!("resolve.claims");
        if is_changed {
            notes::save(checkpoints, reader, &self.parking[input])?;
            fail_point!("resolve.taken_back");
            self.parking[input].written();
        }
        self.resolve.log.commit(reader, topic, next).await?;
        self.next[input] = next;
        self.count(input).await
    }

    async fn count(&self, input: usize) -> Result<()> {
        let Input { reader, topic, transforms } = &self.resolve.inputs[input];
        let (next, parking) = (self.next[input], &self.parking[input]);
        let counters = self.resolve.registry.lane(reader);
        let end = self.resolve.log.tail(topic).await?.next;
        self.resolve.marks.reader(reader).pass(next);
        counters.next.store(next.0, Ordering::Relaxed);
        counters.end.store(end.0, Ordering::Relaxed);
        counters.parked.store(parking.len() as u64, Ordering::Relaxed);
        for transform in transforms {
            let parked = parking.count(transform.name()) as u64;
            let mapping = self.resolve.registry.mapping(transform.name());
            mapping.parked.store(parked, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The next step of any topic; while a transaction is open, of its own.
async fn next_step(
    steps: &mut [mpsc::Receiver<Result<Prepared>>],
    open: Option<&Open>,
) -> (usize, Option<Result<Prepared>>) {
    match open {
        Some(Open { input, .. }) => (*input, steps[*input].recv().await),
        None => {
            let waiting = steps.iter_mut().map(|steps| Box::pin(steps.recv()));
            let (step, input, _) = select_all(waiting).await;
            (input, step)
        }
    }
}
