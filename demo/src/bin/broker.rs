//! A private Kafka broker: to try things on (`./dev kafka`), or for the time of a command, which finds
//! its address in [`KAFKA_VARIABLE`].

#![expect(clippy::disallowed_macros, reason = "what this program is for is to be read")]

use anyhow::{Context, Result};
use std::process::ExitCode;
use syncline_demo::{Broker, KAFKA_VARIABLE};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let broker = Broker::start()?;
    let mut words = std::env::args_os().skip(1);
    if let Some(program) = words.next() {
        let mut command = tokio::process::Command::new(&program);
        command.args(words).env(KAFKA_VARIABLE, broker.address());
        let status = command.status().await;
        let status = status.with_context(|| format!("can't run {}", program.display()))?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("Kafka listens on {}; Ctrl-C ends it", broker.address());
    println!("its files are in {}", broker.directory().display());
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}
