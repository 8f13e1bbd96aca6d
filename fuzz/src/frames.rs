//! A segment after a crash.

use crate::{repair, scratch};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use syncline_segment::{Disk, Error, Frame, HEADER, RealDisk, recover};

/// What a segment was recovered to stays, and takes another frame; one that is damaged is left as it is.
pub(crate) fn run(data: &[u8]) {
    let directory = scratch::directory();
    let path = directory.path().join("segment");
    let file = repair::file(data);
    fs::write(&path, &file).expect("there is room for it");
    let Ok((frames, torn)) = recovered(&path) else {
        assert!(fs::read(&path).is_ok_and(|now| now == file), "what is damaged is left alone");
        return;
    };
    assert!(frames.first().is_some_and(|first| first.kind == HEADER), "a segment has its header");
    assert!(frames.windows(2).all(|pair| pair[0].end == pair[1].at), "frames have no gaps");
    let end = frames.last().map_or(0, |last| last.end);
    assert_eq!(end + torn, file.len() as u64, "every byte is of a frame, or torn");
    let (again, torn) = recovered(&path).expect("what was recovered is whole");
    assert!(again.starts_with(&frames) && again.len() == frames.len() + 1 && torn == 0);
}

/// The frames of a segment and how much of it was torn; with one more frame behind them.
fn recovered(path: &Path) -> Result<(Vec<Frame>, u64), Error> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut frames = Vec::new();
    let mut recovered = recover(&disk, path, |frame| {
        frames.push(frame);
        Ok::<(), Error>(())
    })?;
    recovered.writer.push(9, 9, &[b"one more"]);
    recovered.writer.flush()?;
    recovered.writer.sync()?;
    Ok((frames, recovered.torn_bytes))
}
