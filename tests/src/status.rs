//! What a running program says of itself over HTTP.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

/// What the program that runs a project answers to a GET.
///
/// # Errors
/// When none runs, or it does not answer.
pub fn ask(project: &Path, path: &str) -> Result<String> {
    let address = std::fs::read_to_string(project.join(".syncline/http"))?;
    let mut stream = TcpStream::connect(address.trim())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", address.trim())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    Ok(body.to_owned())
}

/// Whether all first copies are done and changes stream. Not so while nothing answers, or it stands by.
///
/// # Errors
/// When the answer is not what it should be.
pub fn is_streaming(project: &Path) -> Result<bool> {
    let Ok(status) = ask(project, "/status") else { return Ok(false) };
    let status: serde_json::Value = serde_json::from_str(&status)?;
    if status["standing_by"] == true {
        return Ok(false);
    }
    let captures = status["captures"].as_object().context("status has captures")?;
    Ok(!captures.is_empty() && captures.values().all(|capture| capture["streaming"] == true))
}

/// Fails when a loop of the program that runs a project stopped for good; while nothing answers
/// there is nothing to say.
///
/// # Errors
/// When one did; with its name.
pub fn check_health(project: &Path) -> Result<()> {
    let Ok(health) = ask(project, "/health") else { return Ok(()) };
    anyhow::ensure!(health.contains("\"well\":true"), "{health}");
    Ok(())
}
