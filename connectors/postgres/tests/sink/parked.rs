//! Rows set aside, as the command line sees them.

use crate::cluster::Database;
use crate::rows::{batch, ints, opened, progress, reader, schema, topic};
use syncline_core::{Offset, Op, ParkKey, Parked, ReaderName, Sink, Stage};
use syncline_postgres::{drop_parked, list_parked, replay_parked};

fn parked(key: &str) -> Parked {
    let columns = [("id", ints([1]))];
    Parked {
        key: ParkKey { mapping: "person/to_lms.sql".into(), stage: Stage::Write, key: key.into() },
        table: "lms.public.t".into(),
        image: batch(schema("t", &columns, &[0]), &[Op::Insert], &columns, None),
        reason: "check constraint c is violated".into(),
        culprit: Some("c".into()),
        hint: None,
        offset: Offset(17),
        attempts: 3,
    }
}

#[tokio::test]
async fn parked_rows_are_listed_replayed_and_dropped_from_outside() {
    let database = Database::new("").await;
    let settings = database.settings();
    assert_eq!(list_parked(&settings).await.unwrap(), []);
    assert!(!drop_parked(&settings, "r", &parked("k").key).await.unwrap());
    let mut sink = opened(&database).await;
    sink.park(&[parked("[\"1\"]"), parked("[\"2\"]")], &[]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    let listed = list_parked(&settings).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].reader.as_str(), listed[0].attempts), (reader().as_str(), 3));
    assert!(listed[0].parked_at > 1_500_000_000_000_000 && listed[0].tried_at.is_none());

    let key = Some("[\"1\"]");
    assert_eq!(replay_parked(&settings, None, None, key).await.unwrap(), 1);
    assert_eq!(replay_parked(&settings, Some("someone else"), None, None).await.unwrap(), 0);
    let found = sink.parked().await.unwrap();
    assert_eq!(found.iter().map(|row| row.attempts).collect::<Vec<_>>(), [0, 3]);
    assert!(list_parked(&settings).await.unwrap()[0].replay);

    // Tried again and refused again: no longer asked for, and as old as before.
    sink.park(&[Parked { attempts: 1, ..parked("[\"1\"]") }], &[]).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    let again = list_parked(&settings).await.unwrap();
    assert!(!again[0].replay && again[0].tried_at.is_some());
    assert_eq!(again[0].parked_at, listed[0].parked_at);

    let (reader, one) = (reader(), parked("[\"1\"]").key);
    let of_source = ParkKey { stage: Stage::Map, ..one.clone() };
    assert!(!drop_parked(&settings, reader.as_str(), &of_source).await.unwrap());
    assert!(drop_parked(&settings, reader.as_str(), &one).await.unwrap());
    assert!(!drop_parked(&settings, reader.as_str(), &one).await.unwrap());
    assert_eq!(list_parked(&settings).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_word_on_a_key_counts_where_it_is_parked_twice_at_once() {
    let database = Database::new("").await;
    let mut sink = opened(&database).await;
    let late = Parked { reason: "late\0r".into(), ..parked("[\"1\"]") };
    sink.park(&[parked("[\"1\"]"), late], &[parked("[\"1\"]").key]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    let found = sink.parked().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].reason, "late\u{FFFD}r");
    assert_eq!(ReaderName::apply(&crate::rows::system(), &topic()), reader());
}

#[tokio::test]
async fn a_source_row_and_a_target_row_of_one_key_are_kept_side_by_side() {
    let database = Database::new("").await;
    let mut sink = opened(&database).await;
    let of_target = parked("[\"1\"]");
    let key = ParkKey { stage: Stage::Map, ..of_target.key.clone() };
    let of_source = Parked { key: key.clone(), ..of_target.clone() };
    sink.park(&[of_target.clone(), of_source], &[]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(sink.parked().await.unwrap().len(), 2);
    sink.park(&[], &[key]).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    let left: Vec<_> = sink.parked().await.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(left, [of_target.key]);
}

/// The stage was not part of the key at first.
#[tokio::test]
async fn a_table_of_parked_rows_as_it_was_first_is_brought_up_to_date() {
    let database = Database::new("").await;
    let mut sink = opened(&database).await;
    sink.park(&[parked("[\"1\"]")], &[]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    drop(sink);
    let as_first = "ALTER TABLE syncline.parked DROP CONSTRAINT parked_pkey,
        ADD CONSTRAINT parked_pkey PRIMARY KEY (reader, mapping, key)";
    database.client.batch_execute(as_first).await.unwrap();
    let mut sink = opened(&database).await;
    let of_target = parked("[\"1\"]");
    let key = ParkKey { stage: Stage::Map, ..of_target.key.clone() };
    sink.park(&[Parked { key, ..of_target }], &[]).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    assert_eq!(sink.parked().await.unwrap().len(), 2);
}
