//! A mapping's SQL, planned against the fixed tables and run over rows of them.

use crate::tables;
use syncline_core::Kind;
use syncline_mappings::{Options, SqlFile, check};

/// A mapping is planned, or what is wrong with it is told at a place that its text has; one that is planned
/// runs, and accounts for every row.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = SqlFile { path: "a.sql".to_owned(), text: text.clone().into_owned() };
    let checked = check(&[file], tables::catalog(), &Options::default());
    let lines = text.lines().count().max(1);
    for found in &checked.diagnostics {
        assert!(!found.message.is_empty() && found.line as usize <= lines + 1, "{found:?}");
    }
    for mapping in &checked.mappings {
        assert!(!mapping.meaning().is_empty());
        let batches = tables::batches().iter();
        for batch in batches.filter(|batch| *batch.schema().name() == mapping.reads) {
            match mapping.transform.transform(batch) {
                Ok(made) => {
                    assert_eq!(made.rows.len(), made.origins.len());
                    assert!(made.origins.iter().all(|row| (*row as usize) < batch.len()));
                    assert!(made.rejected.iter().all(|it| it.row < batch.len()));
                }
                Err(error) => assert_eq!(error.kind(), Kind::Config, "{error:?}"),
            }
        }
    }
}
