//! Packets as they go by, from an AF_PACKET socket with a ring (packet(7)).

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::Frame;
use crate::error::Error;
use crate::sys;
use crate::sys::packet::{Ring, interface_index};
use crate::wire::packet::LinkType;
use crate::wire::ring::{self, RingFrame};

pub use crate::sys::packet::Instruction;

/// What to capture.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The interface's name; `any` for all. On `any` a packet that is forwarded goes by twice.
    pub interface: &'a [u8],
    /// The program that picks frames, which begin with the network header, and whose value says how
    /// many bytes of each are wanted; empty for [`SNAP_BYTES`] of all of them.
    ///
    /// TRAP: the ethertype that the kernel keeps for programs (SKF_AD_PROTOCOL) is that of a VLAN tag
    /// (0x8100, 0x88a8) for frames that come in with two, and for frames that go out where the
    /// interface leaves tagging to the kernel; whether the tag stands before the IP header differs.
    /// A program must let these pass whole, and the packets be picked again once they are read.
    pub program: &'a [Instruction],
    /// Whether the interface is to take what is not for this machine; means nothing for `any`.
    pub is_promiscuous: bool,
}

/// So many bytes of a packet hold its headers: those of IPv4 and TCP take 80 without TCP's options,
/// those of IPv6 60, and extension headers some more.
pub const SNAP_BYTES: u32 = 128;

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    ring: Ring,
    interface: Vec<u8>,
    index: u32,
    /// Whether the interface was down since: it is not said again when it goes for good.
    was_down: bool,
    dropped: u64,
}

impl Capture {
    /// Begins to capture.
    ///
    /// # Errors
    /// If there is no such interface, it is down, or CAP_NET_RAW is missing.
    pub fn open(request: &Request<'_>) -> Result<Capture, Error> {
        const RETURN: u16 = 0x06;
        let everything = [(RETURN, 0, 0, SNAP_BYTES)];
        let program = if request.program.is_empty() { &everything } else { request.program };
        let name = request.interface;
        let index = if name == b"any" { Ok(0) } else { interface_index(name) };
        let is_promiscuous = request.is_promiscuous && name != b"any";
        let refused = |error| Error::refused(name, error, "CAP_NET_RAW");
        let index = index.map_err(refused)?;
        let ring = Ring::open(index, program, is_promiscuous).map_err(refused)?;
        Ok(Capture { ring, interface: name.to_vec(), index, was_down: false, dropped: 0 })
    }

    /// Calls `each` with every frame that waits; waits for none. [`AsFd`] gives what to poll.
    ///
    /// # Errors
    /// If the interface has gone. One that is only down may come back.
    pub fn each(&mut self, each: &mut dyn FnMut(&Frame<'_>)) -> Result<(), Error> {
        let clocks = Clocks::now();
        // Not more than once around: a flood must not keep us from everything else.
        for _ in 0..Ring::BLOCKS {
            let Some(block) = self.ring.block() else { break };
            // A packet of the loopback interface goes by as it leaves and as it comes: once is enough.
            for frame in ring::frames(block.bytes()).filter(|frame| !frame.is_leaving_loopback) {
                each(&clocks.frame(&frame));
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

    /// How many frames the kernel had to drop so far, because the ring was full.
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

/// The clock of the frames, which may be set, and the one that never jumps, at one moment.
struct Clocks {
    real: Duration,
    monotonic: Duration,
}

impl Clocks {
    fn now() -> Clocks {
        Clocks { real: sys::realtime(), monotonic: sys::monotonic() }
    }

    fn frame<'a>(&self, frame: &RingFrame<'a>) -> Frame<'a> {
        let real = Duration::from_secs(frame.seconds.into())
            .saturating_add(Duration::from_nanos(frame.nanoseconds.into()));
        let time = match self.real.checked_sub(real) {
            Some(age) => self.monotonic.saturating_sub(age),
            None => self.monotonic.saturating_add(real.saturating_sub(self.real)),
        };
        Frame {
            time,
            link: LinkType::Network(frame.ethertype),
            original_bytes: frame.original_bytes,
            interface: frame.interface,
            bytes: frame.bytes,
        }
    }
}
