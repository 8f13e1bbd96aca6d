//! The tables: there, allowed, and with what capturing or writing needs.

use super::visit::Visit;
use crate::catalog::{Relation, identity_mends, qualified, read_tables};
use crate::wire::{Row, identifier};
use std::collections::HashMap;
use syncline_core::{Identity, Result, Severity, TableName};

/// What the role may do with a table, and what else matters of it.
struct Access {
    privileges: [bool; 4],
    owner: bool,
    hidden_rows: bool,
    unlogged: bool,
    role: String,
}

/// A table that is there.
struct Found {
    name: TableName,
    relation: Relation,
    access: Access,
}

const PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

impl Visit<'_> {
    /// Tables that are read.
    pub(super) fn reads(&mut self, reads: &[TableName]) -> Result<()> {
        let published = crate::publication::published(self.connection, self.system, self.settings)?;
        for Found { name, relation, access } in self.find(reads)? {
            let table = qualified(&name, self.system)?;
            let before = self.problems();
            self.may(&name, &table, &access, &["SELECT"]);
            self.identity(&name, &table, &relation);
            if access.hidden_rows {
                self.ill(
                    Severity::Error,
                    format!("{name} has row-level security that hides rows from the role"),
                    "a copy would not be whole",
                    format!("ALTER ROLE {} BYPASSRLS", access.role),
                );
            }
            if access.unlogged {
                self.ill(
                    Severity::Error,
                    format!("{name} is unlogged: its changes are not in the WAL"),
                    "an unlogged table can't be published",
                    format!("ALTER TABLE {table} SET LOGGED"),
                );
            }
            if !access.owner && !published.contains_key(&name) {
                let publication = identifier(&self.settings.publication);
                self.ill(
                    Severity::Error,
                    format!("{name} is not published, and only its owner can publish it"),
                    format!("role {} does not own it", access.role),
                    format!(
                        "run as its owner: ALTER PUBLICATION {publication} ADD TABLE ONLY {table}"
                    ),
                );
            }
            if self.problems() == before {
                self.well(format!("{name} can be captured"));
            }
        }
        Ok(())
    }

    /// Tables that are written.
    pub(super) fn writes(&mut self, writes: &[TableName]) -> Result<()> {
        self.bookkeeping()?;
        for Found { name, relation, access } in self.find(writes)? {
            let table = qualified(&name, self.system)?;
            let before = self.problems();
            self.may(&name, &table, &access, &PRIVILEGES);
            if relation.table.schema.key().is_empty() && relation.table.unique.is_empty() {
                self.ill(
                    Severity::Error,
                    format!("{name} has no key: rows can't be found again to update or delete"),
                    "neither a primary key nor a unique constraint",
                    format!("ALTER TABLE {table} ADD PRIMARY KEY (…)"),
                );
            }
            if self.problems() == before {
                self.well(format!("{name} can be written"));
            }
        }
        Ok(())
    }

    /// Where progress is kept beside the rows.
    fn bookkeeping(&mut self) -> Result<()> {
        let row = self.connection.query_one(
            "SELECT has_database_privilege(current_database(), 'CREATE'), current_database(), \
             current_user",
        )?;
        let (database, role) = (identifier(row.text(1)), identifier(row.text(2)));
        match row.is_true(0) {
            true => self.well("progress can be kept beside the rows"),
            false => self.ill(
                Severity::Error,
                "the role may not make the schema in which progress is kept",
                format!("no CREATE on database {database}"),
                format!("GRANT CREATE ON DATABASE {database} TO {role}"),
            ),
        }
        Ok(())
    }

    fn problems(&self) -> usize {
        self.found.iter().filter(|finding| finding.severity != Severity::Ok).count()
    }

    /// Finds the tables, and notes those that are missing.
    fn find(&mut self, names: &[TableName]) -> Result<Vec<Found>> {
        let mut relations: HashMap<TableName, Relation> =
            read_tables(self.connection, self.system, Some(names))?
                .into_iter()
                .map(|relation| (relation.table.schema.name().clone(), relation))
                .collect();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let Some(relation) = relations.remove(name) else {
                self.ill(
                    Severity::Error,
                    format!("{name} does not exist"),
                    "or it is a view, a partition or a foreign table",
                    "correct the mapping, or run syncline lock to see what is there",
                );
                continue;
            };
            let access = self.access(relation.oid)?;
            found.push(Found { name: name.clone(), relation, access });
        }
        Ok(found)
    }

    fn access(&mut self, oid: u32) -> Result<Access> {
        let privileges =
            PRIVILEGES.map(|name| format!("has_table_privilege(c.oid, '{name}')")).join(", ");
        let row: Row = self.connection.query_one(&format!(
            "SELECT {privileges}, pg_has_role(c.relowner, 'USAGE'), \
             row_security_active(c.oid), c.relpersistence = 'u', current_user \
             FROM pg_class c WHERE c.oid = {oid}"
        ))?;
        Ok(Access {
            privileges: [0, 1, 2, 3].map(|at| row.is_true(at)),
            owner: row.is_true(4),
            hidden_rows: row.is_true(5),
            unlogged: row.is_true(6),
            role: identifier(row.text(7)),
        })
    }

    fn may(&mut self, name: &TableName, table: &str, access: &Access, needed: &[&str]) {
        let missing: Vec<&str> = PRIVILEGES
            .iter()
            .zip(access.privileges)
            .filter(|&(privilege, granted)| !granted && needed.contains(privilege))
            .map(|(privilege, _)| *privilege)
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            self.ill(
                Severity::Error,
                format!("the role lacks privileges on {name}"),
                missing.clone(),
                format!("GRANT {missing} ON {table} TO {}", access.role),
            );
        }
    }

    fn identity(&mut self, name: &TableName, table: &str, relation: &Relation) {
        if relation.table.identity == Identity::Nothing {
            self.ill(
                Severity::Error,
                format!("{name} has no replica identity"),
                "once it is published, its updates and deletes fail at the source",
                format!(
                    "ALTER TABLE {table} ADD PRIMARY KEY (…), or \
                     ALTER TABLE {table} REPLICA IDENTITY FULL"
                ),
            );
        } else if let Some(mends) = identity_mends(relation) {
            self.ill(
                Severity::Error,
                format!("partitions of {name} have another replica identity than {name} itself"),
                "their updates and deletes would be misread",
                mends,
            );
        }
    }
}
