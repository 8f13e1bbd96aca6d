//! What `verify` is told.

use crate::project::parse_duration;
use clap::Args;
use std::time::Duration;

/// What `verify` is told.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The target tables, such as lms.public.users; all that mappings write without any.
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Have missing and different rows told again by their source, and verify again.
    #[arg(long)]
    pub(crate) repair: bool,
    /// With --repair: delete rows that no mapping says.
    #[arg(long, requires = "repair")]
    pub(crate) delete_extra: bool,
    /// With --delete-extra: also where much of a table would be deleted.
    #[arg(long, requires = "delete_extra")]
    pub(crate) yes: bool,
    /// How long changes on their way are waited for, at a time.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) wait: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "a duration is \"250ms\", \"10s\", \"5m\" or \"2h\"".to_owned())
}
