//! Where words go: results to standard output, everything else to standard error.

use crate::problem::{Failure, Problem};
use crate::render;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// How this process talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

#[derive(Serialize)]
struct Problems<'a> {
    errors: &'a [Problem],
}

impl Output {
    /// Text, or JSON where it was asked for.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a command's result. A reader that went away is no error.
    pub(crate) fn result<T: Serialize>(self, result: &T, text: impl FnOnce(&T) -> String) {
        let shown = if self.json { json_line(result) } else { text(result) };
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints a result that is worded already.
    pub(crate) fn text(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(out, "{text}{line_end}").and_then(|()| out.flush());
    }

    /// Prints a part of a result, as it is. A reader that went away is no error.
    pub(crate) fn part(self, text: impl AsRef<str>) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints what is going on, for a person who waits.
    pub(crate) fn progress(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Prints why a command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        let shown = if self.json {
            json_line(&Problems { errors: &failure.problems })
        } else {
            render::problems(&failure.problems)
        };
        let _ = std::io::stderr().lock().write_all(shown.as_bytes());
    }

    /// Whether a person watches standard error on a terminal.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }
}

fn json_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("results are JSON") + "\n"
}
