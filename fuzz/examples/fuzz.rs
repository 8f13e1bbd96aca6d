//! libFuzzer's driver for the target that `SYNCLINE_FUZZ` names. `./dev fuzz` builds and runs it.

#![no_main]

use std::sync::OnceLock;
use syncline_fuzz::{TARGETS, Target, target};

fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("SYNCLINE_FUZZ").unwrap_or_default();
        target(&name).unwrap_or_else(|| {
            let known = TARGETS.map(|target| target.name).join(", ");
            panic!("SYNCLINE_FUZZ names no target; there are {known}")
        })
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| (chosen().run)(data));
