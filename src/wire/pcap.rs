//! Capture files, pcap and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng), piece by piece.
//!
//! Only the beginning of each packet is read, so one small buffer is enough for a file of any size with
//! packets of any size. Only the list of a capture's interfaces is kept.

use std::time::Duration;

use super::packet::LinkType;
use super::pcap_dialect::{Lengths, SECOND, dialect, is_pcap, must_be_a_packet};
use super::pcap_interface::Interface;
use super::pcapng_options::Options;

/// The reader's state between two pieces of a capture file.
#[derive(Debug, Default)]
pub struct Reader {
    format: Option<Format>,
    is_big_endian: bool,
    interfaces: Vec<Interface>,
    /// The names of a pcapng file's interfaces, empty where there is none.
    names: Vec<Vec<u8>>,
    /// The length that a pcapng block must repeat at its end.
    trailer: Option<u32>,
    /// When the last packet was captured, for blocks without a time.
    last: Duration,
    /// The packets that were lost in earlier sections of a pcapng file.
    dropped_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// How long a record's header is, and which of its two lengths comes first.
    Pcap(usize, Lengths),
    PcapNg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// When, since 1970.
    pub time: Duration,
    /// The number of its interface in a pcapng file, from 1; 0 in a pcap file.
    pub interface: u32,
    /// The type of its first header.
    pub link: LinkType,
    /// Its length in bytes before truncation; never less than was captured, whatever the file says.
    pub original_bytes: u32,
    /// The captured bytes, at most the first [`MOST_BYTES`].
    pub bytes: &'a [u8],
}

/// One piece of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// How many bytes of the file it takes; possibly more than were needed to read it.
    pub length: u64,
    /// What it holds.
    pub content: Content<'a>,
}

/// What a piece of a capture file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    Packet(Captured<'a>),
    /// A packet of an unknown link type (its number).
    UnknownLink(u32),
    Other,
}

/// Why a piece cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// More bytes are needed: this many from the beginning of the piece, at most [`MOST_NEEDED`].
    Short(usize),
    Damaged(&'static str),
}

/// The most bytes given of a packet: more than all headers take.
pub const MOST_BYTES: usize = 2048;
/// The most bytes needed of a piece.
pub const MOST_NEEDED: usize = 60 * 1024;
/// No packet is longer on any link.
const MOST_CAPTURED: u32 = 1 << 26;
const MOST_INTERFACES: usize = 1 << 16;

const NO_CAPTURE: Trouble = Trouble::Damaged("not a capture file (pcap or pcapng)");
const TOO_LONG: Trouble =
    Trouble::Damaged("a packet longer than its block or than any packet can be");
const WRONG_LENGTH: Trouble = Trouble::Damaged("a block with a wrong length");

impl Reader {
    /// Whether the file has shown itself to be a capture.
    pub fn has_begun(&self) -> bool {
        self.format.is_some()
    }

    /// Whether the file may end here.
    pub fn may_end(&self) -> bool {
        self.format.is_some() && self.trailer.is_none()
    }

    /// The name of an interface of a pcapng file, if it has one.
    pub fn interface_name(&self, number: u32) -> Option<&[u8]> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.names.get(place).map(Vec::as_slice).filter(|name| !name.is_empty())
    }

    /// How many packets were lost while a pcapng file was written, as far as it says.
    pub fn dropped(&self) -> u64 {
        let all = self.interfaces.iter().map(|interface| interface.drops.count());
        all.fold(self.dropped_before, u64::saturating_add)
    }

    /// Reads the piece that `bytes` begin with.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Piece<'a>, Trouble> {
        match self.format {
            None => self.begin(bytes),
            Some(Format::Pcap(header_bytes, lengths)) => self.record(bytes, header_bytes, lengths),
            Some(Format::PcapNg) => self.block(bytes),
        }
    }

    fn begin<'a>(&mut self, bytes: &'a [u8]) -> Result<Piece<'a>, Trouble> {
        let magic: [u8; 4] = *bytes.first_chunk().ok_or(Trouble::Short(4))?;
        if u32::from_be_bytes(magic) == SECTION_HEADER {
            let piece = self.block(bytes)?;
            self.format = Some(Format::PcapNg);
            return Ok(piece);
        }
        let (is_big_endian, resolution, header_bytes) = dialect(magic).ok_or(NO_CAPTURE)?;
        self.is_big_endian = is_big_endian;
        let header: &[u8; 24] = bytes.first_chunk().ok_or(Trouble::Short(24))?;
        if self.u16(header, 4) != Some(2) {
            return Err(NO_CAPTURE);
        }
        let lengths = match self.u16(header, 6) {
            Some(0..=2) => Lengths::OriginalFirst,
            Some(3) => Lengths::SmallerIsCaptured,
            _ => Lengths::CapturedFirst,
        };
        // The upper bits hold the length of frame check sequences.
        let link = self.u32(header, 20).unwrap_or_default() & 0x03ff_ffff;
        self.interfaces = vec![Interface { link, resolution, ..Interface::default() }];
        self.format = Some(Format::Pcap(header_bytes, lengths));
        Ok(Piece { length: 24, content: Content::Other })
    }

    /// A packet of a pcap file.
    fn record<'a>(
        &mut self,
        bytes: &'a [u8],
        header_bytes: usize,
        lengths: Lengths,
    ) -> Result<Piece<'a>, Trouble> {
        let header = bytes.get(..header_bytes).ok_or(Trouble::Short(header_bytes))?;
        let header: &[u8; 16] = header.first_chunk().ok_or(NO_CAPTURE)?;
        let field = |place| self.u32(header, place).unwrap_or_default();
        let (mut captured, mut original) = (field(8), field(12));
        if lengths == Lengths::OriginalFirst
            || lengths == Lengths::SmallerIsCaptured && captured > original
        {
            (captured, original) = (original, captured);
        }
        if captured == 0 && original == 0 {
            must_be_a_packet(header).map_err(Trouble::Damaged)?;
        }
        let packet = packet_bytes(bytes, header_bytes, captured, u32::MAX)?;
        let interface = *self.interfaces.first().ok_or(NO_CAPTURE)?;
        // Seconds and fractions of a second, instead of one count of fractions.
        let parts = interface.time(field(4).into());
        let time = Duration::from_secs(field(0).into()).saturating_add(parts);
        let content = self.content(interface, time, original.max(captured), packet);
        Ok(Piece { length: (header_bytes as u64).saturating_add(captured.into()), content })
    }

    fn content<'a>(
        &mut self,
        interface: Interface,
        time: Duration,
        original_bytes: u32,
        bytes: &'a [u8],
    ) -> Content<'a> {
        self.last = time;
        let Interface { number: interface, link, .. } = interface;
        match LinkType::from_number(link) {
            Some(link) => {
                Content::Packet(Captured { time, interface, link, original_bytes, bytes })
            }
            None => Content::UnknownLink(link),
        }
    }

    /// A block of a pcapng file without the length at its end, which is a separate piece: the bytes between
    /// need not be in the buffer.
    fn block<'a>(&mut self, bytes: &'a [u8]) -> Result<Piece<'a>, Trouble> {
        if let Some(length) = self.trailer {
            let trailer = bytes.first_chunk::<4>().ok_or(Trouble::Short(4))?;
            if self.u32(trailer, 0) != Some(length) {
                return Err(WRONG_LENGTH);
            }
            self.trailer = None;
            return Ok(Piece { length: 4, content: Content::Other });
        }
        let header: &[u8; 12] = bytes.first_chunk().ok_or(Trouble::Short(12))?;
        let is_section = header.starts_with(&SECTION_HEADER.to_be_bytes());
        if is_section {
            self.is_big_endian = match header.last_chunk() {
                Some(b"\x1a\x2b\x3c\x4d") => true,
                Some(b"\x4d\x3c\x2b\x1a") => false,
                _ => return Err(NO_CAPTURE),
            };
        }
        let kind = self.u32(header, 0).unwrap_or_default();
        let total = self.u32(header, 4).unwrap_or_default();
        let inner = total.checked_sub(4).filter(|inner| *inner >= 8 && inner % 4 == 0);
        let inner = inner
            .ok_or_else(|| if is_pcap(header) { Trouble::Damaged(SECOND) } else { WRONG_LENGTH })?;
        let content = match kind {
            _ if is_section => self.section(bytes, inner)?,
            INTERFACE => self.interface(bytes, inner)?,
            SIMPLE_PACKET => self.simple_packet(bytes, inner)?,
            PACKET | ENHANCED_PACKET => self.packet(bytes, inner, kind == PACKET)?,
            STATISTICS => self.statistics(bytes, inner)?,
            _ if is_pcap(header) => return Err(Trouble::Damaged(SECOND)),
            _ => Content::Other,
        };
        self.trailer = Some(total);
        Ok(Piece { length: inner.into(), content })
    }

    fn section(&mut self, bytes: &[u8], inner: u32) -> Result<Content<'static>, Trouble> {
        let header: &[u8; 24] = bytes.first_chunk().ok_or(Trouble::Short(24))?;
        if self.u16(header, 12) != Some(1) || inner < 24 {
            return Err(NO_CAPTURE);
        }
        self.dropped_before = self.dropped();
        self.interfaces.clear();
        self.names.clear();
        Ok(Content::Other)
    }

    fn interface(&mut self, bytes: &[u8], inner: u32) -> Result<Content<'static>, Trouble> {
        let block = beginning(bytes, inner)?;
        let (Some(link), Some(snap_bytes)) = (self.u16(block, 8), self.u32(block, 12)) else {
            return Err(WRONG_LENGTH);
        };
        let number = u32::try_from(self.interfaces.len()).unwrap_or_default().saturating_add(1);
        let mut interface = Interface {
            number,
            link: link.into(),
            snap_bytes,
            resolution: 6,
            ..Interface::default()
        };
        let mut name = Vec::new();
        for option in self.options(block, 16) {
            match option {
                (OPTION_NAME, value) => name = value.to_vec(),
                (OPTION_RESOLUTION, [resolution]) => interface.resolution = *resolution,
                (OPTION_OFFSET, value) => {
                    let seconds = self.u64(value).unwrap_or_default();
                    interface.offset_seconds = seconds.cast_signed();
                }
                _ => {}
            }
        }
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Trouble::Damaged("more than 65536 interfaces"));
        }
        self.interfaces.push(interface);
        self.names.push(name);
        Ok(Content::Other)
    }

    /// The packet of an enhanced packet block, or of its predecessor.
    fn packet<'a>(
        &mut self,
        bytes: &'a [u8],
        inner: u32,
        is_obsolete: bool,
    ) -> Result<Content<'a>, Trouble> {
        let header: &[u8; 28] = bytes.first_chunk().ok_or(Trouble::Short(28))?;
        let room = inner.checked_sub(28).ok_or(WRONG_LENGTH)?;
        let field = |place| self.u32(header, place).unwrap_or_default();
        let number = if is_obsolete { self.u16(header, 8).map(u32::from) } else { Some(field(8)) };
        let place = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX);
        let interface = *self
            .interfaces
            .get(place)
            .ok_or(Trouble::Damaged("a packet from an interface that was not described"))?;
        let time = interface.time(u64::from(field(12)) << 32 | u64::from(field(16)));
        let packet = packet_bytes(bytes, 28, field(20), room)?;
        let options = field(20).next_multiple_of(4).saturating_add(28);
        let original = field(24).max(field(20));
        if !is_obsolete && options < inner {
            let start = usize::try_from(options).unwrap_or(usize::MAX);
            let options = self.options(beginning(bytes, inner)?, start);
            let interface = self.interfaces.get_mut(place);
            interface.into_iter().for_each(|one| one.drops.take_packet(options));
        }
        Ok(self.content(interface, time, original, packet))
    }

    /// An interface statistics block.
    fn statistics(&mut self, bytes: &[u8], inner: u32) -> Result<Content<'static>, Trouble> {
        let block = beginning(bytes, inner)?;
        let options = self.options(block, 20);
        let number = self.u32(block, 8).and_then(|number| usize::try_from(number).ok());
        let interface = number.and_then(|number| self.interfaces.get_mut(number));
        interface.into_iter().for_each(|one| one.drops.take_statistics(options));
        Ok(Content::Other)
    }

    fn options<'a>(&self, block: &'a [u8], start: usize) -> Options<'a> {
        let rest = block.get(start..).unwrap_or_default();
        Options { rest, is_big_endian: self.is_big_endian }
    }

    /// The packet of a simple packet block: from the first interface, without a time.
    fn simple_packet<'a>(&mut self, bytes: &'a [u8], inner: u32) -> Result<Content<'a>, Trouble> {
        let header: &[u8; 12] = bytes.first_chunk().ok_or(Trouble::Short(12))?;
        let room = inner.checked_sub(12).ok_or(WRONG_LENGTH)?;
        let interface = *self
            .interfaces
            .first()
            .ok_or(Trouble::Damaged("a packet from an interface that was not described"))?;
        let original = self.u32(header, 8).filter(|original| *original > 0).unwrap_or(room);
        let snap_bytes = if interface.snap_bytes == 0 { u32::MAX } else { interface.snap_bytes };
        let captured = original.min(snap_bytes).min(room);
        let packet = packet_bytes(bytes, 12, captured, room)?;
        Ok(self.content(interface, self.last, original, packet))
    }

    fn u16(&self, bytes: &[u8], place: usize) -> Option<u16> {
        let bytes = *bytes.get(place..)?.first_chunk()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, bytes: &[u8], place: usize) -> Option<u32> {
        let bytes = *bytes.get(place..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&self, bytes: &[u8]) -> Option<u64> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.is_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const OPTION_NAME: u16 = 2;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// A block without the length at its end, or as much of it as may be needed.
fn beginning(bytes: &[u8], inner: u32) -> Result<&[u8], Trouble> {
    let needed = usize::try_from(inner).unwrap_or(usize::MAX).min(MOST_NEEDED);
    bytes.get(..needed).ok_or(Trouble::Short(needed))
}

/// The beginning of a packet of `captured` bytes that begins at `start` and may take `room`.
fn packet_bytes(bytes: &[u8], start: usize, captured: u32, room: u32) -> Result<&[u8], Trouble> {
    if captured > room.min(MOST_CAPTURED) {
        return Err(TOO_LONG);
    }
    let length = usize::try_from(captured).unwrap_or(usize::MAX).min(MOST_BYTES);
    let end = start.saturating_add(length);
    bytes.get(start..end).ok_or(Trouble::Short(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time, length and bytes.
    type Packets = Vec<(Duration, u32, Vec<u8>)>;

    /// What a file holds, read from a buffer that grows by `step` bytes at a time.
    fn packets(file: &[u8], step: usize) -> Result<Packets, (usize, Trouble)> {
        let mut reader = Reader::default();
        let (mut start, mut end) = (0, 0);
        let mut all = Vec::new();
        loop {
            match reader.next(&file[start..end]) {
                Ok(Piece { length, content }) => {
                    if let Content::Packet(packet) = content {
                        all.push((packet.time, packet.original_bytes, packet.bytes.to_vec()));
                    }
                    let length = usize::try_from(length).unwrap();
                    assert!(length > 0);
                    start += length;
                    if start > file.len() {
                        return Err((start - length, Trouble::Short(length)));
                    }
                    end = end.max(start);
                }
                Err(Trouble::Short(needed)) => {
                    assert!(needed <= MOST_NEEDED && needed > end - start, "{needed}");
                    if end == file.len() {
                        let is_end = start == end && reader.may_end();
                        return if is_end { Ok(all) } else { Err((start, Trouble::Short(needed))) };
                    }
                    end = (end + step).min(file.len());
                }
                Err(trouble) => return Err((start, trouble)),
            }
        }
    }

    fn words(is_big: bool, numbers: &[u32]) -> Vec<u8> {
        let bytes = |number: &u32| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
        numbers.iter().flat_map(bytes).collect()
    }

    fn halves(is_big: bool, one: u16, other: u16) -> Vec<u8> {
        let bytes = |number: u16| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
        [bytes(one), bytes(other)].concat()
    }

    /// Two packets, of 5 bytes and of 3 of 9.
    fn pcap(is_big: bool, magic: u32) -> Vec<u8> {
        let mut file = words(is_big, &[magic]);
        file.extend(halves(is_big, 2, 4));
        file.extend(words(is_big, &[0, 0, 100, 1]));
        file.extend(words(is_big, &[1000, 7, 5, 5]));
        file.extend(b"first");
        file.extend(words(is_big, &[2000, 999_999, 3, 9]));
        file.extend(b"sec");
        file
    }

    fn block(is_big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = 12 + body.len().next_multiple_of(4);
        let mut block = words(is_big, &[kind, length as u32]);
        block.extend(body);
        block.resize(length - 4, 0);
        block.extend(words(is_big, &[length as u32]));
        block
    }

    fn section(is_big: bool) -> Vec<u8> {
        let mut body = words(is_big, &[0x1a2b_3c4d]);
        body.extend(halves(is_big, 1, 0));
        body.extend([0xff; 8]);
        let mut section = block(is_big, SECTION_HEADER, &body);
        section[..4].copy_from_slice(&SECTION_HEADER.to_be_bytes());
        section
    }

    fn interface(is_big: bool, snap: u32, options: &[&[u8]]) -> Vec<u8> {
        let mut body = halves(is_big, 1, 0);
        body.extend(words(is_big, &[snap]));
        body.extend(options.concat());
        block(is_big, INTERFACE, &body)
    }

    fn enhanced(is_big: bool, head: &[u32], data: &[u8]) -> Vec<u8> {
        block(is_big, ENHANCED_PACKET, &[words(is_big, head), data.to_vec()].concat())
    }

    /// Two sections, three interfaces, packets in blocks of every kind, and a block that is not a packet.
    fn pcapng(is_big: bool) -> Vec<u8> {
        let option =
            |kind, length, value: &[u8]| [halves(is_big, kind, length), value.to_vec()].concat();
        let minus_ten = (-10i64).cast_unsigned();
        let minus_ten = if is_big { minus_ten.to_be_bytes() } else { minus_ten.to_le_bytes() };
        let nanoseconds = option(OPTION_RESOLUTION, 1, &[9, 0, 0, 0]);
        let offset = option(OPTION_OFFSET, 8, &minus_ten);
        let binary = option(OPTION_RESOLUTION, 1, &[0x8a, 0, 0, 0]);
        let name = option(2, 3, b"lo\0\0");
        let end = option(0, 0, &[]);
        let other = !is_big;
        [
            section(is_big),
            interface(is_big, 0, &[]),
            interface(is_big, 4, &[&name, &nanoseconds, &offset, &end, &binary]),
            block(is_big, 0x0bad, &[1; 7]),
            enhanced(is_big, &[0, 0, 5_000_007, 5, 5], b"first"),
            enhanced(is_big, &[1, 4, 0x2540_be40, 3, 9], b"sec"),
            block(is_big, SIMPLE_PACKET, &[words(is_big, &[4]), b"four".to_vec()].concat()),
            section(other),
            interface(other, 4, &[&option_of(other, &[0x8a, 0, 0, 0])]),
            block(
                other,
                PACKET,
                &[halves(other, 0, 9), words(other, &[0, 5 << 10 | 512, 1, 1]), b"x".to_vec()]
                    .concat(),
            ),
            block(other, SIMPLE_PACKET, &[words(other, &[40]), b"snap".to_vec()].concat()),
        ]
        .concat()
    }

    fn option_of(is_big: bool, value: &[u8]) -> Vec<u8> {
        [halves(is_big, OPTION_RESOLUTION, 1), value.to_vec()].concat()
    }

    #[test]
    fn pcap_of_every_byte_order_and_resolution() {
        for (magic, unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            for is_big in [false, true] {
                let file = pcap(is_big, magic);
                let wanted = [
                    (Duration::new(1000, 7 * unit), 5, b"first".to_vec()),
                    (Duration::new(2000, 999_999 * unit), 9, b"sec".to_vec()),
                ];
                for step in [1, 3, 1000] {
                    assert_eq!(packets(&file, step).unwrap(), wanted, "{magic:x} {is_big} {step}");
                }
            }
        }
    }

    #[test]
    fn pcapng_with_all_that_it_may_hold() {
        let wanted = [
            (Duration::from_micros(5_000_007), 5, b"first".to_vec()),
            (
                Duration::from_nanos((4 << 32) + 0x2540_be40) - Duration::from_secs(10),
                9,
                b"sec".to_vec(),
            ),
            (
                Duration::from_nanos((4 << 32) + 0x2540_be40) - Duration::from_secs(10),
                4,
                b"four".to_vec(),
            ),
            (Duration::from_millis(5500), 1, b"x".to_vec()),
            (Duration::from_millis(5500), 40, b"snap".to_vec()),
        ];
        for is_big in [false, true] {
            for step in [1, 7, 1000] {
                assert_eq!(packets(&pcapng(is_big), step).unwrap(), wanted, "{is_big} {step}");
            }
        }
    }

    #[test]
    fn long_packets_need_no_long_buffer() {
        let data = vec![7; 100_000];
        let file = [
            section(false),
            interface(false, 0, &[]),
            enhanced(false, &[0, 0, 1, 100_000, 100_000], &data),
            enhanced(false, &[0, 0, 1, 1, 1], b"x"),
        ]
        .concat();
        let all = packets(&file, 4096).unwrap();
        assert_eq!((all[0].1, all[0].2.len(), all[1].2.len()), (100_000, MOST_BYTES, 1));
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let place = |file: &[u8]| packets(file, 1000).unwrap_err();
        assert_eq!(place(b"\x1f\x8b\x08\x00 anything"), (0, NO_CAPTURE));
        assert_eq!(place(b""), (0, Trouble::Short(4)));
        let mut file = pcap(false, 0xa1b2_c3d4);
        file[24 + 21 + 11] = 0x7f;
        assert_eq!(place(&file), (45, TOO_LONG));
        let file = [section(false), enhanced(false, &[0, 0, 1, 0, 0], b"")].concat();
        assert!(matches!(place(&file), (28, Trouble::Damaged(_))));
        let mut file = [section(false), interface(false, 0, &[])].concat();
        let last = file.len() - 4;
        file[last] ^= 4;
        assert_eq!(place(&file), (last, WRONG_LENGTH));
        let file =
            [section(false), interface(false, 0, &[]), enhanced(false, &[0, 0, 1, 9, 9], b"x")];
        assert_eq!(place(&file.concat()), (48, TOO_LONG));
    }

    /// A file of one packet: magic, minor version, the two lengths, and what stands between header and packet.
    fn dialects(is_big: bool, magic: u32, minor: u16, lengths: [u32; 2], more: &[u8]) -> Vec<u8> {
        let head = [words(is_big, &[magic]), halves(is_big, 2, minor)].concat();
        let record = words(is_big, &[1000, 7, lengths[0], lengths[1]]);
        [head, words(is_big, &[0, 0, 100, 1]), record, more.to_vec(), b"first".to_vec()].concat()
    }

    #[test]
    fn dialects_of_pcap_give_the_same_packet() {
        let usual = 0xa1b2_c3d4;
        for (magic, minor, lengths, more, original) in [
            (usual, 4, [5, 9], &[][..], 9),
            (0xa1b2_cd34, 4, [5, 9], &[7; 8], 9),
            (0xa1b2_cd34, 4, [5, 5], &[0; 8], 5),
            // Before version 2.3 the original length came first, and in some files of 2.3.
            (usual, 2, [9, 5], &[], 9),
            (usual, 0, [9, 5], &[], 9),
            (usual, 3, [9, 5], &[], 9),
            (usual, 3, [5, 9], &[], 9),
            // Some programs do not write the original length.
            (usual, 4, [5, 0], &[], 5),
            (usual, 4, [5, 4], &[], 5),
        ] {
            for is_big in [false, true] {
                let file = dialects(is_big, magic, minor, lengths, more);
                let wanted = [(Duration::from_micros(1_000_000_007), original, b"first".to_vec())];
                for step in [1, 3, 1000] {
                    assert_eq!(
                        packets(&file, step).unwrap(),
                        wanted,
                        "{magic:x} {minor} {lengths:?}"
                    );
                }
            }
        }
        for is_big in [false, true] {
            let start = [section(is_big), interface(is_big, 0, &[])].concat();
            let original =
                |block: Vec<u8>| packets(&[&start[..], &block].concat(), 99).unwrap()[0].1;
            assert_eq!(original(enhanced(is_big, &[0, 0, 1, 5, 0], b"first")), 5);
            assert_eq!(original(enhanced(is_big, &[0, 0, 1, 5, 4], b"first")), 5);
            let simple = [words(is_big, &[0]), b"four".to_vec()].concat();
            assert_eq!(original(block(is_big, SIMPLE_PACKET, &simple)), 4);
        }
    }

    #[test]
    fn what_follows_the_last_packet_is_told() {
        let magics = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34];
        for is_big in [false, true] {
            for (magic, more) in magics.into_iter().zip([&[][..], &[], &[0; 8]]) {
                let file = dialects(is_big, magic, 4, [5, 5], more);
                let trouble = |rest: &[u8]| {
                    let (place, trouble) = packets(&[&file[..], rest].concat(), 99).unwrap_err();
                    assert_eq!(place, file.len());
                    trouble
                };
                let zeros = Trouble::Damaged("zeros instead of a packet");
                assert_eq!([trouble(&[0; 24]), trouble(&[0; 5000])], [zeros; 2]);
                assert!(matches!(trouble(&[0; 9]), Trouble::Short(_)));
                for (second, other) in
                    [(magics[0], is_big), (magics[1], !is_big), (magics[2], is_big)]
                {
                    assert_eq!(trouble(&pcap(other, second)), Trouble::Damaged(SECOND));
                }
                assert_eq!(trouble(&section(is_big)), TOO_LONG);
            }
            // Sections of pcapng may follow one another; a pcap file may not.
            let two = [pcapng(is_big), pcapng(!is_big)].concat();
            assert_eq!(packets(&two, 99).unwrap().len(), 10);
            let file = pcapng(is_big);
            for (rest, wanted) in [
                (&pcap(is_big, magics[0])[..], Trouble::Damaged(SECOND)),
                (&pcap(!is_big, magics[0]), Trouble::Damaged(SECOND)),
                (&[0; 64], WRONG_LENGTH),
                (b"garbage! and more", WRONG_LENGTH),
            ] {
                let (place, trouble) = packets(&[&file[..], rest].concat(), 99).unwrap_err();
                assert_eq!((place, trouble), (file.len(), wanted), "{rest:?}");
            }
        }
        // A packet without bytes is not damage.
        let mut file = dialects(false, magics[0], 4, [5, 5], &[]);
        file.extend(words(false, &[1000, 8, 0, 0]));
        assert_eq!(packets(&file, 99).unwrap().len(), 2);
    }

    #[test]
    fn resolutions_are_parts_of_seconds() {
        for (resolution, parts, nanoseconds) in [
            (0, 3, 3_000_000_000),
            (3, 1, 1_000_000),
            (6, 1_800_000_000_000_001, 1_800_000_000_000_001_000),
            (9, 7, 7),
            (12, 7000, 7),
            (0x80, 3, 3_000_000_000),
            (0x81, 1, 500_000_000),
            (0xa0, 3 << 31, 1_500_000_000),
            (19, u64::MAX, 1_844_674_407),
            (0, u64::MAX, u64::MAX),
        ] {
            let interface = Interface {
                number: 0,
                link: 1,
                snap_bytes: 0,
                resolution,
                offset_seconds: 0,
                drops: Default::default(),
            };
            assert_eq!(interface.time(parts), Duration::from_nanos(nanoseconds), "{resolution}");
        }
    }

    #[test]
    fn hostile_times_are_some_time() {
        for resolution in 0..=255 {
            for offset_seconds in [i64::MIN, -1, 0, i64::MAX] {
                let interface = Interface {
                    number: 0,
                    link: 1,
                    snap_bytes: 0,
                    resolution,
                    offset_seconds,
                    drops: Default::default(),
                };
                for parts in [0, 1, u64::MAX] {
                    let _ = interface.time(parts);
                }
            }
        }
    }

    #[test]
    fn every_truncation_is_noticed_but_between_packets() {
        for file in [pcap(true, 0xa1b2_3c4d), pcapng(false), pcapng(true)] {
            let whole = packets(&file, 1000).unwrap();
            let mut ends = 0;
            for end in 0..file.len() {
                match packets(&file[..end], 1000) {
                    Ok(some) => {
                        assert!(whole.starts_with(&some));
                        ends += 1;
                    }
                    Err((place, trouble)) => {
                        assert!(place <= end && matches!(trouble, Trouble::Short(_)));
                    }
                }
            }
            assert!((2..12).contains(&ends), "{ends}");
        }
    }

    #[test]
    fn no_corruption_panics_or_hangs() {
        for file in [pcap(false, 0xa1b2_c3d4), pcap(true, 0xa1b2_cd34), pcapng(false), pcapng(true)]
        {
            for place in 0..file.len() {
                for byte in 0..=255 {
                    let mut bad = file.clone();
                    bad[place] = byte;
                    let _ = packets(&bad, 1000);
                }
            }
        }
    }
}
