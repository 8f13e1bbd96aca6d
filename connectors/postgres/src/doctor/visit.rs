//! One look at one database, and how findings are noted.

use crate::catalog::on_connection;
use crate::settings::{Settings, Tls};
use crate::wire::Connection;
use syncline_core::{Finding, Kind, Result, Severity, SystemName, TableName};

/// Looks a database over. `reads` are the tables that mappings read from it, `writes` those that
/// they write. A database that can't be reached is a finding too.
///
/// # Errors
/// When a query of the catalog fails.
pub async fn doctor(
    system: &SystemName,
    settings: &Settings,
    reads: &[TableName],
    writes: &[TableName],
) -> Result<Vec<Finding>> {
    let (system, of) = (system.clone(), settings.clone());
    let (reads, writes) = (reads.to_vec(), writes.to_vec());
    let looked = on_connection(settings, move |connection| {
        let mut visit = Visit { system: &system, settings: &of, connection, found: Vec::new() };
        visit.encryption();
        visit.server()?;
        if !reads.is_empty() {
            visit.capture(&reads)?;
            visit.reads(&reads)?;
        }
        if !writes.is_empty() {
            visit.writes(&writes)?;
        }
        Ok(visit.found)
    })
    .await;
    match looked {
        Err(error) if matches!(error.kind(), Kind::Config | Kind::Unavailable) => {
            Ok(vec![Finding {
                severity: Severity::Error,
                problem: error.to_string(),
                detail: error.detail_text().map(str::to_owned),
                mend: error.hint_text().map(str::to_owned),
            }])
        }
        looked => looked,
    }
}

/// One look at one database.
pub(super) struct Visit<'a> {
    pub(super) system: &'a SystemName,
    pub(super) settings: &'a Settings,
    pub(super) connection: &'a mut Connection,
    pub(super) found: Vec<Finding>,
}

impl Visit<'_> {
    /// Notes that something was looked at and is well.
    pub(super) fn well(&mut self, what: impl Into<String>) {
        self.found.push(Finding {
            severity: Severity::Ok,
            problem: what.into(),
            detail: None,
            mend: None,
        });
    }

    pub(super) fn ill(
        &mut self,
        severity: Severity,
        problem: impl Into<String>,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.found.push(Finding {
            severity,
            problem: problem.into(),
            detail: Some(detail.into()),
            mend: Some(mend.into()),
        });
    }

    fn encryption(&mut self) {
        let host = &self.settings.host;
        let near = host.starts_with('/')
            || host == "localhost"
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        match &self.settings.tls {
            Tls::VerifyFull { .. } => self.well("the connection is encrypted and verified"),
            _ if near => self.well("the connection stays on this machine"),
            Tls::Require => self.ill(
                Severity::Warning,
                "the server's certificate is not verified",
                format!("whoever stands between could answer for {host}"),
                "set tls = \"verify-full\" for this system in syncline.toml",
            ),
            Tls::Disable => self.ill(
                Severity::Warning,
                "the connection is not encrypted",
                format!("password and data travel to {host} in clear text"),
                "set tls = \"verify-full\" for this system in syncline.toml",
            ),
        }
    }
}
