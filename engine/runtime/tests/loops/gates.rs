//! Much of a table does not go at once before a person was asked.

use crate::support::{Target, until};
use crate::{D, I, Running, U, plan, quick, start_plan};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::{Gates, MassChange, MassKind, Result};
use syncline_runtime::{GateSettings, LoopState, Plan, Settings};

/// What was asked, and whether everything is let pass.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) changes: Mutex<Vec<MassChange>>,
    pub(crate) lets: AtomicBool,
}

#[async_trait]
impl Gates for Asked {
    async fn lets(&self, change: &MassChange) -> Result<bool> {
        let mut changes = self.changes.lock().unwrap();
        if changes.last() != Some(change) {
            changes.push(change.clone());
        }
        Ok(self.lets.load(Ordering::Relaxed))
    }
}

/// People from a system to `lms`, and what is asked meanwhile.
fn start(lms: &Target, through_entity: bool) -> (Running, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let plan = Plan { gates: asked.clone(), ..plan(&[("lms", lms.clone())], through_entity) };
    (start_plan(plan, settings(), vec![]), asked)
}

fn settings() -> Settings {
    let poll = Duration::from_millis(5);
    let gates = GateSettings { deletes_percent: 20, changes_percent: 60, rows_min: 10, poll };
    Settings { gates, ..quick() }
}

fn names(ids: std::ops::Range<i64>) -> Vec<&'static str> {
    ids.map(|id| &*format!("n{id}").leak()).collect()
}

/// An extract that came out short emptied a table in every target (the guard that Entra has for it).
#[tokio::test(flavor = "multi_thread")]
async fn f17_a_mass_delete_waits_until_it_is_let_pass() {
    let lms = Target::default();
    let (running, asked) = start(&lms, false);
    let all = names(0..100);
    let rows: Vec<_> = (0..100).zip(&all).map(|(id, name)| (I, id, Some(*name))).collect();
    running.commit(&rows);
    until("all are there", || lms.names().len() == 100).await;
    // A few may go.
    running.commit(&(0..15).map(|id| (D, id, None)).collect::<Vec<_>>());
    until("a few are gone", || lms.names().len() == 85).await;
    assert!(asked.changes.lock().unwrap().is_empty());
    running.commit(&(20..60).map(|id| (D, id, None)).collect::<Vec<_>>());
    until("somebody is asked", || !asked.changes.lock().unwrap().is_empty()).await;
    running.commit(&[(I, 200, Some("later"))]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(lms.names().len(), 85, "nothing is written meanwhile");
    let changes = asked.changes.lock().unwrap().clone();
    let [change] = changes.as_slice() else { panic!("one question: {changes:?}") };
    assert_eq!((change.kind, change.of), (MassKind::Deletes, 85));
    assert!(change.rows > 17, "a fifth of 85: {change:?}");
    assert!(change.keys.contains(&r#"["20"]"#.to_owned()) && change.keys.len() == 10, "{change:?}");
    let state = running.registry.status(0).lanes[change.reader.as_str()].state.clone();
    let LoopState::Retrying { error, .. } = state else { panic!("it waits: {state:?}") };
    assert!(error.contains("much of lms.public.users would be deleted"), "{error}");
    asked.lets.store(true, Ordering::Relaxed);
    until("they are gone", || lms.names().len() == 46).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_change_waits_too_and_so_does_who_is_told_to_stop_meanwhile() {
    let lms = Target::default();
    let (running, asked) = start(&lms, true);
    let all = names(0..50);
    let rows: Vec<_> = (0..50).zip(&all).map(|(id, name)| (I, id, Some(*name))).collect();
    running.commit(&rows);
    until("all are there", || lms.names().len() == 50).await;
    let others = names(100..150);
    let rows: Vec<_> = (0..50).zip(&others).map(|(id, name)| (U, id, Some(*name))).collect();
    running.commit(&rows);
    until("somebody is asked", || !asked.changes.lock().unwrap().is_empty()).await;
    assert_eq!(asked.changes.lock().unwrap()[0].kind, MassKind::Changes);
    running.stop().await;
    assert!(
        lms.names().iter().all(|name| all.contains(&name.as_str())),
        "nothing of it was written"
    );
}
