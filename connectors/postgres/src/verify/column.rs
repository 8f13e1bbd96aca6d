//! How a column of a mapping and the target's column of that name are brought to one form.

use super::alike::Alike;
use crate::sink::target::{TargetTable, quoted};
use crate::values::encode::Form;
use std::collections::BTreeMap;
use syncline_core::{Column, Error, Kind, Result};

/// `text`, which every value can be sent as.
const TEXT_OID: u32 = 25;
/// Types of which the server keeps another text than it was given.
const XML_OID: u32 = 142;
const NAME_OID: u32 = 19;
const NUMERIC_OID: u32 = 1700;
/// `time`, `timestamp`, `timestamptz` and `interval`, which may round.
const ROUNDING: [u32; 4] = [1083, 1114, 1184, 1186];

/// A column as it is compared.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    /// The target's column, as SQL.
    pub(crate) sql: String,
    /// The type of the target's column below all domains, and its length or precision.
    pub(crate) type_oid: u32,
    pub(crate) modifier: i32,
    /// How our values are encoded.
    pub(crate) form: Form,
    pub(crate) alike: Alike,
    /// The type of elements that our values are sent as, and as SQL.
    pub(crate) element: u32,
    pub(crate) element_sql: String,
    /// The target's type as SQL, with its length or precision.
    type_sql: String,
    /// Whether the server decides what comes of our values.
    pub(crate) is_asked: bool,
    /// Whether it is compared by its text.
    as_text: bool,
}

/// The types of a table's columns with length or precision: SQL, and the modifier.
pub(crate) type Exact = BTreeMap<String, (String, i32)>;

impl Compared {
    /// Fits a mapping's column to the target's of that name.
    ///
    /// # Errors
    /// `Config` where the target lacks it, or can't take it.
    pub(crate) fn fit(column: &Column, target: &TargetTable, exact: &Exact) -> Result<Self> {
        let found = target.columns.iter().find(|found| found.name == column.name);
        let found = found.ok_or_else(|| {
            let missing = format!("table {} has no column {:?}", target.sql, column.name);
            Error::new(Kind::Config, missing).hint("add the column to the table")
        })?;
        let pg_type = &found.pg_type;
        let form = Form::choose(&column.data_type, pg_type).ok_or_else(|| {
            let (from, to) = (&column.data_type, &pg_type.sql);
            let unfit = format!("column {:?} of {} can't take {from}", column.name, target.sql);
            Error::new(Kind::Config, unfit).detail(format!("it is {to}"))
        })?;
        let (type_sql, modifier) =
            exact.get(&column.name).cloned().unwrap_or_else(|| (pg_type.sql.clone(), -1));
        let rounds = modifier >= 0
            && match form {
                Form::Decimal(_, scale) => scale > decimal_places(modifier),
                Form::Digits => pg_type.oid == NUMERIC_OID,
                _ => ROUNDING.contains(&pg_type.oid),
            };
        let as_text = matches!(form, Form::Cast | Form::Jsonb) || pg_type.oid == XML_OID;
        let sent_as_text = as_text || form == Form::Text;
        Ok(Self {
            sql: quoted(&column.name),
            type_oid: pg_type.oid,
            modifier,
            // Texts are sent as such: the server makes of them what it makes of the sink's.
            form: if form == Form::Jsonb { Form::Text } else { form },
            alike: if as_text { Alike::Exact } else { Alike::of(pg_type.oid) },
            element: if sent_as_text { TEXT_OID } else { pg_type.oid },
            element_sql: if sent_as_text { "pg_catalog.text".into() } else { pg_type.sql.clone() },
            type_sql,
            is_asked: as_text || rounds || pg_type.oid == NAME_OID,
            as_text,
        })
    }

    /// A value of the table, in the form that is compared.
    pub(crate) fn read(&self, table: &str) -> String {
        let cast = if self.as_text { "::pg_catalog.text" } else { "" };
        format!("{table}{}{cast}", self.sql)
    }

    /// What the server makes of a value of ours.
    pub(crate) fn asked(&self, value: &str) -> String {
        let cast = if self.as_text { "::pg_catalog.text" } else { "" };
        format!("({value}::{}){cast}", self.type_sql)
    }

    /// A value in the compared form, as a value of the column's type.
    pub(crate) fn value(&self, value: &str) -> String {
        match self.element == self.type_oid {
            true => value.to_owned(),
            false => format!("{value}::{}", self.type_sql),
        }
    }
}

/// Places behind the point of a `numeric(p,s)`, by its modifier: the low eleven bits, signed.
fn decimal_places(modifier: i32) -> i8 {
    let places = (((modifier - 4) & 0x7FF) ^ 0x400) - 0x400;
    i8::try_from(places).unwrap_or(i8::MAX)
}

/// Asks for the types of a table's columns with their length or precision, through all domains.
pub(crate) const EXACT: &str = "
    WITH RECURSIVE base AS (
        SELECT a.attname, t.oid, a.atttypmod AS modifier, t.typtype, t.typbasetype, t.typtypmod
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT base.attname, t.oid, base.typtypmod, t.typtype, t.typbasetype, t.typtypmod
        FROM base JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype
        WHERE base.typtype = 'd')
    SELECT attname::text, pg_catalog.format_type(oid, modifier), modifier
    FROM base WHERE typtype <> 'd'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::target::TargetColumn;
    use crate::values::encode::PgType;
    use arrow_schema::DataType;

    fn fit(from: DataType, oid: u32, exact: (&str, i32)) -> Compared {
        let column = Column {
            name: "c".into(),
            id: 0,
            data_type: from,
            native_type: String::new(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let pg_type = PgType { oid, name: String::new(), sql: exact.0.into(), is_enum: false };
        let target = TargetTable {
            oid: 1,
            sql: "t".into(),
            columns: vec![TargetColumn {
                name: "c".into(),
                pg_type,
                nullable: true,
                generated: false,
                identity_always: false,
            }],
            unique: Vec::new(),
            parents: Vec::new(),
            children: Vec::new(),
            deferrable: false,
            copyable: true,
        };
        let exact = Exact::from([("c".to_owned(), (exact.0.to_owned(), exact.1))]);
        Compared::fit(&column, &target, &exact).unwrap()
    }

    #[test]
    fn the_server_is_asked_only_where_its_type_decides() {
        // numeric(10,2) is ((10 << 16) | 2) + 4.
        let two_places = ("numeric(10,2)", (10 << 16 | 2) + 4);
        let asked = |from, oid, exact| fit(from, oid, exact).is_asked;
        assert!(!asked(DataType::Decimal128(10, 2), 1700, two_places));
        assert!(asked(DataType::Decimal128(10, 3), 1700, two_places));
        assert!(asked(DataType::Utf8, 1700, two_places));
        assert!(!asked(DataType::Utf8, 1700, ("numeric", -1)));
        assert!(!asked(DataType::Utf8, 1043, ("character varying(5)", 9)));
        assert!(asked(DataType::Utf8, 3802, ("jsonb", -1)));
        assert!(asked(DataType::Utf8, 1007, ("integer[]", -1)));
        let micro = DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None);
        assert!(asked(micro.clone(), 1114, ("timestamp(3)", 3)));
        assert!(!asked(micro, 1114, ("timestamp", -1)));
    }

    #[test]
    fn values_are_read_and_asked_in_one_form() {
        let json = fit(DataType::Utf8, 3802, ("jsonb", -1));
        assert_eq!(json.read("t."), "t.\"c\"::pg_catalog.text");
        assert_eq!(json.asked("u.c0"), "(u.c0::jsonb)::pg_catalog.text");
        assert_eq!(json.value("u.c0"), "u.c0::jsonb");
        let number = fit(DataType::Int32, 23, ("integer", -1));
        assert_eq!((number.read(""), number.value("u.c0")), ("\"c\"".into(), "u.c0".into()));
    }
}
