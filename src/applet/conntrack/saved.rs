//! Flows of saved text, `--from`, instead of those of the kernel.

use super::args::{Args, Command};
use super::values::Listing;
use crate::cli::refuse;
use crate::error::Error;
use crate::frame::{Call, Report};
use crate::model::{Family, Flow, FlowFilter, FlowStatus, Groups};
use crate::out::Format;
use crate::source::Source;
use crate::source::files::lines::Place;
use crate::source::flows::conntrack::FlowTable;
use crate::source::flows::first::{First, Texts};
use crate::source::flows::labels::Labels;
use crate::source::flows::saved::{self, SavedFlow, Seen, lacking};
use crate::source::flows::saved_parts;
use crate::source::flows::texts::{self, Families};

/// What gives flows their packets and bytes.
pub(super) const ACCOUNTING: &str = "sysctl -w net.netfilter.nf_conntrack_acct=1";

/// Refuses commands and options that need the running kernel.
pub(super) fn check(call: &Call, command: Command, args: &Args) -> Result<(), Error> {
    let is_read = matches!(
        command,
        Command::List(Listing::Flows(FlowTable::Tracked))
            | Command::Count(Listing::Flows(FlowTable::Tracked))
            | Command::Events(Listing::Flows(FlowTable::Tracked))
            | Command::Get(_)
            | Command::List(Listing::Expectations)
            | Command::Count(Listing::Expectations)
    );
    let is_events = matches!(command, Command::Events(_));
    let format = call.common().style.format;
    refuse([
        (
            !is_read,
            "--from",
            "is read by -L, -C, -E and -G of the table conntrack, and by -L and -C of expect",
        ),
        (
            args.limits,
            "--limits",
            "cannot be combined with --from: only the running kernel knows them",
        ),
        (
            args.resync,
            "--resync",
            "cannot be combined with --from: only the running kernel can be asked again",
        ),
        (
            args.buffer_bytes.is_some(),
            "--buffer-size",
            "cannot be combined with --from: no socket is read",
        ),
        (
            is_events && format == Format::Prometheus,
            "--prom",
            "cannot be combined with -E: events are no numbers",
        ),
        (
            is_events && format == Format::Bare,
            "--value",
            "cannot be combined with -E: an event is more than its numbers",
        ),
    ])
}

/// What the options ask of each flow, as far as not every form of text tells it.
pub(super) struct Asked {
    /// What must be shown, see [`lacking`], each bit with the option that asks for it.
    parts: [(u8, &'static str); 6],
    /// The status bits of `-u`.
    status: FlowStatus,
    is_by_status: bool,
}

impl Asked {
    pub(super) fn of(args: &Args, filter: &FlowFilter) -> Asked {
        let by = |key: &str, option| if args.grouping.has(key) { "--by" } else { option };
        let when = |is_asked: bool, bit, option| (if is_asked { bit } else { 0 }, option);
        let has = |key: &str| args.grouping.has(key);
        let filters = || std::iter::once(filter).chain(&filter.none);
        let mut sides = filters().flat_map(|filter| [&filter.orig, &filter.reply]);
        let is_icmp = sides.any(|side| side.icmp != [None; 2] || side.icmp_id.is_some());
        let is_marked = filters().any(|filter| filter.mark.is_some());
        let [set, unset] = filter.status;
        Asked {
            parts: [
                when(
                    !args.labels.is_empty() || has("labels"),
                    lacking::LABELS,
                    by("labels", "--label"),
                ),
                when(is_marked || has("mark"), lacking::MARK, by("mark", "--mark")),
                when(has("helper"), lacking::HELPER, "--by"),
                when(args.grouping.has_sums(), lacking::COUNTERS, "--sum"),
                when(args.id.is_some(), lacking::ID, "--id"),
                when(is_icmp, lacking::ICMP, "--icmp-type"),
            ],
            status: FlowStatus(set | unset),
            is_by_status: has("status"),
        }
    }

    /// The first option that asks for one of `bits`, and what it asks for.
    fn first(&self, bits: u8) -> Option<(&'static str, &'static str)> {
        const NAMES: [&str; 6] =
            ["labels", "marks", "helpers", "packets and bytes", "IDs", "types of ICMP"];
        let place = self.parts.iter().position(|(bit, _)| bit & bits != 0)?;
        Some((self.parts[place].1, NAMES[place]))
    }

    /// Refuses what the form of this line cannot tell.
    pub(super) fn check(&self, place: Place<'_>, saved: &SavedFlow<'_>) -> Result<(), Error> {
        if saved.never != 0
            && let Some((option, what)) = self.first(saved.never)
        {
            return Err(place.error(format_args!(
                "{option} cannot be answered: this form shows no {what}; save with -o extended,id,labels"
            )));
        }
        let untold = self.untold(saved);
        if untold == 0 {
            return Ok(());
        }
        let name = FlowStatus::NAMES.get(untold.trailing_zeros() as usize).copied();
        let option = if self.status.0 & untold != 0 { "--status" } else { "--by status" };
        let name = name.unwrap_or("it");
        Err(place.error(format_args!("{option} cannot be answered: the text does not tell {name}")))
    }

    /// The bits of the status that the options ask for and the text does not tell.
    fn untold(&self, saved: &SavedFlow<'_>) -> u32 {
        const OF_KEY: u32 =
            FlowStatus::ASSURED.0 | FlowStatus::OFFLOAD.0 | FlowStatus::HW_OFFLOAD.0;
        let is_carried =
            saved.flow.has(FlowStatus::OFFLOAD) || saved.flow.has(FlowStatus::HW_OFFLOAD);
        let by = if self.is_by_status && !is_carried { OF_KEY } else { 0 };
        (self.status.0 | by) & saved.flow.untold.0
    }
}

/// Calls `each` with the flows of the saved lists that match the filter.
pub(super) fn matching(
    source: &Source,
    args: &Args,
    filter: &FlowFilter,
    report: &mut Report,
    each: &mut dyn FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let asked = Asked::of(args, filter);
    let labels = Labels::read(&source.kernel)?;
    let (mut absent, mut flows, takes_all) = (u8::MAX, 0u64, filter.is_empty());
    let (mut first, mut parts) = (First::default(), Texts::default());
    let is_several = source.saved.len() > 1;
    let (doubts, families) = saved::read(source, &labels, &mut |place, seen| {
        const EVENT: &str =
            "an event, which may be one of several of its flow; conntrack -E reads events";
        let Seen::Flow(saved) = seen else { return Err(place.error(EVENT)) };
        if !saved.is_listed {
            return Err(place.error(EVENT));
        }
        asked.check(place, saved)?;
        must_know_label(place, args, saved)?;
        absent &= saved.absent;
        flows += 1;
        first.add(&saved.flow);
        if is_several {
            parts.add(place, &saved.flow);
        }
        if takes_all || filter.has(&saved.flow) { each(&saved.flow) } else { Ok(()) }
    })?;
    if flows > 0
        && let Some((option, what)) = asked.first(absent)
    {
        let cure = match asked.first(absent & !lacking::COUNTERS) {
            None => format!("for new flows: {}", ACCOUNTING),
            Some(_) => "save with -o extended,id,labels".into(),
        };
        return Err(Error::failed(
            source.saved_names(),
            format_args!("{option} cannot be answered: no flow shows its {what}; {cure}"),
        ));
    }
    doubts.iter().for_each(|doubt| report.trouble(doubt));
    note_missing(args, filter, &families, report);
    if first.is_twice() || parts.is_twice() {
        report.lack("--from: the same flows are given twice: they count twice");
    }
    Ok(())
}

/// Says so if the texts may lack flows of a family or protocol that is asked for.
fn note_missing(args: &Args, filter: &FlowFilter, families: &Families, report: &mut Report) {
    const ONE: &str = "-f lists one family, and conntrack before 1.4.7 lists IPv4 alone without it";
    let say = |family| texts::say_family(family, "flows", ONE, "");
    match (family_of(filter), families.missing()) {
        (Some(family), _) if families.may_lack(family) => report.lack(&say(family)),
        (None, Some(family)) if args.grouping.has("family") => report.note(&say(family)),
        _ => {
            if let Some(only) = families.only(|protocol| asks_protocol(filter, protocol)) {
                let name = Flow::protocol_name(only).map_or(only.to_string(), str::to_owned);
                report.lack(&format!(
                    "--from: one of the texts lists flows of {name} alone, and may be of -p {name}: give the text of \
                     conntrack -L 2>&1"
                ));
            }
        }
    }
}

/// Whether a filter asks for flows of a protocol, among others.
fn asks_protocol(filter: &FlowFilter, protocol: u8) -> bool {
    let alone = || FlowFilter { protocol: Some(protocol), ..FlowFilter::default() };
    filter.protocol.is_none_or(|asked| asked == protocol)
        && !filter.none.iter().any(|none| *none == alone())
}

/// The family that a filter asks for, by its name, an address or a protocol that has only one.
fn family_of(filter: &FlowFilter) -> Option<Family> {
    let of_protocol = filter.protocol.and_then(|protocol| match protocol {
        1 => Some(Family::Inet),
        58 => Some(Family::Inet6),
        _ => None,
    });
    filter.family.and_then(Family::from_number).or(of_protocol)
}

/// What one thread makes of the flows: a buffer for keys, and groups.
type Taken = (Vec<u8>, Groups);

/// What one thread has taken of a long list.
struct Share {
    taken: Taken,
    /// How many flows matched.
    count: u64,
    absent: u8,
    /// The families of the flows.
    families: u8,
    /// Whether there was a flow of a protocol that is asked for.
    is_of_asked: bool,
    /// How many were among the first ones of the file.
    among_first: usize,
}

/// Has threads take the flows of a long saved list that match the filter, each with a value of its own: these, and how
/// many flows matched. `None` if one thread must read it, see [`saved_parts`].
pub(super) fn in_parts(
    source: &Source,
    args: &Args,
    filter: &FlowFilter,
    new: &(dyn Fn() -> Taken + Sync),
    each: &(dyn Fn(&mut Taken, &Flow<'_>) + Sync),
) -> Result<Option<(Vec<Taken>, u64)>, Error> {
    if source.saved.is_empty() {
        return Ok(None);
    }
    let (asked, labels) = (Asked::of(args, filter), Labels::read(&source.kernel)?);
    let takes_all = filter.is_empty();
    let new = || {
        let (count, absent, among_first) = (0, u8::MAX, 0);
        Share { taken: new(), count, absent, families: 0, is_of_asked: false, among_first }
    };
    let first = saved_parts::first(source, &labels);
    let shares = saved_parts::read(source, &labels, &new, &|share, saved| {
        let is_usual = saved.is_listed && saved.never == 0 && saved.strange_label.is_none();
        if !is_usual || asked.untold(saved) != 0 {
            return None;
        }
        share.absent &= saved.absent;
        share.families |= texts::bit(saved.flow.family);
        share.is_of_asked |= asks_protocol(filter, saved.flow.orig.protocol);
        share.among_first += usize::from(first.has(&saved.flow));
        if takes_all || filter.has(&saved.flow) {
            share.count += 1;
            each(&mut share.taken, &saved.flow);
        }
        Some(())
    });
    let absent =
        |shares: &Vec<Share>| shares.iter().fold(u8::MAX, |bits, share| bits & share.absent);
    let shares = shares.filter(|shares| asked.first(absent(shares)).is_none());
    // One thread says so, and knows whether a family may be missing.
    let families = |shares: &Vec<Share>| shares.iter().fold(0, |bits, share| bits | share.families);
    let asked_families = match family_of(filter) {
        Some(family) => texts::bit(family.number()),
        None if args.grouping.has("family") => 3,
        None => 0,
    };
    let shares = shares.filter(|shares| asked_families & !families(shares) == 0);
    // So with protocols.
    let shares = shares.filter(|shares| shares.iter().any(|share| share.is_of_asked));
    let again = |shares: &Vec<Share>| shares.iter().map(|share| share.among_first).sum::<usize>();
    let shares = shares.filter(|shares| !first.is_repeated(again(shares)));
    Ok(shares.map(|shares| {
        let count = shares.iter().map(|share| share.count).sum();
        (shares.into_iter().map(|share| share.taken).collect(), count)
    }))
}

/// Refuses a label that has no number here, if labels are asked for.
pub(super) fn must_know_label(
    place: Place<'_>,
    args: &Args,
    saved: &SavedFlow<'_>,
) -> Result<(), Error> {
    let is_asked = || !args.labels.is_empty() || args.grouping.has("labels") || args.output.labels;
    match saved.strange_label {
        Some(name) if is_asked() => Err(place.error(format_args!(
            "the label '{}' has no number in /etc/xtables/connlabel.conf: copy that file, too",
            String::from_utf8_lossy(name)
        ))),
        _ => Ok(()),
    }
}
