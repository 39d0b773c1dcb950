//! `conntrack -G`: the flow with a given tuple.

use rustix::io::Errno;

use super::args::Args;
use super::list::{self, Writer};
use super::values::{self, Kind, Listing};
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
pub fn run(call: &mut Call, args: &Args, table: Listing) -> Result<(), Error> {
    let filter = whole(args, table)?;
    let attributes = filter::one(&filter);
    call.table(&COLUMNS, &[], &mut |Sample { source, out, .. }: Sample<'_>| {
        let mut kernel = list::netlink(source)?;
        let mut writer = Writer::new(source, args)?;
        let family = filter.family.unwrap_or_default();
        let asked =
            conntrack::flow_of(&mut kernel, family, &attributes, |flow| writer.write(flow, out));
        asked.map_err(|failure| match failure {
            Failure::Refused(refusal) if refusal.errno == Errno::NOENT => {
                Error::failed("--get", "no such flow")
            }
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
    match values::kind(protocol) {
        Kind::Ports if !has_ports => Err(needs(ports)),
        Kind::Keys if !has_ports => Err(needs(keys)),
        Kind::Icmp if side.icmp.contains(&None) => Err(needs("--icmp-type and --icmp-code")),
        Kind::Icmp6 if side.icmp.contains(&None) => Err(needs("--icmpv6-type and --icmpv6-code")),
        Kind::Icmp | Kind::Icmp6 => {
            side.icmp_id.get_or_insert(0);
            Ok(filter)
        }
        _ => Ok(filter),
    }
}
