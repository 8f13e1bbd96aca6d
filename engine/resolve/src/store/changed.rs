//! What was written since the last commit, from where it lies; and beginning anew.

use super::open;
use super::rows::RowStore;
use syncline_core::{Cursor, Result};
use syncline_segment::{remove, sync_directory};

impl RowStore {
    /// Whether anything was written since the last commit.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.undo.is_empty()
    }

    /// Tells of each key that was written since the last commit, once, as it is now: its row, or none where
    /// it was taken away.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when the rows can't be read; those of `visit`.
    pub fn changed(
        &mut self,
        mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        self.walk(self.since, |key, row| visit(key, row).map(|()| false))?;
        Ok(())
    }

    /// Takes all rows and the note away, durably. While it does, the note is what it was; which of the rows
    /// are there can't be told, so the note should say so.
    ///
    /// # Errors
    /// `Unavailable` where the disk refuses: some may be left then, and the store can't be used.
    pub fn clear(&mut self) -> Result<()> {
        let mut files: Vec<_> = self.files.values().map(|file| (file.number, &file.path)).collect();
        // Order: the last one last, which has the note.
        files.sort_unstable();
        for (_, path) in files {
            remove(path)?;
            sync_directory(&self.directory)?;
        }
        *self = open::open(self.disk.clone(), &self.directory, self.settings)?;
        Ok(())
    }

    /// From here on lies what the next commit makes hold.
    pub(super) fn note_committed(&mut self) {
        self.since = Cursor(self.active, self.writer.end());
    }
}
