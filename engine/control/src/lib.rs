//! What people work with: conflicts and decisions, kept in a database of their own.
