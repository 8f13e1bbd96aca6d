//! What a server sends of a table: frames of the wire, `pgoutput` inside.

use anyhow::{Result, bail, ensure};
use std::ops::Range;
use syncline_core::{Body, ChangeBatch};
use syncline_fuzz::frame;
use syncline_postgres::fuzzing::{BatchSize, COLUMNS, EVERYTHING, stream_in};

/// As a source has them unless it is told otherwise.
const BATCHES: BatchSize = BatchSize { rows: 8192, bytes: 8 << 20 };
/// Rows a transaction.
const TRANSACTION: u32 = 1000;

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

/// Rows that are changed in one round, which is an hour after the round before.
pub(super) fn frames(kind: Kind, rows: Range<u32>, round: u64) -> Vec<u8> {
    let mut bytes = frame(&relation());
    let committed_at = ((round + 1) * 3_600_000_000).to_be_bytes();
    let firsts = rows.clone().step_by(TRANSACTION as usize);
    for (first, number) in firsts.zip((round << 20) + 1..) {
        // Places in a log are bytes apart.
        let commit = number << 20;
        let begin = [&b"B"[..], &commit.to_be_bytes(), &committed_at, &[0, 0, 0, 7]];
        bytes.extend(frame(&begin.concat()));
        for id in first..rows.end.min(first + TRANSACTION) {
            bytes.extend(frame(&row(kind, id, commit)));
        }
        let ends = [commit, commit + 8].map(u64::to_be_bytes).concat();
        bytes.extend(frame(&[&b"C\0"[..], &ends, &committed_at].concat()));
    }
    bytes
}

/// The batches that frames come to.
pub(super) fn batches(frames: &[u8]) -> Result<Vec<ChangeBatch>> {
    let spill = tempfile::tempdir()?;
    let (entries, error) = stream_in(frames, spill.path(), BATCHES);
    if let Some(error) = error {
        bail!(error);
    }
    let rows = entries.into_iter().filter_map(|entry| match entry.body {
        Body::Rows(batch) => Some(batch),
        Body::Truncate(_) | Body::Abandoned | Body::Nothing => None,
    });
    let rows: Vec<ChangeBatch> = rows.collect();
    ensure!(!rows.is_empty(), "frames came to no rows");
    Ok(rows)
}

fn relation() -> Vec<u8> {
    let mut message = [&b"R"[..], &EVERYTHING.to_be_bytes(), b"public\0everything\0d"].concat();
    message.extend(count());
    for (name, _, oid, modifier) in COLUMNS {
        message.push(u8::from(name == "id"));
        message.extend([name.as_bytes(), b"\0"].concat());
        message.extend([oid.to_be_bytes(), modifier.to_be_bytes()].concat());
    }
    message
}

fn row(kind: Kind, id: u32, commit: u64) -> Vec<u8> {
    let letters = match kind {
        Kind::Insert => [b'I', b'N'],
        Kind::Update => [b'U', b'N'],
        // By its key alone.
        Kind::Delete => [b'D', b'K'],
    };
    let mut message = [&letters[..1], &EVERYTHING.to_be_bytes(), &letters[1..]].concat();
    message.extend(count());
    for (name, ..) in COLUMNS {
        if kind == Kind::Delete && name != "id" {
            message.push(b'n');
            continue;
        }
        let text = value(name, id, commit);
        message.push(b't');
        message.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend(text.as_bytes());
    }
    message
}

fn count() -> [u8; 2] {
    u16::try_from(COLUMNS.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// One that is not the same in all rows, and another after the next commit.
fn value(column: &str, id: u32, commit: u64) -> String {
    let turn = (commit >> 20) + u64::from(id);
    match column {
        "id" => id.to_string(),
        "small" => (turn % 30_000).to_string(),
        "big" => format!("9007199254{}", turn % 1_000_000),
        "single" | "double" => format!("{}.5", turn % 10_000),
        "flag" => if turn % 20 == 7 { "f" } else { "t" }.to_owned(),
        "exact" => format!("{turn}.1250"),
        "widest" | "digits" => format!("{turn}.0123456789"),
        "txt" => format!("Given {turn}, of the family of {}", id % 500),
        "padded" => format!("{:<6}", turn % 100_000),
        "raw" => format!("\\x{turn:016x}"),
        "day" => format!("2026-11-{:02}", turn % 28 + 1),
        "clock" => format!("{:02}:30:00", turn % 24),
        "local" => format!("2026-11-27 {:02}:30:00.125", turn % 24),
        "instant" => format!("2026-11-27 {:02}:30:00.125+00", turn % 24),
        "who" => format!("a0eebc99-9c0b-4ef8-bb6d-{turn:012x}"),
        "doc" => format!("{{\"a\": {turn}, \"b\": [1, 2]}}"),
        _ => format!("{{{turn},{id},NULL}}"),
    }
}
