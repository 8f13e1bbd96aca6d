use std::sync::Arc;
use syncline_core::conformance;
use syncline_log::{EmbeddedLog, MemoryLog, Settings};

/// Segments and memory so small that every path is taken.
pub(crate) fn small() -> Settings {
    Settings {
        segment_bytes: 20_000,
        cache_bytes: 10_000,
        unsynced_bytes: 50_000,
        group_bytes: 8_000,
        read_bytes: 4_096,
        ..Settings::default()
    }
}

#[tokio::test]
async fn the_memory_log_keeps_the_contract() {
    conformance::change_log(Arc::new(MemoryLog::new())).await;
    conformance::checkpoints(&MemoryLog::new());
}

#[tokio::test]
async fn the_embedded_log_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    conformance::durable_change_log(|| open(directory.path(), Settings::default())).await;
    conformance::durable_checkpoints(|| open(directory.path(), Settings::default()));
}

#[tokio::test]
async fn the_embedded_log_keeps_the_contract_with_hardly_any_memory() {
    let directory = tempfile::tempdir().unwrap();
    conformance::durable_change_log(|| open(directory.path(), small())).await;
}

#[tokio::test]
async fn the_embedded_log_keeps_the_contract_without_recent_entries() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { cache_bytes: 0, ..small() };
    conformance::durable_change_log(|| open(directory.path(), settings.clone())).await;
}

fn open(directory: &std::path::Path, settings: Settings) -> EmbeddedLog {
    EmbeddedLog::open(directory, settings).unwrap()
}
