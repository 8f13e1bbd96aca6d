//! Values between Arrow and PostgreSQL.

pub(crate) mod encode;
