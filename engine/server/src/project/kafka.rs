//! `[log]` of `kind = "kafka"`: which brokers, how to log in there, and the limits. Systems that are topics are
//! reached the same way.
//!
//! As with systems, texts that live in the environment or in files are resolved only when the log is
//! used.

use super::document::{Section, Value, Wrong};
use super::limits::{positive, set};
use super::values::{ByteSize, Surroundings, Text, one_of};
use crate::problem::{Place, Problem};
use std::path::PathBuf;
use syncline_core::Secret;
use syncline_log::{Compression, KafkaSettings, Sasl, Security, Tls};
use toml::de::DeValue;

/// The log on Kafka as the project writes it.
#[derive(Debug)]
pub(crate) struct Kafka {
    reach: Reach,
    /// Everything else; brokers and security are filled in when they are looked up.
    settings: KafkaSettings,
}

/// Brokers, and the way in.
#[derive(Debug)]
pub(super) struct Reach {
    brokers: Vec<Text>,
    /// Encryption, with paths from the project directory.
    tls: Option<Tls>,
    login: Option<Login>,
}

/// `[log.sasl]`.
#[derive(Debug)]
enum Login {
    Password { mechanism: Password, user: Text, password: Text },
    Token { url: Text, client: Text, secret: Text, scope: Option<String> },
}

#[derive(Debug, Clone, Copy)]
enum Password {
    Scram256,
    Scram512,
    Plain,
}

impl Kafka {
    /// `project` is what topics are named after where `prefix` isn't said.
    pub(super) fn from_section(section: &Section<'_>, project: &str) -> Option<Self> {
        let reach = Reach::from_section(section);
        let mut settings =
            KafkaSettings { prefix: section.or("prefix", project.to_owned()), ..limits(section) };
        set(&mut settings.compression, section.optional("compression"));
        settings.replicas = positive(section, "replicas");
        settings.replicas_in_sync_min = positive(section, "replicas_in_sync_min");
        Some(Self { reach: reach?, settings })
    }

    /// What the log needs, every text looked up; all that is missing at once.
    pub(crate) fn resolve(&self, from: &Surroundings) -> Result<KafkaSettings, Vec<Problem>> {
        let (brokers, security) = self.reach.resolve(from)?;
        Ok(KafkaSettings { brokers, security, ..self.settings.clone() })
    }
}

impl Reach {
    pub(super) fn from_section(section: &Section<'_>) -> Option<Self> {
        let brokers = section.required::<Brokers>("brokers");
        let tls = read_tls(section);
        let login = match section.section("sasl") {
            Some(sasl) => Login::from_section(&sasl).map(Some),
            None => Some(None),
        };
        Some(Self { brokers: brokers?.0, tls: tls?, login: login? })
    }

    /// Every text looked up; all that is missing at once.
    pub(super) fn resolve(
        &self,
        from: &Surroundings,
    ) -> Result<(Vec<String>, Security), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut look_up = |text: &Text| {
            text.resolve(from).map_err(|problem| problems.push(problem)).unwrap_or_default()
        };
        let brokers = self.brokers.iter().flat_map(|text| {
            let listed = look_up(text);
            listed.split(',').map(|broker| broker.trim().to_owned()).collect::<Vec<_>>()
        });
        let brokers = brokers.filter(|broker| !broker.is_empty()).collect();
        let sasl = self.login.as_ref().map(|login| login.resolve(&mut look_up));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok((brokers, Security { tls: self.tls_in(from), sasl }))
    }

    fn tls_in(&self, from: &Surroundings) -> Option<Tls> {
        let at = |path: &PathBuf| from.directory.join(path);
        self.tls.as_ref().map(|tls| Tls {
            roots: tls.roots.as_ref().map(at),
            certificate: tls.certificate.as_ref().map(|(own, key)| (at(own), at(key))),
        })
    }
}

fn limits(section: &Section<'_>) -> KafkaSettings {
    let mut settings = KafkaSettings::default();
    let memory = |key| positive::<ByteSize>(section, key).map(ByteSize::in_memory);
    set(&mut settings.message_bytes_max, memory("message_bytes_max"));
    set(&mut settings.linger, section.optional("linger"));
    set(&mut settings.unsynced_bytes, memory("unsynced_bytes"));
    set(&mut settings.cache_bytes, memory("cache_bytes"));
    set(&mut settings.fetch_bytes, memory("fetch_bytes"));
    set(&mut settings.request_timeout, positive(section, "request_timeout"));
    set(&mut settings.session_timeout, positive(section, "session_timeout"));
    set(&mut settings.delivery_timeout, positive(section, "delivery_timeout"));
    settings
}

/// `tls`, `tls_roots`, `tls_certificate` and `tls_key`; none where something is wrong with them.
fn read_tls(section: &Section<'_>) -> Option<Option<Tls>> {
    let roots: Option<PathBuf> = section.optional("tls_roots");
    let certificate: Option<PathBuf> = section.optional("tls_certificate");
    let key: Option<PathBuf> = section.optional("tls_key");
    let is_on = section.or("tls", TlsWord("disable")).0 == "verify-full";
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (given, _) => {
            let (there, missing) = match given {
                Some(_) => ("tls_certificate", "tls_key"),
                None => ("tls_key", "tls_certificate"),
            };
            let wrong = Problem::new(format!("{there} needs {missing}"));
            section.report(there, wrong);
            return None;
        }
    };
    let said = [("tls_roots", roots.is_some()), ("tls_certificate", certificate.is_some())];
    if let Some((key, _)) = said.into_iter().find(|(_, is_said)| *is_said && !is_on) {
        let wrong = Problem::new(format!("tls = \"disable\" does not use {key}"))
            .hint("set tls = \"verify-full\"".to_owned());
        section.report(key, wrong);
        return None;
    }
    Some(is_on.then_some(Tls { roots, certificate }))
}

impl Login {
    fn from_section(section: &Section<'_>) -> Option<Self> {
        let mechanism = section.required::<Mechanism>("mechanism");
        let login = match mechanism {
            Some(Mechanism("OAUTHBEARER")) => {
                let (url, client) = (section.required("token_url"), section.required("client"));
                let (secret, scope) = (section.required("secret"), section.optional("scope"));
                url.zip(client).zip(secret).map(|((url, client), secret)| Self::Token {
                    url,
                    client,
                    secret,
                    scope,
                })
            }
            other => {
                let (user, password) = (section.required("user"), section.required("password"));
                let mechanism = other.map(|Mechanism(name)| match name {
                    "SCRAM-SHA-256" => Password::Scram256,
                    "PLAIN" => Password::Plain,
                    _ => Password::Scram512,
                });
                mechanism.zip(user).zip(password).map(|((mechanism, user), password)| {
                    Self::Password { mechanism, user, password }
                })
            }
        };
        section.finish();
        login
    }

    fn resolve(&self, look_up: &mut impl FnMut(&Text) -> String) -> Sasl {
        match self {
            Self::Password { mechanism, user, password } => {
                let (user, password) = (look_up(user), Secret::new(look_up(password)));
                match mechanism {
                    Password::Scram256 => Sasl::Scram256 { user, password },
                    Password::Scram512 => Sasl::Scram512 { user, password },
                    Password::Plain => Sasl::Plain { user, password },
                }
            }
            Self::Token { url, client, secret, scope } => Sasl::OAuth {
                token_url: look_up(url),
                client: look_up(client),
                secret: Secret::new(look_up(secret)),
                scope: scope.clone(),
            },
        }
    }
}

/// `host:port` of brokers: one text or a list of them; each may name several, with commas between.
struct Brokers(Vec<Text>);

impl Value for Brokers {
    fn read(value: &DeValue<'_>, place: &Place) -> Result<Self, Wrong> {
        let DeValue::Array(items) = value else {
            return Text::read(value, place).map(|text| Self(vec![text]));
        };
        if items.is_empty() {
            return Err(Wrong::expected("a list of \"host:port\""));
        }
        let texts = items.iter().map(|item| Text::read(item.get_ref(), place));
        texts.collect::<Result<_, _>>().map(Self)
    }
}

/// The word after `tls =`.
struct TlsWord(&'static str);

impl Value for TlsWord {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["disable", "verify-full"]).map(Self)
    }
}

/// The word after `mechanism =`, as RFCs 5802, 7677, 4616 and 7628 have it.
struct Mechanism(&'static str);

impl Value for Mechanism {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]).map(Self)
    }
}

impl Value for Compression {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let all = [Self::None, Self::Lz4, Self::Zstd, Self::Gzip, Self::Snappy];
        let word = one_of(value, &all.map(Self::as_str))?;
        Ok(all.into_iter().find(|it| it.as_str() == word).unwrap_or_default())
    }
}
