//! stub
use crate::{ChangeBatch, Error, Kind, Result};

/// stub
///
/// # Errors
/// stub
pub fn encode_standalone(_batch: &ChangeBatch) -> Result<Vec<u8>> {
    Err(Error::new(Kind::Internal, "stub"))
}

/// stub
///
/// # Errors
/// stub
pub fn decode_standalone(_bytes: &[u8]) -> Result<ChangeBatch> {
    Err(Error::new(Kind::Internal, "stub"))
}
