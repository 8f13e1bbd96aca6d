//! Notes by name in a compacted topic: the last one of each name holds.
//!
//! ```text
//! id                       which log this is
//! schema/<digest>          the JSON of a schema
//! reader/<topic>/<reader>  how far a reader is
//! checkpoint/<name>        what others keep
//! ```
//! Everything is read when the log is opened, and kept in memory; what is not there then is looked for again
//! where somebody else may have written it.

use super::client::{Admin, Clients, Producer, Reader};
use super::{load, names, topics};
use crate::rules::lock;
use rdkafka::message::Message;
use rdkafka::producer::FutureRecord;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use syncline_core::{Error, Kind, Result};

/// Notes, durable.
pub(super) struct Notes {
    clients: Arc<Clients>,
    name: String,
    producer: Producer,
    table: Mutex<Table>,
    /// Reads what others wrote.
    reader: Mutex<Reader>,
}

/// What is known. Of writes to one name the one that was sent last holds.
#[derive(Debug, Default)]
struct Table {
    notes: BTreeMap<String, Note>,
    sent: u64,
    /// Where to read on.
    next: u64,
}

#[derive(Debug, Clone)]
struct Note {
    sent: u64,
    text: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for Notes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notes").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Notes {
    /// Reads all notes; makes their topic if need be. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Config` where they refuse us.
    pub(super) fn open(clients: &Arc<Clients>, admin: &Admin) -> Result<Self> {
        let name = names::notes(&clients.settings.prefix)?;
        topics::ensure(clients, admin, &name, topics::Use::Notes)?;
        let notes = Self {
            clients: clients.clone(),
            name,
            producer: clients.producer()?,
            table: Mutex::default(),
            reader: Mutex::new(clients.reader()?),
        };
        notes.refresh()?;
        Ok(notes)
    }

    /// Reads what was written since, by whomever. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away.
    pub(super) fn refresh(&self) -> Result<()> {
        let reader = lock(&self.reader);
        let (_, end) = load::watermarks(&self.clients, &reader, &self.name)?;
        let from = lock(&self.table).next;
        load::scan(&self.clients, &reader, &self.name, from..end, |message| {
            if let Some(Ok(key)) = message.key().map(std::str::from_utf8) {
                let text = message.payload().map(Arc::from);
                lock(&self.table).heard(key, text);
            }
            Ok(())
        })?;
        lock(&self.table).next = end;
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        lock(&self.table).notes.get(key)?.text.clone()
    }

    /// All notes whose names begin so.
    pub(super) fn beginning(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        let table = lock(&self.table);
        let from = table.notes.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, note)| Some((key.clone(), note.text.clone()?)))
            .collect()
    }

    /// Writes a note, or takes it away; durable when it returns.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away: the former note may stand, or this one.
    pub(super) async fn put(&self, key: &str, text: Option<&[u8]>) -> Result<()> {
        let what = || format!("can't write a note to {}", self.name);
        let (sent, sending) = {
            // Order: numbered under the lock that it is sent under.
            let mut table = lock(&self.table);
            let mut record = FutureRecord::<str, [u8]>::to(&self.name).partition(0).key(key);
            if let Some(text) = text {
                record = record.payload(text);
            }
            let sending = self.producer.send_result(record);
            let sending = sending.map_err(|(error, _)| self.clients.error(what(), &error))?;
            table.sent += 1;
            (table.sent, sending)
        };
        match sending.await {
            Ok(Ok(_)) => {}
            Ok(Err((error, _))) => return Err(self.clients.error(what(), &error)),
            Err(_) => return Err(Error::new(Kind::Closed, "the log was closed")),
        }
        lock(&self.table).written(key, sent, text.map(Arc::from));
        Ok(())
    }
}

impl Table {
    fn heard(&mut self, key: &str, text: Option<Arc<[u8]>>) {
        // What we wrote ourselves is newer, or the same: see `written`.
        match self.notes.get_mut(key) {
            Some(note) if note.sent > 0 => {}
            Some(note) => note.text = text,
            None => drop(self.notes.insert(key.to_owned(), Note { sent: 0, text })),
        }
    }

    fn written(&mut self, key: &str, sent: u64, text: Option<Arc<[u8]>>) {
        let note = self.notes.entry(key.to_owned()).or_insert(Note { sent: 0, text: None });
        if sent > note.sent {
            *note = Note { sent, text };
        }
    }
}
