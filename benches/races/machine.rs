//! The machine on which the numbers are measured.

use std::fs;
use std::process::Command;

use crate::measure::find;

/// The commands that print the peers' versions.
const VERSIONS: [[&str; 2]; 8] = [
    ["ss", "-V"],
    ["netstat", "--version"],
    ["mawk", "-Wversion"],
    ["gawk", "--version"],
    ["awk", "-Wversion"],
    ["bash", "--version"],
    ["wc", "--version"],
    ["/usr/bin/python3", "--version"],
];

/// Lines for the head of the sheet: processor and kernel, then the peers.
pub fn lines() -> Vec<String> {
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let peers: Vec<String> = VERSIONS.iter().map(|[tool, option]| version(tool, option)).collect();
    vec![
        format!("Machine: {}, {cores} cores, Linux {}", cpu(), kernel.trim()),
        format!("Peers: {}", peers.join("; ")),
    ]
}

/// How far TCP's memory, which the kernel counts for the whole machine, is from the limit above which
/// the kernel begins to free memory.
///
/// Call it outside of the bench's namespaces: only the first namespace shows the limit.
pub fn tcp_memory() -> String {
    let sockstat = read("/proc/net/sockstat");
    let line = sockstat.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let used = line.rsplit(' ').next().unwrap_or("?");
    let limits = read("/proc/sys/net/ipv4/tcp_mem");
    let pressure = limits.split_whitespace().nth(1).unwrap_or("unknown");
    format!("TCP memory {used} pages, pressure begins at {pressure}")
}

/// Available memory in bytes.
pub fn free_memory() -> usize {
    let info = read("/proc/meminfo");
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

/// The load average of the machine: if it is high, CPU times say more than wall times.
pub fn load_average() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn cpu() -> String {
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or_else(
        || "unknown processor".to_owned(),
        |name| name.trim_start_matches([' ', '\t', ':']).to_owned(),
    )
}

/// The first line with a digit in a tool's version text.
fn version(tool: &str, option: &str) -> String {
    let Some(program) = find(tool) else { return format!("{tool} not installed") };
    let Ok(output) = Command::new(&program).arg(option).output() else {
        return format!("{tool} does not run");
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    let line = line.map(|line| line.split(", Copyright").next().unwrap_or(line).trim());
    format!("{tool}: {}", line.unwrap_or("unknown version"))
}
