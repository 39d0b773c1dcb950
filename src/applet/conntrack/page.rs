//! The manual page of `conntrack`.

use crate::flow::DIFFERENCES as OF_TEXT;
use crate::frame::Example;

const DESCRIPTION: [&str; 10] = [
    "The kernel tracks connections that pass through the machine, or that its own rules examine, whether or \
     not they have a socket here: on a router or a container host many are in this table only. -L lists \
     flows, -C counts them, -G shows one, -S shows the counters of each CPU, -E shows events as they come. \
     Options, text and exit status are those of conntrack(8) of conntrack-tools 1.4.7, except as listed \
     below. connbox only reads: options that would change the table (-D -I -U -A -F -R -z) are refused. \
     Dates in its text use the time zone of TZ, or of /etc/localtime.",
    "A flow must match every filter. -s, -d, -r and -q take a network, ADDR/LEN; --mask-src and --mask-dst \
     select other bits. The options of a protocol (--sport, --dport, --state, --icmp-type, --srckey and the \
     like) follow -p. -u requires statuses or, with !, their absence; UNREPLIED is the absence of \
     SEEN_REPLY. -m requires a mark, or some bits of it. -w means the zone of both directions; for the zone \
     of one direction use --orig-zone or --reply-zone. -l requires all of its labels, by name or number. -n \
     selects flows whose source was translated, -g those whose destination was, -j either; the ADDR:PORT \
     after them is the address after translation. States and statuses are those of connection tracking, not \
     of sockets.",
    "A ! before the value of a filter excludes what the value selects, which conntrack knows of -u only: -s '!10.0.0.0/8', -p \
     '!udp', -m '!0x4000/0x4000', -l '!seen'; -n '!' selects flows whose source was not translated. Commas separate several \
     (-s '!10.0.0.0/8,!fd00::/8'), at most one of them without a !, but for ports and labels; those of several options add \
     up, while of values without a ! the last one counts. A flow of another family or protocol does not have the \
     value, and so is not excluded. -f has no !: there are two families.",
    "The kernel itself compares IPv4 addresses, protocols, ports, marks, statuses and zones, and excludes statuses and \
     single bits of marks, so asking for a few flows among many is quick. connbox checks every flow once more, since kernels before Linux 5.8 do \
     not filter.",
    "-C without a filter prints the kernel's own counter, which includes flows that have just ended. With a \
     filter or a table it counts the flows that -L would list. --limits adds the maximum, how much of it is \
     used, how many flows were evicted because the table was full, and the hash buckets of the table, which \
     the whole machine shares.",
    "With --by, -L and -C count in groups instead: one row per group, the largest first, groups of equal \
     size in the order of their keys. Keys: proto, state, family, src, dst, reply_src, reply_dst (with /LEN \
     networks: src/24, or src/24/64 for IPv4 and IPv6), sport, dport, reply_sport, reply_dport, zone, \
     orig_zone, reply_zone, mark, status (the first of hw_offload, offload, assured, seen_reply, unreplied \
     that applies), helper, labels. --sum adds up packets or bytes over both directions; the kernel counts \
     them only for flows that began with net.netfilter.nf_conntrack_acct=1. A group of flows without counters has no sum; \
     if other flows of the group have them, a warning says how many are missing, and the status is 1.",
    "The counters of -S come from ctnetlink or, without privileges, from /proc/net/stat/nf_conntrack, whose \
     columns are read by name and shown under their ctnetlink names. early_drop: flows evicted because the \
     table was full. drop: packets dropped because there was no room, or because their flow was ending. \
     insert_failed: flows that clashed with another flow in a way that could not be resolved. invalid: \
     packets that cannot be tracked.",
    "-E shows events until SIGINT or SIGTERM ends it, with status 0. -e chooses which: NEW, UPDATES, \
     DESTROY. The receive buffer is 8 MiB, beyond net.core.rmem_max if the privileges allow it; -b sets \
     another size and reports the size in effect. Events that the kernel had to drop are counted exactly: a \
     warning says how many, and the row formats have a row LOST. --resync dumps the table at the start and \
     after each loss, and shows the missed changes as events, marked as such (in text by [SYNTHETIC]). The \
     row formats are TSV, --shell and --json: one row per event.",
    "With --from, -L, -C, -G and -E read what conntrack, connbox or the kernel printed elsewhere: the text of -L, -G and \
     -E in every form of -o, save and xml included, /proc/net/nf_conntrack or ip_conntrack, and rows of connbox (--tsv --header, --json); several may stand \
     behind one another, with the lines of standard error between them and within a row (2>&1). Every filter, key, sum and form works, as far \
     as the text tells: a mark is not in -o save, labels are there only with -o labels (those without a name never), IDs \
     only with -o id, fields of ICMP not in XML, and of the status only whether a flow is assured, offloaded or \
     unreplied. What a text does not tell is refused, or not shown. To save everything: conntrack -L -o \
     extended,id,labels,ktimestamp 2>&1. Times are read in the zone of TZ. A line that is none of these is an error with \
     its place; where a text is cut, or the tool said that it printed more, what is there is shown, with a warning \
     and status 1. -E takes the lines of -o save for new flows.",
    "connbox differs from conntrack-tools 1.4.7, which is wrong there, in the following.",
];

/// Differences beyond the text.
const OF_OPTIONS: [&str; 11] = [
    "Numbers must be numbers: --dport 99999, --dport abc, -m abc or -w 70000 are errors (status 2), where \
     conntrack reads them as 34463 or 0. Addresses must be written in full: 10.1 is not an address.",
    "-u ASSURED,!FIXED_TIMEOUT, several -u, and -u together with -m select flows that match all of them; \
     conntrack lists nothing. UNSET selects nothing and is an error.",
    "-c has an effect. -r and -q take networks.",
    "-C takes filters, and counts the tables dying and unconfirmed. -C and -S succeed without privileges.",
    "-G takes a zone, and accepts the tuple of the reply direction alone. --orig-vtag, --reply-vtag and \
     --role, which have no effect with -G of conntrack, are unknown.",
    "-E takes -u. --mask-src needs --src, and --mask-dst needs --dst, with every command and table.",
    "With options of two protocols, no flow matches; conntrack refuses some of them.",
    "Text attached to an option is its value: -n9.9.9.9, --src-nat=9.9.9.9, --dump=expect; conntrack ignores \
     it. An argument that belongs to no option is an error.",
    "-b sets the buffer of the socket that receives the events.",
    "--output is -o here, and --count is -C: the common options of these names are --output-file and \
     --snapshots.",
    "-h and -V print connbox's own help and version.",
];

const COUNT: usize = DESCRIPTION.len() + OF_OPTIONS.len() + OF_TEXT.len();

/// The paragraphs of the manual.
pub(super) const DETAILS: [&str; COUNT] = {
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

pub(super) const FILES: [(&str, &str); 6] = [
    ("ctnetlink (NETLINK_NETFILTER)", "flows, expectations, counters and events"),
    ("/proc/net/stat/nf_conntrack", "the counters of -S, without privileges"),
    (
        "/proc/sys/net/netfilter: nf_conntrack_count, nf_conntrack_max, nf_conntrack_buckets",
        "the numbers of -C, without privileges, and --limits",
    ),
    (
        "/proc/sys/net/netfilter/nf_conntrack_events",
        "with -E: whether the kernel reports all events",
    ),
    ("/etc/xtables/connlabel.conf", "the names of labels"),
    ("/etc/localtime", "the time zone of dates, without TZ"),
];

pub(super) const BUGS: [&str; 2] = [
    "If no rule of the network namespace uses connection tracking, the table is empty; a warning says so.",
    "Where net.netfilter.nf_conntrack_events is 2, the default since Linux 6.0, flows that began when nobody listened \
     report neither changes nor their end to -E.",
];

pub(super) const EXAMPLES: [Example; 8] = [
    Example {
        about: "How full the table is; needs no privileges",
        command: "conntrack -C --limits --shell",
    },
    Example {
        about: "Counters of drops",
        command: "conntrack -S --tsv | awk '$2 ~ /drop|failed/'",
    },
    Example {
        about: "Who fills the table",
        command: "conntrack -C --by src/24/64 --sum bytes --top 10",
    },
    Example {
        about: "How many flows have no reply, by protocol and port",
        command: "conntrack -C -u UNREPLIED --by proto,dport --top 10",
    },
    Example {
        about: "The same from what somebody saved: conntrack -L > FILE 2>&1",
        command: "conntrack -L 2>&1 | conntrack -C --from - -u UNREPLIED --by proto,dport",
    },
    Example {
        about: "The flows of one host as JSON, translated or not",
        command: "conntrack -L -s 192.0.2.1 --json | awk '/ESTABLISHED/'",
    },
    Example {
        about: "How many flows leave a private network with their own address",
        command: "conntrack -C -s 10.0.0.0/8 -d '!10.0.0.0/8' -n '!'",
    },
    Example {
        about: "Connections to a server that left through this router's address",
        command: "conntrack -L -p tcp -q 192.0.2.1 --dport 443 -o extended 2>&1 | awk 'NR <= 10'",
    },
];
