//! Every command of README.md and of the guides in docs/ runs as it stands there, in a network namespace with a few
//! connections.
//!
//! An indented block, and one of ```` ```sh ````, is a script that must succeed. In ```` ```console ```` each line `$ command` is followed
//! by its output, which must be that of the command but for the digits. A row of a table whose head is `old` and `new` has
//! commands, too: those in the first column are read by bash, and run where their programs are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};

const PAGES: [&str; 7] = [
    "README.md",
    "docs/cookbook.md",
    "docs/numbers.md",
    "docs/monitoring.md",
    "docs/kubernetes.md",
    "docs/fleet.md",
    "docs/design.md",
];

/// What a page tells to run.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// A block of commands.
    Script(String),
    /// A command, and its output.
    Shown(String, String),
    /// A command that connbox replaces.
    Old(String),
}

/// Takes a page apart.
fn told(page: &str) -> Vec<Told> {
    let (mut all, mut lines, mut is_of_commands) = (Vec::new(), page.lines().peekable(), false);
    let mut was_blank = true;
    while let Some(line) = lines.next() {
        let inner = line.trim_start();
        if let Some(language) = inner.strip_prefix("```") {
            let depth = line.len() - inner.len();
            let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let block: Vec<&str> = block.map(|line| line.get(depth..).unwrap_or("")).collect();
            match language {
                "sh" => all.push(Told::Script(block.join("\n"))),
                "console" => all.extend(shown(&block)),
                "text" => {}
                _ => panic!("a block of '{language}'"),
            }
        } else if line.starts_with("    ") && was_blank {
            let mut block = vec![line];
            while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
                block.push(line);
            }
            all.push(Told::Script(block.join("\n")));
        } else if let Some(row) = line.strip_prefix('|') {
            let cells: Vec<&str> = cells(row);
            is_of_commands |= cells.first() == Some(&"old");
            if is_of_commands && !cells[0].starts_with("--") && cells[0] != "old" {
                all.extend(codes(cells[0]).into_iter().map(Told::Old));
                all.extend(
                    codes(cells[1])
                        .into_iter()
                        .filter(|code| !code.starts_with('-'))
                        .map(Told::Script),
                );
            }
        }
        is_of_commands &= line.starts_with('|');
        was_blank = line.is_empty();
    }
    all
}

/// The cells of a row, which a `|` ends unless a backslash precedes it.
fn cells(row: &str) -> Vec<&str> {
    let bytes = row.as_bytes();
    let (mut cells, mut start) = (Vec::new(), 0);
    for (place, _) in
        row.match_indices('|').filter(|(place, _)| *place == 0 || bytes[place - 1] != b'\\')
    {
        cells.push(row[start..place].trim());
        start = place + 1;
    }
    cells
}

/// What stands between backquotes.
fn codes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect()
}

fn shown(block: &[&str]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Told::Shown(command.to_owned(), String::new())),
            (None, Some(Told::Shown(_, output))) => *output += &format!("{line}\n"),
            (None, _) => panic!("{line} stands before a command"),
        }
    }
    all
}

#[test]
fn what_a_page_tells_to_run_is_found() {
    let page = "a\n\n    b 1 \\\n        c\n\nd\n| old | new |\n|---|---|\n| `e \\| f` x | `g`, `--h`; `i` |\n\n| `j` |\n\
        ```text\nk\n```\n  ```console\n  $ l\n  m\n  $ n\n  ```\n```sh\no\n```\n";
    let script = |text: &str| Told::Script(text.to_owned());
    let wanted = [
        script("    b 1 \\\n        c"),
        Told::Old("e | f".to_owned()),
        script("g"),
        script("i"),
        Told::Shown("l".to_owned(), "m\n".to_owned()),
        Told::Shown("n".to_owned(), String::new()),
        script("o"),
    ];
    assert_eq!(told(page), wanted);
}

/// Programs that a test cannot run: what they would build, load or ask for is elsewhere. The files that they are given
/// must be there; `ssh` runs its command here, and `kubectl get` gives a list of no pods.
const STAND_INS: [(&str, &str); 7] = [
    ("apt-get", "exit 0"),
    ("man", "[ \"$*\" = '-l -' ] && mandoc >/dev/null"),
    ("cargo", "mkdir -p ~/.cargo/bin"),
    ("logger", "exit 0"),
    ("podman", "[ \"$1 $2\" = 'load -i' ] && [ -f \"$3\" ]"),
    ("ssh", "shift; exec \"$@\""),
    (
        "kubectl",
        "case $1 in get) echo '{\"items\": []}' ;; apply) [ -f \"$3/kustomization.yaml\" ] ;; *) exit 1 ;; esac",
    ),
];

/// Makes a network namespace with eth0, the addresses of the examples and some connections, with scratch file systems
/// where the examples write, and stays.
const SCENE: &str = r#"
    for directory in /var/lib/prometheus /var/log /run; do mount -t tmpfs none $directory; done
    mkdir /var/lib/prometheus/node-exporter /run/connbox
    mount --rbind / /mnt
    ip link set lo up
    ip link add eth0 type veth peer name eth1 && ip link set eth0 up
    for address in 198.51.100.7 203.0.113.9 203.0.113.77; do ip address add $address/32 dev lo; done
    exec python3 -c "$0""#;

/// Nine connections of one address and four of another to port 443, and five that a program has not closed.
const CONNECTIONS: &str = r#"
import socket, time
open('/proc/self/comm', 'w').write('php-fpm')
kept = []
def pairs(server, peer, count):
    for _ in range(count):
        client = socket.create_connection(server.getsockname(), source_address=(peer, 0))
        kept.append((client, server.accept()[0]))
web = socket.create_server(('198.51.100.7', 443))
pairs(web, '203.0.113.9', 9)
pairs(web, '203.0.113.77', 4)
with socket.create_server(('198.51.100.7', 8080)) as other:
    pairs(other, '203.0.113.9', 5)
for client, _ in kept[-5:]:
    client.shutdown(socket.SHUT_WR)
open('/run/ready', 'w')
time.sleep(600)
"#;

/// The process that holds the scene of a page.
struct Scene(Child);

impl Scene {
    fn begin() -> Scene {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--propagation", "private", "bash", "-euc", SCENE]);
        let scene = Scene(unshare.arg(CONNECTIONS).stdin(Stdio::null()).spawn().unwrap());
        let ready = PathBuf::from(format!("/proc/{}/root/run/ready", scene.0.id()));
        let end = Instant::now() + Duration::from_secs(60);
        while !ready.exists() {
            assert!(Instant::now() < end, "the scene is never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        scene
    }
}

impl Drop for Scene {
    /// Ends what still runs in the namespace: daemons of the examples, and at last the process that holds it.
    fn drop(&mut self) {
        let home = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let here = home(self.0.id());
        let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
        for pid in names.filter_map(|name| name.to_str()?.parse::<u32>().ok()) {
            if here.is_some() && home(pid) == here && pid != self.0.id() {
                let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const CAPTURE: &str = "tests/fixtures/own-lab-6.18/pcap/mixed-v4-v6.pcap";

/// Another daemon than the first one of the examples.
const CONNTRACKD: &str = "General {\n    LockFile /run/connbox/other.lock\n    \
    UNIX {\n        Path /run/connbox/other.ctl\n    }\n}\nStats {\n}\n";

/// A table that somebody saved with `ss -tuanpe`.
const SOCKETS: &str = "\
Netid State      Recv-Q Send-Q Local Address:Port    Peer Address:Port Process
tcp   LISTEN     0      128     198.51.100.7:443          0.0.0.0:*     users:((\"nginx\",pid=9,fd=6)) ino:5 sk:1 <->
tcp   ESTAB      0      0       198.51.100.7:443      203.0.113.9:40001 users:((\"nginx\",pid=9,fd=7)) ino:6 sk:2 <->
tcp   CLOSE-WAIT 1      0       198.51.100.7:443      203.0.113.9:40002 users:((\"nginx\",pid=9,fd=8)) ino:7 sk:3 -->
";

/// What somebody saved with `conncount --by raddr,lport --json`.
const GROUPS: &str = "{\"raddr\":\"203.0.113.9\",\"lport\":443,\"count\":2}\n";

/// The saved text of the examples: where each file is, below the recordings of one machine.
const SAVED: [(&str, &str); 5] = [
    ("flows.txt", "conntrack/every-proto.L-extended-id.txt"),
    ("nstat.txt", "tools/nstat-asz.txt"),
    ("sosreport-web1/proc/net/tcp", "proc/net/tcp"),
    ("sosreport-web1/proc/net/tcp6", "proc/net/tcp6"),
    ("sosreport-web1/proc/net/sockstat", "proc/net/sockstat"),
];

struct Place {
    work: PathBuf,
    bin: PathBuf,
    home: PathBuf,
}

impl Place {
    /// `None` if `test` is skipped.
    fn make(test: &str) -> Option<Place> {
        let things = [
            "bash",
            "connection tracking",
            "ip",
            "jq",
            "mount",
            "mount namespaces",
            "network namespaces",
            "nsenter",
            "prometheus-node-exporter",
            "python3",
            "root",
            "ss",
            "unshare",
        ];
        if !support::needs(test, &things) {
            return None;
        }
        let [work, bin, home] =
            ["work", "bin", "home"].map(|name| scratch(&format!("{test}-{name}")));
        for (name, script) in STAND_INS {
            let file = bin.join(name);
            fs::write(&file, format!("#!/bin/bash\n{script}\n")).unwrap();
            support::shell(&format!("chmod +x {}", file.display()));
        }
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::os::unix::fs::symlink(project.join("contrib"), work.join("contrib")).unwrap();
        fs::create_dir_all(work.join("target/release")).unwrap();
        std::os::unix::fs::symlink(CONNBOX, work.join("target/release/connbox")).unwrap();
        for file in ["Cargo.toml", "LICENSE"] {
            std::os::unix::fs::symlink(project.join(file), work.join(file)).unwrap();
        }
        fs::copy(project.join(CAPTURE), work.join("capture.pcap")).unwrap();
        fs::write(work.join("conntrackd.conf"), CONNTRACKD).unwrap();
        fs::write(work.join("sockets.txt"), SOCKETS).unwrap();
        fs::write(work.join("groups.json"), GROUPS).unwrap();
        fs::create_dir_all(work.join("sosreport-web1/proc/net")).unwrap();
        for (file, recorded) in SAVED {
            let recorded = support::fixtures().join("own-lab-6.18").join(recorded);
            fs::copy(recorded, work.join(file)).unwrap();
        }
        for file in ["sockstat", "sockstat6"] {
            fs::copy(format!("/proc/net/{file}"), work.join(file)).unwrap();
        }
        Some(Place { work, bin, home })
    }

    /// The status and output of a script, if it ends within the seconds: 124 is for one that does not.
    fn run(&self, scene: &Scene, script: &str, seconds: u32, path: &[&Path]) -> Ran {
        let paths = path.iter().map(|path| path.to_path_buf());
        let system = support::search_path();
        let path = std::env::join_paths(paths.chain(std::env::split_paths(&system))).unwrap();
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--mount", "--net", "--target", &scene.0.id().to_string()]);
        nsenter.args(["timeout", "--signal", "INT", "--kill-after", "5", &seconds.to_string()]);
        let script = format!("cd '{}'\n{script}", self.work.display());
        nsenter.args(["bash", "-eu", "-o", "pipefail", "-c", &script]);
        nsenter.env("PATH", path).env("HOME", &self.home).env("TERM", "xterm");
        let output = support::within(180, &mut nsenter);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }
}

type Ran = (i32, String, String);

/// Whether a script goes on until it is ended.
fn is_endless(script: &str) -> bool {
    let words = |line: &str, word: &str| line.split_whitespace().any(|other| other == word);
    script.lines().any(|line| {
        let ends = ["--count", "--once", "-T"].iter().any(|word| words(line, word));
        let screen = ["tcptrack", "tcpdump"].iter().any(|word| line.trim_start().starts_with(word));
        (!ends || line.contains("| tcptrack -T -"))
            && (screen || words(line, "--interval") || words(line, "-E"))
    })
}

/// Digits, of which the examples have others than a run.
fn without_digits(text: &str) -> String {
    let mut all = String::new();
    for letter in text.chars() {
        match letter.is_ascii_digit() {
            true if all.ends_with('0') => {}
            true => all.push('0'),
            false => all.push(letter),
        }
    }
    all
}

/// What is wrong with what a page tells to run; empty if nothing is.
fn faults(place: &Place, scene: &Scene, one: &Told) -> String {
    let ours: [&Path; 2] = [&place.bin, support::bin_dir()];
    match one {
        Told::Script(script) => {
            // Each line of these stands alone: it goes on until it is ended, or its status is that of a check.
            let is_check = script.contains("network-connections");
            if (is_endless(script) || is_check) && !script.contains("\\\n") {
                return script.lines().map(|line| fault(place, scene, line, &ours)).collect();
            }
            fault(place, scene, script, &ours)
        }
        Told::Shown(command, wanted) => {
            let (_, shown, said) =
                place.run(scene, &format!("{{ {command}\n}} || true"), 120, &ours);
            // The reader's machine has no scene.
            let said: String =
                said.lines().filter(|line| !line.contains("first network namespace")).collect();
            let is_fine = without_digits(&shown) == without_digits(wanted) && said.is_empty();
            if is_fine { String::new() } else { format!("{shown}{said}") }
        }
        Told::Old(command) => {
            let script = format!("set +eu; {command}\n");
            let (status, _, said) = place.run(scene, &script, 2, &[&place.bin]);
            let is_wrong = said.contains("syntax error");
            if is_wrong { format!("{status}: {said}") } else { String::new() }
        }
    }
}

/// What is wrong with a run of a script.
fn fault(place: &Place, scene: &Scene, script: &str, path: &[&Path]) -> String {
    let is_endless = is_endless(script);
    let (status, _, said) = place.run(scene, script, if is_endless { 2 } else { 120 }, path);
    // Where a process is closed even to root, or a namespace to this one, the answer is not complete, and says so.
    let is_incomplete = [" cannot be read (", "cannot be seen ", "may not be entered"]
        .iter()
        .any(|why| said.contains(why));
    let is_fine = match status {
        0 => true,
        1 => is_incomplete || script.contains("network-connections"),
        2 | 3 => script.contains("network-connections ") && said.is_empty(),
        124 => is_endless,
        _ => false,
    };
    if is_fine { String::new() } else { format!("{script}: {status}: {said}") }
}

#[test]
fn every_command_runs_as_it_stands_there() {
    let Some(place) = Place::make("every_command_runs_as_it_stands_there") else { return };
    let place = &place;
    let check = |page: &str| -> Vec<String> {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let told = told(&text);
        assert!(told.len() > 2, "{page}");
        let scene = Scene::begin();
        let found = told.iter().map(|one| (one, faults(place, &scene, one)));
        found
            .filter(|(_, fault)| !fault.is_empty())
            .map(|(one, fault)| format!("{page}: {one:?}\n{fault}"))
            .collect()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let pages = PAGES.map(|page| scope.spawn(move || check(page)));
        pages.into_iter().flat_map(|page| page.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    check_completions(&place.home);
}

/// The completions that design.md put into a fresh home are found there, for each applet.
fn check_completions(home: &Path) {
    for (shell, script) in [
        ("bash", ". ~/.local/share/bash-completion/completions/$APPLET; complete -p $APPLET"),
        ("fish", "complete -C \"$APPLET --he\""),
        (
            "zsh",
            "fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[$APPLET]",
        ),
    ] {
        if !support::needs("every_command_runs_as_it_stands_there", &[shell]) {
            continue;
        }
        for applet in support::all_names() {
            let mut command = support::command(shell);
            command.args(["-c", script]).env("HOME", home).env("APPLET", &applet);
            let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
            let wanted = if shell == "fish" { "--header" } else { "_connbox" };
            assert!(shown.contains(wanted), "{shell}: {applet}: {shown}");
        }
    }
}

#[test]
fn readme_has_room() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(text.lines().count() <= 130 && longest.chars().count() <= 120, "{longest}");
    // What it refers to is there.
    for page in PAGES {
        let (folder, text) = (Path::new(page).parent().unwrap(), fs::read_to_string(page).unwrap());
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let is_there = file.is_empty() || link.contains("://") || folder.join(file).exists();
            assert!(is_there, "{page}: {link}");
        }
    }
}
