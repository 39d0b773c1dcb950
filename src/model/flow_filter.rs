//! Filters for flows of connection tracking, with the meanings of conntrack(8).

use std::net::IpAddr;

use super::{Choice, Ends, Flow, FlowStatus, Ports, Tuple};

/// An address and a mask of the bits that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked {
    pub address: IpAddr,
    /// The bits that matter, of the address's family.
    pub mask: IpAddr,
}

impl Masked {
    /// The address alone: all bits matter.
    pub fn exactly(address: IpAddr) -> Masked {
        let mask = match address {
            IpAddr::V4(_) => IpAddr::from([u8::MAX; 4]),
            IpAddr::V6(_) => IpAddr::from([u8::MAX; 16]),
        };
        Masked { address, mask }
    }

    /// Whether all bits matter.
    pub fn is_exact(&self) -> bool {
        *self == Masked::exactly(self.address)
    }

    /// Whether `other` agrees in the bits that matter.
    #[inline]
    pub fn has(&self, other: IpAddr) -> bool {
        match (self.address, self.mask, other) {
            (IpAddr::V4(address), IpAddr::V4(mask), IpAddr::V4(other)) => {
                (address.to_bits() ^ other.to_bits()) & mask.to_bits() == 0
            }
            (IpAddr::V6(address), IpAddr::V6(mask), IpAddr::V6(other)) => {
                (address.to_bits() ^ other.to_bits()) & mask.to_bits() == 0
            }
            _ => false,
        }
    }
}

/// The conditions for one direction of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub source: Option<Masked>,
    pub destination: Option<Masked>,
    /// The ports, or the keys of GRE: source and destination.
    pub ports: [Option<u16>; 2],
    /// The same by ranges of ports.
    pub ranges: [Choice<Ports>; 2],
    /// Type and code of ICMP and ICMPv6.
    pub icmp: [Option<u8>; 2],
    /// Their identifier.
    pub icmp_id: Option<u16>,
    /// The zone of this direction, 0 for none.
    pub zone: Option<u16>,
}

impl Side {
    /// Whether `tuple` matches.
    #[inline]
    pub fn has(&self, tuple: &Tuple) -> bool {
        self.source.is_none_or(|wanted| wanted.has(tuple.source))
            && self.destination.is_none_or(|wanted| wanted.has(tuple.destination))
            && self.zone.is_none_or(|wanted| wanted == tuple.zone.unwrap_or(0))
            && self.has_ends(tuple.ends)
    }

    #[inline]
    fn has_ends(&self, ends: Ends) -> bool {
        let [sources, destinations] = &self.ranges;
        let has_ranges = !(sources.is_empty() && destinations.is_empty());
        // What has no ports has none of those that are excluded.
        let asks_ports =
            self.ports != [None; 2] || self.ranges.iter().any(|ranges| !ranges.any.is_empty());
        let is_in = |ranges: &Choice<Ports>, port| {
            ranges.has(|range| (range.first..=range.last).contains(&port))
        };
        let asks_icmp = self.icmp != [None; 2] || self.icmp_id.is_some();
        match ends {
            Ends::Ports { source, destination } | Ends::Keys { source, destination } => {
                let [wanted_source, wanted_destination] = self.ports;
                !asks_icmp
                    && is(wanted_source, source)
                    && is(wanted_destination, destination)
                    && (!has_ranges || is_in(sources, source) && is_in(destinations, destination))
            }
            Ends::Icmp { kind, code, id } => {
                let [wanted_kind, wanted_code] = self.icmp;
                !asks_ports
                    && is(wanted_kind, kind)
                    && is(wanted_code, code)
                    && is(self.icmp_id, id)
            }
            Ends::None => !asks_ports && !asks_icmp,
        }
    }
}

#[inline]
fn is<T: PartialEq + Copy>(wanted: Option<T>, number: T) -> bool {
    wanted.is_none_or(|wanted| wanted == number)
}

/// The new address and port of a translation; without either, any translation matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// The new address.
    pub address: Option<IpAddr>,
    /// The new port.
    pub port: Option<u16>,
}

impl Translation {
    /// Whether the translation of `old` to `new` matches. A requested address must differ from the old one,
    /// a requested port likewise.
    #[inline]
    fn has(&self, old: (IpAddr, Option<u16>), new: (IpAddr, Option<u16>)) -> bool {
        let has_moved = old.0 != new.0;
        let has_port = old.1 != new.1;
        match (self.address, self.port) {
            (None, None) => has_moved || has_port,
            (address, port) => {
                address.is_none_or(|address| has_moved && address == new.0)
                    && port.is_none_or(|port| has_port && Some(port) == new.1)
            }
        }
    }
}

/// A filter for flows: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// The number of the address family.
    pub family: Option<u8>,
    /// The transport protocol's number.
    pub protocol: Option<u8>,
    /// The number of the state of TCP, SCTP or DCCP.
    pub state: Option<u8>,
    pub orig: Side,
    pub reply: Side,
    /// Status bits that must be set, and status bits that must not be set.
    pub status: [u32; 2],
    /// The mark, and its bits that matter.
    pub mark: Option<[u32; 2]>,
    /// The mark of a security module.
    pub secmark: Option<u32>,
    /// The zone of both directions, 0 for none.
    pub zone: Option<u16>,
    /// Labels that must all be set, bit 0 the lowest bit of the first byte.
    pub labels: [u8; 16],
    /// The translation of the source address or port.
    pub source_nat: Option<Translation>,
    /// The translation of the destination address or port.
    pub destination_nat: Option<Translation>,
    /// Either of them.
    pub any_nat: Option<Translation>,
    /// Filters none of which may match; each has the one condition of a word behind a `!`.
    pub none: Vec<FlowFilter>,
}

impl FlowFilter {
    /// Whether all flows match.
    pub fn is_empty(&self) -> bool {
        *self == FlowFilter::default()
    }

    /// Whether `flow` matches.
    #[inline]
    pub fn has(&self, flow: &Flow<'_>) -> bool {
        is(self.family, flow.family)
            && is(self.protocol, flow.orig.protocol)
            && self.state.is_none_or(|state| flow.state == Some(state))
            && self.orig.has(&flow.orig)
            && self.reply.has(&flow.reply)
            && self.has_status(flow.status.unwrap_or_default())
            && self.has_marks(flow)
            && self.has_labels(flow.labels)
            && self.has_nat(flow)
            && !self.none.iter().any(|filter| filter.has(flow))
    }

    /// The mark and its bits that matter, as far as one mask can say it: a mark that must be, and the opposites of single
    /// bits that must not be.
    pub fn masked_mark(&self) -> Option<[u32; 2]> {
        let opposite = |filter: &FlowFilter| {
            let is_bit = |[mark, mask]: &[u32; 2]| mask.is_power_of_two() && mark & !mask == 0;
            let mark = filter.mark.filter(is_bit);
            // Together with another condition, it would say less.
            let alone = FlowFilter { mark, ..FlowFilter::default() };
            mark.filter(|_| *filter == alone).map(|[mark, mask]| [mark ^ mask, mask])
        };
        let all = self.mark.into_iter().chain(self.none.iter().filter_map(opposite));
        all.reduce(|[mark, mask], [bit, place]| match mask & place {
            0 => [mark | bit, mask | place],
            _ => [mark, mask],
        })
    }

    #[inline]
    fn has_status(&self, status: FlowStatus) -> bool {
        let [set, unset] = self.status;
        status.0 & (set | unset) == set
    }

    #[inline]
    fn has_marks(&self, flow: &Flow<'_>) -> bool {
        // As the kernel and conntrack(8) compare it: no flow has bits beyond the mask.
        self.mark.is_none_or(|[mark, mask]| flow.mark.unwrap_or(0) & mask == mark)
            && is(self.secmark, flow.secmark.unwrap_or(0))
            && is(self.zone, flow.zone.unwrap_or(0))
    }

    #[inline]
    fn has_labels(&self, labels: Option<&[u8]>) -> bool {
        let labels = labels.unwrap_or_default();
        let bits = |place| labels.get(place).copied().unwrap_or(0);
        self.labels.iter().enumerate().all(|(place, wanted)| bits(place) & wanted == *wanted)
    }

    #[inline]
    fn has_nat(&self, flow: &Flow<'_>) -> bool {
        self.source_nat.is_none_or(|wanted| is_source(&wanted, flow))
            && self.destination_nat.is_none_or(|wanted| is_destination(&wanted, flow))
            && self
                .any_nat
                .is_none_or(|wanted| is_source(&wanted, flow) || is_destination(&wanted, flow))
    }
}

fn is_source(wanted: &Translation, flow: &Flow<'_>) -> bool {
    let old = (flow.orig.source, source_port(flow.orig.ends));
    flow.is_done(FlowStatus::SRC_NAT_DONE)
        && wanted.has(old, (flow.reply.destination, destination_port(flow.reply.ends)))
}

fn is_destination(wanted: &Translation, flow: &Flow<'_>) -> bool {
    let old = (flow.orig.destination, destination_port(flow.orig.ends));
    flow.is_done(FlowStatus::DST_NAT_DONE)
        && wanted.has(old, (flow.reply.source, source_port(flow.reply.ends)))
}

/// What identifies the sender, if NAT can change it. An echo has only one identifier, that of its sender.
fn source_port(ends: Ends) -> Option<u16> {
    match ends {
        Ends::Ports { source, .. } | Ends::Keys { source, .. } => Some(source),
        Ends::Icmp { .. } | Ends::None => None,
    }
}

fn destination_port(ends: Ends) -> Option<u16> {
    match ends {
        Ends::Ports { destination, .. } | Ends::Keys { destination, .. } => Some(destination),
        Ends::Icmp { .. } | Ends::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(source: &str, destination: &str, ports: (u16, u16)) -> Tuple {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let ends = Ends::Ports { source: ports.0, destination: ports.1 };
        Tuple { source, destination, protocol: 6, ends, zone: None }
    }

    fn flow() -> Flow<'static> {
        Flow {
            family: 2,
            orig: tuple("10.0.0.1", "10.0.0.2", (1000, 80)),
            reply: tuple("10.0.0.2", "10.0.0.1", (80, 1000)),
            status: Some(FlowStatus(0b1110)),
            state: Some(3),
            mark: Some(0x12),
            labels: Some(&[0b101, 0, 1]),
            ..Flow::default()
        }
    }

    fn has(change: impl FnOnce(&mut FlowFilter)) -> bool {
        let mut filter = FlowFilter::default();
        change(&mut filter);
        filter.has(&flow())
    }

    #[test]
    fn nothing_asked_means_all() {
        assert!(has(|_| {}) && FlowFilter::default().is_empty());
        assert!(FlowFilter::default().has(&Flow::default()));
    }

    #[test]
    fn what_has_no_ports_has_no_excluded_one() {
        let one = Ports { first: 1, last: 1 };
        for ends in [Ends::None, Ends::Icmp { kind: 8, code: 0, id: 1 }] {
            let tuple = Tuple { ends, ..flow().orig };
            let side = |ranges: Choice<Ports>| Side {
                ranges: [Choice::default(), ranges],
                ..Side::default()
            };
            assert!(side(Choice { any: Vec::new(), none: vec![one] }).has(&tuple));
            assert!(!side(Choice::from(vec![one])).has(&tuple));
        }
    }

    #[test]
    fn everything_asked_must_be_so() {
        assert!(has(|filter| filter.family = Some(2)) && !has(|filter| filter.family = Some(10)));
        assert!(has(|filter| filter.protocol = Some(6)));
        assert!(!has(|filter| filter.protocol = Some(17)));
        assert!(has(|filter| filter.state = Some(3)) && !has(|filter| filter.state = Some(1)));
        assert!(has(|filter| filter.orig.ports = [Some(1000), Some(80)]));
        assert!(!has(|filter| filter.orig.ports = [None, Some(1000)]));
        assert!(has(|filter| filter.reply.ports = [Some(80), None]));
        let range = |first, last| vec![Ports { first, last }];
        assert!(has(|filter| filter.orig.ranges[1] = range(80, 90).into()));
        assert!(!has(|filter| filter.orig.ranges[0] = range(80, 90).into()));
        assert!(!has(|filter| filter.orig.ranges[1].none = range(80, 90)));
        assert!(has(|filter| filter.orig.ranges[0].none = range(80, 90)));
        assert!(!has(|filter| filter.orig.icmp = [Some(8), None]));
        assert!(!has(|filter| filter.orig.icmp_id = Some(0)));
    }

    #[test]
    fn masks_pick_the_bits_that_matter() {
        let masked = |address: &str, mask: &str| {
            Some(Masked { address: address.parse().unwrap(), mask: mask.parse().unwrap() })
        };
        assert!(has(|filter| filter.orig.source = masked("10.0.0.99", "255.255.255.0")));
        assert!(has(|filter| filter.orig.source = masked("9.9.9.1", "0.0.0.255")));
        assert!(!has(|filter| filter.orig.source = masked("10.0.0.2", "255.255.255.255")));
        assert!(!has(|filter| filter.orig.source = masked("::", "::")));
        assert!(has(|filter| filter.mark = Some([2, 0xf])));
        assert!(has(|filter| filter.mark = Some([0, 0])));
        assert!(!has(|filter| filter.mark = Some([0xff, 0])));
        assert!(!has(|filter| filter.mark = Some([2, u32::MAX])));
        assert!(Masked::exactly("::1".parse().unwrap()).is_exact());
    }

    #[test]
    fn bits_must_be_set_or_not_and_labels_all() {
        assert!(has(|filter| filter.status = [0b110, 1]));
        assert!(!has(|filter| filter.status = [0b110, 0b1000]));
        assert!(!has(|filter| filter.status = [1, 0]));
        assert!(has(|filter| (filter.labels[0], filter.labels[2]) = (0b100, 1)));
        assert!(!has(|filter| filter.labels[0] = 0b110));
        assert!(!has(|filter| filter.labels[15] = 1));
    }

    #[test]
    fn none_of_the_excluded_may_match() {
        let filter = |change: fn(&mut FlowFilter)| {
            let mut filter = FlowFilter::default();
            change(&mut filter);
            filter
        };
        let (tcp, udp) = (filter(|f| f.protocol = Some(6)), filter(|f| f.protocol = Some(17)));
        assert!(has(|filter| filter.none = vec![udp.clone()]));
        assert!(!has(|filter| filter.none = vec![udp, tcp]));
        let masked = |mark, none: &[[u32; 2]]| {
            let of = |mark| FlowFilter { mark: Some(mark), ..FlowFilter::default() };
            let none = none.iter().map(|mark| of(*mark)).collect();
            FlowFilter { mark, none, ..FlowFilter::default() }.masked_mark()
        };
        assert_eq!(masked(None, &[[1, 1], [0, 4]]), Some([4, 5]));
        assert_eq!(masked(Some([2, 2]), &[[1, 1], [2, 2]]), Some([2, 3]));
        let others = [[1, 3], [0, 0], [3, 1]];
        assert_eq!(others.map(|mark| masked(None, &[mark])), [None; 3]);
        let other = FlowFilter { mark: Some([1, 1]), protocol: Some(6), ..FlowFilter::default() };
        assert_eq!(FlowFilter { none: vec![other], ..FlowFilter::default() }.masked_mark(), None);
    }

    #[test]
    fn a_zone_of_both_directions_is_not_that_of_one() {
        let mut flow = flow();
        flow.orig.zone = Some(8);
        let in_zone = |filter: FlowFilter| filter.has(&flow);
        assert!(!in_zone(FlowFilter { zone: Some(8), ..FlowFilter::default() }));
        let side = |zone| Side { zone: Some(zone), ..Side::default() };
        assert!(in_zone(FlowFilter { orig: side(8), ..FlowFilter::default() }));
        assert!(in_zone(FlowFilter { reply: side(0), ..FlowFilter::default() }));
        assert!(!in_zone(FlowFilter { orig: side(0), ..FlowFilter::default() }));
    }

    #[test]
    fn translations_are_those_of_addresses_and_of_ports() {
        let any = Some(Translation::default());
        assert!(!has(|filter| filter.source_nat = any) && !has(|filter| filter.any_nat = any));
        let mut flow = flow();
        flow.reply = tuple("10.0.0.2", "192.0.2.1", (8080, 1000));
        let unsettled = FlowFilter { any_nat: any, ..FlowFilter::default() };
        assert!(!unsettled.has(&flow));
        flow.status = Some(FlowStatus(0b1_1000_1000));
        let is = |filter: FlowFilter| filter.has(&flow);
        let to = |address: &str, port| {
            let address = Some(address).filter(|text| !text.is_empty());
            Some(Translation { address: address.map(|text| text.parse().unwrap()), port })
        };
        let all = FlowFilter::default;
        assert!(is(FlowFilter { source_nat: any, destination_nat: any, ..all() }));
        assert!(is(FlowFilter { source_nat: to("192.0.2.1", None), ..all() }));
        // The port is unchanged, so it is not a translation.
        assert!(!is(FlowFilter { source_nat: to("192.0.2.1", Some(1000)), ..all() }));
        assert!(is(FlowFilter { destination_nat: to("", Some(8080)), ..all() }));
        assert!(!is(FlowFilter { destination_nat: to("10.0.0.2", None), ..all() }));
        assert!(is(FlowFilter { any_nat: to("192.0.2.1", None), ..all() }));
        assert!(is(FlowFilter { any_nat: to("", Some(8080)), ..all() }));
        assert!(!is(FlowFilter { any_nat: to("192.0.2.1", Some(8080)), ..all() }));
    }
}
