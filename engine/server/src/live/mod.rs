//! The running engine, as it is seen from outside.

mod ask;
mod asked;
mod caught_up;
mod observe;
mod query;
mod report;
mod serve;
mod set_aside;
mod standby;
#[cfg(test)]
mod tests;
mod text;
mod verify;
mod why;

pub(crate) use ask::ask;
pub(crate) use asked::{Asked, leave, take_up, watch as watch_asked};
pub(crate) use caught_up::{Reading, caught_up};
pub(crate) use observe::{Observer, WatchedMapping, Watching};
pub(crate) use report::Report;
pub(crate) use serve::{ADDRESS_FILE, Served, Serving, routes};
pub(crate) use set_aside::{SetAside, before_entities};
pub(crate) use standby::{WhoWorks, sentence, standing_by};
pub(crate) use text::{to_text, trouble};
pub(crate) use verify::{ask_progress, ask_verified};
pub(crate) use why::{ask_foretold, ask_why};
