//! Connections when they end: every one, with exact bytes, or counted as lost.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::connect_unspec;
use rustix::process::{Pid, Signal, kill_process};

use super::rows::wait;
use super::support;
use crate::world::{Rights, World, sys};

/// Bytes by client: its address and port; to the server and back, of each connection on these ports.
type Sent = BTreeMap<(String, u16), Vec<(u64, u64)>>;

pub fn transfer(mut from: &TcpStream, mut to: &TcpStream, bytes: u64) {
    let mut buffer = vec![b'x'; bytes as usize];
    from.write_all(&buffer).unwrap();
    to.read_exact(&mut buffer).unwrap();
}

/// The end of a stream.
pub fn read_end(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Resets a connection as SO_LINGER of 0 seconds does, at once: the last close may come later, in a program that another
/// test is about to start and that has all descriptors until then.
pub fn reset(end: &TcpStream) {
    connect_unspec(end).unwrap();
}

/// Ends a connection in the way of this number.
fn end(way: usize, client: TcpStream, server: TcpStream) {
    let (first, second) = if way.is_multiple_of(2) { (client, server) } else { (server, client) };
    match way / 2 % 4 {
        // The other end has not read the FIN; has read it.
        0 => drop((first, second)),
        1 => {
            drop(first);
            read_end(&second);
        }
        2 => {
            first.shutdown(Shutdown::Write).unwrap();
            read_end(&second);
            drop(second);
            read_end(&first);
        }
        _ => {
            reset(&first);
            drop(second);
        }
    }
}

/// Makes connections within the calling thread's namespace, by IPv4, IPv6 and v4-mapped addresses, each of which
/// stays while some others begin, and ends them in all ways. Returns what was sent.
fn make_short_ones(number: usize) -> Sent {
    let listener = TcpListener::bind("[::]:9001").unwrap();
    let mut sent = Sent::new();
    let mut open = VecDeque::new();
    let (v4, v6) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)), "[::1]:9001".parse().unwrap());
    let targets: [SocketAddr; 3] = [v4, v6, "[::ffff:127.0.0.1]:9001".parse().unwrap()];
    for place in 0..number {
        let client = TcpStream::connect(targets[place % 3]).unwrap();
        let server = listener.accept().unwrap().0;
        let bytes = (place as u64 * 7 % 301, place as u64 * 13 % 211);
        transfer(&client, &server, bytes.0);
        transfer(&server, &client, bytes.1);
        let name = if place % 3 == 1 { "::1" } else { "127.0.0.1" };
        let port = client.local_addr().unwrap().port();
        sent.entry((name.to_owned(), port)).or_default().push(bytes);
        open.push_back((place, client, server));
        if open.len() > 8 {
            let (place, client, server) = open.pop_front().unwrap();
            end(place, client, server);
        }
    }
    open.into_iter().for_each(|(place, client, server)| end(place, client, server));
    sent.values_mut().for_each(|all| all.sort_unstable());
    sent
}

/// What rows of `--ended` say.
fn told(rows: &str) -> Sent {
    let mut told = Sent::new();
    for row in rows.lines() {
        let fields: Vec<_> = row.split('\t').collect();
        assert_eq!(fields.len(), 13, "{row}");
        let number = |place: usize| fields[place].parse::<u64>().unwrap();
        let client = (fields[1].to_owned(), fields[2].parse().unwrap());
        told.entry(client).or_default().push((number(6), number(5)));
    }
    told.values_mut().for_each(|all| all.sort_unstable());
    told
}

/// Fails with the first clients of which not the same was told and sent.
fn must_agree(told: &Sent, sent: &Sent) {
    let all = told.keys().chain(sent.keys()).filter(|client| told.get(client) != sent.get(client));
    let wrong: Vec<_> = all.map(|client| (client, told.get(client), sent.get(client))).collect();
    let count = |of: &Sent| of.values().map(Vec::len).sum::<usize>();
    let (few, of) = (&wrong[..wrong.len().min(10)], (count(told), count(sent)));
    assert!(wrong.is_empty(), "{} differ of {of:?}: {few:?}", wrong.len());
}

/// Waits until all messages of the kernel are read: on a busy machine that may take longer than a short sleep.
fn wait_until_read(world: &World) {
    wait("the reader", || {
        let waiting = |row: &str| row.split_ascii_whitespace().nth(4)?.parse::<u64>().ok();
        world.proc_net("netlink").lines().skip(1).filter_map(waiting).all(|bytes| bytes == 0)
    });
}

/// A running `tcptrack --ended`, and what a thread has read of its rows.
struct Running {
    child: Child,
    rows: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

/// Starts it and waits until it listens to the kernel.
fn start(world: &World, rights: Rights, words: &[&str]) -> Running {
    let all = ["tcptrack", "--ended", "--rate-interval", "0.2"];
    let mut child = world.connbox_piped(rights, &[&all, words].concat());
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let rows = Arc::new(Mutex::new(String::new()));
    let read = Arc::clone(&rows);
    let reader = thread::spawn(move || {
        for row in stdout.lines() {
            *read.lock().unwrap() += &(row.unwrap() + "\n");
        }
    });
    wait_for_group(world);
    Running { child, rows, reader }
}

/// Waits until connbox listens to the kernel.
pub fn wait_for_group(world: &World) {
    wait("the group", || {
        let has_groups = |row: &str| {
            let fields: Vec<_> = row.split_ascii_whitespace().collect();
            (fields[1], fields[3]) == ("4", "00000005")
        };
        world.proc_net("netlink").lines().skip(1).any(has_groups)
    });
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it when its rows say enough: status, rows and messages.
    fn stop(self, are_enough: impl Fn(&str) -> bool) -> (Option<i32>, String, String) {
        wait("the rows", || are_enough(&self.rows.lock().unwrap()));
        self.signal(Signal::TERM);
        let output = self.child.wait_with_output().unwrap();
        self.reader.join().unwrap();
        let rows = self.rows.lock().unwrap().clone();
        (output.status.code(), rows, text(&output.stderr).to_owned())
    }
}

/// How many rows there are.
fn count(rows: &str) -> usize {
    rows.lines().count()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_short_connection_is_a_row_with_exact_bytes() {
    let test = "every_short_connection_is_a_row_with_exact_bytes";
    let Some(world) = World::quiet(test) else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9002").unwrap());
    let long: Vec<_> = world.inside(|| {
        let connect = |_| TcpStream::connect("127.0.0.1:9002").unwrap();
        (0..3).map(connect).map(|client| (client, listener.accept().unwrap().0)).collect()
    });
    // A socket may be closed between its reading and that of its process.
    let running = start(&world, Rights::Root, &["--quiet-gaps"]);
    // One whose beginning is seen: after the first reading.
    thread::sleep(Duration::from_millis(1500));
    let seen = world.inside(|| TcpStream::connect("127.0.0.1:9002").unwrap());
    let seen = (seen, listener.accept().unwrap().0);
    let mut sent = world.inside(|| make_short_ones(20_000));
    thread::sleep(Duration::from_millis(1500));
    for (client, server) in long.into_iter().chain([seen]) {
        let port = client.local_addr().unwrap().port();
        transfer(&client, &server, 77);
        sent.entry(("127.0.0.1".to_owned(), port)).or_default().push((77, 0));
        end(1, client, server);
    }
    sent.values_mut().for_each(|all| all.sort_unstable());
    let (status, rows, messages) = running.stop(|rows| count(rows) >= 20_004);
    assert_eq!((status, messages.as_str()), (Some(0), ""));
    must_agree(&told(&rows), &sent);
    // Long ones have a process; the one that began meanwhile has a duration.
    let held: Vec<_> = rows.lines().filter(|row| row.contains("\t9002\t")).collect();
    let pid = std::process::id().to_string();
    let durations = held.iter().filter(|row| {
        let fields: Vec<_> = row.split('\t').collect();
        assert_eq!(fields[11], pid, "{row}");
        assert!(fields[12].starts_with('/') || fields[12] == "-", "{row}");
        fields[9] != "-" && fields[9].parse::<f64>().unwrap() > 1.0
    });
    assert_eq!((held.len(), durations.count()), (4, 1));
}

/// The kernel puts a small socket in the place of the end that closes first; it has another cookie if nobody has asked
/// for that of the end before.
#[test]
fn a_connection_with_one_end_closed_for_ticks_is_one_row() {
    let test = "a_connection_with_one_end_closed_for_ticks_is_one_row";
    let Some(world) = World::quiet(test) else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9002").unwrap());
    let running = start(&world, Rights::Root, &[]);
    thread::sleep(Duration::from_millis(300));
    let (mut sent, mut open) = (Sent::new(), Vec::new());
    for bytes in 10..30 {
        let client = world.inside(|| TcpStream::connect("127.0.0.1:9002").unwrap());
        let server = listener.accept().unwrap().0;
        transfer(&client, &server, bytes);
        let port = client.local_addr().unwrap().port();
        sent.entry(("127.0.0.1".to_owned(), port)).or_default().push((bytes, 0));
        let (first, second) = if bytes % 2 == 0 { (client, server) } else { (server, client) };
        // Some in the middle of a tick, so that no reading has seen them.
        thread::sleep(Duration::from_millis(if bytes % 5 == 0 { 90 } else { 0 }));
        drop(first);
        open.push(second);
    }
    thread::sleep(Duration::from_millis(700));
    let early = count(&running.rows.lock().unwrap());
    drop(open);
    let (status, rows, messages) = running.stop(|rows| count(rows) >= 20);
    assert_eq!((status, messages.as_str(), early), (Some(0), "", 0));
    must_agree(&told(&rows), &sent);
}

/// Two worlds joined by a cable; the second one has a listener that answers 50 bytes to each end of a stream.
fn joined(test: &str) -> Option<(World, World, TcpListener)> {
    let (one, other) = (World::quiet(test)?, World::quiet(test)?);
    one.veth("v0", "v1", Some(&other));
    for (world, name, last) in [(&one, "v0", 1), (&other, "v1", 2)] {
        world.set_address(name, Ipv4Addr::new(198, 18, 2, last));
        world.set_up(name, true);
    }
    let listener = other.inside(|| TcpListener::bind("198.18.2.2:9001").unwrap());
    Some((one, other, listener))
}

/// Makes connections to the other world.
fn call(world: &World, listener: &TcpListener, number: usize) -> Sent {
    let mut sent = Sent::new();
    for place in 0..number as u64 {
        let client = world.inside(|| TcpStream::connect("198.18.2.2:9001").unwrap());
        let mut server = listener.accept().unwrap().0;
        let port = client.local_addr().unwrap().port();
        transfer(&client, &server, place % 100);
        client.shutdown(Shutdown::Write).unwrap();
        read_end(&server);
        server.write_all(&[b'y'; 50]).unwrap();
        drop(server);
        assert_eq!((&client).read_to_end(&mut Vec::new()).unwrap(), 50);
        let key = ("198.18.2.1".to_owned(), port);
        sent.entry(key).or_default().push((place % 100, 50));
    }
    sent.values_mut().for_each(|all| all.sort_unstable());
    sent
}

#[test]
fn an_ordinary_user_sees_connections_to_other_machines_too() {
    let Some((one, _other, listener)) =
        joined("an_ordinary_user_sees_connections_to_other_machines_too")
    else {
        return;
    };
    let running = start(&one, Rights::Nobody, &["--quiet-gaps"]);
    let sent = call(&one, &listener, 100);
    let (status, rows, messages) = running.stop(|rows| count(rows) >= 100);
    assert_eq!((status, messages.as_str()), (Some(0), ""));
    must_agree(&told(&rows), &sent);
    // In groups, by the end that is elsewhere.
    let words = ["--by", "peer,service", "--interval", "0.3"];
    let running = start(&one, Rights::Nobody, &words);
    let sent = call(&one, &listener, 100);
    let bytes: u64 = sent.values().flatten().map(|(tx, _)| tx).sum();
    let sums = |rows: &str| {
        rows.lines().fold([0; 3], |sums, row| {
            let fields: Vec<_> = row.split('\t').collect();
            assert_eq!(fields[1..3], ["198.18.2.2", "9001"], "{row}");
            [0, 1, 2].map(|place| sums[place] + fields[3 + place].parse::<u64>().unwrap())
        })
    };
    let (status, rows, messages) = running.stop(|rows| sums(rows)[0] >= 100);
    assert_eq!(sums(&rows), [100, 5000, bytes]);
    // Such groups show no process, so that none is missing.
    assert_eq!((status, messages.as_str()), (Some(0), ""));
}

#[test]
fn bytes_are_exact_whichever_end_closes_first() {
    let Some((one, other, listener)) = joined("bytes_are_exact_whichever_end_closes_first") else {
        return;
    };
    let running = [&one, &other].map(|world| start(world, Rights::Nobody, &["--quiet-gaps"]));
    let mut sent = Sent::new();
    for way in 0..4 {
        let mut open = Vec::new();
        for place in 0..25 {
            let client = one.inside(|| TcpStream::connect("198.18.2.2:9001").unwrap());
            let server = listener.accept().unwrap().0;
            transfer(&client, &server, 100 + place);
            transfer(&server, &client, 50 + place);
            let key = ("198.18.2.1".to_owned(), client.local_addr().unwrap().port());
            sent.entry(key).or_default().push((100 + place, 50 + place));
            open.push(if way % 2 == 0 { (client, server) } else { (server, client) });
        }
        // The second end has read the first one's FIN, or not, when it closes after a delay.
        let (first, second): (Vec<_>, Vec<_>) = open.into_iter().unzip();
        drop(first);
        if way < 2 {
            second.iter().for_each(read_end);
        }
        thread::sleep(Duration::from_millis(100));
        [&one, &other].into_iter().for_each(wait_until_read);
    }
    for one in running {
        let (status, rows, messages) = one.stop(|rows| count(rows) >= 100);
        assert_eq!((status, messages.as_str()), (Some(0), ""));
        must_agree(&told(&rows), &sent);
    }
}

#[test]
fn what_a_stopped_reader_misses_is_counted() {
    let Some((one, _other, listener)) = joined("what_a_stopped_reader_misses_is_counted") else {
        return;
    };
    // The small buffer of an ordinary user.
    let running = start(&one, Rights::Nobody, &["--quiet-gaps"]);
    running.signal(Signal::STOP);
    let mut sent = Sent::new();
    let mut more = |number| {
        let all = call(&one, &listener, number);
        all.into_iter().for_each(|(client, bytes)| sent.entry(client).or_default().extend(bytes));
    };
    let drops = || {
        let fields = |row: &str| row.split_ascii_whitespace().nth(8)?.parse::<u64>().ok();
        one.proc_net("netlink").lines().skip(1).filter_map(fields).sum::<u64>()
    };
    let mut all = 100;
    while drops() < 1000 {
        more(1000);
        all += 1000;
        assert!(all < 100_000);
    }
    running.signal(Signal::CONT);
    thread::sleep(Duration::from_millis(300));
    more(100);
    let (status, rows, messages) = running.stop(|rows| count(rows) as u64 + drops() >= all as u64);
    assert_eq!(status, Some(1));
    let lost = messages.lines().map(|line| {
        let rest = line.strip_prefix("tcptrack: --ended: ").expect(line);
        rest.split_once(" reports of ends lost (a connection within this machine has two): ")
            .expect(line)
            .0
            .parse::<usize>()
            .expect(line)
    });
    let (lost, number) = (lost.sum::<usize>(), count(&rows));
    assert!(lost >= 1000 && number > 200, "{number} rows and {messages}");
    assert_eq!(number + lost, all);
    let told = told(&rows);
    for (client, rows) in &told {
        let all = &sent[client];
        assert!(rows.iter().all(|row| all.contains(row)), "{client:?} {rows:?} {all:?}");
    }
}

#[test]
fn rows_show_each_short_connection_once_for_its_speed() {
    let Some(world) = World::quiet("rows_show_each_short_connection_once_for_its_speed") else {
        return;
    };
    let words = ["tcptrack", "--rate-interval", "0.2", "--count", "15"];
    let child = world.connbox_piped(Rights::Root, &words);
    thread::sleep(Duration::from_millis(700));
    let sent = world.inside(|| make_short_ones(300));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let (mut seen, mut fast) = (Sent::new(), BTreeMap::<_, u32>::new());
    for row in text(&output.stdout).lines() {
        let fields: Vec<_> = row.split('\t').collect();
        let number = |place: usize| fields[place].parse::<u64>().unwrap();
        let client = (fields[1].to_owned(), fields[2].parse::<u16>().unwrap());
        if fields[5] == "CLOSED" {
            seen.insert(client.clone(), vec![(number(10), number(9))]);
        }
        *fast.entry(client).or_default() += u32::from(number(7) + number(8) > 0);
    }
    // Ports are used again only by connections of the other family here.
    must_agree(&seen, &sent);
    for (client, bytes) in &sent {
        let has_bytes = bytes.iter().any(|(tx, rx)| tx + rx > 0);
        let times = fast[client];
        assert!(times <= 2 && (times > 0) == has_bytes, "{client:?} {times} {bytes:?}");
    }
}

#[test]
fn where_the_group_cannot_be_joined_it_polls_and_says_so() {
    let test = "where_the_group_cannot_be_joined_it_polls_and_says_so";
    let Some(world) = World::quiet(test) else { return };
    let Some(bans) = sys::groups_ban(libc::EPERM) else {
        return support::lacks(test, "seccomp", "the tests have no program for this processor");
    };
    const WARNING: &str = "tcptrack: sock_diag: Operation not permitted: the kernel does not report which \
        connections end, so that those shorter than a tick are missing, and the last bytes of others\n";
    let words = ["tcptrack", "--count", "2", "--rate-interval", "0.1"];
    let ran = world.connbox_as(Rights::NoGroups(bans), &words);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, WARNING));
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9002").unwrap());
    let client = world.inside(|| TcpStream::connect("127.0.0.1:9002").unwrap());
    let server = listener.accept().unwrap().0;
    transfer(&client, &server, 88);
    let words = ["tcptrack", "--ended", "--count", "1", "--rate-interval", "0.2"];
    let child = world.connbox_piped(Rights::NoGroups(bans), &words);
    thread::sleep(Duration::from_millis(700));
    end(0, client, server);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), WARNING));
    let rows = told(text(&output.stdout));
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [[(88, 0)]]);
}

#[test]
fn a_period_in_groups_has_metrics_of_its_own() {
    let Some(world) = World::quiet("a_period_in_groups_has_metrics_of_its_own") else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9002").unwrap());
    let words = "tcptrack --ended --by server_port,client --interval 2 --count 1 --prom";
    let words: Vec<&str> = words.split(' ').collect();
    let file = std::env::temp_dir().join(format!("connbox-ended-{}.prom", std::process::id()));
    let into_file = [&["--textfile", file.to_str().unwrap()], &words[..words.len() - 1]].concat();
    let [direct, textfile] =
        [words, into_file].map(|words| world.connbox_piped(Rights::Root, &words));
    thread::sleep(Duration::from_millis(800));
    for bytes in [100, 200, 300] {
        let client = world.inside(|| TcpStream::connect("127.0.0.1:9002").unwrap());
        let server = listener.accept().unwrap().0;
        transfer(&client, &server, bytes);
        end(0, client, server);
    }
    let direct = direct.wait_with_output().unwrap();
    assert_eq!((direct.status.code(), text(&direct.stderr)), (Some(0), ""));
    let output = textfile.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let collected = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let labels = "{server_port=\"9002\",client=\"127.0.0.1\"}";
    for (metric, number) in [("connections", 3), ("rx_bytes", 0), ("tx_bytes", 600)] {
        let sample = format!("connbox_tcptrack_ended_{metric}{labels} {number}\n");
        for text in [text(&direct.stdout), &collected] {
            assert!(text.contains(&sample), "{sample} {text}");
        }
    }
    assert!(!text(&direct.stdout).contains("connbox_tcptrack_connections"));
}

/// Nor does a reader matter that is gone, where nothing is written to it.
#[test]
fn a_period_that_a_signal_cuts_replaces_no_file() {
    let Some(world) = World::quiet("a_period_that_a_signal_cuts_replaces_no_file") else { return };
    let file = std::env::temp_dir().join(format!("connbox-cut-{}.prom", std::process::id()));
    let name = file.to_str().unwrap();
    let words = ["tcptrack", "--ended", "--by", "service", "--interval", "60", "--count", "1"];
    for all in [
        [&words[..], &["--output", name]].concat(),
        [&words[..], &["--prom"]].concat(),
        [&["--textfile", name], &words[..]].concat(),
        [&["--textfile", "--interval", "9", name], &words[..]].concat(),
    ] {
        std::fs::write(&file, "old\n").unwrap();
        let mut child = world.connbox_piped(Rights::Root, &all);
        drop(child.stdout.take());
        wait_for_group(&world);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(child.try_wait().unwrap(), None, "{all:?}");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15), "{all:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n", "{all:?}");
    }
    std::fs::remove_file(&file).unwrap();
    // Rows so far are written, and said to be too few where their number was given.
    let early = "tcptrack: a signal ended the run early: samples are missing\n";
    for (count, said) in [(&[][..], ""), (&["--count", "3"], early)] {
        let words = [&["--by", "service", "--interval", "0.3"], count].concat();
        let running = start(&world, Rights::Root, &words);
        let (status, _, stderr) = running.stop(|_| true);
        assert_eq!((status, stderr.as_str()), (Some(i32::from(!said.is_empty())), said));
    }
}

#[test]
fn what_makes_no_sense_with_ended_connections_is_refused() {
    let Some(world) = World::quiet("what_makes_no_sense_with_ended_connections_is_refused") else {
        return;
    };
    for (words, reason) in [
        (&["--prom"][..], "--prom: needs --by and --count 1 with --ended: its rows have no end"),
        (&["--prom", "--count", "1"], "--prom: needs --by and --count 1 with --ended"),
        (&["--prom", "--by", "peer"], "--prom: needs --by and --count 1 with --ended"),
        (&["--prom", "--by", "peer", "--count", "2"], "--prom: needs --by and --count 1 with"),
        (&["-i", "lo"], "-i: cannot be combined with --ended, which follows the sockets"),
        (&["-T", "x"], "-T: cannot be combined with --ended, which follows the sockets"),
        (&["--conntrack"], "--conntrack: cannot be combined with --ended, which follows"),
        (&["--once"], "--once: cannot be combined with --ended: connections come when they end"),
        (&["--sort", "rx"], "--sort: cannot be combined with --ended: connections come"),
        (&["-r", "1"], "--remove-after: cannot be combined with --ended: connections come"),
        (&["--interval", "1"], "--interval: needs --by with --ended: connections come"),
        (&["--top", "3"], "--top: needs --by"),
        (&["--min", "3"], "--min: needs --by"),
        (&["--output", "/tmp/x"], "--output: needs --count with --ended, otherwise the file"),
    ] {
        let ran = world.connbox(&[&["tcptrack", "--ended"], words].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{words:?} {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("tcptrack: {reason}")), "{words:?} {}", ran.stderr);
    }
}

/// What nfcapd has of each client: the bytes of both directions.
#[test]
fn every_connection_goes_to_a_collector_with_its_bytes() {
    let test = "every_connection_goes_to_a_collector_with_its_bytes";
    if !support::needs(test, &["nfcapd", "nfdump"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let folder = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let name = folder.to_str().unwrap();
    let words = ["-w", name, "-b", "127.0.0.1", "-p", "4739", "-t", "86400", "-B", "4000000"];
    let mut nfcapd = world.running("nfcapd", &words).1;
    wait("nfcapd", || world.proc_net("udp").contains(":1283 "));
    let running = start(&world, Rights::Root, &["--ipfix", "127.0.0.1:4739"]);
    thread::sleep(Duration::from_millis(300));
    let sent = world.inside(|| make_short_ones(3000));
    let (status, rows, messages) = running.stop(|rows| count(rows) >= 3000);
    assert_eq!((status, messages.as_str()), (Some(0), ""));
    must_agree(&told(&rows), &sent);
    kill_process(Pid::from_raw(nfcapd.pid() as i32).unwrap(), Signal::TERM).unwrap();
    nfcapd.end();
    let format = "fmt:%sa|%sp|%da|%dp|%pkt|%byt";
    let flows = world.tool("nfdump", &["-R", name, "-q", "-N", "-6", "-o", format]);
    let mut seen = Sent::new();
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
    for line in flows.lines().filter(|line| line.contains('|')) {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let number = |place: usize| fields[place].parse::<u64>().unwrap();
        assert!(number(4) > 0, "{line}");
        let (bytes, is_forth) = (number(5), fields[3] == "9001");
        let (place, port) = if is_forth { (0, 1) } else { (2, 3) };
        let client = (fields[place].to_owned(), number(port) as u16);
        *if is_forth { &mut forth } else { &mut back }.entry(client).or_insert(0) += bytes;
    }
    for (client, bytes) in forth {
        let back = back.remove(&client).unwrap_or_default();
        seen.insert(client, vec![(bytes, back)]);
    }
    // A port may serve twice: sums are enough.
    let summed = sent.into_iter().map(|(client, all)| {
        let sum = |sums: (u64, u64), one: &(u64, u64)| (sums.0 + one.0, sums.1 + one.1);
        (client, vec![all.iter().fold((0, 0), sum)])
    });
    must_agree(&seen, &summed.collect());
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let exporters = world.tool("nfdump", &["-E", file.to_str().unwrap()]);
    assert!(exporters.contains("ID:  2, Sequence failures: 0,"), "{exporters}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The address of a collector where nobody listens, and the reason, are said at once and at the end.
#[test]
fn a_collector_that_is_away_is_named_and_its_records_are_missing() {
    let test = "a_collector_that_is_away_is_named_and_its_records_are_missing";
    let Some(world) = World::quiet(test) else { return };
    let running = start(&world, Rights::Root, &["--ipfix", "127.0.0.1:4739/tcp"]);
    world.inside(|| make_short_ones(6));
    let (status, rows, messages) = running.stop(|rows| count(rows) >= 6);
    assert_eq!((status, count(&rows)), (Some(1), 6));
    let reason = "127.0.0.1:4739/tcp: Connection refused";
    let lines: Vec<_> = messages.lines().collect();
    let first = format!("tcptrack: --ipfix: {reason}: records wait for the collector");
    let last = format!(" records did not reach the collector {reason}");
    assert!(lines.len() == 2 && lines[0] == first && lines[1].ends_with(&last), "{messages}");
}

/// It has taken the connection, and takes nothing more.
#[test]
fn what_a_collector_has_not_acknowledged_is_missing() {
    let test = "what_a_collector_has_not_acknowledged_is_missing";
    if !support::needs(test, &["nft"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:4739").unwrap());
    let running = start(&world, Rights::Root, &["--ipfix", "127.0.0.1:4739/tcp"]);
    let connection = listener.accept().unwrap();
    let rule = "add table inet t; add chain inet t c { type filter hook input priority 0; }; \
                add rule inet t c tcp dport 4739 drop";
    world.tool("nft", &[rule]);
    world.inside(|| make_short_ones(6));
    let (status, _, messages) = running.stop(|rows| count(rows) >= 6);
    let wanted =
        "records did not reach the collector 127.0.0.1:4739/tcp: it acknowledged nothing more\n";
    assert!(status == Some(1) && messages.ends_with(wanted), "{messages}");
    drop(connection);
}
