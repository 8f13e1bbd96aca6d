//! The records that speak of one key, and how what they say is merged.
//!
//! Merging takes, per record, what has the later position: a join. Two things are said of a record
//! beside its fields: that it is there, and that it is gone. What was said up to when it went is
//! no more; what comes later is another incarnation.
//!
//! A record that was made or removed by a write of ours says nothing by that. From the first such write on,
//! a register like those of the fields keeps whether the record is there, and by whose hand.

use super::{Field, Heard};
use crate::Mark;

/// The field number of the register that says whether the record is there. That of decisions on
/// existence is another.
pub(crate) const LIFE: u16 = u16::MAX - 1;

const HERE: Option<&[u8]> = Some(&[1]);
const AWAY: Option<&[u8]> = Some(&[0]);

/// How many lives before the one that is the record's own doing are kept.
const OLDER_LIVES_MAX: usize = 0;

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
    /// When it was last there with something to say: writes of ours apart.
    pub(crate) seen: Option<Mark>,
    /// When it last went; not by our hand.
    pub(crate) gone: Option<Mark>,
    /// Whether its system ever had it, other than by our hand, or removed it. A mapping says of a record that its filter keeps out that it is gone,
    /// where it can't know that it never was there.
    pub(crate) was: bool,
    /// Sorted by id. All were heard after it went, or before under a former key. [`LIFE`] is one where
    /// a write of ours made or removed it.
    pub(crate) fields: Vec<Field<'a>>,
}

/// One change of one source record, as its mapping put it.
#[derive(Debug, Clone)]
pub(crate) struct Observation<'a> {
    pub(crate) mapping: u16,
    pub(crate) record: &'a [u8],
    pub(crate) mark: Mark,
    pub(crate) said: Said<'a>,
    /// Whether it is a write of ours that came back.
    pub(crate) echo: bool,
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

    /// A mapping's table was emptied: none of its records is there any more, whoever made them. False where
    /// none was.
    pub(crate) fn empty(&mut self, mapping: u16, touched: &mut Touched) -> bool {
        let of_mapping = self.origins.iter_mut().filter(|origin| origin.mapping == mapping);
        let emptied = of_mapping.filter(|origin| origin.is_in_table()).map(Origin::empty).count();
        touched.existence |= emptied > 0;
        emptied > 0
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
    /// Whether the record says something.
    pub(crate) fn is_here(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether its system has it by its own doing.
    pub(crate) fn is_had(&self) -> bool {
        match self.field(LIFE) {
            Some(life) => life.word().is_some_and(|run| run.value == HERE),
            None => self.is_here(),
        }
    }

    /// Whether its system removed it, and nothing put it back since.
    pub(crate) fn is_removed(&self) -> bool {
        match self.field(LIFE) {
            Some(life) => self.was && !life.run.echo && life.run.value == AWAY,
            None => self.was && !self.is_here(),
        }
    }

    /// Whether it says something, or its table has it for all that is known.
    pub(crate) fn is_in_table(&self) -> bool {
        self.is_here() || self.field(LIFE).is_some_and(|life| life.run.value == HERE)
    }

    /// All the places that it was heard at and that are known yet.
    pub(crate) fn heard(&self) -> impl Iterator<Item = Mark> + '_ {
        let of_fields = self
            .fields
            .iter()
            .flat_map(|field| field.runs().map(|run| run.last).chain(field.floor));
        self.seen.into_iter().chain(self.gone).chain(of_fields)
    }

    /// Goes with all it ever said; what is said from now on counts.
    fn empty(&mut self) {
        let heard = self.fields.iter().map(|field| field.run.last).max();
        self.was = true;
        self.gone = self.gone.max(self.seen).max(heard);
        self.seen = None;
        self.fields.clear();
    }

    /// What it says in a field.
    pub(crate) fn field(&self, id: u16) -> Option<&Field<'a>> {
        let place = self.fields.binary_search_by_key(&id, |field| field.id).ok()?;
        self.fields.get(place)
    }

    fn hear(&mut self, observation: &Observation<'a>, touched: &mut Touched) -> bool {
        let before = (self.is_here(), self.is_had(), self.was);
        let changed = match observation.echo {
            true => self.hear_echo(observation, touched),
            false => self.hear_word(observation, touched),
        };
        touched.existence |= before != (self.is_here(), self.is_had(), self.was);
        changed
    }

    fn hear_word(&mut self, observation: &Observation<'a>, touched: &mut Touched) -> bool {
        let mark = observation.mark;
        match &observation.said {
            Said::Gone => {
                let went = self.go(mark);
                if let Some(life) = self.life() {
                    let was_there = life.run.value == HERE;
                    let lived = hear_life(life, Heard { mark, value: AWAY, echo: false });
                    self.was |= was_there && lived;
                }
                touched.existence |= went;
                went
            }
            Said::Here(_) if self.gone.is_some_and(|gone| mark <= gone) => {
                !std::mem::replace(&mut self.was, true)
            }
            Said::Here(values) => {
                let is_later = self.seen.is_none_or(|seen| mark > seen);
                if is_later {
                    self.seen = Some(mark);
                }
                if let Some(life) = self.life() {
                    let was_away = life.run.value == AWAY && life.run.last < mark;
                    hear_life(life, Heard { mark, value: HERE, echo: false });
                    if was_away {
                        self.say_again(values, mark, touched);
                    }
                }
                self.was |= self.is_had();
                self.hear_values(values, (mark, false), touched) || is_later
            }
        }
    }

    /// What we wrote changes what the record holds, and nothing that it says.
    fn hear_echo(&mut self, observation: &Observation<'a>, touched: &mut Touched) -> bool {
        let mark = observation.mark;
        if self.gone.is_some_and(|gone| mark <= gone) {
            return false;
        }
        let (value, values) = match &observation.said {
            Said::Gone => (AWAY, &[][..]),
            Said::Here(values) => (HERE, values.as_slice()),
        };
        self.begin_life();
        let heard = Heard { mark, value, echo: true };
        let lived = match self.life() {
            Some(life) => hear_life(life, heard),
            None => {
                self.fields.push(Field::new(LIFE, heard));
                true
            }
        };
        self.hear_values(values, (mark, true), touched) || lived
    }

    /// Up to the first write of ours, whether it is there was its system's doing.
    fn begin_life(&mut self) {
        if self.life().is_some() {
            return;
        }
        let so_far = match (self.seen, self.gone) {
            (Some(mark), _) => Heard { mark, value: HERE, echo: false },
            (None, Some(mark)) if self.was => Heard { mark, value: AWAY, echo: false },
            (None, _) => return,
        };
        self.fields.push(Field::new(LIFE, so_far));
    }

    /// The register is the last one: no field has a greater number.
    fn life(&mut self) -> Option<&mut Field<'a>> {
        self.fields.last_mut().filter(|field| field.id == LIFE)
    }

    fn hear_values(
        &mut self,
        values: &[(u16, Option<&'a [u8]>, u8)],
        (mark, echo): (Mark, bool),
        touched: &mut Touched,
    ) -> bool {
        let mut changed = false;
        for &(id, value, older_max) in values {
            let heard = Heard { mark, value, echo };
            changed |= self.hear_field(id, heard, usize::from(older_max), touched);
        }
        changed
    }

    fn hear_field(
        &mut self,
        id: u16,
        heard: Heard<'a>,
        older_max: usize,
        touched: &mut Touched,
    ) -> bool {
        let place = match self.fields.binary_search_by_key(&id, |field| field.id) {
            Ok(place) => place,
            Err(place) => {
                self.fields.insert(place, Field::new(id, heard));
                if !heard.echo {
                    touched.fields.push(id);
                }
                return true;
            }
        };
        let Some(field) = self.fields.get_mut(place) else { return false };
        if heard.mark > field.run.last && field.continues(heard) {
            field.run.last = heard.mark;
            return true;
        }
        let before = field.clone();
        field.hear(heard, older_max);
        let changed = before != *field;
        if changed && !heard.echo {
            touched.fields.push(id);
        }
        changed
    }

    /// We removed it, and somebody puts it there again: what it held by our hand is then its word.
    fn say_again(
        &mut self,
        values: &[(u16, Option<&'a [u8]>, u8)],
        mark: Mark,
        touched: &mut Touched,
    ) {
        for field in self.fields.iter_mut().filter(|field| field.id != LIFE) {
            let is_same =
                |it: &&(u16, Option<&[u8]>, u8)| (it.0, it.1) == (field.id, field.run.value);
            if values.iter().any(|it| is_same(&it)) && field.say_again(mark) {
                touched.fields.push(field.id);
            }
        }
    }

    fn go(&mut self, mark: Mark) -> bool {
        if self.gone.is_some_and(|gone| mark <= gone) {
            return false;
        }
        self.gone = Some(mark);
        self.seen = self.seen.filter(|seen| *seen > mark);
        self.fields.retain_mut(|field| field.id == LIFE || field.cut(mark));
        true
    }
}

fn hear_life<'a>(life: &mut Field<'a>, heard: Heard<'a>) -> bool {
    let before = life.clone();
    life.hear(heard, OLDER_LIVES_MAX);
    *life != before
}
