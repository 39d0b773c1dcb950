//! The dialects of pcap files, and what stands behind one.

/// The order of the captured and the original length in a record. Version 2.3 exchanged them, but some programs
/// wrote 2.3 and the old order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lengths {
    CapturedFirst,
    OriginalFirst,
    SmallerIsCaptured,
}

/// What the first bytes of a pcap file say: whether it is big-endian, the resolution of its times, and how long the header of a
/// record is. The modified form, as home routers write it, has the interface and the protocol behind the usual fields.
pub(super) fn dialect(magic: [u8; 4]) -> Option<(bool, u8, usize)> {
    let known = |magic| match magic {
        0xa1b2_c3d4_u32 => Some((6, 16)),
        0xa1b2_3c4d => Some((9, 16)),
        0xa1b2_cd34 => Some((6, 24)),
        _ => None,
    };
    let (little, big) = (known(u32::from_le_bytes(magic)), known(u32::from_be_bytes(magic)));
    little.or(big).map(|(resolution, header_bytes)| (big.is_some(), resolution, header_bytes))
}

/// Whether the header of a pcap file begins here.
pub(super) fn is_pcap(bytes: &[u8]) -> bool {
    let magic = bytes.first_chunk().is_some_and(|magic| dialect(*magic).is_some());
    magic && matches!(bytes.get(4..6), Some([2, 0] | [0, 2]))
}

/// Refuses two things behind the last packet that would be read as packets without bytes: zeros, as a crash leaves
/// them in a file, and the header of a second file (`cat one two`).
pub(super) fn must_be_a_packet(header: &[u8; 16]) -> Result<(), &'static str> {
    match header {
        [0, 0, 0, 0, 0, 0, 0, 0, ..] => Err("zeros instead of a packet"),
        header if is_pcap(header) => Err(SECOND),
        _ => Ok(()),
    }
}

pub(super) const SECOND: &str = "a second capture begins (mergecap joins captures, cat does not)";
