//! The program under test, built when it is first asked for.

use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::sync::OnceLock;
use syncline_demo::Program;

static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();

/// The `syncline` program as the sources are now. Tests of a workspace may run without its
/// programs being built; and nothing is worse than a test of yesterday's.
///
/// # Errors
/// When it can't be built.
pub fn program() -> Result<Program> {
    // The selection that `./dev` builds: another one has other features, and all is built anew.
    let built =
        BUILT.get_or_init(|| build(&["--all-targets"]).map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)?;
    Program::beside_us()
}

/// The same with points at which it can be made to crash, in a folder beside it. What is built last is
/// without them.
///
/// # Errors
/// When it can't be built.
pub fn crash_program() -> Result<Program> {
    static MADE: OnceLock<std::result::Result<Program, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| make_crash_program().map_err(|error| format!("{error:#}")));
    made.clone().map_err(anyhow::Error::msg)
}

fn make_crash_program() -> Result<Program> {
    // A test as well: with it the selection has the features of the one below, and only what has points is
    // built anew.
    build(&["--bins", "--test", "crash", "--features", "syncline/crash-points"])?;
    let built = Program::beside_us()?;
    let folder = built.directory().join("crash-points");
    std::fs::create_dir_all(&folder)?;
    let program = built.copied_to(&folder)?;
    build(&["--all-targets"])?;
    Ok(program)
}

fn build(selection: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--workspace"]).args(selection);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().context("can't run cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
