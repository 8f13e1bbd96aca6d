//! A preview of other rules: what it counts is what happens when they come into force.

use crate::failures::row;
use crate::fixture::{COLUMNS, rules, systems};
use crate::history::{delivery, histories};
use crate::laws::any_rules;
use crate::told::{Heart, Table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{Cursor, Op, TableSchema};
use syncline_resolve::{EntityRules, Existence, Fallback, Policy, Preview};

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }
}

fn preview(heart: &mut Heart, rules: EntityRules) -> Option<Preview> {
    let mut previewing = heart.entity.previewing(rules).unwrap()?;
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        from = heart.entity.preview(&mut previewing, cursor).unwrap();
    }
    Some(previewing.finish())
}

/// By field, how many keys that are in both tables have another value.
fn differences(before: &Table, after: &Table) -> BTreeMap<String, u64> {
    let mut fields = BTreeMap::new();
    for (key, old) in before {
        let Some(new) = after.get(key) else { continue };
        for (column, name) in COLUMNS.iter().enumerate() {
            if old[column] != new[column] {
                *fields.entry((*name).to_owned()).or_default() += 1;
            }
        }
    }
    fields
}

fn count<K: Ord, V, W>(in_one: &BTreeMap<K, V>, not_in: &BTreeMap<K, W>) -> u64 {
    in_one.keys().filter(|key| !not_in.contains_key(key)).count() as u64
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_foretold_happens(
        old in any_rules(), new in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let mut heart = Heart::new(old.clone());
        delivery.batches(&histories).iter().for_each(|batch| heart.hear(batch));
        heart.commit();
        let before = heart.told.clone();
        let foretold = preview(&mut heart, new.clone());
        prop_assert_eq!(foretold.is_none(), old == new);
        let Some(foretold) = foretold else { return Ok(()) };
        prop_assert_eq!(&heart.told, &before, "a preview changes nothing");
        // Whoever opens the claims with the new rules foretells the same.
        heart.reopen(new.clone());
        let again = preview(&mut heart, new);
        prop_assert_eq!(again.as_ref(), Some(&foretold));
        heart.redecide();
        let after = &heart.told;
        prop_assert_eq!(foretold.appear, count(&after.table, &before.table));
        prop_assert_eq!(foretold.vanish, count(&before.table, &after.table));
        prop_assert_eq!(&foretold.fields, &differences(&before.table, &after.table));
        prop_assert_eq!(foretold.conflicts_open, count(&after.conflicts, &before.conflicts));
        prop_assert_eq!(foretold.conflicts_close, count(&before.conflicts, &after.conflicts));
        prop_assert!(foretold.samples.len() as u64 <= foretold.fields.values().sum::<u64>());
        for sample in &foretold.samples {
            let column = COLUMNS.iter().position(|name| *name == sample.field).unwrap();
            let key = &sample.key[0];
            prop_assert_eq!(&before.table[key][column], &sample.from);
            prop_assert_eq!(&after.table[key][column], &sample.to);
        }
    }
}

#[test]
fn a_field_of_another_type_is_foretold_by_its_text() {
    let policy = Policy::Newest(Fallback::Prefer(systems(&["hr", "sis"])));
    let old = rules(&policy, Existence::Any, false);
    let mut new = old.clone();
    let mut columns = new.schema.columns().to_vec();
    columns[3].native_type = "int4".into();
    let (name, key) = (new.schema.name().clone(), new.schema.key().to_vec());
    new.schema = Arc::new(TableSchema::new(name, 1, columns, key));
    let mut heart = Heart::new(old);
    heart.hear(&[row(0, Op::Insert, (1, 1), &[("seats", "7")])]);
    let foretold = preview(&mut heart, new).unwrap();
    assert_eq!(foretold.fields, BTreeMap::from([("seats".to_owned(), 1)]));
    let sample = &foretold.samples[0];
    assert_eq!((sample.from.as_deref(), sample.to.as_deref()), (Some("7"), None));
}
