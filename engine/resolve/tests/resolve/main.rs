//! The heart against its laws: same claims, same golden rows and conflicts, in any order.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collect;
mod decisions;
mod doubt;
mod expressions;
mod failures;
mod fixture;
mod history;
mod journaled;
mod keys;
mod laws;
mod preview;
mod spec;
mod store;
mod told;
mod why;
