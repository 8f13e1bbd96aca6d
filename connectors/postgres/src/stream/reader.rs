//! The loop: read, take in, hand over, tell the server how far we are.

use super::changes::Changes;
use super::feedback::Feedback;
use super::idle::Idle;
use super::message::{Envelope, Message, Within, envelope, parse};
use super::pace::{Gathering, Pace};
use super::spill::Spill;
use crate::begin::Wanted;
use crate::note::Note;
use crate::source::{Capture, nothing};
use crate::watch::Activity;
use crate::wire::{Connection, Frame, Lsn, ServerError};
use fail::fail_point;
use std::time::{Duration, Instant};
use syncline_core::{Boundary, Error, Kind, Position, Result};

/// How long a read waits when there is nothing to hand over.
const TICK: Duration = Duration::from_millis(50);
/// How long it waits when there is.
const TICK_WITH_NEWS: Duration = Duration::from_millis(1);
/// Messages of a transaction on disk after which it is asked whether to stop, and the server told
/// that we are there.
const MESSAGES_BETWEEN_LOOKS: u32 = 8192;

/// Reads the stream until told to stop.
///
/// # Errors
/// As [`syncline_core::Source::run`]; `Closed` when told to stop.
pub(crate) fn run(
    capture: &Capture<'_>,
    mut connection: Connection,
    note: Note,
    wanted: &[Wanted],
    from: Position,
    activity: &Activity,
) -> Result<()> {
    let spill = Spill::open(capture.system, capture.settings)?;
    let settings = capture.settings;
    connection.start_stream(&settings.slot, Lsn(from.commit), &settings.publication)?;
    fail_point!("handoff.streaming");
    let gathering = match connection.gather_at_server()? {
        true => Gathering::AtServer,
        false => Gathering::OnTheWay,
    };
    let now = Instant::now();
    let stream = Stream {
        capture,
        connection,
        changes: Changes::new(capture, wanted, note, from),
        spill,
        feedback: Feedback::new(from),
        pace: Pace::new(gathering, now),
        idle: Idle::new(from.commit, now),
        activity,
        epoch: from.epoch,
    };
    stream.read()
}

struct Stream<'a> {
    capture: &'a Capture<'a>,
    connection: Connection,
    changes: Changes<'a>,
    spill: Spill,
    feedback: Feedback,
    pace: Pace,
    idle: Idle,
    activity: &'a Activity,
    epoch: u32,
}

/// What a frame asks for beyond being taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// A transaction is whole.
    Committed,
    /// The server wants to hear from us now.
    Reply,
    /// A transaction that was spilled commits.
    Replay {
        xid: u32,
        commit_lsn: u64,
        end_lsn: u64,
        committed_at: i64,
    },
}

impl Stream<'_> {
    fn read(mut self) -> Result<()> {
        loop {
            self.take_buffered(Instant::now())?;
            self.capture.check_stop().inspect_err(|_| drop(self.tell()))?;
            let now = Instant::now();
            if self.changes.is_ready() && self.pace.linger(now).is_zero() {
                self.hand_over()?;
            }
            self.tell_idle(now, self.capture.settings.heartbeat)?;
            if self.feedback.is_due(now) {
                self.tell()?;
            }
            self.wait()?;
        }
    }

    /// Takes in all messages that were read already. It is `now` when it begins.
    fn take_buffered(&mut self, now: Instant) -> Result<()> {
        while let Some(frame) = self.connection.buffered_frame()? {
            let next =
                take_in(frame, &mut self.changes, &mut self.spill, &mut self.idle, self.activity)?;
            match next {
                Next::Nothing => {}
                Next::Reply => {
                    // Order: what the server wants to get rid of is handed over before it is told.
                    self.tell_idle(Instant::now(), Duration::ZERO)?;
                    self.tell()?;
                }
                Next::Replay { xid, commit_lsn, end_lsn, committed_at } => {
                    self.replay(xid, commit_lsn, committed_at)?;
                    fail_point!("spill.replayed");
                    self.changes.commit(end_lsn)?;
                    self.at_commit(now)?;
                }
                Next::Committed => self.at_commit(now)?,
            }
            if self.changes.is_full() {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    /// Between two transactions: what gathered is handed over where it is much or old enough. A
    /// backlog, where a read nearly always ends inside of a transaction, gets its boundaries here.
    #[inline]
    fn at_commit(&mut self, now: Instant) -> Result<()> {
        let is_old = self.changes.is_ready() && self.pace.linger(now).is_zero();
        if is_old || self.changes.is_due_at_commit() { self.hand_over() } else { Ok(()) }
    }

    /// A transaction that was kept on disk, in batches like any other.
    fn replay(&mut self, xid: u32, commit_lsn: u64, committed_at: i64) -> Result<()> {
        let mut messages = self.spill.commit(xid)?;
        fail_point!("spill.committed");
        self.changes.begin(commit_lsn, committed_at);
        let mut since_look = 0;
        while let Some(bytes) = messages.next()? {
            self.changes.apply(parse(bytes, Within::Stream).ok_or_else(torn)?)?;
            since_look += 1;
            // Not only when a batch is full: rows that nobody wants never fill one.
            if since_look >= MESSAGES_BETWEEN_LOOKS || self.changes.is_full() {
                since_look = 0;
                self.capture.check_stop()?;
                if self.feedback.is_due(Instant::now()) {
                    self.tell()?;
                }
            }
            if self.changes.is_full() {
                self.hand_over()?;
                fail_point!("spill.piece");
            }
        }
        Ok(())
    }

    /// Reads once, after a pause where the server has a backlog.
    #[expect(
        clippy::disallowed_methods,
        reason = "the pause lets rows gather; pace decides, and never while the stream is idle"
    )]
    fn wait(&mut self) -> Result<()> {
        if let Some(pause) = self.pace.pause() {
            std::thread::sleep(pause);
        }
        self.connection.set_tick(Some(match self.changes.is_ready() {
            true => TICK_WITH_NEWS,
            false => TICK,
        }))?;
        let began = Instant::now();
        let read = self.connection.fill()?;
        self.pace.on_read(began.elapsed(), read);
        Ok(())
    }

    /// Hands over what there is.
    fn hand_over(&mut self) -> Result<()> {
        let (entries, note) = self.changes.take()?;
        let boundary = entries.last().and_then(|entry| entry.boundary);
        fail_point!("stream.gathered");
        self.capture.emit(entries, note)?;
        fail_point!("stream.handed_over");
        let now = Instant::now();
        self.pace.on_hand_over(now);
        if let Some(Boundary { position, .. }) = boundary {
            self.idle.pass(position.commit, now);
        }
        Ok(())
    }

    /// Where the server has moved on without anything for us, says so in the log now and then, so
    /// that the slot follows although other tables are busy.
    fn tell_idle(&mut self, now: Instant, every: Duration) -> Result<()> {
        if let Some(Boundary { position, committed_at }) = self.changes.take_idle() {
            self.idle.see(position.commit, committed_at);
        }
        let quiet =
            !self.changes.is_open() && !self.changes.is_ready() && !self.spill.is_receiving();
        if let Some((place, at)) = self.idle.due(now, every).filter(|_| quiet) {
            let position = Position { epoch: self.epoch, commit: place, ordinal: 0 };
            self.capture.emit(vec![nothing(position, at)], None)?;
            fail_point!("stream.idle");
            self.idle.pass(place, now);
        }
        Ok(())
    }

    /// Tells the server what is durable.
    fn tell(&mut self) -> Result<()> {
        let status = self.feedback.status(self.capture.outlet.released(), Instant::now());
        self.connection.send_status(status)?;
        fail_point!("stream.confirmed");
        Ok(())
    }
}

/// Takes in one frame.
#[inline]
pub(super) fn take_in(
    frame: Frame<'_>,
    changes: &mut Changes<'_>,
    spill: &mut Spill,
    idle: &mut Idle,
    activity: &Activity,
) -> Result<Next> {
    let bytes = match (frame.tag, frame.tag == b'd') {
        (_, true) => match envelope(frame.body).ok_or_else(torn)? {
            Envelope::Data(bytes) => bytes,
            Envelope::Keepalive { wal_end, sent_at, reply_requested } => {
                if !changes.is_open() && !spill.is_receiving() {
                    idle.see(wal_end, sent_at);
                }
                return Ok(if reply_requested { Next::Reply } else { Next::Nothing });
            }
        },
        (tag, _) => return other_frame(tag, frame.body),
    };
    if spill.is_receiving() && bytes.first() != Some(&b'E') {
        spill.write(bytes)?;
        fail_point!("spill.written");
        return Ok(Next::Nothing);
    }
    match parse(bytes, Within::Whole).ok_or_else(torn)? {
        Message::Begin { commit_lsn, committed_at } => changes.begin(commit_lsn, committed_at),
        Message::Commit { end_lsn } => {
            changes.commit(end_lsn)?;
            activity.mark();
            return Ok(Next::Committed);
        }
        Message::StreamStart { xid, first } => {
            spill.start(xid, first)?;
            fail_point!("spill.started");
        }
        Message::StreamStop => spill.stop(),
        Message::StreamAbort { xid, subtransaction } => spill.abort(xid, subtransaction)?,
        Message::StreamCommit { xid, commit_lsn, end_lsn, committed_at } => {
            return Ok(Next::Replay { xid, commit_lsn, end_lsn, committed_at });
        }
        // Our own heartbeat among them: it must not count as activity.
        Message::Other => return Ok(Next::Nothing),
        message => changes.apply(message)?,
    }
    activity.mark();
    Ok(Next::Nothing)
}

/// A frame that is not of the stream: an error, the end, or a notice.
#[cold]
fn other_frame(tag: u8, body: &[u8]) -> Result<Next> {
    match tag {
        b'E' => Err(ServerError::parse(body).into_error("the stream")),
        b'N' | b'S' => Ok(Next::Nothing),
        _ => Err(Error::new(Kind::Unavailable, "the server ended the stream")),
    }
}

#[cold]
pub(super) fn torn() -> Error {
    Error::new(Kind::Corrupt, "the stream has a message that can't be read")
}
