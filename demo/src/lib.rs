//! What the demo, the tests and the benchmarks stand on: private PostgreSQL servers and Kafka brokers, a small
//! university to fill them with, traffic to keep it busy, and an oracle that says, without asking
//! the engine, what every target must hold.
//!
//! Invariants: no cluster that was there before is ever touched; only processes started here are
//! stopped; nothing here depends on the engine, so that a mistake there can't hide here.

mod binaries;
mod broker;
mod cluster;
mod connect;
mod everything;
mod program;
mod university;

pub use binaries::Binaries;
pub use broker::{Broker, BrokerOptions, JARS_VARIABLE, KAFKA_VARIABLE, log_section};
pub use cluster::{Access, Cluster, ClusterOptions, Durability};
pub use connect::{CONNECT_JARS_VARIABLE, Connect, Filled, Watched};
pub use everything::Everything;
pub use program::{Program, Running, forget_peak_memory, peak_memory, processor_time};
pub use university::{
    Beside, Difference, Disagreement, Expectation, Said, Size, System, TableReport, Traffic,
    TrafficOptions, TrafficReport, Truth, University, VerifyReport, expectations, verify,
    verify_table,
};
