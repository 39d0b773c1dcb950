//! The folder of a sosreport as the source of --from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{fixtures, run};

/// A folder as sos makes it, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let folder = Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sos-{test}")));
        let _ = fs::remove_dir_all(&folder.0);
        folder
    }

    /// Adds a file with the text of one of the saved kernels.
    fn add(&self, name: &str, recorded: &str) -> &Folder {
        self.write(name, &fs::read(fixtures().join("own-lab-6.18").join(recorded)).unwrap())
    }

    fn write(&self, name: &str, text: &[u8]) -> &Folder {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Runs an applet: its standard output, its standard error without the folder's name, its status.
    fn ran(&self, line: &str) -> (String, String, i32) {
        let mut words: Vec<_> = line.split(' ').collect();
        words.extend(["--from", self.0.to_str().unwrap()]);
        let output = run(&words);
        let text =
            |bytes| String::from_utf8(bytes).unwrap().replace(self.0.to_str().unwrap(), "DIR");
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An applet on files of the saved kernel.
fn of_files(line: &str, files: &[&str]) -> (String, String, i32) {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for file in files {
        let path = fixtures().join("own-lab-6.18").join(file);
        words.extend(["--from".into(), path.to_str().unwrap().into()]);
    }
    let output = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

const TABLES: [&str; 8] =
    ["sockstat", "sockstat6", "snmp", "netstat", "tcp", "tcp6", "udp", "udp6"];

#[test]
fn every_applet_finds_its_files() {
    let folder = Folder::new("files");
    for name in TABLES {
        folder.add(&format!("proc/net/{name}"), &format!("proc/net/{name}"));
    }
    let list = "conntrack/every-proto.L-extended-id.txt";
    folder.add("sos_commands/conntrack/conntrack_-L_-o_extended", list);
    folder.add("sos_commands/networking/nstat_-zas", "tools/nstat-asz.txt");
    folder.add("sos_commands/networking/netstat_-s", "tools/netstat-st.txt");
    folder.write("sos_commands/networking/ip_-d_address", b"1: lo");
    let paths = TABLES.map(|name| format!("proc/net/{name}"));
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    for line in [
        "tcpstates",
        "tcpstates --by family",
        "conncount --by proto,state",
        "sockstat",
        "closedcalc",
        "conncount",
    ] {
        assert_eq!(folder.ran(line), of_files(line, &paths), "{line}");
    }
    let line = "snmpget-tcp --all";
    assert_eq!(folder.ran(line), of_files(line, &["proc/net/snmp", "proc/net/netstat"]));
    let line = "conntrack -C --by proto,state,dst";
    assert_eq!(folder.ran(line), of_files(line, &[list]));
}

#[test]
fn what_was_not_copied_comes_from_commands() {
    let folder = Folder::new("commands");
    // tar copies files of /proc with their size of 0.
    folder.write("proc/net/snmp", b"").write("proc/net/nf_conntrack", b"");
    let (_, stderr, status) = folder.ran("snmpget-tcp");
    let nothing = "DIR: holds nothing that snmpget-tcp reads of the namespace host, below proc/net, \
                   sos_commands/networking and sos_commands/conntrack\n";
    assert_eq!((stderr, status), (format!("snmpget-tcp: {nothing}"), 1));
    folder.add("sos_commands/networking/netstat_-s", "tools/netstat-st.txt");
    assert_eq!(folder.ran("snmpget-tcp -v CurrEstab"), ("17\n".into(), String::new(), 0));
    folder.add("sos_commands/networking/conntrack_-L", "conntrack/every-proto.L-id.txt");
    assert_eq!(folder.ran("conntrack -C"), ("19\n".into(), String::new(), 0));
}

#[test]
fn a_family_without_a_table_is_no_zero() {
    let folder = Folder::new("families");
    folder.add("proc/net/tcp", "proc/net/tcp").add("proc/net/udp", "proc/net/udp");
    let why = |proto: &str, file: &str| {
        format!(
            "nothing that was given lists sockets of {proto} over IPv6: give /proc/net/{file}, too, or the text of ss or \
             netstat for both families"
        )
    };
    for (proto, file, lines) in [
        ("TCP", "tcp6", ["conncount -6", "tcpstates -6 -v listen"]),
        ("UDP", "udp6", ["conncount -u -6", "conncount -t -u -6 --by proto"]),
    ] {
        for line in lines {
            let (_, stderr, status) = folder.ran(line);
            assert!(stderr.contains(&why(proto, file)) && status == 1, "{line}: {stderr}");
        }
        let rule = if proto == "TCP" { "tcp6_LISTEN" } else { "udp6_NONE" };
        for option in [format!("--rule {rule};9"), format!("--conn-type {file}")] {
            let (stdout, _, status) = folder.ran(&format!("network-connections {option}"));
            assert!(stdout.contains(&why(proto, file)) && status == 3, "{option}: {stdout}");
        }
    }
    // With --strict, all types have a number.
    let (stdout, _, status) = folder.ran("network-connections --strict");
    assert!(stdout.contains(&why("TCP", "tcp6")) && status == 3, "{stdout}");
    for line in ["conncount -t -u --by proto", "tcpstates", "network-connections"] {
        let (_, stderr, status) = folder.ran(line);
        assert_eq!((stderr.as_str(), status), ("", 0), "{line}");
    }
}

/// Each namespace has processes of its own.
#[test]
fn a_process_is_looked_for_in_each_namespace() {
    let folder = Folder::new("processes");
    for (prefix, process) in [("", "web"), ("ip_netns_exec_b_", "db")] {
        let text = format!(
            "LISTEN 0 5 0.0.0.0:80 0.0.0.0:* users:((\"{process}\",pid=1,fd=2)) ino:5 sk:1 <->\n"
        );
        folder.write(&format!("sos_commands/networking/{prefix}ss_-peaonmi"), text.as_bytes());
    }
    let line = "conncount --netns all --process web,db,nope";
    let said = |word| {
        format!("conncount: --process: no process found for '{word}' in some network namespaces\n")
    };
    let all = ["db", "nope", "web"].map(said).concat();
    assert_eq!(folder.ran(line), ("host\t-\t1\nb\t-\t1\n".into(), all, 0));
    let none = folder.ran("conncount --netns all --lport 81");
    assert_eq!(none, ("host\t-\t0\nb\t-\t0\n".into(), String::new(), 0));
    assert_eq!(folder.ran("conncount --process web"), ("1\n".into(), String::new(), 0));
}

#[test]
fn a_list_of_flows_is_not_one_of_expectations() {
    const SAID: &[u8] = b"conntrack v1.4.7 (conntrack-tools): 0 expectations have been shown.\n";
    const ONE: &[u8] = b"299 proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5002 mask-src=255.255.255.255 \
        mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=40001 dport=21 \
        class=0 helper=ftp\n";
    let folder = Folder::new("expectations");
    let expect = "sos_commands/conntrack/conntrack_-L_expect";
    folder.add("sos_commands/conntrack/conntrack_-L_-o_extended", "conntrack/every-proto.L-id.txt");
    let (stdout, stderr, status) = folder.ran("conntrack -C expect");
    let nothing = "DIR: holds nothing that conntrack -L expect reads of the namespace host";
    assert!(stdout.is_empty() && status == 1 && stderr.contains(nothing), "{stderr}");
    for (text, number) in [(ONE, "1\n"), (SAID, "0\n")] {
        folder.write(expect, text);
        let lists = [folder.ran("conntrack -C expect"), folder.ran("conntrack -C")];
        assert_eq!(lists, [number, "19\n"].map(|stdout| (stdout.into(), String::new(), 0)));
    }
    folder.write("sos_commands/networking/ip_netns_exec_a_conntrack_-L_expect", ONE);
    assert_eq!(folder.ran("conntrack -C expect --netns all").0, "host\t-\t0\na\t-\t1\n");
    // The command has failed.
    folder.write(expect, b"conntrack v1.4.7 (conntrack-tools): Operation failed: x\n");
    let (_, stderr, status) = folder.ran("conntrack -L expect");
    let skipped = format!(
        "DIR/{expect}: skipped: it does not begin as a text that conntrack -L expect reads"
    );
    assert!(status == 1 && stderr.contains(&skipped), "{stderr}");
}

#[test]
fn files_of_namespaces_are_namespaces() {
    let folder = Folder::new("namespaces");
    folder.add("proc/net/snmp", "proc/net/snmp").add("proc/net/netstat", "proc/net/netstat");
    let [old, new] = ["", "namespaces/b_c/"]
        .map(|folder| format!("sos_commands/networking/{folder}ip_netns_exec_"));
    folder.add(&format!("{old}a_netstat_-s"), "tools/netstat-st.txt");
    folder.add(&format!("{new}b_c_netstat_-s"), "tools/netstat-st.txt");
    let (stdout, stderr, status) = folder.ran("snmpget-tcp --netns all CurrEstab");
    let own = folder.ran("snmpget-tcp -v CurrEstab").0;
    let wanted =
        format!("host\t-\tTcpCurrEstab\t{own}a\t-\tTcpCurrEstab\t17\nb_c\t-\tTcpCurrEstab\t17\n");
    assert_eq!((stdout, stderr.as_str(), status), (wanted, "", 0));
    // One without the text is said to be missing.
    folder.add(&format!("{old}z_conntrack_-L"), "conntrack/every-proto.L-id.txt");
    let (stdout, stderr, status) = folder.ran("snmpget-tcp --netns all CurrEstab");
    assert_eq!((stdout.lines().count(), status), (3, 1));
    assert!(stderr.contains("holds nothing that snmpget-tcp reads of the namespace z"), "{stderr}");
    let (_, stderr, status) = of_files("tcpstates --netns all", &["proc/net/tcp"]);
    let wanted =
        "tcpstates: --from: cannot be combined with --netns, but for all of a sosreport's folder\n";
    assert_eq!((stderr.as_str(), status), (wanted, 2));
}

#[test]
fn a_check_adds_up_all_namespaces() {
    let folder = Folder::new("check-namespaces");
    let text = b"Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n\
        tcp ESTAB 0 0 127.0.0.1:1 127.0.0.1:2\n";
    let path = |name: &str| format!("sos_commands/networking/{name}ss_-peaonmi");
    for name in ["", "ip_netns_exec_a_", "ip_netns_exec_b_"] {
        folder.write(&path(name), text);
    }
    let of = |stdout: &str, status| (stdout.to_owned(), String::new(), status);
    let of_types = "network-connections --netns all --conn-type=tcp --conn-type=tcp6";
    let of_rule = "network-connections --netns all --rule ESTABLISHED;1;2";
    let line = "tcp ESTABLISHED: 3 [WARNING]|'tcp_ESTABLISHED'=3\n";
    assert_eq!(folder.ran(&format!("{of_types} -w 2")), of(line, 1));
    let line = "ESTABLISHED: 3 [CRITICAL]|'ESTABLISHED'=3;1;2;0\n";
    assert_eq!(folder.ran(of_rule), of(line, 2));
    let row = "-\t-\tESTABLISHED\t3\tCRITICAL\t1\t2\t-\t-\n";
    assert_eq!(folder.ran(&format!("{of_rule} --tsv")), of(row, 2));
    // No total is certain without one of them.
    folder.write("sos_commands/networking/ip_netns_exec_z_conntrack_-L", b"");
    for line in [of_types, of_rule] {
        let (stdout, _, status) = folder.ran(line);
        let reason = "holds nothing that network-connections reads of the namespace z";
        assert!(stdout.contains(reason) && status == 3, "{stdout}");
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
    }
}

/// In most namespaces nothing is: the text has no row, and the name of its file says what was asked.
#[test]
fn a_namespace_without_sockets_has_none() {
    const IDLE: &[u8] = b"Active Internet connections (servers and established)\n\
        Proto Recv-Q Send-Q Local Address Foreign Address State User Inode PID/Program name Timer\n\
        Active UNIX domain sockets (servers and established)\n\
        Proto RefCnt Flags Type State I-Node PID/Program name Path\n\
        unix 2 [ ACC ] STREAM LISTENING 5 7/a /run/a\n";
    const OF_SS: &[u8] = b"Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n";
    let folder = with_tables("idle", SS);
    let networking = "sos_commands/networking";
    for (name, text) in [("a_netstat_-W_-neopa", IDLE), ("b_ss_-peaonmi", OF_SS)] {
        folder.write(&format!("{networking}/ip_netns_exec_{name}"), text);
    }
    let of = |stdout: &str, status| (stdout.to_owned(), String::new(), status);
    let line = "conncount --netns all --state estab";
    assert_eq!(folder.ran(line), of("host\t-\t1\na\t-\t0\nb\t-\t0\n", 0));
    assert_eq!(folder.ran("tcpstates --netns all -v estab"), of("1\n0\n0\n", 0));
    assert_eq!(folder.ran("conncount -u --netns all"), of("host\t-\t1\na\t-\t0\nb\t-\t0\n", 0));
    let line = "conncount -t -u --netns all --by netns,state";
    let wanted = "host\tESTABLISHED\t1\nhost\tTIME_WAIT\t1\nhost\tCLOSE\t1\nhost\tLISTEN\t1\n";
    assert_eq!(folder.ran(line), of(wanted, 0));
    let (_, stderr, status) = folder.ran("network-connections --netns all");
    assert_eq!((stderr.as_str(), status), ("", 0));
    // A broken one is missing; the others are not.
    folder
        .write(&format!("{networking}/ip_netns_exec_a_ss_-peaonmi"), &[OF_SS, b"tcp x\n"].concat());
    let line = "conncount --netns all --state estab";
    let said = format!(
        "conncount: DIR/{networking}/ip_netns_exec_a_ss_-peaonmi:2: not a line of a table of ss\n"
    );
    assert_eq!(folder.ran(line), ("host\t-\t1\nb\t-\t0\n".into(), said, 1));
    let (stdout, _, status) = folder.ran("network-connections --netns all");
    assert!(stdout.contains("not a line of a table of ss") && status == 3, "{stdout}");
}

/// Any name may be that of a namespace, and none takes the machine's place.
#[test]
fn a_namespace_called_host_is_not_the_machine() {
    let folder = with_tables("called-host", SS);
    let other = b"tcp ESTAB 0 0 127.0.0.1:1 127.0.0.1:9 users:((\"a\",pid=1,fd=2))\n".repeat(5);
    folder.write("sos_commands/networking/ip_netns_exec_host_ss_-peaonmi", &other);
    let of = |stdout: &str| (stdout.to_owned(), String::new(), 0);
    assert_eq!(folder.ran("conncount --state estab"), of("1\n"));
    let all = folder.ran("conncount --netns all --state estab").0;
    assert_eq!(all, "host\t-\t1\n/run/netns/host\t-\t5\n");
}

/// Of several tables the widest is read; what it leaves out nobody has chosen.
#[test]
fn the_table_of_the_widest_command_is_read() {
    let folder = with_tables("widest", SS);
    let wanted = folder.ran("tcpstates");
    assert_eq!((wanted.1.as_str(), wanted.2), ("", 0));
    let narrow = b"tcp LISTEN 0 5 127.0.0.1:1 0.0.0.0:* users:((\"b\",pid=2,fd=2))\n";
    for name in ["ss_-lntup", "ss_-4_-tuanp", "ss_-anp_dport_=_:1", "ss_-anp_-u"] {
        folder.write(&format!("sos_commands/networking/{name}"), narrow);
        assert_eq!(folder.ran("tcpstates"), wanted, "{name}");
    }
    let folder = Folder::new("narrow");
    folder.write("sos_commands/networking/ss_-lntup", narrow);
    let (_, stderr, status) = folder.ran("conncount --by state");
    let said = "left out sockets in ESTABLISHED";
    assert!(stderr.contains(said) && status == 0, "{stderr}");
}

/// The files of /proc, and what ss and netstat say of processes.
fn with_tables(test: &str, ss: &[u8]) -> Folder {
    let folder = Folder::new(test);
    for name in TABLES {
        folder.add(&format!("proc/net/{name}"), &format!("proc/net/{name}"));
    }
    folder.write("sos_commands/networking/ss_-peaonmi", ss);
    folder.write("sos_commands/networking/netstat_-W_-neopa", NETSTAT);
    folder
}

const SS: &[u8] = b"Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
    tcp ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"a\",pid=1,fd=2))\n\
    tcp LISTEN 0 5 127.0.0.1:1 0.0.0.0:* users:((\"b\",pid=2,fd=2))\n\
    tcp TIME-WAIT 0 0 127.0.0.1:1 127.0.0.1:3\n\
    udp UNCONN 0 0 127.0.0.1:53 0.0.0.0:* users:((\"a\",pid=1,fd=3))\n";

const NETSTAT: &[u8] = b"Active Internet connections (servers and established)\n\
    Proto Recv-Q Send-Q Local Address Foreign Address State User Inode PID/Program name Timer\n\
    tcp 0 0 127.0.0.1:1 127.0.0.1:2 ESTABLISHED 0 5 7/netstat's off (0.00/0/0)\n";

#[test]
fn an_applet_takes_no_table_that_it_does_not_read() {
    let folder = with_tables("readers", SS);
    for line in ["sockstat", "closedcalc"] {
        let paths = TABLES.map(|name| format!("proc/net/{name}"));
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        assert_eq!(folder.ran(line), of_files(line, &paths), "{line}");
        let (_, stderr, status) = folder.ran(&format!("{line} --netns all"));
        assert_eq!((stderr.as_str(), status), ("", 0), "{line}");
    }
    for line in ["tcpstates -v estab", "conncount --state estab", "conncount --process a -t"] {
        assert_eq!(folder.ran(line), ("1\n".into(), String::new(), 0), "{line}");
    }
    assert_eq!(folder.ran("network-connections --no-perfdata --conn-type=tcp").2, 0);
    assert_eq!(folder.ran("snmpget-tcp -v CurrEstab").2, 0);
}

#[test]
fn a_text_that_cannot_be_read_gives_way_to_another() {
    const SAID: &[u8] =
        b"Failed to open cgroup2 by ID\nCannot open netlink socket: Permission denied\n";
    let skipped = "conncount: DIR/sos_commands/networking/ss_-peaonmi: skipped: it does not begin as a text that \
                   conncount reads\n";
    // What ss says before its table does not matter.
    let folder = with_tables("said", &[SAID, SS].concat());
    let line = "conncount --by process -t --state estab";
    assert_eq!(folder.ran(line), ("a\t1\n".into(), String::new(), 0));
    for text in [&b"timeout: failed to run command 'ss': No such file or directory\n"[..], SAID] {
        let folder = with_tables("failed", text);
        let (stdout, stderr, _) = folder.ran(line);
        assert_eq!(stdout, "netstat's\t1\n");
        assert!(stderr.starts_with(skipped), "{stderr}");
        assert_eq!(folder.ran("sockstat").1, "");
        folder.write("sos_commands/networking/netstat_-W_-neopa", b"sh: netstat: not found\n");
        let (stdout, stderr, status) = folder.ran("conncount --by proto");
        assert_eq!((stdout.is_empty(), stderr.lines().count(), status), (false, 2, 0), "{stderr}");
    }
    let folder = Folder::new("failed-only");
    folder.write("sos_commands/conntrack/conntrack_-L", b"sh: conntrack: not found\n");
    let (_, stderr, status) = folder.ran("conntrack -C");
    assert!(
        status == 1 && stderr.contains("; DIR/sos_commands/conntrack/conntrack_-L: skipped"),
        "{stderr}"
    );
}

/// What the names of files say of their commands.
#[test]
fn the_options_in_names_tell_what_a_text_does_not() {
    // An address that fills its column is whole with -W.
    let full =
        "tcp6 0 0 2001:db8:1:2:3:4:5:6:80 2001:db8::1:6000 ESTABLISHED 0 6 7/web off (0.00/0/0)\n";
    let folder = Folder::new("options");
    let text = [NETSTAT, full.as_bytes()].concat();
    folder.write("sos_commands/networking/netstat_-W_-neopa", &text);
    let line = "conncount --by laddr --quiet-gaps --port 80".replace("--port", "--lport");
    assert_eq!(folder.ran(&line), ("2001:db8:1:2:3:4:5:6\t1\n".into(), String::new(), 0));
    let (stdout, _, status) = folder.ran(&format!("{line} --netns all"));
    assert_eq!((stdout.as_str(), status), ("host\t2001:db8:1:2:3:4:5:6\t1\n", 0));
    let folder = Folder::new("options-none");
    folder.write("sos_commands/networking/netstat_-neopa", &text);
    assert!(folder.ran(&line).1.contains("an address may be cut"));
    // What ss -a does not show is not there.
    let shown =
        String::from_utf8_lossy(SS).replace("TIME-WAIT", "LAST-ACK").replace("LISTEN", "LAST-ACK");
    for (name, said) in [("ss_-peaonmi", false), ("ss_-peonmi", true)] {
        let folder = Folder::new(name);
        folder.write(&format!("sos_commands/networking/{name}"), shown.as_bytes());
        let (stdout, stderr, status) = folder.ran("conncount --state time-wait");
        assert_eq!((stdout.as_str(), status), ("0\n", i32::from(said)), "{stderr}");
        assert_eq!(stderr.contains("left out sockets in TIME_WAIT"), said, "{stderr}");
    }
}

#[test]
fn what_is_not_taken_is_not_looked_at() {
    let folder = with_tables("order", SS);
    folder.write("sos_commands/networking/netstat_-W_-neopa", b"sh: netstat: not found\n");
    let line = "conncount --by process -t --state estab";
    assert_eq!(folder.ran(line), ("a\t1\n".into(), String::new(), 0));
    folder.write("sos_commands/networking/nstat_-zas", b"sh: nstat: not found\n");
    assert_eq!(folder.ran("snmpget-tcp -v CurrEstab").1, "");
}

/// A file that a kernel never leaves empty was not copied: what it held is missing from what is asked.
#[test]
fn an_empty_file_beside_others_is_missing() {
    let said = |applet: &str, name: &str| {
        format!(
            "{applet}: --from: proc/net/{name} is empty or cannot be read: what it held is missing; copy it with cat, \
                 as tar copies files of /proc with their size of 0\n"
        )
    };
    for (empty, applet, line) in [
        ("tcp", "tcpstates", "tcpstates"),
        ("tcp", "conncount", "conncount --state estab"),
        ("tcp6", "conncount", "conncount --by proto -t"),
        ("udp", "conncount", "conncount -t -u --by proto"),
        ("udp6", "conncount", "conncount -u --by family"),
        ("tcp", "conncount", "conncount synrecv"),
        ("sockstat", "sockstat", "sockstat"),
        ("sockstat6", "sockstat", "sockstat"),
    ] {
        let folder = Folder::new(&format!("empty-{empty}"));
        for name in TABLES {
            folder.add(&format!("proc/net/{name}"), &format!("proc/net/{name}"));
        }
        let before = folder.ran(line);
        assert_eq!((before.1.as_str(), before.2), ("", 0), "{line}");
        folder.write(&format!("proc/net/{empty}"), b"");
        let (stdout, stderr, status) = folder.ran(line);
        assert_ne!(stdout, before.0, "{line}");
        assert_eq!((stderr, status), (said(applet, empty), 1), "{line}");
        // A text that lists the sockets is read in its place.
        folder.write("sos_commands/networking/ss_-peaonmi", SS);
        let is_said = folder.ran(line).2 == 1;
        assert_eq!(is_said, applet == "sockstat", "{line}");
    }
    let folder = Folder::new("empty-check");
    folder.add("proc/net/tcp6", "proc/net/tcp6").write("proc/net/tcp", b"");
    folder.add("proc/net/udp", "proc/net/udp");
    for rest in
        ["--conn-type=tcp --conn-type=tcp6", "--rule tcp_ESTABLISHED;1", "--rule [lport=22];1"]
    {
        let (stdout, _, status) = folder.ran(&format!("network-connections {rest}"));
        assert_eq!(status, 3, "{rest}: {stdout}");
        assert!(stdout.contains("proc/net/tcp is empty"), "{rest}: {stdout}");
    }
    let udp = folder.ran("network-connections --conn-type=udp");
    assert_eq!(udp.2, 0, "{udp:?}");
}
