//! A program with more rights than its caller (set-user-ID, set-group-ID, capabilities) writes no files for the
//! caller, and reads none that the caller may not read.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::calls::root;
use crate::support;
use crate::support::scratch::names_in;

/// The caller.
const USER: &str = "65533";

/// A folder that the caller may write, with a program in it, removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    /// None if `test` is skipped.
    fn make(test: &str) -> Option<Folder> {
        if !support::needs(test, &["root", "setpriv"]) {
            return None;
        }
        // Outside the project, which the caller may not be able to enter.
        let path = std::env::temp_dir().join(format!("connbox-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        support::copy_program(support::CONNBOX, path.join("connbox"));
        let read = |name| fs::read(Path::new(&root()).join("proc/net").join(name)).unwrap();
        fs::write(path.join("sockstat"), ["sockstat", "sockstat6"].map(read).concat()).unwrap();
        fs::write(path.join("config"), "General {\n}\n").unwrap();
        Some(Folder(path))
    }

    /// Runs the program, whose file has this mode, for the caller: the status, and what it says.
    fn run(&self, mode: u32, words: &str, tree: &str) -> (Option<i32>, String) {
        let program = self.0.join("connbox");
        chown(&program, Some(0), Some(0)).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = support::command("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(&program);
        command.args(words.split(' ')).current_dir(&self.0);
        if !tree.is_empty() {
            command.env("CONNBOX_ROOT", tree);
        }
        let output = support::within(60, &mut command);
        // A check says what is wrong on its standard output.
        let said = if words.contains("--test") { output.stdout } else { output.stderr };
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Whether set-user-ID has an effect there.
    fn lends_rights(&self, test: &str) -> bool {
        let is_refused = self.run(0o4755, "closedcalc --from sockstat --output x", "").0 != Some(0);
        if !is_refused {
            support::lacks(test, "root", "set-user-ID has no effect there");
        }
        is_refused
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_program_with_borrowed_rights_writes_no_files() {
    let test = "a_program_with_borrowed_rights_writes_no_files";
    let Some(folder) = Folder::make(test) else { return };
    let before = names_in(&folder.0);
    if !folder.lends_rights(test) {
        return;
    }
    const WHY: &str = "refused: set-user-ID, set-group-ID or capabilities give this program more rights than you have";
    for (words, tree, subject) in [
        ("closedcalc --from sockstat --output out", "", "closedcalc: out"),
        ("network-connections --output out", "", "network-connections: out"),
        ("--textfile out.prom closedcalc", "", "connbox: out.prom"),
        ("--install .", "", "connbox: ."),
        ("--install --force . conncount", "", "connbox: ."),
        ("--uninstall .", "", "connbox: ."),
        ("closedcalc", "/nonexistent", "closedcalc: CONNBOX_ROOT"),
        ("closedcalc --root /nonexistent", "", "closedcalc: --root"),
        ("conntrackd --socket /tmp/no-such/socket", "", "conntrackd: the daemon"),
        ("conntrackd -d -C config", "", "conntrackd: the daemon"),
    ] {
        for mode in [0o4755, 0o2755] {
            let (status, said) = folder.run(mode, words, tree);
            assert_eq!(said, format!("{subject}: {WHY}\n"), "{words}");
            assert!(matches!(status, Some(1 | 3)), "{words}");
            assert_eq!(names_in(&folder.0), before, "{words}");
        }
    }
    // What writes nothing works, and without such rights everything does.
    assert_eq!(folder.run(0o4755, "closedcalc --from sockstat", ""), (Some(0), String::new()));
    let writes = "closedcalc --from sockstat --output out";
    assert_eq!(folder.run(0o755, writes, ""), (Some(0), String::new()));
    assert!(folder.0.join("out").exists());
}

#[test]
fn a_program_with_borrowed_rights_reads_what_its_caller_may_read() {
    let test = "a_program_with_borrowed_rights_reads_what_its_caller_may_read";
    let Some(folder) = Folder::make(test) else { return };
    if !folder.lends_rights(test) {
        return;
    }
    // The caller may not read it.
    fs::write(folder.0.join("private"), "TCP: inuse 7 secret\n").unwrap();
    fs::set_permissions(folder.0.join("private"), fs::Permissions::from_mode(0o600)).unwrap();
    for words in [
        "closedcalc --from private",
        "tcptrack -T private",
        "network-connections --test private,,0",
        "conntrackd -s -C private",
    ] {
        let (status, said) = folder.run(0o4755, words, "");
        assert!(said.contains("Permission denied") && !said.contains("secret"), "{words}: {said}");
        assert!(matches!(status, Some(1 | 3)), "{words}");
    }
    // Afterwards it has its rights again: other users' processes can be seen.
    let (status, said) = folder.run(0o4755, "conncount --process no-such", "");
    assert!(status == Some(0) || said.contains("forbidden although"), "{status:?} {said}");
}

/// What root's daemon tells and does, it tells and does to those who may open its socket.
#[test]
fn a_program_with_borrowed_rights_asks_no_daemon_that_its_caller_may_not_ask() {
    let test = "a_program_with_borrowed_rights_asks_no_daemon_that_its_caller_may_not_ask";
    let Some(folder) = Folder::make(test) else { return };
    if !folder.lends_rights(test) {
        return;
    }
    let path = folder.0.join("socket");
    let daemon = UnixListener::bind(&path).unwrap();
    daemon.set_nonblocking(true).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for command in ["-s", "-i", "-R", "-k", "-s runtime"] {
        let words = format!("conntrackd {command} --socket {}", path.display());
        let (status, said) = folder.run(0o4755, &words, "");
        assert!(status == Some(1) && said.contains("Permission denied"), "{command}: {said}");
        assert_eq!(daemon.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{command}");
    }
}

/// Messages are those about a file that does not exist.
#[test]
fn a_program_with_borrowed_rights_does_not_tell_what_exists() {
    let test = "a_program_with_borrowed_rights_does_not_tell_what_exists";
    let Some(folder) = Folder::make(test) else { return };
    if !folder.lends_rights(test) {
        return;
    }
    let hidden = folder.0.join("hidden");
    fs::create_dir_all(hidden.join("there")).unwrap();
    fs::write(hidden.join("file"), "").unwrap();
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700)).unwrap();
    for words in [
        "conncount --from PATH",
        "conncount --netns PATH",
        "conncount PATH",
        "conncount --by pod --pods PATH",
        "closedcalc --by pod PATH",
        "conntrack -L --from PATH",
        "conntrackd -s -C PATH",
        "conntrackd -s --socket PATH",
        "network-connections --test PATH,,0",
        "tcptrack PATH",
        "tcptrack -r PATH",
        "tcptrack -T PATH",
        "tcptrack --once --netns PATH",
        "--textfile PATH closedcalc",
        "--install PATH",
    ] {
        let said = |name: &str| {
            let path = format!("hidden/{name}");
            let (status, said) = folder.run(0o4755, &words.replace("PATH", &path), "");
            (status, said.replace(&path, "PATH"))
        };
        let nothing = said("nothing");
        assert_ne!(nothing.0, Some(0), "{words}");
        assert_eq!(said("there"), nothing, "{words}");
        assert_eq!(said("file"), nothing, "{words}");
    }
}
