//! The reference project, in a folder of its own.

use crate::Log;
use anyhow::Result;
use std::path::Path;

/// Copies `mappings/university` into a folder that is made for it, with a log of its own.
///
/// # Errors
/// When a file can't be read or written.
pub fn copy_reference(to: &Path) -> Result<()> {
    copy_reference_with(to, &Log::of_test())
}

/// The same with this log.
///
/// # Errors
/// When a file can't be read or written.
pub fn copy_reference_with(to: &Path, log: &Log) -> Result<()> {
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings/university"), to)?;
    let settings = to.join("syncline.toml");
    let text = std::fs::read_to_string(&settings)? + &log.section();
    Ok(std::fs::write(settings, text)?)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
