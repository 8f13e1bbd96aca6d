//! The forms in which values come.

/// What one step of a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BytesForm {
    Base64,
    Base64UrlSafe,
    Hex,
}

/// What a struct of calendar fields means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structured {
    Date,
    Time,
    Timestamp,
    Zoned,
    Duration,
}

/// How a value is written in JSON. Together with a column's Arrow type it says what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wire {
    Boolean,
    /// A number of so many bits.
    Integer {
        bits: u32,
    },
    Float32,
    Float64,
    Text,
    /// JSON that is carried as text.
    Document,
    /// A text; anything else is carried as the JSON it is.
    Any,
    Bytes(BytesForm),
    /// Two's complement in base64.
    Decimal {
        precision: u8,
        scale: i8,
        /// The scale it was sent with, which may be below zero.
        sent: i64,
    },
    /// The same, of a precision that no Decimal128 has.
    WideDecimal {
        scale: i64,
    },
    /// Digits as text, into a Decimal128.
    DecimalDigits {
        precision: u8,
        scale: i8,
    },
    /// Digits as text, or a word.
    Digits,
    /// `{"scale": …, "value": two's complement in base64}`.
    ScaledDecimal,
    /// Days since 1970.
    Date,
    IsoDate,
    Time(Unit),
    IsoTime,
    Timestamp(Unit),
    IsoTimestamp,
    Interval,
    /// A span of time without months.
    Duration(Unit),
    Uuid,
    /// The lowest bits first, so many.
    Bits(usize),
    /// Into the text of a PostgreSQL array.
    Array(Box<Wire>),
    Structured(Structured),
}
