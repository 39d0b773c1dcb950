//! The log of flows that have ended.

use std::fs;

use rustix::process::Signal;

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
    // The daemon follows the link anew at every SIGHUP.
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
