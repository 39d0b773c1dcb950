//! The summary of `ss -s`, and what its "closed" really counts.

use super::{HOST, HOST_MINUS_NETNS, Measure, Measures, NETNS, no_measure, sockstat};
use crate::error::{Error, Status};
use crate::frame::Report;
use crate::model::{Family, Patience, Proto, Protocol, Sockstat, StateSet, TcpSockstat, TcpState};
use crate::select::gaps;
use crate::source::files::counts;
use crate::source::files::procfs::{self, File, Record};
use crate::source::{self, Method, Source};
use crate::wire::text;

pub(crate) const NAMES: [&str; 8] =
    ["total", "tcp", "estab", "closed", "orphaned", "synrecv", "timewait", "unhashed"];

/// The rows of a protocol: all, IPv4, IPv6; `None` sums RAW, UDP and TCP as ss does.
pub(crate) const TRANSPORT: [([&str; 3], Option<Protocol>); 5] = [
    (["raw", "raw_ip", "raw_ip6"], Some(Protocol::Raw)),
    (["udp", "udp_ip", "udp_ip6"], Some(Protocol::Udp)),
    (["tcp_inuse", "tcp_ip", "tcp_ip6"], Some(Protocol::Tcp)),
    (["inet", "inet_ip", "inet_ip6"], None),
    (["frag", "frag_ip", "frag_ip6"], Some(Protocol::Frag)),
];

/// The names of all rows.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(TRANSPORT.iter().flat_map(|(names, _)| *names))
}

/// The rows that are calculated from numbers of the machine and of the namespace.
pub(crate) const CALCULATED: [&str; 3] = ["tcp", "closed", "unhashed"];

/// Whether they may include sockets of other namespaces: `alloc` counts more than the two `inuse` of this one.
pub(super) fn has_rest(readings: &Readings) -> bool {
    readings.tcp.is_some_and(|tcp| tcp.unhashed() > 0)
}

/// The summary as a table.
#[derive(Debug)]
pub(crate) struct Summary {
    pub strict: Patience,
}

impl Measures for Summary {
    const OF_MACHINE: &'static [&'static str] = &["tcp", "closed", "unhashed", "orphaned"];
    const MIXED: &'static [&'static str] = &CALCULATED;
    const WITHOUT_KEYS: &'static str = ", or say -t -u where they have none";

    fn read(
        &self,
        names: &[&'static str],
        source: &Source,
        report: &mut Report,
    ) -> Result<Readings, Error> {
        Readings::read(source, names, self.strict, report)
    }

    fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
        measure(readings, name, of_machine)
    }
}

/// The number of one row; a doubt says if the row mixes
/// numbers of the machine and of the namespace.
///
/// # Errors
/// If it cannot be read, or is calculated from a level below zero.
pub(crate) fn number(
    name: &'static str,
    source: &Source,
    strict: Patience,
    report: &mut Report,
) -> Result<i128, Error> {
    let readings = Readings::read(source, &[name], strict, report)?;
    let is_calculated = CALCULATED.contains(&name);
    if is_calculated && readings.tcp.is_some_and(|tcp| tcp.is_below_zero()) {
        return Err(Error::failed("sockstat", "a number that it is calculated from is below zero"));
    }
    if readings.lacks_ipv6 {
        return Err(Error::failed("--rule", super::NO_IPV6));
    }
    if is_calculated && !source.is_one_of_all {
        super::note_namespace(source, has_rest(&readings), report, Report::lack)?;
    }
    let lack = || match name {
        "synrecv" => crate::source::no_table(source, Proto::Tcp),
        _ => counts::missing(source, if name == "total" { "sockets used" } else { name }),
    };
    measure(&readings, name, false)?.value.ok_or_else(lack)
}

/// Whether a row has one number for the whole machine.
pub(crate) fn is_of_machine(name: &str) -> bool {
    Summary::OF_MACHINE.contains(&name)
}

/// The number of such a row, where `tcp` holds the sums over all namespaces.
pub(crate) fn of_machine(name: &str, tcp: TcpSockstat) -> Option<i128> {
    measure(&Readings { tcp: Some(tcp), ..Readings::default() }, name, true).ok()?.value
}

/// Where the number of a row comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Sockstat,
    Snmp,
    /// The sockets themselves.
    Sockets,
}

impl Origin {
    fn of(name: &str) -> Origin {
        match name {
            "estab" => Origin::Snmp,
            "synrecv" => Origin::Sockets,
            _ => Origin::Sockstat,
        }
    }

    /// What follows if it cannot be read.
    fn consequence(self) -> &'static str {
        match self {
            Origin::Sockstat => "; the rows that need it are absent",
            Origin::Snmp => "; estab is absent",
            Origin::Sockets => "; synrecv is absent",
        }
    }

    /// The kernel's files.
    fn files(self) -> &'static [File] {
        match self {
            Origin::Sockstat => &[File::Sockstat, File::Sockstat6],
            Origin::Snmp => &[File::Snmp],
            Origin::Sockets => &[File::Tcp, File::Tcp6],
        }
    }
}

/// What the files of a summary are.
const SUMMARY_NEEDS: &str = "--from: the summary needs sockstat, sockstat6 and snmp; --state or --by count what a table of sockets holds";

/// The inputs of the rows; `None` for one that is not known, or was not asked for.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    pub(crate) sockstat: Option<Sockstat>,
    pub(crate) tcp: Option<TcpSockstat>,
    pub(crate) curr_estab: Option<i128>,
    pub(crate) syn_recv: Option<u64>,
    /// Whether numbers of IPv6 are missing.
    pub(crate) lacks_ipv6: bool,
}

impl Readings {
    /// Reads what the rows `names` need. Not every kernel has all of it: what can be read is, and the rest
    /// is said once.
    ///
    /// # Errors
    /// If no row is known.
    fn read(
        source: &Source,
        names: &[&'static str],
        strict: Patience,
        report: &mut Report,
    ) -> Result<Readings, Error> {
        let mut readings = Readings::default();
        let mut lacks = Vec::new();
        let is_saved = !source.saved.is_empty();
        if is_saved {
            // What else may be missing is seen by what the files hold.
            let is_asked = names.iter().any(|name| Origin::of(name) == Origin::Sockets);
            let files = if is_asked { Origin::Sockets.files() } else { &[] };
            readings.take(source, files, report)?;
        }
        for origin in [Origin::Sockstat, Origin::Snmp, Origin::Sockets] {
            if names.iter().all(|name| Origin::of(name) != origin) {
                continue;
            }
            let taken = match origin {
                _ if is_saved => Ok(()),
                Origin::Sockets if source.is_live() => readings.walk(source, strict, report),
                _ => readings.add(origin, source, report),
            };
            let lack = taken.and_then(|()| readings.finish(origin, source)).err();
            lacks.extend(lack.map(|lack| (origin, lack)));
        }
        let Readings { sockstat, curr_estab, syn_recv, .. } = &readings;
        let is_known = sockstat.is_some() || curr_estab.is_some() || syn_recv.is_some();
        for (origin, lack) in lacks {
            match lack {
                Error::Fault { status: Status::Failed, text } if is_known => {
                    let text = String::from_utf8_lossy(&text);
                    report.lack(&[&text, origin.consequence()].concat());
                    // Saved files may hold what others count.
                    if is_saved && names.len() > 1 {
                        report.note(SUMMARY_NEEDS);
                    }
                }
                lack => return Err(lack),
            }
        }
        if let Some(sockstat) = readings.sockstat {
            readings.lacks_ipv6 = super::lacks_ipv6(names, source, &sockstat, report);
        }
        Ok(readings)
    }

    /// Takes what the kernel's files of an origin hold: all of it or nothing.
    fn add(&mut self, origin: Origin, source: &Source, report: &mut Report) -> Result<(), Error> {
        let mut part = Readings::default();
        part.take(source, origin.files(), report)?;
        match origin {
            Origin::Sockstat => self.sockstat = part.sockstat,
            Origin::Snmp => self.curr_estab = part.curr_estab,
            Origin::Sockets => self.syn_recv = part.syn_recv,
        }
        Ok(())
    }

    /// Takes what files hold.
    fn take(&mut self, source: &Source, files: &[File], report: &mut Report) -> Result<(), Error> {
        let Readings { sockstat, curr_estab, syn_recv, .. } = self;
        let (mut has_tcp, mut seen) = (false, StateSet::default());
        let mut tables = procfs::read(source, files, |place, record| match record {
            Record::Mib { group: b"Tcp", names, values } => {
                if std::mem::replace(&mut has_tcp, true) {
                    return Err(place.error("this group appears a second time"));
                }
                match text::pairs(names, values) {
                    Some(mut pairs) => {
                        let found = pairs.find(|(name, _)| *name == b"CurrEstab");
                        *curr_estab = found.map(|(_, value)| text::level(value));
                    }
                    None => report.trouble(&place.error(procfs::NO_PAIR)),
                }
                Ok(())
            }
            Record::Header(Proto::Tcp) | Record::Table(Proto::Tcp) => {
                syn_recv.get_or_insert(0);
                Ok(())
            }
            Record::Row(Proto::Tcp, ..) | Record::Text(Proto::Tcp, ..) => {
                let state = record.socket().and_then(|(.., state)| TcpState::from_number(state));
                seen = seen.with(state.into_iter().collect());
                let is_one = state == Some(TcpState::SYN_RECV);
                *syn_recv.get_or_insert(0) += u64::from(is_one);
                Ok(())
            }
            Record::Counts { .. } => {
                counts::take_counts(sockstat.get_or_insert_default(), place, &record)
            }
            _ => Ok(()),
        })?;
        let wanted = [StateSet::only(TcpState::SYN_RECV), StateSet::default()];
        tables.doubts.want(wanted, [seen; 2], true);
        report.notes(tables.doubts.notes());
        Ok(())
    }

    /// Counts sockets in SYN_RECV.
    fn walk(
        &mut self,
        source: &Source,
        strict: Patience,
        report: &mut Report,
    ) -> Result<(), Error> {
        let wanted = StateSet::only(TcpState::SYN_RECV);
        let (counts, dumped) = source::confirmed(source, strict, || {
            source::tcp_states(source, Method::Auto, wanted, false)
        })?;
        gaps::note_interrupted(dumped, report);
        self.syn_recv = Some(counts.both(TcpState::SYN_RECV));
        Ok(())
    }

    /// Completes what was taken of an origin.
    ///
    /// # Errors
    /// What is missing of it.
    fn finish(&mut self, origin: Origin, source: &Source) -> Result<(), Error> {
        match origin {
            Origin::Sockstat => {
                let tcp = self.sockstat.unwrap_or_default().tcp();
                let tcp = tcp.map_err(|field| counts::missing(source, field))?;
                self.tcp = Some(tcp);
                Ok(())
            }
            Origin::Snmp if self.curr_estab.is_none() => {
                let subject =
                    if source.saved.is_empty() { b"snmp".into() } else { source.saved_names() };
                Err(Error::failed(subject, "holds no CurrEstab in the group Tcp of snmp"))
            }
            Origin::Snmp | Origin::Sockets => Ok(()),
        }
    }

    /// A number of the transport table: `part` is 0 for all, 1 for IPv4, 2 for IPv6.
    fn transport(&self, protocol: Option<Protocol>, part: usize) -> Option<i128> {
        let sockstat = self.sockstat?;
        let families = match part {
            1 => &[Family::Inet][..],
            2 => &[Family::Inet6],
            _ => &Family::ALL,
        };
        let protocols = match &protocol {
            Some(protocol) => std::slice::from_ref(protocol),
            None => &[Protocol::Raw, Protocol::Udp, Protocol::Tcp],
        };
        let of = |protocol| families.iter().map(move |family| sockstat.inuse(protocol, *family));
        Some(protocols.iter().flat_map(|protocol| of(*protocol)).sum())
    }
}

/// A row of either table.
pub(crate) fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
    let transport = TRANSPORT.iter().find_map(|(names, protocol)| {
        let part = names.iter().position(|known| *known == name)?;
        Some(readings.transport(*protocol, part))
    });
    if let Some(count) = transport {
        return Ok(Measure::of(
            count,
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
    let tcp = readings.tcp;
    let used = readings.sockstat.and_then(|sockstat| sockstat.used);
    Ok(match name {
        "total" => sockstat::measure(used, "sockets", "used"),
        "tcp" => Measure::of(
            tcp.map(|tcp| tcp.alloc + tcp.tw),
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
            tcp.map(|tcp| tcp.closed()),
            HOST_MINUS_NETNS,
            "alloc - (inuse + inuse6 - tw)",
            "what ss -s and the documentation call closed; it includes every TIME_WAIT socket",
        ),
        "orphaned" => sockstat::measure(tcp.map(|tcp| tcp.orphan), "TCP", "orphan"),
        "synrecv" => Measure::of(
            readings.syn_recv.map(i128::from),
            NETNS,
            "sock_diag, or /proc/net/tcp and tcp6",
            "sockets in SYN_RECV: connections that a peer has requested but not yet confirmed",
        ),
        "timewait" => sockstat::measure(tcp.map(|tcp| tcp.tw), "TCP", "tw"),
        "unhashed" => Measure::of(
            tcp.map(|tcp| tcp.unhashed()),
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
