//! What the end-to-end tests share: the program as users run it, a project in a temporary folder,
//! and databases of its own.

mod build;
mod log;
mod power;
mod reference;
mod scene;
mod status;
mod wait;
mod wire;

pub use build::{crash_program, program};
pub use log::Log;
pub use power::{Faults, Power, Unsynced};
pub use reference::{copy_reference, copy_reference_with};
pub use scene::{Outcome, Scene};
pub use status::{ask, check_health, is_streaming};
pub use wait::until;
pub use wire::{Trouble, Wire};
