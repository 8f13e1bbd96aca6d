//! A system that takes everything and keeps nothing: for measuring what comes before a target, and
//! for trying a project without one.

mod sink;

pub use sink::DiscardSink;
