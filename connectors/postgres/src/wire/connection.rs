//! One connection: opening it, sending, and receiving message by message.

use super::auth;
use super::input::{Frame, Input};
use super::server_error::ServerError;
use super::socket::Socket;
use crate::settings::Settings;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::io::{self, Write};
use std::time::Duration;
use syncline_core::{Error, Kind, Result};

/// Oldest server that is supported: protocol 2 of pgoutput and range scans by row place.
pub(crate) const VERSION_MIN: u32 = 140_000;

/// What a connection is for; decides its buffer and whether it may replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Small questions.
    Query,
    /// Copying tables.
    Copy,
    /// Creating slots and reading the stream.
    Replication,
}

impl Purpose {
    fn buffer_bytes(self) -> usize {
        match self {
            Self::Query => 32 << 10,
            Self::Copy => 256 << 10,
            Self::Replication => 1 << 20,
        }
    }
}

/// A session with a server.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    input: Input,
    pub(super) output: BytesMut,
    server: String,
    version: u32,
    tick: Option<Duration>,
}

impl Connection {
    /// Connects and logs in. All sessions of a source use the same output formats, so that a value
    /// has one text form.
    ///
    /// # Errors
    /// `Unavailable` when the server is away, `Config` when it does not let us in or is too old.
    pub(crate) fn open(settings: &Settings, purpose: Purpose) -> Result<Self> {
        let mut connection = Self {
            socket: Socket::connect(settings)?,
            input: Input::with_capacity(purpose.buffer_bytes()),
            output: BytesMut::new(),
            server: format!("{}:{}/{}", settings.host, settings.port, settings.database),
            version: 0,
            tick: None,
        };
        connection.set_tick(Some(settings.connect_timeout))?;
        let write_timeout = connection.socket.set_write_timeout(Some(settings.connect_timeout));
        write_timeout.map_err(|error| connection.broken(&error))?;
        frontend::startup_message(parameters(settings, purpose), &mut connection.output).map_err(
            |error| {
                Error::new(Kind::Config, "a connection setting has a NUL byte").caused_by(error)
            },
        )?;
        connection.send()?;
        auth::log_in(&mut connection, settings)?;
        connection.await_ready()?;
        connection.set_tick(None)?;
        Ok(connection)
    }

    /// The server's version as a number, such as 150004.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Host, port and database, for messages.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// How long [`Connection::frame_or_tick`] waits; `None` for ever.
    pub(crate) fn set_tick(&mut self, tick: Option<Duration>) -> Result<()> {
        if self.tick != tick {
            self.socket.set_read_timeout(tick).map_err(|error| self.broken(&error))?;
            self.tick = tick;
        }
        Ok(())
    }

    /// Has rows that we don't read yet wait at the server, where that is cheaper for both; false where it is not
    /// done.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke.
    pub(crate) fn gather_at_server(&self) -> Result<bool> {
        self.socket.gather_at_peer().map_err(|error| self.broken(&error))
    }

    /// Sends what was put into `output`.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke.
    pub(super) fn send(&mut self) -> Result<()> {
        let sent = self.socket.write_all(&self.output).and_then(|()| self.socket.flush());
        self.output.clear();
        sent.map_err(|error| self.broken(&error))
    }

    /// The next message that was already read; does not wait.
    pub(crate) fn buffered_frame(&mut self) -> Result<Option<Frame<'_>>> {
        match self.input.take() {
            Ok(frame) => Ok(frame),
            Err(error) => Err(broken(&self.server, &error)),
        }
    }

    /// Reads once; `None` when nothing came within the tick.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke or was closed.
    pub(crate) fn fill(&mut self) -> Result<Option<usize>> {
        loop {
            match self.input.fill(&mut self.socket) {
                Ok(0) => return Err(broken(&self.server, &io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => return Ok(Some(read)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                    _ => return Err(broken(&self.server, &error)),
                },
            }
        }
    }

    /// Reads until a whole message is there and tells its tag; `None` when none came within the
    /// tick.
    pub(super) fn next_tag(&mut self) -> Result<Option<u8>> {
        loop {
            if let Some(tag) = self.input.next_tag().map_err(|error| self.broken(&error))? {
                return Ok(Some(tag));
            }
            if self.fill()?.is_none() {
                return Ok(None);
            }
        }
    }

    /// The next message; `None` when none came within the tick.
    pub(crate) fn frame_or_tick(&mut self) -> Result<Option<Frame<'_>>> {
        match self.next_tag()? {
            Some(_) => self.buffered_frame(),
            None => Ok(None),
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// `Unavailable` when none came within the tick, where one is set.
    pub(crate) fn frame(&mut self) -> Result<Frame<'_>> {
        if self.next_tag()?.is_none() {
            return Err(Error::new(Kind::Unavailable, format!("{} is silent", self.server))
                .detail("no answer within connect_timeout"));
        }
        let server = &self.server;
        match self.input.take() {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(unexpected(server, "a torn message")),
            Err(error) => Err(broken(server, &error)),
        }
    }

    /// Reads up to the server's sign that it is ready.
    fn await_ready(&mut self) -> Result<()> {
        loop {
            let server = self.server.clone();
            let frame = self.frame()?;
            match frame.tag {
                b'Z' => break,
                b'E' => return Err(ServerError::parse(frame.body).into_error(&server)),
                b'S' => {
                    if let Some(version) = server_version(frame.body) {
                        self.version = version;
                    }
                }
                _ => {}
            }
        }
        if self.version < VERSION_MIN {
            return Err(Error::new(Kind::Config, format!("{} is too old", self.server))
                .detail(format!("server version {}, need 14 or newer", self.version))
                .hint("upgrade the server"));
        }
        Ok(())
    }

    /// An error for a message that has no place here.
    pub(super) fn unexpected(&self, what: &str) -> Error {
        unexpected(&self.server, what)
    }

    fn broken(&self, error: &io::Error) -> Error {
        broken(&self.server, error)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.output.clear();
        frontend::terminate(&mut self.output);
        // A peer that is gone already needs no farewell.
        let _ = self.send();
    }
}

fn unexpected(server: &str, what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("{server}: unexpected answer")).detail(what.to_owned())
}

fn broken(server: &str, error: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("{server}: the connection broke"))
        .detail(error.to_string())
}

/// The number in a `server_version` parameter, `15.4 (Debian …)` → 150004.
fn server_version(body: &[u8]) -> Option<u32> {
    let mut parts = body.split(|&byte| byte == 0);
    if parts.next()? != b"server_version" {
        return None;
    }
    let text = std::str::from_utf8(parts.next()?).ok()?;
    let digits = |text: &str| -> u32 {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let (major, rest) = text.split_once('.').unwrap_or((text, "0"));
    Some(digits(major) * 10_000 + digits(rest))
}

fn parameters(settings: &Settings, purpose: Purpose) -> Vec<(&str, &str)> {
    let mut parameters = vec![
        ("user", settings.user.as_str()),
        ("database", settings.database.as_str()),
        ("application_name", "syncline"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        // Names in type and regclass texts are then always qualified.
        ("search_path", ""),
        // A row that a policy hides must be an error, not a row that is missing.
        ("row_security", "off"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
    ];
    if purpose == Purpose::Replication {
        parameters.extend([
            ("replication", "database"),
            // We may be silent while the log takes a large transaction; a peer that vanished is
            // found by the probes instead.
            ("wal_sender_timeout", "300s"),
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::server_version;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(server_version(b"server_version\x0015.18 (Debian 15.18-1)\0"), Some(150_018));
        assert_eq!(server_version(b"server_version\x0017beta1\0"), Some(170_000));
        assert_eq!(server_version(b"TimeZone\0UTC\0"), None);
    }
}
