//! Asks the databases, writes the files, and checks them.

use super::address::Address;
use super::proposal::{Proposal, propose, propose_all};
use crate::arguments::Init;
use crate::checked::{self, Checked};
use crate::command::Context;
use crate::problem::{Exit, Failure, Outcome, Problem, did_you_mean};
use crate::project::{LOCK_FILE, Project, SETTINGS_FILE};
use serde::Serialize;
use std::fs;
use std::path::Path;
use syncline_core::CatalogTable;

#[derive(Serialize)]
struct Report {
    directory: String,
    tables: usize,
    files: Vec<String>,
    /// Variables that must be set from now on.
    variables: Vec<String>,
    problems: Vec<Problem>,
}

/// Writes a project; exits with 1 where a proposed mapping needs a person's hand.
pub(crate) async fn run(context: &Context, init: Init) -> Outcome<Exit> {
    let addresses = parse_addresses(&init.systems)?;
    refuse_existing(&init.directory)?;
    let mut tables = Vec::new();
    for address in &addresses {
        context.output.progress(&format!("asking {} for its tables", address.name));
        tables.extend(syncline_postgres::inspect(&address.name, &address.settings()).await?);
    }
    let proposals = match (&init.from, &init.to) {
        (Some(from), Some(to)) => vec![propose_pair(find(&tables, from)?, find(&tables, to)?)?],
        _ => {
            let names: Vec<String> = addresses.iter().map(|a| a.name.to_string()).collect();
            propose_all(&tables, &names)
        }
    };
    let files = write_project(&init.directory, &addresses, &proposals)?;
    let project = Project::open(&init.directory)?;
    let lock = crate::project::Lock::of(tables);
    project.write_lock(&lock)?;
    let Checked { problems, .. } = checked::check(&project, &lock);
    let report = Report {
        directory: init.directory.display().to_string(),
        tables: lock.tables.len(),
        files,
        variables: unset_variables(&addresses),
        problems,
    };
    let exit =
        if report.problems.iter().any(Problem::is_error) { Exit::Findings } else { Exit::Ok };
    context.output.result(&report, to_text);
    Ok(exit)
}

fn propose_pair(source: &CatalogTable, target: &CatalogTable) -> Outcome<Proposal> {
    propose(source, target).ok_or_else(|| {
        let (source, target) = (source.schema.name(), target.schema.name());
        Problem::new(format!("{source} and {target} have no column in common"))
            .detail("a column is proposed where name and type are the same")
            .hint(
                "write the mapping by hand; `syncline init` without --from writes the rest"
                    .to_owned(),
            )
            .into()
    })
}

fn parse_addresses(systems: &[String]) -> Outcome<Vec<Address>> {
    let mut addresses: Vec<Address> = Vec::new();
    for text in systems {
        let address = Address::parse(text).map_err(|problem| Failure::new(Exit::Usage, problem))?;
        if addresses.iter().any(|other| other.name == address.name) {
            let wrong = Problem::new(format!("--system {} is given twice", address.name));
            return Err(Failure::new(Exit::Usage, wrong));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn refuse_existing(directory: &Path) -> Outcome<()> {
    let settings = directory.join(SETTINGS_FILE);
    if settings.exists() {
        let wrong = Problem::new(format!("{} is there already", settings.display()))
            .hint("name another directory, or run `syncline lock` there".to_owned());
        return Err(wrong.into());
    }
    Ok(())
}

fn find<'t>(tables: &'t [CatalogTable], name: &str) -> Outcome<&'t CatalogTable> {
    let named = |table: &&CatalogTable| table.schema.name().to_string() == name;
    tables.iter().find(named).ok_or_else(|| {
        let names: Vec<String> =
            tables.iter().map(|table| table.schema.name().to_string()).collect();
        Problem::new(format!("unknown table {name:?}"))
            .detail(format!("the systems have {}", names.join(", ")))
            .hint(did_you_mean(name, names.iter().map(String::as_str)))
            .into()
    })
}

fn write_project(
    directory: &Path,
    addresses: &[Address],
    proposals: &[Proposal],
) -> Outcome<Vec<String>> {
    let mut files = vec![
        (SETTINGS_FILE.to_owned(), settings_text(directory, addresses)),
        (".gitignore".to_owned(), ".syncline/\n".to_owned()),
    ];
    files.extend(proposals.iter().map(|proposal| (proposal.path.clone(), proposal.sql.clone())));
    for (path, text) in &files {
        let failed = |error: std::io::Error| Failure::io(format!("can't write {path}"), &error);
        let full = directory.join(path);
        fs::create_dir_all(full.parent().unwrap_or(directory)).map_err(failed)?;
        fs::write(full, text).map_err(failed)?;
    }
    let mut names: Vec<String> = files.into_iter().map(|(path, _)| path).collect();
    names.push(LOCK_FILE.to_owned());
    Ok(names)
}

fn settings_text(directory: &Path, addresses: &[Address]) -> String {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or("project");
    let systems: Vec<String> =
        addresses.iter().map(|a| a.to_toml(a.settings().password.is_some())).collect();
    format!(
        "[project]\nname = {}\ntime_zone = \"UTC\"\n\n{}",
        toml_edit::Value::from(name),
        systems.join("\n")
    )
}

/// Passwords that were in an address: the project asks the environment for them from now on.
fn unset_variables(addresses: &[Address]) -> Vec<String> {
    let held = addresses.iter().filter(|address| address.holds_password());
    held.map(Address::password_variable).filter(|name| std::env::var_os(name).is_none()).collect()
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    if !report.problems.is_empty() {
        text += &crate::render::problems(&report.problems);
        text.push('\n');
    }
    text += &format!("{} has {} tables locked, and\n", report.directory, report.tables);
    text.extend(report.files.iter().map(|file| format!("  {file}\n")));
    if !report.variables.is_empty() {
        text += &format!("set before the next command: {}\n", report.variables.join(", "));
    }
    text += &format!("next: syncline check --project {}\n", report.directory);
    text
}
