//! A namespace with flows of every kind that do not change: Debian's conntrack inserts them.

use std::fmt::Write as _;

use crate::support::needs;
use crate::world::{Ran, World};

/// The options of each flow, except the timeout.
const FLOWS: [&str; 33] = [
    "-s 10.0.0.1 -d 10.1.0.1 -p tcp --sport 1001 --dport 80 --state SYN_SENT -u SEEN_REPLY",
    "-s 10.0.0.2 -d 10.1.0.1 -p tcp --sport 1002 --dport 80 --state SYN_RECV -u SEEN_REPLY",
    "-s 10.0.0.3 -d 10.1.0.1 -p tcp --sport 1003 --dport 80 --state ESTABLISHED -u SEEN_REPLY",
    "-s 10.0.0.4 -d 10.1.0.1 -p tcp --sport 1004 --dport 80 --state FIN_WAIT -u SEEN_REPLY",
    "-s 10.0.0.5 -d 10.1.0.1 -p tcp --sport 1005 --dport 80 --state CLOSE_WAIT -u SEEN_REPLY",
    "-s 10.0.0.6 -d 10.1.0.1 -p tcp --sport 1006 --dport 80 --state LAST_ACK -u SEEN_REPLY",
    "-s 10.0.0.7 -d 10.1.0.1 -p tcp --sport 1007 --dport 80 --state TIME_WAIT -u SEEN_REPLY",
    "-s 10.0.0.8 -d 10.1.0.1 -p tcp --sport 1008 --dport 80 --state CLOSE -u SEEN_REPLY",
    "-s 10.0.0.9 -d 10.1.0.1 -p tcp --sport 1009 --dport 80 --state LISTEN -u SEEN_REPLY",
    "-s 10.0.0.1 -d 10.1.0.2 -p tcp --sport 1 --dport 443 --state ESTABLISHED -u ASSURED,SEEN_REPLY -m 7",
    "-s 10.0.0.2 -d 10.1.0.2 -p tcp --sport 1 --dport 443 --state ESTABLISHED -m 0x17 \
     -u ASSURED,SEEN_REPLY,FIXED_TIMEOUT",
    "-s 10.0.0.3 -d 10.1.0.2 -p udp --sport 1 --dport 53 -m 16",
    "-s 10.0.0.4 -d 10.1.0.2 -p udp --sport 1 --dport 53 -w 5",
    "-s 10.0.0.4 -d 10.1.0.2 -p udp --sport 2 --dport 53 --orig-zone 8",
    "-s 10.0.0.4 -d 10.1.0.2 -p udp --sport 3 --dport 53 --reply-zone 9",
    "-s 10.0.0.5 -d 10.1.0.2 -p udp --sport 3 --dport 53 --src-nat 9.9.9.9",
    "-s 10.0.0.5 -d 10.1.0.2 -p udp --sport 4 --dport 53 --src-nat 9.9.9.9:44",
    "-s 10.0.0.5 -d 10.1.0.2 -p udp --sport 5 --dport 53 --dst-nat 8.8.8.8",
    "-s 10.0.0.5 -d 10.1.0.2 -p tcp --sport 5 --dport 53 --dst-nat 8.8.8.8:5353 --state ESTABLISHED",
    "-s 10.0.0.6 -d 10.1.0.2 -p tcp --sport 5 --dport 53 -r 8.8.4.4 -q 7.7.7.7 --reply-port-src 53 \
     --reply-port-dst 5 --state ESTABLISHED",
    "-s 10.0.0.6 -d 10.1.0.2 -p tcp --sport 6 --dport 53 -r 10.1.0.2 -q 10.0.0.6 --reply-port-src 53 \
     --reply-port-dst 666 --state ESTABLISHED",
    "-s 10.0.0.7 -d 10.1.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77",
    "-s 10.0.0.8 -d 10.1.0.2 -p icmp --icmp-type 13 --icmp-code 0 --icmp-id 77",
    "-s fd00::1 -d fd00::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 5",
    "-s fd00::1 -d fd00::2 -p tcp --sport 1 --dport 80 --state ESTABLISHED -u SEEN_REPLY",
    "-s fd00::1 -d fd00::2 -p udp --sport 1 --dport 53 --src-nat fd00::99",
    "-s fd00:1::1 -d fd00::2 -p udp --sport 1 --dport 53",
    "-s 1.1.1.1 -d 2.2.2.2 -p sctp --orig-vtag 1 --reply-vtag 2 --sport 1000 --dport 2000 --state ESTABLISHED",
    "-s 1.1.1.1 -d 2.2.2.2 -p sctp --orig-vtag 1 --reply-vtag 2 --sport 1001 --dport 2000 --state COOKIE_WAIT",
    "-s 1.1.1.1 -d 2.2.2.2 -p gre --srckey 1 --dstkey 2",
    "-s 1.1.1.1 -d 2.2.2.2 -p gre --srckey 0x11 --dstkey 2",
    "-s 1.1.1.1 -d 2.2.2.2 -p 50",
    "-s 1.1.1.1 -d 2.2.2.2 -p udplite --sport 1 --dport 2",
];
pub const COUNT: usize = FLOWS.len();

pub fn table(test: &str) -> Option<World> {
    if !needs(test, &["connection tracking", "conntrack", "sh", "sysctl"]) {
        return None;
    }
    let world = World::quiet(test)?;
    let mut script = "sysctl -qw net.netfilter.nf_conntrack_acct=1\n".to_owned();
    for flow in FLOWS {
        writeln!(script, "conntrack -I -t 90000 {flow} >/dev/null 2>&1 || echo '{flow}'").unwrap();
    }
    let Ran { stdout, .. } = world.ran("sh", &["-c", &script]);
    assert_eq!(stdout, "", "flows that could not be inserted");
    Some(world)
}
