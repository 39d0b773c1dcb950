//! conntrack on a router, compared with Debian's conntrack on the same table: byte for byte, apart from what
//! `connbox::flow::DIFFERENCES` lists.

pub mod both;
mod events;
mod filters;
mod forms;
mod saved;
use crate::world;

use connbox::model::{Flow, SCTP_STATES, TCP_STATES};
use connbox::source::flows::conntrack::{FlowTable, flows};
use connbox::sys::Netlink;
use world::World;

/// What the flows of the router must contain for the tests that use it.
#[test]
fn the_router_has_flows_of_every_kind() {
    let Some(router) = World::router("the_router_has_flows_of_every_kind") else { return };
    let seen = router.inside(|| {
        let mut seen = Vec::new();
        flows(&mut Netlink::netfilter().unwrap(), FlowTable::Tracked, 0, &[], |flow: &Flow<'_>| {
            let name = Flow::protocol_name(flow.orig.protocol).unwrap_or("unknown");
            seen.push(format!("{} {name} {}", flow.family, flow.state_name().unwrap_or("-")));
            seen.extend(flow.helper.map(|_| format!("{} helper", flow.family)));
            seen.extend(flow.zone.map(|_| format!("{} zone", flow.family)));
            seen.extend(flow.orig.zone.map(|_| format!("{} zone-orig", flow.family)));
            seen.extend(flow.reply.zone.map(|_| format!("{} zone-reply", flow.family)));
            seen.extend(flow.labels.map(|_| format!("{} labels", flow.family)));
            seen.extend(flow.start_nanoseconds.map(|_| format!("{} start", flow.family)));
            let (source, destination) =
                (flow.is_source_translated(), flow.is_destination_translated());
            seen.extend(source.then(|| format!("{} snat", flow.family)));
            seen.extend(destination.then(|| format!("{} dnat", flow.family)));
            Ok(())
        })
        .unwrap();
        seen
    });
    let both = |what: &str| {
        for family in ["2", "10"] {
            let what = format!("{family} {what}");
            assert!(seen.contains(&what), "no {what}");
        }
    };
    TCP_STATES[1..].iter().for_each(|state| both(&format!("tcp {state}")));
    SCTP_STATES[1..9].iter().for_each(|state| both(&format!("sctp {state}")));
    for what in [
        "udp -",
        "gre -",
        "udplite -",
        "dccp -",
        "unknown -",
        "helper",
        "zone",
        "zone-orig",
        "zone-reply",
        "labels",
        "start",
        "snat",
        "dnat",
    ] {
        both(what);
    }
    assert!(seen.contains(&"2 icmp -".to_owned()) && seen.contains(&"10 icmpv6 -".to_owned()));
}
