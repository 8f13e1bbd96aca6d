//! Mappings from the outside: what `check` says, what transforms do, and what must always hold.

mod cases;
mod diagnostics;
mod laws;
mod presence;
mod rows;
mod support;
mod values;
