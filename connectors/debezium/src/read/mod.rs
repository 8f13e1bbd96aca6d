//! Records in, changes out.

mod envelope;
mod event;
mod image;
mod layout;
mod place;
mod rows;
mod source;
mod table;

pub use envelope::{Reader, Record};
pub use event::{
    Event, Message, RowChange, Snapshot, TransactionMark, TransactionPlace, Truncated,
};
pub use image::Image;
pub use source::{Coordinates, SourceInfo};
pub use table::TableBuilder;
