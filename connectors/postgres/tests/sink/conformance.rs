//! The suite of the contract.

use crate::cluster::Database;
use async_trait::async_trait;
use std::time::Duration;
use syncline_core::Sink;
use syncline_core::conformance::sink::{Items, SinkTarget, all, system};
use syncline_postgres::PostgresSink;

const ITEMS: &str = "SELECT id, name::text, amount::bigint FROM items";

struct Target(Database);

#[async_trait]
impl SinkTarget for Target {
    fn sink(&self) -> Box<dyn Sink> {
        let mut settings = self.0.settings();
        settings.connect_timeout = Duration::from_secs(2);
        Box::new(PostgresSink::new(system(), settings))
    }

    async fn visible(&self) -> Items {
        let rows = self.0.client.query(ITEMS, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }
}

async fn fresh(statements: &str) -> Target {
    Target(Database::new(statements).await)
}

#[tokio::test]
async fn passes_the_suite_of_sinks() {
    all(async || {
        fresh("CREATE TABLE items (id bigint PRIMARY KEY, name text, amount bigint CHECK (amount >= 0))")
            .await
    })
    .await;
}

#[tokio::test]
async fn passes_the_suite_with_a_table_that_can_be_copied_only_as_text() {
    all(async || {
        fresh(
            "CREATE DOMAIN not_negative AS bigint CHECK (VALUE >= 0);
             CREATE TYPE label;
             CREATE FUNCTION label_in(cstring) RETURNS label AS 'textin' LANGUAGE internal STRICT IMMUTABLE;
             CREATE FUNCTION label_out(label) RETURNS cstring AS 'textout' LANGUAGE internal STRICT IMMUTABLE;
             CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, LIKE = text);
             CREATE CAST (label AS text) WITHOUT FUNCTION AS IMPLICIT;
             CREATE TABLE items (id bigint PRIMARY KEY, name label, amount not_negative)",
        )
        .await
    })
    .await;
}
