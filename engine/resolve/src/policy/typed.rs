//! What cells mean by their field's type: order, sums, text.

use arrow_schema::DataType;
use std::cmp::Ordering;
use syncline_core::Column;

/// What a field's cells hold. Cells are the bytes of Arrow's own buffers: little-endian numbers, texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Of so many bytes, at most 16.
    Integer(usize),
    /// With so many digits.
    Decimal(u8),
    Float32,
    Float64,
    Text,
    /// A text that is JSON.
    Json,
    /// What is compared byte by byte.
    Bytes,
}

impl ValueKind {
    pub(crate) fn of(column: &Column) -> Self {
        match &column.data_type {
            DataType::Int16 => Self::Integer(2),
            DataType::Int32 | DataType::Date32 => Self::Integer(4),
            DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) => Self::Integer(8),
            DataType::Decimal128(digits, _) => Self::Decimal(*digits),
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Utf8 if matches!(column.native_type.as_str(), "json" | "jsonb") => Self::Json,
            DataType::Utf8 => Self::Text,
            _ => Self::Bytes,
        }
    }

    /// The order of two values: numbers and times as such, texts by their bytes, which is the same on
    /// every machine whatever its locale.
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Integer(_) | Self::Decimal(_) => integer(a).cmp(&integer(b)),
            Self::Float32 => match (a.try_into(), b.try_into()) {
                (Ok(a), Ok(b)) => f32::from_le_bytes(a).total_cmp(&f32::from_le_bytes(b)),
                _ => a.cmp(b),
            },
            Self::Float64 => match (a.try_into(), b.try_into()) {
                (Ok(a), Ok(b)) => f64::from_le_bytes(a).total_cmp(&f64::from_le_bytes(b)),
                _ => a.cmp(b),
            },
            Self::Text | Self::Json | Self::Bytes => a.cmp(b),
        }
    }

    /// The sum; `None` where the type can't hold it.
    pub(crate) fn sum<'a>(self, values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
        let sum = values.map(integer).try_fold(0_i128, i128::checked_add)?;
        match self {
            Self::Integer(bytes) => {
                let most = 1_i128.checked_shl(u32::try_from(bytes * 8 - 1).ok()?)?;
                let cell = sum.to_le_bytes().get(..bytes)?.to_vec();
                (-most..most).contains(&sum).then_some(cell)
            }
            Self::Decimal(digits) => {
                let most = 10_i128.checked_pow(digits.into())?;
                (-most < sum && sum < most).then(|| sum.to_le_bytes().to_vec())
            }
            _ => None,
        }
    }
}

/// A little-endian number of at most 16 bytes.
fn integer(bytes: &[u8]) -> i128 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i128::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_ordered_and_added_as_numbers(a: i32, b: i32) {
            let kind = ValueKind::Integer(4);
            let (x, y) = (a.to_le_bytes(), b.to_le_bytes());
            prop_assert_eq!(kind.compare(&x, &y), a.cmp(&b));
            let sum = kind.sum([&x[..], &y[..]].into_iter());
            prop_assert_eq!(sum, a.checked_add(b).map(|sum| sum.to_le_bytes().to_vec()));
        }

        #[test]
        fn floats_have_a_total_order(a: f64, b: f64) {
            let (x, y) = (a.to_le_bytes(), b.to_le_bytes());
            prop_assert_eq!(ValueKind::Float64.compare(&x, &y), a.total_cmp(&b));
        }
    }

    #[test]
    fn a_decimal_holds_only_its_digits() {
        let cell = |number: i128| number.to_le_bytes();
        let sum =
            |a: i128, b: i128| ValueKind::Decimal(3).sum([&cell(a)[..], &cell(b)].into_iter());
        assert_eq!(sum(998, 1), Some(cell(999).to_vec()));
        assert_eq!(sum(998, 2), None);
        assert_eq!(sum(-998, -1), Some(cell(-999).to_vec()));
        assert_eq!(sum(-998, -2), None);
    }
}
