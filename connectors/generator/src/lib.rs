//! A system that makes up its rows: for measuring what comes after a source, and for trying a
//! project without one.

mod inspect;
mod settings;
mod source;
mod values;

pub use inspect::{inspect, sample};
pub use settings::Settings;
pub use source::GeneratorSource;
