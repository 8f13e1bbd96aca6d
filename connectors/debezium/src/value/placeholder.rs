//! What stands for a value that was not sent (`unavailable.value.placeholder`), in all its guises.

use crate::json::{self, Object, Shape};
use crate::schema::Wire;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use md5::{Digest as _, Md5};
use serde_json::value::RawValue;

/// The placeholder as PostgreSQL's connector writes it by type: as a text, as bytes, as the only
/// element of an array, as an array of its bytes' numbers, as the only key and value of a map, or as
/// the name-based UUID of its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Placeholder {
    text: String,
    /// JSON texts of its bytes: in base64, URL-safe base64 and hexadecimal.
    bytes: [String; 3],
    uuid: String,
}

impl Placeholder {
    pub(crate) fn new(text: &str) -> Self {
        let quoted = |text: String| format!("\"{text}\"");
        let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes = [quoted(STANDARD.encode(text)), quoted(URL_SAFE.encode(text)), quoted(hex)];
        Self { text: text.to_owned(), bytes, uuid: name_based_uuid(text.as_bytes()) }
    }

    /// Whether it stands in the place of a value of this form.
    pub(crate) fn is(&self, wire: &Wire, raw: &RawValue) -> bool {
        match Shape::of(raw) {
            Shape::Text if self.is_text(raw) => true,
            Shape::Text => {
                matches!(wire, Wire::Bytes(_)) && self.bytes.iter().any(|it| it == raw.get())
            }
            Shape::Array if matches!(wire, Wire::Array(_) | Wire::Any) => self.is_array(raw),
            Shape::Object => self.is_map(raw),
            _ => false,
        }
    }

    fn is_text(&self, raw: &RawValue) -> bool {
        // Cheaper than reading it: nearly no value is as long as the placeholder.
        raw.get().len() >= self.text.len() + 2 && json::text(raw).is_some_and(|it| it == self.text)
    }

    fn is_array(&self, raw: &RawValue) -> bool {
        let Some(elements) = json::array(raw) else { return false };
        if let [only] = elements.as_slice() {
            return self.is_text(only)
                || self.bytes.iter().any(|it| it == only.get())
                || json::text(only).is_some_and(|it| it == self.uuid);
        }
        !self.text.is_empty()
            && elements.len() == self.text.len()
            && elements.iter().zip(self.text.bytes()).all(|(element, byte)| {
                // Java's bytes are signed.
                json::integer::<i64>(element) == Some(i64::from(byte.cast_signed()))
            })
    }

    fn is_map(&self, raw: &RawValue) -> bool {
        let Some(object) = Object::parse(raw).filter(|object| object.len() == 1) else {
            return false;
        };
        object.members().any(|(name, value)| name == self.text && self.is_text(value))
    }
}

/// Java's `UUID.nameUUIDFromBytes`: version 3 without a namespace.
fn name_based_uuid(bytes: &[u8]) -> String {
    let mut hash = u128::from_be_bytes(Md5::digest(bytes).into());
    hash = hash & !(0xf << 76) | 3 << 76;
    hash = hash & !(0b11 << 62) | 0b10 << 62;
    super::uuid_text(&hash.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::BytesForm;

    fn is(wire: &Wire, json: &str) -> bool {
        let placeholder = Placeholder::new("__debezium_unavailable_value");
        placeholder.is(wire, &RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn every_guise_is_seen() {
        let bytes = Wire::Bytes(BytesForm::Base64);
        let texts = Wire::Array(Box::new(Wire::Text));
        let numbers = Wire::Array(Box::new(Wire::Integer { bits: 64 }));
        assert!(is(&Wire::Text, "\"__debezium_unavailable_value\""));
        assert!(is(&bytes, "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\""));
        assert!(is(&texts, " [\"__debezium_unavailable_value\"]".trim()));
        assert!(is(&texts, "[\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"]"));
        let numbered: Vec<String> =
            "__debezium_unavailable_value".bytes().map(|it| it.to_string()).collect();
        assert!(is(&numbers, &format!("[{}]", numbered.join(","))));
        assert!(is(
            &Wire::Document,
            "{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"
        ));
        assert!(!is(&Wire::Text, "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\""));
        assert!(!is(&texts, "[\"a\",\"__debezium_unavailable_value\"]"));
        assert!(!is(&Wire::Text, "\"__debezium_unavailable_value \""));
    }

    #[test]
    fn uuids_are_those_that_java_makes() {
        // UUID.nameUUIDFromBytes("hello".getBytes())
        assert_eq!(name_based_uuid(b"hello"), "5d41402a-bc4b-3a76-b971-9d911017c592");
        let uuid = name_based_uuid(b"__debezium_unavailable_value");
        assert!(is(&Wire::Array(Box::new(Wire::Uuid)), &format!("[\"{uuid}\"]")));
    }
}
