//! What is wrong, where, and what mends it: the one shape of everything a person is told.
//!
//! Facts only; [`crate::render`] turns them into text. A [`Failure`] ends a command: its problems
//! are shown and its [`Exit`] is the process's exit code.

use serde::Serialize;
use std::ops::Range;
use std::process::{ExitCode, Termination};
use syncline_core::Kind;

/// How the process ends. Documented in `docs/operations.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The command did its work and found errors in what it looked at.
    Findings = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// A file, a setting or a privilege must be changed.
    Config = 3,
    /// A system, or the running Syncline, can't be reached.
    Unavailable = 4,
    /// A target refused rows.
    Rejected = 5,
    /// Stored bytes are not what they must be.
    Corrupt = 6,
    /// Another process works on this project.
    InUse = 7,
    /// A bug in Syncline.
    Internal = 70,
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Unavailable | Kind::Closed => Self::Unavailable,
            Kind::Rejected => Self::Rejected,
            Kind::Config => Self::Config,
            Kind::Corrupt => Self::Corrupt,
            Kind::Fenced => Self::InUse,
            Kind::Internal => Self::Internal,
        }
    }
}

impl Exit {
    /// From the word for an error's kind; a bug where there is no such kind.
    pub(crate) fn of_word(kind: &str) -> Self {
        const KINDS: [Kind; 7] = [
            Kind::Unavailable,
            Kind::Rejected,
            Kind::Config,
            Kind::Corrupt,
            Kind::Fenced,
            Kind::Closed,
            Kind::Internal,
        ];
        let known = KINDS.into_iter().find(|known| known.as_str() == kind);
        known.map_or(Self::Internal, Self::from)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Whether a problem stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It does.
    Error,
    /// It does not, but will hurt.
    Warning,
}

/// A place in a file of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    /// The file, as seen from the project directory.
    pub(crate) file: String,
    /// Line, from 1; 0 where no line is to blame.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// Characters to underline; 0 for none.
    pub(crate) length: usize,
    /// The text of the line, where it may be shown.
    #[serde(skip)]
    pub(crate) excerpt: Option<String>,
}

impl Place {
    /// The place of a byte range of `text`.
    pub(crate) fn of_span(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end.min(line_end).max(start)].chars().count(),
            excerpt: Some(text[line_start..line_end].trim_end().to_owned()),
        }
    }
}

/// The last character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0)
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Whether it stops the work.
    pub(crate) severity: Severity,
    /// What failed, in a line without a full stop.
    pub(crate) message: String,
    /// Where.
    #[serde(flatten)]
    pub(crate) place: Option<Box<Place>>,
    /// The facts.
    pub(crate) detail: Option<String>,
    /// What mends it.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// An error with only its message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            detail: None,
            hint: None,
        }
    }

    /// Says where it is.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Adds the facts.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what mends it, where something does.
    pub(crate) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether it stops the work.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl From<syncline_core::Error> for Problem {
    fn from(error: syncline_core::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&syncline_core::Error> for Problem {
    fn from(error: &syncline_core::Error) -> Self {
        // A detail is the facts worded for people; without one, what lies below has to do.
        let detail = error.detail_text().map(str::to_owned).or_else(|| causes(error));
        Self {
            severity: Severity::Error,
            message: error.to_string(),
            place: None,
            detail,
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// What lies below an error, outermost first.
fn causes(error: &dyn std::error::Error) -> Option<String> {
    let below = std::iter::successors(error.source(), |cause| cause.source());
    let texts: Vec<String> = below.map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What is wrong; at least one.
    pub(crate) problems: Vec<Problem>,
}

/// The result of a step of a command.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure for one reason.
    pub(crate) fn new(exit: Exit, problem: Problem) -> Self {
        Self { exit, problems: vec![problem] }
    }

    /// Several failures as one, which ends as the first; `None` where there is none.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let exit = failures.first()?.exit;
        let problems = failures.into_iter().flat_map(|failure| failure.problems).collect();
        Some(Self { exit, problems })
    }

    /// A person must change something.
    pub(crate) fn config(problems: Vec<Problem>) -> Self {
        Self { exit: Exit::Config, problems }
    }

    /// Something local could not be read or written.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::StorageFull => Exit::Unavailable,
            _ => Exit::Config,
        };
        Self::new(exit, Problem::new(what).detail(error.to_string()))
    }
}

impl From<syncline_core::Error> for Failure {
    fn from(error: syncline_core::Error) -> Self {
        Self::new(error.kind().into(), error.into())
    }
}

impl From<&syncline_core::Error> for Failure {
    fn from(error: &syncline_core::Error) -> Self {
        Self::new(error.kind().into(), error.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::config(vec![problem])
    }
}

/// The candidate that a misspelt word most likely means.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = |candidate: &str| {
        let likeness = strsim::jaro_winkler(word, candidate);
        let one_slip = strsim::damerau_levenshtein(word, candidate) <= 1;
        (likeness > 0.78 || one_slip).then_some(likeness)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| Some((near(candidate)?, candidate)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Error;

    #[test]
    fn an_errors_detail_goes_before_what_lies_below_it() {
        let below = || std::io::Error::other("db error: the whole story");
        let worded = Error::new(Kind::Config, "can't write").detail("no such function");
        assert_eq!(
            Problem::from(worded.caused_by(below())).detail.as_deref(),
            Some("no such function")
        );
        let bare = Error::new(Kind::Config, "can't write").caused_by(below());
        assert_eq!(Problem::from(bare).detail.as_deref(), Some("db error: the whole story"));
        assert_eq!(Problem::from(Error::new(Kind::Config, "can't write")).detail, None);
    }

    #[test]
    fn the_exit_code_of_an_error_is_that_of_its_kinds_word() {
        for kind in [Kind::Unavailable, Kind::Config, Kind::Corrupt, Kind::Fenced] {
            assert_eq!(Exit::of_word(kind.as_str()), Exit::from(kind));
        }
        assert_eq!(Exit::of_word("unheard of"), Exit::Internal);
    }

    #[test]
    fn the_nearest_word_is_meant_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("evn", ["env", "file"]).as_deref(), Some("did you mean \"env\"?"));
        assert_eq!(
            did_you_mean("emial", ["id", "email"]).as_deref(),
            Some("did you mean \"email\"?")
        );
        assert_eq!(did_you_mean("zzz", ["env", "file"]), None);
    }
}
