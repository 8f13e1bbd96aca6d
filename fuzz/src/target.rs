//! The targets by name.

use crate::{batch, claims, debezium, entry, frames, log, pgoutput, project, snapshot, sql, store};

/// Something that reads bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of its folder too.
    pub name: &'static str,
    /// Hands it any bytes.
    ///
    /// Panics where something does not hold that has to.
    pub run: fn(&[u8]),
    /// Most bytes that fuzzing hands it.
    pub bytes_max: usize,
}

/// All of them.
pub const TARGETS: [Target; 11] = [
    Target { name: "pgoutput", run: pgoutput::run, bytes_max: 8 << 10 },
    Target { name: "snapshot", run: snapshot::run, bytes_max: 4 << 10 },
    Target { name: "frames", run: frames::run, bytes_max: 16 << 10 },
    Target { name: "log", run: log::run, bytes_max: 16 << 10 },
    Target { name: "entry", run: entry::run, bytes_max: 8 << 10 },
    Target { name: "batch", run: batch::run, bytes_max: 8 << 10 },
    Target { name: "claims", run: claims::run, bytes_max: 4 << 10 },
    Target { name: "store", run: store::run, bytes_max: 8 << 10 },
    Target { name: "debezium", run: debezium::run, bytes_max: 16 << 10 },
    Target { name: "project", run: project::run, bytes_max: 16 << 10 },
    Target { name: "sql", run: sql::run, bytes_max: 2 << 10 },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
