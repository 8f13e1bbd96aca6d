//! The part of an address behind `?`: names and values, written and read.

use std::fmt::Write as _;

/// Writes pairs as `name=value&name=value`.
pub(super) fn write(pairs: &[(&str, &str)]) -> String {
    let written = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    written.collect::<Vec<_>>().join("&")
}

/// Reads pairs; none where an escape is none, or what it stands for is no text.
pub(super) fn read(query: &str) -> Option<Vec<(String, String)>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((unescape(name)?, unescape(value)?))
    });
    pairs.collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, behind) = rest.split_first_chunk::<2>()?;
                rest = behind;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let pairs = [("key", "S 1/042&=%+é"), ("key", ""), ("field", "ma\u{0}il")];
        let read = read(&write(&pairs)).expect("it is a query");
        let read: Vec<_> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, pairs);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(read("key=%4"), None);
        assert_eq!(read("key=%zz"), None);
        assert_eq!(read("key=%ff"), None);
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(read("a+b"), Some(vec![("a b".into(), String::new())]));
    }
}
