//! Every reader of files and streams against damaged input: rows or a message, in bounded time and memory, and
//! never a panic. What `--json` writes is JSON, and what TSV writes has no command for a terminal.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use super::family::{Family, Given, Reader, Way, has_read};
use super::part::Part;
use super::random::{Random, damaged};
use super::seeds;
use super::texts;
use crate::support::scratch::scratch;

const SAVED: [Reader; 20] = [
    (Way::File, "tcpstates --from {}", "tcp tcp6 rows rows6"),
    (Way::File, "tcpstates --by family --strict --from {}", "tcp tcp6"),
    (Way::File, "tcpstates --byte-order big --laddr ::/1 --from {}", "tcp tcp6"),
    (Way::Input, "tcpstates --from {}", "tcp tcp6 rows rows6"),
    (Way::File, "conncount -t --by state,raddr/24/64,lport,uid --from {}", "tcp tcp6"),
    (Way::File, "conncount -t -u --by laddr,rport --sum send_queue,recv_queue --from {}", ""),
    (Way::File, "conncount -u --by proto,family --from {}", "udp udp6 udplite raw"),
    (Way::File, "conncount -t --by direction,service --from {}", "tcp tcp6"),
    (Way::Input, "conncount -t --by proto,laddr --from {}", "tcp tcp6"),
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
/// Of so many runs, each family has some.
const MANY: u64 = 1000;
/// Each family of readers.
fn families() -> Vec<Family> {
    let mut all = vec![
        Family::new("saved files", &SAVED, seeds::saved(), 7),
        Family::new("trees", &TREES, seeds::tree(), 5),
        Family::new("captures", &CAPTURES, seeds::captures(), 4),
        Family::new("recorded runs", &RECORDED, seeds::recorded(), 2),
        Family::new("configurations", &CONFIGURATIONS, seeds::configurations(), 2),
    ];
    all.extend(texts::families());
    all
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn readers_of_damaged_input() {
    let part = Part::begin("readers", 40);
    let families = families();
    part.in_parallel(|worker| {
        let folder = part.folder(worker);
        families.iter().for_each(|family| family.lay_out(&folder));
        while let Some((case, mut random)) = part.next() {
            one(&part, &families, &folder, case, &mut random);
        }
    });
    let figures = families.iter().map(|family| {
        let [runs, answers] = [&family.runs, &family.answers].map(|number| number.load(Relaxed));
        format!("\n  {}: {runs} runs, {answers} answers", family.name)
    });
    part.end(&figures.collect::<String>());
    let runs = || families.iter().map(|family| family.runs.load(Relaxed));
    assert!(runs().sum::<u64>() < MANY || runs().all(|count| count > 0), "a family did not run");
}

fn one(part: &Part, families: &[Family], folder: &Path, case: u64, random: &mut Random) {
    let mut chance = random.below(families.iter().map(|family| family.share).sum());
    let is_turn =
        |family: &&Family| chance.checked_sub(family.share).map(|left| chance = left).is_none();
    let family = families.iter().find(is_turn).unwrap();
    let (reader, seed) = family.choose(random);
    let others: Vec<&[u8]> = family.seeds.iter().map(|seed| &*seed.bytes).collect();
    let input = damaged(random, &seed.bytes, &others);
    let is_gone = random.is_one_in(20);
    // Text in a form of conntrack's own is no rows.
    let has_form = reader.1.contains(" -o ");
    let format = if has_form { "" } else { *random.one::<&str>(&FORMATS) };
    let given = Given { bytes: &input, is_gone, format };
    let ran = family.run(folder, reader, seed, given);
    let what = ran.what(folder);
    part.count(&ran.ended, &what);
    if let Err(why) = ran.check(given) {
        part.fault(case, &format!("{what} (from {})", seed.place.display()), &why, Some(&input));
    }
}

/// Otherwise the attack would prove little: each reader answers one input of its kind at least.
#[test]
fn readers_read_what_is_not_damaged() {
    let folder = scratch("readers-undamaged");
    let (families, mut unread) = (families(), Vec::new());
    for family in &families {
        family.lay_out(&folder);
        for reader in family.readers {
            let answers = family.of(reader).into_iter().any(|seed| {
                let given = Given { bytes: &seed.bytes, is_gone: false, format: "" };
                let ran = family.run(&folder, reader, seed, given);
                ran.check(given).unwrap_or_else(|why| panic!("{}: {why}", ran.what(&folder)));
                assert!(ran.ended.peak_bytes > 100_000);
                has_read(&ran.ended)
            });
            unread.extend((!answers).then(|| format!("{}: {}", family.name, reader.1)));
        }
    }
    assert!(unread.is_empty(), "nothing answers {unread:#?}");
    fs::remove_dir_all(&folder).unwrap();
}
