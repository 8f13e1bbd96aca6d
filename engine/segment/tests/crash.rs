//! What a crash or a failing disk can leave of a segment, byte by byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::fs::File;
use std::io::{self, IoSlice, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use syncline_segment::{
    Disk, Error, Frame, HEADER, RealDisk, Segment, Writer, load_note, recover, save_note,
    sync_directory,
};
use tempfile::TempDir;

/// A segment of frames in three synced groups, the third of three frames; where each group begins.
struct Sample {
    directory: TempDir,
    bytes: Vec<u8>,
    groups: Vec<usize>,
}

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("segment")
}

fn payload(number: u64) -> Vec<u8> {
    vec![number as u8 + 1; number as usize * 13]
}

fn sample() -> Sample {
    let directory = TempDir::new().unwrap();
    let mut writer = Writer::create(&real(), &path(&directory), 7, b"header").unwrap();
    let mut groups = Vec::new();
    for group in [vec![1, 2], vec![3], vec![4, 5, 6]] {
        groups.push(writer.end() as usize);
        for number in group {
            writer.push(1, number, &[&payload(number)]);
        }
        writer.flush().unwrap();
        writer.sync().unwrap();
    }
    let bytes = std::fs::read(path(&directory)).unwrap();
    assert_eq!(bytes.len() as u64, writer.end());
    Sample { directory, bytes, groups }
}

/// Recovers a copy of these bytes: the numbers of the frames that are there.
fn recovered(bytes: &[u8], directory: &TempDir) -> Result<Vec<u64>, Error> {
    let path = path(directory);
    std::fs::write(&path, bytes).unwrap();
    let mut frames = Vec::new();
    let recovered = recover::<Error>(&real(), &path, |frame| {
        frames.push(frame);
        Ok(())
    })?;
    assert!(frames.iter().all(is_as_written), "what is recovered is what was written");
    let length = std::fs::metadata(&path).unwrap().len();
    assert_eq!(length, recovered.writer.end(), "the torn end is cut off");
    assert_eq!(bytes.len() as u64 - recovered.torn_bytes, length);
    Ok(frames.iter().skip(1).map(|frame| frame.number).collect())
}

fn is_as_written(frame: &Frame) -> bool {
    match frame.kind {
        HEADER => frame.number == 7 && *frame.payload == *b"header",
        _ => *frame.payload == payload(frame.number),
    }
}

#[test]
fn frames_come_back_however_little_is_read_at_a_time() {
    let directory = TempDir::new().unwrap();
    let mut writer = Writer::create(&real(), &path(&directory), 0, b"").unwrap();
    let large = vec![9; 100_000];
    writer.push(1, 1, &[b"ab", b"", b"c"]);
    writer.push_owned(2, 2, b"front", large.clone());
    writer.push_owned(3, 3, b"front", b"back".to_vec());
    writer.flush().unwrap();
    writer.sync().unwrap();
    let (segment, header) = Segment::open(&path(&directory)).unwrap();
    for read_bytes in [1, 100, 1 << 20] {
        let frames: Result<Vec<_>, _> =
            segment.frames(header.end, writer.end(), read_bytes).collect();
        let frames = frames.unwrap();
        let parts: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.number)).collect();
        assert_eq!(parts, [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(*frames[0].payload, *b"abc");
        assert_eq!(*frames[1].payload, *[b"front".as_slice(), &large].concat());
        assert_eq!(*frames[2].payload, *b"frontback");
        let from_second = segment.frames(frames[1].at, frames[2].at, read_bytes);
        assert_eq!(from_second.count(), 1);
    }
}

#[test]
fn an_end_cut_anywhere_leaves_the_frames_before_it() {
    let Sample { directory, bytes, groups } = sample();
    for cut in groups[2]..bytes.len() {
        let numbers = recovered(&bytes[..cut], &directory).unwrap();
        assert!(numbers.starts_with(&[1, 2, 3]), "cut at {cut}: {numbers:?}");
        assert!(numbers.len() < 6);
    }
    assert_eq!(recovered(&bytes, &directory).unwrap(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_last_group_that_reached_the_disk_out_of_order_is_torn() {
    let Sample { directory, mut bytes, groups } = sample();
    // The first page of the group never made it, the ones behind it did.
    bytes[groups[2]..groups[2] + 40].fill(0);
    assert_eq!(recovered(&bytes, &directory).unwrap(), [1, 2, 3]);
}

#[test]
fn a_byte_flipped_anywhere_is_found_out() {
    let Sample { directory, bytes, groups } = sample();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x40;
        match recovered(&flipped, &directory) {
            Err(Error::Damaged { at, .. }) => {
                assert!(at as usize <= place && place < groups[2], "{place} was durable");
            }
            Err(other) => panic!("{place}: {other}"),
            // Zeros that nobody reads, between frames and in the preamble.
            Ok(numbers) if numbers.len() == 6 => assert_eq!(bytes[place], 0, "{place}"),
            Ok(numbers) => {
                assert!(place >= groups[2] && numbers.starts_with(&[1, 2, 3]), "{place}");
            }
        }
    }
}

#[test]
fn writing_goes_on_behind_what_was_recovered() {
    let Sample { directory, bytes, .. } = sample();
    std::fs::write(path(&directory), &bytes[..bytes.len() - 5]).unwrap();
    let mut writer = recover::<Error>(&real(), &path(&directory), |_| Ok(())).unwrap().writer;
    writer.push(1, 6, &[&payload(6)]);
    writer.flush().unwrap();
    writer.sync().unwrap();
    drop(writer);
    let again = std::fs::read(path(&directory)).unwrap();
    assert_eq!(recovered(&again, &directory).unwrap(), [1, 2, 3, 4, 5, 6]);
}

/// A value may hold anything, a whole segment too: when the frame around it is torn, what is
/// inside must not be taken for frames that were durable.
#[test]
fn a_segment_inside_a_torn_frame_is_not_taken_for_frames() {
    let Sample { directory, bytes, .. } = sample();
    let outer = TempDir::new().unwrap();
    let mut writer = Writer::create(&real(), &path(&outer), 7, b"header").unwrap();
    writer.push(1, 1, &[&bytes]);
    writer.flush().unwrap();
    let mut torn = std::fs::read(path(&outer)).unwrap();
    torn.truncate(torn.len() - 16);
    assert_eq!(recovered(&torn, &directory).unwrap(), [0_u64; 0]);
}

#[test]
fn a_file_of_another_program_or_version_is_refused() {
    let Sample { directory, mut bytes, .. } = sample();
    bytes[16] = 9;
    let error = recovered(&bytes, &directory).unwrap_err();
    let error = syncline_core::Error::from(error);
    assert_eq!(error.kind(), syncline_core::Kind::Corrupt);
    assert!(error.detail_text().unwrap().contains("version"));
    assert!(matches!(recovered(b"hello", &directory), Err(Error::Damaged { .. })));
}

#[test]
fn a_note_is_replaced_whole_or_not_at_all() {
    let directory = TempDir::new().unwrap();
    let path = path(&directory);
    assert_eq!(load_note(&path).unwrap(), None);
    save_note(&path, b"one").unwrap();
    save_note(&path, b"two").unwrap();
    assert_eq!(load_note(&path).unwrap().unwrap(), b"two");
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(matches!(load_note(&path), Err(Error::Damaged { .. })), "cut at {cut}");
    }
    assert_eq!(names(directory.path()), ["segment"], "nothing is left beside the note");
}

#[test]
fn a_directory_that_is_gone_is_no_reason_to_panic() {
    let gone = Path::new("/nonexistent/syncline");
    assert!(matches!(Writer::create(&real(), &gone.join("x"), 0, b""), Err(Error::Write { .. })));
    assert!(matches!(sync_directory(gone), Err(Error::Write { .. })));
    assert!(matches!(Segment::open(&gone.join("x")), Err(Error::Read { .. })));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A disk that forgets what a sync that failed should have brought to it, as Linux has it: to whoever reads it is
/// there, and later syncs do not try it again.
#[derive(Debug, Default)]
struct ForgetfulDisk {
    fails: AtomicBool,
    /// What was written since the last sync, with its place.
    unsynced: Mutex<Vec<(u64, Vec<u8>)>>,
    /// What is left when the power is cut.
    durable: Mutex<Vec<u8>>,
}

impl Disk for ForgetfulDisk {
    fn write(&self, file: &mut File, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let at = file.stream_position()?;
        let bytes = file.write(&pieces[0])?;
        self.unsynced.lock().unwrap().push((at, pieces[0][..bytes].to_vec()));
        Ok(bytes)
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        let unsynced = std::mem::take(&mut *self.unsynced.lock().unwrap());
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("no such luck"));
        }
        let mut durable = self.durable.lock().unwrap();
        for (at, bytes) in unsynced {
            let (from, until) = (at as usize, at as usize + bytes.len());
            let length = durable.len().max(until);
            durable.resize(length, 0);
            durable[from..until].copy_from_slice(&bytes);
        }
        Ok(())
    }
}

#[test]
fn what_a_failed_sync_lost_is_durable_before_anybody_counts_on_it() {
    let directory = TempDir::new().unwrap();
    let forgetful = Arc::new(ForgetfulDisk::default());
    let disk: Arc<dyn Disk> = forgetful.clone();
    let mut writer = Writer::create(&disk, &path(&directory), 7, b"header").unwrap();
    writer.push(1, 1, &[&payload(1)]);
    writer.flush().unwrap();
    writer.sync().unwrap();
    // More than is written again at a time.
    let large = vec![3; 5 << 19];
    writer.push(1, 2, &[&payload(2)]);
    writer.push(1, 3, &[&large]);
    writer.flush().unwrap();
    forgetful.fails.store(true, Ordering::Relaxed);
    assert!(matches!(writer.sync(), Err(Error::Write { .. })));
    forgetful.fails.store(false, Ordering::Relaxed);
    drop(writer);
    let read = |path: &Path, disk: &Arc<dyn Disk>| {
        let mut frames = Vec::new();
        let recovered = recover::<Error>(disk, path, |frame| {
            frames.push((frame.number, frame.payload.to_vec()));
            Ok(())
        });
        (frames, recovered.unwrap().writer)
    };
    let (seen, mut writer) = read(&path(&directory), &disk);
    assert_eq!(seen.len(), 4);
    // Somebody acts on what was seen, and the power is cut.
    let after_a_cut = directory.path().join("left");
    std::fs::write(&after_a_cut, &*forgetful.durable.lock().unwrap()).unwrap();
    assert_eq!(read(&after_a_cut, &real()).0, seen);
    // What is written next comes behind it.
    writer.push(1, 4, &[&payload(4)]);
    writer.flush().unwrap();
    writer.sync().unwrap();
    std::fs::write(&after_a_cut, &*forgetful.durable.lock().unwrap()).unwrap();
    assert_eq!(read(&after_a_cut, &real()).0.last().unwrap().0, 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_never_panic_nor_give_what_was_not_written(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let Sample { directory, mut bytes, .. } = sample();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(numbers) = recovered(&bytes, &directory) {
            let all = [1, 2, 3, 4, 5, 6];
            prop_assert!(all.starts_with(&numbers));
        }
    }
}
