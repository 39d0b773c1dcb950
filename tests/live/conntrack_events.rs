//! `conntrack -E`, live: compared with Debian's conntrack on the same events, with readers that are too slow,
//! and with readers that stop.

use crate::support::{lacks, needs};
use crate::world;

use std::collections::BTreeSet;
use std::io::Read;
use std::time::SystemTime;

use crate::conntrack_text::both::{Form, corrected};
use rustix::process::Signal;
use world::{Ran, Script, Watcher, World, wait_until};

/// Sends datagrams to as many ports and addresses as it is told. Each makes a flow and is dropped once the flow
/// is in the table. Then it prints the number of flows.
const SENDER: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent = 0
for line in sys.stdin:
    for _ in range(int(line)):
        s.sendto(b'x', ('127.0.%d.1' % (sent // 60000), 1 + sent % 60000))
        sent += 1
    print(open('/proc/sys/net/netfilter/nf_conntrack_count').read().strip(), flush=True)
";

/// A world with rules that track flows, and drop the packets that make them. None if `test` is skipped.
fn tracking(test: &str) -> Option<World> {
    if !needs(test, &["connection tracking", "iptables", "conntrack", "python3", "sh"]) {
        return None;
    }
    let world = World::quiet(test)?;
    let rules = "iptables -t raw -A PREROUTING -i lo -j DROP && \
                 iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT && \
                 cd /proc/sys/net/netfilter && echo 600 >nf_conntrack_udp_timeout";
    let Ran { status, stderr, .. } = world.ran("sh", &["-c", rules]);
    if status != 0 {
        lacks(test, "connection tracking", stderr.trim_end());
        return None;
    }
    Some(world)
}

impl World {
    fn ours(&self, words: &[&str]) -> Watcher {
        self.connbox_watcher(&[&["conntrack", "-E"], words].concat())
    }

    fn theirs(&self, words: &[&str]) -> Watcher {
        self.watcher("conntrack", &[&["-E"], words].concat())
    }

    /// Inserts a flow to a port. When watchers have seen it, they have seen everything before it.
    fn mark(&self, port: u16) {
        let port = port.to_string();
        let mut words =
            "-I -s 192.0.2.1 -d 192.0.2.2 -p udp -t 600 --sport 9".split(' ').collect::<Vec<_>>();
        words.extend(["--dport", &port]);
        assert_eq!(self.ran("conntrack", &words).status, 0);
    }
}

fn sent(sender: &mut Script, flows: usize) -> usize {
    sender.tell(&flows.to_string()).parse().expect("a number")
}

/// A line without what depends on when it was written: the name of a program that has ended by then, and the
/// age of the flow.
fn timeless(line: &str) -> String {
    let line = line.split(" progname=").next().unwrap();
    let is_age = |word: &&str| !word.starts_with("delta-time=");
    let words: Vec<_> = line.split(' ').filter(is_age).collect();
    let line = words.join(" ");
    match line.split_once("<deltatime>") {
        Some((before, after)) => [before, after.split_once("</deltatime>").unwrap().1].concat(),
        None => line,
    }
}

/// A line of options without the mark, which the original omits.
fn without_mark(line: &str) -> String {
    match line.split_once(" -m ") {
        Some((before, after)) => [before, after.split_once(' ').unwrap().1].join(" "),
        None => line.to_owned(),
    }
}

#[test]
fn every_line_is_that_of_debians_conntrack() {
    let Some(mut router) = World::router("every_line_is_that_of_debians_conntrack") else { return };
    let forms: [(&[&str], Form); 11] = [
        (&[], Form::Line),
        (&["-o", "id,extended"], Form::Line),
        (&["-o", "ktimestamp,labels", "-e", "NEW"], Form::Line),
        (&["-o", "xml"], Form::Xml),
        (&["-o", "save"], Form::Save),
        (&["-e", "DESTROY", "-o", "id"], Form::Line),
        (&["-e", "UPDATES,NEW"], Form::Line),
        (&["-p", "tcp", "--state", "ESTABLISHED"], Form::Line),
        (&["-s", "10.1.0.0/24", "-o", "extended"], Form::Line),
        (&["-f", "ipv6"], Form::Line),
        (&["-f", "ipv4", "-o", "xml,id"], Form::Xml),
    ];
    let watchers = forms.map(|(words, _)| [router.ours(words), router.theirs(words)]);
    router.wait_for_listeners(2 * forms.len());
    router.more_traffic();
    router.mark(7);
    // All flows end, except those inserted after this.
    assert_eq!(router.ran("conntrack", &["-F"]).status, 0);
    router.mark(8);
    for (number, ([ours, theirs], (words, form))) in watchers.into_iter().zip(forms).enumerate() {
        if number < 2 {
            ours.wait_for("the last event", |text| text.contains("dport=8 "));
            theirs.wait_for("the last event", |text| text.contains("dport=8 "));
        }
        // A filter may remove the last event; then wait until both have the same number of lines.
        let lines = |watcher: &Watcher| watcher.stdout().lines().count();
        wait_until("as many lines", || Ok(lines(&ours) == lines(&theirs))).unwrap();
        let [ours, theirs] = [ours.end(Signal::INT), theirs.end(Signal::TERM)];
        assert_eq!((ours.status, theirs.status), (0, 0));
        assert!(ours.stdout.lines().count() > 20, "{words:?}: {}", ours.stdout);
        for (ours, theirs) in ours.stdout.lines().zip(theirs.stdout.lines()) {
            let ours = if form == Form::Save { without_mark(ours) } else { ours.to_owned() };
            assert_eq!(timeless(&ours), timeless(&corrected(theirs, form)), "{words:?}");
        }
        let summary = |ran: &Ran| ran.stderr.lines().last().unwrap_or_default().to_owned();
        assert_eq!(summary(&ours), summary(&theirs), "{words:?}");
    }
}

#[test]
fn expectations_are_those_of_debians_conntrack() {
    let name = "expectations_are_those_of_debians_conntrack";
    let Some(router) = World::router(name) else { return };
    let [ours, theirs] = [router.ours(&["expect"]), router.theirs(&["expect"])];
    let rows = router.ours(&["expect", "--json"]);
    router.wait_for_listeners(3);
    assert_eq!(router.ran("conntrack", &["-F", "expect"]).status, 0);
    theirs.wait_for("an event", |text| text.lines().count() >= 2);
    let wanted = theirs.stdout().lines().count();
    ours.wait_for("an event", |text| text.lines().count() >= wanted);
    rows.wait_for("an event", |text| text.lines().count() >= wanted);
    let rows = rows.end(Signal::TERM).stdout;
    assert!(rows.lines().all(|line| line.contains("\"event\":\"DESTROY\"")), "{rows}");
    let [ours, theirs] = [ours.end(Signal::TERM), theirs.end(Signal::TERM)];
    let all = |text: &str| text.lines().map(timeless).collect::<Vec<_>>();
    assert_eq!(all(&ours.stdout), all(&theirs.stdout));
    assert_eq!(ours.stderr.lines().last(), theirs.stderr.lines().last());
}

#[test]
fn the_program_behind_an_event_is_named() {
    let Some(world) = tracking("the_program_behind_an_event_is_named") else { return };
    let watchers = [world.ours(&[]), world.theirs(&[]), world.ours(&["--json"])];
    world.wait_for_listeners(3);
    world.mark(7);
    let flush = "
import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
s.send(struct.pack('=IHHIIBBH', 20, 0x102, 5, 1, 0, 0, 0, 0))
sys.stdin.readline()
print(s.getsockname()[0], flush=True)
sys.stdin.readline()
";
    let mut program = world.script(flush);
    let port = program.go();
    let text = format!(" [USERSPACE] portid={port} progname=python3\n");
    let [ours, theirs, rows] = watchers;
    ours.wait_for("the program", |seen| seen.contains("[DESTROY]") && seen.ends_with(&text));
    theirs.wait_for("the program", |seen| seen.contains("[DESTROY]") && seen.ends_with(&text));
    let fields = format!("\"portid\":{port},\"progname\":\"python3\"}}\n");
    rows.wait_for("the program", |seen| seen.ends_with(&fields));
}

#[test]
fn the_time_is_that_of_the_event_and_not_of_reading_it() {
    let Some(world) = tracking("the_time_is_that_of_the_event_and_not_of_reading_it") else {
        return;
    };
    let on = "cd /proc/sys/net/netfilter && echo 1 >nf_conntrack_timestamp";
    assert_eq!(world.ran("sh", &["-c", on]).status, 0);
    let text = world.ours(&["-o", "timestamp"]);
    let rows = world.ours(&["--shell"]);
    world.wait_for_listeners(2);
    [&text, &rows].into_iter().for_each(Watcher::wait_until_it_sleeps);
    [&text, &rows].into_iter().for_each(|watcher| watcher.signal(Signal::STOP));
    sent(&mut world.script(SENDER), 1);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let made = now();
    [&text, &rows].into_iter().for_each(|watcher| watcher.signal(Signal::CONT));
    for watcher in [&text, &rows] {
        watcher.wait_for("the event", |text| text.ends_with('\n'));
    }
    let [text, rows] = [text, rows].map(|watcher| watcher.end(Signal::INT).stdout);
    let (time, rest) =
        text.strip_prefix('[').unwrap().split_once("]\t    [NEW] udp ").expect(&text);
    assert_eq!((time.len(), rest.lines().count()), ("1795260816.123456".len(), 1), "{text}");
    let time: f64 = time.parse().unwrap();
    // Since Linux 6.14, the kernel gives the time of the event; before, it is the time of reading.
    let is_told = connbox::sys::kernel_version() >= (6, 14);
    assert!(time <= if is_told { made } else { now() } && time > made - 5.0, "{time}, {made}");
    assert!(
        rows.starts_with("TIME=\"20")
            && rows.contains("\" EVENT=\"NEW\" SYNTHETIC=\"false\" LOST=\"\" ")
    );
    assert!(rows.contains(" DPORT=\"1\" "), "{rows}");
}

/// How many events were reported as lost.
fn said_lost(stderr: &str) -> usize {
    let lost = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("conntrack: ")?.split_once(" events lost:"));
    lost.map(|(number, _)| number.parse::<usize>().expect("a number")).sum()
}

#[test]
fn a_stopped_reader_is_told_exactly_what_it_lost() {
    const FLOWS: usize = 100_000;
    let Some(world) = tracking("a_stopped_reader_is_told_exactly_what_it_lost") else { return };
    // One with a buffer that cannot be filled, one with the usual buffer, and one with a tiny one.
    let large = world.ours(&["-e", "NEW", "-b", "268435456"]);
    let [text, rows] = [world.ours(&["-e", "NEW"]), world.ours(&["-e", "NEW", "--tsv"])];
    let small = world.ours(&["-e", "NEW", "-b", "4096"]);
    world.wait_for_listeners(4);
    let all = [&large, &text, &rows, &small];
    all.into_iter().for_each(|watcher| watcher.signal(Signal::STOP));
    assert_eq!(sent(&mut world.script(SENDER), FLOWS), FLOWS);
    all.into_iter().for_each(|watcher| watcher.signal(Signal::CONT));
    large.wait_for("all events", |text| text.lines().count() == FLOWS);
    let large = large.end(Signal::INT);
    assert_eq!(said_lost(&large.stderr), 0, "{}", large.stderr);
    assert!(large.stderr.contains("NOTICE: Netlink socket buffer size has been set to 536870912 "));
    for watcher in [text, small] {
        let received = || watcher.stdout().lines().count();
        let is_told = || received() + said_lost(&watcher.stderr()) == FLOWS;
        wait_until("all that was sent", || Ok(is_told())).unwrap_or_else(|error| {
            panic!("{error}: {} received, {}", received(), watcher.stderr())
        });
        let received = received();
        assert!(received < FLOWS, "nothing was lost");
        let Ran { status, stderr, .. } = watcher.end(Signal::INT);
        let shown = format!("{received} flow events have been shown.\n");
        assert!(status == 0 && stderr.ends_with(&shown), "{stderr}");
    }
    let total = |text: &str| -> usize {
        let fields = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let count = |fields: Vec<&str>| match fields[1..4] {
            ["NEW", "false", "-"] => 1,
            ["LOST", "false", lost] => lost.parse().expect("a number"),
            _ => panic!("{fields:?}"),
        };
        fields.map(count).sum()
    };
    rows.wait_for("all that was sent", |text| text.ends_with('\n') && total(text) == FLOWS);
    assert!(rows.stdout().contains("\tLOST\t"));
    let Ran { status, stderr, .. } = rows.end(Signal::TERM);
    assert!(stderr.starts_with("conntrack: events were lost, as the rows LOST say: "), "{stderr}");
    assert_eq!((status, stderr.lines().count()), (1, 1));
}

/// The flows left after the events of a stream; two may have the same ID.
fn left(text: &str) -> BTreeSet<[String; 3]> {
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().expect("the names").split('\t').collect();
    let place = |name| head.iter().position(|column| *column == name).expect(name);
    let (event, key) = (place("event"), ["dst", "dport", "id"].map(place));
    let mut living = BTreeSet::new();
    for fields in lines.map(|line| line.split('\t').collect::<Vec<_>>()) {
        let flow = key.map(|place| fields[place].to_owned());
        match fields[event] {
            "DESTROY" => assert!(living.remove(&flow), "{fields:?} was not there"),
            "NEW" => assert!(living.insert(flow), "{fields:?} was there"),
            _ => {}
        }
    }
    living
}

/// The same from a line of `conntrack -L -o id`.
fn listed(line: &str) -> [String; 3] {
    ["dst=", "dport=", "id="].map(|name| {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name));
        word.expect(name).to_owned()
    })
}

#[test]
fn a_dump_tells_what_was_lost() {
    let Some(world) = tracking("a_dump_tells_what_was_lost") else { return };
    let watcher = world.ours(&["--resync", "--tsv", "--header", "-b", "65536"]);
    world.wait_for_listeners(1);
    watcher.wait_until_it_sleeps();
    let mut sender = world.script(SENDER);
    let rows = |text: &str, start: &str| text.lines().filter(|line| line.contains(start)).count();
    assert_eq!(sent(&mut sender, 50), 50);
    watcher.wait_for("the first events", |text| rows(text, "\tNEW\tfalse\t") == 50);
    watcher.signal(Signal::STOP);
    // Of all these flows, only some of the first are reported, and no end of the earlier flows is.
    assert_eq!(sent(&mut sender, 3000), 3050);
    assert_eq!(
        world.ran("conntrack", &["-D", "--src", "127.0.0.1", "-p", "udp", "--dport", "7"]).status,
        0
    );
    assert_eq!(world.ran("conntrack", &["-F"]).status, 0);
    assert_eq!(sent(&mut sender, 2000), 2000);
    watcher.signal(Signal::CONT);
    let table = world.ran("conntrack", &["-L", "-o", "id"]).stdout;
    let wanted: BTreeSet<_> = table.lines().map(listed).collect();
    assert_eq!(wanted.len(), 2000);
    watcher.wait_for("the same flows", |text| text.ends_with('\n') && left(text) == wanted);
    let Ran { status, stdout, stderr } = watcher.end(Signal::INT);
    assert!(
        status == 0 && stderr.starts_with("NOTICE: ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    assert!(stdout.contains("\tLOST\tfalse\t"));
    assert!(rows(&stdout, "\tNEW\ttrue\t") > 1000 && rows(&stdout, "\tDESTROY\ttrue\t") > 0);
    // The text marks what the events did not report.
    let watcher = world.ours(&["--resync", "-b", "65536"]);
    world.wait_for_listeners(1);
    watcher.wait_until_it_sleeps();
    watcher.signal(Signal::STOP);
    sent(&mut sender, 3000);
    watcher.signal(Signal::CONT);
    watcher.wait_for("all flows", |text| text.lines().count() == 3000);
    let Ran { stdout, stderr, .. } = watcher.end(Signal::INT);
    let marked = stdout.lines().filter(|line| line.ends_with(" [SYNTHETIC]")).count();
    assert_eq!(marked, said_lost(&stderr));
    assert!(marked > 0);
}

#[test]
fn what_the_kernel_will_not_tell_is_said() {
    let Some(world) = tracking("what_the_kernel_will_not_tell_is_said") else { return };
    let set = |mode: &str| {
        let file = "cd /proc/sys/net/netfilter && echo $0 >nf_conntrack_events";
        assert_eq!(world.ran("sh", &["-c", file, mode]).status, 0);
    };
    let said = |words: &[&str]| {
        let watcher = world.ours(words);
        world.wait_for_listeners(1);
        let Ran { status, stderr, .. } = watcher.end(Signal::TERM);
        assert_eq!(status, 0, "{stderr}");
        let summary = "conntrack v1.4.7 (conntrack-tools): 0 flow events have been shown.\n";
        stderr.strip_suffix(summary).expect(&stderr).to_owned()
    };
    set("2");
    assert_eq!(said(&[]), "");
    set("0");
    assert!(said(&[]).starts_with("conntrack: net.netfilter.nf_conntrack_events is 0: "));
    set("2");
    sent(&mut world.script(SENDER), 3);
    let silent = "conntrack: net.netfilter.nf_conntrack_events is 2: flows that began when nobody \
                  listened report neither changes nor their end\n";
    assert_eq!(said(&[]), silent);
    assert_eq!(said(&["-e", "NEW"]), "");
    set("1");
    assert_eq!(said(&[]), "");
}

#[test]
fn a_signal_ends_it_even_while_the_reader_takes_nothing() {
    let name = "a_signal_ends_it_even_while_the_reader_takes_nothing";
    let Some(world) = tracking(name) else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let (mut stdout, mut resident) = world.connbox_running(&["conntrack", "-E"]);
        world.wait_for_listeners(1);
        // Far more than a pipe holds.
        sent(&mut world.script(SENDER), 5000);
        let has_much = || Ok(rustix::io::ioctl_fionread(&stdout)? > 30_000);
        wait_until("a full pipe", has_much).unwrap();
        resident.wait_until_it_sleeps();
        resident.signal(signal);
        assert_eq!(resident.end(), 0);
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("    [NEW] udp ") && text.len() >= 4096);
        assert_eq!(world.ran("conntrack", &["-F"]).status, 0);
    }
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let Some(world) = tracking("it_ends_when_nobody_reads_any_more") else { return };
    for words in [&["conntrack", "-E"][..], &["conntrack", "-E", "--json"]] {
        // Even if no event comes.
        let (stdout, mut resident) = world.connbox_running(words);
        world.wait_for_listeners(1);
        drop(stdout);
        assert_eq!(resident.end(), 0);
    }
}

#[test]
fn what_cannot_be_of_events_is_refused() {
    let Some(world) = tracking("what_cannot_be_of_events_is_refused") else { return };
    for (words, reason) in [
        (&["--prom"][..], "--prom: cannot be combined with -E: events have no end"),
        (&["--value"], "--value: cannot be combined with -E: an event is more than its numbers"),
        (
            &["--interval", "1"],
            "--interval: cannot be combined with -E: events come when they come",
        ),
        (
            &["--output-file", "/tmp/x"],
            "--output-file: cannot be combined with -E: events have no end, so the file would never be complete",
        ),
        (&["expect", "--resync"], "--resync: cannot be combined with -E expect"),
        (
            &["--netns", "all"],
            "--netns: all cannot be combined with -E: events are those of one network namespace",
        ),
    ] {
        let Ran { status, stdout, stderr } = world.connbox(&[&["conntrack", "-E"], words].concat());
        assert_eq!((status, stdout.as_str()), (2, ""), "{words:?}");
        assert!(stderr.contains(reason), "{words:?}: {stderr}");
    }
    let Ran { status, stderr, .. } = world.connbox_as(world::Rights::Nobody, &["conntrack", "-E"]);
    let reason = "conntrack: ctnetlink: Operation not permitted (needs CAP_NET_ADMIN)\n";
    assert_eq!((status, stderr.as_str()), (1, reason));
}
