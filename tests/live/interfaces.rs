//! Interfaces to which sockets are bound, zones of addresses, v4-mapped addresses and bound sockets: ss, with the
//! same question, must find as many; and a source that cannot say must not answer 0.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::support::needs;
use crate::world::{self, Rights, Sockets, World, at_a_quiet_point, wait_until};

/// The kernel's number of SO_BINDTOIFINDEX, since Linux 5.0.
const SO_BINDTOIFINDEX: libc::c_int = 62;

fn conncount(world: &World, words: &[&str]) -> String {
    world.connbox(&[&["conncount"], words].concat()).clean()
}

/// How many sockets ss finds; a newer one calls those that are merely bound UNCONN.
fn ss(world: &World, words: &[&str]) -> String {
    let text = world.tool("ss", &[&["-Han"], words].concat());
    let is_merely_bound = |line: &&str| line.contains("UNCONN") && !line.starts_with("udp");
    format!("{}\n", text.lines().filter(|line| !is_merely_bound(line)).count())
}

/// A world with a cable between eth0 and eth1, and sockets on both; the link-local address of eth0.
pub(super) fn cabled(test: &str) -> Option<(World, Vec<OwnedFd>, Ipv6Addr, u32)> {
    let world =
        World::plain(test, Sockets { listen: 1, listen6: 1, udp: 1, ..Sockets::default() })?;
    world.veth("eth0", "eth1", None);
    // The larger of an interface's own number and that of all decides.
    for name in ["all", "eth0", "eth1"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/accept_dad");
        world.inside(|| std::fs::write(path, "0")).expect("no duplicate address detection");
    }
    for name in ["eth0", "eth1"] {
        world.set_up(name, true);
    }
    // An address that is tentative (0x40) cannot be bound to yet.
    let address = |name: &str| {
        let text = world.proc_net("if_inet6");
        let line = text.lines().find(|line| line.starts_with("fe80") && line.ends_with(name))?;
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |place: usize| u32::from_str_radix(words[place], 16).ok();
        let address = u128::from_str_radix(words[0], 16).ok()?;
        (number(4)? & 0x40 == 0).then_some((Ipv6Addr::from(address), number(1)?))
    };
    let (mut both, names) = (Vec::new(), ["eth0", "eth1"]);
    wait_until("link-local addresses", || {
        both = names.iter().filter_map(|name| address(name)).collect();
        Ok(both.len() == 2)
    })
    .unwrap();
    let [(ours, index), (other, other_index)] = both[..] else { panic!("{both:?}") };
    let made = world.inside(|| -> io::Result<Vec<OwnedFd>> {
        let at = |address, port, scope| SocketAddrV6::new(address, port, 0, scope);
        let listener = TcpListener::bind(at(ours, 7100, index))?;
        let client = TcpStream::connect(at(ours, 7100, index))?;
        let accepted = listener.accept()?.0;
        let far = TcpListener::bind(at(other, 7101, other_index))?;
        let datagrams = UdpSocket::bind(at(ours, 7102, index))?;
        datagrams.connect(at(other, 53, index))?;
        let mut all: Vec<OwnedFd> =
            vec![listener.into(), client.into(), accepted.into(), far.into(), datagrams.into()];
        for (family, address) in [
            (AddressFamily::INET, (Ipv4Addr::UNSPECIFIED, 7103).into()),
            (AddressFamily::INET6, std::net::SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7104))),
        ] {
            let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            world::sys::set_option(&socket, libc::SOL_SOCKET, SO_BINDTOIFINDEX, index as i32)?;
            bind(&socket, &address)?;
            rustix::net::listen(&socket, 1)?;
            all.push(socket);
        }
        Ok(all)
    });
    Some((world, made.unwrap(), ours, index))
}

#[test]
fn interfaces_and_zones_are_those_of_ss() {
    let test = "interfaces_and_zones_are_those_of_ss";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some((world, _sockets, address, index)) = cabled(test) else { return };
    let of_eth0 = ss(&world, &["-tu", "dev", "eth0"]);
    assert_eq!((of_eth0.as_str(), ss(&world, &["-tu", "dev", "eth1"]).as_str()), ("6\n", "1\n"));
    let number = index.to_string();
    for name in ["eth0", &number, &format!("if{number}")] {
        assert_eq!(conncount(&world, &["-tu", "--iface", name]), of_eth0, "{name}");
    }
    assert_eq!(conncount(&world, &["-tu", "--iface", "eth0,eth1"]), "7\n");
    assert_eq!(conncount(&world, &["-tu", "--by", "iface"]), "eth0\t6\n-\t3\neth1\t1\n");
    // The kernel's choice is ours: with a list that it cannot take, connbox chooses.
    let many: Vec<_> = (10_000..18_000).map(|port| port.to_string()).collect();
    let many = ["7000-7200,", &many.join(",")].concat();
    for words in [&["--iface", "eth0"][..], &["--raddr", "fe80::/10%eth0,::%eth0"]] {
        let all = conncount(&world, &[words, &["-tu", "--by", "iface,lport,rport"]].concat());
        let ours = [words, &["-tu", "--by", "iface,lport,rport", "--lport", &many]].concat();
        let in_range =
            |line: &&str| line.split('\t').nth(1).is_some_and(|port| port.starts_with("71"));
        let wanted: Vec<_> = all.lines().filter(in_range).collect();
        assert_eq!(conncount(&world, &ours).lines().collect::<Vec<_>>(), wanted, "{words:?}");
        assert!(wanted.len() >= 3, "{all}");
    }
    for (zone, count) in [("eth0", "2\n"), ("eth1", "0\n"), (&number, "2\n")] {
        for form in [
            format!("{address}%{zone}"),
            format!("[{address}%{zone}]"),
            format!("[{address}]%{zone}"),
            format!("{address}%{zone}/128"),
            format!("fe80::%{zone}/10"),
            format!("fe80::/10%{zone}"),
        ] {
            assert_eq!(conncount(&world, &["--raddr", &form]), count, "{form}");
        }
    }
    assert_eq!(conncount(&world, &["--raddr", &address.to_string()]), "2\n");
    // A zone is not of IPv6 alone: ss writes 0.0.0.0%eth0 too.
    assert_eq!(conncount(&world, &["--laddr", "0.0.0.0%eth0", "--by", "lport"]), "7103\t1\n");
    let states = world.connbox(&["tcpstates", "--iface", "eth0", "listen", "established"]).clean();
    assert_eq!(states, "LISTEN\t3\nESTABLISHED\t2\n");
    let rule = format!("[raddr={address}%eth0];;1");
    let ran = world.connbox(&["network-connections", "--tsv", "--rule", &rule]);
    assert!(ran.status == 2 && ran.stdout.contains("\t2\tCRITICAL\t"), "{ran:?}");
}

#[test]
fn an_interface_that_is_not_there_is_no_zero() {
    let test = "an_interface_that_is_not_there_is_no_zero";
    let Some((world, _sockets, ..)) = cabled(test) else { return };
    for words in [&["--iface", "eth9"][..], &["--iface", "eth0,eth9"], &["--raddr", "fe80::1%eth9"]]
    {
        let ran = world.connbox(&[&["conncount"], words].concat());
        let option = words[0];
        let why =
            format!("conncount: {option}: 'eth9' is not an interface of this network namespace\n");
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), (2, "", why));
    }
    // It may come back: what monitors it is told so where it reads.
    let ran = world.connbox(&["network-connections", "--rule", "[iface=eth9];0;0"]);
    assert!(ran.status == 3 && ran.stdout.contains("iface: 'eth9' is not an interface"), "{ran:?}");
    for wrong in ["", "eth0,", "eth0,,eth1"] {
        assert_eq!(world.connbox(&["conncount", "--iface", wrong]).status, 2, "{wrong}");
    }
    for wrong in ["fe80::1%", "%eth0", "[fe80::1%eth0", "fe80::1%eth0/129", "fe80::1/64%"] {
        assert_eq!(world.connbox(&["conncount", "--raddr", wrong]).status, 2, "{wrong}");
    }
    // A socket stays bound to an interface that is gone, and is not shown as one that is bound to none.
    let before = conncount(&world, &["--by", "iface", "--lport", "7103"]);
    assert_eq!(before, "eth0\t1\n");
    world.delete_interface("eth0");
    let after = conncount(&world, &["--by", "iface", "--lport", "7103"]);
    assert!(after.starts_with("if") && after.ends_with("\t1\n"), "{after}");
    let gone = after.split('\t').next().unwrap();
    let ran = world.connbox(&["conncount", "--iface", gone, "--lport", "7103"]);
    let said =
        format!("conncount: --iface: this network namespace has no interface {}\n", &gone[2..]);
    assert_eq!((ran.status, ran.stdout, ran.stderr), (0, "1\n".to_owned(), said));
}

#[test]
fn among_all_namespaces_each_has_its_own_interfaces() {
    let test = "among_all_namespaces_each_has_its_own_interfaces";
    let Some((world, _sockets, ..)) = cabled(test) else { return };
    let Some(other) = World::plain(test, Sockets { listen: 2, ..Sockets::default() }) else {
        return;
    };
    let _residents = [world.resident(), other.resident()];
    let words = ["conncount", "--netns", "all", "--by", "netns", "-tu", "--iface", "eth0"];
    let ran = world::connbox_among(&[("here", &world), ("there", &other)], Rights::Root, &words);
    assert!(ran.stdout.lines().any(|line| line == "here\t6"), "{ran:?}");
    assert!(!ran.stdout.contains("there"), "{ran:?}");
    assert!(ran.stderr.contains("no interface of that name"), "{ran:?}");
    let among = |words: &[&str]| {
        let all = [("here", &world), ("there", &other)];
        world::connbox_among(&all, Rights::Root, &[words, &["--netns", "all"]].concat())
    };
    // What no namespace has is a wrong name, as it is without --netns all.
    for (words, option) in [
        (&["conncount", "--iface", "nope1"][..], "--iface"),
        (&["conncount", "-u", "--iface", "eth0,nope1", "--by", "lport"], "--iface"),
        (&["conncount", "--raddr", "fe80::1%nope1"], "--raddr"),
        (&["conncount", "--iface", "!nope1"], "--iface"),
        (&["tcpstates", "--iface", "nope1"], "--iface"),
        (&["tcpstates", "--laddr", "fe80::/10%nope1", "listen"], "--laddr"),
    ] {
        let ran = among(words);
        let why = format!(
            ": {option}: 'nope1' is not an interface of any network namespace that can be entered\n"
        );
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{words:?} {ran:?}");
        assert!(ran.stderr.ends_with(&why) && ran.stderr.lines().count() == 1, "{words:?} {ran:?}");
    }
    let ran = among(&["tcpstates", "--iface", "eth0", "-v", "listen"]);
    assert!(ran.status < 2 && ran.stdout.lines().any(|line| line == "3"), "{ran:?}");
}

#[test]
fn a_source_that_cannot_say_refuses() {
    let test = "a_source_that_cannot_say_refuses";
    let Some((world, _sockets, ..)) = cabled(test) else { return };
    let mut sources = vec![(Rights::Root, &["--source", "procfs"][..])];
    sources.extend(Rights::without_netlink(test, libc::EPERM).map(|rights| (rights, &[][..])));
    const IFACE: &str = "socket tables do not say which interface a socket is bound to";
    const BOUND: &str = "socket tables do not list sockets that are only bound (BOUND_INACTIVE)";
    let cases: [(&[&str], &str); 6] = [
        (&["conncount", "--by", "iface"], IFACE),
        (&["conncount", "-u", "--by", "state,iface"], IFACE),
        (&["conncount", "--raddr", "fe80::1%lo"], IFACE),
        (&["tcpstates", "--iface", "lo"], IFACE),
        (&["tcpstates", "bound-inactive"], BOUND),
        (&["conncount", "--state", "listen,bound-inactive"], BOUND),
    ];
    for (rights, source) in sources {
        for (words, reason) in cases {
            if words[0] == "conncount" && !source.is_empty() {
                continue;
            }
            let ran = world.connbox_as(rights, &[words, source].concat());
            let text = format!("{}: /proc/net: {reason}; only sock_diag does\n", words[0]);
            assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), (1, "", text), "{words:?}");
        }
    }
    let Some(rights) = Rights::without_netlink(test, libc::EPERM) else { return };
    let words = [
        "network-connections",
        "--rule",
        "[iface=lo];;0",
        "--rule",
        "bound-inactive",
        "--rule",
        "LISTEN",
    ];
    let ran = world.connbox_as(rights, &words);
    // It costs no other rule.
    assert!(ran.status == 3 && ran.stdout.contains(", LISTEN: 6|"), "{ran:?}");
    assert_eq!(ran.stdout.matches("[UNKNOWN]").count(), 2, "{ran:?}");
}

#[test]
fn networks_take_mapped_addresses_as_those_of_ss_do() {
    let test = "networks_take_mapped_addresses_as_those_of_ss_do";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some(world) = World::all_states(test) else { return };
    let mut mapped = 0;
    for network in [
        "::/0",
        "::/1",
        "::/80",
        "::/81",
        "::/96",
        "::ffff:0:0/64",
        "::ffff:0:0/90",
        "fd00::/8",
        "0.0.0.0/0",
        "127.0.0.0/8",
        "198.18.0.0/15",
    ] {
        for (option, word) in [("--laddr", "src"), ("--raddr", "dst")] {
            let look = || Ok(ss(&world, &["-ta", word, network]));
            let ours = || conncount(&world, &[option, network, "--by", "family"]);
            let (wanted, said) = at_a_quiet_point(look, ours);
            let row = |line: &str| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap();
            let sum: u64 = said.lines().map(row).sum();
            assert_eq!(format!("{sum}\n"), wanted, "{option} {network}");
            mapped += u64::from(said.contains("inet6-mapped") && network.contains(':'));
        }
    }
    assert!(mapped >= 8, "only {mapped} IPv6 networks had v4-mapped sockets");
}

#[test]
fn bound_sockets_are_counted_if_they_are_asked_for() {
    let test = "bound_sockets_are_counted_if_they_are_asked_for";
    let Some(world) = World::plain(test, Sockets { listen: 2, unbound: 1, ..Sockets::default() })
    else {
        return;
    };
    let bound = |family, address: std::net::IpAddr| -> io::Result<OwnedFd> {
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &std::net::SocketAddr::new(address, 0))?;
        Ok(socket)
    };
    let _sockets = world.inside(|| {
        [
            bound(AddressFamily::INET, Ipv4Addr::LOCALHOST.into()).unwrap(),
            bound(AddressFamily::INET6, Ipv6Addr::LOCALHOST.into()).unwrap(),
            bound(AddressFamily::INET6, Ipv6Addr::UNSPECIFIED.into()).unwrap(),
        ]
    });
    let ran = world.connbox(&["tcpstates", "bound-inactive"]);
    if ran.stderr.contains("(Linux 6.8 does)") {
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
        return;
    }
    assert_eq!(ran.clean(), "BOUND_INACTIVE\t3\n");
    let states = |words: &[&str]| world.connbox(&[&["tcpstates"], words].concat()).clean();
    let both =
        states(&["--by", "family", "established", "BOUND_INACTIVE", "unconnected", "listen"]);
    assert_eq!(
        both,
        "tcp\tESTABLISHED\t0\ntcp\tBOUND_INACTIVE\t1\ntcp\tCLOSE\t0\ntcp\tLISTEN\t2\n\
         tcp6\tESTABLISHED\t0\ntcp6\tBOUND_INACTIVE\t2\ntcp6\tCLOSE\t0\ntcp6\tLISTEN\t0\n"
    );
    assert_eq!(states(&["--state", "bound-inactive", "-6"]), "BOUND_INACTIVE\t2\n");
    assert_eq!(states(&["--laddr", "::1", "bound-inactive"]), "BOUND_INACTIVE\t1\n");
    assert!(!states(&["all"]).contains("BOUND"));
    let groups = conncount(&world, &["--state", "bound-inactive,listen", "--by", "state,family"]);
    assert_eq!(groups, "LISTEN\tinet\t2\nBOUND_INACTIVE\tinet6\t2\nBOUND_INACTIVE\tinet\t1\n");
    assert_eq!(conncount(&world, &["--state", "unconnected"]), "0\n");
    let ran =
        world.connbox(&["network-connections", "--rule=tcp6_bound-inactive;;1", "--rule=LISTEN"]);
    assert!(
        ran.status == 2 && ran.stdout.starts_with("tcp6 BOUND INACTIVE: 2 [CRITICAL], LISTEN: 2|")
    );
    // Most of all namespaces have no socket in use, and may have bound ones.
    let _resident = world.resident();
    let words = ["tcpstates", "--netns", "all", "bound-inactive"];
    let ran = world.connbox_beside("bound", &words);
    assert!(
        ran.stdout.lines().any(|line| line.starts_with("bound\t") && line.ends_with("\t3")),
        "{ran:?}"
    );
}
