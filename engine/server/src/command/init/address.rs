//! `NAME=postgres://USER@HOST:PORT/DB`: a system as the command line names it.

use crate::problem::Problem;
use std::fmt::Write as _;
use syncline_core::{Secret, SystemName};
use syncline_postgres::{Settings, Tls};

/// A system and where it is.
#[derive(Debug)]
pub(crate) struct Address {
    /// The system's name in the project.
    pub(crate) name: SystemName,
    host: String,
    port: u16,
    database: String,
    user: String,
    password: Option<Secret>,
    tls: &'static str,
}

impl Address {
    /// Reads one `--system`.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |detail: &str| {
            Problem::new("--system must be NAME=postgres://USER@HOST:PORT/DB")
                .detail(detail)
                .hint("for example --system sis=postgres://me@localhost:5432/sis".to_owned())
        };
        let (name, url) = text.split_once('=').ok_or_else(|| wrong("there is no NAME="))?;
        if !crate::project::is_name(name) {
            return Err(wrong("a name has lowercase letters, digits and _"));
        }
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| wrong("the address does not begin with postgres://"))?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (server, database) =
            place.split_once('/').ok_or_else(|| wrong("the address names no database"))?;
        let (who, host) =
            server.rsplit_once('@').ok_or_else(|| wrong("the address names no user"))?;
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let (host, port) = split_port(host).ok_or_else(|| wrong("the port is no number"))?;
        let decode = |text: &str| percent_decode(text).ok_or_else(|| wrong("a bad % in it"));
        let password = decode(password)?;
        Ok(Self {
            name: SystemName::new(name),
            host: decode(host)?,
            port,
            database: decode(database)?,
            user: decode(user)?,
            password: (!password.is_empty()).then(|| Secret::new(password)),
            tls: tls_word(options).ok_or_else(|| wrong("sslmode is none that is known"))?,
        })
    }

    /// The environment variable that holds the password from now on.
    pub(crate) fn password_variable(&self) -> String {
        format!("{}_PASSWORD", self.name.as_str().to_uppercase())
    }

    /// How to reach it now: the password of the address, else of the environment.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.host, self.port, &self.database, &self.user);
        let from_environment = || std::env::var(self.password_variable()).ok().map(Secret::new);
        settings.password = self.password.clone().or_else(from_environment);
        settings.tls = match self.tls {
            "require" => Tls::Require,
            "verify-full" => Tls::VerifyFull { roots: None },
            _ => Tls::Disable,
        };
        settings
    }

    /// Its part of `syncline.toml`; a password is asked of the environment, never written.
    pub(crate) fn to_toml(&self, has_password: bool) -> String {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let mut toml = format!(
            "[systems.{}]\nconnector = \"postgres\"\nhost = {}\nport = {}\ndatabase = {}\n\
             user = {}\n",
            self.name,
            quoted(&self.host),
            self.port,
            quoted(&self.database),
            quoted(&self.user),
        );
        if has_password {
            let _ = writeln!(toml, "password = {{ env = \"{}\" }}", self.password_variable());
        }
        let _ = writeln!(toml, "tls = {}", quoted(self.tls));
        toml
    }

    /// Whether the address itself holds the password.
    pub(crate) fn holds_password(&self) -> bool {
        self.password.is_some()
    }
}

/// `host:port`, where the host may be `[::1]` and the port may be missing.
fn split_port(text: &str) -> Option<(&str, u16)> {
    const DEFAULT: u16 = 5432;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        let port = rest.strip_prefix(':').map_or(Some(DEFAULT), |port| port.parse().ok())?;
        return Some((host, port));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((text, DEFAULT)),
    }
}

/// The `tls` that fits `sslmode`.
fn tls_word(options: &str) -> Option<&'static str> {
    let mode = options.split('&').find_map(|option| option.strip_prefix("sslmode="));
    match mode {
        None | Some("disable" | "allow" | "prefer") => Some("disable"),
        Some("require") => Some("require"),
        Some("verify-full" | "verify-ca") => Some("verify-full"),
        Some(_) => None,
    }
}

/// Text with `%2F` and the like put back.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
