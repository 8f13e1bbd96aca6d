//! Values that mean the same to their type get the same bytes. Pure.
//!
//! ```text
//!  field:  length i32 (-1 for NULL) · bytes, as PostgreSQL sends and takes them
//! ```

/// When two values of a column are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// When their bytes are.
    Exact,
    /// `numeric`: zeros behind the last digit don't count.
    Number,
    /// `char(n)`: spaces at the end don't count.
    Padded,
    /// `real` and `double precision`: by their bits, and NaN is NaN.
    Float,
}

/// The NULL field.
pub(crate) const NULL: [u8; 4] = (-1_i32).to_be_bytes();

impl Alike {
    /// That of a type.
    pub(crate) fn of(type_oid: u32) -> Self {
        match type_oid {
            700 | 701 => Self::Float,
            1700 => Self::Number,
            1042 => Self::Padded,
            _ => Self::Exact,
        }
    }

    /// Appends a field; `None` is NULL.
    pub(crate) fn put(self, value: Option<&[u8]>, out: &mut Vec<u8>) {
        let Some(value) = value else { return out.extend_from_slice(&NULL) };
        match self {
            Self::Exact => put(value, out),
            Self::Number => put_number(value, out),
            Self::Padded => {
                let end = value.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
                put(value.get(..end).unwrap_or_default(), out);
            }
            Self::Float => match is_nan(value) {
                // Which of the many NaNs it is, nobody can see.
                true => put(if value.len() == 4 { &NAN_4 } else { &NAN_8 }, out),
                false => put(value, out),
            },
        }
    }
}

const NAN_4: [u8; 4] = 0x7FC0_0000_u32.to_be_bytes();
const NAN_8: [u8; 8] = 0x7FF8_0000_0000_0000_u64.to_be_bytes();

fn is_nan(value: &[u8]) -> bool {
    match *value {
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).is_nan(),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]).is_nan(),
        _ => false,
    }
}

fn put(value: &[u8], out: &mut Vec<u8>) {
    // A field that was received, or can be sent, is shorter than 1 GiB.
    out.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

/// Writes a `numeric` with no more places behind the point than it has digits there.
/// `encode/numeric.rs` draws the form.
fn put_number(value: &[u8], out: &mut Vec<u8>) {
    const SPECIAL: u16 = 0xC000;
    let word = |at: usize| {
        let pair = value.get(at * 2..at * 2 + 2).and_then(|pair| <[u8; 2]>::try_from(pair).ok());
        u16::from_be_bytes(pair.unwrap_or_default())
    };
    let (count, weight, sign) = (usize::from(word(0)), word(1).cast_signed(), word(2));
    if value.len() != 8 + count * 2 || sign & SPECIAL == SPECIAL {
        return put(value, out);
    }
    let mut groups: Vec<u16> = (4..4 + count).map(word).collect();
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    let leading = i16::try_from(leading).unwrap_or_default();
    let (weight, sign) = if groups.is_empty() { (0, 0) } else { (weight - leading, sign) };
    let zeros = match groups.last() {
        Some(last) => [10, 100, 1000].iter().filter(|unit| last % **unit == 0).count(),
        None => 0,
    };
    let places = (i64::try_from(groups.len()).unwrap_or_default() - 1 - i64::from(weight)) * 4
        - i64::try_from(zeros).unwrap_or_default();
    let places = u16::try_from(places.max(0)).unwrap_or_default();
    let head =
        [u16::try_from(groups.len()).unwrap_or_default(), weight.cast_unsigned(), sign, places];
    let bytes: Vec<u8> = head.iter().chain(&groups).flat_map(|word| word.to_be_bytes()).collect();
    put(&bytes, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(alike: Alike, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        alike.put(Some(value), &mut out);
        out
    }

    fn number(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let count = u16::try_from(groups.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, scale];
        head.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn zeros_behind_the_last_digit_do_not_count() {
        let same = |a: &[u8], b: &[u8]| field(Alike::Number, a) == field(Alike::Number, b);
        // 1 and 1.00; 12345.6 with one place and with four; 0 and 0.00.
        assert!(same(&number(0, 0, 0, &[1]), &number(0, 0, 2, &[1])));
        assert!(same(&number(1, 0, 1, &[1, 2345, 6000]), &number(1, 0, 4, &[1, 2345, 6000])));
        assert!(same(&number(0, 0, 0, &[]), &number(3, 0, 2, &[])));
        assert!(same(&number(0, 0, 4, &[1, 0]), &number(0, 0, 0, &[1])));
        assert!(!same(&number(0, 0, 0, &[1]), &number(0, 0x4000, 0, &[1])));
        assert!(!same(&number(0, 0, 0, &[1]), &number(1, 0, 0, &[1])));
        assert!(!same(&number(0, 0xC000, 0, &[]), &number(0, 0, 0, &[])), "NaN is no 0");
    }

    #[test]
    fn the_form_of_a_number_can_be_sent() {
        // As many places as there are digits: the server cuts what is behind them.
        let sent = field(Alike::Number, &number(0, 0, 7, &[1, 2340, 500]));
        assert_eq!(sent.get(4..), Some(number(0, 0, 6, &[1, 2340, 500]).as_slice()));
        let sent = field(Alike::Number, &number(2, 0, 0, &[7]));
        assert_eq!(sent.get(4..), Some(number(2, 0, 0, &[7]).as_slice()));
    }

    #[test]
    fn padding_and_kinds_of_nan_do_not_count_and_null_is_no_value() {
        assert_eq!(field(Alike::Padded, b"ab  "), field(Alike::Padded, b"ab"));
        assert_ne!(field(Alike::Exact, b"ab  "), field(Alike::Exact, b"ab"));
        let (a, b) = (f64::NAN.to_be_bytes(), (-f64::NAN).to_be_bytes());
        assert_eq!(field(Alike::Float, &a), field(Alike::Float, &b));
        let (zero, minus) = (0.0_f64.to_be_bytes(), (-0.0_f64).to_be_bytes());
        assert_ne!(field(Alike::Float, &zero), field(Alike::Float, &minus), "their bits differ");
        let mut null = Vec::new();
        Alike::Exact.put(None, &mut null);
        assert_ne!(null, field(Alike::Exact, b""));
    }
}
