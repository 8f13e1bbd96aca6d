//! What `conflicts` is told.

use crate::project::parse_duration;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::time::Duration;
use syncline_control::{ConflictKind, State};

/// What `conflicts` is told.
#[derive(Debug, Args)]
pub(crate) struct ConflictsArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) action: ConflictsAction,
}

/// What to do with conflicts.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsAction {
    /// List those that wait for a person, the newest first.
    #[command(after_help = "Examples:\n  syncline conflicts list\n  \
        syncline conflicts list --entity person --field email --source hr --source sis\n  \
        syncline conflicts list --state all --older-than 3d --limit 500")]
    List(List),
    /// Show one with all that is known of it.
    #[command(after_help = "Examples:\n  syncline conflicts show 17\n  \
        syncline conflicts show 17 --json | jq .words")]
    Show(Show),
    /// Answer one, or all that are alike.
    #[command(after_help = "Examples:\n  \
        syncline conflicts decide 17 --take hr --note 'asked the person'\n  \
        syncline conflicts decide 17 --value ana.ruiz@uni.example\n  \
        syncline conflicts decide 17 --value '[\"Calle Mayor 1\",\"Madrid\",null]'     a group\n  \
        syncline conflicts decide 17 --take hr --alike --yes     all of its kind, hr's word each")]
    Decide(Decide),
    /// Take a decision back, as if nobody had decided.
    #[command(after_help = "Examples:\n  syncline conflicts undo 17-hmi2nbki77\n  \
        syncline conflicts undo 17     the decision that stands on conflict 17")]
    Undo(Undo),
    /// Write all that are meant to standard output, the oldest first.
    #[command(
        after_help = "Examples:\n  syncline conflicts export --format csv > conflicts.csv\n  \
        syncline conflicts export --format json --state all | jq length"
    )]
    Export(Export),
}

/// Which conflicts are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConflictFilter {
    /// Only those of this entity.
    #[arg(long)]
    pub(crate) entity: Option<String>,
    /// Only those on this field, or its group; or on `existence`.
    #[arg(long)]
    pub(crate) field: Option<String>,
    /// Only those in which this source has a word; said twice, between the two.
    #[arg(long = "source", value_name = "SYSTEM")]
    pub(crate) sources: Vec<String>,
    /// Only those of this kind, such as value_concurrent.
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<ConflictKind>,
    /// Only those that stand so.
    #[arg(long, value_enum, default_value_t = StateFilter::Open)]
    pub(crate) state: StateFilter,
    /// Only those whose key has this text in it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Only those that came up longer ago, such as 3d or 2h.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// Only those that came up less long ago.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) newer_than: Option<Duration>,
    /// Show the values of sensitive fields too.
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// Where conflicts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFilter {
    /// They wait for a person.
    Open,
    /// A person decided, and it is not in force yet.
    Decided,
    /// There is nothing to decide any more.
    Closed,
    /// Any of these.
    All,
}

/// What `conflicts list` is told.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Which.
    #[command(flatten)]
    pub(crate) filter: ConflictFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// What `conflicts show` is told.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The conflict's number.
    pub(crate) id: i64,
    /// Show the values of sensitive fields too.
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// What `conflicts decide` is told.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The conflict's number.
    pub(crate) id: i64,
    /// The answer.
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Why.
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// Who decides; else $USER.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Refuse it if the conflict is no longer the one that was seen: its evidence as `show` has it.
    #[arg(long, conflicts_with = "alike")]
    pub(crate) evidence: Option<String>,
    /// Decide all open conflicts on the same field, of the same kind and between the same sources in
    /// the same way; with a value, those where the sources say the same.
    #[arg(long)]
    pub(crate) alike: bool,
    /// Do so, however many they are.
    #[arg(long, requires = "alike")]
    pub(crate) yes: bool,
}

/// An answer: exactly one.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("answer").required(true))]
pub(crate) struct Choice {
    /// This source is right.
    #[arg(long, value_name = "SYSTEM", group = "answer")]
    pub(crate) take: Option<String>,
    /// This is right; of a group, a JSON array of its fields' values.
    #[arg(long, value_name = "TEXT", group = "answer", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// There is no value.
    #[arg(long, group = "answer")]
    pub(crate) null: bool,
    /// All are right: every element that a source has. Fields of type text[] only.
    #[arg(long, group = "answer")]
    pub(crate) both: bool,
    /// Whether the entity exists.
    #[arg(long, value_enum, group = "answer")]
    pub(crate) exists: Option<Exists>,
}

/// Whether an entity exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exists {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What `conflicts undo` is told.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The decision, or the number of its conflict.
    #[arg(value_name = "DECISION|ID")]
    pub(crate) what: String,
    /// Who takes it back; else $USER.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) person: Option<String>,
}

/// What `conflicts export` is told.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which.
    #[command(flatten)]
    pub(crate) filter: ConflictFilter,
    /// A line for each source's word, or an array of conflicts.
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
}

/// How conflicts are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A line for each source's word.
    Csv,
    /// An array of conflicts.
    Json,
}

impl StateFilter {
    /// The state; none where any is meant.
    pub(crate) fn state(self) -> Option<State> {
        match self {
            Self::Open => Some(State::Open),
            Self::Decided => Some(State::Decided),
            Self::Closed => Some(State::Closed),
            Self::All => None,
        }
    }
}

fn age(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "an age is such as 30m, 2h or 3d".to_owned())
}

fn kind(text: &str) -> Result<ConflictKind, String> {
    ConflictKind::from_text(text).ok_or_else(|| {
        let all: Vec<&str> = ConflictKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("the kinds are {}", all.join(", "))
    })
}
