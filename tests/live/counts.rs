//! connbox on the running kernel: its numbers must be those of the kernel and of existing tools.
//!
//! Each test makes its own network namespace, with sockets in every TCP state, and runs the real binary there.
//! That requires root; a test that cannot run says so and is skipped, or fails with `CONNBOX_REQUIRE=all` in
//! the environment.

use crate::support::needs;
use crate::world;

use std::collections::BTreeMap;
use std::fmt::Write;

use connbox::error::Error;
use connbox::model::{Choice, Family, Ports, Prefix, Proto, Query, Socket};
use connbox::source::sockets::{in_parts, sock_diag};
use connbox::source::{Collector, from_kernel};
use connbox::wire::tcp_info::TcpInfo;
use world::oracle::{self, Histogram};
use world::{Ran, Rights, STATES, State, World, at_a_quiet_point, diag};

/// A view of the sockets that tcpstates shows.
#[derive(Clone, Copy)]
enum View {
    Both,
    V4,
    V6,
    ByFamily,
    ByFamilyV6,
}

impl View {
    const ALL: [Self; 5] = [Self::Both, Self::V4, Self::V6, Self::ByFamily, Self::ByFamilyV6];

    /// The options for this view.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Both => &[],
            Self::V4 => &["-4"],
            Self::V6 => &["-6"],
            Self::ByFamily => &["--by", "family"],
            Self::ByFamilyV6 => &["--by", "family", "-6"],
        }
    }

    /// The output of this view for these sockets.
    fn of(self, truth: &Histogram) -> String {
        match self {
            Self::Both => rows("", &truth.both()),
            Self::V4 => rows("", &truth.tcp),
            Self::V6 => rows("", &truth.tcp6),
            Self::ByFamily => rows("tcp\t", &truth.tcp) + &rows("tcp6\t", &truth.tcp6),
            Self::ByFamilyV6 => rows("tcp6\t", &truth.tcp6),
        }
    }
}

/// One row per state.
fn rows(family: &str, counts: &[u64; 12]) -> String {
    STATES.iter().zip(counts).fold(String::new(), |mut text, (state, count)| {
        let _ = writeln!(text, "{family}{state}\t{count}");
        text
    })
}

/// Checks every view of tcpstates with these options; `run` runs it.
fn check_every_view(world: &World, options: &[&str], run: impl Fn(&[&str]) -> Ran) {
    for view in View::ALL {
        let words = [&["tcpstates"], options, view.words()].concat();
        let (truth, ran) = at_a_quiet_point(|| oracle::histogram(world), || run(&words));
        assert_eq!(ran.clean(), view.of(&truth), "{words:?}");
    }
}

/// Checks every view with every way to count.
fn check_every_source(world: &World) {
    for source in [&[][..], &["--source", "netlink"], &["--source", "procfs"]] {
        check_every_view(world, source, |words| world.connbox(words));
    }
}

/// All sockets, and how often two collectors were merged.
#[derive(Default)]
struct All(Vec<Socket>, u16);

impl Collector for All {
    fn take(&mut self, socket: &Socket, info: Option<&TcpInfo>) -> Result<(), Error> {
        assert_eq!(info, None);
        self.0.push(*socket);
        Ok(())
    }

    fn merge(&mut self, other: All) {
        self.0.extend(other.0);
        self.1 += 1;
    }
}

/// The sockets in a fixed order, without the lengths of their queues.
fn sorted(mut sockets: Vec<Socket>) -> Vec<Socket> {
    sockets
        .sort_unstable_by_key(|socket| (socket.cookie, socket.state, socket.local, socket.remote));
    sockets
}

/// A single dump of the sockets that match a filter.
fn whole(filter: &Query) -> Vec<Socket> {
    let mut all = Vec::new();
    let mut kernel = sock_diag::open().expect("sock_diag");
    from_kernel(&mut kernel, Proto::Tcp, filter, &mut |socket| {
        all.push(*socket);
        Ok(())
    })
    .expect("a dump");
    sorted(all)
}

/// The world has every state, both families, listeners and all ports. Some of the filters are compiled into a
/// program, too.
#[test]
fn the_parts_of_a_dump_make_a_whole_one() {
    let Some(world) = World::all_states("the_parts_of_a_dump_make_a_whole_one") else { return };
    let low = Ports { first: 0, last: 20_000 };
    let filters = [
        Query::default(),
        Query { family: Some(Family::Inet), ..Query::default() },
        Query { family: Some(Family::Inet6), ..Query::default() },
        Query {
            lport: vec![low, Ports { first: 40_000, last: 65_535 }].into(),
            ..Query::default()
        },
        Query {
            lport: Choice { any: vec![], none: vec![low] },
            raddr: Choice {
                any: vec![],
                none: vec![Prefix::parse("198.18.0.0/15").expect("one").into()],
            },
            ..Query::default()
        },
        Query {
            raddr: vec![Prefix::parse("198.18.0.0/15").expect("one").into()].into(),
            ..Query::default()
        },
    ];
    for (filter, number) in filters.iter().flat_map(|filter| (1..=8).map(move |of| (filter, of))) {
        let oracle = || Ok(world.inside(|| whole(filter)));
        let (whole, (all, dumped)) = at_a_quiet_point(oracle, || {
            world.inside(|| in_parts(number, sock_diag::open, filter, All::default)).expect("parts")
        });
        assert!(whole.len() > 4, "{}", whole.len());
        assert_eq!(sorted(all.0), whole, "{number} parts of {filter:?}");
        assert_eq!((all.1, dumped.is_interrupted), (number - 1, false));
    }
}

#[test]
fn the_world_has_every_state() {
    let Some(world) = World::all_states("the_world_has_every_state") else { return };
    let (truth, _) = at_a_quiet_point(|| oracle::histogram(&world), || ());
    for (state, (tcp, tcp6)) in (1..).map(State).zip(truth.tcp.into_iter().zip(truth.tcp6)) {
        let is_never_shown = [State::CLOSE, State::NEW_SYN_RECV].contains(&state);
        assert_eq!((tcp == 0, tcp6 == 0), (is_never_shown, is_never_shown), "{state:?}");
    }
    // Cases that are easily confused: FIN_WAIT2 as sockets and as minisockets, SYN_RECV as requests and as
    // sockets, with an owner and without.
    let rows = world.dump();
    for v6 in [false, true] {
        let has = |state, is_full, has_owner: bool| {
            let wanted =
                |row: &&diag::Row| (row.v6, row.state, row.is_full) == (v6, state, is_full);
            rows.iter().filter(wanted).any(|row| (row.inode != 0) == has_owner)
        };
        assert!(has(State::FIN_WAIT2, true, true) && has(State::FIN_WAIT2, false, false));
        assert!(has(State::SYN_RECV, true, true) && has(State::SYN_RECV, true, false));
        assert!(has(State::SYN_RECV, false, false));
        assert!(has(State::FIN_WAIT1, true, false) && has(State::ESTABLISHED, true, false));
    }
}

#[test]
fn tcpstates_counts_what_everyone_counts() {
    let Some(world) = World::all_states("tcpstates_counts_what_everyone_counts") else { return };
    check_every_source(&world);
}

#[test]
fn tcpstates_counts_the_subflows_of_mptcp() {
    let Some(world) = World::mptcp("tcpstates_counts_the_subflows_of_mptcp") else { return };
    check_every_source(&world);
}

#[test]
fn tcpstates_counts_each_state_alone() {
    let Some(world) = World::all_states("tcpstates_counts_each_state_alone") else { return };
    for (index, state) in STATES.into_iter().enumerate() {
        for source in [&[][..], &["--source", "netlink"]] {
            let words = [&["tcpstates", "--by", "family", state], source].concat();
            let (truth, ran) =
                at_a_quiet_point(|| oracle::histogram(&world), || world.connbox(&words));
            let (tcp, tcp6) = (truth.tcp[index], truth.tcp6[index]);
            assert_eq!(ran.clean(), format!("tcp\t{state}\t{tcp}\ntcp6\t{state}\t{tcp6}\n"));
            let both = world.connbox(&[&["tcpstates", state], source].concat());
            assert_eq!(both.clean(), format!("{state}\t{}\n", tcp + tcp6));
        }
    }
}

#[test]
fn tcpstates_needs_no_rights() {
    let Some(world) = World::all_states("tcpstates_needs_no_rights") else { return };
    let status = world.tool_as(Rights::Nobody, "cat", &["/proc/self/status"]);
    let of =
        |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none").trim();
    assert_eq!(of("CapEff:"), "0000000000000000");
    assert_eq!(of("Uid:"), ["65534"; 4].join("\t"));
    for source in [&[][..], &["--source", "netlink"], &["--source", "procfs"]] {
        check_every_view(&world, source, |words| world.connbox_as(Rights::Nobody, words));
    }
}

#[test]
fn tcpstates_falls_back_where_netlink_is_refused() {
    let test = "tcpstates_falls_back_where_netlink_is_refused";
    let Some(world) = World::all_states(test) else { return };
    for errno in [libc::EPERM, libc::EAFNOSUPPORT] {
        let Some(rights) = Rights::without_netlink(test, errno) else { return };
        for source in [&[][..], &["--source", "procfs"]] {
            check_every_view(&world, source, |words| world.connbox_as(rights, words));
        }
        let ran = world.connbox_as(rights, &["tcpstates", "--source", "netlink"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(ran.stderr.contains("tcpstates: "), "{ran:?}");
    }
}

#[test]
fn tcpstates_dumps_where_there_is_no_proc() {
    let Some(world) = World::all_states("tcpstates_dumps_where_there_is_no_proc") else {
        return;
    };
    assert_eq!(world.tool_as(Rights::NoProc, "ls", &["/proc"]), "");
    for source in [&[][..], &["--source", "netlink"]] {
        check_every_view(&world, source, |words| world.connbox_as(Rights::NoProc, words));
    }
}

#[test]
fn a_proc_of_processes_alone_has_the_same_numbers() {
    let test = "a_proc_of_processes_alone_has_the_same_numbers";
    let Some(world) = World::all_states(test) else { return };
    let Some(rights) = Rights::proc_of_pids(test) else { return };
    check_every_view(&world, &[], |words| world.connbox_as(rights, words));
    let line = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    for words in [
        line("sockstat -v TCP.inuse TCP.tw TCP6.inuse UDP.inuse UDP6.inuse"),
        line("snmpget-tcp --all"),
        line("conncount -v estab timewait"),
        line("conncount -t -u --by proto,laddr,lport,raddr,rport,state"),
        line("network-connections"),
    ] {
        let look = || Ok(world.connbox(&words).clean());
        let (wanted, said) = at_a_quiet_point(look, || world.connbox_as(rights, &words).clean());
        assert_eq!(said, wanted, "{words:?}");
    }
}

#[test]
fn tcpstates_looks_into_other_namespaces() {
    let Some(world) = World::all_states("tcpstates_looks_into_other_namespaces") else { return };
    let resident = world.resident();
    let pid = resident.pid().to_string();
    let path = format!("/proc/{pid}/ns/net");
    check_every_view(&world, &["--netns", &pid], world::connbox_outside);
    check_every_view(&world, &["--netns", &path], world::connbox_outside);
    let name = format!("connbox-live-{pid}");
    let by_name = |words: &[&str]| world.connbox_beside(&name, words);
    check_every_view(&world, &["--netns", &name], by_name);
    let procfs = ["--netns", &name, "--source", "procfs"];
    check_every_view(&world, &procfs, by_name);
}

#[test]
fn sockstat_follows_from_the_rows() {
    let test = "sockstat_follows_from_the_rows";
    for world in [World::all_states(test), World::mptcp(test)].into_iter().flatten() {
        let look =
            || Ok((oracle::histogram(&world)?, oracle::sockstat(&world), curr_estab(&world)));
        let ((truth, sockstat, curr_estab), tables) =
            at_a_quiet_point(look, || [world.dump(), oracle::proc_rows(&world)]);
        let [established, close_wait] = [0, 7].map(|state: usize| truth.both()[state]);
        assert_eq!(curr_estab, (established + close_wait).to_string());
        tables.iter().for_each(|rows| check_sockstat(&sockstat, rows));
    }
}

/// CurrEstab, which counts more than its name says.
fn curr_estab(world: &World) -> String {
    let counters = oracle::snmp_tcp(world);
    counters.into_iter().find(|(name, _)| name == "TcpCurrEstab").expect("TcpCurrEstab").1
}

/// Checks what counting by subtraction relies on: which sockets `inuse` and `tw` count.
fn check_sockstat(sockstat: &BTreeMap<(String, String), i64>, rows: &[diag::Row]) {
    const CLOSING: [State; 3] = [State::FIN_WAIT1, State::LAST_ACK, State::CLOSING];
    let count = |wanted: fn(&&diag::Row) -> bool| rows.iter().filter(wanted).count() as i64;
    let value = |line: &str, item: &str| sockstat[&(line.into(), item.into())];
    assert_eq!(value("TCP", "inuse"), count(|row| row.is_full && !row.v6));
    assert_eq!(value("TCP6", "inuse"), count(|row| row.is_full && row.v6));
    assert_eq!(value("TCP", "tw"), count(|row| row.timer == 3));
    // This counts the whole machine. Sockets that wait to be accepted have no owner either, but are not
    // orphans.
    let orphans = count(|row| row.is_full && row.inode == 0 && CLOSING.contains(&row.state));
    assert!(value("TCP", "orphan") >= orphans);
}

/// Checks rows, some of which (those with a key of `machine_wide`) count the whole machine.
///
/// Another program may raise such a number and lower it again between two readings that agree. So the rows of
/// the namespace must be right at every quiet point, and all rows at one of ten: a wrong calculation is wrong
/// at all ten.
fn check_mixed_rows(truth: impl Fn() -> String, run: impl Fn() -> String, machine_wide: &[&str]) {
    let own = |rows: &str| {
        let is_own =
            |row: &&str| row.rsplit_once('\t').is_none_or(|(key, _)| !machine_wide.contains(&key));
        rows.lines().filter(is_own).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut last = (String::new(), String::new());
    for _ in 0..10 {
        let _alone = world::hold_machine();
        let (truth, said) = at_a_quiet_point(|| Ok(truth()), &run);
        assert_eq!(own(&said), own(&truth));
        if said == truth {
            return;
        }
        last = (said, truth);
    }
    assert_eq!(last.0, last.1, "wrong at ten quiet points");
}

#[test]
fn sockstat_shows_what_the_kernel_shows() {
    let Some(world) = World::all_states("sockstat_shows_what_the_kernel_shows") else { return };
    let truth = || {
        let row = |(line, item, value)| format!("{line}\t{item}\t{value}\n");
        oracle::sockstat_rows(&world).into_iter().map(row).collect()
    };
    let machine_wide = ["TCP\torphan", "TCP\talloc", "TCP\tmem", "UDP\tmem"];
    check_mixed_rows(truth, || world.connbox(&["sockstat"]).clean(), &machine_wide);
}

/// Checks that the output has one row per pair, in the same order.
fn check_pairs(ran: Ran, pairs: &[(String, String)]) {
    let rows = pairs.iter().map(|(name, value)| format!("{name}\t{value}\n"));
    assert_eq!(ran.clean(), rows.collect::<String>());
}

#[test]
fn snmpget_tcp_shows_what_the_kernel_shows() {
    let Some(world) = World::all_states("snmpget_tcp_shows_what_the_kernel_shows") else { return };
    let look = || Ok(oracle::snmp_tcp(&world));
    let (truth, ran) = at_a_quiet_point(look, || world.connbox(&["snmpget-tcp"]));
    check_pairs(ran, &truth);
}

#[test]
fn snmpget_tcp_shows_all_that_nstat_shows() {
    let test = "snmpget_tcp_shows_all_that_nstat_shows";
    if !needs(test, &["nstat"]) {
        return;
    }
    let Some(world) = World::mptcp(test) else { return };
    let look = || Ok((oracle::snmp_tcp(&world), oracle::nstat(&world)));
    let ((mut truth, nstat), ran) =
        at_a_quiet_point(look, || world.connbox(&["snmpget-tcp", "--all"]));
    // In the first group, nstat skips numbers that can decrease, such as TcpCurrEstab.
    let is_first = |pair: &(String, String)| truth.contains(pair);
    assert!(nstat.iter().filter(|(name, _)| is_of(name, "Tcp")).all(is_first), "{nstat:?}");
    let others = |(name, _): &(String, String)| is_of(name, "TcpExt") || is_of(name, "MPTcpExt");
    truth.extend(nstat.into_iter().filter(others));
    assert!(truth.len() > 100, "{truth:?}");
    check_pairs(ran, &truth);
}

/// Whether a counter of nstat is of this group, and not of one with a longer name.
fn is_of(name: &str, group: &str) -> bool {
    name.starts_with(group) && (group != "Tcp" || !name.starts_with("TcpExt"))
}

/// The rows of conncount in their order, and those that `--transport` adds.
const CONNCOUNT: [&str; 8] =
    ["total", "tcp", "estab", "closed", "orphaned", "synrecv", "timewait", "unhashed"];
const TRANSPORTS: [&str; 15] = [
    "raw",
    "raw_ip",
    "raw_ip6",
    "udp",
    "udp_ip",
    "udp_ip6",
    "tcp_inuse",
    "tcp_ip",
    "tcp_ip6",
    "inet",
    "inet_ip",
    "inet_ip6",
    "frag",
    "frag_ip",
    "frag_ip6",
];

/// What conncount must print, by name.
fn conncount_truth(world: &World) -> BTreeMap<String, i64> {
    let sockstat = oracle::sockstat(world);
    let value = |line: &str, item: &str| sockstat[&(line.into(), item.into())];
    let unhashed = value("TCP", "alloc") - value("TCP", "inuse") - value("TCP6", "inuse");
    let mut truth = oracle::ss_summary(world);
    truth.insert("unhashed".into(), unhashed);
    // From our own socket: ss would open one, which total counts.
    let is_syn_recv = |row: &&diag::Row| row.state == State::SYN_RECV;
    let syn_recv = world.dump().iter().filter(is_syn_recv).count();
    truth.insert("synrecv".into(), syn_recv as i64);
    truth
}

#[test]
fn conncount_shows_what_ss_shows() {
    let test = "conncount_shows_what_ss_shows";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some(world) = World::all_states(test) else { return };
    for (words, names) in [
        (&["conncount"][..], CONNCOUNT.to_vec()),
        (&["conncount", "--transport"], [&CONNCOUNT[..], &TRANSPORTS].concat()),
    ] {
        let truth = || {
            let truth = conncount_truth(&world);
            names.iter().map(|&name| format!("{name}\t{}\n", truth[name])).collect()
        };
        let machine_wide = ["tcp", "closed", "orphaned", "unhashed"];
        check_mixed_rows(truth, || world.connbox(words).stdout, &machine_wide);
    }
}

/// Checks that a run succeeded, with one warning about which numbers are machine-wide.
fn check_warned(ran: &Ran, applet: &str) {
    assert_eq!((ran.status, ran.stderr.lines().count()), (0, 1), "{ran:?}");
    let words = [applet, "namespace", "machine"];
    assert!(words.iter().all(|&word| ran.stderr.contains(word)), "{ran:?}");
}

#[test]
fn numbers_of_the_whole_machine_are_told_apart() {
    let Some(world) = World::all_states("numbers_of_the_whole_machine_are_told_apart") else {
        return;
    };
    let resident = world.resident();
    let pid = resident.pid().to_string();
    for applet in ["conncount", "closedcalc"] {
        check_warned(&world.connbox(&[applet]), applet);
        check_warned(&world.connbox_as(Rights::Nobody, &[applet]), applet);
        check_warned(&world::connbox_outside(&[applet, "--netns", &pid]), applet);
    }
    // Asked for by its name, the sum of the two scopes is no answer; alone, each of them is one.
    for (words, status) in [
        (["closedcalc", "unhashed"], 1),
        (["closedcalc", "alloc"], 0),
        (["conncount", "closed"], 1),
        (["conncount", "tcp"], 1),
    ] {
        let ran = world.connbox(&words);
        assert_eq!((ran.status, ran.stderr.lines().count()), (status, 1), "{ran:?}");
    }
}

/// Every counter that nstat and `netstat -s` print is read back as the kernel's own.
#[test]
fn counters_of_saved_text_are_those_of_the_kernel() {
    let test = "counters_of_saved_text_are_those_of_the_kernel";
    if !needs(test, &["nstat", "netstat"]) {
        return;
    }
    let Some(world) = World::all_states(test) else { return };
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    for words in [&["nstat", "-azs"][..], &["nstat", "-azsj"], &["netstat", "-s"]] {
        let saves = || Ok(world.ran(words[0], &words[1..]).stdout);
        let (text, live) = at_a_quiet_point(saves, || world.connbox(&["snmpget-tcp", "--all"]));
        std::fs::write(&path, text).unwrap();
        let from = world.connbox(&["snmpget-tcp", "--all", "--from", path.to_str().unwrap()]);
        assert_eq!((from.stderr.as_str(), from.status), ("", 0), "{words:?}");
        assert!(from.stdout.lines().count() > 15, "{words:?}: {}", from.stdout);
        let stray =
            from.stdout.lines().find(|line| !live.stdout.lines().any(|known| known == *line));
        assert_eq!(stray, None, "{words:?}");
    }
    std::fs::remove_file(path).unwrap();
}
