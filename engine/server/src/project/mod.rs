//! The project directory: what an engineer writes, read and made sure of.

mod claims;
mod decision;
mod document;
mod drift;
mod entity;
mod expressions;
mod feeds;
mod fields;
mod files;
mod groups;
mod kafka;
mod limits;
mod lock;
mod log;
mod open;
mod rules;
#[cfg(test)]
pub(crate) mod rules_tests;
mod settings;
mod systems;
#[cfg(test)]
mod tests;
mod topics;
mod types;
mod values;
mod written;

pub(crate) use drift::{TableDrift, between, render as render_drift};
pub(crate) use entity::Entity;
pub(crate) use files::{TextFile, find_project};
pub(crate) use lock::{FILE as LOCK_FILE, Lock};
pub(crate) use open::Project;
pub(crate) use settings::{FILE as SETTINGS_FILE, Settings, is_name};
pub(crate) use systems::System;
pub(crate) use values::parse_duration;
