//! Rows that a target refuses since they refer to others: they may only have come too early.
//!
//! ```text
//!  refused ─▶ wait ─▶ all of them again ─▶ written
//!              ▲            │ refused
//!              │            ▼
//!              └── most ◀─ one by one ─▶ few: these are set aside, the others written
//! ```
//!
//! The wait ends when all that may bring the others have passed what the log holds now; until then the rows are
//! tried again and again. A process that does not live long gets on so, behind those that it waits for, and a row
//! whose other side is gone for good holds up no others.

use super::linked::Linked;
use super::waves::together;
use crate::isolate::{Isolated, MappedRows, Whole, write_few_apart, write_whole};
use crate::marks::Marker;
use std::pin::pin;
use std::time::Duration;
use syncline_core::{Offset, Result, Sink};
use tokio::select;
use tokio::time::{Instant, sleep};

/// How long it is waited before the first try, and how long at the most before the next.
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_LONGEST: Duration = Duration::from_secs(5);
/// Trying takes no more than one part in so many of the time.
const WAITS_TO_TRIES: u32 = 4;
/// While there is anyone to wait for, no row is set aside before it had this long to become right.
const GRACE: Duration = Duration::from_secs(1);
/// One row in so many is few.
const FEW: usize = 16;

/// The rows that a lane writes, and what it has to know of itself.
pub(super) struct EarlyRows<'a> {
    pub(super) others: &'a [MappedRows],
    /// Those that were set aside before.
    pub(super) joined: &'a [MappedRows],
    /// Nothing else is in the open transaction: it can be given up.
    pub(super) is_alone: bool,
    /// How many rows may be set aside.
    pub(super) room: usize,
    pub(super) mark: &'a Marker,
    /// They were read before it.
    pub(super) next: Offset,
}

/// What became of them.
pub(super) enum Tried {
    /// Those that were not set aside before, at once.
    Others(Whole),
    /// All of them, one by one.
    Apart(Isolated),
}

impl EarlyRows<'_> {
    /// Writes them as soon as the target takes them, or all but few of them, or nobody is left to wait for.
    ///
    /// # Errors
    /// Any error but `Rejected`; `Closed` when told to stop.
    pub(super) async fn write(self, sink: &mut dyn Sink, linked: &mut Linked<'_>) -> Result<Tried> {
        let (began, mut wait) = (Instant::now(), WAIT_FIRST);
        let mut caught_up = pin!(linked.catch_up(self.next));
        loop {
            if self.is_alone {
                // Nothing is lost, and nobody is held up by our locks meanwhile.
                sink.rollback().await?;
            }
            let is_last = select! { biased;
                caught_up = &mut caught_up => { caught_up?; true }
                () = sleep(wait) => false,
            };
            let trying = Instant::now();
            match write_whole(sink, self.others).await? {
                Whole::Refused(error) if error.is_of_reference() && !is_last => {}
                whole => return Ok(Tried::Others(whole)),
            }
            if self.is_alone
                && began.elapsed() >= GRACE
                && let Some(isolated) = self.write_most(sink).await?
            {
                return Ok(Tried::Apart(isolated));
            }
            wait = (wait * 2).max(trying.elapsed() * WAITS_TO_TRIES).min(WAIT_LONGEST);
        }
    }

    /// Writes all but those that are refused, if these are few; none where they are not, with the open
    /// transaction to be given up.
    async fn write_most(&self, sink: &mut dyn Sink) -> Result<Option<Isolated>> {
        let count = |rows: &[MappedRows]| rows.iter().map(|it| it.rows.len()).sum::<usize>();
        let few = (count(self.others) / FEW).min(self.room / 2);
        if few == 0 {
            return Ok(None);
        }
        let refused_max = few + count(self.joined);
        let rows = together(self.others.iter().chain(self.joined).cloned())?;
        write_few_apart(sink, &rows, refused_max, self.mark).await
    }
}
