//! What each command does: a file a command.

mod backfill;
mod check;
mod conflicts;
mod dispatch;
mod doctor;
mod explain;
mod explain_field;
mod gates;
mod init;
mod lock;
mod parked;
mod plan;
mod preview;
mod run;
mod status;
mod test;

pub(crate) use dispatch::{Context, run};
pub(crate) use lock::inspect_all;
