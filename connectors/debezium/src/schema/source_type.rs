//! What the source's own column is, where records say so (`column.propagate.source.type`).

use super::ConnectSchema;

pub(crate) const PARAMETER_TYPE: &str = "__debezium.source.column.type";
pub(crate) const PARAMETER_LENGTH: &str = "__debezium.source.column.length";
pub(crate) const PARAMETER_SCALE: &str = "__debezium.source.column.scale";
/// The column's own type text, in records that Syncline wrote.
pub(crate) const PARAMETER_OWN_TYPE: &str = "syncline.type";
/// `id[,default][,generated]`, in records that Syncline wrote.
pub(crate) const PARAMETER_OWN_COLUMN: &str = "syncline.column";

/// The source column's type, as Debezium's parameters give it.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceType {
    /// In capitals; empty where it is not known.
    pub(super) name: String,
    pub(super) length: Option<i64>,
    pub(super) scale: Option<i64>,
}

impl SourceType {
    pub(super) fn of(schema: &ConnectSchema) -> Self {
        Self {
            name: schema
                .parameters
                .get(PARAMETER_TYPE)
                .map(|name| name.to_ascii_uppercase())
                .unwrap_or_default(),
            length: schema.parameter(PARAMETER_LENGTH),
            scale: schema.parameter(PARAMETER_SCALE),
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !self.name.is_empty()
    }

    pub(super) fn is_decimal(&self) -> bool {
        ["NUMERIC", "DECIMAL", "NUMBER", "MONEY", "SMALLMONEY", "DEC", "FIXED"]
            .iter()
            .any(|name| self.word() == *name)
    }

    pub(super) fn is_bytes(&self) -> bool {
        const NAMES: [&str; 11] = [
            "BYTEA",
            "BLOB",
            "TINYBLOB",
            "MEDIUMBLOB",
            "LONGBLOB",
            "BINARY",
            "VARBINARY",
            "IMAGE",
            "RAW",
            "LONG RAW",
            "ROWVERSION",
        ];
        NAMES.contains(&self.name.split('(').next().unwrap_or_default())
    }

    pub(super) fn is_bit_varying(&self) -> bool {
        self.name == "VARBIT" || self.name == "BIT VARYING"
    }

    /// Days, hours and less: what a number of microseconds says whole.
    pub(super) fn is_day_interval(&self) -> bool {
        self.name.starts_with("INTERVAL DAY")
    }

    pub(super) fn is_unsigned_bigint(&self) -> bool {
        self.name.starts_with("BIGINT UNSIGNED") || self.name.starts_with("INT8 UNSIGNED")
    }

    /// Digits of the seconds' fraction; `None` where it is not known.
    pub(super) fn fraction_digits(&self) -> Option<i64> {
        // MySQL's length is the digits, PostgreSQL's and SQL Server's that of the whole text.
        self.scale.or(self.length.filter(|length| (0..=9).contains(length)))
    }

    /// As SQL writes it, in small letters.
    pub(super) fn native(&self) -> String {
        let name = self.name.to_ascii_lowercase();
        // PostgreSQL's name for an array of that type.
        if let Some(element) = name.strip_prefix('_') {
            return format!("{element}[]");
        }
        if let (true, Some(digits @ 0..=5)) = (is_timed(&name), self.fraction_digits()) {
            return format!("{name}({digits})");
        }
        let has_length = self.is_decimal() || name.contains("char") || name.contains("bit");
        match (self.length, self.scale) {
            (Some(length), Some(scale)) if self.is_decimal() && self.fits_numeric() => {
                format!("{name}({length},{scale})")
            }
            (Some(length), None) if has_length && (1..=10_485_760).contains(&length) => {
                format!("{name}({length})")
            }
            _ => name,
        }
    }

    /// Whether length and scale are a precision and scale, not the marks of an unbounded number.
    pub(super) fn fits_numeric(&self) -> bool {
        self.length.is_some_and(|length| (1..=1_000).contains(&length))
    }

    fn word(&self) -> &str {
        self.name.split(['(', ' ']).next().unwrap_or_default()
    }
}

/// Whether a type may keep fewer digits of a second than six, where its name says so.
fn is_timed(name: &str) -> bool {
    ["time", "timetz", "timestamp", "timestamptz"].contains(&name)
}

/// A type text's name and the numbers in its brackets: `numeric(10,2)` is `numeric`, 10 and 2.
pub(crate) fn base_and_arguments(native: &str) -> (String, Vec<i64>) {
    let (head, rest) = native.split_once('(').unwrap_or((native, ""));
    let (inside, tail) = rest.split_once(')').unwrap_or((rest, ""));
    let arguments = inside.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    (format!("{}{}", head.trim_end(), tail), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_digits_where_they_are_fewer_than_six() {
        let of = |name: &str, scale| SourceType { name: name.into(), length: Some(35), scale };
        assert_eq!(of("TIMESTAMPTZ", Some(0)).native(), "timestamptz(0)");
        assert_eq!(of("TIME", Some(3)).native(), "time(3)");
        assert_eq!(of("TIMESTAMP", Some(6)).native(), "timestamp");
        assert_eq!(of("TIMESTAMP", None).native(), "timestamp");
    }

    #[test]
    fn type_texts_are_taken_apart() {
        assert_eq!(base_and_arguments("numeric(10,2)"), ("numeric".into(), vec![10, 2]));
        assert_eq!(
            base_and_arguments("timestamp(3) without time zone"),
            ("timestamp without time zone".into(), vec![3])
        );
        assert_eq!(base_and_arguments("text"), ("text".into(), vec![]));
    }
}
