//! People at work: writers that change the source systems at a set rate, the same for the same
//! seed.

use super::acts::{Act, FINANCE, HR, LMS, SIS};
use super::{Size, System, University};
use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A writer that falls back further than this does not try to make up for it.
const BACKLOG_MAX: Duration = Duration::from_secs(1);
/// Who works beside the student desk, and how much of all is theirs.
const OTHERS: [(System, &[Act], f64); 3] =
    [(System::Hr, HR, 0.1), (System::Lms, LMS, 0.05), (System::Finance, FINANCE, 0.05)];

/// How busy the university is.
#[derive(Debug, Clone, Copy)]
pub struct TrafficOptions {
    /// The same seed makes the same traffic, writer by writer.
    pub seed: u64,
    /// Rows changed per second, all writers together.
    pub rows_per_second: u32,
    /// Writers at the student desk; one more is in each of the other systems.
    pub writers: u32,
}

impl Default for TrafficOptions {
    fn default() -> Self {
        Self { seed: 1, rows_per_second: 200, writers: 2 }
    }
}

/// What the writers did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficReport {
    /// Transactions committed.
    pub transactions: u64,
    /// Rows inserted, updated or deleted by their statements; cascades not counted.
    pub rows: u64,
}

/// Writers at work. They stop when dropped, in the middle of what they do.
#[derive(Debug)]
pub struct Traffic {
    stop: watch::Sender<bool>,
    writers: JoinSet<Result<()>>,
    done: Arc<Done>,
}

#[derive(Debug, Default)]
struct Done {
    transactions: AtomicU64,
    rows: AtomicU64,
}

impl Traffic {
    /// Sets the writers to work.
    ///
    /// # Errors
    /// When a source system refuses to be connected to.
    pub async fn start(university: &University, options: TrafficOptions) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let done = Arc::new(Done::default());
        let mut writers = JoinSet::new();
        let rate = f64::from(options.rows_per_second);
        let desk = 1.0 - OTHERS.iter().map(|(_, _, share)| share).sum::<f64>();
        let desk = (System::Sis, SIS, desk / f64::from(options.writers.max(1)));
        let desks = std::iter::repeat_n(desk, options.writers as usize);
        for (number, (system, acts, share)) in (0..).zip(OTHERS.into_iter().chain(desks)) {
            let writer = Writer {
                client: university.connect(system).await?,
                acts,
                draw: Draw::new(options, number, university.size()),
                rate: rate * share,
                done: done.clone(),
            };
            writers.spawn(writer.run(stopped.clone()));
        }
        Ok(Self { stop, writers, done })
    }

    /// What the writers did so far.
    #[must_use]
    pub fn report(&self) -> TrafficReport {
        TrafficReport {
            transactions: self.done.transactions.load(Ordering::Relaxed),
            rows: self.done.rows.load(Ordering::Relaxed),
        }
    }

    /// Lets every writer finish what he does, and tells what they did.
    ///
    /// # Errors
    /// When a writer failed on the way.
    pub async fn stop(mut self) -> Result<TrafficReport> {
        self.stop.send_replace(true);
        while let Some(writer) = self.writers.join_next().await {
            writer??;
        }
        Ok(self.report())
    }
}

struct Writer {
    client: Client,
    acts: &'static [Act],
    draw: Draw,
    rate: f64,
    done: Arc<Done>,
}

impl Writer {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let mut due = Instant::now();
        loop {
            tokio::select! { biased;
                _ = stopped.wait_for(|&stopped| stopped) => return Ok(()),
                () = tokio::time::sleep_until(due) => {}
            }
            let rows = self.act().await?;
            // What finds no row costs time too.
            let pause = Duration::from_secs_f64(rows.max(1) as f64 / self.rate.max(0.1));
            due = (due + pause).max(Instant::now() - BACKLOG_MAX);
        }
    }

    /// Does one thing, and tells how many rows it changed.
    async fn act(&mut self) -> Result<u64> {
        let sql = self.draw.act(self.acts);
        match self.client.simple_query(&sql).await {
            Ok(messages) => {
                let rows = messages.iter().map(rows_of).sum();
                self.done.transactions.fetch_add(1, Ordering::Relaxed);
                self.done.rows.fetch_add(rows, Ordering::Relaxed);
                Ok(rows)
            }
            Err(error) if is_collision(error.code()) => Ok(0),
            Err(error) => Err(anyhow::Error::new(error).context(format!("traffic: {sql}"))),
        }
    }
}

fn rows_of(message: &SimpleQueryMessage) -> u64 {
    match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    }
}

/// Whether two writers got into each other's way, so that one of them did nothing.
fn is_collision(code: Option<&SqlState>) -> bool {
    [SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION]
        .iter()
        .any(|collision| code == Some(collision))
}

/// Chance, from a seed.
struct Draw {
    rng: StdRng,
    size: Size,
    writer: u32,
    admitted: u32,
}

impl Draw {
    fn new(options: TrafficOptions, writer: u32, size: Size) -> Self {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(writer));
        Self { rng: StdRng::seed_from_u64(seed), size, writer, admitted: 0 }
    }

    /// One of the acts by their weights, with its placeholders filled.
    fn act(&mut self, acts: &[Act]) -> String {
        let mut place = self.rng.random_range(0..acts.iter().map(|act| act.weight).sum());
        let act = acts
            .iter()
            .find(|act| {
                let here = place < act.weight;
                place = place.saturating_sub(act.weight);
                here
            })
            .expect("the place is within the sum of the weights");
        self.fill(act.sql)
    }

    fn fill(&mut self, sql: &str) -> String {
        if sql.contains("{fresh}") {
            self.admitted += 1;
        }
        let fresh = self.admitted_no(self.admitted);
        let digest = format!("{:032x}", self.rng.random::<u128>());
        let number = self.rng.random_range(1..1_000_000).to_string();
        let course = self.rng.random_range(1..=self.size.courses).to_string();
        let employee = self.rng.random_range(1..=self.size.employees).to_string();
        let department = format!("{:02}", self.rng.random_range(1..=self.size.departments));
        sql.replace("{student}", &self.student())
            .replace("{fresh}", &fresh)
            .replace("{digest}", &digest)
            .replace("{number}", &number)
            .replace("{course}", &course)
            .replace("{employee}", &employee)
            .replace("{department}", &department)
    }

    /// The number of someone who was there from the start, came since, or got a new number.
    fn student(&mut self) -> String {
        let number = self.rng.random_range(1..=self.size.students);
        match self.rng.random_range(0..20) {
            0 => format!("R{number:07}"),
            1 | 2 if self.admitted > 0 => {
                let number = self.rng.random_range(1..=self.admitted);
                self.admitted_no(number)
            }
            _ => format!("S{number:07}"),
        }
    }

    fn admitted_no(&self, number: u32) -> String {
        format!("N{}-{number:06}", self.writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64) -> Vec<String> {
        let options = TrafficOptions { seed, ..TrafficOptions::default() };
        let mut draw = Draw::new(options, 1, Size::scaled(0.01));
        (0..600).map(|place| draw.act([SIS, HR, LMS, FINANCE][place % 4])).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_traffic() {
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn no_placeholder_is_left() {
        for sql in draw(7) {
            assert!(!sql.contains("{st") && !sql.contains("{nu") && !sql.contains("{fr"), "{sql}");
        }
    }
}
