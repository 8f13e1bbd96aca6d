//! The segment that a topic is written to.

use super::format::{self, CLOSED, Header, segment_path};
use super::index::{Index, Places};
use super::topic::Topic;
use std::collections::HashSet;
use std::sync::Arc;
use syncline_segment::{Disk, Error, Writer, create_directory};

/// A topic's last segment.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) topic: Arc<Topic>,
    pub(super) file: Writer,
    pub(super) index: Arc<Index>,
    /// The numbers of the schemas that lie in this segment.
    pub(super) schemas: HashSet<u32>,
}

impl Active {
    /// Begins a segment at the topic's durable end.
    ///
    /// # Errors
    /// `NoRoom`: as if it was never tried. Else the disk is in doubt.
    pub(super) fn begin(disk: &Arc<dyn Disk>, topic: &Arc<Topic>) -> Result<Self, Error> {
        create_directory(&topic.directory)?;
        let header = {
            let view = topic.view();
            Header::new(topic.name.as_str(), &view.tail, &view.readers)
        };
        let path = segment_path(&topic.directory, header.first);
        let file = Writer::create(disk, &path, header.first, &format::encode(&header))?;
        let places = Places::known(file.end());
        let index = Arc::new(Index::new(header, path, file.end(), places));
        topic.view().segments.push_back(index.clone());
        Ok(Self { topic: topic.clone(), file, index, schemas: HashSet::new() })
    }

    /// Whether the next group goes to a new segment. One without entries is never left behind:
    /// the next would have its name.
    pub(super) fn is_full(&self, segment_bytes: u64) -> bool {
        let has_entries = self.topic.view().tail.next.0 > self.index.header.first;
        self.file.end() >= segment_bytes && has_entries
    }

    /// Says in the file itself that all of it is durable, so that damage to its last frames is
    /// not taken for a torn end.
    ///
    /// # Errors
    /// As the file's.
    pub(super) fn close(mut self) -> Result<(), Error> {
        let next = self.topic.view().tail.next.0;
        self.file.push(CLOSED, next, &[]);
        self.file.flush()?;
        self.file.sync()
    }
}
