//! What Kafka's errors mean for whoever runs us.

use super::settings::KafkaSettings;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use syncline_core::{Error, Kind};

/// An error as ours: `what` was wanted, `said` is what the client told beside it.
pub(super) fn of(
    what: String,
    error: &KafkaError,
    settings: &KafkaSettings,
    said: Option<String>,
) -> Error {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    let said = said.unwrap_or_default();
    let (kind, hint) = meaning(code, &said, settings);
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

fn meaning(code: Option<Code>, said: &str, settings: &KafkaSettings) -> (Kind, Option<String>) {
    let prefix = &settings.prefix;
    let away = || Some(format!("do the brokers run? brokers = {:?} in [log]", settings.brokers));
    match code {
        _ if is_login(said) => {
            (Kind::Config, Some("check user, password and mechanism in [log.sasl]".to_owned()))
        }
        _ if said.contains("SSL") => {
            let hint = "check tls in [log], and that brokers are named as in their certificates";
            (Kind::Config, Some(hint.to_owned()))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            (Kind::Config, Some("check user, password and mechanism in [log.sasl]".to_owned()))
        }
        Some(Code::TransactionalIdAuthorizationFailed) => {
            let hint = format!(
                "let our user Describe and Write transactional ids that begin with {prefix:?}"
            );
            (Kind::Config, Some(hint))
        }
        Some(Code::GroupAuthorizationFailed) => {
            let hint = format!("let our user Read and Describe groups that begin with {prefix:?}");
            (Kind::Config, Some(hint))
        }
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            let hint = format!(
                "let our user Create, Describe, DescribeConfigs, Read, Write and Delete topics whose names \
                 begin with {prefix:?} (and IdempotentWrite on the cluster, where brokers are older than 2.8)"
            );
            (Kind::Config, Some(hint))
        }
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            let hint = format!(
                "raise max.message.bytes of the topic, or lower message_bytes_max in [log], which is {}",
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
        Some(Code::InvalidReplicationFactor) => (
            Kind::Config,
            Some("set replicas in [log] to no more than there are brokers".to_owned()),
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
        of("can't".to_owned(), &KafkaError::Global(code), &settings, said)
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
        assert_eq!(of("can't".to_owned(), &error, &settings, None).kind(), Kind::Unavailable);
    }
}
