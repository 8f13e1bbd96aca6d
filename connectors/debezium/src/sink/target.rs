//! The sink.

use super::session::Session;
use super::settings::SinkSettings;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;
use syncline_core::{
    Error, Kind, ParkKey, ParkMark, Parked, Progress, ReaderName, Result, Sink, SystemName,
    TargetChange, Written,
};

/// Writes topics in Debezium's format.
pub struct DebeziumSink {
    system: SystemName,
    settings: SinkSettings,
    /// Kept from one opening to the next: it knows whether another took its place meanwhile.
    session: Option<Arc<Mutex<Session>>>,
}

impl DebeziumSink {
    /// A sink that is not open yet.
    #[must_use]
    pub fn new(system: SystemName, settings: SinkSettings) -> Self {
        Self { system, settings, session: None }
    }

    /// Runs what waits for the brokers where it holds up no other task.
    async fn at_brokers<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let session = self.session.clone().ok_or_else(|| {
            Error::new(Kind::Unavailable, format!("the topics of {} are not open", self.system))
        })?;
        let done = tokio::task::spawn_blocking(move || {
            work(&mut session.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or_else(|error| {
            Err(Error::new(Kind::Internal, "writing topics failed").caused_by(error))
        })
    }
}

/// In ms since 1970 UTC.
#[expect(clippy::disallowed_methods, reason = "envelopes say when they were written")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Sink for DebeziumSink {
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>> {
        let (system, settings, of) = (self.system.clone(), self.settings.clone(), reader.clone());
        if self.session.is_none() {
            let session = Session::new(&system, &settings, &of)?;
            self.session = Some(Arc::new(Mutex::new(session)));
        }
        self.at_brokers(move |session| {
            if !session.is_of(&of) {
                *session = Session::new(&system, &settings, &of)?;
            }
            session.open()
        })
        .await
    }

    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written> {
        let changes = changes.to_vec();
        self.at_brokers(move |session| session.write(&changes, now())).await
    }

    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        let (parked, settled) = (parked.to_vec(), settled.to_vec());
        self.at_brokers(move |session| session.park(&parked, &settled)).await
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        self.at_brokers(|session| session.parked()).await
    }

    async fn park_marks(&mut self) -> Result<Vec<ParkMark>> {
        self.at_brokers(Session::park_marks).await
    }

    async fn commit(&mut self, progress: &Progress) -> Result<()> {
        let progress = progress.clone();
        self.at_brokers(move |session| session.commit(&progress)).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.at_brokers(Session::rollback).await
    }
}
