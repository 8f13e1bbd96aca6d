//! The running engine, as it is seen from outside.

mod caught_up;
mod observe;
mod report;
mod serve;
mod text;

pub(crate) use caught_up::{Reading, caught_up};
pub(crate) use observe::{Observer, WatchedMapping, Watching};
pub(crate) use report::Report;
pub(crate) use serve::{ADDRESS_FILE, serve};
pub(crate) use text::{to_text, trouble};
