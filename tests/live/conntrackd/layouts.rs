//! -s, -i and the log report what Debian's conntrackd reports of the same events.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Place, Resident, support, until};

/// Debian's conntrackd running at the same time as ours, or None if it is not installed.
fn theirs(test: &str, place: &Place) -> Option<Resident> {
    if !support::needs(test, &["conntrackd", "ping"]) {
        return None;
    }
    let (lock, socket, log) =
        (place.path("their.lock"), place.path("theirs"), place.path("their.log"));
    let text = format!(
        "General {{\n HashSize 8192\n HashLimit 65535\n LockFile {lock}\n UNIX {{ Path {socket}\n }}\n \
         NetlinkBufferSize 2097152\n NetlinkBufferSizeMaxGrowth 8388608\n}}\n\
         Stats {{\n LogFile {log}\n}}\n"
    );
    fs::write(place.path("their.conf"), text).unwrap();
    let conf = place.path("their.conf");
    let daemon = place.world.running_with(Path::new("conntrackd"), &[], &["-C", &conf]);
    until("their daemon answers", || fs::exists(&socket).unwrap());
    Some(daemon)
}

/// The output of Debian's conntrackd.
fn said(place: &Place, words: &str) -> String {
    let line = format!("conntrackd -C {} {words} 2>/dev/null", place.path("their.conf"));
    place.world.tool("sh", &["-c", &line])
}

/// Lines in any order, without what follows the last `[active since`.
fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.split(" [active").next().unwrap().to_owned()).collect()
}

#[test]
fn layouts_lists_and_logs_are_those_of_conntrackd() {
    let test = "layouts_lists_and_logs";
    let Some(place) = Place::new(test) else { return };
    let Some(_theirs) = theirs(test, &place) else { return };
    let log = place.path("log");
    let _ours = place.daemon(&["--log", &log, "--reconcile", "86400"]);
    let same = |what: &str| {
        for topic in ["", "ct", "cache", "runtime", "network", "expect", "queue", "proc"] {
            let words = format!("-s {topic}");
            let ask = || place.ask(&words.split_whitespace().collect::<Vec<_>>()).clean();
            let (mut ours, mut theirs) = (String::new(), String::new());
            // The last event may have reached only one of them, and the minute of the uptime may change.
            until(&format!("{what}: -s {topic} agrees"), || {
                (ours, theirs) = (ask(), said(&place, &words));
                ours == theirs
            });
        }
    };
    same("nothing yet");
    place.traffic();
    place.world.tool("ping", &["-c1", "-q", "127.0.0.1"]);
    until("all flows", || place.number("flows", "active") == place.kernel_count());
    assert!(place.number("flows", "active") >= 4);
    same("flows");
    assert_eq!(lines(&place.ask(&["-i"]).clean()), lines(&said(&place, "-i")));
    assert_eq!(lines(&place.ask(&["-i", "-x"]).clean()), lines(&said(&place, "-i -x")));
    assert_eq!(place.ask(&["-i", "expect"]).clean(), said(&place, "-i expect"));
    assert_eq!(place.ask(&["-e"]).clean(), "");
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    until("no flow", || place.number("flows", "active") == 0);
    same("no flows");
    assert!(place.number("traffic", "orig_bytes") > 1000);
    // Their date may be a second off; ours has the same form.
    let undated = |text: String| -> BTreeSet<String> {
        text.lines().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
    };
    let ours = fs::read_to_string(&log).unwrap();
    until("their log", || fs::read_to_string(place.path("their.log")).unwrap().len() == ours.len());
    let theirs = fs::read_to_string(place.path("their.log")).unwrap();
    let date = |text: &str| text.split_once('\t').unwrap().0.len();
    assert_eq!(date(&ours), date(&theirs));
    assert_eq!(undated(ours), undated(theirs));
}

#[test]
fn every_format_has_the_same_numbers() {
    let Some(place) = Place::new("every_format") else { return };
    let _daemon = place.daemon(&[]);
    place.flows(4000, 7);
    until("the flows", || place.number("flows", "active") == 7);
    let json = place.ask(&["-s", "--json"]).clean();
    assert!(json.starts_with("{\"flows\":{\"active\":7,"), "{json}");
    assert!(json.contains("\"protocol\":{\"tcp\":0,\"udp\":7,"), "{json}");
    let shell = place.ask(&["-s", "--shell"]).clean();
    assert!(shell.contains("FLOWS_ACTIVE=\"7\"\n") && shell.contains("TCP_ESTABLISHED=\"0\"\n"));
    let prometheus = place.ask(&["-s", "--prom"]).clean();
    let line = "connbox_conntrackd_total{section=\"flows\",name=\"created\"} 7\n";
    assert!(prometheus.contains(line) && !prometheus.contains("section=\"rate\""), "{prometheus}");
    let rows = place.ask(&["-i", "--json"]).clean();
    assert_eq!(rows.lines().count(), 7);
    assert!(rows.lines().all(|row| row.contains("\"sport\":4000,\"dport\":53,")), "{rows}");
    assert_eq!(place.ask(&["-i", "--tsv"]).clean().lines().count(), 7);
    let twice = ["-s", "--tsv", "--interval", "0.01", "--count", "2", "--rate"];
    let twice = place.ask(&twice).clean();
    assert_eq!(twice.lines().filter(|line| line.contains("\tflows\tcreated\t7\t")).count(), 2);
}
