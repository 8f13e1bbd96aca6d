//! `numeric` in its binary form: groups of four decimal digits.
//!
//! ```text
//!  groups u16 · weight i16 · sign u16 · scale u16 · group u16 …
//!  12345.60   = 0001 2345 . 6000   weight 1 (the first group counts 10000¹), scale 2
//! ```
//! Groups that are zero at either end are left out; the scale keeps the zeros that are shown.
//! (PostgreSQL, `src/backend/utils/adt/numeric.c`, `numeric_send`.)

use crate::values::NUMERIC_NAN;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// The largest scale PostgreSQL shows.
const SCALE_MAX: usize = 0x3FFF;

/// Not a number that `numeric` can hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotNumeric;

/// Appends a decimal with its length.
pub(crate) fn put_decimal(value: i128, scale: i8, out: &mut Vec<u8>) -> Result<(), NotNumeric> {
    if value == NUMERIC_NAN {
        put(NAN, 0, 0, &[], out);
        return Ok(());
    }
    let Some(digits @ 0..=36) = usize::try_from(scale).ok() else {
        return put_digits(&format!("{value}e{}", -i32::from(scale)), out);
    };
    let magnitude = value.unsigned_abs();
    let mut groups = [0_u16; 20];
    let (count, fraction) = match u64::try_from(magnitude) {
        // 64-bit division is many times cheaper, and most numbers are small.
        Ok(small) if digits <= 16 => groups_of_u64(small, digits, &mut groups),
        _ => groups_of_u128(magnitude, digits, &mut groups),
    };
    let groups = groups.get(..count).unwrap_or_default();
    let weight = i16::try_from(count).unwrap_or_default() - fraction - 1;
    let sign = if value < 0 { NEGATIVE } else { POSITIVE };
    put_trimmed(sign, weight, u16::try_from(digits).unwrap_or_default(), groups, out);
    Ok(())
}

macro_rules! groups_of {
    ($name:ident, $number:ty) => {
        /// Fills in the groups, most significant first; returns how many, and how many of them
        /// stand after the point.
        fn $name(magnitude: $number, digits: usize, groups: &mut [u16; 20]) -> (usize, i16) {
            let unit = (10 as $number).pow(u32::try_from(digits).unwrap_or_default());
            let after_point = digits.div_ceil(4);
            let padding = u32::try_from(after_point * 4 - digits).unwrap_or_default();
            let mut whole = magnitude / unit;
            let mut fraction = magnitude % unit * (10 as $number).pow(padding);
            let mut reversed = [0_u16; 20];
            let mut count = 0;
            for group in reversed.iter_mut().take(after_point) {
                *group = u16::try_from(fraction % 10_000).unwrap_or_default();
                fraction /= 10_000;
                count += 1;
            }
            for group in reversed.iter_mut().skip(after_point) {
                if whole == 0 {
                    break;
                }
                *group = u16::try_from(whole % 10_000).unwrap_or_default();
                whole /= 10_000;
                count += 1;
            }
            for (to, from) in groups.iter_mut().zip(reversed.iter().take(count).rev()) {
                *to = *from;
            }
            (count, i16::try_from(after_point).unwrap_or_default())
        }
    };
}
groups_of!(groups_of_u64, u64);
groups_of!(groups_of_u128, u128);

/// Appends the number that a text spells, with its length: sign, digits, point, exponent, or one
/// of `NaN`, `Infinity`, `-Infinity`.
pub(crate) fn put_digits(text: &str, out: &mut Vec<u8>) -> Result<(), NotNumeric> {
    match text {
        "NaN" => put(NAN, 0, 0, &[], out),
        "Infinity" => put(INFINITY, 0, 0, &[], out),
        "-Infinity" => put(NEGATIVE_INFINITY, 0, 0, &[], out),
        _ => {
            let number = Digits::parse(text).ok_or(NotNumeric)?;
            let weight = i16::try_from(number.weight()).map_err(|_| NotNumeric)?;
            let scale = u16::try_from(number.scale()?).map_err(|_| NotNumeric)?;
            put_trimmed(number.sign, weight, scale, &number.groups(), out);
        }
    }
    Ok(())
}

/// The significant digits of a number, and where its point is.
struct Digits {
    sign: u16,
    /// From the first that isn't zero to the last that isn't.
    digits: Vec<u8>,
    /// Power of ten of the first digit.
    first: i64,
    /// Digits after the point as written.
    after_point: i64,
}

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (sign, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (NEGATIVE, rest),
            None => (POSITIVE, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if written.is_empty() || !written.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = written.iter().take_while(|&&digit| digit == b'0').count();
        let trailing = written.iter().rev().take_while(|&&digit| digit == b'0').count();
        let kept = written.len().saturating_sub(leading + trailing);
        let digits = written.iter().skip(leading).take(kept).map(|digit| digit - b'0').collect();
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        Some(Self {
            sign,
            digits,
            first: point - 1 - i64::try_from(leading).ok()?,
            after_point: i64::try_from(fraction.len()).ok()? - i64::from(exponent),
        })
    }

    fn weight(&self) -> i64 {
        if self.digits.is_empty() { 0 } else { self.first.div_euclid(4) }
    }

    fn scale(&self) -> Result<usize, NotNumeric> {
        let scale = usize::try_from(self.after_point.max(0)).map_err(|_| NotNumeric)?;
        if scale > SCALE_MAX { Err(NotNumeric) } else { Ok(scale) }
    }

    fn groups(&self) -> Vec<u16> {
        let mut groups = Vec::with_capacity(self.digits.len() / 4 + 2);
        let mut open = None;
        let mut power = self.first;
        for &digit in &self.digits {
            let group = power.div_euclid(4);
            if open != Some(group) {
                groups.push(0);
                open = Some(group);
            }
            let place = u32::try_from(power.rem_euclid(4)).unwrap_or_default();
            if let Some(last) = groups.last_mut() {
                *last += u16::from(digit) * 10_u16.pow(place);
            }
            power -= 1;
        }
        groups
    }
}

/// Appends a number without the zero groups at its ends.
fn put_trimmed(sign: u16, weight: i16, scale: u16, groups: &[u16], out: &mut Vec<u8>) {
    let leading = groups.iter().take_while(|&&group| group == 0).count();
    let groups = groups.get(leading..).unwrap_or_default();
    let trailing = groups.iter().rev().take_while(|&&group| group == 0).count();
    let groups = groups.get(..groups.len() - trailing).unwrap_or_default();
    if groups.is_empty() {
        put(POSITIVE, 0, scale, groups, out);
    } else {
        put(sign, weight - i16::try_from(leading).unwrap_or_default(), scale, groups, out);
    }
}

fn put(sign: u16, weight: i16, scale: u16, groups: &[u16], out: &mut Vec<u8>) {
    // A number has at most 36,864 groups: 131,072 digits before the point and 16,383 after.
    let count = u16::try_from(groups.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&(8 + 2 * u32::from(count)).to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups.iter().take(usize::from(count)) {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_digits(text, &mut out).unwrap();
        out
    }

    fn decimal(value: i128, scale: i8) -> Vec<u8> {
        let mut out = Vec::new();
        put_decimal(value, scale, &mut out).unwrap();
        out
    }

    /// What PostgreSQL shows of the bytes.
    fn shown(bytes: &[u8]) -> String {
        let field = |at: usize| u16::from_be_bytes([bytes[4 + at], bytes[5 + at]]);
        let weight = i32::from(i16::from_be_bytes([bytes[6], bytes[7]]));
        let groups: Vec<u16> = (0..usize::from(field(0))).map(|i| field(8 + 2 * i)).collect();
        let group = |power: i32| {
            let index = usize::try_from(weight - power).ok();
            index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
        };
        let mut text = if field(4) == NEGATIVE { String::from("-") } else { String::new() };
        let whole: String = (0..=weight.max(0)).rev().map(|p| format!("{:04}", group(p))).collect();
        let whole = whole.trim_start_matches('0');
        text.push_str(if whole.is_empty() { "0" } else { whole });
        let scale = usize::from(field(6));
        if scale > 0 {
            let fraction: String = (1..=i32::try_from(scale).unwrap().div_euclid(4) + 1)
                .map(|power| format!("{:04}", group(-power)))
                .collect();
            text.push('.');
            text.push_str(&fraction[..scale]);
        }
        text
    }

    #[test]
    fn the_documented_example_has_the_documented_bytes() {
        let expected = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 0x09, 0x29, 0x17, 0x70];
        assert_eq!(decimal(1_234_560, 2), expected);
        assert_eq!(digits("12345.60"), expected);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.2.3", "1e", "0x1f", "1,5", " 1", "١"] {
            assert_eq!(put_digits(text, &mut Vec::new()), Err(NotNumeric), "{text:?}");
        }
        assert_eq!(put_digits("1e200000", &mut Vec::new()), Err(NotNumeric));
        assert_eq!(
            put_digits(&format!("0.{}", "1".repeat(16_384)), &mut Vec::new()),
            Err(NotNumeric)
        );
    }

    #[test]
    fn the_longest_numbers_keep_every_digit() {
        let longest = format!("{}.{}", "9".repeat(131_072), "7".repeat(16_383));
        assert_eq!(shown(&digits(&longest)), longest);
    }

    proptest! {
        #[test]
        fn decimals_and_their_digits_give_the_same_bytes(value in any::<i128>(), scale in 0..=38_i8) {
            let value = value % 10_i128.pow(38);
            let mut text = format!("{:039}", value.unsigned_abs());
            if scale > 0 {
                text.insert(39 - usize::try_from(scale).unwrap(), '.');
            }
            let sign = if value < 0 { "-" } else { "" };
            prop_assert_eq!(decimal(value, scale), digits(&format!("{sign}{text}")));
        }

        #[test]
        fn small_decimals_take_the_short_way_to_the_same_bytes(value in any::<i64>(), scale in 0..=16_i8) {
            let mut wide = [0; 20];
            let mut narrow = [0; 20];
            let digits = usize::try_from(scale).unwrap();
            prop_assert_eq!(
                groups_of_u64(value.unsigned_abs(), digits, &mut narrow),
                groups_of_u128(value.unsigned_abs().into(), digits, &mut wide)
            );
            prop_assert_eq!(narrow, wide);
        }

        #[test]
        fn digits_are_shown_as_they_were_written(text in "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{1,60})?") {
            let zero = text.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0');
            let expected = if zero { text.trim_start_matches('-').to_owned() } else { text.clone() };
            prop_assert_eq!(shown(&digits(&text)), expected);
        }
    }
}
