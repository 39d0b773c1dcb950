//! Somebody who owns a user namespace, and so may send netlink messages to every port and group of its network
//! namespaces: forged rows, forged ends of dumps and forged events, as fast as possible, beside what root runs there.

use crate::support::{lacks, needs};
use crate::world;

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use world::{Script, World, connbox_outside, wait_until};

/// A TCP server on four ports, which then sends to all ports of netlink in its namespace and to those that the next
/// processes will have (`dumps`), or to the groups of events (`events`), until its input ends.
const SENDER: &str = "
import os, select, signal, socket, struct, sys
kept = [socket.socket() for _ in range(4)]
for server in kept:
    server.bind(('0.0.0.0', 0)); server.listen()
def attr(kind, value):
    return struct.pack('=HH', len(value) + 4, kind) + value + bytes(-len(value) % 4)
def ends(port):
    ip = attr(1, attr(1, b'\\x0a\\x06\\x06\\x06') + attr(2, b'\\x0a\\x07\\x07\\x07'))
    return ip + attr(2, attr(1, b'\\x11') + attr(2, struct.pack('>H', port)) + attr(3, struct.pack('>H', 53)))
def flow(port):
    return b'\\2\\0\\0\\0' + attr(1, ends(port)) + attr(2, ends(port)) + attr(12, struct.pack('>I', port))
def message(kind, flags, sequence, port, payload):
    return struct.pack('=IHHII', len(payload) + 16, kind, flags, sequence, port) + payload
row = struct.pack('=BBBB', 2, 1, 0, 0) + b'\\x11\\x11\\x22\\x22' + bytes(64)
def ports():
    with open('/proc/thread-self/net/netlink') as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [(int(row[1]), int(row[2])) for row in rows if row[2] != '0' and row[1] in ('4', '12')]
def send(to, text, port, groups):
    try: return to.sendto(text, (port, groups))
    except OSError: return 0
def is_over():
    return select.select([0], [], [], 0)[0]
def to_dumps(sockets):
    while not is_over():
        last = int(open('/proc/loadavg').read().split()[-1])
        for protocol, port in ports() + [(n, last + more) for more in range(1, 4) for n in (4, 12)]:
            for sequence in (1, 2):
                kind, payload = (20, row) if protocol == 4 else (0x100, flow(sequence))
                send(sockets[protocol], message(kind, 2, sequence, port, payload), port, 0)
                send(sockets[protocol], message(3, 2, sequence, port, bytes(4)), port, 0)
def to_groups(sockets):
    forged = [message(0x100, 0x600, 0, 0, flow(port)) for port in range(1, 5001)]
    while not is_over():
        for text in forged:
            send(sockets[12], text, 0, 1)
sockets = {n: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, n) for n in (4, 12)}
for own in sockets.values():
    own.setblocking(False)
print(' '.join(str(s.getsockname()[1]) for s in kept), flush=True)
task = to_groups if sys.stdin.readline() == 'events\\n' else to_dumps
print('sending', flush=True)
for _ in range(2):
    if os.fork() == 0:
        signal.alarm(120)
        task(sockets)
        os._exit(0)
sys.stdin.read()
";

/// How many servers it has.
const SERVERS: u64 = 4;

/// A namespace that the user 65534 owns, and who sends there.
struct Hostile {
    world: World,
    sender: Script,
}

/// None if `test` is skipped.
fn hostile(test: &str) -> Option<Hostile> {
    if !needs(test, &["root", "connection tracking", "conntrack", "python3", "setpriv", "unshare"])
    {
        return None;
    }
    let home = World::quiet(test)?;
    let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let alone = ["unshare", "--user", "--map-root-user", "--net"];
    let ran = home.ran(user[0], &[&user[1..], &alone, &["true"]].concat());
    if ran.status != 0 {
        lacks(test, "user namespaces", ran.stderr.trim_end());
        return None;
    }
    let mut sender = home.script_behind(&[&user[..], &alone].concat(), SENDER);
    assert_eq!(sender.line().split(' ').count() as u64, SERVERS);
    let world = World::of_process(sender.pid());
    Some(Hostile { world, sender })
}

impl Hostile {
    fn connbox(&self, words: &[&str]) -> String {
        let ran = self.world.connbox(words);
        let is_warning = |line: &str| line.contains(WARNING) || line.ends_with(" have been shown.");
        assert!(ran.status == 0 && ran.stderr.lines().all(is_warning), "{words:?} {ran:?}");
        ran.stdout
    }
}

/// What is said, once, if the kernel let a message pass: others cannot send to a socket that is connected to it, but
/// they can to a group.
const WARNING: &str = "ignored messages that were not sent by the kernel";

#[test]
fn forged_answers_change_no_dump() {
    let Some(mut hostile) = hostile("forged_answers_change_no_dump") else { return };
    let insert = "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 5 --dport 6 -t 9000";
    let words: Vec<_> = insert.split(' ').collect();
    assert_eq!(hostile.world.ran("conntrack", &words).status, 0);
    assert_eq!(hostile.sender.tell("dumps"), "sending");
    let inode = hostile.world.inode().to_string();
    let start = Instant::now();
    for number in 0.. {
        if number >= 60 || start.elapsed() > Duration::from_secs(30) {
            break;
        }
        let ran = connbox_outside(&["tcpstates", "--netns", "all"]);
        let rows = ran.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let own: Vec<_> = rows.filter(|row| row[0] == inode && row[3] != "0").collect();
        let [row] = &own[..] else { panic!("{own:?} {ran:?}") };
        assert_eq!(row[2..4], ["LISTEN", "4"], "{ran:?}");
        assert_eq!(hostile.connbox(&["conncount", "-t"]), "4\n");
        assert_eq!(hostile.connbox(&["conncount", "--by", "state"]), "LISTEN\t4\n");
        let flows = hostile.connbox(&["conntrack", "-L", "-o", "id"]);
        assert!(flows.starts_with("udp      17 ") && flows.lines().count() == 1, "{flows}");
        assert_eq!(hostile.connbox(&["conntrack", "-C"]), "1\n");
    }
}

#[test]
fn forged_events_change_nothing_and_are_said_once() {
    let Some(mut hostile) = hostile("forged_events_change_nothing_and_are_said_once") else {
        return;
    };
    let socket = std::env::temp_dir().join(format!("connbox-hostile-{}", std::process::id()));
    fs::create_dir_all(&socket).unwrap();
    let path = |name: &str| socket.join(name).to_str().unwrap().to_owned();
    let own = ["conntrackd", "--socket", &path("sock")];
    let daemon = hostile.world.connbox_watcher(&[&own[..], &["--foreground"]].concat());
    let ask = |words: &[&str]| hostile.world.connbox(&[&own[..3], words].concat());
    wait_until("the daemon answers", || Ok(ask(&["-s"]).status == 0)).unwrap();
    let events = hostile.world.connbox_watcher(&["conntrack", "-E", "-o", "id"]);
    hostile.world.wait_for_listeners(2);
    assert_eq!(hostile.sender.tell("events"), "sending");
    let insert = "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 5 --dport 6 -t 9000";
    let words: Vec<_> = insert.split(' ').collect();
    assert_eq!(hostile.world.ran("conntrack", &words).status, 0);
    // The flood may fill the buffers: then the daemon compares its flows with the kernel's table.
    wait_until("the flow", || Ok(ask(&["-i"]).stdout.lines().count() == 1)).unwrap();
    for _ in 0..20 {
        let flows = ask(&["-i"]).stdout;
        assert!(flows.contains("src=1.1.1.1") && flows.lines().count() == 1, "{flows}");
        let active = ask(&["-s", "--tsv"]).stdout;
        assert!(active.contains("flows\tactive\t1\n"), "{active}");
    }
    let said = ask(&["-s", "--tsv"]).stdout;
    let ignored = said.lines().find_map(|line| line.strip_prefix("events\tforeign\t")).unwrap();
    assert!(ignored.parse::<u64>().unwrap() > 0, "{said}");
    assert!(ask(&["-s", "runtime"]).stdout.contains("\n\tforeign messages ignored:\t"));
    assert!(ask(&["-s", "--json"]).stdout.contains("\"foreign\":"));
    assert!(ask(&["-s", "--prom"]).stdout.contains("section=\"events\",name=\"foreign\""));
    let [events, daemon] = [events, daemon].map(|watcher| watcher.end(Signal::INT));
    assert!(
        events.stdout.lines().count() <= 1 && !events.stdout.contains("10.6.6.6"),
        "{events:?}"
    );
    assert_eq!(events.stderr.matches(WARNING).count(), 1, "{events:?}");
    assert_eq!(daemon.stderr.matches(WARNING).count(), 1, "{daemon:?}");
    fs::remove_dir_all(&socket).unwrap();
}
