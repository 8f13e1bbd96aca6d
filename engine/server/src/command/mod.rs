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
mod log;
mod parked;
mod plan;
mod plan_rules;
mod preview;
mod run;
mod status;
mod test;
mod verify;
mod why;
mod why_text;
#[cfg(test)]
mod why_text_tests;
mod why_words;

pub(crate) use dispatch::{Context, run};
pub(crate) use lock::inspect_all;
