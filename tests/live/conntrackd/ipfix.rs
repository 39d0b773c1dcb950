//! What real collectors make of the export: nfcapd with nfdump, pmacct's nfacctd, and tshark.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Place, signal, until};
use crate::support;
use crate::world::{self, Resident, Router, World};

/// Protocol, source and destination.
type Way = (String, String, String);
/// Packets and bytes.
type Sums = BTreeMap<Way, [u64; 2]>;

/// What collectors need, beside what the routers do.
const JUDGES: [&str; 5] = ["nfcapd", "nfdump", "nfacctd", "tshark", "tcpdump"];

/// A router whose flows are exported to collectors on its loopback.
struct Exported {
    router: Router,
    folder: PathBuf,
}

impl Exported {
    fn new(test: &str) -> Option<Exported> {
        if !support::needs(test, &JUDGES) {
            return None;
        }
        let router = World::router(test)?;
        let folder = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
        fs::create_dir_all(folder.join("nfcapd")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        // The export is not traffic of the router.
        let rules = "add table inet lo; \
            add chain inet lo i { type filter hook prerouting priority -300; }; \
            add chain inet lo o { type filter hook output priority -300; }; \
            add rule inet lo i iifname lo notrack; add rule inet lo o oifname lo notrack";
        router.tool("nft", &[rules]);
        Some(Exported { router, folder })
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn daemon(&self, name: &str, words: &[&str]) -> Resident {
        let socket = self.path(name);
        let own = ["conntrackd", "--foreground", "--socket", &socket];
        let mut daemon = self.router.running_with(world::connbox(), &[], &[&own, words].concat());
        until("the daemon answers", || {
            assert_eq!(daemon.has_ended(), None);
            self.ask(name, &["-s"]).0 == 0
        });
        daemon
    }

    fn ask(&self, name: &str, words: &[&str]) -> (i32, String) {
        let socket = self.path(name);
        let ran = self.router.connbox(&[&["conntrackd", "--socket", &socket], words].concat());
        (ran.status, ran.stdout)
    }

    fn number(&self, name: &str, section: &str, number: &str) -> u64 {
        let (_, text) = self.ask(name, &["-s", "--tsv"]);
        let start = format!("{section}\t{number}\t");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }

    fn nfcapd(&self) -> Resident {
        let folder = self.path("nfcapd");
        let words =
            ["-w", &folder, "-b", "127.0.0.1", "-p", "4739", "-t", "86400", "-B", "4000000"];
        self.listening("nfcapd", &words, 4739)
    }

    fn nfacctd(&self) -> Resident {
        let (config, out, log) =
            (self.path("nfacctd.conf"), self.path("acct"), self.path("acct.log"));
        let text = format!(
            "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: 4740\nnfacctd_disable_checks: false\n\
             nfacctd_pipe_size: 4000000\nplugins: print[a]\n\
             aggregate[a]: src_host,dst_host,proto\nprint_output[a]: json\n\
             print_output_file[a]: {out}\nprint_output_file_append[a]: true\nprint_refresh_time[a]: 1\n\
             logfile: {log}\n"
        );
        fs::write(&config, text).unwrap();
        self.listening("nfacctd", &["-f", &config], 4740)
    }

    /// A collector that has begun to listen.
    fn listening(&self, program: &str, words: &[&str], port: u16) -> Resident {
        let collector = self.router.running(program, words).1;
        until(program, || self.router.proc_net("udp").contains(&format!(":{port:04X} ")));
        collector
    }

    /// What the kernel has counted, by protocol and addresses as a collector sees them.
    fn counted(&self) -> Sums {
        let text = self.router.tool("sh", &["-c", "conntrack -L -o extended 2>/dev/null"]);
        let mut sums = Sums::new();
        for line in text.lines() {
            let protocol = line.split_ascii_whitespace().nth(3).unwrap().to_owned();
            let of = |name: &str| -> Vec<String> {
                let words = line.split_ascii_whitespace();
                words.filter_map(|word| word.strip_prefix(name)).map(str::to_owned).collect()
            };
            let (source, destination) = (&of("src=")[0], &of("dst=")[0]);
            let (packets, bytes) = (of("packets="), of("bytes="));
            for (place, (from, to)) in
                [(source, destination), (destination, source)].into_iter().enumerate()
            {
                let count = |list: &[String]| list.get(place).map_or(0, |one| one.parse().unwrap());
                if count(&packets) > 0 {
                    let way = (protocol.clone(), from.clone(), to.clone());
                    add(&mut sums, way, [count(&packets), count(&bytes)]);
                }
            }
        }
        sums
    }

    /// How many flows of TCP and UDP have packets in both directions.
    fn joined(&self) -> usize {
        let text = self.router.tool("sh", &["-c", "conntrack -L -o extended 2>/dev/null"]);
        let has_both = |line: &&str| {
            (line.contains(" tcp ") || line.contains(" udp ")) && !line.contains("packets=0 ")
        };
        text.lines().filter(has_both).count()
    }

    /// What nfdump sums up.
    fn of_nfdump(&self) -> Sums {
        let format = "fmt:%pr|%sa|%da|%pkt|%byt";
        let words =
            ["-R", &self.path("nfcapd"), "-q", "-N", "-6", "-A", "proto,srcip,dstip", "-o", format];
        let text = self.router.tool("nfdump", &words);
        let mut sums = Sums::new();
        for line in text.lines().filter(|line| line.contains('|')) {
            let [protocol, source, destination, packets, bytes] =
                line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
            let way = (number_of(protocol), source.to_owned(), destination.to_owned());
            add(&mut sums, way, [packets, bytes].map(|number| number.parse().unwrap()));
        }
        sums
    }

    fn of_nfacctd(&self) -> Sums {
        let text = fs::read_to_string(self.folder.join("acct")).unwrap_or_default();
        let mut sums = Sums::new();
        for line in text.lines() {
            let of = |key: &str| {
                let (_, rest) = line.split_once(&format!("\"{key}\": ")).unwrap();
                rest.split([',', '}']).next().unwrap().trim_matches('"').to_owned()
            };
            let way = (number_of(&of("ip_proto")), of("ip_src"), of("ip_dst"));
            add(&mut sums, way, [of("packets"), of("bytes")].map(|number| number.parse().unwrap()));
        }
        sums
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn add(sums: &mut Sums, way: Way, [packets, bytes]: [u64; 2]) {
    let sum = sums.entry(way).or_default();
    *sum = [sum[0] + packets, sum[1] + bytes];
}

/// The number of a protocol as tools name it.
fn number_of(name: &str) -> String {
    let known = [
        ("tcp", 6),
        ("udp", 17),
        ("icmp", 1),
        ("icmp6", 58),
        ("ipv6-icmp", 58),
        ("sctp", 132),
        ("dccp", 33),
        ("gre", 47),
        ("esp", 50),
        ("udplite", 136),
        ("udpli", 136),
    ];
    let name = name.to_ascii_lowercase();
    let number =
        known.iter().find(|(known, _)| *known == name).map(|(_, number)| number.to_string());
    number.unwrap_or(name)
}

fn assert_same(seen: &Sums, counted: &Sums) {
    let only = |of: &Sums, other: &Sums| -> Vec<_> {
        let differs = |(way, sum): &(&Way, &[u64; 2])| other.get(*way) != Some(sum);
        of.iter().filter(differs).map(|(way, sum)| (way.clone(), *sum)).collect()
    };
    assert_eq!(only(seen, counted), only(counted, seen), "collector, conntrack");
}

/// Ends a collector, and gives what it wrote.
fn ended(mut collector: Resident) {
    signal(collector.pid(), Signal::TERM);
    collector.end();
}

/// Makes flows through the router, of which the first argument tells how many: UDP, TCP, ICMP and GRE, with and without
/// replies and translations.
const MANY: &str = r"
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None)
V4, V6 = socket.AF_INET, socket.AF_INET6
def wire(pid, family):
    there = os.open(f'/proc/{pid}/ns/net', os.O_RDONLY)
    assert libc.setns(there, 0) == 0
    return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
pids = sys.argv[2:4]
wires = {(back, family): wire(pids[back], family) for back in (0, 1) for family in (V4, V6)}
def send(family, protocol, payload, source, target, back=0):
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    if family == V4:
        head = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    else:
        head = struct.pack('>IHBB', 6 << 28, len(payload), protocol, 64)
    wires[back, family].sendto(head + ends + payload, (target, 0))
def udp(source, target, size):
    return struct.pack('>HHHH', source, target, 8 + size, 0) + bytes(size)
def tcp(source, target, flags):
    return struct.pack('>HHIIBBHHH', source, target, 1, 1, 0x50, flags, 0xffff, 0, 0)
C, S, C6, S6 = '10.1.0.50', '10.2.0.50', 'fd01::50', 'fd02::50'
for n in range(int(sys.argv[1])):
    kind, n = n % 8, n // 8
    port = 10000 + n
    if kind == 0:
        send(V4, 17, udp(port, 53, n % 900), C, S)
        send(V4, 17, udp(53, port, n % 700), S, C, 1)
    elif kind == 1:
        send(V6, 17, udp(port, 53, n % 900), C6, S6)
        send(V6, 17, udp(53, port, n % 700), S6, C6, 1)
    elif kind == 2:
        send(V4, 6, tcp(port, 80, 2), C, S)
        send(V4, 6, tcp(80, port, 18), S, C, 1)
    elif kind == 3:
        send(V6, 6, tcp(port, 80, 2), C6, S6)
        send(V6, 6, tcp(80, port, 18), S6, C6, 1)
    elif kind == 4:
        send(V4, 1, struct.pack('>BBHHH', 8, 0, 0, port, 1), C, S)
        send(V4, 1, struct.pack('>BBHHH', 0, 0, 0, port, 1), S, C, 1)
    elif kind == 5:
        send(V4, 47, struct.pack('>HH', 0, 0x800), f'10.1.{100 + n // 250}.{1 + n % 250}', S)
    elif kind == 6:
        send(V4, 17, udp(port, 9011, 5), C, S)
    else:
        send(V4, 17, udp(port, 8002, 6), C, '10.1.0.1')
";

fn three_collectors(test: &str, many: u32) {
    let Some(exported) = Exported::new(test) else { return };
    let (nfcapd, nfacctd) = (exported.nfcapd(), exported.nfacctd());
    let capture = exported.path("pcap");
    let words = ["-i", "lo", "-w", &capture, "-U", "-B", "16384", "udp port 4739"];
    let tcpdump = exported.router.running("tcpdump", &words).1;
    until("the capture", || fs::metadata(&capture).is_ok_and(|file| file.len() > 0));
    let first = exported.daemon("one", &["--ipfix", "127.0.0.1:4739"]);
    let second = exported.daemon("two", &["--ipfix", "127.0.0.1:4740/udp", "--ipfix-domain", "3"]);
    let hosts = exported.router.hosts().map(|host| host.resident());
    let pids = hosts.each_ref().map(|host| host.pid().to_string());
    exported.router.tool("python3", &["-S", "-c", MANY, &many.to_string(), &pids[0], &pids[1]]);
    let counted = exported.counted();
    for protocol in ["1", "6", "17", "47", "58"] {
        assert!(counted.keys().any(|way| way.0 == protocol), "{protocol}");
    }
    for name in ["one", "two"] {
        assert_eq!(exported.ask(name, &["-R"]).0, 0);
    }
    let joined = exported.joined();
    exported.router.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    for (name, daemon) in [("one", first), ("two", second)] {
        until("the export", || {
            exported.number(name, "flows", "active") == 0
                && exported.number(name, "ipfix", "waiting") == 0
        });
        let numbers = exported.ask(name, &["-s", "--tsv"]).1;
        assert_eq!(exported.number(name, "ipfix", "lost"), 0, "{name}: {numbers}");
        ended(daemon);
    }
    let end = Instant::now() + Duration::from_secs(20);
    while exported.of_nfacctd() != counted && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_same(&exported.of_nfacctd(), &counted);
    let log = fs::read_to_string(exported.path("acct.log")).unwrap();
    assert!(!log.contains("expecting flow") && !log.contains("WARN"), "{log}");
    // It may not end while its plugin writes.
    drop(nfacctd);
    ended(nfcapd);
    ended(tcpdump);
    assert_same(&exported.of_nfdump(), &counted);
    let folder = exported.path("nfcapd");
    let words = ["-R", &folder, "-q", "-N", "-B", "-o", "fmt:%opkt", "proto tcp or proto udp"];
    let text = exported.router.tool("nfdump", &words);
    let is_joined = |line: &&str| line.trim().parse::<u64>().is_ok_and(|packets| packets > 0);
    assert_eq!(text.lines().filter(is_joined).count(), joined);
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let exporters = exported.router.tool("nfdump", &["-E", file.to_str().unwrap()]);
    assert!(exporters.contains("ID:  1, Sequence failures: 0,"), "{exporters}");
    let decode = ["-r", &capture, "-d", "udp.port==4739,cflow"];
    let wrong =
        [&decode[..], &["-Y", "_ws.malformed || _ws.expert || cflow.template_frame == 0"]].concat();
    let ran = exported.router.ran("tshark", &wrong);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let text = exported.router.ran("tshark", &[&decode[..], &["-V", "-c", "60"]].concat()).stdout;
    assert!(text.contains("FlowSequence") && text.contains("Not Sent Flows"), "{text}");
    // A flow that conntrack inserts has protocol 253.
    let text = text.replace("Protocol: Unknown (253)", "");
    for wrong in ["Malformed", "nknown", "o template", "Expert Info"] {
        assert_eq!(text.lines().find(|line| line.contains(wrong)), None, "{wrong}");
    }
}

#[test]
fn three_collectors_count_what_conntrack_counts() {
    three_collectors("ipfix_collectors", 4000);
}

#[test]
#[ignore = "100,000 flows take a minute: cargo test --test live ipfix -- --ignored"]
fn three_collectors_count_a_hundred_thousand_flows() {
    three_collectors("ipfix_many", 100_000);
}

/// Counts the data records in messages for domain 1, of which the first has the templates.
fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    let number = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    while bytes.len() >= 16 && bytes.len() >= number(&bytes[2..]) {
        let (message, behind) = bytes.split_at(number(&bytes[2..]));
        assert_eq!(message[..2], [0, 10]);
        let mut sets = &message[16..];
        while !sets.is_empty() {
            let (set, behind) = sets.split_at(number(&sets[2..]));
            // IPv4 without translation.
            count += if number(set) == 256 { (set.len() - 4) / 47 } else { 0 };
            sets = behind;
        }
        bytes = behind;
    }
    count
}

#[test]
fn a_collector_of_tcp_that_comes_late_gets_all_from_the_sandbox() {
    let Some(place) = Place::new("ipfix_late") else { return };
    let _daemon = place.daemon(&["--ipfix", "127.0.0.1:4739/tcp"]);
    place.flows(4000, 500);
    until("the flows", || place.number("flows", "active") >= 500);
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    until("the records", || place.number("ipfix", "waiting") >= 500);
    assert_eq!(place.number("ipfix", "is_connected"), 0);
    let metrics = place.ask(&["-s", "--prom"]).clean();
    assert!(metrics.contains("section=\"ipfix\",name=\"lost\"} 0\n"), "{metrics}");
    let waiting = place.number("ipfix", "waiting");
    let listener = place.world.inside(|| TcpListener::bind("127.0.0.1:4739").unwrap());
    let mut collector = listener.accept().unwrap().0;
    collector.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut bytes = Vec::new();
    until("all records", || {
        let _ = collector.read_to_end(&mut bytes);
        records(&bytes) as u64 >= waiting
    });
    assert_eq!(place.number("ipfix", "lost"), 0);
    assert_eq!(place.number("ipfix", "is_connected"), 1);
    assert!(place.number("ipfix", "failures") > 0);
}

#[test]
fn parts_of_a_long_flow_add_up_to_what_the_kernel_counted() {
    let Some(place) = Place::new("ipfix_active") else { return };
    if !support::needs("ipfix_active", &["nfcapd", "nfdump"]) {
        return;
    }
    let folder = place.path("nfcapd");
    fs::create_dir(&folder).unwrap();
    let words = ["-w", &folder, "-b", "127.0.0.1", "-p", "4739", "-t", "86400"];
    let nfcapd = place.world.running("nfcapd", &words).1;
    until("nfcapd", || place.world.proc_net("udp").contains(":1283 "));
    let daemon = place.daemon(&["--ipfix", "127.0.0.1:4739", "--ipfix-active", "1"]);
    let (one, other) = place.world.inside(|| {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        (bind(), bind())
    });
    for _ in 0..12 {
        one.send_to(&[0; 100], other.local_addr().unwrap()).unwrap();
        other.send_to(&[0; 50], one.local_addr().unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    until("the end", || place.number("flows", "active") == 0);
    ended(daemon);
    ended(nfcapd);
    let port = one.local_addr().unwrap().port();
    let filter = format!("src port {port} and dst port {}", other.local_addr().unwrap().port());
    let words = ["-R", &folder, "-q", "-N", "-o", "fmt:%pkt|%byt", &filter];
    let text = place.world.tool("nfdump", &words);
    let parts: Vec<[u64; 2]> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(packets, bytes)| [packets, bytes].map(|number| number.trim().parse().unwrap()))
        .collect();
    assert!(parts.len() >= 3, "{text}");
    let sum = parts.iter().fold([0, 0], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
    assert_eq!(sum, [12, 12 * 128]);
}
