//! The control store of a project, opened by whoever needs it first.

use std::path::{Path, PathBuf};
use syncline_control::Control;
use syncline_core::Result;
use tokio::sync::OnceCell;

/// The file in the state directory.
pub(crate) const FILE: &str = "control.sqlite";

/// The control store; shared by what notes conflicts and what hears decisions.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    control: OnceCell<Control>,
}

impl Store {
    /// In a state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self { path: state.join(FILE), control: OnceCell::new() }
    }

    /// The store, made when there is none.
    ///
    /// # Errors
    /// When it is away, or of a newer version.
    pub(crate) async fn open(&self) -> Result<&Control> {
        let path = self.path.to_string_lossy();
        Ok(self.control.get_or_try_init(|| Control::open(&path)).await?)
    }
}
