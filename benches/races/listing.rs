//! The list of races: commands, peers and goals.

use std::path::{Path, PathBuf};

use crate::answer::{self, Parse};
use crate::contest::{BEFORE, Contender, FLOOR, Race};
use crate::report::{Goal, Measure};
use crate::scratch::Scratch;
use crate::{parallel, saved, tracked};

const SOCKSTAT: &str = "/proc/net/sockstat";
const SOCKSTAT6: &str = "/proc/net/sockstat6";
const SNMP: &str = "/proc/net/snmp";

/// A well-known pipeline: one `ss -s`, and one awk for each part of its line.
const PIPELINE: &str = r#"ss -s |
    awk '/^Total:/ { t = $2 } /^TCP:/ { gsub(/[(),]/, " "); print t, $2, $4, $6, $8, $10 }' |
    tee >(awk '{ print "TOTAL=" $1; print "TCP=" $2; print "ESTAB=" $3 }') \
        >(awk '{ print "CLOSED=" $4; print "ORPHANED=" $5; print "TIMEWAIT=" $6 }') > /dev/null"#;

const COUNT_ROWS: &str = "FNR > 1 { c[$4]++ } END { for (s in c) print s, c[s] }";

const CLOSED: &str = r#"/^TCP:/ { i = $3; tw = $7; a = $9 } /^TCP6:/ { i6 = $3 } END {
    print "closed=" a - (i + i6 - tw); print "unhashed=" a - i - i6
    print "alloc=" a; print "inuse=" i; print "inuse6=" i6; print "tw=" tw }"#;

const SS_STATES: &str = "ss -tanH | awk '{ c[$1]++ } END { for (s in c) print s, c[s] }'";

const NETSTAT_STATES: &str =
    "netstat -tan | awk 'NR > 2 { c[$6]++ } END { for (s in c) print s, c[s] }'";

/// The usual pipeline. With a single state, ss shows no column of states.
const SS_RADDR: &str = r#"ss -tanH state established |
    awk '{ sub(/:[0-9]*$/, "", $4); print $4 }' | sort | uniq -c | sort -rn | head"#;

/// All groups, unsorted.
const SS_RADDR_ARRAY: &str = r#"ss -tanH state established |
    mawk '{ sub(/:[0-9]*$/, "", $4); c[$4]++ } END { for (a in c) print a, c[a] }'"#;

const SS_PORT: &str = "ss -tanH state established '( sport = :443 )' | wc -l";

const SS_PORT_AWK: &str =
    "ss -tanH state established | awk '$3 ~ /:443$/ { n++ } END { print n + 0 }'";

const PSUTIL: &str = r#"import collections, psutil, socket
c = collections.Counter(("tcp" if s.type == socket.SOCK_STREAM else "udp", s.status)
    for s in psutil.net_connections("inet"))
for (proto, state), count in c.most_common(): print(proto, state, count)"#;

/// The counting part of the plugin network-connections, which takes nearly all of its time.
const PSUTIL_PLUGIN: &str = r#"import collections, psutil, socket
c = collections.Counter(("tcp" if s.type == socket.SOCK_STREAM else "udp")
    + ("6" if s.family == socket.AF_INET6 else "") + "_" + s.status
    for s in psutil.net_connections("inet"))
for key, count in c.most_common(): print(key, count)"#;

/// The usual goal.
pub const FLOOR_GOAL: Goal = Goal::one("≤ 1.15 × floor", &[FLOOR], 1.15);
/// The goal of the fastest commands.
const START_GOAL: Goal = Goal::one("≤ 1.12 × floor", &[FLOOR], 1.12);
const NO_SLOWER: Goal = Goal::one("< before", &[BEFORE], 0.9999);
const FASTER_THAN_AWK: Goal = Goal::new("< awk", "awk", &["mawk", "gawk"], 0.9999);
/// Threads may cost some CPU time.
pub const CPU_GOAL: Goal = Goal {
    measure: Measure::Cpu,
    ..Goal::new("CPU ≤ 1.35 × before", "before's CPU", &[BEFORE], 1.35)
};

/// The peers that count by address.
const PIPELINES: [&str; 2] = ["ss+awk+sort+uniq", "ss+mawk array"];
/// The peer that counts by port in a full dump.
const UNFILTERED: &str = "C, no push-down";

/// Where a race runs.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// In a namespace with a few sockets.
    Idle,
    /// In the namespace of the load.
    Load,
    /// With a saved table.
    Saved,
    /// With a saved list of flows.
    SavedFlows,
    /// With a saved capture.
    Replay,
    /// In a namespace whose table of flows is full.
    Flows,
    /// In a namespace where flows begin.
    Events,
    /// In a namespace where connections end.
    Ends,
    /// In a namespace where flows end.
    Exports,
    /// In the namespace of a small load.
    Watched,
    /// In the namespace of a load in which some sockets have no descriptor.
    Owned,
    /// With a load and many other namespaces without sockets.
    Spread,
    /// The same with one listener in each.
    Listening,
    /// In a namespace with as many sockets as the memory holds, beside another one with the usual load.
    Many,
}

impl Place {
    /// The file that this place needs, in the folder for data.
    pub fn file(self, data: &Path) -> PathBuf {
        data.join(match self {
            Place::Replay => "pcap",
            Place::SavedFlows => "flows",
            _ => "tcp",
        })
    }
}

/// All places, in the order of the table.
pub const PLACES: [Place; 14] = [
    Place::Idle,
    Place::Load,
    Place::Saved,
    Place::SavedFlows,
    Place::Flows,
    Place::Events,
    Place::Replay,
    Place::Ends,
    Place::Exports,
    Place::Watched,
    Place::Spread,
    Place::Listening,
    Place::Owned,
    Place::Many,
];

/// The races in one place, also against the older connbox.
pub fn races(place: Place, scratch: &Scratch, saved: &Path) -> Vec<Race> {
    let mut races = against_others(place, scratch, saved);
    for race in &mut races {
        let before = race.ours.changed(BEFORE, |word| scratch.before(word));
        race.peers.push(before);
    }
    races
}

fn against_others(place: Place, scratch: &Scratch, saved: &Path) -> Vec<Race> {
    match place {
        Place::Idle => {
            vec![conncount(scratch), sockstat(scratch), snmpget_tcp(scratch), closedcalc(scratch)]
        }
        // tcpstates first: the TIME_WAIT sockets of the load disappear after 60 s.
        Place::Load => {
            vec![
                tcpstates(scratch),
                by_raddr(scratch),
                by_port(scratch),
                by_proto_state(scratch),
                network_connections(scratch),
            ]
        }
        Place::Saved => {
            vec![tcpstates_from(scratch, &saved.display().to_string()), saved::race(scratch, saved)]
        }
        Place::SavedFlows => vec![tracked::saved(scratch, &saved.display().to_string())],
        Place::Replay => vec![tcptrack_replay(scratch, &saved.display().to_string())],
        Place::Flows => tracked::listed(scratch),
        Place::Events => tracked::watched(scratch),
        Place::Ends => tracked::ended(scratch),
        Place::Exports => vec![tracked::exported(scratch)],
        Place::Watched => vec![parallel::watched(scratch)],
        Place::Spread => vec![parallel::spread(scratch)],
        Place::Listening => vec![parallel::listening(scratch)],
        Place::Owned => vec![parallel::owned(scratch)],
        Place::Many => parallel::many(scratch),
    }
}

/// A peer.
pub fn contender(name: &'static str, argv: &[&str], parse: Parse) -> Contender {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    Contender { parse: Some(parse), ..Contender::new(name, argv) }
}

/// An applet of the fresh copy, under its own name.
pub fn applet(scratch: &Scratch, argv: &[&str], parse: Parse) -> Contender {
    in_scratch(scratch, "connbox", argv, Some(parse))
}

/// A floor from the same folder.
pub fn floor(scratch: &Scratch, argv: &[&str], parse: Option<Parse>) -> Contender {
    in_scratch(scratch, FLOOR, argv, parse)
}

fn in_scratch(
    scratch: &Scratch,
    name: &'static str,
    argv: &[&str],
    parse: Option<Parse>,
) -> Contender {
    let mut words = argv.iter();
    let program = words.next().map(|name| scratch.program(name));
    let argv = program.into_iter().chain(words.map(|&word| word.to_owned())).collect();
    Contender { parse, ..Contender::new(name, argv) }
}

fn conncount(scratch: &Scratch) -> Race {
    Race {
        id: "R1",
        title: "conncount --shell, idle".into(),
        ours: applet(scratch, &["conncount", "--shell"], answer::conncount),
        peers: vec![
            contender("ss -s", &["ss", "-s"], answer::ss_summary),
            contender("pipeline", &["bash", "-c", PIPELINE], answer::assignments),
        ],
        floor: Some(floor(scratch, &["idle"], None)),
        goals: vec![
            Goal::one("≤ 1/3 of ss -s", &["ss -s"], 1.0 / 3.0),
            Goal::one("≤ 1/10 of pipeline", &["pipeline"], 0.1),
            NO_SLOWER,
            START_GOAL,
        ],
    }
}

fn sockstat(scratch: &Scratch) -> Race {
    let print = "{ print }";
    Race {
        id: "R2",
        title: "sockstat".into(),
        ours: applet(scratch, &["sockstat"], answer::keyed_rows),
        peers: vec![
            contender("cat", &["cat", SOCKSTAT, SOCKSTAT6], answer::sockstat_files),
            contender("mawk", &["mawk", print, SOCKSTAT, SOCKSTAT6], answer::sockstat_files),
            contender("gawk", &["gawk", print, SOCKSTAT, SOCKSTAT6], answer::sockstat_files),
        ],
        floor: Some(floor(scratch, &["files", SOCKSTAT, SOCKSTAT6], None)),
        goals: vec![FASTER_THAN_AWK, NO_SLOWER, START_GOAL],
    }
}

fn snmpget_tcp(scratch: &Scratch) -> Race {
    let print = "/^Tcp/{print $10}";
    Race {
        id: "R2",
        title: "snmpget-tcp -v CurrEstab".into(),
        ours: applet(scratch, &["snmpget-tcp", "-v", "CurrEstab"], answer::last_number),
        peers: vec![
            contender("mawk", &["mawk", print, SNMP], answer::last_number),
            contender("gawk", &["gawk", print, SNMP], answer::last_number),
            contender("netstat -st", &["netstat", "-st"], answer::netstat_established),
        ],
        floor: Some(floor(scratch, &["files", SNMP], None)),
        goals: vec![FASTER_THAN_AWK, NO_SLOWER, START_GOAL],
    }
}

fn closedcalc(scratch: &Scratch) -> Race {
    Race {
        id: "R2",
        title: "closedcalc".into(),
        ours: applet(scratch, &["closedcalc"], answer::keyed_rows),
        peers: vec![
            contender("mawk", &["mawk", CLOSED, SOCKSTAT, SOCKSTAT6], answer::assignments),
            contender("gawk", &["gawk", CLOSED, SOCKSTAT, SOCKSTAT6], answer::assignments),
        ],
        floor: Some(floor(scratch, &["files", SOCKSTAT, SOCKSTAT6], None)),
        goals: vec![FASTER_THAN_AWK, NO_SLOWER, START_GOAL],
    }
}

fn tcpstates(scratch: &Scratch) -> Race {
    let (tcp, tcp6) = ("/proc/net/tcp", "/proc/net/tcp6");
    Race {
        id: "R3",
        title: "tcpstates, 180,000 sockets".into(),
        ours: applet(scratch, &["tcpstates"], answer::states),
        peers: vec![
            contender("mawk", &["mawk", COUNT_ROWS, tcp, tcp6], answer::states),
            contender("gawk", &["gawk", COUNT_ROWS, tcp, tcp6], answer::states),
            contender("ss+awk", &["sh", "-c", SS_STATES], answer::states),
            contender("netstat+awk", &["sh", "-c", NETSTAT_STATES], answer::states),
        ],
        floor: Some(floor(scratch, &["states"], Some(answer::states))),
        goals: vec![Goal::new("≤ 1/15 of awk", "awk", &["mawk", "gawk"], 1.0 / 15.0), FLOOR_GOAL],
    }
}

fn by_raddr(scratch: &Scratch) -> Race {
    let pipeline = contender(PIPELINES[0], &["sh", "-c", SS_RADDR], answer::top_of_uniq);
    Race {
        id: "R4",
        title: "conncount --by raddr --state established, 180,000 sockets, 20,000 peers".into(),
        ours: applet(
            scratch,
            &["conncount", "--by", "raddr", "--state", "established"],
            answer::groups,
        ),
        peers: vec![
            pipeline.against(answer::top_groups),
            contender(PIPELINES[1], &["sh", "-c", SS_RADDR_ARRAY], answer::groups),
        ],
        floor: Some(floor(scratch, &["full"], Some(answer::sum)).against(answer::sum)),
        goals: vec![
            Goal::one("≤ 0.65 × before", &[BEFORE], 0.65),
            Goal::new("≤ 0.33 of the best pipeline", "the best pipeline", &PIPELINES, 0.33),
            Goal::one("≤ 1.3 × floor", &[FLOOR], 1.3),
            CPU_GOAL,
        ],
    }
}

fn by_port(scratch: &Scratch) -> Race {
    Race {
        id: "R4",
        title: "conncount --lport 443 --state established, 180,000 sockets, few match".into(),
        ours: applet(
            scratch,
            &["conncount", "--lport", "443", "--state", "established"],
            answer::last_number,
        ),
        peers: vec![
            in_scratch(scratch, UNFILTERED, &["port", "user"], Some(answer::last_number)),
            contender("ss sport", &["sh", "-c", SS_PORT], answer::last_number),
            contender("ss+awk", &["sh", "-c", SS_PORT_AWK], answer::last_number),
        ],
        floor: Some(floor(scratch, &["port", "kernel"], Some(answer::last_number))),
        goals: vec![Goal::new("≤ 1/3 of no push-down", "no push-down", &[UNFILTERED], 1.0 / 3.0)],
    }
}

fn by_proto_state(scratch: &Scratch) -> Race {
    Race {
        id: "R6",
        title: "conncount -t -u --by proto,state, 180,000 sockets".into(),
        ours: applet(
            scratch,
            &["conncount", "-t", "-u", "--by", "proto,state"],
            answer::proto_states,
        ),
        // The distribution's psutil is only for the distribution's Python.
        peers: vec![contender("psutil", &["/usr/bin/python3", "-c", PSUTIL], answer::proto_states)],
        floor: Some(floor(scratch, &["states", "udp"], Some(answer::proto_states))),
        goals: vec![Goal::new("≤ 1/50 of psutil", "psutil", &["psutil"], 1.0 / 50.0)],
    }
}

fn network_connections(scratch: &Scratch) -> Race {
    let plugin = ["/usr/bin/python3", "-c", PSUTIL_PLUGIN];
    Race {
        title: "network-connections, 180,000 sockets".into(),
        ours: applet(scratch, &["network-connections", "--tsv"], answer::connections),
        peers: vec![contender("psutil", &plugin, answer::connections)],
        floor: Some(floor(scratch, &["states", "udp"], None)),
        ..by_proto_state(scratch)
    }
}

fn tcpstates_from(scratch: &Scratch, saved: &str) -> Race {
    Race {
        id: "R5",
        title: "tcpstates --from, 1,000,000 rows".into(),
        ours: applet(scratch, &["tcpstates", "--from", saved], answer::states),
        peers: vec![
            contender("mawk", &["mawk", COUNT_ROWS, saved], answer::states),
            contender("gawk", &["gawk", COUNT_ROWS, saved], answer::states),
        ],
        floor: Some(Contender::new(FLOOR, ["wc", "-l", saved].map(str::to_owned).to_vec())),
        goals: vec![
            Goal::one("≤ 1/5 of mawk", &["mawk"], 0.2),
            Goal::new("≤ 2 × wc -l", "wc -l", &[FLOOR], 2.0),
        ],
    }
}

/// tcptrack needs a terminal and gives no answer to compare: only its exit status counts.
fn tcptrack_replay(scratch: &Scratch, capture: &str) -> Race {
    let script = format!("TERM=vt100 script -qec 'tcptrack -T {capture}' /dev/null");
    let argv = ["bash", "-c", &script].map(str::to_owned).to_vec();
    Race {
        id: "R10",
        title: "tcptrack -T, 1,000,000 packets, 10,000 connections".into(),
        ours: applet(scratch, &["tcptrack", "-T", capture], answer::payload),
        peers: vec![Contender::new("tcptrack", argv)],
        floor: Some(Contender::new(FLOOR, ["wc", "-l", capture].map(str::to_owned).to_vec())),
        goals: vec![Goal::new("≤ 1/4 of tcptrack", "tcptrack", &["tcptrack"], 0.25)],
    }
}
