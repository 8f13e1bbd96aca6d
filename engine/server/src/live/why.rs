//! `/why` and `/plan`: what the claims say, asked and answered.
//!
//! `GET /why?entity=person&key=S1042&field=email`; a `key` for each column of the key, in its order;
//! all fields without `field`; sensitive values with `reveal=true`.
//! `POST /plan` takes rules of entities as JSON, and says what they would change.
//!
//! Both tell of people, and nobody is asked who he is: only this machine is answered, wherever else the
//! project may have the other pages served.

use super::ask::{ask, ask_with};
use super::query;
use super::serve::Served;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::weighing::{Answer, Foretold, Question};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use syncline_resolve::EntityRules;
use tokio::task::spawn_blocking;

/// How long the running process may take to go through all claims.
const PLAN_TIMEOUT: Duration = Duration::from_secs(600);

pub(super) async fn why_page(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Response {
    if !is_this_machine(peer.ip()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let pairs = query::read(&query.unwrap_or_default());
    let Some(question) = pairs.and_then(question) else {
        let said =
            "ask with entity=NAME, key=TEXT for each column of the key, and perhaps field=NAME";
        return (StatusCode::BAD_REQUEST, said).into_response();
    };
    answered(spawn_blocking(move || served.weighing.why(&question)).await)
}

pub(super) async fn plan_page(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(served): State<Served>,
    Json(rules): Json<Vec<EntityRules>>,
) -> Response {
    if !is_this_machine(peer.ip()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    answered(spawn_blocking(move || served.weighing.foretell(rules)).await)
}

pub(super) fn is_this_machine(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn answered<T: Serialize>(answer: Result<T, tokio::task::JoinError>) -> Response {
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn question(pairs: Vec<(String, String)>) -> Option<Question> {
    let (mut entity, mut field, mut key, mut reveal) = (None, None, Vec::new(), false);
    for (name, value) in pairs {
        match name.as_str() {
            "entity" => entity = Some(value),
            "field" => field = Some(value),
            "key" => key.push(value),
            "reveal" => reveal = value == "true",
            _ => return None,
        }
    }
    Some(Question { entity: entity?, key, field, reveal })
}

/// Asks the running process of a project why something is so.
pub(crate) async fn ask_why(state: &Path, question: &Question) -> Outcome<Answer> {
    let mut pairs = vec![("entity", question.entity.as_str())];
    pairs.extend(question.key.iter().map(|text| ("key", text.as_str())));
    pairs.extend(question.field.iter().map(|name| ("field", name.as_str())));
    pairs.extend(question.reveal.then_some(("reveal", "true")));
    let path = format!("/why?{}", query::write(&pairs));
    understood(&ask(state, &path, "application/json").await?)
}

/// Asks the running process of a project what these rules would change.
pub(crate) async fn ask_foretold(state: &Path, rules: &[EntityRules]) -> Outcome<Foretold> {
    let rules = serde_json::to_string(rules).expect("rules are plain data");
    understood(&ask_with(state, "/plan", &rules, PLAN_TIMEOUT).await?)
}

pub(super) fn understood<T: DeserializeOwned>(answer: &str) -> Outcome<T> {
    serde_json::from_str(answer).map_err(|error| {
        let wrong = Problem::new("the running Syncline's answer can't be understood")
            .detail(error.to_string())
            .hint("is it of another version?".to_owned());
        Failure::new(Exit::Unavailable, wrong)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_answered() {
        let answered = |peer: &str| is_this_machine(peer.parse().expect("an address"));
        assert!(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].into_iter().all(answered));
        assert!(
            !["10.0.0.7", "192.168.1.2", "::ffff:10.0.0.7", "fe80::1"].into_iter().any(answered)
        );
    }

    #[test]
    fn a_question_needs_an_entity_and_nothing_unknown() {
        let asked = |text: &str| question(query::read(text).expect("it is a query"));
        let full =
            asked("entity=person&key=a+b&key=2&field=email&reveal=true").expect("a question");
        assert_eq!((full.entity.as_str(), full.field.as_deref()), ("person", Some("email")));
        assert_eq!((full.key, full.reveal), (vec!["a b".to_owned(), "2".to_owned()], true));
        assert_eq!(asked("key=1"), None);
        assert_eq!(asked("entity=person&kye=1"), None);
    }
}
