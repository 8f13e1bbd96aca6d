//! Verifies tables of a running engine, one at a time.

use super::buckets::{BUCKETS, records};
use super::compare::{Candidate, compare};
use super::expected::Expected;
use super::flow::{Flow, Marks};
use super::judge::Damage;
use super::outcomes::Outcomes;
use super::pace::Pace;
use super::pass::{Read, Sides, cut_off, no_room};
use super::report::{Finding, Repair, Skipped, TableVerified, Verified};
use super::request::Request;
use super::rounds::{Decided, Rounds};
use super::scope::{Reads, Scope, Unverifiable};
use crate::clock::SystemClock;
use crate::problem::did_you_mean;
use crate::weighing::Weighing;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use syncline_core::{Error, Kind, Result, TableName};
use syncline_postgres::{TargetRows, list_parked};
use syncline_runtime::{Backfills, Clock as _, GateSettings};
use tokio::task::{block_in_place, spawn_blocking};

/// Bytes of keys and hashes that stay in memory, of each side.
const BYTES_MAX: usize = 64 << 20;

/// How many differences are decided at a time.
const CANDIDATES_MAX: usize = 50_000;

/// Verifies tables. Clones are the same.
#[derive(Clone)]
pub(crate) struct Verifier(Arc<Parts>);

struct Parts {
    scopes: BTreeMap<TableName, std::result::Result<Scope, Unverifiable>>,
    flow: Flow,
    weighing: Weighing,
    backfills: Arc<Backfills>,
    gates: GateSettings,
    /// Where what has no room in memory goes.
    directory: PathBuf,
    outcomes: Outcomes,
    one: tokio::sync::Mutex<()>,
    now: Mutex<Option<Now>>,
}

/// What is read now.
struct Now {
    table: String,
    rows: Arc<AtomicU64>,
    of: u64,
    since: Instant,
}

/// How far a verification is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The table; none where nothing is verified.
    pub(crate) table: Option<String>,
    /// Rows read of both sides so far.
    pub(crate) rows: u64,
    /// Rows there are, about; 0 where that is not known.
    pub(crate) of: u64,
    /// Since when, in seconds.
    pub(crate) seconds: f64,
}

/// An extra row, as it was judged.
struct Extra {
    key: Vec<u8>,
    version: String,
}

impl Verifier {
    /// Of what is written, on the flow that writes it.
    pub(crate) fn new(
        scopes: BTreeMap<TableName, std::result::Result<Scope, Unverifiable>>,
        flow: Flow,
        weighing: Weighing,
        backfills: Arc<Backfills>,
        gates: GateSettings,
        (state, outcomes): (&std::path::Path, Outcomes),
    ) -> Self {
        let directory = state.join("verify");
        let (one, now) = (tokio::sync::Mutex::new(()), Mutex::new(None));
        Self(Arc::new(Parts {
            scopes,
            flow,
            weighing,
            backfills,
            gates,
            directory,
            outcomes,
            one,
            now,
        }))
    }

    /// The tables that can be verified.
    pub(crate) fn tables(&self) -> Vec<String> {
        let scopes = self.0.scopes.iter().filter(|(_, scope)| scope.is_ok());
        scopes.map(|(table, _)| table.to_string()).collect()
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        let now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Progress { table: None, rows: 0, of: 0, seconds: 0.0 };
        now.as_ref().map_or(nothing, |now| Progress {
            table: Some(now.table.clone()),
            rows: now.rows.load(Ordering::Relaxed),
            of: now.of,
            seconds: now.since.elapsed().as_secs_f64(),
        })
    }

    /// Verifies tables. Dropped, it stops.
    ///
    /// # Errors
    /// `Fenced` while it is verifying already; `Config` where there is no such table.
    pub(crate) async fn verify(&self, request: &Request) -> Result<Verified> {
        let parts = &self.0;
        let busy = || {
            Error::new(Kind::Unavailable, "a verification is under way already")
                .hint("wait for its end, and ask again")
        };
        let _one = parts.one.try_lock().map_err(|_| busy())?;
        let began = Instant::now();
        std::fs::create_dir_all(&parts.directory).map_err(|error| no_room(&error))?;
        let mut verified = Verified::default();
        for name in parts.meant(&request.tables)? {
            let of_table = Instant::now();
            let mut table = match parts.scopes.get(name) {
                Some(Ok(scope)) => match parts.verify_and_mend(scope, request).await {
                    Err(error) if error.kind() == Kind::Closed => return Err(error),
                    Err(error) => failed(scope, &error),
                    Ok(table) => table,
                },
                Some(Err((reason, hint))) => skipped(reason, hint.clone()),
                None => continue,
            };
            table.table = name.to_string();
            table.seconds = of_table.elapsed().as_secs_f64();
            parts.outcomes.note(SystemClock.now(), &table);
            verified.tables.push(table);
            parts.set_now(None);
        }
        verified.seconds = began.elapsed().as_secs_f64();
        Ok(verified)
    }
}

impl Parts {
    /// The tables that are meant; all where none is named.
    fn meant(&self, names: &[String]) -> Result<Vec<&TableName>> {
        if names.is_empty() {
            return Ok(self.scopes.keys().collect());
        }
        let find = |name: &String| {
            self.scopes.keys().find(|table| table.to_string() == *name).ok_or_else(|| {
                let known: Vec<String> = self.scopes.keys().map(ToString::to_string).collect();
                let unknown =
                    Error::new(Kind::Config, format!("no mapping writes a table {name:?}"));
                let unknown = unknown.detail(format!("they write {}", known.join(", ")));
                match did_you_mean(name, known.iter().map(String::as_str)) {
                    Some(hint) => unknown.hint(hint),
                    None => unknown,
                }
            })
        };
        names.iter().map(find).collect()
    }

    fn set_now(&self, now: Option<Now>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Verifies a table, does what is asked about what is found, and says what is left.
    async fn verify_and_mend(&self, scope: &Scope, request: &Request) -> Result<TableVerified> {
        let (found, extra, sides) = self.verify_table(scope, request).await?;
        if !request.repair || found.damaged() == 0 {
            return Ok(found);
        }
        let TableVerified { missing, extra: surplus, different, .. } = found;
        let mut repair = Repair { missing, extra: surplus, different, ..Repair::default() };
        if request.delete_extra && !extra.is_empty() {
            self.delete(scope, request, &found, (&extra, &sides), &mut repair).await?;
        }
        if missing + different > 0 {
            self.tell_again(scope, &mut repair).await?;
        }
        if repair.copied.is_empty() && repair.deleted == 0 {
            return Ok(TableVerified { repair: Some(repair), ..found });
        }
        let (left, ..) = self.verify_table(scope, request).await?;
        Ok(TableVerified { repair: Some(repair), ..left })
    }

    /// Has the rows that a table is fed by emitted once more, and waits until they are written.
    async fn tell_again(&self, scope: &Scope, repair: &mut Repair) -> Result<()> {
        let mut by_system: BTreeMap<_, Vec<TableName>> = BTreeMap::new();
        for table in scope.fed_by.iter().filter(|table| **table != scope.table) {
            let Some(system) = table.system() else { continue };
            by_system.entry(system.clone()).or_default().push(table.clone());
        }
        if by_system.is_empty() {
            let why = format!("what {} holds is its people's own word", scope.table);
            repair.left.push(why);
            return Ok(());
        }
        for (system, tables) in by_system {
            repair.copied.extend(tables.iter().map(ToString::to_string));
            self.backfills.ask(&system, tables, false)?;
        }
        let marks = self.flow.marks(scope).await?;
        // However long it takes: it is a copy of whole tables.
        if let Some(late) = self.flow.pass(scope, &marks, Duration::MAX).await? {
            repair.left.push(late);
        }
        Ok(())
    }

    /// Deletes extra rows that nobody has written since they were judged.
    async fn delete(
        &self,
        scope: &Scope,
        request: &Request,
        found: &TableVerified,
        (extra, sides): (&[Extra], &Sides),
        repair: &mut Repair,
    ) -> Result<()> {
        const ROWS: usize = 1000;
        let (count, table) = (extra.len() as u64, &scope.table);
        let GateSettings { deletes_percent, rows_min, .. } = self.gates;
        let share = u64::from(deletes_percent) * found.rows_there;
        if scope.is_read {
            let why = format!(
                "{table} is read as well: rows deleted there would pass for its people's word"
            );
            repair.left.push(why);
            return Ok(());
        }
        if count >= rows_min && count * 100 > share && !request.yes {
            let of = found.rows_there;
            let why = format!("{count} of {of} rows would be deleted: say --yes if that is right");
            repair.left.push(why);
            return Ok(());
        }
        for some in extra.chunks(ROWS) {
            let rows: Vec<(&[u8], &str)> =
                some.iter().map(|it| (it.key.as_slice(), it.version.as_str())).collect();
            match sides.target.delete(&rows).await {
                Ok(deleted) => repair.deleted += deleted,
                Err(error) if error.kind() == Kind::Rejected => {
                    let detail = error.detail_text().map(|it| format!(" ({it})"));
                    repair.left.push(format!("{error}{}", detail.unwrap_or_default()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn verify_table(
        &self,
        scope: &Scope,
        request: &Request,
    ) -> Result<(TableVerified, Vec<Extra>, Sides)> {
        let mut found = TableVerified {
            mappings: scope.writers.iter().map(|it| it.name.clone()).collect(),
            left_out: scope.writers.iter().flat_map(|it| it.left_out.clone()).collect(),
            ..TableVerified::default()
        };
        let sides = self.open(scope, request).await?;
        let _stopper = sides.pace.stopper();
        let mut marks = self.begin(scope, request).await?;
        let mut read = sides.read().await?;
        (found.rows_said, found.rows_there) = (read.rows_said, read.rows_there);
        (found.refused, found.ambiguous) = (read.refused, read.keyless);
        let mut rounds = Rounds { sides: &sides, flow: &self.flow, scope, wait: request.wait };
        let (mut bucket, mut extra) = (0, Vec::new());
        while bucket < BUCKETS {
            let candidates = block_in_place(|| next(&mut bucket, &mut read, scope.writers.len()))?;
            if candidates.is_empty() {
                continue;
            }
            let decided = rounds.decide(candidates).await?;
            if let Some(later) = &decided.marks {
                marks.clone_from(later);
            }
            if decided.late.is_some() {
                // What is late for some is late for all.
                rounds.wait = Duration::ZERO;
            }
            absorb(scope, decided, &mut found, &mut extra).await?;
        }
        let position = |mark: u64| format!("{:X}/{:X}", mark >> 32, mark & 0xFFFF_FFFF);
        found.as_of = marks.into_iter().map(|(it, at)| (it.to_string(), position(at))).collect();
        Ok((found, extra, sides))
    }

    async fn open(&self, scope: &Scope, request: &Request) -> Result<Sides> {
        let schemas: Vec<_> = scope
            .writers
            .iter()
            .map(|it| (it.transform.writes().clone(), it.left_out.clone()))
            .collect();
        let target = Arc::new(TargetRows::open(&scope.target, &schemas).await?);
        let (writers, weighing) = (scope.writers.clone(), self.weighing.clone());
        let opening = spawn_blocking(move || {
            writers.iter().map(|it| Expected::open(it, &weighing)).collect::<Result<Vec<_>>>()
        });
        let expected = Arc::new(opening.await.map_err(cut_off)??);
        let rows = Arc::new(AtomicU64::new(0));
        // Both sides have about as many.
        let of = expected.iter().map(|it| it.rows_estimated() * 2).sum();
        let (table, since) = (scope.table.to_string(), Instant::now());
        self.set_now(Some(Now { table, rows: rows.clone(), of, since }));
        let pace = Pace::new(self.flow.watching(), request.slowly, rows);
        let directory = self.directory.clone();
        Ok(Sides { target, expected, directory, bytes_max: BYTES_MAX, pace })
    }

    /// How far the sources are that what is read next holds for.
    async fn begin(&self, scope: &Scope, request: &Request) -> Result<Marks> {
        let is_of_entity = scope.writers.iter().any(|it| matches!(it.reads, Reads::Entity(_)));
        if !is_of_entity {
            return self.flow.marks(scope).await;
        }
        // What is captured is in the claims once the resolves have passed it.
        let captured = self.flow.captured(scope);
        let late = self.flow.pass(scope, &captured, request.wait).await?;
        Ok(if late.is_none() { captured } else { Marks::new() })
    }
}

/// The differences of the next buckets: as many as are decided at a time, about.
fn next(bucket: &mut usize, read: &mut Read, mappings: usize) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    while *bucket < BUCKETS && candidates.len() < CANDIDATES_MAX {
        let said = read.said.take(*bucket).map_err(|error| no_room(&error))?;
        let there = read.there.take(*bucket).map_err(|error| no_room(&error))?;
        compare(records(&said), records(&there), mappings, &mut candidates);
        *bucket += 1;
    }
    Ok(candidates)
}

/// Counts what was decided; of rows that the target refuses, as such.
async fn absorb(
    scope: &Scope,
    decided: Decided,
    found: &mut TableVerified,
    extra: &mut Vec<Extra>,
) -> Result<()> {
    found.late = found.late.take().or(decided.late);
    if decided.told.is_empty() {
        return Ok(());
    }
    let mappings: BTreeSet<&str> = scope.writers.iter().map(|it| it.name.as_str()).collect();
    let parked = list_parked(&scope.target).await?;
    let parked: BTreeSet<&str> = parked
        .iter()
        .filter(|row| row.stage == "write" && mappings.contains(row.mapping.as_str()))
        .map(|row| row.key.as_str())
        .collect();
    for told in decided.told {
        let is_extra = told.finding == Finding::Damaged(Damage::Extra);
        let finding = match told.finding {
            Finding::Damaged(_) | Finding::Ambiguous if parked.contains(told.text.as_str()) => {
                Finding::Parked
            }
            // It may be what a source row was that its mapping refuses by now.
            _ if is_extra && found.refused > 0 => Finding::Ambiguous,
            finding => finding,
        };
        found.count(finding, &told.text);
        if let (Finding::Damaged(Damage::Extra), Some(there)) = (finding, told.there) {
            extra.push(Extra { key: told.key, version: there.version });
        }
    }
    Ok(())
}

fn failed(scope: &Scope, error: &Error) -> TableVerified {
    let detail = error.detail_text().map(|it| format!(": {it}")).unwrap_or_default();
    let mut failed = skipped(&format!("{error}{detail}"), error.hint_text().map(str::to_owned));
    failed.mappings = scope.writers.iter().map(|it| it.name.clone()).collect();
    if let Some(skipped) = &mut failed.skipped {
        skipped.error = Some(error.kind().as_str().to_owned());
    }
    failed
}

fn skipped(reason: &str, hint: Option<String>) -> TableVerified {
    let skipped = Skipped { reason: reason.to_owned(), hint, error: None };
    TableVerified { skipped: Some(skipped), ..TableVerified::default() }
}
