//! What the manual page says of tcptrack.

use super::{ended, export, saved};
use crate::frame::Example;

pub(super) const DETAILS: [&str; 17] = [
    "Shows the TCP connections, with tcptrack's columns: client, server, state, idle time, whether something \
     arrived since the last tick (A), and the speed of both directions together, in payload bytes, each \
     counted once. If the terminal is wide enough, more columns follow: the speed of each direction (Rx is \
     what the client receives, Tx what it sends), the process, the totals, the round-trip time, \
     retransmitted segments and a sparkline of the last 60 ticks; a full bar is the same speed in all rows, \
     and the heading says which. Below 64 columns a connection takes two lines. The first line says what is \
     watched, the last one names keys and shows the filter in force; above it stand warnings.",
    "With --by, or after the key g, the screen shows groups of connections: how many each has, their speeds and \
     totals. --top and --min limit the rows of the screen, too. The keys laddr, lport, raddr \
     and rport are also called src or local, sport, dst or remote, and dport, as in ss, and process is name. Pods and containers are \
     named as in conncount.",
    "Without -i, tcptrack reads the kernel's own counters at each tick, through sock_diag(7): it shows all \
     connections of this host from the start, whether they transfer data or not, without a capture and \
     without root. Sent bytes count when they are acknowledged. A connection that has disappeared is shown \
     as CLOSED. The kernel also reports each connection that ends (sock_diag, since Linux 4.4): short \
     ones are shown as well, also on ports that are used again, and the totals of those that have ended are final. How many \
     reports of ends were lost (a connection within this machine has two) is a warning on the screen, or on standard \
     error, with status 1. \
     Idle times, totals and retransmits that are not known are -, absent in other formats, and sort last: the kernel does \
     not tell how long a SYN or a flow of --conntrack has been idle, until it changes, what such a flow has sent again, \
     nor anything of a closed socket that waits for its peer's FIN, unless the peer is on this machine, too.",
    "With -i it captures packets on an interface, or on all with -i any: on a router, or at a mirror port. \
     The kernel's filter passes only TCP headers. A connection that began earlier is shown at its first \
     packet; the server is then the end where this host has a listener, otherwise the end with the lower \
     port. Promiscuous mode, the default in the original tcptrack, must be requested here.",
    "Once it captures, it gives up what it does not need (not in connbox --textfile, where other applets may follow). \
     Of the capabilities it keeps CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, if it had \
     them, to find the processes of other users. It can make only system calls that it needs: it can neither \
     write, make or remove a file, nor run a program, nor send to anything but the kernel, nor trace a process \
     (no_new_privs and seccomp, on x86_64 and aarch64). It uses no Landlock, which hides processes. If a part is refused that \
     the kernel has, a note says so. The file of \
     --output is written by another process, which was begun before and gets nothing but the text.",
    "With --conntrack it reads the flows of the connection tracking table: for routers, without a capture. \
     They count bytes of whole IP packets, and only those that began with \
     net.netfilter.nf_conntrack_acct=1: speeds and totals of others are absent.",
    "With -T it reads a capture from a file (pcap or pcapng, - is standard input), with the capture's own \
     clock. The result is one row per connection, including those that have ended unless -r removes them; \
     connections that used the same ports one after the other have a row each. Idle times are those at the \
     end of the capture. If a capture is cut or damaged, the rows of what could be read come first, then a \
     message with the byte, and the status is 1; so it is if packets have an unknown link type. An empty \
     result has a reason on standard error. Long readings show their progress there, if it is a terminal. \
     A capture that still comes from a pipe (tcpdump -U -w - | tcptrack -T -) is shown live on a terminal; \
     at its end, after q and after Ctrl-C, the rows so far are written.",
    "Of a direction that is not captured, with -T or -i, the acknowledgments tell the bytes. A FIN looks like a byte in \
     them: until the captured end sends its FIN, too, and after a reset, the total may be one too high, and while only \
     the captured end has closed, one too low.",
    "A packet that was captured twice, at a mirror port or by two taps, counts once, with -T and with -i. It has the \
     numbers, the checksum and the IP ID of one of the 16 packets before it and comes within a millisecond, while \
     what is sent again has another ID, as in Linux. Without an ID (IPv6, some BSDs) only a packet with the very \
     same time is a copy, others are retransmits.",
    "VLAN tags, PPPoE sessions, MPLS labels, 802.1ah and LLC/SNAP are stepped over, in captures and with -i. \
     With --decapsulate, GRE, IP in IP, VXLAN and GENEVE are looked into, too; the expression then selects \
     the packets inside. A connection that is seen in two VLANs, on both sides of a router, is one. Where connections in \
     several VLANs or tunnels use the same addresses and ports at once, a warning says that their rows may be wrong, and \
     the status of rows is 1; 'vlan N' selects one VLAN.",
    "The last arguments are an expression, quoted or not, in the language of pcap-filter(7): host, net, port, \
     portrange and proto after src, dst, tcp, ip, ip6 or ether; broadcast, multicast; vlan, mpls, pppoes; less, \
     greater, len; comparisons such as 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'; inbound, outbound, ifindex, ifname; \
     and, or, not, parentheses. It selects the captured packets or, for counters and flows, the connections that \
     match in at least one direction; there, words that concern single packets are refused.",
    "The differences from libpcap: only TCP is watched, so udp, icmp, arp and other protocols match nothing, except \
     after not. vlan, mpls and pppoes hold if a frame has such a header, with this number, at any depth, and shift \
     nothing: 'port 80' also finds tagged packets, and 'vlan 5 and port 80' those of one VLAN; ether proto holds for \
     every ethertype in the frame. tcp[...] also reads TCP over IPv6, and proto means the protocol behind IPv6 \
     extension headers. A comparison is false for a packet that lacks a header which it reads. ip broadcast means \
     255.255.255.255 and 0.0.0.0. Names come from /etc/hosts, /etc/networks, /etc/protocols and /etc/services; DNS is \
     never asked, and gateway, which would need it, is refused. ifname also names the interfaces of a pcapng file. As \
     in libpcap, a packet does not match, even after not, if a comparison reads beyond the captured bytes or divides \
     by 0; of a packet in a file, the first 2048 bytes are read. ether[...] and link[...] read the header of the link, which -i has of Ethernet and lo only. TCP \
     behind an authentication header (AH) is found in IPv6, not in IPv4. For lengths and what precedes the IP header, -i \
     takes all frames from the kernel and filters them itself.",
    "tcptrack writes rows instead of a screen, one set per tick, if standard output is not a terminal, or \
     with --once, --count, --interval, or a format. Speeds are those since the previous set, so the \
     first set comes after one tick, with -i after the first complete one. A set has the connections that have ended \
     since the previous one, unless -r removes them earlier. rx and tx are from the client's point of view.",
    ended::DETAILS,
    export::DETAILS,
    saved::DETAILS,
    "A terminal without cursor control (TERM=dumb or unset) gets rows, too. NO_COLOR turns colours off.",
];

pub(super) const BUGS: [&str; 2] = [
    "The number of connections is limited (--max-connections): those idle longest are removed to make room, and \
     the screen shows how many. Rows come with a warning then, and with status 1; so they do if the kernel drops packets, or a pcapng file says that some were dropped, \
     and if packets of TCP are captured without their sequence numbers, as with a short snapshot length, or if fragments of them are missing. A capture filter for \
     ports passes first fragments only.",
    ended::BUGS,
];

/// What is read.
pub(super) const FILES: [(&str, &str); 6] = [
    ("sock_diag(7)", "connections and their ends, without -i, -T and --conntrack"),
    ("packet(7)", "with -i: packets"),
    ("ctnetlink (NETLINK_NETFILTER)", "with --conntrack: flows"),
    ("/proc/sys/net/netfilter/nf_conntrack_acct", "with --conntrack: whether flows have counters"),
    ("/proc/PID: fd, comm, cgroup", "the processes and control groups of connections"),
    ("/etc/networks, /etc/protocols", "names in expressions"),
];

pub(super) const EXAMPLES: [Example; 8] = [
    Example { about: "The connections of this host, live", command: "tcptrack" },
    Example {
        about: "Connections through a router to web servers",
        command: "tcptrack -i eth0 'dst port 80 or 443'",
    },
    Example { about: "The ten fastest connections now", command: "tcptrack --once | head" },
    Example { about: "Which processes transfer most, live", command: "tcptrack --by process" },
    Example {
        about: "The same as rows, ten times",
        command: "tcptrack --count 10 --by process,pid --top 5",
    },
    Example {
        about: "Every connection of this host when it ends, however short it was",
        command: "tcptrack --ended --header",
    },
    Example {
        about: "How many connections end in ten seconds, by service and peer, and their bytes",
        command: "tcptrack --ended --by service,peer --interval 10",
    },
    Example {
        about: "The connections in a capture, the largest first",
        command: "tcptrack -T capture.pcap --header",
    },
];
