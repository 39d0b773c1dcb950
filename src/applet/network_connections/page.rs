//! What the manual page says of the check.

use crate::frame::Example;

pub(super) const DETAILS: [&str; 8] = [
    "Counts the sockets of each type (tcp, tcp6, udp, udp6) in each state, with psutil's names of states, \
     checks each number, and prints one line: the text, then | and the performance data. Options, text, \
     performance data and exit status are those of Linuxfabrik's plugin, byte for byte. A socket with an \
     IPv4-mapped address counts as tcp6. Combinations without a socket are neither shown nor checked, so \
     --warning=30:40 is OK if there is none; --strict shows and checks them, as 0.",
    "A threshold is a range of good values: 10 is 0 to 10, 10: is 10 and more, ~:10 is 10 and less, 10:20 is \
     10 to 20, bounds included; @10:20 alerts inside the range. Numbers are decimal and may have an \
     exponent; a % at the end is ignored. Leading backslashes are ignored. An empty text, or the word none, \
     means no threshold. Anything else is an error with status 3, unlike in the reference plugins, which \
     read abc as 0 and 1,5 as 1.",
    "Differences from Linuxfabrik's plugin: It sees all sockets without root, where psutil shows several \
     identical ones as one. An unknown option, which theirs ignores, is a usage error, status 3. Equal \
     numbers have a fixed order: ESTABLISHED first, then the kernel's order of states, then tcp, tcp6, udp, \
     udp6. If nothing is found, the text says all, not a,l,l. Thresholds are read before anything is \
     counted, so a wrong one always gives status 3. A --test that records an exit status other than 0, or \
     text on standard error, is UNKNOWN. A failure is one line, not a traceback.",
    "With --rule only the numbers named by rules are checked, each with its own thresholds, zeros included. \
     A rule is KEY;WARNING;CRITICAL; either threshold may be empty, and trailing semicolons may be omitted. \
     KEY is a type and a state (tcp_TIME_WAIT, udp6_NONE); a state in both families, or a group of states, \
     in any tool's spelling (ESTABLISHED, close-wait, connected); a row of connbox-conncount(1) in lower \
     case (estab, orphaned, unhashed, raw_ip6); a field of connbox-sockstat(1) (TCP.mem); conntrack_percent, \
     orphan_percent, tcp_mem_percent or tw_percent, which compare with the kernel's limit; or filters of \
     conncount in brackets. If a state and a row have the same name (estab, timewait), lower case means the \
     row.",
    "Brackets contain FILTER=VALUE pairs, separated by commas, with the names of conncount's options: state, \
     lport, rport, laddr, raddr, iface, uid, inode, process, cgroup, pod, container, and pods for a file with the \
     names of pods. A word without = belongs to the value before it: [state=established,lport=443,8443] has two ports. Words before the first pair are switches: tcp, udp, \
     ipv4, ipv6, strict.",
    "The performance data of rules is 'KEY'=VALUE;WARNING;CRITICAL;MIN;MAX, where MAX is the kernel's limit \
     if there is one; in KEY, = becomes :, then :: becomes :_ (Icinga 2 puts what stands before :: before all \
     later labels), and a quote is doubled. A number that cannot be read, may be wrong (sockets that changed \
     during the dump, a table given twice), includes the sockets of other network namespaces (tcp, closed and unhashed beside \
     containers, unless --quiet-gaps accepts that), is below zero by a fault of the kernel, or is closed or unhashed of --netns all while \
     many sockets come and go, is UNKNOWN, with the reason in the text and the value U. With --strict, counts by rules are repeated until they are confirmed, as with [strict]. CRITICAL overrides WARNING, and WARNING overrides \
     UNKNOWN.",
    "With --netns all the numbers are totals of all network namespaces; rules can then be states, filters, tcp, closed, \
     unhashed and orphaned. If some namespaces cannot be entered, every number is UNKNOWN; so is a rule with an iface that \
     none of them has. --from needs a table of \
     each requested protocol, of the kernel, ss(8) or netstat(8), see connbox-from(7): use --conn-type=tcp \
     --conn-type=tcp6 for saved tables of TCP only. Rows of an earlier check are read, too, and checked anew.",
    "--test STDOUT[,STDERR[,STATUS]] reads sockets from the file STDOUT instead: a JSON list of objects \
     with proto and status, as in the tests of Linuxfabrik's plugin. STDERR is a file or a text. Files are at most \
     16 MiB long.",
];

/// What is read.
pub(super) const FILES: [(&str, &str); 2] = [
    (
        "sock_diag(7), /proc/net, /proc/PID",
        "sockets and their processes, as connbox-conncount(1) reads them",
    ),
    (
        "/proc/net/sockstat, /proc/net/snmp, /proc/sys",
        "with --rule: numbers and limits, as connbox-sockstat(1) and connbox-conntrack(1) read them",
    ),
];

/// The limits.
pub(super) const BUGS: [&str; 2] = [
    "A rule is UNKNOWN if sockets that it may count belong to processes that cannot be seen (see BUGS of \
     connbox-conncount(1)); with --quiet-gaps it checks those that can be seen. If nothing on the machine matches a \
     process, cgroup, pod or container, the text says so. Where the programs of other users cannot be seen, a name that no process \
     shows, and a path, are UNKNOWN.",
    "With --from, several rules need a file: save to one what would come from a pipe.",
];

pub(super) const EXAMPLES: [Example; 5] = [
    Example { about: "All connections, as one line of text", command: "network-connections" },
    Example {
        about: "Too many connections of one kind",
        command: "network-connections --conn-type=tcp --conn-status=time_wait -w 20000 -c 30000",
    },
    Example {
        about: "At least one socket must exist; without --strict, none would be OK",
        command: "network-connections --strict --conn-type=udp6 -c 1: || echo \"status $?\"",
    },
    Example {
        about: "Several checks in one call, each with its own thresholds",
        command: "network-connections --rule 'tw_percent;80;95' --rule '[lport=443];20000;'",
    },
    Example {
        about: "The same results as rows",
        command: "network-connections --json --rule 'SYN_RECV;1000;5000'",
    },
];
