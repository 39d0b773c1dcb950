//! `conncount`: the summary of `ss -s` as rows, with the real number behind its "closed".

mod groups;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, SCOPE, SOURCE};
use crate::measure;
use crate::measure::summary::{self, Summary};
use crate::model::{Proto, StateSet};
use crate::out::Column;
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::select::options;
use crate::select::socket_keys::{self, NUMBERS, Sockets};

pub(super) static APPLET: Applet = Applet {
    name: "conncount",
    aliases: &[],
    about: "count connections: the summary of ss -s, or the sockets you choose, by any key",
    details: &[
        "Prints the numbers of ss -s(8) as rows, in this order: total (sockets of every kind), tcp \
         (alloc + tw), estab (CurrEstab of /proc/net/snmp: ESTABLISHED and CLOSE_WAIT), closed, \
         orphaned, synrecv, timewait (tw, which includes orphaned FIN_WAIT2), unhashed.",
        "The first seven have the same meaning as in ss, so eval \"$(conncount --shell)\" gives scripts the \
         variables TOTAL TCP ESTAB CLOSED ORPHANED SYNRECV TIMEWAIT. closed keeps the formula of ss and may \
         be negative; unhashed is the number you want, see connbox-closedcalc(1). synrecv, for which ss \
         prints nothing or 0, is the exact number of sockets in SYN_RECV, counted in one walk of the \
         kernel's socket table.",
        "total, estab, synrecv and timewait count the network namespace; orphaned counts the whole machine. \
         tcp, closed and unhashed mix the two: in a namespace other than the first, and in the first if others have TCP \
         sockets, a warning says so, and where one of them was asked for by its name, the status is 1. With \
         --netns all, tcp, closed, unhashed and orphaned have one row each, for the whole machine, and the \
         others have one row per namespace. For the number of sockets in each state, or of one family, use \
         connbox-tcpstates(1).",
        "--from also reads saved text of ss(8) and netstat(8), and of ss -s; see connbox-from(7). \
         With --from, synrecv is absent unless the files include a table of TCP sockets.",
        "With a filter (see FILTERS below) conncount prints one number instead: how many sockets match, \
         with --netns all one per namespace, 0 included. With \
         --by it counts them in groups: one row per group, the largest first, groups of equal size in the \
         order of their keys; --netns all adds the key netns, as --min alone does there. Keys: state, proto, family (inet, inet6, inet6-mapped: an IPv6 socket that \
         uses IPv4), laddr and raddr (with /LEN networks: raddr/24, or raddr/24/64 for IPv4 and IPv6), \
         lport, rport, direction, service, uid, user, pid, process, cgroup, iface, netns, pod, container, inode. The words of ss are taken, \
         too: src and local are laddr; dst, peer and remote raddr; sport lport; dport rport; name process. IPv4-mapped \
         addresses are written as IPv4.",
        "A ! before a word of a filter excludes what the word selects: --lport '!22', --raddr '!10.0.0.0/8', --state \
         '!listen', --lport '8000-9000,!8080'. In a list that begins with a ! every word needs one. A socket without an \
         owner (TIME_WAIT) is of no user and no process, so that '!root' counts it. If some processes cannot be seen, \
         --process '!NAME' warns, since it cannot exclude their sockets.",
        "The direction is listen, in (the other end opened the connection) or out. It is in where a socket \
         listens that could have accepted this one: on its port, at its address or at all, of its family \
         and interface (a listener at :: also takes IPv4, unless IPV6_V6ONLY is set, which saved tables \
         do not tell). Where none does, or none any more, the server is the other end if a socket listens \
         there, else the end with the lower port, as in connbox-tcptrack(1). SYN_SENT is always out, and \
         SYN_RECV in. service is the name in /etc/services of the server's port: the remote one if the \
         direction is out, otherwise the local one.",
        "Processes are found in one pass over /proc/*/fd. A socket that several processes hold counts for \
         the lowest pid or, with --process, for the process you named: by its PID, by its name (the 15 bytes \
         of /proc/PID/comm, which rows show, or the last part of argv[0] or of the executable's path), or by \
         a whole path. Sockets that no process holds (TIME_WAIT, SYN_RECV, connections not yet accepted, \
         orphans) are in the group '-'. A --process, --cgroup, --pod or --container that matches nothing on the \
         machine, or with --from in the text, counts 0, and a warning says so; the status stays 0, as a program may well not run. \
         So it is with --iface, --uid, --inode and the zones of addresses in the files of --from.",
        "The control group is the one in which the socket was created, as the kernel reports it (since Linux \
         5.9), otherwise that of its process. If that group no longer exists, it is unreachable:ID, as in \
         ss(8), and only --cgroup / matches it. --sum adds up the same queues as ss shows; the kernel counts a \
         received FIN as one byte.",
        "pod and container are read from the path of the control group, as Kubernetes with containerd, CRI-O or \
         Docker, and Docker and Podman alone, name it. A pod is NAMESPACE/NAME where the links in \
         /var/log/containers or the list of --pods FILE give its name (what kubectl get pods -A -o json or the \
         kubelet's /pods prints), else its UID; a container is its name in the pod, else its ID of 64 digits. --pod takes NAMESPACE/NAME, NAME or UID, --container the name \
         in the pod, the ID or its first 12 digits; in saved text, names need --pods, or links here. Of a \
         container in a container the outer one counts. Where cgroup v1 is in use, sockets whose own group is not \
         one of a pod are in the pod of the process that holds them, which needs the same capabilities as the key pid.",
        "An IPv4 network in --laddr and --raddr also matches IPv4-mapped addresses (::ffff:127.0.0.1), and so does an \
         IPv6 network that contains them (::/0), as in ss. ADDR%ZONE, ss's [ADDR]%ZONE, and --iface match sockets \
         that are bound to the interface ZONE, a name or number: all that use link-local IPv6 addresses, and those \
         of programs that chose an interface. Only sock_diag(7) and saved text of ss(8) show this: with saved tables and --root, \
         and if netlink is refused, iface, --iface and zones are errors. --state bound-inactive counts sockets that have a port and are \
         neither connected nor listening (since Linux 6.8); no other state or group of states includes them; \
         ss's name unconnected is CLOSE.",
        "The kernel itself filters by port, address, interface and state, so asking for a few sockets among many is \
         quick. A filter by state alone counts by subtraction, as connbox-tcpstates(1) does.",
    ],
    options: &DOCS,
    filters: &options::DOCS,
    columns: &ALL_COLUMNS,
    examples: &[
        Example { about: "The summary", command: "conncount" },
        Example {
            about: "As variables in a script",
            command: "eval $(conncount --shell) && echo \"$ESTAB established, $TIMEWAIT in TIME_WAIT\"",
        },
        Example { about: "One number, in constant time", command: "conncount --quick -v estab" },
        Example {
            about: "The table below the summary of ss -s",
            command: "conncount --transport --json",
        },
        Example {
            about: "Who holds the most connections to port 443",
            command: "conncount --lport 443 --state established --by raddr --top 10",
        },
        Example {
            about: "Networks with more than 100 half-open connections: a SYN flood",
            command: "conncount --state syn-recv --by raddr/24/64 --min 101",
        },
        Example {
            about: "Connections that leave the machine, but for DNS",
            command: "conncount --state connected --raddr '!127.0.0.0/8,!::1' --rport '!53'",
        },
        Example {
            about: "The classic leak: who forgets to close",
            command: "conncount --state close-wait --by process,pid",
        },
        Example {
            about: "Connections by unit or session",
            command: "conncount --state connected --by cgroup",
        },
        Example {
            about: "Connections by pod, on all of a node",
            command: "conncount --netns all --state connected --by pod --top 10",
        },
        Example {
            about: "The five network namespaces with the most sockets in TIME_WAIT",
            command: "conncount --netns all --top 5 timewait",
        },
        Example {
            about: "Which remote ports have connections in TIME_WAIT",
            command: "conncount --state time-wait --by rport",
        },
        Example {
            about: "Bytes waiting in queues, by process",
            command: "conncount --by process --sum recv_queue,send_queue",
        },
    ],
    files: &[
        (
            "/proc/net/sockstat, /proc/net/sockstat6, /proc/net/snmp",
            "the summary, and what --strict compares",
        ),
        ("sock_diag(7)", "the sockets that filters and --by count, and synrecv"),
        ("/proc/net/tcp, /proc/net/udp and the like", "the same, where sock_diag is refused"),
        (
            "/proc/PID: fd, comm, cmdline, exe, cgroup, net",
            "processes, control groups and network namespaces, where a key, a filter or --netns all asks for them",
        ),
        ("/sys/fs/cgroup", "the names of control groups, here or where cgroup2 is mounted"),
        ("/var/log/containers", "the names of pods and containers"),
    ],
    bugs: &[
        "A number below zero, a fault of the kernel, is printed as it is, and as 0 with --prom. Without /proc/net/sockstat \
         (gVisor) estab and synrecv are printed; the other rows are absent, with a warning and status 1.",
        "If a socket has a holder that cannot be seen, one warning names the reason (missing capabilities, a \
         /proc mounted with hidepid= or ProtectProc=, a PID namespace that is not the machine's first) and \
         the cure, and the status is 1: such sockets are in the group '-', and --process does not count \
         them. The same is said if no process has a descriptor of a socket in use, such as the kernel's own \
         sockets (NFS, WireGuard), those that are registered with io_uring and nowhere else, and those in a \
         message that no process has received yet (SCM_RIGHTS). \
         --quiet-gaps accepts all that: no warning, status 0.",
        "Only the paths of executables are not public: without capabilities, a path, and a name that no process shows, may \
         be those of other users' programs, and the count is incomplete. A socket of a thread that has closed its \
         descriptors to the rest of its process (unshare(2) with CLONE_FILES) has the name of the process, and the \
         thread's number as its pid.",
        "In a cgroup namespace of its own (a container), connbox sees a part of the groups: others are unreachable, and \
         unless --cgroup / counts them, whatever their names, a warning says so, and the status is 1. So it is with --from, where a text calls some \
         unreachable: who asks for a group cannot know whether they are in it.",
        "A count of sockets that come and go may be off: see BUGS of connbox(1).",
    ],
    needs: "No privileges. The keys pid and process, --process, and cgroup before Linux 5.9 need \
        CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE to find the sockets of other users' processes.",
    rows: "Without a filter and --by: total, tcp, estab, closed, orphaned, synrecv, timewait, unhashed; with \
           --transport also raw, udp, tcp_inuse, inet and frag, each followed by its IPv4 and IPv6 part \
           (raw_ip, raw_ip6, ..., tcp_ip, tcp_ip6, ...). NAME is one of them.",
    names: &summary::NAMES,
    keyboard: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 5] = [
    Column::fixed("name", "the row's name"),
    Column::gauge("value", "conncount_sockets", "sockets"),
    SCOPE,
    SOURCE,
    MEANING,
];

/// Every column that any run may show.
const ALL_COLUMNS: [Column; COLUMNS.len() + socket_keys::COLUMNS.len() + NUMBERS.len()] =
    Column::joined(&[&COLUMNS, &socket_keys::COLUMNS, &NUMBERS]);

#[derive(Default)]
struct Args {
    quick: bool,
    transport: bool,
    tcp: bool,
    udp: bool,
    grouping: Grouping<Sockets>,
}

impl TakesGrouping for Args {
    type Of = Sockets;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<Sockets> {
        &mut self.grouping
    }
}

impl Args {
    /// The protocols that are named.
    fn protos(&self) -> Vec<Proto> {
        let named = [(Proto::Tcp, self.tcp), (Proto::Udp, self.udp)];
        named.into_iter().filter(|(_, is_asked)| *is_asked).map(|(proto, _)| proto).collect()
    }

    /// Whether sockets are counted one by one instead of printing the summary.
    fn counts_sockets(&self) -> bool {
        self.tcp || self.udp || self.grouping.is_given()
    }
}

static OPTIONS: [Opt<Args>; 9] = [
    Opt::switch("transport", "add the table of protocols and families of ss -s", |args| {
        args.transport = true;
    }),
    Opt::switch("quick", "skip synrecv, which needs a walk of the socket table", |args| {
        args.quick = true
    }),
    Opt::<Args>::switch("tcp", "count TCP sockets (the default)", |args| args.tcp = true)
        .short('t'),
    Opt::<Args>::switch("udp", "count UDP sockets; with -t both", |args| args.udp = true)
        .short('u'),
    grouping::by("count in groups, the largest first"),
    grouping::top("show at most N groups; with --netns all and no --by, N namespaces"),
    grouping::max(),
    grouping::min("show only groups of at least COUNT sockets"),
    grouping::sum("QUEUE[,...]", "add the bytes in these queues"),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let (args, mut query) = call.args_and(&OPTIONS, &options::FILTERS)?;
    let has_filter = query.is_given || query.pods_file.is_some();
    let counts_sockets = has_filter || args.counts_sockets();
    let is_by_protocol = has_filter || args.tcp || args.udp;
    if counts_sockets && (is_by_protocol || !args.grouping.picks_namespaces(call)?) {
        query.protos = args.protos();
        return groups::run(call, args, query);
    }
    let names = picked_rows(call, &args)?;
    measure::run(call, &COLUMNS, names, Summary { strict: query.strict })
}

fn picked_rows(call: &Call, args: &Args) -> Result<Vec<&'static str>, Error> {
    let mut known: Vec<&str> = summary::NAMES.to_vec();
    known.retain(|name| !(args.quick && *name == "synrecv"));
    if args.transport {
        known.extend(summary::TRANSPORT.iter().flat_map(|(names, _)| names));
    }
    for name in call.names() {
        let is_row =
            known.iter().any(|row| row.as_bytes().eq_ignore_ascii_case(name.as_encoded_bytes()));
        if args.quick && name.eq_ignore_ascii_case("synrecv") {
            return Err(Error::usage(
                "synrecv",
                "this row cannot be combined with --quick, which skips it",
            ));
        }
        if !is_row && StateSet::parse(name.as_encoded_bytes()).is_ok() {
            let reason = format!(
                "is a state, not a row of the summary; use tcpstates {0}, or --state {0}",
                name.display()
            );
            return Err(Error::usage(name.as_encoded_bytes(), reason));
        }
    }
    cli::pick(call.names(), &known)
}
