//! What must be true of a world at rest.

use crate::draw::Draw;
use crate::oracle::{by_system, decide, flaps};
use crate::setup::revealing;
use crate::spoken::{Spoken, spoken};
use crate::system::{KEYS, System};
use crate::value::{Cells, SEATS};
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt::Debug;
use syncline_resolve::{EntityRules, Existence};

type Judgement = Result<(), String>;

fn same<T: PartialEq + Debug>(what: &str, is: &T, should_be: &T) -> Judgement {
    if is == should_be {
        return Ok(());
    }
    Err(format!("{what} is {is:?} and should be {should_be:?}"))
}

/// Golden rows and questions are what the policies say of all that was ever said; every system holds
/// them; every word is kept.
pub(crate) fn judge(world: &mut World, draw: &mut Draw) -> Judgement {
    let all = spoken(&world.systems, |system| world.systems[system].history.len());
    let golden = world.heart.log.table();
    is_decided(world, &all, &golden)?;
    for system in &world.systems {
        holds_golden(world, system, &all, &golden)?;
    }
    is_quiet(world, draw)?;
    is_every_word_kept(world, &all, draw)
}

fn is_decided(world: &World, all: &[Spoken], golden: &BTreeMap<u8, Cells>) -> Judgement {
    let rules = &world.setup.rules[0];
    let mut book = world.heart.book.clone();
    for key in 0..KEYS {
        let decided = decide((&world.setup.parts, rules), all, key, world.had_others);
        same(&format!("that k{key} exists"), &golden.contains_key(&key), &decided.exists)?;
        let of = |subject: &str| (key, subject.to_owned());
        let is_asked = book.remove(&of("existence")).is_some();
        same(&format!("that one is asked if k{key} exists"), &is_asked, &decided.is_torn)?;
        let Some(cells) = golden.get(&key) else { continue };
        for (unit, answer) in rules.units.iter().zip(&decided.units) {
            let name = &unit.name;
            let value: Vec<_> = unit.columns.iter().map(|&at| cells[at - 1].clone()).collect();
            if !answer.any_of.contains(&value) {
                return Err(format!("{name} of k{key} is {value:?} and should be {answer:?}"));
            }
            let asked = book.remove(&of(name));
            same(&format!("what is asked of {name} of k{key}"), &asked, &answer.conflict)?;
        }
    }
    same("what else is asked", &book, &BTreeMap::new())
}

/// In its own form, but for what a person is asked about, or what goes to and fro.
fn holds_golden(
    world: &World,
    system: &System,
    all: &[Spoken],
    golden: &BTreeMap<u8, Cells>,
) -> Judgement {
    let part = &system.part;
    let Some(written) = part.writes else { return Ok(()) };
    let rules = &world.setup.rules[0];
    let is_asked =
        |key: u8, subject: &str| world.heart.book.contains_key(&(key, subject.to_owned()));
    for key in (0..KEYS).filter(|&key| !is_asked(key, "existence")) {
        let name = format!("k{key} in {}", part.name);
        let its =
            all.iter().find(|it| it.key == key && world.systems[it.system].part.name == part.name);
        let row = system.table.get(&key);
        let Some(cells) = golden.get(&key) else {
            let is_own = its.is_some_and(|its| its.had);
            if row.is_some() && !is_own {
                return Err(format!("{name} is there, and nobody wants it"));
            }
            if is_own && row.is_none() && !may_have_been(world, all, key) {
                return Err(format!("{name} was deleted, and never was ours"));
            }
            continue;
        };
        let Some(row) = row else { return Err(format!("{name} is not there")) };
        for unit in rules.units.iter().filter(|unit| !is_asked(key, &unit.name)) {
            let fields = unit.columns.iter().map(|&column| column - 1);
            for field in fields.filter(|&field| written.has(field)) {
                if its.is_some_and(|its| flaps(&its.fields[field])) {
                    continue;
                }
                let should_be = part.form.of(field, &cells[field]);
                same(&format!("{} of {name}", unit.name), &row.cells[field], &should_be)?;
            }
        }
    }
    Ok(())
}

/// Whether an entity was told to exist, or may have been before a crash.
fn may_have_been(world: &World, all: &[Spoken], key: u8) -> bool {
    let ever = |name: &str| {
        let mut of_key = all.iter().filter(|it| it.key == key && it.ever);
        of_key.any(|it| world.setup.parts[it.system].name == name)
    };
    let could = |rules: &EntityRules| match &rules.existence {
        Existence::Owner(owner) => ever(owner.as_str()),
        Existence::All => rules.mappings.iter().all(|mapping| ever(mapping.system.as_str())),
        Existence::Any | Existence::Ask => true,
    };
    world.heart.log.ever_was(key) || world.setup.rules.iter().any(could)
}

/// Nothing is written any more.
fn is_quiet(world: &mut World, draw: &mut Draw) -> Judgement {
    let before = (world.writes(), world.heart.log.entries.len());
    world.come_to_rest(draw)?;
    same("what is written at rest", &(world.writes(), world.heart.log.entries.len()), &before)
}

/// Other rules, which show everything that is said, show the last word of every record.
fn is_every_word_kept(world: &mut World, all: &[Spoken], draw: &mut Draw) -> Judgement {
    let rules = revealing(&world.setup.rules[0]);
    let shown = world.heart.reveal(&world.setup, &rules, &world.topics, draw);
    for key in 0..KEYS {
        let decided = decide((&world.setup.parts, &rules), all, key, true);
        same(&format!("that k{key} exists"), &shown.contains_key(&key), &decided.exists)?;
        let Some(cells) = shown.get(&key) else { continue };
        for field in (0..cells.len()).filter(|&field| field != SEATS) {
            let mut words: Vec<_> = all
                .iter()
                .filter(|it| it.key == key)
                .filter_map(|it| Some((it, &it.word(field)?.value)))
                .filter(|(_, value)| value.is_some())
                .collect();
            words.sort_by_key(|(it, _)| (world.setup.parts[it.system].name, &it.record));
            let said = words.iter().map(|(it, value)| (world.setup.parts[it.system].name, *value));
            let should_be = (!words.is_empty()).then(|| by_system(said).into());
            same(&format!("what is said in field {field} of k{key}"), &cells[field], &should_be)?;
        }
    }
    Ok(())
}
