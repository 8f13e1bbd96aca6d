//! One entry of a log, without the frame around it.

use crate::{same, tables};
use syncline_core::codec::{BodyKind, decode_entry, decode_head};
use syncline_core::{Body, Position};

/// What can be read of an entry's head holds of the entry; and it survives being written.
pub(crate) fn run(data: &[u8]) {
    let head = decode_head(data);
    if let Some(position) = data.get(8..8 + Position::BYTES).and_then(Position::from_bytes) {
        assert_eq!(data.get(8..8 + Position::BYTES), Some(&position.to_bytes()[..]));
    }
    let schemas = tables::schemas();
    let Ok(entry) = decode_entry(&data.into(), |number| schemas.get(number as usize).cloned())
    else {
        return;
    };
    let head = head.expect("an entry has a head");
    assert_eq!(head.boundary, entry.boundary);
    match (&entry.body, head.kind) {
        (Body::Rows(batch), BodyKind::Rows(number)) => {
            assert_eq!(Some(batch.schema()), schemas.get(number as usize));
        }
        (Body::Truncate(_), BodyKind::Truncate)
        | (Body::Abandoned, BodyKind::Abandoned)
        | (Body::Nothing, BodyKind::Nothing) => {}
        (body, kind) => panic!("{body:?} with the head of {kind:?}"),
    }
    same::survives(&entry);
}
