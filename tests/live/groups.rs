//! `conncount` with filters and `--by` on the running kernel: ss must find as many sockets for the same
//! question, netlink and the files of /proc/net must give the same groups, and filtering in the kernel must
//! give the same sockets as filtering a whole dump.

use crate::support::{can_use, copy_program, lacks, needs};
use crate::world;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use world::{Rights, Sockets, World, at_a_quiet_point};

/// The rows of a run: all fields except the last, and the count.
fn groups(text: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let (key, count) = line.rsplit_once('\t').unwrap();
        (key.to_owned(), count.parse().unwrap())
    };
    text.lines().map(row).collect()
}

fn conncount(world: &World, words: &[&str]) -> String {
    world.connbox(&[&["conncount"], words].concat()).clean()
}

/// How many sockets ss finds.
fn ss(world: &World, words: &[&str]) -> String {
    let text = world.tool("ss", &[&["-Htan"], words].concat());
    // A newer ss lists sockets that are only bound as UNCONN; no other count includes them.
    let rows = text.lines().filter(|line| !line.starts_with("UNCONN")).count();
    format!("{rows}\n")
}

#[test]
fn filters_pick_what_ss_picks() {
    let test = "filters_pick_what_ss_picks";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some(world) = World::all_states(test) else { return };
    let check = |ours: &[&str], theirs: &[&str]| {
        let look = || Ok(ss(&world, theirs));
        let (wanted, said) = at_a_quiet_point(look, || conncount(&world, ours));
        assert_eq!(said, wanted, "{ours:?} {theirs:?}");
        wanted != "0\n"
    };
    let mut found = 0;
    for port in groups(&conncount(&world, &["--by", "lport"])).keys() {
        let (sport, dport) = (format!("sport = :{port}"), format!("dport = :{port}"));
        found += u32::from(check(&["--lport", port], &[&sport]));
        found += u32::from(check(&["--rport", port], &[&dport]));
        let (range, from) = (format!("{port}-65535"), format!("sport >= :{port}"));
        found += u32::from(check(&["--lport", &range], &[&from]));
    }
    for address in groups(&conncount(&world, &["--by", "raddr"])).keys() {
        // ss takes the unspecified address for any address.
        if ["0.0.0.0", "::"].contains(&address.as_str()) {
            continue;
        }
        let bracketed = format!("[{address}]");
        let theirs = if address.contains(':') { &bracketed } else { address };
        found += u32::from(check(&["--raddr", address], &["dst", theirs]));
        found += u32::from(check(&["--laddr", theirs], &["src", theirs]));
    }
    for (state, name) in [("estab", "established"), ("08", "close-wait"), ("bucket", "bucket")] {
        found += u32::from(check(&["--state", state], &["state", name]));
    }
    found += u32::from(check(&["--raddr", "127.0.0.0/8", "-4"], &["-4", "dst", "127.0.0.0/8"]));
    assert!(found > 20, "only {found} questions found sockets");
}

/// Every key that does not need to look at processes.
const KEYS: &str = "state,family,laddr,raddr,lport,rport,direction,service,uid,user";

#[test]
fn netlink_and_procfs_give_the_same_groups() {
    let test = "netlink_and_procfs_give_the_same_groups";
    let Some(world) = World::all_states(test) else { return };
    let Some(no_netlink) = Rights::without_netlink(test, libc::EPERM) else { return };
    for words in [
        &["-t", "-u", "--by", "proto,state"][..],
        &["-t", "-u", "--by", KEYS],
        &["--by", "raddr/8/64,lport", "--sum", "recv_queue,send_queue"],
        &["--state", "syn-recv,fin-wait-2", "--by", KEYS],
        &["-6", "--raddr", "127.0.0.0/8", "--by", "family"],
        &["--by", "direction,service", "--top", "2"],
    ] {
        let words = [&["conncount"], words].concat();
        let look = || Ok(world.connbox_as(no_netlink, &words).clean());
        let (files, said) = at_a_quiet_point(look, || world.connbox(&words).clean());
        assert_eq!(said, files, "{words:?}");
        assert!(!said.is_empty(), "{words:?}");
    }
}

#[test]
fn the_kernels_choice_is_ours() {
    let Some(world) = World::all_states("the_kernels_choice_is_ours") else { return };
    let look = || Ok(groups(&conncount(&world, &["--by", KEYS])));
    let (all, by_port) = at_a_quiet_point(look, || {
        let ports = groups(&conncount(&world, &["--by", "lport"]));
        let pick = |port: &String| conncount(&world, &["--lport", port, "--by", KEYS]);
        ports.keys().map(|port| (port.clone(), groups(&pick(port)))).collect::<Vec<_>>()
    });
    for (port, picked) in by_port {
        // The local port is the fifth field.
        let is_of = |key: &str| key.split('\t').nth(4) == Some(port.as_str());
        let wanted: BTreeMap<_, _> =
            all.iter().filter(|(key, _)| is_of(key)).map(|(key, n)| (key.clone(), *n)).collect();
        assert_eq!(picked, wanted, "--lport {port}");
    }
    // Many alternatives: each except the last ends with a jump.
    let ports: Vec<_> = groups(&conncount(&world, &["--by", "lport"])).into_keys().collect();
    let total: u64 = all.values().sum();
    for separator in [",", ",1,"] {
        let list = ports.join(separator);
        let count = conncount(&world, &["--lport", &list, "--raddr", "::/0,0.0.0.0/0"]);
        assert_eq!(count, format!("{total}\n"), "{list}");
    }
}

#[test]
fn counting_by_state_is_counting_one_by_one() {
    let Some(world) = World::all_states("counting_by_state_is_counting_one_by_one") else { return };
    // With a port range that includes all ports, sockets are dumped instead of counted by subtraction.
    for words in [&["--by", "state"][..], &["--by", "state", "-6"], &["--by", "proto", "-4"]] {
        let dumped = [words, &["--lport", "0-65535"]].concat();
        let look = || Ok(conncount(&world, &dumped));
        let (wanted, said) = at_a_quiet_point(look, || conncount(&world, words));
        assert_eq!(said, wanted, "{words:?}");
    }
}

#[test]
fn strict_agrees_in_a_quiet_world() {
    let Some(world) = World::all_states("strict_agrees_in_a_quiet_world") else { return };
    let look = || Ok(conncount(&world, &["--by", KEYS]));
    let (wanted, said) = at_a_quiet_point(look, || conncount(&world, &["--strict", "--by", KEYS]));
    assert_eq!(said, wanted);
    let summary = world.connbox(&["conncount", "--strict", "synrecv"]);
    assert_eq!(summary.clean(), world.connbox(&["conncount", "synrecv"]).clean());
    // The rows of /proc/net are as many as sockstat says.
    let states = |words: &[&str]| world.connbox(&[&["tcpstates"], words].concat()).clean();
    let look = || Ok(states(&[]));
    let (wanted, said) = at_a_quiet_point(look, || states(&["--source", "procfs", "--strict"]));
    assert_eq!(said, wanted);
}

/// Connections that stay, and one at a time that comes and goes: the numbers of sockstat are the same again behind
/// each of them, and a walk may count its ends wrongly twice.
#[test]
fn strict_confirms_no_impossible_count() {
    const STAY: usize = 300;
    let test = "strict_confirms_no_impossible_count";
    let Some(world) = World::plain(test, crate::world::Sockets::default()) else { return };
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        let (start, started) = std::sync::mpsc::channel();
        let (world, is_over) = (&world, &is_over);
        scope.spawn(move || {
            world.inside(move || {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let connection = || {
                    let client = std::net::TcpStream::connect(address).unwrap();
                    (client, listener.accept().unwrap())
                };
                let stay: Vec<_> = (0..STAY).map(|_| connection()).collect();
                start.send(()).unwrap();
                while !is_over.load(order) {
                    let (client, _server) = connection();
                    // Neither end waits then, or is established while another test's fork has copies of them.
                    rustix::net::connect_unspec(&client).unwrap();
                }
                drop(stay);
            });
        });
        started.recv().unwrap();
        let words = ["conncount", "--strict=0.1", "--state", "established"];
        let all: Vec<_> = (0..60).map(|_| world.connbox(&words)).collect();
        is_over.store(true, order);
        for ran in all {
            let count = ran.stdout.trim().parse::<usize>();
            match ran.status {
                0 => {
                    assert!(count.is_ok_and(|n| (2 * STAY..=2 * STAY + 2).contains(&n)), "{ran:?}")
                }
                _ => assert!(ran.stderr.contains("--strict: the sockets changed"), "{ran:?}"),
            }
        }
    });
    // What another test starts has copies of the descriptors until it runs its program.
    let none =
        || world.connbox(&["conncount", "--strict", "--state", "established"]).clean() == "0\n";
    world::wait_until("nothing is established", || Ok(none())).unwrap();
}

#[test]
fn the_holder_of_a_socket_is_found() {
    let Some(world) = World::all_states("the_holder_of_a_socket_is_found") else { return };
    let pid = std::process::id().to_string();
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let look = || {
        let rows = world.dump();
        Ok(rows.iter().filter(|row| row.inode != 0).count())
    };
    let (held, said) =
        at_a_quiet_point(look, || world.connbox(&["conncount", "--by", "pid,process"]).stdout);
    assert_eq!(groups(&said)[&format!("{pid}\t{}", name.trim())], held as u64);
    let asked = |process: &str| {
        world.connbox(&["conncount", "--process", process]).stdout.trim().parse::<usize>().unwrap()
    };
    assert_eq!((asked(&pid), asked(name.trim()), asked("no such process")), (held, held, 0));
    // Without privileges, the sockets are still counted, and a warning says why they have no owner.
    let words = ["conncount", "--by", "pid"];
    let ran = world.connbox_as(Rights::Nobody, &words);
    assert_eq!(ran.status, 1);
    assert!(groups(&ran.stdout)["-"] >= held as u64, "{ran:?}");
    assert!(ran.stderr.contains("CAP_SYS_PTRACE") && ran.stderr.lines().count() == 1, "{ran:?}");
    let quiet = world.connbox_as(Rights::Nobody, &[&words[..], &["--quiet-gaps"]].concat());
    assert!(groups(&quiet.clean())["-"] >= held as u64);
}

/// Beyond some thousand descriptors, threads look for owners during the dump.
#[test]
fn the_holder_of_each_of_many_sockets_is_found() {
    let many = Sockets { listen: 1500, unbound: 10, ..Sockets::default() };
    let Some(world) = World::plain("the_holder_of_each_of_many_sockets_is_found", many) else {
        return;
    };
    let pid = std::process::id().to_string();
    let groups = groups(&conncount(&world, &["--by", "pid,lport"]));
    assert_eq!(groups.len(), 1500);
    let is_ours = |key: &str| key.starts_with(&format!("{pid}\t"));
    assert!(groups.iter().all(|(key, count)| is_ours(key) && *count == 1), "{groups:?}");
    assert_eq!(conncount(&world, &["--process", &pid]), "1500\n");
}

/// As on a kernel before 5.9: sockets do not report the control group where they were made.
#[test]
fn control_groups_are_those_of_processes_where_sockets_do_not_say() {
    let test = "control_groups_are_those_of_processes_where_sockets_do_not_say";
    let Some(world) = World::all_states(test) else { return };
    let Some(no_netlink) = Rights::without_netlink(test, libc::EPERM) else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
        return lacks(test, "control groups", "this process is not in a cgroup2");
    };
    let look = || {
        let rows = world.dump();
        Ok(rows.iter().filter(|row| row.inode != 0).count() as u64)
    };
    for words in [&["conncount", "--by", "cgroup"][..], &["conncount", "--by", "cgroup,state"]] {
        let (held, ran) = at_a_quiet_point(look, || world.connbox_as(no_netlink, words));
        let all = groups(&ran.stdout);
        let of_own = all.iter().filter(|(key, _)| key.split('\t').next() == Some(own));
        assert_eq!(of_own.map(|(_, count)| count).sum::<u64>(), held, "{ran:?}");
    }
    let words = ["conncount", "--cgroup", own];
    let (held, ran) = at_a_quiet_point(look, || world.connbox_as(no_netlink, &words));
    assert_eq!(ran.stdout, format!("{held}\n"), "{ran:?}");
    // Orphans and connections that are not accepted yet have a group, which netlink alone shows.
    let told = "conncount: /proc/net does not show the control group of sockets that no process holds: they are \
        shown as '-', and counted by no --cgroup\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (1, told));
    let ran = world.connbox_as(no_netlink, &[&words[..], &["--quiet-gaps"]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    // Requests, and sockets in TIME_WAIT, have none.
    for state in ["listen", "time-wait,syn-recv"] {
        let ran = world.connbox_as(no_netlink, &["conncount", "--state", state, "--by", "cgroup"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{state}");
    }
}

/// A process may have any name, and any user may start one.
#[test]
fn a_process_with_a_hostile_name_harms_no_format() {
    let test = "a_process_with_a_hostile_name_harms_no_format";
    let name = "\"`id`$(id)\\\n;\t#";
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join(name);
    // A multicall binary would not work under such a name.
    let found = ["/bin/sleep", "/usr/bin/sleep"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let Some(sleep) = found else { return lacks(test, "sleep", "it is not there") };
    copy_program(sleep, &program);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut child = std::process::Command::new(&program)
        .arg("60")
        .stdin(std::os::fd::OwnedFd::from(listener))
        .spawn()
        .unwrap_or_else(|error| panic!("{sleep}: {error}"));
    let pid = child.id();
    // The kernel sets a program's name a moment after the parent continues.
    let own = std::fs::read("/proc/thread-self/comm").unwrap();
    let comm = loop {
        let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap();
        if comm != own {
            break comm;
        }
        std::thread::yield_now();
    };
    let run = |format: &str| {
        let words = ["conncount", "--lport", &port, "--by", "pid,process", format];
        world::connbox_outside(&words)
    };
    let outputs = ["--tsv", "--shell", "--json", "--prom"].map(run);
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = std::fs::remove_file(&program);
    assert_eq!(comm.strip_suffix(b"\n"), Some(&name.as_bytes()[..name.len().min(15)]));
    let [tsv, shell, json, prom] = outputs.map(|ran| {
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.stdout
    });
    assert_eq!(tsv, format!("{pid}\t\"`id`$(id)\\\\\\n;\\t#\t1\n"));
    assert_eq!(
        shell,
        format!("PID=\"{pid}\" PROCESS=\"\\\"\\`id\\`\\$(id)\\\\?;?#\" COUNT=\"1\"\n")
    );
    assert_eq!(
        json,
        format!("{{\"pid\":{pid},\"process\":\"\\\"`id`$(id)\\\\\\n;\\t#\",\"count\":1}}\n")
    );
    assert!(prom.ends_with("process=\"\\\"`id`$(id)\\\\\\n;\t#\"} 1\n"), "{prom}");
    let eval =
        format!("set -eu; eval '{}'; printf %s \"$PROCESS\"", shell.trim().replace('\'', ""));
    for program in ["dash", "bash", "ksh", "zsh"].into_iter().filter(|name| can_use(name)) {
        let output = std::process::Command::new(program).args(["-c", &eval]).output().unwrap();
        assert_eq!(output.stdout, b"\"`id`$(id)\\?;?#", "{program}: {output:?}");
    }
}

/// The name of a process that has one listener, and how TSV, JSON and Prometheus text write it.
type Strange = (&'static [u8], &'static str, &'static str, &'static str);

const STRANGE: [Strange; 8] = [
    (b"\xff", "\u{fffd}", r"\\xff", r"\\xff"),
    (b"\xfe\x9b", "\u{fffd}\u{fffd}", r"\\xfe\\x9b", r"\\xfe\\x9b"),
    (b"\\xff", r"\\xff", r"\\x5cxff", r"\\x5cxff"),
    (b"\\x2d", r"\\x2d", r"\\x2d", r"\\x2d"),
    (b"\xc2\x9bx", r"\x9bx", r"\u009bx", "\u{9b}x"),
    (b"\xe2\x80\xaex", r"\u{202e}x", r"\u202ex", "\u{202e}x"),
    (b"a\x01", r"a\x01", r"a\u0001", "a\u{1}"),
    (b"a\x02", r"a\x02", r"a\u0002", "a\u{2}"),
];

#[test]
fn strange_names_stay_apart_and_those_that_become_equal_add_up() {
    let test = "strange_names_stay_apart_and_those_that_become_equal_add_up";
    let Some(world) = World::quiet(test) else { return };
    // Another test may look at all namespaces: it sees the name of the process that is here longest.
    let resident = world.resident();
    let listeners = STRANGE.map(|(name, ..)| {
        let mut listener = world.companion_called("listener", OsStr::from_bytes(name));
        assert_eq!(listener.go(), "on");
        listener
    });
    let run =
        |words: &[&str]| world.connbox_bytes(&[&["conncount", "--by", "process"], words].concat());
    let sorted = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with('#'));
        lines.sort();
        lines
    };
    let wanted = |line: &dyn Fn(&Strange) -> String| {
        let mut lines: Vec<_> = STRANGE.iter().map(line).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&run(&[])), wanted(&|one| format!("{}\t1", one.1)));
    let json = wanted(&|one| format!("{{\"process\":\"{}\",\"count\":1}}", one.2));
    assert_eq!(sorted(&run(&["--json"])), json);
    let series =
        wanted(&|one| format!("connbox_conncount_matching_sockets{{process=\"{}\"}} 1", one.3));
    assert_eq!(sorted(&run(&["--prom"])), series);
    let shell = sorted(&run(&["--shell"]));
    assert_eq!(shell.len(), 6, "{shell:?}");
    assert!(shell.contains(&"PROCESS=\"a?\" COUNT=\"2\"".to_owned()), "{shell:?}");
    let table = sorted(&run(&["--human"]));
    let both: Vec<_> = table.iter().filter(|line| line.starts_with(r"\xff ")).collect();
    assert!(both.len() == 1 && both[0].ends_with(" 2"), "{table:?}");
    // A file for node_exporter is complete, and has every series.
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("strange-names.prom");
    let line = ["--textfile", file.to_str().unwrap(), "conncount", "--by", "process"];
    assert_eq!(world.connbox(&line).clean(), "");
    let mut lines = sorted(&std::fs::read(&file).unwrap());
    lines.retain(|line| line.starts_with("connbox_conncount_matching_sockets{"));
    assert_eq!(lines, series);
    std::fs::remove_file(&file).unwrap();
    drop((listeners, resident));
}

#[test]
fn more_groups_than_allowed_are_an_error() {
    let test = "more_groups_than_allowed_are_an_error";
    let Some(world) = World::quiet(test) else { return };
    // Two processes with an unbound socket, three ports, two connections.
    let mut companions = ["listener", "web", "listener"].map(|role| world.companion(role));
    for companion in &mut companions {
        assert_eq!(companion.go(), "on");
    }
    let mut calls: Vec<(&[&str], usize)> = vec![
        (&["conncount", "--by", "lport"], 5),
        (&["conncount", "--by", "state", "--threads", "4"], 2),
        (&["conncount", "--by", "pid,lport", "--top", "1"], 5),
        (&["closedcalc", "--by", "pid"], 2),
        (&["tcptrack", "--once", "--by", "client_port"], 2),
    ];
    if needs(test, &["connection tracking", "conntrack"]) {
        for source in ["1.1.1.1", "1.1.1.2"] {
            let line = format!("-I -s {source} -d 2.2.2.2 -p udp --sport 5 --dport 6 -t 9000");
            world.ran("conntrack", &line.split(' ').collect::<Vec<_>>());
        }
        calls.push((&["conntrack", "-C", "--by", "src"], 2));
        calls.push((&["conntrack", "-L", "--by", "src"], 2));
    }
    for (words, groups) in calls {
        let limited =
            |most: usize| world.connbox(&[words, &["--max-groups", &most.to_string()]].concat());
        let ran = limited(groups - 1);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{words:?} {ran:?}");
        let most = if groups == 2 { "1 group".into() } else { format!("{} groups", groups - 1) };
        let reason = format!(": --max-groups: there are more than {most}: allow more, ");
        assert!(ran.stderr.contains(&reason), "{words:?} {ran:?}");
        assert_eq!(limited(groups), world.connbox(words), "{words:?}");
        let alone = world.connbox(&[words[0], "--max-groups", "5"]);
        assert_eq!(alone.status, 2, "{words:?} {alone:?}");
    }
}
