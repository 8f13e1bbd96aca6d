//! A TOML file read key by key, so that everything wrong with it is told at once.
//!
//! A [`Document`] collects problems; a [`Section`] is one of its tables. Asking a section for a key
//! makes the key known; [`Section::finish`] calls every other key a mistake. Reading goes on after a
//! mistake: what could not be read is `None`, and the caller asks [`Document::finish`] at the end
//! whether there was one.

use crate::problem::{Place, Problem, did_you_mean};
use std::cell::RefCell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    problems: RefCell<Vec<(usize, Problem)>>,
}

/// What a key's value should have been.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Completes the sentence "`key` must be …".
    pub(crate) expected: String,
    /// The facts, where more than the kind of value found is to be said.
    pub(crate) detail: Option<String>,
    /// What mends it.
    pub(crate) hint: Option<String>,
}

impl Wrong {
    /// Only what was expected.
    pub(crate) fn expected(what: impl Into<String>) -> Self {
        Self { expected: what.into(), detail: None, hint: None }
    }
}

/// What can stand after a key.
pub(crate) trait Value: Sized {
    /// Reads it.
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong>;
}

impl<'t> Document<'t> {
    /// A file's text, not yet read.
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, problems: RefCell::default() }
    }

    /// Reads the whole file: `read` gets its outermost section.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Option<T> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let wrong = Problem::new(format!("{} is not TOML", self.file))
                .detail(error.message())
                .hint(syntax_hint(error.message()));
            self.report(span, wrong);
        }
        if !errors.is_empty() {
            return None;
        }
        let section = Section::new(self, String::new(), table.get_ref(), 0..0);
        let value = read(&section);
        section.finish();
        value
    }

    /// The value, when nothing was wrong; else all problems in the file's order.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(start, _)| *start);
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(problems.into_iter().map(|(_, problem)| problem).collect()),
        }
    }

    /// Where a part of the file is.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Place::of_span(self.file, self.text, span)
    }

    fn report(&self, span: Range<usize>, problem: Problem) {
        let place = self.place(span.clone());
        self.problems.borrow_mut().push((span.start, problem.at(place)));
    }
}

fn syntax_hint(message: &str) -> Option<String> {
    message
        .contains("string values must be quoted")
        .then(|| "put the text between double quotes".to_owned())
}

/// One table of a document.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    document: &'d Document<'d>,
    name: String,
    table: &'d DeTable<'d>,
    span: Range<usize>,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    fn new(
        document: &'d Document<'d>,
        name: String,
        table: &'d DeTable<'d>,
        span: Range<usize>,
    ) -> Self {
        Self { document, name, table, span, known: RefCell::default() }
    }

    /// The section's name with those around it, such as `systems.sis`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file, and its text.
    pub(super) fn source(&self) -> (&'d str, &'d str) {
        (self.document.file, self.document.text)
    }

    /// The value of a key; `None` when it is missing or wrong.
    pub(crate) fn optional<T: Value>(&self, key: &'static str) -> Option<T> {
        let value = self.find(key)?;
        match T::read(value.get_ref(), &self.document.place(value.span())) {
            Ok(read) => Some(read),
            Err(wrong) => {
                self.report_wrong(key, value, wrong);
                None
            }
        }
    }

    /// The value of a key, or what holds where it is missing.
    pub(crate) fn or<T: Value>(&self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T: Value>(&self, key: &'static str) -> Option<T> {
        if self.find(key).is_none() {
            self.report_missing(key);
        }
        self.optional(key)
    }

    /// The table under a key that must be there.
    pub(crate) fn required_section(&self, key: &'static str) -> Option<Section<'d>> {
        if self.find(key).is_none() {
            let name = self.path(key);
            let wrong = Problem::new(format!("{} has no [{name}]", self.document.file));
            self.document.report(self.span.clone(), wrong);
        }
        self.section(key)
    }

    /// The table under a key, where there is one.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.find(key)?;
        self.as_section(key, value)
    }

    /// All tables in this one, whatever their names, in the file's order.
    pub(crate) fn sections(&self) -> Vec<(&'d str, Section<'d>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let named = entries.into_iter().filter_map(|(key, value)| {
            let name: &str = key.get_ref();
            Some((name, self.as_section(name, value)?))
        });
        named.collect()
    }

    /// Tells what is wrong with the section as a whole.
    pub(crate) fn report_here(&self, problem: Problem) {
        self.document.report(self.span.clone(), problem);
    }

    /// Tells what is wrong with a key's value; with the section where there is no such key.
    pub(crate) fn report(&self, key: &str, problem: Problem) {
        let span = self.entry(key).map_or(self.span.clone(), |value| value.span());
        self.document.report(span, problem);
    }

    /// The place of the section's own line.
    pub(crate) fn here(&self) -> Place {
        self.document.place(self.span.clone())
    }

    /// Whether a key is said, rightly or not. Does not make it known.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The place of a key's value; the section's where there is no such key.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.document.place(self.entry(key).map_or(self.span.clone(), |value| value.span()))
    }

    /// Says that no other key has a meaning here.
    pub(crate) fn finish(&self) {
        let known = self.known.borrow();
        let unknown = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        for key in unknown {
            let name = self.path(key.get_ref());
            let mut allowed = known.clone();
            allowed.sort_unstable();
            let here = if self.name.is_empty() { "the file" } else { &self.name };
            let wrong = Problem::new(format!("unknown setting {name:?}"))
                .detail(format!("{here} may have {}", allowed.join(", ")))
                .hint(did_you_mean(key.get_ref(), known.iter().copied()));
            self.document.report(key.span(), wrong);
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn find(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.entry(key)
    }

    fn entry(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn as_section(&self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Option<Section<'d>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section::new(self.document, self.path(key), table, value.span()));
        }
        self.report_wrong(key, value, Wrong::expected("a table"));
        None
    }

    fn report_missing(&self, key: &str) {
        let wrong = Problem::new(format!("{:?} is missing", self.path(key)))
            .hint(format!("add {key} = … under [{}]", self.name));
        self.document.report(self.span.clone(), wrong);
    }

    fn report_wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wrong: Wrong) {
        let problem = Problem {
            detail: wrong.detail.or_else(|| Some(format!("found {}", kind(value.get_ref())))),
            hint: wrong.hint,
            ..Problem::new(format!("{} must be {}", self.path(key), wrong.expected))
        };
        self.document.report(value.span(), problem);
    }
}

/// What a value is, in words; never the value itself, which may be a secret.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
