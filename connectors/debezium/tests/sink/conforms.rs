//! The suite of the contract, as far as it is of a target that can't be asked what it has.

use super::scene::Target;
use std::sync::atomic::{AtomicUsize, Ordering};
use syncline_core::conformance::sink as suite;

fn fresh() -> Target {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    Target::new(&format!("suite{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// Not of the suite: that a part of a row is written where the row is there, and that deletes of what is not there are
/// not counted. A topic does not tell. The suite's refused row is one of a database; ours is in `refuses.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite_of_sinks_as_far_as_topics_can() {
    suite::nothing_is_visible_before_commit(&fresh()).await;
    suite::rows_and_progress_come_together(&fresh()).await;
    suite::progress_in_another_log_begins_anew(&fresh()).await;
    suite::replays_do_no_harm(&fresh()).await;
    suite::a_part_of_a_missing_row_is_refused(&fresh()).await;
    suite::whole_rows_are_written_whether_or_not_they_are_there(&fresh()).await;
    suite::truncate_takes_what_is_before_it_and_leaves_what_is_after(&fresh()).await;
    suite::rows_set_aside_are_replaced_and_settled(&fresh()).await;
    suite::rows_set_aside_come_and_go_with_the_transaction(&fresh()).await;
    suite::only_one_instance_writes(&fresh()).await;
}
