//! One stage of the path, so often over the same rows, in a process that does nothing else: for counting its
//! instructions. `tests/budgets.rs` does, and holds them against `instructions.toml`.
//!
//! The rows are those of a table with a column for each way in which values are carried, as a server sends them.

mod input;
mod stage;

use anyhow::{Context, Result};
use clap::Parser;

/// One stage of the path, over and over.
#[derive(Debug, Parser)]
struct Arguments {
    /// Its name; without one, all names are printed.
    stage: Option<String>,
    /// Rows that go through it at a time.
    #[arg(long, default_value_t = 1000)]
    rows: u32,
    /// How often they do. All else is done whatever the number.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=stage::ROUNDS_MAX))]
    rounds: u64,
}

fn main() -> Result<()> {
    let Arguments { stage, rows, rounds } = Arguments::parse();
    let Some(name) = stage else {
        let names: Vec<&str> = stage::ALL.iter().map(|(name, _)| *name).collect();
        return Ok(std::io::Write::write_all(&mut std::io::stdout(), names.join("\n").as_bytes())?);
    };
    let (_, ready) =
        stage::ALL.iter().find(|(known, _)| *known == name).context("no such stage")?;
    let run = ready(rows)?;
    (0..rounds).try_for_each(run)
}
