//! From claims to what is agreed: pure functions.

mod agreed;
mod clock;
mod compiled;
mod decision;
mod existence;
mod flapping;
mod formula;
mod plain;
mod sets;
mod typed;
mod unit;
mod word;

pub(crate) use clock::{first_words, last_words};
pub(crate) use compiled::{
    Compiled, CompiledMapping, CompiledUnit, EXISTENCE, EXISTENCE_NAME, Registry,
};
pub(crate) use decision::{Decided, decision_cell, decision_id, on_unit};
pub(crate) use existence::{Exists, exists};
pub(crate) use plain::{Plain, Plan, Spokens};
pub(crate) use sets::{parse as parse_set, write as write_set};
pub(crate) use unit::{Agreed, By, Verdict, characters, decide, place_in};
pub(crate) use word::{UnitValue, Word, evidence, words};
