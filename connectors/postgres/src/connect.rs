//! A waiting connection: TCP or unix socket, TLS or not, with the session settings that make text
//! forms of values the same everywhere.

use crate::settings::{Settings, Tls};
use crate::sink::sqlstate;
use crate::tls;
use futures::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use syncline_core::{Error, Kind, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Socket};

/// The name under which our sessions are seen in `pg_stat_activity`.
pub(crate) const APPLICATION_NAME: &str = "syncline";

/// Session settings that values in text form rest on: the same row gives the same text on every
/// server, and reads back exactly.
pub(crate) const VALUE_OPTIONS: &str = "-c DateStyle=ISO -c TimeZone=UTC -c IntervalStyle=postgres \
    -c extra_float_digits=3 -c bytea_output=hex";

/// A server that vanished is noticed within half a minute, whether we wait for it or it for us.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
const UNANSWERED_MAX: Duration = Duration::from_secs(25);

/// Connects and drives the connection on a task of its own, which ends with the client.
///
/// `options` are session settings beside [`VALUE_OPTIONS`], as `-c name=value`.
///
/// # Errors
/// `Unavailable` when the server can't be reached or takes nobody; `Config` when it refuses the
/// role, password or database, or TLS can't be agreed on.
pub(crate) async fn connect(settings: &Settings, options: &str) -> Result<Client> {
    let tls = TlsConnector::new(settings)?;
    let config = config(settings, options, tls.is_some());
    // The time-out of the library covers each address alone, and not the handshake.
    let connected = tokio::time::timeout(
        settings.connect_timeout,
        config.connect(tls.unwrap_or(TlsConnector::OFF)),
    );
    let (client, connection) = match connected.await {
        Ok(connected) => connected.map_err(|error| unreachable(settings, error))?,
        Err(_) => {
            let waited = format!("no answer within {:?}", settings.connect_timeout);
            return Err(Error::new(Kind::Unavailable, at(settings)).detail(waited));
        }
    };
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to PostgreSQL ended");
        }
    });
    Ok(client)
}

fn at(settings: &Settings) -> String {
    let Settings { host, port, database, user, .. } = settings;
    format!("can't connect to PostgreSQL at {host}:{port}, database {database:?} as {user:?}")
}

fn unreachable(settings: &Settings, error: tokio_postgres::Error) -> Error {
    sqlstate::error(at(settings), error)
}

fn config(settings: &Settings, options: &str, tls: bool) -> Config {
    let mut config = Config::new();
    config
        .host(&settings.host)
        .port(settings.port)
        .dbname(&settings.database)
        .user(&settings.user)
        .application_name(APPLICATION_NAME)
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(UNANSWERED_MAX)
        .ssl_mode(if tls { SslMode::Require } else { SslMode::Disable });
    if let Some(password) = &settings.password {
        config.password(password.reveal());
    }
    let timeout = settings.statement_timeout.map_or(0, |limit| limit.as_millis());
    config.options(format!("{VALUE_OPTIONS} -c statement_timeout={timeout} {options}"));
    config
}

/// Puts rustls under a connection.
#[derive(Clone)]
struct TlsConnector(Option<(Arc<ClientConfig>, ServerName<'static>)>);

impl TlsConnector {
    const OFF: Self = Self(None);

    /// `None` when TLS is off, or the server is reached by a unix socket, which has none.
    fn new(settings: &Settings) -> Result<Option<Self>> {
        if settings.tls == Tls::Disable || settings.host.starts_with('/') {
            return Ok(None);
        }
        let server = tls::server_name(settings)?;
        Ok(tls::client_config(settings)?.map(|config| Self(Some((config, server)))))
    }
}

impl MakeTlsConnect<Socket> for TlsConnector {
    type Stream = Encrypted;
    type TlsConnect = Self;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _domain: &str) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for TlsConnector {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let Some((config, server)) = self.0 else {
                return Err(io::Error::other("TLS is off"));
            };
            let connector = tokio_rustls::TlsConnector::from(config);
            Ok(Encrypted(Box::new(connector.connect(server, socket).await?)))
        })
    }
}

/// A socket under TLS.
struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
