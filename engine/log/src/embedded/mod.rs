//! The log in one directory, without a server.
//!
//! ```text
//! <directory>/lock                                   who has it open
//! <directory>/id                                     which log this is
//! <directory>/topics/<topic>/00000000000000000000.log   segments, named by their first offset
//! <directory>/checkpoints/<name>                     notes
//! ```
//!
//! ```text
//!  append ─▶ encode ─▶ queue ═▶ writer thread: a group ─▶ one write, one sync per topic
//!  commit ───────────────┘            │ then, in this order
//!                                     ├─▶ view: end, recent entries, readers' progress
//!                                     └─▶ appenders and readers are told
//!  read ─▶ view: recent entries, shared; else ─▶ segment files, on a blocking thread
//! ```
//!
//! Invariants: only the writer thread writes to topics; the view holds only what is durable;
//! entries, schemas and progress of a topic lie in one file each time, so one sync covers them.
//! `docs/design/log-format.md` has the format and what happens when the disk fails.

mod active;
mod checkpoints;
mod format;
mod group;
mod identity;
mod index;
mod limit;
mod lock;
mod log;
mod open;
mod queue;
mod read;
mod settings;
mod shared;
mod topic;
mod trim;
mod writer;

pub use open::EmbeddedLog;
pub use settings::Settings;
