//! The source on a real Kafka broker, which this binary starts for itself: what arrives, in which order, and after
//! which crash.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

mod again;
mod arrives;
mod crash;
mod real;
mod refuses;
mod scene;
mod sent;
#[path = "../common/taken.rs"]
mod taken;
