//! Notes by name, one file each.

use super::format::file_name;
use super::open::EmbeddedLog;
use super::shared::checkpoints_directory;
use crate::rules::lock;
use syncline_core::{Checkpoints, Result};
use syncline_segment::{load_note, save_note};

impl Checkpoints for EmbeddedLog {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(load_note(&checkpoints_directory(&self.shared.directory).join(file_name(name)?))?)
    }

    fn save(&self, name: &str, note: &[u8]) -> Result<()> {
        let path = checkpoints_directory(&self.shared.directory).join(file_name(name)?);
        // Order: two that save the same note at once would write the same new file.
        let _one_at_a_time = lock(&self.saving);
        Ok(save_note(&path, note)?)
    }
}
