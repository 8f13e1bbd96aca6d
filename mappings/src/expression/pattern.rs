//! Regular expressions: PostgreSQL's (ARE) in the words of the library that runs them.
//!
//! Both agree on whether a text matches. They differ in the spelling of escapes, which is
//! translated or refused here, and in *which* part matches: PostgreSQL takes the longest, the
//! library the first that it comes by. Where that can make a difference, a replacement is refused.

use super::translate::compute;
use super::typed::Typed;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::BinaryExpr;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

/// A pattern in the library's words.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    /// The same without what only looks at a place, such as `^`.
    bare: String,
    /// Whether the part that matches is surely the same.
    pub(super) finds_the_same: bool,
}

/// What is known of a pattern while it is read.
#[derive(Debug, Default)]
struct Reading {
    out: String,
    bare: String,
    depth: usize,
    groups: usize,
    /// Quantifiers that can match more or less.
    variable: usize,
    lazy: bool,
    /// Whether something is repeated a certain number of times, so that atoms are no characters.
    counted: bool,
    quantified_group: bool,
    inner_alternation: bool,
    /// The alternatives at the top, as far as they are read.
    alternatives: Vec<Alternative>,
    after_group: bool,
}

/// One alternative: its length in characters, and its text where it is nothing but that.
#[derive(Debug, Clone, Default)]
struct Alternative {
    length: usize,
    letters: Option<String>,
}

/// Translates a pattern, or says what of it has no translation.
pub(super) fn translate(pattern: &str) -> Result<Pattern, String> {
    let (flags, pattern) = match pattern.strip_prefix("(?i)") {
        Some(rest) => ("(?si)", rest),
        None => ("(?s)", pattern),
    };
    let mut reading = Reading::default();
    reading.push_str(flags);
    reading.alternatives.push(Alternative::new());
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        reading.step(next, &mut rest)?;
    }
    let finds_the_same = reading.finds_the_same();
    Ok(Pattern { text: reading.out, bare: reading.bare, finds_the_same })
}

/// Translates what a match is replaced by: `\1` and `\&` for parts of it.
pub(super) fn replacement(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '$' => out.push_str("$$"),
            '\\' => match rest.next() {
                Some('&') => out.push_str("${0}"),
                Some(group @ '1'..='9') => out.push_str(&format!("${{{group}}}")),
                Some(other) => return Err(format!("\\{other} is not supported in a replacement")),
                None => return Err("a replacement can't end with a backslash here".to_owned()),
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

impl Pattern {
    /// Whether it can match an empty part of some text.
    pub(super) fn can_be_empty(&self) -> bool {
        let empty = format!("^(?:{})$", self.bare);
        let probe = Typed::constant(ScalarValue::Utf8(Some(String::new())), false);
        let pattern = Typed::constant(ScalarValue::Utf8(Some(empty)), false);
        let matched = BinaryExpr::new(probe.expr, Operator::RegexMatch, pattern.expr);
        let matched = Typed::over(Arc::new(matched), DataType::Boolean, &[]);
        !matches!(compute(&matched), Ok(ScalarValue::Boolean(Some(false))))
    }
}

impl Alternative {
    fn new() -> Self {
        Self { length: 0, letters: Some(String::new()) }
    }

    fn add(&mut self, letter: Option<char>) {
        self.length += 1;
        self.letters = match (self.letters.take(), letter) {
            (Some(mut letters), Some(letter)) => {
                letters.push(letter);
                Some(letters)
            }
            _ => None,
        };
    }
}

impl Reading {
    fn push(&mut self, letter: char) {
        self.out.push(letter);
        self.bare.push(letter);
    }

    fn push_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.bare.push_str(text);
    }

    /// What matches no character, only a place.
    fn place(&mut self, text: &str) {
        self.out.push_str(text);
        self.bare.push_str("(?:)");
        self.atom(None);
    }

    fn step(&mut self, next: char, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        let after_group = std::mem::take(&mut self.after_group);
        match next {
            '\\' => self.escape(rest),
            '[' => self.brackets(rest),
            '(' => self.open(rest),
            ')' => {
                self.depth = self.depth.saturating_sub(1);
                self.after_group = true;
                self.push(')');
                Ok(())
            }
            '|' => {
                match self.depth {
                    0 => self.alternatives.push(Alternative::new()),
                    _ => self.inner_alternation = true,
                }
                self.push('|');
                Ok(())
            }
            '*' | '+' | '?' => {
                self.push(next);
                self.quantified(after_group, rest);
                Ok(())
            }
            '{' if rest.peek().is_some_and(char::is_ascii_digit) => self.bounds(after_group, rest),
            '^' => {
                self.place("^");
                Ok(())
            }
            '$' => {
                self.place("$");
                Ok(())
            }
            '.' => {
                self.push('.');
                self.atom(None);
                Ok(())
            }
            letter => {
                self.literal(letter);
                Ok(())
            }
        }
    }

    fn atom(&mut self, letter: Option<char>) {
        if let Some(last) = self.alternatives.last_mut() {
            last.add(letter);
        }
    }

    fn literal(&mut self, letter: char) {
        if letter.is_ascii_punctuation() && !matches!(letter, '<' | '>') {
            self.push('\\');
        }
        self.push(letter);
        self.atom(Some(letter));
    }

    fn escape(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        let Some(escaped) = rest.next() else {
            return Err("a pattern can't end with a backslash".to_owned());
        };
        let translated = match escaped {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => r"\s",
            'S' => r"\S",
            'w' => r"\w",
            'W' => r"\W",
            'n' => r"\n",
            't' => r"\t",
            'r' => r"\r",
            'f' => r"\f",
            'v' => r"\v",
            'y' | 'Y' | 'm' | 'M' | 'A' | 'Z' => {
                self.place(match escaped {
                    'y' => r"\b",
                    'Y' => r"\B",
                    'm' => r"\b{start}",
                    'M' => r"\b{end}",
                    'A' => r"\A",
                    _ => r"\z",
                });
                return Ok(());
            }
            other if other.is_ascii_alphanumeric() => {
                return Err(format!("\\{other} is not supported in a pattern here"));
            }
            other => {
                self.literal(other);
                return Ok(());
            }
        };
        self.push_str(translated);
        self.atom(None);
        Ok(())
    }

    /// A bracket expression: its members are escaped, so that none means more than itself.
    fn brackets(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        self.push('[');
        if rest.next_if_eq(&'^').is_some() {
            self.push('^');
        }
        let mut first = true;
        loop {
            let Some(next) = rest.next() else { return Err("a bracket is not closed".to_owned()) };
            match next {
                ']' if !first => break,
                '[' if matches!(rest.peek(), Some(':' | '.' | '=')) => self.class(rest)?,
                '\\' => self.member_escape(rest)?,
                '-' => {
                    if rest.peek() == Some(&'-') {
                        return Err("-- is not supported between brackets".to_owned());
                    }
                    let ends = first || rest.peek() == Some(&']');
                    self.push_str(if ends { r"\-" } else { "-" });
                }
                '[' | ']' | '^' | '&' | '~' => {
                    self.push('\\');
                    self.push(next);
                }
                letter => self.push(letter),
            }
            first = false;
        }
        self.push(']');
        self.atom(None);
        Ok(())
    }

    fn class(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        let mut name = String::new();
        for next in rest.by_ref() {
            if next == ']' && name.len() > 1 {
                break;
            }
            name.push(next);
        }
        self.push_str(match name.as_str() {
            ":alpha:" => r"\p{Alphabetic}",
            ":alnum:" => r"\p{Alphabetic}\p{Nd}",
            ":digit:" => "0-9",
            ":space:" => r"\s",
            ":upper:" => r"\p{Uppercase}",
            ":lower:" => r"\p{Lowercase}",
            ":xdigit:" => "0-9A-Fa-f",
            ":blank:" => r" \t",
            other => return Err(format!("[{other}] is not supported in a pattern here")),
        });
        Ok(())
    }

    fn member_escape(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        match rest.next() {
            None => return Err("a bracket is not closed".to_owned()),
            Some('d') => self.push_str("0-9"),
            Some(known @ ('s' | 'w' | 'n' | 't' | 'r' | 'f' | 'v')) => {
                self.push('\\');
                self.push(known);
            }
            Some(other) if other.is_ascii_alphanumeric() => {
                return Err(format!("\\{other} is not supported between brackets"));
            }
            Some(other) => {
                if other.is_ascii_punctuation() && !matches!(other, '<' | '>') {
                    self.push('\\');
                }
                self.push(other);
            }
        }
        Ok(())
    }

    fn open(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        self.push('(');
        if rest.next_if_eq(&'?').is_some() {
            if rest.next_if_eq(&':').is_none() {
                return Err("look-around and options are not supported in a pattern".to_owned());
            }
            self.push_str("?:");
        }
        self.depth += 1;
        self.groups += 1;
        Ok(())
    }

    /// `{m}`, `{m,}` or `{m,n}`.
    fn bounds(&mut self, after_group: bool, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
        let mut bounds = String::new();
        loop {
            match rest.next() {
                Some('}') => break,
                Some(next @ ('0'..='9' | ',')) => bounds.push(next),
                _ => return Err("a quantifier is not closed".to_owned()),
            }
        }
        self.push_str(&format!("{{{bounds}}}"));
        match bounds.split_once(',') {
            Some((least, most)) if least != most => self.quantified(after_group, rest),
            _ => {
                self.counted = true;
                let lazy = rest.next_if_eq(&'?').is_some();
                self.lazy |= lazy;
                self.quantified_group |= after_group;
            }
        }
        Ok(())
    }

    fn quantified(&mut self, after_group: bool, rest: &mut Peekable<Chars<'_>>) {
        self.variable += 1;
        self.quantified_group |= after_group;
        if rest.next_if_eq(&'?').is_some() {
            self.push('?');
            self.lazy = true;
        }
    }

    /// The longest match is the first that is found where only one part can match more or less, or
    /// where all of them are single characters that take as many as they can.
    fn finds_the_same(&self) -> bool {
        if self.inner_alternation {
            return false;
        }
        if self.alternatives.len() > 1 {
            let plain = self.groups == 0 && self.variable == 0 && !self.counted;
            return plain && !self.first_hides_longer();
        }
        self.variable < 2 || !(self.quantified_group || self.lazy)
    }

    /// Whether an alternative can match where a later one would match more.
    fn first_hides_longer(&self) -> bool {
        let alternatives = &self.alternatives;
        alternatives.iter().enumerate().any(|(at, first)| {
            alternatives.iter().skip(at + 1).any(|later| match (&first.letters, &later.letters) {
                (Some(first), Some(later)) => first != later && later.starts_with(first.as_str()),
                _ => first.length != later.length,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_said_in_the_librarys_words() {
        let cases = [
            (r"\d+", "(?s)[0-9]+"),
            (r"(?i)a.b", "(?si)a.b"),
            (r"\ya\Y\m\M\Z", r"(?s)\ba\B\b{start}\b{end}\z"),
            (r"\.\-\<", r"(?s)\.\-<"),
            ("a{2,3}{", r"(?s)a{2,3}\{"),
            (r"[]a\d[&&]", r"(?s)[\]a0-9\[\&\&]"),
            ("[[:alpha:]_-]", r"(?s)[\p{Alphabetic}_\-]"),
            ("[^a-z]", "(?s)[^a-z]"),
            ("(?:a)#", r"(?s)(?:a)\#"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern).expect("translates").text, expected, "{pattern}");
        }
        for pattern in [r"\b", r"\B", r"(a)\1", "(?=a)", "(?m)a", r"\p{L}", "[a", r"\x41", "a{2,"] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_part_is_replaced_only_where_both_find_the_same() {
        for pattern in
            ["@.*$", r"^\s+", "[ab]", "foo|quux", "[-]|[.]", "(a+)b*c?", "a+?", "(ab)*", "ab|a"]
        {
            assert!(translate(pattern).expect("translates").finds_the_same, "{pattern}");
        }
        for pattern in ["a|ab", "(a|ab)c", "a?(ab)?", "a+?b+", r"^\s+|\s+$", "a|[ab]c", "a{2}|bc"] {
            assert!(!translate(pattern).expect("translates").finds_the_same, "{pattern}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_known() {
        for (pattern, empty) in
            [("a*", true), (r"\y", true), ("(^|b)a?", true), (r"\ya", false), ("a+b*", false)]
        {
            assert_eq!(translate(pattern).expect("translates").can_be_empty(), empty, "{pattern}");
        }
    }

    #[test]
    fn a_replacement_names_groups_with_backslashes_alone() {
        assert_eq!(replacement(r"\1-\&-$1").as_deref(), Ok("${1}-${0}-$$1"));
        assert!(replacement(r"\\").is_err() && replacement(r"\0").is_err());
    }
}
