//! The university by itself: its size, its traffic, and an oracle that sees every difference.

use anyhow::Result;
use futures::{SinkExt, pin_mut};
use std::time::Duration;
use syncline_demo::{
    Cluster, ClusterOptions, Difference, Durability, Size, System, Traffic, TrafficOptions,
    University, expectations, verify, verify_table,
};

fn cluster() -> Result<Cluster> {
    Cluster::start(ClusterOptions { durability: Durability::None, ..ClusterOptions::default() })
}

/// Fills the targets with what the oracle expects, by COPY from source to target.
async fn fill_targets(university: &University) -> Result<()> {
    for expectation in expectations() {
        let source = university.connect(expectation.source).await?;
        let target = university.connect(expectation.target).await?;
        source.batch_execute("SET TimeZone = 'Europe/Madrid'").await?;
        if let Some(beside) = expectation.beside {
            beside.bring(university, &source).await?;
        }
        let rows = source.copy_out(&format!("COPY ({}) TO STDOUT", expectation.sql)).await?;
        let columns = expectation.columns.join(", ");
        let copy = format!("COPY {} ({columns}) FROM STDIN", expectation.table);
        let into = target.copy_in::<_, bytes::Bytes>(&copy).await?;
        pin_mut!(rows);
        pin_mut!(into);
        into.send_all(&mut rows).await?;
        into.close().await?;
    }
    Ok(())
}

async fn count(university: &University, system: System, question: &str) -> Result<i64> {
    Ok(university.connect(system).await?.query_one(question, &[]).await?.get(0))
}

#[tokio::test]
async fn has_the_size_and_the_variety_asked_for() -> Result<()> {
    let cluster = cluster()?;
    let size = Size::scaled(0.05);
    let university = University::build(&cluster, &cluster, size).await?;
    for (system, question, expected) in [
        (System::Sis, "SELECT count(*) FROM students", size.students),
        (System::Sis, "SELECT count(*) FROM courses", size.courses),
        (System::Sis, "SELECT count(*) FROM enrolments", size.enrolments),
        (System::Sis, "SELECT count(DISTINCT time_zone) FROM students", 20),
        (System::Hr, "SELECT count(*) FROM employees", size.employees),
        (System::Hr, "SELECT count(*) FROM departments", 20),
        (System::Lms, "SELECT count(*) FROM users", 0),
    ] {
        assert_eq!(count(&university, system, question).await?, i64::from(expected), "{question}");
    }
    let odd = "SELECT count(*) FROM students WHERE family_name IS NULL";
    assert!(count(&university, System::Sis, odd).await? > 0, "some have one name");
    let toasted = "SELECT count(*) FROM courses WHERE pg_column_size(syllabus) > 2000";
    assert!(count(&university, System::Sis, toasted).await? > 0, "some texts are long");
    Ok(())
}

#[tokio::test]
async fn the_oracle_sees_every_difference_and_no_other() -> Result<()> {
    let cluster = cluster()?;
    let university = University::build(&cluster, &cluster, Size::scaled(0.02)).await?;
    fill_targets(&university).await?;
    let report = verify(&university).await?;
    assert!(report.is_equal(), "{report}");
    assert!(report.rows() > 10_000, "{report}");
    assert_eq!(report.parked(), 0);

    let lms = university.connect(System::Lms).await?;
    lms.batch_execute(
        "DELETE FROM enrolments WHERE (user_id, course_id) IN (SELECT user_id, course_id
             FROM enrolments ORDER BY user_id DESC, course_id LIMIT 3);
         UPDATE enrolments SET grade = NULL, passed = NULL
             WHERE user_id = (SELECT min(user_id) FROM enrolments WHERE grade > 0);
         INSERT INTO enrolments SELECT user_id, 1, 'made up', 1, NULL, NULL, now() FROM users AS u
             WHERE NOT EXISTS (SELECT FROM enrolments AS e WHERE e.user_id = u.user_id
                 AND e.course_id = 1) LIMIT 2",
    )
    .await?;
    let enrolments = expectations().iter().find(|e| e.table == "public.enrolments").unwrap();
    let report = verify_table(&university, enrolments).await?;
    assert_eq!((report.missing, report.extra), (3, 2), "{report}");
    assert!(report.different >= 1, "{report}");
    assert!(report.samples.iter().any(|sample| matches!(sample, Difference::Different { .. })));
    Ok(())
}

#[tokio::test]
async fn a_parked_key_may_differ_and_is_counted() -> Result<()> {
    let cluster = cluster()?;
    let university = University::build(&cluster, &cluster, Size::scaled(0.01)).await?;
    fill_targets(&university).await?;
    let finance = university.connect(System::Finance).await?;
    finance
        .batch_execute(
            "DELETE FROM ledger WHERE payment_id IN (SELECT payment_id FROM ledger LIMIT 2);
             CREATE SCHEMA syncline;
             CREATE TABLE syncline.parked (mapping text, key text)",
        )
        .await?;
    let ledger = expectations().iter().find(|e| e.table == "public.ledger").unwrap();
    let report = verify_table(&university, ledger).await?;
    assert_eq!((report.missing, report.parked), (2, 0));

    let Some(Difference::Missing { key, .. }) = report.samples.first() else {
        panic!("a missing row is the first sample")
    };
    let insert = "INSERT INTO syncline.parked VALUES ('payment/sis_to_finance.sql', $1)";
    finance.execute(insert, &[&key.replace('-', "")]).await?;
    let report = verify_table(&university, ledger).await?;
    assert_eq!((report.missing, report.parked), (1, 1));
    Ok(())
}

#[tokio::test]
async fn traffic_keeps_its_rate_and_changes_every_source_table() -> Result<()> {
    let cluster = cluster()?;
    let university = University::build(&cluster, &cluster, Size::scaled(0.05)).await?;
    let options = TrafficOptions { rows_per_second: 3000, ..TrafficOptions::default() };
    let traffic = Traffic::start(&university, options).await?;
    let started = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(60), async {
        while traffic.report().rows < 12_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
    let report = traffic.stop().await?;
    assert!(started.elapsed() > Duration::from_secs(3), "no faster than the rate");
    assert!(report.transactions > 1000, "{report:?}");
    for (system, tables) in [
        (System::Sis, vec!["students", "courses", "enrolments", "payments"]),
        (System::Hr, vec!["employees", "departments"]),
        (System::Finance, vec!["fees"]),
    ] {
        for table in tables {
            let touched = format!(
                "SELECT count(*) FROM {table} WHERE xmin::text::bigint > (
                SELECT min(xmin::text::bigint) FROM {table})"
            );
            assert!(count(&university, system, &touched).await? > 0, "{table}");
        }
    }
    Ok(())
}
