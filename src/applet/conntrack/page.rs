//! What the manual says of `conntrack`.

use crate::flow::DIFFERENCES as OF_TEXT;
use crate::frame::Example;

/// What one should know to use it.
const DESCRIPTION: [&str; 8] = [
    "The kernel tracks connections that pass through the machine, or that its own rules look at, whether or \
     not they have a socket here: on a router or a container host they are in this table alone. -L lists \
     flows, -C counts them, -G shows one, -S shows the counters of each CPU, -E shows events as they come. \
     Options, text and exit status are those of conntrack(8) of conntrack-tools 1.4.7, but for what is \
     listed below. connbox only looks: what would change the table (-D -I -U -A -F -R -z) is refused. Dates \
     in its text are of the time zone that TZ names, or /etc/localtime.",
    "A filter shows what has all that it asks for. -s, -d, -r and -q take a network, ADDR/LEN; --mask-src \
     and --mask-dst say which bits matter otherwise. The options of a protocol (--sport, --dport, --state, \
     --icmp-type, --srckey and the like) stand behind -p. -u asks for statuses, and with ! for their \
     absence; UNREPLIED is the absence of SEEN_REPLY. -m asks for a mark, or for some bits of it. -w means \
     the zone of both directions; for the zone of one use --orig-zone or --reply-zone. -l asks for all of \
     its labels, by name or number. -n asks for flows whose source was translated, -g for the destination, \
     -j for either; behind them ADDR:PORT is the translated one. States and statuses are those of connection \
     tracking, not of sockets.",
    "Addresses of IPv4, protocols, ports, marks, statuses and zones are compared in the kernel, so that \
     asking for few flows among many is quick; every flow is looked at once more, as kernels before Linux \
     5.8 know nothing of that.",
    "-C without a filter prints the kernel's own counter, which has flows that have just ended too. With a \
     filter or a table it counts what -L would list. --limits adds the greatest number that there may be, \
     how much of it is used, how many flows had to go because the table was full, and the buckets of the \
     table, which is one for the whole machine.",
    "With --by, -L and -C count in groups instead: one row a group, the largest first, equal ones in the \
     order of their keys. Keys: proto, state, family, src, dst, reply_src, reply_dst (with /LEN networks: \
     src/24, or src/24/64 for IPv4 and IPv6), sport, dport, reply_sport, reply_dport, zone, orig_zone, \
     reply_zone, mark, status (the first of hw_offload, offload, assured, seen_reply, unreplied that is so), \
     helper, labels. --sum adds up packets or bytes of both directions, which the kernel counts only with \
     net.netfilter.nf_conntrack_acct=1.",
    "The counters of -S come by ctnetlink, or without rights from /proc/net/stat/nf_conntrack, whose columns \
     are read by name and called as ctnetlink calls them. early_drop: flows that had to go because the table \
     was full. drop: packets that were dropped because there was no room, or their flow was dying. \
     insert_failed: flows that clashed with another one and could not be resolved. invalid: packets that \
     cannot be tracked.",
    "-E shows events until SIGINT or SIGTERM ends it, which is status 0. -e picks which: NEW, UPDATES, \
     DESTROY. The receive buffer is of 8 MiB, beyond net.core.rmem_max where the rights allow it; -b sets \
     another size, and the size that it got is said. Events that the kernel had to drop are counted exactly: \
     standard error tells how many, our formats a row LOST. --resync dumps the table at the start and after \
     each loss, and shows what was missed as events that are marked so, in text by [SYNTHETIC]. Our formats \
     are TSV, --shell and --json, one row an event. Where net.netfilter.nf_conntrack_events is 2, as it is by \
     default since Linux 6.0, flows that began when nobody listened report neither changes nor their end.",
    "A table is empty where no rule of the network namespace uses connection tracking, which is said on \
     standard error. It differs from conntrack-tools 1.4.7, which is wrong there, in the following.",
];

/// Where it differs beyond the text.
const OF_OPTIONS: [&str; 9] = [
    "Numbers must be numbers: --dport 99999, --dport abc, -m abc or -w 70000 are wrong, status 2, where \
     conntrack takes them for 34463 or 0. Addresses are written in full: 10.1 is none.",
    "-u ASSURED,!FIXED_TIMEOUT, several -u, and -u together with -m pick what has all of it; conntrack \
     lists nothing. UNSET picks nothing and is wrong.",
    "-c is looked at. -r and -q take networks.",
    "-C takes filters, and counts the tables dying and unconfirmed. Without rights -C and -S succeed.",
    "-G takes a zone, and the tuple of the answers alone.",
    "What is attached to an option is its value: -n9.9.9.9, --src-nat=9.9.9.9, --dump=expect; conntrack \
     passes over it. A word that belongs to no option is wrong.",
    "-b sets the buffer of the socket on which events come.",
    "--output is -o here, and --count is -C: the common options of these names are --output-file and \
     --snapshots.",
    "-h and -V print connbox's own help and version.",
];

const COUNT: usize = DESCRIPTION.len() + OF_OPTIONS.len() + OF_TEXT.len();

/// The paragraphs of the manual.
pub const DETAILS: [&str; COUNT] = {
    let parts: [&[&str]; 3] = [&DESCRIPTION, &OF_OPTIONS, OF_TEXT];
    let mut all = [""; COUNT];
    let (mut part, mut place) = (0, 0);
    while part < parts.len() {
        let mut paragraph = 0;
        while paragraph < parts[part].len() {
            all[place] = parts[part][paragraph];
            (place, paragraph) = (place + 1, paragraph + 1);
        }
        part += 1;
    }
    all
};

pub const EXAMPLES: [Example; 6] = [
    Example {
        about: "How full the table is; needs no rights",
        command: "conntrack -C --limits --shell",
    },
    Example {
        about: "Counters that tell of drops",
        command: "conntrack -S --tsv | awk '$2 ~ /drop|failed/'",
    },
    Example {
        about: "Who fills the table",
        command: "conntrack -C --by src/24/64 --sum bytes --top 10",
    },
    Example {
        about: "How many flows nobody answers, by protocol and port",
        command: "conntrack -C -u UNREPLIED --by proto,dport --top 10",
    },
    Example {
        about: "The flows of one host as JSON, translated or not",
        command: "conntrack -L -s 192.0.2.1 --json | awk '/ESTABLISHED/'",
    },
    Example {
        about: "Connections to a server that left through this router's address",
        command: "conntrack -L -p tcp -q 192.0.2.1 --dport 443 -o extended,id 2>&1 | awk 'NR <= 10'",
    },
];
