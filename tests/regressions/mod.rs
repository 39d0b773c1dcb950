//! Hand-made hostile files with the expected result of each, and the inputs of past bugs.

use std::path::Path;
use std::process::Output;

use connbox::model::{Family, Protocol, TcpState};

use crate::corruption::{sockstat, states};
use crate::support::{run, run_with_input, stdout_of};

const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const HEADER6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const ROW: &str = "   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5161857 1 00000000a196f2aa 100 0 0 10 0\n";
const ROW6: &str = "   4: 0000000000000000FFFF00000100007F:2198 0000000000000000FFFF00000100007F:AE60 0A 00000000:00000000 00:00000000 00000000     0        0 5160941 1 00000000668ee070 20 0 0 10 -1\n";

const CUT: &str = "the file is cut: its last line has no line end";
const NO_ROW: &str = "not a row of a TCP table";
const NO_LINE: &str = "not a line of sockstat, snmp, netstat, or of a socket table with its header, nor of a text of \
     another tool, nor a row of connbox below its header (--header): see connbox --man connbox-from";

/// A row with another inode.
fn another(row: &str) -> String {
    row.replace(" 51", " 52")
}

/// The number of listening sockets in a saved table, IPv4 and IPv6, or the place and reason of its error.
fn listening(text: &str) -> Result<[u64; 2], String> {
    let listen = TcpState::from_number(10).unwrap();
    states(text).map(|counts| Family::ALL.map(|family| counts.get(family, listen)))
}

/// Runs an applet on `text`, which it must reject with `reason` and without any row.
fn refuses(words: &[&str], text: &str, reason: &str) {
    let output = run_with_input(&[words, &["--from", "-"]].concat(), text.as_bytes());
    is_refusal(&output, &format!("{}: {reason}\n", words[0]));
}

fn is_refusal(output: &Output, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
}

/// Runs an applet on `text` and returns its rows.
fn rows(words: &[&str], text: &str) -> String {
    let output = run_with_input(&[words, &["--from", "-"]].concat(), text.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_row_cut_short_gives_no_counts() {
    for (header, row) in [(HEADER, ROW), (HEADER6, ROW6)] {
        let is_inet6 = u64::from(row == ROW6);
        let pointer = row.find(" 1 00000000").unwrap() + 3;
        let whole = another(row);
        let row = row.trim_end_matches('\n');
        for length in 0..=row.len() {
            let with = |count| Ok([(1 - is_inet6) * count, is_inet6 * count]);
            let refused = |reason| Err(format!("3: {reason}"));
            let cut = [header, &whole, &row[..length]].concat();
            match length {
                0 => assert_eq!(listening(&cut), with(1)),
                _ => assert_eq!(listening(&cut), refused(CUT), "{length}"),
            }
            if length % 16 == 1 {
                refuses(&["tcpstates"], &cut, &format!("standard input:3: {CUT}"));
            }
            // Somebody may have added a line end.
            let (seen, refused) = (listening(&[&cut, "\n"].concat()), refused(NO_ROW));
            // Blanks are a blank line; the last thing needed is a complete pointer, of 8 or 16 digits.
            match length {
                0..4 => assert_eq!(seen, with(1), "{length}"),
                _ if length < pointer + 8 => assert_eq!(seen, refused, "{length}"),
                _ if length < pointer + 16 => assert!(seen == with(2) || seen == refused),
                _ => assert_eq!(seen, with(2), "{length}"),
            }
        }
    }
}

#[test]
fn a_header_cut_short_is_no_table_without_sockets() {
    for header in [HEADER, HEADER6] {
        let whole = header.trim_end();
        for length in 1..=whole.len() {
            assert_eq!(listening(&whole[..length]), Err(format!("1: {CUT}")), "{length}");
            if length < 3 {
                continue;
            }
            let ended = listening(&[&whole[..length], "\n"].concat());
            match length {
                3 => assert_eq!(ended, Err(format!("1: {NO_LINE}"))),
                _ if length < whole.len() => {
                    let cut = "1: the header of a socket table is cut, or not one of the kernel's";
                    assert_eq!(ended, Err(cut.into()), "{length}");
                }
                _ => assert_eq!(ended, Ok([0, 0])),
            }
        }
    }
}

#[test]
fn socket_tables_are_read_or_refused() {
    let other = another(ROW);
    let cases = [
        ([HEADER, HEADER, ROW, HEADER, ROW].concat(), Ok([2, 0])),
        ([HEADER, "\n", ROW, " \t\n\r\n", &other, "\n\n", HEADER6, ROW6].concat(), Ok([2, 1])),
        ([HEADER, ROW, HEADER6, ROW6, HEADER, ROW].concat(), Ok([2, 1])),
        ([HEADER, ROW.trim_end()].concat(), Err(format!("2: {CUT}"))),
        ([ROW, HEADER].concat(), Err(format!("1: {NO_LINE}"))),
        (["TCP: inuse 1\n", ROW].concat(), Err(format!("2: {NO_LINE}"))),
        ([HEADER, ROW6].concat(), Err(format!("2: {NO_ROW}"))),
        ([HEADER6, ROW6, "\n", ROW].concat(), Err(format!("4: {NO_ROW}"))),
        ([HEADER, ROW, "\0", ROW].concat(), Err(format!("3: {NO_ROW}"))),
        ([HEADER, ROW, "\0\n"].concat(), Err(format!("3: {NO_ROW}"))),
        ([HEADER, &ROW.replace(" 0A ", " 0D ")].concat(), Err(no_state("0D"))),
        ([HEADER, &ROW.replace(" 0A ", " 00 ")].concat(), Err(no_state("00"))),
        ([HEADER6, &ROW6.replace(" 0A ", " FF ")].concat(), Err(no_state("FF"))),
    ];
    for (text, wanted) in cases {
        assert_eq!(listening(&text), wanted, "{text}");
    }
    refuses(
        &["tcpstates"],
        &[HEADER, &ROW.replace(" 0A ", " 0D ")].concat(),
        "standard input:2: 0D is none of the twelve states",
    );
}

fn no_state(digits: &str) -> String {
    format!("2: {digits} is none of the twelve states")
}

#[test]
fn numbers_of_64_bits_are_whole_and_wider_ones_are_refused() {
    const MOST: &str = "18446744073709551615";
    let read = sockstat(format!("TCP: inuse {MOST} orphan 0 tw {MOST} alloc {MOST}\n")).unwrap();
    assert_eq!(
        read.tcp().map(|tcp| (tcp.inuse, tcp.tw, tcp.alloc)),
        Ok([i128::from(u64::MAX); 3].into())
    );
    let shown = rows(&["snmpget-tcp"], &format!("Tcp: A B\nTcp: {MOST} -9223372036854775808\n"));
    assert_eq!(shown, format!("TcpA\t{MOST}\nTcpB\t-9223372036854775808\n"));
    for wide in ["18446744073709551616", "99999999999999999999", "000000000000000000001"] {
        let text = format!("sockets: used 1\nTCP: inuse 1 orphan {wide} tw 0 alloc 1\n");
        let reason = "2: not a name and a number of at most 64 bits";
        assert_eq!(sockstat(&text).unwrap_err(), reason);
        refuses(&["sockstat"], &text, &format!("standard input:{reason}"));
        for values in [format!("{wide} 1"), format!("1 {wide}")] {
            let text = format!("Tcp: A B\nTcp: {values}\n");
            let output = run_with_input(&["snmpget-tcp", "--from", "-"], text.as_bytes());
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(stderr.starts_with("snmpget-tcp: standard input:2: "), "{stderr}");
        }
    }
}

#[test]
fn counts_are_read_or_refused() {
    let whole = "TCP: inuse 3 orphan 0 tw 9 alloc 4 mem 1\n";
    for (text, reason) in [
        ([whole, whole].concat(), "2: appears a second time"),
        ([whole, "\nTCP: tw 1\n"].concat(), "3: appears a second time"),
        (whole.replace("orphan 0", "orphan --1"), "1: not a name and a number of at most 64 bits"),
        (whole.replace("orphan 0", "orphan"), "1: not a name and a number of at most 64 bits"),
        (whole.replace("orphan", "orp\0an"), "1: not a name and a number of at most 64 bits"),
        (whole.replace("TCP:", "TCP"), &format!("1: {NO_LINE}")),
        (whole.replace("TCP:", "T\0P:"), &format!("1: {NO_LINE}")),
        ([whole, "\0\n"].concat(), &format!("2: {NO_LINE}")),
        ([whole, "UDP:\n"].concat(), &format!("2: {NO_LINE}")),
        (whole.trim_end().into(), &format!("1: {CUT}")),
        ([whole, "TCP6: inuse 1"].concat(), &format!("2: {CUT}")),
    ] {
        assert_eq!(sockstat(&text).unwrap_err(), reason, "{text}");
    }
    let crlf = sockstat(whole.replace('\n', "\r\n")).unwrap();
    assert_eq!((crlf, crlf.inuse(Protocol::Tcp, Family::Inet)), (sockstat(whole).unwrap(), 3));
    // More minisockets than sockets is not a contradiction: minisockets are not in alloc.
    let whole = &[whole, "TCP6: inuse 0\n"].concat();
    let shown = rows(&["closedcalc"], whole);
    assert_eq!(shown, "closed\t10\nunhashed\t1\nalloc\t4\ninuse\t3\ninuse6\t0\ntw\t9\n");
    let negative =
        rows(&["closedcalc", "closed", "unhashed"], &whole.replace("alloc 4", "alloc 0"));
    assert_eq!(negative, "closed\t6\nunhashed\t-3\n");
}

#[test]
fn what_connbox_does_not_know_appears() {
    let text = "TCP: inuse 1 later 7\nQUIC: inuse 3 Zero_0 0\nTCP6: inuse 2\n";
    let wanted = "TCP\tinuse\t1\nTCP\tlater\t7\nQUIC\tinuse\t3\nQUIC\tZero_0\t0\nTCP6\tinuse\t2\n";
    assert_eq!(rows(&["sockstat"], text), wanted);
    let text = "Tcp: New\nTcp: 5\nQuicExt: Old Newer\nQuicExt: -1 2\n";
    let wanted = "TcpNew\t5\nQuicExtOld\t-1\nQuicExtNewer\t2\n";
    assert_eq!(rows(&["snmpget-tcp", "--all"], text), wanted);
}

/// A separate root whose proc/net holds these files.
fn root(name: &str, files: &[(&str, &str)]) -> String {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile").join(name);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("proc/net")).unwrap();
    for (file, text) in files {
        std::fs::write(root.join("proc/net").join(file), text).unwrap();
    }
    root.into_os_string().into_string().unwrap()
}

#[test]
fn missing_files_are_ipv6_off_or_an_error_that_names_them() {
    let counts = ("sockstat", "TCP: inuse 1 orphan 0 tw 0 alloc 1\n");
    let table = [HEADER, ROW].concat();
    let all = root("all", &[counts, ("tcp", &table)]);
    assert_eq!(stdout_of(&["closedcalc", "--root", &all, "-v", "inuse", "inuse6"]), "1\n0\n");
    assert_eq!(stdout_of(&["tcpstates", "--root", &all, "-v", "listen"]), "1\n");
    let none = root("none", &[("sockstat6", "TCP6: inuse 1\n"), ("tcp6", HEADER6)]);
    for (applet, file) in [
        ("sockstat", "sockstat"),
        ("closedcalc", "sockstat"),
        ("conncount", "sockstat"),
        ("tcpstates", "tcp"),
        ("snmpget-tcp", "snmp"),
    ] {
        let output = run(&[applet, "--root", &none]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        is_refusal(&output, &stderr);
        let wanted = format!("{applet}: {none}/proc/net/{file}: No such file or directory\n");
        assert_eq!(stderr, wanted);
    }
    let output = run(&["tcpstates", "--root", &[&all, "/proc"].concat()]);
    is_refusal(&output, &format!("tcpstates: {all}/proc/proc: No such file or directory\n"));
}

#[test]
fn what_is_no_table_is_said() {
    let directory = root("directory", &[]);
    for applet in ["sockstat", "tcpstates", "snmpget-tcp", "conncount", "closedcalc"] {
        let output = run(&[applet, "--from", &directory]);
        let reason = format!(
            "holds nothing that {applet} reads of the namespace host, below proc/net, sos_commands/networking and \
             sos_commands/conntrack"
        );
        is_refusal(&output, &format!("{applet}: {directory}: {reason}\n"));
        let output = run(&[applet, "--from", "/dev/null"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        // An endless line neither hangs nor fills the memory.
        let output = run(&[applet, "--from", "/dev/zero"]);
        is_refusal(&output, &format!("{applet}: /dev/zero:1: longer than 131072 bytes\n"));
        let long = "x".repeat(1 << 20);
        refuses(&[applet], &long, "standard input:1: longer than 131072 bytes");
    }
    let late = [HEADER, ROW, &"\0".repeat(1 << 20), "\n", ROW].concat();
    assert_eq!(listening(&late), Err("3: longer than 131072 bytes".into()));
    let blank = [HEADER, &" ".repeat(100_000), "\n", ROW].concat();
    assert_eq!(listening(&blank), Ok([1, 0]));
}

/// Runs an applet on an input that once failed: its standard output, error and status.
fn again(words: &[&str], input: &str) -> (String, String, Option<i32>) {
    let file = format!("{}/tests/regressions/{input}.txt", env!("CARGO_MANIFEST_DIR"));
    let output = run(&[words, &["--from", &file]].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&file, "FILE");
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn a_sum_of_counts_may_pass_64_bits() {
    let words = ["conncount", "--transport", "-v", "tcp_inuse", "inet", "tcp_ip"];
    let wanted = "18446744073709551616\n18446744073709551616\n18446744073709551615\n";
    assert_eq!(again(&words, "sum-past-64-bits"), (wanted.into(), String::new(), Some(0)));
}

#[test]
fn a_tcp6_row_cut_to_the_length_of_a_tcp_row_is_refused() {
    let wanted = format!("tcpstates: FILE:3: {NO_ROW}\n");
    let seen = again(&["tcpstates"], "tcp6-row-of-149-bytes");
    assert_eq!(seen, (String::new(), wanted, Some(1)));
}

#[test]
fn a_row_number_reads_the_same_behind_any_other() {
    let wanted = format!("tcpstates: FILE:3: {NO_ROW}\n");
    let seen = again(&["tcpstates"], "row-number-of-27-digits");
    assert_eq!(seen, (String::new(), wanted, Some(1)));
}

#[test]
fn a_number_that_is_too_wide_is_refused_where_it_stands() {
    for applet in ["sockstat", "closedcalc", "conncount"] {
        let (stdout, stderr, status) = again(&[applet], "wide-first-number");
        assert_eq!((stdout.as_str(), status), ("", Some(1)));
        assert!(stderr.starts_with(&format!("{applet}: FILE:2: ")), "{stderr}");
    }
}

#[test]
fn a_table_without_rows_is_a_table() {
    let seen = again(&["tcpstates", "-v", "listen", "estab"], "table-without-rows");
    assert_eq!(seen, ("0\n0\n".into(), String::new(), Some(0)));
}

#[test]
fn a_name_that_comes_twice_in_a_pair_is_not_printed_twice() {
    for format in ["--json", "--prom", "--shell", "--tsv"] {
        let (stdout, stderr, status) = again(&["snmpget-tcp", format], "name-twice-in-a-pair");
        assert_eq!(status, Some(1), "{stdout}");
        assert!(stdout.matches("InSegs").count() <= 1, "{stdout}");
        assert!(stderr.starts_with("snmpget-tcp: FILE:2: "), "{stderr}");
    }
}

#[test]
fn a_broken_pair_is_said_where_it_stands() {
    for applet in ["snmpget-tcp", "conncount"] {
        let (_, stderr, status) = again(&[applet], "pair-that-does-not-match");
        assert_eq!(status, Some(1));
        assert!(stderr.contains(&format!("{applet}: FILE:4: ")), "{stderr}");
    }
}

#[test]
fn a_group_that_comes_twice_is_refused() {
    for applet in ["snmpget-tcp", "conncount"] {
        let (stdout, stderr, status) = again(&[applet], "group-twice");
        assert_eq!(status, Some(1), "{stdout}");
        assert!(stderr.starts_with(&format!("{applet}: FILE:6: ")), "{stderr}");
    }
}

#[test]
fn a_listener_at_another_address_makes_no_connection_inward() {
    let words = ["--state", "established", "--laddr", "192.0.2.1", "--rport", "5432"];
    let words = [&["conncount", "--by", "direction,service"][..], &words].concat();
    let (stdout, stderr, status) = again(&words, "tcp-directions");
    // A bare machine has no names of services.
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let service = if services.contains("postgresql") { "postgresql" } else { "5432" };
    assert_eq!((stdout, stderr), (format!("out\t{service}\t3\n"), String::new()));
    assert_eq!(status, Some(0));
}

#[test]
fn a_flow_whose_directions_have_two_protocols_is_refused() {
    let (stdout, stderr, status) = again(&["conntrack", "-C"], "flow-without-a-protocol");
    assert_eq!((stdout.as_str(), status), ("", Some(1)));
    assert!(stderr.starts_with("conntrack: FILE:3: not a line of conntrack"), "{stderr}");
}
