//! The summary of `ss -s` as rows.

use super::COLUMNS;
use crate::applet::closedcalc::{
    CLOSED, CLOSED_MEANING, CLOSED_OF_ALL, UNHASHED, UNHASHED_MEANING, UNHASHED_OF_ALL,
};
use crate::applet::sockstat;
use crate::error::Error;
use crate::frame::{
    Call, HOST, HOST_MINUS_NETNS, NETNS, Report, Sample, Table, note_missing, note_namespace,
};
use crate::model::{Family, Proto, Protocol, Sockstat, StateSet, TcpSockstat, TcpState};
use crate::out::{Out, Value};
use crate::select::facts;
use crate::source::files::procfs::{self, File, Record};
use crate::source::{self, Method, Source};
use crate::wire::text;

/// Prints the rows `picked`.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, picked: Vec<&'static str>, is_strict: bool) -> Result<(), Error> {
    let of_all = call.is_of_all_namespaces();
    let machine = TcpSockstat::default();
    call.table(&COLUMNS, &[], &mut Summary { picked, of_all, is_strict, machine })
}

struct Summary {
    picked: Vec<&'static str>,
    /// Whether every namespace is visited: then each number has its row once.
    of_all: bool,
    is_strict: bool,
    /// The namespaces that were visited so far.
    machine: TcpSockstat,
}

impl Table for Summary {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let seen = Seen::read(source, self.picked.contains(&"synrecv"), self.is_strict, report)?;
        self.machine.add_namespace(&seen.tcp);
        if !self.of_all && self.picked.iter().any(|name| is_mixed(name)) {
            note_namespace(source, report);
        }
        let mut picked = self.picked.iter().filter(|name| !(self.of_all && is_of_machine(name)));
        picked.try_for_each(|name| row(&seen, name, out))
    }

    fn machine(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        let tcp = std::mem::take(&mut self.machine);
        if self.picked.iter().any(|name| matches!(*name, "closed" | "unhashed")) {
            note_missing(report);
        }
        let mut picked = self.picked.iter().filter(|name| is_of_machine(name));
        picked.try_for_each(|name| write(name, machine_row(&tcp, name), out))
    }
}

/// Whether a row counts the whole machine, once all namespaces are known.
fn is_of_machine(name: &str) -> bool {
    is_mixed(name) || name == "orphaned"
}

/// Whether a row mixes numbers of the machine and of the namespace.
fn is_mixed(name: &str) -> bool {
    matches!(name, "tcp" | "closed" | "unhashed")
}

/// The rows of a protocol: all, IPv4, IPv6; `None` sums RAW, UDP and TCP as ss does.
pub const TRANSPORT: [([&str; 3], Option<Protocol>); 5] = [
    (["raw", "raw_ip", "raw_ip6"], Some(Protocol::Raw)),
    (["udp", "udp_ip", "udp_ip6"], Some(Protocol::Udp)),
    (["tcp_inuse", "tcp_ip", "tcp_ip6"], Some(Protocol::Tcp)),
    (["inet", "inet_ip", "inet_ip6"], None),
    (["frag", "frag_ip", "frag_ip6"], Some(Protocol::Frag)),
];

/// What the rows are made of.
struct Seen {
    sockstat: Sockstat,
    tcp: TcpSockstat,
    curr_estab: Option<i128>,
    syn_recv: Option<u64>,
}

impl Seen {
    fn read(
        source: &Source,
        wants_syn_recv: bool,
        is_strict: bool,
        report: &mut Report,
    ) -> Result<Seen, Error> {
        let mut files = vec![File::Sockstat, File::Sockstat6, File::Snmp];
        if wants_syn_recv && !source.is_live() {
            files.extend([File::Tcp, File::Tcp6]);
        }
        let (mut sockstat, mut curr_estab, mut syn_recv) = (Sockstat::default(), None, None);
        let mut has_tcp = false;
        procfs::read(source, &files, |place, record| match record {
            Record::Mib { group: b"Tcp", names, values } => {
                if std::mem::replace(&mut has_tcp, true) {
                    return Err(place.error("this group stands here a second time"));
                }
                match text::pairs(names, values) {
                    Some(mut pairs) => {
                        curr_estab =
                            pairs.find(|(name, _)| *name == b"CurrEstab").map(|(_, value)| value);
                    }
                    None => report.trouble(&place.error(procfs::NO_PAIR)),
                }
                Ok(())
            }
            Record::Header(Proto::Tcp) => {
                syn_recv.get_or_insert(0);
                Ok(())
            }
            Record::Row(Proto::Tcp, _, row) => {
                let is_one = TcpState::from_number(row.state) == Some(TcpState::SYN_RECV);
                *syn_recv.get_or_insert(0) += u64::from(is_one);
                Ok(())
            }
            record => procfs::take_counts(&mut sockstat, place, &record),
        })?;
        let tcp = sockstat.tcp().map_err(procfs::missing)?;
        if curr_estab.is_none() {
            report.trouble(&Error::failed("estab", "snmp holds no CurrEstab of the group Tcp"));
        }
        if wants_syn_recv && source.is_live() {
            syn_recv = Some(count_syn_recv(source, is_strict, report)?);
        }
        Ok(Seen { sockstat, tcp, curr_estab, syn_recv })
    }

    /// A number of the transport table: `part` is 0 for all, 1 for IPv4, 2 for IPv6.
    fn transport(&self, protocol: Option<Protocol>, part: usize) -> i128 {
        let families = match part {
            1 => &[Family::Inet][..],
            2 => &[Family::Inet6],
            _ => &Family::ALL,
        };
        let protocols = match &protocol {
            Some(protocol) => std::slice::from_ref(protocol),
            None => &[Protocol::Raw, Protocol::Udp, Protocol::Tcp],
        };
        let of =
            |protocol| families.iter().map(move |family| self.sockstat.inuse(protocol, *family));
        protocols.iter().flat_map(|protocol| of(*protocol)).map(i128::from).sum()
    }
}

fn count_syn_recv(source: &Source, is_strict: bool, report: &mut Report) -> Result<u64, Error> {
    let wanted = StateSet::only(TcpState::SYN_RECV);
    let (counts, dumped) = source::confirmed(source, is_strict, || {
        source::tcp_states(source, Method::Auto, wanted, false)
    })?;
    facts::note_interrupted(dumped, report);
    Ok(counts.both(TcpState::SYN_RECV))
}

fn row(seen: &Seen, name: &'static str, out: &mut Out) -> Result<(), Error> {
    write(name, known(seen, name), out)
}

/// The number of one row.
///
/// # Errors
/// As those of the table.
pub fn number(
    name: &'static str,
    source: &Source,
    report: &mut Report,
) -> Result<Option<i128>, Error> {
    let seen = Seen::read(source, name == "synrecv", false, report)?;
    Ok(known(&seen, name).0)
}

/// A row of either table.
fn known(seen: &Seen, name: &str) -> Row {
    let transport = TRANSPORT.iter().find_map(|(names, protocol)| {
        let part = names.iter().position(|known| *known == name)?;
        Some(seen.transport(*protocol, part))
    });
    match transport {
        Some(count) => (
            Some(count),
            NETNS,
            "inuse of /proc/net/sockstat and sockstat6",
            "sockets (for frag, packets that wait for fragments) of the protocol and family",
        ),
        None => summary(seen, name),
    }
}

fn write(name: &'static str, row: Row, out: &mut Out) -> Result<(), Error> {
    let (value, scope, source, meaning) = row;
    out.row([
        Value::Word(name),
        value.map_or(Value::Absent, Value::Int),
        Value::Word(scope),
        Value::Text(source.as_bytes()),
        Value::Text(meaning.as_bytes()),
    ])
}

type Row = (Option<i128>, &'static str, &'static str, &'static str);

/// A row of the whole machine: `tcp` holds the sums over its namespaces.
fn machine_row(tcp: &TcpSockstat, name: &str) -> Row {
    let seen = Seen { sockstat: Sockstat::default(), tcp: *tcp, curr_estab: None, syn_recv: None };
    let (value, _, source, meaning) = summary(&seen, name);
    let source = match name {
        "tcp" => "/proc/net/sockstat TCP alloc + sum of tw",
        "closed" => CLOSED_OF_ALL,
        "unhashed" => UNHASHED_OF_ALL,
        _ => source,
    };
    (value, HOST, source, meaning)
}

/// A row of the summary: value, scope, source, meaning.
fn summary(seen: &Seen, name: &str) -> Row {
    let tcp = &seen.tcp;
    let known = |protocol: &str, item: &str| {
        let known = sockstat::explain(protocol.as_bytes(), item.as_bytes());
        (known.scope, known.meaning)
    };
    match name {
        "total" => {
            let (scope, meaning) = known("sockets", "used");
            (seen.sockstat.used.map(i128::from), scope, "/proc/net/sockstat sockets used", meaning)
        }
        "tcp" => (
            Some(i128::from(tcp.alloc) + i128::from(tcp.tw)),
            "host+netns",
            "/proc/net/sockstat TCP alloc + tw",
            "TCP sockets of both families, TIME_WAIT included",
        ),
        "estab" => (
            seen.curr_estab,
            NETNS,
            "/proc/net/snmp Tcp CurrEstab",
            "sockets in ESTABLISHED and in CLOSE_WAIT",
        ),
        "closed" => (Some(tcp.closed()), HOST_MINUS_NETNS, CLOSED, CLOSED_MEANING),
        "orphaned" => {
            let (_, meaning) = known("TCP", "orphan");
            (Some(i128::from(tcp.orphan)), HOST, "/proc/net/sockstat TCP orphan", meaning)
        }
        "synrecv" => (
            seen.syn_recv.map(i128::from),
            NETNS,
            "sock_diag, or /proc/net/tcp and tcp6",
            "sockets in SYN_RECV: connections that a peer has asked for and not yet confirmed",
        ),
        "timewait" => {
            let (scope, meaning) = known("TCP", "tw");
            (Some(i128::from(tcp.tw)), scope, "/proc/net/sockstat TCP tw", meaning)
        }
        _ => (Some(tcp.unhashed()), HOST_MINUS_NETNS, UNHASHED, UNHASHED_MEANING),
    }
}
