//! Looks at what differs again and again, until it is well or known to be damaged.

use super::compare::Candidate;
use super::flow::{Flow, Marks};
use super::judge::{Damage, Judged, Look, judge};
use super::pass::{Sides, cut_off};
use super::report::Finding;
use super::scope::Scope;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use syncline_core::{KeyTexts, Result};
use syncline_postgres::Found;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// How many rows are asked for at a time.
const ROWS: usize = 1000;

/// How often a row that moves is looked at before it is left undecided.
const LOOKS_MAX: u32 = 8;

/// How often in a row a row that is not there, or is another, has to be found so.
const AGREED: u32 = 2;

/// A key that is not known to be well.
#[derive(Debug)]
struct Open {
    candidate: Candidate,
    /// For people, once a side was seen to have it.
    text: Option<String>,
    is_asked: bool,
    look: Look,
    agreed: Option<(Damage, u32)>,
}

/// What became of a key.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) finding: Finding,
    /// The target's key.
    pub(crate) key: Vec<u8>,
    /// The same for people.
    pub(crate) text: String,
    /// What the target has.
    pub(crate) there: Option<Found>,
}

/// The rounds of one table.
pub(crate) struct Rounds<'a> {
    pub(crate) sides: &'a Sides,
    pub(crate) flow: &'a Flow,
    pub(crate) scope: &'a Scope,
    pub(crate) wait: Duration,
}

/// What the rounds came to.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) told: Vec<Told>,
    /// How far the sources were in the last round.
    pub(crate) marks: Option<Marks>,
    /// Why not all was decided.
    pub(crate) late: Option<String>,
}

impl Rounds<'_> {
    /// Decides what became of these keys.
    pub(crate) async fn decide(&self, candidates: Vec<Candidate>) -> Result<Decided> {
        let mut decided = Decided::default();
        let open = |candidate| Open {
            candidate,
            text: None,
            is_asked: false,
            look: Look { there: None, said: None },
            agreed: None,
        };
        let mut open: Vec<Open> = candidates.into_iter().map(open).collect();
        if open.iter().any(|it| !it.candidate.is_said) && !self.pass(&mut decided).await? {
            // Order: rows that were deleted meanwhile go before anybody looks for who says them.
            self.look(&mut open).await?;
            open.retain(|it| !is_well(it));
            decided.told.extend(open.into_iter().map(undecided));
            return Ok(decided);
        }
        self.look(&mut open).await?;
        open.retain(|it| !is_well(it));
        for looks in 1.. {
            if open.is_empty() {
                break;
            }
            if looks > LOOKS_MAX || !self.pass(&mut decided).await? {
                decided.told.extend(open.into_iter().map(undecided));
                break;
            }
            let before: Vec<Look> = open.iter().map(|it| it.look.clone()).collect();
            self.look(&mut open).await?;
            let mut still = Vec::with_capacity(open.len());
            for (mut it, before) in open.into_iter().zip(before) {
                match judge(it.candidate.mapping, &before, &it.look) {
                    Judged::Well => {}
                    Judged::Moved => {
                        it.agreed = None;
                        still.push(it);
                    }
                    Judged::Damaged(damage) => match it.agree(damage) {
                        true => decided.told.push(self.damaged(it, damage)),
                        false => still.push(it),
                    },
                }
            }
            open = still;
        }
        Ok(decided)
    }

    /// Waits until all that was committed by now is applied; false where it takes too long.
    async fn pass(&self, decided: &mut Decided) -> Result<bool> {
        let marks = self.flow.marks(self.scope).await?;
        self.sides.pace.check()?;
        decided.late = self.flow.pass(self.scope, &marks, self.wait).await?;
        if decided.late.is_none() {
            decided.marks = Some(marks);
        }
        Ok(decided.late.is_none())
    }

    fn damaged(&self, open: Open, damage: Damage) -> Told {
        let finding = match damage {
            _ if open.is_asked && self.scope.is_read => Finding::Asked,
            _ if open.candidate.is_ambiguous => Finding::Ambiguous,
            damage => Finding::Damaged(damage),
        };
        told(open, finding)
    }

    /// Looks at all keys: first at the target, then at what is said.
    async fn look(&self, open: &mut [Open]) -> Result<()> {
        for some in open.chunks_mut(ROWS) {
            let began = Instant::now();
            let keys: Vec<&[u8]> = some.iter().map(|it| it.candidate.key.as_slice()).collect();
            let there = self.sides.target.rows(&keys).await?;
            for (it, there) in some.iter_mut().zip(there) {
                it.look = Look { there, said: None };
                if let Some(found) = &it.look.there {
                    it.text = Some(found.key.clone());
                }
            }
            self.sides.pace.rest_later(began).await?;
        }
        for some in open.chunks_mut(ROWS) {
            self.ask(some).await?;
        }
        // A row that its origin does not say may be said by another.
        let unsaid = |it: &&mut Open| it.look.said.is_none() && it.look.there.is_some();
        let mut unsaid: Vec<&mut Open> = open.iter_mut().filter(unsaid).collect();
        if !unsaid.is_empty() {
            let keys = unsaid.iter().map(|it| it.candidate.key.clone()).collect();
            self.settle(unsaid.as_mut_slice(), &self.search(keys).await?);
        }
        Ok(())
    }

    /// Asks the origins of some rows.
    async fn ask(&self, some: &mut [Open]) -> Result<()> {
        for mapping in 0..self.scope.writers.len() {
            let of_mapping =
                |it: &&Open| it.candidate.mapping == mapping && !it.candidate.origin.is_empty();
            let asked: Vec<&Open> = some.iter().filter(of_mapping).collect();
            let mut origins: Vec<Vec<u8>> =
                asked.iter().map(|it| it.candidate.origin.clone()).collect();
            origins.sort_unstable();
            origins.dedup();
            if origins.is_empty() {
                continue;
            }
            let sides = self.sides.clone();
            let answers = spawn_blocking(move || {
                let origins: Vec<&[u8]> = origins.iter().map(Vec::as_slice).collect();
                let mut answers = Answers::default();
                sides.answers(mapping, Some(&origins), |_| true, &mut answers)?;
                Ok::<_, syncline_core::Error>(answers)
            });
            let answers = answers.await.map_err(cut_off)??;
            let mut some: Vec<&mut Open> =
                some.iter_mut().filter(|it| it.candidate.mapping == mapping).collect();
            self.settle(some.as_mut_slice(), &answers);
        }
        Ok(())
    }

    /// Goes through all that is said for these keys.
    async fn search(&self, keys: Vec<Vec<u8>>) -> Result<Answers> {
        let sides = self.sides.clone();
        let keys: Arc<std::collections::HashSet<Vec<u8>>> = Arc::new(keys.into_iter().collect());
        let searching = spawn_blocking(move || {
            let mut answers = Answers::default();
            for mapping in 0..sides.expected.len() {
                sides.answers(mapping, None, |key| keys.contains(key), &mut answers)?;
            }
            Ok(answers)
        });
        searching.await.map_err(cut_off)?
    }

    fn settle(&self, open: &mut [&mut Open], answers: &Answers) {
        for it in open {
            let Some(of_key) = answers.0.get(&it.candidate.key) else { continue };
            // Where several say it, what is there may be any of them.
            let held = |answer: &&Answer| {
                let there = it.look.there.as_ref();
                there.and_then(|it| it.hashes.get(answer.mapping)) == Some(&answer.hash)
            };
            let own = |answer: &&Answer| answer.mapping == it.candidate.mapping;
            let of_mapping = || of_key.iter().filter(own);
            let answer = of_mapping().find(held).or_else(|| of_mapping().next());
            let answer = answer.or_else(|| of_key.iter().find(held)).or_else(|| of_key.first());
            let Some(answer) = answer else { continue };
            it.candidate.mapping = answer.mapping;
            it.candidate.origin.clone_from(&answer.origin);
            it.look.said = Some(answer.hash);
            it.is_asked = answer.is_asked;
            it.text = Some(answer.text.clone());
        }
    }
}

impl Open {
    /// Whether a row was found damaged as often as it has to be.
    fn agree(&mut self, damage: Damage) -> bool {
        let times = match self.agreed {
            Some((before, times)) if before == damage => times + 1,
            _ => 1,
        };
        self.agreed = Some((damage, times));
        // That nobody says a row was found by going through all that is said, once before.
        damage == Damage::Extra || times >= AGREED
    }
}

fn is_well(open: &Open) -> bool {
    let Look { there, said } = &open.look;
    let held = there.as_ref().and_then(|it| it.hashes.get(open.candidate.mapping)).copied();
    match said {
        Some(said) => held == Some(*said),
        None => there.is_none(),
    }
}

fn undecided(open: Open) -> Told {
    told(open, Finding::Undecided)
}

fn told(open: Open, finding: Finding) -> Told {
    let Open { candidate, text, look, .. } = open;
    let text = text.unwrap_or_else(|| "[…]".to_owned());
    Told { finding, key: candidate.key, text, there: look.there }
}

/// What is said of some keys.
#[derive(Debug, Default)]
struct Answers(HashMap<Vec<u8>, Vec<Answer>>);

#[derive(Debug)]
struct Answer {
    mapping: usize,
    hash: u64,
    origin: Vec<u8>,
    text: String,
    is_asked: bool,
}

impl Sides {
    /// What a mapping says of the rows of these origins, or of all, where the key is meant. Blocks.
    fn answers(
        &self,
        mapping: usize,
        origins: Option<&[&[u8]]>,
        is_meant: impl Fn(&[u8]) -> bool + Sync,
        answers: &mut Answers,
    ) -> Result<()> {
        let Some(expected) = self.expected.get(mapping) else { return Ok(()) };
        let mut since = Instant::now();
        let mut each = |said: super::expected::Said| {
            let texts = KeyTexts::new(&said.rows);
            let mut met: Vec<(usize, Vec<u8>, u64)> = Vec::new();
            let mut keep = |row: usize, key: &[u8], hash: u64| {
                if is_meant(key) {
                    met.push((row, key.to_vec(), hash));
                }
                Ok(())
            };
            Handle::current().block_on(self.target.forms(mapping, &said.rows, &mut keep))?;
            for (row, key, hash) in met {
                answers.0.entry(key).or_default().push(Answer {
                    mapping,
                    hash,
                    origin: said.origins.get(row).cloned().unwrap_or_default(),
                    text: texts.get(row),
                    is_asked: said.is_asked.get(row) == Some(&true),
                });
            }
            self.pace.rest(said.read, since)?;
            since = Instant::now();
            Ok(())
        };
        match origins {
            Some(origins) => expected.rows(origins, &mut each),
            None => expected.scan(&mut each),
        }
    }
}
