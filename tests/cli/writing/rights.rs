//! Who may read the new file: whoever could read the old one, and nobody else, at no moment.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::output::{OLD, root, start_long_run, wait_for_unnamed};
use crate::support;
use crate::support::scratch::{names_in, scratch};

const USER: u32 = 65_533;
const GROUP: u32 = 65_532;

/// A file with this owner, group and mode.
fn old_file(path: &Path, owner: u32, group: u32, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, OLD).unwrap();
    chown(path, Some(owner), Some(group)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `sh -c "BEFORE; exec … closedcalc --output FILE"`, and gives owner, group and mode of the new file.
fn replaced(before: &str, file: &Path) -> (u32, u32, u32) {
    let line = format!("{before} closedcalc -v tw --root {} --output {}", root(), file.display());
    let output = support::within(60, support::command("sh").args(["-c", &line]));
    assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
    assert_eq!(fs::read_to_string(file).unwrap(), "12\n");
    let now = fs::metadata(file).unwrap();
    (now.uid(), now.gid(), now.mode() & 0o7777)
}

#[test]
fn owner_and_mode_are_kept() {
    let test = "owner_and_mode_are_kept";
    if !support::needs(test, &["root"]) {
        return;
    }
    let file = scratch("kept").join("file");
    for umask in ["000", "022", "077"] {
        for (owner, group) in [(0, 0), (USER, GROUP), (0, GROUP), (USER, 0)] {
            for mode in [0o600, 0o640, 0o644, 0o666, 0o440, 0o604, 0o000] {
                old_file(&file, owner, group, mode);
                let now = replaced(&format!("umask {umask}; exec"), &file);
                assert_eq!(now, (owner, group, mode), "{umask} {mode:o}");
            }
        }
    }
    // A new file must not run with its owner's rights.
    old_file(&file, USER, GROUP, 0o6755);
    assert_eq!(replaced("exec", &file), (USER, GROUP, 0o755));
    assert_eq!(names_in(file.parent().unwrap()), ["file"]);
}

#[test]
fn the_rights_of_new_files_follow_the_umask_alone() {
    let directory = scratch("new");
    for (umask, mode) in [("000", 0o666), ("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let now = replaced(&format!("umask {umask}; exec"), &directory.join(umask));
        assert_eq!(now.2, mode, "{umask}");
    }
}

/// A directory of [`USER`] outside the project, which that user may not be able to enter; with the program.
fn open_place(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("connbox-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    support::copy_program(support::CONNBOX, directory.join("closedcalc"));
    chown(&directory, Some(USER), Some(USER)).unwrap();
    directory
}

#[test]
fn others_get_no_more_where_the_owner_cannot_be_kept() {
    let test = "others_get_no_more_where_the_owner_cannot_be_kept";
    if !support::needs(test, &["root", "setpriv"]) {
        return;
    }
    let directory = open_place("refused");
    let (file, text) = (directory.join("file"), directory.join("sockstat"));
    fs::copy(Path::new(&root()).join("proc/net/sockstat"), &text).unwrap();
    let member = format!("--groups {GROUP}");
    // The old file, whether the user is in its group, and the new file's group and mode.
    for (group, mode, groups, wanted) in [
        (0, 0o600, "--clear-groups", (USER, 0o600)),
        (0, 0o640, "--clear-groups", (USER, 0o600)),
        (0, 0o660, "--clear-groups", (USER, 0o600)),
        (0, 0o644, "--clear-groups", (USER, 0o644)),
        (0, 0o666, "--clear-groups", (USER, 0o666)),
        (0, 0o664, "--clear-groups", (USER, 0o644)),
        // Its group may less than the others, and would be among them.
        (0, 0o604, "--clear-groups", (USER, 0o600)),
        (GROUP, 0o640, &member, (GROUP, 0o640)),
        (GROUP, 0o604, &member, (GROUP, 0o604)),
        (GROUP, 0o640, "--clear-groups", (USER, 0o600)),
        (USER, 0o640, "--clear-groups", (USER, 0o640)),
    ] {
        old_file(&file, 0, group, mode);
        let mut command = support::command("setpriv");
        command.args(["--reuid", &USER.to_string(), "--regid", &USER.to_string()]);
        command.args(groups.split(' ')).arg(directory.join("closedcalc"));
        command.args(["-v", "tw", "--from"]).arg(&text).arg("--output").arg(&file);
        let output = support::within(60, &mut command);
        assert!(output.status.success() && output.stderr.is_empty(), "{mode:o}: {output:?}");
        let now = fs::metadata(&file).unwrap();
        let (group, mode) = (now.gid(), now.mode() & 0o7777);
        assert_eq!((now.uid(), (group, mode)), (USER, wanted), "{groups}");
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_replaces_a_private_file_is_private_while_it_is_written() {
    let directory = scratch("private");
    let file = directory.join("file");
    fs::write(&file, OLD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = start_long_run(&file);
    let unnamed = wait_for_unnamed(&child);
    assert_eq!(unnamed.mode() & 0o7777, 0o600);
    assert_eq!(names_in(&directory), ["file"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// An access control list as the kernel stores it: the owner, [`USER`], the group, the mask, others.
fn list(user: u16, group: u16, others: u16) -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, user, USER),
        (0x04, group, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, others, u32::MAX),
    ];
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

const ACCESS: &str = "system.posix_acl_access";

fn list_of(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let length = getxattr(file, ACCESS, &mut bytes[..]).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[test]
fn an_access_control_list_is_kept_and_none_is_added() {
    let test = "an_access_control_list_is_kept_and_none_is_added";
    let directory = scratch("list");
    let (file, empty) = (directory.join("file"), XattrFlags::empty());
    // The mode shows the mask as the group's rights, and the group itself may have none.
    for wanted in [list(4, 0, 0), list(0, 4, 4)] {
        let _ = fs::remove_file(&file);
        fs::write(&file, OLD).unwrap();
        if let Err(error) = setxattr(&file, ACCESS, &wanted, empty) {
            return support::lacks(test, "access control lists", &error.to_string());
        }
        let mode = fs::metadata(&file).unwrap().mode() & 0o7777;
        assert_eq!(replaced("umask 000; exec", &file).2, mode);
        assert_eq!(list_of(&file), Some(wanted));
    }
    // New files of this directory get a list, but not one that replaces a file without a list.
    setxattr(&directory, "system.posix_acl_default", &list(6, 6, 4), empty).unwrap();
    let _ = fs::remove_file(&file);
    fs::write(&file, OLD).unwrap();
    rustix::fs::removexattr(&file, ACCESS).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(replaced("exec", &file).2, 0o640);
    assert_eq!(list_of(&file), None);
    fs::remove_file(&file).unwrap();
    replaced("umask 077; exec", &file);
    assert!(list_of(&file).is_some(), "a new file gets the list");
}
