//! `closedcalc --by` against the running kernel: processes that hold TCP sockets which are neither
//! connected nor listening, in network namespaces of their own.

use crate::support::lacks;
use crate::world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use world::{Ran, Rights, Script, World};

/// How many the companion `holder` holds, how many of these another user made, and how many have a port.
const UNBOUND: u64 = 8 + 2 + 1 + 1;
const BY_NOBODY: u64 = 1;
const BOUND: u64 = 3 + 1;
/// How many the child holds alone.
const HEIRS: u64 = 2;

/// A namespace with a holder in it, and its two pids. None if `test` is skipped.
fn with_holder(test: &str) -> Option<(World, Script, [u32; 2])> {
    if connbox::sys::kernel_version() < (6, 8) {
        lacks(test, "bound sockets in sock_diag", "this kernel does not show them");
        return None;
    }
    let world = World::quiet(test)?;
    let mut script = world.companion("holder");
    let said = script.go();
    let mut pids = said.split(' ').map(|pid| pid.parse().expect("two pids"));
    let pids = [pids.next().expect("a pid"), pids.next().expect("two pids")];
    Some((world, script, pids))
}

/// Checks what was printed. Some process of the machine may be closed even to root, which is said.
fn check(ran: Ran, rows: &str) {
    assert_eq!((ran.status, ran.stdout.as_str()), (0, rows), "{ran:?}");
    assert!(ran.stderr.is_empty() || is_note(&ran), "{ran:?}");
}

/// Whether all that was said is that some processes could not be looked at.
fn is_note(ran: &Ran) -> bool {
    ran.stderr.lines().count() == 1
        && ran.stderr.starts_with("closedcalc: the descriptors of some processes cannot be read")
        && ran.stderr.contains("CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE")
}

#[test]
fn every_socket_counts_once_for_its_lowest_holder() {
    let Some((world, _script, [pid, child])) =
        with_holder("every_socket_counts_once_for_its_lowest_holder")
    else {
        return;
    };
    let name = r#"ho"l\tder"#;
    // Numbers of processes start anew at some point: then the heir's may be the lower one.
    let rows = if pid < child {
        format!(
            "{name}\t{pid}\tunbound\t{UNBOUND}\n{name}\t{pid}\tbound\t{BOUND}\nheir\t{child}\tunbound\t{HEIRS}\n"
        )
    } else {
        format!("heir\t{child}\tunbound\t{}\nheir\t{child}\tbound\t{BOUND}\n", UNBOUND + HEIRS)
    };
    check(world.connbox(&["closedcalc", "--by", "process,pid"]), &rows);
    let outside = ["closedcalc", "--by", "process,pid", "--netns", &pid.to_string()];
    check(world::connbox_outside(&outside), &rows);
}

#[test]
fn holders_are_counted_by_user_and_in_every_format() {
    let Some((world, _script, _)) = with_holder("holders_are_counted_by_user_and_in_every_format")
    else {
        return;
    };
    let roots = UNBOUND + HEIRS - BY_NOBODY;
    let rows =
        format!("root\tunbound\t{roots}\nroot\tbound\t{BOUND}\nnobody\tunbound\t{BY_NOBODY}\n");
    check(world.connbox(&["closedcalc", "--by", "user"]), &rows);
    check(
        world.connbox(&["closedcalc", "--by", "user", "-H"]),
        &format!("owner\tkind\tcount\n{rows}"),
    );
    check(
        world.connbox(&["closedcalc", "--by", "user", "-v"]),
        &format!("{roots}\n{BOUND}\n{BY_NOBODY}\n"),
    );
    let shell = format!(
        "OWNER=\"root\" KIND=\"unbound\" COUNT=\"{roots}\"\nOWNER=\"root\" KIND=\"bound\" \
         COUNT=\"{BOUND}\"\nOWNER=\"nobody\" KIND=\"unbound\" COUNT=\"{BY_NOBODY}\"\n"
    );
    check(world.connbox(&["closedcalc", "--by", "user", "--shell"]), &shell);
    let prometheus = world.connbox(&["closedcalc", "--by", "user", "--prom"]).stdout;
    let sample =
        format!("connbox_closedcalc_holders{{owner=\"nobody\",kind=\"unbound\"}} {BY_NOBODY}\n");
    assert!(prometheus.ends_with(&sample), "{prometheus}");
}

#[test]
fn the_numbers_agree_with_those_of_sockstat() {
    let Some((world, _script, _)) = with_holder("the_numbers_agree_with_those_of_sockstat") else {
        return;
    };
    // What is unhashed counts the whole machine, so that it can only be more.
    let unhashed: u64 =
        world.connbox(&["closedcalc", "-v", "unhashed"]).stdout.trim().parse().unwrap();
    assert!(unhashed >= UNBOUND + BOUND + HEIRS, "{unhashed}");
}

#[test]
fn processes_of_other_namespaces_do_not_count() {
    let test = "processes_of_other_namespaces_do_not_count";
    let Some((_world, _script, _)) = with_holder(test) else { return };
    let Some(other) = World::quiet(test) else { return };
    check(other.connbox(&["closedcalc", "--by", "pid"]), "");
}

#[test]
fn connections_of_another_namespace_are_not_taken_for_closed_ones() {
    let test = "connections_of_another_namespace_are_not_taken_for_closed_ones";
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("crossing");
    // Somebody must live there, lest the way into it be lost.
    let resident = world.resident();
    let pid = script.go();
    let ran = world::connbox_outside(&["closedcalc", "--by", "pid", "--netns", &pid]);
    check(ran, &format!("{pid}\tunbound\t1\n"));
    drop(resident);
}

#[test]
fn every_namespace_is_asked() {
    let Some((world, _script, [pid, child])) = with_holder("every_namespace_is_asked") else {
        return;
    };
    let ran = world.connbox(&["closedcalc", "--by", "pid", "--netns", "all"]);
    let lowest = pid.min(child);
    let rows: Vec<_> =
        ran.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect();
    let of = |kind: &str| {
        let pid = lowest.to_string();
        let is_it = |row: &&Vec<&str>| row.contains(&&*pid) && row.contains(&kind);
        rows.iter().filter(is_it).map(|row| row[row.len() - 1].parse::<u64>().unwrap()).sum::<u64>()
    };
    let heirs = if pid < child { 0 } else { HEIRS };
    assert_eq!((of("unbound"), of("bound")), (UNBOUND + heirs, BOUND), "{ran:?}");
}

#[test]
fn who_may_not_look_is_told_what_it_takes() {
    let Some((world, _script, _)) = with_holder("who_may_not_look_is_told_what_it_takes") else {
        return;
    };
    let ran = world.connbox_as(Rights::Nobody, &["closedcalc", "--by", "pid,process,cgroup"]);
    assert_eq!((ran.status, ran.stdout), (0, format!("-\t-\t-\tbound\t{BOUND}\n")));
    let ran = world.connbox_as(Rights::Nobody, &["closedcalc", "--by", "user"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, &*format!("root\tbound\t{BOUND}\n")));
    assert!(is_note(&ran), "{ran:?}");
}

#[test]
fn a_connection_is_nobodys_closed_socket() {
    let test = "a_connection_is_nobodys_closed_socket";
    let Some(world) = World::quiet(test) else { return };
    let mut churn = world.companion("churn");
    assert_eq!(churn.go(), "on");
    for _ in 0..20 {
        let ran = world.connbox(&["closedcalc", "--by", "pid", "-v"]);
        let counts: u64 = ran.stdout.lines().map(|count| count.parse::<u64>().unwrap()).sum();
        // One that is being made, one that is being closed.
        assert!(ran.status == 0 && counts <= 2, "{ran:?}");
    }
}

/// A control group, removed when the value is dropped.
struct Group(PathBuf);

impl Group {
    /// Makes one. None if `test` is skipped.
    fn make(test: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let point = lines.find(|words| words.contains(&"cgroup2")).map(|words| words[4]);
        let Some(point) = point else {
            lacks(test, "control groups", "no cgroup2 is mounted");
            return None;
        };
        let path = Path::new(point).join(format!("connbox-{test}-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                lacks(test, "control groups", &error.to_string());
                None
            }
        }
    }

    /// Its path from the root of the hierarchy, if that is what is mounted.
    fn name(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_str().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may take a moment to leave.
        let end = Instant::now() + Duration::from_secs(10);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_control_group_is_known_by_the_number_that_sock_diag_gives() {
    let test = "a_control_group_is_known_by_the_number_that_sock_diag_gives";
    let Some(group) = Group::make(test) else { return };
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("listener");
    let pid = script.pid();
    std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).unwrap();
    assert_eq!(script.go(), "on");
    let name = group.name();
    let listening = world.connbox(&["conncount", "--state", "listen", "--by", "cgroup"]);
    check(listening, &format!("{name}\t1\n"));
    check(world.connbox(&["closedcalc", "--by", "cgroup"]), &format!("{name}\tunbound\t1\n"));
    // The socket stays where it was made; its process has gone elsewhere.
    let parent = group.0.parent().unwrap().join("cgroup.procs");
    std::fs::write(parent, pid.to_string()).unwrap();
    let listening = world.connbox(&["conncount", "--state", "listen", "--by", "cgroup"]);
    check(listening, &format!("{name}\t1\n"));
    check(world.connbox(&["closedcalc", "--by", "cgroup"]), "/\tunbound\t1\n");
    drop(script);
    drop(group);
}

#[test]
fn what_means_nothing_with_by_is_refused() {
    for (words, message) in [
        (
            &["unhashed"][..],
            "unhashed: a NAME cannot be combined with --by, whose rows are holders",
        ),
        (&["--explain"], "--explain: cannot be combined with --by: it explains the formulae"),
        (
            &["--from", "/proc/net/sockstat"],
            "--from: cannot be combined with --by: saved files do not say who holds a socket",
        ),
        (&["--root", "/"], "--root: cannot be combined with --by, which asks the running kernel"),
    ] {
        let ran = world::connbox_outside(&[&["closedcalc", "--by", "pid"], words].concat());
        let said = format!("closedcalc: {message}\n");
        assert_eq!((ran.status, ran.stdout, ran.stderr), (2, String::new(), said), "{words:?}");
    }
    for (keys, reason) in [
        ("uid", "'uid' is not one of process, pid, user, cgroup"),
        ("pid,user,pid", "'pid' is given twice"),
        ("pid,", "'pid,' is not a comma-separated list of words"),
    ] {
        let ran = world::connbox_outside(&["closedcalc", "--by", keys]);
        assert_eq!((ran.status, ran.stderr), (2, format!("closedcalc: --by: {reason}\n")));
    }
}
