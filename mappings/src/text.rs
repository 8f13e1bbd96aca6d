//! A mapping's text with its tokens: where things stand in it.
//!
//! The parser's spans leave out closing parentheses, casts and keywords. [`Text::heal`] grows a
//! span over the tokens that belong to it, so that carets and quoted expressions are whole.

use crate::diagnostic::Diagnostic;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use syncline_core::Severity;

/// The text of one file, and its tokens without white space and comments.
#[derive(Debug)]
pub(crate) struct Text {
    file: String,
    lines: Vec<String>,
    tokens: Vec<TokenWithSpan>,
    /// Whether the text could be cut into tokens to its end.
    is_whole: bool,
}

impl Text {
    /// Reads a text. A text that can't be cut into tokens has those before the fault.
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let mut tokens = Vec::new();
        // The fault itself is reported by the parser, which meets it again.
        let is_whole = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location_into_buf(&mut tokens)
            .is_ok();
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        Self {
            file: file.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            tokens,
            is_whole,
        }
    }

    /// Whether there is nothing but white space and comments.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_whole && self.tokens.is_empty()
    }

    /// The span of the whole statement.
    pub(crate) fn whole(&self) -> Span {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.span.union(&last.span),
            _ => Span::new(Location::new(1, 1), Location::new(1, 1)),
        }
    }

    /// The span of the last token: where something is missing.
    pub(crate) fn end(&self) -> Span {
        self.tokens.last().map_or_else(|| self.whole(), |last| last.span)
    }

    pub(crate) fn diagnostic(&self, severity: Severity, span: Span, message: String) -> Diagnostic {
        let span = if span.start.line == 0 { self.first_token() } else { span };
        let line_length = |line: u64| {
            usize::try_from(line)
                .ok()
                .and_then(|line| self.lines.get(line.saturating_sub(1)))
                .map_or(0, |line| line.chars().count() as u64)
        };
        let end = if span.end.line > span.start.line {
            line_length(span.start.line) + 1
        } else {
            span.end.column
        };
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        Diagnostic {
            severity,
            message,
            file: self.file.clone(),
            line: narrow(span.start.line),
            column: narrow(span.start.column),
            length: narrow(end.saturating_sub(span.start.column).max(1)),
            detail: None,
            hint: None,
        }
    }

    /// Grows a span until its parentheses are balanced and casts that follow are in it.
    pub(crate) fn heal(&self, span: Span) -> Span {
        let Some((first, mut last)) = self.tokens_of(span) else { return span };
        loop {
            let depth = self.depth(first, last);
            let next = self.tokens.get(last + 1).map(|token| &token.token);
            match next {
                Some(Token::DoubleColon) if depth == 0 => last += 2,
                Some(_) if depth > 0 => last += 1,
                _ => break,
            }
            last = last.min(self.tokens.len() - 1);
        }
        match (self.tokens.get(first), self.tokens.get(last)) {
            (Some(first), Some(last)) => Span::new(first.span.start, last.span.end),
            _ => span,
        }
    }

    /// The spans of a `SELECT` list's items and of its `WHERE` condition, from the place of the
    /// word `SELECT`.
    pub(crate) fn select_parts(&self, select: Span) -> (Vec<Span>, Option<Span>) {
        let Some(start) = self.tokens.iter().position(|token| token.span.start == select.start)
        else {
            return (Vec::new(), None);
        };
        let end = self.end_of_query(start);
        let from = self.find_word(start + 1, end, Keyword::FROM).unwrap_or(end);
        let items = self.split_on_commas(start + 1, from);
        let condition = self
            .find_word(from, end, Keyword::WHERE)
            .and_then(|place| self.span_between(place + 1, end));
        (items, condition)
    }

    /// The text of a span, with white space and comments squeezed to single spaces.
    pub(crate) fn slice(&self, span: Span) -> Option<String> {
        let (first, last) = self.tokens_of(span)?;
        let mut slice = String::new();
        let mut end: Option<Location> = None;
        for token in self.tokens.get(first..=last)? {
            if end.is_some_and(|end| end != token.span.start) {
                slice.push(' ');
            }
            slice.push_str(&self.characters(token.span));
            end = Some(token.span.end);
        }
        Some(slice)
    }

    /// The span of the token that covers a place, or the place itself.
    pub(crate) fn token_at(&self, place: Span) -> Span {
        self.tokens
            .iter()
            .map(|token| token.span)
            .find(|span| span.start <= place.start && place.start < span.end)
            .unwrap_or(place)
    }

    /// The span of the first of these words that stands at the statement's top level.
    pub(crate) fn word(&self, word: Keyword) -> Option<Span> {
        self.find_word(0, self.tokens.len(), word).and_then(|place| self.token_span(place))
    }

    /// The span of the first of these words at any depth.
    pub(crate) fn word_anywhere(&self, word: Keyword) -> Option<Span> {
        self.tokens
            .iter()
            .find(|token| matches!(&token.token, Token::Word(found) if found.keyword == word))
            .map(|token| token.span)
    }

    fn first_token(&self) -> Span {
        self.token_span(0).unwrap_or_else(|| self.whole())
    }

    fn token_span(&self, place: usize) -> Option<Span> {
        self.tokens.get(place).map(|token| token.span)
    }

    fn tokens_of(&self, span: Span) -> Option<(usize, usize)> {
        let first = self.tokens.iter().position(|token| token.span.start >= span.start)?;
        let last = self.tokens.iter().rposition(|token| token.span.end <= span.end)?;
        (first <= last).then_some((first, last))
    }

    fn depth(&self, first: usize, last: usize) -> i32 {
        let tokens = self.tokens.get(first..=last).unwrap_or_default();
        tokens.iter().map(|token| step(&token.token)).sum()
    }

    /// The place after the last token of the query that begins at `start`.
    fn end_of_query(&self, start: usize) -> usize {
        let mut depth = 0;
        for (place, token) in self.tokens.iter().enumerate().skip(start) {
            depth += step(&token.token);
            if depth < 0 || (depth == 0 && token.token == Token::SemiColon) {
                return place;
            }
        }
        self.tokens.len()
    }

    fn find_word(&self, start: usize, end: usize, word: Keyword) -> Option<usize> {
        let mut depth = 0;
        for place in start..end {
            let token = &self.tokens.get(place)?.token;
            depth += step(token);
            let found = matches!(token, Token::Word(found) if found.keyword == word);
            // `IS DISTINCT FROM` has a FROM that begins no clause.
            let compares = word == Keyword::FROM
                && place > 0
                && matches!(self.tokens.get(place - 1).map(|token| &token.token),
                    Some(Token::Word(before)) if before.keyword == Keyword::DISTINCT);
            if depth == 0 && found && !compares {
                return Some(place);
            }
        }
        None
    }

    fn split_on_commas(&self, start: usize, end: usize) -> Vec<Span> {
        let mut items = Vec::new();
        let (mut depth, mut item) = (0, start);
        for place in start..end {
            let Some(token) = self.tokens.get(place) else { break };
            depth += step(&token.token);
            if depth == 0 && token.token == Token::Comma {
                items.extend(self.span_between(item, place));
                item = place + 1;
            }
        }
        items.extend(self.span_between(item, end));
        items
    }

    fn span_between(&self, start: usize, end: usize) -> Option<Span> {
        let last = end.checked_sub(1).filter(|&last| last >= start)?;
        Some(Span::new(self.token_span(start)?.start, self.token_span(last)?.end))
    }

    fn characters(&self, span: Span) -> String {
        let mut text = String::new();
        for number in span.start.line..=span.end.line {
            let Some(line) =
                usize::try_from(number).ok().and_then(|number| self.lines.get(number - 1))
            else {
                continue;
            };
            let from = if number == span.start.line { span.start.column - 1 } else { 0 };
            let to = if number == span.end.line { span.end.column - 1 } else { u64::MAX };
            if number > span.start.line {
                text.push('\n');
            }
            let count = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
            text.extend(line.chars().skip(usize::try_from(from).unwrap_or(0)).take(count));
        }
        text
    }
}

fn step(token: &Token) -> i32 {
    match token {
        Token::LParen | Token::LBracket => 1,
        Token::RParen | Token::RBracket => -1,
        _ => 0,
    }
}
