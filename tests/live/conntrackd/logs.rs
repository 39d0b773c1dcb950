//! The log of flows that have ended.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::{Place, signal, until};

/// Ends all flows.
fn end(place: &Place) {
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
}

fn count(place: &Place, name: &str) -> usize {
    fs::read_to_string(place.path(name)).unwrap_or_default().lines().count()
}

#[test]
fn a_renamed_log_is_opened_anew() {
    let Some(place) = Place::new("renamed_log") else { return };
    let log = place.path("log");
    let daemon = place.daemon(&["--log", &log]);
    place.flows(4000, 3);
    until("the flows", || place.number("flows", "active") == 3);
    end(&place);
    until("their lines", || count(&place, "log") == 3);
    fs::rename(&log, place.path("log.1")).unwrap();
    signal(daemon.pid(), Signal::HUP);
    until("the new log", || fs::exists(&log).unwrap());
    place.flows(4001, 4);
    until("the flows", || place.number("flows", "active") == 4);
    end(&place);
    until("their lines", || count(&place, "log") == 4);
    assert_eq!(count(&place, "log.1"), 3);
    assert_eq!(place.number("log", "lines"), 7);
}

#[test]
fn a_full_disk_stops_the_log_alone() {
    let Some(place) = Place::new("full_disk") else { return };
    // The daemon follows the link again at every SIGHUP.
    let log = place.path("log");
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();
    let daemon = place.daemon(&["--log", &log]);
    place.flows(4000, 5);
    until("the flows", || place.number("flows", "active") == 5);
    end(&place);
    until("their lines are lost", || place.number("log", "lost") == 5);
    assert_eq!([place.number("log", "lines"), place.number("log", "is_failing")], [0, 1]);
    fs::remove_file(&log).unwrap();
    signal(daemon.pid(), Signal::HUP);
    until("the new log", || fs::exists(&log).unwrap());
    place.flows(4001, 2);
    until("the flows", || place.number("flows", "active") == 2);
    end(&place);
    until("their lines", || count(&place, "log") == 2);
    assert_eq!([place.number("log", "lost"), place.number("log", "is_failing")], [5, 0]);
}

/// The numbers are for those who look; a line on standard error for those who read the journal.
#[test]
fn the_first_failure_of_a_log_is_said_once() {
    let Some(place) = Place::new("told_log") else { return };
    let (log, socket) = (place.path("log"), place.path("sock"));
    symlink("/dev/full", &log).unwrap();
    let words = ["conntrackd", "--foreground", "--socket", &socket, "--log", &log];
    let daemon = place.world.connbox_watcher(&words);
    until("the daemon answers", || place.ask(&["-s"]).status == 0);
    let lose = |port, lost| {
        place.flows(port, 3);
        until("the flows", || place.number("flows", "active") == 3);
        end(&place);
        until("their lines are lost", || place.number("log", "lost") == lost);
    };
    let said = format!(
        "conntrackd: {log}: No space left on device: lines are lost, and counted as log.lost\n"
    );
    lose(4000, 3);
    until("a message", || daemon.stderr() == said);
    // After the time for another attempt.
    std::thread::sleep(std::time::Duration::from_secs(6));
    lose(4001, 6);
    assert_eq!(daemon.stderr(), said);
    // A log that was opened again is another one.
    daemon.signal(Signal::HUP);
    lose(4002, 9);
    until("another message", || daemon.stderr() == said.repeat(2));
    // What is lost is no reason for another status: it was stopped.
    let ended = daemon.end(Signal::TERM);
    let last = format!("conntrackd: {log}: 9 lines were lost\n");
    assert_eq!((ended.status, ended.stderr), (0, said.repeat(2) + &last));
}

#[test]
fn a_limit_on_the_size_of_files_stops_the_log_alone() {
    let Some(place) = Place::new("limited_log") else { return };
    let daemon = place.daemon(&["--log", &place.path("log")]);
    let limit = |bytes| {
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
        prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    };
    limit(Some(0));
    place.flows(4000, 5);
    until("the flows", || place.number("flows", "active") == 5);
    end(&place);
    until("their lines are lost", || place.number("log", "lost") == 5);
    assert_eq!([place.number("log", "lines"), place.number("log", "is_failing")], [0, 1]);
    limit(None);
    signal(daemon.pid(), Signal::HUP);
    place.flows(4001, 2);
    until("the flows", || place.number("flows", "active") == 2);
    end(&place);
    until("their lines", || count(&place, "log") == 2);
    assert_eq!([place.number("log", "lost"), place.number("log", "is_failing")], [5, 0]);
}

#[test]
fn lines_that_are_in_the_file_are_not_lost() {
    let Some(place) = Place::new("half_written") else { return };
    let log = place.path("log");
    let daemon = place.daemon(&["--log", &log]);
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    let limit = |current| {
        prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    };
    // Whole lines, and a part of one.
    limit(Some(500));
    place.flows(4000, 20);
    until("the flows", || place.number("flows", "active") == 20);
    end(&place);
    let numbers = || ["lines", "lost"].map(|name| place.number("log", name));
    until("the end of all", || numbers().iter().sum::<u64>() == 20);
    let text = fs::read_to_string(&log).unwrap();
    let whole = text.matches('\n').count() as u64;
    assert!(text.len() == 500 && !text.ends_with('\n') && whole > 0, "{text}");
    assert_eq!(numbers(), [whole, 20 - whole]);
    // Nothing is added to the part, not even after a write of nothing, or after a signal without a new file.
    std::thread::sleep(std::time::Duration::from_secs(6));
    place.flows(4001, 1);
    until("the flow", || place.number("flows", "active") == 1);
    end(&place);
    until("its line is lost", || numbers() == [whole, 21 - whole]);
    limit(None);
    signal(daemon.pid(), Signal::HUP);
    place.flows(4002, 2);
    until("the flows", || place.number("flows", "active") == 2);
    end(&place);
    until("their lines", || numbers() == [whole + 2, 21 - whole]);
    let lines = fs::read_to_string(&log).unwrap();
    let added = lines.strip_prefix(&text).unwrap();
    assert!(added.starts_with('\n') && added.matches("sport=4002").count() == 2, "{added}");
    assert_eq!(added.lines().count(), 3);
    // Another file begins with a line.
    limit(Some(lines.len() as u64 + 10));
    place.flows(4003, 1);
    until("the flow", || place.number("flows", "active") == 1);
    end(&place);
    until("its line is lost", || numbers() == [whole + 2, 22 - whole]);
    fs::rename(&log, place.path("log.1")).unwrap();
    limit(None);
    signal(daemon.pid(), Signal::HUP);
    place.flows(4004, 1);
    until("the flow", || place.number("flows", "active") == 1);
    end(&place);
    until("its line", || numbers() == [whole + 3, 22 - whole]);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
}

#[test]
fn a_line_that_lacks_its_end_alone_is_in_the_file() {
    let Some(place) = Place::new("ends_missing") else { return };
    let log = place.path("log");
    let daemon = place.daemon(&["--log", &log]);
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    let limit = |current| {
        prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    };
    let numbers = || ["lines", "lost"].map(|name| place.number("log", name));
    let ended = |port: u16| {
        place.flows(port, 1);
        until("the flow", || place.number("flows", "active") == 1);
        end(&place);
    };
    ended(4000);
    until("its line", || numbers() == [1, 0]);
    let one = fs::read_to_string(&log).unwrap();
    limit(Some(one.len() as u64 * 2 - 1));
    ended(4001);
    until("the line without its end", || numbers() == [2, 0]);
    assert_eq!(fs::metadata(&log).unwrap().len(), one.len() as u64 * 2 - 1);
    limit(None);
    signal(daemon.pid(), Signal::HUP);
    ended(4002);
    until("the line behind it", || numbers() == [3, 0]);
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [one.len() - 1; 3], "{text}");
}

/// Another user.
const OTHER: u32 = 65_533;

/// Puts something of another user's choice in the place of the log; `secret` is a file of ours elsewhere.
fn put(log: &str, what: &str, secret: &str) {
    let _ = fs::remove_file(log);
    match what {
        "link" => symlink(secret, log).unwrap(),
        "link to nothing" => symlink(format!("{secret}.new"), log).unwrap(),
        "hard link" => return fs::hard_link(secret, log).unwrap(),
        "pipe" => assert!(Command::new("mkfifo").arg(log).status().unwrap().success()),
        _ => fs::write(log, "").unwrap(),
    }
    lchown(log, Some(OTHER), Some(OTHER)).unwrap();
}

#[test]
fn what_another_user_puts_in_the_place_of_the_log_is_not_written() {
    let Some(place) = Place::new("foreign_log") else { return };
    let (shared, secret) = (place.path("st"), place.path("secret"));
    let log = format!("{shared}/log");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&secret, "secret").unwrap();
    let is_untouched = || {
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert!(!Path::new(&format!("{secret}.new")).exists());
    };
    const KINDS: [(&str, &str); 5] = [
        ("link", "leads through another user's link in a directory"),
        ("link to nothing", "leads through another user's link in a directory"),
        ("hard link", "has other names, and is in a directory"),
        ("pipe", "belongs to another user in a directory"),
        ("file", "belongs to another user in a directory"),
    ];
    for (what, why) in KINDS {
        put(&log, what, &secret);
        let ran = place.ask(&["--foreground", "--log", &log]);
        let wanted = format!("conntrackd: {log}: {why} that others may write; ");
        assert!(ran.status == 1 && ran.stderr.starts_with(&wanted), "{what}: {ran:?}");
        is_untouched();
    }
    // The same while the daemon runs, and opens its log anew.
    fs::remove_file(&log).unwrap();
    let daemon = place.daemon(&["--log", &log]);
    for (number, (what, _)) in (1..).zip(KINDS) {
        put(&log, what, &secret);
        signal(daemon.pid(), Signal::HUP);
        place.flows(4000 + number, 1);
        until("the flow", || place.number("flows", "active") == 1);
        end(&place);
        until("its line is lost", || place.number("log", "lost") == u64::from(number));
        is_untouched();
    }
    drop(daemon);
    // A file of the directory's owner is allowed, and so is ours.
    for owner in [OTHER, 0] {
        fs::remove_file(&log).unwrap();
        chown(&shared, Some(OTHER), None).unwrap();
        fs::write(&log, "").unwrap();
        chown(&log, Some(owner), None).unwrap();
        let _daemon = place.daemon(&["--log", &log]);
        place.flows(4010, 2);
        until("the flows", || place.number("flows", "active") == 2);
        end(&place);
        until("their lines", || fs::read_to_string(&log).unwrap().lines().count() == 2);
    }
}

#[test]
fn lines_may_be_rows() {
    let Some(place) = Place::new("log_rows") else { return };
    let columns = connbox::applet::find("conntrack").unwrap();
    let columns = columns.columns.iter().position(|column| column.name == "labels").unwrap() + 2;
    for (form, start) in [("json", "{\"time\":\"20"), ("tsv", "20")] {
        let log = place.path(form);
        let daemon = place.daemon(&["--log", &log, "--log-format", form]);
        place.flows(4000, 3);
        until("the flows", || place.number("flows", "active") == 3);
        end(&place);
        until("their lines", || count(&place, form) == 3);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.lines().all(|line| line.starts_with(start)), "{text}");
        if form == "tsv" {
            assert!(text.lines().all(|line| line.split('\t').count() == columns), "{text}");
        }
        drop(daemon);
    }
}
