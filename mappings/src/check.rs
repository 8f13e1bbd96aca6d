//! `check`: every mapping against both of its ends, and the mappings against each other.

mod keys;
mod plan;
mod project;

use crate::catalog::{Catalog, Checked, Options, SqlFile};
use crate::diagnostic::{Diagnostic, Report};
use crate::exact::Zone;
use crate::text::Text;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::ScalarUDF;
use plan::Planned;
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::Severity;

/// Checks all mappings of a project and plans those that have no errors. Reads nothing but its
/// arguments; finds everything at once.
#[must_use]
pub fn check(files: &[SqlFile], catalog: &Catalog, options: &Options) -> Checked {
    let (zone, mut diagnostics) = zone(options);
    let library = Library::new(zone);
    let mut planned: Vec<(&SqlFile, Option<Planned>)> = Vec::new();
    for file in files {
        let text = Text::new(&file.path, &file.text);
        let mut report = Report::new(&text);
        let plan = plan::plan(file, catalog, &library, &mut report);
        diagnostics.extend(report.into_found());
        planned.push((file, plan));
    }
    diagnostics.extend(project::check(&planned));
    sort_by_file(&mut diagnostics, files);
    let faulty = |name: &str| {
        diagnostics.iter().any(|found| found.severity == Severity::Error && found.file == name)
    };
    let mappings = planned
        .into_iter()
        .filter(|(file, _)| !faulty(&file.path))
        .filter_map(|(_, planned)| planned?.mapping)
        .collect();
    Checked { mappings, diagnostics }
}

/// What expressions are built from, the same for all mappings and policies.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) zone: Zone,
    pub(crate) functions: HashMap<String, Arc<ScalarUDF>>,
    pub(crate) config: Arc<ConfigOptions>,
}

impl Library {
    pub(crate) fn new(zone: Zone) -> Self {
        let functions = datafusion::functions::all_default_functions()
            .into_iter()
            .map(|function| (function.name().to_owned(), function))
            .collect();
        Self { zone, functions, config: Arc::new(ConfigOptions::new()) }
    }
}

fn zone(options: &Options) -> (Zone, Vec<Diagnostic>) {
    if let Some(zone) = Zone::parse(&options.time_zone) {
        return (zone, Vec::new());
    }
    let utc = Zone::parse("UTC").expect("UTC is a time zone");
    let unknown = Diagnostic {
        severity: Severity::Error,
        message: format!("unknown time zone \"{}\"", options.time_zone),
        file: "syncline.toml".to_owned(),
        line: 0,
        column: 0,
        length: 0,
        detail: None,
        hint: Some("use an IANA name such as \"Europe/Paris\" or \"UTC\"".to_owned()),
    };
    (utc, vec![unknown])
}

fn sort_by_file(diagnostics: &mut [Diagnostic], files: &[SqlFile]) {
    let place = |name: &str| files.iter().position(|file| file.path == name);
    diagnostics.sort_by_key(|found| (place(&found.file), found.line, found.column));
}
