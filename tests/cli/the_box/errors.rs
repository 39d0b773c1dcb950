//! Errors name the applet, the option and the reason, and give the right status.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Output;

use super::calls::root;
use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};

/// The run must end with `status` and print only one line, on standard error: `APPLET: SUBJECT: …REASON…`.
fn assert_error(words: &[&str], status: i32, subject: &str, reason: &str) {
    let output = support::run(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "{words:?}");
    assert!(said.starts_with(&format!("{}: {subject}: ", words[0])), "{words:?}: {said}");
    assert!(said.contains(reason) && said.lines().count() == 1, "{words:?}: {said}");
}

#[test]
fn common_options_that_are_wrong() {
    for applet in support::tables() {
        for (option, subject, reason) in [
            (&["--jsno"][..], "--jsno", "--json"),
            (&["--xyzzy"], "--xyzzy", "no such option"),
            (&["-z"], "-z", "no such option"),
            (&["-Hz"], "-z", "no such option"),
            (&["--output"], "--output", "value"),
            (&["--from"], "--from", "value"),
            (&["--from="], "--from", "empty"),
            (&["--root", ""], "--root", "empty"),
            (&["--format", "xml"], "--format", "tsv, human, shell, fish, json, prom, json=array"),
            (&["--format=JSON"], "--format", "tsv, human, shell, fish, json, prom, json=array"),
            (&["--json=yes"], "--json", "no value"),
            (&["--help=yes"], "--help", "no value"),
            (&["--version=1"], "--version", "no value"),
            (&["--interval", "0"], "--interval", "'0'"),
            (&["--interval", "-1"], "--interval", "'-1'"),
            (&["--interval", "inf"], "--interval", "'inf'"),
            (&["--interval", "1x"], "--interval", "'1x'"),
            (&["--interval", "1", "--count", "0"], "--count", "'0'"),
            (&["--interval", "1", "--count", "1.5"], "--count", "'1.5'"),
            (&["--count", "3"], "--count", "--interval"),
            (&["--rate"], "--rate", "--interval"),
            (&["--prefix", "P"], "--prefix", "--shell"),
            (&["--from", "x", "--root", "/"], "--from", "--root"),
            (&["--from", "x", "--netns", "1"], "--from", "--netns"),
            (&["--from", "x", "--interval", "1"], "--from", "--interval"),
        ] {
            assert_error(&[&[applet.as_str()], option].concat(), 2, subject, reason);
        }
    }
}

#[test]
fn options_and_names_of_the_applets_that_are_wrong() {
    for (words, subject, reason) in [
        (&["tcpstates", "--by", "port"][..], "--by", "family"),
        (&["tcpstates", "--by"], "--by", "value"),
        (&["tcpstates", "--source", "ebpf"], "--source", "auto, netlink, procfs"),
        (&["tcpstates", "OPEN"], "OPEN", "no row"),
        (&["tcpstates", "13"], "13", "no row"),
        (&["sockstat", "TCP.in"], "TCP.in", "no row"),
        (&["snmpget-tcp", "1.3.6.1.2.1.6.99.0"], "1.3.6.1.2.1.6.99.0", "no row"),
        (&["snmpget-tcp", "*Nothing*"], "*Nothing*", "no row"),
        (&["closedcalc", "open"], "open", "no row"),
        (&["conncount", CONNBOX], CONNBOX, "--from"),
        (&["conncount", "--pid", "1"], "--pid", "did you mean --process?"),
        (&["conncount", "--proto", "udp"], "--proto", "--udp"),
        (&["conncount", "-tan"], "-a", "all states"),
        (&["conncount", "-tlnp"], "-l", "--state listen"),
        (&["conncount", "-p"], "-p", "--by process,pid"),
        (&["tcptrack", "--lport", "443"], "--lport", "port 443"),
        (&["conncount", "--by", "raddr", CONNBOX], CONNBOX, "--from"),
        (&["closedcalc", "--by", "process", CONNBOX], CONNBOX, "--from"),
        (&["tcptrack", CONNBOX], CONNBOX, "-T "),
        (&["tcptrack", "-r", CONNBOX], "--remove-after", "-T FILE"),
        (&["tcptrack", "-nn"], "-n", "always numbers"),
        (&["tcptrack", "-c", "5"], "-c", "--count N"),
        (&["tcptrack", "-w", "x"], "-w", "tcpdump -w FILE"),
        (&["conncount", "--user", "root"], "--user", "did you mean --uid?"),
        (&["conncount", "-V"], "-V", "did you mean --version?"),
        (&["conncount", "sport = :443"], "sport = :443", "--lport PORT"),
        (&["conncount", "--raddr", "[::1]:443"], "--raddr", "an address and a port"),
        (&["conncount", "--from", "-", "--from", "-"], "--from", "- was given twice"),
        (&["conncount", "--quick", "synrecv"], "synrecv", "--quick"),
        (&["conncount", "raw_ip"], "raw_ip", "no row"),
        (&["sockstat", "--limits", "--from", "/dev/null"], "--limits", "--root"),
    ] {
        assert_error(words, 2, subject, reason);
    }
}

/// An empty shell variable leads to this.
#[test]
fn empty_words_are_named_and_refused() {
    let with_names = support::tables();
    for applet in &with_names {
        assert_error(&[applet, ""], 2, "''", "an empty NAME");
        assert_error(&[applet, "--root", &root(), "", "--json"], 2, "''", "an empty NAME");
        assert_error(&[applet, "--", ""], 2, "''", "an empty NAME");
    }
    for (words, status, reason) in [
        (&["tcpstates", "LISTEN", ""][..], 2, "an empty NAME"),
        (&["tcpstates", "--by", "family", ""], 2, "an empty NAME"),
        (&["sockstat", "--limits", ""], 2, "an empty NAME"),
        (&["snmpget-tcp", "--all", ""], 2, "an empty NAME"),
        (&["conncount", "--by", "raddr", ""], 2, "an empty NAME"),
        (&["conncount", "-4", ""], 2, "an empty NAME"),
        (&["conncount", "--quick", ""], 2, "an empty NAME"),
        (&["conncount", "--transport", ""], 2, "an empty NAME"),
        (&["closedcalc", "--by", "process", ""], 2, "an empty NAME"),
        (&["conntrack", "-L", "expect", ""], 2, "a table name follows"),
        (&["conntrackd", ""], 1, "a topic follows"),
        (&["network-connections", ""], 3, "only options"),
    ] {
        assert_error(words, status, "''", reason);
    }
}

/// A script that adds a sign to a number does not mean a plain number, so no option accepts one.
#[test]
fn no_number_has_a_plus() {
    for line in [
        "tcpstates --interval +1",
        "tcpstates --interval 1 --count +5",
        "tcpstates --lport +5",
        "tcpstates --lport 1-+5",
        "tcpstates --rport +5",
        "tcpstates --uid +5",
        "tcpstates --laddr 10.0.0.0/+24",
        "tcpstates --raddr fd00::/+64",
        "conncount --by raddr --top +5",
        "conncount --by raddr --min +5",
        "conncount --by raddr/+24",
        "conncount --by raddr/24/+64",
        "conntrack -L --by src --top +5",
        "conntrack -L --by src --min +5",
        "conntrack -L --by src/+24",
        "conntrack -E -b +5",
        "conntrack -L -s 10.0.0.0/+24",
        "conntrack -L --mask-src 10.0.0.0/+24",
        "conntrack -L -m +5",
        "conntrack -L -m 5/+5",
        "conntrack -L -m 0x+5",
        "conntrack -L -c +5",
        "conntrack -L -w +5",
        "conntrack -L --orig-zone +5",
        "conntrack -L --reply-zone +5",
        "conntrack -L -l +5",
        "conntrack -L -n 10.0.0.1:+5",
        "conntrack -L -p +6",
        "conntrack -L -p tcp --sport +5",
        "conntrack -L -p tcp --reply-port-dst +5",
        "conntrack -L -p icmp --icmp-type +5",
        "conntrack -L -p icmp --icmp-id +5",
        "conntrack -L -p gre --srckey +5",
        "conntrackd -d --hash-limit +5",
        "conntrackd -d --reconcile +5",
        "tcptrack --once --top +5",
        "tcptrack --once --min +5",
        "tcptrack --interval 1 --count +5",
        "tcptrack --interval +1",
        "tcptrack --once --rate-interval +1",
        "tcptrack --once -r +1",
        "tcptrack --once --max-connections +5",
        "tcptrack --once port +5",
        "network-connections --rule [lport=+5];1",
        "snmpget-tcp 1.3.6.1.2.1.6.+9.0",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = support::run(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        let applet = connbox::applet::find(words[0]).unwrap();
        let usage = applet.original.map_or(2, |original| i32::from(original.status_of_usage));
        // Names of users and ports are only known to be wrong once their files have been read.
        assert_eq!(output.status.code(), Some(usage), "{line}: {said}");
        assert!(output.stdout.is_empty() && said.contains('+'), "{line}: {said}");
    }
}

#[test]
fn what_conncount_does_not_count_points_to_tcpstates() {
    // A family is a filter: it counts sockets, and the summary has no rows for filters.
    for (family, sockets) in [("-4", "36\n"), ("-6", "9\n")] {
        assert_eq!(support::stdout_of(&["conncount", family, "--root", &root()]), sockets);
        let words = ["conncount", family, "--root", &root(), "estab"];
        assert_error(&words, 2, "estab", "row of the summary");
    }
    for state in ["LISTEN", "listen", "SYN-SENT", "ESTABLISHED", "established", "0A", "connected"] {
        let words = ["conncount", "--root", &root(), state];
        assert_error(&words, 2, state, &format!("tcpstates {state}"));
        support::stdout_of(&["tcpstates", "--root", &root(), state]);
    }
    let words = ["conncount", "--root", &root(), "estab", "ESTAB", "closed", "-v"];
    assert_eq!(support::stdout_of(&words), "17\n29\n");
}

#[test]
fn files_that_are_not_there() {
    let missing = scratch("missing").join("file");
    let missing = missing.to_str().unwrap();
    let proc = format!("{missing}/proc");
    for applet in support::tables() {
        let reason = "No such file or directory";
        assert_error(&[&applet, "--from", missing], 1, missing, reason);
        assert_error(&[&applet, "--root", missing], 1, &proc, reason);
    }
    let reason = "holds nothing that conncount reads";
    assert_error(&["conncount", "--from", "/proc/self"], 1, "/proc/self", reason);
}

#[test]
fn a_root_whose_proc_has_processes_alone_is_read() {
    let root = scratch("proc_of_pids");
    std::fs::create_dir_all(root.join("proc/self")).unwrap();
    let saved = support::world("own-lab-6.18").join("proc/net");
    std::os::unix::fs::symlink(saved, root.join("proc/self/net")).unwrap();
    let root = root.to_str().unwrap();
    for words in [&["sockstat"][..], &["tcpstates"], &["snmpget-tcp"], &["network-connections"]] {
        let of = |root| support::stdout_of(&[words, &["--root", root]].concat());
        let saved = support::world("own-lab-6.18");
        assert_eq!(of(root), of(saved.to_str().unwrap()), "{words:?}");
    }
}

/// As `cp -rL` copies it: `self` is no link there.
#[test]
fn a_copied_proc_tells_its_processes() {
    let root = scratch("copied_proc");
    for directory in ["net", "self", "100/fd", "100/task/100/fd", "100/task/101/fd"] {
        std::fs::create_dir_all(root.join("proc").join(directory)).unwrap();
    }
    let row = "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0\n";
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    std::fs::write(root.join("proc/net/tcp"), [head, row].concat()).unwrap();
    for process in ["100", "100/task/100", "100/task/101"] {
        let directory = root.join("proc").join(process);
        std::fs::write(directory.join("comm"), "server\n").unwrap();
        std::os::unix::fs::symlink("socket:[77]", directory.join("fd/3")).unwrap();
    }
    let root = root.to_str().unwrap();
    let words = ["conncount", "-t", "-4", "--by", "pid,process", "--root", root];
    let output = support::run(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "100\tserver\t1\n", "{said}");
}

#[test]
fn flows_are_counted_where_a_user_namespace_hides_the_sysctl() {
    let root = scratch("no_sysctl");
    std::fs::create_dir_all(root.join("proc/net/stat")).unwrap();
    let file = root.join("proc/net/stat/nf_conntrack");
    let root = root.to_str().unwrap();
    for (text, count) in [
        ("entries  clashres found\n0000002a  00000000 0\n0000002a  00000001 1\n", Some("42\n")),
        ("entries searched\nffffffff 0\n", Some("4294967295\n")),
        ("entries searched\n", None),
        ("entries searched\nx 0\n", None),
        ("entries searched\n+1 0\n", None),
        ("searched entries\n1 2\n", None),
        ("", None),
    ] {
        std::fs::write(&file, text).unwrap();
        match count {
            Some(count) => {
                assert_eq!(support::stdout_of(&["conntrack", "-C", "--root", root]), count)
            }
            None => {
                let path = format!("{root}/proc/sys/net/netfilter/nf_conntrack_count");
                let reason = "does not exist, or does not contain a number";
                assert_error(&["conntrack", "-C", "--root", root], 1, &path, reason);
            }
        }
    }
}

#[test]
fn a_root_without_the_files_says_which() {
    let root = scratch("empty_root");
    std::fs::create_dir_all(root.join("proc/net")).unwrap();
    let root = root.to_str().unwrap();
    for (line, file) in [
        ("closedcalc", "proc/net/sockstat"),
        ("conncount", "proc/net/sockstat"),
        ("conncount --by raddr", "proc/net/tcp"),
        ("conncount -u", "proc/net/udp"),
        ("sockstat", "proc/net/sockstat"),
        ("snmpget-tcp", "proc/net/snmp"),
        ("tcpstates", "proc/net/tcp"),
        ("tcpstates --lport nothing", "etc/services"),
        ("tcpstates --uid nobody", "etc/passwd"),
        ("conntrack -S", "proc/net/stat/nf_conntrack"),
        ("conntrack -C", "proc/sys/net/netfilter/nf_conntrack_count"),
        ("conntrack -L -l nothing", "etc/xtables/connlabel.conf"),
        ("network-connections", "proc/net/tcp"),
        (
            "network-connections --rule conntrack_percent;80",
            "proc/sys/net/netfilter/nf_conntrack_count",
        ),
        ("network-connections --rule tw_percent;80", "proc/net/sockstat"),
    ] {
        let words: Vec<_> = line.split(' ').chain(["--root", root]).collect();
        let said = |output: Output| [output.stdout, output.stderr].concat();
        let whole = said(support::run(&words));
        let whole = String::from_utf8(whole).unwrap();
        assert!(whole.contains(&format!("{root}/{file}")), "{line}: {whole}");
        let others = whole.replace(&format!("{root}/"), "");
        assert!(!others.contains("/proc/") && !others.contains("/etc/"), "{line}: {whole}");
        // The same for the environment.
        let mut command = support::command(CONNBOX);
        let output = command.args(line.split(' ')).env("CONNBOX_ROOT", root).output().unwrap();
        assert_eq!(String::from_utf8(said(output)).unwrap(), whole);
    }
    // If a host's /proc is mounted elsewhere, the files are those of its first process.
    let line = [root, "/proc/1/net"].concat();
    std::fs::create_dir_all(&line).unwrap();
    std::fs::write([&line, "/snmp"].concat(), "nonsense\n").unwrap();
    assert_error(&["snmpget-tcp", "--root", root], 1, &[&line, "/snmp:1"].concat(), "");
}

/// A user who set the variable long ago gave no option now.
#[test]
fn what_needs_the_running_kernel_blames_what_named_another() {
    let root = root();
    for line in [
        "conntrack -L",
        "conntrack -L --tsv",
        "conntrack -L expect --json",
        "conntrack -E",
        "conntrack -E --tsv",
        "conntrack -C -p tcp",
        "conntrack -G -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2",
        "conntrack -L --by proto",
        "closedcalc --by process",
        "tcptrack --once",
        "tcptrack --once --conntrack",
        "tcptrack --once -i lo",
    ] {
        let mut command = support::command(CONNBOX);
        let output = command.args(line.split(' ')).env("CONNBOX_ROOT", &root).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let applet = line.split(' ').next().unwrap();
        assert!(said.contains("CONNBOX_ROOT: "), "{line}: {said}");
        assert!(!said.contains("--root") && output.stdout.is_empty(), "{line}: {said}");
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        let words: Vec<_> = line.split(' ').chain(["--root", &root]).collect();
        let output = support::run(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(": --root: ") && said.starts_with(applet), "{line}: {said}");
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
    }
}

#[test]
fn saved_files_that_hold_something_else() {
    for (text, applet) in [
        ("nonsense\n", "sockstat"),
        ("", "sockstat"),
        ("", "closedcalc"),
        ("", "conncount"),
        ("", "snmpget-tcp"),
        ("TCP: inuse 1 x\n", "sockstat"),
        ("TCP: inuse 1\nTCP: inuse 2\n", "sockstat"),
        ("TCP: inuse 1\nTCP: inuse 2\n", "closedcalc"),
        ("Tcp: A B\nTcp: 1\n", "snmpget-tcp"),
        ("Tcp: A B\n", "snmpget-tcp"),
    ] {
        let output = support::run_with_input(&[applet, "--from", "-"], text.as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{applet} {text:?}: {said}");
        assert!(output.stdout.is_empty(), "{applet} {text:?}");
        assert!(said.lines().all(|line| line.starts_with(&format!("{applet}: "))), "{said}");
        // An error in a line names the line.
        let place = if text.is_empty() { ": is empty" } else { ":" };
        let place = format!("{applet}: standard input{place}");
        assert!(said.starts_with(&place), "{applet} {text:?}: {said}");
    }
}

#[test]
fn network_namespaces_that_are_not_there() {
    for applet in support::tables() {
        // Process IDs end at 4194304.
        for (netns, subject) in [
            ("no-such-name", "/run/netns/no-such-name"),
            ("4194305", "/proc/4194305/ns/net"),
            ("/no/such/path", "/no/such/path"),
        ] {
            let words = [&applet, "--netns", netns];
            assert_error(&words, 1, subject, "No such file or directory");
        }
        let words = [applet.as_str(), "--netns", "/proc/self/ns/mnt"];
        let reason = "not a network namespace";
        assert_error(&words, 1, "/proc/self/ns/mnt", reason);
    }
}

/// What must not reach a terminal: escape sequences of 7 and of 8 bits, another order of letters, newlines, and bytes that are not UTF-8.
const HOSTILE: [&[u8]; 9] = [
    b"\x1b[31mred",
    b"x\x9b31mred",
    "x\u{9b}31mred".as_bytes(),
    "x\u{202e}der".as_bytes(),
    b"x\xff\xfe",
    b"two\nlines",
    b"x\ry\tz",
    b"bell\x07\x08\x7f",
    b"cut\xe2\x82",
];

/// The calls that repeat one of their arguments in a message, with `@` in its place.
const CALLS: [&str; 23] = [
    "@",
    "help @",
    "--@",
    "--man @",
    "--completions @",
    "--install @/no/such",
    "--install /tmp @",
    "--install --@ /tmp",
    "--uninstall @/no/such",
    "--uninstall /tmp @",
    "--textfile --interval @ x.prom",
    "conncount --@",
    "conncount -@",
    "conncount --json=@",
    "conncount --format @",
    "conncount --interval @",
    "closedcalc --prefix @ --shell",
    "closedcalc @",
    "snmpget-tcp --root /nonexistent/@",
    "sockstat --from /nonexistent/@",
    "tcpstates --by @",
    "tcpstates --netns @",
    "closedcalc --quiet-gaps --output /nonexistent/@",
];

/// `call` with `argument` in place of `@`.
fn words(call: &str, argument: &[u8]) -> Vec<OsString> {
    let word = |word: &str| {
        let mut bytes = Vec::new();
        for byte in word.bytes() {
            if byte == b'@' { bytes.extend_from_slice(argument) } else { bytes.push(byte) }
        }
        OsStr::from_bytes(&bytes).to_os_string()
    };
    call.split(' ').map(word).collect()
}

/// Why an output must not be shown on a terminal, if so.
fn fault(output: &Output) -> Option<String> {
    let said = &output.stderr;
    let body = said.strip_suffix(b"\n").unwrap_or(said);
    let text = String::from_utf8_lossy(said).into_owned();
    match std::str::from_utf8(body) {
        _ if !matches!(output.status.code(), Some(1 | 2 | 127)) => {
            Some(format!("no error: {text:?}"))
        }
        _ if body.is_empty() => Some("there is no message".into()),
        Err(_) => Some(format!("no UTF-8: {text:?}")),
        Ok(body) if body.chars().any(|one| one.is_control() || one == '\u{202e}') => {
            Some(format!("a raw control: {text:?}"))
        }
        Ok(_) => None,
    }
}

#[test]
fn arguments_come_back_escaped() {
    let mut faults = Vec::new();
    for call in CALLS {
        for argument in HOSTILE {
            let mut command = support::command(CONNBOX);
            let output = command.args(words(call, argument)).output().unwrap();
            assert!(output.stdout.is_empty(), "{call}");
            faults.extend(fault(&output).map(|fault| format!("{call}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_programs_own_name_comes_back_escaped() {
    let mut faults = Vec::new();
    for argument in HOSTILE {
        let mut command = support::command(CONNBOX);
        let output = command.arg0(OsStr::from_bytes(argument)).output().unwrap();
        assert_eq!(output.status.code(), Some(127));
        faults.extend(fault(&output));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn different_arguments_are_told_apart() {
    // Escaping must not make two names equal: the byte `\x1b` and the four characters that display it.
    let said = |argument: &[u8]| {
        let mut command = support::command("closedcalc");
        command.arg("--from").arg(OsStr::from_bytes(argument)).output().unwrap().stderr
    };
    assert_ne!(said(b"/no/\xff"), said(b"/no/\xfe"));
    assert_ne!(said(b"/no/\x1b"), said(b"/no/\x07"));
}
