//! What a worker serves that stands by: that it is well, and who has the project.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;

/// Says which other worker has the project; none where that can't be told. Blocks.
pub(crate) type WhoWorks = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// A worker that stands by.
#[derive(Clone)]
struct Standby {
    project: String,
    who: WhoWorks,
}

/// What it says of itself.
#[derive(Debug, Serialize)]
struct Said {
    project: String,
    version: &'static str,
    process: u32,
    standing_by: bool,
    /// The host of the worker that has the project.
    works: Option<String>,
}

/// The pages of a worker of a project that stands by.
pub(crate) fn standing_by(project: &str, who: WhoWorks) -> Router {
    Router::new()
        .route("/status", get(status_page))
        .route("/health", get(health_page))
        .route("/metrics", get(metrics_page))
        .fallback(elsewhere)
        .with_state(Standby { project: project.to_owned(), who })
}

/// In a sentence.
pub(crate) fn sentence(works: Option<&str>) -> String {
    match works {
        Some(host) => format!("standing by: a worker at {host} has the project"),
        None => "standing by".to_owned(),
    }
}

async fn who_works(standby: &Standby) -> Option<String> {
    let who = standby.who.clone();
    tokio::task::spawn_blocking(move || who()).await.ok().flatten()
}

/// JSON; text for those who ask for it.
async fn status_page(State(standby): State<Standby>, headers: HeaderMap) -> Response {
    let works = who_works(&standby).await;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.starts_with("text/plain")) {
        return format!("{}, {}\n", standby.project, sentence(works.as_deref())).into_response();
    }
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    Json(Said { project: standby.project, version, process, standing_by: true, works })
        .into_response()
}

async fn health_page() -> Response {
    Json(serde_json::json!({ "well": true, "stopped": [], "standing_by": true })).into_response()
}

async fn metrics_page() -> Response {
    let page = crate::metrics::STANDING_BY;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}

/// Everything else is asked of the worker that has the project.
async fn elsewhere(State(standby): State<Standby>) -> Response {
    let works = who_works(&standby).await;
    (StatusCode::SERVICE_UNAVAILABLE, sentence(works.as_deref())).into_response()
}
