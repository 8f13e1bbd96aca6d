//! What was found, as a person reads it.

use super::report::{TableVerified, Verified};
use crate::render::{Align, count, table};
use std::fmt::Write as _;

/// Keys that are shown of each kind.
const KEYS_SHOWN: usize = 10;

/// The whole report.
pub(crate) fn to_text(verified: &Verified) -> String {
    let headings = [
        ("table", Align::Left),
        ("rows", Align::Right),
        ("missing", Align::Right),
        ("extra", Align::Right),
        ("different", Align::Right),
        ("verified as of", Align::Left),
    ];
    let is_read = |it: &&TableVerified| it.skipped.is_none();
    let rows = verified.tables.iter().filter(is_read).map(|it| {
        vec![
            it.table.clone(),
            count(it.rows_said),
            count(it.missing),
            count(it.extra),
            count(it.different),
            as_of(it),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut text = if rows.is_empty() { String::new() } else { table(&headings, &rows) };
    for table in &verified.tables {
        text += &beside(table);
    }
    let damaged = verified.damaged();
    let tables = verified.tables.iter().filter(is_read).count();
    let _ = writeln!(
        text,
        "\n{tables} {} verified in {:.1} s: {}",
        if tables == 1 { "table" } else { "tables" },
        verified.seconds,
        match (damaged, verified.is_open()) {
            (0, false) => "each is what its mappings say".to_owned(),
            (0, true) => "no damage was found, but not all could be told".to_owned(),
            (1, _) => "1 row is damaged".to_owned(),
            (damaged, _) => format!("{} rows are damaged", count(damaged)),
        }
    );
    text
}

fn as_of(table: &TableVerified) -> String {
    let places = table.as_of.iter().map(|(source, at)| format!("{source} {at}"));
    places.collect::<Vec<_>>().join(", ")
}

/// What the table of tables does not have.
fn beside(table: &TableVerified) -> String {
    let mut lines = Vec::new();
    if let Some(skipped) = &table.skipped {
        let can = if skipped.error.is_some() { "could not be" } else { "can't be" };
        lines.push(format!("{can} verified: {}", skipped.reason));
        lines.extend(skipped.hint.as_ref().map(|hint| format!("hint: {hint}")));
    }
    let known = [
        (table.ambiguous, "can't be told: what is right of them is not known"),
        (table.undecided, "undecided"),
        (table.parked, "set aside at the target: `syncline parked list`"),
        (table.asked, "left as they are while a person is asked: `syncline conflicts list`"),
        (table.refused, "refused by their mapping: `syncline parked list`"),
    ];
    let known = known.into_iter().filter(|(rows, _)| *rows > 0);
    lines.extend(known.map(|(rows, what)| format!("{} {what}", count(rows))));
    lines.extend(table.late.as_ref().map(|why| format!("not decided in time: {why}")));
    if !table.left_out.is_empty() {
        let columns = table.left_out.join(", ");
        lines.push(format!("not compared, as they depend on when a row was changed: {columns}"));
    }
    for (what, keys) in &table.keys {
        let shown: Vec<&str> = keys.iter().take(KEYS_SHOWN).map(String::as_str).collect();
        let more = if keys.len() > KEYS_SHOWN { " …" } else { "" };
        lines.push(format!("{what}: {}{more}", shown.join(" ")));
    }
    if let Some(repair) = &table.repair {
        lines.push(format!(
            "was: {} missing, {} extra, {} different",
            count(repair.missing),
            count(repair.extra),
            count(repair.different)
        ));
        if !repair.copied.is_empty() {
            lines.push(format!("copied again in whole: {}", repair.copied.join(", ")));
        }
        if repair.deleted > 0 {
            lines.push(format!("deleted: {} extra rows", count(repair.deleted)));
        }
        lines.extend(repair.left.iter().map(|why| format!("left as it is: {why}")));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}\n  {}\n", table.table, lines.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Finding, Repair, Skipped};
    use super::*;
    use crate::verify::judge::Damage;
    use std::collections::BTreeMap;

    fn verified(name: &str) -> TableVerified {
        TableVerified {
            table: name.into(),
            mappings: vec!["person/to_lms.sql".into()],
            rows_said: 100_000,
            rows_there: 100_001,
            as_of: BTreeMap::from([("sis".into(), "0/16B3748".into())]),
            ..TableVerified::default()
        }
    }

    #[test]
    fn what_was_found_is_told() {
        let mut damaged = verified("lms.public.users");
        for number in 0..12 {
            damaged.count(Finding::Damaged(Damage::Missing), &format!("[\"S{number}\"]"));
        }
        damaged.count(Finding::Damaged(Damage::Extra), "[\"X\"]");
        damaged.count(Finding::Undecided, "[\"U\"]");
        damaged.count(Finding::Parked, "[\"P\"]");
        damaged.late = Some("apply/lms/changes.sis is retrying: the target is away".into());
        damaged.left_out = vec!["copied_at".into()];
        let mut mended = verified("lms.public.courses");
        mended.repair = Some(Repair {
            different: 3,
            copied: vec!["sis.public.courses".into()],
            left: vec!["a reason".into()],
            ..Repair::default()
        });
        let skipped = Skipped { reason: "it is a topic".into(), hint: None, error: None };
        let feed = TableVerified {
            table: "feed.public.users".into(),
            skipped: Some(skipped),
            ..TableVerified::default()
        };
        let tables = vec![feed, mended, damaged];
        insta::assert_snapshot!(to_text(&Verified { tables, seconds: 12.345 }));
    }

    #[test]
    fn nothing_found_is_one_line_a_table() {
        let tables = vec![verified("lms.public.users")];
        insta::assert_snapshot!(to_text(&Verified { tables, seconds: 1.0 }));
    }
}
