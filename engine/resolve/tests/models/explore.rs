//! Going through all states of a model.

use stateright::{Checker, HasDiscoveries, Model};
use std::hash::Hash;

/// Visits every state, and prints how many those are; the names of the properties that don't hold, and of what was
/// to be seen and was.
pub(crate) fn explore<M>(what: &str, model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    explore_until(HasDiscoveries::All, what, model)
}

/// Visits states until a property does not hold.
pub(crate) fn find_failure<M>(what: &str, model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    explore_until(HasDiscoveries::AnyFailures, what, model)
}

fn explore_until<M>(until: HasDiscoveries, what: &str, model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    let checker = model.checker().threads(2).finish_when(until).spawn_bfs().join();
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
