//! Sockets from rows of saved text, as far as a question wants to know about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::unmet::Unmet;
use crate::error::{self, Error};
use crate::model::{Endpoint, Family, Needs, Proto, Query, Socket, StateSet, TcpState};
use crate::source::Source;
use crate::source::files::lacking::{Shown, servers};
use crate::source::files::lines::Place;
use crate::source::files::tables::Doubts;
use crate::wire::saved::details::{details, each_holder, is_named};
use crate::wire::saved::row::{End, Host, Named, Port, Rest, Row};

/// What a question asks of rows, and what was seen of them.
pub(super) struct Texts<'a> {
    source: &'a Source,
    query: &'a Query,
    asks_holders: bool,
    asks_cgroups: bool,
    asks_owners: bool,
    asks_inodes: bool,
    asks_interfaces: bool,
    asks_ports: bool,
    /// Whether addresses are shown, and whether they are compared with networks or each other.
    asks_ends: bool,
    asks_networks: bool,
    /// Whether there was a socket of those that have a process and a control group.
    has_full: bool,
    has_holders: bool,
    has_cgroups: bool,
    /// Whether a row of a socket that must have a process shows none.
    has_hidden: bool,
    seen: Shown,
    /// Whether a row can show no more than one process.
    has_one: bool,
    /// Whether a word of `--process` is longer than a name that begins it, and is shown cut.
    has_cut: bool,
    unmet: Unmet<'a>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(source: &'a Source, query: &'a Query) -> Texts<'a> {
        let needs = |what| query.needs.has(what);
        let asks_networks =
            needs(Needs::NETWORKS) || !(query.laddr.is_empty() && query.raddr.is_empty());
        Texts {
            source,
            query,
            asks_holders: needs(Needs::HOLDERS) || !query.processes.is_empty(),
            asks_cgroups: needs(Needs::CGROUPS) || query.looks_at_cgroups(),
            asks_owners: needs(Needs::OWNERS) || !query.uids.is_empty(),
            asks_inodes: needs(Needs::INODES) || !query.inodes.is_empty(),
            asks_interfaces: needs(Needs::INTERFACES),
            asks_ports: needs(Needs::PORTS) || !(query.lport.is_empty() && query.rport.is_empty()),
            asks_ends: asks_networks || needs(Needs::ENDS),
            asks_networks,
            has_full: false,
            has_holders: false,
            has_cgroups: false,
            has_hidden: false,
            seen: Shown::default(),
            has_one: false,
            has_cut: false,
            unmet: Unmet::of(query),
        }
    }

    /// Refuses what tables of the kernel do not answer.
    ///
    /// # Errors
    /// A usage error.
    pub(super) fn refuse_tables(&self) -> Result<(), Error> {
        const HOLDER: &str = "saved files do not say who holds a socket";
        const CGROUP: &str = "saved files do not say in which control group a socket was created";
        crate::source::refuse_saved([
            (self.asks_interfaces, super::NO_INTERFACES),
            (self.asks_cgroups, CGROUP),
            (self.asks_holders, HOLDER),
        ])
    }

    /// The socket of a row.
    ///
    /// # Errors
    /// If the row does not say what is asked.
    #[inline]
    pub(super) fn socket(
        &mut self,
        place: Place<'_>,
        proto: Proto,
        family: Family,
        row: &Row<'_>,
    ) -> Result<Socket, Error> {
        self.seen.see(proto, family, row.state.unwrap_or_default());
        let local = self.end(place, proto, family, &row.local)?;
        let remote = self.end(place, proto, family, &row.remote)?;
        let mut socket = Socket {
            recv_queue_bytes: row.recv_queue,
            send_queue_bytes: row.send_queue,
            ..Socket::of(proto, family, row.state.unwrap_or_default(), local, remote)
        };
        let is_named = |end: &End<'_>| matches!(end.host, Host::Name(_));
        if is_named(&row.local) || is_named(&row.remote) {
            let number = |end: &End<'_>| match end.host {
                Host::Name(name) => self.source.words.number(name),
                _ => 0,
            };
            socket.names = [number(&row.local), number(&row.remote)];
        }
        let is_listener = socket.is_listening();
        let asks_numbers = self.asks_owners || self.asks_inodes;
        if self.asks_holders || self.asks_cgroups || asks_numbers || is_listener {
            self.add_details(place, row, &mut socket)?;
        }
        if self.asks_interfaces {
            if matches!(row.rest, Rest::Netstat(..)) {
                return Err(place.error(
                    "netstat does not show to which interface a socket is bound: save ss -tan",
                ));
            }
            let zone = row.local.zone;
            socket.interface = if zone.is_empty() { 0 } else { self.source.words.number(zone) };
        }
        self.unmet.meet(&socket);
        Ok(socket)
    }

    /// Takes a socket of a kernel's table.
    #[inline]
    pub(super) fn see(&mut self, socket: &Socket) {
        self.unmet.meet(socket);
    }

    #[inline(always)]
    fn end(
        &self,
        place: Place<'_>,
        proto: Proto,
        family: Family,
        end: &End<'_>,
    ) -> Result<Endpoint, Error> {
        match (end.host, end.port) {
            // Nearly all are like this.
            (Host::Address(address @ IpAddr::V4(_)), Port::Number(port))
                if family == Family::Inet =>
            {
                Ok(Endpoint { address, port })
            }
            _ => self.other_end(place, proto, family, end),
        }
    }

    #[inline(never)]
    fn other_end(
        &self,
        place: Place<'_>,
        proto: Proto,
        family: Family,
        end: &End<'_>,
    ) -> Result<Endpoint, Error> {
        let any: IpAddr = match family {
            Family::Inet => Ipv4Addr::UNSPECIFIED.into(),
            Family::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        // No address of the other family, not even a listener's, is compared with one of this family.
        let is_asked = self.query.has_family(family);
        let address = match end.host {
            Host::Address(IpAddr::V4(address)) if family == Family::Inet6 => {
                address.to_ipv6_mapped().into()
            }
            Host::Address(address) => address,
            Host::Any => any,
            Host::Name(name) if is_asked && self.asks_networks => {
                let name = name.escape_ascii();
                return Err(place.error(format_args!(
                    "'{name}' is a name, not an address: save the text with -n"
                )));
            }
            Host::Cut if is_asked && self.asks_ends => {
                return Err(place.error(
                    "an address may be cut, as it fills its column: save the text with netstat -W",
                ));
            }
            Host::Name(_) | Host::Cut => any,
        };
        let port = match end.port {
            Port::Number(port) => port,
            Port::Name(name) if self.asks_ports => {
                let Source { words, kernel, .. } = self.source;
                words.port(kernel, name, proto.name())?.ok_or_else(|| {
                    let (name, file) = (name.escape_ascii(), kernel.etc_path("services"));
                    let file = file.display();
                    place.error(format_args!(
                        "'{name}' is not a service in {file}: save the text with -n"
                    ))
                })?
            }
            Port::Any | Port::Name(_) => 0,
        };
        Ok(Endpoint { address, port })
    }

    #[inline(never)]
    fn add_details(
        &mut self,
        place: Place<'_>,
        row: &Row<'_>,
        socket: &mut Socket,
    ) -> Result<(), Error> {
        let details = details(row.rest);
        socket.is_v6_only = details.is_v6_only || is_bracketed_any(&row.local);
        socket.timer = if details.is_minisocket { 3 } else { 0 };
        if self.asks_owners {
            const NO_OWNER: &str = "this row does not say who made the socket: save the text with ss -e, or netstat -en";
            let uid = details.uid.ok_or_else(|| place.error(NO_OWNER))?;
            let inode = details.inode.ok_or_else(|| place.error(NO_OWNER))?;
            (socket.uid, socket.inode) = (uid, inode);
        }
        if self.asks_inodes {
            const NO_INODE: &str = "this row does not say the inode of the socket: save the text with ss -e, or netstat -e";
            socket.inode = details.inode.ok_or_else(|| place.error(NO_INODE))?;
        }
        let is_full = socket.is_full();
        self.has_full |= is_full;
        let words = &self.source.words;
        if self.asks_cgroups {
            self.has_cgroups |= details.cgroup.is_some();
            socket.cgroup = details.cgroup.map(|path| words.number(path).into());
        }
        if self.asks_holders {
            let (mut lowest, mut is_any, mut is_avoided) = (None::<(u32, &[u8])>, false, false);
            let processes = &self.query.processes;
            each_holder(details.holders, |holder| {
                is_any = true;
                let (pid, name) = (holder.pid, holder.name);
                let mut is_it = |word: &[u8]| {
                    let named = is_named(word, &holder, row.rest);
                    self.has_cut |= named == Named::SoFar;
                    named != Named::No
                };
                let mut is_any = |words: &[Vec<u8>]| words.iter().any(|word| is_it(word));
                let matches = processes.any.is_empty() || is_any(&processes.any);
                is_avoided |= is_any(&processes.none);
                self.unmet.meet_process(is_it);
                if matches && lowest.is_none_or(|(other, _)| pid < other) {
                    lowest = Some((pid, name));
                }
            });
            socket.holder = lowest.map_or(0, |(pid, name)| words.of_process(pid, name));
            if is_avoided {
                socket.holder = Socket::AVOIDED;
            }
            self.has_holders |= is_any;
            self.has_one |= is_any && matches!(row.rest, Rest::Netstat(..));
            self.has_hidden |=
                !is_any && is_full && details.inode != Some(0) && has_process(socket);
        }
        Ok(())
    }

    /// Adds what was seen of other rows.
    pub(super) fn add(&mut self, other: &Texts<'_>) {
        self.has_full |= other.has_full;
        self.has_holders |= other.has_holders;
        self.has_cgroups |= other.has_cgroups;
        self.has_hidden |= other.has_hidden;
        self.seen.add(other.seen);
        self.has_one |= other.has_one;
        self.has_cut |= other.has_cut;
        self.unmet.add(&other.unmet);
    }

    /// Refuses what no row has answered, and gives what may be wrong.
    ///
    /// # Errors
    /// A usage error.
    pub(super) fn finish(&self, mut doubts: Doubts) -> Result<Doubts, Error> {
        const NO_HOLDER: &str =
            "this text does not say who holds a socket: save it with ss -p, or netstat -p";
        const NO_CGROUP: &str = "this text does not say in which control group a socket was created: save it with ss -e";
        let lacks_holders = self.asks_holders && !self.has_holders;
        crate::source::refuse_saved([
            (self.has_full && lacks_holders, NO_HOLDER),
            (self.has_full && self.asks_cgroups && !self.has_cgroups, NO_CGROUP),
        ])?;
        if self.asks_holders && (self.has_hidden || doubts.has(Doubts::UNSEEN)) {
            doubts.add(Doubts::HIDDEN);
        }
        let query = self.query;
        let unmet = self.unmet.all(&self.source.words);
        refuse_paths(query, &unmet)?;
        self.source.words.note_unmet(unmet);
        let is_wanted = |proto| query.protos().contains(&proto);
        let asks_servers = query.needs.has(Needs::LISTENERS);
        let wanted = Proto::ALL.map(|proto| match is_wanted(proto) {
            true if asks_servers => query.states().with(servers(proto)),
            true => query.states(),
            false => StateSet::default(),
        });
        let is_named = query.states.is_some() || !query.other_states.is_empty();
        if query.looks_at_peers() {
            doubts.ask_peers(wanted, self.seen.states);
        }
        doubts.want(wanted, self.seen.states, is_named);
        if asks_servers {
            doubts.ask_servers();
        }
        if self.has_one {
            doubts.add(Doubts::ONE_HOLDER);
        }
        if self.has_cut {
            doubts.add(Doubts::CUT_NAMES);
        }
        if self.query.family.is_some() || self.query.needs.has(Needs::FAMILIES) {
            doubts.ask_family();
        }
        if doubts.has(Doubts::STAR) && (query.needs.has(Needs::ENDS) || tells_any_apart(query)) {
            doubts.ask_family();
        }
        for family in query.named_families() {
            let is_named = query.names_family(family);
            query.protos().iter().for_each(|proto| doubts.ask(*proto, family, is_named));
        }
        if query.looks_at_ends() || query.looks_at_holders() {
            doubts.ask_filter();
        }
        Ok(doubts)
    }
}

/// Whether filters compare any address of IPv4 otherwise than any of IPv6.
fn tells_any_apart(query: &Query) -> bool {
    let [v4, v6]: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    [&query.laddr, &query.raddr].into_iter().any(|networks| {
        let has = |any| networks.has(|network| network.prefix.has(any));
        has(v4) != has(v6)
    })
}

/// Refuses the path of a program, which no row shows: that there is no such process is not known. A name may look like
/// one, and be met.
fn refuse_paths(query: &Query, unmet: &[(&str, Vec<u8>)]) -> Result<(), Error> {
    let is_path =
        |word: &&Vec<u8>| word.starts_with(b"/") && unmet.iter().any(|(_, unmet)| unmet == *word);
    query.processes.iter().find(is_path).map_or(Ok(()), |path| {
        const NO_PATHS: &str =
            "is a path, and text has names of processes, no paths: give the name";
        let reason = format_args!("'{}' {NO_PATHS}", error::visible(path));
        Err(Error::usage("--process", reason))
    })
}

/// Whether a process holds every socket in such a state, but for those of the kernel and for connections that wait to be
/// accepted.
fn has_process(socket: &Socket) -> bool {
    let states = [TcpState::ESTABLISHED, TcpState::LISTEN, TcpState::CLOSE].map(Some);
    states.contains(&socket.tcp_state())
}

/// Whether ss has written `[::]`: it would be `*` if the socket took IPv4, too.
fn is_bracketed_any(end: &End<'_>) -> bool {
    end.is_bracketed && matches!(end.host, Host::Address(address) if address.is_unspecified())
}
