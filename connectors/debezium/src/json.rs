//! JSON that stays text until somebody knows what it means: numbers keep their digits.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a JSON text is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl Shape {
    pub(crate) fn of(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'n') | None => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::Text,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            Some(_) => Self::Number,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// Reads bytes as one JSON value; `None` when they are none.
pub(crate) fn parse(bytes: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(bytes).ok()
}

/// The text that a JSON text stands for; `None` for any other value.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    if Shape::of(raw) != Shape::Text {
        return None;
    }
    serde_json::from_str::<Borrowed<'_>>(raw.get()).ok().map(|text| text.0)
}

/// A whole number, written as a number or as a text.
pub(crate) fn integer<T: std::str::FromStr>(raw: &RawValue) -> Option<T> {
    match Shape::of(raw) {
        Shape::Number => raw.get().parse().ok(),
        Shape::Text => text(raw)?.parse().ok(),
        _ => None,
    }
}

/// The elements of an array; `None` for any other value.
pub(crate) fn array(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The members of an object, in the order they were written.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// `None` when the value is no object.
    pub(crate) fn parse(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// A member, unless it is missing.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// A member, unless it is missing or null.
    pub(crate) fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| Shape::of(value) != Shape::Null)
    }

    /// A member, looked for at `place` first: members mostly come in the order of their schema.
    pub(crate) fn near(&self, place: usize, name: &str) -> Option<&'a RawValue> {
        match self.0.get(place) {
            Some((member, value)) if member == name => Some(value),
            _ => self.get(name),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.given(name)?)
    }

    pub(crate) fn integer<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        integer(self.given(name)?)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

#[derive(serde::Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((name, value)) = map.next_entry::<Borrowed<'de>, &RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(members)
            }
        }
        from.deserialize_map(Members).map(Object)
    }
}

/// Adds a text as JSON.
pub(crate) fn push_text(out: &mut String, text: &str) {
    // A text always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}
