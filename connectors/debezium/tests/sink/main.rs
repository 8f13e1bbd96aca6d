//! The sink on a real Kafka broker, which this binary starts for itself: what consumers see, and never see.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

mod conforms;
mod fences;
mod heard;
mod jdbc;
mod order;
mod refuses;
mod scene;
#[path = "../common/taken.rs"]
mod taken;
