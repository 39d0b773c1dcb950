//! `conntrack -G`: the flow with a given tuple.

use rustix::io::Errno;

use super::args::Args;
use super::list::{self, Writer};
use super::saved;
use super::values::{self, Listing, ProtocolOptions};
use crate::error::Error;
use crate::flow::row::COLUMNS;
use crate::frame::{Call, Sample};
use crate::model::{FlowFilter, Side};
use crate::source::flows::conntrack::{self, FlowTable};
use crate::source::flows::filter;
use crate::source::netlink::Failure;

/// Shows the flow that the options name, by the tuple of its original or of its reply direction.
///
/// # Errors
/// If the tuple is incomplete, or there is no such flow.
pub(super) fn run(call: &mut Call, args: &Args, table: Listing) -> Result<(), Error> {
    let filter = whole(args, table)?;
    let attributes = filter::one(&filter);
    call.table(&COLUMNS, &[], &mut |Sample { source, out, report }: Sample<'_>| {
        let mut writer = Writer::new(source, args)?;
        let family = filter.family.unwrap_or_default();
        let none = || Error::failed("--get", "no such flow");
        if !source.saved.is_empty() {
            let mut is_found = false;
            saved::matching(source, args, &filter, report, &mut |flow| {
                let is_it = !is_found && args.id.is_none_or(|id| flow.id == Some(id));
                is_found |= is_it;
                if is_it { writer.write(flow, out) } else { Ok(()) }
            })?;
            return if is_found { writer.end(out) } else { Err(none()) };
        }
        let mut kernel = list::netlink(source)?;
        let asked = conntrack::flow_of(&mut kernel, family, &attributes, |flow| {
            match args.id.is_none_or(|id| flow.id == Some(id)) {
                true => writer.write(flow, out),
                false => Err(none()),
            }
        });
        asked.map_err(|failure| match failure {
            Failure::Refused(refusal) if refusal.errno == Errno::NOENT => none(),
            failure => failure.into(),
        })?;
        writer.end(out)
    })?;
    list::say_shown(call, 1, "flow entries");
    Ok(())
}

/// The filter, if its tuple is complete enough to name one flow.
fn whole(args: &Args, table: Listing) -> Result<FlowFilter, Error> {
    let mut filter = args.filter.clone();
    let needs = |options: &str| Error::usage("--get", format_args!("needs {options}"));
    if table != Listing::Flows(FlowTable::Tracked) {
        return Err(Error::usage("--get", "reads only the table conntrack"));
    }
    if !filter.none.is_empty() {
        return Err(needs("values without !: it shows one flow"));
    }
    let protocol = filter.protocol.ok_or_else(|| needs("--protonum"))?;
    let FlowFilter { orig, reply, .. } = &mut filter;
    let is_orig = orig.source.is_some() || orig.destination.is_some();
    let (side, [addresses, ports, keys]) = if is_orig || *reply == Side::default() {
        (orig, ["--src and --dst", "--sport and --dport", "--srckey and --dstkey"])
    } else {
        let ports = "--reply-port-src and --reply-port-dst";
        (reply, ["--reply-src and --reply-dst", ports, "--reply-key-src and --reply-key-dst"])
    };
    let is_exact = |address: Option<_>| match address {
        Some(masked) if !crate::model::Masked::is_exact(&masked) => {
            Err(needs("addresses, not networks"))
        }
        address => Ok(address.is_some()),
    };
    if !(is_exact(side.source)? && is_exact(side.destination)?) {
        return Err(needs(addresses));
    }
    let has_ports = !side.ports.contains(&None);
    match values::protocol_options(protocol) {
        ProtocolOptions::Ports if !has_ports => Err(needs(ports)),
        ProtocolOptions::Keys if !has_ports => Err(needs(keys)),
        ProtocolOptions::Icmp if side.icmp.contains(&None) => {
            Err(needs("--icmp-type and --icmp-code"))
        }
        ProtocolOptions::Icmp6 if side.icmp.contains(&None) => {
            Err(needs("--icmpv6-type and --icmpv6-code"))
        }
        ProtocolOptions::Icmp | ProtocolOptions::Icmp6 => {
            side.icmp_id.get_or_insert(0);
            Ok(filter)
        }
        _ => Ok(filter),
    }
}
