//! The README's tour, done by a test exactly as it is written there.
//!
//! Every ```` ```sh ```` block of the section is run by one bash, one after the other; the lines of
//! the ```` ```text ```` block that follows must be in what it printed, in that order. Where it says `localhost:5432`, the test has a server of its own.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use syncline_demo::{Access, Cluster, ClusterOptions, Durability};
use syncline_tests::program;

const SECTION: &str = "## The ten-minute tour";
const SERVER: &str = "localhost:5432";

/// A block of commands, and what they must print.
#[derive(Debug, Default)]
struct Step {
    commands: String,
    printed: Vec<String>,
}

#[tokio::test]
async fn the_tour_goes_as_the_readme_says() -> Result<()> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let steps = steps(&std::fs::read_to_string(readme)?)?;
    ensure!(steps.len() >= 6, "the tour has its steps");
    let cluster = Cluster::start(ClusterOptions {
        access: Access::Loopback,
        durability: Durability::None,
        ..ClusterOptions::default()
    })?;
    let printed = run(&script(&steps, &cluster), &cluster)?;
    for (number, (step, printed)) in steps.iter().zip(printed.split("\n@end ")).enumerate() {
        expect(number + 1, step, printed)?;
    }
    Ok(())
}

/// The blocks of the tour.
fn steps(readme: &str) -> Result<Vec<Step>> {
    let (_, section) = readme.split_once(SECTION).context("README has the tour")?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in section.lines() {
        match (block, line) {
            (None, "```sh") => {
                steps.push(Step::default());
                block = Some("sh");
            }
            (None, "```text") => block = Some("text"),
            (None, fence) if fence.starts_with("```") => block = Some("other"),
            (Some(_), "```") => block = None,
            (Some("sh"), command) => {
                let step = steps.last_mut().context("begun by its fence")?;
                step.commands += command;
                step.commands += "\n";
            }
            (Some("text"), line) if !line.trim().is_empty() => {
                let step = steps.last_mut().context("text follows commands")?;
                step.printed.push(line.trim().to_owned());
            }
            _ => {}
        }
    }
    Ok(steps)
}

fn script(steps: &[Step], cluster: &Cluster) -> String {
    let blocks: Vec<String> =
        steps.iter().map(|step| format!("{}\nprintf '\\n@end \\n'\n", step.commands)).collect();
    blocks.concat().replace(SERVER, &format!("localhost:{}", cluster.port()))
}

fn run(script: &str, cluster: &Cluster) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let program = program()?;
    let beside = program.directory().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    // What the tour waits for may never come.
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(directory.path())
        .env("PATH", format!("{}:{path}", beside.display()))
        .env("PGHOST", cluster.host())
        .env("PGPORT", cluster.port().to_string())
        .env("PGUSER", cluster.superuser())
        .stdin(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every line is in what was printed, in order; one that ends in `…` by its start.
fn expect(number: usize, step: &Step, printed: &str) -> Result<()> {
    let mut rest = printed.lines().map(str::trim);
    for line in &step.printed {
        let found = rest.any(|printed| match line.strip_suffix('…') {
            Some(start) => printed.starts_with(start),
            None => printed == line,
        });
        ensure!(found, "step {number}: {line:?} is not in\n{printed}\nof\n{}", step.commands);
    }
    Ok(())
}
