//! The binary `syncline`: command line, HTTP, files, environment and clock.
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
mod gates;
mod live;
mod logging;
mod masked;
mod metrics;
mod output;
mod policies;
mod problem;
mod project;
mod render;
mod signals;
mod state;
mod verify;
mod weighing;
mod wiring;
mod worker;

use arguments::Arguments;
use clap::Parser as _;
use output::Output;
use problem::{Exit, Failure};

fn main() -> Exit {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    logging::begin(&arguments, output);
    #[cfg(feature = "crash-points")]
    let _counting = crash::arm();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.failure(&Failure::io("can't start threads", &error));
            return Exit::Internal;
        }
    };
    let ended = runtime.block_on(command::run(arguments));
    // Threads that wait for a system must not hold up the end.
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    })
}
