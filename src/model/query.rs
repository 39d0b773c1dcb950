//! Which sockets to select and what to look up about them: the common query of all applets.

use std::net::IpAddr;

use super::{Family, Proto, Socket, StateSet};

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
        let address: IpAddr = bare.unwrap_or(address).parse().map_err(|_| "not an IP address")?;
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

    /// Whether `address`, in its canonical form, is in the network.
    #[inline]
    pub fn has(&self, address: IpAddr) -> bool {
        masked(address, self.length) == masked(self.address, self.length)
            && address.is_ipv4() == self.address.is_ipv4()
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
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// What must be looked up, so that nothing is read in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// Nothing.
    pub const NONE: Needs = Needs(0);
    /// Processes.
    pub const HOLDERS: Needs = Needs(1);
    /// Control groups.
    pub const CGROUPS: Needs = Needs(1 << 1);
    /// Ports with a listening socket.
    pub const LISTENERS: Needs = Needs(1 << 2);
    /// Names of ports, which also need the listeners.
    pub const SERVICES: Needs = Needs(1 << 3 | 1 << 2);
    /// Names of users.
    pub const USERS: Needs = Needs(1 << 4);

    /// Both together.
    pub const fn with(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether all of `other` is needed.
    pub const fn has(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Selects sockets. An empty list matches every socket; of a non-empty list, one entry must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The protocols; TCP if none is given.
    pub protos: Vec<Proto>,
    /// The family of the socket; AF_INET6 includes the v4-mapped ones.
    pub family: Option<Family>,
    /// The states.
    pub states: Option<StateSet>,
    /// Our ports.
    pub lport: Vec<Ports>,
    /// The other end's ports.
    pub rport: Vec<Ports>,
    /// Our addresses.
    pub laddr: Vec<Prefix>,
    /// The other end's addresses.
    pub raddr: Vec<Prefix>,
    /// Who made the socket.
    pub uids: Vec<u32>,
    /// Names that must be looked up in files before they can select sockets.
    pub unknown: Unknown,
    /// Names or numbers of processes that hold the socket.
    pub processes: Vec<Vec<u8>>,
    /// Paths of control groups, which include the groups below them.
    pub cgroups: Vec<Vec<u8>>,
    /// Whether the user gave any filter option.
    pub is_given: bool,
    /// Whether a count must be confirmed by a second one.
    pub is_strict: bool,
    /// What else must be looked up about these sockets.
    pub needs: Needs,
}

/// Names in a query that are not looked up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Services of our ports.
    pub lport: Vec<String>,
    /// Services of the other end's ports.
    pub rport: Vec<String>,
    /// Users, also by number.
    pub users: Vec<String>,
}

impl Query {
    /// The selected protocols.
    pub fn protos(&self) -> &[Proto] {
        if self.protos.is_empty() { &[Proto::Tcp] } else { &self.protos }
    }

    /// The selected states.
    pub fn states(&self) -> StateSet {
        self.states.unwrap_or(StateSet::ALL)
    }

    /// Whether endpoints or owners matter, so that counting by state is not enough.
    pub fn looks_at_ends(&self) -> bool {
        !(self.lport.is_empty()
            && self.rport.is_empty()
            && self.laddr.is_empty()
            && self.raddr.is_empty()
            && self.uids.is_empty())
    }

    /// Whether the selection needs the processes that hold a socket.
    pub fn looks_at_holders(&self) -> bool {
        !(self.processes.is_empty() && self.cgroups.is_empty())
    }

    /// Whether `socket` matches, as far as its row says.
    #[inline]
    pub fn has(&self, socket: &Socket) -> bool {
        self.protos().contains(&socket.proto)
            && self.family.is_none_or(|family| family == socket.family)
            && self
                .states
                .is_none_or(|states| socket.tcp_state().is_some_and(|state| states.has(state)))
            && has_port(&self.lport, socket.local.port)
            && has_port(&self.rport, socket.remote.port)
            && has_address(&self.laddr, socket.local.canonical())
            && has_address(&self.raddr, socket.remote.canonical())
            && (self.uids.is_empty()
                || socket.owner_uid().is_some_and(|uid| self.uids.contains(&uid)))
    }
}

#[inline]
fn has_port(ranges: &[Ports], port: u16) -> bool {
    ranges.is_empty() || ranges.iter().any(|range| (range.first..=range.last).contains(&port))
}

#[inline]
fn has_address(prefixes: &[Prefix], address: IpAddr) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.has(address))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(has("10.0.0.1", "10.0.0.1") && !has("10.0.0.1", "10.0.0.2"));
        assert!(
            has("2001:db8::/33", "2001:db8:7fff::") && !has("2001:db8::/33", "2001:db8:8000::")
        );
    }
}
