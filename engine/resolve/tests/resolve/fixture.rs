//! An entity with a field of every sort, and the rows that mappings give for it.

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, StringArray};
use arrow_schema::DataType;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Cursor, Op, Presence, Result, SystemName, TableName,
    TableSchema, Transaction, TransactionRun,
};
use syncline_resolve::{
    ClaimingMapping, EntityRules, Existence, Fallback, MemoryRows, Policy, RecordKeys, RowBuffer,
    Rows, Scanned, Unit,
};

/// The entity's columns. The key comes first; the last three are a group.
pub(crate) const COLUMNS: [&str; 9] =
    ["id", "name", "tags", "seats", "fee", "info", "street", "city", "postcode"];

/// The units and their columns.
pub(crate) const UNITS: [(&str, &[usize]); 6] = [
    ("name", &[1]),
    ("tags", &[2]),
    ("seats", &[3]),
    ("fee", &[4]),
    ("info", &[5]),
    ("address", &[6, 7, 8]),
];

/// What a row says of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Absent,
    Null,
    Text(&'static str),
}

/// What a column can hold, as text.
pub(crate) fn values(column: usize) -> &'static [&'static str] {
    match column {
        1 => &["b", "aa", "open", "é"],
        2 => &["{a,b}", "{b,c}", "{}", "a"],
        3 => &["-3", "7", "2147483000"],
        4 => &["999.99", "1.50", "-0.25"],
        5 => &[r#"{"z":1.10,"a":2}"#, "[12345678901234567890123]", "null"],
        6 => &["s1", "s2", "s3"],
        7 => &["c1", "c2", "c3"],
        _ => &["p1", "p2", "p3"],
    }
}

/// A row that a mapping gave for the entity.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) mapping: usize,
    pub(crate) record: String,
    pub(crate) former: Option<String>,
    pub(crate) key: String,
    pub(crate) op: Op,
    pub(crate) at: Transaction,
    pub(crate) ordinal: u32,
    /// By column of the entity; that of the key is passed over.
    pub(crate) cells: [Cell; 9],
}

impl std::fmt::Debug for Row {
    /// On one line, so that a failing history reads as a story.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mapping, record, former, key, op, at, ordinal, .. } = self;
        let Transaction { epoch, commit, committed_at, .. } = at;
        write!(f, "{mapping} {record}{former:?}→{key} {op:?} at {epoch}/{commit}/{ordinal} ")?;
        write!(f, "{committed_at}:")?;
        for (column, cell) in COLUMNS.iter().zip(&self.cells) {
            match cell {
                Cell::Absent => {}
                Cell::Null => write!(f, " {column}=NULL")?,
                Cell::Text(text) => write!(f, " {column}={text}")?,
            }
        }
        Ok(())
    }
}

fn column(name: &str) -> Column {
    let (data_type, native_type) = match name {
        "tags" => (DataType::Utf8, "text[]"),
        "seats" => (DataType::Int32, "integer"),
        "fee" => (DataType::Decimal128(5, 2), "numeric(5,2)"),
        "info" => (DataType::Utf8, "json"),
        _ => (DataType::Utf8, "text"),
    };
    Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: native_type.into(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}

pub(crate) fn schema() -> Arc<TableSchema> {
    let columns = COLUMNS.iter().map(|name| column(name)).collect();
    Arc::new(TableSchema::new(TableName::entity("course"), 1, columns, vec![0]))
}

/// `system/mapping` pairs; a mapping whose number is odd speaks of some columns only.
pub(crate) const MAPPINGS: [(&str, &str); 6] = [
    ("sis", "from_sis"),
    ("hr", "from_hr"),
    ("lms", "from_lms"),
    ("crm", "a_from_crm"),
    ("sis", "a_from_sis"),
    ("hr", "z_from_hr"),
];

/// The columns that a mapping speaks of.
pub(crate) fn spoken_of(mapping: usize) -> &'static [usize] {
    match mapping {
        4 => &[1, 3, 6, 7],
        5 => &[2, 5, 8],
        _ => &[1, 2, 3, 4, 5, 6, 7, 8],
    }
}

pub(crate) fn systems(names: &[&str]) -> Vec<SystemName> {
    names.iter().map(|name| SystemName::new(name)).collect()
}

/// Whether a unit can be decided so.
pub(crate) fn fits(policy: &Policy, unit: usize) -> bool {
    match policy {
        Policy::Longest(_) | Policy::Ordered(_) => unit == 0,
        Policy::Union | Policy::Intersection => unit == 1,
        Policy::Sum => unit == 2 || unit == 3,
        Policy::All => unit == 0 || unit == 4,
        Policy::Sql(_) => unit != 5,
        _ => true,
    }
}

/// Rules with one policy, wherever it fits.
pub(crate) fn rules(policy: &Policy, existence: Existence, null_is_value: bool) -> EntityRules {
    let unit = |(place, (name, columns)): (usize, &(&str, &[usize]))| Unit {
        name: (*name).to_owned(),
        columns: columns.to_vec(),
        policy: if fits(policy, place) { policy.clone() } else { Policy::Newest(Fallback::Ask) },
        null_is_value,
    };
    let mapping = |(number, (system, name)): (usize, &(&str, &str))| ClaimingMapping {
        name: (*name).to_owned(),
        system: SystemName::new(system),
        columns: spoken_of(number).to_vec(),
        returned: None,
    };
    EntityRules {
        schema: schema(),
        units: UNITS.iter().enumerate().map(unit).collect(),
        existence,
        mappings: MAPPINGS.iter().enumerate().map(mapping).collect(),
        uncertainty: BTreeMap::from([(SystemName::new("lms"), 0)]),
    }
}

/// A batch of one mapping's rows, with their records.
pub(crate) fn batch(rows: &[Row]) -> (ChangeBatch, RecordKeys) {
    let mapping = rows[0].mapping;
    let places: Vec<usize> = [0].iter().chain(spoken_of(mapping)).copied().collect();
    let columns = places.iter().map(|&place| array(rows, place)).collect();
    let of_batch = places.iter().map(|&place| column(COLUMNS[place])).collect();
    let name = TableName::entity("course");
    let schema = Arc::new(TableSchema::new(name, 1, of_batch, vec![0]));
    let runs = rows.iter().map(|row| TransactionRun { transaction: row.at, rows: 1 }).collect();
    let mask = |row: &Row| {
        let mut mask = ColumnMask::none(places.len());
        for (at, &place) in places.iter().enumerate() {
            if place == 0 || row.cells[place] != Cell::Absent {
                mask.set(at);
            }
        }
        mask
    };
    let batch = ChangeBatch::try_new(
        schema,
        columns,
        rows.iter().map(|row| row.op as u8).collect::<Vec<_>>().into(),
        rows.iter().map(|row| row.ordinal).collect::<Vec<_>>().into(),
        runs,
        Presence::from_rows(places.len(), rows.iter().map(mask)),
    );
    (batch.unwrap(), records(rows))
}

/// As [`RecordKeys::of`] would tell them from a source's batch.
fn records(rows: &[Row]) -> RecordKeys {
    let records: Vec<Option<&str>> = rows
        .iter()
        .flat_map(|row| [row.former.as_deref(), Some(row.record.as_str())])
        .filter(Option::is_some)
        .collect();
    let ops = rows.iter().flat_map(|row| match row.former {
        Some(_) => vec![Op::Before, Op::Update],
        None => vec![Op::Insert],
    });
    let ops: Vec<u8> = ops.map(|op| op as u8).collect();
    let count = ops.len();
    let name = TableName::table(&SystemName::new("any"), "public", "t");
    let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
    let source = ChangeBatch::try_new(
        Arc::new(TableSchema::new(name, 1, vec![column("id")], vec![0])),
        vec![Arc::new(StringArray::from(records))],
        ops.clone().into(),
        vec![0; count].into(),
        vec![TransactionRun { transaction, rows: u32::try_from(count).unwrap() }],
        Presence::all(1),
    )
    .unwrap();
    let origins: Vec<u32> =
        (0..).zip(&ops).filter(|(_, op)| **op != Op::Before as u8).map(|(at, _)| at).collect();
    let places: Vec<u32> = origins.clone();
    let mut given = source.take(&places).unwrap();
    let as_given: Vec<u8> = rows.iter().map(|row| row.op as u8).collect();
    given = ChangeBatch::try_new(
        given.schema().clone(),
        given.columns().columns().to_vec(),
        as_given.into(),
        given.ordinals().clone(),
        given.transactions().to_vec(),
        Presence::all(1),
    )
    .unwrap();
    RecordKeys::of(&source, &given, &origins)
}

fn array(rows: &[Row], place: usize) -> ArrayRef {
    let texts = rows.iter().map(|row| match (place, row.cells[place]) {
        (0, _) => Some(row.key.as_str()),
        (_, Cell::Text(text)) => Some(text),
        _ => None,
    });
    match COLUMNS[place] {
        "seats" => {
            Arc::new(texts.map(|it| it.map(|it| it.parse().unwrap())).collect::<Int32Array>())
        }
        "fee" => {
            let hundredths =
                |text: &str| -> i128 { text.replace('.', "").parse().expect("two digits behind") };
            let array: Decimal128Array = texts.map(|it| it.map(hundredths)).collect();
            Arc::new(array.with_precision_and_scale(5, 2).unwrap())
        }
        _ => Arc::new(texts.collect::<StringArray>()),
    }
}

/// Rows that outlive the entity that is open on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    rows: Arc<Mutex<MemoryRows>>,
}

impl Kept {
    /// The same rows, as whoever opens them anew finds them: what was not committed is lost.
    pub(crate) fn again(&self) -> Self {
        self.rows.lock().unwrap().rollback().unwrap();
        Self { rows: self.rows.clone() }
    }
}

impl Rows for Kept {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        self.rows.lock().unwrap().read(keys, rows)
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.rows.lock().unwrap().write(key, row)
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.rows.lock().unwrap().remove(key)
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        self.rows.lock().unwrap().commit(note)
    }

    fn rollback(&mut self) -> Result<()> {
        self.rows.lock().unwrap().rollback()
    }

    fn note(&self) -> Vec<u8> {
        self.rows.lock().unwrap().note()
    }

    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        self.rows.lock().unwrap().scan(from, bytes_max.min(100), rows)
    }
}
