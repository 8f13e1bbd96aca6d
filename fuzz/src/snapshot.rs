//! Lines of a text copy, as a first copy reads them.

use crate::same;
use syncline_core::{Body, Entry, Kind};
use syncline_postgres::fuzzing::{copy, snapshot};

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
    let again = snapshot(&text).expect("what was written is lines");
    assert_eq!(again.len(), rows.len(), "{}", String::from_utf8_lossy(&text));
    same::columns(&rows, &again);
}
