//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use crate::problem::{Failure, Outcome};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the shell shows for a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// The signals that end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals are heard here.
    pub(crate) fn listen() -> Outcome<Self> {
        let hear =
            |kind| signal(kind).map_err(|error| Failure::io("can't listen for signals", &error));
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
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
