//! Log → log: what systems say of an entity becomes the entity's agreed rows.
//!
//! An entity has one source for now, so its word is the agreed value; where claims are weighed, they
//! are weighed between `settle_source` and `append`.
//!
//! Order of effects: golden changes durable → parked rows noted → progress committed. A crash between
//! repeats the same golden changes, which is harmless.

use crate::apply::{Mapped, Prepared, Preparing, Reach, Step};
use crate::marks::Marks;
use crate::parking::Parking;
use crate::settle::{MappedBatch, retry_source, settle_source};
use crate::status::{LoopState, StateCell};
use crate::supervise::Attempt;
use crate::{Registry, Settings, Shutdown, notes};
use arrow_array::new_null_array;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syncline_core::{
    Body, Boundary, ChangeBatch, ChangeLog, Checkpoints, ColumnMask, Entry, Error, Kind, Offset,
    Presence, ReaderName, Result, TableSchema, Topic, Transform,
};
use tokio::select;
use tokio::sync::mpsc;

/// One topic's resolve: everything an attempt needs.
pub(crate) struct Resolve {
    pub(crate) reader: ReaderName,
    pub(crate) topic: Topic,
    /// Each with its entity's topic and columns.
    pub(crate) transforms: Vec<(Arc<dyn Transform>, Topic, Arc<TableSchema>)>,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) settings: Settings,
}

#[async_trait]
impl Attempt for Resolve {
    fn name(&self) -> String {
        self.reader.to_string()
    }

    fn state(&self) -> &StateCell {
        &self.registry.lane(&self.reader).state
    }

    /// Resolves until told to stop, or until something fails.
    async fn attempt(&self, shutdown: &mut Shutdown) -> Result<()> {
        let progress = self.log.progress(&self.reader, &self.topic).await?;
        let from = progress.unwrap_or_default();
        self.log.commit(&self.reader, &self.topic, from).await?;
        self.close_open_transactions().await?;
        let (prepared, steps) = mpsc::channel(1);
        let preparing = Preparing {
            log: self.log.clone(),
            topic: self.topic.clone(),
            transforms: self.transforms.iter().map(|(transform, ..)| transform.clone()).collect(),
            reach: Arc::new(Reach::steady(self.settings.apply_bytes_max)),
        };
        let task = tokio::spawn(preparing.run(from, prepared));
        let mut resolving =
            Resolving { resolve: self, parking: self.parked()?, next: from, open: BTreeMap::new() };
        let outcome = match resolving.retry_parked().await {
            Ok(()) => resolving.run(steps, shutdown).await,
            Err(error) => Err(error),
        };
        task.abort();
        outcome
    }
}

impl Resolve {
    /// The rows that were set aside.
    fn parked(&self) -> Result<Parking> {
        let rows = notes::load(self.checkpoints.as_ref(), &self.reader)?;
        Ok(Parking::new(rows, self.settings.parked_max))
    }

    /// Rows that an earlier process appended of a transaction it did not finish come again.
    async fn close_open_transactions(&self) -> Result<()> {
        for (_, topic, _) in &self.transforms {
            let tail = self.log.tail(topic).await?;
            if tail.open {
                let entry = Entry { body: Body::Abandoned, boundary: tail.boundary };
                self.log.append(topic, vec![entry]).await?.durable.await?;
            }
        }
        Ok(())
    }
}

/// The state of one attempt.
struct Resolving<'a> {
    resolve: &'a Resolve,
    parking: Parking,
    next: Offset,
    /// Entity topics with rows after their last boundary, and that boundary.
    open: BTreeMap<Topic, Option<Boundary>>,
}

impl Resolving<'_> {
    async fn run(
        &mut self,
        mut steps: mpsc::Receiver<Result<Prepared>>,
        shutdown: &mut Shutdown,
    ) -> Result<()> {
        self.resolve.state().set(LoopState::Running);
        self.count().await?;
        loop {
            select! { biased;
                () = shutdown.requested() => return Ok(()),
                step = steps.recv() => match step {
                    Some(step) => self.on_step(step?).await?,
                    None => return Err(Error::new(Kind::Internal, "reading ended by itself")),
                },
            }
        }
    }

    /// Tries parked rows again, once: only another mapping makes anything else of them.
    async fn retry_parked(&mut self) -> Result<()> {
        let boundary = self.resolve.log.tail(&self.resolve.topic).await?.boundary;
        let mut entries: BTreeMap<Topic, Vec<Entry>> = BTreeMap::new();
        for key in self.parking.due(|_| true, usize::MAX) {
            let named =
                |(transform, ..): &&(Arc<dyn Transform>, _, _)| transform.name() == key.mapping;
            let Some((transform, topic, entity)) = self.resolve.transforms.iter().find(named)
            else {
                continue;
            };
            if let Some(rows) = retry_source(&mut self.parking, transform, &key).await? {
                let body = Body::Rows(golden(&rows, entity)?);
                entries.entry(topic.clone()).or_default().push(Entry { body, boundary: None });
            }
        }
        self.append(entries, boundary).await?;
        self.commit(self.next).await
    }

    async fn on_step(&mut self, prepared: Prepared) -> Result<()> {
        if prepared.rollback {
            self.abandon().await?;
        }
        let mut entries: BTreeMap<Topic, Vec<Entry>> = BTreeMap::new();
        for step in prepared.steps {
            let (topic, entry) = match step {
                Step::Rows(mapped) => {
                    let Mapped { mapping, input, output, offset } = *mapped;
                    let (transform, topic, entity) = &self.resolve.transforms[mapping];
                    let counters = self.resolve.registry.mapping(transform.name());
                    counters.rows_in.fetch_add(input.len() as u64, Ordering::Relaxed);
                    let mapped = MappedBatch { input, output, offset, attempts: 0 };
                    let rows = settle_source(&mut self.parking, transform, mapped).await?;
                    counters.rows_out.fetch_add(rows.len() as u64, Ordering::Relaxed);
                    if rows.is_empty() {
                        continue;
                    }
                    (topic, Body::Rows(golden(&rows, entity)?))
                }
                Step::Truncate { mapping } => {
                    let (transform, topic, entity) = &self.resolve.transforms[mapping];
                    for key in self.parking.keys(transform.name()) {
                        self.parking.settle(&key);
                    }
                    (topic, Body::Truncate(vec![entity.name().clone()]))
                }
            };
            entries.entry(topic.clone()).or_default().push(Entry { body: entry, boundary: None });
        }
        let boundary = prepared.commit.and_then(|commit| commit.boundary);
        self.append(entries, boundary).await?;
        match prepared.commit {
            Some(commit) => self.commit(commit.next).await,
            None => {
                self.resolve.marks.reader(&self.resolve.reader).stir();
                Ok(())
            }
        }
    }

    /// Appends to every entity's topic, with the boundary where the transactions are whole.
    async fn append(
        &mut self,
        mut entries: BTreeMap<Topic, Vec<Entry>>,
        boundary: Option<Boundary>,
    ) -> Result<()> {
        if boundary.is_some() {
            for topic in std::mem::take(&mut self.open).into_keys() {
                entries.entry(topic).or_default();
            }
        }
        let mut durable = Vec::new();
        for (topic, mut entries) in entries {
            match entries.last_mut() {
                Some(last) => last.boundary = boundary,
                None => entries.push(Entry { body: Body::Nothing, boundary }),
            }
            if boundary.is_none() && !self.open.contains_key(&topic) {
                let last = self.resolve.log.tail(&topic).await?.boundary;
                self.open.insert(topic.clone(), last);
            }
            durable.push(self.resolve.log.append(&topic, entries).await?.durable);
        }
        futures::future::try_join_all(durable).await?;
        Ok(())
    }

    async fn abandon(&mut self) -> Result<()> {
        for (topic, boundary) in std::mem::take(&mut self.open) {
            let entry = Entry { body: Body::Abandoned, boundary };
            self.resolve.log.append(&topic, vec![entry]).await?.durable.await?;
        }
        self.parking = self.resolve.parked()?;
        Ok(())
    }

    async fn commit(&mut self, next: Offset) -> Result<()> {
        if self.parking.is_changed() {
            notes::save(self.resolve.checkpoints.as_ref(), &self.resolve.reader, &self.parking)?;
            self.parking.written();
        }
        self.resolve.log.commit(&self.resolve.reader, &self.resolve.topic, next).await?;
        self.next = next;
        self.count().await
    }

    async fn count(&self) -> Result<()> {
        let counters = self.resolve.registry.lane(&self.resolve.reader);
        let end = self.resolve.log.tail(&self.resolve.topic).await?.next;
        self.resolve.marks.reader(&self.resolve.reader).pass(self.next);
        counters.next.store(self.next.0, Ordering::Relaxed);
        counters.end.store(end.0, Ordering::Relaxed);
        counters.parked.store(self.parking.len() as u64, Ordering::Relaxed);
        for (transform, ..) in &self.resolve.transforms {
            let parked = self.parking.count(transform.name()) as u64;
            let mapping = self.resolve.registry.mapping(transform.name());
            mapping.parked.store(parked, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A mapping's rows with all columns of the entity: a field that nobody claims is NULL.
fn golden(rows: &ChangeBatch, entity: &Arc<TableSchema>) -> Result<ChangeBatch> {
    let claimed: Vec<Option<usize>> =
        entity.columns().iter().map(|column| rows.schema().index_of(&column.name)).collect();
    let columns = claimed
        .iter()
        .zip(entity.columns())
        .map(|(claimed, column)| match claimed {
            Some(index) => rows.columns().column(*index).clone(),
            None => new_null_array(&column.data_type, rows.len()),
        })
        .collect();
    ChangeBatch::try_new(
        entity.clone(),
        columns,
        rows.ops().clone(),
        rows.ordinals().clone(),
        rows.transactions().to_vec(),
        golden_presence(rows.presence(), &claimed),
    )
    .map_err(|error| {
        Error::new(Kind::Internal, "golden rows could not be put together").caused_by(error)
    })
}

fn golden_presence(claimed_presence: &Presence, claimed: &[Option<usize>]) -> Presence {
    let Some(rows) = claimed_presence.rows() else { return Presence::all(claimed.len()) };
    let masks = claimed_presence.masks().iter().map(|mask| {
        let mut golden = ColumnMask::none(claimed.len());
        for (column, index) in claimed.iter().enumerate() {
            if index.is_none_or(|index| mask.has(index)) {
                golden.set(column);
            }
        }
        golden
    });
    Presence::from_parts(claimed.len(), masks.collect(), rows.to_vec().into())
}
