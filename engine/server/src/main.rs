//! The binary `syncline`.
mod problem;
mod project;
mod render;
fn main() {}
