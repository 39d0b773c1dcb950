//! The workflows, the owner of the repository, and what the repository must not name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::package::done;
use crate::support;
use crate::yaml::{documents, texts};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(home().join(file)).unwrap()
}

/// The text files of the repository, but for what is built and for Cargo's own lists.
fn files() -> Vec<(PathBuf, String)> {
    let (mut open, mut files) = (vec![home().to_path_buf()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_foreign =
                ["target", ".git", "corpus", "artifacts", "Cargo.lock"].contains(&name);
            if path.is_symlink() || is_foreign {
                continue;
            } else if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push((path, text));
            }
        }
    }
    files
}

#[test]
fn no_file_names_the_host_of_a_registry() {
    // Concatenated, so that this file is not found.
    let hosts = [
        concat!("crates", ".io"),
        concat!("ghcr", ".io"),
        concat!("docker", ".io"),
        concat!("quay", ".io"),
        concat!("pypi", ".org"),
        concat!("npmjs", ".org"),
        concat!("pkg", ".dev"),
    ];
    let files = files();
    assert!(files.len() > 200, "{}", files.len());
    for (path, text) in files {
        let named: Vec<_> = hosts.iter().filter(|host| text.contains(**host)).collect();
        assert!(named.is_empty(), "{}: {named:?}", path.display());
    }
}

#[test]
fn the_owner_stands_in_one_place() {
    let manifest = read("Cargo.toml");
    let owners = |text: &str| -> Vec<String> {
        let rest = text.split(concat!("github", ".com/")).skip(1);
        rest.map(|rest| rest.split('/').next().unwrap().to_owned()).collect()
    };
    let named = owners(&manifest);
    let [owner, ..] = &named[..] else { panic!("Cargo.toml names no repository") };
    assert_eq!(named, [&owner[..]; 3], "repository, homepage, documentation");
    assert!(read("RELEASING.md").contains("in `repository`, `homepage` and `documentation`"));
    let needle = format!("{}{owner}/", concat!("github", ".com/"));
    for (path, text) in files() {
        let may = ["Cargo.toml", "RELEASING.md"].iter().any(|file| path == home().join(file));
        assert!(may || !text.contains(&needle), "{} names the owner, too", path.display());
    }
}

/// The steps of every job of a workflow.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.flat_map(|job| job["steps"].as_array().unwrap()).collect()
}

#[test]
fn the_workflows_run_our_scripts_with_few_rights() {
    let test = "the_workflows_run_our_scripts_with_few_rights";
    if !support::needs(test, &["bash", "python3", "yaml"]) {
        return;
    }
    for (file, script, on) in
        [("ci", ".ci/run", "pull_request"), ("release", ".ci/release", "push")]
    {
        let documents = documents(&format!(".github/workflows/{file}.yml"));
        let [workflow] = &documents[..] else { panic!("{file}") };
        assert!(workflow["on"].get(on).is_some(), "{workflow}");
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
        let steps = steps(workflow);
        let lines: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
        assert!(lines.iter().any(|line| line.split(' ').next() == Some(script)), "{lines:?}");
        for line in lines {
            done(Command::new("bash").args(["-n", "-c", line]));
            // What an outsider can name would be run by the shell.
            assert!(!line.contains("${{"), "{line}");
        }
        for step in steps {
            assert!(step["run"].is_string() != step["uses"].is_string(), "{step}");
            let Some(action) = step["uses"].as_str() else { continue };
            // A tag can be moved to other code.
            let commit = action.split_once('@').map_or("", |(_, commit)| commit);
            let is_hash = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_hash, "{action}");
            // Later steps run programs that others wrote: the token is not for them.
            let keeps = step["with"]["persist-credentials"] != serde_json::json!(false);
            assert!(!action.starts_with("actions/checkout@") || !keeps, "{step}");
        }
        for job in workflow["jobs"].as_object().unwrap().values() {
            assert!(job["timeout-minutes"].is_u64(), "{job}");
        }
    }
    let release = &documents(".github/workflows/release.yml")[0];
    let runners = texts(&release["jobs"]["build"]["strategy"]["matrix"]["runner"]);
    assert_eq!(runners, ["ubuntu-24.04", "ubuntu-24.04-arm"]);
    assert_eq!(texts(&release["on"]["push"]["tags"]), ["v*"]);
}

#[test]
fn the_notes_of_a_release_are_its_section() {
    if !support::needs("the_notes_of_a_release_are_its_section", &["awk", "python3", "yaml"]) {
        return;
    }
    let workflows = documents(".github/workflows/release.yml");
    let lines = steps(&workflows[0]).into_iter().filter_map(|step| step["run"].as_str());
    let line = lines.into_iter().find(|line| line.starts_with("awk")).unwrap();
    let line = line.strip_suffix(" >notes.md").unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", line]).env("GITHUB_REF_NAME", "v0.1.0").current_dir(home());
    let notes = String::from_utf8(done(&mut bash).stdout).unwrap();
    let text = read("CHANGELOG.md");
    let (_, section) = text.split_once("\n## 0.1.0 - ").unwrap();
    let (_, section) = section.split_once('\n').unwrap();
    assert_eq!(notes, section.split("\n## ").next().unwrap());
}

#[test]
fn the_scripts_are_clean() {
    if !support::needs("the_scripts_are_clean", &["shellcheck"]) {
        return;
    }
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-S", "warning", ".ci/run", ".ci/release", ".ci/elsewhere"]);
    done(shellcheck.arg("contrib/container/build").current_dir(home()));
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-s", "sh", "contrib/rpm/post-install", "contrib/rpm/pre-uninstall"]);
    done(shellcheck.current_dir(home()));
}
