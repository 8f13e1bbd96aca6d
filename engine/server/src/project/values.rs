//! The kinds of values that settings have: texts from three places, durations, sizes, counts.

use super::document::{Value, Wrong};
use crate::problem::{Place, Problem, did_you_mean};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// Where texts that are not in the project's files come from.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The project directory: relative paths begin there.
    pub(crate) directory: PathBuf,
    /// The environment.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// Those of this process, and variables that go before the environment's.
    pub(crate) fn of_process(
        directory: &Path,
        first: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let variables = environment.chain(first).collect();
        Self { directory: directory.to_owned(), variables }
    }
}

/// A text that stands in the file, in a variable, or in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// `"text"`.
    Plain(String),
    /// `{ env = "NAME" }`.
    Variable {
        /// The variable's name.
        name: String,
        /// Where it is asked for.
        place: Place,
    },
    /// `{ file = "path" }`: the file's text without the line end.
    File {
        /// The path, from the project directory.
        path: PathBuf,
        /// Where it is asked for.
        place: Place,
    },
}

impl Text {
    /// The text itself. Only now must the variable or the file be there.
    pub(crate) fn resolve(&self, from: &Surroundings) -> Result<String, Problem> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Variable { name, place } => from.variables.get(name).cloned().ok_or_else(|| {
                Problem::new(format!("the environment variable {name} is not set"))
                    .at(place.clone())
                    .hint(format!("export {name}=…"))
            }),
            Self::File { path, place } => {
                let text = std::fs::read_to_string(from.directory.join(path)).map_err(|error| {
                    Problem::new(format!("can't read {}", path.display()))
                        .at(place.clone())
                        .detail(error.to_string())
                })?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// The number in the text.
    pub(crate) fn resolve_port(&self, from: &Surroundings) -> Result<u16, Problem> {
        let text = self.resolve(from)?;
        text.trim().parse().map_err(|_| {
            let wrong = Problem::new("a port must be a number from 0 to 65535");
            match self {
                Self::Plain(_) => wrong,
                Self::Variable { name, place } => {
                    wrong.at(place.clone()).detail(format!("{name} holds something else"))
                }
                Self::File { path, place } => {
                    let said = format!("{} holds something else", path.display());
                    wrong.at(place.clone()).detail(said)
                }
            }
        })
    }
}

impl Value for Text {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong::expected(r#"a text, { env = "NAME" } or { file = "path" }"#);
        let table = match value {
            DeValue::String(text) => return Ok(Self::Plain(text.to_string())),
            DeValue::Table(table) => table,
            _ => return Err(wrong()),
        };
        let mut entries = table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return Err(wrong());
        };
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("env", DeValue::String(name)) => {
                Ok(Self::Variable { name: name.to_string(), place: place.clone() })
            }
            ("file", DeValue::String(path)) => {
                Ok(Self::File { path: path.as_ref().into(), place: place.clone() })
            }
            (other, _) => Err(Wrong {
                detail: Some(format!("found a table with {other:?}")),
                hint: did_you_mean(other, ["env", "file"]),
                ..wrong()
            }),
        }
    }
}

/// A port: a number, or a [`Text`] that holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port(pub(crate) Text);

impl Value for Port {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let wrong = |_| Wrong::expected("a port number from 0 to 65535");
        match value {
            DeValue::Integer(_) => {
                let port = u64::read(value, place)?;
                let port = u16::try_from(port).map_err(|_| wrong(()))?;
                Ok(Self(Text::Plain(port.to_string())))
            }
            DeValue::String(text) if text.parse::<u16>().is_err() => Err(wrong(())),
            _ => Text::read(value, place).map(Self),
        }
    }
}

impl Value for String {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(Wrong::expected("a text")),
        }
    }
}

impl Value for PathBuf {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        String::read(value, place).map(Self::from).map_err(|_| Wrong::expected("a path"))
    }
}

impl Value for bool {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        match value {
            DeValue::Boolean(yes) => Ok(*yes),
            _ => Err(Wrong::expected("true or false")),
        }
    }
}

impl Value for u64 {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong::expected("a whole number, 0 or more");
        match value {
            DeValue::Integer(digits) => {
                Self::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

impl Value for u16 {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let number = u64::read(value, place)?;
        Self::try_from(number).map_err(|_| Wrong::expected("a smaller number"))
    }
}

impl Value for u32 {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let number = u64::read(value, place)?;
        Self::try_from(number).map_err(|_| Wrong::expected("a smaller number"))
    }
}

impl Value for usize {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let number = u64::read(value, place)?;
        Self::try_from(number).map_err(|_| Wrong::expected("a smaller number"))
    }
}

impl Value for Vec<String> {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong::expected("a list of texts");
        match value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| String::read(item.get_ref(), place).map_err(|_| wrong()))
                .collect(),
            _ => Err(wrong()),
        }
    }
}

impl Value for Duration {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong::expected(r#"a duration such as "250ms", "10s", "5m" or "2h""#);
        match value {
            DeValue::String(text) => parse_duration(text).ok_or_else(wrong),
            DeValue::Integer(digits) => Err(Wrong {
                hint: Some(format!("say the unit: \"{}s\"", digits.as_str())),
                ..wrong()
            }),
            _ => Err(wrong()),
        }
    }
}

/// A number of bytes, written `"64MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct ByteSize(pub(crate) u64);

impl ByteSize {
    /// As a size of memory; what is larger than memory can be is as good as no limit.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Value for ByteSize {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong::expected(r#"a size such as "512KiB", "64MiB" or "2GiB""#);
        match value {
            DeValue::String(text) => parse_size(text).map(Self).ok_or_else(wrong),
            DeValue::Integer(digits) => Err(Wrong {
                hint: Some(format!("say the unit: \"{}B\"", digits.as_str())),
                ..wrong()
            }),
            _ => Err(wrong()),
        }
    }
}

/// The one of these words that the text is.
pub(crate) fn one_of(value: &DeValue<'_>, words: &[&'static str]) -> Result<&'static str, Wrong> {
    let wrong = || Wrong::expected(format!("one of {}", words.join(", ")));
    let DeValue::String(word) = value else { return Err(wrong()) };
    words.iter().copied().find(|known| *known == word).ok_or_else(|| Wrong {
        detail: Some(format!("found {word:?}")),
        hint: did_you_mean(word, words.iter().copied()),
        ..wrong()
    })
}

/// A duration such as `250ms` or `3d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// `"10 s"` as 10 and `s`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_duration("10"), None);
        assert_eq!(parse_duration("s"), None);
        assert_eq!(parse_duration("-1s"), None);
        assert_eq!(parse_duration("99999999999999999h"), None);
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("1GB"), Some(1_000_000_000));
        assert_eq!(parse_size("64"), None);
        assert_eq!(parse_size("64mb"), None);
    }

    #[test]
    fn a_text_in_a_file_loses_only_its_line_end() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("password"), " top secret \n").expect("written");
        let from =
            Surroundings { directory: directory.path().to_owned(), variables: BTreeMap::new() };
        let place = Place::of_span("syncline.toml", "", 0..0);
        let text = Text::File { path: "password".into(), place };
        assert_eq!(text.resolve(&from), Ok(" top secret ".to_owned()));
    }
}
