//! Which sockets to select and what to look up about them: the common query of all applets.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Endpoint, Family, Proto, Socket, StateSet, TcpState};

/// A network, or one address: ADDR[/LEN].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The address; bits beyond the length do not matter. Never v4-mapped.
    pub address: IpAddr,
    /// How many leading bits must agree: at most 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// Reads `ADDR` or `ADDR/LEN`. A v4-mapped address of at least 96 bits becomes an IPv4 one.
    pub fn parse(text: &str) -> Result<Prefix, &'static str> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let has_port = || text.parse::<SocketAddr>().is_ok();
        let address: IpAddr = bare.unwrap_or(address).parse().map_err(|_| match has_port() {
            true => "an address and a port, which is a filter of its own: --lport, --rport",
            false => "not an IP address",
        })?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| "not a prefix length")?
            }
            Some(_) => return Err("not a prefix length"),
        };
        match (address.to_canonical(), length) {
            (_, length) if length > most => Err("the prefix is longer than the address"),
            (IpAddr::V4(address), 96..) if most == 128 => {
                Ok(Prefix { address: IpAddr::V4(address), length: length - 96 })
            }
            (IpAddr::V4(_), _) if most == 128 => Ok(Prefix { address, length }),
            (address, length) => Ok(Prefix { address, length }),
        }
    }

    /// Whether `address` is in the network. A v4-mapped one is in the IPv4 networks of its IPv4 address, and in
    /// those IPv6 networks that its own bits are in, such as `::/0`: as in ss(8).
    #[inline(never)]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = if self.address.is_ipv4() { address.to_canonical() } else { address };
        // Bits that differ, after those that do not matter are gone.
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let other = own.to_bits() ^ other.to_bits();
                other.checked_shr(32u32.saturating_sub(self.length.into())).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let other = own.to_bits() ^ other.to_bits();
                other.checked_shr(128u32.saturating_sub(self.length.into())).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// A network, perhaps only where it is reached by one interface: `ADDR[%ZONE][/LEN]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network.
    pub prefix: Prefix,
    /// The index of the interface to which the socket must be bound.
    pub zone: Option<u32>,
}

impl From<Prefix> for Network {
    fn from(prefix: Prefix) -> Network {
        Network { prefix, zone: None }
    }
}

/// The address with all but its first `length` bits cleared.
#[inline]
pub fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// What must be looked up, so that nothing is read in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u16);

impl Needs {
    pub const NONE: Needs = Needs(0);
    /// Processes.
    pub const HOLDERS: Needs = Needs(1);
    pub const CGROUPS: Needs = Needs(1 << 1);
    /// Ports with a listening socket.
    pub const LISTENERS: Needs = Needs(1 << 2 | Needs::PORTS.0 | Needs::NETWORKS.0);
    /// Names of ports, which also need the listeners.
    pub const SERVICES: Needs = Needs(1 << 3 | Needs::LISTENERS.0);
    /// Names of users.
    pub const USERS: Needs = Needs(1 << 4 | Needs::OWNERS.0);
    /// The interfaces to which sockets are bound.
    pub const INTERFACES: Needs = Needs(1 << 5);
    /// Who made sockets.
    pub const OWNERS: Needs = Needs(1 << 6);
    pub const PORTS: Needs = Needs(1 << 7);
    /// Whole addresses, or names of hosts.
    pub const ENDS: Needs = Needs(1 << 8);
    /// Addresses that can be compared.
    pub const NETWORKS: Needs = Needs(1 << 9 | Needs::ENDS.0);
    /// The pods and containers to which control groups belong.
    pub const PODS: Needs = Needs(1 << 10 | Needs::CGROUPS.0);
    /// Families of addresses.
    pub const FAMILIES: Needs = Needs(1 << 11);
    /// The numbers of sockets in sockfs.
    pub const INODES: Needs = Needs(1 << 12);
    /// The other ends of connections.
    pub const PEERS: Needs = Needs(1 << 13);

    /// Both together.
    pub const fn with(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether all of `other` is needed.
    pub const fn has(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A list of which one entry must match, unless it is empty, and a list of which none may: `80,443` and `!22`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T> {
    pub any: Vec<T>,
    pub none: Vec<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Choice<T> {
        Choice { any: Vec::new(), none: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Choice<T> {
    fn from(any: Vec<T>) -> Choice<T> {
        Choice { any, none: Vec::new() }
    }
}

impl<T> Choice<T> {
    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.any.iter().chain(&self.none)
    }

    /// The list that an entry belongs to.
    pub fn list(&mut self, is_not: bool) -> &mut Vec<T> {
        if is_not { &mut self.none } else { &mut self.any }
    }

    /// Whether something matches, of which `is_it` says whether an entry means it.
    #[inline]
    pub fn has(&self, is_it: impl Fn(&T) -> bool) -> bool {
        (self.any.is_empty() || self.any.iter().any(&is_it)) && !self.none.iter().any(is_it)
    }
}

/// For how long at most a count is repeated until it is confirmed; one that needs not be confirmed has none.
pub type Patience = Option<Duration>;

/// The name of an interface, after the option that asks for it, and before whether that excludes it.
pub type MissingInterface = (&'static str, String, bool);

/// Selects sockets: every choice must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The protocols; TCP if none is given.
    pub protos: Vec<Proto>,
    /// The family of the socket; AF_INET6 includes the v4-mapped ones.
    pub family: Option<Family>,
    pub states: Option<StateSet>,
    /// States that it must not be in.
    pub other_states: StateSet,
    /// Our ports.
    pub lport: Choice<Ports>,
    /// The other end's ports.
    pub rport: Choice<Ports>,
    /// Our addresses.
    pub laddr: Choice<Network>,
    /// The other end's addresses.
    pub raddr: Choice<Network>,
    /// The indices of the interfaces to which the socket is bound.
    pub interfaces: Choice<u32>,
    /// Interfaces that this network namespace does not have.
    pub missing_interfaces: Vec<MissingInterface>,
    /// Numbers of interfaces that this network namespace does not have: sockets may be bound to one that is gone.
    pub unknown_interfaces: Vec<u32>,
    /// Who made the socket.
    pub uids: Choice<u32>,
    /// The socket's number in sockfs.
    pub inodes: Choice<u64>,
    /// Names that must be looked up before they can select sockets.
    pub names: Vec<Name>,
    /// Names or numbers of processes that hold the socket.
    pub processes: Choice<Vec<u8>>,
    /// Paths of control groups, which include the groups below them.
    pub cgroups: Choice<Vec<u8>>,
    /// Names of the pods and of the containers that these are of.
    pub pods: Choice<Vec<u8>>,
    pub containers: Choice<Vec<u8>>,
    /// Whether both families were asked for, each alone.
    pub has_two_families: bool,
    /// Whether the user gave any filter option.
    pub is_given: bool,
    /// For how long a count is repeated at most until it is confirmed; counted once if `None`.
    pub strict: Patience,
    /// What else must be looked up about these sockets.
    pub needs: Needs,
    /// `--pods`: a file with the names of pods.
    pub pods_file: Option<PathBuf>,
}

/// A name in a query that is not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The option that it is a value of.
    pub option: &'static str,
    /// Whether it must not match: a `!` stands before it.
    pub is_not: bool,
    /// The network whose zone it is.
    pub prefix: Option<Prefix>,
    /// The name: of a service, a user or an interface.
    pub text: String,
}

impl Query {
    pub fn protos(&self) -> &[Proto] {
        if self.protos.is_empty() { &[Proto::Tcp] } else { &self.protos }
    }

    pub fn states(&self) -> StateSet {
        self.states.unwrap_or(StateSet::ALL).without(self.other_states)
    }

    /// Whether sockets in `state` match; `None` for an unknown one.
    pub fn has_state(&self, state: Option<TcpState>) -> bool {
        let is_any = self.states.is_none() && self.other_states.is_empty();
        is_any || state.is_some_and(|state| self.states().has(state))
    }

    pub fn has_family(&self, family: Family) -> bool {
        self.family.is_none_or(|wanted| wanted == family)
    }

    /// The families whose sockets are asked for: by an option, by a key, or by an address.
    pub fn named_families(&self) -> impl Iterator<Item = Family> + '_ {
        let is_asked = |family| self.needs.has(Needs::FAMILIES) || self.names_family(family);
        Family::ALL.into_iter().filter(move |family| self.has_family(*family) && is_asked(*family))
    }

    /// Whether a family is asked for by an option or by an address.
    pub fn names_family(&self, family: Family) -> bool {
        // A v4-mapped address is in the table of IPv6, but counts with the others of IPv4.
        let is_of = |network: &Network| match network.prefix.address {
            IpAddr::V4(_) => family == Family::Inet,
            IpAddr::V6(_) => family == Family::Inet6,
        };
        self.family == Some(family)
            || self.laddr.any.iter().any(is_of)
            || self.raddr.any.iter().any(is_of)
    }

    /// Whether endpoints or owners matter, so that counting by state is not enough.
    pub fn looks_at_ends(&self) -> bool {
        !(self.lport.is_empty()
            && self.rport.is_empty()
            && self.laddr.is_empty()
            && self.raddr.is_empty()
            && self.interfaces.is_empty()
            && self.uids.is_empty()
            && self.inodes.is_empty())
    }

    /// Whether sockets are chosen or grouped by their other ends, which those that listen do not have.
    pub fn looks_at_peers(&self) -> bool {
        !(self.raddr.is_empty() && self.rport.is_empty()) || self.needs.has(Needs::PEERS)
    }

    /// Whether the selection needs the processes that hold a socket.
    pub fn looks_at_holders(&self) -> bool {
        !self.processes.is_empty() || self.looks_at_cgroups()
    }

    /// Whether the selection needs the control groups of sockets.
    pub fn looks_at_cgroups(&self) -> bool {
        [&self.cgroups, &self.pods, &self.containers].into_iter().any(|choice| !choice.is_empty())
    }

    /// Whether words about holders are all excluded ones: a socket whose holder is not known then counts.
    pub fn only_excludes_holders(&self) -> bool {
        let Query { processes, cgroups, pods, containers, .. } = self;
        let all = [processes, cgroups, pods, containers];
        self.looks_at_holders() && all.iter().all(|choice| choice.any.is_empty())
    }

    /// Whether `socket` matches, as far as its row says.
    // Dumps in many places give sockets: each would have a copy.
    #[inline(never)]
    pub fn has(&self, socket: &Socket) -> bool {
        self.protos().contains(&socket.proto)
            && self.has_family(socket.family)
            && self.has_state(socket.tcp_state())
            && has_port(&self.lport, socket.local.port)
            && has_port(&self.rport, socket.remote.port)
            && has_address(&self.laddr, &socket.local, socket.interface)
            && has_address(&self.raddr, &socket.remote, socket.interface)
            && self.interfaces.has(|index| *index == socket.interface)
            && self.uids.has(|uid| socket.owner_uid() == Some(*uid))
            && self.inodes.has(|inode| socket.inode == *inode)
    }
}

#[inline]
fn has_port(ports: &Choice<Ports>, port: u16) -> bool {
    ports.has(|range| (range.first..=range.last).contains(&port))
}

fn has_address(networks: &Choice<Network>, end: &Endpoint, interface: u32) -> bool {
    networks.has(|network| {
        network.prefix.has(end.address) && network.zone.is_none_or(|zone| zone == interface)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_include_no_others_by_chance() {
        let all = [
            (Needs::HOLDERS, 0),
            (Needs::CGROUPS, 0),
            // Ports, ends and networks.
            (Needs::LISTENERS, 3),
            (Needs::SERVICES, 4),
            // Owners.
            (Needs::USERS, 1),
            (Needs::INTERFACES, 0),
            (Needs::OWNERS, 0),
            (Needs::PORTS, 0),
            (Needs::ENDS, 0),
            (Needs::NETWORKS, 1),
            // Control groups.
            (Needs::PODS, 1),
            (Needs::FAMILIES, 0),
            (Needs::INODES, 0),
        ];
        for (needs, others) in all {
            let included = all.iter().filter(|(other, _)| needs.has(*other)).count();
            assert_eq!(included, others + 1, "{needs:?}");
        }
        let [uid, cgroup] = [Needs::OWNERS, Needs::CGROUPS];
        assert!(!uid.with(cgroup).has(Needs::PODS));
    }

    #[test]
    fn prefixes_are_read_as_people_write_them() {
        let read =
            |text| Prefix::parse(text).map(|prefix| (prefix.address.to_string(), prefix.length));
        assert_eq!(read("10.0.0.1"), Ok(("10.0.0.1".into(), 32)));
        assert_eq!(read("10.0.0.0/8"), Ok(("10.0.0.0".into(), 8)));
        assert_eq!(read("[2001:db8::1]"), Ok(("2001:db8::1".into(), 128)));
        assert_eq!(read("2001:db8::/32"), Ok(("2001:db8::".into(), 32)));
        assert_eq!(read("::ffff:10.0.0.0/104"), Ok(("10.0.0.0".into(), 8)));
        assert_eq!(read("::ffff:0:0/64"), Ok(("::ffff:0.0.0.0".into(), 64)));
        assert_eq!(read("0.0.0.0/0"), Ok(("0.0.0.0".into(), 0)));
        for wrong in
            ["", "10.0.0", "10.0.0.1/33", "::/129", "10.0.0.1/", "10.0.0.1/+8", "a", "::/-1"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has = |network: &str, address: &str| {
            Prefix::parse(network).unwrap().has(address.parse().unwrap())
        };
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1"));
        assert!(has("::/0", "::1") && !has("::/0", "1.2.3.4"));
        // Each as ss -6 answers it for a socket of [::ffff:127.0.0.1].
        let mapped = "::ffff:127.0.0.1";
        for network in ["::/0", "::/1", "::/80", "::ffff:0:0/64", "::ffff:0:0/95", "::ffff:0:0/96"]
        {
            assert!(has(network, mapped), "{network}");
        }
        for network in ["127.0.0.0/8", "0.0.0.0/0", "127.0.0.1", "::ffff:127.0.0.0/104"] {
            assert!(has(network, mapped), "{network}");
        }
        for network in
            ["::/81", "::/96", "::1/128", "8000::/1", "128.0.0.0/1", "::ffff:128.0.0.0/97"]
        {
            assert!(!has(network, mapped), "{network}");
        }
        assert!(has("10.0.0.1", "10.0.0.1") && !has("10.0.0.1", "10.0.0.2"));
        assert!(
            has("2001:db8::/33", "2001:db8:7fff::") && !has("2001:db8::/33", "2001:db8:8000::")
        );
    }
}
