//! What a frame says before its IP header: Ethernet addresses, tags, direction.

use super::packet::LinkType;

/// No frame has more tags in practice; further ones are not listed.
pub const MOST_TAGS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// Ethernet addresses, absent where the link has none.
    pub source: Option<[u8; 6]>,
    pub destination: Option<[u8; 6]>,
    /// The index of the interface, if the link's header has it.
    pub interface: Option<u32>,
    /// Whether this machine sent it, if the link's header tells.
    pub is_outgoing: Option<bool>,
    tags: [(u16, u32); MOST_TAGS],
    count: usize,
}

impl Link {
    /// Reads what stands before the IP header.
    #[inline(never)]
    pub fn read(link: LinkType, header: &[u8]) -> Link {
        let address = |place| header.get(place..)?.first_chunk::<6>().copied();
        let mut found = Link::default();
        let sent = |place| header.get(place).map(|kind| *kind == PACKET_OUTGOING);
        let (ethertype, rest) = match link {
            LinkType::Ethernet => {
                (found.destination, found.source) = (address(0), address(6));
                (be16(header, 12), 14)
            }
            LinkType::CookedV1 => {
                let is_ethernet = be16(header, 4) == Some(6);
                found.source = address(6).filter(|_| is_ethernet);
                found.is_outgoing = sent(1);
                (be16(header, 14), 16)
            }
            LinkType::CookedV2 => {
                let is_ethernet = header.get(11) == Some(&6);
                found.source = address(12).filter(|_| is_ethernet);
                found.is_outgoing = sent(10);
                found.interface =
                    header.get(4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
                (be16(header, 0), 20)
            }
            LinkType::Network(ethertype) => (Some(ethertype), 0),
            _ => (None, 0),
        };
        if let (Some(ethertype), Some(rest)) = (ethertype, header.get(rest..)) {
            found.walk(ethertype, rest);
        }
        found
    }

    /// The ethertypes before that of IP, each with its number: VLAN ID, MPLS label, PPPoE session.
    pub fn tags(&self) -> &[(u16, u32)] {
        self.tags.get(..self.count).unwrap_or_default()
    }

    /// Adds a tag before the others.
    pub fn add_outer(&mut self, ethertype: u16, number: u32) {
        self.tags.rotate_right(1);
        if let Some(first) = self.tags.first_mut() {
            *first = (ethertype, number);
        }
        self.count = self.count.saturating_add(1).min(MOST_TAGS);
    }

    /// Reads tags until another header begins.
    fn walk(&mut self, mut ethertype: u16, mut rest: &[u8]) {
        while let Some((number, next, bytes)) = tag(ethertype, rest) {
            // What encloses LLC is a length, not a type.
            if ethertype > MOST_LENGTH {
                let Some(place) = self.tags.get_mut(self.count) else { return };
                *place = (ethertype, number);
                self.count = self.count.saturating_add(1);
            }
            let Some(behind) = rest.get(bytes..) else { return };
            (ethertype, rest) = (next, behind);
        }
    }
}

const PACKET_OUTGOING: u8 = 4;
/// Above, a type field holds no length (IEEE 802.3).
const MOST_LENGTH: u16 = 1500;

/// The number of a tag, the ethertype behind it, and its length.
fn tag(ethertype: u16, rest: &[u8]) -> Option<(u32, u16, usize)> {
    Some(match ethertype {
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => (u32::from(be16(rest, 0)? & 0xfff), be16(rest, 2)?, 4),
        0x8847 | 0x8848 => {
            let entry = u32::from_be_bytes(*rest.first_chunk()?);
            let is_last = entry & 0x100 != 0;
            (entry >> 12, if is_last { 0 } else { ethertype }, 4)
        }
        0x8864 => {
            let next = match be16(rest, 6)? {
                0x0281 => 0x8847,
                0x0283 => 0x8848,
                _ => 0,
            };
            (be16(rest, 2)?.into(), next, 8)
        }
        // 802.1ah: flags and I-SID, two addresses.
        0x88e7 => (0, be16(rest, 16)?, 18),
        // LLC with SNAP.
        ..=MOST_LENGTH if rest.starts_with(&[0xaa, 0xaa, 3]) => (0, be16(rest, 6)?, 8),
        _ => return None,
    })
}

fn be16(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 2];

    fn tags(rest: &[u8]) -> Vec<(u16, u32)> {
        let header = [&MACS[..], rest].concat();
        let link = Link::read(LinkType::Ethernet, &header);
        assert_eq!(
            (link.destination, link.source),
            (Some([2, 0, 0, 0, 0, 1]), Some([4, 0, 0, 0, 0, 2]))
        );
        link.tags().to_vec()
    }

    #[test]
    fn tags_of_all_kinds_are_listed_with_their_numbers() {
        assert_eq!(tags(&[8, 0]), []);
        assert_eq!(tags(&[0x81, 0, 0xe0, 5, 8, 0]), [(0x8100, 5)]);
        assert_eq!(tags(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]), [(0x88a8, 5), (0x8100, 6)]);
        assert_eq!(tags(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]), [(0x8847, 16), (0x8847, 32)]);
        assert_eq!(tags(&[0x88, 0x64, 0x11, 0, 0, 7, 0, 40, 0, 0x21]), [(0x8864, 7)]);
        let snap = [0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0, 0, 9, 8, 0];
        assert_eq!(tags(&snap), [(0x8100, 9)]);
        let backbone = [&[0x88, 0xe7, 0, 0, 0, 3][..], &MACS, &[0x81, 0, 0, 4, 8, 0]].concat();
        assert_eq!(tags(&backbone), [(0x88e7, 0), (0x8100, 4)]);
        assert_eq!(tags(&[0x81, 0, 0, 1].repeat(20)).len(), MOST_TAGS);
        let mut link =
            Link::read(LinkType::Ethernet, &[&MACS[..], &[0x81, 0, 0, 6, 8, 0]].concat());
        link.add_outer(0x88a8, 5);
        assert_eq!(link.tags(), [(0x88a8, 5), (0x8100, 6)]);
    }

    #[test]
    fn cooked_headers_have_a_source_and_a_direction() {
        let v1 = [0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 3, 0, 0, 0x81, 0, 0, 5, 8, 0];
        let link = Link::read(LinkType::CookedV1, &v1);
        assert_eq!((link.source, link.destination), (Some([2, 2, 2, 2, 2, 3]), None));
        assert_eq!((link.is_outgoing, link.tags()), (Some(true), &[(0x8100, 5)][..]));
        let v2 = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 2, 2, 2, 2, 3, 0, 0];
        let link = Link::read(LinkType::CookedV2, &v2);
        assert_eq!((link.source, link.is_outgoing), (Some([2, 2, 2, 2, 2, 3]), Some(false)));
        assert_eq!(Link::read(LinkType::Raw, &[]), Link::default());
    }

    #[test]
    fn no_header_panics() {
        let whole = [
            &MACS[..],
            &[0x88, 0xa8, 0, 5, 0x88, 0x64, 0x11, 0, 0, 7, 0, 40, 2, 0x81, 0, 1, 1, 64],
        ];
        let whole = whole.concat();
        for kind in
            [LinkType::Ethernet, LinkType::CookedV1, LinkType::CookedV2, LinkType::Network(0x8100)]
        {
            for end in 0..=whole.len() {
                assert!(Link::read(kind, &whole[..end]).tags().len() <= MOST_TAGS);
            }
            for (place, byte) in
                (0..whole.len()).flat_map(|place| (0..=255).map(move |byte| (place, byte)))
            {
                let mut bad = whole.clone();
                bad[place] = byte;
                assert!(Link::read(kind, &bad).tags().len() <= MOST_TAGS);
            }
        }
    }
}
