//! What ss, netstat and their relatives print, saved and read again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use connbox::error::Error;
use connbox::model::Family;

use crate::corruption::counted;
use crate::support::{run, run_with_input, scratch::scratch};

/// Runs an applet on a saved text: its standard output, its standard error, its status.
fn ran(words: &[&str], text: &str) -> (String, String, i32) {
    let output = run_with_input(&[words, &["--from", "-"]].concat(), text.as_bytes());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace("standard input", "FILE");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// What a line prints of the texts of two files, which it makes in `folder`: both outputs, and the status.
pub fn of_two_files(folder: &Path, line: &str, texts: [&str; 2]) -> (String, String, Option<i32>) {
    let files = ["one", "two"].map(|name| folder.join(name));
    let mut words: Vec<_> = line.split(' ').collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
        words.extend(["--from", file.to_str().unwrap()]);
    }
    let output = run(&words);
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (stdout, stderr, output.status.code())
}

/// The rows that an applet makes of a text, without a message.
fn rows(words: &[&str], text: &str) -> String {
    let (stdout, stderr, status) = ran(words, text);
    assert_eq!((stderr.as_str(), status), ("", 0), "{words:?} of {text}");
    stdout
}

/// The message with which an applet refuses a text.
fn refusal(words: &[&str], text: &str) -> String {
    let (stdout, stderr, status) = ran(words, text);
    assert_eq!((stdout.as_str(), [1, 2].contains(&status)), ("", true), "{words:?} of {text}");
    stderr
}

/// `ss -tanpemi` of iproute2 6.1, and the same sockets as others print them.
pub const SS: &str = "\
State      Recv-Q Send-Q      Local Address:Port        Peer Address:Port Process                                   \n\
LISTEN     1      5               127.0.0.1:7000             0.0.0.0:*     users:((\"n\n\
l\",pid=8784,fd=3),(\"a b\"\",pid=8632,fd=3)) uid:1000 ino:63861041 sk:b8bcd6 cgroup:/a b/c <->\n\
\t skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0) bbr cwnd:10                \n\
LISTEN     0      5                       *:7001                   *:*     users:((\"web\",pid=7,fd=4)) ino:63861042 sk:b8bcd7 cgroup:/ v6only:0 <->\n\
ESTAB      10     20              127.0.0.1:7000           127.0.0.1:51384 users:((\"web\",pid=7,fd=5)) timer:(keepalive,119min,0) ino:63861052 sk:b8bcd8 cgroup:/ <->\n\
\t skmem:(r0,rb131072,t0,tb3939840,f0,w0,o0,bl0,d0) ts sack bbr wscale:10,10 bbr:(bw:0bps,mrtt:0.008) send 327680000000bps lastsnd:704\n\
ESTAB      0      0      [::ffff:10.0.0.1]:7001    [::ffff:10.0.0.2]:51385 users:((\"web\",pid=7,fd=6)) ino:63861053 sk:b8bcd9 cgroup:/ <->\n\
ESTAB      0      0       [fe80::1%eth0]:7001            [fe80::2]:51386 ino:0 sk:b8bcda cgroup:unreachable:c4 <->\n\
TIME-WAIT  0      0               127.0.0.1:40106          127.0.0.1:7000  timer:(timewait,7.904ms,0) ino:0 sk:5\n\
FIN-WAIT-2 0      0               127.0.0.1:40107          127.0.0.1:7000  timer:(timewait,59sec,0) ino:0 sk:6\n";

/// What ss calls unreachable was removed, or is in a part of the tree that it did not see: who asks for a group cannot
/// know whether the socket is in it.
#[test]
fn a_group_that_ss_could_not_name_may_be_the_one_that_is_asked_for() {
    let gap = |outcome: &str| {
        format!(
            "conncount: --from: the text does not name all control groups: some were gone, or out of sight: their \
             sockets are shown as 'unreachable', and {outcome}\n"
        )
    };
    for (option, value, count, outcome) in [
        ("--cgroup", "/a b", "1\n", "counted only by --cgroup /"),
        ("--cgroup", "!/a b", "6\n", "not excluded by --cgroup"),
        ("--pod", "00000000-0000-0000-0000-000000000001", "0\n", "counted by no --pod"),
        ("--container", "0123456789ab", "0\n", "counted by no --container"),
    ] {
        let (stdout, stderr, status) = ran(&["conncount", option, value], SS);
        assert_eq!((stdout.as_str(), status), (count, 1), "{option} {value}: {stderr}");
        assert!(stderr.ends_with(&gap(outcome)), "{option} {value}: {stderr}");
        let named = SS.replace("unreachable:c4", "/x");
        assert_eq!(ran(&["conncount", option, value], &named).2, 0, "{option} {value}");
    }
    // Its socket is left out by what else is asked for.
    assert_eq!(rows(&["conncount", "--cgroup", "/a b", "--state", "listen"], SS), "1\n");
    let (checked, _, status) = ran(&["network-connections", "--rule", "[cgroup=/a b];5;9"], SS);
    assert!(status == 3 && checked.contains("[UNKNOWN]"), "{checked}");
}

#[test]
fn a_table_of_ss_answers_what_its_options_show() {
    let by = |key: &str| rows(&["conncount", "--by", key], SS);
    assert_eq!(by("state"), "ESTABLISHED\t3\nLISTEN\t2\nFIN_WAIT2\t1\nTIME_WAIT\t1\n");
    assert_eq!(by("family"), "inet\t4\ninet6\t2\ninet6-mapped\t1\n");
    assert_eq!(by("process,pid"), "-\t-\t3\nweb\t7\t3\na b\"\t8632\t1\n");
    assert_eq!(by("uid"), "-\t3\n0\t3\n1000\t1\n");
    assert_eq!(by("inode"), "-\t3\n63861041\t1\n63861042\t1\n63861052\t1\n63861053\t1\n");
    assert_eq!(by("cgroup"), "/\t3\n-\t2\n/a b/c\t1\nunreachable:c4\t1\n");
    assert_eq!(by("iface"), "-\t6\neth0\t1\n");
    assert_eq!(
        by("raddr/8"),
        "127.0.0.0/8\t3\n0.0.0.0/8\t1\n10.0.0.0/8\t1\n::\t1\nfe80::2\t1\n"
            .replace("::\t", "::/128\t")
            .replace("fe80::2\t", "fe80::2/128\t")
    );
    for (filter, count) in [
        (&["--process", "web"][..], "3\n"),
        (&["--process", "8784"], "1\n"),
        (&["--process", "a b\""], "1\n"),
        (&["--uid", "1000"], "1\n"),
        (&["--inode", "63861052,63861053"], "2\n"),
        (&["--inode", "!63861052"], "6\n"),
        (&["--cgroup", "/"], "5\n"),
        (&["--iface", "eth0"], "1\n"),
        (&["--laddr", "fe80::/10%eth0"], "1\n"),
        (&["--raddr", "10.0.0.0/8"], "1\n"),
        (&["--lport", "7000"], "2\n"),
        (&["--state", "time-wait", "--rport", "7000"], "1\n"),
    ] {
        assert_eq!(rows(&[&["conncount"], filter].concat(), SS), count, "{filter:?}");
    }
    // A process that is asked for counts, and not the one with the lowest number.
    assert_eq!(
        rows(&["conncount", "--process", "8784", "--by", "pid,process"], SS),
        "8784\tn\\nl\t1\n"
    );
    assert_eq!(
        rows(
            &["conncount", "--by", "lport", "--sum", "recv_queue,send_queue", "--lport", "7000"],
            SS
        ),
        "7000\t2\t10\t20\n"
    );
    assert_eq!(rows(&["tcpstates", "-v", "estab", "fin-wait-2"], SS), "3\n1\n");
    assert_eq!(
        rows(&["tcpstates", "--by", "family", "estab", "listen"], SS),
        "tcp\tESTABLISHED\t1\ntcp\tLISTEN\t1\ntcp6\tESTABLISHED\t2\ntcp6\tLISTEN\t1\n"
    );
    let check =
        ran(&["network-connections", "--no-perfdata", "--conn-type=tcp6", "--conn-type=tcp"], SS);
    assert_eq!(
        check.0,
        "tcp6 ESTABLISHED: 2, tcp ESTABLISHED: 1, tcp FIN WAIT2: 1, tcp TIME WAIT: 1, tcp LISTEN: 1, tcp6 LISTEN: 1\n"
    );
}

/// A row of each of the ways in which options shape a table.
#[test]
fn every_mix_of_columns_and_options_is_read() {
    let (local, remote) = ("127.0.0.1:7000", "127.0.0.1:51384");
    for netid in ["", "tcp   "] {
        for header in [
            "",
            "State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n",
            "State  Recv-Q Send-Q Local Address:Port  Peer Address:Port              \n",
        ] {
            for more in [
                "",
                "   ",
                " users:((\"sshd\",1234,3))",
                " timer:(on,204ms,0) uid:1 ino:2 sk:3 <->",
                "\t skmem:(r0)",
                "\n\t cubic rto:204",
                "\n\t skmem:(r0,rb1) ts sack\n",
            ] {
                for end in ["", "\r"] {
                    let header = if netid.is_empty() || header.is_empty() {
                        header.to_owned()
                    } else {
                        ["Netid ", header].concat()
                    };
                    let text = format!(
                        "{header}{netid}ESTAB 0 0 {local} {remote}{more}{end}\n{netid}TIME-WAIT 0 0 {local}  {remote}  {end}\n"
                    );
                    assert_eq!(
                        rows(&["conncount", "--by", "state,lport,rport"], &text),
                        "ESTABLISHED\t7000\t51384\t1\nTIME_WAIT\t7000\t51384\t1\n",
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn other_kinds_of_sockets_and_other_texts_stand_beside_a_table() {
    // Paths have blanks and line ends.
    let all = "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n\
        nl    UNCONN 0 0 4:16435 *\n\
        u_str ESTAB  0 0 /p/with blank.sock 9023778 * 9023777\n\
        u_str LISTEN 0 0 /p/new\n\
        line.sock 1 * 0\n\
        p_raw UNCONN 0 0 *:eth0 *\n\
        raw   UNCONN 0 0 0.0.0.0:icmp 0.0.0.0:*\n\
        icmp6 UNCONN 0 0 *:ipv6-icmp *:*\n\
        udp   UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n\
        mptcp ESTAB  0 0 127.0.0.1:1 127.0.0.1:2\n\
        tcp   ESTAB  0 0 127.0.0.1:1 127.0.0.1:2\n\
        tcp   UNCONN 0 0 127.0.0.1:3 0.0.0.0:*\n\
        tcp   LISTEN 0 0 127.0.0.1:4 0.0.0.0:*\n";
    assert_eq!(
        rows(&["conncount", "-t", "-u", "--by", "proto,state"], all),
        "tcp\tESTABLISHED\t1\ntcp\tLISTEN\t1\nudp\tCLOSE\t1\n"
    );
    // What ss says beside it, in text that was made with 2>&1.
    let noisy = ["RTNETLINK answers: Invalid argument\n", all]
        .concat()
        .replace("udp ", "RTNETLINK answers: Invalid argument\nudp ");
    assert_eq!(rows(&["conncount", "-t", "-u", "--by", "proto"], &noisy), "tcp\t2\nudp\t1\n");
    // Two tables behind one another, and a file of the kernel.
    let kernel = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    assert_eq!(rows(&["tcpstates", "-v", "estab"], &[SS, all].concat()), "4\n");
    assert_eq!(
        rows(
            &["conncount", "-u", "--from-command", "ss -uan"],
            "UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n"
        ),
        "1\n"
    );
    let (count, doubt, status) = ran(&["tcpstates", "-v", "estab"], &[SS, kernel].concat());
    assert_eq!((count.as_str(), status), ("3\n", 1), "{doubt}");
    assert!(doubt.contains("tables of sockets of several tools"), "{doubt}");
}

#[test]
fn old_versions_write_other_addresses() {
    let old = "State      Recv-Q Send-Q        Local Address:Port          Peer Address:Port \n\
        LISTEN     0      128                       *:22                       *:*     \n\
        LISTEN     0      128                      :::22                      :::*     \n\
        ESTAB      0      0                       ::1:22                     ::1:4000  \n";
    assert_eq!(
        rows(&["conncount", "--by", "family,state"], old),
        "inet\tLISTEN\t1\ninet6\tESTABLISHED\t1\ninet6\tLISTEN\t1\n"
    );
    // What rows behind it tell of the version counts.
    let new = old.replace(":::", "[::]:").replace("::1:", "[::1]:");
    assert_eq!(
        rows(&["conncount", "--by", "family,state"], &new),
        "inet6\tLISTEN\t2\ninet6\tESTABLISHED\t1\n"
    );
    let both = old.replace("::1:", "[::1]:");
    let (stdout, stderr, status) = ran(&["conncount", "--by", "family,state"], &both);
    assert!(stderr.contains(UNTOLD_FAMILY) && status == 1, "{stdout}{stderr}");
    // With -r a name hides the family, too.
    let named = "ESTAB 0 0 localhost:5360 other.example:22\nLISTEN 0 0 *:22 *:*\n";
    assert_eq!(ran(&["conncount", "--by", "raddr"], named).0, "other.example\t1\n0.0.0.0\t1\n");
    assert_eq!(
        refusal(&["conncount", "--raddr", "10.0.0.0/8"], named),
        "conncount: FILE:1: 'localhost' is a name, not an address: save the text with -n\n"
    );
}

const UNTOLD_FAMILY: &str =
    "--from: some rows of ss do not tell whether a socket is of IPv4 or of IPv6\n";

/// `*` is any address of IPv4 in text of old versions, and a socket of IPv6 in that of new ones.
#[test]
fn a_star_has_the_family_that_other_rows_tell_or_none_in_silence() {
    const OLD: &str = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n";
    const NEW: &str = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    const STAR: &str = "LISTEN 0 128 *:80 *:*\n";
    const ESTAB: &str = "ESTAB 0 0 10.0.0.5:22 10.0.0.9:51000\n";
    // A row beside it, and the family of `*`, under a header of old versions, none, and one of new versions.
    let (v4, v6) = (Some("inet"), Some("inet6"));
    for (row, families) in [
        ("", [None, None, v6]),
        ("LISTEN 0 100 127.0.0.1:25 *:*\n", [v4, v4, None]),
        ("LISTEN 0 100 :::25 :::*\n", [v4, v4, None]),
        ("LISTEN 0 100 0.0.0.0:25 0.0.0.0:*\n", [v6; 3]),
        ("LISTEN 0 100 127.0.0.1:25 0.0.0.0:*\n", [v6; 3]),
        ("LISTEN 0 100 [::]:25 [::]:*\n", [v6; 3]),
        ("LISTEN 0 100 [::ffff:127.0.0.1]:25 *:*\n", [v6; 3]),
    ] {
        for (head, family) in [OLD, "", NEW].into_iter().zip(families) {
            for text in [[head, STAR, ESTAB, row].concat(), [head, row, ESTAB, STAR].concat()] {
                let words = ["conncount", "--lport", "80", "--by", "family"];
                let Some(family) = family else {
                    for words in [
                        &words[..],
                        &["conncount", "-4"],
                        &["conncount", "--by", "laddr"],
                        &["conncount", "--laddr", "0.0.0.0"],
                        &["conncount", "--laddr", "!::/0"],
                        &["tcpstates", "--by", "family", "listen"],
                    ] {
                        let run = ran(words, &text);
                        assert!(run.1.contains(UNTOLD_FAMILY) && run.2 == 1, "{words:?} {run:?}");
                    }
                    let rule = ["network-connections", "--rule", "[laddr=0.0.0.0];5;9"];
                    let run = ran(&rule, &text);
                    assert!(run.0.contains("[UNKNOWN]") && run.2 == 3, "{run:?}");
                    // Who does not ask is not told.
                    rows(&["conncount", "--by", "lport"], &text);
                    rows(&["conncount", "--laddr", "10.0.0.0/8"], &text);
                    continue;
                };
                assert_eq!(rows(&words, &text), format!("{family}\t1\n"), "{text}");
                let any = if family == "inet" { "0.0.0.0\t1\n" } else { "::\t1\n" };
                let words = ["conncount", "--lport", "80", "--by", "laddr"];
                assert_eq!(rows(&words, &text), any, "{text}");
            }
        }
    }
    // The command tells it, too.
    for (command, family) in [("ss -4 -Htan", "inet\t2\n"), ("ss -6 -Htan", "inet6\t1\n")] {
        let words = ["conncount", "--by", "family", "--from-command", command];
        let rest = if family.starts_with("inet6") { "" } else { ESTAB };
        let run = ran(&words, &[STAR, rest].concat());
        assert!(run.0 == family && !run.1.contains(UNTOLD_FAMILY), "{run:?}");
    }
}

#[test]
fn what_a_text_does_not_tell_is_asked_for() {
    const STATE: &str = "this table of ss does not say in which state its sockets are: name the command that made it, \
        --from-command \"ss -Htn state STATE\"";
    const PROTO: &str = "this table of ss does not say whether its sockets are of TCP or of UDP: name the command that \
        made it, --from-command \"ss -tn\" or \"ss -un\"";
    let one_state = "0 0 127.0.0.1:40106 127.0.0.1:7000\n";
    let header = "Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let established = "ESTAB 0 0 127.0.0.1:40106 127.0.0.1:7000\n";
    for (text, line, reason) in [
        (one_state, 1, STATE),
        (&[header, one_state].concat(), 1, STATE),
        (&["tcp ", one_state].concat(), 1, STATE),
        (established, 1, PROTO),
        (&["State ", header, established].concat(), 2, PROTO),
        (&["State ", header].concat(), 1, PROTO),
        // Raw sockets look like those of UDP.
        ("UNCONN 0 0 0.0.0.0:89 0.0.0.0:*\n", 1, PROTO),
        ("UNCONN 0 0 0.0.0.0:8089 0.0.0.0:*\nLISTEN 0 0 0.0.0.0:1 0.0.0.0:*\n", 2, PROTO),
    ] {
        for words in [&["conncount", "--by", "state"][..], &["tcpstates"]] {
            assert_eq!(
                refusal(words, text),
                format!("{}: FILE:{line}: {reason}\n", words[0]),
                "{text}"
            );
        }
    }
    let command = |text: &str, command: &str| {
        rows(&["conncount", "--by", "state", "--from-command", command], text)
    };
    assert_eq!(command(one_state, "ss -Htn state time-wait"), "TIME_WAIT\t1\n");
    assert_eq!(command(&[header, one_state].concat(), "ss -tn state time-wait"), "TIME_WAIT\t1\n");
    assert_eq!(command(established, "ss -Htn"), "ESTABLISHED\t1\n");
    assert_eq!(command(&["State ", header].concat(), "ss -ta"), "");
    assert_eq!(
        refusal(&["conncount", "--by", "state", "--from-command", "lsof"], ""),
        "conncount: --from-command: 'lsof' is not a command of ss or netstat, as ss -Htn state STATE\n"
    );
    assert_eq!(
        String::from_utf8(run(&["conncount", "--from-command", "ss -t"]).stderr).unwrap(),
        "conncount: --from-command: needs --from\n"
    );
    let (_, note, status) =
        ran(&["conncount", "-u", "--by", "state"], "UNCONN 0 0 0.0.0.0:8053 0.0.0.0:*\n");
    assert_eq!(status, 0);
    assert_eq!(
        note,
        "conncount: --from: a table of ss without the column Netid is taken for one of UDP: --from-command \"ss -uan\" says so\n"
    );
}

#[test]
fn keys_that_a_text_does_not_answer_are_refused() {
    let plain = "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:*\nESTAB 0 0 127.0.0.1:no-such-service 127.0.0.1:51384\n";
    for (words, reason) in [
        (
            &["--by", "process"][..],
            "--from: this text does not say who holds a socket: save it with ss -p, or netstat -p",
        ),
        (
            &["--process", "web"],
            "--from: this text does not say who holds a socket: save it with ss -p, or netstat -p",
        ),
        (
            &["--by", "uid"],
            "FILE:1: this row does not say who made the socket: save the text with ss -e, or netstat -en",
        ),
        (
            &["--uid", "0"],
            "FILE:1: this row does not say who made the socket: save the text with ss -e, or netstat -en",
        ),
        (
            &["--by", "inode"],
            "FILE:1: this row does not say the inode of the socket: save the text with ss -e, or netstat -e",
        ),
        (
            &["--inode", "7"],
            "FILE:1: this row does not say the inode of the socket: save the text with ss -e, or netstat -e",
        ),
        (
            &["--by", "cgroup"],
            "--from: this text does not say in which control group a socket was created: save it with ss -e",
        ),
        (
            &["--by", "lport"],
            "FILE:2: 'no-such-service' is not a service in /etc/services: save the text with -n",
        ),
        (
            &["--state", "bound-inactive"],
            "--from: socket tables do not list sockets that are only bound (BOUND_INACTIVE)",
        ),
    ] {
        assert_eq!(
            refusal(&[&["conncount"], words].concat(), plain),
            format!("conncount: {reason}\n"),
            "{words:?}"
        );
    }
    assert_eq!(rows(&["conncount", "--by", "raddr"], plain), "0.0.0.0\t1\n127.0.0.1\t1\n");
    // One row shows its process: the other one was hidden from who saved the text.
    let some = plain.replace("0.0.0.0:*", "0.0.0.0:* users:((\"a\",pid=1,fd=2))");
    let (stdout, stderr, status) = ran(&["conncount", "--by", "process"], &some);
    assert_eq!((stdout.as_str(), status), ("-\t1\na\t1\n", 1));
    assert!(
        stderr
            .starts_with("conncount: --from: saved text does not show the process of each socket"),
        "{stderr}"
    );
    assert_eq!(ran(&["conncount", "--by", "process", "--quiet-gaps"], &some).2, 0);
    let waits = "TIME-WAIT 0 0 127.0.0.1:1 127.0.0.1:2\n";
    assert_eq!(rows(&["conncount", "--by", "process"], waits), "-\t1\n");
}

/// `netstat -tuanpeo` of net-tools 2.10.
const NETSTAT: &str = "\
Active Internet connections (servers and established)\n\
Proto Recv-Q Send-Q Local Address           Foreign Address         State       User       Inode      PID/Program name     Timer\n\
tcp        0      0 127.0.0.1:7000          0.0.0.0:*               LISTEN      1000       9028066    18438/nginx: master  off (0.00/0/0)\n\
tcp        0      0 127.0.0.1:40106         127.0.0.1:7000          TIME_WAIT   0          0          -                    timewait (59.27/0/0)\n\
tcp6       0      7 203.0.113.211:7008      127.0.0.1:40010         ESTABLISHED 0          9028067    18439/a b 7/c  LIST  off (0.00/0/0)\n\
tcp6       0      0 2001:db8:1:2:3:4:5:6:80 2001:db8::1:6000        ESTABLISHED 0          9028069    18439/a b 7/c  LIST  keepalive (1.00/0/0)\n\
udp        0      0 127.0.0.1:8082          0.0.0.0:*                           0          9028068    18439/a b 7/c  LIST  off (0.00/0/0)\n\
udp6       0      0 ::1:53                  ::1:54                  ESTABLISHED 0          9028070    18439/a b 7/c  LIST  off (0.00/0/0)\n\
raw        0      0 0.0.0.0:89              0.0.0.0:*               7           0          9028071    18439/a b 7/c  LIST  off (0.00/0/0)\n\
Active UNIX domain sockets (servers and established)\n\
Proto RefCnt Flags       Type       State         I-Node   PID/Program name     Path\n\
unix  2      [ ACC ]     STREAM     LISTENING     123      1/init               /run/with blank\n";

#[test]
fn a_text_of_netstat_answers_what_its_options_show() {
    const CUT: &str = "conncount: --from: addresses that fill their column, and may be cut: 1 (netstat -W cuts none)\n";
    let by = |words: &[&str]| {
        let (stdout, stderr, status) = ran(&[&["conncount"], words].concat(), NETSTAT);
        // It shows one process of each socket.
        let (said, is_gap) = (stderr.replace(ONE_HOLDER, ""), words.contains(&"pid,process"));
        assert_eq!((said.as_str(), status), (CUT, i32::from(is_gap)), "{words:?}");
        assert_eq!(stderr.contains(ONE_HOLDER), is_gap, "{words:?}");
        stdout
    };
    assert_eq!(by(&["--by", "state"]), "ESTABLISHED\t2\nTIME_WAIT\t1\nLISTEN\t1\n");
    assert_eq!(
        by(&["-t", "-u", "--by", "proto,state"]),
        "tcp\tESTABLISHED\t2\ntcp\tTIME_WAIT\t1\ntcp\tLISTEN\t1\nudp\tESTABLISHED\t1\nudp\tCLOSE\t1\n"
    );
    assert_eq!(by(&["--by", "family"]), "inet\t2\ninet6\t1\ninet6-mapped\t1\n");
    assert_eq!(
        by(&["--by", "pid,process"]),
        "18439\ta b 7/c  LIST\t2\n-\t-\t1\n18438\tnginx: master\t1\n"
    );
    assert_eq!(by(&["--by", "uid"]), "0\t2\n-\t1\n1000\t1\n");
    assert_eq!(by(&["--by", "inode"]), "-\t1\n9028066\t1\n9028067\t1\n9028069\t1\n");
    assert_eq!(by(&["--inode", "9028066"]), "1\n");
    assert_eq!(by(&["--by", "lport", "--state", "estab"]), "80\t1\n7008\t1\n");
    // What is cut is of the other family.
    assert_eq!(by(&["-4", "--by", "laddr"]), "127.0.0.1\t2\n");
    assert_eq!(by(&["-4", "--raddr", "127.0.0.1", "--by", "lport"]), "40106\t1\n");
    const REFUSED: &str = "conncount: FILE:6: an address may be cut, as it fills its column: save the text with netstat -W\n";
    for words in [
        &["--by", "laddr"][..],
        &["--by", "raddr/24"],
        &["--raddr", "127.0.0.1"],
        &["--laddr", "::/0"],
    ] {
        assert_eq!(refusal(&[&["conncount"], words].concat(), NETSTAT), REFUSED, "{words:?}");
    }
    assert_eq!(
        refusal(&["conncount", "--by", "iface"], NETSTAT),
        "conncount: FILE:3: netstat does not show to which interface a socket is bound: save ss -tan\n"
    );
    // Rows without a header, as grep leaves them.
    assert_eq!(
        rows(
            &["tcpstates", "-v", "listen", "time-wait"],
            &NETSTAT.split_inclusive('\n').skip(2).take(2).collect::<String>()
        ),
        "1\n1\n"
    );
    assert_eq!(
        refusal(&["snmpget-tcp"], NETSTAT),
        "snmpget-tcp: FILE:1: a table of netstat: conncount, network-connections and tcpstates read it, snmpget-tcp does not\n"
    );
}

#[test]
fn nothing_of_another_netstat_is_lost() {
    const WINDOWS: &str =
        "text of the netstat of Windows, which is not read: only that of Linux is\n";
    let title =
        "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State\n";
    let row = "  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING\n";
    let udp = "  UDP    [::]:123               *:*                    \r\n";
    for (text, line) in [
        ([title, row].concat(), 2),
        (title.replace('\n', "\r\n"), 2),
        (row.to_owned(), 1),
        (udp.to_owned(), 1),
        ([NETSTAT, row].concat(), 13),
        ([NETSTAT, title].concat(), 14),
    ] {
        assert_eq!(
            refusal(&["tcpstates"], &text),
            format!("tcpstates: FILE:{line}: {WINDOWS}"),
            "{text}"
        );
    }
    // Behind sockets of other kinds, rows are read, or an error.
    let more = "tcp        0      0 127.0.0.1:7000          127.0.0.1:40010         ESTABLISHED\n";
    let count = |text: &str| ran(&["conncount", "--state", "established"], text).0;
    let before = count(NETSTAT).trim().parse::<u32>().unwrap();
    assert_eq!(count(&[NETSTAT, more].concat()), format!("{}\n", before + 1));
    for line in [
        "Active Foo sockets\n",
        "tcp4       0      0 127.0.0.1.7000          127.0.0.1.40010         ESTABLISHED\n",
        &more.replace("0 127", "x 127"),
    ] {
        let wanted = "tcpstates: FILE:13: not a line of a table of netstat\n";
        assert_eq!(refusal(&["tcpstates"], &[NETSTAT, line, more].concat()), wanted, "{line}");
    }
    for title in ["IPX sockets", "AX.25 sockets", "LOCAL (UNIX) domain sockets"] {
        let skipped = format!("{NETSTAT}Active {title}\nProto Recv-Q Send-Q Foo\nbar 1 2\n");
        assert_eq!(count(&skipped), format!("{before}\n"), "{title}");
    }
}

#[test]
fn what_a_text_of_netstat_hides_costs_nothing_else() {
    // The name of a user hides no inode.
    let named = NETSTAT.replace(" 1000 ", " www  ");
    assert_eq!(ran(&["conncount", "--inode", "9028066"], &named).0, "1\n");
    // -W cuts no address, and only the command tells.
    assert_eq!(
        rows(
            &[
                "conncount",
                "--by",
                "laddr",
                "--state",
                "estab",
                "--from-command",
                "netstat -tuanpeoW"
            ],
            NETSTAT
        ),
        "203.0.113.211\t1\n2001:db8:1:2:3:4:5:6\t1\n"
    );
}

#[test]
fn busybox_and_others_write_ipv6_in_rows_of_tcp() {
    let busybox = "Active Internet connections (servers and established)\n\
        Proto Recv-Q Send-Q Local Address           Foreign Address         State       \n\
        tcp        0      0 127.0.0.1:7000          0.0.0.0:*               LISTEN      \n\
        tcp        0      0 :::7001                 :::*                    LISTEN      \n\
        tcp        0      0 ::ffff:127.0.0.1:7001   ::ffff:127.0.0.1:41000  ESTABLISHED \n\
        tcp        0      0 2001:db8:1111:2222:3333:4444:5555:6666:7001 2001:db8:1:2:3:4:5:6:80 ESTABLISHED \n\
        udp        0      0 127.0.0.1:8053          0.0.0.0:*                           \n\
        raw        0      0 ::1%3025689245:58       ::%32:*                 58          \n";
    assert_eq!(
        rows(&["conncount", "--by", "family,state"], busybox),
        "inet\tLISTEN\t1\ninet6\tESTABLISHED\t1\ninet6\tLISTEN\t1\ninet6-mapped\tESTABLISHED\t1\n"
    );
    assert_eq!(
        rows(&["conncount", "--by", "raddr", "--state", "estab"], busybox),
        "127.0.0.1\t1\n2001:db8:1:2:3:4:5:6\t1\n"
    );
    let toybox = busybox.replace(
        "tcp        0      0 :::7001                 :::*",
        "tcp6       0      0 [::]:7001               [::]:*",
    );
    assert_eq!(
        rows(&["conncount", "--by", "family", "--state", "listen"], &toybox),
        "inet\t1\ninet6\t1\n"
    );
}

const SUMMARY: &str = "Total: 152\nTCP:   14 (estab 3, closed 3, orphaned 1, timewait 1)\n\nTransport Total     IP        IPv6\n\
    RAW\t  1         0         1        \nUDP\t  4         3         1        \nTCP\t  11        8         3        \n\
    INET\t  16        11        5        \nFRAG\t  0         0         0        \n\n";

#[test]
fn the_summary_of_ss_gives_its_rows_and_what_follows_from_them() {
    let old = SUMMARY
        .replace("152\n", "152 (kernel 160)\n")
        .replace("orphaned 1, timewait 1)", "orphaned 1, synrecv 0, timewait 1/0), ports 0")
        .replace("RAW", "*\t  160       -         -        \nRAW");
    let wanted = "total\t152\ntcp\t14\nestab\t3\nclosed\t3\norphaned\t1\nsynrecv\t-\ntimewait\t1\nunhashed\t2\n";
    for text in [
        SUMMARY,
        &old,
        &SUMMARY.replace('\n', "\r\n"),
        &[
            SUMMARY,
            "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 0 1.1.1.1:1 *:*\n",
        ]
        .concat(),
    ] {
        assert_eq!(
            rows(&["closedcalc"], text),
            "closed\t3\nunhashed\t2\nalloc\t13\ninuse\t8\ninuse6\t3\ntw\t1\n",
            "{text}"
        );
    }
    for text in [SUMMARY, &old] {
        assert_eq!(rows(&["conncount"], text), wanted, "{text}");
    }
    assert_eq!(
        rows(
            &["conncount", "--transport", "-v", "raw_ip6", "udp", "tcp_ip", "inet", "frag"],
            SUMMARY
        ),
        "1\n4\n8\n16\n0\n"
    );
    let wrong = SUMMARY.replace("closed 3", "closed 4");
    assert!(
        refusal(&["closedcalc"], &wrong)
            .ends_with("the numbers of TCP in this text of ss -s contradict each other\n")
    );
    assert!(
        refusal(&["conncount"], &[SUMMARY, SUMMARY].concat()).ends_with("appears a second time\n")
    );
    assert_eq!(
        refusal(&["tcpstates"], SUMMARY),
        "tcpstates: FILE:1: the summary of ss -s: closedcalc and conncount read it, tcpstates does not\n"
    );
}

#[test]
fn a_line_that_fits_nothing_is_an_error_with_its_place() {
    for (text, line, form) in [
        (SS, 8, "a table of ss"),
        (NETSTAT, 4, "a table of netstat"),
        (SUMMARY, 2, "the summary of ss -s"),
    ] {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        for junk in [
            "root@host:~# ss -tan\n",
            "ESTAB 0\n",
            "foo: bar\n",
            "\0\n",
            " 0 0 1.2.3.4:1 1.2.3.4:2 FOO\n",
            "ESTAB 0 0 1.2.3.4:1 1.2.3.4:2 users:((\"a\",pid=1,fd=2)\n",
            "tcp ESTAB 0 0 1.2.3.4 1.2.3.4:2\n",
        ] {
            lines.insert(line - 1, junk);
            let applet = if text == SUMMARY { "closedcalc" } else { "tcpstates" };
            let wanted = format!("{applet}: FILE:{line}: not a line of {form}\n");
            assert_eq!(refusal(&[applet], &lines.concat()), wanted, "{junk:?}");
            lines.remove(line - 1);
        }
    }
}

#[test]
fn a_text_that_ends_in_a_line_gives_what_stands_before_with_status_1() {
    let cut = SS.rfind("7.904ms").unwrap();
    let (stdout, stderr, status) = ran(&["tcpstates", "-v", "estab", "time-wait"], &SS[..cut]);
    assert_eq!((stdout.as_str(), status), ("3\n0\n", 1));
    assert_eq!(
        stderr,
        "tcpstates: --from: a saved text ends in the middle of a line: what this line and those after it said is missing\n"
    );
    let check = ran(&["network-connections", "--conn-type=tcp"], &SS[..cut]);
    assert_eq!(check.2, 3, "{check:?}");
}

#[test]
fn a_port_by_its_name_is_looked_up() {
    let folder = scratch("saved-text-names");
    let file = folder.join("ss.txt");
    std::fs::write(
        &file,
        "LISTEN 0 0 0.0.0.0:http 0.0.0.0:*\nESTAB 0 0 10.0.0.1:http 10.0.0.2:5000\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let text = |words: &[&str]| {
        String::from_utf8(run(&[words, &["--from", file]].concat()).stdout).unwrap()
    };
    if std::fs::read_to_string("/etc/services").is_ok_and(|text| text.contains("80/tcp")) {
        assert_eq!(text(&["conncount", "--by", "lport"]), "80\t2\n");
        assert_eq!(
            text(&["conncount", "--by", "direction,service"]),
            "in\thttp\t1\nlisten\thttp\t1\n"
        );
    }
}

#[test]
fn a_long_table_is_the_same_for_any_number_of_threads() {
    let file = scratch("saved-text-long").join("ss.txt");
    let name = file.to_str().unwrap();
    let states = ["ESTAB", "TIME-WAIT", "CLOSE-WAIT", "LISTEN"];
    let mut rows = Vec::new();
    for number in 0..22_000u32 {
        let (state, port) = (states[number as usize % 4], 1024 + number % 60_000);
        let ends = match number % 5 {
            0 => format!("[2001:db8::{:x}]:443 [::1]:{port}", number % 77),
            1 => format!("*:{port} *:*"),
            _ => format!("192.168.10.20:443 10.0.{}.{}:{port}", number % 7, number % 99),
        };
        rows.push(format!("{state:<10} 0 {number:<6} {ends:<150} users:((\"p{}\",pid={},fd=3)) ino:{number} sk:1\n", number % 9, number % 9));
        if number % 1000 == 0 {
            rows.push("\t cubic wscale:7,7 rto:204\n".to_owned());
        }
    }
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let with = |place: usize, line: &str| {
        let mut rows = rows.clone();
        rows.insert(place, line.to_owned());
        [header, &rows.concat()].concat()
    };
    let plain = with(0, "");
    assert!(plain.len() > 4 << 20);
    for (text, is_whole) in [
        (plain.clone(), true),
        (rows.concat(), true),
        (with(21_000, "what is this\n"), false),
        (with(11_000, "ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"n\nl\",pid=1,fd=2))\n"), true),
        (with(11_000, "ESTAB 0 0 localhost:1 127.0.0.1:2 users:((\"a\",pid=1,fd=2))\n"), true),
        (with(10, header), true),
        ([rows.concat(), rows.concat()].concat(), true),
        (plain[..plain.len() - 7].to_owned(), true),
        (
            plain
                .replace("LISTEN    ", "ESTAB     ")
                .replace("-WAIT", "ED")
                .replace("TIMEED", "ESTAB")
                .replace("CLOSEED", "ESTAB"),
            false,
        ),
    ] {
        std::fs::write(&file, &text).unwrap();
        for words in [
            &["--by", "state,family,pid", "--sum", "send_queue"][..],
            &["--lport", "443"],
            &["--iface", "nope"],
        ] {
            let run = |threads| {
                run(&[&["conncount", "--from", name, "--threads", threads], words].concat())
            };
            let one = run("1");
            assert_eq!(run("3"), one, "{words:?}");
            assert_eq!(!one.stdout.is_empty(), is_whole, "{words:?} {one:?}");
        }
    }
}

#[test]
fn pods_and_exclusions_are_those_of_the_text() {
    let id = "a".repeat(64);
    let pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b2c3d4e_1111_2222_3333_444455556666.slice";
    let text = format!(
        "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:* users:((\"web\",pid=1,fd=2),(\"sh\",pid=3,fd=2)) ino:5 sk:1 \
         cgroup:{pod}/cri-containerd-{id}.scope <->\n\
         ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"db\",pid=2,fd=2)) uid:1 ino:6 sk:2 cgroup:/a <->\n"
    );
    assert_eq!(
        rows(&["conncount", "--by", "pod"], &text),
        "-\t1\n1b2c3d4e-1111-2222-3333-444455556666\t1\n"
    );
    let plain = "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:*\n";
    assert!(refusal(&["conncount", "--by", "pod"], plain).contains("save it with ss -e"));
    for (filter, count) in [
        (&["--process", "!sh"][..], "1\n"),
        (&["--process", "web", "--process", "!sh"], "0\n"),
        (&["--cgroup", "!/a"], "1\n"),
        (&["--lport", "!7000"], "1\n"),
        (&["--uid", "!1"], "1\n"),
    ] {
        assert_eq!(rows(&[&["conncount"], filter].concat(), &text), count, "{filter:?}");
    }
}

/// Counts the listening socket of a text by a filter, in each applet, and compares what is said.
fn says(both: &str, text: &str, count: &str, said: &str, status: i32) {
    for line in
        ["conncount --state listen", "tcpstates -v listen", "conncount --state listen --by lport"]
    {
        let line = format!("{line} --{both}");
        let words: Vec<_> = line.split(' ').collect();
        let (stdout, stderr, seen) = ran(&words, text);
        assert!(stderr.contains(said) && seen == status, "{line}: {stderr} {seen}");
        assert_eq!(stderr.is_empty(), said.is_empty(), "{line}: {stderr}");
        let count = match count {
            "" => String::new(),
            "0" if line.contains("--by") => String::new(),
            count if line.contains("--by") => format!("7000\t{count}\n"),
            count => format!("{count}\n"),
        };
        assert_eq!(stdout, count, "{line}");
    }
    let key = format!("--rule=[state=listen,{}];9", both.replace(" --", ","));
    let (stdout, _, seen) = ran(&["network-connections", "--no-perfdata", &key], text);
    let said = said.replace("--pod", "pod").replace("--container", "container");
    assert!(stdout.contains(&said), "{key}: {stdout}");
    assert_eq!(
        (seen, stdout.contains('(')),
        (if status == 0 { 0 } else { 3 }, status == 0 && !said.is_empty()),
        "{key}: {stdout}"
    );
}

fn unnamed(number: &str) -> String {
    format!(
        "--from: nothing gives the name of {number}, which may be asked for: --pods=FILE takes names from kubectl get pods -A -o json"
    )
}

fn refused(option: &str, word: &str, what: &str) -> String {
    format!(
        "--{option}: '{word}' is not the {what}, and nothing gives names: --pods=FILE takes them from kubectl get pods -A -o json"
    )
}

/// As on a machine, a word that matches nothing in the text says so; a name that nothing gives is no 0.
#[test]
fn words_that_match_nothing_in_a_text_say_so() {
    let (id, uid) = ("a".repeat(64), "1b2c3d4e-1111-2222-3333-444455556666");
    let (gone, other) = (uid.replace("1b", "2b"), "b".repeat(64));
    let (pod, of_none) = (format!("/kubepods/pod{uid}"), format!("/kubepods/pod{gone}/{other}"));
    let text = format!(
        "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:* users:((\"web\",pid=1,fd=2),(\"sh\",pid=3,fd=2)) ino:5 sk:1 cgroup:{pod}/{id} <->\n\
         ESTAB 0 0 127.0.0.1%eth0:1 127.0.0.1:2 users:((\"db\",pid=2,fd=2)) uid:1000 ino:6 sk:2 cgroup:/a/b <->\n"
    );
    let folder = scratch("saved-text-words");
    std::fs::create_dir_all(&folder).unwrap();
    let list = folder.join("pods.json");
    let item = format!(
        r#"{{"metadata":{{"name":"web-0","namespace":"shop","uid":"{uid}"}},"status":{{"containerStatuses":
        [{{"name":"nginx","containerID":"containerd://{id}"}}]}}}}"#
    );
    std::fs::write(&list, format!("{{\"items\":[{item}]}}")).unwrap();
    let pods = format!("pods={}", list.to_str().unwrap());
    let with_more =
        [&*text, &text.lines().next().unwrap().replace(&format!("{pod}/{id}"), &of_none), "\n"]
            .concat();
    let (pod_only, container_only) = ("UID of a pod", "ID of a container, or its first 12 digits");
    let found = |what: &str| format!("no {what}");
    // What is asked of the listening socket, whether with a list, the count, what is said, and the status.
    for (filter, has_list, text, count, said, status) in [
        ("process=nope", false, &text, "0", found("process found for 'nope'"), 0),
        ("process=web,db,9", false, &text, "1", found("process found for '9'"), 0),
        ("process=sh", false, &text, "1", String::new(), 0),
        ("process=!nope", false, &text, "1", found("process found for 'nope'"), 0),
        ("iface=nope", false, &text, "0", found("bound socket found for 'nope'"), 0),
        ("iface=!nope", false, &text, "1", found("bound socket found for 'nope'"), 0),
        ("iface=!eth0", false, &text, "1", String::new(), 0),
        ("laddr=127.0.0.1%nope", false, &text, "0", found("bound socket found for 'nope'"), 0),
        ("raddr=!0.0.0.0%eth0", false, &text, "1", String::new(), 0),
        ("inode=99", false, &text, "0", found("socket found for '99'"), 0),
        ("inode=5,99", false, &text, "1", found("socket found for '99'"), 0),
        ("inode=!6", false, &text, "1", String::new(), 0),
        ("uid=99", false, &text, "0", found("socket found for '99'"), 0),
        ("uid=0,1000", false, &text, "1", String::new(), 0),
        ("cgroup=/nope", false, &text, "0", found("control group found for '/nope'"), 0),
        ("cgroup=/kubepods,/a", false, &text, "1", String::new(), 0),
        ("cgroup=!/a/bc", false, &text, "1", found("control group found for '/a/bc'"), 0),
        ("cgroup=/", false, &text, "1", String::new(), 0),
        ("pod=shop/web-0", true, &text, "1", String::new(), 0),
        ("pod=nope", true, &text, "0", found("pod found for 'nope'"), 0),
        ("pod=!nope", true, &text, "1", found("pod found for 'nope'"), 0),
        ("container=nginx", true, &text, "1", String::new(), 0),
        ("container=nope", true, &text, "0", found("container found for 'nope'"), 0),
        (&format!("pod={uid}"), false, &text, "1", String::new(), 0),
        (&format!("pod={gone}"), false, &text, "0", found(&format!("pod found for '{gone}'")), 0),
        ("container=aaaaaaaaaaaa", false, &text, "1", String::new(), 0),
        ("container=bbbbbbbbbbbb", false, &text, "0", found("container found for 'b"), 0),
        ("pod=nope", true, &with_more, "0", unnamed(&gone), 1),
        ("container=nope", true, &with_more, "0", unnamed(&other), 1),
        ("pod=shop/web-0", false, &text, "", refused("pod", "shop/web-0", pod_only), 2),
        ("pod=!nope", false, &text, "", refused("pod", "nope", pod_only), 2),
        ("container=nginx", false, &text, "", refused("container", "nginx", container_only), 2),
    ] {
        let both = if has_list { [filter, &pods].join(" --") } else { filter.to_owned() };
        says(&both, text, count, &said, status);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A table of the kernel tells users and inodes, too.
#[test]
fn words_that_match_nothing_in_a_table_of_the_kernel_say_so() {
    for (words, count, said) in [
        (["--inode", "99"], "0\n", "conncount: --inode: no socket found for '99'\n"),
        (["--uid", "!4242"], "1\n", "conncount: --uid: no socket found for '4242'\n"),
        (["--inode", "1"], "1\n", ""),
    ] {
        let answer = (count.to_owned(), said.to_owned(), 0);
        assert_eq!(ran(&[&["conncount"][..], &words].concat(), TABLE_OF_TCP), answer);
    }
}

#[test]
fn a_long_table_that_is_given_twice_counts_twice_and_says_so() {
    let line = |port: u32| format!("ESTAB 0 0 127.0.0.1:{port} 127.0.0.1:7000\n");
    let table: String = std::iter::once("LISTEN 0 5 127.0.0.1:7000 0.0.0.0:*\n".to_owned())
        .chain((1..30).map(line))
        .collect();
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let twice = [header, &table, header, &table].concat();
    let (count, doubt, status) = ran(&["conncount", "--by", "proto"], &twice);
    assert_eq!((count.as_str(), status), ("tcp\t60\n", 1));
    assert_eq!(
        doubt,
        "conncount: --from: the same table of sockets is given twice: its sockets count twice\n"
    );
    // So it is with what was saved a moment later, or with other options.
    let later = [&table[..], &line(31)].concat();
    let fewer: String = table.lines().take(20).flat_map(|line| [line, "\n"]).collect();
    let columns = table.replace('\n', " users:((\"a\",pid=1,fd=3))\n");
    for (other, count) in [(&later, 61), (&fewer, 50), (&columns, 60)] {
        let (stdout, stderr, _) =
            ran(&["conncount", "--by", "proto"], &[header, &table, header, other].concat());
        assert_eq!((stdout, stderr), (format!("tcp\t{count}\n"), doubt.clone()), "{other}");
    }
    // Another machine has other connections.
    let away = table.replace("127.0.0.1:7000", "127.0.0.1:7001");
    assert_eq!(
        rows(&["conncount", "--by", "proto"], &[header, &table, header, &away].concat()),
        "tcp\t60\n"
    );
}

/// One connection tells: no two machines have the same. Servers alone do not.
#[test]
fn a_short_table_that_is_given_twice_says_so_if_it_has_a_connection() {
    let said =
        "conncount: --from: the same table of sockets is given twice: its sockets count twice\n";
    let (listens, connects) =
        ("LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\n", "ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\n");
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let both = [listens, connects].concat();
    let all = ["--from-command", "ss -tan"];
    let udp = ["-u", "--from-command", "ss -uan"];
    for (text, words, is_twice) in [
        ([header, &both].concat(), &all[..], true),
        ([header, connects].concat(), &all, true),
        ([header, &both.replace(":22 10", ":ssh 10")].concat(), &all, true),
        // Without a header it is one text.
        (both.clone(), &all, true),
        (both.replace('\n', "   \n"), &all, true),
        ([header, listens].concat(), &all, false),
        (listens.to_owned(), &all, false),
        ([header, &both.replace("51385", "http")].concat().replace(":22", ":ssh"), &all, false),
        // Several sockets of UDP may have the same two ends.
        (connects.to_owned(), &udp, false),
    ] {
        let (_, stderr, status) =
            ran(&[&["conncount", "--by", "state"], words].concat(), &[&text[..]; 2].concat());
        let said = if is_twice { said } else { "" };
        assert_eq!((stderr.as_str(), status), (said, i32::from(is_twice)), "{text}");
        assert_eq!(ran(&[&["conncount", "--by", "state"], words].concat(), &text).1, "", "{text}");
    }
    let file = scratch("saved-text-twice").join("ss.txt");
    let name = file.to_str().unwrap();
    std::fs::write(&file, [header, &both].concat()).unwrap();
    let output =
        run(&[&["conncount", "--by", "state", "--from", name, "--from", name], &all[..]].concat());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
}

/// What a tool prints: the header of -a, the rows that listen (TCP, TCP of IPv6, UDP), a connection, and other listeners.
type Printed = (String, &'static str, &'static str, &'static str, &'static str, &'static str);

const OF_ALL: &str = "servers and established";

fn title(which: &str) -> String {
    format!(
        "Active Internet connections ({which})\n\
         Proto Recv-Q Send-Q Local Address           Foreign Address         State\n"
    )
}

fn printed_by_ss_and_netstat() -> [Printed; 2] {
    let ss = (
        "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n".to_owned(),
        "tcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\ntcp LISTEN 0 5 127.0.0.1:25 0.0.0.0:*\n",
        "tcp LISTEN 0 5 [::]:22 [::]:*\n",
        "udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n",
        "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\n",
        "tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:*\ntcp LISTEN 0 5 0.0.0.0:443 0.0.0.0:*\n",
    );
    let netstat = (
        title(OF_ALL),
        "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN\ntcp 0 0 127.0.0.1:25 0.0.0.0:* LISTEN\n",
        "tcp6 0 0 :::22 :::* LISTEN\n",
        "udp 0 0 0.0.0.0:53 0.0.0.0:*\n",
        "tcp 0 0 10.0.0.1:22 10.0.0.2:51385 ESTABLISHED\n",
        "tcp 0 0 0.0.0.0:80 0.0.0.0:* LISTEN\ntcp 0 0 0.0.0.0:443 0.0.0.0:* LISTEN\n",
    );
    [ss, netstat]
}

/// What a command says of two files: its output, whether sockets that listen count twice, and its status.
fn of_two(line: &str, texts: [&str; 2]) -> (String, bool, Option<i32>) {
    let folder = scratch(&format!("saved-text-servers-{:?}", std::thread::current().id()));
    let files = ["one", "two"].map(|name| folder.join(name));
    let mut words: Vec<_> = line.split(' ').collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
        words.extend(["--from", file.to_str().unwrap()]);
    }
    let output = run(&words);
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (stdout, stderr.contains("these sockets count twice"), output.status.code())
}

/// A table of -a, and one of -l of the same machine: those that listen count twice, in each order and of each tool.
#[test]
fn servers_that_a_table_of_all_lists_too_count_twice_and_it_is_said() {
    let listening = "conncount --state listen";
    for (all, tcp, tcp6, udp, connected, others) in printed_by_ss_and_netstat() {
        let [only, none] = ["only servers", "w/o servers"].map(|which| all.replace(OF_ALL, which));
        let whole = [&all[..], udp, tcp, connected, tcp6].concat();
        let servers = [&only[..], udp, tcp, tcp6].concat();
        for texts in [[&whole[..], &servers], [&servers, &whole]] {
            assert_eq!(of_two(listening, texts), ("6\n".into(), true, Some(1)), "{texts:?}");
            assert_eq!(of_two("conncount --state estab", texts), ("1\n".into(), false, Some(0)));
            // UDP alone, of which nothing is connected.
            let (count, is_said, status) = of_two("conncount -u --state close", texts);
            assert_eq!((&count[..], is_said, status), ("2\n", true, Some(1)), "{texts:?}");
            let check =
                "network-connections --conn-type tcp --conn-type tcp6 --conn-status listen -c 40";
            let (text, _, status) = of_two(check, texts);
            assert_eq!(status, Some(3), "{text}");
            assert!(text.contains("'tcp_LISTEN'=U 'tcp6_LISTEN'=U"), "{text}");
        }
        // A part of the servers, and one family beside both.
        let fewer = [&only[..], tcp].concat();
        assert_eq!(of_two(listening, [&whole, &fewer]), ("5\n".into(), true, Some(1)));
        let of_v4 = [&all[..], udp, tcp, connected].concat();
        let of_v6: String = (1..9).map(|port| tcp6.replace(":22 ", &format!(":{port} "))).collect();
        let more = [&only[..], tcp, &of_v6].concat();
        assert_eq!(of_two(listening, [&of_v4, &more]), ("12\n".into(), true, Some(1)));
        // What completes each other, other servers, and the same of two machines.
        let connections = [&none[..], connected].concat();
        let away = [&all[..], tcp, &connected.replace("51385", "51386")].concat();
        for (texts, count) in [
            ([&connections[..], &servers], "3\n"),
            ([&whole, &[&only[..], others].concat()], "5\n"),
            ([&servers, &[&only[..], tcp].concat()], "5\n"),
            ([&whole, &away], "5\n"),
        ] {
            assert_eq!(of_two(listening, texts), (count.into(), false, Some(0)), "{texts:?}");
        }
    }
}

/// Netstat says that a quiet machine's table is of all: -l has less, and another quiet one the same.
#[test]
fn servers_of_a_quiet_machine_are_told_by_the_title() {
    let [quiet, only] = [OF_ALL, "only servers"]
        .map(|which| [&title(which)[..], "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN\n"].concat());
    let listening = "conncount --state listen";
    assert_eq!(of_two(listening, [&quiet, &only]), ("2\n".into(), true, Some(1)));
    assert_eq!(of_two(listening, [&quiet, &quiet]), ("2\n".into(), false, Some(0)));
}

const ONE_HOLDER: &str = "conncount: --from: netstat shows one process of each socket, by its first argument: no \
    --process counts others that hold it, nor those that go by another name; ss -tanp shows all\n";

#[test]
fn texts_of_netstat_behind_one_another_are_told_apart() {
    const TITLE: &str = "Active Internet connections (w/o servers)\n";
    const HEADER: &str =
        "Proto Recv-Q Send-Q Local Address           Foreign Address         State\n";
    const UNIX: &str = "Active UNIX domain sockets (w/o servers)\nProto RefCnt Flags Type State I-Node Path\n\
        unix  2 [ ] DGRAM 123 /run/x\n";
    const LISTENS: &str = "tcp 0 0 127.0.0.1:7000 0.0.0.0:* LISTEN\n";
    let row = |proto: &str, port: u32| {
        let state = if proto == "udp" { "" } else { "ESTABLISHED" };
        format!("{proto} 0 0 127.0.0.1:{port} 127.0.0.1:7000 {state}\n")
    };
    let table = |proto: &str, from, to| (from..to).map(|port| row(proto, port)).collect::<String>();
    let twice =
        "conncount: --from: the same table of sockets is given twice: its sockets count twice\n";
    let snapshots = "conncount: --from: several tables of netstat in one file: if they are of the same machine (netstat \
                     -c), its sockets count more than once\n";
    let text = |title: &str, rows: &str| [title, HEADER, rows, UNIX].concat();
    let (long, other, short) = (table("tcp", 1, 30), table("tcp", 2, 33), table("tcp", 1, 3));
    for (texts, count, said) in [
        ([text(TITLE, &long), text(TITLE, &long)], 58, twice),
        // grep has taken the title.
        ([text("", &long), text("", &long)], 58, twice),
        ([text(TITLE, &long), text(TITLE, &other)], 60, snapshots),
        ([text(TITLE, &short), text(TITLE, &short)], 4, twice),
        ([text(TITLE, &short), text(TITLE, &table("tcp", 2, 4))], 4, snapshots),
        ([text(TITLE, &short), text(TITLE, &table("udp", 1, 9))], 10, ""),
        ([text(TITLE, ""), text(TITLE, &long)], 29, ""),
    ] {
        let protos = if said.is_empty() && count == 10 { &["-t", "-u"][..] } else { &[] };
        let run = ran(&[&["conncount", "--state", "!listen"], protos].concat(), &texts.concat());
        let status = i32::from(!said.is_empty());
        assert_eq!(run, (format!("{count}\n"), said.to_owned(), status), "{texts:?}");
    }
    // Those that listen, and all others.
    let servers = text("Active Internet connections (only servers)\n", LISTENS);
    let (count, said, _) =
        ran(&["conncount", "--by", "proto"], &[text(TITLE, &long), servers].concat());
    assert_eq!((count.as_str(), said.contains("several tables")), ("tcp\t30\n", false), "{said}");
}

#[test]
fn messages_of_the_tools_matter_only_where_they_are_asked_about() {
    let notice = "(Not all processes could be identified, non-owned process info\n will not be shown, you would have to be \
                  root to see it all.)\n";
    let text = [notice, NETSTAT.split("udp6").next().unwrap()].concat();
    for words in [&["tcpstates", "-v", "estab"][..], &["conncount", "--by", "state"]] {
        let (_, stderr, status) = ran(words, &text);
        assert_eq!((stderr.contains("process"), status), (false, 0), "{stderr}");
    }
    for words in [["--by", "process"], ["--process", "nginx"]] {
        let (_, stderr, status) = ran(&[&["conncount"], &words[..]].concat(), &text);
        assert!(stderr.contains("saved text does not show the process of each socket"), "{stderr}");
        assert_eq!(status, 1);
    }
    for said in [
        "Failed to open cgroup2 by ID",
        "Failed to open cgroup2 mount",
        "Failed to read value of symbolic link /proc/1/fd/3",
        "Cannot open netlink socket: Permission denied",
        "SOCK_DESTROY answers: Operation not supported",
        "RTNETLINK answers: No such file or directory",
    ] {
        let first = [said, "\n", said, "\n", SS].concat();
        let amid = SS.replace("TIME-WAIT", &format!("{said}\nTIME-WAIT"));
        for text in [first, amid] {
            assert_eq!(
                rows(&["tcpstates", "--by", "family"], &text),
                rows(&["tcpstates", "--by", "family"], SS),
                "{said}"
            );
        }
        let summary = [said, "\n", SUMMARY].concat();
        assert_eq!(rows(&["closedcalc"], &summary), rows(&["closedcalc"], SUMMARY), "{said}");
    }
}

/// What netstat says and costs no row is stepped over; what may cost one is told, and not called a wrong line.
#[test]
fn messages_that_may_cost_rows_are_told() {
    const SAID: &str = "a message of ss, netstat or the shell, which 2>&1 has put here, and rows may be missing or broken: save \
        the text without it";
    for said in [
        "warning, got duplicate tcp line.",
        "warning, got bogus raw line.",
        "netstat: no support for `AF INET (sctp)' on this system.",
    ] {
        let first = [said, "\n", NETSTAT].concat();
        let amid = NETSTAT.replacen("tcp6 ", &format!("{said}\ntcp6 "), 1);
        for text in [first, amid] {
            for words in [&["tcpstates", "--by", "family"][..], &["conncount", "--by", "inode"]] {
                assert_eq!(ran(words, &text), ran(words, NETSTAT), "{text}");
            }
        }
    }
    // Busybox shows to others than root their own processes.
    let own = ["netstat: showing only processes with your user ID\n", NETSTAT].concat();
    assert_eq!(ran(&["conncount", "--by", "process"], &own).2, 1);
    assert_eq!(
        ran(&["conncount", "--by", "state"], &own),
        ran(&["conncount", "--by", "state"], NETSTAT)
    );
    for (text, said) in [
        (SS, "ss: cannot open netlink"),
        (SS, "netlink receive error No buffer space available (105)"),
        (SS, "Message truncated"),
        (SS, "bash: line 1: ss: command not found"),
        (SS, "ESTAB 0 0 10.0.0.1:2RTNETLINK answers: Invalid argument"),
        (NETSTAT, "warning, got bogus tcp line."),
        (NETSTAT, "netstat: no support for `AF INET (tcp)' on this system."),
        (NETSTAT, "netstat: bogus data on line 3"),
        (NETSTAT, "tcp 0 0 127.0.0.1:7000 warning, got duplicate tcp line."),
    ] {
        let amid = if text == SS { "TIME-WAIT" } else { "udp  " };
        for (text, place) in [
            ([said, "\n", text].concat(), 1),
            (
                text.replacen(amid, &format!("{said}\n{amid}"), 1),
                if amid == "udp  " { 7 } else { 10 },
            ),
        ] {
            for applet in ["tcpstates", "conncount"] {
                let words: &[&str] = if applet == "tcpstates" { &[] } else { &["-u"] };
                let refused = refusal(&[&[applet], words].concat(), &text);
                assert_eq!(refused, format!("{applet}: FILE:{place}: {SAID}\n"), "{text}");
            }
        }
    }
}

/// A file of no form is told by its first line, and lines of several hosts by what stands before them.
#[test]
fn what_is_no_text_is_told_by_its_first_line() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/sh\n";
    let memory = "MemTotal:  8 kB\nMemFree:  4 kB\nActive(anon):  1 kB\n";
    for text in [passwd, memory] {
        assert!(refusal(&["conncount"], text).contains("FILE:1: not a line of sockstat"), "{text}");
    }
    // Behind what is whole a broken pair is not the reason.
    let sockstat = ["sockets: used 7\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0\n", memory].concat();
    assert!(refusal(&["conncount"], &sockstat).contains("FILE:5: not a line of sockstat"));
    let of_host = |name: &str| {
        format!(
            "FILE:1: the line begins with the name of a host, as pdsh and clush write it: give the text of each host as a file \
             of its own, without the name: sed -n 's/^{name}//p'\n"
        )
    };
    let kernel = include_str!("../fixtures/own-lab-6.18/proc/net/tcp");
    for (text, name) in [
        (SS, "web1: "),
        (SS, "web-1.example.org:"),
        (SS, "web1|"),
        ("ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n", "web1: "),
        (NETSTAT, "root@web1: "),
        ("tcp 0 0 10.0.0.1:1 10.0.0.2:2 LISTEN\n", "10.0.0.7 | "),
        (SUMMARY, "web1: "),
        (kernel, "web1: "),
        ("sockets: used 7\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0\n", "web1: "),
    ] {
        let text: String = text.lines().map(|line| format!("{name}{line}\n")).collect();
        assert_eq!(refusal(&["conncount"], &text), ["conncount: ", &of_host(name)].concat());
    }
    for head in ["web1 | CHANGED | rc=0 >>\n", "web1 | SUCCESS => {\n"] {
        let refused = refusal(&["conncount"], &[head, SS].concat());
        assert!(refused.contains("FILE:1: a line of ansible with the name of a host"), "{refused}");
        let second =
            refusal(&["conncount", "-t"], &[SS, &head.replace("web1", "web2"), SS].concat());
        assert!(second.contains("a line of ansible with the name of a host"), "{second}");
    }
    let flows = "web1: tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 \
        sport=2 dport=1 [ASSURED] mark=0 use=1\n";
    assert_eq!(refusal(&["conntrack", "-L"], flows), ["conntrack: ", &of_host("web1: ")].concat());
}

#[test]
fn families_that_names_hide_are_missing_only_where_they_are_asked_for() {
    let text = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
        tcp ESTAB 0 0 localhost:7000 db.example.org:5432\n";
    let said = UNTOLD_FAMILY;
    for (words, status) in [
        (&["conncount", "--by", "family"][..], 1),
        (&["conncount", "--by", "state,family"], 1),
        (&["conncount", "-4", "--by", "state"], 1),
        (&["conncount", "-6", "--state", "estab"], 1),
        (&["tcpstates", "--by", "family", "estab"], 1),
        (&["conncount", "--by", "state"], 0),
        (&["tcpstates", "-v", "estab"], 0),
    ] {
        let run = ran(words, text);
        assert_eq!((run.1.contains(said), run.2), (true, status), "{words:?} {run:?}");
    }
}

#[test]
fn a_pipe_with_a_name_is_read_once() {
    let pipe = scratch("saved-text-pipe").join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let flow = "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1\n";
    let name = pipe.to_str().unwrap();
    // A fast writer has written, and gone, before a second reader comes.
    for (words, text, wanted) in [
        (&["conncount", "--by", "proto", "--from", name][..], SS, "tcp\t7\n"),
        (&["conntrack", "-C", "--from", name], flow, "1\n"),
    ] {
        for _ in 0..20 {
            let writer = std::thread::spawn({
                let pipe = pipe.clone();
                move || std::fs::write(pipe, text).unwrap()
            });
            assert_eq!(String::from_utf8(run(words).stdout).unwrap(), wanted);
            writer.join().unwrap();
        }
    }
}

/// The sockets of a text, all in all.
fn sockets(text: &[u8]) -> Result<u64, Error> {
    counted(text).map(|counts| Family::ALL.iter().map(|family| counts.total(*family)).sum())
}

#[test]
fn every_truncation_and_every_corrupt_byte_is_read_or_refused_with_its_place() {
    let summary = [SUMMARY, SS].concat();
    let rows = ["tcp ESTAB 0 0 [fe80::1]%eth0:1 [::1]:2 users:((\"a\",pid=1,fd=2),(\"b\",pid=3,fd=4))\n\t cubic\n", "tcp ESTAB 0 0 *:1 *:2\n"].concat();
    for text in [SS, NETSTAT, &summary, &rows] {
        let truth = sockets(text.as_bytes()).unwrap();
        for length in 1..text.len() {
            let cut = &text.as_bytes()[..length];
            let seen = catch_unwind(AssertUnwindSafe(|| sockets(cut)));
            assert!(
                seen.unwrap_or_else(|_| panic!("cut to {length}")).is_ok_and(|seen| seen <= truth)
                    || sockets(cut).is_err()
            );
        }
        let mut bytes = text.as_bytes().to_vec();
        for place in 0..bytes.len() {
            let whole = bytes[place];
            for other in [0, b'\n', b' ', b'9', b'a', b':', b')', 0xff, whole ^ 1] {
                bytes[place] = other;
                let seen = catch_unwind(AssertUnwindSafe(|| sockets(&bytes)));
                // A row may have become one of another kind, or two of them one.
                if let Ok(seen) = seen.unwrap_or_else(|_| panic!("{other:#x} at {place}")) {
                    assert!(
                        (truth - 2..=truth).contains(&seen),
                        "{seen} with {other:#x} at {place} of {text}"
                    );
                }
            }
            bytes[place] = whole;
        }
    }
}

/// What a command did not list is not 0: where its options say so, and where nothing does.
#[test]
fn states_that_a_text_leaves_out_are_no_zeros() {
    let row = "ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\nLAST-ACK 0 1 10.0.0.1:22 10.0.0.2:51386\n";
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let (ss, listens) = ([header, row].concat(), "LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\n");
    let (whole, listening) = ([&ss, listens].concat(), [header, listens].concat());
    let netstat = |title: &str| {
        format!(
            "Active Internet connections ({title})\n\
             Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
             tcp        0      0 10.0.0.1:22             10.0.0.2:51385          ESTABLISHED\n"
        )
    };
    // As after grep ESTAB.
    let filtered = netstat("servers and established").lines().nth(2).unwrap().to_owned() + "\n";
    let plain = ["--from-command", "ss -tn"];
    let all = ["--from-command", "ss -tan"];
    let established = ["--from-command", "ss -Htn state established"];
    let no_state = "0 0 10.0.0.1:22 10.0.0.2:51385\n".to_owned();
    for (text, command, state, said, status) in [
        (&ss, &[][..], "listen", "no socket in LISTEN: ", 1),
        (&ss, &[], "time-wait", "no socket in TIME_WAIT: ", 1),
        (&ss, &[], "close-wait", "", 0),
        (&ss, &all, "listen", "", 0),
        (&ss, &plain, "listen", "left out sockets in LISTEN: ", 1),
        (&ss, &plain, "syn-recv", "left out sockets in SYN_RECV: ", 1),
        (&ss, &plain, "close-wait", "", 0),
        (&no_state, &established, "established", "", 0),
        (&no_state, &established, "close-wait", "left out sockets in CLOSE_WAIT: ", 1),
        (&whole, &[], "time-wait", "", 0),
        (&listening, &[], "close-wait", "no socket in CLOSE_WAIT: ", 1),
        (
            &netstat("servers and established").split_once('\n').unwrap().1.to_owned(),
            &[],
            "listen",
            "no socket in LISTEN: ",
            1,
        ),
        (&filtered, &[], "close-wait", "no socket in CLOSE_WAIT: ", 1),
        (&filtered, &[], "established", "", 0),
        (&filtered, &["--from-command", "netstat -tan"], "close-wait", "", 0),
        (&netstat("w/o servers"), &[], "listen", "left out sockets in LISTEN: ", 1),
        (&netstat("w/o servers"), &[], "time-wait", "", 0),
        (&netstat("only servers"), &[], "close-wait", "left out sockets in CLOSE_WAIT: ", 1),
        (&netstat("servers and established"), &[], "listen", "", 0),
    ] {
        for words in [&["conncount", "--state", state][..], &["tcpstates", "-v", state]] {
            let (stdout, stderr, got) = ran(&[words, command].concat(), text);
            let count = if state == "established" { "1\n" } else { "0\n" };
            assert_eq!((stdout.as_str(), got), (count, status), "{words:?} {command:?}: {stderr}");
            assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{stderr}");
        }
        let rule = format!("--rule={state};9");
        let (stdout, ..) = ran(&[&["network-connections", &rule], command].concat(), text);
        assert_eq!(stdout.contains("UNKNOWN"), !said.is_empty(), "{state} {command:?}: {stdout}");
        check_is_unknown(text, command, state, said);
    }
}

/// States that nobody has named are shown as 0 with --strict alone.
#[test]
fn states_that_nobody_has_named_are_in_doubt_with_strict_alone() {
    let ss = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
        ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\n";
    let plain = ["--from-command", "ss -tn"];
    let all_types = ["network-connections", "--conn-type=tcp", "-w", "9"];
    for (strict, status) in [(&[][..], 0), (&["--strict"], 3)] {
        let (stdout, _, got) = ran(&[&all_types, strict, &plain[..]].concat(), ss);
        assert_eq!(got, status, "{stdout}");
    }
    let again = ["--from-command", "ss -Htn state established"];
    let twice = [&["tcpstates"][..], &plain, &again].concat();
    assert!(refusal(&twice, ss).contains("--from-command: is given twice"));
}

/// The keys direction and service go by the sockets that listen: who asks for them asks for LISTEN.
#[test]
fn a_way_is_in_doubt_without_sockets_that_listen() {
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let connects =
        "ESTAB 0 0 10.0.0.1:50000 10.0.0.2:40000\nCLOSE-WAIT 0 0 10.0.0.1:50000 10.0.0.2:2\n";
    let listens = "LISTEN 0 128 10.0.0.1:50000 0.0.0.0:*\n";
    let (ss, whole) = ([header, connects].concat(), [header, connects, listens].concat());
    let netstat = "Active Internet connections (w/o servers)\n\
        Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
        tcp 0 0 10.0.0.1:50000 10.0.0.2:40000 ESTABLISHED\n";
    let plain = ["--from-command", "ss -tn"];
    for (text, command, said, status) in [
        (ss.as_str(), &[][..], "LISTEN: without -a", 1),
        (&ss, &plain, "left out sockets in ", 1),
        (netstat, &[], "left out sockets in LISTEN", 1),
        (&whole, &[], "", 0),
        (&ss, &["--from-command", "ss -tan"], "", 0),
    ] {
        let path = scratch("saved-text-ways").join("text");
        std::fs::write(&path, text).unwrap();
        let from = ["--from", path.to_str().unwrap()];
        for words in [&["--by", "direction"][..], &["--by", "direction,service"]] {
            for filter in [&[][..], &["--state", "established"], &["--state", "connected"]] {
                let output = run(&[&["conncount"], words, filter, command, &from].concat());
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(status), "{words:?} {filter:?}: {stderr}");
                assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{stderr}");
            }
        }
    }
}

const UDP_CONNECTS: &str = "udp ESTAB 0 0 10.0.0.1:68 10.0.0.2:67\n";
const UDP_SERVES: &str = "udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n";
const UDP_CONNECTED: &str = "udp 0 0 10.0.0.1:68 10.0.0.2:67 ESTABLISHED\n";
const UDP_SERVING: &str = "udp 0 0 0.0.0.0:53 0.0.0.0:*                           \n";

/// A text of ss with these rows.
fn ss_of(rows: &[&str]) -> String {
    let header = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    [header, &rows.concat()].concat()
}

/// A text of netstat with these rows.
fn netstat_of(title: &str, rows: &str) -> String {
    let header = "Proto Recv-Q Send-Q Local Address           Foreign Address         State\n";
    format!("Active Internet connections ({title})\n{header}{rows}")
}

/// UDP has two states, of which -a alone lists both. What a text shows of TCP tells its options, too.
#[test]
fn sockets_of_udp_that_a_text_leaves_out_are_no_zeros() {
    let tcp = "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\ntcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\n";
    let (ss, netstat) = (ss_of, netstat_of);
    let (connects, serves) = (UDP_CONNECTS, UDP_SERVES);
    let (connected, serving) = (UDP_CONNECTED, UDP_SERVING);
    let by = |command| ["--from-command", command];
    let (plain, listens, all) = (by("ss -tun"), by("ss -tuln"), by("ss -tuan"));
    let left_out = "left out sockets of UDP in CLOSE: ";
    let no_close = "no socket of UDP in CLOSE: ";
    for (text, command, state, said, status) in [
        (ss(&[connects]), &[][..], "close", no_close, 1),
        (ss(&[connects]), &[], "established", "", 0),
        (ss(&[connects]), &[], "", no_close, 0),
        (ss(&[connects]), &plain, "close", left_out, 1),
        (ss(&[connects]), &plain, "", "", 0),
        (ss(&[connects]), &all, "close", "", 0),
        (ss(&[serves]), &[], "established", "no socket of UDP in ESTABLISHED: ", 1),
        (ss(&[serves]), &[], "", "", 0),
        (ss(&[serves]), &listens, "established", "left out sockets of UDP in ESTABLISHED: ", 1),
        (ss(&[serves, connects]), &[], "", "", 0),
        (ss(&[serves, tcp]), &[], "established", "", 0),
        (ss(&[connects, tcp]), &[], "close", "", 0),
        (netstat("w/o servers", connected), &[], "close", left_out, 1),
        (netstat("w/o servers", connected), &[], "", left_out, 0),
        (
            netstat("only servers", serving),
            &[],
            "established",
            "left out sockets of UDP in ESTABLISHED: ",
            1,
        ),
        (netstat("servers and established", serving), &[], "established", "", 0),
        (connected.to_owned(), &[], "close", no_close, 1),
    ] {
        let filter = if state.is_empty() { vec![] } else { vec!["--state", state] };
        let words = [&["conncount", "-u", "--by", "proto"][..], &filter, command].concat();
        let (_, stderr, got) = ran(&words, &text);
        assert_eq!(got, status, "{words:?}: {stderr}");
        assert!(
            stderr.contains(said) && stderr.is_empty() == said.is_empty(),
            "{words:?}: {stderr}"
        );
    }
}

#[test]
fn sockets_of_udp_that_a_text_leaves_out_are_unknown_in_a_check() {
    let (ss, netstat) = (ss_of, netstat_of);
    let (connects, serves) = (UDP_CONNECTS, UDP_SERVES);
    let (connected, serving) = (UDP_CONNECTED, UDP_SERVING);
    let plain = ["--from-command", "ss -tun"];
    for (text, command, status) in [
        (ss(&[connects]), &[][..], 3),
        (ss(&[connects]), &plain, 3),
        (ss(&[serves]), &[], 0),
        (ss(&[connects, serves]), &["--from-command", "ss -tuan"], 0),
        (netstat("w/o servers", connected), &[], 3),
        (netstat("only servers", serving), &[], 3),
        (netstat("servers and established", serving), &[], 0),
    ] {
        let words = ["network-connections", "--conn-type=udp", "-w", "9", "--strict"];
        let (stdout, _, got) = ran(&[&words, command].concat(), &text);
        assert_eq!(got, status, "{command:?} {text}: {stdout}");
    }
    let both = [netstat("w/o servers", connected), netstat("only servers", serving)].concat();
    let (stdout, stderr, got) = ran(&["conncount", "-u", "--state", "all"], &both);
    assert_eq!((stdout.as_str(), stderr.as_str(), got), ("2\n", "", 0));
}

/// So does a text of `ss -lu` tell nothing of other ends: who asks for them asks for its missing connections.
#[test]
fn listening_sockets_of_udp_tell_nothing_of_other_ends() {
    let said = "the text has no socket of UDP in ESTABLISHED";
    let left_out = "left out sockets of UDP in ESTABLISHED";
    let columns = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n";
    let no_netid = [columns, UDP_SERVES.strip_prefix("udp ").unwrap()].concat();
    let tcp = "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\n";
    let netstat = netstat_of("only servers", UDP_SERVING);
    for (text, command, said) in [
        (ss_of(&[UDP_SERVES]), &[][..], said),
        (UDP_SERVES.to_owned(), &[], said),
        (no_netid.clone(), &["--from-command", "ss -lun"], left_out),
        (netstat, &[], left_out),
        (no_netid, &["--from-command", "ss -uan"], ""),
        (netstat_of("servers and established", UDP_SERVING), &[], ""),
        (ss_of(&[UDP_SERVES, UDP_CONNECTS]), &[], ""),
        (ss_of(&[UDP_SERVES, tcp]), &[], ""),
        (ss_of(&[UDP_CONNECTS]), &["--from-command", "ss -un"], ""),
    ] {
        for words in [["--raddr", "192.0.2.2"], ["--rport", "!80"], ["--by", "raddr"]] {
            let words = [&["conncount", "-u"][..], &words, command].concat();
            let (stdout, stderr, status) = ran(&words, &text);
            let is_said = stderr.contains(said) && stderr.is_empty() == said.is_empty();
            let wanted = i32::from(!said.is_empty());
            assert!(is_said && status == wanted, "{words:?}: {status} {stdout}{stderr}");
        }
        // No such socket has another end.
        let serving = ["conncount", "-u", "--state", "close"];
        for words in [["--lport", "53"], ["--rport", "53"]] {
            let (_, stderr, status) = ran(&[&serving[..], &words, command].concat(), &text);
            let is_lacking = !text.contains("0.0.0.0:53");
            assert_eq!((stderr.is_empty(), status), (!is_lacking, i32::from(is_lacking)), "{text}");
        }
    }
}

/// A text of `ss -l` has no connection: it tells nothing of other ends, but all of the sockets that listen.
#[test]
fn listening_sockets_tell_nothing_of_other_ends() {
    let header = "Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let (ss, netid) = (format!("State {header}"), format!("Netid State {header}"));
    let listens = "LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\n";
    let connects = "ESTAB 0 0 10.0.0.1:22 10.0.0.2:443\n";
    let servers = format!("{ss}{listens}");
    let udp = format!("{netid}udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\ntcp {listens}");
    let netstat = |title: &str| {
        format!(
            "Active Internet connections ({title})\n\
             Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
             tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN\n"
        )
    };
    let (none, left_out) = ("has no socket in ESTABLISHED", "left out sockets in ESTABLISHED");
    for (text, command, note, is_known) in [
        (&servers, "", none, false),
        (&udp, "", none, false),
        // Who names the command knows which sockets are counted; of other ends these have none.
        (&servers, "ss -tln", left_out, true),
        (&netstat("only servers"), "", left_out, false),
        (&servers, "ss -tan", "", true),
        (&netstat("servers and established"), "", "", true),
        (&format!("{ss}{listens}{connects}"), "", "", true),
        (&format!("{ss}{connects}"), "ss -tn", "", true),
    ] {
        let command: &[&str] = if command.is_empty() { &[] } else { &["--from-command", command] };
        let says = |words: &[&str], note: &str, status: i32| {
            let (stdout, stderr, got) = ran(&[words, command].concat(), text);
            let is_said = stderr.contains(note) && stderr.is_empty() == note.is_empty();
            assert!(is_said && got == status, "{words:?} {command:?}: {got} {stdout}{stderr}");
        };
        let status = i32::from(!note.is_empty());
        for words in [
            ["--raddr", "192.0.2.2"],
            ["--rport", "!80"],
            ["--by", "raddr/24"],
            ["--by", "lport,rport"],
        ] {
            says(&[&["conncount"][..], &words].concat(), note, status);
        }
        let rule = ["network-connections", "--rule=[raddr=192.0.2.2];1;2"];
        let (stdout, _, got) = ran(&[&rule, command].concat(), text);
        assert_eq!((stdout.contains(note), got), (true, 3 * status), "{command:?}: {stdout}");
        let note = if is_known { "" } else { note };
        says(&["conncount", "--lport", "22"], note, 0);
        says(&["conncount", "--by", "lport"], note, 0);
        if text.contains("LISTEN") {
            says(&["conncount", "--state", "listen", "--by", "raddr"], "", 0);
        }
    }
    // Which states a text lists is seen in sockets of the other family, too.
    let both = format!("{ss}{connects}{listens}LISTEN 0 5 [::]:22 [::]:*\n");
    for (words, answer) in [
        (&["network-connections", "--conn-type=tcp6", "-w", "9"][..], "tcp6 LISTEN: 1|"),
        (
            &["network-connections", "--conn-type=tcp6", "--conn-status=established", "--strict"],
            "tcp6 ESTABLISHED: 0|",
        ),
    ] {
        let (stdout, _, got) = ran(words, &both);
        assert!(stdout.starts_with(answer) && got == 0, "{stdout}");
    }
}

/// Without a rule a check knows no more of a state that a text leaves out, shown as 0 or not.
fn check_is_unknown(text: &str, command: &[&str], state: &str, said: &str) {
    let status = format!("--conn-status={}", state.replace('-', "_"));
    for strict in [&[][..], &["--strict"]] {
        let words = ["network-connections", "--conn-type=tcp", "-w", "9", &status];
        let (stdout, _, got) = ran(&[&words, strict, command].concat(), text);
        let wanted = if said.is_empty() { 0 } else { 3 };
        assert_eq!(got, wanted, "{state} {strict:?} {command:?}: {stdout}");
        assert!(stdout.contains(said), "{stdout}");
    }
}

/// Asks these files for the sockets in a state.
fn check_states(files: &[&String], state: &str, said: &str, status: i32) {
    for words in [&["conncount", "--state", state][..], &["tcpstates", "-v", state]] {
        let from = files.iter().flat_map(|file| ["--from", file.as_str()]);
        let words: Vec<&str> = words.iter().copied().chain(from).collect();
        let output = run(&words);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{stderr}");
    }
}

/// Texts that share out the states among them lack what all of them lack.
#[test]
fn texts_that_complete_each_other_lack_nothing() {
    let folder = scratch("saved-text-halves");
    let text = |name: &str, title: &str, row: &str| {
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("Active Internet connections ({title})\n")
        };
        let header = "Proto Recv-Q Send-Q Local Address           Foreign Address         State\n";
        let path = folder.join(name);
        std::fs::write(&path, [&title, header, row].concat()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let connects = "tcp 0 0 10.0.0.1:22 10.0.0.2:51385 ESTABLISHED\n";
    let listens = "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN\n";
    let udp = "udp 0 0 0.0.0.0:53 0.0.0.0:*\n";
    let others = text("others", "w/o servers", connects);
    let servers = text("servers", "only servers", listens);
    let udp_servers = text("udp", "only servers", udp);
    let untitled = text("untitled", "", connects);
    let again = text("again", "w/o servers", &connects.replace("51385", "51386"));
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let ss = |name: &str, rows: &str| {
        let path = folder.join(name);
        std::fs::write(&path, [header, rows].concat()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rows = [
        "ESTAB 0 0 10.0.0.1:22 10.0.0.2:51385\nCLOSE-WAIT 1 0 10.0.0.1:22 10.0.0.2:51387\n",
        "LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\n",
        "TIME-WAIT 0 0 10.0.0.1:22 10.0.0.2:51388\n",
    ];
    let ss_others = ss("ss-others", rows[0]);
    let ss_servers = ss("ss-servers", rows[1]);
    let ss_both = ss("ss-both", &[rows[0], header, rows[1]].concat());
    let ss_all = ss("ss-all", &rows.concat());
    let left_out = "the command that made the text left out sockets in";
    let may_lack = "the text has no socket in TIME_WAIT: ";
    for (files, state, said, status) in [
        // Neither of them lists the minisockets.
        (&[&ss_others, &ss_servers][..], "time-wait", may_lack, 1),
        (&[&ss_servers, &ss_others], "time-wait", may_lack, 1),
        (&[&ss_both], "time-wait", may_lack, 1),
        (&[&ss_others, &ss_servers], "last-ack", "", 0),
        (&[&ss_others, &ss_servers], "listen", "", 0),
        (&[&ss_all], "last-ack", "", 0),
        (&[&others], "listen", left_out, 1),
        (&[&servers], "close-wait", left_out, 1),
        (&[&others, &servers], "listen", "", 0),
        (&[&others, &servers], "close-wait", "", 0),
        (&[&servers, &others], "close-wait", "", 0),
        (&[&untitled, &servers], "close-wait", "", 0),
        // The servers of another protocol are not those that are missing.
        (&[&others, &udp_servers], "listen", left_out, 1),
        (&[&udp_servers, &others], "listen", left_out, 1),
        (&[&others, &again], "listen", left_out, 1),
    ] {
        check_states(files, state, said, status);
    }
}

/// A machine may have no socket of a protocol: only the command tells that they were asked for.
#[test]
fn a_protocol_without_sockets_was_asked_for() {
    const OF_SS: &str = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n";
    const OF_NETSTAT: &str = "Active Internet connections (servers and established)\n\
        Proto Recv-Q Send-Q Local Address Foreign Address State\n";
    let cure = "name the command: --from-command \"ss -tuan\"";
    for (text, command) in [
        ([OF_SS, "tcp LISTEN 0 1 127.0.0.1:80 0.0.0.0:*\n"].concat(), "ss -tuanp"),
        ([OF_NETSTAT, "tcp 0 0 127.0.0.1:80 0.0.0.0:* LISTEN\n"].concat(), "netstat -tuanp"),
    ] {
        for words in [
            &["network-connections"][..],
            &["conncount", "-u"],
            &["conncount", "-t", "-u", "--by", "proto"],
        ] {
            let (stdout, stderr, status) = ran(words, &text);
            assert!([stdout, stderr].concat().contains(cure) && status != 0, "{words:?} {command}");
            let named = [words, &["--from-command", command]].concat();
            let (stdout, stderr, status) = ran(&named, &text);
            assert_eq!((stderr.as_str(), status), ("", 0), "{named:?}: {stdout}");
            let other = command.replace('u', "");
            let (_, _, status) = ran(&[words, &["--from-command", &other]].concat(), &text);
            assert_ne!(status, 0, "{words:?} {other}");
        }
        assert_eq!(rows(&["conncount", "-u", "--from-command", command], &text), "0\n");
        assert_eq!(
            rows(&["conncount", "-t", "-u", "--by", "proto", "--from-command", command], &text),
            "tcp\t1\n"
        );
    }
    let words = ["tcpstates", "-v", "listen", "--from-command", "netstat -tuanp"];
    assert_eq!(rows(&words, &[OF_NETSTAT, "udp 0 0 127.0.0.1:53 0.0.0.0:*\n"].concat()), "0\n");
}

/// `ss -un` lists sockets of one state, and has no column for it.
#[test]
fn udp_of_ss_without_a_is_of_one_state() {
    const HEADER: &str = "Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    const ROWS: &str = "0 0 127.0.0.1:49237 127.0.0.1:5353\n0 0 127.0.0.1:5353 127.0.0.1:49237\n";
    for (text, command) in [
        ([HEADER, ROWS].concat(), "ss -un"),
        ([HEADER, ROWS].concat(), "ss -A udp"),
        (ROWS.to_owned(), "ss -Hun"),
    ] {
        let words = ["conncount", "-u", "--by", "state", "--from-command", command];
        assert_eq!(rows(&words, &text), "ESTABLISHED\t2\n", "{command}");
        let refused =
            refusal(&["conncount", "-u", "--by", "state", "--from-command", "ss -uan"], &text);
        assert!(refused.contains("does not say in which state"), "{refused}");
    }
}

/// A damaged row of netstat is not called one of ss.
#[test]
fn a_damaged_state_is_told_as_one_of_netstat() {
    let text = "Active Internet connections (w/o servers)\n\
        Proto Recv-Q Send-Q Local Address Foreign Address State\n\
        tcp 0 0 127.0.0.1:80 127.0.0.1:5000 ESTABLISHED\n\
        tcp 0 0 127.0.0.1:80 127.0.0.1:5001 ESTABLISHD\n";
    let wanted = "conncount: FILE:4: not a row of netstat: its sixth word is not a state of TCP\n";
    for damaged in
        [text, &text.replace("tcp ", "tcp6 "), &text.replace("ESTABLISHD", "FIN_WAIT9 0 5 7/x")]
    {
        assert_eq!(refusal(&["conncount"], damaged), wanted);
    }
}

/// `ss -H` prints nothing where no socket matches; everything else prints a header.
#[test]
fn nothing_is_an_answer_of_ss_without_a_header() {
    for (command, words, answer, status) in [
        ("ss -Htan", &["conncount", "--by", "state"][..], "", 0),
        ("ss -Htan", &["conncount", "--state", "estab"], "0\n", 0),
        ("ss -Htn state time-wait", &["tcpstates", "-v", "time-wait"], "0\n", 0),
        ("ss -Hn state time-wait", &["conncount", "-tu", "--state", "time-wait"], "0\n", 0),
        ("ss --no-header -uan", &["conncount", "-u", "--by", "process"], "", 0),
        // It tells nothing of what it leaves out.
        ("ss -Htn state time-wait", &["tcpstates", "-v", "estab"], "0\n", 1),
    ] {
        for text in ["", "\n"] {
            let (stdout, stderr, got) = ran(&[words, &["--from-command", command]].concat(), text);
            assert_eq!((stdout.as_str(), got), (answer, status), "{command}: {stderr}");
            assert_eq!(stderr.contains("left out sockets in ESTABLISHED"), status == 1, "{stderr}");
        }
    }
    let check = ran(
        &[
            "network-connections",
            "--no-perfdata",
            "--rule=established;9",
            "--from-command",
            "ss -Htan",
        ],
        "",
    );
    assert_eq!(check.2, 0, "{check:?}");
    const EMPTY: &str = "FILE: is empty, and a kernel always writes at least a header: the file is masked, or was copied \
        with its size of 0, as tar does; copy it with cat";
    const OF_SS: &str = "; if it is of ss -H, which prints nothing where no socket matches, name the command: \
        --from-command \"ss -Htan\"";
    for (words, reason) in [
        (&["conncount", "--by", "state"][..], [EMPTY, OF_SS].concat()),
        (&["conncount", "--state", "estab", "--from-command", "ss -tan"], [EMPTY, OF_SS].concat()),
        (
            &["conncount", "--state", "estab", "--from-command", "netstat -tan"],
            [EMPTY, OF_SS].concat(),
        ),
        (&["closedcalc", "--from-command", "ss -Htan"], EMPTY.to_owned()),
        (&["snmpget-tcp"], EMPTY.to_owned()),
    ] {
        assert_eq!(refusal(words, ""), format!("{}: {reason}\n", words[0]), "{words:?}");
    }
    // The other protocol was not asked for.
    let (_, stderr, status) =
        ran(&["conncount", "-u", "--by", "state", "--from-command", "ss -Htan"], "");
    assert!(status == 1 && stderr.contains("no table of UDP sockets"), "{stderr}");
}

const TABLES: &str = "nothing that was given lists sockets of TCP over IPv6: give /proc/net/tcp6, too, or the text of ss \
    or netstat for both families";
const FILTER: &str =
    "the command that made the text has a filter: sockets that it left out are not counted";

/// A check of what the text lacks is UNKNOWN, and what it can hold is counted.
fn held_and_lacking(text: &str, more: &[&str], said: &str) {
    let rules = match said {
        FILTER => ["--rule=[lport=443];1"; 3],
        _ => ["--rule=tcp6_ESTABLISHED;1", "--conn-type=tcp6", "--rule=[raddr=::1];1"],
    };
    for rule in rules {
        let words = [&["network-connections", "--no-perfdata", rule], more].concat();
        let (stdout, _, status) = ran(&words, text);
        assert_eq!((stdout.contains(said), status), (true, 3), "{words:?}: {stdout}");
    }
    // What the table can hold is counted.
    for words in [
        &["conncount", "-4", "-t", "--by", "family"][..],
        &["tcpstates"],
        &["network-connections", "--rule=tcp_ESTABLISHED;9"],
    ] {
        let (_, stderr, status) = ran(&[words, more].concat(), text);
        assert_eq!(
            (stderr.contains("over IPv6"), status),
            (false, 0),
            "{words:?} {more:?}: {stderr}"
        );
    }
}

/// A table of the kernel.
const TABLE_OF_TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 00000000 100\n";

/// What a table cannot hold, because of its kind or of the command that made it, is no 0 for who asks for it.
#[test]
fn what_no_table_can_hold_is_no_zero() {
    let ss = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 10.0.0.1:80 10.0.0.2:1\n";
    let netstat = "Active Internet connections (servers and established)\n\
        Proto Recv-Q Send-Q Local Address Foreign Address State\ntcp 0 0 10.0.0.1:80 10.0.0.2:1 ESTABLISHED\n";
    for (text, command, lines, said) in [
        (
            TABLE_OF_TCP,
            "",
            &[
                "conncount -6",
                "conncount -6 --state listen",
                "conncount --laddr ::1",
                "conncount --raddr ::/0 --by state",
                "conncount --laddr 127.0.0.1,::1",
                "conncount --by family",
                "tcpstates -6",
                "tcpstates -6 -v listen",
                "tcpstates --by family",
            ][..],
            TABLES,
        ),
        (
            ss,
            "ss -4 -tan",
            &[
                "conncount -6",
                "tcpstates -6",
                "tcpstates --by family",
                "conncount -6 --by state",
                "conncount --raddr 2001:db8::1",
                "conncount --by state,family",
            ],
            TABLES,
        ),
        (netstat, "netstat -4tan", &["conncount -6", "tcpstates --laddr ::1"], TABLES),
        (
            ss,
            "ss -tan sport = :80",
            &[
                "conncount --lport 443",
                "conncount --raddr 10.0.0.9 --by state",
                "tcpstates --rport 443",
            ],
            FILTER,
        ),
    ] {
        let more: &[&str] = if command.is_empty() { &[] } else { &["--from-command", command] };
        for line in lines {
            let words: Vec<_> = line.split(' ').chain(more.iter().copied()).collect();
            let (_, stderr, status) = ran(&words, text);
            assert_eq!(
                (stderr, status),
                (format!("{}: --from: {said}\n", words[0]), 1),
                "{words:?}"
            );
        }
        held_and_lacking(text, more, said);
    }
}

/// What is held is a number, and one command made the text.
#[test]
fn a_family_that_the_command_asked_for_is_counted() {
    let ss = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 10.0.0.1:80 10.0.0.2:1\n";
    let six =
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 [::1]:80 [::1]:1\n";
    assert_eq!(rows(&["conncount", "-6", "--from-command", "ss -6tan"], six), "1\n");
    assert_eq!(rows(&["conncount", "-6", "--from-command", "ss -tan"], ss), "0\n");
    // An address that is excluded is not asked for.
    assert_eq!(rows(&["conncount", "--laddr", "!::1", "--from-command", "ss -4tan"], ss), "1\n");
    let error = refusal(&["conncount", "--from-command", "ss -tan | head -1"], ss);
    assert!(error.contains("'ss -tan | head -1' is more than one command"), "{error}");
}

/// A text whose rows are all of one family may be of a command for that family alone, as of `ss -4`.
#[test]
fn a_family_without_any_row_is_no_zero_for_who_asks_for_it() {
    const HEADER: &str = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let of_ss = |ends: &str| format!("{HEADER}ESTAB 0 0 {ends}\nTIME-WAIT 0 0 {ends}\n");
    let of_netstat = |end: &str, ends: &str| {
        let row = format!("tcp{end} 0 0 {ends} ESTABLISHED\n");
        netstat_of("servers and established", &row)
    };
    let [v4, v6] = ["127.0.0.1:80 127.0.0.1:1", "[::1]:80 [::1]:1"];
    let mapped = "[::ffff:127.0.0.1]:80 [::ffff:127.0.0.1]:1";
    let both = of_ss(v4) + &of_ss(v6).replace(HEADER, "");
    let asks = |family: u8| {
        let (end, one) = if family == 6 { ("6", "::1") } else { ("", "127.0.0.1") };
        let lines = ["conncount -F", "conncount --raddr @", "tcpstates -F", "tcpstates --laddr @"];
        let lines = lines.map(|line| line.replace('F', &family.to_string()).replace('@', one));
        let checks = ["--rule=tcpF_ESTABLISHED;1", "--conn-type=tcpF", "--rule=[raddr=@];1"];
        let checks = checks.map(|rule| rule.replace('F', end).replace('@', one));
        (lines, checks.map(|rule| format!("network-connections --no-perfdata {rule}")))
    };
    let has_said = |line: &str, text: &str, more: &[&str], family: u8| {
        let words: Vec<_> = line.split(' ').chain(more.iter().copied()).collect();
        let (stdout, stderr, status) = ran(&words, text);
        let is_said = [stdout, stderr].concat().contains(&format!("no row is of IPv{family}"));
        let is_doubt = status == if line.contains("network") { 3 } else { 1 };
        assert_eq!(is_said, is_doubt, "{line} of {text}: {status}");
        is_said
    };
    for (text, lacks) in [
        (&of_ss(v4), 6),
        (&of_ss(v6), 4),
        (&of_ss(mapped), 4),
        (&of_netstat("", v4), 6),
        (&of_netstat("6", "::1:80 ::1:1"), 4),
    ] {
        let (lines, checks) = asks(lacks);
        let tool = if text.contains("Active") { "netstat -tan" } else { "ss -tan" };
        for line in lines.iter().chain(&checks) {
            assert!(has_said(line, text, &[], lacks), "{line} of {text}");
            assert!(!has_said(line, text, &["--from-command", tool], lacks), "{line} of {text}");
            assert!(!has_said(line, &both, &[], lacks), "{line}");
        }
        let (lines, checks) = asks(10 - lacks);
        let others =
            ["conncount --by family", "tcpstates --by family", "conncount --by state", "tcpstates"];
        let others = others.map(str::to_owned);
        for line in lines.iter().chain(&checks).chain(&others) {
            assert!(!has_said(line, text, &[], lacks), "{line} of {text}");
        }
    }
}

/// Several threads say the same, and another text completes one.
#[test]
fn several_threads_tell_of_a_family_without_any_row() {
    const HEADER: &str = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let of_ss = |ends: &str| format!("{HEADER}ESTAB 0 0 {ends}\nTIME-WAIT 0 0 {ends}\n");
    let [v4, v6] = ["127.0.0.1:80 127.0.0.1:1", "[::1]:80 [::1]:1"];
    let dir = scratch("saved-text-one-family");
    let (text, other) = (dir.join("text"), dir.join("other"));
    std::fs::write(&other, of_ss(v6)).unwrap();
    let rows = of_ss(&format!("{v4} {:70}", "")).replace(HEADER, "");
    std::fs::write(&text, HEADER.to_owned() + &rows.repeat((5 << 20) / rows.len())).unwrap();
    let [text, other] = [&text, &other].map(|path| path.to_str().unwrap());
    for threads in ["1", "3"] {
        let words = ["conncount", "-6", "--threads", threads, "--from", text];
        let of_one = run(&words);
        let said = String::from_utf8(of_one.stderr).unwrap();
        assert!(said.contains("no row is of IPv6") && of_one.status.code() == Some(1), "{said}");
        let of_two = run(&[&words[..], &["--from", other]].concat());
        let said = String::from_utf8(of_two.stderr).unwrap();
        assert!(of_two.stdout == b"2\n" && !said.contains("no row is of"), "{said}");
    }
}

/// Text has no paths of programs: that no process has one is not known.
#[test]
fn the_path_of_a_program_is_nothing_that_a_text_tells() {
    let row = "0 0 10.0.0.1:22 10.0.0.2:443";
    let ss = format!("tcp ESTAB {row} users:((\"python3\",pid=7,fd=3))\n");
    let netstat =
        netstat_of("servers and established", &format!("tcp {row} ESTABLISHED 7/python3\n"))
            .replace("State\n", "State PID/Program name\n");
    for text in [&ss, &netstat] {
        for word in ["/usr/bin/python3", "!/usr/bin/python3", "python3,/srv/web"] {
            let error = refusal(&["conncount", "--process", word], text);
            let path = word.trim_start_matches(['!']).split(',').next_back().unwrap();
            let said = format!(
                "conncount: --process: '{path}' is a path, and text has names of processes"
            );
            assert!(error.starts_with(&said), "{error}");
        }
        assert_eq!(ran(&["conncount", "--process", "python3"], text).0, "1\n");
        let check = ["network-connections", "--rule=[process=/usr/bin/python3];1"];
        assert_eq!(ran(&check, text).2, 3);
    }
}

/// A message without its line end does not take the row behind it, nor a header.
#[test]
fn a_message_that_runs_into_a_row_is_an_error() {
    const SAID: &str = "a message of ss, netstat or the shell, which 2>&1 has put here";
    let header = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let row = "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:443\n";
    let foreign = "u_str ESTAB 0 0 /run/a 1 * 2\n";
    for message in ["Failed to find cgroup2 mount", "RTNETLINK answers: Invalid argument"] {
        for text in [
            [header, row, message, row].concat(),
            [header, foreign, message, row].concat(),
            [message, row, row].concat(),
            [message, header, row].concat(),
        ] {
            assert!(refusal(&["conncount"], &text).contains(SAID), "{text}");
        }
        let alone = [header, row, message, "\n", row].concat();
        assert_eq!(ran(&["conncount", "--by", "proto"], &alone).0, "tcp\t2\n", "{alone}");
    }
    let row = "tcp 0 0 10.0.0.1:22 10.0.0.2:443 ESTABLISHED\n";
    let text = netstat_of("w/o servers", &["warning, got duplicate tcp line.", row].concat());
    assert!(refusal(&["conncount"], &text).contains(SAID), "{text}");
}

const OTHER_COMMAND: &str = "--from-command: the text is of another command: it has a state, a protocol or a family that this one \
    does not list, or is of another tool; name the command that made it";

/// A command that was named for another text is not believed in silence: the rows say otherwise.
#[test]
fn a_command_that_the_text_contradicts_is_told() {
    let header = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let tcp =
        "tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:443\ntcp TIME-WAIT 0 0 10.0.0.1:22 10.0.0.2:444\n";
    let ss = [header, tcp, "udp ESTAB 0 0 10.0.0.1:53 10.0.0.2:53\n"].concat();
    let six = [header, "tcp ESTAB 0 0 [::1]:22 [::1]:443\n"].concat();
    let netstat = netstat_of("servers and established", "tcp6 0 0 ::1:22 ::1:443 ESTABLISHED\n");
    let udp = netstat_of("servers and established", UDP_SERVING);
    for (text, command, is_other) in [
        (&ss, "ss -Htan state time-wait", true),
        (&ss, "ss -tan", true),
        (&ss, "ss -tun", true),
        (&ss, "ss -tuan6", true),
        (&ss, "netstat -tuan", true),
        (&ss, "ss -tuan", false),
        (&ss, "ss -4tuan sport = :1", false),
        (&ss, "ss -a", false),
        (&six, "ss -4tan", true),
        (&six, "ss -6tan", false),
        (&netstat, "netstat -4tan", true),
        (&netstat, "netstat -tln", true),
        (&netstat, "ss -tan", true),
        (&netstat, "netstat -6tan", false),
        (&udp, "netstat -tan", true),
        (&udp, "netstat -tuan", false),
    ] {
        let named = ["--from-command", command];
        for words in [&["conncount", "--by", "proto"][..], &["tcpstates", "-v", "estab"]] {
            let (_, stderr, status) = ran(&[words, &named].concat(), text);
            let wanted = format!("{}: {OTHER_COMMAND}\n", words[0]);
            let has_said = stderr.contains(&wanted) && status == 1;
            assert_eq!(has_said, is_other, "{command} of {text}: {stderr}");
        }
        let of = if text == &udp { "--conn-type=udp" } else { "--conn-type=tcp" };
        let words = ["network-connections", of, "-w", "9"];
        let (stdout, ..) = ran(&[&words, &named[..]].concat(), text);
        assert_eq!(
            stdout.contains("of another command"),
            is_other,
            "{command} of {text}: {stdout}"
        );
    }
}

/// Without a column for it, rows of UDP that the command calls TCP: some of TCP may be like them, but not all.
#[test]
fn a_command_of_tcp_for_a_table_of_udp_is_told() {
    let no_netid = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n".to_owned();
    let udp = "UNCONN 0 0 127.0.0.1:53 0.0.0.0:*\nESTAB 0 0 10.0.0.1:53 10.0.0.2:53\n".repeat(2);
    let more = "LISTEN 0 0 10.0.0.1:1 0.0.0.0:*\n";
    let dir = scratch("saved-text-udp-as-tcp");
    for (rows, command, is_other) in [
        (udp.clone(), "ss -tan", true),
        (udp.clone(), "ss -tn", true),
        (udp.clone() + more, "ss -tan", false),
        (udp.clone() + more, "ss -tn", true),
        (udp.clone(), "ss -uan", false),
        ([more, &udp].concat().repeat(60_000), "ss -tan", false),
        (udp.repeat(60_000), "ss -tan", true),
        (udp.repeat(60_000), "ss -tn", true),
    ] {
        let path = dir.join("text");
        std::fs::write(&path, no_netid.clone() + &rows).unwrap();
        for threads in ["1", "3"] {
            let words = ["--threads", threads, "--from-command", command, "--from"];
            let words = [&["conncount", "--by", "proto"], &words[..], &[path.to_str().unwrap()]];
            let output = run(&words.concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.contains(OTHER_COMMAND), is_other, "{command}, {threads}: {said}");
        }
    }
    // Rows of TCP that the command calls UDP.
    let of_tcp = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 0 10.0.0.1:1 0.0.0.0:*\n";
    let refused = refusal(&["conncount", "-u", "--from-command", "ss -uan"], of_tcp);
    assert_eq!(refused, format!("conncount: FILE:2: {OTHER_COMMAND}\n"));
}

/// Several threads say the same.
#[test]
fn a_long_text_of_another_command_is_told() {
    let path = scratch("saved-text-other-command").join("text");
    let row = |port: usize| {
        // Only TCP has such a state.
        let state = if port == 1 { "CLOSE-WAIT" } else { "ESTAB" };
        format!("{state} 0 0 10.0.0.1:22 10.0.0.2:{port} {:70}\n", "")
    };
    let long = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n".to_owned()
        + &(1..50_000).map(row).collect::<String>();
    std::fs::write(&path, long).unwrap();
    for (command, is_other) in [
        ("ss -tan state time-wait", true),
        ("netstat -tan", true),
        ("ss -6tan", true),
        ("ss -tan", false),
    ] {
        for threads in ["1", "3"] {
            let from = ["--from", path.to_str().unwrap(), "--from-command", command];
            let words = [&["conncount", "-t", "--threads", threads][..], &from].concat();
            let output = run(&words);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "49999\n", "{words:?}");
            assert_eq!(said.contains(OTHER_COMMAND), is_other, "{words:?}: {said}");
        }
    }
}

/// ss shows what the kernel keeps of a name, and netstat what fits its column.
#[test]
fn a_longer_name_is_that_of_a_process_whose_name_is_cut() {
    const CUT: &str = "--process: ss shows 15 bytes of a name, and netstat what its column takes: a longer word counts all \
        whose name is its beginning";
    let header = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
    let ss = format!(
        "{header}LISTEN 0 5 127.0.0.1:7000 0.0.0.0:* users:((\"victoria-metric\",pid=9830,fd=2))\n\
         LISTEN 0 5 127.0.0.1:7001 0.0.0.0:* users:((\"web\",pid=1,fd=2))\n"
    );
    for (filter, count, has_cut) in [
        ("victoria-metrics-prod", "1\n", true),
        ("!victoria-metrics-prod", "1\n", true),
        ("victoria-metric", "1\n", false),
        ("!victoria-metric", "1\n", false),
        ("web,victoria-metrics-prod", "2\n", true),
    ] {
        let words = ["conncount", "--state", "listen", "--process", filter];
        let (stdout, stderr, status) = ran(&words, &ss);
        let wanted = if has_cut { format!("conncount: {CUT}\n") } else { String::new() };
        assert_eq!((stdout.as_str(), stderr, status), (count, wanted, 0), "{filter}");
    }
    let words = ["conncount", "--process", "victoria-metrics-prod", "--by", "process"];
    assert_eq!(ran(&words, &ss).0, "victoria-metric\t1\n");
    let (stdout, stderr, _) = ran(&["conncount", "--process", "victoria-logs-prod"], &ss);
    assert!(
        stdout == "0\n" && stderr.contains("no process found") && !stderr.contains(CUT),
        "{stderr}"
    );
    let rule = "--rule=[state=listen,process=victoria-metrics-prod];0";
    let (stdout, _, status) = ran(&["network-connections", rule], &ss);
    assert!(stdout.contains(CUT.trim_start_matches("--process: ")) && status == 1, "{stdout}");
    // The one process that netstat shows is all that it tells.
    let header = "Active Internet connections (servers and established)\n\
        Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name\n";
    let row =
        |name: &str| format!("{header}tcp 0 0 127.0.0.1:1 0.0.0.0:* LISTEN      {name}     \n");
    for (name, word, count, has_cut) in [
        ("9830/./victoria-met", "victoria-metrics-prod", "1\n", true),
        ("9830/victoria-metri", "!victoria-metrics-prod", "0\n", true),
        ("9830/./victoria", "victoria", "1\n", false),
        ("9830/./victoria", "victoria-metrics-prod", "0\n", false),
    ] {
        let (stdout, stderr, status) = ran(&["conncount", "--process", word], &row(name));
        assert_eq!(
            (stdout.as_str(), stderr.contains(CUT), status),
            (count, has_cut, 1),
            "{name}: {stderr}"
        );
        assert_eq!(
            stderr.contains("no process found"),
            count == "0\n" && !has_cut,
            "{name}: {stderr}"
        );
    }
}
