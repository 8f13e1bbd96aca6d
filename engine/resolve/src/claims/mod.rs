//! What is kept of an entity key: the word of every source record that speaks of it.
//!
//! ```text
//!  Claims ── Origin (mapping, source record) ── Field (what it says, since when, what it said before)
//!         └─ Origin …
//! ```

mod field;
mod origin;
mod outline;
mod patch;
mod row;

pub(crate) use field::{Field, Heard, Run};
pub(crate) use origin::{Claims, LIFE, Observation, Origin, Said, Touched};
pub(crate) use outline::{Outline, OutlineOrigin, Side};
pub(crate) use patch::{Speaker, encode_new};
pub(crate) use row::{decode, encode};
