//! `closedcalc --by` on the running kernel: processes in their own network namespaces that hold TCP sockets
//! which are neither connected nor listening.

use crate::support::{can_use, lacks, needs};
use crate::world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use world::{Ran, Rights, Script, World};

/// How many unbound sockets the companion `holder` holds, how many of them another user made, and how many
/// sockets are only bound.
const UNBOUND: u64 = 8 + 2 + 1 + 1;
const BY_NOBODY: u64 = 1;
const BOUND: u64 = 3 + 1;
/// How many only the child holds.
const HEIRS: u64 = 2;

/// A namespace with a holder in it, and the two process IDs. None if `test` is skipped.
fn with_holder(test: &str) -> Option<(World, Script, [u32; 2])> {
    if connbox::sys::kernel_version() < (6, 8) {
        lacks(test, "bound sockets in sock_diag", "this kernel does not report them");
        return None;
    }
    let world = World::quiet(test)?;
    let mut script = world.companion("holder");
    let said = script.go();
    let mut pids = said.split(' ').map(|pid| pid.parse().expect("two pids"));
    let pids = [pids.next().expect("a pid"), pids.next().expect("two pids")];
    Some((world, script, pids))
}

/// Checks the output. Even root may be refused the descriptors of some process; then a warning says so.
fn check(ran: Ran, rows: &str) {
    assert_eq!(ran.stdout, rows, "{ran:?}");
    assert!((ran.status, ran.stderr.as_str()) == (0, "") || is_gap(&ran), "{ran:?}");
}

/// Whether the run ended with status 1 only because the descriptors of some processes cannot be read.
fn is_gap(ran: &Ran) -> bool {
    ran.status == 1
        && ran.stderr.lines().count() == 1
        && ran.stderr.starts_with("closedcalc: the descriptors of ")
        && ran.stderr.contains(" cannot be read (")
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
    // Process IDs wrap at some point: then the heir's may be the lower one.
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
    // unhashed counts the whole machine, so it can only be larger.
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
    // Without a process in it, the namespace could no longer be entered.
    let resident = world.resident();
    let pid = script.go();
    let ran = world::connbox_outside(&["closedcalc", "--by", "pid", "--netns", &pid]);
    check(ran, &format!("{pid}\tunbound\t1\n"));
    drop(resident);
}

/// The first thread of a process may live elsewhere.
#[test]
fn a_socket_of_a_thread_counts_where_the_thread_lives() {
    let test = "a_socket_of_a_thread_counts_where_the_thread_lives";
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("straying");
    let said = script.go();
    let (pid, thread) = said.split_once(' ').unwrap();
    let row = format!("{pid}\tunbound\t1\n");
    check(world::connbox_outside(&["closedcalc", "--by", "pid", "--netns", thread]), &row);
    let all = world::connbox_outside(&["closedcalc", "--by", "pid", "--netns", "all"]).stdout;
    assert_eq!(all.matches(&format!("\t{row}")).count(), 1, "{all}");
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
    assert_eq!(ran.stdout, format!("-\t-\t-\tbound\t{BOUND}\n"));
    assert!(is_gap(&ran), "{ran:?}");
    let words = ["closedcalc", "--by", "user"];
    let ran = world.connbox_as(Rights::Nobody, &words);
    assert_eq!(ran.stdout, format!("root\tbound\t{BOUND}\n"));
    assert!(is_gap(&ran), "{ran:?}");
    let quiet = world.connbox_as(Rights::Nobody, &[&words[..], &["--quiet-gaps"]].concat());
    assert_eq!(quiet.clean(), ran.stdout);
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
        // One socket that is being made, and one that is being closed.
        assert!((ran.status == 0 || is_gap(&ran)) && counts <= 2, "{ran:?}");
    }
}

/// A control group, removed when the value is dropped.
struct Group(PathBuf);

impl Group {
    /// Creates a control group. None if `test` is skipped.
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

    /// Its path from the root of the hierarchy, if the root is what is mounted.
    fn name(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_str().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may take a moment to leave.
        let end = Instant::now() + Duration::from_secs(10);
        while self.0.exists() && std::fs::remove_dir(&self.0).is_err() && Instant::now() < end {
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
    // The socket stays in the group where it was made; its process has moved to another.
    let parent = group.0.parent().unwrap().join("cgroup.procs");
    std::fs::write(parent, pid.to_string()).unwrap();
    let listening = world.connbox(&["conncount", "--state", "listen", "--by", "cgroup"]);
    check(listening, &format!("{name}\t1\n"));
    check(world.connbox(&["closedcalc", "--by", "cgroup"]), "/\tunbound\t1\n");
    drop(script);
    drop(group);
}

/// A container with a cgroup namespace of its own sees a part of the groups, and sockets of all of them.
#[test]
fn a_group_outside_the_cgroup_namespace_was_not_removed() {
    let test = "a_group_outside_the_cgroup_namespace_was_not_removed";
    if !needs(test, &["root", "mount namespaces", "mount", "unshare"]) {
        return;
    }
    let Some(group) = Group::make(test) else { return };
    let Some(inner) = Group::make(&format!("{test}-inner")) else { return };
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("listener");
    std::fs::write(group.0.join("cgroup.procs"), script.pid().to_string()).unwrap();
    assert_eq!(script.go(), "on");
    let (name, point) = (group.name(), group.0.parent().unwrap());
    for mount in ["umount -l \"$1\" && mount -t cgroup2 none \"$1\"", ":"] {
        let line = format!("{mount} && shift && exec \"$@\"");
        let enter = "echo $$ > \"$0/cgroup.procs\" && exec unshare -C -m sh -c \"$@\"";
        let inside = |words: &[&str]| {
            let inner = inner.0.to_str().unwrap();
            let begin = ["-c", enter, inner, &line, "sh", point.to_str().unwrap()];
            let connbox = world::connbox().to_str().unwrap();
            world.ran("sh", &[&begin[..], &[connbox], words].concat())
        };
        let by = inside(&["conncount", "--state", "listen", "--by", "cgroup"]);
        let rule = format!("[cgroup={name}];0;0");
        let checked = inside(&["network-connections", "--rule", &rule]);
        if mount == ":" {
            // What is mounted there still shows all groups, though from the top.
            assert_eq!(by.clean(), format!("{name}\t1\n"));
            assert_eq!((checked.status, checked.stderr.as_str()), (2, ""), "{checked:?}");
            continue;
        }
        let reason =
            "conncount: control groups outside the part of their tree that is mounted here";
        assert!(by.status == 1 && by.stderr.starts_with(reason), "{by:?}");
        let counted = "shown as 'unreachable', and counted only by --cgroup /\n";
        assert!(by.stderr.ends_with(counted), "{by:?}");
        assert!(checked.status == 3 && checked.stdout.contains("[UNKNOWN]"), "{checked:?}");
        let filtered = inside(&["conncount", "--cgroup", &name]);
        assert!(filtered.status == 1 && filtered.stderr.starts_with(reason), "{filtered:?}");
        // Nobody knows which pods the others are of.
        for option in ["pod", "container"] {
            let filtered = inside(&["conncount", &format!("--{option}"), "web"]);
            let counted = format!(", and counted by no --{option}\n");
            assert!(filtered.status == 1 && filtered.stderr.ends_with(&counted), "{filtered:?}");
            let checked =
                inside(&["network-connections", "--rule", &format!("[{option}=web];0;0")]);
            assert!(checked.status == 3 && checked.stdout.contains("[UNKNOWN]"), "{checked:?}");
        }
        // All groups are below the root: where no names are shown, nothing is missing.
        assert_eq!(inside(&["conncount", "--cgroup", "/"]).clean(), "1\n");
        assert_eq!(inside(&["conncount", "--cgroup", "/,/no/such"]).clean(), "1\n");
        let checked = inside(&["network-connections", "--rule", "[cgroup=/];0;0"]);
        assert!(checked.status == 2 && checked.stdout.contains(": 1 [CRITICAL]"), "{checked:?}");
        let named = inside(&["conncount", "--cgroup", "/", "--by", "cgroup"]);
        assert!(named.status == 1 && named.stdout.starts_with("unreachable:"), "{named:?}");
        assert!(
            named.stderr.ends_with(": their sockets are shown as 'unreachable'\n"),
            "{named:?}"
        );
    }
    drop(script);
}

/// Without a cgroup2 file system, numbers of groups have no names.
#[test]
fn a_group_without_a_file_system_is_not_that_of_its_process() {
    let test = "a_group_without_a_file_system_is_not_that_of_its_process";
    if !needs(test, &["root", "mount namespaces", "mount", "unshare"]) {
        return;
    }
    let Some(group) = Group::make(test) else { return };
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("listener");
    std::fs::write(group.0.join("cgroup.procs"), script.pid().to_string()).unwrap();
    assert_eq!(script.go(), "on");
    let point = group.0.parent().unwrap().to_str().unwrap();
    let number = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&group.0).unwrap());
    let line = "umount -l \"$0\" && exec \"$@\"";
    let connbox = world::connbox().to_str().unwrap();
    let words = ["conncount", "--state", "listen", "--by", "cgroup"];
    let begin = ["-m", "sh", "-c", line, point, connbox];
    let ran = world.ran("unshare", &[&begin[..], &words].concat());
    assert_eq!((ran.status, ran.stdout), (1, format!("unreachable:{number:x}\t1\n")));
    assert!(ran.stderr.contains("no cgroup2 file system is mounted"), "{}", ran.stderr);
    drop(script);
}

/// A group that was removed is shown as ss shows it, not as the one in which the process is today.
#[test]
fn a_control_group_that_was_removed_cannot_be_reached() {
    let test = "a_control_group_that_was_removed_cannot_be_reached";
    let Some(group) = Group::make(test) else { return };
    let Some(world) = World::quiet(test) else { return };
    let mut script = world.companion("listener");
    let pid = script.pid().to_string();
    std::fs::write(group.0.join("cgroup.procs"), &pid).unwrap();
    assert_eq!(script.go(), "on");
    let number = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&group.0).unwrap());
    let name = group.name();
    std::fs::write(group.0.parent().unwrap().join("cgroup.procs"), &pid).unwrap();
    drop(group);
    let conncount = |words: &[&str]| world.connbox(&[&["conncount"], words].concat());
    let shown = format!("unreachable:{number:x}");
    assert_eq!(conncount(&["--by", "cgroup"]).clean(), format!("{shown}\t1\n"));
    assert_eq!(conncount(&["--by", "cgroup", "--cgroup", "/"]).clean(), format!("{shown}\t1\n"));
    let ran = conncount(&["--cgroup", &name]);
    let said = format!("conncount: --cgroup: no control group found for '{name}'\n");
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), (0, "0\n", said));
    if can_use("ss") {
        let row = world.ran("ss", &["-Htln", "--cgroup"]).stdout;
        assert!(row.trim_end().ends_with(&format!("cgroup:{shown}")), "{row}");
    }
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
            "--from: cannot be combined with --by, but for rows of closedcalc --by: saved files do not say who holds a socket",
        ),
        (&["--root", "/"], "--root: cannot be combined with --by, which asks the running kernel"),
    ] {
        let ran = world::connbox_outside(&[&["closedcalc", "--by", "pid"], words].concat());
        let said = format!("closedcalc: {message}\n");
        assert_eq!((ran.status, ran.stdout, ran.stderr), (2, String::new(), said), "{words:?}");
    }
    for (keys, reason) in [
        (
            "uid",
            "'uid' is not a key; did you mean pid? The keys are process, pid, user, cgroup, pod, container",
        ),
        ("pid,user,pid", "'pid' is given twice"),
        ("pid,", "'pid,' is not a comma-separated list of words"),
    ] {
        let ran = world::connbox_outside(&["closedcalc", "--by", keys]);
        assert_eq!((ran.status, ran.stderr), (2, format!("closedcalc: --by: {reason}\n")));
    }
}
