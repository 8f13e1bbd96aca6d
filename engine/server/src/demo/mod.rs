//! `demo`: private servers, a small university, live traffic, and the engine in between.

mod prove;
mod questions;
mod reference;
mod stage;
mod view;

pub(crate) use stage::run;
