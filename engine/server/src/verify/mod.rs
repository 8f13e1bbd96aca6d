//! `verify`: what the mappings say against what the targets hold, while changes flow.
//!
//! ```text
//!  target ──scan──▶ keys, hashes ─┐ by bucket
//!                                 ├──compare──▶ candidates ──rounds──▶ missing, extra, different
//!  source ──scan──▶ mapping ──────┘                          │
//!  or claims                                    read both again, once what was read is applied
//! ```
//!
//! Both sides are read once, and only their differences are looked at again: most of these are changes on their
//! way. `docs/design/verify.md` has the argument why what is left is damage.
//!
//! Invariant: nothing is written but on request, and extra rows alone; memory is bounded, whatever the size of a table.

mod buckets;
mod compare;
mod expected;
mod flow;
mod judge;
mod outcomes;
mod pace;
mod pass;
mod report;
mod request;
mod rota;
mod rounds;
mod scope;
mod text;
mod verifier;

pub(crate) use flow::Flow;
pub(crate) use outcomes::{Outcome, Outcomes};
#[cfg(test)]
pub(crate) use report::TableVerified;
pub(crate) use report::Verified;
pub(crate) use request::Request;
pub(crate) use rota::in_turn;
pub(crate) use scope::{Scope, scopes};
pub(crate) use text::to_text;
pub(crate) use verifier::{Progress, Verifier};
