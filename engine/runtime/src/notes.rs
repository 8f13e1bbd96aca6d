//! Rows that resolve has set aside, kept as a note beside the log.

use crate::parking::Parking;
use serde::{Deserialize, Serialize};
use syncline_core::{
    Checkpoints, Error, Kind, Offset, ParkKey, Parked, ReaderName, Result, Stage, codec,
};

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
}

pub(crate) fn name(reader: &ReaderName) -> String {
    format!("parked/{reader}")
}

/// The rows that a reader of the log has set aside.
///
/// # Errors
/// `Corrupt` when the note can't be understood.
pub(crate) fn load(checkpoints: &dyn Checkpoints, reader: &ReaderName) -> Result<Vec<Parked>> {
    let Some(bytes) = checkpoints.load(&name(reader))? else { return Ok(Vec::new()) };
    let notes: Vec<Note> = serde_json::from_slice(&bytes).map_err(unreadable)?;
    notes.into_iter().map(parked).collect()
}

/// Notes rows that were set aside, and leaves those there that were taken back.
pub(crate) fn add(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    parking: &Parking,
) -> Result<()> {
    let mut taken_back = load(checkpoints, reader)?;
    taken_back.retain(|row| parking.get(&row.key).is_none());
    write(checkpoints, reader, parking.rows().chain(&taken_back))
}

/// Replaces the note.
pub(crate) fn save(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    parking: &Parking,
) -> Result<()> {
    write(checkpoints, reader, parking.rows())
}

fn write<'a>(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    rows: impl Iterator<Item = &'a Parked>,
) -> Result<()> {
    let notes = rows.map(note).collect::<Result<Vec<_>>>()?;
    let bytes = serde_json::to_vec(&notes).map_err(unreadable)?;
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
