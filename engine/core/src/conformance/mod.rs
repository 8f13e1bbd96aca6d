//! Suites that every implementation of a contract must pass.

pub mod sink;
