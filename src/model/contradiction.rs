//! Filters that exclude one another.

use super::query::{Choice, Name, Network, Ports, Query};
use super::{Family, Proto, StateSet, TcpState};

impl Query {
    /// The first option that no socket can match, and why: it contradicts another, or itself. A 0 would hide that.
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        const EXCLUDED: &str =
            "each of its words is excluded by another, with a !: no socket can match";
        const FAMILY: &str = "has addresses of IPv6 alone, and with --ipv4 no socket can match";
        let of_udp = StateSet::only(TcpState::ESTABLISHED).with(StateSet::only(TcpState::CLOSE));
        let has_no_state = self.protos() == [Proto::Udp] && self.states().and(of_udp).is_empty();
        let is_of_v4 = self.family == Some(Family::Inet);
        let has_no_address = |option: &'static str, networks: &Choice<Network>| {
            let named = self.names.iter().filter(|name| name.option == option && !name.is_not);
            let prefixes = networks.any.iter().map(|network| network.prefix);
            let mut all = prefixes.chain(named.filter_map(|name| name.prefix)).peekable();
            is_of_v4 && all.peek().is_some() && all.all(|prefix| prefix.address.is_ipv6())
        };
        [
            (
                self.has_two_families,
                "--ipv6",
                "cannot be combined with --ipv4; without both, both count",
            ),
            (
                has_no_state,
                "--state",
                "sockets of UDP are in ESTABLISHED or CLOSE (unconnected), and in no other state",
            ),
            (has_no_address("--laddr", &self.laddr), "--laddr", FAMILY),
            (has_no_address("--raddr", &self.raddr), "--raddr", FAMILY),
            (self.excludes("--lport", &self.lport, has_ports), "--lport", EXCLUDED),
            (self.excludes("--rport", &self.rport, has_ports), "--rport", EXCLUDED),
            (self.excludes("--laddr", &self.laddr, has_network), "--laddr", EXCLUDED),
            (self.excludes("--raddr", &self.raddr, has_network), "--raddr", EXCLUDED),
            (self.excludes("--iface", &self.interfaces, PartialEq::eq), "--iface", EXCLUDED),
            (self.excludes("--uid", &self.uids, PartialEq::eq), "--uid", EXCLUDED),
            (self.excludes("--inode", &self.inodes, PartialEq::eq), "--inode", EXCLUDED),
            (self.excludes("--process", &self.processes, PartialEq::eq), "--process", EXCLUDED),
            (self.excludes("--cgroup", &self.cgroups, PartialEq::eq), "--cgroup", EXCLUDED),
            (self.excludes("--pod", &self.pods, PartialEq::eq), "--pod", EXCLUDED),
            (
                self.excludes("--container", &self.containers, PartialEq::eq),
                "--container",
                EXCLUDED,
            ),
        ]
        .into_iter()
        .find_map(|(is_so, option, reason)| is_so.then_some((option, reason)))
    }

    /// Whether an option excludes each word that it asks for, names that are not looked up yet among them; `covers`
    /// says whether its first word means all that the other one does.
    fn excludes<T>(
        &self,
        option: &str,
        choice: &Choice<T>,
        covers: impl Fn(&T, &T) -> bool,
    ) -> bool {
        let of = |is_not: bool| {
            let names = self.names.iter();
            names.filter(move |name| name.option == option && name.is_not == is_not)
        };
        let is_it =
            |name: &Name, other: &Name| (&name.prefix, &name.text) == (&other.prefix, &other.text);
        let mut names = of(false);
        let is_asked = !choice.any.is_empty() || of(false).next().is_some();
        is_asked
            && choice.any.iter().all(|word| choice.none.iter().any(|other| covers(other, word)))
            && names.all(|name| of(true).any(|other| is_it(name, other)))
    }
}

fn has_ports(range: &Ports, other: &Ports) -> bool {
    range.first <= other.first && other.last <= range.last
}

fn has_network(network: &Network, other: &Network) -> bool {
    let (prefix, other_prefix) = (network.prefix, other.prefix);
    network.zone.is_none_or(|zone| other.zone == Some(zone))
        && prefix.address.is_ipv4() == other_prefix.address.is_ipv4()
        && prefix.length <= other_prefix.length
        && prefix.has(other_prefix.address)
}
