//! What the kernel and existing tools report about a world: the truth that connbox is compared with.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::support::can_use;

use super::diag::Row;
use super::line::Kind;
use super::{State, World};

/// How many sockets of each family are in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// AF_INET; the first number is that of state 1.
    pub tcp: [u64; 12],
    /// AF_INET6, including sockets that use IPv4.
    pub tcp6: [u64; 12],
}

impl Histogram {
    /// Counts the rows of a dump.
    pub fn of(rows: &[Row]) -> Self {
        let mut histogram = Self::default();
        for row in rows {
            histogram.of_family(row.v6)[index(row.state)] += 1;
        }
        histogram
    }

    /// Counts the rows that `ss -Htan` with these additional arguments prints.
    ///
    /// A newer ss lists sockets that are only bound as UNCONN; no other count includes them.
    fn of_ss(world: &World, words: &[&str]) -> [u64; 12] {
        let mut counts = [0; 12];
        let text = world.tool("ss", &[&["-Htan"], words].concat());
        for name in text.lines().filter_map(|line| line.split_whitespace().next()) {
            match SS_STATES.iter().position(|&state| state == name) {
                Some(state) => counts[state] += 1,
                None => assert_eq!(name, "UNCONN", "a state of ss"),
            }
        }
        counts
    }

    /// Counts `count` more sockets.
    pub fn add(&mut self, kind: Kind, state: State, count: u16) {
        self.of_family(kind != Kind::V4)[index(state)] += u64::from(count);
    }

    /// The sum of both families.
    pub fn both(&self) -> [u64; 12] {
        std::array::from_fn(|state| self.tcp[state] + self.tcp6[state])
    }

    fn of_family(&mut self, v6: bool) -> &mut [u64; 12] {
        if v6 { &mut self.tcp6 } else { &mut self.tcp }
    }
}

/// ss's names for the states 1 to 12; the last never appears.
const SS_STATES: [&str; 12] = [
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "",
];

/// The index of a state in an array of counts.
fn index(state: State) -> usize {
    usize::from(state.0) - 1
}

/// The histogram of a world, if all tools that can count it agree.
pub fn histogram(world: &World) -> Result<Histogram, String> {
    let truth = Histogram::of(&world.dump());
    agree("/proc/net/tcp", &Histogram::of(&proc_rows(world)), &truth)?;
    if can_use("ss") {
        agree("ss -f inet", &Histogram::of_ss(world, &["-f", "inet"]), &truth.tcp)?;
        agree("ss -f inet6", &Histogram::of_ss(world, &["-f", "inet6"]), &truth.tcp6)?;
        agree("ss", &Histogram::of_ss(world, &[]), &truth.both())?;
    }
    Ok(truth)
}

/// An error that names `who` if it disagrees with a full dump.
fn agree<T: PartialEq + Debug>(who: &str, said: &T, truth: &T) -> Result<(), String> {
    if said == truth { Ok(()) } else { Err(format!("{who} says {said:?}, a dump {truth:?}")) }
}

/// The rows of /proc/net/tcp and tcp6.
pub fn proc_rows(world: &World) -> Vec<Row> {
    [("tcp", false), ("tcp6", true)]
        .into_iter()
        .flat_map(|(name, v6)| {
            let text = world.proc_net(name);
            text.lines().skip(1).map(|line| proc_row(line, v6)).collect::<Vec<_>>()
        })
        .collect()
}

/// One row of /proc/net/tcp. A minisocket has timer 3, and a request a reference count of 0.
fn proc_row(line: &str, v6: bool) -> Row {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |text: &str| u8::from_str_radix(text, 16).expect("a hexadecimal byte");
    let timer = number(fields[5].split(':').next().unwrap());
    let is_full = timer != 3 && fields[10] != "0";
    let inode = fields[9].parse().expect("an inode");
    Row { v6, state: State(number(fields[3])), timer, is_full, inode }
}

/// The items of /proc/net/sockstat and sockstat6, by protocol and name.
pub fn sockstat(world: &World) -> BTreeMap<(String, String), i64> {
    sockstat_rows(world).into_iter().map(|(line, item, value)| ((line, item), value)).collect()
}

/// The same, in the order of the files.
pub fn sockstat_rows(world: &World) -> Vec<(String, String, i64)> {
    let text = world.proc_net("sockstat") + &world.proc_net("sockstat6");
    let mut rows = Vec::new();
    for line in text.lines() {
        let (protocol, items) = line.split_once(':').expect("a colon");
        let words: Vec<&str> = items.split_whitespace().collect();
        for pair in words.chunks_exact(2) {
            rows.push((protocol.into(), pair[0].into(), pair[1].parse().expect("a number")));
        }
    }
    rows
}

/// The Tcp counters of /proc/net/snmp, in its order and under nstat's names.
pub fn snmp_tcp(world: &World) -> Vec<(String, String)> {
    let text = world.proc_net("snmp");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().expect("the names"), lines.next().expect("the values"));
    let names = names.split(' ').map(|name| format!("Tcp{name}"));
    names.zip(values.split(' ').map(str::to_owned)).collect()
}

/// Every counter that nstat shows, in its order.
pub fn nstat(world: &World) -> Vec<(String, String)> {
    let text = world.tool("nstat", &["-asz"]);
    let words = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(words).collect()
}

/// What `ss -s` prints, under connbox's names.
pub fn ss_summary(world: &World) -> BTreeMap<String, i64> {
    let text = world.tool("ss", &["-s"]);
    let mut summary = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || "(),:".contains(c))
            .filter(|w| !w.is_empty())
            .collect();
        match words[..] {
            ["Total", total] => insert(&mut summary, "total", total),
            [
                "TCP",
                tcp,
                "estab",
                estab,
                "closed",
                closed,
                "orphaned",
                orphaned,
                "timewait",
                timewait,
                ..,
            ] => {
                let names = ["tcp", "estab", "closed", "orphaned", "timewait"];
                for (name, value) in names.into_iter().zip([tcp, estab, closed, orphaned, timewait])
                {
                    insert(&mut summary, name, value);
                }
            }
            [protocol @ ("RAW" | "UDP" | "TCP" | "INET" | "FRAG"), total, ip, ip6] => {
                let name = protocol.to_lowercase();
                let total_name = if name == "tcp" { "tcp_inuse" } else { &name };
                insert(&mut summary, total_name, total);
                insert(&mut summary, &format!("{name}_ip"), ip);
                insert(&mut summary, &format!("{name}_ip6"), ip6);
            }
            _ => {}
        }
    }
    summary
}

/// Adds one number of `ss -s`.
fn insert(summary: &mut BTreeMap<String, i64>, name: &str, value: &str) {
    summary.insert(name.into(), value.parse().expect("a number of ss -s"));
}
