//! What is varied: tables, rows, transactions, the way to the servers, and what happens to rows on the way. One
//! thing at a time, save that what happens to rows is varied by both ways to the servers.

use anyhow::{Result, ensure};
use syncline_benches::person;
use syncline_benches::workload::{self, COLUMNS, EXPRESSIONS, FILTER, Shape, Workload};

/// What happens to rows between the source and the target. A subscription has but one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// They go over as they are.
    AsIs,
    /// Six expressions and a filter that takes one in twenty away.
    Mapping,
    /// They go through an entity of which another system speaks too.
    Entity,
}

/// The servers, the tables and the path of some workloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) path: Path,
    /// By 127.0.0.1 in place of a unix socket.
    pub(crate) is_tcp: bool,
    /// Rows a transaction.
    transactions: &'static [u32],
}

/// What all others differ from in one thing.
const BASE: Scene = Scene {
    name: "as they are",
    shape: Shape::SMALL,
    path: Path::AsIs,
    is_tcp: false,
    transactions: &[1000, 1],
};

/// As many rows as there are.
const WHOLE: u32 = u32::MAX;

impl Scene {
    /// The first alone, or all of them.
    pub(crate) fn all(is_matrix: bool) -> Vec<Self> {
        if !is_matrix {
            return vec![BASE];
        }
        let other = |name| Self { name, transactions: &[1000], ..BASE };
        let of_tables =
            |name, tables| Self { shape: Shape { tables, ..BASE.shape }, ..other(name) };
        vec![
            Self { transactions: &[1000, 100, 1, WHOLE], ..BASE },
            of_tables("10 tables", 10),
            of_tables("100 tables", 100),
            Self { shape: Shape { is_wide: true, ..BASE.shape }, ..other("rows of 2 KB") },
            Self { is_tcp: true, ..other("by TCP") },
            Self { path: Path::Mapping, ..other("a mapping") },
            Self { path: Path::Entity, ..other("two sources") },
            Self { path: Path::Mapping, is_tcp: true, ..other("a mapping, TCP") },
            Self { path: Path::Entity, is_tcp: true, ..other("two sources, TCP") },
        ]
    }

    /// Whether it is what all others differ from in one thing.
    pub(crate) fn is_base(&self) -> bool {
        self.name == BASE.name
    }

    /// What is done in it. Rows of 2 KB are a fifth as many.
    ///
    /// # Errors
    /// When the rows can't be divided among the tables.
    pub(crate) fn workloads(&self, rows: u32) -> Result<Vec<Workload>> {
        let rows = if self.shape.is_wide { rows / 5 } else { rows };
        let a_round = 1000 * self.shape.tables;
        let divisible = rows > 0 && rows.is_multiple_of(a_round);
        ensure!(divisible, "{}: {rows} rows are no multiple of {a_round}", self.name);
        Ok(workload::all(rows, self.transactions, self.shape))
    }

    /// The mappings of ours.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let own = |(file, text): (&str, String)| (file.to_owned(), text);
        let copy = |table: &str, columns: &str, values: &str, filter: &str| {
            format!(
                "INSERT INTO target.public.{table} ({columns})\n\
                 SELECT {values} FROM source.public.{table} {filter};\n"
            )
        };
        let marks = ("marks/marks.sql".to_owned(), copy("marks", "id", "id", ""));
        let of_table = |table: String| {
            let (values, filter) = self.values();
            (format!("people/{table}.sql"), copy(&table, COLUMNS, values, filter))
        };
        let mut files: Vec<(String, String)> = match self.path {
            Path::Entity => person::files("source", "staff", "target").map(own).into(),
            Path::AsIs | Path::Mapping => self.shape.names().map(of_table).collect(),
        };
        files.push(marks);
        files
    }

    /// What a table of the target must hold, as a query of the source.
    pub(crate) fn expected(&self, table: &str) -> String {
        let (values, filter) = self.values();
        match self.path {
            Path::Entity => person::AGREED.to_owned(),
            Path::AsIs | Path::Mapping => format!("SELECT {values} FROM {table} {filter}"),
        }
    }

    fn values(&self) -> (&'static str, &'static str) {
        match self.path {
            Path::Mapping => (EXPRESSIONS, FILTER),
            Path::AsIs | Path::Entity => (COLUMNS, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scene;

    #[test]
    fn every_scene_has_its_own_name_and_something_to_do() {
        let scenes = Scene::all(true);
        let mut names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scenes.len());
        for scene in scenes {
            assert!(!scene.workloads(500_000).unwrap().is_empty());
            assert!(scene.workloads(1_500).is_err());
        }
    }
}
