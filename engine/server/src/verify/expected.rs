//! What a mapping says: of all rows of what it reads, or of some. Blocks.

use super::scope::{Reads, Writer};
use crate::weighing::Weighing;
use syncline_core::{ChangeBatch, Cursor, Error, Kind, Result, Transform};
use syncline_postgres::SourceRows;
use syncline_resolve::{AgreedRows, SharedEntity};

/// Rows that a mapping says.
#[derive(Debug)]
pub(crate) struct Said {
    /// For the target, each whole.
    pub(crate) rows: ChangeBatch,
    /// By row, what its source row is asked for by; none where it can't be.
    pub(crate) origins: Vec<Vec<u8>>,
    /// By row, whether a person is asked about it.
    pub(crate) is_asked: Vec<bool>,
    /// How many source rows were read, and how many of these the mapping refuses.
    pub(crate) read: u64,
    pub(crate) refused: u64,
}

/// Where a mapping's word is found.
#[derive(Debug)]
pub(crate) struct Expected {
    transform: std::sync::Arc<dyn Transform>,
    from: From,
}

#[derive(Debug)]
enum From {
    Table(Box<SourceRows>),
    Entity(SharedEntity),
}

/// Takes rows that are said, piece by piece; a piece may be empty.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Said) -> Result<()>;

impl Expected {
    /// Looks at what the mapping reads.
    pub(crate) fn open(writer: &Writer, weighing: &Weighing) -> Result<Self> {
        let from = match &writer.reads {
            Reads::Table { system, settings, table, columns } => {
                From::Table(Box::new(SourceRows::open(system, settings, table, columns)?))
            }
            Reads::Entity(name) => {
                let unknown =
                    || Error::new(Kind::Config, format!("nothing was ever said of any {name}"));
                From::Entity(weighing.entity(name).ok_or_else(unknown)?.clone())
            }
        };
        Ok(Self { transform: writer.transform.clone(), from })
    }

    /// How many rows there are to read, about; 0 where that is not known.
    pub(crate) fn rows_estimated(&self) -> u64 {
        match &self.from {
            From::Table(rows) => rows.rows_estimated(),
            From::Entity(_) => 0,
        }
    }

    /// All that the mapping says.
    pub(crate) fn scan(&self, each: Each<'_>) -> Result<()> {
        match &self.from {
            From::Table(rows) => rows.scan(&mut |batch| each(self.of_table(rows, &batch)?)),
            From::Entity(entity) => {
                let mut next = Some(Cursor::default());
                while let Some(from) = next {
                    let (agreed, then) = entity.with(|entity| entity.agreed(from))?;
                    each(self.of_entity(agreed)?)?;
                    next = then;
                }
                Ok(())
            }
        }
    }

    /// What the mapping says of the rows with these origins.
    pub(crate) fn rows(&self, origins: &[&[u8]], each: Each<'_>) -> Result<()> {
        match &self.from {
            From::Table(rows) => {
                rows.rows(origins, &mut |batch| each(self.of_table(rows, &batch)?))
            }
            From::Entity(entity) => {
                let agreed = entity.with(|entity| entity.agreed_of(origins))?;
                each(self.of_entity(agreed)?)
            }
        }
    }

    fn of_table(&self, rows: &SourceRows, batch: &ChangeBatch) -> Result<Said> {
        let keys = if rows.has_key() { rows.keys(batch)? } else { Vec::new() };
        self.said(batch, &keys, &[])
    }

    fn of_entity(&self, agreed: AgreedRows) -> Result<Said> {
        let AgreedRows { rows, keys, is_asked } = agreed;
        match rows {
            Some(rows) => self.said(&rows, &keys, &is_asked),
            None => Ok(Said {
                rows: ChangeBatch::empty(self.transform.writes().clone()),
                origins: Vec::new(),
                is_asked: Vec::new(),
                read: 0,
                refused: 0,
            }),
        }
    }

    fn said(&self, batch: &ChangeBatch, keys: &[Vec<u8>], is_asked: &[bool]) -> Result<Said> {
        let transformed = self.transform.transform(batch)?;
        // A copied row that is not for the target is a delete: it may have been there.
        let is_said = |row: &usize| transformed.rows.op(*row).is_after();
        let rows: Vec<usize> = (0..transformed.rows.len()).filter(is_said).collect();
        let origin =
            |row: &usize| transformed.origins.get(*row).map_or(usize::MAX, |&place| place as usize);
        let places: Vec<usize> = rows.iter().map(origin).collect();
        let taken = match rows.len() == transformed.rows.len() {
            true => transformed.rows,
            false => {
                let rows: Vec<u32> = rows.iter().filter_map(|&it| u32::try_from(it).ok()).collect();
                let wrong =
                    |error| Error::new(Kind::Internal, "rows can't be taken").caused_by(error);
                transformed.rows.take(&rows).map_err(wrong)?
            }
        };
        Ok(Said {
            rows: taken,
            origins: places.iter().map(|&at| keys.get(at).cloned().unwrap_or_default()).collect(),
            is_asked: places.iter().map(|&at| is_asked.get(at) == Some(&true)).collect(),
            read: batch.len() as u64,
            refused: transformed.rejected.len() as u64,
        })
    }
}
