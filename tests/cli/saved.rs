//! Files of other kernels and machines, some of them incomplete: the answer is right, or a message says what is
//! missing; it is never a 0 that was not counted.

use crate::support::{fixtures, run, run_with_input};

/// Runs an applet on a saved text: its standard output, its standard error, its status.
fn ran(words: &[&str], text: &str) -> (String, String, i32) {
    let output = run_with_input(&[words, &["--from", "-"]].concat(), text.as_bytes());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace("standard input:", "");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn both(stdout: &str, stderr: &str, status: i32) -> (String, String, i32) {
    (stdout.into(), stderr.into(), status)
}

/// The group Tcp of a kernel with `fields`, whose values are their places from 1.
fn tcp(fields: usize) -> String {
    const NAMES: [&str; 15] = [
        "RtoAlgorithm",
        "RtoMin",
        "RtoMax",
        "MaxConn",
        "ActiveOpens",
        "PassiveOpens",
        "AttemptFails",
        "EstabResets",
        "CurrEstab",
        "InSegs",
        "OutSegs",
        "RetransSegs",
        "InErrs",
        "OutRsts",
        "InCsumErrors",
    ];
    let values: Vec<_> = (1..=fields).map(|value| value.to_string()).collect();
    format!("Tcp: {}\nTcp: {}\n", NAMES[..fields].join(" "), values.join(" "))
}

const NO_VALUES: &str = "a line of names without its line of values";
const NO_NAMES: &str = "a line of values without its line of names";
const NO_LINE: &str = "not a line of sockstat, snmp, netstat, or of a socket table with its header, nor of a text of \
     another tool, nor a row of connbox below its header (--header): see connbox --man connbox-from";
const NO_PAIR: &str = "the names and values of this pair do not match";

#[test]
fn a_broken_group_costs_no_other_counter() {
    let whole = tcp(15);
    let all: String = ran(&["snmpget-tcp"], &whole).0;
    assert_eq!(all.lines().count(), 15);
    // gVisor writes a group without fields as two lines that are alike: that is a whole pair.
    for before in ["IcmpMsg:\nIcmpMsg:\n", "IcmpMsg: \nIcmpMsg: \n", "IcmpMsg:\r\nIcmpMsg:\r\n"] {
        for text in [[before, &whole].concat(), [&whole, before].concat()] {
            assert_eq!(ran(&["snmpget-tcp"], &text), both(&all, "", 0), "{text}");
            assert_eq!(ran(&["snmpget-tcp", "-v", "CurrEstab"], &text), both("9\n", "", 0));
        }
    }
    for (broken, reason) in [
        ("TcpExt: SyncookiesSent ListenDrops\n", NO_VALUES),
        ("TcpExt: 1 2\n", NO_NAMES),
        ("TcpExt:\n", NO_LINE),
        ("TcpExt: A B\nTcpExt: 1\n", NO_PAIR),
        ("TcpExt: A B\nTcpExt:\n", NO_PAIR),
    ] {
        let place = |line: usize| format!("snmpget-tcp: {line}: {reason}\n");
        let lines = broken.lines().count();
        let behind = [&whole, broken].concat();
        assert_eq!(ran(&["snmpget-tcp"], &behind), both(&all, &place(2 + lines), 1), "{broken}");
        let seen = ran(&["snmpget-tcp", "-v", "CurrEstab"], &behind);
        assert_eq!(seen, both("9\n", &place(2 + lines), 1), "{broken}");
        let before = [broken, &whole].concat();
        assert_eq!(
            ran(&["snmpget-tcp", "--all"], &before),
            both(&all, &place(lines), 1),
            "{broken}"
        );
        // The group Tcp itself is broken.
        let (stdout, stderr, status) = ran(&["snmpget-tcp"], &broken.replace("TcpExt", "Tcp"));
        assert!(stdout.is_empty() && status == 1, "{stdout}");
        assert!(stderr.ends_with("snmpget-tcp: snmp: contains no group Tcp\n"), "{stderr}");
        // No warning about groups that are not printed.
        let other = [&whole, broken].concat().replace("TcpExt", "IpExt");
        assert_eq!(ran(&["snmpget-tcp"], &other), both(&all, "", 0), "{broken}");
        // Tables of sockets have nothing to do with it.
        let header = "  sl  local_address rem_address   st tx_queue rx_queue uid timeout inode\n";
        let table = [broken, header].concat();
        assert_eq!(ran(&["tcpstates", "-v", "listen"], &table), both("0\n", "", 0), "{broken}");
    }
    let (stdout, stderr, status) = ran(&["snmpget-tcp"], "TcpExt: A\nIpExt: B\n");
    let wanted = format!("snmpget-tcp: 1: {NO_VALUES}\nsnmpget-tcp: snmp: contains no group Tcp\n");
    assert_eq!((stdout, stderr, status), both("", &wanted, 1));
}

#[test]
fn a_counter_that_this_kernel_lacks_is_absent() {
    // Of Linux 2.6.32.
    let old = tcp(14);
    const LACKS: &str = "snmpget-tcp: TcpInCsumErrors: the files do not contain this counter\n";
    for name in ["InCsumErrors", "TcpInCsumErrors", "incsumerrors", "TCP-MIB::tcpInCsumErrors.0"] {
        let seen = ran(&["snmpget-tcp", "-v", "CurrEstab", name, "InSegs"], &old);
        assert_eq!(seen, both("9\n-\n10\n", LACKS, 1), "{name}");
    }
    let names =
        ["snmpget-tcp", "CurrEstab", "TcpExtListenDrops", "MPTcpExtMPCapableSYNRX", "TCPLoss"];
    let (stdout, stderr, status) = ran(&names, &old);
    let wanted =
        "TcpCurrEstab\t9\nTcpExtListenDrops\t-\nMPTcpExtMPCapableSYNRX\t-\nTcpExtTCPLoss\t-\n";
    assert_eq!((stdout.as_str(), stderr.lines().count(), status), (wanted, 3, 1));
    let json = ran(&["snmpget-tcp", "--json", "InCsumErrors", "CurrEstab"], &old).0;
    assert_eq!(json, "{\"TcpInCsumErrors\":null,\"TcpCurrEstab\":9}\n");
    let prom = ran(&["snmpget-tcp", "--prom", "InCsumErrors", "CurrEstab"], &old).0;
    assert!(prom.ends_with("{name=\"TcpCurrEstab\"} 9\n") && !prom.contains("Csum"), "{prom}");
    let explained = ran(&["snmpget-tcp", "--explain", "--oid", "InCsumErrors"], &old).0;
    assert!(
        explained
            .starts_with("TcpInCsumErrors\t-\t-\t-\tnetns\t/proc/net/snmp Tcp InCsumErrors\tsegm")
    );
    // A name twice is one row, as with counters that are there.
    let seen = ran(&["snmpget-tcp", "InCsumErrors", "TcpInCsumErrors"], &old);
    assert_eq!(seen, both("TcpInCsumErrors\t-\n", LACKS, 1));
    // What connbox does not know is a mistake as before.
    let (stdout, stderr, status) = ran(&["snmpget-tcp", "CurrEstab", "InCsumError"], &old);
    assert_eq!((stdout.as_str(), status), ("", 2));
    assert!(stderr.starts_with("snmpget-tcp: InCsumError: no row of that name"), "{stderr}");
    assert_eq!(ran(&["snmpget-tcp", "*Csum*"], &old).2, 2);
}

#[test]
fn names_of_snmp_tools_and_levels_below_zero() {
    for name in [
        "SNMPv2-SMI::mib-2.6.9.0",
        "RFC1213-MIB::tcpCurrEstab.0",
        ".iso.org.dod.internet.mgmt.mib-2.tcp.tcpCurrEstab.0",
        "iso.3.6.1.2.1.6.9.0",
    ] {
        assert_eq!(
            ran(&["snmpget-tcp", name], &tcp(15)),
            both("TcpCurrEstab\t9\n", "", 0),
            "{name}"
        );
    }
    let negative = tcp(15).replace(" 9 ", " 18446744073709540830 ");
    assert_eq!(ran(&["snmpget-tcp", "-v", "CurrEstab"], &negative), both("-10786\n", "", 0));
    let by_agent = ran(&["snmpget-tcp", "--oid", "CurrEstab"], &negative).0;
    assert_eq!(by_agent, "TcpCurrEstab\t4294967295\t1.3.6.1.2.1.6.9.0\tGauge32\n");
    // A counter only grows: as many segments are possible.
    let many = tcp(15).replace(" 10 ", " 18446744073709551615 ");
    assert_eq!(ran(&["snmpget-tcp", "-v", "InSegs"], &many).0, "18446744073709551615\n");
    assert!(ran(&["snmpget-tcp", "--oid", "InSegs"], &many).0.contains("\t4294967295\t"));
}

const BIG: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
    2: 7F000001:A13F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2940        0 41019895 1 fffff8103c59be80 300 0 0 2 -1\n   \
    3: 7F000001:A13F C0000201:1538 01 00000000:00000000 00:00000000 00000000  2940        0 41019896 1 fffff8103c59be81 300 0 0 2 -1\n";
const BIG6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
    4: 00000000000000000000FFFF7F000001:2198 20010DB8000000000000000000000001:AE60 01 00000000:00000000 00:00000000 00000000     0        0 5 1 00000000668ee070 20 0 0 10 -1\n";

#[test]
fn tables_of_a_big_endian_machine_are_read_as_one_wrote_them() {
    let table = [BIG, BIG6].concat();
    let words = ["conncount", "--byte-order", "big", "--by", "laddr,lport,raddr,rport,family"];
    let wanted = "127.0.0.1\t8600\t2001:db8::1\t44640\tinet6-mapped\t1\n\
                  127.0.0.1\t41279\t0.0.0.0\t0\tinet\t1\n\
                  127.0.0.1\t41279\t192.0.2.1\t5432\tinet\t1\n";
    assert_eq!(ran(&words, &table), both(wanted, "", 0));
    for (words, wanted) in [
        (&["conncount", "--byte-order=big", "--laddr", "127.0.0.0/8"][..], "3\n"),
        (&["conncount", "--byte-order=big", "--laddr", "::/0"], "1\n"),
        (&["tcpstates", "-v", "--byte-order=big", "--raddr", "192.0.2.1", "established"], "1\n"),
        (&["conncount", "--byte-order=little", "--laddr", "127.0.0.0/8"], "0\n"),
    ] {
        assert_eq!(ran(words, &table), both(wanted, "", 0), "{words:?}");
    }
    let rule = ["network-connections", "--byte-order=big", "--rule=[raddr=192.0.2.1];;0"];
    let (stdout, _, status) = ran(&rule, &table);
    assert!(status == 2 && stdout.starts_with("[raddr=192.0.2.1]: 1 [CRITICAL]"), "{stdout}");
    let little = fixtures().join("own-lab-6.18");
    let little = little.to_str().unwrap();
    let by = |order: &str| {
        let order = ["--byte-order=", order].concat();
        run(&["conncount", "--root", little, &order, "--by", "laddr"]).stdout
    };
    assert_eq!(by("little"), run(&["conncount", "--root", little, "--by", "laddr"]).stdout);
    assert_ne!(by("little"), by("big"));
    for (words, text) in [
        (
            &["conncount", "--byte-order", "big"][..],
            "conncount: --byte-order: needs --from or --root\n",
        ),
        (
            &["tcpstates", "--byte-order=middle"],
            "tcpstates: --byte-order: 'middle' is not one of big, little\n",
        ),
        (
            &["conntrack", "-L", "--byte-order=big"],
            "conntrack: --byte-order: no table of sockets is read\n",
        ),
    ] {
        let output = run(words);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), text);
    }
}

#[test]
fn what_tables_do_not_say_is_refused() {
    const IFACE: &str = "socket tables do not say which interface a socket is bound to";
    const BOUND: &str = "socket tables do not list sockets that are only bound (BOUND_INACTIVE)";
    const CGROUP: &str = "saved files do not say in which control group a socket was created";
    const HOLDER: &str = "saved files do not say who holds a socket";
    let root = fixtures().join("own-lab-6.18");
    let root = root.to_str().unwrap();
    for (words, reason) in [
        (&["conncount", "--by", "iface"][..], IFACE),
        (&["conncount", "--by", "state,iface"], IFACE),
        (&["conncount", "--iface", "lo"], IFACE),
        (&["conncount", "--iface", "1"], IFACE),
        (&["conncount", "--laddr", "fe80::1%lo"], IFACE),
        (&["conncount", "-u", "--raddr", "10.0.0.1,fe80::1%1"], IFACE),
        (&["tcpstates", "--iface", "lo"], IFACE),
        (&["network-connections", "--rule=[iface=lo]"], IFACE),
        (&["conncount", "--state", "bound-inactive"], BOUND),
        (&["tcpstates", "bound-inactive", "listen"], BOUND),
        (&["tcpstates", "--lport", "22", "bound-inactive"], BOUND),
        (&["conncount", "--by", "cgroup"], CGROUP),
        (&["conncount", "--by", "cgroup,pid"], CGROUP),
        (&["conncount", "--cgroup", "/a"], CGROUP),
        (&["conncount", "--by", "process"], HOLDER),
    ] {
        let status = if words[0] == "network-connections" { 3 } else { 2 };
        let (stdout, stderr, seen) = ran(words, BIG);
        assert_eq!((stdout.as_str(), seen), ("", status), "{words:?}");
        let rule = words[1]
            .strip_prefix("--rule=")
            .map_or(String::new(), |rule| format!("--rule {rule}: "));
        assert_eq!(stderr, format!("{}: {rule}--from: {reason}\n", words[0]), "{words:?}");
        if [IFACE, BOUND].contains(&reason) {
            let output = run(&[words, &["--root", root]].concat());
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0));
            assert_eq!(stderr, format!("{}: {rule}--root: {reason}\n", words[0]), "{words:?}");
        }
    }
}
