//! What each stage of the path costs by itself, on rows that a real server sent.
//!
//! ```text
//!  server ─snapshot, stream─▶ source │ encode, decode │ append, read │ map │ reduce │ write ─▶ server
//! ```
//! Every stage gets what the one before it gave, all of it at once, and nothing else runs beside it
//! in this process. The rows are those of the comparison with PostgreSQL's own subscription: about
//! 170 bytes, nine columns, transactions of 1,000.

mod collect;
mod measure;
mod path;

use anyhow::Result;
use clap::Parser;

/// What each stage of the path costs by itself.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  ./dev bench --stages --rows 200000")]
pub(crate) struct Arguments {
    /// Rows that go through each stage.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) rows: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    measure::head()?;
    let captured = path::capture(arguments.rows).await?;
    path::encode(&captured)?;
    path::log(&captured).await?;
    path::map_and_reduce(&captured)?;
    path::write(&captured).await
}
