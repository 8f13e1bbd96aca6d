//! Decimals of any size, exactly.

use super::Unfit;
use num_bigint::BigInt;

/// What a Decimal128 column holds for NaN. No number of 38 digits reaches it.
pub(crate) const NUMERIC_NAN: i128 = i128::MAX;

/// Most places before or after the point: those of PostgreSQL's `numeric`.
const PLACES_MAX: i64 = 131_072;

const MALFORMED: Unfit = Unfit::Malformed("a decimal number");

/// `unscaled` × 10^-`scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    unscaled: BigInt,
    scale: i64,
}

impl Decimal {
    /// From two's complement, the highest byte first, as Kafka Connect writes it.
    pub(crate) fn from_bytes(bytes: &[u8], scale: i64) -> Result<Self, Unfit> {
        if bytes.is_empty() {
            return Err(Unfit::Malformed("at least one byte of a decimal"));
        }
        Self::new(BigInt::from_signed_bytes_be(bytes), scale)
    }

    fn new(unscaled: BigInt, scale: i64) -> Result<Self, Unfit> {
        if scale.abs() > PLACES_MAX {
            return Err(Unfit::Beyond("decimals are carried with up to 131072 places"));
        }
        Ok(Self { unscaled, scale })
    }

    /// Reads `-12.34` or `1.2E+3`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unfit> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let exponent = text.get(at + 1..).ok_or(MALFORMED)?;
                (text.get(..at).ok_or(MALFORMED)?, exponent.parse::<i64>().map_err(|_| MALFORMED)?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty() || !is_digits(digits) || !is_digits(fraction) {
            return Err(MALFORMED);
        }
        let scale = i64::try_from(fraction.len()).ok().and_then(|it| it.checked_sub(exponent));
        let unscaled = format!("{whole}{fraction}").parse().map_err(|_| MALFORMED)?;
        Self::new(unscaled, scale.ok_or(MALFORMED)?)
    }

    /// As a whole number of 10^-`scale` of at most `precision` digits.
    pub(crate) fn to_i128(&self, precision: u8, scale: i8) -> Result<i128, Unfit> {
        const BEYOND: Unfit = Unfit::Beyond("it has more digits than its column");
        const DIGITS_MAX: i64 = 38;
        let more = i64::from(scale) - self.scale;
        let unscaled = i128::try_from(&self.unscaled).map_err(|_| BEYOND)?;
        let power = |places: i64| 10_i128.pow(u32::try_from(places).unwrap_or(0));
        let value = match more {
            0 => unscaled,
            _ if unscaled == 0 => 0,
            1..=DIGITS_MAX => unscaled.checked_mul(power(more)).ok_or(BEYOND)?,
            _ if (-DIGITS_MAX..0).contains(&more) && unscaled % power(-more) == 0 => {
                unscaled / power(-more)
            }
            _ => return Err(BEYOND),
        };
        let limit = power(i64::from(precision.min(38)));
        if value.checked_abs().is_some_and(|it| it < limit) { Ok(value) } else { Err(BEYOND) }
    }

    /// The exact digits, without exponent, as PostgreSQL writes them.
    pub(crate) fn to_text(&self) -> String {
        let text = self.unscaled.magnitude().to_string();
        let sign = if self.unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" };
        let places = usize::try_from(self.scale.unsigned_abs()).unwrap_or(0);
        if self.scale <= 0 {
            let zeros = if text == "0" { 0 } else { places };
            return format!("{sign}{text}{}", "0".repeat(zeros));
        }
        let padded = format!("{text:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        format!("{sign}{whole}.{fraction}")
    }

    /// Two's complement, the highest byte first, as short as it can be; and the scale.
    pub(crate) fn to_bytes(&self) -> (Vec<u8>, i64) {
        (self.unscaled.to_signed_bytes_be(), self.scale)
    }

    /// From a whole number of 10^-`scale`.
    pub(crate) fn from_i128(value: i128, scale: i8) -> Self {
        Self { unscaled: value.into(), scale: scale.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_connect_bytes_are_read() {
        // 123.45 as `Decimal.fromLogical` of Kafka Connect encodes it.
        let decimal = Decimal::from_bytes(&[0x30, 0x39], 2).unwrap();
        assert_eq!((decimal.to_text().as_str(), decimal.to_i128(5, 2)), ("123.45", Ok(12_345)));
        let negative = Decimal::from_bytes(&[0xff], 3).unwrap();
        assert_eq!(negative.to_text(), "-0.001");
        assert_eq!(Decimal::from_bytes(&[1], -3).unwrap().to_text(), "1000");
        assert!(Decimal::from_bytes(&[], 0).is_err());
        assert!(Decimal::from_bytes(&[1], i64::MAX).is_err());
    }

    #[test]
    fn digits_that_have_no_place_are_refused() {
        let number = |text| Decimal::parse(text).unwrap();
        assert_eq!(number("1.50").to_i128(2, 1), Ok(15));
        assert!(number("1.55").to_i128(2, 1).is_err());
        assert!(number("10.0").to_i128(2, 1).is_err());
        assert_eq!(number("-1E+2").to_i128(4, 1), Ok(-1000));
        assert_eq!(number("1E-3").to_text(), "0.001");
        assert!(number("1e38").to_i128(38, 0).is_err());
        for bad in ["", "-", ".5", "1e", "e5", "0x1", "1 ", "--1", "1e999999"] {
            assert!(Decimal::parse(bad).is_err(), "{bad}");
        }
    }
}
