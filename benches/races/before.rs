//! The binary of an older commit, as a peer: built once and kept below `target/`.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::scratch::last_line;

/// The commit's hash.
const COMMIT: &str = include_str!("../before");

/// The binary, built below `scratch` the first time, or the reason why there is none. `BEFORE=PATH` in
/// the environment names another binary.
pub fn binary(scratch: &Path) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("BEFORE") {
        return Ok(path.into());
    }
    let commit = COMMIT.trim();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("before");
    let ready = target.join(commit);
    if !ready.is_file() {
        // Progress for a person who waits; a closed standard error does not matter.
        let _ = writeln!(io::stderr().lock(), "building {commit} ...");
        build(commit, scratch, &target, &ready)?;
    }
    Ok(ready)
}

/// Builds outside of the repository, because cargo would also read the repository's `.cargo/config.toml`.
fn build(commit: &str, scratch: &Path, target: &Path, ready: &Path) -> Result<(), String> {
    let source = scratch.join("before-src");
    let building = target.join("build");
    fs::create_dir_all(&source).map_err(|error| error.to_string())?;
    unpack(commit, &source)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--bin", "connbox"]).current_dir(&source);
    done("cargo", cargo.env("CARGO_TARGET_DIR", &building).env_remove("RUSTFLAGS"))?;
    // Rename is atomic: an interrupted run leaves no partial binary.
    let copy = building.join("copy");
    let kept = fs::copy(building.join("release/connbox"), &copy)
        .and_then(|_| fs::rename(&copy, ready))
        .and_then(|()| fs::remove_dir_all(&building));
    kept.map_err(|error| format!("{}: {error}", ready.display()))
}

fn unpack(commit: &str, folder: &Path) -> Result<(), String> {
    let archive = folder.join("archive.tar");
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "archive", "-o"]).arg(&archive).arg(commit);
    done("git", &mut git)?;
    done("tar", Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder))
}

fn done(name: &str, command: &mut Command) -> Result<(), String> {
    let run = command.stdin(Stdio::null()).output();
    let run = run.map_err(|error| format!("{name}: {error}"))?;
    match run.status.success() {
        true => Ok(()),
        false => Err(format!("{name}: {}", last_line(&run.stderr))),
    }
}
