//! Packet sockets with a ring buffer that the kernel fills (packet(7), TPACKET_V3).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// A block of the ring: the kernel hands over whole blocks, full ones or after [`BLOCK_MILLISECONDS`].
const BLOCK_BYTES: u32 = 64 * 1024;
/// 4 MiB in total: about 20 000 headers.
const BLOCKS: u32 = 64;
const BLOCK_MILLISECONDS: u32 = 50;

/// A packet socket and its ring.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    /// [`BLOCKS`] blocks of [`BLOCK_BYTES`], shared with the kernel.
    memory: NonNull<u8>,
    /// The block that the kernel fills next, or has filled.
    next: usize,
}

/// A block that we own; it goes back to the kernel when the value is dropped.
#[derive(Debug)]
pub struct Block<'a> {
    ring: &'a mut Ring,
}

/// One instruction of classic BPF: code, jump if true, jump if false, constant.
pub type Instruction = (u16, u8, u8, u32);

impl Ring {
    /// Opens a socket that receives the packets of an interface that `program` accepts, from the network
    /// header on or, if `is_raw`, from the link's; index 0 means all interfaces.
    ///
    /// The socket is created without a protocol and so receives nothing until it is set up and bound: no
    /// packet can arrive before the program filters.
    ///
    /// # Errors
    /// `PERM` without CAP_NET_RAW, `NETDOWN` if the interface is down, `INVAL` if the kernel
    /// rejects the program.
    pub fn open(
        interface: u32,
        program: &[Instruction],
        promiscuous: bool,
        is_raw: bool,
    ) -> Result<Ring, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let kind = if is_raw { SocketType::RAW } else { SocketType::DGRAM };
        let fd = rustix::net::socket_with(AddressFamily::PACKET, kind, flags, None)?;
        attach(&fd, program)?;
        set(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &TPACKET_V3)?;
        set(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &REQUEST)?;
        if promiscuous {
            let index = interface.cast_signed();
            let membership = libc::packet_mreq {
                mr_ifindex: index,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            set(&fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)?;
        }
        let ring = Ring { memory: map(&fd)?, fd, next: 0 };
        bind(&ring.fd, interface)?;
        rustix::net::sockopt::socket_error(&ring.fd)??;
        Ok(ring)
    }

    /// How many blocks there are.
    pub const BLOCKS: usize = BLOCKS as usize;

    /// The next block that the kernel has handed over, if there is one.
    pub fn block(&mut self) -> Option<Block<'_>> {
        const USER: u32 = 1;
        let is_ours = self.status().load(Ordering::Acquire) & USER != 0;
        // Not made before that is known: to drop a block hands it back.
        if is_ours { Some(Block { ring: self }) } else { None }
    }

    fn start(&self) -> *mut u8 {
        // SAFETY: `next` is below BLOCKS, so the block lies in the mapped memory.
        unsafe { self.memory.as_ptr().add(self.next * BLOCK_BYTES as usize) }
    }

    /// The status word of the next block, which says who owns it.
    fn status(&self) -> &AtomicU32 {
        const STATUS: usize = 8;
        // SAFETY: blocks are aligned to pages and longer than their headers, they are mapped as long
        // as `self` lives, and both we and the kernel touch the word as a whole only.
        unsafe { AtomicU32::from_ptr(self.start().add(STATUS).cast()) }
    }

    /// How many packets the kernel had to drop since the last call.
    pub fn dropped(&self) -> Result<u32, Errno> {
        let mut counts = [0u32; 3];
        let mut length = size_of_val(&counts) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, those of `counts` (tpacket_stats_v3).
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counts).cast(),
                &raw mut length,
            )
        };
        check(result).map(|()| counts[1])
    }

    /// The pending error of the socket: `NETDOWN` if its interface was switched off.
    pub fn trouble(&self) -> Result<(), Errno> {
        rustix::net::sockopt::socket_error(&self.fd)?
    }
}

// SAFETY: the memory is mapped for the whole process, and only what has the ring to itself reads a
// block.
unsafe impl Send for Ring {}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the memory was mapped at this length by `map`, and no block of it is lent out.
        let _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), RING_BYTES) };
    }
}

impl Block<'_> {
    /// What the kernel has written.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block lies in mapped memory, and the kernel does not touch it until `drop` hands
        // it back.
        unsafe { std::slice::from_raw_parts(self.ring.start(), BLOCK_BYTES as usize) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        const KERNEL: u32 = 0;
        self.ring.status().store(KERNEL, Ordering::Release);
        self.ring.next = (self.ring.next + 1) % Ring::BLOCKS;
    }
}

const TPACKET_V3: libc::c_int = 2;
const RING_BYTES: usize = (BLOCKS * BLOCK_BYTES) as usize;
/// The kernel requires a frame size, although frames take only what they need.
const FRAME_BYTES: u32 = 2048;
const REQUEST: libc::tpacket_req3 = libc::tpacket_req3 {
    tp_block_size: BLOCK_BYTES,
    tp_block_nr: BLOCKS,
    tp_frame_size: FRAME_BYTES,
    tp_frame_nr: BLOCKS * (BLOCK_BYTES / FRAME_BYTES),
    tp_retire_blk_tov: BLOCK_MILLISECONDS,
    tp_sizeof_priv: 0,
    tp_feature_req_word: 0,
};

fn attach(fd: &OwnedFd, program: &[Instruction]) -> Result<(), Errno> {
    let instruction = |&(code, jt, jf, k): &Instruction| libc::sock_filter { code, jt, jf, k };
    let mut program: Vec<_> = program.iter().map(instruction).collect();
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn map(fd: &OwnedFd) -> Result<NonNull<u8>, Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at a place of the kernel's choice.
    let memory = unsafe {
        let null = std::ptr::null_mut();
        libc::mmap(null, RING_BYTES, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
    };
    if memory == libc::MAP_FAILED {
        return Err(last_error());
    }
    NonNull::new(memory.cast()).ok_or(Errno::NOMEM)
}

fn bind(fd: &OwnedFd, interface: u32) -> Result<(), Errno> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives during the call, and the length is its own.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) })
}

/// Sets an option to a value of plain numbers (and, for a program, a pointer to data that lives longer).
fn set<T>(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> Result<(), Errno> {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the value lives during the call, and the length is its own.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, pointer, length) })
}

fn check(result: libc::c_int) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The index of an interface of this network namespace.
///
/// # Errors
/// `NODEV` if no interface has the name.
pub fn interface_index(name: &[u8]) -> Result<u32, Errno> {
    let name = std::str::from_utf8(name).map_err(|_| Errno::NODEV)?;
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    rustix::net::netdevice::name_to_index(&fd, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring whose other end is this test.
    fn ring() -> Ring {
        let (read, write) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of the kernel's choice, as long as that of a ring.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), RING_BYTES, read, write, -1, 0) };
        assert_ne!(memory, libc::MAP_FAILED);
        let fd = std::fs::File::open("/dev/null").unwrap().into();
        Ring { fd, memory: NonNull::new(memory.cast()).unwrap(), next: 0 }
    }

    #[test]
    fn a_look_at_a_block_that_is_not_there_yet_leaves_it() {
        let mut ring = ring();
        for place in (0..Ring::BLOCKS).chain([0]) {
            for _ in 0..3 {
                assert!(ring.block().is_none());
            }
            assert_eq!(ring.next, place);
            ring.status().store(1, Ordering::Release);
            let number = u8::try_from(place).unwrap();
            // SAFETY: the byte is in the block, which nothing else reads or writes meanwhile.
            unsafe { ring.start().add(100).write(number) };
            assert_eq!(ring.block().map(|block| block.bytes()[100]), Some(number));
        }
    }
}
