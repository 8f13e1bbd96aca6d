//! The files of a project, told apart by their first byte.

use crate::tables;
use syncline::fuzzing::{entity, lock, settings};
use syncline_mappings::cases::run_case;

/// Whatever a person wrote, it is read, or what is wrong is told.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    match kind {
        b's' => told(settings(&text)),
        b'e' => told(entity(&text)),
        b'l' => match lock(&text) {
            Ok(written) => assert_eq!(lock(&written).as_ref(), Ok(&written)),
            Err(wrong) => told(Some(wrong)),
        },
        b'c' => {
            let result = run_case(&text, tables::mappings(), tables::catalog());
            assert!(result.error.is_none_or(|error| !error.is_empty()), "what is wrong is told");
        }
        _ => {}
    }
}

fn told(wrong: Option<String>) {
    assert!(wrong.is_none_or(|wrong| wrong.starts_with("error: ")), "what is wrong is told");
}
