//! Types of columns: what Kafka Connect's schema says, or what the caller knows, and the form values
//! come in.

mod connect;
mod given;
pub(crate) mod semantic;
mod source_type;
mod typed;
mod wire;

pub(crate) use connect::{ConnectSchema, ConnectType};
pub(crate) use given::given_wire;
pub(crate) use source_type::{
    PARAMETER_LENGTH, PARAMETER_OWN_COLUMN, PARAMETER_OWN_TYPE, PARAMETER_SCALE, PARAMETER_TYPE,
    base_and_arguments,
};
pub(crate) use typed::typed;
pub(crate) use wire::{BytesForm, Structured, Unit, Wire};
