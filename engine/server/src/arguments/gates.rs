//! What `gates` is told.

use clap::{Args, Subcommand};

/// What `gates` is told.
#[derive(Debug, Args)]
pub(crate) struct GatesArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) action: GatesAction,
}

/// What to do with gates.
#[derive(Debug, Subcommand)]
pub(crate) enum GatesAction {
    /// Show what waits: how many rows of which table, and some of their keys.
    #[command(after_help = "Examples:\n  syncline gates list\n  syncline gates list --json")]
    List,
    /// Let what waits at a gate pass.
    #[command(after_help = "Examples:\n  syncline gates open 12 --note 'end of term'")]
    Open(OpenGate),
}

/// Which gate, and who opens it.
#[derive(Debug, Args)]
pub(crate) struct OpenGate {
    /// Its number, as `gates list` shows it.
    pub(crate) id: i64,
    /// Why, in your words.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Who opens it; else $USER.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) person: Option<String>,
}
