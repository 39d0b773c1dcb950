//! File systems: those that can hold a file without a name, and the others.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::output::{OLD, root};
use crate::support;
use crate::support::scratch::{names_in, scratch};
use crate::sys::{self, Ban};

/// The ways in which a file without a name is impossible, each with a system call that then fails.
fn bans() -> Option<Vec<Ban>> {
    let refused = [libc::EOPNOTSUPP, libc::EISDIR, libc::EINVAL, libc::ENOENT];
    let tmpfile = refused.into_iter().map(sys::tmpfile_ban);
    // The file can be had but not be linked.
    tmpfile.chain([libc::EPERM, libc::EACCES, libc::EOPNOTSUPP].map(sys::link_ban)).collect()
}

/// A run of an applet on the saved kernel under a ban.
fn banned(ban: Ban, words: &[&str], file: &Path) -> Command {
    let mut command = support::command(support::CONNBOX);
    command.args(words).args(["--root", &root(), "--output"]).arg(file);
    sys::before_exec(&mut command, move || sys::apply_ban(&ban));
    command
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_file_is_whole_where_none_can_be_without_a_name() {
    let test = "a_file_is_whole_where_none_can_be_without_a_name";
    let Some(bans) = bans() else {
        return support::lacks(test, "seccomp", "the tests have no program for this processor");
    };
    let directory = scratch("whole");
    let file = directory.join("x".repeat(255));
    // Some kilobytes, and more than is kept in memory.
    for count in ["1", "60"] {
        let words = ["snmpget-tcp", "--all", "--explain", "--interval", "0.001", "--count", count];
        for ban in &bans {
            let _ = fs::remove_file(&file);
            for mode in [0o644, 0o600, 0o604] {
                assert_done(&support::within(60, &mut banned(*ban, &words, &file)));
                let text = fs::read_to_string(&file).unwrap();
                let times = text.lines().filter(|line| line.contains("\tTcpActiveOpens\t"));
                assert_eq!(times.count().to_string(), count);
                assert!(text.ends_with('\n') && (count == "1") == (text.len() < 1 << 20));
                assert_eq!(names_in(&directory).len(), 1);
                // The next run keeps this mode.
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            }
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o604);
        }
    }
}

/// Starts a run without an end, and waits until `is_so`.
fn start(ban: Ban, file: &Path, is_so: impl Fn(&Child) -> bool) -> Child {
    let words = ["snmpget-tcp", "--all", "--interval", "0.001", "--count", "1000000"];
    let child = banned(ban, &words, file).stdout(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so(&child) {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(1));
    }
    child
}

/// The size of the file in memory to which a process writes.
fn in_memory(child: &Child) -> Option<u64> {
    let files = fs::read_dir(format!("/proc/{}/fd", child.id())).ok()?;
    let of_memory =
        |path: &Path| fs::read_link(path).ok()?.to_str()?.strip_prefix("/memfd:").map(drop);
    let mut files = files.flatten().map(|file| file.path());
    let file = files.find(|path| of_memory(path).is_some())?;
    Some(fs::metadata(file).ok()?.len())
}

#[test]
fn a_run_that_ends_early_leaves_at_most_a_long_and_hidden_file() {
    let test = "a_run_that_ends_early_leaves_at_most_a_long_and_hidden_file";
    let Some(ban) = sys::tmpfile_ban(libc::EOPNOTSUPP) else {
        return support::lacks(test, "seccomp", "the tests have no program for this processor");
    };
    let directory = scratch("early");
    let file = directory.join("file.prom");
    fs::write(&file, OLD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    // As long as everything is in memory, nothing remains.
    let mut child = start(ban, &file, |child| in_memory(child).is_some_and(|size| size > 0));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names_in(&directory), ["file.prom"]);
    // Later there is a second name, which a reader of *.prom does not take.
    let mut child = start(ban, &file, |_| names_in(&directory).len() == 2);
    let names = names_in(&directory);
    let temporary = &names[0];
    assert!(temporary.starts_with(".connbox-") && temporary.ends_with(".tmp"), "{names:?}");
    assert!(!temporary.contains(&child.id().to_string()), "{temporary}");
    assert_eq!(fs::metadata(directory.join(temporary)).unwrap().mode() & 0o7777, 0o600);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names_in(&directory), names);
    assert_eq!(fs::read_to_string(&file).unwrap(), OLD);
    // Later runs leave it alone: it is not theirs.
    let words = ["closedcalc", "-v", "tw"];
    assert_done(&support::within(60, &mut banned(ban, &words, &file)));
    assert_eq!(fs::read_to_string(&file).unwrap(), "12\n");
    assert_eq!(names_in(&directory), names);
}

/// In its own mount namespace: a file system over a directory, a new file, and one that replaces another.
const MOUNTED: &str = "
    mkdir -p \"$1/up\" \"$1/work\" \"$1/low\" \"$1/on\" || exit 99
    umask 022
    echo old > \"$1/low/low\" && chmod 600 \"$1/low/low\" || exit 99
    case $3 in
        overlay) mount -t overlay -o \"lowerdir=$1/low,upperdir=$1/up,workdir=$1/work\" none \"$1/on\" ;;
        *) mount -t \"$3\" -o mode=755 none \"$1/on\" ;;
    esac || exit 98
    cd \"$1/on\" || exit 99
    [ -e low ] || { echo old > low && chmod 600 low; } || exit 99
    for file in new new low; do
        closedcalc -v tw --root \"$2\" --output $file || exit
    done
    cat new low
    stat -c %a new low
    ls -A";

#[test]
fn it_works_on_every_file_system() {
    let test = "it_works_on_every_file_system";
    if !support::needs(test, &["unshare", "mount", "mount namespaces"]) {
        return;
    }
    for kind in ["tmpfs", "ramfs", "overlay"] {
        // An upper directory cannot be on another overlay.
        let directory = std::env::temp_dir().join(format!("connbox-{}-{kind}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut command = support::command("unshare");
        command.args(["--mount", "sh", "-c", MOUNTED, "sh"]).arg(&directory);
        let output = support::within(60, command.arg(root()).arg(kind));
        if output.status.code() == Some(98) {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            support::lacks(test, "mount namespaces", &format!("{kind}: {why}"));
        } else {
            assert_done(&output);
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed, "12\n12\n644\n600\nlow\nnew\n", "{kind}");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
