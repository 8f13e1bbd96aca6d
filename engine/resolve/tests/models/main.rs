//! Models, checked in every state that they can come to: the entity is the real one, over rows in memory; what
//! is modelled is all around it. Each test prints how many states it saw.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod collection;
mod decisions;
mod explore;
mod known;
mod source;
mod steps;
