//! From claims to what is agreed: pure functions.

mod agreed;
mod clock;
mod compiled;
mod decision;
mod existence;
mod flapping;
mod sets;
mod typed;
mod unit;
mod word;

pub(crate) use clock::{first_words, last_words};
pub(crate) use compiled::{Compiled, CompiledMapping, CompiledUnit, EXISTENCE_NAME, Registry};

#[cfg(test)]
pub(crate) use decision::decision_cell;
pub(crate) use decision::{Decided, on_unit};
pub(crate) use existence::{Exists, exists};
pub(crate) use unit::{Agreed, By, Verdict, characters, decide, place_in};
pub(crate) use word::{UnitValue, Word, evidence, words};
