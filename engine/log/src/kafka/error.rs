//! What Kafka's errors mean for whoever runs us.

use super::settings::{KafkaSettings, Purpose};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use syncline_core::{Error, Kind};

/// An error as ours: `what` was wanted, `said` is what the client told beside it.
pub(super) fn of(
    what: String,
    error: &KafkaError,
    settings: &KafkaSettings,
    used: &Purpose,
    said: Option<String>,
) -> Error {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    let said = said.unwrap_or_default();
    let (kind, hint) = meaning(code, &said, settings, used);
    let facts = match code {
        Some(code) => code.to_string(),
        None => error.to_string(),
    };
    let detail = if said.is_empty() { facts } else { format!("{facts}; {said}") };
    let error = Error::new(kind, what).detail(detail);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn meaning(
    code: Option<Code>,
    said: &str,
    settings: &KafkaSettings,
    used: &Purpose,
) -> (Kind, Option<String>) {
    let section = used.section();
    let away =
        || Some(format!("do the brokers run? brokers = {:?} in [{section}]", settings.brokers));
    let login = || Some(format!("check user, password and mechanism in [{section}.sasl]"));
    match code {
        _ if is_login(said) => (Kind::Config, login()),
        _ if said.contains("SSL") => {
            let hint = format!(
                "check tls in [{section}], and that brokers are named as in their certificates"
            );
            (Kind::Config, Some(hint))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => (Kind::Config, login()),
        Some(
            code @ (Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed),
        ) => (Kind::Config, Some(rights(code, settings, used))),
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            let hint = format!(
                "raise max.message.bytes of the topic, or lower message_bytes_max in [{section}], which is {}",
                settings.message_bytes_max
            );
            (Kind::Config, Some(hint))
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            let hint = "it was there; was it deleted? what was in it has to be copied again: syncline backfill --all";
            (Kind::Unavailable, Some(hint.to_owned()))
        }
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => (
            Kind::Fenced,
            Some("another worker has taken over; this one waits for its turn".to_owned()),
        ),
        Some(Code::InvalidTransactionTimeout) => (
            Kind::Config,
            Some("set transaction.max.timeout.ms of the brokers to 600000 or more".to_owned()),
        ),
        Some(Code::InvalidReplicationFactor) => (
            Kind::Config,
            Some(format!("set replicas in [{section}] to no more than there are brokers")),
        ),
        Some(Code::PolicyViolation | Code::InvalidConfig | Code::InvalidTopic) => {
            (Kind::Config, None)
        }
        Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => {
            let hint =
                "fewer brokers are in sync than min.insync.replicas: bring the missing ones back";
            (Kind::Unavailable, Some(hint.to_owned()))
        }
        Some(Code::OffsetOutOfRange) => {
            let hint = "copy what it reads again: syncline backfill --all";
            (Kind::Corrupt, Some(hint.to_owned()))
        }
        Some(_) => (Kind::Unavailable, away()),
        None => (Kind::Config, None),
    }
}

fn rights(code: Code, settings: &KafkaSettings, used: &Purpose) -> String {
    let prefix = &settings.prefix;
    match (used, code) {
        (Purpose::Topics { .. }, _) => {
            "let our user Describe and Read the topics, and Read the group".to_owned()
        }
        (Purpose::Feeds { .. }, Code::TopicAuthorizationFailed) => format!(
            "let our user Describe, DescribeConfigs and Write the topics, and Create, Describe, DescribeConfigs, \
             Read and Write those whose names begin with {prefix:?}"
        ),
        (_, Code::TransactionalIdAuthorizationFailed) => {
            format!("let our user Describe and Write transactional ids that begin with {prefix:?}")
        }
        (_, Code::GroupAuthorizationFailed) => {
            format!("let our user Read and Describe groups that begin with {prefix:?}")
        }
        (Purpose::Log | Purpose::Feeds { .. }, _) => format!(
            "let our user Create, Describe, DescribeConfigs, Read, Write and Delete topics whose names \
             begin with {prefix:?} (and IdempotentWrite on the cluster, where brokers are older than 2.8)"
        ),
    }
}

/// The client tells of refused logins beside its answers, which only say that they took too long.
fn is_login(said: &str) -> bool {
    said.contains("authentication") || said.contains("Authentication") || said.contains("SASL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: Code, said: &str) -> Error {
        let settings = KafkaSettings { brokers: vec!["b:1".into()], ..KafkaSettings::default() };
        let said = Some(said.to_owned()).filter(|said| !said.is_empty());
        of("can't".to_owned(), &KafkaError::Global(code), &settings, &Purpose::Log, said)
    }

    #[test]
    fn every_kind_of_trouble_says_what_mends_it() {
        for (code, said, kind, hint) in [
            (Code::AllBrokersDown, "", Kind::Unavailable, "[\"b:1\"]"),
            (Code::OperationTimedOut, "SASL authentication error", Kind::Config, "[log.sasl]"),
            (Code::BrokerTransportFailure, "SSL handshake failed", Kind::Config, "certificates"),
            (Code::TopicAuthorizationFailed, "", Kind::Config, "begin with \"syncline\""),
            (Code::TransactionalIdAuthorizationFailed, "", Kind::Config, "transactional ids"),
            (Code::GroupAuthorizationFailed, "", Kind::Config, "groups that begin"),
            (Code::MessageSizeTooLarge, "", Kind::Config, "message_bytes_max"),
            (Code::UnknownTopicOrPartition, "", Kind::Unavailable, "deleted"),
            (Code::InvalidReplicationFactor, "", Kind::Config, "replicas"),
            (Code::NotEnoughReplicas, "", Kind::Unavailable, "in sync"),
            (Code::OffsetOutOfRange, "", Kind::Corrupt, "backfill"),
        ] {
            let error = told(code, said);
            assert_eq!(error.kind(), kind, "{code:?}");
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{error:?}");
            assert!(error.detail_text().is_some_and(|text| text.contains(said)), "{error:?}");
        }
    }

    #[test]
    fn what_an_administrator_is_refused_counts_like_anything_else() {
        let settings = KafkaSettings::default();
        let error = KafkaError::AdminOp(Code::BrokerTransportFailure);
        let error = of("can't".to_owned(), &error, &settings, &Purpose::Log, None);
        assert_eq!(error.kind(), Kind::Unavailable);
    }

    #[test]
    fn topics_of_others_are_named_by_their_section() {
        let settings = KafkaSettings::default();
        let used = Purpose::Topics { section: "systems.sis".into() };
        let said = Some("SASL authentication error".to_owned());
        let error = KafkaError::Global(Code::OperationTimedOut);
        let error = of("can't".to_owned(), &error, &settings, &used, said);
        assert_eq!(
            error.hint_text(),
            Some("check user, password and mechanism in [systems.sis.sasl]")
        );
    }
}
