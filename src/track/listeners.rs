//! Who serves: the sockets that listen, and which end of a connection opened it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Endpoint, Family, Socket};

/// What a socket must share with its listener: the family, and the interface that it is bound to.
type Bound = (Family, u32);

/// The sockets of one protocol that listen.
///
/// An accepted socket is of the family of its listener, also where it uses IPv4 by a v4-mapped address, and
/// is bound to the same interface. A listener that is bound to none may have taken it on any: the kernel
/// binds what arrives on a VRF, or from a link-local address.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// Each listener twice: as it is, and, for ends that are not known to be sockets of this machine,
    /// without what it is bound to. An unspecified address stands for all of its kind.
    ends: HashSet<(Option<Bound>, Endpoint)>,
    /// A bit for each port with a listener: most sockets are at none, and a bit is found fast.
    ports: Vec<u64>,
}

/// The most ends that are learned from packets.
const MOST: usize = 8192;

impl Listeners {
    /// Adds a socket that listens.
    pub fn add(&mut self, socket: &Socket) {
        let (bound, end) = ((socket.family, socket.interface), canonical(&socket.local));
        self.insert(bound, end);
        let is_any = end.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        if is_any && !socket.is_v6_only {
            self.insert(bound, Endpoint { address: Ipv4Addr::UNSPECIFIED.into(), ..end });
        }
    }

    fn insert(&mut self, bound: Bound, end: Endpoint) {
        self.ends.insert((Some(bound), end));
        self.insert_end(end);
    }

    fn insert_end(&mut self, end: Endpoint) {
        self.ends.insert((None, end));
        self.ports.resize(1 << 10, 0);
        self.ports[usize::from(end.port >> 6)] |= 1 << (end.port & 63);
    }

    /// Adds an end that has answered a SYN.
    pub fn learn(&mut self, end: &Endpoint) {
        // A forged segment from nowhere would make every end at its port a listener.
        if self.ends.len() < MOST && !end.address.is_unspecified() {
            self.insert_end(canonical(end));
        }
    }

    /// Adds those of another set.
    pub fn merge(&mut self, other: Listeners) {
        other.ends.iter().for_each(|(_, end)| self.insert_end(*end));
        self.ends.extend(other.ends);
    }

    /// Whether `socket` opened its connection: its state tells, or [`Listeners::is_client`].
    pub fn has_opened(&self, socket: &Socket) -> bool {
        let (local, remote) = (&socket.local, &socket.remote);
        let by_rule = || self.is_client(local, remote, Some((socket.family, socket.interface)));
        socket.is_client().unwrap_or_else(by_rule)
    }

    /// Whether the end `one` opened the connection to `other`: the end at which something listens is the
    /// server, or else the one with the lower port. `bound` is known if `one` is a socket of this machine.
    pub fn is_client(&self, one: &Endpoint, other: &Endpoint, bound: Option<Bound>) -> bool {
        let (one, other) = (canonical(one), canonical(other));
        let is_one_machine = one.address == other.address || one.address.is_loopback();
        let known = self.knows(&one, bound, is_one_machine || bound.is_some());
        match known.cmp(&self.knows(&other, None, is_one_machine)) {
            std::cmp::Ordering::Equal => one.port >= other.port,
            order => order.is_lt(),
        }
    }

    /// How sure it is that something listens at `end`: 2, or 1 if it listens at all addresses of this
    /// machine and `end` may be of another, or 0.
    fn knows(&self, end: &Endpoint, bound: Option<Bound>, is_ours: bool) -> u8 {
        let bits = self.ports.get(usize::from(end.port >> 6)).copied().unwrap_or_default();
        if bits & 1 << (end.port & 63) == 0 {
            return 0;
        }
        let anywhere: IpAddr = match end.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let has = |address| {
            let at = |bound| self.ends.contains(&(bound, Endpoint { address, ..*end }));
            at(bound) || bound.is_some_and(|(family, on)| on != 0 && at(Some((family, 0))))
        };
        // Most listen at all addresses, so that one look is enough for most.
        match is_ours && has(anywhere) || has(end.address) {
            true => 2,
            false => u8::from(!is_ours && has(anywhere)),
        }
    }
}

/// The endpoint as packets show it: IPv4 for a v4-mapped address.
pub(super) fn canonical(endpoint: &Endpoint) -> Endpoint {
    Endpoint { address: endpoint.canonical(), ..*endpoint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Proto, TcpState};

    fn end(text: &str) -> Endpoint {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { address: address.ip(), port: address.port() }
    }

    /// A socket of the family that its addresses have, on no interface.
    fn socket(local: &str, remote: &str, state: TcpState) -> Socket {
        let (local, remote) = (end(local), end(remote));
        let family = if local.address.is_ipv4() { Family::Inet } else { Family::Inet6 };
        Socket::of(Proto::Tcp, family, state.number(), local, remote)
    }

    fn listener(local: &str) -> Socket {
        let any = if local.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
        socket(local, any, TcpState::LISTEN)
    }

    fn listeners(all: &[Socket]) -> Listeners {
        let mut listeners = Listeners::default();
        all.iter().for_each(|socket| listeners.add(socket));
        listeners
    }

    /// Whether a socket with this local end, whose other end has a lower port, was accepted.
    fn accepts(listener: &Socket, local: &str) -> bool {
        let remote = if local.starts_with('[') { "[2001:db8::9]:80" } else { "198.51.100.9:80" };
        let one = socket(local, remote, TcpState::ESTABLISHED);
        !listeners(&[*listener]).has_opened(&one)
    }

    #[test]
    fn a_listener_counts_if_it_could_have_accepted_the_socket() {
        // Listener, local end of the socket.
        for (at, local, is_right) in [
            ("192.0.2.1:41000", "192.0.2.1:41000", true),
            ("192.0.2.2:41000", "192.0.2.1:41000", false),
            ("192.0.2.1:41001", "192.0.2.1:41000", false),
            ("0.0.0.0:41000", "192.0.2.1:41000", true),
            ("127.0.0.1:41000", "192.0.2.1:41000", false),
            ("[::1]:41000", "192.0.2.1:41000", false),
            ("[::]:41000", "[2001:db8::1]:41000", true),
            ("[2001:db8::1]:41000", "[2001:db8::1]:41000", true),
            ("[2001:db8::2]:41000", "[2001:db8::1]:41000", false),
            ("0.0.0.0:41000", "[2001:db8::1]:41000", false),
            // IPv4 on an IPv6 listener: its socket is of IPv6 too.
            ("[::]:41000", "[::ffff:192.0.2.1]:41000", true),
            ("[::]:41000", "192.0.2.1:41000", false),
            ("[::ffff:192.0.2.1]:41000", "[::ffff:192.0.2.1]:41000", true),
            ("[::ffff:192.0.2.2]:41000", "[::ffff:192.0.2.1]:41000", false),
            ("[::ffff:0.0.0.0]:41000", "[::ffff:192.0.2.1]:41000", true),
            ("[::ffff:0.0.0.0]:41000", "[2001:db8::1]:41000", false),
            ("0.0.0.0:41000", "[::ffff:192.0.2.1]:41000", false),
            ("192.0.2.1:41000", "[::ffff:192.0.2.1]:41000", false),
        ] {
            assert_eq!(accepts(&listener(at), local), is_right, "{at} {local}");
        }
        let only = Socket { is_v6_only: true, ..listener("[::]:41000") };
        assert!(accepts(&only, "[2001:db8::1]:41000"));
        assert!(!accepts(&only, "[::ffff:192.0.2.1]:41000"));
    }

    #[test]
    fn a_listener_of_one_interface_accepts_there_alone() {
        let one = socket("192.0.2.1:41000", "198.51.100.9:80", TcpState::ESTABLISHED);
        for (of_listener, of_socket, is_right) in
            [(0, 0, true), (3, 3, true), (3, 4, false), (3, 0, false), (0, 3, true)]
        {
            let at = Socket { interface: of_listener, ..listener("0.0.0.0:41000") };
            let one = Socket { interface: of_socket, ..one };
            let is_in = !listeners(&[at]).has_opened(&one);
            assert_eq!(is_in, is_right, "{of_listener} {of_socket}");
        }
    }

    #[test]
    fn where_nobody_listens_the_server_has_the_lower_port() {
        let none = Listeners::default();
        let one = |local, remote| socket(local, remote, TcpState::ESTABLISHED);
        assert!(none.has_opened(&one("192.0.2.1:40000", "192.0.2.2:5432")));
        assert!(!none.has_opened(&one("192.0.2.2:5432", "192.0.2.1:40000")));
        // The state knows better.
        let syn = |state| socket("192.0.2.1:80", "192.0.2.2:40000", state);
        assert!(none.has_opened(&syn(TcpState::SYN_SENT)));
        let syn = |state| socket("192.0.2.1:40000", "192.0.2.2:80", state);
        assert!(!none.has_opened(&syn(TcpState::SYN_RECV)));
        assert!(none.has_opened(&socket("192.0.2.1:80", "0.0.0.0:0", TcpState::CLOSE)));
    }

    #[test]
    fn the_other_end_may_be_the_listener() {
        let all = listeners(&[listener("0.0.0.0:50000"), listener("192.0.2.2:50001")]);
        let one = |local, remote| all.has_opened(&socket(local, remote, TcpState::ESTABLISHED));
        for (client, server) in [
            ("127.0.0.1:40000", "127.0.0.1:50000"),
            ("192.0.2.1:40000", "192.0.2.2:50001"),
            ("192.0.2.1:40000", "192.0.2.2:50000"),
        ] {
            assert!(one(client, server) && !one(server, client), "{client} {server}");
        }
        // A peer's port says nothing if it only happens to be one of ours.
        let all = listeners(&[listener("0.0.0.0:50000"), listener("0.0.0.0:40000")]);
        let one = socket("192.0.2.1:50000", "198.51.100.1:40000", TcpState::ESTABLISHED);
        assert!(!all.has_opened(&one));
        // An IPv6 client of an IPv4 listener, by a v4-mapped address.
        let one =
            socket("[::ffff:127.0.0.1]:33000", "[::ffff:127.0.0.1]:50000", TcpState::ESTABLISHED);
        assert!(all.has_opened(&one));
    }

    #[test]
    fn learned_ends_have_a_limit() {
        let mut all = Listeners::default();
        for number in 0..=u32::from(u16::MAX) {
            let address = Ipv4Addr::from_bits(number).into();
            all.learn(&Endpoint { address, port: number as u16 });
        }
        assert_eq!(all.ends.len(), MOST);
        let mut both = listeners(&[listener("0.0.0.0:41000")]);
        both.merge(all);
        assert!(!both.is_client(&end("192.0.2.1:41000"), &end("192.0.2.2:1"), None));
        assert!(!both.is_client(&end("0.0.16.0:4096"), &end("192.0.2.2:1"), None));
    }
}
