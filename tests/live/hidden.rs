//! Processes that cannot be seen: /proc mounted with hidepid=, another PID namespace, missing rights. No answer that
//! depends on processes may look complete there; where every socket's holder can be seen, nothing is said.

use crate::support::{is_refused_of_some_process, lacks, needs};
use crate::world;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use world::{Ran, Rights, Script, Sockets, World};

/// How many sockets the companion `web` has in tables, and how many connections.
const WEB: u64 = 5;

/// The binary in a folder where every user may go, which ends with the value.
struct Binary(PathBuf);

impl Binary {
    fn make(test: &str) -> Binary {
        let folder = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        copy(world::connbox(), &folder.join("connbox")).unwrap();
        Binary(folder)
    }

    fn path(&self) -> String {
        self.0.join("connbox").to_str().unwrap().to_owned()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a program in another process: a child that another test forks meanwhile would keep a file of ours open for
/// writing, and it could not be run.
fn copy(from: &Path, to: &Path) -> Option<()> {
    Command::new("cp").args([from, to]).status().unwrap().success().then_some(())
}

const NOBODY: &[&str] = &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const WITHOUT_PTRACE: &[&str] =
    &["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"];
const ROOT: &[&str] = &["env"];
/// With the option of the mount behind it.
const MOUNTED: &[&str] =
    &["unshare", "-m", "sh", "-c", "mount -t proc -o \"$0\" proc /proc && exec \"$@\""];
const IN_PID_NAMESPACE: &[&str] = &["unshare", "-p", "-m", "-f", "--mount-proc"];

/// A world with a process called web in it, and what it takes to hide that from connbox.
struct Hiding {
    world: World,
    _web: Script,
    binary: Binary,
}

impl Hiding {
    /// None if `test` is skipped.
    fn make(test: &str) -> Option<Hiding> {
        if !needs(test, &["root", "mount namespaces", "mount", "setpriv", "unshare"]) {
            return None;
        }
        let world = World::quiet(test)?;
        let mut web = world.companion("web");
        assert_eq!(web.go(), "on");
        Some(Hiding { world, _web: web, binary: Binary::make(test) })
    }

    /// Runs connbox behind these words, each of them an obstacle.
    fn run(&self, obstacles: &[&[&str]], words: &[&str]) -> Ran {
        let path = self.binary.path();
        let line = [&obstacles.concat(), &[&*path][..], words].concat();
        self.world.ran(line[0], &line[1..])
    }
}

/// What was said about processes that cannot be seen, if that is one line.
fn gap(ran: &Ran) -> &str {
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    ran.stderr.lines().next().unwrap()
}

/// Checks that all answers that depend on processes tell that they may be incomplete, and why.
fn check_hidden(hiding: &Hiding, obstacles: &[&[&str]], reason: &str) {
    let run = |words: &[&str]| hiding.run(obstacles, words);
    let quietly = |words: &[&str]| hiding.run(obstacles, &[words, &["--quiet-gaps"]].concat());
    for (words, shown, outcome) in [
        (&["conncount", "--by", "process"][..], format!("-\t{WEB}\n"), "are shown as '-'"),
        (&["conncount", "--by", "pid,process"], format!("-\t-\t{WEB}\n"), "are shown as '-'"),
        (&["conncount", "--process", "web"], "0\n".into(), "are not counted"),
        (&["conncount", "--process", "web", "--by", "pid"], String::new(), "are not counted"),
        (&["tcpstates", "--process", "web", "-v", "listen"], "0\n".into(), "are not counted"),
        (&["closedcalc", "--by", "pid"], String::new(), "their unbound sockets are not found"),
    ] {
        let ran = run(words);
        assert_eq!((ran.status, &ran.stdout), (1, &shown), "{words:?} {ran:?}");
        assert!(gap(&ran).contains(reason) && gap(&ran).contains(outcome), "{words:?} {ran:?}");
        let quiet = quietly(words);
        assert_eq!((quiet.status, quiet.stdout), (0, shown), "{words:?}");
        assert!(!quiet.stderr.contains(reason), "{words:?} {}", quiet.stderr);
    }
    // What matches nothing is no gap.
    let quiet = quietly(&["conncount", "--process", "no-such"]);
    let said = "conncount: --process: no process found for 'no-such'\n";
    assert_eq!((quiet.status, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "0\n", said));
    for (rule, status) in [("[process=web];1;2", 0), ("[process=web];;1:", 2)] {
        let words = ["network-connections", "--rule", rule];
        let ran = run(&words);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stdout.contains(reason) && ran.stdout.contains(" [UNKNOWN]|"), "{ran:?}");
        let quiet = quietly(&words);
        assert_eq!(quiet.status, status, "{quiet:?}");
        assert!(!quiet.stderr.contains(reason), "{quiet:?}");
    }
    let ran = run(&["tcptrack", "--once"]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (1, 2), "{ran:?}");
    assert!(ran.stdout.lines().all(|row| row.ends_with("\t-\t-")), "{ran:?}");
    assert!(gap(&ran).contains(reason), "{ran:?}");
    let quiet = quietly(&["tcptrack", "--once", "--by", "process"]);
    assert!(quiet.clean().starts_with("-\t2\t"));
    // The groups are those of the sockets themselves.
    run(&["conncount", "--by", "cgroup"]).clean();
    // Where there is no socket, none is missing.
    let ran = run(&["conncount", "--by", "process", "--lport", "1"]);
    assert_eq!((ran.status, ran.stdout, ran.stderr), (0, String::new(), String::new()));
}

/// Checks that the namespaces of processes that cannot be seen are missed.
fn check_namespaces(hiding: &Hiding, obstacles: &[&[&str]], reason: &str) {
    let words = ["closedcalc", "--netns", "all", "-v", "unhashed"];
    let ran = world::settled(|| hiding.run(obstacles, &words));
    assert_eq!((ran.status, ran.stdout.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.stderr.contains("--netns all: ") && ran.stderr.contains(reason), "{ran:?}");
    let words = [&words[..], &["--quiet-gaps"]].concat();
    let quiet = world::settled(|| hiding.run(obstacles, &words));
    assert_eq!(quiet.clean().lines().count(), 1);
    let words = ["network-connections", "--netns", "all", "--rule", "tcp_LISTEN;;1:"];
    let ran = hiding.run(obstacles, &words);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stdout.contains("[UNKNOWN]"), "{ran:?}");
}

#[test]
fn a_proc_that_hides_processes_is_noticed() {
    let Some(hiding) = Hiding::make("a_proc_that_hides_processes_is_noticed") else { return };
    for (option, reason) in [
        (
            "hidepid=1",
            "hidepid=noaccess, hides processes (needs CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE): ",
        ),
        ("hidepid=2", "hidepid=invisible, hides processes (needs CAP_DAC_READ_SEARCH and "),
        (
            "hidepid=ptraceable",
            "hidepid=ptraceable, hides processes (needs CAP_DAC_READ_SEARCH and ",
        ),
    ] {
        let obstacles = [MOUNTED, &[option], NOBODY];
        check_hidden(&hiding, &obstacles, reason);
        check_namespaces(&hiding, &obstacles, "/proc, mounted with hidepid=");
    }
    let obstacles = [MOUNTED, &["hidepid=ptraceable"], WITHOUT_PTRACE];
    check_hidden(&hiding, &obstacles, "hidepid=ptraceable");
    check_namespaces(&hiding, &obstacles, "hidepid=ptraceable");
}

#[test]
fn another_pid_namespace_is_noticed() {
    let Some(hiding) = Hiding::make("another_pid_namespace_is_noticed") else { return };
    let reason =
        "outside this PID namespace cannot be seen (needs the machine's first PID namespace";
    for who in [ROOT, NOBODY] {
        check_hidden(&hiding, &[IN_PID_NAMESPACE, who], reason);
        check_namespaces(&hiding, &[IN_PID_NAMESPACE, who], reason);
    }
    // The mount inside hides processes as well, but not from root, who sees what there is in the namespace.
    for (who, hides) in [(ROOT, false), (WITHOUT_PTRACE, true), (NOBODY, true)] {
        let obstacles = [IN_PID_NAMESPACE, MOUNTED, &["hidepid=2"], who];
        check_hidden(&hiding, &obstacles, reason);
        let ran = hiding.run(&obstacles, &["conncount", "--by", "process"]);
        assert_eq!(gap(&ran).contains("hidepid="), hides, "{ran:?}");
    }
}

#[test]
fn missing_rights_are_noticed() {
    let Some(hiding) = Hiding::make("missing_rights_are_noticed") else { return };
    let reason = "cannot be read (needs CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE)";
    for who in [WITHOUT_PTRACE, NOBODY] {
        check_hidden(&hiding, &[who], reason);
    }
    // The group of the mount option may see names, which is no more.
    let in_group = ["setpriv", "--reuid", "65534", "--regid", "4711", "--clear-groups"];
    check_hidden(&hiding, &[MOUNTED, &["hidepid=2,gid=4711"], &in_group], reason);
}

#[test]
fn where_every_holder_is_seen_nothing_is_said() {
    let Some(hiding) = Hiding::make("where_every_holder_is_seen_nothing_is_said") else { return };
    for obstacles in [
        &[ROOT][..],
        &[MOUNTED, &["hidepid=1"], ROOT],
        &[MOUNTED, &["hidepid=2"], ROOT],
        &[MOUNTED, &["hidepid=ptraceable"], ROOT],
    ] {
        let run = |words: &[&str]| hiding.run(obstacles, words).clean();
        assert_eq!(run(&["conncount", "--by", "process"]), format!("web\t{WEB}\n"));
        assert_eq!(run(&["conncount", "--process", "web"]), format!("{WEB}\n"));
        assert_eq!(run(&["tcpstates", "--process", "web", "-v", "listen"]), "1\n");
        assert!(run(&["tcptrack", "--once", "--by", "process"]).starts_with("web\t2\t"));
        let words = ["network-connections", "--rule", "[process=web];1;9"];
        let ran = hiding.run(obstacles, &words);
        assert_eq!((ran.status, ran.stderr.as_str()), (1, ""), "{ran:?}");
    }
}

/// As after `nsenter -m` without -p: in a /proc of another PID namespace there is neither /proc/self nor /proc/net.
#[test]
fn a_proc_without_this_process_is_an_error_with_a_cure() {
    let test = "a_proc_without_this_process_is_an_error_with_a_cure";
    let Some(hiding) = Hiding::make(test) else { return };
    for line in [
        "umount -l /proc && exec \"$0\" \"$@\"",
        "unshare -p -f mount -t proc proc /proc && exec \"$0\" \"$@\"",
    ] {
        let obstacles: [&[&str]; 2] = [&["unshare", "-m", "sh", "-c", line], ROOT];
        for words in [
            &["conncount", "--by", "netns"][..],
            &["conncount", "--by", "process"],
            &["conncount", "estab"],
            &["conncount"],
            &["tcpstates", "--netns", "all"],
            &["closedcalc"],
            &["closedcalc", "--by", "process"],
            &["sockstat"],
            &["snmpget-tcp", "tcpCurrEstab"],
            &["tcptrack", "--once"],
        ] {
            let ran = hiding.run(&obstacles, words);
            assert_eq!(ran.status, 1, "{ran:?}");
            assert!(ran.stderr.contains("/proc is not mounted, or is that of a PID"), "{ran:?}");
        }
        assert_eq!(hiding.run(&obstacles, &["tcpstates", "-v", "listen"]).clean(), "1\n");
    }
}

/// Without /proc/sys, nothing else tells that this is not the machine's first network namespace.
#[test]
fn a_proc_without_settings_does_not_hide_other_namespaces() {
    let test = "a_proc_without_settings_does_not_hide_other_namespaces";
    let Some(hiding) = Hiding::make(test) else { return };
    let _outside = TcpListener::bind("127.0.0.1:0").unwrap();
    for words in [["conncount", "-v", "tcp"], ["closedcalc", "-v", "unhashed"]] {
        let ran = hiding.run(&[MOUNTED, &["subset=pid"]], &words);
        if ran.stderr.contains("mount: ") {
            return lacks(test, "subset=pid", "an older kernel");
        }
        assert!(ran.stderr.contains("other network namespaces"), "{ran:?}");
        assert_eq!((ran.status, ran.stdout.lines().count()), (1, 1), "{ran:?}");
    }
    let ran = hiding.run(&[MOUNTED, &["subset=pid"]], &["tcpstates", "-v", "listen"]);
    assert_eq!(ran.clean(), hiding.world.connbox(&["tcpstates", "-v", "listen"]).clean());
}

/// A host's /proc that is mounted into a container shows all processes of the host.
#[test]
fn a_proc_of_the_first_namespace_is_known_from_inside_another() {
    let test = "a_proc_of_the_first_namespace_is_known_from_inside_another";
    let Some(hiding) = Hiding::make(test) else { return };
    let root = hiding.binary.0.join("host");
    fs::create_dir_all(root.join("proc")).unwrap();
    let line = "mount --bind /proc \"$0/proc\" && exec \"$@\"";
    let root = root.to_str().unwrap();
    let bound = ["unshare", "-m", "sh", "-c", line, root];
    let words = ["conncount", "--root", root, "--by", "process"];
    let ran = hiding.run(&[&bound, IN_PID_NAMESPACE], &words);
    assert!(!ran.stderr.contains("PID namespace"), "{ran:?}");
}

#[test]
fn a_host_whose_first_process_is_hidden_is_no_zero() {
    let test = "a_host_whose_first_process_is_hidden_is_no_zero";
    let Some(hiding) = Hiding::make(test) else { return };
    let root = hiding.binary.0.join("hidden-host");
    fs::create_dir_all(root.join("proc")).unwrap();
    let root = root.to_str().unwrap();
    let line = "mount -t proc -o hidepid=ptraceable proc \"$0/proc\" && exec \"$@\"";
    let mounted = ["unshare", "-m", "sh", "-c", line, root];
    for words in [
        &["conncount"][..],
        &["conncount", "--lport", "1"],
        &["conncount", "--by", "process"],
        &["conncount", "-v", "estab"],
        &["tcpstates"],
        &["snmpget-tcp", "tcpCurrEstab"],
        &["sockstat"],
        &["closedcalc"],
        &["network-connections", "--rule", "[lport=1];1"],
    ] {
        let words = [words, &["--root", root]].concat();
        let ran = hiding.run(&[&mounted, &["unshare", "-n"], WITHOUT_PTRACE], &words);
        let is_check = words[0] == "network-connections";
        let text = if is_check { &ran.stdout } else { &ran.stderr };
        assert!(text.contains("/proc/1/net/"), "{ran:?}");
        assert_eq!(ran.status, if is_check { 3 } else { 1 }, "{ran:?}");
        assert!(is_check || ran.stdout.is_empty(), "{ran:?}");
    }
}

/// A running kernel shows /proc/sys/net of the reader, whoever's /proc it is.
#[test]
fn settings_of_the_readers_namespace_are_not_those_of_the_host() {
    let test = "settings_of_the_readers_namespace_are_not_those_of_the_host";
    let Some(hiding) = Hiding::make(test) else { return };
    let apart = |words: &[&str]| hiding.run(&[&["unshare", "-n"]], words);
    for words in [
        &["sockstat", "--limits", "--root", "/"][..],
        &["conntrack", "-C", "--limits", "--root", "/"],
        &["network-connections", "--root", "/", "--rule", "tw_percent;1;2"],
    ] {
        let ran = apart(words);
        let text = [&*ran.stdout, &ran.stderr].concat();
        assert!(text.contains("of the network namespace of connbox"), "{ran:?}");
        assert_eq!(ran.status, if words[0] == "network-connections" { 3 } else { 1 }, "{ran:?}");
    }
    // The files of /proc/net are those of the first process all the same.
    let said = "other network namespaces are not looked for";
    for words in [["closedcalc", "unhashed"], ["conncount", "closed"]] {
        let ran = apart(&[&words[..], &["-v", "--root", "/"]].concat());
        let is_zero = ran.stdout == "0\n";
        assert!(ran.stderr.contains(said) != is_zero, "{ran:?}");
        assert_eq!(ran.status, i32::from(!is_zero), "{ran:?}");
    }
}

/// What a program in Python does that these tests cannot: it needs more than one thread, or fork.
const FORKING: &str = "
import os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = socket.create_server(('127.0.0.1', 0), backlog=64)
address = server.getsockname()
if os.fork() == 0:
    server.close()
    try:
        while True:
            with socket.create_connection(address) as client:
                client.recv(1)
    except OSError:
        os._exit(0)
sys.stdin.readline()
print('on', flush=True)
while True:
    connection, _ = server.accept()
    if os.fork() == 0:
        server.close()
        if os.fork() == 0:
            connection.send(b'x')
        os._exit(0)
    connection.close()
";

#[test]
fn sockets_that_come_and_go_are_no_gap() {
    let test = "sockets_that_come_and_go_are_no_gap";
    if !needs(test, &["python3"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let mut churn = world.companion("churn");
    assert_eq!(churn.go(), "on");
    let mut forking = world.script(FORKING);
    assert_eq!(forking.go(), "on");
    for _ in 0..40 {
        for words in [&["conncount", "--by", "pid"][..], &["conncount", "--by", "process,state"]] {
            let ran = world.connbox(words);
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?} {ran:?}");
        }
    }
}

/// A socket that was sent to a process which has not taken it, and sockets of a process whose first thread has ended.
const ODD: &str = "
import array, ctypes, os, socket, sys, threading
sys.stdin.readline()
sent = socket.create_server(('127.0.0.1', 7001))
one, other = socket.socketpair()
rights = array.array('i', [sent.fileno()])
one.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
sent.close()
kept = socket.create_server(('127.0.0.1', 7002))
def stay():
    print('on', flush=True)
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
";

#[test]
fn a_socket_without_a_holder_is_a_gap_and_one_of_a_headless_process_is_none() {
    let test = "a_socket_without_a_holder_is_a_gap_and_one_of_a_headless_process_is_none";
    if !needs(test, &["python3"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let mut odd = world.script(ODD);
    assert_eq!(odd.go(), "on");
    let of = |port: &str, words: &[&str]| {
        world.connbox(&[&["conncount", "--lport", port], words].concat())
    };
    let ran = of("7001", &["--by", "process"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "-\t1\n"), "{ran:?}");
    // Where a process of the machine is closed even to root, it may be the holder.
    let is_open = fs::read_link("/proc/1/fd/0").is_ok();
    let reason =
        if is_open { "no process has a descriptor of some " } else { "the descriptors of " };
    assert!(gap(&ran).contains(reason), "{ran:?}");
    assert_eq!(of("7001", &["--by", "process", "--quiet-gaps"]).clean(), "-\t1\n");
    assert_eq!(of("7002", &["--by", "process"]).clean(), "python3\t1\n");
    assert_eq!(of("7002", &["--process", "python3"]).clean(), "1\n");
    assert_eq!(of("7002", &["--process", &odd.pid().to_string()]).clean(), "1\n");
}

/// A process whose second thread has a table of descriptors of its own: the listener 7003, both ends of a connection to
/// the listener 7004, which both threads have, and a socket that is in no table of the kernel.
const APART: &str = "
import ctypes, os, socket, sys, threading
sys.stdin.readline()
both = socket.create_server(('127.0.0.1', 7004))
def stay():
    if ctypes.CDLL(None).unshare(0x400) != 0:
        os._exit(1)
    own = socket.create_server(('127.0.0.1', 7003))
    client = socket.create_connection(('127.0.0.1', 7004))
    server, _ = both.accept()
    unbound = socket.socket()
    print('on', flush=True)
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=stay).start()
";

#[test]
fn a_thread_may_hold_sockets_for_itself() {
    let test = "a_thread_may_hold_sockets_for_itself";
    if !needs(test, &["python3"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let mut apart = world.script(APART);
    assert_eq!(apart.go(), "on");
    let pid = apart.pid().to_string();
    for (words, shown) in [
        (&["conncount", "--by", "process"][..], "python3\t4\n"),
        (&["conncount", "--process", "python3"], "4\n"),
        (&["conncount", "--process", &pid], "4\n"),
        (&["conncount", "--process", "python3", "--lport", "7003"], "1\n"),
        (&["conncount", "--process", "no-such,python3", "--state", "established"], "2\n"),
        (&["conncount", "--process", "!python3"], "0\n"),
        (&["conncount", "--process", "!no-such", "--by", "process"], "python3\t4\n"),
        (&["tcpstates", "--process", "python3", "-v", "listen"], "2\n"),
        (
            &["conncount", "--by", "pid", "--lport", "7004", "--state", "listen"],
            &format!("{pid}\t1\n"),
        ),
    ] {
        let ran = world.connbox(words);
        assert_eq!((ran.status % 2, ran.stdout.as_str()), (ran.status, shown), "{words:?} {ran:?}");
        assert!(ran.status == 0 || is_refused_of_some_process("exe"), "{words:?} {ran:?}");
    }
    let ran = world.connbox(&["tcptrack", "--once", "--by", "process"]);
    assert!(ran.stdout.starts_with("python3\t1\t"), "{ran:?}");
    let ran = world.connbox(&["closedcalc", "--by", "process"]);
    assert!(ran.stdout.starts_with("python3\tunbound\t1\n"), "{ran:?}");
    let ran = world.connbox(&["network-connections", "--rule", "[process=python3];4:4;4:4"]);
    assert!(ran.status == 0 || is_refused_of_some_process("exe"), "{ran:?}");
    // In a PID namespace that has the /proc of the machine, the IDs in it are not those that the kernel takes.
    let own = world::connbox().to_str().unwrap().to_owned();
    let words = ["-p", "-f", &own, "conncount", "--by", "process", "--lport", "7003"];
    let ran = world.ran("unshare", &words);
    assert_eq!(ran.stdout, "python3\t1\n", "{ran:?}");
}

/// A process that holds a listener, killed when the value is dropped.
struct Holder(Child, String);

impl Holder {
    /// Runs `program`, whose standard input is the listener.
    fn run(program: &mut Command) -> Holder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = program.arg("300").stdin(std::os::fd::OwnedFd::from(listener)).spawn().unwrap();
        // The kernel gives a program its name a moment after it has let the parent go on.
        let comm = |pid| fs::read(format!("/proc/{pid}/comm")).unwrap();
        while comm(child.id()) == fs::read("/proc/thread-self/comm").unwrap() {
            std::thread::yield_now();
        }
        Holder(child, port)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_is_found_by_its_whole_name_and_by_its_path() {
    let test = "a_process_is_found_by_its_whole_name_and_by_its_path";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("kube-controller-manager");
    if copy(Path::new("/bin/sleep"), &program).is_none() {
        return lacks(test, "sleep", "it cannot be copied");
    }
    let holder = Holder::run(&mut Command::new(&program));
    let pid = holder.0.id();
    let of = |word: &str| {
        world::connbox_outside(&["conncount", "--lport", &holder.1, "--process", word])
    };
    let path = program.to_str().unwrap();
    for word in ["kube-controller-manager", "kube-controller", path, &pid.to_string()] {
        assert_eq!(of(word).clean(), "1\n", "{word}");
    }
    for word in ["kube-controller-manage", "/kube-controller-manager", "no-such", "999999999"] {
        let ran = of(word);
        if is_refused_of_some_process("exe") && !word.starts_with('9') {
            // Another user's, or one that a security module guards even from root: it may have any name.
            // A path is a program's alone, so that such a process counts as one that cannot be read.
            let reasons = [" programs that cannot be seen may have it (", " cannot be read ("];
            let is_told = reasons.iter().any(|reason| gap(&ran).contains(reason));
            assert!(ran.status == 1 && is_told, "{ran:?}");
            continue;
        }
        let said = format!("conncount: --process: no process found for '{word}'\n");
        assert_eq!((ran.status, &*ran.stdout, ran.stderr), (0, "0\n", said), "{word}");
    }
    // The names in rows stay those of the kernel.
    let words = ["conncount", "--lport", &holder.1, "--process", path, "--by", "process"];
    assert_eq!(world::connbox_outside(&words).clean(), "kube-controller\t1\n");
    fs::remove_dir_all(folder).unwrap();
    // The file has gone; its path has not changed.
    assert_eq!(of(path).clean(), "1\n");
}

#[test]
fn what_means_nothing_is_said_once() {
    let test = "what_means_nothing_is_said_once";
    let Some(world) = World::plain(test, Sockets { listen: 1, ..Sockets::default() }) else {
        return;
    };
    // Where a security module guards a process even from root, its program may have any name.
    let is_known = !is_refused_of_some_process("exe");
    let words = ["--process", "web1", "--process", "no such", "--interval", "0.01", "--count", "3"];
    let ran = world.connbox(&[&["conncount", "-v"], &words[..]].concat());
    let said = "conncount: --process: no process found for 'web1'\n\
                conncount: --process: no process found for 'no such'\n";
    assert_eq!(ran.stdout, "0\n0\n0\n");
    if is_known {
        assert_eq!((ran.status, &*ran.stderr), (0, said));
        let ran = world.connbox(&["conncount", "--process", "no\nsuch\u{1b}"]);
        assert_eq!(ran.stderr, "conncount: --process: no process found for 'no\\x0asuch\\x1b'\n");
    } else {
        assert!(
            ran.status == 1
                && gap(&ran).contains("no process shows the name 'web1' or 'no such', but "),
            "{ran:?}"
        );
    }
    // In a check, where nobody reads standard error.
    let rule = "--rule=[process=web1,cgroup=/no/such/group];1;2";
    let ran = world.connbox(&["network-connections", rule]);
    if is_known {
        assert_eq!(ran.status, 0);
        assert!(ran.stdout.contains(": 0 (no process found for 'web1')"), "{ran:?}");
    } else {
        assert!(ran.status == 3 && ran.stdout.contains("[UNKNOWN]"), "{ran:?}");
    }
    let ran = world.connbox(&["conncount", "--cgroup", "/no/such/group"]);
    let said = "conncount: --cgroup: no control group found for '/no/such/group'\n";
    let has_groups = !ran.stderr.is_empty();
    if !has_groups {
        return lacks(test, "control groups", "no cgroup2 is mounted");
    }
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (0, "0\n", said));
    assert_eq!(world.connbox(&["conncount", "--cgroup", "/"]).clean(), "1\n");
    let everywhere = ["conncount", "--netns", "all", "--process", "web1"];
    let ran = world::connbox_among(&[("world", &world)], Rights::Root, &everywhere);
    let said = "conncount: --process: no process found for 'web1'\n";
    assert!(ran.stderr == said || !is_known && ran.status == 1, "{ran:?}");
}

/// A process of root that shares a listening socket with its child, another user's.
const SHARING: &str = "
import ctypes, os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
call_me = lambda name: ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
call_me(b'master')
sys.stdin.readline()
server = socket.create_server(('127.0.0.1', 7001))
ready, child_is_ready = os.pipe()
end, parent_is_there = os.pipe()
if os.fork() == 0:
    os.close(parent_is_there)
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    call_me(b'child')
    # Its descriptors are its user's, as after execve(2).
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    os.write(child_is_ready, b'x')
    os.read(end, 1)
    os._exit(0)
os.close(child_is_ready)
os.read(ready, 1)
print('on', flush=True)
sys.stdin.read()
";

/// That a process which can be seen holds a socket does not mean that no other does.
#[test]
fn a_socket_may_be_shared_with_a_process_that_cannot_be_seen() {
    let test = "a_socket_may_be_shared_with_a_process_that_cannot_be_seen";
    if !needs(test, &["python3"]) {
        return;
    }
    let Some(hiding) = Hiding::make(test) else { return };
    let mut sharing = hiding.world.script(SHARING);
    assert_eq!(sharing.go(), "on");
    let words = ["conncount", "--process", "master", "--lport", "7001"];
    assert_eq!(hiding.run(&[ROOT], &words).clean(), "1\n");
    for obstacles in [&[NOBODY][..], &[MOUNTED, &["hidepid=2"], NOBODY]] {
        let ran = hiding.run(obstacles, &words);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, "0\n"), "{ran:?}");
        assert!(gap(&ran).contains(": their sockets are not counted"), "{ran:?}");
        let rule = ["network-connections", "--rule", "[process=master,lport=7001];0;0"];
        let ran = hiding.run(obstacles, &rule);
        assert!(ran.status == 3 && ran.stdout.contains("[UNKNOWN]"), "{ran:?}");
    }
    // Nothing is hidden of the child.
    let words = ["conncount", "--process", "child,999999999", "--lport", "7001"];
    assert_eq!(hiding.run(&[NOBODY], &words).stdout, "1\n");
}

/// A user does not see the programs of other users' processes, which may have the name that is looked for.
#[test]
fn a_program_that_cannot_be_seen_may_have_the_name() {
    let test = "a_program_that_cannot_be_seen_may_have_the_name";
    let Some(hiding) = Hiding::make(test) else { return };
    let program = hiding.binary.0.join("program");
    if copy(Path::new("/bin/sleep"), &program).is_none() {
        return lacks(test, "sleep", "it cannot be copied");
    }
    let link = hiding.binary.0.join("service");
    std::os::unix::fs::symlink(&program, &link).unwrap();
    let holder = Holder::run(&mut Command::new(&link));
    let (path, binary) = (program.to_str().unwrap(), hiding.binary.path());
    for word in ["program", path] {
        let words = ["conncount", "--lport", &holder.1, "--process", word];
        let of = |who: &[&str]| {
            let line = [who, &[&*binary], &words].concat();
            world::ran_outside(line[0], &line[1..])
        };
        assert_eq!(of(ROOT).clean(), "1\n");
        let ran = of(NOBODY);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, "0\n"), "{word} {ran:?}");
        assert!(gap(&ran).contains("(needs CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE)"), "{ran:?}");
    }
    let words = ["conncount", "--lport", &holder.1, "--process", "service,no-such"];
    assert!(!world::connbox_outside(&words).stderr.contains("'service'"));
}

/// A listener that is registered with io_uring, and has no descriptor.
const REGISTERED: &str = "
import ctypes, os, socket, sys
sys.stdin.readline()
libc = ctypes.CDLL(None, use_errno=True)
server = socket.create_server(('127.0.0.1', 7001))
parameters = (ctypes.c_char * 120)()
ring = libc.syscall(425, 1, parameters)
files = (ctypes.c_int * 1)(server.fileno())
if ring < 0 or libc.syscall(427, ring, 2, files, 1) != 0:
    print(os.strerror(ctypes.get_errno()), flush=True)
else:
    server.close()
    print('on', flush=True)
sys.stdin.read()
";

#[test]
fn a_socket_may_need_no_descriptor() {
    let test = "a_socket_may_need_no_descriptor";
    if !needs(test, &["python3"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let mut registered = world.script(REGISTERED);
    let said = registered.go();
    if said != "on" {
        return lacks(test, "io_uring", &said);
    }
    let ran = world.connbox(&["conncount", "--process", "python3"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "0\n"), "{ran:?}");
    let ran = world.connbox(&["conncount", "--by", "process"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "-\t1\n"), "{ran:?}");
}
