//! The logs against their contract: conformance, the model, crashes, faults.
#![allow(missing_docs)]

mod conforms;
