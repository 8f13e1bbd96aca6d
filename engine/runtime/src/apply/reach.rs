//! How much a lane reads at once.
//!
//! Little at first and after a refusal, twice as much after each step that went well. Rows that are
//! refused are looked for in what was read, and until they are found nothing of it is committed: a
//! process that does not live long must get on nevertheless.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a lane reads at first, in bytes.
const LEAST: usize = 64 << 10;

/// Shared by the half that reads and the one that writes.
#[derive(Debug)]
pub(crate) struct Reach {
    bytes: AtomicUsize,
    most: usize,
}

impl Reach {
    /// Begins with little, and grows up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { bytes: AtomicUsize::new(LEAST.min(most)), most }
    }

    /// Always `bytes`: for a reader whose rows nobody refuses.
    pub(crate) fn steady(bytes: usize) -> Self {
        Self { bytes: AtomicUsize::new(bytes), most: bytes }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A step went well.
    pub(crate) fn grow(&self) {
        self.bytes.store(self.bytes().saturating_mul(2).min(self.most), Ordering::Relaxed);
    }

    /// Rows were refused.
    pub(crate) fn shrink(&self) {
        self.bytes.store(LEAST.min(self.most), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_limit_and_begins_anew_after_a_refusal() {
        let reach = Reach::new(1 << 20);
        assert_eq!(reach.bytes(), LEAST);
        (0..10).for_each(|_| reach.grow());
        assert_eq!(reach.bytes(), 1 << 20);
        reach.shrink();
        assert_eq!(reach.bytes(), LEAST);
        let little = Reach::new(1);
        little.grow();
        assert_eq!(little.bytes(), 1);
    }
}
