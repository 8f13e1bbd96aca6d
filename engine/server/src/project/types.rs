//! The types an entity's field may have: PostgreSQL's names, carried as the connector carries them.

use arrow_schema::DataType;
use syncline_postgres::arrow_type;

const NUMERIC: u32 = 1700;
const TEXT: u32 = 25;
/// A modifier counts from here; below it there is none.
const MODIFIER_HEADER: i32 = 4;

/// A type's text in one spelling, whatever case and blanks it was written with.
pub(super) fn normal(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ").to_lowercase();
    for mark in ["(", ")", ",", "["] {
        text = text.replace(&format!(" {mark}"), mark);
    }
    text.replace("( ", "(").replace(", ", ",")
}

/// The Arrow type for a type's text such as `numeric(10,2)`; `None` where PostgreSQL has no such
/// type, or the size is out of bounds.
pub(super) fn entity_type(text: &str) -> Option<DataType> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(element) = text.strip_suffix("[]") {
        // Arrays are carried in their text form, whatever their elements.
        return entity_type(element).map(|_| arrow_type(TEXT, -1));
    }
    let (name, size) = match text.split_once('(') {
        Some((name, rest)) => (name.trim_end(), Some(rest.strip_suffix(')')?)),
        None => (text.as_str(), None),
    };
    let identifier = identifier_of(name)?;
    let modifier = match (identifier, size) {
        (_, None) => -1,
        (NUMERIC, Some(size)) => numeric_modifier(size)?,
        (TEXT | 1083 | 1114 | 1184, Some(size)) => {
            size.trim().parse::<u32>().ok()?;
            -1
        }
        (_, Some(_)) => return None,
    };
    Some(arrow_type(identifier, modifier))
}

/// The type's object identifier; those that are carried in their text form are all text here.
fn identifier_of(name: &str) -> Option<u32> {
    Some(match name {
        "boolean" | "bool" => 16,
        "bytea" => 17,
        "bigint" | "int8" => 20,
        "smallint" | "int2" => 21,
        "integer" | "int" | "int4" => 23,
        "real" | "float4" => 700,
        "double precision" | "float8" => 701,
        "date" => 1082,
        "time" | "time without time zone" => 1083,
        "timestamp" | "timestamp without time zone" => 1114,
        "timestamptz" | "timestamp with time zone" => 1184,
        "numeric" | "decimal" => NUMERIC,
        "uuid" => 2950,
        "text"
        | "varchar"
        | "character varying"
        | "char"
        | "character"
        | "citext"
        | "name"
        | "timetz"
        | "time with time zone"
        | "interval"
        | "json"
        | "jsonb"
        | "xml"
        | "inet"
        | "cidr"
        | "macaddr"
        | "hstore"
        | "ltree"
        | "tsvector" => TEXT,
        _ => return None,
    })
}

/// The modifier of `numeric(precision, scale)`.
fn numeric_modifier(size: &str) -> Option<i32> {
    let (precision, scale) = size.split_once(',').unwrap_or((size, "0"));
    let precision: i32 = precision.trim().parse().ok()?;
    let scale: i32 = scale.trim().parse().ok()?;
    let is_valid = (1..=1000).contains(&precision) && (-1000..=1000).contains(&scale);
    is_valid.then_some((precision << 16 | (scale & 0x7FF)) + MODIFIER_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;

    #[test]
    fn names_and_sizes_are_postgresqls() {
        let carried = |text| entity_type(text);
        assert_eq!(carried("Numeric (10, 2)"), Some(DataType::Decimal128(10, 2)));
        assert_eq!(carried("numeric"), Some(DataType::Utf8));
        assert_eq!(carried("character varying(40)"), Some(DataType::Utf8));
        assert_eq!(carried("integer[]"), Some(DataType::Utf8));
        assert_eq!(carried("uuid"), Some(DataType::FixedSizeBinary(16)));
        let aware = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(carried("timestamptz(3)"), Some(aware));
    }

    #[test]
    fn a_type_has_one_spelling() {
        assert_eq!(normal(" NUMERIC ( 10, 2 ) "), "numeric(10,2)");
        assert_eq!(normal("Character  Varying (20)"), "character varying(20)");
        assert_eq!(normal("Timestamp(0) With Time Zone"), "timestamp(0) with time zone");
        assert_eq!(normal("TEXT []"), "text[]");
    }

    #[test]
    fn what_postgresql_does_not_know_is_no_type() {
        for text in ["txt", "integer(3)", "numeric(0)", "numeric(x)", "varchar(", "[]", ""] {
            assert_eq!(entity_type(text), None, "{text}");
        }
    }
}
