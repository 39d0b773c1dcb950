//! What a capture gives up after its start. What it then cannot do is tried in src/sys/sandbox.rs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::rows::wait;
use crate::world::{Rights, World, rights_of};

const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SYS_PTRACE: u64 = 1 << 19;

#[test]
fn a_capture_shows_processes_and_can_do_nothing_else() {
    let Some(world) = World::quiet("capture_sandbox") else { return };
    let mut script = world.companion("transfer");
    let words = ["tcptrack", "-i", "lo", "--interval", "0.3", "--tsv"];
    let (out, running) = world.connbox_running(&words);
    wait("the sandbox", || rights_of(running.pid()).2 == 2);
    let rights = (CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE, 1, 2);
    assert_eq!(rights_of(running.pid()), rights);
    script.go();
    // Threads and files of /proc tell the processes.
    let found = BufReader::new(out)
        .lines()
        .take(500)
        .find(|line| line.as_ref().unwrap().contains(&format!("\tcompanion\t{}", script.pid())));
    assert!(found.is_some());
    drop(running);
    let (_out, running) = world.connbox_running(&[&words[..], &["--no-sandbox"]].concat());
    let (capabilities, bound, filters) = rights_of(running.pid());
    assert!(capabilities & !rights.0 != 0 && [bound, filters] == [0, 0]);
    let ran = world.connbox(&["tcptrack", "--once", "--no-sandbox"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (2, "tcptrack: --no-sandbox: needs -i\n"));
}

/// Another process writes the file, since that needs rights.
#[test]
fn a_capture_writes_a_file_and_can_do_nothing_else() {
    let Some(world) = World::quiet("capture_output") else { return };
    let directory = std::env::temp_dir().join(format!("connbox-capture-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let file = directory.join("file");
    fs::write(&file, "old").unwrap();
    // Neither belongs to the one that runs.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    chown(&file, Some(4711), Some(4712)).unwrap();
    chown(&directory, Some(4711), Some(4712)).unwrap();
    let words = ["tcptrack", "-i", "lo", "--count", "3", "--interval", "0.3", "--header"];
    let words = [&words[..], &["--output", file.to_str().unwrap()]].concat();
    for (more, rights) in
        [(&[][..], Some((CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE, 1, 2))), (&["--no-sandbox"], None)]
    {
        fs::write(&file, "old").unwrap();
        let running = world.connbox_piped(Rights::Root, &[&words[..], more].concat());
        if let Some(rights) = rights {
            wait("the sandbox", || rights_of(running.id()).2 == 2);
            assert_eq!(rights_of(running.id()), rights);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        let ran = running.wait_with_output().unwrap();
        assert_eq!(
            (ran.status.code(), String::from_utf8(ran.stderr).unwrap()),
            (Some(0), "".into())
        );
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("time\tclient\t"), "{text}");
        let now = fs::metadata(&file).unwrap();
        assert_eq!((now.mode() & 0o7777, now.uid(), now.gid()), (0o640, 4711, 4712));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
    fs::remove_dir_all(directory).unwrap();
}

/// Where the run ends early, the old file stays, and no process.
#[test]
fn a_capture_that_is_ended_early_leaves_the_old_file() {
    let Some(world) = World::quiet("capture_early") else { return };
    let file = std::env::temp_dir().join(format!("connbox-early-{}", std::process::id()));
    fs::write(&file, "old").unwrap();
    let words = ["tcptrack", "-i", "lo", "--count", "9", "--output", file.to_str().unwrap()];
    let (_out, running) = world.connbox_running(&words);
    wait("the sandbox", || rights_of(running.pid()).2 == 2);
    let children = format!("/proc/{0}/task/{0}/children", running.pid());
    let children = fs::read_to_string(children).unwrap();
    let [writer] = children.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{children}")
    };
    let process = format!("/proc/{writer}/comm");
    assert_eq!(fs::read_to_string(&process).unwrap(), "connbox\n");
    drop(running);
    wait("the end of the writer", || fs::metadata(&process).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    let refused = [&words[..6], &["/nonexistent/file"]].concat();
    let ran = world.connbox(&refused);
    let wanted = "tcptrack: /nonexistent/file: No such file or directory\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (1, wanted));
    fs::remove_file(file).unwrap();
}

/// What the kernel lacks is no fault.
#[test]
fn a_refused_sandbox_is_said() {
    let test = "a_refused_sandbox_is_said";
    let Some(world) = World::quiet(test) else { return };
    let said = "tcptrack: the sandbox was refused, or a part of it: the capture keeps rights that it does not need; \
        --no-sandbox accepts that\n";
    let words = ["tcptrack", "-i", "lo", "--once", "--rate-interval", "0.1"];
    for (errno, more, said) in [
        (libc::EPERM, &[][..], said),
        (libc::EPERM, &["--no-sandbox"], ""),
        (libc::EINVAL, &[], ""),
    ] {
        let Some(rights) = Rights::without_filters(test, errno) else { return };
        let ran = world.connbox_as(rights, &[&words[..], more].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, said));
    }
}
