//! What netstat and nstat print of counters, read back with --from.

use crate::support::{fixtures, run_with_input};

fn recording(name: &str) -> String {
    std::fs::read_to_string(fixtures().join("own-lab-6.18/tools").join(name)).unwrap()
}

/// Runs snmpget-tcp on a saved text: its standard output, its standard error, its status.
fn ran(line: &str, text: &str) -> (String, String, i32) {
    let words: Vec<_> = line.split_whitespace().collect();
    let output =
        run_with_input(&[&["snmpget-tcp"], &words[..], &["--from", "-"]].concat(), text.as_bytes());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace("standard input:", "");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn both(stdout: &str, stderr: &str, status: i32) -> (String, String, i32) {
    (stdout.into(), stderr.into(), status)
}

#[test]
fn sentences_of_netstat_are_counters() {
    let text = recording("netstat-st.txt");
    let (stdout, stderr, status) = ran("", &text);
    assert!(stdout.starts_with("TcpActiveOpens\t23\nTcpPassiveOpens\t21\n"), "{stdout}");
    assert_eq!((stdout.lines().count(), stderr.as_str(), status), (10, "", 0));
    let names = "CurrEstab RetransSegs TW DelayedACKs TCPLossUndo TCPLostRetransmit TcpExtTCPDelivered TcpTimeoutRehash";
    assert_eq!(ran(&format!("-v {names}"), &text), both("17\n18\n12\n13\n2\n4\n43\n11\n", "", 0));
    assert_eq!(ran("-v TCPLossUndo", &text.replace('\n', "\r\n")), both("2\n", "", 0));
    // netstat leaves most zeros out, so they are not known.
    let lacks = "snmpget-tcp: TcpExtListenDrops: the files do not contain this counter\n";
    assert_eq!(ran("-v ListenDrops", &text), both("-\n", lacks, 1));
    let odd = text.replace("13 delayed acks sent", "13 apples eaten");
    let wanted = "snmpget-tcp: 15: not a sentence of netstat -s that names a counter of TCP\n";
    assert_eq!(ran("-v TW", &odd), both("12\n", wanted, 1));
    let (stdout, stderr, status) = ran("-v InSegs", &text[..text.find("115").unwrap() + 2]);
    assert_eq!((stdout.as_str(), stderr.lines().count(), status), ("109\n", 1, 1), "{stderr}");
    let (_, stderr, status) = ran("", &[&text, "what is this\n"].concat());
    assert_eq!(
        (stderr.as_str(), status),
        ("snmpget-tcp: 31: not a line of the statistics of netstat -s\n", 1)
    );
    // What other sections say does not matter.
    let whole = ["Ip:\n    Forwarding: 2\n    5 total packets received\nIcmp:\n    ICMP input histogram:\n        echo requests: 1\n", &text].concat();
    assert_eq!(ran("", &whole), ran("", &text));
}

/// Which section comes first depends on the options and on what the kernel has counted: any may.
#[test]
fn any_section_begins_the_text() {
    let text = recording("netstat-st.txt");
    let wanted = ran("", &text);
    for group in ["Ip", "Icmp", "IcmpMsg", "Udp", "UdpLite", "Ip6", "Icmp6", "Udp6", "UdpLite6"] {
        let whole = format!("{group}:\n    InType3: 3\n    2 packets received\n{text}");
        assert_eq!(ran("", &whole), wanted, "{group}");
        // Without any section about TCP there is no number.
        let (stdout, stderr, status) = ran("-v InSegs", &format!("{group}:\n    InType3: 3\n"));
        assert_eq!((stdout.as_str(), status), ("", 1), "{stderr}");
        assert!(stderr.contains("contains no group Tcp"), "{stderr}");
        // The same text twice is never a sum in silence.
        let (_, stderr, status) = ran("", &[&whole[..], &whole].concat());
        assert!(status == 1 && !stderr.is_empty(), "{group}: {stderr}");
    }
}

#[test]
fn sentences_of_old_versions_are_counters() {
    let text = "Tcp:\n    126 active connections openings\n    11 passive connection openings\n    8 segments retransmited\n    \
        0 bad segments received.\nTcpExt:\n    ArpFilter: 0\n    118 packets directly queued to recvmsg prequeue.\n    \
        37639131 packets directly received from backlog\n    5049 packets directly received from prequeue\n    \
        770 packets header predicted\n    24 packets header predicted and directly queued to user\n    \
        616 acknowledgments not containing data received\n    10674 predicted acknowledgments\n    \
        7 times recovered from packet loss due to SACK data\n    3 times recovered from packet loss due to fast retransmit\n";
    let names = "ActiveOpens TCPPrequeued TCPDirectCopyFromBacklog TCPDirectCopyFromPrequeue TCPHPHits TCPHPHitsToUser TCPPureAcks \
        TCPHPAcks TCPSackRecovery TCPRenoRecovery";
    let wanted = "126\n118\n37639131\n5049\n770\n24\n616\n10674\n7\n3\n";
    assert_eq!(ran(&format!("-v {names}"), text), both(wanted, "", 0));
    let bytes = text
        .replace("packets directly received", "bytes directly received")
        .replace("due to SACK data", "by SACK");
    assert_eq!(ran(&format!("-v {names}"), &bytes), both(wanted, "", 0));
}

#[test]
fn rows_of_nstat_are_counters() {
    let text = recording("nstat-asz.txt");
    let (all, stderr, status) = ran("--all", &text);
    assert_eq!((all.lines().count(), stderr.as_str(), status), (221, "", 0));
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("\"{}\":{}", words.next()?, words.next()?))
    };
    let pairs: Vec<_> = text.lines().skip(1).filter_map(pair).collect();
    for json in [
        format!("{{\"kernel\":{{{}}}}}\n", pairs.join(",")),
        format!("{{\n    \"kernel\": {{\n        {}\n    }}\n}}\n", pairs.join(",\n        ")),
    ] {
        let (from_json, stderr, status) = ran("--all", &json);
        assert_eq!((from_json.as_str(), stderr.as_str(), status), (all.as_str(), "", 0));
    }
    // Without zeros, the numbers may be differences.
    let grown: String =
        text.lines().filter(|line| !line.contains(" 0 ")).map(|line| format!("{line}\n")).collect();
    let note = "snmpget-tcp: --from: text of nstat without any 0: without -a its numbers are what was added since it \
                ran before; nstat -az saves all\n";
    assert_eq!(ran("-v InSegs", &grown), both("109\n", note, 0));
    let (stdout, stderr, _) = ran("-v InSegs", "{\"kernel\":{}}\n");
    assert!(stdout.is_empty() && stderr.contains("contains no group Tcp"), "{stderr}");
    let (_, stderr, status) = ran("", &text.replace("TcpInSegs ", "TcpInSegs x"));
    assert!(stderr.ends_with(": not a line of the counters of nstat\n") && status == 1, "{stderr}");
}

#[test]
fn rows_of_connbox_are_counters_again() {
    let text = recording("netstat-st.txt");
    let (all, _, _) = ran("--all", &text);
    for line in ["--all --header", "--all --json", "--all --header --describe"] {
        let rows = ran(line, &text).0;
        assert_eq!(ran("--all", &rows), both(&all, "", 0), "{line}");
        assert_eq!(ran(line, &rows).0, rows, "{line}");
    }
    for form in ["--header", "--json"] {
        let (_, stderr, status) = ran("", &ran(&[form, " --oid"].concat(), &text).0);
        assert!(stderr.contains(" rows of --oid, whose numbers wrap") && status == 1, "{stderr}");
    }
    let (stdout, stderr, status) = ran("", "name\tvalue\ntotal\t152\n");
    let wanted = "snmpget-tcp: 2: 'total' does not fit the column name\n";
    assert_eq!((stdout.as_str(), stderr.as_str(), status), ("", wanted, 1));
}
