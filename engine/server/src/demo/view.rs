//! The calm view: what flows, redrawn in place; a plain line now and then where nobody watches.

use super::questions::{Questions, sentence};
use crate::live::{Report, Watching, to_text, trouble};
use crate::output::Output;
use crate::render::count;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The other screen, without a cursor, long lines cut.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// Back to how it was.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// To the upper left.
const HOME: &str = "\x1b[H";
/// Clears what is left of a line.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears what is below.
const CLEAR_BELOW: &str = "\x1b[J";

/// How often a line is printed where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(2);

/// Shows reports until it is dropped.
#[derive(Debug)]
pub(crate) struct View {
    drawing: JoinHandle<()>,
    is_screen: bool,
}

impl View {
    /// Begins to show reports on standard error.
    pub(crate) fn open(
        output: Output,
        watching: Watching,
        questions: Questions,
        address: SocketAddr,
    ) -> Self {
        let is_screen = output.is_watched();
        if is_screen {
            write_now(ENTER);
        }
        let drawing = if is_screen {
            tokio::spawn(draw(watching, questions, address))
        } else {
            tokio::spawn(print_lines(output, watching, questions))
        };
        Self { drawing, is_screen }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.drawing.abort();
        if self.is_screen {
            write_now(LEAVE);
        }
    }
}

async fn draw(mut watching: Watching, mut questions: Questions, address: SocketAddr) {
    loop {
        let report = watching.borrow_and_update().clone();
        let asked = sentence(questions.open().await);
        write_now(&screen(&report, &asked, address));
        if watching.changed().await.is_err() {
            return;
        }
    }
}

/// One drawing, written at once so that nothing flickers.
fn screen(report: &Report, asked: &str, address: SocketAddr) -> String {
    let mut text = String::from(HOME);
    for line in to_text(report).lines() {
        let _ = write!(text, "{line}{CLEAR_LINE}\r\n");
    }
    let _ = write!(
        text,
        "{CLEAR_LINE}\r\n{asked}{CLEAR_LINE}\r\n\
         http://{address}/metrics · Ctrl-C ends{CLEAR_LINE}{CLEAR_BELOW}"
    );
    text
}

async fn print_lines(output: Output, watching: Watching, mut questions: Questions) {
    loop {
        sleep(LINE_PERIOD).await;
        let asked = questions.open().await;
        output.progress(&line(&watching.borrow().clone(), asked));
    }
}

/// A report in a line.
fn line(report: &Report, asked: u64) -> String {
    let rows: u64 = report.lanes.values().map(|it| it.inserted + it.updated + it.deleted).sum();
    let rate: f64 = report.mappings.values().map(|it| it.rows_per_second).sum();
    let lag = report.mappings.values().map(|it| it.lag_ms).fold(0.0, f64::max);
    let troubled = report.loops().filter(|(name, state)| trouble(name, state).is_some()).count();
    format!(
        "{:>4.0} s  {}  {} rows written  {} rows/s  lag {lag:.0} ms  {} parked  {} asked  {troubled} troubled",
        report.uptime_seconds,
        if report.is_streaming() { "streaming" } else { "copying" },
        count(rows),
        count(rate as u64),
        count(report.parked()),
        count(asked),
    )
}

fn write_now(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
