//! What is told where a crash left in doubt what was told before: targets come to what holds, whatever
//! they were told.

use crate::failures::{heart, row};
use crate::fixture::{MAPPINGS, Row, batch};
use crate::told::Heart;
use syncline_core::{ChangeBatch, Op};
use syncline_resolve::{Fallback, Policy};

const SIS: usize = 0;
const HR: usize = 1;

/// The golden rows that come of rows heard in doubt.
fn in_doubt(heart: &mut Heart, rows: &[Row]) -> ChangeBatch {
    let (batch, records) = batch(rows);
    let name = MAPPINGS[rows[0].mapping].1;
    heart.entity.hear_rows(name, &batch, &records, true).unwrap().golden.expect("something")
}

fn prefer() -> Heart {
    heart(Policy::Newest(Fallback::Ask))
}

/// A mapping's filter that judges another image than the last one told would think that the target never
/// had the row.
#[test]
fn of_what_is_gone_nothing_but_the_key_is_told() {
    let came = row(SIS, Op::Insert, (1, 100), &[("name", "a")]);
    let went = row(SIS, Op::Delete, (2, 101), &[]);
    let mut heart = prefer();
    let golden = in_doubt(&mut heart, &[came.clone(), went.clone()]);
    assert_eq!((golden.len(), golden.op(0)), (1, Op::Delete));
    let present: Vec<bool> =
        (0..golden.schema().columns().len()).map(|it| golden.presence().has(0, it)).collect();
    let key: Vec<bool> = (0..present.len()).map(|it| golden.schema().key().contains(&it)).collect();
    assert_eq!(present, key);

    // Without doubt the last image is told with it.
    let mut heart = prefer();
    heart.hear(&[came]);
    let (batch, records) = batch(&[went]);
    let name = MAPPINGS[SIS].1;
    let told = heart.entity.hear_rows(name, &batch, &records, false).unwrap().golden.unwrap();
    assert_eq!((told.op(0), told.presence().rows().is_none()), (Op::Delete, true));
}

/// A row that by now no filter lets through goes where it was told before; a copied row would not say so.
#[test]
fn what_may_have_been_another_row_is_told_as_a_change() {
    let one = row(SIS, Op::Insert, (1, 100), &[("name", "a")]);
    let two = row(SIS, Op::Update, (2, 101), &[("name", "b")]);
    let of_hr = row(HR, Op::Insert, (1, 102), &[("name", "c")]);
    let mut heart = prefer();
    let told = in_doubt(&mut heart, std::slice::from_ref(&one));
    assert_eq!(told.op(0), Op::Snapshot, "nobody said anything else");
    assert_eq!(in_doubt(&mut heart, std::slice::from_ref(&of_hr)).op(0), Op::Update);
    let mut heart = prefer();
    assert_eq!(in_doubt(&mut heart, &[one, two]).op(0), Op::Update);
}

/// The same without doubt: a copy that changes what is agreed.
#[test]
fn a_copy_that_changes_the_golden_row_is_told_as_a_change() {
    for plain in [true, false] {
        let mut heart = prefer();
        heart.hear(&[row(SIS, Op::Insert, (1, 100), &[("name", "a")])]);
        let mut rows = vec![row(SIS, Op::Snapshot, (2, 101), &[("name", "b")])];
        if !plain {
            // Two rows of a key go the long way.
            rows.insert(0, row(SIS, Op::Snapshot, (2, 101), &[("name", "a")]));
        }
        let (batch, records) = batch(&rows);
        let hear = |heart: &mut Heart| {
            let name = MAPPINGS[SIS].1;
            heart.entity.hear_rows(name, &batch, &records, false).unwrap().golden.unwrap()
        };
        assert_eq!(hear(&mut heart).op(0), Op::Update, "{plain}");
        assert_eq!(hear(&mut heart).op(0), Op::Snapshot, "told once more: {plain}");
    }
}
