//! The text of flows and expectations against what conntrack-tools writes: a recorded table, recorded
//! events, and Debian's libnetfilter_conntrack for any message.

mod dates;
mod events;
mod library;
mod recorded;

use std::env;
use std::process::Command;

/// Runs a test again in a process for each of some time zones, as libc reads TZ once; true in those.
fn in_zones(test: &str, zones: &[&str]) -> bool {
    const AGAIN: &str = "CONNBOX_TEST_AGAIN";
    if env::var_os(AGAIN).is_some() {
        return true;
    }
    for zone in zones {
        let mut again = Command::new(env::current_exe().unwrap());
        again
            .args(["--exact", &format!("flow_text::{test}"), "--nocapture"])
            .env("TZ", zone)
            .env(AGAIN, "1");
        let output = again.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
        assert!(output.status.success() && text.contains(" 1 passed"), "TZ={zone}: {text}");
        connbox::sys::write_stderr(text.as_bytes());
    }
    false
}
