//! What each error of PostgreSQL means to us. The one place that reads SQLSTATE.
//!
//! Only the server's own words may hold row values, so for refused rows they go into the detail and
//! never into the message.

use std::error::Error as _;
use std::io;
use syncline_core::{Error, Kind};
use tokio_postgres::error::DbError;

/// Makes an error of ours from one of the connection. `failed` says what failed, without values.
pub(crate) fn error(failed: impl Into<String>, error: tokio_postgres::Error) -> Error {
    let failed = failed.into();
    let Some(db) = error.as_db_error() else { return connection_error(failed, error) };
    let code = db.code().code();
    let kind = kind(code);
    let message = match kind {
        Kind::Rejected => format!("{failed}: {}", refusal(db)),
        _ => failed,
    };
    let mut ours = Error::new(kind, message).detail(words(db));
    if let Some(constraint) = db.constraint() {
        ours = ours.constraint(constraint);
    }
    if code == FOREIGN_KEY_VIOLATION || code == RESTRICT_VIOLATION {
        ours = ours.of_reference();
    }
    if let Some(hint) = hint(code).or(db.hint()) {
        ours = ours.hint(hint);
    }
    ours.caused_by(error)
}

/// A value that must be unique is taken.
pub(crate) const UNIQUE_VIOLATION: &str = "23505";
/// A value is not of its column's type: the column has another than when it was looked at.
pub(crate) const DATATYPE_MISMATCH: &str = "42804";
/// A row refers to none, or is still referred to.
const FOREIGN_KEY_VIOLATION: &str = "23503";
/// A row is still referred to, by a key that does not wait for the statement's end.
const RESTRICT_VIOLATION: &str = "23001";
/// What our own statements fail with on purpose, to keep a transaction from committing.
pub(crate) const DIVISION_BY_ZERO: &str = "22012";
/// Another holds the lock, and held it for as long as we would wait.
pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";
/// A limit that a setting of the server sets.
pub(crate) const CONFIGURATION_LIMIT: &str = "53400";
/// The role may not do that.
pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What an error of the connection means.
pub(crate) fn kind_of(error: &tokio_postgres::Error) -> Kind {
    error.code().map_or(Kind::Unavailable, |state| kind(state.code()))
}

/// The SQLSTATE that an error of ours stands on.
pub(crate) fn code(error: &Error) -> Option<&str> {
    error.source()?.downcast_ref::<tokio_postgres::Error>()?.code().map(|state| state.code())
}

/// The rule, by code and then by class.
fn kind(code: &str) -> Kind {
    match code {
        // Our knowledge of the table is out of date: a new session reads it again.
        "22P03" | "22P04" | "26000" => return Kind::Unavailable,
        // Read-only: a standby, or one that was demoted. It may be promoted.
        "25006" | "25P03" | "25P04" => return Kind::Unavailable,
        "55006" | "55P03" => return Kind::Unavailable,
        "57P04" => return Kind::Config,
        DATATYPE_MISMATCH => return Kind::Rejected,
        "42601" => return Kind::Internal,
        "XX001" | "XX002" => return Kind::Corrupt,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // Connection, rollback by the server, resources, operator, system, configuration file,
        // snapshot too old, internal error.
        "08" | "40" | "53" | "57" | "58" | "F0" | "72" | "XX" | "HV" => Kind::Unavailable,
        // Authorisation, catalog or schema name, syntax or access rule, prerequisite state.
        "0L" | "0P" | "28" | "2B" | "3D" | "3F" | "42" | "55" => Kind::Config,
        // Statement out of order, transaction state, savepoint, cursor: our own mistakes.
        "03" | "24" | "25" | "2D" | "34" | "3B" => Kind::Internal,
        // Data, constraints, unsupported, cardinality, limits, check option, triggers and functions,
        // and whatever code a trigger makes up.
        _ => Kind::Rejected,
    }
}

/// Why a row was refused, without its values.
fn refusal(db: &DbError) -> String {
    let constraint = db.constraint().unwrap_or("without a name");
    match db.code().code() {
        "23505" => format!("unique constraint {constraint} is violated"),
        FOREIGN_KEY_VIOLATION | RESTRICT_VIOLATION => {
            format!("foreign key {constraint} is violated")
        }
        "23514" => format!("check constraint {constraint} is violated"),
        "23P01" => format!("exclusion constraint {constraint} is violated"),
        "23502" => format!("column {} may not be null", db.column().unwrap_or("?")),
        "22001" => "a text is too long for its column".into(),
        "22003" => "a number is out of range".into(),
        "22007" | "22008" => "a date or time is not valid or out of range".into(),
        "22021" => "a text can't be stored in the database's encoding".into(),
        "22P02" => "a text is not a value of its column's type".into(),
        "44000" => "the view's check option is violated".into(),
        "54000" => "a limit of the server is exceeded".into(),
        "P0001" => "a trigger or function refuses it".into(),
        code => format!("PostgreSQL refuses it with SQLSTATE {code}"),
    }
}

/// What mends it, where the code alone tells.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "25006" => "the server takes no writes: it is a standby, or was demoted; it is tried again",
        "28P01" | "28000" => "check user, password and pg_hba.conf",
        "3D000" => "create the database, or correct its name in the project",
        "42P01" => "create the table, or correct its name in the mapping",
        "42703" => "add the column, or take it out of the mapping",
        "42501" => "grant the role what it needs",
        "53100" => "the server's disk is full",
        "53300" => "raise max_connections, or close other connections",
        "57014" => "it took longer than statement_timeout",
        "22P03" | "22P04" => "the table's columns changed; they are read again",
        _ => return None,
    })
}

/// The server's own words.
fn words(db: &DbError) -> String {
    let mut words = db.message().to_owned();
    for more in [db.detail(), db.where_()].into_iter().flatten() {
        words.push_str("; ");
        words.push_str(more);
    }
    words.push_str(&format!(" (SQLSTATE {})", db.code().code()));
    words
}

/// An error that the server did not send.
fn connection_error(failed: String, error: tokio_postgres::Error) -> Error {
    let mut source = error.source();
    let mut causes = vec![error.to_string()];
    let mut kind = if error.is_closed() { Kind::Unavailable } else { Kind::Internal };
    while let Some(cause) = source {
        causes.push(cause.to_string());
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            let refused = io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            kind = if refused { Kind::Config } else { Kind::Unavailable };
        }
        source = cause.source();
    }
    let text = causes.first().map(String::as_str).unwrap_or_default();
    // The library keeps these kinds to itself, so their texts tell.
    if kind == Kind::Internal
        && (text.contains("TLS")
            || text.contains("authentication")
            || text.contains("configuration"))
    {
        kind = Kind::Config;
    }
    causes.dedup();
    Error::new(kind, failed).detail(causes.join(": ")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::kind;
    use syncline_core::Kind;

    #[test]
    fn every_code_we_promise_about_has_its_kind() {
        let expected = [
            (
                "23505 23503 23502 23514 23P01 22001 22003 22P02 21000 0A000 42804 P0001",
                Kind::Rejected,
            ),
            ("40001 40P01 53100 53300 57014 57P01 57P03 08006 25006 55P03", Kind::Unavailable),
            ("42501 42P01 42703 3D000 28P01 28000 42P10 57P04", Kind::Config),
            ("25P02 42601 3B001", Kind::Internal),
            ("XX001", Kind::Corrupt),
            ("U0001", Kind::Rejected),
        ];
        for (codes, expected) in expected {
            for code in codes.split(' ') {
                assert_eq!(kind(code), expected, "{code}");
            }
        }
    }
}
