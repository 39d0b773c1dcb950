//! `contrib/kubernetes`: each DaemonSet has the rights that it needs, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::container::root_of_image;
use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};
use crate::yaml::{documents, texts};

/// A DaemonSet: its file and name, and for each container its applet and capabilities.
struct Wanted {
    file: &'static str,
    name: &'static str,
    /// Whether it must see the processes of the node: for namespaces and holders of sockets (connbox-conncount(1)).
    host_pid: bool,
    containers: &'static [(&'static str, &'static [&'static str])],
    /// The directories of the node, and where they are mounted; `rw` or `ro`.
    mounts: &'static [(&'static str, &'static str, &'static str)],
}

const TEXTFILE: (&str, &str, &str) =
    ("/var/lib/node_exporter/textfile_collector", "/textfile", "rw");

const WANTED: [Wanted; 4] = [
    Wanted {
        file: "node/textfile.yaml",
        name: "connbox-textfile",
        host_pid: false,
        containers: &[("--textfile", &[])],
        mounts: &[TEXTFILE],
    },
    Wanted {
        file: "node/network-connections.yaml",
        name: "connbox-network-connections",
        host_pid: false,
        containers: &[("network-connections", &[])],
        mounts: &[TEXTFILE],
    },
    Wanted {
        file: "node/conntrackd.yaml",
        name: "connbox-conntrackd",
        host_pid: false,
        containers: &[("conntrackd", &["NET_ADMIN"]), ("conntrackd", &[])],
        mounts: &[TEXTFILE],
    },
    Wanted {
        file: "pods/pods.yaml",
        name: "connbox-pods",
        host_pid: true,
        containers: &[("conncount", &["DAC_READ_SEARCH", "SYS_ADMIN", "SYS_PTRACE"])],
        // In its own cgroup namespace, the container would see only its part of the groups.
        mounts: &[
            TEXTFILE,
            ("/sys/fs/cgroup", "/sys/fs/cgroup", "ro"),
            ("/var/log/containers", "/var/log/containers", "ro"),
        ],
    },
];

fn file(name: &str) -> String {
    format!("contrib/kubernetes/{name}")
}

fn readable(test: &str) -> bool {
    support::needs(test, &["python3", "yaml"])
}

fn pod(daemons: &Value) -> &Value {
    &daemons["spec"]["template"]["spec"]
}

#[test]
fn each_daemon_set_has_the_least_rights() {
    if !readable("each_daemon_set_has_the_least_rights") {
        return;
    }
    for wanted in &WANTED {
        let documents = documents(&file(wanted.file));
        let [daemons] = &documents[..] else { panic!("{}", wanted.file) };
        assert_eq!(daemons["kind"], "DaemonSet");
        assert_eq!(daemons["metadata"]["name"], wanted.name);
        let (template, labels) = (&daemons["spec"]["template"], "matchLabels");
        assert_eq!(daemons["spec"]["selector"][labels], template["metadata"]["labels"]);
        let pod = pod(daemons);
        // The sockets and flows are those of the node.
        assert_eq!(pod["hostNetwork"], true, "{}", wanted.name);
        assert_eq!(pod["hostPID"] == true, wanted.host_pid, "{}", wanted.name);
        assert_eq!(pod["hostIPC"], Value::Null);
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"], json!({"seccompProfile": {"type": "RuntimeDefault"}}));
        let containers = pod["containers"].as_array().unwrap();
        assert_eq!(containers.len(), wanted.containers.len());
        for (container, (applet, capabilities)) in containers.iter().zip(wanted.containers) {
            assert!(texts(&container["args"]).contains(applet), "{applet}: {container}");
            check_rights(container, capabilities, wanted.host_pid);
        }
        assert_eq!(mounts(pod), wanted.mounts.iter().copied().collect(), "{}", wanted.name);
    }
}

/// A container must have these capabilities, and nothing else that the system's default denies.
fn check_rights(container: &Value, capabilities: &[&str], sees_others: bool) {
    let mut wanted = json!({
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
    });
    if !capabilities.is_empty() {
        wanted["capabilities"]["add"] = json!(capabilities);
    }
    if sees_others {
        wanted["appArmorProfile"] = json!({"type": "Unconfined"});
    }
    // `privileged` would be one key more.
    assert_eq!(container["securityContext"], wanted, "{}", container["name"]);
    assert_eq!(container["image"], "connbox");
    assert!(container["resources"]["limits"]["memory"].is_string());
}

/// The directories of the node, where they are mounted, and how.
fn mounts(pod: &Value) -> BTreeSet<(&str, &str, &str)> {
    let mut mounts = BTreeSet::new();
    for volume in pod["volumes"].as_array().unwrap() {
        let Some(path) = volume["hostPath"]["path"].as_str() else {
            assert!(volume["emptyDir"].is_object(), "{volume}");
            continue;
        };
        for container in pod["containers"].as_array().unwrap() {
            let all = container["volumeMounts"].as_array().unwrap().iter();
            for mount in all.filter(|mount| mount["name"] == volume["name"]) {
                let how = if mount["readOnly"] == true { "ro" } else { "rw" };
                mounts.insert((path, mount["mountPath"].as_str().unwrap(), how));
            }
        }
    }
    mounts
}

#[test]
fn kustomize_finds_every_file_and_the_version() {
    if !readable("kustomize_finds_every_file_and_the_version") {
        return;
    }
    let mut named = BTreeSet::new();
    for folder in ["node", "pods"] {
        let documents = documents(&file(&format!("{folder}/kustomization.yaml")));
        let [all] = &documents[..] else { panic!("{documents:?}") };
        assert_eq!(all["namespace"], "connbox");
        let image =
            json!({"name": "connbox", "newName": "connbox", "newTag": env!("CARGO_PKG_VERSION")});
        assert_eq!(all["images"], json!([image]));
        named.extend(texts(&all["resources"]).into_iter().map(|name| format!("{folder}/{name}")));
    }
    let daemons = WANTED.iter().map(|wanted| wanted.file.to_owned());
    let others = ["node/namespace.yaml", "pods/../node"].map(str::to_owned);
    assert_eq!(named, daemons.chain(others).collect());
    let namespace = &documents(&file("node/namespace.yaml"))[0];
    assert_eq!(namespace["metadata"]["name"], "connbox");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");
}

/// Two files with equal series would lose those of one (connbox(1)), so each has a name and an applet of its own.
#[test]
fn every_command_line_is_accepted() {
    if !readable("every_command_line_is_accepted") {
        return;
    }
    let directory = scratch("kubernetes");
    let mut files = BTreeSet::new();
    for wanted in &WANTED {
        let daemons = &documents(&file(wanted.file))[0];
        for container in pod(daemons)["containers"].as_array().unwrap() {
            let words = texts(&container["args"]);
            let ["--textfile", "--interval", "60", path, rest @ ..] = &words[..] else {
                assert_eq!(words, ["conntrackd", "--foreground"]);
                continue;
            };
            let name = path.strip_prefix("/textfile/").unwrap();
            assert!(files.insert(name.to_owned()), "{name} is written twice");
            let mut command = support::command(CONNBOX);
            command.arg("--textfile").arg(directory.join(name)).args(rest);
            // 2 is a wrong command line; a daemon or a right may be missing here.
            let output = support::within(60, &mut command);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{words:?}: {output:?}");
            assert!(directory.join(name).exists(), "{words:?}");
        }
    }
    assert_eq!(files.len(), 4);
}

/// Runs the arguments $5... as a container of a pod would: root $1, the node's directory $2, capabilities $3, and the
/// node's control groups, if $4 says so. Only CAP_SYS_CHROOT is one more than there.
const CONTAINER: &str = r#"
    root=$1 textfile=$2 capabilities=$3 groups=$4
    shift 4
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --bind "$textfile" "$root/textfile"
    [ -z "$groups" ] || mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
    mount -o remount,bind,ro "$root"
    exec setpriv --bounding-set="-all,+sys_chroot$capabilities" --inh-caps=-all \
        chroot "$root" /usr/bin/connbox "$@""#;

/// What a container writes with the rights of its DaemonSet, and its status.
fn contained(root: &Path, folder: &Path, wanted: &Wanted) -> (Option<i32>, String, String) {
    let daemons = &documents(&file(wanted.file))[0];
    let container = &pod(daemons)["containers"][0];
    let words = texts(&container["args"]);
    // Once, instead of every minute.
    let words = [&words[..1], &words[3..]].concat();
    let capabilities = texts(&container["securityContext"]["capabilities"]["add"]);
    let capabilities: String =
        capabilities.iter().map(|name| format!(",+{}", name.to_lowercase())).collect();
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private"]);
    if !wanted.host_pid {
        unshare.args(["--pid", "--fork"]);
    }
    let groups = if mounts(pod(daemons)).len() > 1 { "yes" } else { "" };
    unshare.args(["bash", "-euc", CONTAINER, "bash"]).arg(root).arg(folder);
    let output = support::within(60, unshare.args([&capabilities, groups]).args(&words));
    let name = words[1].strip_prefix("/textfile/").unwrap();
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), text)
}

#[test]
fn the_rights_are_enough() {
    let test = "the_rights_are_enough";
    let things =
        ["bash", "chroot", "gzip", "mount", "root", "setpriv", "sha256sum", "tar", "unshare"];
    if !readable(test) || !support::needs(test, &things) {
        return;
    }
    if !support::needs(test, &["mount namespaces"]) {
        return;
    }
    let folder = scratch("rights");
    let root = root_of_image(&folder);
    for directory in ["proc", "sys/fs/cgroup", "textfile"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let textfile = folder.join("textfile");
    fs::create_dir(&textfile).unwrap();
    // At least one connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for wanted in WANTED.iter().filter(|wanted| wanted.name != "connbox-conntrackd") {
        let (status, said, text) = contained(&root, &textfile, wanted);
        // Namespaces of other tests come and go.
        let is_fine = status == Some(0) || wanted.host_pid && status == Some(1);
        assert!(is_fine, "{}: {status:?} {said}", wanted.name);
        let metric = match wanted.name {
            "connbox-textfile" => "connbox_conncount_sockets{",
            "connbox-network-connections" => "connbox_network_connections_result{",
            _ => "connbox_conncount_matching_sockets{netns=\"",
        };
        assert!(text.contains(metric), "{metric} is not in: {text}");
        assert!(!text.contains("unreachable:"), "{text}");
    }
}
