//! The one thing the runtime asks of time of day: how old a commit is.

/// Tells the time. The server's reads the machine's clock; tests set theirs.
pub trait Clock: Send + Sync {
    /// µs since 1970 UTC.
    fn now(&self) -> i64;
}
