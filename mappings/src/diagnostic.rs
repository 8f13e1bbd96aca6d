//! What `check` found, and how it is shown to people.

use crate::text::Text;
use datafusion::sql::sqlparser::tokenizer::Span;
use std::fmt::Write as _;
use syncline_core::Severity;

/// Something `check` found in a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Errors keep the mapping from running; warnings do not.
    pub severity: Severity,
    /// What is wrong, in a sentence: lowercase, no full stop.
    pub message: String,
    /// The file as the project names it.
    pub file: String,
    /// The line, from 1; 0 where no line is to blame.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How many characters of that line it spans, at least 1.
    pub length: u32,
    /// The facts.
    pub detail: Option<String>,
    /// What mends it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// The diagnostic as people read it; `text` is the text of its file.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Ok => "ok",
        };
        let mut shown = format!("{word}: {}\n", self.message);
        let line = (self.line as usize).checked_sub(1).and_then(|index| text.lines().nth(index));
        match line {
            Some(line) => self.render_place(line, &mut shown),
            None => writeln!(shown, "  --> {}", self.file).expect("a string takes all"),
        }
        for (word, said) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(said) = said {
                writeln!(shown, "  {word}: {said}").expect("a string takes all");
            }
        }
        shown
    }

    fn render_place(&self, line: &str, shown: &mut String) {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before = line.chars().take(self.column.saturating_sub(1) as usize);
        // Tabs stay tabs, so that the carets stand under their place at any tab width.
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(self.length.max(1) as usize);
        let Self { file, column, .. } = self;
        writeln!(shown, "  --> {file}:{number}:{column}").expect("a string takes all");
        writeln!(shown, " {margin} |").expect("a string takes all");
        writeln!(shown, " {number} | {line}").expect("a string takes all");
        writeln!(shown, " {margin} | {indent}{carets}").expect("a string takes all");
    }

    pub(crate) fn detail(&mut self, detail: impl Into<String>) -> &mut Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Collects what is found in one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    text: &'a Text,
    found: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(text: &'a Text) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(crate) fn text(&self) -> &'a Text {
        self.text
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, span, message.into())
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Warning, span, message.into())
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }

    /// What was found, in the order of the text.
    pub(crate) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.line, found.column));
        self.found
    }

    fn add(&mut self, severity: Severity, span: Span, message: String) -> &mut Diagnostic {
        self.found.push(self.text.diagnostic(severity, span, message));
        self.found.last_mut().expect("just pushed")
    }
}
