//! Which schema does a store have, and how does it get the newest one?
//!
//! Invariant: a migration is never changed once released; the next one is added to the end.

use crate::error::{Error, Result, is_missing_table};
use crate::statement::Statement;
use fail::fail_point;
use sqlx::{AnyConnection, AnyPool, Row};

/// The migrations in order; a store of version n has had the first n.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/0001_conflicts.sql"), include_str!("../migrations/0002_said.sql")];

const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Runs the migrations that the store has not had, all in one transaction.
pub(crate) async fn bring_up_to_date(pool: &AnyPool) -> Result<()> {
    let mut connection = pool.acquire().await?;
    match version(&mut connection).await? {
        Some(found) if found >= KNOWN => return expect_current(found),
        Some(_) => {}
        None => make_version(&mut connection).await?,
    }
    drop(connection);
    migrate(pool).await
}

/// The store's version; none where it is not noted yet: a crash, or another process, may be between making the
/// table and filling it.
pub(crate) async fn version(connection: &mut AnyConnection) -> Result<Option<i64>> {
    let asked = sqlx::query("SELECT version FROM control_version").fetch_optional(connection).await;
    match asked {
        Ok(row) => Ok(row.map(|row| row.try_get(0)).transpose()?),
        Err(error) if is_missing_table(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Refuses any version but the newest.
pub(crate) fn expect_current(found: i64) -> Result<()> {
    match found {
        KNOWN => Ok(()),
        found if found > KNOWN => Err(Error::Newer { found, known: KNOWN }),
        found => Err(Error::Config {
            reason: format!(
                "it has version {found}, older than {KNOWN}; the process that runs the project \
                 brings it up to date"
            ),
        }),
    }
}

async fn make_version(connection: &mut AnyConnection) -> Result<()> {
    let make = Statement::new(
        "CREATE TABLE IF NOT EXISTS control_version \
         (one BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)",
    );
    make.execute(connection).await?;
    fail_point!("control.begun");
    let none = Statement::new(
        "INSERT INTO control_version (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING",
    );
    none.execute(connection).await?;
    Ok(())
}

async fn migrate(pool: &AnyPool) -> Result<()> {
    let mut transaction = pool.begin().await?;
    // Order: writing the version locks it, should two processes open an old store at once.
    let lock = Statement::new("UPDATE control_version SET version = version RETURNING version");
    let row = lock.fetch_first(&mut transaction).await?;
    let found: i64 =
        row.ok_or_else(|| Error::corrupt("there is no row with its version"))?.try_get(0)?;
    let had = usize::try_from(found).map_err(|_| Error::corrupt("its version is negative"))?;
    for migration in MIGRATIONS.iter().skip(had) {
        for statement in statements(migration) {
            Statement::new(&statement).execute(&mut transaction).await?;
        }
    }
    let mut advance = Statement::new("UPDATE control_version SET version = ");
    advance.bind(KNOWN.max(found))?;
    advance.execute(&mut transaction).await?;
    fail_point!("control.migrated");
    transaction.commit().await?;
    fail_point!("control.made");
    expect_current(KNOWN.max(found))
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(migration: &str) -> impl Iterator<Item = String> {
    migration
        .split(";\n")
        .map(|statement| {
            let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
            lines.collect::<Vec<_>>().join("\n").trim().to_owned()
        })
        .filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{MIGRATIONS, statements};

    #[test]
    fn a_migration_is_read_as_its_statements() {
        let first: Vec<String> = statements(MIGRATIONS[0]).collect();
        assert!(first.iter().all(|s| s.starts_with("CREATE ") || s.starts_with("INSERT ")));
        assert_eq!(first.len(), 13);
    }
}
