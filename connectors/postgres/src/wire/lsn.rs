//! Log sequence numbers as PostgreSQL writes them.

use std::fmt;
use std::str::FromStr;

/// A place in the write-ahead log; text form `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Lsn(pub(crate) u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not two hexadecimal numbers with a slash between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number")]
pub(crate) struct NotAnLsn;

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        let high = u32::from_str_radix(high, 16).map_err(|_| NotAnLsn)?;
        let low = u32::from_str_radix(low, 16).map_err(|_| NotAnLsn)?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert_eq!("0/0".parse(), Ok(Lsn(0)));
        for bad in ["", "16", "/", "1/2/3", "x/1", "100000000/0"] {
            assert_eq!(bad.parse::<Lsn>(), Err(NotAnLsn), "{bad}");
        }
    }
}
