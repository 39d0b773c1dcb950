//! `--by pod,container` on control groups of this kernel, in the shapes of every runtime: both versions, and names from
//! the links of kubelet and from a list of pods.

use crate::support::scratch::scratch;
use crate::support::{lacks, needs};
use crate::world::{self, Ran, World};

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const UID: &str = "6b1e7a0c-21d3-4a5f-9c8e-0f1a2b3c4d5e";
/// What a digit in front makes the ID of a container.
const ID: &str = "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A path in which `U` stands for the UID, `S` for the UID in systemd's slices, and `I` for an ID without its first digit.
fn made(shape: &str) -> String {
    shape.replace('U', UID).replace('S', &UID.replace('-', "_")).replace('I', ID)
}

/// Control groups below one of our own, removed when the value is dropped.
struct Tree {
    top: PathBuf,
    groups: Vec<PathBuf>,
}

impl Tree {
    /// A tree in a hierarchy: in that of cgroup2, or in one of cgroup v1 that needs no settings for a new group.
    fn make(test: &str, kind: &str) -> Option<Tree> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let is_it = |words: &Vec<&str>| {
            let fields = words.rsplitn(4, |word| *word == "-").next().unwrap();
            let is_easy = |options: &&str| !options.contains("cpuset");
            fields.first() == Some(&kind) && fields.last().is_some_and(is_easy)
        };
        let Some(words) = lines.find(is_it) else {
            lacks(test, "control groups", &format!("no {kind} is mounted"));
            return None;
        };
        let top = Path::new(words[4]).join(format!("connbox-{test}-{}", std::process::id()));
        match fs::create_dir(&top) {
            Ok(()) => Some(Tree { top, groups: Vec::new() }),
            Err(error) => {
                lacks(test, "control groups", &error.to_string());
                None
            }
        }
    }

    /// Makes the group of a path, and moves a process there.
    fn enter(&mut self, path: &str, pid: u32) {
        let mut group = self.top.clone();
        for part in made(path).split('/') {
            group.push(part);
            if fs::create_dir(&group).is_ok() {
                self.groups.push(group.clone());
            }
        }
        fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The last process may take a moment to leave.
        let end = Instant::now() + Duration::from_secs(10);
        for group in self.groups.iter().rev().chain([&self.top]) {
            while fs::remove_dir(group).is_err() && group.exists() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// The rows of a run, which may say that some process of this machine is closed to it.
fn rows(ran: &Ran) -> BTreeSet<String> {
    let is_clean = (ran.status, ran.stderr.as_str()) == (0, "");
    assert!(is_clean || ran.status == 1 && ran.stderr.contains("cannot be read"), "{ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

fn wanted(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| made(row)).collect()
}

/// Each runtime's shape, the first digit of the container's ID as `made` has it, and what is shown.
const SHAPES: [(&str, &str); 9] = [
    (
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podS.slice/cri-containerd-0I.scope",
        "U\t0I\t1",
    ),
    ("kubepods.slice/kubepods-podS.slice/crio-1I.scope", "U\t1I\t1"),
    ("kubepods/besteffort/podU/2I", "U\t2I\t1"),
    ("kubepods/podU/crio-3I", "U\t3I\t1"),
    ("system.slice/docker-4I.scope", "-\t4I\t1"),
    ("docker/5I", "-\t5I\t1"),
    ("machine.slice/libpod-6I.scope/container", "-\t6I\t1"),
    ("user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-7I.scope", "-\t7I\t1"),
    ("system.slice/kubepods-podS.slice:cri-containerd:8I", "U\t8I\t1"),
];

const BY: [&str; 5] = ["conncount", "--state", "listen", "--by", "pod,container"];

/// A process of each shape listens in a world of its own.
fn listeners(test: &str, kind: &str) -> Option<(World, Tree, Vec<world::Script>)> {
    let mut tree = Tree::make(test, kind)?;
    let world = World::quiet(test)?;
    let mut scripts = Vec::new();
    for (path, _) in SHAPES {
        let mut script = world.companion("listener");
        tree.enter(path, script.pid());
        assert_eq!(script.go(), "on");
        scripts.push(script);
    }
    Some((world, tree, scripts))
}

#[test]
fn every_runtime_and_driver_is_known_in_both_versions() {
    let test = "every_runtime_and_driver_is_known_in_both_versions";
    for kind in ["cgroup2", "cgroup"] {
        let Some((world, tree, scripts)) = listeners(test, kind) else { continue };
        let all: Vec<&str> = SHAPES.iter().map(|(_, row)| *row).collect();
        assert_eq!(rows(&world.connbox(&BY)), wanted(&all), "{kind}");
        let by_pod = world.connbox(&["conncount", "--state", "listen", "--by", "pod"]);
        assert_eq!(rows(&by_pod), wanted(&["U\t5", "-\t4"]), "{kind}");
        // Each has a socket that is in no table.
        let closed = rows(&world.connbox(&["closedcalc", "--by", "pod,container"]));
        let unbound = |row: &&str| [row.strip_suffix("1").unwrap(), "unbound\t1"].concat();
        let unbound: Vec<String> = all.iter().map(unbound).collect();
        let unbound: Vec<&str> = unbound.iter().map(String::as_str).collect();
        assert_eq!(closed, wanted(&unbound), "{kind}");
        // The scripts end first, then their groups.
        drop(scripts);
        drop(tree);
    }
}

#[test]
fn connections_are_of_pods_too() {
    let test = "connections_are_of_pods_too";
    for kind in ["cgroup2", "cgroup"] {
        let Some(mut tree) = Tree::make(test, kind) else { continue };
        let Some(world) = World::quiet(test) else { return };
        let mut script = world.companion("transfer");
        let (path, pod) = SHAPES[3];
        tree.enter(path, script.pid());
        script.go();
        let by = ["--by", "pod,container", "--rate-interval", "0.2"];
        let found = rows(&world.connbox(&[&["tcptrack", "--once"], &by[..]].concat()));
        let [row] = found.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
            panic!("{kind}: {found:?}")
        };
        let pod = made(pod.strip_suffix('1').unwrap());
        assert!(row.starts_with(&(pod + "2\t")), "{kind}: {row}");
        drop(script);
    }
}

#[test]
fn names_are_those_of_links_and_lists() {
    let test = "names_are_those_of_links_and_lists";
    if !needs(test, &["root", "mount namespaces", "mount", "unshare"]) {
        return;
    }
    let Some((world, tree, scripts)) = listeners(test, "cgroup2") else { return };
    let list = scratch(test).join("pods.json");
    let pod = serde_json::json!({"items": [{
        "metadata": {"namespace": "shop", "name": "web-0", "uid": UID},
        "status": {"containerStatuses": [{"name": "nginx", "containerID": made("cri-o://1I")}]},
    }]});
    fs::write(&list, pod.to_string()).unwrap();
    let with_list = ["--pods", list.to_str().unwrap()];
    let ran = world.connbox(&[&BY[..], &with_list].concat());
    let named =
        ["shop/web-0\tnginx\t1", "shop/web-0\t0I\t1", "shop/web-0\t2I\t1", "shop/web-0\t3I\t1"];
    let found = rows(&ran);
    assert!(wanted(&named).is_subset(&found) && found.len() == SHAPES.len(), "{ran:?}");
    // Links of kubelet: of the container 0I, whose pod the others are of.
    let line = "mount -t tmpfs none /var/log && mkdir /var/log/containers && \
        ln -s \"$0\" \"/var/log/containers/$1\" && shift && exec \"$@\"";
    let (target, name) = (made("/var/log/pods/a_b_U/c/0.log"), made("b_a_c-0I.log"));
    let connbox = world::connbox().to_str().unwrap();
    let begin = ["-m", "sh", "-c", line, &target, &name, connbox];
    let found = rows(&world.ran("unshare", &[&begin[..], &BY].concat()));
    assert!(wanted(&["a/b\tc\t1", "a/b\t1I\t1"]).is_subset(&found), "{found:?}");
    // The list is the newer one.
    let found = rows(&world.ran("unshare", &[&begin[..], &BY, &with_list].concat()));
    assert!(wanted(&["shop/web-0\tc\t1", "shop/web-0\tnginx\t1"]).is_subset(&found), "{found:?}");
    drop(scripts);
    drop(tree);
}

#[test]
fn sockets_are_chosen_by_pod_and_container() {
    let test = "sockets_are_chosen_by_pod_and_container";
    let list = scratch(test).join("pods.json");
    let pod = serde_json::json!({"items": [{
        "metadata": {"namespace": "shop", "name": "web-0", "uid": UID},
        "status": {"containerStatuses": [{"name": "nginx", "containerID": made("cri-o://1I")}]},
    }]});
    fs::write(&list, pod.to_string()).unwrap();
    let list = list.to_str().unwrap();
    for kind in ["cgroup2", "cgroup"] {
        let Some((world, tree, scripts)) = listeners(test, kind) else { continue };
        // A number, and the remark on a word that means nothing.
        let counts = |option: &str, value: &str, count: &str, remark: &str| {
            let value = made(value);
            let words = ["--pods", list, option, &value, "--state", "listen"];
            let ran = world.connbox(&[&["conncount"], &words[..]].concat());
            assert_eq!(ran.stdout.trim_end(), count, "{kind} {value}");
            assert!(ran.stderr.contains(remark), "{ran:?}");
            let ran = world.connbox(&[&["tcpstates", "listen", "-v"], &words[..4]].concat());
            assert_eq!(ran.stdout.trim_end(), count, "{kind} {value}");
            let rule = format!("[pods={list},{}={value},state=listen];@{count};", &option[2..]);
            let ran = world.connbox(&["network-connections", "--rule", &rule]);
            assert!(ran.status == 1 || ran.stdout.contains("[UNKNOWN]"), "{ran:?}");
            assert!(ran.stdout.contains(remark.trim_start_matches("--pod: ")), "{ran:?}");
        };
        counts("--pod", "shop/web-0", "5", "");
        counts("--pod", "web-0", "5", "");
        counts("--pod", "!web-0", "4", "");
        counts("--container", "nginx", "1", "");
        counts("--container", "nginx,5I", "2", "");
        counts("--container", &made("7I")[..12], "1", "");
        counts("--container", "!nginx,!4I", "7", "");
        counts("--pod", "web", "0", "--pod: no pod found for 'web'");
        counts("--pod", UID, "5", "");
        drop(scripts);
        drop(tree);
    }
}

#[test]
fn a_list_that_is_none_is_refused() {
    let folder = scratch("refused");
    let shape = "is not a list of pods in JSON, as kubectl get pods -A -o json writes it";
    for (text, place, reason) in [
        ("", ":1", shape),
        ("{\n]", ":2", shape),
        ("[]", "", shape),
        (r#"{"items": [{}]}"#, "", shape),
        (r#"{"items": [{"metadata": {"name": "a", "uid": "b"}}]}"#, "", shape),
    ] {
        let file = folder.join("pods.json");
        fs::write(&file, text).unwrap();
        let ran = world::connbox_outside(&[&BY[..], &["--pods", file.to_str().unwrap()]].concat());
        let told = format!("conncount: {}{place}: {reason}\n", file.display());
        assert_eq!((ran.status, ran.stderr), (1, told), "{text}");
    }
    let missing = world::connbox_outside(&[&BY[..], &["--pods", "/no/such/file"]].concat());
    assert_eq!((missing.status, missing.stdout.as_str()), (1, ""), "{missing:?}");
    let top = ["conncount", "--netns", "all", "--top", "2"];
    let states = ["tcpstates", "--by", "cgroup"];
    for words in [
        &["conncount", "--by", "cgroup"][..],
        &["conncount"],
        &["closedcalc"],
        &top,
        &["tcpstates"],
        &states,
    ] {
        let ran = world::connbox_outside(&[words, &["--pods", "a"]].concat());
        let reason =
            "--pods: needs pod or container, as a key of --by or a filter, whose names it gives\n";
        assert!(ran.status == 2 && ran.stderr.ends_with(reason), "{ran:?}");
    }
    let rules = ["--rule", "[pods=-,pod=a]", "--rule", "LISTEN"];
    let ran = world::connbox_outside(&[&["network-connections"], &rules[..]].concat());
    let reason =
        "--pods: - cannot be combined with several rules: standard input can be read only once";
    assert!(ran.status == 3 && ran.stderr.contains(reason), "{ran:?}");
    for words in [&BY[..], &["closedcalc", "--by", "pod"], &["tcpstates", "--pod", "a"]] {
        let ran = world::connbox_outside(&[words, &["--pods", "-", "--interval", "1"]].concat());
        let reason =
            "--pods: standard input can be read only once; save it to a file, and name that\n";
        assert!(ran.status == 2 && ran.stderr.ends_with(reason), "{ran:?}");
    }
}
