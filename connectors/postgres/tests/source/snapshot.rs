//! The initial copy.
