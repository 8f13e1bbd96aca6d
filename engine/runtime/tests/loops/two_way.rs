//! A system that is both heard and written.

use crate::support::{Target, people, system, until};
use crate::{I, plan, quick, rename, start_plan};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_core::{Captured, Outlet, Report, Resume, Source, TableName};
use syncline_runtime::SourcePlan;

/// Has its first copy in the log when it is told.
struct Copying(Arc<AtomicBool>);

impl Source for Copying {
    fn run(&mut self, _resume: Resume, outlet: &dyn Outlet) -> syncline_core::Result<()> {
        outlet.emit(Captured { entries: vec![], checkpoint: Some(vec![]) })?;
        let mut is_told = false;
        while !outlet.stopping() {
            if !is_told && self.0.load(Ordering::Relaxed) {
                outlet.report(Report::Streaming);
                is_told = true;
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

/// What we wrote before would be in the copy, and pass for the word of the system.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_before_the_first_copy_of_what_is_heard() {
    let (lms, erp) = (Target::default(), Target::default());
    let copied = Arc::new(AtomicBool::new(false));
    let mut plan = plan(&[("lms", lms.clone()), ("erp", erp.clone())], true);
    let users = TableName::table(&system("lms"), "public", "users");
    plan.transforms.push(rename(&users, &people(TableName::entity("person"))));
    let told = copied.clone();
    let make: syncline_runtime::MakeSource = Arc::new(move || Box::new(Copying(told.clone())));
    plan.sources.push(SourcePlan { system: system("lms"), make });
    let running = start_plan(plan, quick(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("whom nobody hears", || erp.names() == ["Ana"]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(lms.names().is_empty(), "it is copied first");
    copied.store(true, Ordering::Relaxed);
    until("who is heard", || lms.names() == ["Ana"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_waits_for_a_copy_ends_when_told_to() {
    let lms = Target::default();
    let mut plan = plan(&[("lms", lms.clone())], true);
    let users = TableName::table(&system("lms"), "public", "users");
    plan.transforms.push(rename(&users, &people(TableName::entity("person"))));
    let make: syncline_runtime::MakeSource = Arc::new(|| Box::new(Copying(Arc::default())));
    plan.sources.push(SourcePlan { system: system("lms"), make });
    let running = start_plan(plan, quick(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    let stopped = tokio::time::timeout(Duration::from_secs(10), running.stop()).await;
    assert!(stopped.is_ok(), "it ends");
}
