//! Power that is cut: what was not synced is gone. Disks that fail.
//!
//! A library of ours (`power.c`), loaded into the process ahead of the system's, keeps beside the state directory what
//! a disk is bound to have of it. After a kill that takes the place of what the process had written. It fails writes,
//! syncs and reads of the state as it is told.

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// Bytes that a disk writes whole.
const SECTOR: usize = 512;
const STATE: &str = ".syncline";

/// The power of one project's machine.
#[derive(Debug)]
pub struct Power {
    library: PathBuf,
    state: PathBuf,
    disk: PathBuf,
    faults: PathBuf,
}

/// What the disk of the state does not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nothing more can be written, for want of room.
    pub is_full: bool,
    /// No write takes more than a part of what it is given.
    pub is_short: bool,
    /// One in so many syncs fails, by chance; none where 0. What it should have brought to the disk is lost, and
    /// counts as written for the system, as with Linux.
    pub syncs: u32,
    /// One in so many reads fails, by chance; none where 0.
    pub reads: u32,
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// None of it is there.
    Lost,
    /// Each name and each sector is there or not, as it comes.
    Torn,
}

impl Power {
    /// Builds the library in a folder beside the project.
    ///
    /// # Errors
    /// When there is no C compiler.
    pub fn of(project: &Path) -> Result<Self> {
        let folder = project.with_extension("power");
        fs::create_dir_all(&folder)?;
        let library = folder.join("power.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/power.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source);
        let output = compile.args(["-ldl", "-lpthread"]).output().context("can't run cc")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (state, disk, faults) =
            (project.join(STATE), folder.join("disk"), folder.join("faults"));
        let power = Self { library, state, disk, faults };
        power.fail(Faults::default())?;
        Ok(power)
    }

    /// From now on the disk does this.
    ///
    /// # Errors
    /// When the file by which the library is told can't be written.
    pub fn fail(&self, faults: Faults) -> Result<()> {
        let Faults { is_full, is_short, syncs, reads } = faults;
        let told = [u32::from(is_full), u32::from(is_short), syncs, reads];
        let bytes: Vec<u8> = told.into_iter().flat_map(u32::to_ne_bytes).collect();
        // In place: the process has it mapped.
        let mut file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.faults)?;
        Ok(file.write_all(&bytes)?)
    }

    /// The variables that the process has to begin with.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("SYNCLINE_POWER_STATE".into(), text(&self.state)),
            ("SYNCLINE_POWER_DISK".into(), text(&self.disk)),
            ("SYNCLINE_POWER_FAULTS".into(), text(&self.faults)),
        ]
    }

    /// After the process was killed: its state is what a disk had of it. Returns how many bytes of what it had
    /// written are gone.
    ///
    /// # Errors
    /// When a file can't be read or written.
    pub fn cut(&self, unsynced: Unsynced, chance: &mut StdRng) -> Result<u64> {
        let kept = self.disk.join("tree");
        if !self.disk.join("whole").exists() {
            // Killed before it did anything.
            if self.disk.exists() {
                fs::remove_dir_all(&self.disk)?;
            }
            return Ok(0);
        }
        let left = self.state.with_extension("left");
        let mut cut = Cut { disk: &self.disk, unsynced, chance, gone: 0 };
        cut.restore(&kept, &self.state, &left)?;
        let gone = cut.gone;
        fs::remove_dir_all(&self.state)?;
        fs::rename(&left, &self.state)?;
        fs::remove_dir_all(&self.disk)?;
        Ok(gone)
    }
}

/// What the power left behind, and what comes of it.
struct Cut<'a> {
    disk: &'a Path,
    unsynced: Unsynced,
    chance: &'a mut StdRng,
    /// Bytes that had been written.
    gone: u64,
}

impl Cut<'_> {
    /// Makes `to` what is left of a directory that was `written`, of which the names are `kept`.
    fn restore(&mut self, kept: &Path, written: &Path, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        let mut names = names(kept)?;
        if self.unsynced == Unsynced::Torn {
            names.extend(self::names(written)?);
        }
        for name in names {
            let (kept, written, to) = (kept.join(&name), written.join(&name), to.join(&name));
            if kept.is_dir() || (!kept.exists() && written.is_dir()) {
                if kept.exists() || self.chance.random_bool(0.5) {
                    self.restore(&kept, &written, &to)?;
                }
                continue;
            }
            let all = fs::read(&written).unwrap_or_default();
            let left = self.left(&kept, &written, &all)?;
            let same = left.iter().flatten().zip(&all).filter(|(left, all)| left == all).count();
            self.gone += (all.len() - same) as u64;
            if let Some(left) = left {
                fs::write(&to, left)?;
            }
        }
        Ok(())
    }

    /// What is left of a file under its name; none where the name is gone.
    fn left(&mut self, kept: &Path, written: &Path, all: &[u8]) -> Result<Option<Vec<u8>>> {
        let before = if kept.exists() { Some(fs::read(kept)?) } else { None };
        let now = self.kept_of(written);
        let is_same = before.is_some() && same_file(kept, now.as_deref());
        // A name that was given to another file, or to none, may have been given already.
        let is_given = self.unsynced == Unsynced::Torn && (is_same || self.chance.random_bool(0.5));
        match now {
            Some(now) if is_given => {
                Ok(Some(torn(&fs::read(now).unwrap_or_default(), all, self.chance)))
            }
            None if is_given => Ok(None),
            _ => Ok(before),
        }
    }

    /// Where it is kept what was synced of a file, as the library names it; none where there is no file.
    fn kept_of(&self, written: &Path) -> Option<PathBuf> {
        let file = fs::metadata(written).ok()?;
        let born = file.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let name = format!("{}-{}.{}", file.ino(), born.as_secs(), born.subsec_nanos());
        Some(self.disk.join("files").join(name))
    }
}

fn same_file(one: &Path, other: Option<&Path>) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    other.is_some_and(|other| file(one).is_some() && file(one) == file(other))
}

fn names(directory: &Path) -> Result<BTreeSet<std::ffi::OsString>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(BTreeSet::new()) };
    Ok(entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?)
}

/// Sectors of what was written over what was durable, each as it comes. The length is that of one or the other.
fn torn(durable: &[u8], written: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let length = if chance.random_bool(0.5) { durable.len() } else { written.len() };
    let mut left = durable.to_vec();
    left.resize(length, 0);
    for (sector, place) in left.chunks_mut(SECTOR).zip((0..).step_by(SECTOR)) {
        let Some(new) = written.get(place..(place + sector.len()).min(written.len())) else {
            continue;
        };
        if chance.random_bool(0.5) {
            sector[..new.len()].copy_from_slice(new);
        }
    }
    left
}
