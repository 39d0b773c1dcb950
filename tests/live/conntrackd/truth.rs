//! The daemon knows as many flows as the kernel has, even if events were lost or not sent.

use std::fs;

use rustix::process::Signal;

use super::{Place, until};

/// Flows that began while no one listened, so that the kernel will not report their end. A listener in any
/// other namespace would be enough for the kernel, so its events are switched off.
fn older(place: &Place, count: u32) {
    place.world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_events=0"]);
    place.flows(4000, count);
    place.world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_events=2"]);
}

#[test]
fn flows_older_than_the_listener_go_with_the_next_comparison() {
    let Some(place) = Place::new("older_flows") else { return };
    older(&place, 500);
    let _daemon = place.daemon(&["--reconcile", "1"]);
    assert_eq!(place.number("flows", "active"), place.kernel_count());
    assert_eq!(place.number("flows", "created"), 500);
    assert_eq!(place.number("resync", "missed_new"), 0);
    place.flows(4001, 20);
    until("the new flows", || place.number("flows", "active") == 520);
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    until("the end of all", || place.number("flows", "active") == 0);
    assert_eq!(place.number("flows", "destroyed"), 520);
    assert_eq!(place.number("resync", "missed_destroy"), 500);
    // One direction of a one-byte datagram each.
    assert_eq!(place.number("traffic", "orig_bytes"), 520 * 29);
    assert_eq!(place.number("traffic", "orig_packets"), 520);
}

#[test]
fn a_resync_that_was_asked_for_is_there_when_it_ends() {
    let Some(place) = Place::new("asked_resync") else { return };
    older(&place, 300);
    let _daemon = place.daemon(&["--reconcile", "86400"]);
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    assert_eq!(place.ask(&["-R"]).clean(), "");
    assert_eq!(place.number("flows", "active"), 0);
    assert_eq!(place.number("resync", "asked"), 1);
}

#[test]
fn what_a_full_buffer_lost_is_counted_and_found() {
    let Some(place) = Place::new("full_buffer") else { return };
    let config = place.path("conf");
    let text = "General {\n NetlinkBufferSize 4096\n NetlinkBufferSizeMaxGrowth 16384\n}\n";
    fs::write(&config, text).unwrap();
    let daemon = place.daemon(&["-C", &config, "--reconcile", "86400"]);
    signal_around(&place, daemon.pid(), |place| place.flows(4000, 20_000));
    until("the loss is repaired", || {
        place.number("flows", "active") == place.kernel_count()
            && place.number("resync", "missed_new") > 0
    });
    assert_eq!(place.number("flows", "active"), 20_000);
    assert_eq!(place.number("events", "received") + place.number("events", "lost"), 20_000);
    assert_eq!(place.number("flows", "created"), 20_000);
    assert!(place.number("events", "lost") > 10_000);
    assert!(place.number("events", "buffer_asked_bytes") > 4096);
    // Some of their ends are lost, too, and the traffic of all flows is counted.
    signal_around(&place, daemon.pid(), |place| {
        place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    });
    until("the loss is repaired again", || place.number("flows", "active") == 0);
    assert_eq!(place.number("flows", "destroyed"), 20_000);
    assert_eq!(place.number("traffic", "orig_bytes"), 20_000 * 29);
}

/// Does something while the daemon is stopped.
fn signal_around(place: &Place, pid: u32, work: impl FnOnce(&Place)) {
    super::signal(pid, Signal::STOP);
    work(place);
    super::signal(pid, Signal::CONT);
}

#[test]
fn no_more_flows_are_known_than_allowed_and_filters_leave_out() {
    let Some(place) = Place::new("hash_limit") else { return };
    let config = place.path("conf");
    let text = "General { Filter From Userspace { Address Ignore { IPv4_address 127.9.0.0/16 } }\n\
                HashLimit 5\n}";
    fs::write(&config, text).unwrap();
    let daemon = place.daemon(&["-C", &config, "--hash-limit", "100", "--reconcile", "86400"]);
    place.flows(4000, 150);
    until("the limit", || place.number("flows", "failed") == 50);
    assert_eq!(place.number("flows", "active"), 100);
    assert!(
        place.ask(&["-s"]).clean().contains("created:\t\t         100\tfailed:\t          50\n")
    );
    drop(daemon);
    let text = "General { Filter From Kernelspace { Protocol Ignore { UDP } } }";
    fs::write(&config, text).unwrap();
    let _daemon = place.daemon(&["-C", &config]);
    place.traffic();
    until("TCP", || place.number("protocol", "tcp") == 1);
    until("no UDP", || place.number("events", "filtered") >= 2);
    assert_eq!(place.number("flows", "active"), 1);
}
