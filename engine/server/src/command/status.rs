//! `status`: what the running Syncline of this project is doing.

use super::Context;
use crate::live::ask;
use crate::problem::{Exit, Outcome};

/// Prints the status as the running process words it.
pub(crate) async fn run(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let accept = if context.output.is_json() { "application/json" } else { "text/plain" };
    context.output.text(&ask(&project.state(), "/status", accept).await?);
    Ok(Exit::Ok)
}
