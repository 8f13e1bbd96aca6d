//! A small university to check and run mappings against.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field, TimeUnit};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    CatalogTable, ChangeBatch, Column, ColumnMask, Identity, Op, Presence, RejectedRow, SystemName,
    TableName, TableSchema, Transaction, TransactionRun, Transformed,
};
use syncline_mappings::{Catalog, Checked, Entity, Mapping, Options, SqlFile, check};

/// The Arrow type that carries a native type (design §5).
pub(crate) fn arrow_type(native: &str) -> DataType {
    match native {
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "bool" => DataType::Boolean,
        "bytea" => DataType::Binary,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp(0) without time zone" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "uuid" => DataType::FixedSizeBinary(16),
        "text[]" => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        _ => match native.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')')) {
            Some(size) => {
                let (precision, scale) = size.split_once(',').unwrap();
                match precision.parse().unwrap() {
                    39.. => DataType::Utf8,
                    precision => DataType::Decimal128(precision, scale.parse().unwrap()),
                }
            }
            None => DataType::Utf8,
        },
    }
}

/// Columns from lines such as `id int4 not null`, `slug text generated`, `n int4 not null default`.
pub(crate) fn columns(lines: &str) -> Vec<Column> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let column = |(id, line): (usize, &str)| {
        let (name, rest) = line.split_once(' ').unwrap();
        let native = rest.split(" not null").next().unwrap();
        let native = native.split(" generated").next().unwrap();
        Column {
            name: name.to_owned(),
            id: id as i32 + 1,
            data_type: arrow_type(native),
            native_type: native.to_owned(),
            nullable: !rest.contains("not null"),
            has_default: rest.contains("default"),
            generated: rest.contains("generated"),
        }
    };
    lines.enumerate().map(column).collect()
}

pub(crate) fn table_name(name: &str) -> TableName {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [system, schema, table] => TableName::table(&SystemName::new(system), schema, table),
        _ => TableName::entity(name),
    }
}

pub(crate) fn schema(name: &str, key: &[&str], lines: &str) -> TableSchema {
    let columns = columns(lines);
    let place = |key: &&str| columns.iter().position(|column| column.name == **key).unwrap();
    let key = key.iter().map(place).collect();
    TableSchema::new(table_name(name), 7, columns, key)
}

fn table(schema: TableSchema, identity: Identity) -> (TableName, CatalogTable) {
    let name = schema.name().clone();
    let table = CatalogTable {
        schema,
        identity,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    };
    (name, table)
}

const STUDENTS: &str = "
    id int4 not null
    email text
    first_name varchar(40) not null
    last_name varchar(40) not null
    phone varchar(20)
    birth_date date
    status public.status
    gpa numeric(4,2)
    balance numeric
    bio text
    credits int8
    updated_at timestamptz
    enrolled timestamp
    active bool
    code character(5)
    ref uuid
    photo bytea
    score float8
    tags text[]
    nick public.citext
    note jsonb";

const USERS: &str = "
    id int4 not null
    email text not null
    name varchar(30)
    phone varchar(20)
    born date
    level public.level
    created timestamptz
    slug text generated
    points int2
    credits int4
    gpa numeric(3,1)
    balance numeric
    note jsonb
    login text not null default
    amount numeric(12,2)
    ratio float8
    active bool
    seen timestamp
    ref uuid
    tags text[]
    code character(5)";

/// Types that few tables have.
const ODDITIES: &str = "
    id int4 not null
    host inet
    stay interval
    label public.label
    worth public.amount
    full_name text generated
    at timestamp
    big numeric(60,4)
    fits numeric(45,2)
    status public.status
    small varchar(10)";

const ODD_TARGET: &str = "
    id int4 not null
    at timestamp(0) without time zone
    big numeric(45,2)
    small varchar(10)
    note jsonb
    label text";

pub(crate) fn catalog() -> Catalog {
    let mut students = table(schema("sis.public.students", &["id"], STUDENTS), Identity::Key);
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    students.1.enums = vec![("status".to_owned(), labels(&["active", "graduated", "withdrawn"]))];
    let mut users = table(schema("lms.public.users", &["id"], USERS), Identity::Key);
    users.1.enums = vec![("level".to_owned(), labels(&["bachelor", "master", "doctor"]))];
    let mut odd = table(schema("sis.public.oddities", &["id"], ODDITIES), Identity::Key);
    let domain = |column: &str, base: &str| (column.to_owned(), base.to_owned());
    odd.1.domains = vec![domain("label", "text"), domain("worth", "numeric")];
    odd.1.enums = vec![("status".to_owned(), labels(&["active", "graduated", "withdrawn"]))];
    let marks = "student int4 not null
        course text not null
        mark int2";
    let mut marks =
        table(schema("sis.public.marks", &["student", "course"], marks), Identity::Full);
    marks.1.unique = vec![vec!["mark".to_owned()]];
    let courses = "code text not null
        title text
        points int4
        room text";
    let course = "code text not null
        title text not null
        points int2";
    let badge = "id int4 not null
        label text
        color text";
    let log = "at timestamptz
        line text";
    let person = "id text not null
        email text
        full_name text not null
        born date";
    let person_schema = schema("person", &["id"], person);
    let entity = Entity { schema: Arc::new(person_schema), file: "person/entity.toml".to_owned() };
    Catalog {
        tables: BTreeMap::from([
            students,
            users,
            odd,
            marks,
            table(schema("lms.public.oddities", &["id"], ODD_TARGET), Identity::Key),
            table(schema("sis.public.courses", &["code"], courses), Identity::Full),
            table(schema("sis.public.log", &[], log), Identity::Nothing),
            table(schema("lms.public.courses", &["code"], course), Identity::Key),
            table(schema("lms.public.badges", &["id"], badge), Identity::Key),
            table(schema("lms.public.log", &[], log), Identity::Nothing),
        ]),
        entities: BTreeMap::from([("person".to_owned(), entity)]),
    }
}

pub(crate) fn file(path: &str, text: &str) -> SqlFile {
    SqlFile { path: path.to_owned(), text: text.to_owned() }
}

pub(crate) fn check_in(zone: &str, files: &[(&str, &str)]) -> Checked {
    let files: Vec<SqlFile> = files.iter().map(|(path, text)| file(path, text)).collect();
    check(&files, &catalog(), &Options { time_zone: zone.to_owned() })
}

/// Everything that is found in these files, as people read it.
pub(crate) fn rendered(files: &[(&str, &str)]) -> String {
    let found = check_in("Europe/Paris", files).diagnostics;
    let shown = found.iter().map(|found| {
        let text = files.iter().find(|(path, _)| *path == found.file).map_or("", |file| file.1);
        found.render(text)
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A mapping that has no errors.
pub(crate) fn mapping(sql: &str) -> Mapping {
    mapping_in("Europe/Paris", sql)
}

pub(crate) fn mapping_in(zone: &str, sql: &str) -> Mapping {
    let checked = check_in(zone, &[("m.sql", sql)]);
    let shown: Vec<String> = checked.diagnostics.iter().map(|found| found.render(sql)).collect();
    checked.mappings.into_iter().next().unwrap_or_else(|| panic!("{}", shown.join("\n")))
}

/// A mapping of students to users: `INSERT INTO lms.public.users(id, email, <columns>) SELECT …`.
pub(crate) fn to_users(columns: &str, values: &str, rest: &str) -> Mapping {
    mapping(&format!(
        "INSERT INTO lms.public.users (id, email, {columns}) \
         SELECT id, 'x', {values} FROM sis.public.students {rest}"
    ))
}

/// Changes of one table, built row by row.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    schema: Arc<TableSchema>,
    rows: Vec<(Op, Image)>,
    transactions: Vec<i64>,
    not_carried: Vec<(usize, usize)>,
}

/// The columns a row speaks of; `None` is NULL.
type Image = Vec<(String, Option<ArrayRef>)>;

/// A value for a column: `None` is NULL.
pub(crate) type Value<'a> = Option<&'a str>;

impl Changes {
    pub(crate) fn of(table: &str) -> Self {
        let catalog = catalog();
        let schema = match table_name(table) {
            TableName::Entity(name) => catalog.entities[name.as_ref()].schema.clone(),
            name => Arc::new(catalog.tables[&name].schema.clone()),
        };
        Self::with_schema(Arc::new(schema.as_ref().clone()))
    }

    pub(crate) fn with_schema(schema: Arc<TableSchema>) -> Self {
        Self { schema, rows: Vec::new(), transactions: Vec::new(), not_carried: Vec::new() }
    }

    /// Adds a row; columns that are not named are absent, save of new rows, where they are NULL.
    pub(crate) fn row(self, op: Op, values: &[(&str, Value<'_>)]) -> Self {
        let values = values
            .iter()
            .map(|(name, value)| {
                let column = &self.schema.columns()[self.schema.index_of(name).unwrap()];
                (*name, value.map(|text| read(&column.data_type, text)))
            })
            .collect::<Vec<_>>();
        let values: Vec<(&str, Option<ArrayRef>)> = values;
        self.arrays(op, &values)
    }

    pub(crate) fn arrays(mut self, op: Op, values: &[(&str, Option<ArrayRef>)]) -> Self {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.rows.push((op, values.collect()));
        self.transactions.push(self.rows.len() as i64);
        self
    }

    /// The last row's value of this column could not be carried.
    pub(crate) fn not_carried(mut self, column: &str) -> Self {
        self.not_carried.push((self.rows.len() - 1, self.schema.index_of(column).unwrap()));
        self
    }

    pub(crate) fn insert(self, values: &[(&str, Value<'_>)]) -> Self {
        self.row(Op::Insert, values)
    }

    pub(crate) fn update(self, values: &[(&str, Value<'_>)]) -> Self {
        self.row(Op::Update, values)
    }

    pub(crate) fn before(self, values: &[(&str, Value<'_>)]) -> Self {
        self.row(Op::Before, values)
    }

    pub(crate) fn delete(self, values: &[(&str, Value<'_>)]) -> Self {
        self.row(Op::Delete, values)
    }

    pub(crate) fn batch(&self) -> ChangeBatch {
        let width = self.schema.columns().len();
        let columns = self.schema.columns().iter().map(|column| self.column(column)).collect();
        let masks = self.rows.iter().enumerate().map(|(row, (op, values))| {
            if matches!(op, Op::Insert | Op::Snapshot) {
                let mut mask = ColumnMask::all(width);
                let lacking = self.not_carried.iter().filter(|(of, _)| *of == row);
                lacking.for_each(|(_, column)| mask.clear(*column));
                return mask;
            }
            let mut mask = ColumnMask::none(width);
            values.iter().for_each(|(name, _)| mask.set(self.schema.index_of(name).unwrap()));
            mask
        });
        let transactions = self.transactions.iter().map(|&at| TransactionRun {
            transaction: Transaction {
                epoch: 1,
                commit: at as u64,
                committed_at: at * 1_000_000,
                ours: false,
            },
            rows: 1,
        });
        ChangeBatch::try_new(
            self.schema.clone(),
            columns,
            self.rows.iter().map(|(op, _)| *op as u8).collect::<Vec<_>>().into(),
            (0..self.rows.len() as u32).collect::<Vec<_>>().into(),
            transactions.collect(),
            Presence::from_rows(width, masks),
        )
        .unwrap()
    }

    fn column(&self, column: &Column) -> ArrayRef {
        let null = arrow_array::new_null_array(&column.data_type, 1);
        let parts: Vec<ArrayRef> = self
            .rows
            .iter()
            .map(|(_, values)| {
                let found = values.iter().find(|(name, _)| *name == column.name);
                found.and_then(|(_, value)| value.clone()).unwrap_or_else(|| null.clone())
            })
            .collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        match parts.is_empty() {
            true => arrow_array::new_empty_array(&column.data_type),
            false => arrow_select::concat::concat(&parts).unwrap(),
        }
    }
}

pub(crate) fn read(data_type: &DataType, text: &str) -> ArrayRef {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    match data_type {
        DataType::Utf8 => texts,
        DataType::Binary => Arc::new(arrow_array::BinaryArray::from(vec![text.as_bytes()])),
        DataType::FixedSizeBinary(16) => {
            let bytes = [text.as_bytes()[0]; 16];
            let array = arrow_array::FixedSizeBinaryArray::try_from_iter([bytes].into_iter());
            Arc::new(array.unwrap())
        }
        other => {
            let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
            arrow_cast::cast_with_options(&texts, other, &options).unwrap()
        }
    }
}

/// The output of a mapping as lines: `insert id=1 email=x`, with `-` for what is absent.
pub(crate) fn lines(batch: &ChangeBatch) -> Vec<String> {
    (0..batch.len())
        .map(|row| {
            let mut line = format!("{:?}", batch.op(row)).to_lowercase();
            for (index, column) in batch.schema().columns().iter().enumerate() {
                let array = batch.columns().column(index);
                let value = match batch.presence().has(row, index) {
                    false => {
                        assert!(array.is_null(row), "an absent value is a null slot");
                        "-".to_owned()
                    }
                    true => shown(array, row),
                };
                line.push_str(&format!(" {}={value}", column.name));
            }
            line
        })
        .collect()
}

pub(crate) fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        _ => arrow_cast::display::array_value_to_string(array, row).unwrap(),
    }
}

/// Runs a mapping, checking what must hold of every output.
pub(crate) fn run(mapping: &Mapping, batch: &ChangeBatch) -> Transformed {
    let done = mapping.transform.transform(batch).unwrap();
    assert_eq!(done.origins.len(), done.rows.len());
    assert!(done.origins.is_sorted(), "rows are in source order");
    assert!(done.rejected.is_sorted_by_key(|rejected| rejected.row));
    let source: Vec<_> = batch.row_transactions().collect();
    for (row, transaction) in done.rows.row_transactions().enumerate() {
        let origin = done.origins[row] as usize;
        assert_eq!(transaction, source[origin]);
        assert_eq!(done.rows.ordinals()[row], batch.ordinals()[origin]);
        assert_ne!(done.rows.op(row), Op::Before);
        for &key in done.rows.schema().key() {
            assert!(done.rows.presence().has(row, key), "the key is present");
            assert!(done.rows.columns().column(key).is_valid(row), "the key is not NULL");
        }
        assert!(done.rejected.iter().all(|rejected| rejected.row != origin));
    }
    done
}

/// The output lines of a mapping over changes, none of which may be rejected.
pub(crate) fn outcome(mapping: &Mapping, changes: &Changes) -> Vec<String> {
    let done = run(mapping, &changes.batch());
    assert_eq!(done.rejected, [], "nothing is rejected");
    lines(&done.rows)
}

/// The rejected rows as lines: `0: expression: reason`.
pub(crate) fn rejections(rejected: &[RejectedRow]) -> Vec<String> {
    let line = |rejected: &RejectedRow| {
        let expression = rejected.expression.as_deref().unwrap_or("-");
        format!("{}: {expression}: {}", rejected.row, rejected.reason)
    };
    rejected.iter().map(line).collect()
}
