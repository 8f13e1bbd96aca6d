//! A journal in a compacted topic: the last row of each key, and the last note.
//!
//! ```text
//! key    r<key>   a row; without a value it was taken away
//!        n        the note of a commit
//!        o        whose the journal is
//! ```
//! A commit is a transaction: see [`super::owned`].

use super::names;
use super::open::{KafkaLog, Shared};
use super::owned::{Owned, place_behind};
use super::topics::{GONE_FOR, Use};
use rdkafka::message::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};
use syncline_core::{Journal, JournalPlace, Journaled, Result};

const ROW: u8 = b'r';
const NOTE: u8 = b'n';
const OWNER: &[u8] = b"o";

/// How often it is said how far reading is.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// The journal of one entity's claims at Kafka.
pub struct KafkaJournal {
    shared: Arc<Shared>,
    entity: String,
    owned: Owned,
}

impl KafkaLog {
    /// The journal of the claims on an entity; nothing is asked of the brokers yet.
    ///
    /// # Errors
    /// `Config` for what can't be a name at Kafka.
    pub fn journal(&self, entity: &str) -> Result<KafkaJournal> {
        let shared = self.shared.clone();
        let name = names::claims(&shared.clients.settings.prefix, entity)?;
        let what = format!("the claims of {entity}");
        let owned = Owned::new(&shared.clients, what, name, Use::Claims, OWNER);
        Ok(KafkaJournal { shared, entity: entity.to_owned(), owned })
    }
}

impl Journal for KafkaJournal {
    fn take_over(&mut self) -> Result<()> {
        self.owned.take_over(&self.shared.admin)
    }

    fn goes_on_from(&mut self, place: JournalPlace) -> Result<bool> {
        if place == JournalPlace::default() {
            return Ok(true);
        }
        let (first, end) = self.owned.bounds()?;
        if place.next < first || place.next > end {
            return Ok(false);
        }
        let age = self.owned.written().written_at.saturating_sub(place.written_at);
        if age < i64::try_from(GONE_FOR.as_millis()).unwrap_or(i64::MAX) {
            return Ok(true);
        }
        // However old it is: perhaps nothing came since.
        let mut is_last = true;
        self.owned.scan(place.next, |message| {
            is_last &= self.owned.is_of_owner(message);
            Ok(())
        })?;
        Ok(is_last)
    }

    fn read(
        &mut self,
        from: JournalPlace,
        visit: &mut dyn FnMut(JournalPlace, Journaled<'_>) -> Result<()>,
    ) -> Result<JournalPlace> {
        let (mut place, mut rows, mut said) = (from, 0_u64, Instant::now());
        let end = self.owned.scan(from.next, |message| {
            place = place_behind(message).unwrap_or(place);
            match (message.key().and_then(<[u8]>::split_first), message.payload()) {
                (Some((&ROW, key)), row) => visit(place, Journaled::Row(key, row))?,
                (Some((&NOTE, [])), Some(note)) => visit(place, Journaled::Note(note))?,
                _ => {}
            }
            rows += 1;
            if said.elapsed() > SAY_EVERY {
                said = Instant::now();
                tracing::info!("claims of {}: {rows} rows read", self.entity);
            }
            Ok(())
        })?;
        let written_at = self.owned.written().written_at.max(place.written_at);
        Ok(JournalPlace { next: end.max(place.next), written_at })
    }

    fn write(&mut self, what: Journaled<'_>) -> Result<()> {
        match what {
            Journaled::Row(key, row) => self.owned.send(&[&[ROW], key].concat(), row),
            Journaled::Note(note) => self.owned.send(&[NOTE], Some(note)),
        }
    }

    fn commit(&mut self) -> Result<JournalPlace> {
        self.owned.commit()
    }

    fn rollback(&mut self) -> Result<()> {
        self.owned.rollback(&self.shared.admin)
    }
}
