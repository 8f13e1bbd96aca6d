//! Mappings from the outside: what `check` says, what transforms do, and what must always hold.

#![expect(clippy::unwrap_used, reason = "what can't be set up is a failure of the test")]

mod cases;
mod diagnostics;
mod laws;
mod policies;
mod presence;
mod rows;
mod support;
mod values;
