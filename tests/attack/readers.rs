//! Every reader of files and streams against damaged input: rows or a message, in bounded time and memory, and
//! never a panic. What `--json` writes is JSON, and what TSV writes has no command for a terminal.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::part::Part;
use super::random::{Random, damaged};
use super::seeds::{self, Seed};
use super::trial::{self, Ended, connbox, run, stdin_of};
use crate::support::world;

/// How a reader gets its input, where its words have `{}`.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A file, with the name that it had.
    File,
    /// Standard input.
    Input,
    /// A tree in which the input replaces one file.
    Tree,
}

/// The words of a reader, and which inputs it reads: files of these names, or all.
type Reader = (Way, &'static str, &'static str);

const SAVED: [Reader; 19] = [
    (Way::File, "tcpstates --from {}", "tcp tcp6 rows rows6"),
    (Way::File, "tcpstates --by family --strict --from {}", "tcp tcp6"),
    (Way::File, "tcpstates --byte-order big --laddr ::/1 --from {}", "tcp tcp6"),
    (Way::Input, "tcpstates --from {}", "tcp tcp6 rows rows6"),
    (Way::File, "conncount -t --by state,raddr/24/64,lport,uid --from {}", "tcp tcp6"),
    (Way::File, "conncount -t -u --by laddr,rport --sum send_queue,recv_queue --from {}", ""),
    (Way::File, "conncount -u --by proto,family --from {}", "udp udp6 udplite raw"),
    (Way::Input, "conncount -t -u --by direction,proto --from {}", "tcp tcp6 udp udp6"),
    (Way::File, "conncount --from {}", "sockstat sockstat6 snmp"),
    (Way::Input, "conncount --transport --from {}", "sockstat sockstat6 snmp"),
    (Way::File, "closedcalc --from {}", "sockstat sockstat6"),
    (Way::Input, "closedcalc --from {}", "sockstat sockstat6"),
    (Way::File, "sockstat --from {}", "sockstat sockstat6"),
    (Way::Input, "sockstat --from {}", "sockstat sockstat6"),
    (Way::File, "snmpget-tcp --all --oid --from {}", "snmp netstat snmp6"),
    (Way::Input, "snmpget-tcp --all --from {}", "snmp netstat snmp6"),
    (Way::File, "network-connections --from {}", "tcp tcp6 udp udp6"),
    (Way::File, "network-connections --conn-type=udp --strict --from {}", "udp udp6"),
    (Way::Input, "network-connections --rule SYN_RECV;1;2 --from {}", "tcp tcp6"),
];
const TREES: [Reader; 14] = [
    (Way::Tree, "tcpstates --root {}", "tcp tcp6"),
    (Way::Tree, "tcpstates --strict --by family --root {}", "tcp tcp6 sockstat sockstat6"),
    (Way::Tree, "conncount --root {}", "sockstat sockstat6 snmp tcp tcp6"),
    (Way::Tree, "conncount --transport --root {}", "sockstat sockstat6 snmp"),
    (Way::Tree, "conncount -t --by service,user --root {}", "etc/services etc/passwd"),
    (Way::Tree, "conncount -t -u --by direction,service,proto --root {}", "tcp udp6 etc/services"),
    (Way::Tree, "conncount -t --lport http --uid www-data --root {}", "etc/services etc/passwd"),
    (Way::Tree, "closedcalc --explain --root {}", "sockstat sockstat6"),
    (Way::Tree, "sockstat --limits --root {}", ""),
    (Way::Tree, "snmpget-tcp --all --oid --root {}", "snmp netstat"),
    (Way::Tree, "network-connections --rule tw_percent;80;95 --root {}", ""),
    (Way::Tree, "network-connections --root {}", "tcp tcp6 udp udp6"),
    (Way::Tree, "conntrack -C --limits --tsv --root {}", ""),
    (Way::Tree, "conntrack -S --tsv --root {}", "nf_conntrack"),
];
const CAPTURES: [Reader; 4] = [
    (Way::File, "tcptrack -T {}", ""),
    (Way::File, "tcptrack --header --sort client -T {}", ""),
    (Way::File, "tcptrack --by client,state --max-connections 3 -T {}", ""),
    (Way::Input, "tcptrack -T {}", ""),
];
const RECORDED: [Reader; 3] = [
    (Way::File, "network-connections --test {}", ""),
    (Way::File, "network-connections --strict --conn-status=close_wait -w 5 --test {}", ""),
    (Way::File, "network-connections --test={},/dev/null,0", ""),
];
const CONFIGURATIONS: [Reader; 2] = [
    (Way::File, "conntrackd -C {} -s", ""),
    (Way::File, "conntrackd -C {} --socket /nonexistent/s -i", ""),
];
/// One of them follows: some are errors for some.
const FORMATS: [&str; 8] =
    ["", "", "--json", "--json=array", "--prom", "--shell", "--header", "--human"];

/// Each family of readers with its inputs, and its share in twentieths.
struct Families(Vec<(&'static [Reader], Vec<Seed>, usize)>);

impl Families {
    fn new() -> Families {
        Families(vec![
            (&SAVED, seeds::saved(), 7),
            (&TREES, seeds::tree(), 5),
            (&CAPTURES, seeds::captures(), 4),
            (&RECORDED, seeds::recorded(), 2),
            (&CONFIGURATIONS, seeds::configurations(), 2),
        ])
    }

    /// A reader and an input, mostly of the kind that it reads.
    fn choose(&self, random: &mut Random) -> (&Reader, &Seed, Vec<&[u8]>) {
        let mut chance = random.below(20);
        let (readers, seeds, _) = self
            .0
            .iter()
            .find(|(_, _, share)| chance.checked_sub(*share).map(|left| chance = left).is_none())
            .unwrap();
        let reader = random.one(readers);
        let is_its =
            |seed: &&Seed| reader.2.is_empty() || reader.2.split(' ').any(|n| n == seed.name);
        let its: Vec<&Seed> = seeds.iter().filter(is_its).collect();
        let seed = if random.is_one_in(8) { random.one(seeds) } else { *random.one(&its) };
        (reader, seed, seeds.iter().map(|seed| &*seed.bytes).collect())
    }
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn readers_of_damaged_input() {
    let part = Part::begin("readers", 40);
    let families = Families::new();
    part.in_parallel(|worker| {
        let folder = part.folder(worker);
        let tree = seeds::tree();
        tree.iter().for_each(|seed| put(&folder.join("tree").join(&seed.place), &seed.bytes));
        while let Some((case, mut random)) = part.next() {
            one(&part, &families, &folder, case, &mut random);
        }
    });
    part.end("");
}

fn put(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

fn one(part: &Part, families: &Families, folder: &Path, case: u64, random: &mut Random) {
    let ((way, words, _), seed, others) = families.choose(random);
    let input = damaged(random, &seed.bytes, &others);
    let (tree, file) = (folder.join("tree"), folder.join(&seed.name));
    let replaced = tree.join(&seed.place);
    let path: PathBuf = match way {
        Way::File => {
            put(&file, &input);
            file
        }
        Way::Input => "-".into(),
        // Sometimes there is no such file at all.
        Way::Tree if random.is_one_in(20) => {
            fs::remove_file(&replaced).unwrap();
            tree
        }
        Way::Tree => {
            put(&replaced, &input);
            tree
        }
    };
    let words = words.replace("{}", path.to_str().unwrap());
    let format = *random.one(&FORMATS);
    let words: Vec<OsString> =
        format!("{words} {format}").split_whitespace().map(Into::into).collect();
    let mut command = connbox(&words);
    if *way == Way::Input {
        command.stdin(stdin_of(&input));
    }
    let ended = run(command.current_dir(folder));
    let what =
        words.join(" ".as_ref()).into_string().unwrap().replace(folder.to_str().unwrap(), "");
    part.count(&ended, &what);
    if let Err(why) = ended.check(input.len()).and_then(|()| well_formed(&ended, &words[0], format))
    {
        part.fault(case, &format!("{what} (from {})", seed.name), &why, Some(&input));
    }
    if *way == Way::Tree {
        put(&replaced, &seed.bytes);
    }
}

/// What the output promises in its format.
pub fn well_formed(ended: &Ended, applet: &OsString, format: &str) -> Result<(), String> {
    let stdout = &ended.stdout;
    if format == "--json" {
        for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let read = serde_json::from_slice::<serde_json::Value>(line);
            read.map_err(|error| {
                format!("{error} in JSON: {:.300}", String::from_utf8_lossy(line))
            })?;
        }
    }
    if format == "--json=array" && !stdout.is_empty() {
        let read = serde_json::from_slice::<Vec<serde_json::Value>>(stdout);
        read.map_err(|error| format!("{error} in an array of JSON"))?;
    }
    // JSON and the others are for programs.
    let is_tsv = ["", "--tsv", "--header", "--human"].contains(&format);
    if let Some(character) = trial::terminal_command(stdout).filter(|_| is_tsv) {
        return Err(format!("rows with {character}: {:.600}", String::from_utf8_lossy(stdout)));
    }
    // Each message names its applet.
    let applet = applet.to_str().unwrap();
    let stderr = ended.said();
    let is_named = |line: &str| line.starts_with(&format!("{applet}: "));
    match stderr.lines().find(|line| !is_named(line)) {
        Some(line) => Err(format!("a message without its applet: {line}")),
        None => Ok(()),
    }
}

#[test]
fn readers_read_what_is_not_damaged() {
    // Otherwise the attack would prove little.
    let tree = world("own-lab-6.18");
    for (words, file) in [("tcpstates --from", "tcp"), ("sockstat --from", "sockstat")] {
        let words: Vec<_> = words.split(' ').map(OsString::from).collect();
        let ended = run(connbox(&words).arg(tree.join("proc/net").join(file)));
        assert_eq!((ended.status, ended.said()), (Some(0), String::new()));
        ended.check(0).and_then(|()| well_formed(&ended, &words[0], "")).unwrap();
        assert!(ended.peak_bytes > 100_000 && !ended.stdout.is_empty());
    }
}
