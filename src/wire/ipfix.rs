//! IPFIX messages (RFC 7011) with flows, in the layout that nfcapd, nfacctd and tshark all read right: one record
//! per direction, no reverse elements, no events, times in milliseconds, counters of eight bytes.

use std::net::IpAddr;

/// The longest message: with the headers of IPv6 and UDP it fits into the least MTU of IPv6, so that no network splits
/// it.
pub const LONGEST: usize = 1280 - 40 - 8;
/// With one record more, which is taken back: what waits would take twice the memory if that made it grow.
const ROOM: usize = LONGEST + 128;

/// The number for documentation (RFC 5612), under which the elements of [`Record::mark`] and [`Record::zone`] stand.
pub const ENTERPRISE: u32 = 32473;

const HEADER: usize = 16;
const TEMPLATE_SET: u16 = 2;
const OPTIONS_TEMPLATE_SET: u16 = 3;
/// The first template; the six of flows follow one another.
const FIRST: u16 = 256;
/// The template of the exporter's own counts.
const COUNTS: u16 = 262;
/// How far the templates of IPv6 are behind those of IPv4.
const OF_IPV6: u16 = 3;

/// An element of a template: its number and its length.
type Element = (u16, u16);

const PORTS: [Element; 3] = [(7, 2), (11, 2), (4, 1)];
/// The reason of the end, start, end, packets, octets.
const REST: [Element; 5] = [(136, 1), (152, 8), (153, 8), (2, 8), (1, 8)];
const FLAGS: Element = (6, 1);
/// Each kind of records, for IPv4: addresses, then what stands in place of the TCP flags, then the translation.
const KINDS: [([Element; 2], Element, &[Element]); 6] = [
    ([(8, 4), (12, 4)], FLAGS, &[]),
    ([(8, 4), (12, 4)], FLAGS, &[(225, 4), (226, 4), (227, 2), (228, 2)]),
    ([(8, 4), (12, 4)], (32, 2), &[]),
    ([(27, 16), (28, 16)], FLAGS, &[]),
    ([(27, 16), (28, 16)], FLAGS, &[(281, 16), (282, 16), (227, 2), (228, 2)]),
    ([(27, 16), (28, 16)], (139, 2), &[]),
];
/// Elements of [`ENTERPRISE`].
const MARKS: [Element; 2] = [(1, 4), (2, 2)];

/// Why a flow ended (flowEndReason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No packet came for some time.
    Idle = 1,
    /// It goes on; this is what was counted since the last record.
    Active = 2,
    /// Its protocol ended it.
    End = 3,
    /// The exporter stops; the flow may go on.
    Forced = 4,
}

/// The source and destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The ports; 0 for a protocol without them.
    pub ports: [u16; 2],
}

impl Ends {
    /// Those of a packet the other way.
    pub fn turned(self) -> Ends {
        let [source, destination] = self.ports;
        let ports = [destination, source];
        Ends { source: self.destination, destination: self.source, ports }
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub ends: Ends,
    /// The transport protocol's number.
    pub protocol: u8,
    /// The type and the code of ICMP.
    pub icmp: Option<[u8; 2]>,
    /// The ends after address translation, if there is one.
    pub translated: Option<Ends>,
    pub reason: Reason,
    pub start_milliseconds: u64,
    pub end_milliseconds: u64,
    pub packets: u64,
    pub octets: u64,
    /// Written if the message has marks.
    pub mark: u32,
    pub zone: u16,
}

impl Record {
    /// Its template. An ICMP flow with translation has no template of its own: type and code then stand in the
    /// destination port alone.
    fn template(&self) -> u16 {
        let kind = match (self.translated, self.icmp) {
            (Some(_), _) => 1,
            (None, Some(_)) => 2,
            (None, None) => 0,
        };
        let is_v6 = self.ends.source.is_ipv6() || self.ends.destination.is_ipv6();
        FIRST.saturating_add(kind).saturating_add(if is_v6 { OF_IPV6 } else { 0 })
    }
}

/// What the exporter says about itself, in the order of its template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The observation domain of the flows.
    pub domain: u32,
    /// Of the exporter.
    pub process: u32,
    pub messages: u64,
    pub records: u64,
    pub octets: u64,
    /// Records that were not sent, and what they counted.
    pub unsent: Unsent,
    /// Events that the kernel dropped.
    pub events_lost: u64,
}

/// Records, and the packets and octets that they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    pub records: u64,
    pub packets: u64,
    pub octets: u64,
}

impl Unsent {
    pub fn add(&mut self, other: Unsent) {
        self.records = self.records.saturating_add(other.records);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// The elements of [`Counts`]: two of scope, then the counts.
const OF_COUNTS: [Element; 9] =
    [(149, 4), (144, 4), (41, 8), (42, 8), (40, 8), (166, 8), (167, 8), (168, 8), (407, 8)];

/// A message that is being filled. Its header is written by [`Message::seal`] and [`stamp`].
#[derive(Clone, Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
    /// The template of the set that is open, and where it begins.
    set: Option<(u16, usize)>,
    /// Whether records have mark and zone.
    has_marks: bool,
    /// Its data records.
    pub holds: Unsent,
}

impl Message {
    /// An empty one, as long as it may get.
    pub fn new(has_marks: bool) -> Message {
        let bytes = Vec::with_capacity(ROOM);
        Message { bytes, has_marks, ..Message::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER
    }

    /// Adds a record; `false` if it does not fit any more, and the message must be sent first.
    pub fn add(&mut self, record: &Record) -> bool {
        let template = record.template();
        let before = (self.bytes.len(), self.set);
        self.open(template);
        self.record(record);
        if self.bytes.len() > LONGEST {
            self.bytes.truncate(before.0);
            self.set = before.1;
            return false;
        }
        self.holds.add(Unsent { records: 1, packets: record.packets, octets: record.octets });
        true
    }

    /// Adds the templates of flows, to an empty message.
    pub fn add_templates(&mut self) {
        self.open(TEMPLATE_SET);
        for (number, (addresses, third, translation)) in (FIRST..).zip(KINDS) {
            let marks = if self.has_marks { &MARKS[..] } else { &[] };
            let count =
                [addresses.len(), PORTS.len(), 1, REST.len(), translation.len(), marks.len()];
            self.numbers(&[number, count.iter().sum::<usize>() as u16]);
            let third = [third];
            for elements in [&addresses[..], &PORTS, &third, &REST, translation] {
                elements.iter().for_each(|(element, length)| self.numbers(&[*element, *length]));
            }
            for (element, length) in marks {
                self.numbers(&[element | 1 << 15, *length]);
                self.bytes.extend_from_slice(&ENTERPRISE.to_be_bytes());
            }
        }
    }

    /// Adds the template of the exporter's counts, and the counts, to an empty message.
    pub fn add_counts(&mut self, counts: &Counts) {
        self.open(OPTIONS_TEMPLATE_SET);
        self.numbers(&[COUNTS, OF_COUNTS.len() as u16, 2]);
        OF_COUNTS.iter().for_each(|(element, length)| self.numbers(&[*element, *length]));
        self.open(COUNTS);
        let Counts { messages, records, octets, unsent, events_lost, .. } = *counts;
        self.bytes.extend_from_slice(&counts.domain.to_be_bytes());
        self.bytes.extend_from_slice(&counts.process.to_be_bytes());
        let counts =
            [messages, records, octets, unsent.records, unsent.packets, unsent.octets, events_lost];
        counts.iter().for_each(|count| self.bytes.extend_from_slice(&count.to_be_bytes()));
    }

    /// Writes the header but for what [`stamp`] writes, and gives the whole message, which begins anew.
    pub fn seal(&mut self, domain: u32) -> Vec<u8> {
        self.close();
        let [.., high, low] = self.bytes.len().to_be_bytes();
        put(&mut self.bytes, 0, u32::from_be_bytes([0, 10, high, low]));
        put(&mut self.bytes, 12, domain);
        self.holds = Unsent::default();
        std::mem::replace(&mut self.bytes, Vec::with_capacity(ROOM))
    }

    /// Opens a set, unless it is open. The header has its room before the first one.
    fn open(&mut self, kind: u16) {
        if self.set.is_some_and(|(open, _)| open == kind) {
            return;
        }
        self.close();
        self.bytes.resize(self.bytes.len().max(HEADER), 0);
        self.set = Some((kind, self.bytes.len()));
        self.numbers(&[kind, 0]);
    }

    /// Writes the length of the open set.
    fn close(&mut self) {
        let Some((_, start)) = self.set.take() else { return };
        let length = self.bytes.len().saturating_sub(start) as u16;
        let place = self.bytes.get_mut(start.saturating_add(2)..).and_then(<[u8]>::first_chunk_mut);
        if let Some(place) = place {
            *place = length.to_be_bytes();
        }
    }

    fn numbers(&mut self, numbers: &[u16]) {
        numbers.iter().for_each(|number| self.bytes.extend_from_slice(&number.to_be_bytes()));
    }

    /// The values of a record, in the order of its template.
    fn record(&mut self, record: &Record) {
        let Record { ends, icmp, packets, octets, .. } = *record;
        let is_v6 = ends.source.is_ipv6() || ends.destination.is_ipv6();
        self.address(ends.source, is_v6);
        self.address(ends.destination, is_v6);
        self.numbers(&match icmp {
            // Where nfcapd and nfacctd look for type and code.
            Some(icmp) => [0, u16::from_be_bytes(icmp)],
            None => ends.ports,
        });
        self.bytes.push(record.protocol);
        match icmp.filter(|_| record.translated.is_none()) {
            Some(icmp) => self.bytes.extend_from_slice(&icmp),
            // The flags of TCP are not known.
            None => self.bytes.push(0),
        }
        self.bytes.push(record.reason as u8);
        for number in [record.start_milliseconds, record.end_milliseconds, packets, octets] {
            self.bytes.extend_from_slice(&number.to_be_bytes());
        }
        if let Some(after) = record.translated {
            self.address(after.source, is_v6);
            self.address(after.destination, is_v6);
            self.numbers(&after.ports);
        }
        if self.has_marks {
            self.bytes.extend_from_slice(&record.mark.to_be_bytes());
            self.numbers(&[record.zone]);
        }
    }

    /// Both addresses of a record have the length of its template.
    fn address(&mut self, address: IpAddr, is_v6: bool) {
        match address {
            IpAddr::V4(address) if !is_v6 => self.bytes.extend_from_slice(&address.octets()),
            IpAddr::V4(address) => {
                self.bytes.extend_from_slice(&address.to_ipv6_mapped().octets());
            }
            IpAddr::V6(address) => self.bytes.extend_from_slice(&address.octets()),
        }
    }
}

/// Writes when a sealed message leaves, and how many data records left before it in its domain.
pub fn stamp(message: &mut [u8], unix_seconds: u32, sequence: u32) {
    put(message, 4, unix_seconds);
    put(message, 8, sequence);
}

fn put(message: &mut [u8], at: usize, number: u32) {
    if let Some(place) = message.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = number.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A template, as (enterprise, element, length).
    type Template = Vec<(u32, u16, u16)>;

    /// The values of a record, by enterprise and element.
    type Values = BTreeMap<(u32, u16), Vec<u8>>;

    /// Reads messages as RFC 7011 has it: the templates, and the values of each data record by element.
    #[derive(Default)]
    struct Reader {
        templates: BTreeMap<u16, Template>,
        records: Vec<(u16, Values)>,
    }

    fn u16_at(bytes: &[u8], place: usize) -> u16 {
        u16::from_be_bytes(bytes[place..place + 2].try_into().unwrap())
    }

    fn u32_at(bytes: &[u8], place: usize) -> u32 {
        u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap())
    }

    impl Reader {
        fn read(&mut self, message: &[u8]) {
            assert_eq!((u16_at(message, 0), usize::from(u16_at(message, 2))), (10, message.len()));
            let mut rest = &message[16..];
            while !rest.is_empty() {
                let (kind, length) = (u16_at(rest, 0), usize::from(u16_at(rest, 2)));
                let (set, behind) = rest.split_at(length);
                match kind {
                    2 | 3 => self.templates(&set[4..], kind == 3),
                    _ => self.data(kind, &set[4..]),
                }
                rest = behind;
            }
        }

        fn templates(&mut self, mut set: &[u8], has_scope: bool) {
            while !set.is_empty() {
                let (number, count) = (u16_at(set, 0), u16_at(set, 2));
                set = &set[if has_scope { 6 } else { 4 }..];
                let mut template = Vec::new();
                for _ in 0..count {
                    let (element, length) = (u16_at(set, 0), u16_at(set, 2));
                    let enterprise = if element >> 15 == 1 { u32_at(set, 4) } else { 0 };
                    set = &set[if enterprise > 0 { 8 } else { 4 }..];
                    template.push((enterprise, element & 0x7fff, length));
                }
                self.templates.insert(number, template);
            }
        }

        fn data(&mut self, template: u16, mut set: &[u8]) {
            while !set.is_empty() {
                let mut record = BTreeMap::new();
                for (enterprise, element, length) in &self.templates[&template] {
                    let (value, behind) = set.split_at(usize::from(*length));
                    record.insert((*enterprise, *element), value.to_vec());
                    set = behind;
                }
                self.records.push((template, record));
            }
        }

        fn number(&self, record: usize, element: u16) -> Option<u64> {
            let value = self.records[record].1.get(&(0, element))?;
            Some(value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        }
    }

    fn record(is_v6: bool) -> Record {
        let address = |text: &str| text.parse().unwrap();
        let [source, destination] =
            if is_v6 { ["fd00::1", "fd00::2"] } else { ["192.0.2.1", "192.0.2.2"] };
        let ends = Ends {
            source: address(source),
            destination: address(destination),
            ports: [40000, 443],
        };
        Record {
            ends,
            protocol: 6,
            icmp: None,
            translated: None,
            reason: Reason::End,
            start_milliseconds: 1_700_000_000_123,
            end_milliseconds: 1_700_000_009_456,
            packets: 20,
            octets: (1 << 32) + 7,
            mark: 9,
            zone: 3,
        }
    }

    fn of_kind(kind: usize) -> Record {
        let record = record(kind >= 3);
        let turned = Ends { ports: [1, 2], ..record.ends.turned() };
        match kind % 3 {
            1 => Record { translated: Some(turned), ..record },
            2 => Record { icmp: Some([8, 1]), protocol: 1, ..record },
            _ => record,
        }
    }

    fn templates(has_marks: bool) -> (Vec<u8>, Reader) {
        let (mut message, mut reader) = (Message::new(has_marks), Reader::default());
        message.add_templates();
        let bytes = message.seal(7);
        reader.read(&bytes);
        (bytes, reader)
    }

    fn read(has_marks: bool, records: &[Record]) -> Reader {
        let (_, mut reader) = templates(has_marks);
        let mut message = Message::new(has_marks);
        assert!(records.iter().all(|record| message.add(record)));
        assert_eq!(message.holds.records, records.len() as u64);
        reader.read(&message.seal(7));
        reader
    }

    #[test]
    fn six_templates_stand_in_one_set() {
        let (bytes, reader) = templates(false);
        assert_eq!(bytes.len(), 16 + 324);
        assert_eq!(
            reader.templates.keys().copied().collect::<Vec<_>>(),
            [256, 257, 258, 259, 260, 261]
        );
        let elements: Vec<u16> = reader.templates[&256].iter().map(|one| one.1).collect();
        assert_eq!(elements, [8, 12, 7, 11, 4, 6, 136, 152, 153, 2, 1]);
    }

    /// The elements that a collector reads wrong, or that hide others.
    #[test]
    fn no_template_has_what_collectors_read_wrong() {
        for template in templates(false).1.templates.values() {
            let has = |element| template.iter().any(|one| one.1 == element);
            // Reverse elements (29305) and others of an enterprise.
            assert!(template.iter().all(|one| one.0 == 0));
            // Events, post counters, totals, counts of initiators, other times, ICMP as single bytes.
            for wrong in [230, 23, 24, 85, 86, 231, 232, 298, 299, 323]
                .into_iter()
                .chain([21, 22, 150, 151].into_iter().chain(154..=161).chain(176..=179))
            {
                assert!(!has(wrong), "{wrong}");
            }
            let length = |element| template.iter().find(|one| one.1 == element).map(|one| one.2);
            // Counters and times of eight bytes, both times in each.
            assert_eq!([1, 2, 152, 153].map(length), [Some(8); 4]);
            let mut seen: Vec<u16> = template.iter().map(|one| one.1).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), template.len());
        }
    }

    #[test]
    fn every_kind_of_record_is_read_as_it_was_written() {
        let all: Vec<Record> = (0..6).map(of_kind).collect();
        let reader = read(false, &all);
        for (place, record) in all.iter().enumerate() {
            assert_eq!(reader.records[place].0, 256 + place as u16);
            let number = |element| reader.number(place, element);
            let is_icmp = place % 3 == 2;
            let ports = if is_icmp { [0, 8 * 256 + 1] } else { [40000, 443] };
            assert_eq!([number(7), number(11)], ports.map(Some));
            assert_eq!([number(4), number(136)], [Some(record.protocol.into()), Some(3)]);
            assert_eq!([number(2), number(1)], [Some(20), Some((1 << 32) + 7)]);
            assert_eq!(
                [number(152), number(153)],
                [1_700_000_000_123, 1_700_000_009_456].map(Some)
            );
            assert_eq!(number(6), (!is_icmp).then_some(0));
            assert_eq!(number(if place < 3 { 32 } else { 139 }), is_icmp.then_some(8 * 256 + 1));
            let is_translated = place % 3 == 1;
            assert_eq!(
                [number(227), number(228)],
                [1, 2].map(|port| is_translated.then_some(port))
            );
            let [before, after] =
                if place < 3 { [[8, 12], [225, 226]] } else { [[27, 28], [281, 282]] };
            let bytes = |address: IpAddr| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let value = |element| reader.records[place].1.get(&(0, element)).cloned();
            let Ends { source, destination, .. } = record.ends;
            assert_eq!(before.map(value), [source, destination].map(|end| Some(bytes(end))));
            let turned = [destination, source].map(|end| is_translated.then(|| bytes(end)));
            assert_eq!(after.map(value), turned);
        }
    }

    #[test]
    fn a_translated_icmp_flow_keeps_type_and_code_in_the_port() {
        let record = Record { icmp: Some([3, 4]), ..of_kind(1) };
        let reader = read(false, &[record]);
        assert_eq!(reader.records[0].0, 257);
        assert_eq!([reader.number(0, 11), reader.number(0, 32)], [Some(3 * 256 + 4), None]);
    }

    #[test]
    fn marks_and_zones_are_elements_of_the_number_for_documentation() {
        let reader = read(true, &(0..6).map(of_kind).collect::<Vec<_>>());
        for (_, values) in &reader.records {
            assert_eq!(values[&(ENTERPRISE, 1)], [0, 0, 0, 9]);
            assert_eq!(values[&(ENTERPRISE, 2)], [0, 3]);
        }
        assert!(templates(true).0.len() <= LONGEST);
    }

    #[test]
    fn no_message_is_too_long_and_no_record_is_split() {
        let mut dice = 1_u32;
        let (_, mut reader) = templates(false);
        let (mut message, mut lengths) = (Message::new(false), Vec::new());
        let mut written = Vec::new();
        for _ in 0..2000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let record = Record { packets: dice.into(), ..of_kind((dice >> 24) as usize % 6) };
            if !message.add(&record) {
                let bytes = message.seal(7);
                lengths.push(bytes.len());
                reader.read(&bytes);
                assert!(message.is_empty() && message.add(&record));
            }
            written.push(u64::from(dice));
        }
        reader.read(&message.seal(7));
        let seen: Vec<u64> =
            (0..reader.records.len()).filter_map(|place| reader.number(place, 2)).collect();
        assert_eq!(seen, written);
        assert!(lengths.iter().all(|length| (LONGEST - 115..=LONGEST).contains(length)));
    }

    #[test]
    fn a_record_that_does_not_fit_takes_no_memory() {
        for kind in 0..6 {
            let mut message = Message::new(true);
            while message.add(&of_kind(kind)) {}
            assert_eq!(message.bytes.capacity(), ROOM, "{kind}");
        }
    }

    #[test]
    fn the_header_has_the_time_the_sequence_and_the_domain() {
        let mut message = Message::new(false);
        message.add(&record(false));
        let mut bytes = message.seal(0x0102_0304);
        stamp(&mut bytes, 1_700_000_000, u32::MAX);
        assert_eq!([u32_at(&bytes, 4), u32_at(&bytes, 8)], [1_700_000_000, u32::MAX]);
        assert_eq!(u32_at(&bytes, 12), 0x0102_0304);
        assert!(message.is_empty() && message.holds == Unsent::default());
        // Too short to be stamped, and not harmed.
        for end in 0..16 {
            stamp(&mut bytes.clone()[..end], 1, 1);
        }
    }

    #[test]
    fn the_exporters_counts_are_an_options_record() {
        let (mut message, mut reader) = (Message::new(false), Reader::default());
        let unsent = Unsent { records: 4, packets: 5, octets: 6 };
        let (domain, process) = (7, 8);
        let (messages, records, octets, events_lost) = (1, 2, 3, 9);
        let counts = Counts { domain, process, messages, records, octets, unsent, events_lost };
        message.add_counts(&counts);
        let bytes = message.seal(1);
        assert_eq!(u16_at(&bytes, 16), 3);
        // Two of its nine fields are the scope.
        assert_eq!([u16_at(&bytes, 20), u16_at(&bytes, 22), u16_at(&bytes, 24)], [262, 9, 2]);
        reader.read(&bytes);
        let of = |element| reader.number(0, element).unwrap();
        assert_eq!([149, 144].map(of), [7, 8]);
        assert_eq!([41, 42, 40, 166, 167, 168, 407].map(of), [1, 2, 3, 4, 5, 6, 9]);
    }
}
