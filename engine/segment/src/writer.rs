//! Appends frames: staged in memory, written at once, synced on demand.

use crate::frame::{HEAD_BYTES, HEADER, Head, PREAMBLE_BYTES, preamble};
use crate::{Disk, Error};
use fail::fail_point;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A part at least this long is written from where it lies instead of being copied.
const COPY_BYTES_MAX: usize = 16 << 10;
/// How much is written again at a time.
const AGAIN_BYTES: usize = 1 << 20;

/// Appends to one segment.
///
/// Invariant: `synced <= written <= staged`, each where a frame ends. After an error other than
/// [`Error::NoRoom`] every call fails with [`Error::Poisoned`].
#[derive(Debug)]
pub struct Writer {
    disk: Arc<dyn Disk>,
    file: File,
    path: PathBuf,
    pieces: Vec<Vec<u8>>,
    synced: u64,
    written: u64,
    staged: u64,
    poisoned: bool,
}

impl Writer {
    /// Makes a segment with its header frame, replacing a file of that name; durable when it
    /// returns. After [`Error::NoRoom`] the former file, or none, is there.
    ///
    /// # Errors
    /// `NoRoom` or `Write`.
    pub fn create(
        disk: &Arc<dyn Disk>,
        path: &Path,
        number: u64,
        header: &[u8],
    ) -> Result<Self, Error> {
        let new = path.with_added_extension("new");
        let write = || -> Result<Self, Error> {
            let file = File::create(&new).map_err(Error::write("create", &new))?;
            let mut writer = Self::at(disk, file, path, 0);
            writer.pieces.push(preamble());
            writer.staged = PREAMBLE_BYTES;
            writer.push(HEADER, number, &[header]);
            writer.flush()?;
            writer.sync()?;
            Ok(writer)
        };
        let writer = write().inspect_err(|_| drop(fs::remove_file(&new)))?;
        fail_point!("segment.written");
        fs::rename(&new, path).map_err(Error::write("rename", &new))?;
        fail_point!("segment.renamed");
        sync_directory(parent(path))?;
        Ok(writer)
    }

    /// Goes on behind `length` bytes, of which `known` are known to be durable, as all are when it
    /// returns, and the file's name too; cuts off what follows.
    ///
    /// What a sync failed to bring to the disk the system shows as written all the same, and counts
    /// it as synced from then on (`fsync(2)`, and the notes on errors in PostgreSQL's and `SQLite`'s
    /// documentation): only bytes that are written once more are sure to be tried again.
    ///
    /// # Errors
    /// `Read`, `NoRoom` or `Write`.
    pub(crate) fn resume(
        disk: &Arc<dyn Disk>,
        path: &Path,
        known: u64,
        length: u64,
    ) -> Result<Self, Error> {
        let open = OpenOptions::new().read(true).write(true).open(path);
        let file = open.map_err(Error::write("open", path))?;
        let mut writer = Self::at(disk, file, path, length);
        writer.cut()?;
        writer.write_again(known)?;
        sync_directory(parent(path))?;
        Ok(writer)
    }

    /// Writes what the file holds from a place on over itself, and syncs it.
    fn write_again(&mut self, from: u64) -> Result<(), Error> {
        let mut bytes = vec![0; AGAIN_BYTES];
        self.file.seek(SeekFrom::Start(from)).map_err(Error::read(&self.path))?;
        for at in (from..self.written).step_by(AGAIN_BYTES) {
            let length = usize::try_from(self.written - at).unwrap_or(AGAIN_BYTES).min(AGAIN_BYTES);
            bytes.truncate(length);
            self.file.read_exact_at(&mut bytes, at).map_err(Error::read(&self.path))?;
            let written = self.write_all(std::slice::from_ref(&bytes));
            written.map_err(Error::write("write", &self.path))?;
        }
        self.sync()
    }

    fn at(disk: &Arc<dyn Disk>, file: File, path: &Path, length: u64) -> Self {
        Self {
            disk: disk.clone(),
            file,
            path: path.to_owned(),
            pieces: Vec::new(),
            synced: length,
            written: length,
            staged: length,
            poisoned: false,
        }
    }

    /// Where the next frame will begin.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.staged
    }

    /// Stages a frame whose payload is these parts one after the other. Copies them.
    ///
    /// # Panics
    /// When the payload is 4 GiB or more.
    pub fn push(&mut self, kind: u8, number: u64, parts: &[&[u8]]) {
        let (head, padding) = self.head(kind, number, parts);
        let piece = self.copied();
        piece.extend(head);
        parts.iter().for_each(|part| piece.extend_from_slice(part));
        piece.resize(piece.len() + padding, 0);
    }

    /// Stages a frame of two parts, the second of which is kept where it lies when it is long.
    ///
    /// # Panics
    /// When the payload is 4 GiB or more.
    pub fn push_owned(&mut self, kind: u8, number: u64, front: &[u8], back: Vec<u8>) {
        if back.len() < COPY_BYTES_MAX {
            return self.push(kind, number, &[front, &back]);
        }
        let (head, padding) = self.head(kind, number, &[front, &back]);
        let piece = self.copied();
        piece.extend(head);
        piece.extend_from_slice(front);
        self.pieces.push(back);
        self.pieces.push(vec![0; padding]);
    }

    /// Writes all that is staged, in one call where the system allows.
    ///
    /// # Errors
    /// `NoRoom`: the file is as it was after the last sync, and what was staged since is gone.
    /// `Write`, `Poisoned`: nothing more can be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.check()?;
        let pieces = std::mem::take(&mut self.pieces);
        let written = self.write_all(&pieces).map_err(Error::write("write", &self.path));
        match written {
            Ok(()) => {
                self.written = self.staged;
                Ok(())
            }
            Err(error) if error.is_no_room() => {
                self.cut()?;
                Err(error)
            }
            Err(error) => Err(self.poison(error)),
        }
    }

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// `Write`, `Poisoned`: nothing more can be written, and what was written since the last sync
    /// may or may not be there.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check()?;
        if let Err(source) = self.disk.sync(&self.file) {
            let (doing, path) = ("sync", self.path.clone());
            return Err(self.poison(Error::Write { doing, path, source }));
        }
        self.synced = self.written;
        Ok(())
    }

    fn write_all(&mut self, pieces: &[Vec<u8>]) -> io::Result<()> {
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let mut slices: Vec<_> = pieces.map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match self.disk.write(&mut self.file, left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => IoSlice::advance_slices(&mut left, bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        match self.poisoned {
            true => Err(Error::Poisoned { path: self.path.clone() }),
            false => Ok(()),
        }
    }

    fn poison(&mut self, error: Error) -> Error {
        self.poisoned = true;
        error
    }

    /// Forgets what is not durable, in memory and in the file.
    fn cut(&mut self) -> Result<(), Error> {
        self.pieces.clear();
        (self.written, self.staged) = (self.synced, self.synced);
        let cut = self.file.set_len(self.synced).and_then(|()| self.file.sync_all());
        let cut = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.synced)));
        match cut {
            Ok(_) => Ok(()),
            Err(source) => {
                let (doing, path) = ("cut", self.path.clone());
                Err(self.poison(Error::Write { doing, path, source }))
            }
        }
    }

    /// The head of a frame at the end, which moves behind it, and the padding the frame needs.
    fn head(&mut self, kind: u8, number: u64, parts: &[&[u8]]) -> ([u8; HEAD_BYTES], usize) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let head = Head {
            length: u32::try_from(length).expect("payloads are smaller than 4 GiB"),
            kind,
            number,
            synced: self.synced,
            checksum: parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part)),
        };
        let bytes = head.encode(self.staged);
        self.staged += head.frame_bytes();
        (bytes, head.frame_bytes() as usize - HEAD_BYTES - length)
    }

    /// The last piece, which small frames are copied to.
    fn copied(&mut self) -> &mut Vec<u8> {
        if self.pieces.is_empty() {
            self.pieces.push(Vec::new());
        }
        self.pieces.last_mut().expect("pushed above")
    }
}

/// Makes a directory and those above it; their names are durable when it returns.
///
/// # Errors
/// `NoRoom` or `Write`.
pub fn create_directory(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        // Whoever made it may have died before its name was durable; one that we may not read the
        // parent of was made by somebody else.
        return match sync_directory(parent(path)) {
            Err(Error::Write { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(())
            }
            synced => synced,
        };
    }
    create_directory(parent(path))?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::write("create", path)(error))
        }
        Ok(()) | Err(_) => sync_directory(parent(path)),
    }
}

/// Removes a segment. Durable after the next [`sync_directory`].
///
/// # Errors
/// `Write`.
pub fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(Error::write("remove", path))
}

/// Makes creations, renames and removals in a directory durable.
///
/// # Errors
/// `Write`.
pub fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| Error::Write {
        doing: "sync",
        path: path.to_owned(),
        source,
    })
}

/// The directory that holds this name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
