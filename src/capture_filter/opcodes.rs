//! The operations of classic BPF, and the numbers in its programs.

/// BPF_MAXINSNS (linux/bpf_common.h).
pub(super) const MOST_INSTRUCTIONS: usize = 4096;
/// How many IPv6 extension headers the program walks.
pub(super) const MOST_HEADERS: usize = 4;

/// The cell of memory that holds the offset of the transport header; the first one serves the walk.
pub(super) const TRANSPORT: u32 = 1;

// The operations (linux/bpf_common.h).
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_HALF: u16 = 0x28;
pub(super) const LOAD_BYTE: u16 = 0x30;
pub(super) const LOAD_HALF_BEHIND_X: u16 = 0x48;
pub(super) const LOAD_BYTE_BEHIND_X: u16 = 0x50;
pub(super) const LOAD_NUMBER: u16 = 0x00;
pub(super) const X_NUMBER: u16 = 0x01;
pub(super) const X_MEMORY: u16 = 0x61;
pub(super) const X_HEADER_LENGTH: u16 = 0xb1;
pub(super) const STORE: u16 = 0x02;
pub(super) const STORE_X: u16 = 0x03;
pub(super) const ADD: u16 = 0x04;
pub(super) const ADD_X: u16 = 0x0c;
pub(super) const SHIFT_LEFT: u16 = 0x64;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const EQUAL: u16 = 0x15;
pub(super) const GREATER: u16 = 0x25;
pub(super) const AT_LEAST: u16 = 0x35;
pub(super) const ANY_BIT: u16 = 0x45;
pub(super) const RETURN: u16 = 0x06;

/// SKF_AD_OFF + SKF_AD_PROTOCOL (linux/filter.h): the ethertype, without VLAN tags.
pub(super) const ETHERTYPE: u32 = (-0x1000_i32) as u32;
/// SKF_AD_PKTTYPE and SKF_AD_IFINDEX: the kind of the packet, the index of the interface.
pub(super) const KIND: u32 = ETHERTYPE + 4;
pub(super) const INTERFACE: u32 = ETHERTYPE + 8;
pub(super) const OUTGOING: u32 = 4;
pub(super) const IPV4: u32 = 0x0800;
pub(super) const IPV6: u32 = 0x86dd;
pub(super) const TCP: u32 = 6;
pub(super) const FRAGMENT: u32 = 44;
/// Hop-by-hop options, routing, destination options: all encode their length in the same way.
pub(super) const OPTIONS: [u32; 3] = [0, 43, 60];
