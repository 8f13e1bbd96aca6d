//! The records that speak of one key, and how what they say is merged.
//!
//! Merging takes, per record, what has the later position: a join. Two things are said of a record
//! beside its fields: that it is there, and that it is gone. What was said up to when it went is
//! no more; what comes later is another incarnation.

use super::Field;
use crate::Mark;

/// Everything that is kept of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Claims<'a> {
    /// Sorted by mapping and record.
    pub(crate) origins: Vec<Origin<'a>>,
}

/// The word of one source record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// By its number in the registry.
    pub(crate) mapping: u16,
    /// The record's key in its source.
    pub(crate) record: &'a [u8],
    /// When it was last there.
    pub(crate) seen: Option<Mark>,
    /// When it last went.
    pub(crate) gone: Option<Mark>,
    /// Whether it was ever there. A mapping says of a record that its filter keeps out that it is gone,
    /// where it can't know that it never was there.
    pub(crate) was: bool,
    /// Sorted by id. All were heard after it went, or before under a former key.
    pub(crate) fields: Vec<Field<'a>>,
}

/// One change of one source record, as its mapping put it.
#[derive(Debug, Clone)]
pub(crate) struct Observation<'a> {
    pub(crate) mapping: u16,
    pub(crate) record: &'a [u8],
    pub(crate) mark: Mark,
    pub(crate) said: Said<'a>,
}

/// What was said of a record.
#[derive(Debug, Clone)]
pub(crate) enum Said<'a> {
    /// It is there, with these values; of the other fields nothing was said. Sorted by id; the last
    /// number is how many runs are kept before the one that holds.
    Here(Vec<(u16, Option<&'a [u8]>, u8)>),
    /// It is gone.
    Gone,
}

/// What merging changed, so that only that is decided anew.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Whether a record came or went.
    pub(crate) existence: bool,
    /// Fields in which somebody says something else, or says it since another time.
    pub(crate) fields: Vec<u16>,
}

impl<'a> Claims<'a> {
    /// Takes one change in; false when that changes nothing.
    pub(crate) fn merge(&mut self, observation: &Observation<'a>, touched: &mut Touched) -> bool {
        self.origin((observation.mapping, observation.record)).hear(observation, touched)
    }

    /// A record is given another key: under it, it says what it said. In its source's order; told the
    /// other way round, it says under its new key only what is told with it.
    pub(crate) fn follow(&mut self, former: &Observation<'a>, now: &Observation<'a>) {
        let mark = former.mark;
        let Ok(place) = self.place((former.mapping, former.record)) else { return };
        let Some(origin) = self.origins.get(place) else { return };
        if origin.seen.is_none_or(|seen| seen >= mark) {
            return;
        }
        let fields = origin.fields.clone();
        let to = self.origin((now.mapping, now.record));
        if !to.is_here() && to.gone.is_none_or(|gone| gone < mark) {
            to.fields = fields;
        }
    }

    fn place(&self, of: (u16, &[u8])) -> Result<usize, usize> {
        self.origins.binary_search_by(|it| (it.mapping, it.record).cmp(&of))
    }

    fn origin(&mut self, of: (u16, &'a [u8])) -> &mut Origin<'a> {
        let place = self.place(of).unwrap_or_else(|place| {
            let (mapping, record) = of;
            let origin =
                Origin { mapping, record, seen: None, gone: None, was: false, fields: Vec::new() };
            self.origins.insert(place, origin);
            place
        });
        &mut self.origins[place]
    }
}

impl<'a> Origin<'a> {
    /// Whether the record is there.
    pub(crate) fn is_here(&self) -> bool {
        self.seen.is_some()
    }

    /// What it says in a field.
    pub(crate) fn field(&self, id: u16) -> Option<&Field<'a>> {
        let place = self.fields.binary_search_by_key(&id, |field| field.id).ok()?;
        self.fields.get(place)
    }

    fn hear(&mut self, observation: &Observation<'a>, touched: &mut Touched) -> bool {
        let mark = observation.mark;
        match &observation.said {
            Said::Gone => {
                let went = self.go(mark);
                touched.existence |= went;
                went
            }
            Said::Here(_) if self.gone.is_some_and(|gone| mark <= gone) => {
                touched.existence |= !self.was;
                !std::mem::replace(&mut self.was, true)
            }
            Said::Here(values) => {
                let is_later = self.seen.is_none_or(|seen| mark > seen);
                touched.existence |= self.seen.is_none();
                self.was = true;
                if is_later {
                    self.seen = Some(mark);
                }
                let mut changed = is_later;
                for &(id, value, older_max) in values {
                    changed |= self.hear_field(id, mark, value, usize::from(older_max), touched);
                }
                changed
            }
        }
    }

    fn hear_field(
        &mut self,
        id: u16,
        mark: Mark,
        value: Option<&'a [u8]>,
        older_max: usize,
        touched: &mut Touched,
    ) -> bool {
        let place = match self.fields.binary_search_by_key(&id, |field| field.id) {
            Ok(place) => place,
            Err(place) => {
                self.fields.insert(place, Field::new(id, mark, value));
                touched.fields.push(id);
                return true;
            }
        };
        let Some(field) = self.fields.get_mut(place) else { return false };
        if mark > field.run.last && value == field.run.value {
            field.run.last = mark;
            return true;
        }
        let before = field.clone();
        field.hear(mark, value, older_max);
        let changed = before != *field;
        if changed {
            touched.fields.push(id);
        }
        changed
    }

    fn go(&mut self, mark: Mark) -> bool {
        if self.gone.is_some_and(|gone| mark <= gone) {
            return false;
        }
        self.gone = Some(mark);
        self.seen = self.seen.filter(|seen| *seen > mark);
        self.fields.retain_mut(|field| field.cut(mark));
        true
    }
}
