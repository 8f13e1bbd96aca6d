//! How many rows are written for one change, once all is at rest: one for each system that is written to,
//! and the same again for each key that it touches. A job that takes back what is written to its
//! system makes that many times as many, and no more.

use crate::draw::Draw;
use crate::setup::{Part, Setup};
use crate::system::{Act, Deed};
use crate::value::{Fields, Form, INFO, SEATS};
use crate::world::World;
use syncline_core::SystemName;
use syncline_resolve::{Fallback, Policy};

/// How often a job is given back what it takes back, until a person is asked.
const FLAPS: usize = 3;

fn policies() -> Vec<Policy> {
    let list = vec![SystemName::new("hr"), SystemName::new("sis")];
    vec![
        Policy::Newest(Fallback::Ask),
        Policy::Newest(Fallback::Prefer(list.clone())),
        Policy::Prefer(list.clone()),
        Policy::Ask(Fallback::Prefer(list.clone())),
        Policy::Ask(Fallback::Ask),
        Policy::Longest(list.clone()),
        Policy::MostCommon(list),
        Policy::Max,
    ]
}

/// The most rows that were written for one change, of many in systems with these parts.
fn written(parts: &[Part], changes: u64) -> usize {
    let mut most = 0;
    for policy in policies() {
        let mut world = World::new(Setup::of(parts.to_vec(), &policy), false);
        let mut draw = Draw::new(changes);
        for change in 0..changes {
            // Further apart than any clock is wrong, and than goes for to and fro.
            world.pass(5_000_000_000);
            let before = world.writes();
            let act = draw.pick(&[Act::Write, Act::Write, Act::Delete, Act::Replace]);
            let deeds: Vec<Deed> = world.change(draw.below(parts.len()), act, &mut draw);
            world
                .come_to_rest(&mut draw)
                .unwrap_or_else(|why| panic!("{policy:?} {change}: {why}"));
            let count = world.writes() - before;
            most = most.max(count);
            assert!(!deeds.is_empty() || count == 0, "written for nothing: {policy:?} {change}");
        }
    }
    most
}

fn forms(forms: &[Form]) -> Vec<Part> {
    let names = ["sis", "hr", "lms", "crm"];
    let part = |(form, name): (&Form, &&'static str)| Part { form: *form, ..Part::both_ways(name) };
    forms.iter().zip(&names).map(part).collect()
}

#[test]
fn two_way() {
    assert_eq!(written(&forms(&[Form::AsIs, Form::AsIs]), 200), 2);
    assert_eq!(written(&forms(&[Form::Upper, Form::Short]), 200), 2);
}

#[test]
fn star_of_four() {
    assert_eq!(written(&forms(&[Form::AsIs; 4]), 200), 4);
    let all = [Form::Upper, Form::Lower, Form::Short, Form::Trimmed];
    assert_eq!(written(&forms(&all), 200), 4);
}

/// What is written to lms a job of the institution's own brings to crm, which is read, and so on
/// round: crm's word is then that of the change once more, and another round tells nobody anything new.
/// What counts up goes round for ever in such a ring (a sum, or `all`), and is left out.
#[test]
fn ring_through_one_entity() {
    let mut parts = forms(&[Form::AsIs; 4]);
    let kept = Fields(!(1 << SEATS | 1 << INFO));
    (parts[2].reads, parts[2].writes) = (None, Some(kept));
    parts[3].reads = Some(kept);
    parts[2].copies_to = Some(3);
    parts[3].writes = None;
    let (targets, rounds) = (3, 2);
    assert!(written(&parts, 200) <= targets * rounds);
}

#[test]
fn a_job_that_fights_is_given_up() {
    let mut parts = forms(&[Form::AsIs; 3]);
    parts[1].fights = true;
    let most = written(&parts, 200);
    assert!((4..=3 * (FLAPS + 2)).contains(&most), "{most} rows");
}
