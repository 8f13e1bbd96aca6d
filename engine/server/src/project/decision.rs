//! `policy`, `prefer`, `order` and `null`: how a field or a group is decided, as its section says it.

use super::document::{Section, Value, Wrong};
use super::values::one_of;
use super::written::Written;
use crate::problem::{Place, Problem, did_you_mean};
use arrow_schema::DataType;
use std::collections::BTreeSet;
use std::ops::Range;
use syncline_core::{Column, SystemName};
use syncline_resolve::{Fallback, Policy};
use toml::de::{DeTable, DeValue};

/// The keys of a section that decide.
pub(super) const KEYS: [&str; 4] = ["policy", "prefer", "order", "null"];

/// The words that `policy` takes.
const WORDS: [&str; 12] = [
    "newest",
    "oldest",
    "max",
    "min",
    "longest",
    "most_common",
    "union",
    "intersection",
    "sum",
    "all",
    "ask",
    "ordered",
];

/// The types that can be added up or compared without text for every size.
const SUMMED: &str = "smallint, integer, bigint and numeric(p,s) of up to 38 digits";
const RANKED: &str =
    "numbers (numeric as numeric(p,s) of up to 38 digits), dates, times, text, boolean and uuid";

/// How a field or a group is decided.
#[derive(Debug)]
pub(super) struct Decision {
    /// The policy; [`Policy::Ask`] where none is said.
    pub(super) policy: Policy,
    /// Whether a policy is said.
    pub(super) is_said: bool,
    /// Whether NULL is a value like others.
    pub(super) null_is_value: bool,
    /// The expression, where one decides.
    pub(super) sql: Option<Written>,
    word: Option<&'static str>,
}

impl Decision {
    /// Reads the keys that decide. What is wrong is told, and read as if nothing was said.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let said: Option<Said> = section.optional("policy");
        let word = said.as_ref().map(Said::word);
        let prefer = section.optional("prefer").map(|Sources(list)| list);
        let prefer = prefer.filter(|list| is_list_of_sources(list, section));
        let order: Option<Vec<String>> = section.optional("order");
        let null = section.optional("null");
        // A misspelt policy is told once.
        if word.is_some() || !section.has("policy") {
            refuse_unused(word, section);
            check_order(word, order.as_deref(), section);
        }
        let policy = match &said {
            Some(Said::Sql { text, .. }) => Policy::Sql(text.clone()),
            _ => policy(word, prefer, order.unwrap_or_default()),
        };
        let sql = said.and_then(|said| said.written(section));
        Self {
            policy,
            sql,
            is_said: section.has("policy") || section.has("prefer"),
            null_is_value: matches!(null, Some(NullWord("value"))),
            word,
        }
    }

    /// Tells where the policy can't decide values of the column's type.
    pub(super) fn check_type(&self, column: &Column, section: &Section<'_>) {
        let Some(word) = self.word else { return };
        let Some(takes) = refused(word, column) else { return };
        let native = &column.native_type;
        let wrong = Problem::new(format!("policy {word:?} can't decide a field of type {native}"))
            .detail(format!("it takes {takes}"));
        section.report("policy", wrong);
    }

    /// Tells where the policy can't decide a group.
    pub(super) fn check_group(&self, section: &Section<'_>) {
        let Some(word) = self.word.filter(|word| !["newest", "oldest", "ask"].contains(word))
        else {
            return;
        };
        let wrong = Problem::new(format!("policy {word:?} can't decide a group"))
            .detail("a group is the word of one source: prefer, newest, oldest or ask");
        section.report("policy", wrong);
    }
}

fn policy(word: Option<&str>, prefer: Option<Vec<SystemName>>, order: Vec<String>) -> Policy {
    let fallback = |prefer: Option<Vec<SystemName>>| prefer.map_or(Fallback::Ask, Fallback::Prefer);
    match (word, prefer) {
        (None, Some(list)) => Policy::Prefer(list),
        (Some("newest"), prefer) => Policy::Newest(fallback(prefer)),
        (Some("oldest"), prefer) => Policy::Oldest(fallback(prefer)),
        (Some("longest"), prefer) => Policy::Longest(prefer.unwrap_or_default()),
        (Some("most_common"), prefer) => Policy::MostCommon(prefer.unwrap_or_default()),
        (Some("max"), _) => Policy::Max,
        (Some("min"), _) => Policy::Min,
        (Some("union"), _) => Policy::Union,
        (Some("intersection"), _) => Policy::Intersection,
        (Some("sum"), _) => Policy::Sum,
        (Some("all"), _) => Policy::All,
        (Some("ordered"), _) => Policy::Ordered(order),
        (_, prefer) => Policy::Ask(fallback(prefer)),
    }
}

/// Whether `prefer` names sources, each once; tells it else.
fn is_list_of_sources(list: &[SystemName], section: &Section<'_>) -> bool {
    if list.is_empty() {
        let wrong = Problem::new("prefer names no source")
            .hint("name the systems in the order in which they are believed".to_owned());
        section.report("prefer", wrong);
    }
    if let Some(twice) = named_twice(list) {
        section.report("prefer", Problem::new(format!("prefer names {twice} twice")));
    }
    !list.is_empty()
}

/// `prefer` beside a policy that has no use for it.
fn refuse_unused(word: Option<&str>, section: &Section<'_>) {
    const TAKE_PREFER: [&str; 5] = ["newest", "oldest", "longest", "most_common", "ask"];
    let Some(word) = word.filter(|word| !TAKE_PREFER.contains(word)) else { return };
    if section.has("prefer") {
        let wrong = Problem::new(format!("policy {word:?} does not use prefer"))
            .detail(format!("those that do: {}; or prefer alone", TAKE_PREFER.join(", ")))
            .hint("leave out the one or the other".to_owned());
        section.report("prefer", wrong);
    }
}

/// `order` goes with `ordered`, and has each label once.
fn check_order(word: Option<&str>, order: Option<&[String]>, section: &Section<'_>) {
    let is_ordered = word == Some("ordered");
    if is_ordered && !section.has("order") {
        let wrong = Problem::new("policy \"ordered\" needs an order")
            .hint("add order = [\"first\", …, \"last\"]: the furthest value wins".to_owned());
        section.report("policy", wrong);
    }
    if !is_ordered && section.has("order") {
        let wrong = Problem::new("order is used by policy \"ordered\" only")
            .hint("add policy = \"ordered\", or leave order out".to_owned());
        section.report("order", wrong);
    }
    let Some(labels) = order else { return };
    if labels.is_empty() {
        section.report("order", Problem::new("order has no value"));
    }
    if let Some(twice) = named_twice(labels) {
        let wrong = Problem::new(format!("order has {twice:?} twice"))
            .detail("how far a value is must be one place in the list");
        section.report("order", wrong);
    }
}

/// The first that is named again.
pub(super) fn named_twice<T: Ord>(list: &[T]) -> Option<&T> {
    let mut seen = BTreeSet::new();
    list.iter().find(|&item| !seen.insert(item))
}

/// What a policy takes, where it does not take the column's type.
fn refused(word: &str, column: &Column) -> Option<&'static str> {
    let native = column.native_type.as_str();
    let (is_taken, takes) = match word {
        "union" | "intersection" => {
            (native.strip_suffix("[]").is_some_and(is_text), "arrays of text, such as text[]")
        }
        "sum" => (is_summed(&column.data_type), SUMMED),
        "max" | "min" => (is_text(native) || is_ranked(&column.data_type), RANKED),
        "longest" | "ordered" => (is_text(native), "text"),
        "all" => (["text", "json", "jsonb"].contains(&native), "text, json and jsonb"),
        _ => return None,
    };
    (!is_taken).then_some(takes)
}

/// Whether a type's values are texts, not only carried as texts.
fn is_text(native: &str) -> bool {
    const TEXTS: [&str; 7] =
        ["text", "varchar", "character varying", "char", "character", "citext", "name"];
    let name = native.split_once('(').map_or(native, |(name, _)| name);
    TEXTS.contains(&name)
}

fn is_summed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(_, _)
    )
}

/// Whether values are carried in a form that has their order. A type that is carried as text has the
/// order of text, not its own.
fn is_ranked(data_type: &DataType) -> bool {
    let is_known = matches!(
        data_type,
        DataType::Float32
            | DataType::Float64
            | DataType::Boolean
            | DataType::Date32
            | DataType::Time64(_)
            | DataType::Timestamp(_, _)
            | DataType::FixedSizeBinary(16)
    );
    is_known || is_summed(data_type)
}

/// What stands after `policy =`.
enum Said {
    Word(&'static str),
    /// `{ sql = "…" }`, and where the text is.
    Sql {
        text: String,
        span: Range<usize>,
    },
}

impl Said {
    fn word(&self) -> &'static str {
        match self {
            Self::Word(word) => word,
            Self::Sql { .. } => "sql",
        }
    }

    fn written(self, section: &Section<'_>) -> Option<Written> {
        match self {
            Self::Word(_) => None,
            Self::Sql { text, span } => Some(Written::new(text, span, section)),
        }
    }
}

impl Value for Said {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        if let DeValue::Table(table) = value {
            return expression(table);
        }
        one_of(value, &WORDS).map(Self::Word).map_err(|wrong| match value {
            DeValue::String(word) if word == "prefer" => Wrong {
                hint: Some("leave policy out: prefer = [\"…\"] alone is that policy".to_owned()),
                ..wrong
            },
            DeValue::String(word) if word == "sql" => {
                Wrong { hint: Some(format!("write policy = {SQL}")), ..wrong }
            }
            _ => wrong,
        })
    }
}

/// How an expression is said.
const SQL: &str = "{ sql = \"…\" }";

fn expression(table: &DeTable<'_>) -> Result<Said, Wrong> {
    let mut entries = table.iter();
    let wrong = || Wrong::expected(format!("one of {}, or {SQL}", WORDS.join(", ")));
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return Err(wrong()) };
    match (key.get_ref().as_ref(), value.get_ref()) {
        ("sql", DeValue::String(text)) => {
            Ok(Said::Sql { text: text.to_string(), span: value.span() })
        }
        ("sql", _) => Err(wrong()),
        (other, _) => Err(Wrong {
            detail: Some(format!("found a table with {other:?}")),
            hint: did_you_mean(other, ["sql"]),
            ..wrong()
        }),
    }
}

/// The word after `null =`.
struct NullWord(&'static str);

impl Value for NullWord {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["value", "withdraws"]).map(Self)
    }
}

/// The systems after `prefer =`.
struct Sources(Vec<SystemName>);

impl Value for Sources {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let names = Vec::<String>::read(value, place)
            .map_err(|_| Wrong::expected("a list of systems such as [\"hr\", \"sis\"]"))?;
        Ok(Self(names.iter().map(|name| SystemName::new(name)).collect()))
    }
}
