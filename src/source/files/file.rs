//! Which files of /proc/net there are.

use crate::model::{Family, Proto};

/// A file of /proc/net that connbox reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Socket counts, protocol-wide and IPv4.
    Sockstat,
    /// Socket counts, IPv6; not there if IPv6 is off.
    Sockstat6,
    /// The MIBs of the RFCs.
    Snmp,
    /// Linux's own MIBs.
    Netstat,
    Tcp,
    /// IPv6 TCP sockets; not there if IPv6 is off.
    Tcp6,
    Udp,
    /// IPv6 UDP sockets; not there if IPv6 is off.
    Udp6,
}

impl File {
    pub(super) const ALL: [File; 8] = [
        File::Sockstat,
        File::Sockstat6,
        File::Snmp,
        File::Netstat,
        File::Tcp,
        File::Tcp6,
        File::Udp,
        File::Udp6,
    ];

    /// The file's name in /proc/net.
    pub fn name(self) -> &'static str {
        match self {
            File::Sockstat => "sockstat",
            File::Sockstat6 => "sockstat6",
            File::Snmp => "snmp",
            File::Netstat => "netstat",
            File::Tcp => "tcp",
            File::Tcp6 => "tcp6",
            File::Udp => "udp",
            File::Udp6 => "udp6",
        }
    }

    pub(super) fn may_be_missing(self) -> bool {
        matches!(self, File::Sockstat6 | File::Tcp6 | File::Udp6)
    }

    /// The table of sockets that it is.
    pub(super) fn table(self) -> Option<(Proto, Family)> {
        match self {
            File::Tcp => Some((Proto::Tcp, Family::Inet)),
            File::Tcp6 => Some((Proto::Tcp, Family::Inet6)),
            File::Udp => Some((Proto::Udp, Family::Inet)),
            File::Udp6 => Some((Proto::Udp, Family::Inet6)),
            File::Sockstat | File::Sockstat6 | File::Snmp | File::Netstat => None,
        }
    }
}
