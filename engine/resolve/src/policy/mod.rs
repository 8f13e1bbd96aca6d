//! From claims to what is agreed: pure functions.

mod agreed;
mod clock;
mod compiled;
mod decision;
mod existence;
mod flapping;
mod plain;
mod sets;
mod typed;
mod unit;
mod word;

pub(crate) use compiled::{Compiled, CompiledMapping, CompiledUnit, EXISTENCE_NAME, Registry};

pub(crate) use existence::{Exists, exists};
pub(crate) use plain::{Plain, Plan, Spokens};
pub(crate) use unit::{Agreed, By, Verdict, decide};
#[cfg(test)]
pub(crate) use word::evidence;
pub(crate) use word::words;
