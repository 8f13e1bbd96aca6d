//! The store's promises, each told as a story and held on SQLite and on PostgreSQL.

mod suite;
