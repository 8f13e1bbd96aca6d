//! The store's promises, each told as a story and held on SQLite and on PostgreSQL.

mod applying;
mod deciding;
mod filtering;
mod opening;
mod place;
mod speed;
mod words;

pub(crate) use place::{Failed, Place};

/// Runs each story on an SQLite file of its own, and all of them on databases of one private
/// PostgreSQL server.
macro_rules! stories {
    ($($module:ident :: $story:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $story() -> Result<(), super::Failed> {
                    let directory = tempfile::tempdir()?;
                    super::$module::$story(&super::Place::sqlite(&directory)).await
                }
            )+
        }

        #[tokio::test]
        async fn postgres_keeps_every_promise() -> Result<(), Failed> {
            let server = place::Server::start()?;
            $(
                let place = server.place(stringify!($story)).await?;
                if let Err(error) = $module::$story(&place).await {
                    panic!("{}: {error}", stringify!($story));
                }
            )+
            Ok(())
        }
    };
}

stories! {
    applying::a_batch_again_changes_nothing,
    applying::equal_evidence_is_the_same_conflict,
    applying::other_evidence_while_open_is_an_event,
    applying::a_conflict_closes_by_itself_and_reopens_as_the_same,
    applying::a_subject_twice_in_a_batch_is_one_conflict,
    applying::a_batch_with_a_broken_key_leaves_nothing,
    applying::values_come_back_as_they_were,
    applying::kinds_are_counted,
    applying::rows_that_wait_are_kept_when_it_changes,
    deciding::a_decision_holds_until_a_source_says_something_new,
    deciding::a_decision_again_is_the_same_one,
    deciding::an_outdated_or_late_decision_is_refused,
    deciding::undoing_opens_the_conflict_again,
    deciding::undoing_what_was_reopened_meanwhile_changes_no_conflict,
    deciding::decisions_are_listed_by_what_is_asked,
    deciding::what_is_said_is_heard_once_and_in_order,
    filtering::each_condition_selects,
    filtering::conditions_hold_together,
    filtering::pages_follow_one_another_both_ways,
    opening::an_empty_place_becomes_a_store_and_stays_one,
    opening::a_store_of_a_newer_version_is_refused,
    opening::reading_beside_a_writer_sees_whole_batches,
    opening::a_reader_finds_no_store_before_there_is_one,
    opening::a_store_whose_making_was_cut_short_is_made,
    opening::two_processes_write_without_losing_anything,
    speed::many_conflicts_a_second,
}
