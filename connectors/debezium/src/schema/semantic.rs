//! The names by which schemas say what a literal value means, spelled once.

pub(crate) const CONNECT_DATE: &str = "org.apache.kafka.connect.data.Date";
pub(crate) const CONNECT_TIME: &str = "org.apache.kafka.connect.data.Time";
pub(crate) const CONNECT_TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
pub(crate) const CONNECT_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

pub(crate) const DATE: &str = "io.debezium.time.Date";
pub(crate) const TIME: &str = "io.debezium.time.Time";
pub(crate) const MICRO_TIME: &str = "io.debezium.time.MicroTime";
pub(crate) const NANO_TIME: &str = "io.debezium.time.NanoTime";
pub(crate) const TIMESTAMP: &str = "io.debezium.time.Timestamp";
pub(crate) const MICRO_TIMESTAMP: &str = "io.debezium.time.MicroTimestamp";
pub(crate) const NANO_TIMESTAMP: &str = "io.debezium.time.NanoTimestamp";
pub(crate) const ZONED_TIMESTAMP: &str = "io.debezium.time.ZonedTimestamp";
pub(crate) const ZONED_TIME: &str = "io.debezium.time.ZonedTime";
pub(crate) const MICRO_DURATION: &str = "io.debezium.time.MicroDuration";
pub(crate) const NANO_DURATION: &str = "io.debezium.time.NanoDuration";
pub(crate) const INTERVAL: &str = "io.debezium.time.Interval";
pub(crate) const ISO_DATE: &str = "io.debezium.time.IsoDate";
pub(crate) const ISO_TIME: &str = "io.debezium.time.IsoTime";
pub(crate) const ISO_TIMESTAMP: &str = "io.debezium.time.IsoTimestamp";
pub(crate) const YEAR: &str = "io.debezium.time.Year";
pub(crate) const STRUCTURED_DATE: &str = "io.debezium.time.StructuredDate";
pub(crate) const STRUCTURED_TIME: &str = "io.debezium.time.StructuredTime";
pub(crate) const STRUCTURED_TIMESTAMP: &str = "io.debezium.time.StructuredTimestamp";
pub(crate) const STRUCTURED_ZONED_TIMESTAMP: &str = "io.debezium.time.StructuredZonedTimestamp";
pub(crate) const STRUCTURED_DURATION: &str = "io.debezium.time.StructuredDuration";

pub(crate) const JSON: &str = "io.debezium.data.Json";
pub(crate) const UUID: &str = "io.debezium.data.Uuid";
pub(crate) const XML: &str = "io.debezium.data.Xml";
pub(crate) const ENUM: &str = "io.debezium.data.Enum";
pub(crate) const ENUM_SET: &str = "io.debezium.data.EnumSet";
pub(crate) const BITS: &str = "io.debezium.data.Bits";
pub(crate) const LTREE: &str = "io.debezium.data.Ltree";
pub(crate) const TSVECTOR: &str = "io.debezium.data.Tsvector";
pub(crate) const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";
pub(crate) const GEOMETRY_PREFIX: &str = "io.debezium.data.geometry.";
pub(crate) const FLOAT_VECTOR: &str = "io.debezium.data.FloatVector";
pub(crate) const DOUBLE_VECTOR: &str = "io.debezium.data.DoubleVector";
pub(crate) const SPARSE_VECTOR: &str = "io.debezium.data.SparseDoubleVector";
