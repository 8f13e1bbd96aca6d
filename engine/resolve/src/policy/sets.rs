//! Arrays of text as PostgreSQL writes them, as sets.
//!
//! The text form is that of
//! <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>: braces, commas, quotes and
//! backslashes where needed, NULL unquoted.

use std::collections::BTreeSet;

/// The elements of an array in one dimension, without NULLs; `None` where the text is not one.
pub(crate) fn parse(text: &str) -> Option<BTreeSet<String>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = BTreeSet::new();
    let mut rest = inner.trim_start();
    if rest.is_empty() {
        return Some(elements);
    }
    loop {
        let (element, behind) = element(rest)?;
        elements.extend(element);
        rest = behind.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Some(elements),
            None => return None,
        }
    }
}

/// The first element, and what follows it.
fn element(text: &str) -> Option<(Option<String>, &str)> {
    let is_quoted = text.starts_with('"');
    let body = text.strip_prefix('"').unwrap_or(text);
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => value.push(chars.next()?.1),
            '"' if is_quoted => return Some((Some(value), body.get(at + 1..)?)),
            ',' if !is_quoted => return unquoted(value, body.get(at..)?),
            '{' | '}' | '"' if !is_quoted => return None,
            other => value.push(other),
        }
    }
    if is_quoted { None } else { unquoted(value, "") }
}

fn unquoted(value: String, rest: &str) -> Option<(Option<String>, &str)> {
    let value = value.trim_end();
    if value.is_empty() {
        return None;
    }
    let is_null = value.eq_ignore_ascii_case("null");
    Some(((!is_null).then(|| value.to_owned()), rest))
}

/// Writes a set as PostgreSQL would, sorted by bytes.
pub(crate) fn write(elements: &BTreeSet<String>) -> String {
    let mut text = String::from("{");
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        if is_plain(element) {
            text.push_str(element);
            continue;
        }
        text.push('"');
        for char in element.chars() {
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            text.push(char);
        }
        text.push('"');
    }
    text.push('}');
    text
}

fn is_plain(element: &str) -> bool {
    let special = |char: char| char.is_whitespace() || matches!(char, '{' | '}' | ',' | '"' | '\\');
    !element.is_empty() && !element.eq_ignore_ascii_case("null") && !element.contains(special)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(elements: &[&str]) -> BTreeSet<String> {
        elements.iter().map(|&element| element.to_owned()).collect()
    }

    #[test]
    fn reads_what_postgresql_writes() {
        assert_eq!(parse("{}"), Some(set(&[])));
        assert_eq!(parse("{b,a,a}"), Some(set(&["a", "b"])));
        assert_eq!(
            parse(r#"{"a b","x\"y","NULL",NULL,""}"#),
            Some(set(&["a b", "x\"y", "NULL", ""]))
        );
        assert_eq!(parse("{{a},{b}}"), None, "of two dimensions");
        assert_eq!(parse("[2:3]={a,b}"), None, "with bounds of its own");
        for broken in ["", "{", "a", "{a", "{\"a}", "{a,}", "{,a}", "{a}b"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(elements in prop::collection::btree_set(".{0,6}", 0..5)) {
            prop_assert_eq!(parse(&write(&elements)), Some(elements));
        }
    }
}
