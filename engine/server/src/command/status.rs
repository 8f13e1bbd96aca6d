//! `status`: what the running Syncline of this project is doing, asked over HTTP.

use super::Context;
use crate::live::ADDRESS_FILE;
use crate::problem::{Exit, Failure, Outcome, Problem};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the running process may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Prints the status as the running process words it.
pub(crate) async fn run(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let file = project.state().join(ADDRESS_FILE);
    let Ok(address) = std::fs::read_to_string(&file) else { return Err(nobody_runs(None)) };
    let accept = if context.output.is_json() { "application/json" } else { "text/plain" };
    let status = timeout(ANSWER_TIMEOUT, get(address.trim(), "/status", accept))
        .await
        .map_err(|_| nobody_runs(Some("it does not answer in time".into())))?
        .map_err(|error| nobody_runs(Some(format!("{}: {error}", address.trim()))))?;
    context.output.text(&status);
    Ok(Exit::Ok)
}

fn nobody_runs(detail: Option<String>) -> Failure {
    let wrong = Problem::new("no Syncline runs for this project");
    let wrong = Problem { detail, ..wrong }.hint("start it with `syncline run`".to_owned());
    Failure::new(Exit::Unavailable, wrong)
}

/// The body that a small server on this machine answers with.
async fn get(address: &str, path: &str, accept: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other("the answer is not a status")),
    }
}
