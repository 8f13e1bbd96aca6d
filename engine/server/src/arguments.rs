//! The command line: what can be said, and the help that explains it.

mod conflicts;
mod gates;
mod verify;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub(crate) use conflicts::{
    Choice, ConflictFilter, ConflictsAction, ConflictsArguments, Decide, Exists, Export,
    ExportFormat, List, Show, Undo,
};
pub(crate) use gates::{GatesAction, GatesArguments, OpenGate};
pub(crate) use verify::Verify;

/// Keeps an institution's systems in agreement: reads every change, maps it by SQL, writes it.
#[derive(Debug, Parser)]
#[command(
    name = "syncline",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        syncline demo                        see it run on private servers\n  \
        syncline init uni --system sis=postgres://me@db:5432/sis --system lms=postgres://me@db:5432/lms\n  \
        syncline check && syncline run\n\n\
        Exit codes: 0 well, 1 errors found, 2 usage, 3 configuration, 4 unavailable, 5 rejected,\n\
        6 corrupt, 7 in use, 70 a bug"
)]
pub(crate) struct Arguments {
    /// The project directory; else the nearest upwards with a syncline.toml.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// Results as JSON on standard output, errors as JSON on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new project from live databases.
    #[command(after_help = "Examples:\n  \
        syncline init uni --system sis=postgres://me@db:5432/sis --system lms=postgres://me@db:5432/lms\n  \
        SIS_PASSWORD=… syncline init uni --system sis=postgres://me@db/sis \\\n    \
        --system lms=postgres://me@db/lms --from sis.public.students --to lms.public.users")]
    Init(Init),
    /// Write syncline.lock: the systems' tables as they are now.
    #[command(after_help = "Examples:\n  syncline lock\n  syncline lock && git diff syncline.lock")]
    Lock,
    /// Check every mapping against the tables of both its ends.
    #[command(
        after_help = "Examples:\n  syncline check            against syncline.lock, offline\n  \
        syncline check --live     against the systems, and show what changed since the lock"
    )]
    Check(Check),
    /// Show real rows going into a mapping and what comes out.
    #[command(after_help = "Examples:\n  syncline preview person/from_sis.sql --rows 5")]
    Preview(Preview),
    /// Run the test cases of the mappings.
    #[command(after_help = "Examples:\n  syncline test\n  syncline test person")]
    Test(Test),
    /// Show how a mapping is run, or how a field is decided and who writes it.
    #[command(
        after_help = "Examples:\n  syncline explain person/to_lms.sql\n  syncline explain person.email"
    )]
    Explain(Explain),
    /// Tell why a row of an entity is as it is: who says what, what decided, what would change it.
    #[command(after_help = "Examples:\n  syncline why person S1042\n  \
        syncline why person S1042 email       one field, with all that was said of it\n  \
        syncline why enrolment S1042 CS101    a key of two columns")]
    Why(Why),
    /// Show what a run would make and change, with row counts, and what changed policies would do.
    #[command(after_help = "Examples:\n  syncline plan")]
    Plan,
    /// Keep the systems in agreement until told to stop.
    #[command(after_help = "Examples:\n  syncline run\n  \
        syncline run --until-caught-up     end once everything committed so far is at its target")]
    Run(Run),
    /// Show what the running Syncline of this project is doing.
    #[command(after_help = "Examples:\n  syncline status\n  syncline status --json | jq .mappings")]
    Status,
    /// Copy tables again, while changes go on.
    #[command(after_help = "Examples:\n  syncline backfill sis.public.students\n  \
        syncline backfill --all --system sis     all that is read of sis; after a lost slot too")]
    Backfill(Backfill),
    /// Compare what the mappings say with what the targets hold, while changes flow.
    #[command(after_help = "Examples:\n  syncline verify\n  \
        syncline verify lms.public.users --repair                    have what is wrong told again\n  \
        syncline verify lms.public.users --repair --delete-extra     delete what no mapping says, too")]
    Verify(Verify),
    /// List, replay or drop the rows that were set aside.
    #[command(after_help = "Examples:\n  syncline parked list\n  \
        syncline parked replay lms person/to_lms.sql\n  \
        syncline parked drop lms person/to_lms.sql --key '[\"S1042\"]'")]
    Parked(ParkedArguments),
    /// List, show, decide and undo what systems disagree on.
    #[command(after_help = "Examples:\n  syncline conflicts list\n  \
        syncline conflicts show 17\n  \
        syncline conflicts decide 17 --take hr --note 'asked the person'")]
    Conflicts(ConflictsArguments),
    /// Show where much of a table would go at once and waits, and let it pass.
    #[command(after_help = "Examples:\n  syncline gates list\n  syncline gates open 12")]
    Gates(GatesArguments),
    /// Take what rests in the log to where syncline.toml now says that it is.
    #[command(after_help = "Examples:\n  syncline log move")]
    Log(LogArguments),
    /// Find what is wrong with the systems' set-up, and the statement that mends it.
    #[command(after_help = "Examples:\n  syncline doctor")]
    Doctor,
    /// See it run: private PostgreSQL servers, a small university, live traffic.
    #[command(after_help = "Examples:\n  syncline demo\n  \
        syncline demo --once --scale 0.1     a tenth of the rows; ends after proving every target\n  \
        syncline demo --log kafka            with its log at a private Apache Kafka broker")]
    Demo(Demo),
}

/// What `init` is told.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory to write the project to; made if need be.
    pub(crate) directory: PathBuf,
    /// A system and where it is; a password comes from NAME_PASSWORD in the environment.
    #[arg(long = "system", required = true, value_name = "NAME=postgres://USER@HOST:PORT/DB")]
    pub(crate) systems: Vec<String>,
    /// The table to propose a mapping from.
    #[arg(long, value_name = "SYSTEM.SCHEMA.TABLE", requires = "to")]
    pub(crate) from: Option<String>,
    /// The table to propose a mapping to.
    #[arg(long, value_name = "SYSTEM.SCHEMA.TABLE", requires = "from")]
    pub(crate) to: Option<String>,
}

/// What `check` is told.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Ask the systems for their tables instead of trusting the lock.
    #[arg(long)]
    pub(crate) live: bool,
}

/// What `preview` is told.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The mapping's file.
    pub(crate) mapping: String,
    /// How many source rows to take.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) rows: u16,
}

/// What `test` is told.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Run only the cases whose path has this text.
    pub(crate) only: Option<String>,
}

/// What `explain` is told.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The mapping's file, or a field as ENTITY.FIELD.
    #[arg(value_name = "MAPPING|FIELD")]
    pub(crate) what: String,
}

/// What `why` is told.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The entity.
    pub(crate) entity: String,
    /// The key, a word for each of its columns; then the field or group, or nothing for all.
    #[arg(required = true, value_name = "KEY… [FIELD]", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    /// Show the values of sensitive fields.
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// What `run` is told.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// End once everything that was committed at the start is at its target.
    #[arg(long)]
    pub(crate) until_caught_up: bool,
}

/// What `backfill` is told.
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// The tables, such as sis.public.students.
    #[arg(value_name = "TABLE", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) tables: Vec<String>,
    /// All tables that are read. Where a source no longer has what was not read yet, reading begins
    /// anew with them.
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: of this system only.
    #[arg(long, value_name = "NAME", requires = "all")]
    pub(crate) system: Option<String>,
}

/// What `log` is told.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// What to do with it.
    #[command(subcommand)]
    pub(crate) action: LogAction,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogAction {
    /// Move it from the state directory to Kafka: nothing is lost, and nothing is copied again.
    #[command(after_help = "Examples:\n  \
        syncline log move     once syncline.toml has [log] kind = \"kafka\", and nothing runs")]
    Move,
}

/// What `parked` is told.
#[derive(Debug, Args)]
pub(crate) struct ParkedArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) action: ParkedAction,
}

/// What to do with parked rows.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedAction {
    /// Show them, with why they were set aside.
    #[command(after_help = "Examples:\n  syncline parked list\n  syncline parked list lms")]
    List {
        /// Only those of this target system.
        system: Option<String>,
    },
    /// Try them again.
    #[command(after_help = "Examples:\n  syncline parked replay lms person/to_lms.sql")]
    Replay(ParkedRows),
    /// Forget them for good.
    #[command(
        after_help = "Examples:\n  syncline parked drop lms person/to_lms.sql --key '[\"S1042\"]'"
    )]
    Drop(ParkedRows),
}

/// Which parked rows.
#[derive(Debug, Args)]
pub(crate) struct ParkedRows {
    /// The target system.
    pub(crate) system: String,
    /// The mapping's file.
    pub(crate) mapping: String,
    /// One row's key, as `parked list` shows it; all of the mapping without it.
    #[arg(long)]
    pub(crate) key: Option<String>,
}

/// What `demo` is told.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End by itself, after proving row by row that every target holds what the mappings say.
    #[arg(long)]
    pub(crate) once: bool,
    /// Live changes a second.
    #[arg(long, default_value_t = 500, value_name = "CHANGES")]
    pub(crate) rate: u32,
    /// The university's size: 1 is 100,000 people.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub(crate) scale: f64,
    /// Where changes rest on their way.
    #[arg(long, value_enum, default_value_t = DemoLog::Embedded, value_name = "KIND")]
    pub(crate) log: DemoLog,
}

/// Where the demo's changes rest on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoLog {
    /// In a directory.
    Embedded,
    /// At a private Apache Kafka broker.
    Kafka,
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    fn with_all_below(command: &clap::Command) -> Vec<&clap::Command> {
        let below = command.get_subcommands().flat_map(with_all_below);
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn every_command_shows_an_example() {
        let arguments = Arguments::command();
        for command in with_all_below(&arguments) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(help.contains("syncline"), "{name} has no example");
            assert!(command.get_about().is_some(), "{name} does not say what it does");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn conflicts_are_explained() {
        let mut arguments = Arguments::command();
        arguments.build();
        let conflicts = arguments.find_subcommand("conflicts").expect("it is a command");
        let help = with_all_below(conflicts)
            .into_iter()
            .filter(|command| !["conflicts", "help"].contains(&command.get_name()))
            .filter(|command| command.get_after_help().is_some())
            .map(|command| command.clone().term_width(100).render_help().to_string());
        insta::assert_snapshot!(help.collect::<Vec<_>>().join("\n----\n"));
    }

    #[test]
    fn help_names_every_command_and_exit_code() {
        let help = Arguments::command().term_width(100).render_long_help().to_string();
        insta::assert_snapshot!(help);
    }
}
