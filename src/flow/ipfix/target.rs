//! Where flows are exported to: `HOST:PORT[/udp|tcp]`.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::error::Error;
use crate::source::files::names;
use crate::sys::collector::Transport;
use crate::sys::{self, Kernel};

/// What a manual says about the value.
pub const VALUE: &str = "HOST:PORT[/udp|tcp]";

/// A collector as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    pub(super) transport: Transport,
}

impl Target {
    pub fn parse(value: &OsStr) -> Result<Target, String> {
        let text = value.to_string_lossy();
        let wrong = |reason: &str| format!("'{text}' is not {VALUE}: {reason}");
        let (end, transport) = match text.split_once('/') {
            None | Some((_, "udp")) => (text.split('/').next().unwrap_or_default(), Transport::Udp),
            Some((end, "tcp")) => (end, Transport::Tcp),
            Some((_, other)) => return Err(wrong(&format!("'{other}' is neither udp nor tcp"))),
        };
        let split = end.rsplit_once(':').filter(|_| !end.ends_with(']'));
        let (host, port) = split.ok_or_else(|| wrong("the port is missing"))?;
        let digits = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = digits.and_then(|port| port.parse().ok()).filter(|port| *port > 0);
        let port = port.ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets: [::1]:4739"));
        }
        let host = bare.unwrap_or(host).to_owned();
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        Ok(Target { host, port, transport })
    }

    /// Its address: the host's, or the first of /etc/hosts.
    ///
    /// # Errors
    /// If the host is neither an address nor such a name, or no single machine has the address.
    pub(super) fn address(&self, kernel: &Kernel) -> Result<SocketAddr, Error> {
        let listed = || {
            let all = names::listed(kernel, "hosts", self.host.as_bytes());
            all.iter().find_map(|text| std::str::from_utf8(text).ok()?.parse().ok())
        };
        let wrong = |reason| Error::usage("--ipfix", format_args!("'{}' {reason}", self.host));
        let (host, zone) = match self.host.split_once('%') {
            Some((host, zone)) => (host, Some(zone)),
            None => (self.host.as_str(), None),
        };
        let address = host.parse().ok().or_else(|| listed().filter(|_| zone.is_none()));
        let nothing = "is neither an address nor a name of /etc/hosts (DNS is never asked)";
        let address: IpAddr = address.ok_or_else(|| wrong(nothing))?;
        match address.to_canonical() {
            IpAddr::V4(address) if address.is_broadcast() => {
                return Err(wrong("is the broadcast address, not that of one collector"));
            }
            address if address.is_multicast() => {
                return Err(wrong("is a multicast address, not that of one collector"));
            }
            _ => {}
        }
        match (address, zone) {
            (IpAddr::V6(address), Some(zone)) => {
                let index = sys::interface_index(zone).map_err(|_| {
                    wrong("names no network interface of this network namespace behind the '%'")
                })?;
                Ok(SocketAddrV6::new(address, self.port, 0, index).into())
            }
            (IpAddr::V4(_), Some(_)) => Err(wrong(nothing)),
            (IpAddr::V6(address), None) if address.is_unicast_link_local() => Err(wrong(
                "is a link-local address, which needs its interface, as in [fe80::1%eth0]:4739",
            )),
            _ => Ok(SocketAddr::new(address, self.port)),
        }
    }
}

/// The number of an observation domain: those above are for the exporter's counts.
pub fn domain(value: &OsStr) -> Result<u32, String> {
    const MOST: u32 = super::collector::OF_COUNTS - 1;
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok());
    number
        .filter(|number| (1..=MOST).contains(number))
        .ok_or_else(|| format!("'{}' is not a number from 1 to {MOST}", value.display()))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { host, port, transport } = self;
        let transport = if *transport == Transport::Tcp { "tcp" } else { "udp" };
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}/{transport}"),
            false => write!(f, "{host}:{port}/{transport}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_host_a_port_and_perhaps_a_transport() {
        for (text, wanted) in [
            ("192.0.2.1:4739", "192.0.2.1:4739/udp"),
            ("192.0.2.1:4739/udp", "192.0.2.1:4739/udp"),
            ("collector:1/tcp", "collector:1/tcp"),
            ("[fd00::1]:65535/tcp", "[fd00::1]:65535/tcp"),
        ] {
            assert_eq!(Target::parse(OsStr::new(text)).unwrap().to_string(), wanted);
        }
        for (text, reason) in [
            ("", "the port is missing"),
            ("[::1]", "the port is missing"),
            ("[::1]/tcp", "the port is missing"),
            ("[fe80::1%eth0]", "the port is missing"),
            ("a:", "the port is not a number"),
            ("a:+4739", "the port is not a number"),
            ("a:-1", "the port is not a number"),
            ("a: 1", "the port is not a number"),
            ("192.0.2.1", "the port is missing"),
            (":4739", "the host is missing"),
            ("[]:4739", "the host is missing"),
            ("::1:4739", "an IPv6 address stands in brackets"),
            ("a:0", "the port is not a number"),
            ("a:65536", "the port is not a number"),
            ("a:ipfix", "the port is not a number"),
            ("a:1/sctp", "'sctp' is neither udp nor tcp"),
            ("a:1/", "'' is neither udp nor tcp"),
        ] {
            let said = Target::parse(OsStr::new(text)).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn a_domain_is_a_number_below_those_of_the_counts() {
        for (text, wanted) in [
            ("1", Some(1)),
            ("2147483647", Some(i32::MAX as u32)),
            ("0", None),
            ("2147483648", None),
            ("+1", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(domain(OsStr::new(text)).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn a_host_is_an_address_or_stands_in_etc_hosts() {
        let root = std::env::temp_dir().join(format!("connbox-hosts-{}", std::process::id()));
        for folder in ["etc", "proc"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(
            root.join("etc/hosts"),
            "nonsense flows\nfd00::7 flows # v6\n192.0.2.7 flows\n239.1.1.1 many\n",
        )
        .unwrap();
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        let address = |text: &str| Target::parse(OsStr::new(text)).unwrap().address(&kernel);
        assert_eq!(address("FLOWS:9").unwrap().to_string(), "[fd00::7]:9");
        assert_eq!(address("192.0.2.1:9").unwrap().to_string(), "192.0.2.1:9");
        let refused = |text| match address(text) {
            Err(Error::Fault { text, .. }) => String::from_utf8(text).unwrap(),
            other => panic!("{text}: {other:?}"),
        };
        for (text, reason) in [
            ("other:9", "is neither an address nor a name of /etc/hosts"),
            ("flows%lo:9", "is neither an address nor a name of /etc/hosts"),
            ("192.0.2.1%lo:9", "is neither an address nor a name of /etc/hosts"),
            ("many:9", "is a multicast address"),
            ("224.0.0.1:9", "is a multicast address"),
            ("[ff02::1]:9", "is a multicast address"),
            ("[ff02::1%lo]:9", "is a multicast address"),
            ("[::ffff:224.0.0.1]:9", "is a multicast address"),
            ("255.255.255.255:9", "is the broadcast address"),
            ("[fe80::1]:9", "needs its interface, as in [fe80::1%eth0]:4739"),
            ("[fe80::1%none]:9", "names no network interface"),
        ] {
            let said = refused(text);
            assert!(said.starts_with("--ipfix: '") && said.contains(reason), "{text}: {said}");
        }
        let SocketAddr::V6(zoned) = address("[fe80::1%lo]:9").unwrap() else { panic!() };
        assert!(zoned.scope_id() > 0 && zoned.ip().is_unicast_link_local());
        std::fs::remove_dir_all(root).unwrap();
    }
}
