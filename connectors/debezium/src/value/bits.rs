//! Bit strings: Debezium sends the lowest bits first, PostgreSQL writes the highest first.

use super::Unfit;

/// Longest bit string that is read: PostgreSQL's own limit.
const BITS_MAX: usize = 83_886_080;

/// The bits as `length` digits, highest first.
pub(crate) fn from_little_endian(bytes: &[u8], length: usize) -> Result<String, Unfit> {
    if length > BITS_MAX {
        return Err(Unfit::Beyond("bit strings are carried up to 83886080 bits"));
    }
    let bit = |place: usize| bytes.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
    if (length..bytes.len() * 8).any(bit) {
        return Err(Unfit::Malformed("no more bits than the column has"));
    }
    Ok((0..length).rev().map(|place| if bit(place) { '1' } else { '0' }).collect())
}

/// The bytes of these digits, the highest first; `None` when they are none.
pub(crate) fn to_little_endian(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; digits.len().div_ceil(8)];
    for (place, digit) in digits.bytes().rev().enumerate() {
        match (digit, bytes.get_mut(place / 8)) {
            (b'0', _) => {}
            (b'1', Some(byte)) => *byte |= 1 << (place % 8),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_comes_first_on_the_wire() {
        // Debezium's own test has these bytes for B'…0001' of 40 bits.
        assert_eq!(from_little_endian(&[5], 3).unwrap(), "101");
        assert_eq!(from_little_endian(&[1], 4).unwrap(), "0001");
        assert_eq!(from_little_endian(&[0, 1], 9).unwrap(), "100000000");
        assert_eq!(from_little_endian(&[], 2).unwrap(), "00");
        assert!(from_little_endian(&[8], 3).is_err());
        assert!(from_little_endian(&[], usize::MAX).is_err());
    }
}
