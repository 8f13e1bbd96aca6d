//! A digest that is the same on every machine and in every version, since it is stored.

use std::fmt;

/// FNV-1a over 128 bits. Tells values apart that nobody chose so as to collide; not a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(u128);

impl Default for Digest {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Digest {
    /// Length of the byte form.
    pub const BYTES: usize = 16;

    /// With more bytes behind.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        const PRIME: u128 = (1 << 88) | 0x13b;
        Self(bytes.iter().fold(self.0, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
    }

    /// With a part behind that is told apart from its neighbours by its length.
    #[must_use]
    pub fn part(self, bytes: &[u8]) -> Self {
        self.with(&(bytes.len() as u64).to_le_bytes()).with(bytes)
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> u128 {
        self.0
    }

    /// The byte form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// Reads the byte form; `None` when the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_it_always_was() {
        assert_eq!(Digest::default().with(b"a").to_string(), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(Digest::from_bytes(&Digest::default().to_bytes()), Some(Digest::default()));
        assert_eq!(Digest::from_bytes(&[0; 15]), None);
    }

    #[test]
    fn parts_are_told_apart() {
        let ab_c = Digest::default().part(b"ab").part(b"c");
        assert_ne!(ab_c, Digest::default().part(b"a").part(b"bc"));
    }
}
