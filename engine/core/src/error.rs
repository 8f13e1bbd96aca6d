//! What can go wrong between parts, and the one rule for what to do about each kind.

use std::fmt;

/// The result of a call across a contract.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller should do about an error. Few on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The other side is away, busy or over a limit for now; the same call may succeed later.
    Unavailable,
    /// The target refuses these rows as they are (a constraint, a type, a trigger): park them.
    Rejected,
    /// A setting, a privilege or a missing object: a person must change something.
    Config,
    /// Stored or received bytes are not what they must be; going on could lose data.
    Corrupt,
    /// Another process has taken over this work.
    Fenced,
    /// The other end was shut down on purpose.
    Closed,
    /// A broken invariant of Syncline's own.
    Internal,
}

/// What the runtime does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Try again with backoff and jitter, for as long as it takes.
    Backoff,
    /// Split the batch and park the row that is refused.
    Park,
    /// Stop this loop and say why; everything else goes on.
    Stop,
}

/// Whether a failed write may have happened all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly did not happen.
    DidNotHappen,
    /// It may have happened: the connection broke between sending and the reply.
    Unknown,
}

impl Kind {
    /// The rule for this kind.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::Unavailable => Retry::Backoff,
            Self::Rejected => Retry::Park,
            Self::Config | Self::Corrupt | Self::Fenced | Self::Closed | Self::Internal => {
                Retry::Stop
            }
        }
    }

    /// The word for this kind in logs, metrics and `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Config => "config",
            Self::Corrupt => "corrupt",
            Self::Fenced => "fenced",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

/// A failure as it crosses a contract: what failed, the facts, and what mends it.
///
/// `Display` prints only the first line; `detail` and `hint` are printed under it by the command
/// line. Never holds row values in `message`, nor secrets anywhere.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: Kind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    outcome: Outcome,
    constraint: Option<String>,
    reference: bool,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// An error of this kind. The message is lowercase, without a full stop.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            outcome: Outcome::DidNotHappen,
            constraint: None,
            reference: false,
            source: None,
        }
    }

    /// Adds the facts.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what mends it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that the write may have happened all the same.
    #[must_use]
    pub fn indeterminate(mut self) -> Self {
        self.outcome = Outcome::Unknown;
        self
    }

    /// Names the constraint that refused the row.
    #[must_use]
    pub fn constraint(mut self, name: impl Into<String>) -> Self {
        self.constraint = Some(name.into());
        self
    }

    /// Says that a row refers to one that is not there, or is referred to by one that still is: what
    /// others write may mend it.
    #[must_use]
    pub fn of_reference(mut self) -> Self {
        self.reference = true;
        self
    }

    /// Keeps the error below this one.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a failed write may have happened.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The facts, for people.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What mends it, for people.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the row was refused for what it refers to, or what refers to it.
    #[must_use]
    pub fn is_of_reference(&self) -> bool {
        self.reference
    }

    /// The constraint that refused the row, where one did.
    #[must_use]
    pub fn constraint_name(&self) -> Option<&str> {
        self.constraint.as_deref()
    }
}
