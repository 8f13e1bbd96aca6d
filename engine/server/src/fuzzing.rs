//! What hands arbitrary texts to the readers of a project's files: for fuzzing alone.

use crate::problem::Problem;
use crate::project::{Entity, Lock, Settings};
use crate::render;

/// Reads `syncline.toml`; what is wrong with it as a person is told.
#[must_use]
pub fn settings(text: &str) -> Option<String> {
    Settings::parse(text).err().map(|problems| told(&problems))
}

/// Reads an `entity.toml`, the same way.
#[must_use]
pub fn entity(text: &str) -> Option<String> {
    Entity::parse("person/entity.toml", text).err().map(|problems| told(&problems))
}

/// Reads a lock and writes it again.
///
/// # Errors
/// What is wrong with it as a person is told.
pub fn lock(text: &str) -> Result<String, String> {
    Lock::parse(text).map(|lock| lock.to_text()).map_err(|problem| told(&[problem]))
}

fn told(problems: &[Problem]) -> String {
    render::problems(problems)
}
