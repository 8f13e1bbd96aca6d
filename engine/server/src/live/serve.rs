//! `/metrics`, `/status`, `/health`, `/parked`, `/why`, `/plan` and `/verify`, on loopback unless the project says otherwise.

use super::observe::Watching;
use super::set_aside::before_entities;
use super::text::to_text;
use super::verify::{progress_page, verify_page};
use super::why::{plan_page, why_page};
use crate::clock::SystemClock;
use crate::metrics;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::verify::{Outcomes, Verifier};
use crate::weighing::Weighing;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, serve as serve_connections};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{Checkpoints, ReaderName};
use syncline_runtime::{Clock as _, Registry};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The file in the state directory that holds the address served at.
pub(crate) const ADDRESS_FILE: &str = "http";

/// What is served.
#[derive(Clone)]
pub(crate) struct Served {
    /// Reports as they come.
    pub(crate) watching: Watching,
    /// The counters of all loops.
    pub(crate) registry: Arc<Registry>,
    /// Where rows rest that did not reach their entities.
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    /// The readers of resolves.
    pub(crate) resolves: Vec<ReaderName>,
    /// The claims of all entities.
    pub(crate) weighing: Weighing,
    /// What compares targets with what they should hold.
    pub(crate) verifier: Verifier,
    /// What that found.
    pub(crate) outcomes: Outcomes,
}

/// Pages that are served, until dropped. A file in the state directory tells where.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where.
    pub(crate) address: SocketAddr,
    file: PathBuf,
    /// Dropped, it asks all connections to end.
    open: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// How long connections may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Serving {
    /// Listens, and serves from now on.
    pub(crate) async fn begin(listen: SocketAddr, state: &Path, routes: Router) -> Outcome<Self> {
        let failed = |error: std::io::Error| {
            let wrong = Problem::new(format!("can't listen on {listen}"))
                .detail(error.to_string())
                .hint("set another listen under [http]; port 0 takes any free one".to_owned());
            Failure::new(Exit::Config, wrong)
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let file = state.join(ADDRESS_FILE);
        std::fs::write(&file, address.to_string())
            .map_err(|error| Failure::io(format!("can't write {}", file.display()), &error))?;
        let (open, is_closed) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
            let serving = serve_connections(listener, routes);
            let until_closed = serving.with_graceful_shutdown(async move {
                let _ = is_closed.await;
            });
            if let Err(error) = until_closed.await {
                tracing::warn!("HTTP ended: {error}");
            }
        });
        Ok(Self { address, file, open: Some(open), task })
    }

    /// Ends serving; afterwards the address is free.
    pub(crate) async fn end(mut self) {
        self.open = None;
        if timeout(END_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The pages of a running engine.
pub(crate) fn routes(served: Served) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/status", get(status_page))
        .route("/health", get(health_page))
        .route("/parked", get(parked_page))
        .route("/why", get(why_page))
        .route("/plan", post(plan_page))
        .route("/verify", get(progress_page).post(verify_page))
        .with_state(served)
}

async fn metrics_page(State(served): State<Served>) -> Response {
    let status = served.registry.status(SystemClock.now());
    let page = metrics::render(&status, &served.outcomes.all());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}

/// JSON; text for those who ask for it.
async fn status_page(State(served): State<Served>, headers: HeaderMap) -> Response {
    let report = served.watching.borrow().clone();
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.starts_with("text/plain")) {
        return to_text(&report).into_response();
    }
    Json(report.as_ref()).into_response()
}

/// 200 while no loop has failed for good, else 503 with the names of those that have.
async fn health_page(State(served): State<Served>) -> Response {
    let report = served.watching.borrow().clone();
    let stopped: Vec<&str> = report.stopped().map(|(name, _)| name).collect();
    let code = if stopped.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = json!({ "well": stopped.is_empty(), "stopped": stopped });
    (code, Json(said)).into_response()
}

/// The rows that did not reach their entities.
async fn parked_page(State(served): State<Served>) -> Response {
    match before_entities(served.checkpoints.as_ref(), &served.resolves) {
        Ok(rows) => Json(rows).into_response(),
        Err(failure) => (StatusCode::INTERNAL_SERVER_ERROR, Json(failure.problems)).into_response(),
    }
}
