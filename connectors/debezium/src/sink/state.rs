//! What is kept of a reader at the brokers: how far it is, and the rows that were set aside.
//!
//! ```text
//! key    p                 the progress, as JSON
//!        r<row's key>      a row set aside; without a value it was taken back
//!        i<n><row's key>   a piece of its image (n: u32, the highest byte first), where it is too long for one record
//! value  of a row: length of the head (u32, the lowest byte first), the head as JSON, the image with its schema, or
//!        nothing where it is in pieces
//! ```
//! What is asked of a row has the row's key, and counts where it comes behind the row.

use super::settings::{SinkSettings, section, state_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syncline_core::codec::{decode_standalone, encode_standalone};
use syncline_core::{
    Error, Kind, LogId, Offset, ParkKey, Parked, Progress, ReaderName, Result, Stage, SystemName,
    Topic,
};
use syncline_log::{KafkaFeeds, KafkaTold};

/// The key of the progress.
pub(super) const PROGRESS: &[u8] = b"p";

/// What the key of a row begins with.
const ROW: u8 = b'r';

/// What the key of a piece begins with.
const PIECE: u8 = b'i';

const VERSION: u32 = 1;

/// How far a reader is, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    log: LogId,
    topic: Topic,
    next: Offset,
    committed_at: i64,
}

/// What a row is known by, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Key {
    mapping: String,
    stage: String,
    key: String,
}

/// What is kept of a row beside its image.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// Counts up with each row that is set aside first.
    number: u64,
    /// In how many pieces the image is; 0 where it is with the head.
    pieces: u32,
    table: String,
    reason: String,
    culprit: Option<String>,
    hint: Option<String>,
    offset: Offset,
    attempts: u32,
}

/// What is known of a row without its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Rows that were set aside earlier have a lower one.
    pub(super) number: u64,
    pub(super) attempts: u32,
    pub(super) pieces: u32,
}

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) record: Vec<u8>,
    /// Of the image, where it is not in the record.
    pub(super) pieces: Vec<Vec<u8>>,
}

/// What a person asks for of a row that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To try it again at once.
    Replay,
    /// To forget it.
    Drop,
}

impl Asked {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Replay => b"replay",
            Self::Drop => b"drop",
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        [Self::Replay, Self::Drop].into_iter().find(|it| it.as_bytes() == bytes)
    }
}

/// What the brokers have of a reader.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) progress: Option<Progress>,
    pub(super) marks: BTreeMap<ParkKey, Mark>,
    /// What was asked of a row after it was set aside.
    pub(super) asked: BTreeMap<ParkKey, Asked>,
    /// Up to where that was read.
    until: u64,
}

impl State {
    /// Reads on.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Corrupt` for what is none of ours.
    pub(super) fn read_on(&mut self, feeds: &KafkaFeeds) -> Result<()> {
        let from = self.until;
        self.until = feeds.read(from, |told| self.hear(told))?;
        Ok(())
    }

    fn hear(&mut self, told: KafkaTold<'_>) -> Result<()> {
        match told {
            KafkaTold::Put(PROGRESS, value) => {
                self.progress = value.map(progress_from).transpose()?;
            }
            KafkaTold::Put([PIECE, ..], _) => {}
            KafkaTold::Put(key, value) => {
                let key = key_from(key)?;
                self.asked.remove(&key);
                match value {
                    Some(value) => {
                        let head = split(value)?.0;
                        let Head { number, attempts, pieces, .. } = head;
                        self.marks.insert(key, Mark { number, attempts, pieces });
                    }
                    None => drop(self.marks.remove(&key)),
                }
            }
            KafkaTold::Asked(key, what) => {
                let (key, asked) = (key_from(key)?, Asked::parse(what));
                self.asked
                    .extend(asked.filter(|_| self.marks.contains_key(&key)).map(|it| (key, it)));
            }
        }
        Ok(())
    }

    /// The number that the next row gets.
    pub(super) fn next_number(&self) -> u64 {
        self.marks.values().map(|mark| mark.number + 1).max().unwrap_or_default()
    }
}

/// Rows as they are kept, by what they are known by.
pub(super) type Rows = BTreeMap<ParkKey, Row>;

/// The rows that were set aside and committed, and that nobody asked to forget since.
///
/// # Errors
/// `Unavailable` where the brokers are away, `Corrupt` for what is none of ours.
pub(super) fn load_rows(feeds: &KafkaFeeds) -> Result<Rows> {
    let (mut rows, mut pieces) = (BTreeMap::new(), BTreeMap::new());
    feeds.read(0, |told| {
        match told {
            KafkaTold::Put(PROGRESS, _) => {}
            KafkaTold::Put(key @ [PIECE, ..], Some(value)) => {
                pieces.insert(key.to_vec(), value.to_vec());
            }
            KafkaTold::Put([PIECE, ..], None) => {}
            KafkaTold::Put(key, Some(value)) => drop(rows.insert(key_from(key)?, value.to_vec())),
            KafkaTold::Put(key, None) => drop(rows.remove(&key_from(key)?)),
            KafkaTold::Asked(key, what) if Asked::parse(what) == Some(Asked::Drop) => {
                rows.remove(&key_from(key)?);
            }
            KafkaTold::Asked(..) => {}
        }
        Ok(())
    })?;
    // Only now: compaction may have taken the pieces of a row that was replaced, and not yet its record.
    let whole = |(key, record): (ParkKey, Vec<u8>)| {
        let count = split(&record)?.0.pieces;
        let found = (0..count).map(|piece| pieces.remove(&piece_key(piece, &key)));
        let pieces = found.collect::<Option<Vec<_>>>().ok_or_else(|| unknown("row in pieces"))?;
        Ok((key, Row { record, pieces }))
    };
    rows.into_iter().map(whole).collect()
}

/// Rows as they are kept, as they were, oldest first.
pub(super) fn in_order(rows: Rows) -> Result<Vec<Parked>> {
    let mut read = rows
        .into_iter()
        .map(|(key, value)| row_from(key, &value))
        .collect::<Result<Vec<(u64, Parked)>>>()?;
    read.sort_by_key(|(number, _)| *number);
    Ok(read.into_iter().map(|(_, row)| row).collect())
}

/// The rows that a reader has set aside at the topics of a system, oldest first. Blocks.
///
/// # Errors
/// `Unavailable` where the brokers are away, `Config` where they refuse us.
pub fn parked_rows(
    system: &SystemName,
    settings: &SinkSettings,
    reader: &ReaderName,
) -> Result<Vec<Parked>> {
    let feeds = feeds_of(system, settings, reader)?;
    if !feeds.is_there()? {
        return Ok(Vec::new());
    }
    in_order(load_rows(&feeds)?)
}

/// Asks whoever writes for a reader for something of rows that it set aside. It hears of it when it looks at them
/// next. Blocks.
///
/// # Errors
/// The same.
pub fn ask_parked(
    system: &SystemName,
    settings: &SinkSettings,
    reader: &ReaderName,
    rows: &[ParkKey],
    asked: Asked,
) -> Result<()> {
    let feeds = feeds_of(system, settings, reader)?;
    rows.iter().try_for_each(|row| feeds.ask(&key_to(row), asked.as_bytes()))
}

/// What a reader writes, and its state.
pub(super) fn feeds_of(
    system: &SystemName,
    settings: &SinkSettings,
    reader: &ReaderName,
) -> Result<KafkaFeeds> {
    KafkaFeeds::new(settings.kafka.clone(), &section(system), &state_of(reader))
}

pub(super) fn progress_to(progress: &Progress) -> Vec<u8> {
    let Progress { log, topic, next, committed_at } = progress.clone();
    let kept = Kept { version: VERSION, log, topic, next, committed_at };
    serde_json::to_vec(&kept).expect("progress has text keys only")
}

fn progress_from(bytes: &[u8]) -> Result<Progress> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(corrupt)?;
    known(kept.version)?;
    let Kept { log, topic, next, committed_at, .. } = kept;
    Ok(Progress { log, topic, next, committed_at })
}

pub(super) fn key_to(key: &ParkKey) -> Vec<u8> {
    let ParkKey { mapping, stage, key } = key.clone();
    let key = Key { mapping, stage: stage.as_str().to_owned(), key };
    let mut bytes = vec![ROW];
    bytes.extend(serde_json::to_vec(&key).expect("a key has text keys only"));
    bytes
}

fn key_from(bytes: &[u8]) -> Result<ParkKey> {
    let Some((&ROW, bytes)) = bytes.split_first() else { return Err(unknown("key")) };
    let Key { mapping, stage, key } = serde_json::from_slice(bytes).map_err(corrupt)?;
    let stage = Stage::parse(&stage).ok_or_else(|| unknown("stage"))?;
    Ok(ParkKey { mapping, stage, key })
}

/// The key of a piece of a row's image.
pub(super) fn piece_key(piece: u32, key: &ParkKey) -> Vec<u8> {
    [&[PIECE][..], &piece.to_be_bytes(), &key_to(key)].concat()
}

/// A row as it is kept in records of at most so many bytes.
pub(super) fn row_to(row: &Parked, number: u64, bytes_max: usize) -> Result<Row> {
    let image = encode_standalone(&row.image)?;
    let pieces: Vec<Vec<u8>> = match image.len() > bytes_max / 2 {
        true => image.chunks(bytes_max.max(2) / 2).map(<[u8]>::to_vec).collect(),
        false => Vec::new(),
    };
    let head = Head {
        version: VERSION,
        number,
        pieces: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
        table: row.table.clone(),
        reason: row.reason.clone(),
        culprit: row.culprit.clone(),
        hint: row.hint.clone(),
        offset: row.offset,
        attempts: row.attempts,
    };
    let head = serde_json::to_vec(&head).expect("a head has text keys only");
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let image = if pieces.is_empty() { image } else { Vec::new() };
    Ok(Row { record: [&length.to_le_bytes()[..], &head, &image].concat(), pieces })
}

fn row_from(key: ParkKey, row: &Row) -> Result<(u64, Parked)> {
    let (head, image) = split(&row.record)?;
    let Head { number, table, reason, culprit, hint, offset, attempts, .. } = head;
    let image = match row.pieces.is_empty() {
        true => decode_standalone(image)?,
        false => decode_standalone(&row.pieces.concat())?,
    };
    Ok((number, Parked { key, table, image, reason, culprit, hint, offset, attempts }))
}

/// The head of a row, and its image.
fn split(bytes: &[u8]) -> Result<(Head, &[u8])> {
    let cut = || unknown("row");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
    let (head, image) = rest.split_at_checked(length).ok_or_else(cut)?;
    let head: Head = serde_json::from_slice(head).map_err(corrupt)?;
    known(head.version)?;
    Ok((head, image))
}

fn known(version: u32) -> Result<()> {
    if version == VERSION {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, "the state of a reader is of another version")
        .detail(format!("version {version}, this program writes {VERSION}"))
        .hint("run the version of syncline that wrote it, or a newer one"))
}

fn corrupt(error: serde_json::Error) -> Error {
    Error::new(Kind::Corrupt, "the state of a reader can't be read").caused_by(error)
}

fn unknown(what: &str) -> Error {
    Error::new(Kind::Corrupt, "the state of a reader can't be read")
        .detail(format!("a {what} is none of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::conformance::{same_batch, sample_batch, sample_schema};

    #[test]
    fn what_is_kept_comes_back_and_what_is_cut_is_refused() {
        let progress = Progress {
            log: LogId(u64::MAX),
            topic: Topic::entity("person"),
            next: Offset(7),
            committed_at: -1,
        };
        let bytes = progress_to(&progress);
        assert_eq!(progress_from(&bytes).unwrap(), progress);
        let newer = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
        assert_eq!(progress_from(newer.as_bytes()).unwrap_err().kind(), Kind::Corrupt);

        let key = ParkKey { mapping: "m.sql".into(), stage: Stage::Write, key: "[\"é\"]".into() };
        assert_eq!(key_from(&key_to(&key)).unwrap(), key);
        let row = Parked {
            key: key.clone(),
            table: "a.b.c".into(),
            image: sample_batch(&sample_schema(1), 5, 9),
            reason: "why".into(),
            culprit: Some("check".into()),
            hint: None,
            offset: Offset(3),
            attempts: 2,
        };
        for (bytes_max, pieces) in [(1 << 20, 0), (1000, 3)] {
            let kept = row_to(&row, 11, bytes_max).unwrap();
            assert!(kept.pieces.len() >= pieces && (pieces > 0 || kept.pieces.is_empty()));
            assert!(kept.pieces.iter().all(|piece| piece.len() <= bytes_max));
            let (number, back) = row_from(key.clone(), &kept).unwrap();
            assert_eq!((number, back.attempts, &back.culprit), (11, 2, &row.culprit));
            assert!(same_batch(&back.image, &row.image));
        }
        let Row { record, .. } = row_to(&row, 11, 1 << 20).unwrap();
        for cut in [0, 3, 10, record.len() - 1] {
            let cut = Row { record: record.get(..cut).unwrap().to_vec(), pieces: Vec::new() };
            assert!(row_from(key.clone(), &cut).is_err(), "{cut:?}");
        }
    }
}
