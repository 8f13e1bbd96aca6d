//! A statement with its values, in the text that SQLite and PostgreSQL both read.
//!
//! Invariant: text is only ever ours; whatever comes from outside goes in as a value, `$n`.

use crate::error::Result;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyConnection, AssertSqlSafe, Encode, Type};
use std::fmt::Write;

/// Values in one statement. SQLite finds a named parameter by walking all names, so that the cost
/// of a statement grows with the square of this: a third of the speed at 2000, as measured.
const VALUES_MAX: usize = 256;

/// How many rows of so many values go into one statement.
pub(crate) const fn rows_per_statement(columns: usize) -> usize {
    VALUES_MAX / columns
}

#[derive(Default)]
pub(crate) struct Statement {
    text: String,
    values: AnyArguments,
}

impl Statement {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: AnyArguments::default() }
    }

    /// Adds text of ours.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(crate) fn bind<'t, T>(&mut self, value: T) -> Result<&mut Self>
    where
        T: Encode<'t, Any> + Type<Any>,
    {
        use sqlx::Arguments;
        self.values.add(value).map_err(sqlx::Error::Encode)?;
        write!(self.text, "${}", self.values.len()).expect("a String takes all text");
        Ok(self)
    }

    /// Adds a list of rows, `($1,$2),($3,$4)`, each written by `row`.
    pub(crate) fn rows<I: IntoIterator>(
        &mut self,
        rows: I,
        mut row: impl FnMut(&mut Row<'_>, I::Item) -> Result<()>,
    ) -> Result<&mut Self> {
        for (index, item) in rows.into_iter().enumerate() {
            self.push(if index == 0 { "(" } else { ",(" });
            row(&mut Row { statement: self, empty: true }, item)?;
            self.push(")");
        }
        Ok(self)
    }

    pub(crate) async fn execute(self, connection: &mut AnyConnection) -> Result<u64> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.execute(connection).await?.rows_affected())
    }

    pub(crate) async fn fetch(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.fetch_all(connection).await?)
    }

    pub(crate) async fn fetch_first(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Option<AnyRow>> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.fetch_optional(connection).await?)
    }
}

/// One row of a list.
pub(crate) struct Row<'s> {
    statement: &'s mut Statement,
    empty: bool,
}

impl Row<'_> {
    /// Adds a value to the row.
    pub(crate) fn value<'t, T>(&mut self, value: T) -> Result<&mut Self>
    where
        T: Encode<'t, Any> + Type<Any>,
    {
        if !std::mem::take(&mut self.empty) {
            self.statement.push(",");
        }
        self.statement.bind(value)?;
        Ok(self)
    }
}
