//! Rows by key on append-only segments.
