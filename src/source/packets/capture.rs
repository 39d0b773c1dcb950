//! Packets as they pass, from an AF_PACKET socket with a ring (packet(7)).

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::{Frame, Seen};
use crate::error::Error;
use crate::sys;
use crate::sys::packet::{Ring, interface_index};
use crate::wire::packet::LinkType;
use crate::wire::ring::{self, RingFrame};

pub use crate::sys::packet::Instruction;

#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name of the interface, or `any` for all. On `any`, a forwarded packet is captured twice.
    pub interface: &'a [u8],
    /// The program that selects frames; they begin with the network header. Its result is the number of bytes
    /// to capture. If it is empty, [`SNAP_BYTES`] of every frame are captured.
    ///
    /// TRAP: the ethertype that the kernel gives to programs (SKF_AD_PROTOCOL) is that of a VLAN tag (0x8100,
    /// 0x88a8) for incoming frames with two tags, and for outgoing frames where the interface leaves tagging to
    /// the kernel. The tag may or may not precede the IP header. So a program must accept these frames
    /// completely, and they must be filtered again once they are read.
    pub program: &'a [Instruction],
    /// The most bytes that the program gives.
    pub snap_bytes: u32,
    /// Whether to capture frames from their link's header on. The program then sees them so, too.
    pub is_raw: bool,
    /// Whether to capture packets that are not for this machine; ignored for `any`.
    pub is_promiscuous: bool,
    /// Whether to capture tunnels, too; they must be filtered likewise.
    pub decapsulates: bool,
}

/// This many bytes of a packet hold its headers: IPv4 and TCP take 80 without TCP's options, IPv6 takes 60, and
/// extension headers take some more.
pub const SNAP_BYTES: u32 = 128;
/// The same for frames in which something precedes the IP header, and for tunnels.
const PASSED_BYTES: u32 = 448;
/// The most instructions of a request's program: the kernel takes 4096 (BPF_MAXINSNS), and some are ours.
pub const MOST_INSTRUCTIONS: usize = 4096 - 64;

/// The beginning of every program: frames in which something precedes the IP header are captured: VLAN tags, PPPoE sessions,
/// MPLS, 802.1ah, and LLC (below 1500 are lengths, and the kernel's numbers for LLC). All others go on to what follows.
///
/// The kernel gives programs (SKF_AD_PROTOCOL) the type of a VLAN tag for incoming frames with two tags, and for outgoing frames
/// where the interface leaves tagging to the kernel; the tag may or may not precede the IP header.
const BEFORE_IP: [Instruction; 12] = [
    (LOAD_HALF, 0, 0, ETHERTYPE),
    (EQUAL, 10, 0, IPV4),
    (GREATER, 0, 8, 1500),
    (EQUAL, 7, 0, 0x8100),
    (EQUAL, 6, 0, 0x88a8),
    (EQUAL, 5, 0, 0x9100),
    (EQUAL, 4, 0, 0x9200),
    (EQUAL, 3, 0, 0x8864),
    (EQUAL, 2, 0, 0x8847),
    (EQUAL, 1, 0, 0x8848),
    (EQUAL, 0, 1, 0x88e7),
    (RETURN, 0, 0, PASSED_BYTES),
];
/// The same for tunnels: IP in IP, GRE and MPLS in IP by their protocols, VXLAN (the second port is Linux' own) and GENEVE by their
/// ports, and with IPv6 what stands behind extension headers.
const TUNNELS: [Instruction; 34] = [
    (LOAD_HALF, 0, 0, ETHERTYPE),
    (EQUAL, 0, 13, IPV4),
    (LOAD_BYTE, 0, 0, NETWORK + 9),
    (EQUAL, 3, 0, 4),
    (EQUAL, 2, 0, 41),
    (EQUAL, 1, 0, 47),
    (EQUAL, 0, 1, 137),
    (RETURN, 0, 0, PASSED_BYTES),
    (EQUAL, 0, 6, UDP),
    (X_HEADER_LENGTH, 0, 0, NETWORK),
    (LOAD_HALF_BEHIND_X, 0, 0, NETWORK + 2),
    (EQUAL, 2, 0, 4789),
    (EQUAL, 1, 0, 8472),
    (EQUAL, 0, 1, 6081),
    (RETURN, 0, 0, PASSED_BYTES),
    (LOAD_HALF, 0, 0, ETHERTYPE),
    (EQUAL, 0, 17, IPV6),
    (LOAD_BYTE, 0, 0, NETWORK + 6),
    (EQUAL, 8, 0, 4),
    (EQUAL, 7, 0, 41),
    (EQUAL, 6, 0, 47),
    (EQUAL, 5, 0, 137),
    (EQUAL, 4, 0, 0),
    (EQUAL, 3, 0, 43),
    (EQUAL, 2, 0, 44),
    (EQUAL, 1, 0, 51),
    (EQUAL, 0, 1, 60),
    (RETURN, 0, 0, PASSED_BYTES),
    (EQUAL, 0, 5, UDP),
    (LOAD_HALF, 0, 0, NETWORK + 42),
    (EQUAL, 2, 0, 4789),
    (EQUAL, 1, 0, 8472),
    (EQUAL, 0, 1, 6081),
    (RETURN, 0, 0, PASSED_BYTES),
];
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND_X: u16 = 0x48;
const X_HEADER_LENGTH: u16 = 0xb1;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const RETURN: u16 = 0x06;
/// SKF_AD_OFF + SKF_AD_PROTOCOL, and SKF_NET_OFF: the network header, wherever the frame begins (linux/filter.h).
const ETHERTYPE: u32 = (-0x1000_i32) as u32;
const NETWORK: u32 = (-0x10_0000_i32) as u32;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const UDP: u32 = 17;

#[derive(Debug)]
pub struct Capture {
    ring: Ring,
    interface: Vec<u8>,
    index: u32,
    is_raw: bool,
    /// Whether the interface was down at some time since: no second error reports that it was then removed.
    was_down: bool,
    dropped: u64,
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Errors
    /// If the interface does not exist or is down, or CAP_NET_RAW is missing.
    pub fn open(request: &Request<'_>) -> Result<Capture, Error> {
        let everything = [(RETURN, 0, 0, SNAP_BYTES)];
        let mut program = match request.program {
            [] => everything.to_vec(),
            program if request.decapsulates => [&BEFORE_IP[..], &TUNNELS, program].concat(),
            program => [&BEFORE_IP, program].concat(),
        };
        // More is wanted where calculations read behind the headers.
        let passed_bytes = request.snap_bytes.saturating_add(PASSED_BYTES - SNAP_BYTES);
        for instruction in &mut program {
            if (instruction.0, instruction.3) == (RETURN, PASSED_BYTES) {
                instruction.3 = passed_bytes.max(PASSED_BYTES);
            }
        }
        let name = request.interface;
        let index = if name == b"any" { Ok(0) } else { interface_index(name) };
        let is_promiscuous = request.is_promiscuous && name != b"any";
        let refused = |error| Error::refused(name, error, "CAP_NET_RAW");
        let index = index.map_err(refused)?;
        let is_raw = request.is_raw;
        let ring = Ring::open(index, &program, is_promiscuous, is_raw).map_err(refused)?;
        Ok(Capture { ring, interface: name.to_vec(), index, is_raw, was_down: false, dropped: 0 })
    }

    /// Calls `each` with every frame that is waiting, and does not wait. [`AsFd`] gives the descriptor to poll.
    ///
    /// # Errors
    /// If the interface was removed. An interface that is only down may come up again.
    pub fn each(&mut self, each: &mut dyn FnMut(&Frame<'_>)) -> Result<(), Error> {
        let clocks = Clocks::now();
        // Only once around the ring: a flood must not keep us from everything else.
        for _ in 0..Ring::BLOCKS {
            let Some(block) = self.ring.block() else { break };
            // A packet on the loopback interface is seen when it leaves and when it arrives: once is enough.
            for frame in ring::frames(block.bytes()).filter(|frame| !frame.is_leaving_loopback) {
                each(&clocks.frame(&frame, self.is_raw));
            }
        }
        self.look_after_interface().map_err(|error| Error::system(&self.interface, error))
    }

    fn look_after_interface(&mut self) -> Result<(), Errno> {
        match self.ring.trouble() {
            Err(Errno::NETDOWN) => self.was_down = true,
            trouble => trouble?,
        }
        if self.was_down && interface_index(&self.interface)? != self.index {
            return Err(Errno::NODEV);
        }
        Ok(())
    }

    /// How many frames the kernel has dropped so far because the ring was full.
    pub fn dropped(&mut self) -> u64 {
        self.dropped += u64::from(self.ring.dropped().unwrap_or_default());
        self.dropped
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// The frames' clock, which may be set, and the monotonic one, read at the same moment.
struct Clocks {
    real: Duration,
    monotonic: Duration,
}

impl Clocks {
    fn now() -> Clocks {
        Clocks { real: sys::realtime(), monotonic: sys::monotonic() }
    }

    fn frame<'a>(&self, frame: &RingFrame<'a>, is_raw: bool) -> Frame<'a> {
        const ARPHRD_ETHER: u16 = 1;
        const ARPHRD_LOOPBACK: u16 = 772;
        let real = Duration::from_secs(frame.seconds.into())
            .saturating_add(Duration::from_nanos(frame.nanoseconds.into()));
        let time = match self.real.checked_sub(real) {
            Some(age) => self.monotonic.saturating_sub(age),
            None => self.monotonic.saturating_add(real.saturating_sub(self.real)),
        };
        Frame {
            time,
            // Other links, those of tunnels, have no header here.
            link: match frame.hardware {
                ARPHRD_ETHER | ARPHRD_LOOPBACK if is_raw => LinkType::Ethernet,
                _ => LinkType::Network(frame.ethertype),
            },
            original_bytes: frame.original_bytes,
            interface: frame.interface,
            bytes: frame.bytes,
            seen: Seen {
                index: Some(frame.interface),
                interface_name: None,
                is_outgoing: Some(frame.is_outgoing),
                tag: frame.tag,
            },
        }
    }
}
