//! A flow as conntrack options that would create it again.

use super::push::{self, field, number};
use crate::model::{Change, Ends, Flow, FlowStatus};

/// Appends the options that create a flow, or that repeat the change of an event.
pub fn save(buffer: &mut Vec<u8>, flow: &Flow<'_>, change: Option<Change>) {
    let command = match change {
        None | Some(Change::New) => "-A",
        Some(Change::Update) => "-U",
        Some(Change::Destroy) => "-D",
    };
    buffer.extend_from_slice(command.as_bytes());
    if let Some(seconds) = flow.timeout_seconds {
        field(buffer, " -t ", seconds);
    }
    if let Some(status) = flow.status {
        buffer.extend_from_slice(b" -u ");
        names(buffer, status);
    }
    let zones = [flow.zone, flow.orig.zone, flow.reply.zone].map(|zone| zone.map(u32::from));
    let numbers = [
        // A new flow has mark 0 by default.
        (" -m ", flow.mark.filter(|mark| *mark != 0)),
        (" -c ", flow.secmark),
        (" -w ", zones[0]),
        (" --orig-zone ", zones[1]),
        (" --reply-zone ", zones[2]),
    ];
    for (option, value) in numbers {
        if let Some(value) = value {
            field(buffer, option, value);
        }
    }
    addresses(buffer, flow);
    protocol(buffer, flow);
}

/// Appends the flags that conntrack can set.
fn names(buffer: &mut Vec<u8>, status: FlowStatus) {
    const SETTABLE: FlowStatus = FlowStatus(
        FlowStatus::EXPECTED.0
            | FlowStatus::SEEN_REPLY.0
            | FlowStatus::ASSURED.0
            | FlowStatus::FIXED_TIMEOUT.0,
    );
    let set = status.0 & SETTABLE.0;
    if set == 0 {
        return buffer.extend_from_slice(b"UNSET");
    }
    let mut separator: &[u8] = b"";
    for (place, name) in FlowStatus::NAMES.into_iter().enumerate() {
        if set >> place & 1 != 0 {
            buffer.extend_from_slice(separator);
            buffer.extend_from_slice(name.as_bytes());
            separator = b",";
        }
    }
}

/// Appends the addresses; translated addresses of the reply have their own options.
fn addresses(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    let source = if flow.is_destination_translated() { " -g " } else { " -r " };
    let destination = if flow.is_source_translated() { " -n " } else { " -q " };
    for (option, address) in [
        (" -s ", flow.orig.source),
        (" -d ", flow.orig.destination),
        (source, flow.reply.source),
        (destination, flow.reply.destination),
    ] {
        buffer.extend_from_slice(option.as_bytes());
        push::address(buffer, address);
    }
}

/// Appends the protocol and its own options.
fn protocol(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    buffer.extend_from_slice(b" -p ");
    match Flow::protocol_name(flow.orig.protocol) {
        Some(name) => buffer.extend_from_slice(name.as_bytes()),
        None => number(buffer, flow.orig.protocol.into()),
    }
    match (flow.orig.ends, flow.reply.ends) {
        (Ends::Ports { source, destination }, reply) => {
            let options = [" --sport ", " --dport ", " --reply-port-src ", " --reply-port-dst "];
            let reply = match reply {
                Ends::Ports { source, destination } => Some([source, destination]),
                _ => None,
            };
            four(buffer, options, [source, destination], reply);
        }
        (Ends::Keys { source, destination }, reply) => {
            let options = [" --srckey ", " --dstkey ", " --reply-key-src ", " --reply-key-dst "];
            let reply = match reply {
                Ends::Keys { source, destination } => Some([source, destination]),
                _ => None,
            };
            four(buffer, options, [source, destination], reply);
        }
        (Ends::Icmp { kind, code, id }, _) => {
            let words = match flow.orig.protocol {
                58 => [" --icmpv6-type ", " --icmpv6-code ", " --icmpv6-id "],
                _ => [" --icmp-type ", " --icmp-code ", " --icmp-id "],
            };
            for (word, value) in words.into_iter().zip([kind.into(), code.into(), id.into()]) {
                field(buffer, word, value);
            }
        }
        (Ends::None, _) => {}
    }
    state(buffer, flow);
}

/// Appends the numbers of both directions.
fn four(buffer: &mut Vec<u8>, options: [&str; 4], orig: [u16; 2], reply: Option<[u16; 2]>) {
    let values = orig.into_iter().chain(reply.into_iter().flatten());
    for (option, value) in options.into_iter().zip(values) {
        field(buffer, option, value.into());
    }
}

fn state(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    if let Some(state) = flow.state_name() {
        buffer.extend_from_slice(b" --state ");
        buffer.extend_from_slice(state.as_bytes());
    }
    if let Some(tags) = flow.vtags.filter(|_| flow.orig.protocol == 132) {
        for (option, tag) in [" --orig-vtag ", " --reply-vtag "].into_iter().zip(tags) {
            // conntrack both writes and reads it in host byte order.
            field(buffer, option, u32::from_be(tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(flow: &Flow<'_>, change: Option<Change>) -> String {
        let mut text = Vec::new();
        save(&mut text, flow, change);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_state_without_a_name_is_no_null() {
        let mut flow = Flow { state: Some(8), vtags: Some([1, 2]), ..Flow::default() };
        flow.orig.protocol = 132;
        let tags = [u32::from_be(1), u32::from_be(2)];
        let options =
            format!("--state HEARTBEAT_SENT --orig-vtag {} --reply-vtag {}", tags[0], tags[1]);
        assert!(saved(&flow, None).ends_with(&options), "{}", saved(&flow, None));
        flow.orig.protocol = 6;
        flow.state = Some(99);
        assert!(saved(&flow, None).ends_with(" -p tcp --state NONE"));
    }

    #[test]
    fn what_happened_leads() {
        let flow = Flow { mark: Some(0), secmark: Some(0), ..Flow::default() };
        let rest = "-c 0 -s 0.0.0.0 -d 0.0.0.0 -r 0.0.0.0 -q 0.0.0.0 -p 0";
        for (change, command) in [
            (None, "-A"),
            (Some(Change::New), "-A"),
            (Some(Change::Update), "-U"),
            (Some(Change::Destroy), "-D"),
        ] {
            assert_eq!(saved(&flow, change), format!("{command} {rest}"));
        }
    }

    #[test]
    fn flags_that_can_be_set_are_named() {
        let status =
            |bits| saved(&Flow { status: Some(FlowStatus(bits)), ..Flow::default() }, None);
        assert!(status(0xfbf8).starts_with("-A -u UNSET -s "), "{}", status(0xfbf8));
        let all = "-A -u EXPECTED,SEEN_REPLY,ASSURED,FIXED_TIMEOUT -s ";
        assert!(status(u32::MAX).starts_with(all), "{}", status(u32::MAX));
    }
}
