use crate::{open, small};
use std::sync::Arc;
use syncline_core::conformance;
use syncline_log::{MemoryLog, Settings};

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
