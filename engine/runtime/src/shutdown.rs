//! Telling every loop to drain and end.

use tokio::sync::watch;

/// Told by the owner, heard by every loop. Dropping the trigger tells too.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Tells the loops to end.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// A trigger and what hears it.
#[must_use]
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (tell, hear) = watch::channel(false);
    (ShutdownTrigger(tell), Shutdown(hear))
}

impl ShutdownTrigger {
    /// Tells every loop to drain and end.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until told. Cancel-safe.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which tells as much.
        let _ = self.0.wait_for(|told| *told).await;
    }

    /// Whether it was told.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
