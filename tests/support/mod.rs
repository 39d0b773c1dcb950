//! What all tests of the program share: where it is, how to run it, how to skip aloud.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod needs;
pub mod scratch;

#[allow(unused_imports, reason = "each test program uses its own part")]
pub use needs::*;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program under test.
pub const CONNBOX: &str = env!("CARGO_BIN_EXE_connbox");

/// The folder of saved kernels: each is a world to run in with `--root`.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A world of `tests/fixtures`.
pub fn world(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// The applets whose default output is a table: not those that bear the name of an existing tool.
pub fn tables() -> Vec<String> {
    let tables = connbox::applet::APPLETS.into_iter().filter(|applet| applet.original.is_none());
    tables.map(|applet| applet.name.to_owned()).collect()
}

/// Every name that an applet answers to, sorted.
pub fn all_names() -> Vec<String> {
    let names = |applet: &'static connbox::frame::Applet| {
        std::iter::once(&applet.name).chain(applet.aliases).map(|name| (*name).to_owned())
    };
    let mut all: Vec<_> = connbox::applet::APPLETS.into_iter().flat_map(names).collect();
    all.sort();
    all
}

/// A folder of links that bear the applets' names, made once by `connbox --install`.
pub fn bin_dir() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "bin-{}",
            Path::new(&std::env::args().next().unwrap()).file_name().unwrap().to_string_lossy()
        ));
        std::fs::create_dir_all(&directory).unwrap();
        let output = Command::new(CONNBOX).arg("--install").arg("--force").arg(&directory).output();
        assert!(output.unwrap().status.success(), "connbox --install failed");
        let link = directory.join("connbox");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(CONNBOX, link).unwrap();
        directory
    })
}

/// A command of the search path, on which the applets' names stand first.
pub fn command(program: &str) -> Command {
    let mut path = OsString::from(bin_dir());
    path.push(":");
    path.push(search_path());
    let mut command = Command::new(program);
    command.env("PATH", path).env("LC_ALL", "C").env_remove("CONNBOX_ROOT");
    command
}

/// Runs `words` (an applet, its arguments) and gives what it printed.
pub fn run(words: &[&str]) -> Output {
    command(CONNBOX).args(words).stdin(Stdio::null()).output().unwrap()
}

/// Runs `words` with `input` on standard input.
pub fn run_with_input(words: &[&str], input: &[u8]) -> Output {
    let mut command = command(CONNBOX);
    feed(command.args(words), input)
}

/// Runs a command with `input` on standard input.
pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read to the end closes the pipe: no fault of the test's.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Standard output of a run that must succeed and say nothing.
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

/// Standard output of a line of shell, which must succeed, with the applets on the search path.
pub fn shell(line: &str) -> String {
    run_in_shell(line).unwrap_or_else(|why| panic!("{why}"))
}

/// The same of a line that may fail; then what was said.
pub fn run_in_shell(line: &str) -> Result<String, String> {
    let output = command("bash").args(["-o", "pipefail", "-c", line]).output().unwrap();
    if !output.status.success() {
        // A line may send its standard error the other way.
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        return Err(format!("{line}: {:?} {said}", output.status));
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

/// Checks that a file of the project holds `text`; with `CONNBOX_BLESS=1` it is written instead.
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
        "{file}:{line}: differs from what the code says; CONNBOX_BLESS=1 cargo test writes it anew"
    );
}
