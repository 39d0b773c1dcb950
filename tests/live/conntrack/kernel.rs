//! The kernel and our own filter must skip the same flows.

use connbox::model::{Flow, FlowFilter, Masked, Side, Translation};
use connbox::source::flows::conntrack::{FlowTable, flows, matching};
use connbox::source::netlink::{Exchange, Failure, Messages, Wait};
use connbox::sys::Netlink;
use rustix::io::Errno;

use super::flows::table;

/// Filters that the kernel can express completely, in part, or not at all.
fn filters() -> Vec<FlowFilter> {
    let all = FlowFilter::default;
    let exactly = |address: &str| Some(Masked::exactly(address.parse().unwrap()));
    let prefix = Some(Masked {
        address: "10.0.0.0".parse().unwrap(),
        mask: "255.255.255.248".parse().unwrap(),
    });
    let side = Side::default;
    let mut filters = vec![all()];
    for family in [2, 10] {
        filters.push(FlowFilter { family: Some(family), ..all() });
        for source in [exactly("10.0.0.4"), exactly("fd00::1"), exactly("9.9.9.9"), prefix] {
            let end = Side { source, ..side() };
            filters.push(FlowFilter { family: Some(family), orig: end.clone(), ..all() });
            filters.push(FlowFilter { family: Some(family), reply: end, ..all() });
            let end = Side { destination: source, ..side() };
            filters.push(FlowFilter { family: Some(family), orig: end.clone(), ..all() });
            filters.push(FlowFilter { family: Some(family), reply: end, ..all() });
        }
    }
    for protocol in [1, 6, 17, 33, 47, 50, 58, 132, 136, 255] {
        filters.push(FlowFilter { protocol: Some(protocol), ..all() });
        for ports in [[Some(1), None], [None, Some(53)], [Some(1001), Some(80)], [Some(2), Some(1)]]
        {
            let end = Side { ports, ..side() };
            filters.push(FlowFilter { protocol: Some(protocol), orig: end.clone(), ..all() });
            filters.push(FlowFilter { protocol: Some(protocol), reply: end, ..all() });
        }
        let end = Side { icmp: [Some(8), None], icmp_id: Some(77), ..side() };
        filters.push(FlowFilter { protocol: Some(protocol), orig: end, ..all() });
    }
    for status in [[2, 0], [0, 2], [6, 0], [2, 4], [1 << 10, 0], [0, 1 << 10]] {
        filters.push(FlowFilter { status, ..all() });
        filters.push(FlowFilter { status, protocol: Some(6), mark: Some([7, 7]), ..all() });
    }
    for zone in [0, 5, 8, 9] {
        filters.push(FlowFilter { zone: Some(zone), ..all() });
        let end = Side { zone: Some(zone), ..side() };
        filters.push(FlowFilter { orig: end.clone(), ..all() });
        filters.push(FlowFilter { reply: end, ..all() });
    }
    for mark in [[7, u32::MAX], [0, 1], [0x10, 0x10], [3, 1], [0, 0]] {
        filters.push(FlowFilter { mark: Some(mark), ..all() });
    }
    for mark in [[7, u32::MAX], [0x10, 0x10], [0, 1], [3, 1], [0, 0]] {
        let none = vec![FlowFilter { mark: Some(mark), ..all() }];
        filters.push(FlowFilter { none: none.clone(), ..all() });
        filters.push(FlowFilter { none: none.clone(), mark: Some([7, 7]), ..all() });
        let other = FlowFilter { protocol: Some(17), ..all() };
        filters.push(FlowFilter { none: [none, vec![other]].concat(), ..all() });
    }
    for filter in filters.clone() {
        filters.push(FlowFilter { none: vec![filter], ..all() });
    }
    filters.push(FlowFilter { any_nat: Some(Translation::default()), ..all() });
    filters.push(FlowFilter { state: Some(3), ..all() });
    filters
}

fn id(flow: &Flow<'_>) -> u32 {
    flow.id.unwrap()
}

/// The flows that pass each filter, from a single dump of all flows.
fn passing(kernel: &mut Netlink, filters: &[FlowFilter]) -> Vec<Vec<u32>> {
    let mut passing = vec![Vec::new(); filters.len()];
    flows(kernel, FlowTable::Tracked, 0, &[], |flow| {
        for (ids, filter) in passing.iter_mut().zip(filters) {
            ids.extend(filter.has(flow).then(|| id(flow)));
        }
        Ok(())
    })
    .unwrap();
    passing.iter_mut().for_each(|ids| ids.sort_unstable());
    passing
}

/// The flows that the kernel gives for a filter.
fn asked(kernel: &mut impl Exchange, filter: &FlowFilter) -> Vec<u32> {
    let mut ids = Vec::new();
    matching(kernel, FlowTable::Tracked, filter, |flow| {
        ids.push(id(flow));
        Ok(())
    })
    .unwrap();
    ids.sort_unstable();
    ids
}

#[test]
fn the_kernel_leaves_out_what_does_not_pass_and_nothing_else() {
    let test = "the_kernel_leaves_out_what_does_not_pass_and_nothing_else";
    let Some(world) = table(test) else { return };
    world.inside(|| {
        let (mut kernel, filters) = (Netlink::netfilter().unwrap(), filters());
        let passing = passing(&mut kernel, &filters);
        for (filter, passing) in filters.iter().zip(&passing) {
            assert_eq!(asked(&mut kernel, filter), *passing, "{filter:?}");
        }
        let found = passing.iter().filter(|ids| !ids.is_empty()).count();
        assert!(found > 40, "almost all filters select nothing: {found}");
    });
}

/// A kernel that does not know filters: it ignores or refuses them.
struct Old<'a> {
    kernel: &'a mut Netlink,
    refuses: Option<Errno>,
    requests: usize,
}

impl Exchange for Old<'_> {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        const HEADS: usize = 16 + 4;
        self.requests += 1;
        if let Some(errno) = self.refuses.filter(|_| request.len() > HEADS) {
            return Err(errno);
        }
        let mut plain = request[..HEADS].to_vec();
        plain[..4].copy_from_slice(&u32::try_from(HEADS).unwrap().to_ne_bytes());
        // It knows the family.
        self.kernel.send(&plain)
    }

    fn number(&mut self) -> u32 {
        self.kernel.number()
    }

    fn port(&self) -> Option<u32> {
        self.kernel.port()
    }
}

impl Messages for Old<'_> {
    fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
        self.kernel.receive()
    }
}

#[test]
fn a_kernel_without_filters_gives_the_same_flows() {
    let Some(world) = table("a_kernel_without_filters_gives_the_same_flows") else { return };
    world.inside(|| {
        // Each of them walks the whole table, so only some of the filters are used.
        let filters: Vec<_> = filters().into_iter().step_by(5).collect();
        let mut kernel = Netlink::netfilter().unwrap();
        let passing = passing(&mut kernel, &filters);
        for refuses in [None, Some(Errno::INVAL), Some(Errno::OPNOTSUPP)] {
            let mut old = Old { kernel: &mut kernel, refuses, requests: 0 };
            for (filter, passing) in filters.iter().zip(&passing) {
                assert_eq!(asked(&mut old, filter), *passing, "{filter:?}");
            }
            assert_eq!(old.requests > filters.len(), refuses.is_some());
        }
        // Another refusal is not a reason to ask again.
        let refuses = Some(Errno::PERM);
        let mut old = Old { kernel: &mut kernel, refuses, requests: 0 };
        let filter = FlowFilter { mark: Some([1, 1]), ..FlowFilter::default() };
        let result = matching(&mut old, FlowTable::Tracked, &filter, |_| Ok(()));
        let Err(Failure::Refused(refusal)) = result else { panic!("{result:?}") };
        assert_eq!((refusal.errno, old.requests), (Errno::PERM, 1));
    });
}
