//! `conflicts`: what systems disagree on, for the people who decide it.
//!
//! Everything goes by the control store in the state directory, which a running Syncline follows: what
//! is decided is in force within moments, or at the next run.

mod answer;
mod decide;
pub(super) mod desk;
mod export;
mod list;
mod run;
mod show;
#[cfg(test)]
mod tests;
mod undo;
pub(super) mod view;

pub(super) use run::run;
