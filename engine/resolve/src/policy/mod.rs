//! From claims to what is agreed: pure functions.

mod agreed;
mod clock;
mod compiled;
mod decision;
mod existence;
mod sets;
mod typed;
mod unit;
mod word;

pub(crate) use compiled::{Compiled, EXISTENCE, Registry};
pub(crate) use decision::{Decided, decision_cell};
pub(crate) use existence::{Exists, exists};
pub(crate) use unit::{Agreed, By, Verdict, decide};
pub(crate) use word::{UnitValue, Word, words};
