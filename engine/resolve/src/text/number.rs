//! Numbers with so many digits behind the point.

/// The unscaled number of a text such as `-0.25`; none where digits would be lost.
///
/// A scale below 0 counts the zeros that the number ends in.
pub(super) fn read_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => (1, text),
    };
    let (whole, behind) = rest.split_once('.').unwrap_or((rest, ""));
    let mut digits = format!("{whole}{behind}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // So many more digits than there are behind the point now; fewer, where only zeros go.
    let missing = i64::from(scale) - i64::try_from(behind.len()).ok()?;
    match usize::try_from(missing) {
        Ok(missing) => digits.extend(std::iter::repeat_n('0', missing)),
        Err(_) => {
            let kept = digits.len().saturating_sub(usize::try_from(-missing).ok()?);
            if digits.get(kept..)?.bytes().any(|digit| digit != b'0') {
                return None;
            }
            digits.truncate(kept);
        }
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > usize::from(precision) {
        return None;
    }
    let number: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some(sign * number)
}

/// Bytes from two hexadecimal digits each, with or without PostgreSQL's `\x` in front.
pub(super) fn read_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(value(*high)? * 16 + value(*low)?).ok(),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost_or_made_up() {
        let read = |text| read_decimal(text, 5, 2);
        assert_eq!(read("1.5"), Some(150));
        assert_eq!(read("-0.25"), Some(-25));
        assert_eq!(read("+007"), Some(700));
        assert_eq!(read("1.500"), Some(150), "zeros may go");
        assert_eq!(read(".5"), Some(50));
        for wrong in ["1.505", "1000", "1e2", "", "-", ".", "1.2.3", " 1", "NaN"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read_decimal("1200", 3, -2), Some(12));
        assert_eq!(read_decimal("1250", 3, -2), None);
        assert_eq!(read_decimal("0", 3, -2), Some(0));
    }

    #[test]
    fn bytes_are_pairs_of_digits() {
        assert_eq!(read_bytes("\\x00fF"), Some(vec![0, 255]));
        assert_eq!(read_bytes(""), Some(Vec::new()));
        for wrong in ["0", "0g", "\\x0", "é0"] {
            assert_eq!(read_bytes(wrong), None, "{wrong}");
        }
    }
}
