//! Many systems, one entity, and all that can go wrong between them, from one number.
//!
//! ```text
//!  people, jobs ─▶ table ─▶ stream ─▶ log ─▶ claims · policies ─▶ log ─▶ lanes ─▶ tables
//!                                                                          └▶ their streams
//! ```
//!
//! A seed gives the systems, the rules and what happens: clocks that are wrong, crashes between any two
//! effects, copies, backups put back, sources that are silent for a month, targets that give values a form
//! of their own, jobs that take back what was written. Then all comes to rest, and what is there
//! is compared with a plain reading of all that was ever said.
//!
//! `SYNCLINE_SEEDS=1000000 cargo test --release -p syncline-resolve --test simulator` tries so many;
//! `SYNCLINE_SEED=42` tells the story of one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod draw;
mod entity;
mod event;
mod heart;
mod judge;
mod oracle;
mod seeds;
mod setup;
mod spoken;
mod store;
mod story;
mod system;
mod topic;
mod topologies;
mod value;
mod world;
