//! What the binary `syncline` is made of: command line, HTTP, files, environment and clock.
//!
//! The only part of the house that prints, and that reads files, environment, arguments and clock.

mod arguments;
mod checked;
mod clock;
mod command;
mod conflicts;
#[cfg(feature = "crash-points")]
mod crash;
mod decisions;
mod demo;
mod durable;
mod engine;
#[doc(hidden)]
pub mod fuzzing;
mod gates;
mod live;
mod logging;
mod masked;
mod metrics;
mod output;
mod policies;
mod problem;
mod program;
mod project;
mod render;
mod signals;
mod state;
mod verify;
mod weighing;
mod wiring;
mod worker;

pub use problem::Exit;
pub use program::main;
