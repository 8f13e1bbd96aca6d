//! `init`: a working project, written from live databases.

mod address;
mod proposal;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use write::run;
