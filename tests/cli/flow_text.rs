//! The text of flows and expectations, compared with that of conntrack-tools: a recorded table, recorded
//! events, and any message by way of Debian's libnetfilter_conntrack.

mod dates;
mod events;
mod library;
mod recorded;

use std::env;
use std::process::Command;

/// Runs a test again in one process per time zone, since libc reads TZ only once; true in those processes.
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
