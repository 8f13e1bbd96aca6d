//! `[log]`, `[claims]`, `[runtime]`, `[gates]` and `[decisions]`: every queue, batch, retry and wait as a
//! setting. What is not said keeps its default; `docs/operations.md` has them all.

use super::document::{Section, Value};
use super::values::ByteSize;
use crate::decisions;
use crate::problem::Problem;
use syncline_resolve::store::StoreSettings;

/// Reads `[log]` where it is embedded.
pub(super) fn embedded_settings(section: &Section<'_>) -> syncline_log::Settings {
    let mut settings = syncline_log::Settings::default();
    let bytes = |key| positive::<ByteSize>(section, key).map(|size| size.0);
    let memory = |key| positive::<ByteSize>(section, key).map(ByteSize::in_memory);
    set(&mut settings.segment_bytes, bytes("segment_bytes"));
    set(&mut settings.cache_bytes, memory("cache_bytes"));
    set(&mut settings.unsynced_bytes, memory("unsynced_bytes"));
    set(&mut settings.group_bytes, memory("group_bytes"));
    set(&mut settings.read_bytes, memory("read_bytes"));
    settings.bytes_max = bytes("bytes_max");
    set(&mut settings.retain_bytes, section.optional::<ByteSize>("retain_bytes").map(|it| it.0));
    set(&mut settings.retain_for, section.optional("retain_for"));
    settings
}

/// Reads `[claims]`.
pub(super) fn claims_settings(section: Option<&Section<'_>>) -> StoreSettings {
    let mut settings = StoreSettings::default();
    let Some(section) = section else { return settings };
    let bytes = positive::<ByteSize>(section, "segment_bytes").map(|size| size.0);
    set(&mut settings.segment_bytes, bytes);
    let percent: Option<u32> = positive(section, "garbage_percent");
    set(&mut settings.garbage_share, percent.map(|percent| f64::from(percent) / 100.0));
    section.finish();
    settings
}

/// Reads `[runtime]`.
pub(super) fn runtime_settings(section: Option<&Section<'_>>) -> syncline_runtime::Settings {
    let mut settings = syncline_runtime::Settings::default();
    let Some(section) = section else { return settings };
    set(&mut settings.capture_queue, positive(section, "capture_queue"));
    set(&mut settings.capture_pending, positive(section, "capture_pending"));
    let apply = positive::<ByteSize>(section, "apply_bytes_max").map(ByteSize::in_memory);
    set(&mut settings.apply_bytes_max, apply);
    set(&mut settings.clock_ahead_max, section.optional("clock_ahead_max"));
    set(&mut settings.retry_first, positive(section, "retry_first"));
    set(&mut settings.retry_longest, positive(section, "retry_longest"));
    set(&mut settings.linked_wait, section.optional("linked_wait"));
    set(&mut settings.park_retry, positive(section, "park_retry"));
    set(&mut settings.park_retry_rows, positive(section, "park_retry_rows"));
    set(&mut settings.park_retry_time, positive(section, "park_retry_time"));
    set(&mut settings.parked_max, section.optional("parked_max"));
    set(&mut settings.collect_interval, positive(section, "collect_interval"));
    set(&mut settings.collect_pause, section.optional("collect_pause"));
    set(&mut settings.trim_interval, positive(section, "trim_interval"));
    set(&mut settings.drain_timeout, section.optional("drain_timeout"));
    section.finish();
    settings
}

/// Reads `[gates]`.
pub(super) fn gate_settings(section: Option<&Section<'_>>) -> syncline_runtime::GateSettings {
    let mut settings = syncline_runtime::GateSettings::default();
    let Some(section) = section else { return settings };
    set(&mut settings.deletes_percent, section.optional("deletes_percent"));
    set(&mut settings.changes_percent, section.optional("changes_percent"));
    set(&mut settings.rows_min, section.optional("rows_min"));
    set(&mut settings.poll, positive(section, "poll"));
    section.finish();
    settings
}

/// Reads `[decisions]`.
pub(super) fn decisions_settings(section: Option<&Section<'_>>) -> decisions::Settings {
    let mut settings = decisions::Settings::default();
    let Some(section) = section else { return settings };
    set(&mut settings.poll, positive(section, "poll"));
    set(&mut settings.rows_max, positive(section, "rows_max"));
    section.finish();
    settings
}

/// A limit that would stop everything at 0.
pub(super) fn positive<T: Value + PartialOrd + Default>(
    section: &Section<'_>,
    key: &'static str,
) -> Option<T> {
    let value: T = section.optional(key)?;
    if value <= T::default() {
        section.report(key, Problem::new(format!("{}.{key} must be more than 0", section.name())));
        return None;
    }
    Some(value)
}

/// Replaces a default by what was said.
pub(super) fn set<T>(setting: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *setting = said;
    }
}
