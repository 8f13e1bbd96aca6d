//! The control store of a project, opened by whoever needs it first.

use syncline_control::Control;
use syncline_core::Result;
use tokio::sync::OnceCell;

/// The file in the state directory, where nothing else is said.
pub(crate) const FILE: &str = "control.sqlite";

/// The control store; shared by what notes conflicts and what hears decisions.
#[derive(Debug)]
pub(crate) struct Store {
    /// A path or an address, as [`Control::open`] takes it.
    at: String,
    control: OnceCell<Control>,
}

impl Store {
    /// At a path or an address.
    pub(crate) fn new(at: String) -> Self {
        Self { at, control: OnceCell::new() }
    }

    /// In a state directory.
    #[cfg(test)]
    pub(crate) fn in_directory(state: &std::path::Path) -> Self {
        Self::new(state.join(FILE).to_string_lossy().into_owned())
    }

    /// The store, made when there is none.
    ///
    /// # Errors
    /// When it is away, or of a newer version.
    pub(crate) async fn open(&self) -> Result<&Control> {
        Ok(self.control.get_or_try_init(|| Control::open(&self.at)).await?)
    }
}
