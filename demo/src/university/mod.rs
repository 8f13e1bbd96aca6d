//! A small university: two systems that know things, two that need to know them.
//!
//! ```text
//!  sis  students courses enrolments payments ──┐      ┌──▶ lms      users courses enrolments
//!                                              ├─ … ──┤             departments staff
//!  hr   departments employees ─────────────────┘      └──▶ finance  accounts ledger cost_centres
//! ```

mod acts;
mod build;
mod expect;
mod traffic;
mod verify;

pub use build::{Size, System, University};
pub use expect::{Expectation, expectations};
pub use traffic::{Traffic, TrafficOptions, TrafficReport};
pub use verify::{Difference, TableReport, VerifyReport, verify, verify_table};
