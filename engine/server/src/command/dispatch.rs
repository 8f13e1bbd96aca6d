//! From the command line to the command.

use super::{
    backfill, check, conflicts, doctor, explain, init, lock, log, parked, plan, preview, status,
    test, verify, why,
};
use crate::arguments::{Arguments, Command};
use crate::demo;
use crate::output::Output;
use crate::problem::{Exit, Failure, Outcome};
use crate::project::{Project, find_project};
use std::path::PathBuf;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where words go.
    pub(crate) output: Output,
    named: Option<PathBuf>,
}

impl Context {
    /// Opens the project that was named or is around.
    pub(crate) fn project(&self) -> Outcome<Project> {
        let here = std::env::current_dir()
            .map_err(|error| Failure::io("can't tell the current directory", &error))?;
        Project::open(&find_project(self.named.as_deref(), &here)?)
    }
}

/// Runs the command that was asked for.
pub(crate) async fn run(arguments: Arguments) -> Outcome<Exit> {
    let context = Context { output: Output::new(arguments.json), named: arguments.project };
    match arguments.command {
        Command::Init(init) => init::run(&context, init).await,
        Command::Lock => lock::run(&context).await,
        Command::Check(check) => check::run(&context, &check).await,
        Command::Preview(preview) => preview::run(&context, &preview).await,
        Command::Test(test) => test::run(&context, &test),
        Command::Explain(explain) => explain::run(&context, &explain),
        Command::Why(why) => why::run(&context, &why).await,
        Command::Plan => plan::run(&context).await,
        Command::Run(run) => super::run::run(&context, &run).await,
        Command::Status => status::run(&context).await,
        Command::Backfill(backfill) => backfill::run(&context, &backfill).await,
        Command::Verify(verify) => verify::run(&context, &verify).await,
        Command::Parked(parked) => parked::run(&context, parked.action).await,
        Command::Gates(gates) => super::gates::run(&context, gates.action).await,
        Command::Conflicts(conflicts) => conflicts::run(&context, conflicts.action).await,
        Command::Log(log) => log::run(&context, &log.action).await,
        Command::Doctor => doctor::run(&context).await,
        Command::Demo(demo) => demo::run(context.output, &demo).await,
    }
}
