//! Logging in: SCRAM-SHA-256, md5, clear text.

use super::connection::Connection;
use super::server_error::ServerError;
use crate::settings::Settings;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use std::io;
use syncline_core::{Error, Kind, Result};

/// What the server asks for (protocol documentation, `Authentication*` messages).
enum Request {
    Done,
    ClearText,
    Md5([u8; 4]),
    Sasl(Vec<u8>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
    Other(u32),
}

/// Answers what the server asks until it is content.
///
/// # Errors
/// `Config` when a password is missing or wrong, or the method is not one of ours.
pub(super) fn log_in(connection: &mut Connection, settings: &Settings) -> Result<()> {
    loop {
        match next_request(connection)? {
            Request::Done => return Ok(()),
            Request::ClearText => {
                let password = password(settings)?;
                answer(connection, password.as_bytes())?;
            }
            Request::Md5(salt) => {
                let hash = md5_hash(settings.user.as_bytes(), password(settings)?.as_bytes(), salt);
                answer(connection, hash.as_bytes())?;
            }
            Request::Sasl(mechanisms) => return scram(connection, settings, &mechanisms),
            Request::SaslContinue(_) | Request::SaslFinal(_) => {
                return Err(connection.unexpected("SASL continues before it began"));
            }
            Request::Other(method) => return Err(unsupported(settings, &method.to_string())),
        }
    }
}

fn scram(connection: &mut Connection, settings: &Settings, mechanisms: &[u8]) -> Result<()> {
    const MECHANISM: &str = "SCRAM-SHA-256";
    if !mechanisms.split(|&byte| byte == 0).any(|name| name == MECHANISM.as_bytes()) {
        return Err(unsupported(settings, &String::from_utf8_lossy(mechanisms)));
    }
    let failed = |error: io::Error| {
        Error::new(Kind::Config, format!("can't log in to {} by SCRAM", settings.host))
            .detail(error.to_string())
            .hint("check user and password of this system in syncline.toml")
    };
    let password = password(settings)?;
    let mut exchange =
        sasl::ScramSha256::new(password.as_bytes(), sasl::ChannelBinding::unsupported());
    frontend::sasl_initial_response(MECHANISM, exchange.message(), &mut connection.output)
        .map_err(failed)?;
    connection.send()?;
    loop {
        match next_request(connection)? {
            Request::SaslContinue(message) => {
                exchange.update(&message).map_err(failed)?;
                frontend::sasl_response(exchange.message(), &mut connection.output)
                    .map_err(failed)?;
                connection.send()?;
            }
            // The server proves that it knows the password too.
            Request::SaslFinal(message) => {
                exchange.finish(&message).map_err(failed)?;
                return match next_request(connection)? {
                    Request::Done => Ok(()),
                    _ => Err(connection.unexpected("more to ask after SASL ended")),
                };
            }
            _ => return Err(connection.unexpected("another method within SASL")),
        }
    }
}

fn next_request(connection: &mut Connection) -> Result<Request> {
    let server = connection.server().to_owned();
    loop {
        let frame = connection.frame()?;
        match frame.tag {
            b'E' => return Err(ServerError::parse(frame.body).into_error(&server)),
            b'R' => {
                let Some((method, rest)) = frame.body.split_first_chunk::<4>() else {
                    return Err(connection.unexpected("a torn authentication request"));
                };
                return Ok(match (u32::from_be_bytes(*method), rest) {
                    (0, _) => Request::Done,
                    (3, _) => Request::ClearText,
                    (5, &[a, b, c, d]) => Request::Md5([a, b, c, d]),
                    (10, mechanisms) => Request::Sasl(mechanisms.to_vec()),
                    (11, message) => Request::SaslContinue(message.to_vec()),
                    (12, message) => Request::SaslFinal(message.to_vec()),
                    (other, _) => Request::Other(other),
                });
            }
            _ => {}
        }
    }
}

fn answer(connection: &mut Connection, password: &[u8]) -> Result<()> {
    frontend::password_message(password, &mut connection.output).map_err(|error| {
        Error::new(Kind::Config, "the password has a NUL byte").caused_by(error)
    })?;
    connection.send()
}

fn password(settings: &Settings) -> Result<&str> {
    settings.password.as_ref().map(syncline_core::Secret::reveal).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("{} asks for a password of {}", settings.host, settings.user),
        )
        .hint("set the password of this system, best by an environment variable")
    })
}

fn unsupported(settings: &Settings, method: &str) -> Error {
    Error::new(Kind::Config, format!("{} asks for an unknown way to log in", settings.host))
        .detail(format!("method {method}"))
        .hint("let this role in by scram-sha-256 in pg_hba.conf")
}
