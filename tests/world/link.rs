//! The two interfaces of a world: lo, and a TUN device behind which no one answers.
//!
//! These tests write by hand whatever a connection over the TUN device receives from its peer. So a connection
//! stays exactly in its state for as long as its timers allow: a minute and more.

use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::{sys, wait_until};

/// Our address on the TUN device (198.18.0.0/15 is reserved for network tests).
pub const HERE4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The address of the peer that does not exist.
pub const PEER4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Our IPv6 address on the TUN device.
pub const HERE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xcb, 0, 0, 0, 0, 0, 1);
/// The IPv6 address of the peer that does not exist.
pub const PEER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xcb, 0, 0, 0, 0, 0, 2);

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// One TCP segment from the peer to us.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub v6: bool,
    /// The peer's port.
    pub from: u16,
    /// Our port.
    pub to: u16,
    pub seq: u32,
    /// The acknowledgment number.
    pub ack: u32,
    /// `SYN` and the like.
    pub flags: u8,
    /// The payload, of an even length.
    pub payload: &'a [u8],
}

/// The TUN device of a world, which exists as long as this value.
pub struct Tun(File);

impl Tun {
    /// Makes the device in the namespace of the calling thread and gives it addresses.
    pub fn make() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/net/tun")?;
        let device = OwnedFd::from(file);
        let flags = libc::IFF_TUN | libc::IFF_NO_PI;
        sys::ioctl(&device, libc::TUNSETIFF, &mut request("tun0", &(flags as u16).to_ne_bytes()))?;
        set_up("tun0", true)?;
        address4("tun0", HERE4)?;
        address6("tun0")?;
        Ok(Self(device.into()))
    }

    /// Lets the kernel receive `segment`.
    pub fn send(&self, segment: &Segment) {
        let packet = packet(segment);
        assert_eq!((&self.0).write(&packet).expect("write to the TUN device"), packet.len());
    }
}

/// Brings the interface `name` of the calling thread's namespace up or down.
pub fn set_up(name: &str, is_up: bool) -> io::Result<()> {
    let flags = if is_up { (libc::IFF_UP | libc::IFF_RUNNING) as u16 } else { 0 };
    let socket = any_socket(AddressFamily::INET)?;
    sys::ioctl(&socket, libc::SIOCSIFFLAGS as libc::Ioctl, &mut request(name, &flags.to_ne_bytes()))
}

/// A socket for ioctls.
fn any_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

/// A `struct ifreq`: the name in 16 bytes, then `value`.
fn request(name: &str, value: &[u8]) -> [u8; 40] {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..16 + value.len()].copy_from_slice(value);
    request
}

/// Gives the interface an IPv4 address with a prefix of 24 bits.
pub fn address4(name: &str, address: Ipv4Addr) -> io::Result<()> {
    let socket = any_socket(AddressFamily::INET)?;
    let settings =
        [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, Ipv4Addr::new(255, 255, 255, 0))];
    for (code, address) in settings {
        let mut sockaddr = [0; 8];
        sockaddr[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        sockaddr[4..].copy_from_slice(&address.octets());
        sys::ioctl(&socket, code as libc::Ioctl, &mut request(name, &sockaddr))?;
    }
    Ok(())
}

/// Gives the interface its IPv6 address with a prefix of 64 bits, and waits until duplicate address detection
/// has ended.
fn address6(name: &str) -> io::Result<()> {
    let socket = any_socket(AddressFamily::INET6)?;
    let mut index = request(name, &[]);
    sys::ioctl(&socket, libc::SIOCGIFINDEX as libc::Ioctl, &mut index)?;
    // struct in6_ifreq: the address, the length of the prefix, the index of the interface.
    let mut in6 = [0; 40];
    in6[..16].copy_from_slice(&HERE6.octets());
    in6[16..20].copy_from_slice(&64_u32.to_ne_bytes());
    in6[20..24].copy_from_slice(&index[16..20]);
    sys::ioctl(&socket, libc::SIOCSIFADDR as libc::Ioctl, &mut in6)?;
    wait_until("the IPv6 address", || Ok(UdpSocket::bind((HERE6, 0)).is_ok()))
}

/// The bytes of a segment with its IP header and checksums.
fn packet(segment: &Segment) -> Vec<u8> {
    let mut tcp = tcp_header(segment);
    tcp.extend_from_slice(segment.payload);
    let (from, to) = addresses(segment.v6);
    let mut pseudo = octets(from);
    pseudo.extend(octets(to));
    pseudo.extend([0, 6]);
    pseudo.extend((tcp.len() as u16).to_be_bytes());
    pseudo.extend(&tcp);
    tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let mut packet = if segment.v6 { ip6_header(tcp.len()) } else { ip4_header(tcp.len()) };
    packet.extend(tcp);
    packet
}

/// The source and destination of a segment.
fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 { (PEER6.into(), HERE6.into()) } else { (PEER4.into(), HERE4.into()) }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A TCP header without options, with a checksum of 0.
fn tcp_header(segment: &Segment) -> Vec<u8> {
    let mut header = Vec::with_capacity(20);
    header.extend(segment.from.to_be_bytes());
    header.extend(segment.to.to_be_bytes());
    header.extend(segment.seq.to_be_bytes());
    header.extend(segment.ack.to_be_bytes());
    header.extend([5 << 4, segment.flags]);
    header.extend(0xffff_u16.to_be_bytes());
    header.extend([0; 4]);
    header
}

/// The IPv4 header of a TCP segment of `length` bytes.
fn ip4_header(length: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + length as u16).to_be_bytes());
    header.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    header.extend(PEER4.octets());
    header.extend(HERE4.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The IPv6 header of a TCP segment of `length` bytes.
fn ip6_header(length: usize) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((length as u16).to_be_bytes());
    header.extend([6, 64]);
    header.extend(PEER6.octets());
    header.extend(HERE6.octets());
    header
}

/// The Internet checksum over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
