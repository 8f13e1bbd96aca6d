//! Many changes of a key to the one that counts.
use crate::{ChangeBatch, Result};

/// stub
#[derive(Debug)]
pub struct Reduced {
    /// stub
    pub rows: ChangeBatch,
}

/// stub
///
/// # Errors
/// stub
pub fn reduce(batch: &ChangeBatch) -> Result<Reduced> {
    Ok(Reduced { rows: batch.clone() })
}
