//! What the daemon gives up after its start. What it then cannot do is tried in src/sys/sandbox.rs.

use std::fs;
use std::os::unix::fs::chown;

use rustix::process::Signal;

use super::{Place, signal, until};
use crate::world::rights_of;

const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_NET_ADMIN: u64 = 1 << 12;

#[test]
fn a_daemon_keeps_one_capability() {
    let Some(place) = Place::new("sandbox") else { return };
    let daemon = place.daemon(&[]);
    let numbers = ["capabilities", "files", "calls"].map(|part| place.number("sandbox", part));
    // A kernel may lack Landlock.
    assert_eq!([numbers[0], numbers[2]], [1, 1]);
    assert_eq!(rights_of(daemon.pid()), (CAP_NET_ADMIN, 1, 2));
    let runtime = place.ask(&["-s", "runtime"]).clean();
    assert_eq!(runtime.contains("sandbox without:\t\tLandlock\n"), numbers[1] == 0, "{runtime}");
    drop(daemon);
    let daemon = place.daemon(&["--no-sandbox"]);
    let (capabilities, bound, filters) = rights_of(daemon.pid());
    assert!(capabilities & !CAP_NET_ADMIN != 0 && [bound, filters] == [0, 0]);
    assert!(place.ask(&["-s", "--tsv"]).clean().contains("sandbox\tfiles\t-\n"));
    assert!(!place.ask(&["-s", "runtime"]).clean().contains("sandbox"));
    let ran = place.ask(&["-s", "--no-sandbox"]);
    let wanted = "conntrackd: --no-sandbox: needs -d or --foreground\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (1, wanted));
}

/// Only over TCP the kernel can limit the ports.
#[test]
fn the_port_of_a_collector_is_shut_in() {
    let Some(place) = Place::new("sandbox_ports") else { return };
    for (words, is_limited) in [
        (&[][..], false),
        (&["--ipfix", "127.0.0.1:4739"], false),
        (&["--ipfix", "127.0.0.1:4739/tcp"], true),
    ] {
        let daemon = place.daemon(words);
        let numbers = place.ask(&["-s", "--tsv"]).clean();
        let line = numbers.lines().find_map(|line| line.strip_prefix("sandbox\tports\t")).unwrap();
        // A kernel may lack Landlock, or its rules for ports.
        assert_eq!(["0", "1"].contains(&line), is_limited, "{words:?}: {line}");
        let runtime = place.ask(&["-s", "runtime"]).clean();
        assert_eq!(runtime.contains("Landlock for ports"), line == "0", "{runtime}");
        drop(daemon);
    }
}

#[test]
fn a_log_of_another_user_takes_a_second_one() {
    let Some(place) = Place::new("sandbox_log") else { return };
    let log = place.path("log");
    fs::write(&log, "").unwrap();
    let daemon = place.daemon(&["--log", &log]);
    assert_eq!(rights_of(daemon.pid()).0, CAP_NET_ADMIN);
    drop(daemon);
    for file in [&log, place.folder.to_str().unwrap()] {
        chown(&log, Some(0), None).unwrap();
        chown(file, Some(65_533), None).unwrap();
        let own = format!("/run/connbox-sandbox_log-{}", std::process::id());
        fs::create_dir(&own).unwrap();
        let socket = format!("{own}/sock");
        let words = ["conntrackd", "--foreground", "--socket", &socket, "--log", &log];
        let mut daemon = place.world.running_with(crate::world::connbox(), &[], &words);
        let ask = |words: &[&str]| {
            let own = ["conntrackd", "--socket", &socket];
            place.world.connbox(&[&own, words].concat())
        };
        until("the daemon answers", || ask(&["-s"]).status == 0);
        assert_eq!(rights_of(daemon.pid()).0, CAP_NET_ADMIN | CAP_DAC_OVERRIDE);
        fs::remove_file(&log).unwrap();
        signal(daemon.pid(), Signal::HUP);
        until("the new log", || fs::exists(&log).unwrap());
        assert_eq!(ask(&["-k"]).status, 0);
        assert_eq!(daemon.end(), 0);
        fs::remove_dir(&own).unwrap();
    }
}

/// The log may be a link to a file elsewhere, which is renamed.
#[test]
fn a_log_behind_a_link_is_made_anew() {
    let Some(place) = Place::new("sandbox_link") else { return };
    let (log, target) = (place.path("log"), place.path("there/file"));
    fs::create_dir(place.path("there")).unwrap();
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &log).unwrap();
    let daemon = place.daemon(&["--log", &log]);
    fs::rename(&target, place.path("there/file.1")).unwrap();
    signal(daemon.pid(), Signal::HUP);
    until("the new log", || fs::exists(&target).unwrap());
}
