//! Systems, their logs, the heart and the lanes, and what happens to them.

use crate::draw::Draw;
use crate::event::{Event, MONTH, What};
use crate::heart::{Crash, Heart};
use crate::setup::Setup;
use crate::system::{Act, Deed, System};
use crate::topic::Topic;

/// After so many rounds of everything a world is at rest, or never will be.
const ROUNDS_MAX: usize = 60;

/// No value is longer than this, unless it goes round and round.
const LENGTH_MAX: usize = 10_000;

/// No log takes so many steps to be heard.
const STEPS_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) systems: Vec<System>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) heart: Heart,
    /// Whether the other rules are in force.
    pub(crate) others: bool,
    /// Whether they ever were.
    pub(crate) had_others: bool,
    /// Whether something may have been told that was lost in a crash.
    crashed: bool,
    /// µs by all clocks that are right.
    now: i64,
    silent_until: Vec<i64>,
    offline_until: Vec<i64>,
    /// What happened, where somebody wants to know.
    story: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(setup: Setup, tells: bool) -> Self {
        let count = setup.parts.len();
        Self {
            systems: setup.parts.iter().cloned().map(System::new).collect(),
            topics: (0..count).map(|_| Topic::default()).collect(),
            heart: Heart::new(&setup),
            others: false,
            had_others: false,
            crashed: false,
            now: 1_750_000_000_000_000,
            silent_until: vec![0; count],
            offline_until: vec![0; count],
            story: tells.then(Vec::new),
            setup,
        }
    }

    /// What happened, one thing a line.
    pub(crate) fn story(&self) -> String {
        self.story.as_deref().unwrap_or_default().join("\n")
    }

    fn tell(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let words = words(self);
            self.story.iter_mut().for_each(|story| story.push(words.clone()));
        }
    }

    pub(crate) fn happen(&mut self, event: &Event) {
        let Event { what, system, bits } = *event;
        let mut draw = Draw::new(bits);
        self.now += 1 + draw.below(1_000) as i64;
        let before = match what {
            What::Restore { .. } => self.systems[system].captured,
            _ => self.systems[system].history.len(),
        };
        match what {
            What::People(act, count) => {
                let deeds: Vec<Deed> =
                    (0..count).flat_map(|_| self.people(system, act, &mut draw)).collect();
                self.systems[system].commit(self.now, false, deeds);
            }
            What::Pass(micros) => self.now += micros,
            What::SetClock(by) => self.systems[system].part.skew += by,
            What::Capture { count, crashes } => self.capture(system, count, crashes, &mut draw),
            What::Repeat(count) => {
                self.topics[system].repeat(&self.systems[system], count, &mut draw);
            }
            What::Resolve { count, crash_in } => self.resolve(system, count, crash_in, &mut draw),
            What::Apply(count) => drop(self.apply(system, count)),
            What::Job => drop(self.job(system)),
            What::Copy if self.setup.parts[system].reads.is_some() => {
                self.systems[system].copy(self.now);
            }
            What::Empty if self.setup.parts[system].reads.is_some() => {
                self.systems[system].empty(self.now);
            }
            What::Copy | What::Empty => {}
            What::BackUp => self.systems[system].back_up(),
            What::Restore { emptied } => drop(self.systems[system].restore(self.now, emptied)),
            What::FallSilent => self.silent_until[system] = self.now + MONTH,
            What::GoOffline => self.offline_until[system] = self.now + MONTH,
            What::Restart { others } => self.change_rules(others, &mut draw),
        }
        self.tell(|world| world.sentence(event, before));
    }

    /// Time goes by.
    pub(crate) fn pass(&mut self, micros: i64) {
        self.now += micros;
    }

    /// Somebody does one thing.
    pub(crate) fn change(&mut self, system: usize, act: Act, draw: &mut Draw) -> Vec<Deed> {
        let deeds = self.people(system, act, draw);
        self.systems[system].commit(self.now, false, deeds.clone());
        deeds
    }

    fn sentence(&self, event: &Event, before: usize) -> String {
        let part = &self.setup.parts[event.system];
        let mut words = format!("{} {:?}", part.name, event.what);
        let history = &self.systems[event.system].history;
        for of in history.get(before..).unwrap_or_default() {
            words += &format!("\n    {}/{} at {}:", of.epoch, of.commit, of.at);
            words += if of.ours { " ours" } else { "" };
            of.deeds.iter().for_each(|deed| words += &format!(" {}", deed_text(deed)));
        }
        words
    }

    /// Nothing but a source or its people changes a table.
    fn people(&mut self, system: usize, act: Act, draw: &mut Draw) -> Vec<Deed> {
        match self.setup.parts[system].reads {
            Some(_) => self.systems[system].act(act, draw),
            None => Vec::new(),
        }
    }

    fn capture(&mut self, system: usize, count: usize, crashes: bool, draw: &mut Draw) {
        if self.now >= self.silent_until[system] {
            self.topics[system].capture(&mut self.systems[system], count, crashes, draw);
        }
    }

    fn resolve(&mut self, system: usize, count: usize, crash_in: Option<usize>, draw: &mut Draw) {
        if self.heart.log.longest() > LENGTH_MAX {
            return;
        }
        self.heart.crash_in = crash_in;
        if let Err(Crash) = self.heart.step(&self.setup, &self.topics, system, count) {
            self.tell(|world| {
                format!("    crash; {} is read again", world.setup.parts[system].name)
            });
            self.crashed = true;
            self.restart(draw);
        }
        self.heart.crash_in = None;
    }

    /// After a crash that is first made good by the same rules: what other rules told before it, nobody
    /// would know of.
    fn change_rules(&mut self, others: bool, draw: &mut Draw) {
        for _ in 0..STEPS_MAX {
            if !(self.crashed && self.hear_what_is_there(draw)) {
                break;
            }
        }
        (self.crashed, self.others) = (false, others);
        self.had_others |= others;
        self.restart(draw);
    }

    /// Whether there was anything to hear.
    fn hear_what_is_there(&mut self, draw: &mut Draw) -> bool {
        let is_there = |world: &Self, system: usize| {
            world.heart.read(system) < world.topics[system].records.len()
        };
        let waiting: Vec<usize> =
            (0..self.systems.len()).filter(|&system| is_there(self, system)).collect();
        waiting.iter().for_each(|&system| self.resolve(system, 8, None, draw));
        !waiting.is_empty()
    }

    /// Begins again until no crash comes in between.
    fn restart(&mut self, draw: &mut Draw) {
        let rules = &self.setup.rules[usize::from(self.others)];
        self.heart.crash_in = draw.happens(30).then(|| draw.below(4));
        while let Err(Crash) = self.heart.restart(&self.setup, rules, &self.topics, draw) {}
        self.heart.crash_in = None;
    }

    /// Whether anything was there to apply.
    fn apply(&mut self, system: usize, count: usize) -> bool {
        let target = &mut self.systems[system];
        if self.now < self.offline_until[system] || target.part.writes.is_none() {
            return false;
        }
        let (rows, next) = self.heart.log.read(target.applied, count);
        let is_new = next > target.applied;
        target.apply(&rows, next, self.now);
        is_new
    }

    /// Whether a job found something to do.
    fn job(&mut self, system: usize) -> bool {
        let part = &self.setup.parts[system];
        let before = self.systems[system].history.len();
        if part.fights {
            self.systems[system].fight(self.now);
        }
        self.systems[system].for_jobs.clear();
        let is_busy = self.systems[system].history.len() > before;
        let Some(to) = part.copies_to else { return is_busy };
        let rows = self.systems[system].table.clone();
        self.systems[to].take_over(&rows, self.now) || is_busy
    }

    /// Goes on with its own rules until nothing is left to do.
    pub(crate) fn come_to_rest(&mut self, draw: &mut Draw) -> Result<(), String> {
        self.now = self
            .silent_until
            .iter()
            .chain(&self.offline_until)
            .fold(self.now, |now, &it| now.max(it));
        if self.others {
            self.change_rules(false, draw);
        }
        self.tell(|_| "all comes to rest".to_owned());
        for _ in 0..ROUNDS_MAX {
            if !self.round(draw)? {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn round(&mut self, draw: &mut Draw) -> Result<bool, String> {
        let (mut is_busy, mut steps) = (false, 0);
        for system in 0..self.systems.len() {
            self.now += 1_000;
            self.capture(system, usize::MAX, false, draw);
        }
        if self.heart.log.longest() > LENGTH_MAX {
            return Err("a value grows without end".to_owned());
        }
        for system in 0..self.systems.len() {
            while self.heart.heard(system) < self.topics[system].records.len() {
                (is_busy, steps) = (true, steps + 1);
                if steps > STEPS_MAX {
                    return Err(format!(
                        "{} is not heard to its end",
                        self.setup.parts[system].name
                    ));
                }
                self.resolve(system, 1 + draw.below(8), None, draw);
            }
        }
        for system in 0..self.systems.len() {
            self.now += 1_000;
            let before = self.systems[system].history.len();
            is_busy |= self.apply(system, usize::MAX);
            is_busy |= self.job(system);
            self.tell_changes(system, before);
        }
        Ok(is_busy || !self.heart.is_done(&self.topics))
    }

    fn tell_changes(&mut self, system: usize, before: usize) {
        if self.systems[system].history.len() > before {
            let event = Event { what: What::Apply(0), system, bits: 0 };
            self.tell(|world| world.sentence(&event, before));
        }
    }

    /// How many rows were written to all systems so far.
    pub(crate) fn writes(&self) -> usize {
        self.systems.iter().map(|system| system.writes).sum()
    }
}

fn deed_text(deed: &Deed) -> String {
    match deed {
        Deed::Emptied => "emptied".to_owned(),
        Deed::Gone { record, key } => format!("-{record}(k{key})"),
        Deed::Put(put) => {
            let cells = put.row.cells.iter().enumerate();
            let there = cells.filter(|(field, _)| !put.absent.has(*field));
            let texts: Vec<&str> =
                there.map(|(_, value)| value.as_deref().unwrap_or("NULL")).collect();
            let from = put.former.map_or(String::new(), |former| format!("{former}→"));
            format!("{:?} {from}{}(k{}) {}", put.op, put.record, put.row.key, texts.join("|"))
        }
    }
}
