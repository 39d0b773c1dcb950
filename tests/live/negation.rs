//! `!` before a word of a filter: what it selects and what the word alone selects are all sockets, whoever filters,
//! the kernel or connbox.

use crate::world::{Rights, World, at_a_quiet_point};

fn count(world: &World, words: &[&str]) -> u64 {
    let ran = world.connbox(&[&["conncount"], words].concat());
    ran.clean().trim().parse().unwrap()
}

/// A filter, a word of it, and another one.
const FILTERS: [(&str, &str, &str); 12] = [
    ("--state", "listen", "time-wait"),
    ("--state", "connected", "listen"),
    ("--lport", "0-20000", "40000:65535"),
    ("--lport", "53", "0"),
    ("--rport", "0", "20000-50000"),
    ("--laddr", "127.0.0.0/8", "::/0"),
    ("--laddr", "0.0.0.0/0", "::1"),
    ("--raddr", "198.18.0.0/15", "0.0.0.0/0"),
    ("--raddr", "::ffff:0:0/96", "fe80::/10"),
    ("--uid", "0", "65534"),
    ("--iface", "lo", "1"),
    ("--process", "PID", "1"),
];

#[test]
fn what_is_excluded_and_what_is_not_are_all() {
    let Some(world) = World::all_states("what_is_excluded_and_what_is_not_are_all") else { return };
    let pid = std::process::id().to_string();
    for (option, one, other) in FILTERS {
        let (one, other) = (one.replace("PID", &pid), other);
        let not = |word: &str| format!("!{word}");
        let read = |word: &str| count(&world, &[option, word]);
        let ((all, with, without), again) = at_a_quiet_point(
            || Ok((count(&world, &["-t"]), read(&one), read(&not(&one)))),
            || read(&not(&one)),
        );
        assert_eq!((with + without, again), (all, without), "{option} {one}");
        // A word that must match, less one that must not; and two that must not.
        let both = [one.as_str(), other].join(",");
        let neither = [not(&one), not(other)].join(",");
        // lo is interface 1: without it none is left, which is an error.
        let less = match option {
            "--iface" => not(&one),
            _ => [both.as_str(), &*not(&one)].join(","),
        };
        let ((all, either, less), (none, first)) = at_a_quiet_point(
            || Ok((count(&world, &["-t"]), read(&both), read(&less))),
            || (read(&neither), read(&not(&one))),
        );
        assert_eq!(either + none, all, "{option} {both}");
        // Of the sockets of either word those that the first does not select.
        let less = if option == "--iface" { less - none } else { less };
        assert_eq!(less, first - none, "{option} {both},!{one}");
    }
}

/// Each program of the kernel selects what connbox selects among the rows of /proc/net/tcp.
#[test]
fn the_kernel_excludes_what_connbox_excludes() {
    let Some(world) = World::all_states("the_kernel_excludes_what_connbox_excludes") else {
        return;
    };
    for words in [
        &["--lport", "!0-20000"][..],
        &["--lport", "0-40000,!1000-30000"],
        &["--rport", "!0"],
        &["--laddr", "!127.0.0.0/8", "--raddr", "!::1"],
        &["--laddr", "!::/0"],
        &["--laddr", "!0.0.0.0/0"],
        &["--laddr", "!::ffff:0:0/64"],
        &["--raddr", "!198.18.0.0/15,!fd00::/8"],
        &["--raddr", "::/0,!::/128", "--lport", "!1-1023"],
        &["--state", "!listen,!time-wait", "--rport", "1-65535,!9"],
    ] {
        let run = |source: &str| {
            let all = [&["tcpstates", "--by", "family", "--source", source], words].concat();
            world.connbox(&all).clean()
        };
        let (wanted, said) = at_a_quiet_point(|| Ok(run("procfs")), || run("netlink"));
        assert_eq!(said, wanted, "{words:?}");
    }
}

/// Whoever cannot see all processes cannot exclude those that he does not see.
#[test]
fn sockets_of_hidden_processes_are_not_excluded_in_silence() {
    let test = "sockets_of_hidden_processes_are_not_excluded_in_silence";
    let Some(world) = World::all_states(test) else { return };
    let pid = format!("!{}", std::process::id());
    let ran = world.connbox_as(Rights::Nobody, &["conncount", "--process", &pid]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("their sockets are counted, as if"), "{ran:?}");
    let quiet = world.connbox_as(Rights::Nobody, &["conncount", "--process", &pid, "--quiet-gaps"]);
    assert_eq!(quiet.clean(), ran.stdout);
    // The names of the others are shown, although sockets of one are left out.
    let ran = world.connbox(&["conncount", "--by", "process", "--process", "!no-such-process"]);
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(ran.stdout.contains(own.trim()), "{ran:?}");
}
