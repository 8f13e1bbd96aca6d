//! How many questions wait for a person, counted beside the engine that asks them.

use crate::decisions::FILE;
use crate::render::count;
use std::path::Path;
use syncline_control::{Control, Filter, State};

/// What is asked by the engine of one state directory.
#[derive(Debug)]
pub(crate) struct Questions {
    path: String,
    control: Option<Control>,
}

impl Questions {
    /// Those of the engine with this state directory.
    pub(crate) fn of(state: &Path) -> Self {
        Self { path: state.join(FILE).to_string_lossy().into_owned(), control: None }
    }

    /// How many are open; 0 as long as nothing was ever asked.
    pub(crate) async fn open(&mut self) -> u64 {
        if self.control.is_none() {
            self.control = Control::open_read_only(&self.path).await.ok().flatten();
        }
        let Some(control) = &self.control else { return 0 };
        let open = Filter { state: Some(State::Open), ..Filter::default() };
        control.count(&open).await.unwrap_or_default()
    }
}

/// The number in words.
pub(crate) fn sentence(open: u64) -> String {
    match open {
        0 => "nobody is asked anything".to_owned(),
        1 => "1 question waits for a person: syncline conflicts list".to_owned(),
        many => format!("{} questions wait for a person: syncline conflicts list", count(many)),
    }
}
