//! Expressions mean what they mean in PostgreSQL: each is evaluated by a mapping and by a server,
//! over the same rows, which the connector read. They must be equal, fail on the same rows, or be
//! refused by `check`.

use anyhow::{Context, Result, ensure};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use std::collections::BTreeMap;
use syncline_core::{ChangeBatch, SystemName, TableName};
use syncline_demo::{Cluster, ClusterOptions};
use syncline_mappings::{Catalog, Options, SqlFile, check};
use syncline_postgres::{Settings, inspect, sample};
use tokio_postgres::{Client, SimpleQueryMessage};

const ZONE: &str = "Europe/Paris";
const ROWS: &str = include_str!("rows.sql");

/// One expression a line. What both compute must be equal, and fail on the same rows.
const SAME: &str = include_str!("same.txt");

/// Here some rows are parked that PostgreSQL has a value for; the others must be equal.
const PARKED: &str = include_str!("parked.txt");

/// What `check` must refuse: here PostgreSQL would give another value, or none.
const REFUSED: &str = include_str!("refused.txt");

/// What one row gives; `Err` where it gives none.
type Outcome = std::result::Result<Option<String>, String>;

/// By the row's `id`.
type Outcomes = BTreeMap<i32, Outcome>;

/// The rows, as the connector reads them.
struct Rows {
    catalog: Catalog,
    batch: ChangeBatch,
    client: Client,
    _cluster: Cluster,
}

impl Rows {
    async fn read() -> Result<Self> {
        let cluster = Cluster::start(ClusterOptions::default())?;
        let client = cluster.connect("postgres").await?;
        client.batch_execute(&format!("SET TimeZone = '{ZONE}'; {ROWS}")).await?;
        let settings =
            Settings::new(cluster.host(), cluster.port(), "postgres", cluster.superuser());
        let system = SystemName::new("sis");
        let tables = inspect(&system, &settings).await?;
        let tables = tables.into_iter().map(|table| (table.schema.name().clone(), table));
        let catalog = Catalog { tables: tables.collect(), ..Catalog::default() };
        let name = TableName::table(&system, "public", "t");
        let table = catalog.tables.get(&name).context("the table is there")?;
        let batch = sample(&system, &settings, &table.schema, 100).await?;
        Ok(Self { catalog, batch, client, _cluster: cluster })
    }

    /// What a mapping makes of an expression, or why `check` refuses it.
    fn ours(&self, expression: &str) -> Result<std::result::Result<Outcomes, String>> {
        let text = format!(
            "INSERT INTO sis.public.result (id, value) \
             SELECT id, CAST({expression} AS text) FROM sis.public.t"
        );
        let file = SqlFile { path: "m.sql".to_owned(), text };
        let options = Options { time_zone: ZONE.to_owned() };
        let checked = check(std::slice::from_ref(&file), &self.catalog, &options);
        let Some(mapping) = checked.mappings.first() else {
            let found = checked.diagnostics.iter().map(|found| found.render(&file.text));
            return Ok(Err(found.collect()));
        };
        let done = mapping.transform.transform(&self.batch)?;
        let ids = |batch: &ChangeBatch, row: usize| -> Result<i32> {
            let ids = batch.columns().column_by_name("id").context("there is a column id")?;
            Ok(ids.as_primitive::<arrow_array::types::Int32Type>().value(row))
        };
        let mut outcomes = Outcomes::new();
        for rejected in &done.rejected {
            let reason = Err(rejected.reason.clone());
            outcomes.insert(ids(&self.batch, rejected.row)?, reason);
        }
        let values = done.rows.columns().column(1).as_string::<i32>();
        for row in 0..done.rows.len() {
            let value = values.is_valid(row).then(|| values.value(row).to_owned());
            outcomes.insert(ids(&done.rows, row)?, Ok(value));
        }
        Ok(Ok(outcomes))
    }

    /// What the server makes of it, row by row, since one that fails takes all with it.
    async fn theirs(&self, expression: &str) -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        for id in 1..=i32::try_from(self.batch.len())? {
            let sql = format!("SELECT CAST({expression} AS text) FROM t WHERE id = {id}");
            let outcome = match self.client.simple_query(&sql).await {
                Ok(messages) => Ok(messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })),
                Err(error) => {
                    Err(error.as_db_error().map(|e| e.message().to_owned()).unwrap_or_default())
                }
            };
            outcomes.insert(id, outcome);
        }
        Ok(outcomes)
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether two outcomes agree; `may_park` where ours may have none.
fn agree(ours: &Outcome, theirs: &Outcome, may_park: bool) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (Err(_), Err(_)) => true,
        (Err(_), Ok(_)) => may_park,
        (Ok(_), Err(_)) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_mean_what_they_mean_in_postgresql() -> Result<()> {
    let rows = Rows::read().await?;
    let mut faults = Vec::new();
    let parks = lines(PARKED).map(|line| (line, true));
    for (expression, may_park) in lines(SAME).map(|line| (line, false)).chain(parks) {
        let theirs = rows.theirs(expression).await?;
        let ours = match rows.ours(expression)? {
            Ok(ours) => ours,
            Err(why) => {
                faults.push(format!("{expression}\n  is refused: {why}\n  there: {theirs:?}"));
                continue;
            }
        };
        for (id, theirs) in &theirs {
            let ours = ours.get(id).context("every row has an outcome")?;
            if !agree(ours, theirs, may_park) {
                faults.push(format!("{expression}\n  of row {id}: {ours:?}\n  there: {theirs:?}"));
            }
        }
    }
    for expression in lines(REFUSED) {
        if let Ok(ours) = rows.ours(expression)? {
            let theirs = rows.theirs(expression).await?;
            faults.push(format!("{expression}\n  is not refused: {ours:?}\n  there: {theirs:?}"));
        }
    }
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}
