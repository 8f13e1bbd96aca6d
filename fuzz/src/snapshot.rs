//! Lines of a text copy, as a first copy reads them.

use crate::same;
use syncline_core::{Body, Entry, Kind};
use syncline_postgres::fuzzing::{COLUMNS, copy, snapshot};

/// Rows that come of it are kept by the log, and are the same once the sink wrote them.
pub(crate) fn run(data: &[u8]) {
    let rows = snapshot(data).expect("lines are a batch, or none is");
    same::survives(&Entry { body: Body::Rows(rows.clone()), boundary: None });
    let text = match copy(&rows) {
        Ok((text, _binary)) => text,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Rejected, "{error}");
            return;
        }
    };
    let text = as_shown(&text);
    let again = snapshot(&text).expect("what was written is lines");
    assert_eq!(again.len(), rows.len(), "{}", String::from_utf8_lossy(&text));
    same::columns(&rows, &again);
}

/// Lines that the sink wrote as the server shows them: what is only another spelling to it.
fn as_shown(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let fields = line.split(|byte| *byte == b'\t').zip(COLUMNS);
        let shown = fields.map(|(field, (name, ..))| match name {
            "exact" => with_point(field, b"e-4"),
            "widest" => with_point(field, b"e-10"),
            "who" => with_dashes(field),
            _ => field.to_vec(),
        });
        shown.collect::<Vec<_>>().join(&b'\t')
    });
    let mut text = lines.collect::<Vec<_>>().join(&b'\n');
    text.push(b'\n');
    text
}

/// `-12e-4` is `-0.0012`.
fn with_point(field: &[u8], exponent: &[u8]) -> Vec<u8> {
    let Some(digits) = field.strip_suffix(exponent) else { return field.to_vec() };
    let scale = if exponent == b"e-4" { 4 } else { 10 };
    let (sign, digits) = match digits.strip_prefix(b"-") {
        Some(digits) => (&b"-"[..], digits),
        None => (&b""[..], digits),
    };
    let zeros = vec![b'0'; (scale + 1_usize).saturating_sub(digits.len())];
    let digits = [&zeros, digits].concat();
    let (whole, rest) = digits.split_at(digits.len() - scale);
    [sign, whole, b".", rest].concat()
}

/// The 32 digits of a UUID in their groups.
fn with_dashes(field: &[u8]) -> Vec<u8> {
    if field.len() != 32 {
        return field.to_vec();
    }
    let groups = [&field[..8], &field[8..12], &field[12..16], &field[16..20], &field[20..]];
    groups.join(&b'-')
}
