//! The rules of the house, as failing tests: layers, sizes, and where things may stand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules each module may use. What is not listed may not be used: arrows point down.
const ARROWS: [(&str, &[&str]); 19] = [
    ("main", &["lib"]),
    ("lib", &["applet", "cli", "doc", "error", "frame", "install", "sys", "textfile"]),
    ("doc", &["applet", "frame", "cli", "out"]),
    ("install", &["applet", "error", "sys", "lib"]),
    ("textfile", &["applet", "frame", "cli", "out", "source", "sys", "error", "lib"]),
    (
        "applet",
        &[
            "measure",
            "select",
            "flow",
            "frame",
            "cli",
            "out",
            "source",
            "track",
            "capture_filter",
            "model",
            "wire",
            "sys",
            "error",
        ],
    ),
    ("measure", &["select", "frame", "cli", "out", "source", "model", "wire", "sys", "error"]),
    ("select", &["frame", "cli", "out", "source", "model", "sys", "error"]),
    ("flow", &["source", "model", "sys"]),
    ("frame", &["cli", "out", "source", "sys", "error"]),
    ("cli", &["out", "wire", "error"]),
    // `out` does not know the model: a change there can never change the output in silence.
    ("out", &["track", "sys", "error"]),
    ("source", &["track", "model", "wire", "sys", "error"]),
    ("track", &["model"]),
    ("capture_filter", &["model"]),
    ("model", &[]),
    ("wire", &[]),
    ("sys", &["error"]),
    ("error", &[]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_path_buf(), text));
            }
        }
    }
    files.sort();
    files
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// The part of a file before its tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The top-level modules that a line of code names: `crate::wire::…`, `connbox::sys`.
fn used(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap();
    let mut modules = Vec::new();
    for root in ["crate::", "connbox::"] {
        for (place, _) in code.match_indices(root) {
            let rest = &code[place + root.len()..];
            let rest = rest.strip_prefix('{').unwrap_or(rest);
            let word: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            modules.push(word);
        }
    }
    modules
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == own).expect("an unknown module");
        for (number, line) in before_tests(&text).lines().enumerate() {
            for other in used(line) {
                // What is no module is an item of lib.rs.
                let other = if ARROWS.iter().any(|(name, _)| *name == other) {
                    other
                } else {
                    "lib".into()
                };
                if other != own && !allowed.contains(&other.as_str()) && own != "main" {
                    let place = format!("src/{}:{}", path.display(), number + 1);
                    wrong.push(format!("{place}: {own} may not use {other}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_and_lines_stay_readable() {
    for (path, text) in sources() {
        let name = path.display().to_string();
        let lines = before_tests(&text).lines().count();
        assert!(lines <= 400, "src/{name}: {lines} lines before its tests");
        assert!(text.starts_with("//! "), "src/{name}: does not begin with what it is");
        for (number, line) in text.lines().enumerate() {
            assert!(!line.ends_with(' '), "src/{name}:{}: blank at the end", number + 1);
            assert!(!line.contains('\t'), "src/{name}:{}: a tab", number + 1);
        }
    }
}

#[test]
fn every_module_has_its_place_in_the_map() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let text = text.unwrap();
    let map: String = text.lines().filter(|line| line.starts_with("//!")).collect();
    for (path, _) in sources() {
        assert!(map.contains(&module(&path)), "src/lib.rs: {} is not on the map", module(&path));
    }
}

#[test]
fn what_may_stand_in_one_file_only() {
    // The needles are put together, so that this test does not find itself if it ever moves.
    let only = [
        // sys/packet.rs shares memory with the kernel, for which no crate here has a safe form.
        (concat!("unsafe", " {"), vec!["sys.rs", "sys/packet.rs", "main.rs"]),
        (concat!("env::", "var"), vec!["sys.rs", "lib.rs"]),
        (concat!("process::", "exit"), vec!["lib.rs"]),
        (concat!("write_", "stderr"), vec!["lib.rs", "sys.rs"]),
        (concat!(".unwr", "ap()"), vec![]),
        (concat!(".exp", "ect("), vec![]),
        (concat!("pan", "ic!("), vec![]),
        (concat!("to", "do!("), vec![]),
        (concat!("unimpl", "emented!("), vec![]),
    ];
    for (path, text) in sources() {
        for (number, line) in before_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for (needle, files) in &only {
                let is_allowed = files.iter().any(|file| Path::new(file) == path);
                assert!(
                    is_allowed || !code.contains(needle),
                    "src/{}:{}: {needle} does not belong here",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn dependencies_are_few_and_without_proc_macros() {
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--edges", "all", "--prefix", "none", "--format", "{p}"]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!((5..=13).contains(&names.len()), "{} packages: {names:?}", names.len());
    assert!(!text.contains("(proc-macro)"), "a static build cannot have one: {names:?}");
}
