//! What all test programs share: the path of connbox, how to run it, and how to skip a test visibly.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod needs;
pub mod scratch;
pub mod terminal;

#[allow(unused_imports, reason = "each test program uses its own part")]
pub use needs::*;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const CONNBOX: &str = env!("CARGO_BIN_EXE_connbox");

/// The directory of saved kernels; each can be used with `--root`.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A saved kernel of `tests/fixtures`.
pub fn world(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// The applets whose default output is a table: those that do not have the name of an existing tool.
pub fn tables() -> Vec<String> {
    let tables = connbox::applet::APPLETS.into_iter().filter(|applet| applet.original.is_none());
    tables.map(|applet| applet.name.to_owned()).collect()
}

/// The names of all applets, sorted.
pub fn all_names() -> Vec<String> {
    let names = |applet: &'static connbox::frame::Applet| {
        std::iter::once(&applet.name).chain(applet.aliases).map(|name| (*name).to_owned())
    };
    let mut all: Vec<_> = connbox::applet::APPLETS.into_iter().flat_map(names).collect();
    all.sort();
    all
}

/// Whether a link of some process cannot be read: `exe` for its program, `ns/net` for its descriptors, too. It is
/// another user's, or, even for root, one that a security module guards.
pub fn is_refused_of_some_process(link: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|entry| std::fs::read_link(entry.path().join(link)))
        .any(|link| link.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied))
}

/// A directory of links with the applets' names, made once by `connbox --install`.
pub fn bin_dir() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "bin-{}",
            Path::new(&std::env::args().next().unwrap()).file_name().unwrap().to_string_lossy()
        ));
        std::fs::create_dir_all(&directory).unwrap();
        // Without a search path, so that no applet is skipped for the sake of another program.
        let mut install = Command::new(CONNBOX);
        let output =
            install.args(["--install", "--force"]).arg(&directory).env("PATH", "").output();
        assert!(output.unwrap().status.success(), "connbox --install failed");
        let link = directory.join("connbox");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(CONNBOX, link).unwrap();
        directory
    })
}

/// A command on a search path where the applets' names come first.
pub fn command(program: &str) -> Command {
    let mut path = OsString::from(bin_dir());
    path.push(":");
    path.push(search_path());
    let mut command = Command::new(program);
    command.env("PATH", path).env("LC_ALL", "C").env_remove("CONNBOX_ROOT");
    command
}

/// Runs `words` (an applet and its arguments) and returns what it printed.
pub fn run(words: &[&str]) -> Output {
    command(CONNBOX).args(words).stdin(Stdio::null()).output().unwrap()
}

pub fn run_with_input(words: &[&str], input: &[u8]) -> Output {
    let mut command = command(CONNBOX);
    feed(command.args(words), input)
}

pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read everything closes the pipe; that is not an error of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The result of a run that must end within `seconds`.
pub fn within(seconds: u64, command: &mut Command) -> Output {
    within_and(seconds, command, Stdio::null())
}

/// The same with a standard input. The output must fit a pipe.
pub fn within_and(seconds: u64, command: &mut Command, input: impl Into<Stdio>) -> Output {
    let command = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let end = Instant::now() + Duration::from_secs(seconds);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?}: still runs after {seconds} s");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// The standard output of a run that must succeed and print nothing on standard error.
pub fn stdout_of(words: &[&str]) -> String {
    let output = run(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{words:?}: {:?} {stderr}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Copies a program, in a process of its own: a descriptor that writes it, inherited by what another test starts at
/// that moment, would let its start fail (ETXTBSY).
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let status = Command::new("cp").arg("--").arg(from.as_ref()).arg(to.as_ref()).status();
    assert!(status.unwrap().success());
}

/// The standard output of a shell line that must succeed, with the applets on the search path.
pub fn shell(line: &str) -> String {
    run_in_shell(line).unwrap_or_else(|why| panic!("{why}"))
}

/// The same for a line that may fail; the error is what it printed.
pub fn run_in_shell(line: &str) -> Result<String, String> {
    let output = command("bash").args(["-o", "pipefail", "-c", line]).output().unwrap();
    if !output.status.success() {
        // A line may redirect its standard error to its standard output.
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        return Err(format!("{line}: {:?} {said}", output.status));
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

/// Checks that a file of the project holds `text`; with `CONNBOX_BLESS=1`, writes it instead.
pub fn same_as_file(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("CONNBOX_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    let line = held.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or(held.lines().count().min(text.lines().count())) + 1;
    assert!(
        held == text,
        "{file}:{line}: differs from what the code generates; CONNBOX_BLESS=1 cargo test rewrites it"
    );
}
