//! The summary of `ss -s`, and what its "closed" really counts.

use super::{HOST, HOST_MINUS_NETNS, Measure, Measures, NETNS, no_measure, sockstat};
use crate::error::Error;
use crate::frame::Report;
use crate::model::{Family, Proto, Protocol, Sockstat, StateSet, TcpSockstat, TcpState};
use crate::select::facts;
use crate::source::files::procfs::{self, File, Record};
use crate::source::{self, Method, Source};
use crate::wire::text;

pub const NAMES: [&str; 8] =
    ["total", "tcp", "estab", "closed", "orphaned", "synrecv", "timewait", "unhashed"];

/// The rows of a protocol: all, IPv4, IPv6; `None` sums RAW, UDP and TCP as ss does.
pub const TRANSPORT: [([&str; 3], Option<Protocol>); 5] = [
    (["raw", "raw_ip", "raw_ip6"], Some(Protocol::Raw)),
    (["udp", "udp_ip", "udp_ip6"], Some(Protocol::Udp)),
    (["tcp_inuse", "tcp_ip", "tcp_ip6"], Some(Protocol::Tcp)),
    (["inet", "inet_ip", "inet_ip6"], None),
    (["frag", "frag_ip", "frag_ip6"], Some(Protocol::Frag)),
];

/// The names of all rows.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(TRANSPORT.iter().flat_map(|(names, _)| *names))
}

/// The summary as a table.
#[derive(Debug)]
pub struct Summary {
    pub is_strict: bool,
}

impl Measures for Summary {
    const OF_MACHINE: &'static [&'static str] = &["tcp", "closed", "unhashed", "orphaned"];
    const MIXED: &'static [&'static str] = &["tcp", "closed", "unhashed"];

    fn read(
        &self,
        names: &[&'static str],
        source: &Source,
        report: &mut Report,
    ) -> Result<Readings, Error> {
        Readings::read(source, names.contains(&"synrecv"), self.is_strict, report)
    }

    fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
        measure(readings, name, of_machine)
    }
}

/// The number of one row; `None` if it is not known.
pub fn number(name: &str, source: &Source, report: &mut Report) -> Result<Option<i128>, Error> {
    let readings = Readings::read(source, name == "synrecv", false, report)?;
    Ok(measure(&readings, name, false)?.value)
}

/// The inputs of the rows.
#[derive(Debug, Default)]
pub struct Readings {
    pub sockstat: Sockstat,
    pub tcp: TcpSockstat,
    pub curr_estab: Option<i128>,
    pub syn_recv: Option<u64>,
}

impl Readings {
    pub fn read(
        source: &Source,
        wants_syn_recv: bool,
        is_strict: bool,
        report: &mut Report,
    ) -> Result<Readings, Error> {
        let mut files = vec![File::Sockstat, File::Sockstat6, File::Snmp];
        if wants_syn_recv && !source.is_live() {
            files.extend([File::Tcp, File::Tcp6]);
        }
        let (mut sockstat, mut curr_estab, mut syn_recv) = (Sockstat::default(), None, None);
        let mut has_tcp = false;
        procfs::read(source, &files, |place, record| match record {
            Record::Mib { group: b"Tcp", names, values } => {
                if std::mem::replace(&mut has_tcp, true) {
                    return Err(place.error("this group appears a second time"));
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
            report.trouble(&Error::failed("estab", "snmp has no CurrEstab in the group Tcp"));
        }
        if wants_syn_recv && source.is_live() {
            syn_recv = Some(count_syn_recv(source, is_strict, report)?);
        }
        Ok(Readings { sockstat, tcp, curr_estab, syn_recv })
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

/// A row of either table.
pub fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
    let transport = TRANSPORT.iter().find_map(|(names, protocol)| {
        let part = names.iter().position(|known| *known == name)?;
        Some(readings.transport(*protocol, part))
    });
    if let Some(count) = transport {
        return Ok(Measure::of(
            Some(count),
            NETNS,
            "inuse of /proc/net/sockstat and sockstat6",
            "sockets (for frag, packets waiting for fragments) of the protocol and family",
        ));
    }
    let one = of_summary(readings, name)?;
    if !of_machine {
        return Ok(one);
    }
    let source = match name {
        "tcp" => "/proc/net/sockstat TCP alloc + sum of tw".into(),
        "closed" => "alloc - (sum of inuse + sum of inuse6 - sum of tw)".into(),
        "unhashed" => "alloc - sum of inuse - sum of inuse6".into(),
        _ => one.source,
    };
    Ok(Measure { scope: HOST, source, ..one })
}

fn of_summary(readings: &Readings, name: &str) -> Result<Measure, Error> {
    let tcp = &readings.tcp;
    Ok(match name {
        "total" => sockstat::measure(readings.sockstat.used, "sockets", "used"),
        "tcp" => Measure::of(
            Some(i128::from(tcp.alloc) + i128::from(tcp.tw)),
            "host+netns",
            "/proc/net/sockstat TCP alloc + tw",
            "TCP sockets of both families, TIME_WAIT included",
        ),
        "estab" => Measure::of(
            readings.curr_estab,
            NETNS,
            "/proc/net/snmp Tcp CurrEstab",
            "sockets in ESTABLISHED and in CLOSE_WAIT",
        ),
        "closed" => Measure::of(
            Some(tcp.closed()),
            HOST_MINUS_NETNS,
            "alloc - (inuse + inuse6 - tw)",
            "what ss -s and the documentation call closed; it includes every TIME_WAIT socket",
        ),
        "orphaned" => sockstat::measure(Some(tcp.orphan), "TCP", "orphan"),
        "synrecv" => Measure::of(
            readings.syn_recv.map(i128::from),
            NETNS,
            "sock_diag, or /proc/net/tcp and tcp6",
            "sockets in SYN_RECV: connections that a peer has requested but not yet confirmed",
        ),
        "timewait" => sockstat::measure(Some(tcp.tw), "TCP", "tw"),
        "unhashed" => Measure::of(
            Some(tcp.unhashed()),
            HOST_MINUS_NETNS,
            "alloc - inuse - inuse6",
            "TCP sockets in no table: never connected, only bound, or closed and not yet released",
        ),
        _ => return Err(no_measure(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_number_of_its_own_and_nothing_else_has_one() {
        let readings = Readings { syn_recv: Some(1), ..Readings::default() };
        for of_machine in [false, true] {
            let meaning = |name| measure(&readings, name, of_machine).unwrap().meaning;
            let mut meanings = NAMES.map(meaning);
            meanings.sort_unstable();
            assert!(meanings.windows(2).all(|pair| pair[0] != pair[1]));
            assert!(names().all(|name| !meaning(name).is_empty()));
            for name in ["", "listen", "Total", "unhashed ", "alloc"] {
                assert!(measure(&readings, name, of_machine).is_err(), "{name}");
            }
        }
    }
}
