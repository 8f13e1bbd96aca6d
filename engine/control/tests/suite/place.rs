//! Where a story's store lives.

use syncline_control::Control;
use syncline_demo::{Cluster, ClusterOptions};
use tempfile::TempDir;

pub(crate) type Failed = Box<dyn std::error::Error>;

pub(crate) struct Place {
    pub(crate) address: String,
}

impl Place {
    pub(crate) fn sqlite(directory: &TempDir) -> Self {
        let path = directory.path().join("control store.db");
        Self { address: path.to_str().expect("a temporary path is text").to_owned() }
    }

    pub(crate) async fn open(&self) -> Result<Control, syncline_control::Error> {
        Control::open(&self.address).await
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn meddle(&self, statement: &'static str) -> Result<(), Failed> {
        use sqlx::Connection;
        sqlx::any::install_default_drivers();
        let url = match self.address.starts_with("postgres") {
            true => self.address.clone(),
            false => format!("sqlite:{}?mode=rwc", self.address.replace(' ', "%20")),
        };
        let mut connection = sqlx::AnyConnection::connect(&url).await?;
        sqlx::query(statement).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

pub(crate) struct Server(Cluster);

impl Server {
    pub(crate) fn start() -> Result<Self, Failed> {
        Ok(Self(Cluster::start(ClusterOptions::default())?))
    }

    /// A database of its own.
    pub(crate) async fn place(&self, name: &str) -> Result<Place, Failed> {
        let database = name.chars().take(60).collect::<String>();
        let client = self.0.connect("postgres").await?;
        client.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        let (host, port, user) = (self.0.host(), self.0.port(), self.0.superuser());
        Ok(Place { address: format!("postgres://{user}@localhost:{port}/{database}?host={host}") })
    }
}
