//! No stage of the path takes more instructions a row than `instructions.toml` allows it.
//!
//! Instructions are counted by Valgrind, whatever else the machine does: each stage in a process of its own, once
//! and three times over as many rows; what the two differ by is the stage alone.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]
#![expect(clippy::disallowed_macros, reason = "what was counted is for people to read")]

use std::collections::BTreeMap;
use std::process::Command;

const ROWS: u64 = 2000;
/// What a count may be above its budget before this fails, and below it before the budget is too large to guard
/// anything. Hash seeds and the allocator make counts differ by less.
const TOLERANCE: f64 = 0.1;

const PROGRAM: &str = env!("CARGO_BIN_EXE_instructions");

fn counted(stage: &str, rounds: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", PROGRAM])
        .args([stage, "--rows", &ROWS.to_string(), "--rounds", &rounds.to_string()])
        .output()
        .expect("valgrind is there, ./dev setup installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stage}: {said}");
    let line = said.lines().find_map(|line| line.split_once(" refs:"));
    line.expect("a count").1.trim().replace(',', "").parse().unwrap()
}

fn stages() -> Vec<String> {
    let output = Command::new(PROGRAM).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn no_stage_takes_more_instructions_a_row_than_it_may() {
    let budgets = include_str!("../instructions.toml");
    let budgets: BTreeMap<String, u64> = toml::from_str(budgets).unwrap();
    let mut wrong = Vec::new();
    for stage in stages() {
        let [once, thrice] = [1, 3].map(|rounds| counted(&stage, rounds));
        let a_row = (thrice - once) as f64 / (2 * ROWS) as f64;
        let budget = budgets.get(&stage).copied().unwrap_or_default() as f64;
        println!("{stage:<26} {a_row:>8.0} instructions a row, of {budget}");
        if (a_row / budget - 1.0).abs() > TOLERANCE {
            wrong.push(format!("{stage}: {a_row:.0} instructions a row, not about {budget}"));
        }
    }
    assert!(budgets.keys().all(|budget| stages().contains(budget)), "a budget of no stage");
    assert!(
        wrong.is_empty(),
        "{}\n  hint: where it is meant, write it into benches/instructions.toml",
        wrong.join("\n")
    );
}
