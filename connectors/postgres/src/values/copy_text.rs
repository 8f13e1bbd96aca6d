//! The text format of `COPY`: fields between tabs, `\N` for NULL, backslash escapes.

use std::borrow::Cow;

/// A field of a line, its escapes undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyField<'a> {
    /// NULL.
    Null,
    /// A value.
    Text(Cow<'a, [u8]>),
}

/// The fields of one line, without or with its line end.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = CopyField<'_>> {
    split(line).map(field_of)
}

/// The same as texts, where none of them is NULL or escaped: both need a backslash.
#[inline]
pub(crate) fn plain_fields(line: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    memchr::memchr(b'\\', line).is_none().then(|| split(line))
}

#[inline]
fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memchr(b'\t', text) {
            Some(tab) => {
                let (field, after) = text.split_at_checked(tab)?;
                rest = after.get(1..);
                Some(field)
            }
            None => rest.take(),
        }
    })
}

fn field_of(raw: &[u8]) -> CopyField<'_> {
    if raw == b"\\N" {
        return CopyField::Null;
    }
    CopyField::Text(match memchr::memchr(b'\\', raw) {
        None => Cow::Borrowed(raw),
        Some(_) => Cow::Owned(unescape(raw)),
    })
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        let plain = match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 0x08,
                Some(b'f') => 0x0C,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 0x0B,
                Some(&other) => other,
                None => b'\\',
            },
            other => other,
        };
        text.push(plain);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the server writes it (`CopyAttributeOutText`).
    fn written(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut line = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                line.push(b'\t');
            }
            let Some(field) = field else {
                line.extend(b"\\N");
                continue;
            };
            for &byte in field {
                match byte {
                    0x08 => line.extend(b"\\b"),
                    0x0C => line.extend(b"\\f"),
                    b'\n' => line.extend(b"\\n"),
                    b'\r' => line.extend(b"\\r"),
                    b'\t' => line.extend(b"\\t"),
                    0x0B => line.extend(b"\\v"),
                    b'\\' => line.extend(b"\\\\"),
                    other => line.push(other),
                }
            }
        }
        line.push(b'\n');
        line
    }

    proptest! {
        #[test]
        fn fields_come_back_as_the_server_wrote_them(
            expected in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(
                    prop_oneof![any::<u8>(), Just(b'\\'), Just(b'N'), Just(b'\t')], 0..12)),
                1..8),
        ) {
            let line = written(&expected);
            let seen: Vec<Option<Vec<u8>>> = fields(&line)
                .map(|field| match field {
                    CopyField::Null => None,
                    CopyField::Text(text) => Some(text.into_owned()),
                })
                .collect();
            let plain = plain_fields(&line).map(|plain| plain.map(|text| Some(text.to_vec())));
            if let Some(plain) = plain {
                prop_assert_eq!(&plain.collect::<Vec<_>>(), &expected);
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
