//! Notes by name in a compacted topic: the last one of each name holds.
//!
//! ```text
//! id                       which log this is
//! schema/<digest>          the JSON of a schema
//! reader/<topic>/<reader>  how far a reader is
//! checkpoint/<name>        what others keep
//! owner                    which process has the log
//! ```
//! Everything is read when the log is opened, and kept in memory; what is not there then is looked for again
//! where somebody else may have written it.
//!
//! Whoever opens the log takes the notes over (see [`super::owned`]): a process that was thought dead writes none
//! any more. Notes that wait for the brokers at the same time are one transaction.

use super::append::again;
use super::client::{Admin, Clients, Reader};
use super::owned::Owned;
use super::{load, names, topics};
use crate::rules::lock;
use fail::fail_point;
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use syncline_core::{Error, Kind, Result};
use tokio::sync::{oneshot, watch};

/// The key of the note that says which process has the log.
const OWNER: &[u8] = b"owner";

/// Most notes that are written together.
const TOGETHER_MAX: usize = 1000;

/// Notes, durable.
pub(super) struct Notes {
    clients: Arc<Clients>,
    name: String,
    writer: mpsc::Sender<Waiting>,
    is_fenced: watch::Receiver<bool>,
    table: Mutex<Table>,
    /// Reads what others wrote.
    reader: Mutex<Reader>,
}

/// A note that is to be written.
struct Waiting {
    key: String,
    text: Option<Vec<u8>>,
    told: oneshot::Sender<Result<()>>,
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
    /// Takes the notes over and reads all of them; makes their topic if need be. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Config` where they refuse us.
    pub(super) fn open(clients: &Arc<Clients>, admin: &Arc<Admin>) -> Result<Self> {
        let name = names::notes(&clients.settings.prefix)?;
        let what = "the notes of the log".to_owned();
        let mut owned = Owned::new(clients, what, name.clone(), topics::Use::Notes, OWNER);
        owned.take_over(admin)?;
        let (writer, waiting) = mpsc::channel();
        let (fenced, is_fenced) = watch::channel(false);
        let admin = admin.clone();
        let thread = std::thread::Builder::new().name("kafka-notes".to_owned());
        let started = thread.spawn(move || write_notes(owned, &admin, &waiting, &fenced));
        started.map_err(|error| {
            Error::new(Kind::Unavailable, "can't start a thread").caused_by(error)
        })?;
        let notes = Self {
            clients: clients.clone(),
            name,
            writer,
            is_fenced,
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

    /// Whether another process has opened the log since, as far as we know.
    pub(super) fn is_fenced(&self) -> watch::Receiver<bool> {
        self.is_fenced.clone()
    }

    /// Writes a note, or takes it away; durable when it returns.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away: the former note may stand, or this one. `Fenced` where another
    /// process has opened the log since: the former note stands.
    pub(super) async fn put(&self, key: &str, text: Option<&[u8]>) -> Result<()> {
        let closed = || Error::new(Kind::Closed, "the log was closed");
        let (told, hear) = oneshot::channel();
        let waiting = Waiting { key: key.to_owned(), text: text.map(<[u8]>::to_vec), told };
        let sent = {
            // Order: numbered under the lock that it is sent under.
            let mut table = lock(&self.table);
            self.writer.send(waiting).map_err(|_| closed())?;
            table.sent += 1;
            table.sent
        };
        hear.await.map_err(|_| closed())??;
        fail_point!("kafka.noted");
        lock(&self.table).written(key, sent, text.map(Arc::from));
        Ok(())
    }
}

/// Writes what waits, until nobody is left to ask for it.
fn write_notes(
    mut owned: Owned,
    admin: &Admin,
    waiting: &mpsc::Receiver<Waiting>,
    fenced: &watch::Sender<bool>,
) {
    while let Ok(first) = waiting.recv() {
        let mut together = vec![first];
        together.extend(waiting.try_iter().take(TOGETHER_MAX - 1));
        let outcome = write_together(&mut owned, admin, &together);
        fenced.send_replace(owned.is_fenced());
        for Waiting { told, .. } in together {
            let _ = told.send(outcome.as_ref().map_err(again).copied());
        }
    }
}

fn write_together(owned: &mut Owned, admin: &Admin, notes: &[Waiting]) -> Result<()> {
    if !owned.has_session() {
        owned.take_over(admin)?;
    }
    let written =
        notes.iter().try_for_each(|note| owned.send(note.key.as_bytes(), note.text.as_deref()));
    let outcome = written.and_then(|()| owned.commit().map(drop));
    if outcome.is_err() {
        // Where this fails too, the next ones take the notes over first.
        let _ = owned.rollback(admin);
    }
    outcome
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
