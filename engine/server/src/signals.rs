//! Signals: the first asks for an orderly end, the second ends at once.

use crate::problem::{Failure, Outcome};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the shell shows for a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// The signals that end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// SIGTERM and SIGINT are heard here from now on.
    pub(crate) fn listen() -> Outcome<Self> {
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            hangup: None,
        })
    }

    /// SIGHUP too: for what must not outlive its terminal. A service leaves it to `nohup`.
    pub(crate) fn listen_on_terminal() -> Outcome<Self> {
        Ok(Self { hangup: Some(hear(SignalKind::hangup())?), ..Self::listen()? })
    }

    /// Waits for the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }

    /// From now on another signal ends the process at once.
    pub(crate) fn end_at_once_on_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(INTERRUPTED);
        });
    }
}

fn hear(kind: SignalKind) -> Outcome<Signal> {
    signal(kind).map_err(|error| Failure::io("can't listen for signals", &error))
}
