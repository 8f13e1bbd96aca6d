//! One seed's world from its beginning to its end, and how a story that ends badly is made short.

use crate::draw::Draw;
use crate::event::{Event, events};
use crate::judge::judge;
use crate::setup::Setup;
use crate::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How often a story is told again to make it shorter.
const TELLINGS_MAX: usize = 400;

/// What a seed gives.
pub(crate) struct Story {
    seed: u64,
    setup: Setup,
    events: Vec<Event>,
}

impl Story {
    pub(crate) fn of(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let setup = Setup::any(&mut draw);
        let events = events(setup.parts.len(), &mut draw);
        Self { seed, setup, events }
    }

    /// Lets it all happen; says what is wrong at the end.
    pub(crate) fn run(&self) -> Result<(), String> {
        self.tell(&self.events, false).1
    }

    fn tell(&self, events: &[Event], aloud: bool) -> (String, Result<(), String>) {
        let mut world = World::new(self.setup.clone(), aloud);
        let mut draw = Draw::new(self.seed ^ u64::MAX);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            events.iter().for_each(|event| world.happen(event));
            world.come_to_rest(&mut draw)?;
            judge(&mut world, &mut draw)
        }));
        let ended = ended.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        });
        (world.story(), ended)
    }

    /// The shortest of the stories without some of the events that still ends badly, in words.
    pub(crate) fn in_short(&self) -> String {
        let mut events = self.events.clone();
        let kind = |ended: Result<(), String>| ended.err().map(|why| why.chars().take(8).collect());
        let wanted: Option<String> = kind(self.run());
        let (mut size, mut tellings) = (events.len().div_ceil(2).max(1), 0);
        while tellings < TELLINGS_MAX {
            let (mut from, mut is_shorter) = (0, false);
            while from < events.len() && tellings < TELLINGS_MAX {
                let mut fewer = events.clone();
                fewer.drain(from..(from + size).min(events.len()));
                tellings += 1;
                if kind(self.tell(&fewer, false).1) == wanted {
                    (events, is_shorter) = (fewer, true);
                } else {
                    from += size;
                }
            }
            if size == 1 && !is_shorter {
                break;
            }
            size = size.div_ceil(2);
        }
        let (story, ended) = self.tell(&events, true);
        let parts: Vec<String> =
            self.setup.parts.iter().map(|part| format!("  {part:?}")).collect();
        let rules = &self.setup.rules[0];
        let units: Vec<String> = rules
            .units
            .iter()
            .map(|it| format!("  {}: {:?} null={}", it.name, it.policy, it.null_is_value))
            .collect();
        format!(
            "seed {}: {}\nsystems\n{}\nexists {:?}\n{}\nstory\n{story}",
            self.seed,
            ended.err().unwrap_or_else(|| "it ends well when told again".to_owned()),
            parts.join("\n"),
            rules.existence,
            units.join("\n"),
        )
    }
}
