//! The options of `conntrack`: names, help and effects.

use super::args::{
    About, Args, Command, EVENTS, PARTS, each_word, end, mask, nat, set_family, zone,
};
use super::values::{self, ProtocolOptions, number_of};
use crate::cli::{self, Opt, OptDoc};
use crate::select::grouping;

const CHANGES: &str = "refused: connbox never changes the table";
const ONLY_LOOKS: &str = "connbox only reads the table of flows and never changes it";

/// The address families with their numbers in the kernel.
const FAMILIES: [(&str, u8); 2] = [("ipv4", 2), ("ipv6", 10)];

pub(super) static OPTIONS: [Opt<Args>; 57] = [
    Opt::<Args>::optional(
        "dump",
        "[TABLE]",
        &values::TABLE_NAMES,
        "list the flows of a table",
        |args, value| {
            args.commands.push(Command::List(values::table(value)?));
            Ok(())
        },
    )
    .short('L'),
    Opt::<Args>::optional(
        "counter",
        "[TABLE]",
        &values::TABLE_NAMES,
        "count flows: all, by the kernel's counter, or those that match the filters",
        |args, value| {
            args.commands.push(Command::Count(values::table(value)?));
            Ok(())
        },
    )
    .short('C'),
    Opt::<Args>::optional(
        "event",
        "[TABLE]",
        &values::TABLE_NAMES,
        "show events as they come",
        |args, value| {
            args.commands.push(Command::Events(values::table(value)?));
            Ok(())
        },
    )
    .short('E'),
    Opt::<Args>::optional(
        "get",
        "[TABLE]",
        &values::TABLE_NAMES,
        "show the one flow that the options name",
        |args, value| {
            args.commands.push(Command::Get(values::table(value)?));
            Ok(())
        },
    )
    .short('G'),
    Opt::<Args>::optional(
        "stats",
        "[TABLE]",
        &values::TABLE_NAMES,
        "show the counters of each CPU",
        |args, value| {
            args.commands.push(Command::Stats(values::table(value)?));
            Ok(())
        },
    )
    .short('S'),
    Opt::<Args>::value(
        "src",
        "ADDR[/LEN]",
        "source address of the first packet, or its network",
        |args, value| end(args, "--src", value, |filter| &mut filter.orig.source),
    )
    .alias("orig-src")
    .short('s'),
    Opt::<Args>::value(
        "dst",
        "ADDR[/LEN]",
        "destination address of the first packet, or its network",
        |args, value| end(args, "--dst", value, |filter| &mut filter.orig.destination),
    )
    .alias("orig-dst")
    .short('d'),
    Opt::<Args>::value(
        "reply-src",
        "ADDR[/LEN]",
        "source address of the replies, or its network",
        |args, value| end(args, "--reply-src", value, |filter| &mut filter.reply.source),
    )
    .short('r'),
    Opt::<Args>::value(
        "reply-dst",
        "ADDR[/LEN]",
        "destination address of the replies, or its network",
        |args, value| end(args, "--reply-dst", value, |filter| &mut filter.reply.destination),
    )
    .short('q'),
    Opt::value("mask-src", "MASK", "the bits of --src that matter", |args, value| {
        mask(args, "--mask-src", value, 0)
    }),
    Opt::value("mask-dst", "MASK", "the bits of --dst that matter", |args, value| {
        mask(args, "--mask-dst", value, 1)
    }),
    Opt::<Args>::value(
        "protonum",
        "PROTO",
        "transport protocol, by name or number; its own options follow it",
        |args, value| {
            args.note(About::Tuple, "--protonum").filter.protocol = Some(values::protocol(value)?);
            Ok(())
        },
    )
    .short('p'),
    Opt::<Args>::word(
        "family",
        "FAMILY",
        const { &cli::words_of(&FAMILIES) },
        "network protocol",
        |args, value| {
            args.note(About::Family, "--family");
            set_family(args, cli::choose(&FAMILIES, value)?)
        },
    )
    .short('f'),
    Opt::<Args>::word(
        "status",
        "STATUS[,...]",
        &values::STATUS_NAMES,
        "with these statuses, and without those marked with !",
        |args, value| {
            values::statuses(&mut args.note(About::Filter, "--status").filter.status, value)
        },
    )
    .short('u'),
    Opt::<Args>::value("mark", "VALUE[/MASK]", "with this mark", |args, value| {
        args.note(About::Filter, "--mark").filter.mark = Some(values::mark(value)?);
        Ok(())
    })
    .short('m'),
    Opt::<Args>::value("secmark", "VALUE", "with this mark of a security module", |args, value| {
        args.note(About::Filter, "--secmark").filter.secmark = Some(number_of(value, u32::MAX)?);
        Ok(())
    })
    .short('c'),
    Opt::<Args>::value("zone", "ZONE", "in this zone for both directions", |args, value| {
        args.note(About::Zone, "--zone").filter.zone = Some(zone(value)?);
        Ok(())
    })
    .short('w'),
    Opt::value(
        "orig-zone",
        "ZONE",
        "in this zone for the original direction only",
        |args, value| {
            args.note(About::Zone, "--orig-zone").filter.orig.zone = Some(zone(value)?);
            Ok(())
        },
    ),
    Opt::value("reply-zone", "ZONE", "in this zone for the reply direction only", |args, value| {
        args.note(About::Zone, "--reply-zone").filter.reply.zone = Some(zone(value)?);
        Ok(())
    }),
    Opt::<Args>::value("label", "LABEL[,...]", "with all of these labels", |args, value| {
        args.note(About::Filter, "--label");
        args.labels.extend(cli::words(value)?.map(str::to_owned));
        Ok(())
    })
    .short('l'),
    Opt::<Args>::optional(
        "src-nat",
        "[ADDR[:PORT]]",
        &[],
        "whose source was translated, if given: to ADDR",
        |args, value| {
            let wanted = nat(args, "--src-nat", value)?;
            args.filter.source_nat = Some(wanted);
            Ok(())
        },
    )
    .short('n'),
    Opt::<Args>::optional(
        "dst-nat",
        "[ADDR[:PORT]]",
        &[],
        "whose destination was translated, if given: to ADDR",
        |args, value| {
            let wanted = nat(args, "--dst-nat", value)?;
            args.filter.destination_nat = Some(wanted);
            Ok(())
        },
    )
    .short('g'),
    Opt::<Args>::optional(
        "any-nat",
        "[ADDR[:PORT]]",
        &[],
        "whose source or destination was translated, if given: to ADDR",
        |args, value| {
            let wanted = nat(args, "--any-nat", value)?;
            args.filter.any_nat = Some(wanted);
            Ok(())
        },
    )
    .short('j'),
    Opt::<Args>::value("id", "ID", "with -G, only if the flow has this ID", |args, value| {
        args.note(About::Id, "--id").id = Some(number_of(value, u32::MAX)?);
        Ok(())
    })
    .short('i'),
    Opt::<Args>::value(
        "nat-range",
        "ADDR",
        "deprecated: has no effect, as with conntrack",
        |args, _| {
            args.has_nat_range = true;
            Ok(())
        },
    )
    .short('a'),
    Opt::<Args>::word(
        "event-mask",
        "EVENT[,...]",
        const { &cli::words_of(&EVENTS) },
        "with -E, show only these events",
        |args, value| {
            each_word(args.note(About::Events, "--event-mask"), value, &EVENTS, |args, bits| {
                args.events |= bits
            })
        },
    )
    .short('e'),
    Opt::<Args>::word(
        "output",
        "PART[,...]",
        const { &cli::words_of(&PARTS) },
        "which parts the original text shows, and its form",
        |args, value| {
            each_word(args.note(About::Form, "--output"), value, &PARTS, |args, set| {
                set(&mut args.output)
            })
        },
    )
    .short('o'),
    Opt::<Args>::value(
        "buffer-size",
        "BYTES",
        "with -E, the size of the receive buffer",
        |args, value| {
            args.note(About::Events, "--buffer-size").buffer_bytes = Some(cli::number(value)?);
            Ok(())
        },
    )
    .short('b'),
    Opt::switch(
        "resync",
        "with -E, dump the table after a loss, and show the missed events",
        |args| args.note(About::Events, "--resync").resync = true,
    ),
    Opt::<Args>::value(
        "sport",
        "PORT[,...]",
        "source port of the first packet, range A-B or service",
        |args, value| args.ports("--sport", (false, 0), value),
    )
    .alias("orig-port-src"),
    Opt::<Args>::value(
        "dport",
        "PORT[,...]",
        "destination port of the first packet, range A-B or service",
        |args, value| args.ports("--dport", (false, 1), value),
    )
    .alias("orig-port-dst"),
    Opt::value("reply-port-src", "PORT[,...]", "source port of the replies", |args, value| {
        args.ports("--reply-port-src", (true, 0), value)
    }),
    Opt::value("reply-port-dst", "PORT[,...]", "destination port of the replies", |args, value| {
        args.ports("--reply-port-dst", (true, 1), value)
    }),
    Opt::value(
        "state",
        "STATE",
        "TCP, SCTP or DCCP state, as conntrack writes it",
        |args, value| {
            let filter = args.of("--state", ProtocolOptions::Ports)?;
            filter.state = Some(values::state(filter.protocol.unwrap_or_default(), value)?);
            Ok(())
        },
    ),
    Opt::value("icmp-type", "NUMBER", "ICMP type", |args, value| {
        args.of("--icmp-type", ProtocolOptions::Icmp)?.orig.icmp[0] = Some(number_of(value, 255)?);
        Ok(())
    }),
    Opt::value("icmp-code", "NUMBER", "ICMP code", |args, value| {
        args.of("--icmp-code", ProtocolOptions::Icmp)?.orig.icmp[1] = Some(number_of(value, 255)?);
        Ok(())
    }),
    Opt::value("icmp-id", "NUMBER", "ICMP identifier", |args, value| {
        args.of("--icmp-id", ProtocolOptions::Icmp)?.orig.icmp_id = Some(number_of(value, 65_535)?);
        Ok(())
    }),
    Opt::value("icmpv6-type", "NUMBER", "ICMPv6 type", |args, value| {
        args.of("--icmpv6-type", ProtocolOptions::Icmp6)?.orig.icmp[0] =
            Some(number_of(value, 255)?);
        Ok(())
    }),
    Opt::value("icmpv6-code", "NUMBER", "ICMPv6 code", |args, value| {
        args.of("--icmpv6-code", ProtocolOptions::Icmp6)?.orig.icmp[1] =
            Some(number_of(value, 255)?);
        Ok(())
    }),
    Opt::value("icmpv6-id", "NUMBER", "ICMPv6 identifier", |args, value| {
        args.of("--icmpv6-id", ProtocolOptions::Icmp6)?.orig.icmp_id =
            Some(number_of(value, 65_535)?);
        Ok(())
    }),
    Opt::<Args>::value("srckey", "KEY", "GRE key of the original direction", |args, value| {
        args.of("--srckey", ProtocolOptions::Keys)?.orig.ports[0] = Some(number_of(value, 65_535)?);
        Ok(())
    })
    .alias("orig-key-src"),
    Opt::<Args>::value("dstkey", "KEY", "GRE key of the other direction", |args, value| {
        args.of("--dstkey", ProtocolOptions::Keys)?.orig.ports[1] = Some(number_of(value, 65_535)?);
        Ok(())
    })
    .alias("orig-key-dst"),
    Opt::value("reply-key-src", "KEY", "GRE key of the replies", |args, value| {
        args.of("--reply-key-src", ProtocolOptions::Keys)?.reply.ports[0] =
            Some(number_of(value, 65_535)?);
        Ok(())
    }),
    Opt::value("reply-key-dst", "KEY", "the other GRE key of the replies", |args, value| {
        args.of("--reply-key-dst", ProtocolOptions::Keys)?.reply.ports[1] =
            Some(number_of(value, 65_535)?);
        Ok(())
    }),
    grouping::by("count in groups, the largest first"),
    grouping::sum("SUM[,...]", "add these up, over both directions"),
    grouping::top("show at most N groups; with --netns all and no --by, N namespaces"),
    grouping::max(),
    grouping::min("show only groups of at least COUNT flows"),
    Opt::switch(
        "limits",
        "with -C, add the columns limit, percent, early_drops and buckets",
        |args| {
            args.note(About::Limits, "--limits").limits = true;
        },
    ),
    Opt::<Args>::optional("create", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into()))
        .short('I'),
    Opt::<Args>::optional("delete", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into()))
        .short('D'),
    Opt::<Args>::optional("update", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into()))
        .short('U'),
    Opt::<Args>::optional("add", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into())).short('A'),
    Opt::<Args>::optional("flush", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into())).short('F'),
    Opt::<Args>::optional("load-file", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into()))
        .short('R'),
    Opt::<Args>::optional("zero", "[...]", &[], CHANGES, |_, _| Err(ONLY_LOOKS.into())).short('z'),
];
pub(super) static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);
