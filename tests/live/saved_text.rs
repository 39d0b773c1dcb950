//! A round trip: what ss, netstat and busybox print of a namespace, saved and read again, gives the groups that the
//! kernel itself gives.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::interfaces::cabled;
use crate::support::needs;
use crate::support::scratch::scratch;
use crate::world::{World, at_a_quiet_point};

/// A tool and its words.
type Tool<'a> = (&'a str, &'a [&'a str]);

const SS: [Tool<'_>; 5] = [
    ("ss", &["-tuanpe"]),
    ("ss", &["-Htuanpemio"]),
    ("ss", &["-tuapnemiO"]),
    ("ss", &["-an"]),
    ("ss", &["-Hanem"]),
];
const NETSTAT: [Tool<'_>; 4] = [
    ("netstat", &["-tuanW"]),
    ("netstat", &["-anpeo", "-W"]),
    ("busybox", &["netstat", "-tuan"]),
    ("busybox", &["netstat", "-an"]),
];

/// Compares the groups of `keys` in the kernel with those in the text of each tool.
fn compare(world: &World, folder: &Path, tools: &[Tool<'_>], keys: &[&str]) {
    let file = folder.join("saved.txt");
    let name = file.to_str().unwrap();
    for (tool, words) in tools {
        for key in keys {
            let look = || {
                let mut all = Vec::new();
                for protos in ["-t", "-u", "-tu"] {
                    all.push(world.connbox(&["conncount", protos, "--by", key]).clean());
                }
                Ok(all)
            };
            let read = || {
                std::fs::write(&file, world.tool_bytes(tool, words)).unwrap();
                let read = |protos| {
                    world.connbox(&["conncount", protos, "--by", key, "--from", name]).clean()
                };
                ["-t", "-u", "-tu"].map(read).to_vec()
            };
            let (wanted, seen) = at_a_quiet_point(look, read);
            assert_eq!(seen, wanted, "{tool} {words:?}: {key}");
        }
    }
}

#[test]
fn every_state_comes_back_from_the_text_of_every_tool() {
    let test = "every_state_comes_back_from_the_text_of_every_tool";
    if !needs(test, &["ss", "netstat", "busybox"]) {
        return;
    }
    let Some(world) = World::all_states(test) else { return };
    let folder = scratch(test);
    let ends = ["family,state,proto", "state,laddr,lport,raddr,rport", "raddr/24/64"];
    compare(&world, &folder, &SS, &ends);
    compare(&world, &folder, &SS[..3], &["uid", "inode,state", "cgroup,state"]);
    compare(&world, &folder, &NETSTAT, &ends);
    compare(&world, &folder, &NETSTAT[1..2], &["uid", "inode,state"]);
    let file = folder.join("tcp.txt");
    let name = file.to_str().unwrap();
    for words in [&["-tan"][..], &["-Htane"]] {
        let look = || Ok(world.connbox(&["tcpstates", "--by", "family"]).clean());
        let (wanted, seen) = at_a_quiet_point(look, || {
            std::fs::write(&file, world.tool_bytes("ss", words)).unwrap();
            world.connbox(&["tcpstates", "--by", "family", "--from", name]).clean()
        });
        assert_eq!(seen, wanted, "{words:?}");
    }
    for state in ["time-wait", "syn-recv", "established", "close-wait"] {
        let command = ["ss -Htan state ", state].concat();
        let look =
            || Ok(world.connbox(&["conncount", "--state", state, "--by", "laddr,lport"]).clean());
        let (wanted, seen) = at_a_quiet_point(look, || {
            std::fs::write(&file, world.tool_bytes("ss", &["-Htan", "state", state])).unwrap();
            let words =
                ["conncount", "--by", "laddr,lport", "--from", name, "--from-command", &command];
            world.connbox(&words).clean()
        });
        assert_eq!(seen, wanted, "{command}");
    }
}

#[test]
fn zones_and_devices_come_back_from_the_text_of_ss() {
    let test = "zones_and_devices_come_back_from_the_text_of_ss";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some((world, _sockets, address, _)) = cabled(test) else { return };
    let folder = scratch(test);
    compare(&world, &folder, &SS, &["iface", "iface,laddr,lport,family"]);
    let file = folder.join("saved.txt");
    let name = file.to_str().unwrap();
    for filter in [
        &["--iface", "eth0"][..],
        &["--laddr", "fe80::/10%eth0"],
        &["--raddr", &address.to_string()],
    ] {
        let words = [&["conncount", "-tu"], filter].concat();
        let saved = [&words[..], &["--from", name]].concat();
        assert_eq!(world.connbox(&saved).clean(), world.connbox(&words).clean(), "{filter:?}");
    }
}

#[test]
fn processes_with_odd_names_come_back_from_the_text_of_ss() {
    let test = "processes_with_odd_names_come_back_from_the_text_of_ss";
    if !needs(test, &["ss", "netstat"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    // ss ends a name at its first closing bracket.
    const NAMES: [&[u8]; 7] =
        [b"plain", b"n\nl", b"a b", b"q\"u", b"\",pid=1,fd=2", b"tab\tt", b"back\\s \xff"];
    let start = |name: &&[u8]| {
        let mut companion = world.companion_called("listener", OsStr::from_bytes(name));
        assert_eq!(companion.go(), "on");
        companion
    };
    let _companions: Vec<_> = NAMES.iter().map(start).collect();
    let folder = scratch(test);
    let file = folder.join("saved.txt");
    let name = file.to_str().unwrap();
    for (tool, words, key) in [
        ("ss", &["-tuanp"][..], "pid,process"),
        ("ss", &["-tuanpemiO"], "pid,process"),
        ("ss", &["-Htanpe"], "pid,process"),
        ("netstat", &["-tuanpeo"], "pid"),
    ] {
        // The bytes of a name may be any. netstat shows one process of each socket, which is a gap.
        std::fs::write(&file, world.tool_bytes(tool, words)).unwrap();
        let wanted = world.connbox_bytes(&["conncount", "--by", key]);
        // Text of listening sockets alone may be one of ss -l.
        let command = [&[tool], words].concat().join(" ");
        let from = ["--from", name, "--quiet-gaps", "--from-command", &command];
        let found = world.connbox_bytes(&[&["conncount", "--by", key], &from[..]].concat());
        assert_eq!(found, wanted, "{command}");
    }
}
