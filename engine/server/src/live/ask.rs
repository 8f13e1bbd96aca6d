//! Asks the running process of a project over HTTP.

use super::serve::ADDRESS_FILE;
use crate::problem::{Exit, Failure, Outcome, Problem};
use std::io::{Error, Result};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the running process may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the process that works in this state directory answers.
pub(crate) async fn ask(state: &Path, path: &str, accept: &str) -> Outcome<String> {
    ask_for(state, &format!("GET {path} HTTP/1.1\r\nAccept: {accept}\r\n"), "", ANSWER_TIMEOUT)
        .await
}

/// What it answers to JSON that it is sent, within so long.
pub(crate) async fn ask_with(
    state: &Path,
    path: &str,
    json: &str,
    longest: Duration,
) -> Outcome<String> {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n");
    ask_for(state, &head, json, longest).await
}

/// `head` is the request line and headers of its own, each with its end of line.
async fn ask_for(state: &Path, head: &str, body: &str, longest: Duration) -> Outcome<String> {
    let Ok(address) = std::fs::read_to_string(state.join(ADDRESS_FILE)) else {
        return Err(nobody_runs(None));
    };
    let address = address.trim();
    let answer = timeout(longest, send(address, head, body))
        .await
        .map_err(|_| nobody_runs(Some(format!("{address} does not answer in time"))))?
        .map_err(|error| nobody_runs(Some(format!("{address}: {error}"))))?;
    match answer {
        Answer::Good(body) => Ok(body),
        Answer::Elsewhere(said) => Err(elsewhere(&said)),
    }
}

/// What a process says.
enum Answer {
    Good(String),
    /// It stands by: who has the project, in a sentence.
    Elsewhere(String),
}

fn elsewhere(said: &str) -> Failure {
    let wrong = Problem::new("the Syncline that runs here can't answer that").detail(said);
    let wrong = wrong.hint("ask where the project is worked on".to_owned());
    Failure::new(Exit::Unavailable, wrong)
}

fn nobody_runs(detail: Option<String>) -> Failure {
    let wrong = Problem::new("no Syncline runs for this project");
    let wrong = Problem { detail, ..wrong }.hint("start it with `syncline run`".to_owned());
    Failure::new(Exit::Unavailable, wrong)
}

/// The body that a small server on this machine answers with.
async fn send(address: &str, head: &str, body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{head}Host: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(Answer::Good(body.to_owned())),
        Some((head, body)) if head.starts_with("HTTP/1.1 503") => {
            Ok(Answer::Elsewhere(body.trim().to_owned()))
        }
        _ => Err(Error::other(format!(
            "no good answer to {}",
            head.lines().next().unwrap_or_default()
        ))),
    }
}
