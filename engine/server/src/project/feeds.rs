//! `[systems.NAME.tables]` of `connector = "debezium"`: the tables that are written to topics. Nobody can be asked for
//! them, so the project says their columns and keys.

use super::document::{Section, Value, Wrong};
use super::fields::unknown_type;
use super::limits::{positive, set};
use super::types::{entity_type, normal};
use super::values::one_of;
use crate::problem::{Place, Problem, did_you_mean};
use syncline_core::{CatalogTable, Column, Identity, SystemName, TableName, TableSchema};
use syncline_debezium::{Absent, DecimalMode, SinkSettings};
use syncline_log::KafkaSettings;
use toml::de::DeValue;

/// Topics that are written, as the project says them.
#[derive(Debug)]
pub(crate) struct Feeds {
    /// Brokers and security are filled in when they are looked up.
    pub(super) settings: SinkSettings,
    /// The tables, in the file's order.
    pub(crate) tables: Vec<CatalogTable>,
}

impl Feeds {
    /// `kafka` has the limits. `project` is what the state is named after where `state_prefix` isn't said. None where
    /// something is wrong with a table.
    pub(super) fn from_section(
        name: &SystemName,
        section: &Section<'_>,
        project: &str,
        mut kafka: KafkaSettings,
    ) -> Option<Self> {
        kafka.prefix = section.or("state_prefix", format!("{project}.state"));
        kafka.replicas = positive(section, "replicas");
        kafka.replicas_in_sync_min = positive(section, "replicas_in_sync_min");
        let prefix = section.or("topic_prefix", name.to_string());
        let mut settings = SinkSettings::new(kafka, &prefix);
        set(&mut settings.partitions, positive(section, "partitions"));
        set(&mut settings.absent, section.optional("absent"));
        set(&mut settings.with_schema, section.optional("schemas_enable"));
        set(&mut settings.placeholder, section.optional("unavailable_value_placeholder"));
        let decimals: Option<Exact> = section.optional("decimal_handling_mode");
        set(&mut settings.decimals, decimals.map(|it| it.0));
        let declared = section.section("tables")?.sections();
        let tables: Vec<_> =
            declared.into_iter().map(|(table, of)| declare(name, table, &of)).collect();
        let tables = tables.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Self { settings, tables })
    }
}

/// One table.
fn declare(system: &SystemName, name: &str, section: &Section<'_>) -> Option<CatalogTable> {
    let key: Option<Vec<String>> = section.required("key");
    let columns = section.required_section("columns").and_then(|columns| {
        let read: Vec<_> =
            columns.sections().into_iter().map(|(name, of)| column(name, &of)).collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    section.finish();
    let named =
        name.split_once('.').filter(|(schema, table)| !schema.is_empty() && !table.is_empty());
    if named.is_none() {
        let wrong = Problem::new(format!("{name:?} can't be the name of a table that is written"))
            .hint("a table is named with its schema, in quotes: \"public.students\"".to_owned());
        section.report_here(wrong);
    }
    let (mut columns, (schema, table)) = (columns?, named?);
    let places = places_of(section, &key?, &columns)?;
    places.iter().for_each(|&place| columns[place].nullable = false);
    let name = TableName::table(system, schema, table);
    Some(CatalogTable {
        schema: TableSchema::new(name, 0, columns, places),
        identity: Identity::Key,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    })
}

fn column(name: &str, section: &Section<'_>) -> Option<Column> {
    let native_type: Option<String> = section.required("type");
    let nullable = section.or("null", true);
    section.finish();
    let native_type = normal(&native_type?);
    let Some(data_type) = entity_type(&native_type) else {
        section.report("type", unknown_type(&native_type));
        return None;
    };
    Some(Column {
        name: name.to_owned(),
        id: 0,
        data_type,
        native_type,
        nullable,
        has_default: false,
        generated: false,
    })
}

/// The places of the key's columns.
fn places_of(section: &Section<'_>, key: &[String], columns: &[Column]) -> Option<Vec<usize>> {
    if key.is_empty() {
        let wrong = Problem::new("a table that is written needs a key of at least one column")
            .detail("consumers and compaction know rows by their key");
        section.report("key", wrong);
        return None;
    }
    let names = || columns.iter().map(|column| column.name.as_str());
    let place = |part: &String| {
        let found = names().position(|name| name == part);
        if found.is_none() {
            let wrong = Problem::new(format!("the key names an unknown column {part:?}"))
                .detail(format!("the table has {}", names().collect::<Vec<_>>().join(", ")))
                .hint(did_you_mean(part, names()));
            section.report("key", wrong);
        }
        found
    };
    let places: Vec<_> = key.iter().map(place).collect();
    places.into_iter().collect()
}

impl Value for Absent {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        Ok(match one_of(value, &["refuse", "placeholder"])? {
            "placeholder" => Self::Placeholder,
            _ => Self::Refused,
        })
    }
}

/// A mode that keeps every digit.
struct Exact(DecimalMode);

impl Value for Exact {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        Ok(Self(match one_of(value, &["precise", "string"])? {
            "string" => DecimalMode::String,
            _ => DecimalMode::Precise,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::systems::System;
    use super::super::values::Surroundings;
    use super::*;
    use crate::render;
    use arrow_schema::DataType;

    const GOOD: &str = r#"[project]
name = "university"
time_zone = "Europe/Madrid"

[systems.feed]
connector = "debezium"
brokers = "a:1"
topic_prefix = "campus"
partitions = 3
decimal_handling_mode = "string"
absent = "placeholder"

[systems.feed.tables."public.students"]
key = ["student_id"]

[systems.feed.tables."public.students".columns]
student_id = { type = "text" }
average = { type = "Numeric (4, 2)" }
born = { type = "date", null = false }

[systems.feed.limits]
message_bytes_max = "1MiB"
"#;

    fn told(text: &str) -> String {
        render::problems(&Settings::parse(text).expect_err("the text is wrong"))
    }

    #[test]
    fn a_table_that_is_written_is_declared_with_its_key() {
        let settings = Settings::parse(GOOD).expect("the text is good");
        let System::Debezium(topics) = &settings.systems[&SystemName::new("feed")] else {
            unreachable!("it is topics")
        };
        let from = Surroundings { directory: "/nowhere".into(), variables: Default::default() };
        assert!(!topics.is_read() && topics.resolve(&from).expect("all is there").is_none());
        let found = topics.resolve_written(&from).expect("all is there").expect("it is written");
        assert_eq!(
            (found.kafka.prefix.as_str(), found.topic_prefix.as_str()),
            ("university.state", "campus")
        );
        assert_eq!((found.partitions, found.kafka.message_bytes_max), (3, 1 << 20));
        assert_eq!((found.absent, found.decimals), (Absent::Placeholder, DecimalMode::String));
        assert_eq!(found.kafka.brokers, ["a:1"]);
        let [table] = topics.written().map(|it| it.tables.as_slice()).unwrap_or_default() else {
            unreachable!("one table is declared")
        };
        assert_eq!(table.schema.name().to_string(), "feed.public.students");
        let column = |place: usize| {
            let column = &table.schema.columns()[place];
            (column.name.as_str(), column.data_type.clone(), column.nullable)
        };
        assert_eq!(column(0), ("student_id", DataType::Utf8, false));
        assert_eq!(column(1), ("average", DataType::Decimal128(4, 2), true));
        assert_eq!(column(2), ("born", DataType::Date32, false));
        assert_eq!(table.schema.key(), [0]);
    }

    #[test]
    fn what_is_wrong_with_a_declared_table_is_told_with_its_place() {
        let wrong = GOOD
            .replace("key = [\"student_id\"]", "key = [\"studnet_id\"]")
            .replace("Numeric (4, 2)", "numbr")
            .replace("\"string\"", "\"double\"")
            .replace("type = \"date\", null = false", "typ = \"date\"");
        let empty = GOOD.replace("key = [\"student_id\"]", "key = []");
        let unnamed = GOOD.replace("public.students", "students");
        let both = format!("{GOOD}\n[systems.feed.topics]\n\"public.students\" = \"t\"\n");
        let neither = "[project]\nname = \"university\"\ntime_zone = \"UTC\"\n\n[systems.feed]\n\
                       connector = \"debezium\"\nbrokers = \"a:1\"\n";
        let all = [wrong.as_str(), &empty, &unnamed, &both, neither].map(told);
        insta::assert_snapshot!(all.join("\n----\n"));
    }
}
