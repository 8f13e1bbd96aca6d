//! What does not happen every day: columns come and go, a table is emptied, many rows change at once.

use anyhow::Result;
use syncline_demo::{System, University};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Somebody who may do all that, at the student desk.
pub(crate) struct Upheavals {
    sis: Client,
    number: u32,
    /// Rows changed so far.
    pub(crate) rows: u64,
}

impl Upheavals {
    pub(crate) async fn at(university: &University) -> Result<Self> {
        let sis = university.connect(System::Sis).await?;
        // Whoever works there, or copies a table, is not held up for long.
        sis.batch_execute("SET lock_timeout = '2s'").await?;
        Ok(Self { sis, number: 0, rows: 0 })
    }

    /// The next one; none where others are in its way.
    pub(crate) async fn next(&mut self) -> Result<()> {
        let number = self.number;
        let column = format!("note_{}", number / 4);
        let statements = match number % 4 {
            0 => vec![
                format!("ALTER TABLE payments ADD COLUMN {column} text DEFAULT 'none'"),
                format!("UPDATE payments SET {column} = 'some' WHERE refunded"),
            ],
            1 => vec![
                // Thousands of rows, not more: who lives for a second or two has to come to their end.
                "UPDATE payments SET reference = left(coalesce(reference, '') || '.', 20)
                 WHERE payment_id < '20000000-0000-0000-0000-000000000000'"
                    .to_owned(),
                "SAVEPOINT before".to_owned(),
                "UPDATE payments SET amount = amount + 1 WHERE refunded".to_owned(),
                "ROLLBACK TO before".to_owned(),
                "UPDATE enrolments SET attempt = attempt % 100 + 1 WHERE course_id < 8".to_owned(),
            ],
            2 => vec![
                "CREATE TEMPORARY TABLE former ON COMMIT DROP AS TABLE lecturers".to_owned(),
                "TRUNCATE lecturers".to_owned(),
                "INSERT INTO lecturers TABLE former".to_owned(),
            ],
            _ => vec![format!("ALTER TABLE payments DROP COLUMN {column}")],
        };
        let (mut rows, transaction) = (0, self.sis.transaction().await?);
        for statement in &statements {
            match transaction.execute(statement.as_str(), &[]).await {
                Ok(changed) => rows += changed,
                Err(error) if is_in_the_way(error.code()) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        transaction.commit().await?;
        self.number += 1;
        self.rows += rows;
        Ok(())
    }
}

fn is_in_the_way(code: Option<&SqlState>) -> bool {
    code == Some(&SqlState::LOCK_NOT_AVAILABLE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}
