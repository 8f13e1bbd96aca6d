//! Changes of one table becoming batches.

use super::layout::{Layout, key_names};
use super::place::place;
use super::rows::{Row, Rows};
use super::{Coordinates, Image, RowChange};
use crate::fault::{corrupt, lossy};
use crate::json::Shape;
use crate::settings::{Images, Settings};
use crate::value::{Placeholder, Unfit, Value, decode};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Error, Kind, Op, Position, Result, TableName, TableSchema, Transaction,
};

/// Rows after which a batch ends by itself: as many masks as [`syncline_core::Presence`] can hold.
const ROWS_MAX: usize = syncline_core::Presence::MASKS_MAX - 2;

/// Gathers the changes of one table, in the order of their topic's partition.
///
/// A change of a row's key is sent as a delete of the old key, with the header `__debezium.newkey`, a
/// tombstone, and an insert of the new, with `__debezium.oldkey`. It stays that: a delete and an
/// insert, whose transaction holds them together.
#[derive(Debug)]
pub struct TableBuilder {
    name: TableName,
    settings: Settings,
    placeholder: Placeholder,
    given: Option<Arc<TableSchema>>,
    layout: Option<(Layout, Rows)>,
    /// The last commit, and the ordinal of its next row.
    counted: Option<(Position, u32)>,
}

impl TableBuilder {
    /// For records with schemas.
    #[must_use]
    pub fn new(name: TableName, settings: Settings) -> Self {
        let placeholder = Placeholder::new(&settings.placeholder);
        Self { name, settings, placeholder, given: None, layout: None, counted: None }
    }

    /// For records without schemas, whose columns these are; records with schemas are read all the
    /// same, and continue its revisions.
    #[must_use]
    pub fn with_columns(schema: Arc<TableSchema>, settings: Settings) -> Self {
        let given = Some(schema.clone());
        Self { given, ..Self::new(schema.name().clone(), settings) }
    }

    /// Adds a change. Gives the rows before it where they end a batch: the table's columns changed, or
    /// it is full.
    ///
    /// # Errors
    /// `Corrupt` when the change is not as Debezium writes it, `Config` when the connector does not
    /// send a column exactly, `Rejected` when a value has no exact place. The rows before it stay.
    pub fn append(&mut self, change: &RowChange<'_>) -> Result<Option<ChangeBatch>> {
        self.append_placed(change, None)
    }

    /// The same, at a position that the caller counts: a transaction of its own, whatever the record says.
    ///
    /// # Errors
    /// The same.
    pub fn append_at(
        &mut self,
        change: &RowChange<'_>,
        position: Position,
    ) -> Result<Option<ChangeBatch>> {
        self.append_placed(change, Some(position))
    }

    fn append_placed(
        &mut self,
        change: &RowChange<'_>,
        at: Option<Position>,
    ) -> Result<Option<ChangeBatch>> {
        let (fresh, rows) = self.read(change, at)?;
        let mut finished = None;
        if let Some(layout) = fresh {
            let empty = Rows::new(layout.schema.clone())?;
            finished = self.finish()?;
            self.layout = Some((layout, empty));
        }
        let Some((_, batch)) = &mut self.layout else { return Ok(finished) };
        if batch.len() + rows.len() > ROWS_MAX {
            finished = Some(batch.finish()?);
        }
        for row in &rows {
            batch.push(row);
        }
        let images = [&change.before, &change.after].into_iter().flatten();
        batch.bytes += images.map(Image::len).sum::<usize>();
        if let Some(last) = rows.last() {
            let Transaction { epoch, commit, .. } = last.transaction;
            let next = last.ordinal.saturating_add(1);
            self.counted = Some((Position { epoch, commit, ordinal: 0 }, next));
        }
        Ok(finished)
    }

    /// Rows that wait to be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.as_ref().map_or(0, |(_, rows)| rows.len())
    }

    /// Bytes of JSON that the waiting rows were sent as: about what they hold in memory, for whoever
    /// bounds it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layout.as_ref().map_or(0, |(_, rows)| rows.bytes)
    }

    /// Whether the row that was added last speaks of all columns.
    pub(crate) fn is_last_whole(&self) -> bool {
        self.layout.as_ref().is_some_and(|(_, rows)| rows.is_last_whole)
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table's columns as they were last sent.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<TableSchema>> {
        self.layout.as_ref().map(|(layout, _)| &layout.schema).or(self.given.as_ref())
    }

    /// Takes the rows so far; `None` where there is none.
    ///
    /// # Errors
    /// `Internal` when Arrow refuses them.
    pub fn finish(&mut self) -> Result<Option<ChangeBatch>> {
        match &mut self.layout {
            Some((_, rows)) if rows.len() > 0 => rows.finish().map(Some),
            _ => Ok(None),
        }
    }

    /// The rows of a change, and their layout where it is another than that of the rows before.
    fn read<'a>(
        &self,
        change: &RowChange<'a>,
        at: Option<Position>,
    ) -> Result<(Option<Layout>, Vec<Row<'a>>)> {
        let key = key_names(change.key.as_ref())?;
        if let Some((layout, _)) = self.layout.as_ref().filter(|it| it.0.is_of(change, &key)) {
            return Ok((None, self.rows_of(layout, change, at)?));
        }
        let mut layout =
            Layout::new(&self.name, change, key, self.given.as_deref(), &self.settings)?;
        layout.follow(self.schema().map(Arc::as_ref));
        let rows = self.rows_of(&layout, change, at)?;
        Ok((Some(layout), rows))
    }

    fn rows_of<'a>(
        &self,
        layout: &Layout,
        change: &RowChange<'a>,
        at: Option<Position>,
    ) -> Result<Vec<Row<'a>>> {
        let source = &change.source;
        let (position, told) = match at {
            Some(position) => (position, true),
            None => place(source, change.transaction.as_ref(), self.settings.epoch)?,
        };
        let transaction = Transaction {
            epoch: position.epoch,
            commit: position.commit,
            committed_at: source.at_us,
            ours: self.is_ours(change),
        };
        let first = if told { position.ordinal } else { self.next_ordinal(position) };
        let images = ReadImages { builder: self, layout, change };
        let mut rows = Vec::with_capacity(2);
        if let Some(values) = images.before()? {
            let ordinal = match source.coordinates {
                Coordinates::Syncline { before_ordinal, .. } if at.is_none() => before_ordinal,
                _ => first,
            };
            rows.push(Row { op: Op::Before, ordinal, transaction, values });
        }
        let values = if change.op == Op::Delete { images.deleted()? } else { images.after()? };
        rows.push(Row { op: change.op, ordinal: first, transaction, values });
        Ok(rows)
    }

    fn next_ordinal(&self, position: Position) -> u32 {
        match self.counted {
            Some((last, next))
                if (last.epoch, last.commit) == (position.epoch, position.commit) =>
            {
                next
            }
            _ => 0,
        }
    }

    fn is_ours(&self, change: &RowChange<'_>) -> bool {
        match &change.source.coordinates {
            Coordinates::PostgreSql { origin: Some(origin), .. } => {
                self.settings.our_origin.as_ref() == Some(origin)
            }
            Coordinates::Syncline { ours, .. } => *ours,
            _ => false,
        }
    }
}

/// The images of one change, read by its table's layout.
struct ReadImages<'b, 'a> {
    builder: &'b TableBuilder,
    layout: &'b Layout,
    change: &'b RowChange<'a>,
}

impl<'a> ReadImages<'_, 'a> {
    /// The row after.
    fn after(&self) -> Result<Vec<Value<'a>>> {
        match &self.change.after {
            Some(image) => self.values(image, false),
            None if self.layout.is_document => Err(lossy(
                "document",
                "what an update changed in it",
                "set capture.mode=change_streams_update_full",
            )),
            None => Err(corrupt("an update's envelope", "an image after", "none")),
        }
    }

    /// The row before an update, as far as it can be believed and says anything.
    fn before(&self) -> Result<Option<Vec<Value<'a>>>> {
        let Some(image) = self.change.before.as_ref().filter(|_| self.change.op == Op::Update)
        else {
            return Ok(None);
        };
        if self.is_whole() {
            return self.values(image, false).map(Some);
        }
        let (before, after) = (self.values(image, true)?, self.after()?);
        let changed = |&column: &usize| before.get(column) != after.get(column);
        Ok(self.layout.schema.key().iter().any(changed).then_some(before))
    }

    /// The row that a delete took away: at least its key.
    fn deleted(&self) -> Result<Vec<Value<'a>>> {
        let has_key = !self.layout.schema.key().is_empty();
        match (&self.change.before, &self.change.key) {
            (Some(before), _) if self.is_whole() || !has_key => self.values(before, false),
            (_, Some(key)) if self.layout.is_document => self.document(key, None),
            (_, Some(key)) => self.fields(key, true),
            (Some(before), None) => self.values(before, true),
            (None, None) => {
                Err(corrupt("a delete's record", "a key or an image before", "neither"))
            }
        }
    }

    /// Whether all of an image before can be believed. Where there is no key, PostgreSQL sends changes
    /// only with `REPLICA IDENTITY FULL`.
    fn is_whole(&self) -> bool {
        match self.builder.settings.images {
            Images::Whole => true,
            Images::KeyOnly => false,
            Images::ByConnector => {
                self.layout.schema.key().is_empty()
                    || !matches!(self.change.source.coordinates, Coordinates::PostgreSql { .. })
            }
        }
    }

    fn values(&self, image: &Image<'a>, key_only: bool) -> Result<Vec<Value<'a>>> {
        if !self.layout.is_document {
            return self.fields(image, key_only);
        }
        match &self.change.key {
            Some(key) => self.document(key, Some(image)),
            None => Err(corrupt("a document's record", "a key", "none")),
        }
    }

    fn document(&self, key: &Image<'a>, image: Option<&Image<'a>>) -> Result<Vec<Value<'a>>> {
        let members = key.members()?;
        let mut values = vec![Value::Absent; 2];
        if let Some((raw, id)) = members.get("id").zip(values.get_mut(0)) {
            *id = self.value(0, raw)?;
        }
        if let Some((image, document)) = image.zip(values.get_mut(1)) {
            *document = self.value(1, image.raw)?;
        }
        Ok(values)
    }

    /// The values of an image's fields, one a column; absent where it has no such field.
    fn fields(&self, image: &Image<'a>, key_only: bool) -> Result<Vec<Value<'a>>> {
        let members = image.members()?;
        let columns = self.layout.schema.columns();
        let mut known = 0;
        let mut values = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            let member = members.near(place, &column.name);
            known += usize::from(member.is_some());
            let wanted = !key_only || self.layout.is_key(place);
            values.push(match member.filter(|_| wanted && !self.is_unsaid(image, &column.name)) {
                Some(raw) => self.value(place, raw)?,
                None => Value::Absent,
            });
        }
        if known < members.len() {
            return Err(self.unknown_field(members.members().map(|(name, _)| name)));
        }
        Ok(values)
    }

    /// Whether Syncline wrote that this image before does not speak of a column.
    fn is_unsaid(&self, image: &Image<'_>, column: &str) -> bool {
        let Coordinates::Syncline { absent, .. } = &self.change.source.coordinates else {
            return false;
        };
        let is_before =
            self.change.before.as_ref().is_some_and(|it| std::ptr::eq(it.raw, image.raw));
        is_before && absent.iter().any(|name| name == column)
    }

    fn value(&self, place: usize, raw: &'a serde_json::value::RawValue) -> Result<Value<'a>> {
        let columns = self.layout.schema.columns();
        let (Some(wire), Some(column)) = (self.layout.wires.get(place), columns.get(place)) else {
            return Ok(Value::Absent);
        };
        if self.builder.placeholder.is(wire, raw) {
            return Ok(Value::Absent);
        }
        if !column.nullable && Shape::of(raw) == Shape::Null {
            return Err(Unfit::Malformed("a value").of_column(&column.name, raw));
        }
        decode(wire, raw).map_err(|unfit| unfit.of_column(&column.name, raw))
    }

    #[cold]
    fn unknown_field<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Error {
        let name = names.find(|name| self.layout.schema.index_of(name).is_none()).unwrap_or("");
        let table = &self.builder.name;
        Error::new(Kind::Config, format!("a row of {table} has a column that is not known"))
            .detail(format!("expected the columns of its schema, found \"{name}\" beside them"))
            .hint("set value.converter.schemas.enable=true, or give all of the table's columns")
    }
}
