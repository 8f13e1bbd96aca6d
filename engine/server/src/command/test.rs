//! `test`: the test cases of the mappings, changes in and rows out, without any system.

use super::Context;
use crate::arguments::Test;
use crate::checked;
use crate::problem::{Exit, Outcome, Problem};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_mappings::cases::{CaseResult, run_case};

#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    /// Why the file could not be read.
    error: Option<String>,
    cases: Vec<CaseReport>,
}

#[derive(Serialize)]
struct CaseReport {
    name: String,
    passed: bool,
    /// What was not as expected.
    failures: Vec<String>,
}

/// Runs the cases; exits with 1 where one fails.
pub(crate) fn run(context: &Context, test: &Test) -> Outcome<Exit> {
    let project = context.project()?;
    let lock = project.read_lock()?;
    let mappings = checked::all_well(&project, &lock)?;
    let catalog = project.catalog(&lock);
    let is_meant = |path: &str| test.only.as_ref().is_none_or(|only| path.contains(only.as_str()));
    let files: Vec<FileReport> = project
        .cases
        .iter()
        .filter(|file| is_meant(&file.path))
        .map(|file| FileReport::of(&file.path, run_case(&file.text, &mappings, &catalog)))
        .collect();
    if let Some(only) = test.only.as_ref().filter(|_| files.is_empty()) {
        return Err(Problem::new(format!("no test file has {only:?} in its path"))
            .hint("test files are *.toml in a folder named tests".to_owned())
            .into());
    }
    let report = Report::of(files);
    let exit = if report.failed == 0 { Exit::Ok } else { Exit::Findings };
    context.output.result(&report, to_text);
    Ok(exit)
}

impl Report {
    fn of(files: Vec<FileReport>) -> Self {
        let cases = || files.iter().flat_map(|file| &file.cases);
        let unreadable = files.iter().filter(|file| file.error.is_some()).count();
        Self {
            passed: cases().filter(|case| case.passed).count(),
            failed: cases().filter(|case| !case.passed).count() + unreadable,
            files,
        }
    }
}

impl FileReport {
    fn of(path: &str, result: CaseResult) -> Self {
        let cases = result.cases.into_iter().map(|case| CaseReport {
            passed: case.passed(),
            name: case.name,
            failures: case.differences,
        });
        Self { file: path.to_owned(), error: result.error, cases: cases.collect() }
    }
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.files {
        let _ = writeln!(text, "{}", file.file);
        if let Some(error) = &file.error {
            let _ = writeln!(text, "  can't be read: {}", set_in(error));
        }
        for case in &file.cases {
            let word = if case.passed { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "  {word} {}", case.name);
            for failure in &case.failures {
                let _ = writeln!(text, "         {}", set_in(failure));
            }
        }
    }
    let _ = writeln!(text, "{} passed, {} failed", report.passed, report.failed);
    text
}

/// Further lines set in under the first.
fn set_in(text: &str) -> String {
    text.trim_end().replace('\n', "\n         ")
}
