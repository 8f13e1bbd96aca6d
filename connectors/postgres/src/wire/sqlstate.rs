//! What to do about each SQLSTATE, in one place.

use syncline_core::Kind;

/// The kind of an error with this code (PostgreSQL documentation, appendix A).
pub(crate) fn kind(code: &str) -> Kind {
    match code {
        // Slot or object in use by another session; lock not available: later it may be free.
        "55006" | "55P03" => Kind::Unavailable,
        // Not configured for what we ask: wal_level, number of slots, an invalidated slot.
        "55000" | "53400" => Kind::Config,
        // Cancelled by a time-out or an administrator.
        "57014" => Kind::Unavailable,
        // The segment we need was removed.
        "58P01" => Kind::Config,
        // The server found its own data damaged.
        "XX001" | "XX002" => Kind::Corrupt,
        // A statement of ours that is not SQL.
        "42601" => Kind::Internal,
        _ => class(code.get(..2).unwrap_or_default()),
    }
}

fn class(class: &str) -> Kind {
    match class {
        // Connection, resources, shutdown and crash recovery, input/output, internal errors.
        "08" | "53" | "57" | "58" | "XX" => Kind::Unavailable,
        // Serialization failures and deadlocks.
        "40" => Kind::Unavailable,
        // The row itself: bad data, constraint, view check, trigger or function that raised.
        "21" | "22" | "23" | "27" | "44" | "09" | "38" | "39" | "P0" => Kind::Rejected,
        // Authorisation, missing or forbidden objects, wrong state, limits, unsupported.
        "28" | "3D" | "3F" | "42" | "0A" | "0L" | "0P" | "25" | "54" | "55" | "F0" | "HV" => {
            Kind::Config
        }
        _ => Kind::Internal,
    }
}

/// What mends it, where the server does not say itself.
pub(crate) fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "check user and password of this system in syncline.toml",
        "28000" => "check the user, and that pg_hba.conf lets it in from this machine",
        "3D000" => "check the database name of this system in syncline.toml",
        "42501" => {
            "grant the role what it needs: SELECT on the tables, REPLICATION for capture; \
             `syncline doctor` prints the statements"
        }
        "42P01" | "42703" | "3F000" => {
            "the schema changed since it was looked at; run `syncline lock` and `syncline check`"
        }
        "42704" => "a publication, slot, type or role is missing; run `syncline doctor`",
        "55006" => "another process reads this slot; stop it, or wait until it is gone",
        "53300" => "raise max_connections or close idle sessions",
        "53400" | "55000" => "run `syncline doctor`: it prints the settings to change",
        "53100" => "free disk space on the server",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_say_what_to_do() {
        for (code, expected) in [
            ("28P01", Kind::Config),
            ("3D000", Kind::Config),
            ("42501", Kind::Config),
            ("42P01", Kind::Config),
            ("55000", Kind::Config),
            ("55006", Kind::Unavailable),
            ("08006", Kind::Unavailable),
            ("57P01", Kind::Unavailable),
            ("57P03", Kind::Unavailable),
            ("53300", Kind::Unavailable),
            ("40001", Kind::Unavailable),
            ("23505", Kind::Rejected),
            ("22003", Kind::Rejected),
            ("P0001", Kind::Rejected),
            ("XX001", Kind::Corrupt),
            ("42601", Kind::Internal),
            ("", Kind::Internal),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
