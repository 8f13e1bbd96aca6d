//! Numbers from text: the hot path of decoding, written by hand.

use super::Unreadable;

/// What a Decimal128 column holds for `NaN`. No number of 38 digits reaches it; the sink writes it
/// back as `NaN`.
pub const NUMERIC_NAN: i128 = i128::MAX;

/// Digits that a u64 holds whatever they are.
const SAFE_DIGITS: usize = 18;

/// A signed whole number.
#[inline]
pub(super) fn integer(text: &[u8]) -> Result<i64, Unreadable> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || digits.len() > SAFE_DIGITS {
        let text = std::str::from_utf8(text).map_err(|_| Unreadable::Malformed)?;
        return text.parse().map_err(|_| Unreadable::Malformed);
    }
    let magnitude = digits_value(digits)?;
    // In range: eighteen digits are below 2^63.
    let magnitude = magnitude.cast_signed();
    Ok(if negative { -magnitude } else { magnitude })
}

/// A decimal as a whole number of 10^-scale.
#[inline]
pub(super) fn decimal(text: &[u8], scale: u8) -> Result<i128, Unreadable> {
    if text == b"NaN" {
        return Ok(NUMERIC_NAN);
    }
    let (negative, digits) = sign(text);
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(point) => {
            let (whole, rest) = digits.split_at_checked(point).unwrap_or((digits, b""));
            (whole, rest.get(1..).unwrap_or_default())
        }
        None => (digits, b"".as_slice()),
    };
    let padding = usize::from(scale).checked_sub(fraction.len()).ok_or(Unreadable::OutOfRange)?;
    if whole.is_empty() {
        return Err(Unreadable::Malformed);
    }
    let magnitude = if whole.len() + usize::from(scale) <= SAFE_DIGITS {
        let joined = digits_value(whole)? * power(fraction.len()) + digits_value(fraction)?;
        i128::from(joined * power(padding))
    } else {
        wide(whole, fraction, padding)?
    };
    Ok(if negative { -magnitude } else { magnitude })
}

fn wide(whole: &[u8], fraction: &[u8], padding: usize) -> Result<i128, Unreadable> {
    const LIMIT: i128 = 10_i128.pow(38);
    let mut value: i128 = 0;
    let zeros = std::iter::repeat_n(&b'0', padding);
    for &byte in whole.iter().chain(fraction).chain(zeros) {
        let digit = digit(byte)?;
        if value >= LIMIT / 10 {
            return Err(Unreadable::OutOfRange);
        }
        value = value * 10 + i128::from(digit);
    }
    Ok(value)
}

#[inline]
fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

#[inline]
fn digits_value(digits: &[u8]) -> Result<u64, Unreadable> {
    let mut value = 0;
    for &byte in digits {
        value = value * 10 + u64::from(digit(byte)?);
    }
    Ok(value)
}

#[inline]
fn digit(byte: u8) -> Result<u8, Unreadable> {
    let digit = byte.wrapping_sub(b'0');
    if digit > 9 { Err(Unreadable::Malformed) } else { Ok(digit) }
}

fn power(exponent: usize) -> u64 {
    // Invariant: callers stay within SAFE_DIGITS.
    10_u64.pow(u32::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_are_what_the_library_reads(number: i64) {
            prop_assert_eq!(integer(number.to_string().as_bytes()), Ok(number));
        }

        #[test]
        fn words_are_read_as_the_library_does(text in "[-0-9a-z]{0,25}") {
            prop_assert_eq!(integer(text.as_bytes()).ok(), text.parse::<i64>().ok());
        }

        #[test]
        fn decimals_are_their_digits(
            value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..=38,
        ) {
            let digits = format!("{:0width$}", value.abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale == 0 { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}");
            prop_assert_eq!(decimal(text.as_bytes(), scale), Ok(value), "{}", text);
        }

        #[test]
        fn short_decimals_take_the_fast_way_to_the_same_value(
            value in -999_999_i128..1_000_000, scale in 0_u8..=6,
        ) {
            let digits = format!("{:0width$}", value.abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale == 0 { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}");
            prop_assert_eq!(decimal(text.as_bytes(), scale), Ok(value));
        }
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for bad in ["", "-", "1x", ".5", "Infinity", "1e5", "--1"] {
            assert!(decimal(bad.as_bytes(), 2).is_err(), "{bad}");
        }
        assert_eq!(decimal(b"1.234", 2), Err(Unreadable::OutOfRange));
        assert_eq!(decimal(b"1.2", 2), Ok(120));
        assert_eq!(decimal(b"12300", 0), Ok(12300));
        assert_eq!(decimal(b"NaN", 2), Ok(NUMERIC_NAN));
        assert_eq!(decimal(&[b'9'; 39], 0), Err(Unreadable::OutOfRange));
    }
}
