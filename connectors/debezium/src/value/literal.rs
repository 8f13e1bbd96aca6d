//! Arrays, as the text that PostgreSQL writes for them: `{1,NULL,"two words"}`.

use super::calendar::{date_text, time_text, timestamp_text};
use super::{
    DATE_INFINITY, Decimal, NUMERIC_NAN, TIMESTAMP_INFINITY, Unfit, Value, decode, interval_text,
};
use crate::json;
use crate::schema::{Structured, Wire};
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// The array's text; as it is, where it was sent as one.
pub(crate) fn array_literal(element: &Wire, raw: &RawValue) -> Result<String, Unfit> {
    if let Some(text) = json::text(raw) {
        return Ok(text.into_owned());
    }
    let elements = json::array(raw).ok_or(Unfit::Malformed("an array"))?;
    let mut text = String::from("{");
    for (place, raw) in elements.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let value = decode(element, raw)?;
        match (element, &value) {
            (_, Value::Null | Value::Absent) => text.push_str("NULL"),
            // An inner array stands as it is.
            (Wire::Array(_), Value::Text(inner)) => text.push_str(inner),
            _ => push_element(&mut text, &element_text(element, &value)),
        }
    }
    text.push('}');
    Ok(text)
}

/// An element in quotes, where it would be taken for something else without.
fn push_element(text: &mut String, element: &str) {
    let special = |it: char| matches!(it, '{' | '}' | ',' | '"' | '\\') || it.is_ascii_whitespace();
    let plain =
        !element.is_empty() && !element.contains(special) && !element.eq_ignore_ascii_case("null");
    if plain {
        return text.push_str(element);
    }
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// An element's own text, as PostgreSQL reads it.
fn element_text(wire: &Wire, value: &Value<'_>) -> String {
    match value {
        Value::Absent | Value::Null => String::new(),
        Value::Boolean(it) => if *it { "t" } else { "f" }.into(),
        Value::Integer(it) => integer_text(wire, *it),
        Value::Float32(it) => float_text(f64::from(*it), || it.to_string()),
        Value::Float64(it) => float_text(*it, || it.to_string()),
        Value::Decimal(NUMERIC_NAN) => "NaN".into(),
        Value::Decimal(it) => Decimal::from_i128(*it, scale(wire)).to_text(),
        Value::Text(it) => it.clone().into_owned(),
        Value::Bytes(it) => it.iter().fold("\\x".into(), |mut text, byte| {
            // Writing to a text can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
        Value::Uuid(it) => uuid_text(it),
        Value::Interval(it) => interval_text(*it),
    }
}

fn scale(wire: &Wire) -> i8 {
    match wire {
        Wire::Decimal { scale, .. } | Wire::DecimalDigits { scale, .. } => *scale,
        _ => 0,
    }
}

fn float_text(value: f64, text: impl FnOnce() -> String) -> String {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => text(),
    }
}

fn integer_text(wire: &Wire, value: i64) -> String {
    let is = |(forever, never): (i64, i64)| match value {
        _ if value == forever => Some("infinity".to_owned()),
        _ if value == never => Some("-infinity".to_owned()),
        _ => None,
    };
    match wire {
        Wire::Date | Wire::IsoDate | Wire::Structured(Structured::Date) => {
            is((DATE_INFINITY.0.into(), DATE_INFINITY.1.into()))
                .unwrap_or_else(|| in_era(value, date_text))
        }
        Wire::Time(_) | Wire::IsoTime | Wire::Structured(Structured::Time) => time_text(value),
        Wire::Timestamp(_) | Wire::Structured(Structured::Timestamp) => {
            is(TIMESTAMP_INFINITY).unwrap_or_else(|| in_era(value, |it| timestamp_text(it, ' ')))
        }
        Wire::IsoTimestamp | Wire::Structured(Structured::Zoned) => is(TIMESTAMP_INFINITY)
            .unwrap_or_else(|| in_era(value, |it| format!("{}+00", timestamp_text(it, ' ')))),
        _ => value.to_string(),
    }
}

/// A text that begins with a year, as PostgreSQL writes it: without a year 0.
fn in_era(value: i64, text: impl Fn(i64) -> String) -> String {
    let text = text(value);
    let text = text.strip_prefix('+').map(str::to_owned).unwrap_or(text);
    let (negative, rest) = text.strip_prefix('-').map_or((false, text.as_str()), |it| (true, it));
    match rest.split_once('-') {
        Some(("0000", rest)) => format!("0001-{rest} BC"),
        Some((year, rest)) if negative => {
            format!("{:04}-{rest} BC", year.parse::<i64>().unwrap_or(0) + 1)
        }
        _ => text,
    }
}

/// `5d41402a-bc4b-3a76-b971-9d911017c592`.
pub(crate) fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Unit;

    fn literal(element: &Wire, json: &str) -> String {
        array_literal(element, &RawValue::from_string(json.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn arrays_are_what_postgresql_writes() {
        assert_eq!(literal(&Wire::Integer { bits: 32 }, "[1,null,-3]"), "{1,NULL,-3}");
        assert_eq!(literal(&Wire::Boolean, "[true,false]"), "{t,f}");
        assert_eq!(
            literal(&Wire::Text, r#"["a","","null","b c","{","q\"uo\\te","é"]"#),
            r#"{a,"","null","b c","{","q\"uo\\te",é}"#
        );
        assert_eq!(literal(&Wire::Float64, r#"[0.1,"NaN","-Infinity"]"#), "{0.1,NaN,-Infinity}");
        assert_eq!(literal(&Wire::Array(Box::new(Wire::Text)), r#"[["a"],[]]"#), "{{a},{}}");
        assert_eq!(literal(&Wire::Text, "[]"), "{}");
    }

    #[test]
    fn days_and_times_in_arrays_are_those_of_postgresql() {
        let days = format!("[0,-719529,{},{}]", DATE_SENT.0, DATE_SENT.1);
        assert_eq!(
            literal(&Wire::Date, &days),
            "{1970-01-01,\"0002-12-31 BC\",infinity,-infinity}"
        );
        let micros = Wire::Timestamp(Unit::Microseconds);
        assert_eq!(literal(&micros, "[500000]"), "{\"1970-01-01 00:00:00.5\"}");
        assert_eq!(
            literal(&Wire::IsoTimestamp, "[\"1970-01-01T01:00+01:00\"]"),
            "{\"1970-01-01 00:00:00+00\"}"
        );
    }

    const DATE_SENT: (i32, i32) = super::super::DATE_INFINITY_SENT;
}
