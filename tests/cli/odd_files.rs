//! Files that are not what they should be: empty ones, tables of another protocol, sockets that are listed
//! twice, numbers below zero. No answer is a wrong number without a word.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX, run, run_with_input};

const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const DGRAM: &str = " ref pointer drops";
const WORDS6: &str = "                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

/// The header of a table of the kernel, padded as it is there.
fn header(table: &str) -> String {
    match table {
        "tcp" => format!("{TCP:<149}\n"),
        "tcp6" => format!("  sl  local_address{WORDS6}\n"),
        // Since Linux 5.16; before, there was a blank less.
        "udp" | "udplite" => format!("{:<127}\n", format!(" {TCP}{DGRAM}")),
        "udp of 4.19" | "icmp" => format!("{:<127}\n", format!("{TCP}{DGRAM}")),
        "raw" => format!("{TCP}{DGRAM}\n"),
        "udp of 2.6.18" | "raw of 2.6.18" => format!("{TCP:<127}\n"),
        "udp6 of 2.6.18" => format!("  sl  local_address{WORDS6}\n"),
        "udp6" | "udplite6" | "raw6" | "icmp6" => format!("  sl  local_address{WORDS6}{DGRAM}\n"),
        other => panic!("{other}"),
    }
}

/// A row of a table: a socket without another end, of a port, in a bucket.
fn row(table: &str, bucket: u32, port: u16, inode: u32) -> String {
    let zeros = if table.contains('6') && !table.starts_with("udp of") { 32 } else { 8 };
    let zeros = if table == "raw of 2.6.18" { 8 } else { zeros };
    let any = "0".repeat(zeros);
    let state = if table.starts_with("tcp") { "0A" } else { "07" };
    let ends =
        format!("{any}:{port:04X} {any}:0000 {state} 00000000:00000000 00:00000000 00000000");
    let owner = format!("{:5} {:8} {inode}", 0, 0);
    match table {
        "tcp" => format!(
            "{:<149}\n",
            format!("{bucket:4}: {ends} {owner} 1 0000000000000000 100 0 0 10 0")
        ),
        "tcp6" => format!("{bucket:4}: {ends} {owner} 1 0000000000000000 100 0 0 10 0\n"),
        "udp of 2.6.18" | "raw of 2.6.18" => {
            format!("{:<127}\n", format!("{bucket:4}: {ends} {owner} 2 ffff81003d3af3c0"))
        }
        "udp6 of 2.6.18" => format!("{bucket:4}: {ends} {owner} 2 ffff81003d3af3c0\n"),
        "raw" => format!("{bucket:4}: {ends} {owner} 2 0000000000000000 0\n"),
        _ if zeros == 32 => format!("{bucket:5}: {ends} {owner} 2 0000000000000000 0\n"),
        _ => format!("{:<127}\n", format!("{bucket:5}: {ends} {owner} 2 0000000000000000 0")),
    }
}

/// A table with these rows: bucket, port and inode.
fn table(name: &str, rows: &[(u32, u16, u32)]) -> String {
    let rows = rows.iter().map(|(bucket, port, inode)| row(name, *bucket, *port, *inode));
    std::iter::once(header(name)).chain(rows).collect()
}

/// A connection, as a row of tcp; `address` is that of the socket in memory.
fn connection(remote_port: u16, state: u8, inode: u32, address: u64) -> String {
    let timer = if state == 6 { "03" } else { "00" };
    let more = if matches!(state, 3 | 6) { "" } else { " 20 4 30 10 -1" };
    let row = format!(
        "   0: 0100007F:0050 0200007F:{remote_port:04X} {state:02X} 00000000:00000000 {timer}:00000000 \
         00000000  1000        0 {inode} 1 {address:016x}{more}"
    );
    format!("{row:<149}\n")
}

fn sample(name: &str) -> String {
    format!("{}/tests/cli/odd_files/{name}.txt", env!("CARGO_MANIFEST_DIR"))
}

/// Standard output, standard error and status.
fn said(output: Output) -> (String, String, Option<i32>) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// The number that a count of saved text gives, and what is said about it.
fn piped(words: &[&str], text: &str) -> (String, String, Option<i32>) {
    said(run_with_input(&[words, &["--from", "-"]].concat(), text.as_bytes()))
}

/// A root of its own whose proc/net holds these files.
fn root(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = scratch(name);
    std::fs::create_dir_all(root.join("proc/net")).unwrap();
    for (file, text) in files {
        std::fs::write(root.join("proc/net").join(file), text).unwrap();
    }
    root
}

const COUNTS: (&str, &str) =
    ("sockstat", "sockets: used 9\nTCP: inuse 1 orphan 0 tw 0 alloc 3 mem 0\nUDP: inuse 1 mem 0\n");
const COUNTS6: (&str, &str) = ("sockstat6", "TCP6: inuse 1\nUDP6: inuse 1\n");
const SNMP: (&str, &str) = ("snmp", "Tcp: MaxConn CurrEstab\nTcp: -1 3\n");

/// What each socket table is counted by; the last option asks for that family alone.
const COUNTERS: [(&str, &[&[&str]]); 4] = [
    (
        "tcp",
        &[
            &["tcpstates"],
            &["tcpstates", "--lport", "80"],
            &["conncount", "--by", "state"],
            &["conncount", "-t", "-4"],
            &["conncount", "-v", "synrecv"],
            &["network-connections"],
            &["network-connections", "--rule", "LISTEN"],
        ],
    ),
    ("tcp6", &[&["tcpstates", "--by", "family"], &["conncount", "-6"], &["network-connections"]]),
    (
        "udp",
        &[
            &["conncount", "-u"],
            &["network-connections"],
            &["network-connections", "--rule", "udp_NONE"],
        ],
    ),
    ("udp6", &[&["conncount", "-u", "-6"], &["conncount", "-t", "-u"], &["network-connections"]]),
];

#[test]
fn a_table_without_its_header_is_no_table_without_sockets() {
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| (name, table(name, &[(1, 80, 1)])));
    let headless = row("tcp", 1, 80, 1);
    for (file, counters) in COUNTERS {
        let root = root(&format!("headless-{file}"), &[COUNTS, COUNTS6, SNMP]);
        let net = root.join("proc/net");
        for (name, text) in &tables {
            std::fs::write(net.join(name), text).unwrap();
        }
        let path = net.join(file);
        let is_refused = |reason: &str| {
            for words in counters {
                let tree = ["--root", root.to_str().unwrap()];
                let of_variable = support::command(CONNBOX)
                    .args(*words)
                    .env("CONNBOX_ROOT", &root)
                    .output()
                    .unwrap();
                for output in [run(&[*words, &tree].concat()), of_variable] {
                    let (stdout, stderr, status) = said(output);
                    // A check says it on standard output, with status 3.
                    let all = [stdout.as_str(), &stderr].concat();
                    let is_check = words[0] == "network-connections";
                    assert_eq!(status, Some(if is_check { 3 } else { 1 }), "{words:?}: {all}");
                    let subject = format!("{}: {reason}", path.display());
                    assert!(all.contains(&subject), "{words:?}: {all}");
                    assert!(is_check || stdout.is_empty(), "{words:?}: {stdout}");
                }
            }
        };
        for text in ["", "\n", " \n\n"] {
            std::fs::write(&path, text).unwrap();
            is_refused("is empty");
        }
        std::fs::write(&path, "TCP: inuse 1\n").unwrap();
        is_refused("holds no header of a table of ");
        std::fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        is_refused("is not a regular file");
    }
    // A row where the header should be, and the table of another protocol.
    let other = root("headless-row", &[("tcp", &headless), ("udp", &tables[0].1)]);
    let refusal =
        |words: &[&str]| said(run(&[words, &["--root", other.to_str().unwrap()]].concat())).1;
    assert!(refusal(&["tcpstates"]).contains("proc/net/tcp:1: not a line of"));
    std::fs::write(other.join("proc/net/tcp"), &tables[2].1).unwrap();
    assert!(
        refusal(&["tcpstates"]).contains("proc/net/tcp: holds no header of a table of TCP sockets")
    );
}

#[test]
fn a_table_that_is_not_there_is_one_of_ipv6_which_is_off() {
    let (tcp, udp) = (table("tcp", &[(1, 80, 1)]), table("udp", &[(1, 80, 2)]));
    let root = root("no-ipv6", &[("tcp", &tcp), ("udp", &udp), COUNTS]);
    let root = root.to_str().unwrap();
    assert_eq!(support::stdout_of(&["conncount", "-t", "-u", "--root", root]), "2\n");
    assert_eq!(support::stdout_of(&["tcpstates", "-v", "listen", "--root", root]), "1\n");
    assert_eq!(support::stdout_of(&["closedcalc", "-v", "unhashed", "--root", root]), "2\n");
}

#[test]
fn a_missing_table_of_ipv6_is_no_table_without_sockets() {
    let of = |name| table(name, &[(1, 80, 1)]);
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| (name, of(name)));
    let counters: [(&str, &[&[&str]]); 2] = [
        (
            "tcp6",
            &[
                &["network-connections"],
                &["network-connections", "--strict"],
                &["network-connections", "--rule", "LISTEN"],
                &["network-connections", "--rule", "[tcp]"],
                &["tcpstates"],
                &["tcpstates", "--strict"],
                &["conncount", "-t"],
                &["conncount", "--by", "state"],
                &["conncount", "-v", "synrecv"],
            ],
        ),
        (
            "udp6",
            &[
                &["network-connections"],
                &["network-connections", "--rule", "udp6_NONE"],
                &["conncount", "-u"],
            ],
        ),
    ];
    for (missing, counters) in counters {
        // What says that there is IPv6, and whether the count is right without the table.
        for (file, text, is_right) in [
            ("sockstat6", "TCP6: inuse 9\nUDP6: inuse 9\n", false),
            ("sockstat6", "TCP6: inuse 0\nUDP6: inuse 0\n", true),
            ("snmp6", "Ip6InReceives 1\n", false),
            ("if_inet6", "", false),
            ("unix", "", missing == "tcp6"),
        ] {
            let root = root(&format!("without-{missing}-{file}"), &[COUNTS, SNMP, (file, text)]);
            for (name, text) in &tables {
                // Without IPv6 there is none of the two.
                if *name != missing && (file == "sockstat6" || !name.ends_with("p6") || !is_right) {
                    std::fs::write(root.join("proc/net").join(name), text).unwrap();
                }
            }
            for words in counters {
                let words = [*words, &["--root", root.to_str().unwrap()]].concat();
                let (stdout, stderr, status) = said(run(&words));
                let is_said = [stdout, stderr].concat().contains("does not exist, although ");
                assert_eq!(is_said, !is_right, "{file} {words:?}");
                assert_eq!(status == Some(0), is_right, "{file} {words:?}");
            }
            let inet = run(&["tcpstates", "-4", "-v", "listen", "--root", root.to_str().unwrap()]);
            assert_eq!(said(inet), ("1\n".into(), String::new(), Some(0)), "{file}");
        }
    }
}

#[test]
fn without_sockstat6_ipv6_is_off_only_if_nothing_says_that_it_is_on() {
    const LACK: &str = "sockstat6 is missing, and IPv6 is not known to be off";
    let sockstat = "sockets: used 9\nTCP: inuse 27 orphan 0 tw 1 alloc 48 mem 4\nUDP: inuse 4\n";
    let root_with = |name: &str| {
        let files = [("sockstat", sockstat), SNMP, ("tcp", &header("tcp")), (name, &header(name))]
            .map(|(name, text)| (name, text.to_owned()));
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        root(&format!("no-sockstat6-{name}"), &files).to_str().unwrap().to_owned()
    };
    let [on, off] = ["tcp6", "tcp"].map(root_with);
    for (applet, name, depends) in [
        ("closedcalc", "unhashed", true),
        ("closedcalc", "closed", true),
        ("closedcalc", "inuse6", true),
        ("closedcalc", "inuse", false),
        ("closedcalc", "alloc", false),
        ("conncount", "unhashed", true),
        ("conncount", "closed", true),
        ("conncount", "tcp", false),
        ("conncount", "estab", false),
        ("conncount", "tcp_ip6", true),
        ("conncount", "inet", true),
        ("conncount", "udp_ip", false),
    ] {
        let words: &[&str] =
            if name.contains("p_") || name == "inet" { &["--transport"] } else { &[] };
        let words = [&[applet, "-v", name], words].concat();
        let seen = |more: &[&str]| said(run(&[&words, more].concat()));
        let (stdout, stderr, status) = seen(&["--root", &on]);
        assert_eq!(stderr.contains(LACK), depends, "{words:?}: {stderr}");
        assert_eq!(status, Some(i32::from(depends)), "{words:?}");
        for accepted in [&["--root", &off][..], &["--root", &on, "--quiet-gaps"]] {
            assert_eq!(seen(accepted), (stdout.clone(), String::new(), Some(0)), "{words:?}");
        }
        let (of_pipe, stderr, _) = piped(&words, &[sockstat, SNMP.1].concat());
        assert_eq!((of_pipe, stderr.contains(LACK)), (stdout, depends), "{words:?}");
        if applet == "conncount" {
            let rule = ["network-connections", "--rule", &format!("{name};20:"), "--root"];
            let (stdout, stderr, status) = said(run(&[&rule[..], &[&on]].concat()));
            assert_eq!(stdout.contains(LACK), depends, "{rule:?}: {stdout}{stderr}");
            assert_eq!(status == Some(3), depends, "{rule:?}: {stdout}");
            let (stdout, stderr, _) = said(run(&[&rule[..], &[&off]].concat()));
            assert!(!stdout.contains("UNKNOWN") && stderr.is_empty(), "{rule:?}: {stdout}{stderr}");
        }
    }
    let whole = [sockstat, "TCP6: inuse 10\n"].concat();
    let seen = piped(&["closedcalc", "-v", "unhashed"], &whole);
    assert_eq!(seen, ("11\n".into(), String::new(), Some(0)));
}

#[test]
fn saved_sources_name_no_network_namespace() {
    let (tcp, tree) =
        (support::world("own-lab-6.18").join("proc/net/tcp"), support::world("own-lab-6.18"));
    for (option, path) in [("--from", tcp), ("--root", tree)] {
        let output = run(&["conncount", "--by", "netns", option, path.to_str().unwrap()]);
        let (stdout, stderr, status) = said(output);
        assert_eq!((stdout.as_str(), status), ("", Some(2)), "{stderr}");
        assert!(stderr.starts_with(&format!("conncount: {option}: --by netns: ")), "{stderr}");
    }
}

#[test]
fn limits_that_nothing_shows_are_said() {
    let tree = root("no-limits", &[COUNTS, COUNTS6]);
    let path = tree.to_str().unwrap();
    let words = ["sockstat", "--limits", "--root", path];
    let (stdout, stderr, status) = said(run(&words));
    assert!(stdout.contains("TCP\torphan\t0\t-\t-\n"), "{stdout}");
    assert!(
        stderr.contains("proc/sys/net: shows none of the limits") && stderr.lines().count() == 1,
        "{stderr}"
    );
    assert_eq!(status, Some(1));
    assert_eq!(
        said(run(&[&words[..], &["--quiet-gaps"]].concat())),
        (stdout, String::new(), Some(0))
    );
    std::fs::create_dir_all(tree.join("proc/sys/net/ipv4")).unwrap();
    std::fs::write(tree.join("proc/sys/net/ipv4/tcp_max_orphans"), "8\n").unwrap();
    assert_eq!(said(run(&words)).2, Some(0));
}

#[test]
fn an_empty_file_beside_others_is_refused() {
    let folder = scratch("empty-beside");
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (tcp, tcp6, notes) =
        (put("tcp", &table("tcp", &[(1, 80, 1)])), put("tcp6", ""), put("notes", "\n"));
    for empty in [tcp6.as_str(), &notes, "/dev/null"] {
        for words in [&["tcpstates"][..], &["conncount", "-t"], &["conncount"], &["closedcalc"]] {
            let output = run(&[words, &["--from", &tcp, "--from", empty]].concat());
            let (stdout, stderr, status) = said(output);
            assert_eq!((stdout.as_str(), status), ("", Some(1)), "{words:?} {empty}: {stderr}");
            assert!(stderr.contains(&format!("{empty}: is empty")), "{words:?}: {stderr}");
        }
    }
    let counts6 = root("empty-sockstat6", &[COUNTS, ("sockstat6", "")]);
    let (stdout, stderr, status) = said(run(&["closedcalc", "--root", counts6.to_str().unwrap()]));
    assert_eq!((stdout.as_str(), status), ("", Some(1)));
    assert!(stderr.contains("proc/net/sockstat6: is empty"), "{stderr}");
}

#[test]
fn a_socket_that_is_listed_twice_counts_once() {
    let words = ["tcpstates", "-v", "established", "time-wait", "--from"];
    let (stdout, stderr, _) = said(run(&[&words[..], &[&sample("repeated-rows")]].concat()));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("2\n1\n", ""));
    let grouped = run(&["conncount", "--by", "state", "--from", &sample("repeated-rows")]);
    assert_eq!(said(grouped).0, "ESTABLISHED\t2\nTIME_WAIT\t1\n");
    let check =
        run(&["network-connections", "--conn-type=tcp", "--from", &sample("repeated-rows")]);
    assert!(said(check).0.starts_with("tcp ESTABLISHED: 2, tcp TIME WAIT: 1|"));
    let root = root("repeated-rows", &[]);
    std::fs::copy(sample("repeated-rows"), root.join("proc/net/tcp")).unwrap();
    let of_tree = run(&["conncount", "--root", root.to_str().unwrap()]);
    assert_eq!(said(of_tree).2, Some(1), "there is nothing but tcp");
    assert_eq!(support::stdout_of(&["conncount", "-t", "--root", root.to_str().unwrap()]), "3\n");
}

#[test]
fn rows_repeat_one_another_if_ends_state_and_inode_are_the_same() {
    let count = |rows: &[String]| {
        let text = [header("tcp"), rows.concat()].concat();
        piped(&["conncount", "-t"], &text).0.trim_end().to_owned()
    };
    let one = connection(4000, 1, 77, 0xabc);
    for (other, sockets, what) in [
        (one.clone(), "1", "the same"),
        (connection(4000, 1, 77, 0xabd), "1", "an inode is of one socket"),
        (one.replace("00000000:00000000", "00000005:0000000A"), "1", "other queues"),
        (one.replace(" 77 1 ", " 77 12 "), "1", "other references"),
        (one.replace("   0:", "99999:"), "1", "another number"),
        (
            one.replace("  1000        0", " 100000        0"),
            "1",
            "another user, in a wider column",
        ),
        (connection(4001, 1, 77, 0xabc), "2", "another end"),
        (connection(4000, 8, 77, 0xabc), "2", "another state"),
        (connection(4000, 1, 78, 0xabc), "2", "another inode"),
        (connection(4000, 1, 777, 0xabc), "2", "a longer inode"),
        (connection(4000, 1, 0, 0xabc), "2", "no inode"),
    ] {
        assert_eq!(count(&[one.clone(), other]), sockets, "{what}");
    }
    let wide = connection(4000, 1, 4_157_386_801, 1);
    assert_eq!(count(&[wide.clone(), wide.clone()]), "1");
    assert_eq!(count(&[wide, connection(4000, 1, 4_157_386_802, 1)]), "2");
    // Without an inode the address tells sockets of different VRFs, unless it is hidden.
    for state in [1, 3, 4, 6, 9] {
        let of = |address| connection(4000, state, 0, address);
        assert_eq!(count(&[of(5), of(5)]), "1", "{state}");
        assert_eq!(count(&[of(5), of(6)]), "2", "{state}");
        assert_eq!(count(&[of(0), of(0)]), "1", "{state}");
        let short = |address: &str| of(5).replace("0000000000000005", address);
        assert_eq!(count(&[short("f6fa4100"), short("f6fa4100")]), "1", "{state}");
        assert_eq!(count(&[short("f6fa4100"), short("f6fa4180")]), "2", "{state}");
    }
    let refs =
        |number: &str| connection(4000, 6, 0, 5).replace(" 0 1 0", &format!(" 0 {number} 0"));
    assert_eq!(count(&[refs("12"), refs("12"), refs("12").replace("0005", "0006")]), "2");
}

#[test]
fn sockets_that_nothing_tells_apart_are_all_counted() {
    // Some systems give all sockets the inode 0: a row without another end may be of any number of them.
    let listening = row("tcp", 1, 80, 0);
    let text = [header("tcp"), listening.repeat(3), table("udp", &[(1, 53, 0); 4])].concat();
    assert_eq!(piped(&["conncount", "-t", "-u"], &text).0, "7\n");
    // SO_REUSEPORT: one port, several inodes.
    let text = table("udp", &[(1, 53, 7), (1, 53, 8), (1, 53, 7)]);
    assert_eq!(piped(&["conncount", "-u"], &text).0, "2\n");
}

#[test]
fn rows_are_remembered_for_a_few_hundred_more_within_their_table() {
    let connections = |number: u16| -> String {
        (0..number).map(|port| connection(port, 1, 1000 + u32::from(port), 1)).collect()
    };
    for between in [1, 27, 250, 500] {
        let text = [&header("tcp"), &connections(between), &connection(0, 1, 1000, 1)]
            .map(String::as_str)
            .concat();
        assert_eq!(piped(&["conncount", "-t"], &text).0, format!("{between}\n"));
    }
    // Behind a header all begins anew, and a word says that tables share sockets.
    let one = [header("tcp"), connections(20)].concat();
    let other = [header("tcp"), connections(21)].concat();
    let (stdout, stderr, _) = piped(&["conncount", "-t"], &[one.as_str(), &other, &one].concat());
    assert_eq!(stdout, "61\n");
    assert!(stderr.contains("the same table of sockets is given twice"), "{stderr}");
    let (stdout, stderr, _) = piped(&["conncount", "-t"], &[one, other].concat());
    assert_eq!(stdout, "41\n");
    assert!(stderr.contains("the same table of sockets is given twice"), "{stderr}");
}

#[test]
fn the_same_table_given_twice_is_said() {
    let folder = scratch("given-twice");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let text = table("tcp", &[(1, 80, 1), (2, 443, 2)]);
    let [tcp, copy] = ["tcp", "copy.txt"].map(|name| put(name, &text));
    symlink("tcp", folder.join("link")).unwrap();
    let link = folder.join("link").to_str().unwrap().to_owned();
    let other = put("other", &table("tcp", &[(1, 80, 3), (2, 443, 4)]));
    let empty = put("tcp6", &header("tcp6"));
    let twice = "--from: the same table of sockets is given twice: its sockets count twice\n";
    for words in
        [&["tcpstates", "-v", "listen"][..], &["conncount"], &["conncount", "-v", "synrecv"]]
    {
        let count = |files: &[&str]| {
            let from = files.iter().flat_map(|file| ["--from", file]);
            said(run(&words.iter().copied().chain(from).collect::<Vec<_>>()))
        };
        let name = words[0];
        for second in [&tcp, &copy, &link] {
            assert!(
                count(&[&tcp, second]).1.contains(&format!("{name}: {twice}")),
                "{words:?} {second}"
            );
        }
        for others in [&[&other, &empty, &empty][..], &[&empty]] {
            let files: Vec<&str> =
                std::iter::once(&tcp).chain(others.iter().copied()).map(String::as_str).collect();
            assert!(!count(&files).1.contains("given twice:"), "{words:?} {files:?}");
        }
    }
    let check = run(&["network-connections", "--conn-type=tcp", "--from", &tcp, "--from", &copy]);
    let unknown = format!("tcp LISTEN: {} [UNKNOWN]|'tcp_LISTEN'=U\n", twice.trim_end());
    assert_eq!(said(check), (unknown, String::new(), Some(3)));
    for rule in ["LISTEN", "[tcp]", "[lport=80]"] {
        let words = ["network-connections", "--rule", &format!("{rule};5;9")];
        let words = [&words[..], &["--from", &tcp, "--from", &copy]].concat();
        let label = rule.replace('=', ":");
        let text = format!("{rule}: {} [UNKNOWN]|'{label}'=U;5;9;0\n", twice.trim_end());
        assert_eq!(said(run(&words)), (text, String::new(), Some(3)));
        let (json, stderr, status) = said(run(&[&words[..], &["--json"]].concat()));
        assert!(json.contains("\"value\":null,\"result\":\"UNKNOWN\""), "{json}");
        assert!(json.contains(&format!("\"reason\":\"{}\"", twice.trim_end())), "{json}");
        let message = format!("network-connections: --rule {rule}: {twice}");
        assert_eq!((stderr, status), (message, Some(3)));
    }
    let (stdout, stderr, status) = piped(&["tcpstates", "-v", "listen"], &[&*text, &text].concat());
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), status),
        ("4\n", &*format!("tcpstates: {twice}"), Some(1))
    );
}

#[test]
fn strict_wants_as_many_rows_as_sockstat_counts() {
    let whole = support::world("own-lab-6.18");
    let strict = |root: &Path, words: &[&str]| {
        said(run(&[words, &["--strict", "--root", root.to_str().unwrap()]].concat()))
    };
    let all: [&[&str]; 4] = [
        &["conncount", "-t", "-u"],
        &["tcpstates", "-v", "listen"],
        &["conncount", "-6"],
        &["conncount", "-u"],
    ];
    for words in all {
        let (_, stderr, status) = strict(&whole, words);
        assert_eq!((stderr.as_str(), status), ("", Some(0)), "{words:?}");
    }
    // Without one row of a state that inuse counts, of one that tw counts, of one that neither does.
    for (file, state, is_noticed) in [
        ("tcp", " 01 ", [true, true, false, false]),
        ("tcp", " 06 ", [true, true, false, false]),
        ("tcp6", " 0A ", [true, true, true, false]),
        ("udp", " 07 ", [true, false, false, true]),
        ("tcp", " 03 ", [false; 4]),
    ] {
        let files = ["tcp", "tcp6", "udp", "udp6", "sockstat", "sockstat6", "snmp"];
        let texts =
            files.map(|name| std::fs::read_to_string(whole.join("proc/net").join(name)).unwrap());
        let root = root("strict-rows", &[]);
        for (name, text) in files.iter().zip(&texts) {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            if *name == file {
                lines.remove(lines.iter().position(|line| line.contains(state)).unwrap());
            }
            std::fs::write(root.join("proc/net").join(name), lines.concat()).unwrap();
        }
        for (words, is_noticed) in all.iter().zip(is_noticed) {
            let (stdout, stderr, status) = strict(&root, words);
            assert_eq!(status, Some(i32::from(is_noticed)), "{file}{state}{words:?}: {stderr}");
            assert_eq!(stdout.is_empty(), is_noticed, "{words:?}");
            let reason = "--strict: in each of 5 counts /proc/net listed more or fewer sockets than sockstat counts";
            assert_eq!(stderr.contains(reason), is_noticed, "{words:?}: {stderr}");
        }
    }
}

#[test]
fn rows_with_another_origin_do_not_need_sockstat() {
    let tables = [("tcp", table("tcp", &[(1, 80, 1)])), ("tcp6", header("tcp6"))];
    let tables = tables.each_ref().map(|(name, text)| (*name, text.as_str()));
    let none = root("no-sockstat", &[SNMP, tables[0], tables[1]]);
    let none = none.to_str().unwrap();
    for (row, number) in [("estab", "3\n"), ("synrecv", "0\n")] {
        let seen = said(run(&["conncount", "-v", row, "--root", none]));
        assert_eq!(seen, (number.into(), String::new(), Some(0)), "{row}");
        let rule = run(&["network-connections", "--rule", row, "--root", none]);
        assert!(said(rule).0.starts_with(&format!("{row}: {number}").replace('\n', "|")));
    }
    let (stdout, stderr, status) = said(run(&["conncount", "--root", none]));
    let rows = "total\t-\ntcp\t-\nestab\t3\nclosed\t-\norphaned\t-\nsynrecv\t0\ntimewait\t-\nunhashed\t-\n";
    assert_eq!((stdout.as_str(), status), (rows, Some(1)));
    let reason = "proc/net/sockstat: No such file or directory; the rows that need it are absent\n";
    assert!(stderr.ends_with(reason) && stderr.lines().count() == 1, "{stderr}");
    // It is said once, however often it is missing.
    let again = ["--interval", "0.01", "--count", "3", "--transport", "--root", none];
    let (stdout, stderr, _) = said(run(&[&["conncount"][..], &again].concat()));
    assert_eq!((stdout.lines().count(), stderr.lines().count()), (3 * 23, 1), "{stderr}");
    for row in ["total", "unhashed", "raw", "orphaned"] {
        let (stdout, stderr, status) =
            said(run(&["network-connections", "--rule", row, "--root", none]));
        assert!(
            stdout.contains("sockstat: No such file or directory [UNKNOWN]"),
            "{stdout}{stderr}"
        );
        assert_eq!(status, Some(3));
    }
    let (stdout, _, status) = said(run(&["conncount", "-v", "total", "closed", "--root", none]));
    assert_eq!((stdout.as_str(), status), ("", Some(1)), "no row is known");
    // The other way round, and in saved files.
    let rest = root("no-snmp", &[COUNTS, tables[0]]);
    let (stdout, stderr, status) = said(run(&["conncount", "--root", rest.to_str().unwrap()]));
    assert!(stdout.starts_with("total\t9\ntcp\t3\nestab\t-\nclosed\t2\n"), "{stdout}");
    assert!(
        stderr.contains("proc/net/snmp: No such file or directory; estab is absent\n"),
        "{stderr}"
    );
    assert_eq!(status, Some(1));
    assert_eq!(
        piped(&["conncount", "-v", "estab"], SNMP.1),
        ("3\n".into(), String::new(), Some(0))
    );
    assert_eq!(piped(&["conncount", "-v", "synrecv"], tables[0].1).0, "0\n");
}

#[test]
fn a_part_of_the_tables_is_no_number() {
    let tcp = [header("tcp"), connection(1, 3, 0, 1)].concat();
    let files = [COUNTS, COUNTS6, SNMP, ("tcp", tcp.as_str()), ("tcp6", "")];
    let root = root("part-of-tables", &files);
    let (stdout, stderr, status) = said(run(&["conncount", "--root", root.to_str().unwrap()]));
    assert!(stdout.contains("total\t9\n") && stdout.contains("synrecv\t-\n"), "{stdout}");
    assert!(stderr.contains("proc/net/tcp6: is empty"), "{stderr}");
    assert_eq!(status, Some(1));
}

#[test]
fn levels_below_zero_are_shown_as_they_are_and_alarm_nobody() {
    let snmp = std::fs::read_to_string(sample("snmp-below-zero")).unwrap();
    for text in [
        snmp.clone(),
        snmp.replace("18446744073709540830", "4294956510"),
        snmp.replace("18446744073709540830", "-10786"),
    ] {
        for words in [&["snmpget-tcp", "-v", "CurrEstab"][..], &["conncount", "-v", "estab"]] {
            assert_eq!(
                piped(words, &text),
                ("-10786\n".into(), String::new(), Some(0)),
                "{words:?}"
            );
        }
        let (json, ..) = piped(&["snmpget-tcp", "--json", "CurrEstab", "MaxConn"], &text);
        assert_eq!(json, "{\"TcpCurrEstab\":-10786,\"TcpMaxConn\":-1}\n", "{json}");
        let (prom, ..) = piped(&["snmpget-tcp", "--prom", "CurrEstab", "MaxConn"], &text);
        assert!(
            prom.contains("{name=\"TcpCurrEstab\"} 0\n")
                && prom.contains("{name=\"TcpMaxConn\"} -1\n"),
            "{prom}"
        );
        assert!(piped(&["conncount", "--prom", "estab"], &text).0.contains("{name=\"estab\"} 0\n"));
        let (check, _, status) = piped(&["network-connections", "--rule", "estab;0:5;0:9"], &text);
        assert_eq!(check, "estab: is below zero: -10786 [UNKNOWN]|'estab'=U;0:5;0:9;0\n");
        assert_eq!(status, Some(3));
    }
    let file = sample("sockstat-below-zero");
    let from = |words: &[&str]| said(run(&[words, &["--from", &file]].concat()));
    assert_eq!(
        from(&["closedcalc", "-v", "closed", "unhashed"]),
        ("6\n4\n".into(), String::new(), Some(0))
    );
    let moved = "TCP: inuse 5 orphan 0 tw 2 alloc 3 mem 1\nTCP6: inuse 0\n";
    assert_eq!(piped(&["closedcalc", "-v", "unhashed"], moved).0, "-2\n");
    let (prom, ..) = piped(&["closedcalc", "--prom", "unhashed"], moved);
    assert!(prom.contains("{name=\"unhashed\"} 0\n"), "{prom}");
    let (check, _, status) = piped(&["network-connections", "--rule", "unhashed;5;9"], moved);
    assert!(check.starts_with("unhashed: is below zero: -2 [UNKNOWN]|"), "{check}");
    assert_eq!(status, Some(3));
    assert_eq!(from(&["sockstat", "UDP"]).0, "UDP\tinuse\t3\nUDP\tmem\t-2\n");
    assert!(
        from(&["sockstat", "--prom", "UDP.mem"]).0.ends_with("{protocol=\"UDP\",item=\"mem\"} 0\n")
    );
    let (check, _, status) =
        from(&["network-connections", "--rule", "UDP.mem;~:5", "--rule", "unhashed;3"]);
    assert_eq!(
        check,
        "UDP.mem: is below zero: -2 [UNKNOWN], unhashed: 4 [WARNING]|'UDP.mem'=U;~:5;;0 'unhashed'=4;3\n"
    );
    assert_eq!(status, Some(1), "WARNING overrides UNKNOWN");
}

#[test]
fn what_is_calculated_from_a_level_below_zero_is_unknown() {
    let text = "sockets: used -1\nTCP: inuse 5 orphan -3 tw 2 alloc -9 mem 1\nTCP6: inuse 0\n";
    let rows = "total\t-1\ntcp\t-7\norphaned\t-3\ntimewait\t2\nunhashed\t-14\n";
    let names = ["total", "tcp", "orphaned", "timewait", "unhashed"];
    assert_eq!(piped(&[&["conncount"], &names[..]].concat(), text).0, rows);
    for (row, is_known) in [
        ("total", false),
        ("tcp", false),
        ("orphaned", false),
        ("timewait", true),
        ("unhashed", false),
        ("closed", false),
    ] {
        let (check, _, status) = piped(&["network-connections", "--rule", row], text);
        assert_eq!(status, Some(if is_known { 0 } else { 3 }), "{check}");
        assert_eq!(check.contains("below zero"), !is_known, "{check}");
    }
    let limits = root("percent-below-zero", &[("sockstat", text)]);
    std::fs::create_dir_all(limits.join("proc/sys/net/ipv4")).unwrap();
    std::fs::write(limits.join("proc/sys/net/ipv4/tcp_max_orphans"), "8192\n").unwrap();
    let limits = limits.to_str().unwrap();
    let (check, ..) =
        said(run(&["network-connections", "--rule", "orphan_percent;80", "--root", limits]));
    assert!(
        check.starts_with("orphan percent: is below zero: -3 [UNKNOWN]|'orphan_percent'=U"),
        "{check}"
    );
    let row = support::stdout_of(&["sockstat", "--limits", "TCP.orphan", "--root", limits]);
    assert_eq!(row, "TCP\torphan\t-3\t8192\t0.000\n");
}

/// The notes about tables that are not of UDP.
const SKIPPED: &str = "tables of raw, ping and UDP-Lite sockets are skipped";
const UNTOLD: &str = "nothing tells which of them was read";
const ASSUMED: &str = "tables of raw, ping and UDP-Lite sockets look like those of UDP";

/// What tells tables in a pipe from others that look like them.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// It is the only one: it may be another's, but nothing says so.
    Lone,
    /// There is one of each family, as of UDP.
    Pair,
    /// There are others beside it.
    Not,
}

#[test]
fn tables_of_all_kinds_behind_one_another_give_the_sockets_of_tcp_and_udp() {
    let file = sample("tables-of-all-kinds");
    for (words, count) in [
        (&["tcpstates", "-v", "listen"][..], "1\n"),
        (&["conncount", "-u"], "1\n"),
        (&["conncount", "-t", "-u", "--by", "proto"], "tcp\t1\nudp\t1\n"),
    ] {
        let (stdout, stderr, status) = said(run(&[words, &["--from", &file]].concat()));
        let is_untold = words.contains(&"-u");
        assert_eq!((stdout.as_str(), status), (count, Some(is_untold.into())), "{stderr}");
        assert_eq!(stderr.contains(UNTOLD), is_untold, "{stderr}");
    }
    let check = said(run(&["network-connections", "--from", &file]));
    let unknown = "tcp LISTEN: --from: the count of UDP sockets may be wrong: ";
    assert!(check.0.starts_with(unknown) && check.0.contains(UNTOLD), "{}", check.0);
    assert!(check.0.contains(SKIPPED), "{}", check.0);
    assert!(check.0.ends_with("|'tcp_LISTEN'=U 'udp_NONE'=U\n"), "{}", check.0);
    assert_eq!((check.1.as_str(), check.2), ("", Some(3)));
    let check = said(run(&["network-connections", "--conn-type=tcp", "--from", &file]));
    assert_eq!(check, ("tcp LISTEN: 1|'tcp_LISTEN'=1\n".into(), String::new(), Some(0)));
}

#[test]
fn a_file_of_the_kernels_name_holds_what_it_is_called() {
    let folder = scratch("tables-by-name");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let udp = put("udp", &table("udp", &[(8, 53, 1)]));
    for (name, kind) in [
        ("raw", "raw"),
        ("raw6", "raw6"),
        ("icmp", "icmp"),
        ("icmp6", "icmp6"),
        ("udplite", "udplite"),
        ("udplite6", "udplite6"),
        ("raw.txt", "raw of 2.6.18"),
        ("proc_net_raw", "raw"),
        ("net-raw", "raw"),
        ("raw-2026-11-28", "raw"),
        ("sos_cat_.proc.net.raw6", "raw6"),
        ("RAW", "raw"),
        ("net.ICMP6.saved", "icmp6"),
        ("host1_udplite6", "udplite6"),
    ] {
        let other = put(name, &table(kind, &[(9, 58, 2), (8, 53, 3)]));
        let (stdout, stderr, status) =
            said(run(&["conncount", "-u", "--from", &udp, "--from", &other]));
        assert_eq!((stdout.as_str(), status), ("1\n", Some(0)), "{name}");
        assert!(stderr.contains(SKIPPED) && !stderr.contains(UNTOLD), "{name}: {stderr}");
        let (stdout, stderr, status) = said(run(&["conncount", "-u", "--from", &other]));
        assert_eq!((stdout.as_str(), status), ("", Some(1)), "{name}");
        assert!(stderr.contains("no table of UDP sockets"), "{name}: {stderr}");
        let (_, stderr, _) = said(run(&["tcpstates", "--from", &other]));
        assert!(stderr.contains("no table of TCP sockets"), "{name}: {stderr}");
    }
    // Those of UDP and TCP are of UDP and TCP, whatever the header is.
    for (name, kind) in [
        ("udp", "udp of 2.6.18"),
        ("udp6.saved", "udp6 of 2.6.18"),
        ("udp.1", "udp of 4.19"),
        ("udp6", "udp6"),
        ("udp", "tcp"),
        ("proc_net_udp6", "udp6"),
        ("UDP-2026", "udp"),
    ] {
        let file = put(name, &table(kind, &[(9, 53, 2), (9, 53, 3)]));
        let seen = said(run(&["conncount", "-u", "--from", &file]));
        assert_eq!(seen, ("2\n".into(), String::new(), Some(0)), "{name} {kind}");
        assert!(said(run(&["tcpstates", "--from", &file])).1.contains("no table of TCP"), "{name}");
    }
    let both = put("tcp", &[table("tcp", &[(1, 80, 1)]), table("tcp6", &[(1, 80, 2)])].concat());
    assert_eq!(support::stdout_of(&["tcpstates", "-v", "listen", "--from", &both]), "2\n");
    let tcp =
        put("raw.tables", &[table("tcp", &[(1, 80, 1)]), table("tcp6", &[(1, 80, 2)])].concat());
    assert_eq!(support::stdout_of(&["tcpstates", "-v", "listen", "--from", &tcp]), "2\n");
}

#[test]
fn in_a_pipe_the_form_tells_most_tables() {
    // The bucket of a UDP socket is its port plus a number of the namespace: here 1000 or 77.
    let of = |kind: &str, shift: u32| {
        table(kind, &[(shift + 53, 53, shift + 1), (shift + 99, 99, shift + 2)])
    };
    let (udp, udp6) = (of("udp", 1000), of("udp6", 1000));
    let others = |kinds: &[(&str, u32)]| -> String {
        kinds
            .iter()
            .map(|(kind, shift)| table(kind, &[(shift + 17, 17, 5), (shift + 2, 2, 6)]))
            .collect()
    };
    for (tables, sockets, told) in [
        // One of each family is UDP's, of any kernel; a single one may be another's.
        (vec![udp.clone()], 2, Told::Lone),
        (vec![udp6.clone()], 2, Told::Lone),
        (vec![header("udp6")], 0, Told::Lone),
        (vec![of("icmp", 0)], 2, Told::Lone),
        (vec![of("raw6", 0)], 2, Told::Lone),
        (vec![of("udplite", 0)], 2, Told::Lone),
        (vec![of("raw", 0), of("raw6", 0)], 2, Told::Lone),
        (vec![udp.clone(), udp6.clone()], 4, Told::Pair),
        // Alone, those of UDP-Lite cannot be told from them.
        (vec![of("udplite", 1000), of("udplite6", 1000)], 4, Told::Pair),
        (vec![of("udp of 4.19", 1000), udp6.clone()], 4, Told::Pair),
        (vec![of("udp of 2.6.18", 0), of("udp6 of 2.6.18", 0)], 4, Told::Pair),
        // Raw and ping tables of IPv4 have other headers.
        (vec![udp.clone(), udp6.clone(), others(&[("raw", 30)])], 4, Told::Pair),
        (vec![others(&[("raw", 30)]), udp.clone(), udp6.clone()], 4, Told::Pair),
        (vec![of("udp of 4.19", 1000), udp6.clone(), others(&[("raw", 30)])], 4, Told::Pair),
        (vec![udp.clone(), udp6.clone(), others(&[("icmp", 30)])], 4, Told::Pair),
        // Those of IPv6, and of UDP-Lite, have the same, but other buckets, or sockets for the same ones.
        (vec![udp.clone(), udp6.clone(), others(&[("raw6", 30), ("icmp6", 50)])], 4, Told::Not),
        (vec![udp.clone(), others(&[("raw6", 30)])], 2, Told::Not),
        (
            vec![udp.clone(), udp6.clone(), others(&[("udplite", 1000), ("udplite6", 1000)])],
            4,
            Told::Not,
        ),
        (vec![udp6.clone(), others(&[("udplite6", 1000)])], 2, Told::Not),
        // Of another namespace.
        (vec![udp.clone(), udp6.clone(), of("udp", 77), of("udp6", 77)], 8, Told::Not),
    ] {
        let text = tables.concat();
        let (stdout, stderr, status) = piped(&["conncount", "-u"], &text);
        let status_wanted = if told == Told::Not { 1 } else { 0 };
        assert_eq!(
            (stdout, status),
            (format!("{sockets}\n"), Some(status_wanted)),
            "{text}{stderr}"
        );
        assert_eq!(stderr.contains(UNTOLD), told == Told::Not, "{text}{stderr}");
        // Without UDP's own tables beside them, those of UDP-Lite look the same.
        assert!(told == Told::Not || stderr.contains(ASSUMED), "{text}{stderr}");
        let tcp = table("tcp", &[(1, 80, 1)]);
        let (_, stderr, _) = piped(&["conncount", "-u"], &[&*tcp, &text].concat());
        assert_eq!(stderr.contains(ASSUMED), told == Told::Lone, "{stderr}");
        assert_eq!(stderr.contains(UNTOLD), told == Told::Not, "{stderr}");
        // Who asks for TCP does not care.
        assert_eq!(
            piped(&["tcpstates", "-v", "listen"], &[text, tcp].concat()),
            ("1\n".into(), String::new(), Some(0))
        );
    }
    let (_, stderr, status) = piped(&["conncount", "-u"], &others(&[("raw", 30)]));
    assert!(stderr.contains("no table of UDP sockets"), "{stderr}");
    assert_eq!(status, Some(1));
}
