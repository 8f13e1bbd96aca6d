//! TLS over TCP, read in large pieces.
//!
//! ```text
//!  socket ─▶ 256 KiB of ciphertext ─▶ TLS, a record at a time ─▶ the reader's buffer, until it is
//!            in one system call        without touching the socket   full or no record is whole
//! ```
//!
//! The library alone asks the socket for 4 KiB at a time and gives back a record or two, which costs
//! a system call each, and a reader that paces itself by how much a read brings never sees a backlog.

use rustls::{ClientConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Ciphertext that one read of the socket may bring.
const BUFFER_BYTES: usize = 256 << 10;

/// An encrypted connection.
#[derive(Debug)]
pub(super) struct Encrypted(StreamOwned<ClientConnection, Buffered>);

impl Encrypted {
    /// Agrees with the server on keys.
    ///
    /// # Errors
    /// As the socket or the library says; the library's are [`rustls::Error`] inside.
    pub(super) fn shake_hands(session: ClientConnection, socket: TcpStream) -> io::Result<Self> {
        let socket = Buffered(BufReader::with_capacity(BUFFER_BYTES, socket));
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.sock.0.get_ref().set_read_timeout(timeout)
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.sock.0.get_ref().set_write_timeout(timeout)
    }

    /// Decrypts what the socket gave already; 0 where no whole record is among it.
    fn read_buffered(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.0;
        loop {
            match conn.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            let mut held = sock.0.buffer();
            // An empty read would mean the end to the library.
            if held.is_empty() || !conn.wants_read() {
                return Ok(0);
            }
            let taken = conn.read_tls(&mut held)?;
            sock.0.consume(taken);
            conn.process_new_packets()
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        }
    }
}

impl Read for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.0.read(buffer)?;
        let mut more = filled > 0;
        while let Some(free) = buffer.get_mut(filled..).filter(|free| more && !free.is_empty()) {
            let read = self.read_buffered(free)?;
            filled += read;
            more = read > 0;
        }
        Ok(filled)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A socket whose reads are large and whose writes go straight through.
#[derive(Debug)]
struct Buffered(BufReader<TcpStream>);

impl Read for Buffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, Tls};
    use crate::tls;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection};
    use std::net::TcpListener;
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    const SENT: usize = 1 << 20;

    fn server() -> Arc<ServerConfig> {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout", "key", "-out", "certificate"])
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let certificate = CertificateDer::from_pem_file(directory.path().join("certificate"));
        let key = PrivateKeyDer::from_pem_file(directory.path().join("key"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![certificate.unwrap()], key.unwrap()).unwrap())
    }

    /// The story: each read brought one record at most, so that the pauses that let rows gather were
    /// never taken, and every row cost a system call.
    #[test]
    fn a_read_brings_what_the_socket_holds_and_nothing_is_lost() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut settings = Settings::new("localhost", 1, "d", "u");
        settings.tls = Tls::Require;
        let config = tls::client_config(&settings).unwrap().unwrap();
        let session = ClientConnection::new(config, tls::server_name(&settings).unwrap()).unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (written, wrote) = channel();
        let config = server();
        let sender = std::thread::spawn(move || {
            let session = ServerConnection::new(config).unwrap();
            let mut stream = StreamOwned::new(session, listener.accept().unwrap().0);
            // A row a record, as a walsender does.
            for piece in 0..SENT / 256 {
                stream.write_all(&[u8::try_from(piece % 251).unwrap(); 256]).unwrap();
                stream.flush().unwrap();
                if piece == 1024 {
                    written.send(()).unwrap();
                }
            }
        });
        let mut stream = Encrypted::shake_hands(session, socket).unwrap();
        wrote.recv().unwrap();
        let mut bytes = vec![0; SENT];
        let mut filled = stream.read(&mut bytes).unwrap();
        assert!(filled >= 64 << 10, "{filled} bytes");
        while filled < SENT {
            filled += stream.read(&mut bytes[filled..]).unwrap();
        }
        sender.join().unwrap();
        let expected = (0..SENT / 256).flat_map(|piece| [(piece % 251) as u8; 256]);
        assert!(bytes.iter().copied().eq(expected));
    }
}
