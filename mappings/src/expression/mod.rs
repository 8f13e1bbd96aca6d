//! From SQL expressions to ones that can be evaluated, with PostgreSQL's meaning.
//!
//! ```text
//! SQL ──translate──▶ Typed: a DataFusion physical expression, its type, the columns it reads
//! ```
//! Every step is typed as PostgreSQL types it, and every conversion stands in the expression, so
//! that nothing is coerced behind our back. What is not known here is refused, at its place.

mod assign;
mod choice;
mod convert;
mod functions;
mod kinds;
mod known;
mod numbers;
mod operators;
mod pattern;
mod reason;
mod time;
mod translate;
mod typed;

pub(crate) use assign::Destination;
pub(crate) use reason::reason;
pub(crate) use translate::Translator;
pub(crate) use typed::{Context, Origin, Scope, ScopeColumn, Typed, Within};
