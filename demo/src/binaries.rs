//! Where are PostgreSQL's server programs on this machine, and who may run them?

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, User};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and Ubuntu keep the server programs, one folder a major version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";

/// The server programs refuse root; this is who runs them then.
const SERVER_USER: &str = "postgres";

/// The server programs of one PostgreSQL version, and the user they run as.
#[derive(Debug, Clone)]
pub struct Binaries {
    directory: PathBuf,
    run_as: Option<(Uid, Gid)>,
}

impl Binaries {
    /// Finds the newest server on this machine: Debian's folders, then `PATH`, then `pg_config`.
    ///
    /// # Errors
    /// When there is none, or when we are root and there is no user to run it as. The message
    /// says what to install.
    pub fn find() -> Result<Self> {
        let directory = newest_of(Path::new(DEBIAN_ROOT))
            .or_else(on_path)
            .or_else(by_pg_config)
            .with_context(|| {
                format!(
                    "no PostgreSQL server programs found\n  \
                     detail: looked in {DEBIAN_ROOT}/*/bin, in PATH, and asked pg_config\n  \
                     hint: apt-get install postgresql"
                )
            })?;
        Ok(Self { directory, run_as: server_user()? })
    }

    /// A command for one of the programs, set to run as the server's user.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.directory.join(program));
        if let Some((user, group)) = self.run_as {
            command.uid(user.as_raw()).gid(group.as_raw());
        }
        // A folder the server's user may not enter would be reported by every program.
        command.current_dir("/");
        command
    }

    /// Hands a file or folder to the server's user.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn own(&self, path: &Path) -> Result<()> {
        let Some((user, group)) = self.run_as else { return Ok(()) };
        nix::unistd::chown(path, Some(user), Some(group))
            .with_context(|| format!("can't give {} to {SERVER_USER}", path.display()))
    }

    /// The folder of the programs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The `bin` folder of the highest version under `root` that has a server.
fn newest_of(root: &Path) -> Option<PathBuf> {
    std::fs::read_dir(root)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let programs = path.join("bin");
            has_server(&programs).then_some((version, programs))
        })
        .max()
        .map(|(_, programs)| programs)
}

fn on_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).find(|directory| has_server(directory))
}

fn by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    has_server(&directory).then_some(directory)
}

fn has_server(directory: &Path) -> bool {
    directory.join("initdb").is_file() && directory.join("postgres").is_file()
}

fn server_user() -> Result<Option<(Uid, Gid)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    match User::from_name(SERVER_USER)? {
        Some(user) => Ok(Some((user.uid, user.gid))),
        None => bail!(
            "PostgreSQL refuses to run as root, and there is no user \"{SERVER_USER}\"\n  \
             hint: apt-get install postgresql makes it, or run this as another user"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::newest_of;
    use std::path::Path;

    fn offer(root: &Path, version: &str, programs: &[&str]) {
        let directory = root.join(version).join("bin");
        std::fs::create_dir_all(&directory).unwrap();
        for program in programs {
            std::fs::write(directory.join(program), "").unwrap();
        }
    }

    #[test]
    fn takes_the_newest_version_that_has_a_server() {
        let root = tempfile::tempdir().unwrap();
        offer(root.path(), "9", &["initdb", "postgres"]);
        offer(root.path(), "15", &["initdb", "postgres"]);
        offer(root.path(), "17", &["psql"]);
        assert_eq!(newest_of(root.path()), Some(root.path().join("15/bin")));
    }
}
