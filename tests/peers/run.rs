//! Installs the tools, and runs them and connbox in a world.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::checks::checks;
use super::page::{self, Row};
use super::worlds::Scene;
use crate::support::{bin_dir, lacks, needs};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers");
/// Tables run one after the other: each has sockets whose states end after a minute.
static TURN: Mutex<()> = Mutex::new(());
/// How often a row is tried, each time with a new world: on a loaded machine a state may end too early.
const TRIES: usize = 3;

/// The folder of the tools.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers")
}

/// Why a tool is not there, empty if it is.
fn tools() -> &'static BTreeMap<String, String> {
    static TOOLS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let mut command = Command::new("bash");
        command.arg(Path::new(HERE).join("tools.sh")).arg(folder()).arg(HERE);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pair = |line: &str| line.split_once(' ').map_or((line.to_owned(), String::new()), own);
        text.lines().map(pair).collect()
    })
}

fn own((tool, why): (&str, &str)) -> (String, String) {
    (tool.to_owned(), why.to_owned())
}

/// The tools, as `tools.sh` calls them, without which a row cannot be checked.
fn of(row: &Row) -> Vec<&str> {
    let name = row.tool.split(' ').next().unwrap();
    match name {
        "connbox" | "kernel" => vec![],
        "net-tools" => vec!["netstat"],
        "iproute2" => vec!["ss"],
        "sysstat" => vec!["sar", "sadc"],
        "snmpd" => vec!["snmpd", "snmpwalk"],
        "procfs" | "netstat2" | "listeners" => vec!["lists"],
        "jc" => vec!["jc", "netstat", "ss", "conntrack"],
        "systeminformation" => vec!["systeminformation", "netstat", "ss"],
        name => vec![name],
    }
}

/// Compares all rows of a table.
pub fn check(question: &str, scene: fn(&str) -> Option<Scene>) {
    let test = format!("peers: {question}");
    if !needs(&test, &["root", "bash", "python3", "nft", "ip", "setpriv", "unshare"]) {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (checks, mut wrong, mut count) = (checks(), Vec::new(), 0);
    let mut skipped = BTreeSet::new();
    let rows = page::rows();
    for row in rows.iter().filter(|row| row.question == question) {
        if row.unchecked.is_some() {
            continue;
        }
        let missing = |tool: &&str| tools().get(*tool).is_none_or(|why| !why.is_empty());
        if let Some(tool) = of(row).into_iter().find(missing) {
            if skipped.insert(&row.tool) {
                let why = tools().get(tool).map_or("not in tools.sh", String::as_str);
                lacks(&format!("{test}: {}", row.tool), "the tools of docs/peers.md", why);
            }
            continue;
        }
        let lines = &checks[&(question.to_owned(), row.command.clone())];
        match check_row(&test, row, lines, scene) {
            Some(Ok(())) => count += 1,
            Some(Err(why)) => wrong.push(format!("{}: {}: {why}", row.tool, row.command)),
            None => return,
        }
    }
    assert!(wrong.is_empty(), "docs/peers.md: {question}\n{}", wrong.join("\n"));
    println!("{question}: {count} rows");
}

/// Compares one row. None if the machine cannot make the scene.
fn check_row(
    test: &str,
    row: &Row,
    lines: &str,
    scene: fn(&str) -> Option<Scene>,
) -> Option<Result<(), String>> {
    let mut said = Ok(());
    for _ in 0..TRIES {
        let scene = scene(test)?;
        said = ours(&scene, row).and_then(|()| theirs(&scene, row, lines));
        if said.is_ok() {
            break;
        }
    }
    Some(said)
}

fn ours(scene: &Scene, row: &Row) -> Result<(), String> {
    for ours in row.ours() {
        let words: Vec<&str> = ours.words.iter().map(String::as_str).collect();
        let ran = scene.world.connbox(&words);
        // The last column of all rows.
        let last = |line: &str| line.rsplit('\t').next().and_then(|cell| cell.parse::<u64>().ok());
        let sum: Option<u64> = ran.stdout.lines().map(last).sum();
        let said = sum.map_or(ran.stdout.trim().to_owned(), |sum| sum.to_string());
        let wanted = ours.prints.as_ref().unwrap_or(&row.prints);
        if said != *wanted {
            return Err(format!("{words:?} prints {said}, not {wanted}: {}", ran.stderr));
        }
    }
    Ok(())
}

fn theirs(scene: &Scene, row: &Row, lines: &str) -> Result<(), String> {
    let script = format!("source {HERE}/lib.sh\n{lines}");
    let folder = folder();
    let words = ["60", "bash", "-c", &script, "check", folder.to_str().unwrap(), &scene.pids];
    let ours = bin_dir().to_str().unwrap();
    let ran = scene.world.ran("timeout", &[&words[..], &[ours]].concat());
    let said = ran.stdout.trim();
    if said == row.prints {
        Ok(())
    } else {
        Err(format!("prints {said}, not {}: {ran:?}", row.prints))
    }
}
