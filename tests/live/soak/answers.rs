//! Which answers are possible while connections come and go, and whether they are exact in a pause.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::world::churn::{HELD, HELD_CALLER, LISTENING, PASSING, WAITING};
use crate::world::diag::Row;
use crate::world::oracle::Histogram;
use crate::world::{Ran, STATES, State, World};

/// A check of an answer; the text names the command.
type Check = fn(&str, &Bounds, &str);

/// A command, a check of its answer, and the bounds for the check.
type Command = (&'static [&'static str], Check, &'static Bounds);

/// Commands to run while connections come and go.
pub const UNDER_FIRE: [Command; 9] = [
    (&["tcpstates"], states, &WALKED),
    (&["tcpstates", "--source", "netlink"], states, &WALKED),
    (&["tcpstates", "--source", "procfs"], states, &READ),
    (&["tcpstates", "--by", "family"], families, &WALKED),
    (&["conncount"], summary, &WALKED),
    (&["closedcalc"], closed, &WALKED),
    (&["conncount", "--by", "state,raddr"], groups, &WALKED),
    (&["conncount", "--lport", "443", "--state", "established"], held, &WALKED),
    (&["conncount", "--raddr", "127.9.9.9"], held_callers, &WALKED),
];

/// Commands to run in a pause.
pub const QUIET: [&[&str]; 7] = [
    &["tcpstates"],
    &["tcpstates", "--source", "netlink"],
    &["tcpstates", "--source", "procfs"],
    &["conncount", "estab", "synrecv", "timewait"],
    &["conncount", "--by", "state,raddr"],
    &["conncount", "--lport", "443", "--state", "established"],
    &["conncount", "--state", "time-wait"],
];

/// How many sockets there can be in each state.
pub struct Bounds {
    established: RangeInclusive<i64>,
    listen: RangeInclusive<i64>,
    time_wait: RangeInclusive<i64>,
    /// In each of the other states.
    passing: RangeInclusive<i64>,
}

/// For counts that walk the kernel's table. A walk may miss a passing connection, or see it again in another
/// place of the table.
const WALKED: Bounds = {
    let (stay, pass) = (4 * HELD as i64, 2 * PASSING as i64);
    Bounds {
        established: stay - pass..=stay + pass,
        listen: LISTENING as i64..=LISTENING as i64,
        time_wait: 0..=WAITING as i64 + pass,
        passing: 0..=pass,
    }
};

/// For counts that read /proc/net/tcp. A read beyond the last row searches for the row of that number from the
/// start; if the table has grown meanwhile, the kernel then shows its last part again (`tcp_seq_start`). awk
/// reads as much.
const READ: Bounds = Bounds {
    established: *WALKED.established.start()..=i64::MAX,
    listen: LISTENING as i64..=LISTENING as i64,
    time_wait: 0..=i64::MAX,
    passing: 0..=i64::MAX,
};

impl Bounds {
    fn check(&self, state: &str, count: i64, text: &str) {
        let bounds = match state {
            "ESTABLISHED" => &self.established,
            "LISTEN" => &self.listen,
            "TIME_WAIT" => &self.time_wait,
            _ => &self.passing,
        };
        assert!(bounds.contains(&count), "{state} {count}, not {bounds:?}: {text}");
    }
}

/// The rows: words, and a number.
fn rows<'a>(stdout: &'a str, text: &str) -> Vec<(Vec<&'a str>, i64)> {
    assert!(stdout.ends_with('\n'), "{text}");
    let row = |line: &'a str| {
        let mut words: Vec<&str> = line.split('\t').collect();
        let number = words.pop().and_then(|number| number.parse().ok());
        (words, number.unwrap_or_else(|| panic!("{line}: {text}")))
    };
    stdout.lines().map(row).collect()
}

/// One row per state.
fn states(stdout: &str, bounds: &Bounds, text: &str) {
    let rows = rows(stdout, text);
    assert!(rows.iter().map(|(words, _)| words[..].concat()).eq(STATES), "{text}");
    rows.iter().for_each(|(words, count)| bounds.check(words[0], *count, text));
}

/// One row per family and state.
fn families(stdout: &str, bounds: &Bounds, text: &str) {
    let mut sums = BTreeMap::new();
    for (words, count) in rows(stdout, text) {
        *sums.entry(words[1]).or_insert(0) += count;
    }
    assert_eq!(sums.len(), STATES.len(), "{text}");
    sums.iter().for_each(|(state, sum)| bounds.check(state, *sum, text));
}

/// The summary of `ss -s`.
fn summary(stdout: &str, bounds: &Bounds, text: &str) {
    let rows = rows(stdout, text);
    let names = ["total", "tcp", "estab", "closed", "orphaned", "synrecv", "timewait", "unhashed"];
    assert!(rows.iter().map(|(words, _)| words[..].concat()).eq(names), "{text}");
    bounds.check("ESTABLISHED", rows[2].1, text);
    bounds.check("SYN_RECV", rows[5].1, text);
    bounds.check("TIME_WAIT", rows[6].1, text);
    assert!(rows[0].1 >= *bounds.established.start(), "{text}");
}

/// The formula of `closed`, with numbers that were read at the same time.
fn closed(stdout: &str, bounds: &Bounds, text: &str) {
    let rows = rows(stdout, text);
    let names = ["closed", "unhashed", "alloc", "inuse", "inuse6", "tw"];
    assert!(rows.iter().map(|(words, _)| words[..].concat()).eq(names), "{text}");
    let numbers: Vec<i64> = rows.iter().map(|(_, number)| *number).collect();
    let [closed, unhashed, alloc, inuse, inuse6, tw] = numbers.try_into().unwrap();
    assert_eq!(closed, alloc - (inuse + inuse6 - tw), "{text}");
    assert_eq!(unhashed, alloc - inuse - inuse6, "{text}");
    bounds.check("TIME_WAIT", tw, text);
    bounds.check("ESTABLISHED", inuse + inuse6 - bounds.listen.start(), text);
}

/// One row per state and peer, the most frequent first.
fn groups(stdout: &str, bounds: &Bounds, text: &str) {
    let rows = rows(stdout, text);
    let (mut sums, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for (words, count) in &rows {
        let [state, peer] = words[..] else { panic!("{words:?}: {text}") };
        assert!(STATES.contains(&state), "{state}: {text}");
        assert!(peer.parse::<IpAddr>().is_ok(), "{peer}: {text}");
        assert!(*count > 0 && seen.insert((state, peer)), "{words:?}: {text}");
        *sums.entry(state).or_insert(0) += count;
    }
    assert!(rows.is_sorted_by(|(_, one), (_, next)| one >= next), "{text}");
    sums.iter().for_each(|(state, sum)| bounds.check(state, *sum, text));
    assert!(sums.contains_key("ESTABLISHED") && sums.contains_key("LISTEN"), "{text}");
}

/// Exactly the connections that stay: both ends of each, but only one of them on the listener's port.
fn held(stdout: &str, _: &Bounds, text: &str) {
    assert_eq!(stdout, format!("{}\n", 2 * HELD), "{text}");
}

/// Exactly the connections from one address.
fn held_callers(stdout: &str, _: &Bounds, text: &str) {
    assert_eq!(stdout, format!("{HELD}\n"), "{text}");
}

/// How many sockets there are per state and peer, according to ss.
pub fn by_state_and_peer(world: &World) -> BTreeMap<(String, String), i64> {
    let mut groups = BTreeMap::new();
    for line in world.tool("ss", &["-Htan"]).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (peer, _) = words[4].rsplit_once(':').expect("a port");
        let peer = peer.trim_matches(['[', ']']).trim_start_matches("::ffff:");
        *groups.entry((words[0].to_owned(), peer.to_owned())).or_insert(0) += 1;
    }
    groups
}

pub fn check_quiet(
    truth: &Histogram,
    peers: &BTreeMap<(String, String), i64>,
    dump: &[Row],
    answers: [Ran; 7],
) {
    let counts = truth.both();
    let of = |state: State| counts[usize::from(state.0) - 1];
    let states: String =
        STATES.iter().zip(counts).map(|(state, count)| format!("{state}\t{count}\n")).collect();
    let [plain, netlink, procfs, summary, groups, held, waiting] = answers.map(Ran::clean);
    assert_eq!((&plain, &netlink, &procfs), (&states, &states, &states));
    // The kernel counts FIN_WAIT2 without an owner as TIME_WAIT, too.
    let is_mini = |row: &&Row| row.state == State::FIN_WAIT2 && row.timer == 3;
    let tw = of(State::TIME_WAIT) + dump.iter().filter(is_mini).count() as u64;
    let estab = of(State::ESTABLISHED) + of(State::CLOSE_WAIT);
    let synrecv = of(State::SYN_RECV);
    assert_eq!(summary, format!("estab\t{estab}\nsynrecv\t{synrecv}\ntimewait\t{tw}\n"));
    check_peers(&groups, peers);
    assert_eq!(held, format!("{}\n", 2 * HELD));
    assert_eq!(waiting, format!("{}\n", of(State::TIME_WAIT)));
    assert_eq!(peers[&("ESTAB".to_owned(), HELD_CALLER.to_string())], HELD as i64);
}

/// connbox's groups are those of ss; a listening socket has no peer.
fn check_peers(stdout: &str, truth: &BTreeMap<(String, String), i64>) {
    let mut truth = truth.clone();
    truth.retain(|(state, _), _| state != "LISTEN");
    let said = rows(stdout, stdout).into_iter().map(|(words, count)| {
        ((words[0].replace("ESTABLISHED", "ESTAB").replace('_', "-"), words[1].to_owned()), count)
    });
    let mut said: BTreeMap<_, _> = said.collect();
    said.retain(|(state, _), _| state != "LISTEN");
    let ss_word =
        |state: &str| state.replace("FIN-WAIT1", "FIN-WAIT-1").replace("FIN-WAIT2", "FIN-WAIT-2");
    let said: BTreeMap<_, _> =
        said.into_iter().map(|((state, peer), count)| ((ss_word(&state), peer), count)).collect();
    assert_eq!(said, truth);
}
