//! How do the university's databases come to be, and how are they reached?

use super::carry::carry;
use super::truth::Truth;
use crate::Cluster;
use anyhow::{Context, Result};
use std::fmt;
use tokio_postgres::{Client, Config};

/// The role that Syncline connects as.
const ROLE: &str = "syncline";
/// What the project names as its time zone; naive and aware times meet there.
pub(super) const TIME_ZONE: &str = "Europe/Madrid";

/// One of the university's systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// Student information: a source.
    Sis,
    /// Human resources: a source.
    Hr,
    /// Learning management: a target, and a source of what people type there themselves.
    Lms,
    /// Finance: a target, and the source of what people owe.
    Finance,
}

impl System {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sis, Self::Hr, Self::Lms, Self::Finance];

    /// Its name in the project, and its database's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sis => "sis",
            Self::Hr => "hr",
            Self::Lms => "lms",
            Self::Finance => "finance",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::Sis => include_str!("sql/sis.sql"),
            Self::Hr => include_str!("sql/hr.sql"),
            Self::Lms => include_str!("sql/lms.sql"),
            Self::Finance => include_str!("sql/finance.sql"),
        }
    }

    /// What fills it; tables that are written stay empty.
    fn fill(self) -> Option<&'static str> {
        match self {
            Self::Sis => Some(include_str!("sql/sis_fill.sql")),
            Self::Hr => Some(include_str!("sql/hr_fill.sql")),
            Self::Finance => Some(include_str!("sql/finance_fill.sql")),
            Self::Lms => None,
        }
    }

    /// Whether it is only read.
    fn is_source(self) -> bool {
        matches!(self, Self::Sis | Self::Hr)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How large the university is, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Students.
    pub students: u32,
    /// Employees.
    pub employees: u32,
    /// Departments.
    pub departments: u32,
    /// Courses.
    pub courses: u32,
    /// Enrolments.
    pub enrolments: u32,
}

impl Size {
    /// 100,000 people, 20 departments, 2,000 courses, 400,000 enrolments.
    pub const FULL: Self = Self {
        students: 95_000,
        employees: 5_000,
        departments: 20,
        courses: 2_000,
        enrolments: 400_000,
    };

    /// The full size times a factor, but no less than makes sense; departments stay.
    #[must_use]
    pub fn scaled(factor: f64) -> Self {
        let scaled = |full: u32, least: u32| ((f64::from(full) * factor) as u32).max(least);
        Self {
            students: scaled(Self::FULL.students, 100),
            // Managers are the first 20.
            employees: scaled(Self::FULL.employees, 40),
            departments: Self::FULL.departments,
            courses: scaled(Self::FULL.courses, 40),
            enrolments: scaled(Self::FULL.enrolments, 400),
        }
    }
}

/// The university's four databases on their servers.
#[derive(Debug, Clone)]
pub struct University {
    size: Size,
    configs: [Config; System::ALL.len()],
    /// Student numbers, and the addresses that were agreed on before the systems fell out.
    posts_before: Vec<(String, [String; 3])>,
}

impl University {
    /// Makes the databases on two servers, which may be one and the same, and fills the sources.
    ///
    /// # Errors
    /// When a server refuses, as where the databases are there already.
    pub async fn build(sources: &Cluster, targets: &Cluster, size: Size) -> Result<Self> {
        let server = |system: System| if system.is_source() { sources } else { targets };
        for cluster in [sources, targets] {
            let client = cluster.connect("postgres").await?;
            client.batch_execute(include_str!("sql/roles.sql")).await?;
        }
        for system in System::ALL {
            let client = server(system).connect("postgres").await?;
            client.batch_execute(&format!("CREATE DATABASE {system}")).await?;
        }
        let configs = System::ALL.map(|system| server(system).config(system.name()));
        let university = Self { size, configs, posts_before: Vec::new() };
        let (sis, hr, lms, finance) = tokio::join!(
            university.create(System::Sis),
            university.create(System::Hr),
            university.create(System::Lms),
            university.create(System::Finance),
        );
        sis.and(hr).and(lms).and(finance)?;
        university.acquaint().await?;
        university.disagree().await?;
        Ok(university)
    }

    /// Remembers the address (street, postcode, city) that the systems agree on now, who are about to fall
    /// out at once: no table will tell it then.
    pub fn remember_post(&mut self, student_no: &str, post: [&str; 3]) {
        self.posts_before.push((student_no.to_owned(), post.map(str::to_owned)));
    }

    /// What was remembered.
    pub(super) fn posts_before(&self) -> &[(String, [String; 3])] {
        &self.posts_before
    }

    /// On what its systems disagreed when it was built.
    #[must_use]
    pub fn truth(&self) -> Truth {
        Truth::of(self.size)
    }

    /// How large it was built.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Connects to a system's database as its superuser.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self, system: System) -> Result<Client> {
        crate::cluster::connect(self.config(system))
            .await
            .with_context(|| format!("can't connect to {system}"))
    }

    /// The variables that `mappings/university/syncline.toml` asks for: where each system is and
    /// who connects.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        System::ALL
            .into_iter()
            .flat_map(|system| {
                let config = self.config(system);
                let name = system.name().to_uppercase();
                let host = match config.get_hosts().first() {
                    Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
                    Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
                    None => String::new(),
                };
                let port = config.get_ports().first().copied().unwrap_or(5432);
                [(format!("{name}_HOST"), host), (format!("{name}_PORT"), port.to_string())]
            })
            .chain([("SYNCLINE_USER".to_owned(), ROLE.to_owned())])
            .collect()
    }

    fn config(&self, system: System) -> &Config {
        let [sis, hr, lms, finance] = &self.configs;
        match system {
            System::Sis => sis,
            System::Hr => hr,
            System::Lms => lms,
            System::Finance => finance,
        }
    }

    /// HR comes to know those of its people who study or studied here.
    async fn acquaint(&self) -> Result<()> {
        let (sis, hr) = (self.connect(System::Sis).await?, self.connect(System::Hr).await?);
        hr.batch_execute(
            "CREATE TEMP TABLE studied (student_no text PRIMARY KEY, given_name text, family_name text,
                 birth_date date, national_id text, phone text, street text, postcode text, city text)",
        )
        .await?;
        let known = format!(
            "SELECT student_no, given_name, family_name, birth_date, national_id, phone, street,
                 postcode, city FROM students WHERE student_no <= 'S{:07}'",
            2 * self.size.employees
        );
        carry(&sis, &known, &hr, "studied").await?;
        let acquainted = hr.batch_execute(include_str!("sql/hr_acquaint.sql")).await;
        acquainted.context("can't acquaint hr with sis")
    }

    /// Makes the systems say what the truth has them say.
    async fn disagree(&self) -> Result<()> {
        let truth = self.truth();
        for system in System::ALL {
            let client = self.connect(system).await?;
            let told = client.batch_execute(&truth.sql(system)).await;
            told.with_context(|| format!("can't have {system} disagree"))?;
        }
        Ok(())
    }

    async fn create(&self, system: System) -> Result<()> {
        let client = self.connect(system).await?;
        let run = async |what: &str, sql: &str| {
            client.batch_execute(sql).await.with_context(|| format!("can't {what} {system}"))
        };
        run("set up", system.schema()).await?;
        if let Some(fill) = system.fill() {
            run("size", &self.size.settings()).await?;
            run("name the people of", include_str!("sql/names.sql")).await?;
            run("fill", fill).await?;
        }
        run("open", include_str!("sql/grants.sql")).await
    }
}

impl Size {
    /// The sizes as session settings, for the SQL that fills.
    fn settings(self) -> String {
        [
            ("students", self.students),
            ("employees", self.employees),
            ("departments", self.departments),
            ("courses", self.courses),
            ("enrolments", self.enrolments),
        ]
        .map(|(name, rows)| format!("SET university.{name} = {rows};"))
        .concat()
    }
}
