//! Simple queries with text rows, and `COPY … TO STDOUT` row by row.

use super::connection::Connection;
use super::input::Frame;
use super::server_error::ServerError;
use postgres_protocol::message::frontend;
use std::str::FromStr;
use syncline_core::{Error, Kind, Result};

/// A result row in text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(Vec<Option<String>>);

impl Row {
    /// A column's text; `None` where it is NULL.
    pub(crate) fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// A column's text; empty where it is NULL.
    pub(crate) fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// A column read as a number or the like.
    ///
    /// # Errors
    /// `Corrupt` when it is NULL or not of that kind.
    pub(crate) fn parse<T: FromStr>(&self, column: usize) -> Result<T> {
        self.get(column).and_then(|text| text.parse().ok()).ok_or_else(|| {
            Error::new(Kind::Corrupt, "the server's catalog answered something unexpected")
                .detail(format!("column {} of a catalog query", column + 1))
        })
    }

    /// Whether a column is true.
    pub(crate) fn is_true(&self, column: usize) -> bool {
        self.get(column) == Some("t")
    }
}

/// What came of a running copy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CopyStep<'a> {
    /// One row, its line end included.
    Line(&'a [u8]),
    /// Nothing within the tick.
    Tick,
    /// The copy is complete.
    Done,
}

impl Connection {
    /// Runs statements and returns all their rows.
    ///
    /// # Errors
    /// As the server says; `Unavailable` when nothing comes within the tick, where one is set.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let silent = Error::new(Kind::Unavailable, format!("{} is silent", self.server()))
            .detail("no answer within connect_timeout");
        let mut silent = Some(silent);
        self.query_patiently(sql, &mut || silent.take().map_or(Ok(()), Err))
    }

    /// Runs statements that may wait for others; asks at each tick whether to go on.
    pub(crate) fn query_patiently(
        &mut self,
        sql: &str,
        on_tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<Row>> {
        self.start(sql)?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            let Some(frame) = self.frame_or_tick()? else {
                on_tick()?;
                continue;
            };
            match frame.tag {
                b'D' => match row(frame.body) {
                    Some(row) => rows.push(row),
                    None => return Err(self.unexpected("a torn row")),
                },
                b'E' => failed = Some(ServerError::parse(frame.body)),
                b'Z' => break,
                _ => {}
            }
        }
        match failed {
            Some(error) => Err(error.into_error(self.server())),
            None => Ok(rows),
        }
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// `Corrupt` when there is none.
    pub(crate) fn query_one(&mut self, sql: &str) -> Result<Row> {
        let mut rows = self.query(sql)?;
        match rows.is_empty() {
            true => Err(self.unexpected("no row")),
            false => Ok(rows.swap_remove(0)),
        }
    }

    /// Starts `COPY … TO STDOUT`; read it with [`Connection::copy_step`]. Asks at each tick whether
    /// to go on, as the table may be locked.
    pub(crate) fn start_copy(
        &mut self,
        sql: &str,
        on_tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.start(sql)?;
        self.await_tag(b'H', on_tick)
    }

    /// The next row of the copy. After `Done` or an error the session is ready for the next
    /// statement, unless the connection broke.
    pub(crate) fn copy_step(&mut self) -> Result<CopyStep<'_>> {
        loop {
            match self.next_tag()? {
                None => return Ok(CopyStep::Tick),
                Some(b'd') => {
                    return Ok(match self.buffered_frame()? {
                        Some(frame) => CopyStep::Line(frame.body),
                        None => CopyStep::Tick,
                    });
                }
                // A notice or a changed parameter may come at any time.
                Some(b'N' | b'S') => drop(self.buffered_frame()?),
                // The end, or an error, which is returned from here.
                Some(_) => {
                    self.await_tag(b'Z', &mut || Ok(()))?;
                    return Ok(CopyStep::Done);
                }
            }
        }
    }

    fn start(&mut self, sql: &str) -> Result<()> {
        frontend::query(sql, &mut self.output)
            .map_err(|error| Error::new(Kind::Config, "a name has a NUL byte").caused_by(error))?;
        self.send()
    }

    /// Reads on to a message with this tag.
    pub(super) fn await_tag(
        &mut self,
        wanted: u8,
        on_tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        loop {
            let Some(Frame { tag, body }) = self.frame_or_tick()? else {
                on_tick()?;
                continue;
            };
            if tag == b'E' {
                let error = ServerError::parse(body);
                // Order: the session is ready again before the error is told.
                while !matches!(self.frame_or_tick()?, Some(Frame { tag: b'Z', .. })) {}
                return Err(error.into_error(self.server()));
            }
            if tag == wanted {
                return Ok(());
            }
        }
    }
}

/// Reads the body of a data row.
fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => values.push(None),
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length)?;
                values.push(Some(String::from_utf8_lossy(value).into_owned()));
                rest = after;
            }
        }
    }
    Some(Row(values))
}

/// Quotes a name.
pub(crate) fn identifier(name: &str) -> String {
    postgres_protocol::escape::escape_identifier(name)
}

/// Quotes a text.
pub(crate) fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_texts_and_nulls() {
        let body = b"\0\x03\0\0\0\x012\xff\xff\xff\xff\0\0\0\0";
        let row = row(body).unwrap();
        assert_eq!((row.get(0), row.get(1), row.get(2)), (Some("2"), None, Some("")));
        assert_eq!(row.parse::<u32>(0).unwrap(), 2);
        assert!(row.parse::<u32>(1).is_err());
    }

    #[test]
    fn a_torn_row_is_none() {
        let body = b"\0\x03\0\0\0\x012\xff\xff\xff\xff\0\0\0\0";
        for length in 0..body.len() {
            assert_eq!(row(&body[..length]), None, "{length}");
        }
    }
}
