//! How what the program says looks: the only place that lays out errors and tables.
//!
//! ```text
//! error: mapping person/from_sis.sql reads unknown column "emial"
//!   --> person/from_sis.sql:4:10
//!    |
//!  4 |   SELECT emial
//!    |          ^^^^^
//!   detail: sis.public.students has id, email, last_name
//!   hint: did you mean "email"?
//! ```

use crate::problem::{Place, Problem, Severity};
use std::fmt::Write as _;
use syncline_resolve::utc;

/// Problems as a person reads them, an empty line between two.
pub(crate) fn problems(problems: &[Problem]) -> String {
    problems.iter().map(problem).collect::<Vec<_>>().join("\n")
}

fn problem(problem: &Problem) -> String {
    let word = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{word}: {}\n", problem.message);
    if let Some(place) = &problem.place {
        text += &excerpt(place);
    }
    for (word, said) in [("detail", &problem.detail), ("hint", &problem.hint)] {
        if let Some(said) = said {
            text += &labelled(word, said);
        }
    }
    text
}

/// The place, and the line with a caret under it.
fn excerpt(place: &Place) -> String {
    if place.line == 0 {
        return format!("  --> {}\n", place.file);
    }
    let mut text = format!("  --> {}:{}:{}\n", place.file, place.line, place.column);
    let Some(line) = place.excerpt.as_deref().filter(|_| place.length > 0) else { return text };
    let number = place.line.to_string();
    let gap = " ".repeat(number.len());
    // Tabs keep their width, so that the caret stands under its place.
    let lead: String = line
        .chars()
        .take(place.column - 1)
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let carets = "^".repeat(place.length);
    let _ = writeln!(text, " {gap} |\n {number} | {line}\n {gap} | {lead}{carets}");
    text
}

/// `  word: said`, with further lines set in under the first.
fn labelled(word: &str, said: &str) -> String {
    let indent = format!("\n{}", " ".repeat(word.len() + 4));
    format!("  {word}: {}\n", said.trim_end().replace('\n', &indent))
}

/// How a column of a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Figures.
    Right,
}

/// Rows under their headings, columns two spaces apart.
pub(crate) fn table(headings: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, (heading, _))| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
            cells.chain([width(heading)]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).zip(headings);
        let padded = cells.map(|((cell, &wide), (_, align))| pad(cell, wide, *align));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let heads: Vec<String> = headings.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    std::iter::once(&heads).chain(rows).map(|row| line(row)).collect()
}

fn pad(cell: &str, wide: usize, align: Align) -> String {
    let gap = " ".repeat(wide.saturating_sub(width(cell)));
    match align {
        Align::Left => format!("{cell}{gap}"),
        Align::Right => format!("{gap}{cell}"),
    }
}

/// Characters, which is the width of all but rare text.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// A count with thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in µs since 1970, in UTC: `2026-11-25 13:45:00.5 UTC`.
pub(crate) fn moment(micros: i64) -> String {
    let text = utc(micros).replace('T', " ").replace('Z', "");
    let text = if text.contains('.') { text.trim_end_matches('0') } else { &text };
    format!("{text} UTC")
}

/// A size in the largest unit that leaves a whole digit: `64 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn a_moment_is_a_day_and_a_time() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(-1), "1969-12-31 23:59:59.999999 UTC");
        assert_eq!(moment(951_782_400_500_000), "2000-02-29 00:00:00.5 UTC");
        assert_eq!(moment(1_764_078_300_000_000), "2025-11-25 13:45:00 UTC");
    }

    #[test]
    fn sizes_take_the_largest_fitting_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
    }

    #[test]
    fn a_table_aligns_text_left_and_figures_right() {
        let headings = [("mapping", Align::Left), ("rows", Align::Right)];
        let rows = [vec!["a.sql".into(), "1,000".into()], vec!["núñez.sql".into(), "2".into()]];
        insta::assert_snapshot!(table(&headings, &rows), @r"
        mapping     rows
        a.sql      1,000
        núñez.sql      2
        ");
    }

    #[test]
    fn the_caret_stands_under_its_place_behind_tabs_and_wide_letters() {
        let text = "a = 1\n\tñame = \"x\"\n";
        let start = text.find("\"x\"").expect("is there");
        let place = Place::of_span("syncline.toml", text, start..start + 3);
        let wrong = Problem::new("bad").at(place).detail("two\nlines").hint("mend it".to_owned());
        assert_eq!(
            problems(&[wrong]),
            "error: bad\n  --> syncline.toml:2:9\n   |\n 2 | \tñame = \"x\"\n   | \t       ^^^\n  \
             detail: two\n          lines\n  hint: mend it\n"
        );
    }
}
