//! Log lines: to standard error, as text or JSON, never one a row.

use crate::arguments::{Arguments, Command, LogFormat};
use crate::output::Output;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that sets what is logged, such as `info` or `syncline_postgres=debug`.
const VARIABLE: &str = "SYNCLINE_LOG";

/// Begins to log. The demo's view shows what is wrong itself, so there nothing is logged unless
/// asked for.
pub(crate) fn begin(arguments: &Arguments, output: Output) {
    let level = match &arguments.command {
        Command::Run(_) => LevelFilter::INFO,
        Command::Demo(_) if output.is_watched() => LevelFilter::OFF,
        _ => LevelFilter::WARN,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var(VARIABLE)
        .from_env_lossy();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match arguments.log_format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}
