//! The socket below: unix, TCP, or TLS over TCP.

use super::encrypted::Encrypted;
use crate::settings::Settings;
use crate::tls;
use rustls::ClientConnection;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use syncline_core::{Error, Kind, Result};

/// What a TLS server answers to an SSL request when it is willing.
const WILLING: u8 = b'S';

/// Room for what was received and not read. Linux takes twice as much, for what it keeps beside each message.
const RECEIVE_BYTES: usize = 32 << 10;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<Encrypted>),
}

impl Socket {
    /// Connects as the settings say; the host is a unix socket directory when it begins with `/`.
    pub(crate) fn connect(settings: &Settings) -> Result<Self> {
        if settings.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", settings.host, settings.port);
            let stream = UnixStream::connect(&path).map_err(|error| {
                unreachable_server(&path, &error).hint("check that the server runs there")
            })?;
            return Ok(Self::Unix(stream));
        }
        let stream = connect_tcp(settings)?;
        match tls::client_config(settings)? {
            None => Ok(Self::Tcp(stream)),
            Some(config) => {
                let stream = ask_for_tls(stream, settings)?;
                let session = ClientConnection::new(config, tls::server_name(settings)?)
                    .map_err(|error| tls_failed(settings, &error))?;
                shake_hands(session, stream, settings)
            }
        }
    }

    /// How long a read may wait; `None` for ever.
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            Self::Tls(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// How long a write may wait; `None` for ever.
    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(timeout),
            Self::Tcp(stream) => stream.set_write_timeout(timeout),
            Self::Tls(stream) => stream.set_write_timeout(timeout),
        }
    }

    /// Lets little wait on our side of a TCP connection within one machine; false, and nothing is done, of any other.
    ///
    /// There is no network that would have small messages leave together: each goes through all of TCP by
    /// itself. What our side has no room for waits at the other side, and leaves in large segments. Over a
    /// network so little room would hold it up.
    pub(crate) fn gather_at_peer(&self) -> io::Result<bool> {
        let Self::Tcp(stream) = self else { return Ok(false) };
        let (peer, own) = (stream.peer_addr()?.ip(), stream.local_addr()?.ip());
        let is_here = peer.is_loopback() || peer == own;
        if is_here {
            SockRef::from(stream).set_recv_buffer_size(RECEIVE_BYTES)?;
        }
        Ok(is_here)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn connect_tcp(settings: &Settings) -> Result<TcpStream> {
    let place = format!("{}:{}", settings.host, settings.port);
    let addresses = (settings.host.as_str(), settings.port)
        .to_socket_addrs()
        .map_err(|error| unreachable_server(&place, &error).hint("check the host name"))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, settings.connect_timeout) {
            Ok(stream) => {
                tune(&stream).map_err(|error| unreachable_server(&place, &error))?;
                let timeout = Some(settings.connect_timeout);
                stream
                    .set_read_timeout(timeout)
                    .map_err(|error| unreachable_server(&place, &error))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(unreachable_server(&place, &last).hint("check host, port and firewall"))
}

/// No delay for small answers, and probes so that a peer that vanished is noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn ask_for_tls(mut stream: TcpStream, settings: &Settings) -> Result<TcpStream> {
    let mut request = bytes::BytesMut::new();
    postgres_protocol::message::frontend::ssl_request(&mut request);
    let mut answer = [0_u8];
    stream
        .write_all(&request)
        .and_then(|()| stream.read_exact(&mut answer))
        .map_err(|error| unreachable_server(&settings.host, &error))?;
    if answer == [WILLING] {
        return Ok(stream);
    }
    Err(Error::new(Kind::Config, format!("{} does not offer TLS", settings.host))
        .hint("set ssl = on at the server, or tls = \"disable\" in syncline.toml"))
}

fn shake_hands(
    session: ClientConnection,
    stream: TcpStream,
    settings: &Settings,
) -> Result<Socket> {
    match Encrypted::shake_hands(session, stream) {
        Ok(stream) => Ok(Socket::Tls(Box::new(stream))),
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Err(tls_failed(settings, &error))
        }
        Err(error) => Err(unreachable_server(&settings.host, &error)),
    }
}

fn tls_failed(settings: &Settings, error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Config, format!("no TLS with {}", settings.host))
        .detail(error.to_string())
        .hint("name the certificate authority in tls_roots, and the host as the certificate does")
}

fn unreachable_server(place: &str, error: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("can't connect to PostgreSQL at {place}"))
        .detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn only_tcp_within_one_machine_lets_rows_gather_at_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Socket::Tcp(stream.try_clone().unwrap());
        assert!(socket.gather_at_peer().unwrap());
        let room = SockRef::from(&stream).recv_buffer_size().unwrap();
        assert!((RECEIVE_BYTES..=2 * RECEIVE_BYTES).contains(&room), "{room}");
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(!Socket::Unix(one).gather_at_peer().unwrap());
    }
}
