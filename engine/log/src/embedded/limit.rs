//! How much of the log readers may have before them until capture waits.

use super::topic::View;
use super::{shared::Shared, topic::Topic};
use syncline_core::{Error, Kind, ReaderName, Result};

impl Shared {
    /// Whether a topic takes entries now.
    ///
    /// What systems committed waits once readers have more than `bytes_max` before them. What is made of it does not,
    /// else its readers could not get on; nor does the rest of a transaction, which nobody can apply before its end.
    ///
    /// # Errors
    /// `Unavailable`; its detail names the reader that has most before it.
    pub(super) fn check_limit(&self, topic: &Topic) -> Result<()> {
        let Some(bytes_max) = self.settings.bytes_max else { return Ok(()) };
        if !topic.name.is_changes() || topic.is_open() {
            return Ok(());
        }
        let behind = self.topics().into_iter().filter_map(|topic| behind(&topic.view()));
        let (mut bytes, mut most) = (0, None);
        for (reader, topic_bytes) in behind {
            bytes += topic_bytes;
            most = most.filter(|(_, most)| *most >= topic_bytes).or(Some((reader, topic_bytes)));
        }
        let Some((reader, _)) = most.filter(|_| bytes > bytes_max) else { return Ok(()) };
        Err(Error::new(Kind::Unavailable, "the log is at its limit")
            .detail(format!("{bytes} bytes wait for their readers, most of them for {reader}; {bytes_max} may"))
            .hint("see what holds that reader up, or set another bytes_max under [log]; the source keeps what is not taken"))
    }
}

/// The slowest reader of a topic, and the bytes before it. The segment that is written to does not count: it stays
/// whoever has read it.
fn behind(view: &View) -> Option<(ReaderName, u64)> {
    let (reader, floor) = view.readers.iter().min_by_key(|(_, next)| **next)?;
    let mut bytes = 0;
    let closed = view.segments.iter().zip(view.segments.iter().skip(1));
    for (segment, next) in closed {
        if next.header.first > floor.0 {
            bytes += segment.bytes();
        }
    }
    (bytes > 0).then(|| (reader.clone(), bytes))
}
