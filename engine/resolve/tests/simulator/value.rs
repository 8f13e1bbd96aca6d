//! The fields of the entity, and what systems hold in them.

use crate::draw::Draw;
use std::rc::Rc;

/// What a row holds in one field.
pub(crate) type Value = Option<Rc<str>>;

/// A row's fields.
pub(crate) type Cells = [Value; FIELDS];

pub(crate) const FIELDS: usize = 8;

/// The entity's fields; its key `id` comes before them. The last two are a group.
pub(crate) const NAMES: [&str; FIELDS] =
    ["name", "mail", "status", "tags", "seats", "info", "street", "city"];

pub(crate) const STATUS: usize = 2;
pub(crate) const TAGS: usize = 3;
pub(crate) const SEATS: usize = 4;
pub(crate) const INFO: usize = 5;

/// The order of what stands in `status`; something else is before all of these.
pub(crate) const ORDER: [&str; 3] = ["applicant", "active", "left"];

/// What people put into a field.
fn choices(field: usize) -> &'static [&'static str] {
    match field {
        STATUS => &["applicant", "active", "left", "odd"],
        TAGS => &["{a,b}", "{b,c}", "{}"],
        SEATS => &["1", "2", "-3"],
        6 => &["Road 1", "Lane 2 ", "Way 3"],
        7 => &["Rome", "oslo", "Kyiv "],
        _ => &["Ada", "ada", "Ada B ", "eve"],
    }
}

pub(crate) fn any_value(field: usize, draw: &mut Draw) -> Value {
    let text = draw.pick(choices(field));
    (!draw.happens(20)).then(|| text.into())
}

/// The form that a system gives to texts, as a trigger before each write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    AsIs,
    Upper,
    Lower,
    Short,
    Trimmed,
}

impl Form {
    pub(crate) const ALL: [Self; 5] =
        [Self::AsIs, Self::Upper, Self::Lower, Self::Short, Self::Trimmed];

    /// What is there after a write of this value.
    pub(crate) fn of(self, field: usize, value: &Value) -> Value {
        let text = value.as_deref()?;
        if self == Self::AsIs || matches!(field, STATUS | TAGS | SEATS) {
            return value.clone();
        }
        Some(match self {
            Self::AsIs => text.into(),
            Self::Upper => text.to_uppercase().into(),
            Self::Lower => text.to_lowercase().into(),
            Self::Short => text.chars().take(4).collect::<String>().into(),
            Self::Trimmed => text.trim().into(),
        })
    }

    pub(crate) fn of_all(self, cells: &Cells) -> Cells {
        std::array::from_fn(|field| self.of(field, &cells[field]))
    }
}

/// Some of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fields(pub(crate) u8);

impl Fields {
    pub(crate) const ALL: Self = Self(u8::MAX);

    pub(crate) fn has(self, field: usize) -> bool {
        self.0 & 1 << field != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..FIELDS).filter(move |&field| self.has(field))
    }

    pub(crate) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Some, of a group all or none.
    pub(crate) fn any(draw: &mut Draw) -> Self {
        if draw.happens(60) {
            return Self::ALL;
        }
        let few = (draw.bits() % 64) as u8 | 1;
        Self(if draw.happens(50) { few | 0b1100_0000 } else { few })
    }
}
