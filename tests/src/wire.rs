//! A line between a program and a server that can be cut, held and slowed.
//!
//! ```text
//!  syncline ──▶ 127.0.0.1:port ══ what passes, and how ══▶ the server
//! ```

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;

/// Bytes that pass at a time.
const PIECE_BYTES: usize = 16 << 10;

/// What happens on the line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// Nothing passes, and nobody is told.
    pub is_held: bool,
    /// How much later each piece comes.
    pub delay: Duration,
    /// Each connection is cut after so many bytes one way at the most, wherever that is in a message.
    pub cut_within: Option<u32>,
}

/// The line. Cut when dropped.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    trouble: watch::Sender<Trouble>,
    shared: Arc<Shared>,
    /// A thread of its own: a test that waits for a program holds up no line of that program.
    lines: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    server: (String, u16),
    chance: Mutex<StdRng>,
    /// Connections that were cut on purpose.
    cuts: AtomicU64,
}

impl Wire {
    /// A line to a server, without trouble.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn to(host: &str, port: u16) -> Result<Self> {
        let mut lines = Builder::new_multi_thread();
        let lines = lines.worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let ours = listener.local_addr()?.port();
        let (trouble, told) = watch::channel(Trouble::default());
        let shared = Arc::new(Shared {
            server: (host.to_owned(), port),
            chance: Mutex::new(StdRng::seed_from_u64(u64::from(port))),
            cuts: AtomicU64::new(0),
        });
        let of_all = shared.clone();
        lines.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(of_all.clone().carry(client, told.clone()));
            }
        });
        Ok(Self { port: ours, trouble, shared, lines: Some(lines) })
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this happens, on all connections.
    pub fn set(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    /// How many connections were cut on purpose.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(lines) = self.lines.take() {
            lines.shutdown_background();
        }
    }
}

impl Shared {
    async fn carry(self: Arc<Self>, client: TcpStream, trouble: watch::Receiver<Trouble>) {
        let (host, port) = &self.server;
        let Ok(server) = TcpStream::connect((host.as_str(), *port)).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Whoever ends first ends both: the sockets are closed with what holds them.
        select! {
            _ = self.forward(from_client, to_server, trouble.clone()) => {}
            _ = self.forward(from_server, to_client, trouble) => {}
        }
    }

    async fn forward(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut trouble: watch::Receiver<Trouble>,
    ) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = None;
        loop {
            let bytes = from.read(&mut piece).await?;
            pass(&mut trouble).await;
            let within = trouble.borrow().cut_within;
            left = within.map(|within| left.unwrap_or_else(|| self.draw(within)));
            let cut = left.filter(|left| *left <= bytes);
            to.write_all(&piece[..cut.unwrap_or(bytes)]).await?;
            if cut.is_some() {
                self.cuts.fetch_add(1, Ordering::Relaxed);
            }
            if cut.is_some() || bytes == 0 {
                return Ok(());
            }
            left = left.map(|left| left - bytes);
        }
    }

    fn draw(&self, within: u32) -> usize {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        chance.random_range(1..=within) as usize
    }
}

/// Waits for as long as a piece is held or late.
async fn pass(trouble: &mut watch::Receiver<Trouble>) {
    let delay = trouble.borrow_and_update().delay;
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let _ = trouble.wait_for(|now| !now.is_held).await;
}
