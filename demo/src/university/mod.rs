//! A small university: two systems that know things, two that need to know them and know some
//! things better.
//!
//! ```text
//!  sis  students courses enrolments ──┐     ┌──▶ lms      users courses enrolments departments
//!       payments lecturers            │     │             staff teachers
//!                                     ├─ … ─┤◀── lms      users: what people typed themselves
//!  hr   departments employees         │     │◀── finance  fees housing
//!       assignments ──────────────────┘     └──▶ finance  accounts ledger cost_centres
//! ```

mod acts;
mod beside;
mod build;
mod carry;
mod expect;
mod traffic;
mod truth;
mod verify;

pub use beside::Beside;
pub use build::{Size, System, University};
pub use expect::{Expectation, expectations};
pub use traffic::{Traffic, TrafficOptions, TrafficReport};
pub use truth::{Disagreement, Said, Truth};
pub use verify::{Difference, TableReport, VerifyReport, verify, verify_table};
