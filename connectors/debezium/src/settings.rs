//! How the connector that writes the records is set up, as far as records don't say so themselves.

/// Settings of one Debezium connector. The defaults are Debezium's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `unavailable.value.placeholder`: what stands for a value that was not sent.
    pub placeholder: String,
    /// `binary.handling.mode`. Needed where bytes come as text: their schema does not say so.
    pub binary: BinaryMode,
    /// `time.precision.mode`. Needed for records without schema.
    pub time: TimePrecision,
    /// `decimal.handling.mode`. Needed for records without schema.
    pub decimal: DecimalMode,
    /// Which columns of a before image can be believed.
    pub images: Images,
    /// The replication origin (PostgreSQL) that our own writes carry.
    pub our_origin: Option<String>,
    /// The positions' epoch: to be raised when the source's history begins anew (another slot,
    /// `RESET MASTER`, a restored database). Records that Syncline wrote have their own.
    pub epoch: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            placeholder: "__debezium_unavailable_value".into(),
            binary: BinaryMode::Bytes,
            time: TimePrecision::Adaptive,
            decimal: DecimalMode::Precise,
            images: Images::ByConnector,
            our_origin: None,
            epoch: 1,
        }
    }
}

/// `binary.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryMode {
    /// `bytes`; JSON has them in base64 all the same.
    Bytes,
    /// `base64`.
    Base64,
    /// `base64-url-safe`.
    Base64UrlSafe,
    /// `hex`.
    Hex,
}

/// `time.precision.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePrecision {
    /// `adaptive`: as fine as the column.
    Adaptive,
    /// `adaptive_time_microseconds`.
    AdaptiveTimeMicroseconds,
    /// `microseconds`.
    Microseconds,
    /// `nanoseconds`.
    Nanoseconds,
    /// `isostring`.
    IsoString,
    /// `connect`: milliseconds, whatever the column holds.
    Connect,
}

/// `decimal.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalMode {
    /// `precise`.
    Precise,
    /// `string`. The only one that can say NaN.
    String,
    /// `double`: never exact.
    Double,
}

/// Which columns of a before image can be believed.
///
/// Debezium's connector for PostgreSQL fills in what the server did not send: NULL, or zero and the
/// empty text where a column can't be NULL. Nothing in the record tells such an image from a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// The key's alone for PostgreSQL, where the table has one; all for the others.
    ByConnector,
    /// All: tables with `REPLICA IDENTITY FULL`.
    Whole,
    /// The key's alone: `binlog_row_image = MINIMAL`, supplemental logging of keys.
    KeyOnly,
}

/// What is done about a column of an image after that says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The placeholder stands for a text or bytes; of other types it is refused.
    Placeholder,
    /// It is refused: a consumer that does not know the placeholder takes it for the value.
    Refused,
}
