//! Stores that are new, old, newer, or in use by others.

use super::words::{about, closed, decision, only, raise, raised, story};
use super::{Failed, Place};
use syncline_control::{Change, CloseReason, ConflictChange, Control, Error, Filter};
use syncline_core::Kind;

pub(crate) async fn an_empty_place_becomes_a_store_and_stays_one(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    assert_eq!(control.count(&Filter::default()).await?, 0);
    control.apply(&[raised("e1")], 10).await?;
    control.make_durable().await?;
    control.decide(&decision("d1", 1, "e1")).await?;
    control.close().await;
    let control = place.open().await?;
    control.apply(&[closed(CloseReason::Gone)], 600).await?;
    assert_eq!(
        story(&control, 1).await?,
        ["10 raised on e1", "500 maria decided d1", "600 closed: gone"]
    );
    assert_eq!(only(&control).await?.times_reopened, 0);
    Ok(())
}

pub(crate) async fn a_store_of_a_newer_version_is_refused(place: &Place) -> Result<(), Failed> {
    place.open().await?.close().await;
    place.meddle("UPDATE control_version SET version = 99").await?;
    let refused = place.open().await.map(drop);
    let beside = Control::open_read_only(&place.address).await.map(drop);
    for refused in [refused, beside] {
        let error = syncline_core::Error::from(refused.expect_err("it is of a newer version"));
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(
            error.to_string(),
            "the control store has version 99, and this Syncline knows versions up to 2"
        );
        assert_eq!(error.hint_text(), Some("run the Syncline that wrote it, or a newer one"));
    }
    Ok(())
}

/// Found by a crash at a point between the two statements: such a store could never be opened again.
pub(crate) async fn a_store_whose_making_was_cut_short_is_made(
    place: &Place,
) -> Result<(), Failed> {
    let empty = "CREATE TABLE control_version \
                 (one BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)";
    place.meddle(empty).await?;
    assert!(Control::open_read_only(&place.address).await?.is_none(), "it is being made");
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    assert_eq!(only(&control).await?.evidence, "e1");
    Ok(())
}

pub(crate) async fn a_reader_finds_no_store_before_there_is_one(
    place: &Place,
) -> Result<(), Failed> {
    assert!(Control::open_read_only(&place.address).await?.is_none());
    let control = place.open().await?;
    control.apply(&[raised("e1")], 10).await?;
    let reader = Control::open_read_only(&place.address).await?.expect("there is a store");
    assert_eq!(only(&reader).await?, only(&control).await?);
    assert!(reader.apply(&[raised("e2")], 20).await.is_err(), "it only reads");
    assert!(reader.decide(&decision("d1", 1, "e1")).await.is_err(), "it only reads");
    control.close().await;
    reader.close().await;
    let reader = Control::open_read_only(&place.address).await?.expect("nobody else has it open");
    assert_eq!(only(&reader).await?.evidence, "e1");
    reader.close().await;
    // Between its first table and the others.
    place.meddle("UPDATE control_version SET version = 0").await?;
    assert!(Control::open_read_only(&place.address).await?.is_none(), "it is being made");
    Ok(())
}

const BATCH: i64 = 64;

fn batch(number: i64) -> Vec<ConflictChange> {
    let key = |n| format!("{number}-{n}");
    (0..BATCH).map(|n| about("person", &key(n), "email", Change::Raised(raise("e1")))).collect()
}

pub(crate) async fn reading_beside_a_writer_sees_whole_batches(
    place: &Place,
) -> Result<(), Failed> {
    let control = place.open().await?;
    let reader = Control::open_read_only(&place.address).await?.expect("there is a store");
    let writer = tokio::spawn(async move {
        for number in 0..40 {
            control.apply(&batch(number), number).await?;
            control.decide(&decision(&format!("d{number}"), number * BATCH + 1, "e1")).await?;
        }
        Ok::<_, Error>(control)
    });
    let mut seen = 0;
    let mut differing = 0;
    while !writer.is_finished() {
        let now = i64::try_from(reader.count(&Filter::default()).await?)?;
        assert!(now >= seen, "nothing seen is unseen");
        assert_eq!(now % BATCH, 0, "a batch is seen whole or not at all");
        differing += usize::from(now != seen);
        seen = now;
    }
    writer.await??;
    assert!(differing > 1, "the reader saw the writer come along");
    assert_eq!(i64::try_from(reader.count(&Filter::default()).await?)?, 40 * BATCH);
    Ok(())
}

pub(crate) async fn two_processes_write_without_losing_anything(
    place: &Place,
) -> Result<(), Failed> {
    let (one, other) = tokio::join!(place.open(), place.open());
    // Two that make the store at once: one of them may be told to try again.
    let opened = [one, other];
    let mut stores = Vec::new();
    for store in opened {
        stores.push(match store {
            Ok(store) => store,
            Err(_) => place.open().await?,
        });
    }
    let writers = stores.iter().cloned().enumerate().map(|(writer, store)| {
        tokio::spawn(async move {
            for number in 0..10 {
                store
                    .apply(&batch(number * 2 + i64::try_from(writer).unwrap_or(0)), number)
                    .await?;
                store.apply(&batch(1_000), number).await?;
            }
            Ok::<_, Error>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    assert_eq!(i64::try_from(stores[0].count(&Filter::default()).await?)?, 21 * BATCH);
    Ok(())
}
