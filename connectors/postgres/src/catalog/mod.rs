//! What a PostgreSQL database says of its tables, and small looks into them.

mod look;
mod partitions;
mod read;

pub(crate) use look::{append_line, captured_columns, column_list, on_connection, qualified};
pub use look::{count, current_commit, inspect, sample};
pub(crate) use partitions::{FINGERPRINT_SQL, fingerprint, identity_mends};
pub(crate) use read::{Relation, RelationColumn, base_types, read_tables};
