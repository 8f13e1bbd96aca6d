//! Going through all states of a model.

use stateright::{Checker, Model};
use std::hash::Hash;

/// Visits every state, and prints how many those are; the names of the properties that don't hold, or of what was to
/// be seen and was.
pub(crate) fn explore<M>(what: &str, model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{what}: {} states, {} of them different, up to {} steps deep",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
    );
    let mut found: Vec<&str> = checker.discoveries().into_keys().collect();
    found.sort_unstable();
    for (name, path) in checker.discoveries() {
        println!("  {name}, after {:?}", path.into_actions());
    }
    found
}
