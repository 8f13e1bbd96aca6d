//! `/verify`: what the mappings say against what the targets hold, asked and answered.
//!
//! A POST of a request is answered once all is verified; a GET says how far that is. Whoever asked and goes away
//! stops it. It names keys, so only this machine is answered.

use super::ask::{ask, ask_with};
use super::serve::Served;
use super::why::{is_this_machine, understood};
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::verify::{Progress, Request, Verified};
use crate::weighing::Refusal;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// How long a verification may take.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Verified(Verified),
    Refused(Refusal),
}

pub(super) async fn verify_page(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(served): State<Served>,
    Json(request): Json<Request>,
) -> Response {
    if !is_this_machine(peer.ip()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    Json(match served.verifier.verify(&request).await {
        Ok(verified) => Answer::Verified(verified),
        Err(error) => Answer::Refused(error.into()),
    })
    .into_response()
}

pub(super) async fn progress_page(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(served): State<Served>,
) -> Response {
    match is_this_machine(peer.ip()) {
        true => Json(served.verifier.progress()).into_response(),
        false => StatusCode::FORBIDDEN.into_response(),
    }
}

/// Has the running process of a project verify tables.
pub(crate) async fn ask_verified(state: &Path, request: &Request) -> Outcome<Verified> {
    // Whether it runs at all, and answers.
    ask_progress(state).await?;
    let json = serde_json::to_string(request).expect("a request is plain data");
    let answer = ask_with(state, "/verify", &json, LONGEST).await.map_err(cut_off)?;
    match understood(&answer)? {
        Answer::Verified(verified) => Ok(verified),
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

/// How far the running process is.
pub(crate) async fn ask_progress(state: &Path) -> Outcome<Progress> {
    understood(&ask(state, "/verify", "application/json").await?)
}

fn cut_off(failure: Failure) -> Failure {
    let detail = failure.problems.into_iter().find_map(|problem| problem.detail);
    let wrong = Problem::new("the Syncline that was verifying ended before it was done");
    let wrong = Problem { detail, ..wrong };
    Failure::new(
        Exit::Unavailable,
        wrong.hint("nothing is known of what it verified: ask again once it runs".to_owned()),
    )
}
