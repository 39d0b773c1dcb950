//! What the applets print, read again with --from.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use connbox::error::Error;
use connbox::frame::Call;

use crate::saved_text::{SS, of_two_files};
use crate::support::scratch::scratch;
use crate::support::{command, feed, fixtures, run, run_with_input};

/// The forms in which rows are saved.
const SAVED: [&[&str]; 3] = [&["--tsv", "--header"], &["--json"], &["--json=array"]];

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Runs an applet on rows: its standard output, its standard error, its status.
fn ran(line: &str, rows: &str) -> (String, String, i32) {
    let output = run_with_input(&[&words(line)[..], &["--from", "-"]].concat(), rows.as_bytes());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace("standard input", "FILE");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// The rows that an applet makes of others, without a message.
fn rows(line: &str, rows: &str) -> String {
    let (stdout, stderr, status) = ran(line, rows);
    assert_eq!((stderr.as_str(), status), ("", 0), "{line} of {rows}");
    stdout
}

/// The message with which an applet refuses rows.
fn refusal(line: &str, rows: &str) -> String {
    let (stdout, stderr, status) = ran(line, rows);
    assert!(stdout.is_empty() && [1, 2].contains(&status), "{line} of {rows}: {status} {stdout}");
    let applet = [words(line)[0], ": "].concat();
    stderr.strip_prefix(&applet).unwrap_or_else(|| panic!("{stderr}")).trim_end().to_owned()
}

/// Each applet, with each option that changes its rows.
const OF_KERNEL: [&str; 24] = [
    "closedcalc",
    "closedcalc --explain",
    "closedcalc unhashed alloc",
    "conncount",
    "conncount --quick",
    "conncount --transport",
    "conncount --explain",
    "conncount timewait total",
    "conncount --by state,family,raddr,lport -t -u",
    "conncount --by raddr/24/64,proto --top 3 -u",
    "conncount --by service,direction --sum recv_queue,send_queue --min 2",
    "network-connections --strict -w 3 -c 10",
    "network-connections --conn-type=tcp6 --conn-type=udp --always-ok",
    "network-connections --rule CLOSE_WAIT;0;1 --rule unhashed;5; --rule tw_percent;1;2 --rule TCP.mem --rule [lport=1-65535];;1",
    "snmpget-tcp",
    "snmpget-tcp --all --describe --explain",
    "sockstat",
    "sockstat --limits --explain",
    "sockstat TCP.inuse *mem*",
    "tcpstates",
    "tcpstates --by family",
    "tcpstates --hex --explain",
    "tcpstates --by raddr,lport close-wait estab",
    "tcpstates listen time-wait",
];

/// What an applet prints and its status, in several formats.
fn printed(line: &[&str], source: &[&str]) -> Vec<(String, Option<i32>)> {
    let is_check = line[0] == "network-connections";
    let formats = ["--tsv", "--json", "--shell", "--prom", "--human", "--value"];
    let own = is_check.then_some(&[][..]);
    let formats = formats.iter().map(std::slice::from_ref).chain(own);
    let printed = formats.map(|format| {
        let output = run(&[line, source, format].concat());
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    });
    printed.collect()
}

/// Compares what an applet prints of `source` with what it prints of its own rows.
fn compare(line: &str, source: &[&str], reading: &str) {
    let (line, reading) = (words(line), words(reading));
    let wanted = printed(&line, source);
    assert!(!wanted[0].0.is_empty(), "{line:?} prints nothing");
    let folder = scratch(&format!("own-rows-{:?}", std::thread::current().id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("saved");
    for form in SAVED {
        let saved = run(&[&line, source, form].concat()).stdout;
        fs::write(&file, &saved).unwrap();
        let from = ["--from", file.to_str().unwrap()];
        assert_eq!(printed(&reading, &from), wanted, "{line:?} {form:?}");
        let again = run(&[&reading, &from[..], form].concat()).stdout;
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&saved), "{line:?}");
    }
}

#[test]
fn rows_of_a_kernel_are_what_was_printed() {
    let root = crate::formats::variants::world();
    for line in OF_KERNEL {
        compare(line, &["--root", root], line);
    }
    // A row without keys does not tell its protocol.
    compare("conncount -t", &["--root", root], "conncount -t -u");
}

#[test]
fn rows_of_text_and_captures_are_what_was_printed() {
    let folder = scratch("own-rows-of-text");
    fs::create_dir_all(&folder).unwrap();
    let ss = folder.join("ss");
    fs::write(&ss, SS.replace("a b\"", "\u{202e}a\\x9b\tb\"\u{e4}\\xff\\x5c\\")).unwrap();
    let from = ["--from", ss.to_str().unwrap()];
    for line in [
        "conncount --by process,pid,uid,cgroup,iface",
        "conncount --by raddr/8,state --sum recv_queue",
        "tcpstates --by process",
        "network-connections --conn-type=tcp --conn-type=tcp6",
    ] {
        compare(line, &from, line);
    }
    let capture = fixtures().join("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    let capture = capture.to_str().unwrap();
    for line in
        ["tcptrack", "tcptrack --sort client", "tcptrack --by server,state", "tcptrack --top 2"]
    {
        compare(line, &["-T", capture], line);
    }
    // Rows of connections are counted in groups, and selected, as the connections are.
    for line in ["tcptrack --by server_port --min 2", "tcptrack src net 127.0.0.0/8"] {
        let wanted = run(&[&words(line)[..], &["-T", capture]].concat()).stdout;
        let saved = run(&["tcptrack", "-T", capture, "--json"]).stdout;
        let saved = String::from_utf8(saved).unwrap();
        assert_eq!(rows(line, &saved).into_bytes(), wanted);
    }
}

const GROUPS: &str = "raddr\tlport\tstate\tcount\n10.0.0.1\t22\tESTABLISHED\t4\n10.0.0.1\t80\tESTABLISHED\t2\n\
    10.0.1.9\t80\tTIME_WAIT\t5\n::1\t80\tLISTEN\t1\nhost.example\t-\t77\t1\n";
const JOINED: &str = "conncount: --from: rows are added up by fewer keys than they have: what --top, --min or a filter \
    had left out of them is not counted\n";

#[test]
fn groups_are_grouped_again() {
    for (line, wanted) in [
        ("conncount --by raddr", "10.0.0.1\t6\n10.0.1.9\t5\nhost.example\t1\n::1\t1\n"),
        ("conncount --by raddr/16", "10.0.0.0/16\t11\nhost.example\t1\n::1/128\t1\n"),
        (
            "conncount --by lport,state --min 2",
            "80\tTIME_WAIT\t5\n22\tESTABLISHED\t4\n80\tESTABLISHED\t2\n",
        ),
        ("conncount --by state --top 1", "ESTABLISHED\t6\n"),
        ("conncount", "13\n"),
        ("conncount --state established,listen", "7\n"),
        ("conncount --state !established --by lport", "80\t6\n-\t1\n"),
        ("conncount --lport 80 --by state", "TIME_WAIT\t5\nESTABLISHED\t2\nLISTEN\t1\n"),
    ] {
        let wanted = (wanted.to_owned(), JOINED.to_owned(), 0);
        let rows = match line.contains("--lport") || line.contains('!') {
            true => GROUPS.replace("host.example\t-\t77\t1\n", "host.example\t-\tLISTEN\t1\n"),
            false => GROUPS.to_owned(),
        };
        let asked = [line, " -t -u"].concat();
        match line {
            // A row without a port is not one of a port.
            "conncount --lport 80 --by state" => {
                let rows = rows.replace("host.example\t-\tLISTEN\t1\n", "");
                assert_eq!(ran(&asked, &rows), wanted);
            }
            "conncount --state established,listen" => {
                let rows = rows.replace("77", "CLOSE");
                assert_eq!(ran(&asked, &rows), wanted);
            }
            _ => assert_eq!(ran(&asked, &rows), wanted, "{line}"),
        }
    }
}

#[test]
fn groups_of_several_files_add_up() {
    let all = "conncount -t -u --by raddr,lport,state";
    assert_eq!(rows(&[all, " --header"].concat(), GROUPS).lines().count(), 6);
    let twice = [GROUPS, "\n", GROUPS].concat();
    let (stdout, stderr, status) = ran(&[all, " --top 1"].concat(), &twice);
    let same = "conncount: --from: the same rows are given twice: they count twice\n";
    assert_eq!((stdout.as_str(), &*stderr, status), ("10.0.1.9\t80\tTIME_WAIT\t10\n", same, 1));
    // Other rows of the same keys add up.
    let others = [
        GROUPS,
        "\n",
        &GROUPS
            .replace("TIME_WAIT\t5", "TIME_WAIT\t6")
            .replace("\t4\n", "\t3\n")
            .replace("\t1\n", "\t2\n"),
    ]
    .concat();
    assert_eq!(ran(&[all, " --top 1"].concat(), &others).1, JOINED);
    // Without a sum that was not saved, and with one that was.
    assert_eq!(
        refusal("conncount --by lport --sum send_queue", GROUPS),
        "FILE:2: the rows have no column send_queue_bytes"
    );
    let sums = "lport\tcount\tsend_queue_bytes\n80\t1\t18446744073709551615\n80\t2\t1\n";
    let line = "conncount -t -u --by lport --sum send_queue";
    let beyond =
        "--from: the numbers of a group add up to more than 64 bits hold; some of them are damaged";
    assert!(refusal(line, sums).ends_with(beyond));
    assert_eq!(ran(line, &sums.replace("615\n", "614\n")).0, "80\t3\t18446744073709551615\n");
    let counts = "lport\tcount\n80\t18446744073709551615\n80\t2\n";
    assert!(refusal("conncount -t -u --by lport", counts).ends_with(beyond));
    let families = "family\tstate\tcount\ntcp\tLISTEN\t18446744073709551615\ntcp6\tLISTEN\t2\n";
    assert!(refusal("tcpstates", families).contains(": the numbers of both families add up"));
    let held = "process\tpid\tkind\tcount\nweb\t7\tunbound\t3\nweb\t8\t-\t2\n";
    assert_eq!(rows("closedcalc --by process,pid", held), "web\t7\tunbound\t3\nweb\t8\t-\t2\n");
    assert_eq!(ran("closedcalc --by process", held).0, "web\tunbound\t3\nweb\t-\t2\n");
}

#[test]
fn connections_that_have_ended_are_read_again() {
    let header = "time\tclient\tclient_port\tserver\tserver_port\trx_bytes_total\ttx_bytes_total\trtt_seconds\t\
        retransmits_total\tduration_seconds\tprocess\tpid\tcgroup\n";
    let text = [header, "2026-11-29T04:05:06.789Z\t10.0.0.1\t40000\t10.0.0.2\t443\t5\t7\t0.001500\t0\t-\tcurl\t9\t/a\n\
        2026-11-29T04:05:06.790Z\t::1\t40001\t::2\t443\t1\t2\t-\t1\t0.012\t-\t-\t-\n"].concat();
    assert_eq!(rows("tcptrack --ended --tsv --header", &text), text);
    let json = rows("tcptrack --ended --json", &text);
    assert!(json.starts_with("{\"time\":\"2026-11-29T04:05:06.789Z\",\"client\":\"10.0.0.1\""));
    assert!(
        json.contains("\"rtt_seconds\":0.001500,") && json.contains("\"duration_seconds\":null")
    );
    assert_eq!(rows("tcptrack --ended --tsv --header", &json), text);
    let wanted = "443\t2\t6\t9\n";
    assert_eq!(rows("tcptrack --ended --by server_port --tsv", &text), wanted);
    let groups = rows("tcptrack --ended --by server_port,cgroup --tsv --header", &text);
    assert_eq!(
        groups,
        "server_port\tcgroup\tcount\trx_bytes\ttx_bytes\n443\t-\t1\t1\t2\n443\t/a\t1\t5\t7\n"
    );
    assert_eq!(rows("tcptrack --ended --by server_port,cgroup --tsv --header", &groups), groups);
    assert_eq!(rows("tcptrack --ended --tsv net 10.0.0.0/8", &text).lines().count(), 1);
    assert_eq!(
        refusal("tcptrack --ended", MEM),
        "FILE:1: rows of connbox, but not of tcptrack, which has no column 'protocol'"
    );
    assert_eq!(
        refusal("tcptrack", &text),
        "FILE:1: rows of several moments (--interval): take those of one, without the time"
    );
    assert_eq!(
        refusal("tcptrack --ended", &text.replace("06.789Z", "06,789Z")),
        "FILE:2: '2026-11-29T04:05:06,789Z' does not fit the column time"
    );
    assert!(refusal("tcptrack --ended", SS).contains("FILE: not rows of tcptrack"));
    assert!(
        refusal("tcptrack --ended --count 1", &text)
            .starts_with("--count: cannot be combined with --from")
    );
}

#[test]
fn a_check_goes_by_its_own_thresholds() {
    let text = "key\tvalue\tresult\twarning\tcritical\tmax\treason\ntcp_ESTABLISHED\t120\tOK\t-\t-\t-\t-\n\
        tcp6_LISTEN\t3\tOK\t-\t-\t-\t-\ntw_percent\t81.250\tOK\t-\t-\t100\t-\nunhashed\t15\tOK\t-\t-\t-\t(seen twice)\n\
        SYN_RECV\t-\tUNKNOWN\t-\t-\t-\tno table\n";
    let counts = text.lines().take(3).map(|line| [line, "\n"].concat()).collect::<String>();
    let check = |line: &str, text: &str| {
        let (stdout, stderr, status) = ran(&["network-connections ", line].concat(), text);
        assert_eq!(stderr, "", "{line}");
        (stdout, status)
    };
    let of = |stdout: &str, status| (stdout.to_owned(), status);
    assert_eq!(
        check("-w 100", &counts),
        of(
            "tcp ESTABLISHED: 120 [WARNING], tcp6 LISTEN: 3|'tcp_ESTABLISHED'=120 'tcp6_LISTEN'=3\n",
            1
        )
    );
    assert_eq!(check("--conn-type=tcp6 -c 5 --no-perfdata", &counts), of("tcp6 LISTEN: 3\n", 0));
    const MISSING: &str = " (numbers that the rows do not have count as none: rows that were saved with --conn-type or \
        --conn-status lack all others)";
    let (stdout, status) = check("--conn-status=closing", &counts);
    assert_eq!((stdout.trim_end().ends_with(MISSING), status), (true, 0), "{stdout}");
    let (stdout, status) =
        check("--conn-status=listen --conn-type=tcp --strict -c 1: --no-perfdata", &counts);
    assert_eq!((stdout, status), (["tcp LISTEN: 0 [CRITICAL]", MISSING, "\n"].concat(), 2));
    assert_eq!(
        check("--rule tw_percent;80;95", text),
        of("tw percent: 81.25% [WARNING]|'tw_percent'=81.25%;80;95;0;100\n", 1)
    );
    assert_eq!(
        check("--rule unhashed;;10 --no-perfdata", text),
        of("unhashed: 15 ((seen twice)) [CRITICAL]\n", 2)
    );
    // Sockets that moved while they were counted: no number of sockets.
    assert_eq!(
        check("--rule unhashed;;10 --no-perfdata", &text.replace("\t15\t", "\t-5\t")),
        of("unhashed: is below zero: -5 [UNKNOWN]\n", 3)
    );
    assert_eq!(
        check("--rule SYN_RECV --no-perfdata", text),
        of("SYN RECV: no table [UNKNOWN]\n", 3)
    );
    assert_eq!(
        check("--rule estab --no-perfdata", text),
        of("estab: the rows have no number of estab [UNKNOWN]\n", 3)
    );
    let (stdout, status) = check("", text);
    assert!(
        stdout.contains(":4: 'tw_percent' is not a type and a state") && status == 3,
        "{stdout}"
    );
    // A text that is cut is no whole answer.
    let (stdout, status) = check("--no-perfdata", &counts[..counts.len() - 3]);
    assert!(stdout.contains("ends in the middle of a line") && status == 3, "{stdout}");
}

#[test]
fn a_check_is_unknown_where_a_number_is_impossible_or_told_twice() {
    let counts = "key\tvalue\ntcp_ESTABLISHED\t120\ntcp6_LISTEN\t3\n";
    let check = |line: &str, text: &str| {
        let (stdout, stderr, status) = ran(&["network-connections ", line].concat(), text);
        assert_eq!(stderr, "", "{line}");
        (stdout, status)
    };
    // As from the kernel.
    for (key, value, told) in
        [("tcp_LISTEN", "-2", "-2"), ("tw_percent", "-1.500", "-1.5"), ("unhashed", "-7", "-7")]
    {
        let text = format!("key\tvalue\n{key}\t{value}\n");
        let (stdout, status) = check(&format!("--rule {key};5 --no-perfdata"), &text);
        assert!(
            stdout.contains(&format!("below zero: {told} [UNKNOWN]")) && status == 3,
            "{stdout}"
        );
    }
    // A number that was given twice is no sum, with a rule and without.
    let two = [counts, counts].concat();
    for line in ["--no-perfdata", "--rule tcp_ESTABLISHED", "--conn-type=tcp"] {
        let (stdout, status) = check(line, &two);
        let is_told = stdout.contains(":5: appears a second time");
        assert!(is_told && status == 3, "{line}: {stdout}");
    }
    let other = [counts, "key\tvalue\nudp_NONE\t2\n"].concat();
    assert_eq!(check("--conn-type=udp --no-perfdata", &other), ("udp NONE: 2\n".to_owned(), 0));
}

const SUMMARY: &str = "name\tvalue\ntotal\t152\ntcp\t31\n";
const FAMILIES: &str = "family\tstate\tcount\ntcp\tLISTEN\t3\ntcp6\tLISTEN\t4\ntcp\tCLOSING\t1\n";
const SUMS: &str = "--from: rows of connbox are sums: only filters by state, family and port look into them, where they \
    have such a column; filter the rows themselves, or the sockets when they are counted";
const CELLS: &str = "FILE:3: not a row of the table: the header has another number of columns";
const NO_ROW: &str = "FILE: there is no row below the header";
const TWICE: &str = "FILE:3: appears a second time: numbers of several machines cannot be added up";
const STATES: &str = "state\tcount\nLISTEN\t3\n";
const MOMENTS: &str = "time\tname\tvalue\n2026-11-29T04:05:06.789Z\ttotal\t1\n";
const PLACES: &str = "netns\tresident\tstate\tcount\nhost\t-\tLISTEN\t1\n";
const MOMENT: &str = "{\"time\":\"2026-11-29T04:05:06.789Z\",\"name\":\"total\",\"value\":1}\n";
const PLACE: &str = "{\"netns\":\"host\",\"resident\":null,\"state\":\"LISTEN\",\"count\":1}\n";
const OF_MOMENTS: &str =
    "FILE:1: rows of several moments (--interval): take those of one, without the time";
const OF_PLACES: &str =
    "FILE:1: rows of several network namespaces (--netns all): take those of one";
const OIDS: &str = "name\tvalue\toid\ttype\nTcpInSegs\t5\t1.3\tCounter32\n";
const MEM: &str = "protocol\titem\tvalue\nTCP\tmem\t1\n";

/// Calls, the rows that they read, what is put in place of what in these, and the message.
const REFUSED: [(&str, &str, [&str; 2], &str); 44] = [
    ("conncount estab", SUMMARY, ["", ""], "FILE: the rows have none of the name estab"),
    ("conncount", "name\tvalue\n", ["", ""], NO_ROW),
    ("closedcalc", "[]\n", ["", ""], NO_ROW),
    ("tcpstates", "{}\n", ["", ""], NO_ROW),
    ("sockstat", "protocol\titem\tvalue\n", ["", ""], NO_ROW),
    ("snmpget-tcp", "name\tvalue\n", ["", ""], NO_ROW),
    ("conncount", SUMMARY, ["31", "x"], "FILE:3: 'x' does not fit the column value"),
    ("conncount", SUMMARY, ["31", "+31"], "FILE:3: '+31' does not fit the column value"),
    ("conncount", SUMMARY, ["31", "31\t5"], CELLS),
    (
        "conncount",
        SUMMARY,
        ["tcp", "TcpInSegs"],
        "FILE:3: 'TcpInSegs' does not fit the column name",
    ),
    ("conncount", SUMMARY, ["tcp", "total"], TWICE),
    ("conncount", SUMMARY, ["tcp\t31", "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2"], CELLS),
    ("conncount --explain", SUMMARY, ["", ""], "FILE:2: the rows have no column source"),
    (
        "conncount --by raddr",
        SUMMARY,
        ["", ""],
        "FILE:2: rows of the summary: they are read without --by and filters",
    ),
    (
        "conncount",
        GROUPS,
        ["", ""],
        "FILE:2: rows of groups: name their keys with --by, or say -t -u where they have none",
    ),
    (
        "conncount --by process",
        GROUPS,
        ["", ""],
        "FILE:2: the rows have no column process: save them with --by process",
    ),
    (
        "conncount --by raddr",
        GROUPS,
        ["10.0.0.1", "10.0.0.0/24"],
        "FILE:2: '10.0.0.0/24' in the column raddr is a larger network than the key asks for: give it the prefix length",
    ),
    (
        "conncount --by lport",
        GROUPS,
        ["22", "22x"],
        "FILE:2: '22x' in the column lport is not a number",
    ),
    (
        "conncount --by state",
        GROUPS,
        ["ESTABLISHED", "ESTAB"],
        "FILE:2: 'ESTAB' does not fit the column state",
    ),
    ("conncount --by lport --process web", GROUPS, ["", ""], SUMS),
    ("conncount --by lport --raddr 10.0.0.1", GROUPS, ["", ""], SUMS),
    ("conncount --by lport -6", GROUPS, ["", ""], "FILE:2: the rows have no column family"),
    (
        "conncount --by lport",
        GROUPS,
        ["\t4\n", "\t-4\n"],
        "FILE:2: '-4' does not fit the column count",
    ),
    ("conncount --by lport", GROUPS, ["\t4\n", "\t-\n"], "FILE:2: count is absent"),
    (
        "sockstat",
        SUMMARY,
        ["", ""],
        "FILE:1: rows of connbox, but not of sockstat, which has no column 'name'",
    ),
    ("sockstat --limits", MEM, ["", ""], "FILE:2: the rows have no column limit"),
    ("sockstat", "{\"TCP\":{\"mem\":1,\"mem\":2}}\n", ["", ""], "FILE:1: appears a second time"),
    (
        "sockstat",
        "{\"TCP\":{\"mem\":{\"value\":1,\"limits\":2}}}\n",
        ["", ""],
        "FILE:1: rows of connbox, but not of sockstat, which has no column 'limits'",
    ),
    ("tcpstates closing", FAMILIES, ["", ""], "FILE: the rows have no number of CLOSING of tcp6"),
    ("tcpstates --by family", STATES, ["", ""], "FILE:2: the rows have no column family"),
    ("tcpstates", GROUPS, ["", ""], "FILE:2: rows of groups: name their keys with --by"),
    ("tcpstates --lport 22", FAMILIES, ["", ""], SUMS),
    ("conncount", MOMENTS, ["", ""], OF_MOMENTS),
    ("tcpstates", PLACES, ["", ""], OF_PLACES),
    ("closedcalc", PLACES, ["", ""], OF_PLACES),
    // The same in JSON, whatever columns the applet that reads has.
    ("conncount", MOMENT, ["", ""], OF_MOMENTS),
    ("snmpget-tcp", MOMENT, ["name", "state"], OF_MOMENTS),
    ("tcpstates", PLACE, ["", ""], OF_PLACES),
    ("closedcalc", PLACE, ["", ""], OF_PLACES),
    (
        "closedcalc",
        "process\tcount\nweb\t1\n",
        ["", ""],
        "FILE:2: rows of groups: name their keys with --by",
    ),
    (
        "closedcalc",
        "{\"lport\":22,\"count\":1}\n",
        ["", ""],
        "FILE:1: rows of connbox, but not of closedcalc, which has no column 'lport'",
    ),
    (
        "snmpget-tcp",
        OIDS,
        ["", ""],
        "FILE:2: rows of --oid, whose numbers wrap as those of SNMP do",
    ),
    (
        "closedcalc --by pid",
        SS,
        ["", ""],
        "--from: cannot be combined with --by, but for rows of closedcalc --by: saved files do not say who holds a socket",
    ),
    (
        "conntrack -L",
        SUMMARY,
        ["", ""],
        "FILE:1: not a line of conntrack (-L, -G or -E, in any form of -o), of /proc/net/nf_conntrack, or a row of \
         connbox conntrack below its header",
    ),
];

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    assert_eq!(rows("conncount", SUMMARY), "total\t152\ntcp\t31\n");
    assert_eq!(rows("conncount -v tcp", SUMMARY), "31\n");
    let json = "{\"total\":152,\"closed\":-4}\n";
    assert_eq!(rows("conncount --json", json), json);
    assert_eq!(ran("tcpstates listen", "{\"LISTEN\":3,\"CLOSE\":1}\n").0, "LISTEN\t3\n");
    assert_eq!(ran("tcpstates listen", FAMILIES).0, "LISTEN\t7\n");
    assert_eq!(ran("tcpstates listen -6", FAMILIES).0, "LISTEN\t4\n");
    for (line, text, [old, new], wanted) in REFUSED {
        let text = if old.is_empty() { text.to_owned() } else { text.replacen(old, new, 9) };
        assert_eq!(refusal(line, &text), wanted, "{line}");
    }
    assert!(refusal("conncount", "total\t152\n").contains("nor a row of connbox below its header"));
    let behind = "FILE:12: rows of connbox: they are read by the applet that printed them, and not behind other text";
    assert_eq!(refusal("conncount", &[SS, SUMMARY].concat()), behind);
    let folder = scratch("own-rows-files");
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, ss, groups) = (path("one", SUMMARY), path("ss", SS), path("groups", GROUPS));
    let said = |words: &[&str]| String::from_utf8(run(words).stderr).unwrap();
    let twice = said(&["conncount", "--from", &one, "--from", &one]);
    assert!(twice.ends_with(
        "one:2: appears a second time: numbers of several machines cannot be added up\n"
    ));
    let mixed = said(&["conncount", "--by", "lport", "--from", &groups, "--from", &ss]);
    assert!(
        mixed.ends_with(
            "ss: is not rows of connbox as the file before it is: rows are added to nothing else\n"
        ),
        "{mixed}"
    );
}

/// A counter without a number is absent, and no number is no answer.
#[test]
fn counters_that_rows_do_not_tell_are_missed() {
    let text = "{\"TcpExtListenOverflows\":null}\n";
    let (stdout, stderr, status) = ran("snmpget-tcp --all", text);
    let wanted = "snmpget-tcp: FILE:1: the rows do not tell the number of TcpExtListenOverflows\n";
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), status),
        ("TcpExtListenOverflows\t-\n", wanted, 1)
    );
    let none = "FILE: the rows have no counter of the group Tcp: --all shows others";
    assert_eq!(refusal("snmpget-tcp", text), none);
    assert_eq!(ran("snmpget-tcp TcpExtListenOverflows", text).2, 1);
}

/// Rows that are given twice count twice, with a word.
#[test]
fn rows_that_come_twice_are_noticed() {
    let capture = fixtures().join("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    let capture = capture.to_str().unwrap();
    for form in ["--json", "--json=array"] {
        let text = String::from_utf8(run(&["tcptrack", "-T", capture, form]).stdout).unwrap();
        let twice = [text.as_str(), &text].concat();
        for line in ["tcptrack", "tcptrack --by client"] {
            let (_, stderr, status) = ran(line, &twice);
            let wanted = "tcptrack: --from: the same rows are given twice: they count twice\n";
            assert_eq!((stderr.as_str(), status), (wanted, 1), "{line} {form}");
            assert!(!ran(line, &text).1.contains("twice"), "{line} {form}");
        }
    }
}

/// So do the same rows in two forms.
#[test]
fn rows_that_come_in_two_forms_are_noticed() {
    let said = "conncount: --from: the same rows are given twice: they count twice\n";
    let folder = scratch("own-rows-forms");
    let forms = [
        "proto\traddr\tstate\tcount\ntcp\t10.0.0.1\tESTABLISHED\t21\ntcp\t-\tLISTEN\t12\n",
        "count\tproto\traddr\tstate\n21\ttcp\t10.0.0.1\tESTABLISHED\n12\ttcp\t-\tLISTEN\n",
        "{\"proto\":\"tcp\",\"raddr\":\"10.0.0.1\",\"state\":\"ESTABLISHED\",\"count\":21}\n\
         {\"proto\":\"tcp\",\"raddr\":null,\"state\":\"LISTEN\",\"count\":12}\n",
        "[\n{\"proto\":\"tcp\",\"raddr\":\"10.0.0.1\",\"state\":\"ESTABLISHED\",\"count\":21},\n\
         {\"proto\":\"tcp\",\"raddr\":null,\"state\":\"LISTEN\",\"count\":12}\n]\n",
    ];
    let other = "proto\traddr\tstate\tcount\ntcp\t10.0.0.1\tESTABLISHED\t22\ntcp\t-\tLISTEN\t13\n";
    let line = "conncount --by proto,raddr,state --state estab";
    for first in forms {
        for second in forms {
            let (stdout, stderr, status) = of_two_files(&folder, line, [first, second]);
            assert_eq!(stdout, "tcp\t10.0.0.1\tESTABLISHED\t42\n", "{first} {second}");
            assert_eq!((stderr.as_str(), status), (said, Some(1)), "{first} {second}");
        }
        let (stdout, stderr, status) = of_two_files(&folder, line, [first, other]);
        assert_eq!(stdout, "tcp\t10.0.0.1\tESTABLISHED\t43\n", "{first}");
        assert_eq!((stderr.contains("twice"), status), (false, Some(0)), "{first}");
    }
}

/// Rows without the key proto may be of UDP, or of another applet.
#[test]
fn a_protocol_that_rows_do_not_tell_is_not_answered() {
    let untold = "conncount: --from: the rows do not say of which protocol they are, and ";
    let udp = "state\tcount\nCLOSE\t31\nESTABLISHED\t4\n";
    let tcp = "state\tcount\nLISTEN\t31\nESTABLISHED\t4\n";
    let families = |name: &str| format!("proto\tfamily\tstate\tcount\ntcp\t{name}\tLISTEN\t3\n");
    let (inet, inet6) = (families("inet"), families("inet6-mapped"));
    for (line, text, says, wanted) in [
        ("conncount --by state", udp, "have only states that UDP has, too", 1),
        ("conncount --by state", tcp, "count as sockets of TCP", 0),
        ("conncount --by state -t -u", udp, "", 0),
        ("tcpstates", udp, "have only states that UDP has, too", 1),
        ("tcpstates", tcp, "of some states only", 0),
        (
            "conncount --by state",
            "proto\tstate\tcount\ntcp\tLISTEN\t3\nudp\tCLOSE\t1\n",
            "-u counts them",
            0,
        ),
        ("conncount -u", "proto\tcount\ntcp\t3\n", "no row is of udp, which may not have been", 1),
        ("conncount -t -u --by proto", "proto\tcount\ntcp\t3\n", "", 0),
        ("conncount -6", &inet, "no row is of inet6, which may not have been counted", 1),
        ("conncount -6 --state listen", &inet, "no row is of inet6", 1),
        ("conncount -4 --by proto,family,state", &inet, "", 0),
        ("conncount --by proto,family,state", &inet, "", 0),
        ("conncount -4", &inet6, "no row is of inet, which", 1),
        ("conncount -6 --by proto,family,state", &inet6, "", 0),
        ("conncount -t -6", &[&inet, "udp\tinet6\tCLOSE\t1\n"].concat(), "no row is of inet6", 1),
        ("tcpstates -6 --by family,state", &inet, "no row is of inet6", 1),
    ] {
        let (stdout, stderr, status) = ran(line, text);
        assert_eq!(status, wanted, "{line} of {text}: {stderr}");
        let is_answer = !stdout.is_empty() || line.contains("-6 --by");
        assert!(is_answer && stderr.contains(says), "{line} of {text}: {stderr}");
        assert!(!says.is_empty() || stderr.is_empty(), "{line} of {text}: {stderr}");
    }
    assert!(ran("conncount --by state", tcp).1.starts_with(untold));
    for (line, text, says) in [
        ("conncount --by state -u", tcp, "FILE:2: -u cannot be answered: the rows do not say"),
        ("conncount --by state -t", udp, "FILE:2: -t cannot be answered: the rows do not say"),
        ("conncount --by state", "state\tcount\n-\t31\n", "FILE:2: state is absent"),
        ("conncount -t -u", "state\tcount\nFIN_WAIT\t31\n", "FILE:2: 'FIN_WAIT' does not fit"),
        ("tcpstates", "state\tcount\nFIN_WAIT\t31\n", "FILE:2: 'FIN_WAIT' does not fit"),
    ] {
        let refused = refusal(line, text);
        assert!(refused.starts_with(says), "{line} of {text}: {refused}");
    }
}

/// The states of one family are none of the other.
#[test]
fn states_of_one_family_are_no_zeros_of_the_other() {
    let rows: String = ["LISTEN", "CLOSE"].map(|state| format!("tcp\t{state}\t1\n")).concat();
    let text = ["family\tstate\tcount\n", &rows].concat();
    for line in ["tcpstates -6", "tcpstates -6 --by family"] {
        let (stdout, stderr, status) = ran(line, &text);
        assert_eq!((stdout.as_str(), status), ("", 1), "{stderr}");
        assert!(stderr.contains("no row is of inet6"), "{stderr}");
    }
    assert_eq!(ran("tcpstates -4", &text).0, "CLOSE\t1\nLISTEN\t1\n");
    // Both together are refused, as of a machine; the last one does not win.
    for line in ["tcpstates -4 -6", "tcpstates -6 -4 --by family", "tcpstates -4 -6 --by state"] {
        let refused = refusal(line, &text);
        assert!(refused.starts_with("--ipv6: cannot be combined with --ipv4"), "{line}: {refused}");
    }
    let refused = refusal("conncount -4 -6", "family\tcount\ninet\t2\n");
    assert!(refused.starts_with("--ipv6: cannot be combined with --ipv4"), "{refused}");
}

/// What tcpstates prints of all states is whole.
#[test]
fn all_twelve_states_are_there() {
    let table = fixtures().join("own-lab-6.18/proc/net/tcp");
    for form in [&["--json=array"][..], &["--json"], &["--tsv", "--header"]] {
        let words = [&["tcpstates", "--from", table.to_str().unwrap()], form].concat();
        let text = String::from_utf8(run(&words).stdout).unwrap();
        let (_, stderr, status) = ran("tcpstates", &text);
        assert_eq!((stderr.as_str(), status), ("", 0), "{form:?}");
        if form[0] == "--tsv" {
            let fewer: String = text.lines().take(12).map(|line| format!("{line}\n")).collect();
            assert!(ran("tcpstates", &fewer).1.contains("of some states only"), "{fewer}");
        }
    }
}

/// Rows that are left out lack a column, too: what nothing answers is no empty table.
#[test]
fn a_column_is_missing_in_rows_that_are_left_out() {
    let text =
        "proto\tstate\traddr\tcount\nudp\tCLOSE\t0.0.0.0\t2\nudp\tESTABLISHED\t127.0.0.1\t1\n";
    for line in ["conncount", "conncount -t", "conncount -u --state close", "conncount -u"] {
        for key in ["process", "inode"] {
            let refused = refusal(&format!("{line} --by raddr,{key}"), text);
            let wanted =
                format!("FILE:2: the rows have no column {key}: save them with --by {key}");
            assert_eq!(refused, wanted, "{line} {key}");
        }
    }
    assert_eq!(ran("conncount --by raddr", text).2, 0);
}

/// Rows hold the names of pods, or none: a list of them would change nothing.
#[test]
fn rows_take_no_names_of_pods() {
    let list = scratch("own-rows-pods").join("pods.json");
    fs::write(&list, r#"{"items":[]}"#).unwrap();
    let list = list.to_str().unwrap();
    let (pods, state) = ("pod\tcount\nshop/web\t3\n", "pod\tstate\tcount\nshop/web\tLISTEN\t3\n");
    for (line, text) in [
        ("conncount -t -u --by pod", pods),
        ("tcpstates --by pod", state),
        ("closedcalc --by pod", "pod\tkind\tcount\nshop/web\tbound\t3\n"),
        (
            "tcptrack --by pod",
            "pod\tcount\trx_bytes_per_second\ttx_bytes_per_second\nshop/web\t3\t1\t1\n",
        ),
    ] {
        assert!(ran(line, text).0.contains("shop/web"), "{line}: {:?}", ran(line, text));
        let refused = refusal(&format!("{line} --pods {list}"), text);
        assert!(refused.starts_with("--pods: cannot be combined with "), "{line}: {refused}");
    }
    // Nor is the pod of a sum told by a filter.
    for (line, text) in [
        ("conncount -t -u --pod shop/web", state),
        ("tcpstates --pod shop/web", "state\tcount\nLISTEN\t3\n"),
    ] {
        let refused = refusal(line, text);
        assert!(refused.starts_with("--from: rows of connbox are sums"), "{line}: {refused}");
    }
    fs::remove_file(list).unwrap();
}

/// What is read to see whether it is rows is not lost to another reader.
#[test]
fn other_text_is_read_whole_from_pipes() {
    let row = "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\n";
    for text in [row.to_owned(), row.repeat(10_000), ["\n\n", SS].concat()] {
        let folder = scratch("own-rows-pipes");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("text");
        fs::write(&file, &text).unwrap();
        let line = ["conncount", "--by", "state,lport"];
        let wanted = run(&[&line[..], &["--from", file.to_str().unwrap()]].concat()).stdout;
        assert!(!wanted.is_empty());
        for from in ["-", "/dev/stdin"] {
            let piped = run_with_input(&[&line[..], &["--from", from]].concat(), text.as_bytes());
            assert_eq!(piped.stdout, wanted, "{from}");
        }
        let mut redirected = command(crate::support::CONNBOX);
        redirected.args(line).args(["--from", "-"]).stdin(File::open(&file).unwrap());
        assert_eq!(redirected.output().unwrap().stdout, wanted);
    }
    let mut check = command(crate::support::CONNBOX);
    let output =
        feed(check.args(["conncount", "--from", "-", "--from", "-"]), b"name\tvalue\ntotal\t1\n");
    assert!(!output.status.success());
}

/// Runs an applet in this process on a file in memory: whether it gave a whole answer, else its message.
fn answer(line: &[&str], path: &str) -> Result<(), Option<String>> {
    let applet = connbox::applet::find(line[0]).unwrap();
    let arguments = line[1..].iter().chain(&["--from", path]).map(Into::into).collect();
    let mut call = Call::collecting(arguments, applet, |_, _| {});
    match (applet.run)(&mut call) {
        Ok(()) => Ok(()),
        Err(Error::Fault { text, .. }) => Err(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(_) => Err(None),
    }
}

#[test]
fn every_truncation_and_every_corrupt_byte_is_read_or_refused() {
    let root = crate::formats::variants::world();
    let ended = "time\tclient\tclient_port\tserver\tserver_port\trx_bytes_total\ttx_bytes_total\trtt_seconds\t\
        retransmits_total\tduration_seconds\tprocess\tpid\tcgroup\n\
        2026-11-29T04:05:06.789Z\t::1\t40000\t10.0.0.2\t443\t5\t7\t0.001500\t0\t0.012\tcurl\t9\t/a\n";
    let capture = fixtures().join("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    let of_capture = ["-T", capture.to_str().unwrap()];
    let of_root = ["--root", root];
    let mut texts =
        vec![(vec!["tcptrack", "--ended", "--by", "client"], ended.as_bytes().to_vec())];
    for (line, source) in [
        ("closedcalc alloc unhashed", &of_root[..]),
        ("conncount total synrecv", &of_root),
        ("conncount --by state,raddr,proto --sum send_queue --top 2", &of_root),
        ("network-connections --conn-type=udp6 --conn-type=udp", &of_root),
        ("network-connections --rule tw_percent;;1", &of_root),
        ("snmpget-tcp InSegs CurrEstab", &of_root),
        ("sockstat --limits TCP.mem TCP.tw", &of_root),
        ("tcpstates --by family listen", &of_root),
        ("tcptrack --top 1", &of_capture),
    ] {
        let line = words(line);
        for form in SAVED {
            texts.push((line.clone(), run(&[&line[..], source, form].concat()).stdout));
        }
    }
    for (line, text) in texts {
        let fd = rustix::fs::memfd_create("rows", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let (path, file) = (format!("/proc/self/fd/{}", fd.as_raw_fd()), File::from(fd));
        let ran = |what: &dyn Fn() -> String| {
            let seen = catch_unwind(AssertUnwindSafe(|| answer(&line, &path)));
            let seen = seen.unwrap_or_else(|_| panic!("{line:?}: {}", what()));
            if let Err(Some(said)) = &seen {
                let is_placed = said.starts_with(&path) || said.contains(": no row of that name");
                let is_placed = is_placed || said.starts_with("--limits: cannot be combined");
                assert!(is_placed, "{line:?}: {}: {said}", what());
            }
            seen
        };
        let is_array = text.starts_with(b"[");
        for length in 1..text.len() {
            file.set_len(0).unwrap();
            file.write_all_at(&text[..length], 0).unwrap();
            let seen = ran(&|| format!("cut to {length}"));
            let is_cut = text[length - 1] != b'\n' || is_array;
            assert!(seen.is_err() || !is_cut, "{line:?}: cut to {length}");
        }
        file.write_all_at(&text, 0).unwrap();
        assert_eq!(answer(&line, &path).err().flatten(), None, "{line:?}");
        for (place, whole) in text.iter().enumerate() {
            for other in [b'\n', b'\t', b'9', b'"', 0xff, whole ^ 1] {
                file.write_all_at(&[other], place as u64).unwrap();
                let _ = ran(&|| format!("{other:#x} at {place}"));
            }
            file.write_all_at(&[*whole], place as u64).unwrap();
        }
    }
}
