//! What can go wrong with the store, and what to do about it.

use crate::kind::State;
use sqlx::error::DatabaseError;
use syncline_core::Kind;

/// The result of a call to the store.
pub type Result<T> = std::result::Result<T, Error>;

/// SQLite's primary result codes that say "not now": busy, locked, out of memory, interrupted,
/// input or output error, disk full. <https://www.sqlite.org/rescode.html>
const SQLITE_UNAVAILABLE: [i32; 6] = [5, 6, 7, 9, 10, 13];
/// Not a database, or not one any more.
const SQLITE_CORRUPT: [i32; 2] = [11, 26];
/// PostgreSQL's classes of SQLSTATE that say "not now": connection, transaction rolled back,
/// resources, operator intervention, system error.
/// <https://www.postgresql.org/docs/15/errcodes-appendix.html>
const POSTGRES_UNAVAILABLE: [&str; 5] = ["08", "40", "53", "57", "58"];
/// Data exceptions and violated constraints, whose messages may quote values of rows.
const POSTGRES_QUOTES_VALUES: [&str; 2] = ["22", "23"];
/// Data or index corrupted.
const POSTGRES_CORRUPT: &str = "XX";

/// What went wrong. No variant holds values of rows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away, busy or over a limit for now.
    #[error("the control store is unavailable: {reason}")]
    Unavailable {
        /// What the database says.
        reason: String,
    },
    /// What is stored, or was given, is not what it must be.
    #[error("the control store can't be read: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: String,
    },
    /// An address, a privilege or a missing object.
    #[error("the control store can't be used: {reason}")]
    Config {
        /// What the database says.
        reason: String,
    },
    /// The store was written by a newer Syncline.
    #[error(
        "the control store has version {found}, and this Syncline knows versions up to {known}"
    )]
    Newer {
        /// The store's version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// There is no such conflict.
    #[error("there is no conflict {conflict}")]
    UnknownConflict {
        /// The id that was asked for.
        conflict: i64,
    },
    /// The conflict was settled meanwhile.
    #[error("conflict {conflict} is {} already", state.as_str())]
    Settled {
        /// The conflict.
        conflict: i64,
        /// Where it stands.
        state: State,
    },
    /// A source said something else after the person looked.
    #[error("conflict {conflict} has changed since it was looked at")]
    EvidenceChanged {
        /// The conflict.
        conflict: i64,
    },
    /// Another decision has this id.
    #[error("there is another decision \"{decision}\"")]
    DecisionTaken {
        /// The id that was given.
        decision: String,
    },
}

impl Error {
    pub(crate) fn corrupt(reason: impl Into<String>) -> Self {
        Self::Corrupt { reason: reason.into() }
    }

    pub(crate) fn unknown_word(of: &str, word: &str) -> Self {
        Self::corrupt(format!("\"{word}\" is no {of}"))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Unavailable { .. } => Kind::Unavailable,
            Self::Corrupt { .. } => Kind::Corrupt,
            Self::Config { .. }
            | Self::Newer { .. }
            | Self::UnknownConflict { .. }
            | Self::Settled { .. }
            | Self::EvidenceChanged { .. }
            | Self::DecisionTaken { .. } => Kind::Config,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Newer { .. } => Some("run the Syncline that wrote it, or a newer one"),
            Self::EvidenceChanged { .. } => Some("look at it again, then decide"),
            Self::Settled { .. } => Some("undo the decision first, if it should be another"),
            Self::DecisionTaken { .. } => Some("give every decision an id of its own"),
            Self::Unavailable { .. }
            | Self::Corrupt { .. }
            | Self::Config { .. }
            | Self::UnknownConflict { .. } => None,
        }
    }
}

impl From<Error> for syncline_core::Error {
    fn from(error: Error) -> Self {
        let core = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => core.hint(hint),
            None => core,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let reason = error.to_string();
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref()),
            sqlx::Error::Configuration(_)
            | sqlx::Error::InvalidArgument(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::AnyDriverError(_) => Self::Config { reason },
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable { reason },
            // What is left are rows and columns that are not as this version wrote them. The
            // messages of decoders may quote what they read.
            _ => Self::corrupt("a row is not as this version writes it"),
        }
    }
}

/// Whether the error says that there is no such table.
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
    })
}

fn of_database(error: &dyn DatabaseError) -> Error {
    let code = error.code().unwrap_or_default();
    match code.parse::<i32>() {
        // SQLSTATE has five characters; SQLite's extended codes have at most four digits.
        Ok(number) if code.len() < 5 => of_sqlite(number & 0xff, error.message()),
        _ => of_postgres(&code, error.message()),
    }
}

fn of_sqlite(primary: i32, message: &str) -> Error {
    let reason = message.to_owned();
    if SQLITE_UNAVAILABLE.contains(&primary) {
        Error::Unavailable { reason }
    } else if SQLITE_CORRUPT.contains(&primary) {
        Error::Corrupt { reason }
    } else {
        Error::Config { reason }
    }
}

fn of_postgres(code: &str, message: &str) -> Error {
    let class = code.get(..2).unwrap_or_default();
    if POSTGRES_QUOTES_VALUES.contains(&class) {
        return Error::corrupt(format!("PostgreSQL refuses a value (SQLSTATE {code})"));
    }
    let reason = format!("{message} (SQLSTATE {code})");
    if POSTGRES_UNAVAILABLE.contains(&class) {
        Error::Unavailable { reason }
    } else if class == POSTGRES_CORRUPT {
        Error::Corrupt { reason }
    } else {
        Error::Config { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::{of_postgres, of_sqlite};
    use syncline_core::{Error, Kind};

    #[test]
    fn each_failure_says_what_to_do_about_it() {
        let kinds = [(5, Kind::Unavailable), (26, Kind::Corrupt), (14, Kind::Config)];
        for (code, kind) in kinds {
            assert_eq!(Error::from(of_sqlite(code, "message")).kind(), kind);
        }
        let kinds =
            [("57P01", Kind::Unavailable), ("XX001", Kind::Corrupt), ("28P01", Kind::Config)];
        for (code, kind) in kinds {
            assert_eq!(Error::from(of_postgres(code, "message")).kind(), kind);
        }
    }

    #[test]
    fn a_value_that_postgresql_quotes_is_not_repeated() {
        let error = of_postgres("22P02", "invalid input syntax for type bigint: \"Ana Ruiz\"");
        assert!(!error.to_string().contains("Ana"));
        assert!(!format!("{error:?}").contains("Ana"));
    }
}
