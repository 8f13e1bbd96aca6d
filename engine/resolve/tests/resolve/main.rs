//! The heart, from outside.

mod store;
