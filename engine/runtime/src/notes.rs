//! Rows that resolve has set aside, kept as a note beside the log.
//!
//! The note and the claims can't be written at once. So rows that are taken back stay in the note until the claims are
//! committed, each with how far they have heard then: whoever finds it so after a crash knows by the claims whether
//! the row is set aside still.

use crate::parking::Parking;
use serde::{Deserialize, Serialize};
use syncline_core::{
    Checkpoints, Error, Kind, LogId, Offset, ParkKey, Parked, ReaderName, Result, Stage, codec,
};

/// How far a topic was heard, as the claims have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeardTo {
    pub(crate) log: LogId,
    pub(crate) next: Offset,
}

impl HeardTo {
    fn includes(self, other: Self) -> bool {
        self.log == other.log && self.next >= other.next
    }
}

/// A parked row as the note holds it; the image follows in hexadecimal.
#[derive(Serialize, Deserialize)]
struct Note {
    mapping: String,
    key: String,
    stage: String,
    table: String,
    image: String,
    reason: String,
    culprit: Option<String>,
    hint: Option<String>,
    offset: Offset,
    attempts: u32,
    /// It is set aside no more once this was heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_back: Option<HeardTo>,
}

pub(crate) fn name(reader: &ReaderName) -> String {
    format!("parked/{reader}")
}

/// The rows in a reader's note; a crash may have left one among them that was taken back.
///
/// # Errors
/// `Corrupt` when the note can't be understood.
pub(crate) fn load(checkpoints: &dyn Checkpoints, reader: &ReaderName) -> Result<Vec<Parked>> {
    read(checkpoints, reader)?.into_iter().map(parked).collect()
}

/// The rows that a reader has set aside where so much was heard. Takes all others out of the note.
///
/// # Errors
/// Those of [`load`], and when the note can't be written.
pub(crate) fn settle(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    heard: HeardTo,
) -> Result<Vec<Parked>> {
    let mut notes = read(checkpoints, reader)?;
    if notes.iter().any(|note| note.taken_back.is_some()) {
        notes.retain(|note| !note.taken_back.is_some_and(|it| heard.includes(it)));
        notes.iter_mut().for_each(|note| note.taken_back = None);
        write(checkpoints, reader, &notes)?;
    }
    notes.into_iter().map(parked).collect()
}

/// Notes rows that were set aside, and leaves those there that were taken back: until so much is heard, or, where
/// nothing more is, until the note is replaced.
pub(crate) fn add(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    parking: &Parking,
    until: Option<HeardTo>,
) -> Result<()> {
    let mut notes = parking.rows().map(note).collect::<Result<Vec<_>>>()?;
    for row in load(checkpoints, reader)? {
        if parking.get(&row.key).is_none() {
            notes.push(Note { taken_back: until, ..note(&row)? });
        }
    }
    write(checkpoints, reader, &notes)
}

/// Replaces the note.
pub(crate) fn save(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    parking: &Parking,
) -> Result<()> {
    let notes = parking.rows().map(note).collect::<Result<Vec<_>>>()?;
    write(checkpoints, reader, &notes)
}

fn read(checkpoints: &dyn Checkpoints, reader: &ReaderName) -> Result<Vec<Note>> {
    let Some(bytes) = checkpoints.load(&name(reader))? else { return Ok(Vec::new()) };
    serde_json::from_slice(&bytes).map_err(unreadable)
}

fn write(checkpoints: &dyn Checkpoints, reader: &ReaderName, notes: &[Note]) -> Result<()> {
    let bytes = serde_json::to_vec(notes).map_err(unreadable)?;
    checkpoints.save(&name(reader), &bytes)
}

fn note(row: &Parked) -> Result<Note> {
    let image = codec::encode_standalone(&row.image)?;
    Ok(Note {
        mapping: row.key.mapping.clone(),
        key: row.key.key.clone(),
        stage: row.key.stage.as_str().into(),
        table: row.table.clone(),
        image: image.iter().map(|byte| format!("{byte:02x}")).collect(),
        reason: row.reason.clone(),
        culprit: row.culprit.clone(),
        hint: row.hint.clone(),
        offset: row.offset,
        attempts: row.attempts,
        taken_back: None,
    })
}

fn parked(note: Note) -> Result<Parked> {
    let image = unhex(&note.image)
        .ok_or_else(|| Error::new(Kind::Corrupt, "a parked row's image is not hexadecimal"))?;
    let stage = Stage::parse(&note.stage)
        .ok_or_else(|| Error::new(Kind::Corrupt, "a parked row has an unknown stage"))?;
    Ok(Parked {
        key: ParkKey { mapping: note.mapping, stage, key: note.key },
        table: note.table,
        image: codec::decode_standalone(&image)?,
        reason: note.reason,
        culprit: note.culprit,
        hint: note.hint,
        offset: note.offset,
        attempts: note.attempts,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(Kind::Corrupt, "the note of parked rows can't be understood").caused_by(error)
}
