//! What happens in a world, drawn beforehand so that a story can be told again without some of it.

use crate::draw::Draw;
use crate::system::Act;

/// One thing that happens; `bits` decide its details.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) what: What,
    pub(crate) system: usize,
    pub(crate) bits: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// People do so many things in one transaction.
    People(Act, usize),
    /// So many µs go by.
    Pass(i64),
    /// A clock is set, by so many µs.
    SetClock(i64),
    /// The source is read; with a crash within the next transaction, or without.
    Capture {
        count: usize,
        crashes: bool,
    },
    /// What was read is in the log once more.
    Repeat(usize),
    /// Claims are weighed; with a crash after so many effects, or without.
    Resolve {
        count: usize,
        crash_in: Option<usize>,
    },
    /// Golden rows are written.
    Apply(usize),
    /// A job takes back what was written.
    Job,
    /// All rows are copied again.
    Copy,
    Empty,
    BackUp,
    /// Said to be emptied before what is there is copied, or not.
    Restore {
        emptied: bool,
    },
    /// The source can't be read for 30 days, or the target can't be written to.
    FallSilent,
    GoOffline,
    /// The process begins again, with its rules or the others.
    Restart {
        others: bool,
    },
}

const MINUTE: i64 = 60_000_000;
pub(crate) const MONTH: i64 = 30 * 24 * 60 * MINUTE;

pub(crate) fn events(systems: usize, draw: &mut Draw) -> Vec<Event> {
    let count = 10 + draw.below(50);
    (0..count)
        .map(|_| {
            let what = any(draw);
            Event { what, system: draw.below(systems), bits: draw.bits() }
        })
        .collect()
}

fn any(draw: &mut Draw) -> What {
    match draw.below(100) {
        0..26 => {
            let acts = [Act::Write, Act::Write, Act::Write, Act::Delete, Act::Rename, Act::Replace];
            What::People(draw.pick(&acts), 1 + draw.below(3))
        }
        26..36 => What::Pass(draw.pick(&[0, 300_000, 2_000_000, 5 * MINUTE, 120 * MINUTE])),
        36..38 => What::SetClock(draw.pick(&[-700_000, -3 * MINUTE, 1_500_000])),
        38..56 => What::Capture { count: 1 + draw.below(4), crashes: draw.happens(15) },
        56..58 => What::Repeat(1 + draw.below(4)),
        58..78 => {
            let crash_in = draw.happens(25).then(|| draw.below(5));
            What::Resolve { count: 1 + draw.below(6), crash_in }
        }
        78..88 => What::Apply(1 + draw.below(4)),
        88..91 => What::Job,
        91 => What::Copy,
        92 if draw.happens(40) => What::Empty,
        92 | 93 => What::BackUp,
        94 => What::Restore { emptied: draw.happens(50) },
        95 if draw.happens(50) => What::FallSilent,
        95 => What::GoOffline,
        96 | 97 => What::Restart { others: draw.happens(60) },
        _ => What::Pass(1_000),
    }
}
