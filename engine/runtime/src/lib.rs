//! The three loops that move changes, and what keeps them going.
//!
//! ```text
//!  Source ─▶ capture ─▶ log changes.<system> ─┬─▶ resolve ─▶ log entity.<name> ─┐
//!                                              └───────────▶ apply ◀─────────────┘─▶ Sink
//! ```
//!
//! [`run`] starts one capture per system that is read, one resolve per entity, and
//! one apply *lane* per topic and system that is written. Each runs by itself: a loop that fails is
//! retried or stopped by the rule of its error ([`syncline_core::Kind::retry`]) while the others go on.
//!
//! Invariants: a position is released to a source only after it is durable in the log; a lane's
//! progress moves only in the transaction that holds its rows; every queue and batch is bounded by
//! a setting. Names no connector, no Kafka and no DataFusion.

mod ahead;
mod apply;
mod backfill;
mod capture;
mod chunk;
mod clock;
mod collect;
mod handover;
mod histogram;
mod isolate;
mod marks;
mod moving;
mod notes;
mod parking;
mod pipeline;
mod readers;
mod rejoin;
mod resolve;
mod retry;
mod route;
mod settings;
mod settle;
mod shutdown;
mod status;
mod supervise;
mod take;

pub use backfill::Backfills;
pub use clock::Clock;
pub use moving::Moved;
pub use pipeline::{
    EntityPlan, MakeSink, MakeSource, Pipeline, Plan, SinkPlan, SourcePlan, parked_before_entity,
    run,
};
pub use settings::{GateSettings, Settings};
pub use shutdown::{Shutdown, ShutdownTrigger, shutdown};
pub use status::{
    CaptureStatus, EntityStatus, LaneStatus, Latency, LoopState, MappingStatus, Registry,
    SnapshotStatus, Status,
};
