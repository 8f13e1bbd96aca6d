//! How writes of ours are told from others' when they come back through the stream.
//!
//! A session of the sink that may do so has a replication origin, which every tool knows. Where the role may
//! not have one, each transaction begins with a logical message, which any role may write. Both carry
//! the name of the reader that is written for.

use syncline_core::ReaderName;

/// What messages of ours that mark a transaction begin with.
pub(crate) const PREFIX: &str = "syncline.write";

/// The name in a mark. Origins belong to the whole server, so it names the database too.
pub(crate) fn name(reader: &ReaderName, database: &str) -> String {
    format!("syncline_{reader}@{database}")
}

/// The statement that marks the transaction it runs in.
pub(crate) fn statement(name: &str) -> String {
    let name = name.replace('\'', "''");
    format!(
        "SELECT pg_catalog.pg_logical_emit_message(true, '{PREFIX}', E'{}')",
        name.replace('\\', "\\\\")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_in_the_statement() {
        assert_eq!(
            statement("a'b\\c"),
            "SELECT pg_catalog.pg_logical_emit_message(true, 'syncline.write', E'a''b\\\\c')"
        );
    }
}
