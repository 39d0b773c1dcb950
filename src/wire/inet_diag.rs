//! Requests to sock_diag for TCP and UDP sockets, and its answers (include/uapi/linux/inet_diag.h).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{attributes, dump_request, push_attribute, single_request, u32_at};

/// One socket of a dump: `struct inet_diag_msg` and the attributes that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InetDiag<'a> {
    /// 2 for AF_INET, 10 for AF_INET6 (v4-mapped addresses included).
    pub family: u8,
    /// The kernel's number of the state.
    pub state: u8,
    /// Which timer runs: 3 marks the minisockets that stand for TIME_WAIT and orphaned FIN_WAIT2.
    pub timer: u8,
    fixed: &'a [u8],
    attributes: &'a [u8],
}

/// The length of `struct inet_diag_msg` in bytes.
const FIXED: usize = 72;
/// The type of a request for the sockets of one family, and of a message about one that has ended:
/// `SOCK_DIAG_BY_FAMILY`.
pub const BY_FAMILY: u16 = 20;
const INFO: u16 = 2;
/// The bit that requests INET_DIAG_INFO: bit N requests attribute N + 1.
pub const INFO_EXTENSION: u8 = 1 << (INFO - 1);
const SHUTDOWN: u16 = 8;
const V6_ONLY: u16 = 11;
const CGROUP_ID: u16 = 21;
const REQ_BYTECODE: u16 = 1;

/// Reads one answer to a dump.
#[inline]
pub fn answer(payload: &[u8]) -> Option<InetDiag<'_>> {
    let (fixed, attributes) = payload.split_at_checked(FIXED)?;
    let &[family, state, timer, _retransmits] = fixed.first_chunk::<4>()?;
    Some(InetDiag { family, state, timer, fixed, attributes })
}

impl InetDiag<'_> {
    /// Whether this is a full socket, which the kernel counts in `inuse`, and not a minisocket or a connection
    /// request. A Fast Open child in SYN_RECV differs from a request by the attribute INET_DIAG_SHUTDOWN, which
    /// only full sockets have (since Linux 3.8).
    #[inline]
    pub fn is_full(&self) -> bool {
        const MINISOCKET_TIMER: u8 = 3;
        const SYN_RECV: u8 = 3;
        match self.state {
            SYN_RECV => attributes(self.attributes).any(|(kind, _)| kind == SHUTDOWN),
            _ => self.timer != MINISOCKET_TIMER,
        }
    }

    /// The local address and port.
    #[inline]
    pub fn local(&self) -> (IpAddr, u16) {
        (self.address(8), self.port(4))
    }

    /// The remote address and port.
    #[inline]
    pub fn remote(&self) -> (IpAddr, u16) {
        (self.address(24), self.port(6))
    }

    /// The local port and the remote one.
    #[inline]
    pub fn ports(&self) -> [u16; 2] {
        [self.port(4), self.port(6)]
    }

    #[inline]
    fn port(&self, place: usize) -> u16 {
        let bytes = self.fixed.get(place..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }

    #[inline]
    fn address(&self, place: usize) -> IpAddr {
        const AF_INET: u8 = 2;
        let bytes = self.fixed.get(place..).and_then(<[u8]>::first_chunk::<16>);
        let bytes = bytes.copied().unwrap_or_default();
        match (self.family, bytes) {
            (AF_INET, [a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            _ => IpAddr::V6(Ipv6Addr::from(bytes)),
        }
    }

    #[inline]
    fn word(&self, place: usize) -> u32 {
        u32_at(self.fixed, place).unwrap_or_default()
    }

    /// The index of the interface that the socket is bound to, 0 for none.
    #[inline]
    pub fn interface(&self) -> u32 {
        self.word(40)
    }

    /// A number that no other socket has had since boot.
    #[inline]
    pub fn cookie(&self) -> u64 {
        u64::from(self.word(44)) | u64::from(self.word(48)) << 32
    }

    /// Bytes waiting to be read.
    #[inline]
    pub fn recv_queue(&self) -> u32 {
        self.word(56)
    }

    /// Bytes waiting to be sent or acknowledged.
    #[inline]
    pub fn send_queue(&self) -> u32 {
        self.word(60)
    }

    /// The owner of the socket.
    #[inline]
    pub fn uid(&self) -> u32 {
        self.word(64)
    }

    /// The inode in sockfs, 0 where no process holds the socket.
    #[inline]
    pub fn inode(&self) -> u32 {
        self.word(68)
    }

    /// `struct tcp_info`, which full TCP sockets have if the request asks for it ([`INFO_EXTENSION`]). Its
    /// length depends on the kernel.
    #[inline]
    pub fn info(&self) -> Option<&'_ [u8]> {
        attributes(self.attributes).find(|(kind, _)| *kind == INFO).map(|(_, value)| value)
    }

    /// Whether IPV6_V6ONLY is set, which IPv6 sockets in LISTEN and CLOSE say.
    #[inline]
    pub fn is_v6_only(&self) -> bool {
        const AF_INET6: u8 = 10;
        const LISTEN: u8 = 10;
        const CLOSE: u8 = 7;
        self.family == AF_INET6
            && matches!(self.state, LISTEN | CLOSE)
            && attributes(self.attributes).any(|(kind, value)| kind == V6_ONLY && value != [0])
    }

    /// The ID of the control group, which full sockets have (since Linux 5.9).
    #[inline]
    pub fn cgroup(&self) -> Option<u64> {
        let (_, value) = attributes(self.attributes).find(|(kind, _)| *kind == CGROUP_ID)?;
        value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
    }
}

/// The older request for a dump of TCP sockets, message type `TCPDIAG_GETSOCK`, header included: the kernel
/// walks its table once for both families. `extensions` are the attributes to answer with.
pub fn tcpdiag_request(states: u32, extensions: u8, sequence: u32, bytecode: &[u8]) -> Vec<u8> {
    const TCPDIAG_GETSOCK: u16 = 18;
    // struct inet_diag_req: family, two lengths, ext, 48 bytes of ID, states, dbs.
    let mut payload = vec![0, 0, 0, extensions];
    payload.resize(52, 0);
    payload.extend_from_slice(&states.to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    with_bytecode(TCPDIAG_GETSOCK, sequence, payload, bytecode)
}

/// The request for a dump of the sockets of one family and protocol, message type `SOCK_DIAG_BY_FAMILY`, header
/// included.
pub fn sock_diag_request(
    family: u8,
    protocol: u8,
    states: u32,
    extensions: u8,
    sequence: u32,
    bytecode: &[u8],
) -> Vec<u8> {
    // struct inet_diag_req_v2: family, protocol, ext, pad, states, 48 bytes of ID.
    let mut payload = vec![family, protocol, extensions, 0];
    payload.extend_from_slice(&states.to_ne_bytes());
    payload.extend_from_slice(&[0; 48]);
    with_bytecode(BY_FAMILY, sequence, payload, bytecode)
}

/// The request for the one TCP socket that has the ports, addresses and interface of this answer, header included. If
/// there is none, the kernel gives a listener of this port, or an error.
pub fn same_ends_request(answer: &InetDiag<'_>) -> Vec<u8> {
    const TCP: u8 = 6;
    let mut payload = vec![answer.family, TCP, 0, 0, 0xff, 0xff, 0xff, 0xff];
    payload.extend_from_slice(answer.fixed.get(4..44).unwrap_or_default());
    // Any cookie.
    payload.extend_from_slice(&[0xff; 8]);
    single_request(BY_FAMILY, 0, &payload)
}

fn with_bytecode(kind: u16, sequence: u32, mut payload: Vec<u8>, bytecode: &[u8]) -> Vec<u8> {
    if !bytecode.is_empty() {
        push_attribute(&mut payload, REQ_BYTECODE, bytecode);
    }
    dump_request(kind, sequence, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(family: u8, state: u8, attributes: &[u8]) -> Vec<u8> {
        let mut payload: Vec<u8> = (0..72).collect();
        payload[..4].copy_from_slice(&[family, state, 0, 0]);
        payload.extend_from_slice(attributes);
        payload
    }

    #[test]
    fn requests_are_laid_out_as_the_kernel_reads_them() {
        let request = tcpdiag_request(0x0e, 2, 9, &[]);
        assert_eq!(request.len(), 76);
        assert_eq!(request[16..20], [0, 0, 0, 2]);
        assert_eq!(request[..4], 76u32.to_ne_bytes());
        assert_eq!(request[68..72], 0x0eu32.to_ne_bytes());
        let request = sock_diag_request(10, 17, 0x40, 2, 9, &[1, 2, 3, 4]);
        assert_eq!(request.len(), 80);
        assert_eq!(request[16..20], [10, 17, 2, 0]);
        assert_eq!(request[20..24], 0x40u32.to_ne_bytes());
        assert_eq!(request[72..], [8, 0, 1, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_answer_gives_its_fields() {
        let bytes = payload(2, 1, &[12, 0, 21, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let socket = answer(&bytes).unwrap();
        assert_eq!(socket.local(), ("8.9.10.11".parse().unwrap(), 0x0405));
        assert_eq!(socket.remote(), ("24.25.26.27".parse().unwrap(), 0x0607));
        assert_eq!(socket.cookie().to_ne_bytes(), [44, 45, 46, 47, 48, 49, 50, 51]);
        assert_eq!(socket.inode().to_ne_bytes(), [68, 69, 70, 71]);
        assert_eq!(socket.cgroup(), Some(9));
        let request = same_ends_request(&socket);
        assert_eq!((request.len(), &request[16..20]), (72, &[2, 6, 0, 0][..]));
        assert_eq!((&request[24..64], &request[64..]), (&bytes[4..44], &[0xff; 8][..]));
        let bytes = payload(10, 1, &[]);
        let socket = answer(&bytes).unwrap();
        assert_eq!(
            socket.remote().0,
            "1819:1a1b:1c1d:1e1f:2021:2223:2425:2627".parse::<IpAddr>().unwrap()
        );
        assert_eq!(socket.cgroup(), None);
    }

    #[test]
    fn a_listener_for_ipv6_alone_is_told_from_one_for_both() {
        let is = |family, state, flag| {
            answer(&payload(family, state, &[5, 0, 11, 0, flag, 0, 0, 0])).unwrap().is_v6_only()
        };
        assert!(is(10, 10, 1) && is(10, 7, 1));
        assert!(!is(10, 10, 0) && !is(2, 10, 1));
        assert!(!answer(&payload(10, 10, &[])).unwrap().is_v6_only());
    }

    #[test]
    fn a_full_socket_in_syn_recv_is_told_from_a_request() {
        assert!(answer(&payload(2, 3, &[5, 0, 8, 0, 3, 0, 0, 0])).unwrap().is_full());
        assert!(!answer(&payload(2, 3, &[])).unwrap().is_full());
    }

    #[test]
    fn no_corruption_panics() {
        let whole = payload(10, 3, &[5, 0, 8, 0, 3, 0, 0, 0, 12, 0, 21, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for length in 0..whole.len() {
            let Some(socket) = answer(&whole[..length]) else { continue };
            let _ = (socket.is_full(), socket.cgroup(), socket.local(), socket.remote());
        }
        for place in FIXED..whole.len() {
            for byte in 0..=255 {
                let mut bad = whole.clone();
                bad[place] = byte;
                let socket = answer(&bad).unwrap();
                let _ = (socket.is_full(), socket.cgroup());
            }
        }
    }
}
