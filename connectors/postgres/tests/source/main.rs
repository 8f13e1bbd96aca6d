//! The PostgreSQL source against a real server, which this binary starts for itself.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

mod cluster;
mod model;
mod random;
mod recorder;

mod again;
mod catalog;
mod columns;
mod differential;
mod doctor;
mod login;
mod marks;
mod recovery;
mod snapshot;
mod speed;
mod stream;
mod tables;
mod transactions;
mod types;
