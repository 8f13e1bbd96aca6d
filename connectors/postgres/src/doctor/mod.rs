//! What is wrong with a database for what the project does with it, and the statement that mends
//! it. Reads only.

mod server;
mod tables;
mod visit;

pub use visit::doctor;
