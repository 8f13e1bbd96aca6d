//! One value of a column, from its JSON.

use super::calendar::{self, iso_date, iso_time, iso_timestamp};
use super::{
    DATE_INFINITY, DATE_INFINITY_SENT, Decimal, MICROS_PER_DAY, NUMERIC_NAN, TIMESTAMP_INFINITY,
    TIMESTAMP_INFINITY_SENT, Unfit, Value, array_literal, from_little_endian, interval,
};
use crate::json::{self, Object, Shape};
use crate::schema::{BytesForm, Structured, Unit, Wire};
use arrow_buffer::IntervalMonthDayNano;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::value::RawValue;
use std::borrow::Cow;

type Found<T> = Result<T, Unfit>;

/// Reads it. JSON's null is NULL whatever the form; the placeholder is not looked for here.
pub(crate) fn decode<'a>(wire: &Wire, raw: &'a RawValue) -> Found<Value<'a>> {
    if Shape::of(raw) == Shape::Null {
        return Ok(Value::Null);
    }
    Ok(match wire {
        Wire::Boolean => Value::Boolean(boolean(raw)?),
        Wire::Integer { bits } => Value::Integer(integer(raw, *bits)?),
        Wire::Float32 => Value::Float32(float(raw)?),
        Wire::Float64 => Value::Float64(float(raw)?),
        Wire::Text => Value::Text(text(raw, "a text")?),
        Wire::Document => Value::Text(raw.get().into()),
        Wire::Any => Value::Text(json::text(raw).unwrap_or(raw.get().into())),
        Wire::Bytes(form) => Value::Bytes(bytes(raw, *form)?),
        Wire::Decimal { precision, scale, sent } => {
            Value::Decimal(sent_decimal(raw, *sent)?.to_i128(*precision, *scale)?)
        }
        Wire::WideDecimal { scale } => Value::Text(sent_decimal(raw, *scale)?.to_text().into()),
        Wire::DecimalDigits { precision, scale } => {
            Value::Decimal(decimal_digits(raw, *precision, *scale)?)
        }
        Wire::Digits => Value::Text(digits(raw)?),
        Wire::ScaledDecimal => Value::Text(scaled_decimal(raw)?.into()),
        Wire::Date => Value::Integer(date(raw)?.into()),
        Wire::IsoDate => Value::Integer(iso_date(&text(raw, "a date in ISO form")?)?.into()),
        Wire::Time(unit) => Value::Integer(time(raw, *unit)?),
        Wire::IsoTime => Value::Integer(iso_time(&text(raw, "a time in ISO form")?)?),
        Wire::Timestamp(unit) => Value::Integer(timestamp(raw, *unit)?),
        Wire::IsoTimestamp => {
            Value::Integer(iso_timestamp(&text(raw, "a timestamp in ISO form")?)?)
        }
        Wire::Interval => Value::Interval(interval(&text(raw, "an interval in ISO form")?)?),
        Wire::Duration(unit) => Value::Interval(duration(raw, *unit)?),
        Wire::Uuid => Value::Uuid(uuid(&text(raw, "a UUID")?)?),
        Wire::Bits(length) => {
            Value::Text(from_little_endian(&bytes(raw, BytesForm::Base64)?, *length)?.into())
        }
        Wire::Array(element) => Value::Text(array_literal(element, raw)?.into()),
        Wire::Structured(kind) => structured(raw, *kind)?,
    })
}

fn text<'a>(raw: &'a RawValue, expected: &'static str) -> Found<Cow<'a, str>> {
    json::text(raw).ok_or(Unfit::Malformed(expected))
}

fn boolean(raw: &RawValue) -> Found<bool> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Unfit::Malformed("true or false")),
    }
}

fn integer(raw: &RawValue, bits: u32) -> Found<i64> {
    const EXPECTED: Unfit = Unfit::Malformed("a whole number of its column's size");
    let value = number(raw).ok_or(EXPECTED)?;
    let limit = 1_i128 << (bits - 1);
    if (-limit..limit).contains(&value.into()) { Ok(value) } else { Err(EXPECTED) }
}

fn number(raw: &RawValue) -> Option<i64> {
    if Shape::of(raw) == Shape::Number { raw.get().parse().ok() } else { None }
}

/// A number, or one of the words that JSON has no number for, as Jackson writes them.
fn float<T: std::str::FromStr>(raw: &RawValue) -> Found<T> {
    const EXPECTED: Unfit = Unfit::Malformed("a floating-point number");
    match (Shape::of(raw), raw.get()) {
        (Shape::Number, digits) => digits.parse().map_err(|_| EXPECTED),
        (_, "\"NaN\"") => "NaN".parse().map_err(|_| EXPECTED),
        (_, "\"Infinity\"") => "inf".parse().map_err(|_| EXPECTED),
        (_, "\"-Infinity\"") => "-inf".parse().map_err(|_| EXPECTED),
        _ => Err(EXPECTED),
    }
}

fn bytes(raw: &RawValue, form: BytesForm) -> Found<Vec<u8>> {
    const EXPECTED: Unfit = Unfit::Malformed("bytes in the form the connector is set to");
    let text = text(raw, "bytes in base64")?;
    match form {
        BytesForm::Base64 => STANDARD.decode(text.as_bytes()).map_err(|_| EXPECTED),
        BytesForm::Base64UrlSafe => URL_SAFE.decode(text.as_bytes()).map_err(|_| EXPECTED),
        BytesForm::Hex => hex(text.as_bytes()).ok_or(EXPECTED),
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// Two's complement in base64, or the number itself (the converter's `decimal.format=NUMERIC`).
fn sent_decimal(raw: &RawValue, scale: i64) -> Found<Decimal> {
    if Shape::of(raw) == Shape::Number {
        return Decimal::parse(raw.get());
    }
    Decimal::from_bytes(&bytes(raw, BytesForm::Base64)?, scale)
}

/// Debezium's words for what no decimal is, and PostgreSQL's.
fn word(text: &str) -> Option<&'static str> {
    Some(match text {
        "NAN" | "NaN" => "NaN",
        "POSITIVE_INFINITY" | "Infinity" => "Infinity",
        "NEGATIVE_INFINITY" | "-Infinity" => "-Infinity",
        _ => return None,
    })
}

fn decimal_digits(raw: &RawValue, precision: u8, scale: i8) -> Found<i128> {
    let text = text(raw, "a decimal number as text")?;
    match word(&text) {
        Some("NaN") => Ok(NUMERIC_NAN),
        Some(_) => Err(Unfit::Beyond("infinity is carried in columns without precision alone")),
        None => Decimal::parse(&text)?.to_i128(precision, scale),
    }
}

fn digits(raw: &RawValue) -> Found<Cow<'_, str>> {
    let text = text(raw, "a decimal number as text")?;
    match word(&text) {
        Some(word) => Ok(word.into()),
        None => Decimal::parse(&text).map(|_| text),
    }
}

fn scaled_decimal(raw: &RawValue) -> Found<String> {
    const EXPECTED: Unfit = Unfit::Malformed("a decimal with its scale");
    let object = Object::parse(raw).ok_or(EXPECTED)?;
    let scale = object.integer::<i32>("scale").ok_or(EXPECTED)?;
    let value = bytes(object.given("value").ok_or(EXPECTED)?, BytesForm::Base64)?;
    Ok(Decimal::from_bytes(&value, scale.into())?.to_text())
}

fn date(raw: &RawValue) -> Found<i32> {
    match number(raw).ok_or(Unfit::Malformed("a number of days"))? {
        days if days == i64::from(DATE_INFINITY_SENT.0) => Ok(DATE_INFINITY.0),
        days if days == i64::from(DATE_INFINITY_SENT.1) => Ok(DATE_INFINITY.1),
        days => calendar::date32(days),
    }
}

fn time(raw: &RawValue, unit: Unit) -> Found<i64> {
    let sent = number(raw).ok_or(Unfit::Malformed("a number of milli-, micro- or nanoseconds"))?;
    match in_micros(sent, unit)? {
        micros @ 0..=MICROS_PER_DAY => Ok(micros),
        _ => Err(Unfit::Beyond("times are carried from 00:00 to 24:00")),
    }
}

fn timestamp(raw: &RawValue, unit: Unit) -> Found<i64> {
    let sent = number(raw).ok_or(Unfit::Malformed("a number of milli-, micro- or nanoseconds"))?;
    let (forever, never) = TIMESTAMP_INFINITY_SENT;
    let infinity = match unit {
        Unit::Milliseconds if [forever / 1_000, forever].contains(&sent) => Some(true),
        Unit::Milliseconds if [never / 1_000, never].contains(&sent) => Some(false),
        Unit::Microseconds if sent == forever => Some(true),
        Unit::Microseconds if sent == never => Some(false),
        Unit::Nanoseconds if sent == i64::MAX => Some(true),
        Unit::Nanoseconds if sent == i64::MIN => Some(false),
        _ => None,
    };
    match infinity {
        Some(true) => Ok(TIMESTAMP_INFINITY.0),
        Some(false) => Ok(TIMESTAMP_INFINITY.1),
        None => calendar::timestamp(0, in_micros(sent, unit)?, 0),
    }
}

fn in_micros(sent: i64, unit: Unit) -> Found<i64> {
    match unit {
        Unit::Milliseconds => sent
            .checked_mul(1_000)
            .ok_or(Unfit::Beyond("timestamps are carried from 290309 BC to 294247")),
        Unit::Microseconds => Ok(sent),
        Unit::Nanoseconds => calendar::in_micros(sent),
    }
}

fn duration(raw: &RawValue, unit: Unit) -> Found<IntervalMonthDayNano> {
    const BEYOND: Unfit = Unfit::Beyond("spans of time are carried in 64-bit nanoseconds");
    let sent = number(raw).ok_or(Unfit::Malformed("a number of micro- or nanoseconds"))?;
    let factor = match unit {
        Unit::Milliseconds => 1_000_000,
        Unit::Microseconds => 1_000,
        Unit::Nanoseconds => 1,
    };
    let nanos = sent.checked_mul(factor).ok_or(BEYOND)?;
    Ok(IntervalMonthDayNano::new(0, 0, nanos))
}

pub(super) fn uuid(text: &str) -> Found<[u8; 16]> {
    const EXPECTED: Unfit = Unfit::Malformed("a UUID");
    let lengths = text.split('-').map(str::len);
    if !lengths.eq([8, 4, 4, 4, 12]) {
        return Err(EXPECTED);
    }
    let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
    hex(&digits).and_then(|bytes| bytes.try_into().ok()).ok_or(EXPECTED)
}

/// Fields of a calendar (`time.precision.mode=structured`).
fn structured(raw: &RawValue, kind: Structured) -> Found<Value<'static>> {
    const EXPECTED: Unfit = Unfit::Malformed("the fields of a date or time");
    let object = Object::parse(raw).ok_or(EXPECTED)?;
    let part = |name: &str| object.integer::<i32>(name).map(i64::from).unwrap_or(0);
    let infinity = match object.text("specialValue").as_deref() {
        None => None,
        Some("POSITIVE_INFINITY") => Some(true),
        Some("NEGATIVE_INFINITY") => Some(false),
        Some(_) => return Err(EXPECTED),
    };
    let day = || calendar::day(part("year"), part("month"), part("day"));
    let clock = || calendar::clock(part("hour"), part("minute"), part("second"), part("nanos"));
    Ok(Value::Integer(match (kind, infinity) {
        (Structured::Date, Some(true)) => DATE_INFINITY.0.into(),
        (Structured::Date, Some(false)) => DATE_INFINITY.1.into(),
        (Structured::Date, None) => calendar::date32(day()?)?.into(),
        (Structured::Time, None) => clock()?,
        (Structured::Timestamp | Structured::Zoned, Some(true)) => TIMESTAMP_INFINITY.0,
        (Structured::Timestamp | Structured::Zoned, Some(false)) => TIMESTAMP_INFINITY.1,
        (Structured::Timestamp, None) => calendar::timestamp(day()?, clock()?, 0)?,
        (Structured::Zoned, None) => {
            calendar::timestamp(day()?, clock()?, part("offsetSeconds") * 1_000_000)?
        }
        (Structured::Duration, None) => return structured_duration(&object).map(Value::Interval),
        (Structured::Time | Structured::Duration, Some(_)) => return Err(EXPECTED),
    }))
}

fn structured_duration(object: &Object<'_>) -> Found<IntervalMonthDayNano> {
    const BEYOND: Unfit =
        Unfit::Beyond("intervals are carried in months, days and 64-bit nanoseconds");
    let part = |name: &str| i128::from(object.integer::<i64>(name).unwrap_or(0));
    let seconds = part("hours") * 3_600 + part("minutes") * 60 + part("seconds");
    Ok(IntervalMonthDayNano {
        months: i32::try_from(part("years") * 12 + part("months")).map_err(|_| BEYOND)?,
        days: i32::try_from(part("days")).map_err(|_| BEYOND)?,
        nanoseconds: i64::try_from(seconds * 1_000_000_000 + part("nanos")).map_err(|_| BEYOND)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &Wire, json: &str) -> Found<Value<'static>> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        Ok(match decode(wire, &raw)? {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Integer(it) => Value::Integer(it),
            Value::Decimal(it) => Value::Decimal(it),
            Value::Float32(it) => Value::Float32(it),
            Value::Interval(it) => Value::Interval(it),
            _ => Value::Null,
        })
    }

    #[test]
    fn decimals_are_read_in_every_form() {
        let wire = Wire::Decimal { precision: 7, scale: 0, sent: -2 };
        assert_eq!(read(&wire, "\"Aw==\""), Ok(Value::Decimal(300)), "a scale below zero");
        let wire = Wire::Decimal { precision: 5, scale: 2, sent: 2 };
        assert_eq!(read(&wire, "1.5"), Ok(Value::Decimal(150)), "decimal.format=NUMERIC");
        assert!(read(&wire, "1.555").is_err() && read(&wire, "1000").is_err());
        let digits = Wire::DecimalDigits { precision: 5, scale: 2 };
        assert_eq!(read(&digits, "\"NAN\""), Ok(Value::Decimal(NUMERIC_NAN)));
        assert!(read(&digits, "\"POSITIVE_INFINITY\"").is_err());
        let infinity = read(&Wire::Digits, "\"POSITIVE_INFINITY\"");
        assert_eq!(infinity, Ok(Value::Text("Infinity".into())));
    }

    #[test]
    fn a_narrow_float_is_rounded_once() {
        // Halfway between two floats but for its last digit, which a double does not hold.
        let above = read(&Wire::Float32, "1.00000005960464477539062500000000001");
        assert_eq!(above, Ok(Value::Float32(1.000_000_1)));
    }

    #[test]
    fn infinity_is_seen_in_every_unit() {
        let (forever, never) = (Ok(Value::Integer(i64::MAX)), Ok(Value::Integer(i64::MIN)));
        let all = [
            (Unit::Milliseconds, "9223372036825200", "-9223372036832400"),
            (Unit::Microseconds, "9223372036825200000", "-9223372036832400000"),
            (Unit::Nanoseconds, "9223372036854775807", "-9223372036854775808"),
        ];
        for (unit, up, down) in all {
            assert_eq!(read(&Wire::Timestamp(unit), up), forever, "{unit:?}");
            assert_eq!(read(&Wire::Timestamp(unit), down), never, "{unit:?}");
        }
        assert_eq!(read(&Wire::IsoTimestamp, "\"infinity\""), forever);
        let special = "{\"year\":null,\"specialValue\":\"NEGATIVE_INFINITY\"}";
        assert_eq!(read(&Wire::Structured(Structured::Zoned), special), never);
    }

    #[test]
    fn calendar_fields_are_read() {
        let at = "{\"year\":1970,\"month\":1,\"day\":2,\"hour\":1,\"minute\":0,\"second\":0,\
                  \"nanos\":5000,\"offsetSeconds\":3600,\"precision\":6}";
        let read = |kind| read(&Wire::Structured(kind), at);
        assert_eq!(read(Structured::Date), Ok(Value::Integer(1)));
        assert_eq!(read(Structured::Time), Ok(Value::Integer(3_600_000_005)));
        assert_eq!(read(Structured::Timestamp), Ok(Value::Integer(90_000_000_005)));
        assert_eq!(read(Structured::Zoned), Ok(Value::Integer(86_400_000_005)));
    }
    #[test]
    fn spans_keep_months_days_and_time_apart() {
        let span = "{\"years\":1,\"months\":-2,\"days\":3,\"hours\":0,\"minutes\":1,\"seconds\":2,\
                    \"nanos\":5}";
        let expected = IntervalMonthDayNano::new(10, 3, 62_000_000_005);
        assert_eq!(
            read(&Wire::Structured(Structured::Duration), span),
            Ok(Value::Interval(expected))
        );
        assert!(read(&Wire::Duration(Unit::Microseconds), "9223372036854775807").is_err());
    }
}
