//! The rows: exact bytes from every source, the formats, and errors.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{MOVED, support};
use crate::world::{Rights, World};

/// The fields of the rows by server port: address and port of the client, state, both totals (tx, rx).
fn totals(rows: &str) -> Vec<(String, String, u64, u64)> {
    let number = |text: &str| text.parse().unwrap();
    let mut all: Vec<_> = rows
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|row| (row[3].to_owned(), row[4].to_owned(), number(row[9]), number(row[8])))
        .collect();
    all.sort();
    all
}

/// The totals after this many transfers.
fn moved(times: u64) -> Vec<(String, String, u64, u64)> {
    let row = |port: &str| (port.into(), "ESTABLISHED".into(), MOVED.0 * times, MOVED.1 * times);
    vec![row("9001"), row("9002")]
}

pub fn wait(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !seen() {
        assert!(Instant::now() < end, "not seen in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many packet sockets receive all protocols: those that are bound (columns Proto and R).
pub fn captures(world: &World) -> usize {
    let table = world.proc_net("packet");
    let is_bound = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[3], fields[5]) == ("0003", "1")
    };
    table.lines().skip(1).filter(is_bound).count()
}

#[test]
fn the_kernels_counters_are_exact() {
    let Some(world) = World::quiet("the_kernels_counters_are_exact") else { return };
    let mut script = world.companion("transfer");
    for times in 1..=3 {
        let ports = script.go();
        let mut rows = String::new();
        // The last acknowledgment may still be on its way.
        wait("all bytes", || {
            rows = world.connbox(&["tcptrack", "--once", "--rate-interval", "0.05"]).clean();
            totals(&rows) == moved(times)
        });
        for port in ports.split(' ') {
            let row = rows.lines().find(|row| row.split('\t').nth(1) == Some(port)).unwrap();
            let fields: Vec<_> = row.split('\t').collect();
            assert_eq!((fields[12], fields[13]), ("companion", script.pid().to_string().as_str()));
            assert!(fields[10].parse::<f64>().unwrap() > 0.0, "{row}");
        }
    }
    let only = |filter: &[&str]| {
        let words = [&["tcptrack", "--once", "--rate-interval", "0.05"], filter].concat();
        totals(&world.connbox(&words).clean()).into_iter().map(|row| row.0).collect::<Vec<_>>()
    };
    assert_eq!(only(&["port", "9001"]), ["9001"]);
    assert_eq!(only(&["ip6 and dst port 9002"]), ["9002"]);
    assert_eq!(only(&["not", "host", "127.0.0.1", "and", "not", "port", "9002"]), [""; 0]);
    assert_eq!(only(&["-d"]), [""; 0]);
}

#[test]
fn captured_payload_is_exact_live_and_in_a_file() {
    const TEST: &str = "captured_payload_is_exact_live_and_in_a_file";
    if !support::needs(TEST, &["tcpdump"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let mut script = world.companion("transfer");
    script.go();
    let file = std::env::temp_dir().join(format!("connbox-{}.pcap", std::process::id()));
    let path = file.to_str().unwrap();
    let (stdout, mut running) =
        world.connbox_running(&["tcptrack", "-i", "lo", "--rate-interval", "0.2"]);
    let (_, mut dump) =
        world.running("tcpdump", &["-i", "lo", "-U", "-s", "128", "-w", path, "tcp"]);
    // Ours waits for packets; tcpdump, which opens the file last, has all of them.
    running.wait_until_it_sleeps();
    wait("the captures", || {
        let has_begun = std::fs::metadata(&file).is_ok_and(|file| file.len() >= 24);
        captures(&world) >= 2 && has_begun
    });
    assert_eq!(script.go().split(' ').count(), 2);
    let mut rows = BufReader::new(stdout).lines().map(Result::unwrap);
    let mut seen = std::collections::BTreeMap::new();
    for row in rows.by_ref().take(500) {
        let (_, row) = row.split_once('\t').unwrap();
        for (port, state, tx, rx) in totals(row) {
            seen.insert(port, (state, tx, rx));
        }
        // Mid-stream: only what was seen counts.
        let wanted = ("ESTABLISHED".to_owned(), MOVED.0, MOVED.1);
        if seen.len() == 2 && seen.values().all(|row| *row == wanted) {
            break;
        }
    }
    let seen: Vec<_> =
        seen.into_iter().map(|(port, (state, tx, rx))| (port, state, tx, rx)).collect();
    assert_eq!(seen, moved(1));
    drop(rows);
    assert_eq!(running.end(), 0, "a closed pipe is a quiet end");
    let mut read = String::new();
    wait("the file", || {
        read = world.connbox(&["tcptrack", "-T", path, "--sort", "server"]).stdout;
        totals(&read) == moved(1)
    });
    dump.signal(Signal::INT);
    dump.end();
    let words = ["tcptrack", "-T", path, "--by", "server_port", "port", "9002"];
    let groups = world.connbox(&words).clean();
    assert!(groups.starts_with("9002\t1\t"), "{groups}");
    std::fs::remove_file(file).unwrap();
}

/// What every packet on lo is, in words that the kernel decides and in those that only we can.
#[test]
fn filters_of_packets_select_live() {
    let Some(world) = World::quiet("filters_of_packets_select_live") else { return };
    let mut script = world.companion("transfer");
    script.go();
    for (filter, is_met) in [
        ("tcp[tcpflags] & tcp-ack != 0 and tcp[tcp[12]*0+13] & tcp-syn = 0", true),
        ("ip[8] = 64 or ip6[7] = 64", true),
        ("inbound and ifname lo and ifindex 1", true),
        ("ether host 00:00:00:00:00:00 and len >= 66 and greater 66", true),
        ("not vlan and not mpls and (ether proto 0x0800 or ether proto ip6)", true),
        ("ether[12:2] = 0x800 or ether[12:2] = 0x86dd", true),
        ("outbound or ifindex 77 or vlan or less 50 or ether dst 02:00:00:00:00:01", false),
        ("not tcp[1000] >= 0 and not tcp[len] >= 0 and port 9001 and port 9002", false),
    ] {
        let words = ["tcptrack", "-i", "lo", "--rate-interval", "0.2", filter];
        let (stdout, mut running) = world.connbox_running(&words);
        running.wait_until_it_sleeps();
        wait("the capture", || captures(&world) >= 1);
        script.go();
        let mut rows = BufReader::new(stdout).lines().map(Result::unwrap);
        let mut seen = std::collections::BTreeMap::new();
        let end = Instant::now() + Duration::from_secs(if is_met { 20 } else { 2 });
        if is_met {
            while Instant::now() < end {
                let Some(row) = rows.next() else { break };
                let (_, row) = row.split_once('\t').unwrap();
                for (port, state, tx, rx) in totals(row) {
                    seen.insert(port, (state, tx, rx));
                }
                if seen.len() == 2 && seen.values().all(|row| (row.1, row.2) == MOVED) {
                    break;
                }
            }
            assert!(
                seen.len() == 2 && seen.values().all(|row| (row.1, row.2) == MOVED),
                "{filter} {seen:?}"
            );
            drop(rows);
            assert_eq!(running.end(), 0, "{filter}");
        } else {
            std::thread::sleep(Duration::from_millis(800));
            running.signal(Signal::TERM);
            assert_eq!(rows.count(), 0, "{filter}");
            running.end();
        }
        wait("the end of the capture", || world.proc_net("packet").lines().count() == 1);
    }
    let ran = world.connbox(&["tcptrack", "-i", "lo", "--once", "ifname", "nothing0"]);
    assert!(ran.stderr.starts_with("tcptrack: nothing0: ") && ran.status == 1, "{}", ran.stderr);
}

#[test]
fn flows_are_those_of_conntrack() {
    const TEST: &str = "flows_are_those_of_conntrack";
    const FLOWS: [&str; 6] =
        ["connection tracking", "conntrack", "iptables", "ip6tables", "sh", "sysctl"];
    if !support::needs(TEST, &FLOWS) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    for tool in ["iptables", "ip6tables"] {
        let rule = ["-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT"];
        world.tool(tool, &rule);
    }
    let once = ["tcptrack", "--conntrack", "--once", "--rate-interval", "0.05"];
    let blind = world.connbox(&once);
    assert_eq!(blind.status, 0);
    assert!(blind.stderr.contains("nf_conntrack_acct is 0"), "{}", blind.stderr);
    world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=1"]);
    let mut script = world.companion("transfer");
    script.go();
    let flows = || {
        let mut all = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let words = format!("conntrack -L -p tcp -f {family} 2>/dev/null");
            for line in world.tool("sh", &["-c", &words]).lines() {
                let values = |key: &str| {
                    let found = line.split(' ').filter_map(|word| word.strip_prefix(key));
                    found.map(str::to_owned).collect::<Vec<_>>()
                };
                let bytes = values("bytes=");
                let number = |place: usize| bytes[place].parse().unwrap();
                let port = values("dport=").remove(0);
                let state = line.split_ascii_whitespace().nth(3).unwrap().to_owned();
                all.push((port, state, number(0), number(1)));
            }
        }
        all.sort();
        all
    };
    wait("the same flows", || {
        let before = flows();
        let rows = totals(&world.connbox(&once).clean());
        before == flows() && before == rows && rows.len() == 2
    });
    assert!(flows().iter().all(|flow| flow.2 > MOVED.0 && flow.3 > MOVED.1));
    let refused = world.connbox_as(Rights::Nobody, &once);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("(needs CAP_NET_ADMIN)"), "{}", refused.stderr);
}

#[test]
fn an_interface_in_place_of_a_filter_gets_a_hint() {
    let Some(world) = World::quiet("an_interface_in_place_of_a_filter_gets_a_hint") else { return };
    for words in [&["lo"][..], &["lo port 80"], &["lo", "port", "80"]] {
        let ran = world.connbox(&[&["tcptrack"], words].concat());
        let said = "tcptrack: lo: not a part of a filter; to capture on this interface: -i lo\n";
        assert_eq!((ran.status, ran.stderr.as_str()), (2, said));
    }
    let ran = world.connbox(&["tcptrack", "no-such-interface"]);
    assert!(ran.stderr.contains("at byte 1: not a word of the filter language"), "{ran:?}");
}

#[test]
fn a_flow_in_two_zones_is_two_rows() {
    const TEST: &str = "a_flow_in_two_zones_is_two_rows";
    if !support::needs(TEST, &["connection tracking", "conntrack", "sh", "sysctl"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=1"]);
    let flow = "-s 10.0.0.5 -d 10.1.0.2 -p tcp --sport 5 --dport 80 --state ESTABLISHED -t 9000";
    for zone in ["-w 1", "-w 2", "--orig-zone 3"] {
        let script = format!("conntrack -I {flow} {zone} 2>&1");
        world.tool("sh", &["-c", &script]);
    }
    let rows = || world.connbox(&["tcptrack", "--conntrack", "--once", "--rate-interval", "0.05"]);
    wait("three rows", || rows().clean().lines().count() == 3);
    // Each series of Prometheus stands there once.
    let words = ["tcptrack", "--conntrack", "--once", "--prom", "--rate-interval", "0.05"];
    let text = world.connbox(&words).clean();
    let is_total = |line: &&str| line.starts_with("connbox_tcptrack_rx_bytes_total{");
    assert_eq!(text.lines().filter(is_total).count(), 1, "{text}");
}

#[test]
fn every_format_holds_the_same() {
    const TEST: &str = "every_format_holds_the_same";
    if !support::needs(TEST, &["jq", "promtool"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let mut script = world.companion("transfer");
    let port = script.go().split(' ').next().unwrap().to_owned();
    let run = |words: &[&str]| {
        let all = [&["tcptrack", "--once", "--rate-interval", "0.05", "--sort", "client"], words];
        world.connbox(&all.concat()).clean()
    };
    let header = run(&["--header"]).lines().next().unwrap().to_owned();
    let wanted = "client client_port server server_port state idle_seconds rx_bytes_per_second \
                  tx_bytes_per_second rx_bytes_total tx_bytes_total rtt_seconds retransmits_total \
                  process pid";
    assert_eq!(header, wanted.replace(' ', "\t"));
    let json = run(&["--json"]);
    assert_eq!(json.lines().count(), 2);
    assert!(json.contains(&format!("\"client_port\":{port},\"server\":\"127.0.0.1\"")), "{json}");
    let shell = run(&["--shell", "--prefix", "T_"]);
    assert!(shell.starts_with(&format!("T_CLIENT=\"127.0.0.1\" T_CLIENT_PORT=\"{port}\"")));
    let metrics = run(&["--prom"]);
    assert!(metrics.contains("# TYPE connbox_tcptrack_rx_bytes_total counter"), "{metrics}");
    let mut promtool = support::command("promtool");
    let check = support::feed(promtool.args(["check", "metrics"]), metrics.as_bytes());
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let groups = run(&["--by", "process,server_port"]);
    assert_eq!(groups, "companion\t9001\t1\t0\t0\ncompanion\t9002\t1\t0\t0\n");
    assert_eq!(run(&["--by", "client/8/64,state", "--top", "1"]).lines().count(), 1);
    assert_eq!(run(&["--by", "process", "--min", "3"]), "");
    assert_eq!(run(&["--top", "1"]).lines().count(), 1);
    let repeated = ["tcptrack", "--count", "2", "--interval", "0.05"];
    let repeated = world.connbox(&repeated).clean();
    assert_eq!(repeated.lines().count(), 4);
    assert!(repeated.lines().all(|row| row.split('\t').count() == 15 && row.starts_with("20")));
}

#[test]
fn what_cannot_be_ends_with_a_status_and_a_reason() {
    const TEST: &str = "what_cannot_be_ends_with_a_status_and_a_reason";
    let Some(world) = World::quiet(TEST) else { return };
    for (words, status, reason) in [
        (&["-i", "nope0", "--once"][..], 1, "nope0: No such device"),
        (&["--once", "port", "80", "xx"], 2, "filter: \"xx\" at byte 9: "),
        (
            &["--once", "tcp and ether host 1"],
            2,
            "filter: \"1\" at byte 20: not an Ethernet address",
        ),
        (
            &["--once", "port 80 or len > 5"],
            2,
            "filter: \"len\" at byte 12: concerns single packets",
        ),
        (&["-T", "/nonexistent.pcap"], 1, "/nonexistent.pcap: No such file or directory"),
        (&["-T", "Cargo.toml"], 1, "Cargo.toml"),
        (&["-T", "x", "-i", "lo"], 2, "-i: cannot be combined with -T"),
        (&["--conntrack", "-i", "lo"], 2, "-i: cannot be combined with --conntrack"),
        (&["--promiscuous"], 2, "--promiscuous: needs -i"),
        (&["--min", "3"], 2, "--min: needs --by"),
        (&["--prom"], 2, "--prom: needs --once"),
        (&["--output", "/tmp/x"], 2, "--output: needs --once or --count"),
        (&["--sort", "name"], 2, "--sort: 'name' is not one of rate, bytes"),
        (
            &["--by", "client_port/8"],
            2,
            "--by: 'client_port/8': only addresses take a prefix length",
        ),
        (&["-r", "x"], 2, "--remove-after: 'x' is not a number of seconds"),
        (&["--netns", "all"], 2, "--netns: all is not possible"),
        (&["--root", "/"], 2, "--root: tcptrack reads the running kernel"),
    ] {
        let ran = world.connbox(&[&["tcptrack"], words].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{words:?} {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("tcptrack: {reason}")), "{words:?} {}", ran.stderr);
    }
    let ran = world.connbox_as(Rights::Nobody, &["tcptrack", "-i", "lo", "--once"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr.contains("lo: ") && ran.stderr.contains("(needs CAP_NET_RAW)"),
        "{}",
        ran.stderr
    );
    for (word, text) in [("-h", "usage: tcptrack"), ("-v", "connbox ")] {
        let ran = world.connbox(&["tcptrack", word]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.starts_with(text));
    }
    // -p is the default, and is accepted.
    assert_eq!(world.connbox(&["tcptrack", "-p", "-i", "lo", "--once"]).clean(), "");
}

#[test]
fn more_connections_than_are_kept_make_room_and_are_said() {
    const TEST: &str = "more_connections_than_are_kept_make_room_and_are_said";
    let Some(world) = World::quiet(TEST) else { return };
    let mut script = world.companion("transfer");
    script.go();
    let words = ["tcptrack", "--once", "--rate-interval", "1", "--max-connections", "1"];
    let said = "more connections than --max-connections: those idle longest were removed";
    let groups = ["--by", "server_port"];
    for more in [&[][..], &["--json"], &["--prom"], &groups, &["-i", "lo"]] {
        // What is captured comes while it runs.
        let child = world.connbox_piped(Rights::Root, &[&words[..], more].concat());
        if more == ["-i", "lo"] {
            wait("the capture", || captures(&world) == 1);
            script.go();
        }
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.stdout.is_empty() && stderr.contains(said), "{more:?} {stderr}");
        assert_eq!(output.status.code(), Some(1), "{more:?}");
    }
}

/// The kernel's times of a SYN are those since the machine started, where nothing was sent yet.
#[test]
fn a_connection_that_is_not_made_yet_has_not_been_idle_since_the_machine_started() {
    let test = "a_connection_that_is_not_made_yet_has_not_been_idle_since_the_machine_started";
    let Some(world) = World::all_states(test) else { return };
    let rows = world.connbox(&["tcptrack", "--once", "--quiet-gaps"]).clean();
    let idle: Vec<String> = rows
        .lines()
        .map(|row| row.split('\t').collect::<Vec<_>>())
        .filter(|row| row[4] == "SYN_SENT")
        .map(|row| row[5].to_owned())
        .collect();
    // Nothing tells since when, unless one was sent again meanwhile.
    let is_right = |idle: &String| idle == "-" || idle.starts_with("0.");
    assert!(!idle.is_empty() && idle.iter().all(is_right), "{idle:?}");
    // Nor what was sent again before there is a socket.
    let fields = rows.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let requests: Vec<_> = fields.filter(|row| row[4] == "SYN_RECV").map(|row| row[11]).collect();
    assert!(requests.contains(&"-"), "{requests:?}");
}

/// So a shell that waits for it ends its script, too.
#[test]
fn a_signal_ends_rows_as_it_ends_any_program() {
    let Some(world) = World::quiet("a_signal_ends_rows_as_it_ends_any_program") else { return };
    // What a shell starts in the background ignores SIGINT, and so does what that starts.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    let is_ignored = |signal: &Signal| ignored >> (signal.as_raw() - 1) & 1 == 1;
    for signal in [Signal::INT, Signal::TERM].into_iter().filter(|signal| !is_ignored(signal)) {
        let words = ["tcptrack", "--interval", "0.05", "--count", "1000"];
        let watcher = world.connbox_watcher(&words);
        watcher.wait_until_it_sleeps();
        let ran = watcher.end(signal);
        assert_eq!((ran.status, ran.stderr.as_str()), (-1, ""), "{ran:?}");
    }
}

/// Accounting gives counters to new flows only.
#[test]
fn flows_without_counters_are_said() {
    const TEST: &str = "flows_without_counters_are_said";
    if !support::needs(TEST, &["connection tracking", "conntrack", "sh", "sysctl"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let insert = |accounting: &str, last: u8| {
        world.tool("sysctl", &["-qw", &format!("net.netfilter.nf_conntrack_acct={accounting}")]);
        let line = format!(
            "conntrack -I -s 10.0.0.{last} -d 10.1.0.2 -p tcp --sport 5 --dport 80 --state ESTABLISHED -t 9000 2>&1"
        );
        world.tool("sh", &["-c", &line]);
    };
    let said = |filter: &str| {
        let once = ["tcptrack", "--conntrack", "--once", "--rate-interval", "0.05", filter];
        world.connbox(&once).stderr.contains("have no counters: their bytes are not known")
    };
    insert("0", 1);
    insert("1", 2);
    let rows = |more: &[&str]| {
        let once = ["tcptrack", "--conntrack", "--once", "--rate-interval", "0.05"];
        let ran = world.connbox(&[&once, more].concat());
        (ran.stdout, ran.status)
    };
    let (json, status) = rows(&["--json", "host 10.0.0.1"]);
    let absent = "\"rx_bytes_per_second\":null,\"tx_bytes_per_second\":null,\"rx_bytes_total\":null,\"tx_bytes_total\":null";
    assert!(json.contains(absent) && status == 0, "{json}");
    let samples = rows(&["--prom", "host 10.0.0.1"]).0;
    assert!(json.contains("\"retransmits_total\":null"), "{json}");
    assert_eq!(samples, "");
    assert_eq!(rows(&["--by", "server"]), ("10.1.0.2\t2\t0\t0\n".into(), 1));
    let apart = "10.0.0.1\t1\t-\t-\n10.0.0.2\t1\t0\t0\n";
    assert_eq!(rows(&["--by", "client"]), (apart.into(), 0));
    // What is not shown is not missed.
    assert_eq!(["", "host 10.0.0.1", "host 10.0.0.2"].map(said), [true, true, false]);
}
