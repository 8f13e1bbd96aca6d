//! The PostgreSQL source against a real server, which this binary starts for itself.

mod cluster;
mod model;
mod recorder;

mod snapshot;
mod stream;
mod types;
