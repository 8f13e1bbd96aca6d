//! The program from its beginning to its end.

use crate::arguments::Arguments;
use crate::output::Output;
use crate::problem::{Exit, Failure};
use crate::{command, logging};
use clap::Parser as _;

/// Does what the command line says, and says how it went.
#[must_use]
pub fn main() -> Exit {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    logging::begin(&arguments, output);
    #[cfg(feature = "crash-points")]
    let _counting = crate::crash::arm();
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
