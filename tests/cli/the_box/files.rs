//! Files that connbox reads without being told their names: only regular ones, so that nothing waits or acts.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::calls::root;
use crate::support;
use crate::support::scratch::scratch;

/// What reads each file of a saved kernel.
const READERS: [(&str, &str); 13] = [
    ("proc/net/sockstat", "sockstat"),
    ("proc/net/sockstat6", "sockstat"),
    ("proc/net/tcp", "tcpstates"),
    ("proc/net/tcp6", "tcpstates"),
    ("proc/net/udp", "conncount -u"),
    ("proc/net/udp6", "conncount -u"),
    ("proc/net/snmp", "snmpget-tcp"),
    ("proc/net/netstat", "snmpget-tcp --all"),
    ("proc/net/sockstat", "closedcalc"),
    ("proc/net/tcp", "network-connections"),
    ("proc/net/stat/nf_conntrack", "conntrack -S"),
    ("etc/services", "conncount -t --by service"),
    ("etc/passwd", "conncount -t --by user"),
];

/// Puts something that is not a regular file at `place`.
fn put(place: &Path, what: &str) -> Option<UnixListener> {
    let _ = fs::remove_dir(place);
    let _ = fs::remove_file(place);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    match what {
        "fifo" => assert!(Command::new("mkfifo").arg(place).status().unwrap().success()),
        "link to a fifo" => symlink("/proc/self/fd/0", place).unwrap(),
        "directory" => fs::create_dir(place).unwrap(),
        "socket" => {
            // The path itself may be too long for an address.
            let folder = fs::File::open(place.parent().unwrap()).unwrap();
            let name = place.file_name().unwrap().to_str().unwrap();
            let near = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
            return Some(UnixListener::bind(near).unwrap());
        }
        device => symlink(device, place).unwrap(),
    }
    None
}

/// A copy of the saved kernel in which one file is `what`.
fn tree(file: &str, what: &str) -> (PathBuf, Option<UnixListener>) {
    let tree = scratch("tree");
    for entry in fs::read_dir(Path::new(&root()).join("proc/net")).unwrap() {
        let entry = entry.unwrap();
        fs::create_dir_all(tree.join("proc/net")).unwrap();
        fs::copy(entry.path(), tree.join("proc/net").join(entry.file_name())).unwrap();
    }
    let held = put(&tree.join(file), what);
    (tree, held)
}

#[test]
fn what_is_not_a_regular_file_in_a_tree_is_refused() {
    if !support::needs("what_is_not_a_regular_file_in_a_tree_is_refused", &["mkfifo"]) {
        return;
    }
    for what in ["fifo", "link to a fifo", "/dev/zero", "/dev/null", "directory", "socket"] {
        for (file, words) in READERS {
            let (tree, _held) = tree(file, what);
            let mut command = support::command(support::CONNBOX);
            command.args(words.split(' ')).arg("--root").arg(&tree);
            // An open pipe that stays silent.
            let (reader, _writer) = std::io::pipe().unwrap();
            let output = support::within_and(20, &mut command, reader);
            // A check prints its errors on standard output.
            let said = [output.stderr, output.stdout].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            let wanted = format!("{}: is not a regular file\n", tree.join(file).display());
            assert!(said.contains(&wanted), "{words}, {what}: {said}");
            assert!(matches!(output.status.code(), Some(1 | 3)), "{words}, {what}: {said}");
        }
    }
}

#[test]
fn a_namespace_that_is_not_one_is_not_waited_for() {
    if !support::needs("a_namespace_that_is_not_one_is_not_waited_for", &["mkfifo"]) {
        return;
    }
    let place = scratch("netns").join("ns");
    for what in ["fifo", "/dev/zero", "directory", "socket", "/etc/passwd"] {
        let _held = put(&place, what);
        let mut command = support::command(support::CONNBOX);
        command.args(["tcpstates", "--netns"]).arg(&place);
        let output = support::within(20, &mut command);
        let wanted = format!("tcpstates: {}: not a network namespace\n", place.display());
        assert_eq!(String::from_utf8_lossy(&output.stderr), wanted, "{what}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_pipe_that_is_named_to_be_read_is_waited_for() {
    if !support::needs("a_pipe_that_is_named_to_be_read_is_waited_for", &["mkfifo", "bash"]) {
        return;
    }
    let fifo = scratch("named").join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let file = Path::new(&root()).join("proc/net/sockstat");
    let line = format!(
        "{{ sleep 0.3; cat {}; }} > {1} & closedcalc -v tw --from {1}",
        file.display(),
        fifo.display()
    );
    let output = support::within(60, support::command("bash").args(["-c", &line]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "12\n", "{output:?}");
}
