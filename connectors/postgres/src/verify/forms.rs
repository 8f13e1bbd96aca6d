//! What a mapping says, in the form in which it is compared with what the target holds.

use super::column::Compared;
use super::target::{Mapped, TargetRows};
use crate::sink::session::Encoded;
use crate::sink::sqlstate;
use crate::values::encode::{Encoder, Unfit};
use rapidhash::quality::RapidHasher;
use std::hash::Hasher as _;
use std::ops::Range;
use syncline_core::{ChangeBatch, Error, Kind, Result};
use tokio_postgres::types::{FromSql, ToSql, Type};

/// Where a value of ours is none of the target's: then no row has this hash, as far as anybody can tell.
const UNFIT: u64 = 0x6e6f_7420_6865_7265;

/// Tells values apart that nobody chose so as to collide.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = RapidHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Takes the place of a row, its key, and the hash of what is written of it.
pub type EachForm<'a> = &'a mut (dyn FnMut(usize, &[u8], u64) -> Result<()> + Send);

/// By row, what the server makes of a value; `None` where it refuses it. `Some(None)` is NULL.
type Answers = Vec<Option<Option<Vec<u8>>>>;

/// One column of a batch.
struct Given<'a> {
    column: &'a Compared,
    encoder: Encoder,
    /// What the server makes of it, where it is asked.
    answers: Option<Answers>,
}

impl TargetRows {
    /// The keys of the rows that a mapping gave, and the hashes of what it writes; row by row, with the place of
    /// each. Asks the server where its types decide.
    ///
    /// # Errors
    /// `Unavailable` when the server is away, `Internal` when the batch is not the mapping's.
    pub async fn forms(
        &self,
        mapping: usize,
        batch: &ChangeBatch,
        each: EachForm<'_>,
    ) -> Result<()> {
        let unknown = || Error::new(Kind::Internal, "the mapping does not write the table");
        let Mapped { key, values, .. } = self.mappings.get(mapping).ok_or_else(unknown)?;
        let key = self.given(key, batch).await?;
        let values = self.given(values, batch).await?;
        let (mut key_bytes, mut room) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            key_bytes.clear();
            if put_row(&key, row, &mut key_bytes).is_err() {
                // No target row can have such a key.
                continue;
            }
            room.clear();
            let hash = put_row(&values, row, &mut room).map_or(UNFIT, |()| hash(&room));
            each(row, &key_bytes, hash)?;
        }
        Ok(())
    }

    async fn given<'a>(
        &self,
        columns: &'a [(usize, Compared)],
        batch: &ChangeBatch,
    ) -> Result<Vec<Given<'a>>> {
        let wrong = |error| {
            Error::new(Kind::Internal, "columns are not of the types of their schema")
                .caused_by(error)
        };
        let mut given = Vec::with_capacity(columns.len());
        for (place, column) in columns {
            let array = batch.columns().column(*place);
            let encoder = Encoder::new(array, column.form).map_err(wrong)?;
            let answers = match column.is_asked {
                true => Some(self.ask(column, &encoder, batch.len()).await?),
                false => None,
            };
            given.push(Given { column, encoder, answers });
        }
        Ok(given)
    }

    /// What the server makes of a column's values. A value that it refuses is found by halving.
    async fn ask(&self, column: &Compared, encoder: &Encoder, rows: usize) -> Result<Answers> {
        let mut answers = Vec::with_capacity(rows);
        let mut left: Vec<Range<usize>> = Vec::new();
        left.push(0..rows);
        while let Some(run) = left.pop().filter(|run| !run.is_empty()) {
            match self.ask_run(column, encoder, run.clone()).await {
                Ok(answered) => answers.extend(answered.into_iter().map(Some)),
                Err(error) if error.kind() == Kind::Rejected && run.len() == 1 => {
                    answers.push(None)
                }
                Err(error) if error.kind() == Kind::Rejected => {
                    let middle = run.start + run.len() / 2;
                    left.push(middle..run.end);
                    left.push(run.start..middle);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    async fn ask_run(
        &self,
        column: &Compared,
        encoder: &Encoder,
        run: Range<usize>,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut array = Vec::new();
        let rejected = |unfit: Unfit| Error::new(Kind::Rejected, unfit.to_string());
        encoder.put_array(column.element, run, &mut array).map_err(rejected)?;
        let sql = format!(
            "SELECT {} FROM unnest($1::{}[]) WITH ORDINALITY AS u(c0, n) ORDER BY u.n",
            column.asked("u.c0"),
            column.element_sql
        );
        let parameter: &(dyn ToSql + Sync) = &Encoded(array);
        let answer = self.client.query_typed(&sql, &[(parameter, Type::UNKNOWN)]).await;
        let refused =
            |error| sqlstate::error("the target can't tell what it makes of a value", error);
        let rows = answer.map_err(refused)?;
        let value = |row: &tokio_postgres::Row| {
            let value: Option<Owned> = row.try_get(0).map_err(refused)?;
            Ok(value.map(|Owned(value)| value))
        };
        rows.iter().map(value).collect()
    }
}

fn put_row(given: &[Given<'_>], row: usize, out: &mut Vec<u8>) -> std::result::Result<(), Unfit> {
    let mut room = Vec::new();
    for Given { column, encoder, answers } in given {
        if let Some(answers) = answers {
            let answer = answers.get(row).and_then(Option::as_ref);
            let value = answer.ok_or(Unfit("the target refuses the value"))?;
            column.alike.put(value.as_deref(), out);
        } else if column.alike == super::alike::Alike::Exact {
            encoder.put(row, out)?;
        } else {
            room.clear();
            encoder.put(row, &mut room)?;
            let value = room.get(4..).filter(|_| room != super::alike::NULL);
            column.alike.put(value, out);
        }
    }
    Ok(())
}

/// A value as the server sends it.
struct Owned(Vec<u8>);

impl FromSql<'_> for Owned {
    fn from_sql(
        _: &Type,
        raw: &[u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
