//! Blocks of frames that the kernel has put into a packet socket's ring (TPACKET_V3,
//! include/uapi/linux/if_packet.h).

use super::netlink::{u16_at, u32_at};

/// A frame of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFrame<'a> {
    /// The time, in seconds since 1970.
    pub seconds: u32,
    /// And its nanoseconds.
    pub nanoseconds: u32,
    /// The length of the frame before truncation.
    pub original_bytes: u32,
    /// The ethertype of its first header.
    pub ethertype: u16,
    /// The index of the interface.
    pub interface: u32,
    /// The kind of the interface's link (ARPHRD_*).
    pub hardware: u16,
    pub is_outgoing: bool,
    /// The VLAN tag that the kernel has removed: its ethertype and its content.
    pub tag: Option<(u16, u16)>,
    /// Whether it is the first of the two copies of a packet on the loopback interface.
    pub is_leaving_loopback: bool,
    pub bytes: &'a [u8],
}

/// The frames of a block, its header (`struct tpacket_block_desc`) included. A frame outside the block ends
/// the iteration.
pub fn frames(block: &[u8]) -> impl Iterator<Item = RingFrame<'_>> {
    let count = u32_at(block, 12).unwrap_or_default();
    let first = u32_at(block, 16).unwrap_or_default();
    let mut rest = slice(block, first, None);
    (0..count).map_while(move |_| {
        let frame = rest?;
        let next = u32_at(frame, 0).unwrap_or_default();
        rest = if next == 0 { None } else { slice(frame, next, None) };
        read(frame)
    })
}

/// `struct tpacket3_hdr`, and `struct sockaddr_ll` behind it.
fn read(frame: &[u8]) -> Option<RingFrame<'_>> {
    const ADDRESS: usize = 48;
    const PACKET_OUTGOING: u8 = 4;
    const ARPHRD_LOOPBACK: u16 = 772;
    const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
    const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
    let address = frame.get(ADDRESS..)?;
    let start = u16_at(frame, 24)?;
    let &[high, low] = address.get(2..)?.first_chunk()?;
    let (status, hardware) = (u32_at(frame, 20)?, u16_at(address, 8)?);
    let is_outgoing = *address.get(10)? == PACKET_OUTGOING;
    let has_type = status & TP_STATUS_VLAN_TPID_VALID != 0;
    let tag = (if has_type { u16_at(frame, 36)? } else { 0x8100 }, u16_at(frame, 32)?);
    Some(RingFrame {
        seconds: u32_at(frame, 4)?,
        nanoseconds: u32_at(frame, 8)?,
        original_bytes: u32_at(frame, 16)?,
        ethertype: u16::from_be_bytes([high, low]),
        interface: u32_at(address, 4)?,
        hardware,
        is_outgoing,
        tag: (status & TP_STATUS_VLAN_VALID != 0).then_some(tag),
        is_leaving_loopback: hardware == ARPHRD_LOOPBACK && is_outgoing,
        bytes: slice(frame, start.into(), Some(u32_at(frame, 12)?))?,
    })
}

fn slice(bytes: &[u8], start: u32, length: Option<u32>) -> Option<&[u8]> {
    let rest = bytes.get(usize::try_from(start).ok()?..)?;
    match length {
        Some(length) => rest.get(..usize::try_from(length).ok()?),
        None => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of two frames, as the kernel lays them out.
    fn block() -> Vec<u8> {
        let mut block = vec![0; 48];
        block[12..16].copy_from_slice(&2u32.to_ne_bytes());
        block[16..20].copy_from_slice(&48u32.to_ne_bytes());
        for (next, text, kind) in [(96u32, &b"first"[..], 4u8), (0, b"second", 0)] {
            let mut frame = vec![0; 96];
            for (place, number) in [(0, next), (4, 7), (8, 9), (12, text.len() as u32), (16, 1000)]
            {
                frame[place..place + 4].copy_from_slice(&number.to_ne_bytes());
            }
            frame[24..26].copy_from_slice(&80u16.to_ne_bytes());
            frame[20] = 0x50;
            frame[32..38]
                .copy_from_slice(&[7u16.to_ne_bytes(), [0; 2], 0x88a8u16.to_ne_bytes()].concat());
            frame[50..52].copy_from_slice(&[0x86, 0xdd]);
            frame[52..56].copy_from_slice(&3u32.to_ne_bytes());
            frame[56..58].copy_from_slice(&772u16.to_ne_bytes());
            frame[58] = kind;
            frame[80..80 + text.len()].copy_from_slice(text);
            block.extend(frame);
        }
        block
    }

    #[test]
    fn frames_are_read_as_the_kernel_lays_them_out() {
        let block = block();
        let all: Vec<_> = frames(&block).collect();
        let first = RingFrame {
            seconds: 7,
            nanoseconds: 9,
            original_bytes: 1000,
            ethertype: 0x86dd,
            interface: 3,
            hardware: 772,
            is_outgoing: true,
            tag: Some((0x88a8, 7)),
            is_leaving_loopback: true,
            bytes: b"first",
        };
        let second =
            RingFrame { is_leaving_loopback: false, is_outgoing: false, bytes: b"second", ..first };
        assert_eq!(all, [first, second]);
    }

    #[test]
    fn neither_truncation_nor_corruption_leads_out_of_the_block() {
        let whole = block();
        for end in 0..whole.len() {
            assert!(frames(&whole[..end]).count() <= 2);
        }
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut bad = whole.clone();
                bad[place] = byte;
                assert!(frames(&bad).count() <= whole.len());
            }
        }
    }
}
