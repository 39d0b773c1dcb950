//! The options of `conntrack`: names, help and effects.

use super::args::{
    About, Args, Command, EVENTS, PARTS, each_word, end, mask, nat, number, set_family, zone,
};
use super::values::ProtocolOptions::{Icmp, Icmp6, Keys, Ports};
use super::values::{self, number_of};
use crate::cli::{self, Opt, OptDoc};
use crate::model::PROTOCOL_NAMES;
use crate::select::{grouping, options};

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
        "[!]ADDR[/LEN]",
        "source address of the first packet, or its network",
        |args, value| end(args, "--src", value, |filter| &mut filter.orig.source),
    )
    .alias("orig-src")
    .short('s'),
    Opt::<Args>::value(
        "dst",
        "[!]ADDR[/LEN]",
        "destination address of the first packet, or its network",
        |args, value| end(args, "--dst", value, |filter| &mut filter.orig.destination),
    )
    .alias("orig-dst")
    .short('d'),
    Opt::<Args>::value(
        "reply-src",
        "[!]ADDR[/LEN]",
        "source address of the replies, or its network",
        |args, value| end(args, "--reply-src", value, |filter| &mut filter.reply.source),
    )
    .short('r'),
    Opt::<Args>::value(
        "reply-dst",
        "[!]ADDR[/LEN]",
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
    Opt::<Args>::word(
        "protonum",
        "[!]PROTO",
        &PROTOCOL_NAMES,
        "transport protocol, by name or number; its own options follow it",
        |args, value| {
            args.filter(About::Tuple, "--protonum", value, |filter, word| {
                filter.protocol = Some(values::protocol(word)?);
                Ok(())
            })
        },
    )
    .short('p'),
    Opt::<Args>::word(
        "family",
        "FAMILY",
        const { &cli::words_of(&FAMILIES) },
        "network protocol",
        |args, value| {
            let filter = &mut args.note(About::Family, "--family").filter;
            set_family(filter, cli::choose(&FAMILIES, value)?)
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
    Opt::<Args>::value("mark", "[!]VALUE[/MASK]", "with this mark", |args, value| {
        args.filter(About::Filter, "--mark", value, |filter, word| {
            filter.mark = Some(values::mark(word)?);
            Ok(())
        })
    })
    .short('m'),
    Opt::<Args>::value(
        "secmark",
        "[!]VALUE",
        "with this mark of a security module",
        |args, value| {
            args.filter(About::Filter, "--secmark", value, |filter, word| {
                filter.secmark = Some(number_of(word)?);
                Ok(())
            })
        },
    )
    .short('c'),
    Opt::<Args>::value("zone", "[!]ZONE", "in this zone for both directions", |args, value| {
        zone(args, "--zone", value, |filter| &mut filter.zone)
    })
    .short('w'),
    Opt::value(
        "orig-zone",
        "[!]ZONE",
        "in this zone for the original direction only",
        |args, value| zone(args, "--orig-zone", value, |filter| &mut filter.orig.zone),
    ),
    Opt::value(
        "reply-zone",
        "[!]ZONE",
        "in this zone for the reply direction only",
        |args, value| zone(args, "--reply-zone", value, |filter| &mut filter.reply.zone),
    ),
    Opt::<Args>::value(
        "label",
        "LABEL[,...]",
        "with these labels, and without those marked with !",
        |args, value| {
            args.note(About::Filter, "--label");
            let words = options::words(value)?.into_iter();
            args.labels.extend(words.map(|(is_not, word)| (is_not, word.to_owned())));
            Ok(())
        },
    )
    .short('l'),
    Opt::<Args>::optional(
        "src-nat",
        "[[!]ADDR[:PORT]]",
        &[],
        "whose source was translated, if given: to ADDR",
        |args, value| nat(args, "--src-nat", value, |filter| &mut filter.source_nat),
    )
    .short('n'),
    Opt::<Args>::optional(
        "dst-nat",
        "[[!]ADDR[:PORT]]",
        &[],
        "whose destination was translated, if given: to ADDR",
        |args, value| nat(args, "--dst-nat", value, |filter| &mut filter.destination_nat),
    )
    .short('g'),
    Opt::<Args>::optional(
        "any-nat",
        "[[!]ADDR[:PORT]]",
        &[],
        "whose source or destination was translated, if given: to ADDR",
        |args, value| nat(args, "--any-nat", value, |filter| &mut filter.any_nat),
    )
    .short('j'),
    Opt::<Args>::value("id", "ID", "with -G, only if the flow has this ID", |args, value| {
        args.note(About::Id, "--id").id = Some(number_of(value)?);
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
    Opt::word(
        "state",
        "[!]STATE",
        &values::STATE_NAMES,
        "TCP, SCTP or DCCP state, as conntrack writes it",
        |args, value| {
            let protocol = args.filter.protocol.unwrap_or_default();
            args.of("--state", Ports, value, |filter, word| {
                filter.state = Some(values::state(protocol, word)?);
                Ok(())
            })
        },
    ),
    Opt::value("icmp-type", "[!]NUMBER", "ICMP type", |args, value| {
        number(args, "--icmp-type", Icmp, value, |filter| &mut filter.orig.icmp[0])
    }),
    Opt::value("icmp-code", "[!]NUMBER", "ICMP code", |args, value| {
        number(args, "--icmp-code", Icmp, value, |filter| &mut filter.orig.icmp[1])
    }),
    Opt::value("icmp-id", "[!]NUMBER", "ICMP identifier", |args, value| {
        number(args, "--icmp-id", Icmp, value, |filter| &mut filter.orig.icmp_id)
    }),
    Opt::value("icmpv6-type", "[!]NUMBER", "ICMPv6 type", |args, value| {
        number(args, "--icmpv6-type", Icmp6, value, |filter| &mut filter.orig.icmp[0])
    }),
    Opt::value("icmpv6-code", "[!]NUMBER", "ICMPv6 code", |args, value| {
        number(args, "--icmpv6-code", Icmp6, value, |filter| &mut filter.orig.icmp[1])
    }),
    Opt::value("icmpv6-id", "[!]NUMBER", "ICMPv6 identifier", |args, value| {
        number(args, "--icmpv6-id", Icmp6, value, |filter| &mut filter.orig.icmp_id)
    }),
    Opt::<Args>::value("srckey", "[!]KEY", "GRE key of the original direction", |args, value| {
        number(args, "--srckey", Keys, value, |filter| &mut filter.orig.ports[0])
    })
    .alias("orig-key-src"),
    Opt::<Args>::value("dstkey", "[!]KEY", "GRE key of the other direction", |args, value| {
        number(args, "--dstkey", Keys, value, |filter| &mut filter.orig.ports[1])
    })
    .alias("orig-key-dst"),
    Opt::value("reply-key-src", "[!]KEY", "GRE key of the replies", |args, value| {
        number(args, "--reply-key-src", Keys, value, |filter| &mut filter.reply.ports[0])
    }),
    Opt::value("reply-key-dst", "[!]KEY", "the other GRE key of the replies", |args, value| {
        number(args, "--reply-key-dst", Keys, value, |filter| &mut filter.reply.ports[1])
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
