//! Any bytes as a conntrackd.conf: it parses, or the error names a line of the file.
#![no_main]

use connbox::applet::conntrackd::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.matches('\n').count() + 1;
    match config::read(text) {
        Ok(config) => assert!(config.ignored.iter().all(|(line, _)| (1..=lines).contains(line))),
        Err((line, reason)) => assert!((1..=lines).contains(&line) && !reason.is_empty()),
    }
});
