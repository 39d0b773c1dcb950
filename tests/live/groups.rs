//! `conncount` with filters and `--by` against the running kernel: ss, with the same question, must find
//! as many; netlink and the files of /proc/net must give the same groups; what is picked in the kernel
//! must be what is picked from a whole dump.

use crate::support::{can_use, lacks, needs};
use crate::world;

use std::collections::BTreeMap;

use world::{Rights, Sockets, World, at_a_quiet_point};

/// The rows of a run: all fields but the last, and the count.
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
    // A newer ss calls sockets that are merely bound UNCONN; they are in no other count.
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
        // ss takes the unspecified address for any.
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
    assert!(found > 20, "only {found} questions had an answer");
}

/// Every key that does not look at processes.
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
    // Many alternatives: those before the last end with a jump.
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
    // With a port range that holds all, the sockets are dumped and not had by subtraction.
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
    // Without rights the sockets are still counted, and it is said why they are nobody's.
    let ran = world.connbox_as(Rights::Nobody, &["conncount", "--by", "pid"]);
    assert_eq!(ran.status, 0);
    assert!(groups(&ran.stdout)["-"] >= held as u64, "{ran:?}");
    assert!(ran.stderr.contains("CAP_SYS_PTRACE") && ran.stderr.lines().count() == 1, "{ran:?}");
}

/// From some thousand descriptors on threads look for owners, beside the dump.
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

/// As on a kernel before 5.9: sockets do not say where they were made.
#[test]
fn control_groups_are_those_of_processes_where_sockets_do_not_say() {
    let test = "control_groups_are_those_of_processes_where_sockets_do_not_say";
    let Some(world) = World::all_states(test) else { return };
    let Some(no_netlink) = Rights::without_netlink(test, libc::EPERM) else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
        return lacks(test, "control groups", "this process is in no cgroup2");
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
}

/// A process may call itself anything, and any user may start one.
#[test]
fn a_process_with_a_hostile_name_harms_no_format() {
    let test = "a_process_with_a_hostile_name_harms_no_format";
    let name = "\"`id`$(id)\\\n;\t#";
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join(name);
    let Some(sleep) = ["/bin/sleep", "/usr/bin/sleep"].iter().find(|path| {
        // A multicall binary would not answer to such a name.
        std::fs::copy(path, &program).is_ok()
    }) else {
        return lacks(test, "sleep", "it cannot be copied");
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut child = std::process::Command::new(&program)
        .arg("60")
        .stdin(std::os::fd::OwnedFd::from(listener))
        .spawn()
        .unwrap_or_else(|error| panic!("{sleep}: {error}"));
    let pid = child.id();
    // The kernel gives a program its name a moment after it has let the parent go on.
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
