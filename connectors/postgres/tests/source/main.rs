//! The PostgreSQL source against a real server, which this binary starts for itself.

mod cluster;
mod model;
mod recorder;

mod catalog;
mod columns;
mod doctor;
mod login;
mod recovery;
mod snapshot;
mod speed;
mod stream;
mod transactions;
mod types;
