//! The rules of the project, as tests: layers, sizes, and what is allowed where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules that each module may use. Others may not be used: arrows point down.
const ARROWS: [(&str, &[&str]); 19] = [
    ("main", &["lib"]),
    ("lib", &["applet", "cli", "doc", "error", "frame", "install", "sys", "textfile"]),
    ("doc", &["applet", "frame", "cli", "out", "wire"]),
    ("install", &["applet", "error", "sys"]),
    ("textfile", &["applet", "frame", "cli", "out", "source", "sys", "error"]),
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
    ("select", &["frame", "cli", "out", "source", "track", "model", "sys", "error"]),
    ("flow", &["out", "source", "model", "wire", "sys", "error"]),
    ("frame", &["cli", "out", "source", "sys", "error"]),
    ("cli", &["out", "wire", "error", "sys"]),
    // `out` does not use the model, so a change there cannot silently change the output.
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

fn module(path: &Path) -> String {
    module_path(path).into_iter().next().unwrap_or_else(|| "lib".into())
}

/// The path of the module in a file: `["wire", "text"]`.
fn module_path(path: &Path) -> Vec<String> {
    let name = path.with_extension("").display().to_string();
    let parts = name.split('/').map(str::to_owned);
    parts.filter(|part| part != "mod" && part != "lib").collect()
}

/// The text of a file with blank lines in place of test code: after `#[cfg(test)]`, either one line that ends
/// with a semicolon, or everything up to the brace at the same indentation.
fn without_tests(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let (mut end, mut is_first) = (None, false);
    for line in text.lines() {
        if let Some(brace) = &end {
            if line == brace || is_first && line.ends_with(';') {
                end = None;
            }
            is_first = false;
        } else if line.trim() == "#[cfg(test)]" {
            (end, is_first) = (Some(line.replace("#[cfg(test)]", "}")), true);
        } else {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

/// The paths in the code, each with its line: those that begin with `crate::`, `connbox::`, `super::` or
/// `self::`. `own` is the path of the module.
fn used(code: &str, own: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    let bare: Vec<&str> =
        code.lines().map(|line| line.split("//").next().unwrap().trim_end()).collect();
    let bare = bare.join("\n");
    for root in ["crate::", "connbox::", "super::", "self::"] {
        for (place, _) in bare.match_indices(root) {
            let before = bare[..place].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let line = bare[..place].matches('\n').count() + 1;
            let mut rest = &bare[place..];
            let mut found = Vec::new();
            tree(&mut rest, &[], &mut found);
            paths.extend(found.into_iter().map(|path| (line, absolute(&path, own))));
        }
    }
    paths
}

/// Reads all paths of `a::{b, c::d as e}`.
fn tree(rest: &mut &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('{') {
            *rest = inside;
            while !rest.starts_with('}') && !rest.is_empty() {
                tree(rest, &path, found);
                *rest = rest.trim_start();
                *rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            *rest = rest.strip_prefix('}').unwrap_or(rest);
            return;
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length > 0 {
            path.push(rest[..length].to_owned());
        }
        *rest = &rest[length..];
        match rest.strip_prefix("::") {
            Some(behind) if length > 0 => *rest = behind,
            _ => break,
        }
    }
    if let Some(behind) = rest.strip_prefix(" as ") {
        let length = behind.find(|c: char| !c.is_alphanumeric() && c != '_');
        *rest = &behind[length.unwrap_or(behind.len())..];
    }
    // Anything that is not a path of a `use` ends here: a macro, a glob, a generic.
    if let Some(stray) = rest.chars().next().filter(|c| !matches!(c, ',' | '}')) {
        *rest = rest.strip_prefix(stray).unwrap_or(rest);
    }
    found.push(path);
}

/// The path, starting at the root of the crate.
fn absolute(path: &[String], own: &[String]) -> Vec<String> {
    let mut whole = own.to_vec();
    let mut parts = path.iter().peekable();
    match parts.next_if(|part| matches!(part.as_str(), "crate" | "connbox")) {
        Some(_) => whole.clear(),
        None => {
            parts.next_if(|part| *part == "self");
            while parts.next_if(|part| *part == "super").is_some() {
                whole.pop();
            }
        }
    }
    whole.extend(parts.filter(|part| *part != "self").cloned());
    whole
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == own).expect("an unknown module");
        for (line, other) in used(&without_tests(&text), &module_path(&path)) {
            // What is not a module is an item of lib.rs.
            let is_module = |name: &&String| ARROWS.iter().any(|(known, _)| known == name);
            let other = other.first().filter(is_module).map_or("lib", String::as_str);
            if other != own && !allowed.contains(&other) && own != "main" {
                wrong.push(format!("src/{}:{line}: {own} may not use {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_applet_uses_another() {
    let applet = |path: &[String]| match path {
        [root, applet, ..] if root == "applet" => Some(applet.clone()),
        _ => None,
    };
    let all: BTreeSet<String> =
        sources().iter().filter_map(|(path, _)| applet(&module_path(path))).collect();
    for (path, text) in sources() {
        let own = module_path(&path);
        let Some(name) = applet(&own) else { continue };
        for (line, other) in used(&without_tests(&text), &own) {
            let other = applet(&other).filter(|other| all.contains(other) && *other != name);
            assert_eq!(other, None, "src/{}:{line}", path.display());
        }
    }
}

/// The paths that each file uses, by the module in the file.
type Files = BTreeMap<Vec<String>, Vec<Vec<String>>>;

/// The file that a path leads to, following the `pub use` of the files before it.
fn file_of<'a>(path: &[String], files: &'a Files, given: &Given) -> Option<&'a Vec<String>> {
    let (file, rest) = (0..=path.len()).rev().find_map(|length| {
        files.get_key_value(&path[..length]).map(|(file, _)| (file, &path[length..]))
    })?;
    let Some(name) = rest.first() else { return Some(file) };
    match given.get(&(file.clone(), name.clone())) {
        Some(onward) => file_of(onward, files, given),
        None => Some(file),
    }
}

/// What modules re-export: the module and the name, and the path that it stands for.
type Given = BTreeMap<(Vec<String>, String), Vec<String>>;

fn given(code: &str, own: &[String]) -> Given {
    let mut given = Given::new();
    for (place, _) in code.match_indices("pub") {
        let Some((head, rest)) = code[place..].split_once("use ") else { continue };
        let is_use = matches!(head.trim_end(), "pub" | "pub(crate)" | "pub(super)");
        if !is_use {
            continue;
        }
        let (mut rest, mut found) = (rest, Vec::new());
        tree(&mut rest, &[], &mut found);
        for path in found {
            let name = path.last().unwrap().clone();
            given.insert((own.to_vec(), name), absolute(&path, own));
        }
    }
    given
}

#[test]
fn files_use_one_another_in_one_direction() {
    let (mut files, mut all_given) = (Files::new(), Given::new());
    for (path, text) in sources() {
        let (code, own) = (without_tests(&text), module_path(&path));
        all_given.extend(given(&code, &own));
        files.insert(own.clone(), used(&code, &own).into_iter().map(|(_, path)| path).collect());
    }
    let uses = |file: &Vec<String>| -> BTreeSet<Vec<String>> {
        let others = files[file].iter().filter_map(|path| file_of(path, &files, &all_given));
        // The main file of a directory holds what its other files share, and declares them.
        others
            .filter(|other| !file.starts_with(other) && !other.starts_with(file))
            .cloned()
            .collect()
    };
    let mut left: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
        files.keys().map(|file| (file, uses(file))).collect();
    // A file that uses none of the files left is not in a cycle.
    while let Some(file) = left.iter().find(|(_, uses)| uses.is_empty()).map(|(file, _)| *file) {
        left.remove(file);
        left.values_mut().for_each(|uses| {
            uses.remove(file);
        });
    }
    // Neither is a file that none of the files left uses.
    while let Some(file) =
        left.keys().find(|file| !left.values().any(|uses| uses.contains(**file))).copied()
    {
        left.remove(file);
    }
    let circle = |(file, uses): (&&Vec<String>, &BTreeSet<Vec<String>>)| {
        let uses: Vec<String> = uses.iter().map(|path| path.join("::")).collect();
        format!("{} uses {}", file.join("::"), uses.join(", "))
    };
    let circles: Vec<String> = left.iter().map(circle).collect();
    assert!(circles.is_empty(), "files that use each other in a cycle:\n{}", circles.join("\n"));
}

#[test]
fn files_and_lines_stay_readable() {
    for (path, text) in sources() {
        let name = path.display().to_string();
        let lines = without_tests(&text).trim_end().lines().count();
        assert!(lines <= 400, "src/{name}: {lines} lines before its tests");
        assert!(text.starts_with("//! "), "src/{name}: does not begin with a description");
        for (number, line) in text.lines().enumerate() {
            assert!(!line.ends_with(' '), "src/{name}:{}: trailing blank", number + 1);
            assert!(!line.contains('\t'), "src/{name}:{}: a tab", number + 1);
        }
    }
}

#[test]
fn every_module_has_its_place_in_the_map() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let text = text.unwrap();
    let modules: BTreeSet<String> = sources().iter().map(|(path, _)| module(path)).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(modules.iter().map(String::as_str).collect::<BTreeSet<_>>(), known, "ARROWS");
    let mapped: Vec<&str> = map(&text).flat_map(|line| places(line, &known)).collect();
    let mut sorted = mapped.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, known.into_iter().collect::<Vec<_>>(), "src/lib.rs: the map");
    // A module stands above those that it uses, or in their line.
    let place = |name: &str| mapped.iter().position(|other| *other == name);
    for (name, used) in ARROWS {
        assert!(used.iter().all(|other| place(other) > place(name)), "{name}: {used:?}");
    }
}

/// The lines of the map in the text of lib.rs.
fn map(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().skip_while(|line| *line != "//! ```text").skip(1);
    lines.take_while(|line| *line != "//! ```").map(|line| line.trim_start_matches("//!"))
}

/// The modules that a line of the map describes: its first words, up to one that is not among `known`.
fn places<'a>(line: &'a str, known: &BTreeSet<&str>) -> Vec<&'a str> {
    let words = line.split_whitespace().map(|word| word.trim_end_matches(','));
    words.take_while(|word| known.contains(word)).collect()
}

#[test]
fn the_test_of_the_map_would_notice() {
    let known = BTreeSet::from(["cli", "out", "wire"]);
    assert_eq!(places("   cli   out      words in, out of wire", &known), ["cli", "out"]);
    assert_eq!(places("   words for cli", &known), [""; 0]);
}

#[test]
fn what_may_stand_in_one_file_only() {
    // The needles are concatenated, so that this test would not find itself if it were moved.
    let only = [
        // sys/packet.rs shares memory with the kernel, and no crate used here has a safe interface for that.
        // sys/collector.rs asks for tcp_info, and sys/sandbox and sys/threads.rs make system calls, for which no crate
        // used here has a function.
        (
            concat!("unsafe", " {"),
            vec![
                "sys.rs",
                "sys/caller.rs",
                "sys/collector.rs",
                "sys/packet.rs",
                "sys/sandbox.rs",
                "sys/sandbox/landlock.rs",
                "sys/threads.rs",
                "main.rs",
            ],
        ),
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
        for (number, line) in without_tests(&text).lines().enumerate() {
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
    assert!((5..=14).contains(&names.len()), "{} packages: {names:?}", names.len());
    assert!(!text.contains("(proc-macro)"), "a static build cannot have one: {names:?}");
}
