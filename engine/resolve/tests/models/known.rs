//! The real entity, asked once for each thing: states of a model differ in much beside the claims.

use crate::claims::{Said, collect, commit, hear};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use syncline_core::{Op, Position, Stable};
use syncline_resolve::{EntityRules, MemoryRows};

/// An operation, and the value.
pub(crate) type Golden = Option<(Op, Option<String>)>;

type Rows = Arc<MemoryRows>;

/// What is said, and whether in doubt: mapping, place, operation, whether by us, value.
type Asked = (String, Position, Op, bool, Option<Vec<u8>>, bool);

pub(crate) struct Known {
    rules: EntityRules,
    heard: Mutex<HashMap<(Rows, Asked), (Rows, Golden)>>,
    committed: Mutex<HashMap<Rows, Rows>>,
    collected: Mutex<HashMap<(Rows, Stable), Rows>>,
}

impl Known {
    pub(crate) fn new(rules: EntityRules) -> Self {
        let (heard, committed, collected) = Default::default();
        Self { rules, heard, committed, collected }
    }

    pub(crate) fn rules(&self) -> &EntityRules {
        &self.rules
    }

    /// Hears a row; not yet committed.
    pub(crate) fn hear(&self, rows: &Rows, said: &Said<'_>, in_doubt: bool) -> (Rows, Golden) {
        let Said { mapping, position, op, ours, value, .. } = *said;
        let asked = (mapping.to_owned(), position, op, ours, value.map(<[u8]>::to_vec), in_doubt);
        ask(&self.heard, (rows.clone(), asked), || {
            let (rows, told) = hear(rows, &self.rules, said, in_doubt);
            (Arc::new(rows), told.golden)
        })
    }

    pub(crate) fn commit(&self, rows: &Rows) -> Rows {
        ask(&self.committed, rows.clone(), || Arc::new(commit(rows, &self.rules)))
    }

    pub(crate) fn collect(&self, rows: &Rows, stable: &Stable) -> Rows {
        let asked = (rows.clone(), stable.clone());
        ask(&self.collected, asked, || Arc::new(collect(rows, &self.rules, stable).0))
    }
}

fn ask<K: Eq + Hash, V: Clone>(
    known: &Mutex<HashMap<K, V>>,
    asked: K,
    answer: impl FnOnce() -> V,
) -> V {
    if let Some(answer) = known.lock().unwrap().get(&asked) {
        return answer.clone();
    }
    let answer = answer();
    known.lock().unwrap().insert(asked, answer.clone());
    answer
}
