//! The PostgreSQL sink on a private PostgreSQL server.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

#[path = "sink/cluster.rs"]
mod cluster;
#[path = "sink/conformance.rs"]
mod conformance;
#[path = "sink/constraints.rs"]
mod constraints;
#[path = "sink/durability.rs"]
mod durability;
#[path = "sink/lanes.rs"]
mod lanes;
#[path = "sink/parked.rs"]
mod parked;
#[path = "sink/rows.rs"]
mod rows;
#[path = "sink/session.rs"]
mod session;
#[path = "sink/types.rs"]
mod types;
