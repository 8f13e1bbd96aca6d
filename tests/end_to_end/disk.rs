//! A disk of the state that is full, fails, or takes less than it is given: nothing is lost, and what is the matter is
//! said. What it does to a whole university that is killed meanwhile is a story of `crash`.

use crate::school::{DEADLINE, School};
use anyhow::{Result, ensure};
use std::time::Duration;
use syncline_tests::{Faults, Log, Power, until};
use tokio::time::sleep;

/// How a process ends that can't trust its files.
const CORRUPT: i32 = 6;
const SOME_TIME: Duration = Duration::from_secs(3);

/// A school whose state lies on a disk that can be told to fail.
async fn school() -> Result<(School, Power)> {
    let mut school = School::with_log(&[], &Log::embedded()).await?;
    let power = Power::of(&school.project())?;
    school.program = school.program.clone().with(power.environment());
    Ok((school, power))
}

#[tokio::test]
async fn a_full_disk_is_waited_for_and_said_to_be() -> Result<()> {
    let (mut school, power) = school().await?;
    let mut running = school.begin().await?;
    for _ in 0..3 {
        power.fail(Faults { is_full: true, ..Faults::default() })?;
        school.until_said(&mut running, &["the log's disk is full"]).await?;
        sleep(SOME_TIME).await;
        running.check()?;
        power.fail(Faults::default())?;
        // It goes on by itself.
        let before = school.transactions();
        until("there is work in between", DEADLINE, async || {
            Ok(school.transactions() > before + 20)
        })
        .await?;
    }
    school.end(running).await
}

#[tokio::test]
async fn writes_that_take_a_part_are_finished() -> Result<()> {
    let (mut school, power) = school().await?;
    power.fail(Faults { is_short: true, ..Faults::default() })?;
    let running = school.begin().await?;
    sleep(SOME_TIME).await;
    school.end(running).await
}

#[tokio::test]
async fn after_a_sync_that_failed_it_ends_and_says_so_and_the_next_run_goes_on() -> Result<()> {
    let (mut school, power) = school().await?;
    let mut running = school.begin().await?;
    for _ in 0..3 {
        power.fail(Faults { syncs: 1, ..Faults::default() })?;
        let ended = running.wait(DEADLINE)?;
        let words = running.last_words();
        ensure!(ended.code() == Some(CORRUPT), "{ended}: {words}");
        ensure!(words.contains("can't sync") && words.contains("check the disk"), "{words}");
        power.fail(Faults::default())?;
        running = school.start().await?;
    }
    school.end(running).await
}

#[tokio::test]
async fn a_log_that_can_not_be_read_is_said_to_be_and_read_once_it_can() -> Result<()> {
    let (mut school, power) = school().await?;
    let mut running = school.begin().await?;
    school.target.freeze()?;
    sleep(SOME_TIME).await;
    running.kill()?;
    // It is not taken for empty, nor for damaged.
    power.fail(Faults { reads: 1, ..Faults::default() })?;
    let mut blind = school.program.run(&school.project())?;
    let ended = blind.wait(DEADLINE)?;
    ensure!(
        !ended.success() && blind.last_words().contains("check the disk"),
        "{}",
        blind.last_words()
    );
    power.fail(Faults::default())?;
    school.target.thaw()?;
    running = school.start().await?;
    power.fail(Faults { reads: 3, ..Faults::default() })?;
    sleep(SOME_TIME).await;
    running.check()?;
    power.fail(Faults::default())?;
    school.end(running).await
}
