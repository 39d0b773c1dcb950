//! `--netns all`: every network namespace of the machine once, and correct numbers for all of them together.
//!
//! The namespaces are real, made and dropped by each test. Names are given to them in the mount namespace of
//! the run only. The output also contains other namespaces that exist on the machine meanwhile, so each test
//! looks at its own rows.

use crate::support;
use crate::world;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use connbox::error::Error;
use connbox::measure::machine;
use connbox::model::{Family, Protocol};
use connbox::source::Source;
use connbox::source::files::counts;
use connbox::source::netns::{self, Missing};
use world::{Ran, Rights, Sockets, World, connbox_among, connbox_outside, tool_among};

/// The output of a run with `--netns all` that succeeded.
fn all(named: &[(&str, &World)], words: &[&str]) -> String {
    let words = [words, &["--netns", "all"]].concat();
    world::settled(|| connbox_among(named, Rights::Root, &words)).clean()
}

/// The rows of the namespaces with these labels, in the order of the output.
fn rows_of(text: &str, labels: &[&str]) -> Vec<String> {
    let is_own = |line: &&str| labels.contains(&line.split('\t').next().unwrap_or_default());
    text.lines().filter(is_own).map(str::to_owned).collect()
}

/// The value of a row that counts the whole machine. There must be exactly one such row.
fn machine(text: &str, name: &str) -> i64 {
    let start = format!("-\t-\t{name}\t");
    let values: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(&start)).collect();
    let [value] = values[..] else { panic!("{} rows {name}: {text}", values.len()) };
    value.split('\t').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// The sum of a number over all namespaces.
fn sum(text: &str, name: &str) -> i64 {
    let fields = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    fields
        .filter(|fields| fields[0] != "-" && fields[2] == name)
        .map(|fields| fields[3].parse::<i64>().expect("a number"))
        .sum()
}

/// The same, repeated until `adds_up`, if it ever does. A namespace that another test enters for a moment may be in the
/// sums and have no row; but a wrong calculation is wrong every time.
fn all_that_adds_up(three: &Three, words: &[&str], adds_up: impl Fn(&str) -> bool) -> String {
    let _machine = world::hold_machine();
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let text = all(&three.named(), words);
        if adds_up(&text) || Instant::now() > end {
            return text;
        }
    }
}

/// Two worlds with names and one without, each with a different number of sockets.
struct Three {
    red: World,
    amber: World,
    unnamed: World,
    residents: [world::Resident; 2],
}

impl Three {
    fn make(test: &str) -> Option<Self> {
        let red = Sockets { listen: 2, listen6: 1, unbound: 3, ..Sockets::default() };
        let amber = Sockets { listen: 1, udp: 2, refused: 5, ..Sockets::default() };
        let unnamed = Sockets { listen6: 4, unbound: 1, udp: 1, ..Sockets::default() };
        let red = World::plain(test, red)?;
        let amber = World::plain(test, amber)?;
        let unnamed = World::plain(test, unnamed)?;
        let residents = [amber.resident(), unnamed.resident()];
        Some(Self { red, amber, unnamed, residents })
    }

    fn named(&self) -> [(&str, &World); 2] {
        [("red", &self.red), ("amber", &self.amber)]
    }

    /// The first columns of the rows of each world, in the order of the rows.
    fn heads(&self) -> [String; 3] {
        let [amber, unnamed] = self.residents.each_ref().map(world::Resident::pid);
        let inode = self.unnamed.inode();
        [format!("amber\t{amber}/sleep"), "red\t-".into(), format!("{inode}\t{unnamed}/sleep")]
    }

    /// The rows of these three worlds in the output of a run. It is repeated while the connbox of another test visits
    /// one and hides the resident.
    fn rows(&self, words: &[&str]) -> Vec<String> {
        let (heads, inode) = (self.heads(), self.unnamed.inode().to_string());
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let rows = rows_of(&all(&self.named(), words), &["red", "amber", &inode]);
            let is_known = |row: &String| heads.iter().any(|head| row.starts_with(head));
            if rows.iter().all(is_known) || Instant::now() > end {
                return rows;
            }
        }
    }
}

#[test]
fn every_namespace_has_its_rows() {
    let Some(three) = Three::make("every_namespace_has_its_rows") else { return };
    let expect = |words: &[&str], rows: [&[&str]; 3]| {
        let heads = three.heads();
        let wanted: Vec<String> = heads
            .iter()
            .zip(rows)
            .flat_map(|(head, rows)| rows.iter().map(move |row| format!("{head}\t{row}")))
            .collect();
        assert_eq!(three.rows(words), wanted, "{words:?}");
    };
    expect(
        &["sockstat", "TCP.inuse", "TCP6.inuse", "UDP.inuse"],
        [
            &["TCP\tinuse\t1", "TCP6\tinuse\t0", "UDP\tinuse\t2"],
            &["TCP\tinuse\t2", "TCP6\tinuse\t1", "UDP\tinuse\t0"],
            &["TCP\tinuse\t0", "TCP6\tinuse\t4", "UDP\tinuse\t1"],
        ],
    );
    expect(
        &["closedcalc"],
        [
            &["inuse\t1", "inuse6\t0", "tw\t0"],
            &["inuse\t2", "inuse6\t1", "tw\t0"],
            &["inuse\t0", "inuse6\t4", "tw\t0"],
        ],
    );
    expect(
        &["conncount", "--transport", "unhashed", "udp_ip", "synrecv", "tcp_inuse", "closed"],
        [
            &["udp_ip\t2", "synrecv\t0", "tcp_inuse\t1"],
            &["udp_ip\t0", "synrecv\t0", "tcp_inuse\t3"],
            &["udp_ip\t1", "synrecv\t0", "tcp_inuse\t4"],
        ],
    );
    for source in ["auto", "netlink", "procfs"] {
        expect(
            &["tcpstates", "--source", source, "listen", "established"],
            [
                &["LISTEN\t1", "ESTABLISHED\t0"],
                &["LISTEN\t3", "ESTABLISHED\t0"],
                &["LISTEN\t4", "ESTABLISHED\t0"],
            ],
        );
    }
    expect(
        &["snmpget-tcp", "ActiveOpens"],
        [&["TcpActiveOpens\t5"], &["TcpActiveOpens\t0"], &["TcpActiveOpens\t0"]],
    );
}

#[test]
fn every_namespace_says_what_it_says_alone() {
    let test = "every_namespace_says_what_it_says_alone";
    let Some(world) = World::all_states(test) else { return };
    let named = [("world", &world)];
    for words in [
        &["tcpstates"][..],
        &["tcpstates", "--by", "family"],
        &["conncount", "--transport", "estab", "synrecv", "timewait", "inet"],
        &["snmpget-tcp", "CurrEstab", "ActiveOpens", "--explain"],
        &["sockstat", "TCP.inuse", "TCP.tw", "TCP6.inuse", "--limits", "--explain"],
    ] {
        // A retransmission may change a number of the world between the two runs.
        let alone = || Ok(world.connbox(words).stdout);
        let (alone, everywhere) = world::at_a_quiet_point(alone, || all(&named, words));
        let alone: Vec<_> = alone.lines().map(|line| format!("world\t-\t{line}")).collect();
        assert_eq!(rows_of(&everywhere, &["world"]), alone, "{words:?}");
    }
}

#[test]
fn rows_do_not_depend_on_the_number_of_threads() {
    let Some(three) = Three::make("rows_do_not_depend_on_the_number_of_threads") else { return };
    for words in [
        &["sockstat", "TCP.inuse", "TCP.tw", "TCP6.inuse", "UDP.inuse", "--limits"][..],
        &["snmpget-tcp", "ActiveOpens", "CurrEstab", "--explain"],
        &["tcpstates"],
        &["closedcalc", "inuse", "inuse6", "tw"],
    ] {
        let by = |threads| three.rows(&[words, &["--threads", threads]].concat());
        let (one, eight) = (by("1"), by("8"));
        assert!(one.len() > 3, "{words:?}: {one:?}");
        assert_eq!(one, eight, "{words:?}");
    }
}

#[test]
fn threads_read_what_one_thread_reads() {
    let Some(three) = Three::make("threads_read_what_one_thread_reads") else { return };
    let all = netns::list().expect("the namespaces");
    let in_use = |threads| {
        let source = Source::default();
        let (seen, missing) = all
            .read(threads, |_| Ok(counts::sockstat(&source)?.inuse(Protocol::Tcp, Family::Inet)))
            .expect("counts");
        assert_eq!(missing, Missing::default(), "{threads} threads");
        let ours = [(three.amber.inode(), 1), (three.unnamed.inode(), 0)];
        for wanted in ours {
            assert!(seen.iter().any(|(namespace, count)| (namespace.inode, *count) == wanted));
        }
        seen.iter().map(|(namespace, _)| namespace.inode).collect::<Vec<_>>()
    };
    let listed: Vec<_> = all.list().iter().map(|namespace| namespace.inode).collect();
    for threads in [1, 2, 7, 100] {
        // Namespaces of other tests come and go.
        let mut rest = listed.iter();
        assert!(in_use(threads).iter().all(|inode| rest.any(|other| other == inode)));
        let wrong = three.unnamed.inode();
        let result = all.read(threads, |namespace| match namespace.inode == wrong {
            true => Err(Error::failed("here", "of a thread")),
            false => Ok(()),
        });
        assert!(matches!(result, Err(Error::Fault { text, .. }) if text == b"here: of a thread"));
    }
}

#[test]
fn each_number_has_one_row() {
    let Some(three) = Three::make("each_number_has_one_row") else { return };
    let of_machine = |text: &str| -> Vec<String> {
        rows_of(text, &["-"])
            .iter()
            .map(|row| row.split('\t').nth(2).expect("a name").to_owned())
            .collect()
    };
    let adds_up = |text: &str| {
        let inuse = sum(text, "inuse") + sum(text, "inuse6");
        let (alloc, tw) = (machine(text, "alloc"), sum(text, "tw"));
        machine(text, "unhashed") == alloc - inuse && machine(text, "closed") == alloc - inuse + tw
    };
    let text = all_that_adds_up(&three, &["closedcalc"], adds_up);
    assert!(adds_up(&text), "{text}");
    assert_eq!(of_machine(&text), ["closed", "unhashed", "alloc"]);
    let last = text.lines().skip_while(|line| !line.starts_with("-\t")).count();
    assert_eq!(last, 3, "the machine's rows come last: {text}");

    let adds_up =
        |text: &str| machine(text, "closed") - machine(text, "unhashed") == sum(text, "timewait");
    let text = all_that_adds_up(&three, &["conncount"], adds_up);
    assert!(adds_up(&text), "{text}");
    assert_eq!(of_machine(&text), ["tcp", "closed", "orphaned", "unhashed"]);
    let picked = all(&three.named(), &["conncount", "unhashed", "estab", "tcp"]);
    assert_eq!(of_machine(&picked), ["unhashed", "tcp"]);
    assert!(
        picked.lines().filter(|line| !line.starts_with('-')).all(|line| line.contains("\testab\t"))
    );
    assert_eq!(all(&three.named(), &["closedcalc", "-v", "unhashed"]).lines().count(), 1);
}

#[test]
fn differences_that_hold_sockets_of_other_namespaces_come_with_a_warning() {
    let test = "differences_that_hold_sockets_of_other_namespaces_come_with_a_warning";
    let Some(three) = Three::make(test) else { return };
    // Whether the tests run in the first namespace or not.
    for (words, is_difference, status) in [
        (&["closedcalc"][..], true, 0),
        (&["closedcalc", "closed"], true, 1),
        (&["closedcalc", "unhashed", "tw"], true, 1),
        (&["conncount"], true, 0),
        (&["conncount", "estab", "unhashed"], true, 1),
        (&["conncount", "tcp"], true, 1),
        (&["conncount", "--quick", "-v", "tcp", "total"], true, 1),
        (&["conncount", "estab", "timewait"], false, 0),
        // What counts the machine says so, and is no less true.
        (&["conncount", "orphaned"], false, 0),
        (&["sockstat", "TCP"], false, 0),
        (&["closedcalc", "--quiet-gaps"], false, 0),
        (&["closedcalc", "unhashed", "--quiet-gaps"], false, 0),
    ] {
        let ran = connbox_outside(words);
        assert_eq!(ran.status, status, "{words:?}");
        let is_said = ran.stderr.contains("use --netns all");
        assert_eq!(is_said, is_difference, "{words:?}: {}", ran.stderr);
    }
    drop(three);
}

#[test]
fn the_formulae_are_explained_with_their_sums() {
    let Some(three) = Three::make("the_formulae_are_explained_with_their_sums") else { return };
    let has_sums = |text: &str| {
        let (inuse, inuse6) = (sum(text, "inuse"), sum(text, "inuse6"));
        let (alloc, tw) = (machine(text, "alloc"), sum(text, "tw"));
        let closed = format!(
            "\thost\talloc - (sum of inuse + sum of inuse6 - sum of tw) = {alloc} - ({inuse} + {inuse6} - {tw})\t"
        );
        let unhashed = format!(
            "\thost\talloc - sum of inuse - sum of inuse6 = {alloc} - {inuse} - {inuse6}\t"
        );
        text.contains(&closed) && text.contains(&unhashed)
    };
    let text = all_that_adds_up(&three, &["closedcalc", "--explain"], has_sums);
    assert!(has_sums(&text), "{text}");
    let text = all(&three.named(), &["conncount", "--explain", "closed", "tcp"]);
    assert!(
        text.contains("\thost\talloc - (sum of inuse + sum of inuse6 - sum of tw)\t"),
        "{text}"
    );
    assert!(text.contains("\thost\t/proc/net/sockstat TCP alloc + sum of tw\t"), "{text}");
}

/// The closed, unhashed and alloc of the machine; for a summary, the closed, unhashed and tcp.
fn of_machine(named: &[(&str, &World)], applet: &str) -> [i64; 3] {
    let text = all(named, &[applet]);
    let total = if applet == "closedcalc" { "alloc" } else { "tcp" };
    ["closed", "unhashed", total].map(|name| machine(&text, name))
}

#[test]
fn unhashed_is_right_for_the_whole_machine() {
    let Some(three) = Three::make("unhashed_is_right_for_the_whole_machine") else { return };
    let named = three.named();
    let worlds = [&three.red, &three.amber, &three.unnamed];
    for applet in ["closedcalc", "conncount"] {
        let looks = || {
            let _alone = world::hold_machine();
            let before = of_machine(&named, applet);
            let unbound = Sockets { unbound: 7, ..Sockets::default() };
            let idle = worlds.map(|world| world.more(unbound));
            let with_idle = of_machine(&named, applet);
            let hashed = Sockets { listen: 2, listen6: 3, ..Sockets::default() };
            let busy = worlds.map(|world| world.more(hashed));
            let with_all = of_machine(&named, applet);
            drop((idle, busy));
            [before, with_idle, with_all, of_machine(&named, applet)]
        };
        let is_right = |[before, with_idle, with_all, after]: &[[i64; 3]; 4]| {
            let [closed, unhashed, total] = *before;
            *with_idle == [closed + 21, unhashed + 21, total + 21]
                && *with_all == [closed + 21, unhashed + 21, total + 36]
                && after == before
        };
        // Other programs make sockets, too; but a wrong calculation is wrong every time.
        let end = Instant::now() + Duration::from_secs(120);
        let mut last = looks();
        while !is_right(&last) {
            assert!(Instant::now() < end, "{applet}: never right: {last:?}");
            thread::sleep(Duration::from_millis(20));
            last = looks();
        }
    }
}

/// As tcpstates shows them: those without a socket, too, the first namespace first, others by name.
#[test]
fn each_namespace_has_its_number_of_sockets_that_match() {
    let test = "each_namespace_has_its_number_of_sockets_that_match";
    let Some(three) = Three::make(test) else { return };
    let rows = |words: &[&str]| rows_of(&all(&three.named(), words), &["amber", "red"]);
    let ends = |words: &[&str], amber: &str, red: &str| {
        let rows = rows(words);
        let is_so = |row: &str, name: &str, end: &str| {
            row.starts_with(&format!("{name}\t"))
                && row.ends_with(end)
                && row.split('\t').count() == 3
        };
        assert!(
            rows.len() == 2 && is_so(&rows[0], "amber", amber) && is_so(&rows[1], "red", red),
            "{rows:?}"
        );
    };
    ends(&["conncount", "--state", "listen"], "\t1", "\t3");
    ends(&["conncount", "--state", "listen", "-6"], "\t0", "\t1");
    ends(&["conncount", "--udp", "--lport", "1-65535"], "\t2", "\t0");
    ends(&["conncount", "--raddr", "192.0.2.1"], "\t0", "\t0");
    let prom = all(&three.named(), &["conncount", "--raddr", "192.0.2.1", "--prom"]);
    let is_zero = |line: &str| line.contains("{netns=\"red\",") && line.ends_with(" 0");
    assert!(prom.lines().any(is_zero), "{prom}");
    let found = rows(&["conncount", "--state", "listen", "--skip-empty", "-6"]);
    assert!(found.len() == 1 && found[0].starts_with("red\t"), "{found:?}");
    // Groups have the namespace as their first key.
    assert_eq!(
        rows(&["conncount", "--state", "listen", "--by", "state"]),
        ["red\tLISTEN\t3", "amber\tLISTEN\t1"]
    );
    assert_eq!(rows(&["conncount", "--state", "listen", "--min", "2"]), ["red\t3"]);
}

#[test]
fn without_rights_the_own_namespace_is_counted() {
    let test = "without_rights_the_own_namespace_is_counted";
    let Some(three) = Three::make(test) else { return };
    let own = connbox_outside(&["conncount", "--by", "netns"]).stdout;
    let own = own.split('\t').next().unwrap();
    let run = |words: &[&str]| connbox_among(&three.named(), Rights::Nobody, words);
    for words in [
        &["sockstat", "--netns", "all", "TCP.inuse"][..],
        &["tcpstates", "--netns", "all", "listen"],
        &["sockstat", "--netns=all", "TCP.inuse", "--interval", "0.01", "--count", "3", "-v"],
    ] {
        let ran = run(words);
        assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{ran:?}");
        assert!(ran.stderr.contains("CAP_SYS_ADMIN and CAP_SYS_PTRACE"), "{ran:?}");
        // Two, and what an ordinary user of a test beside has.
        assert!(ran.stderr.contains(" network namespaces may not be entered, nor "), "{ran:?}");
        let is_own = |line: &str| line.starts_with(own) || !line.contains('\t');
        assert!(ran.stdout.lines().all(is_own) && !ran.stdout.is_empty(), "{ran:?}");
    }
    let ran = run(&["closedcalc", "--netns", "all"]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (1, 6), "{ran:?}");
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("closed and unhashed"), "{ran:?}");
}

/// Runs a shell line as root among these worlds, with `$connbox` set. None if a tool is missing.
fn shell(test: &str, named: &[(&str, &World)], tools: &[&str], line: &str) -> Option<Ran> {
    support::needs(test, tools).then(|| {
        let line = format!("connbox='{}'\n{line}", world::connbox().display());
        tool_among(named, Rights::Root, Path::new("sh"), &["-c", &line])
    })
}

#[test]
fn what_is_missing_names_the_right() {
    let test = "what_is_missing_names_the_right";
    let Some(three) = Three::make(test) else { return };
    let without = |rights: &str, words: &str| {
        let line = format!(
            "exec setpriv --bounding-set {rights} --inh-caps {rights} $connbox {words} --netns all"
        );
        shell(test, &three.named(), &["setpriv"], &line)
    };
    let Some(ran) = without("-sys_admin", "sockstat TCP.inuse") else { return };
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("may not be entered (needs CAP_SYS_ADMIN): their"), "{ran:?}");
    let Some(ran) = without("-sys_ptrace", "sockstat TCP.inuse") else { return };
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("(needs CAP_SYS_ADMIN and CAP_SYS_PTRACE): their"), "{ran:?}");
    // A namespace with a name can be opened by everyone who may enter it.
    let wanted = ["amber\t-\tTCP\tinuse\t1", "red\t-\tTCP\tinuse\t2"];
    assert_eq!(rows_of(&ran.stdout, &["red", "amber"]), wanted);
}

/// Processes that cannot be inspected but are in our own namespace hide nothing.
#[test]
fn nothing_is_missing_where_all_live_together() {
    let test = "nothing_is_missing_where_all_live_together";
    let Some(world) = World::plain(test, Sockets { listen: 1, ..Sockets::default() }) else {
        return;
    };
    let line = "unshare --pid --fork --mount-proc sh -c \"sleep 300 & setpriv \
                --bounding-set -sys_ptrace,-sys_admin --inh-caps -sys_ptrace,-sys_admin \
                $connbox conncount --netns all; echo status \\$?; kill \\$!\"";
    let Some(ran) = shell(test, &[("world", &world)], &["unshare", "setpriv"], line) else {
        return;
    };
    // The world has a name but may not be entered; apart from it, nothing is missing.
    assert!(
        ran.stderr.contains(": 1 network namespace may not be entered (needs CAP_SYS_ADMIN)"),
        "{ran:?}"
    );
    let Some(ran) = shell(test, &[], &["unshare", "setpriv"], line) else { return };
    // Outside the PID namespace there may be more. (Names that ip(8) has given on this machine are covered here.)
    let said = "processes outside this PID namespace cannot be seen";
    assert!(ran.stdout.ends_with("status 1\n") && ran.stderr.contains(said), "{ran:?}");
    assert!(!ran.stderr.contains("may not be entered"), "{ran:?}");
}

#[test]
fn who_cannot_come_back_does_not_leave() {
    let test = "who_cannot_come_back_does_not_leave";
    let line = "unshare --user --map-root-user true || exit 77; \
                exec unshare --user --map-root-user sh -c \"unshare --net sleep 300 & \
                while ! ip=\\$(readlink /proc/\\$!/ns/net) || [ \\$ip = \\$(readlink /proc/self/ns/net) ]; \
                do :; done; $connbox sockstat --netns all TCP.inuse; echo status \\$?; kill \\$!\"";
    let Some(_world) = World::plain(test, Sockets::default()) else { return };
    let Some(ran) = shell(test, &[], &["unshare"], line) else { return };
    if ran.status == 77 {
        return support::lacks(test, "user namespaces", ran.stderr.trim_end());
    }
    assert!(
        ran.stderr.contains("may not be entered") && ran.stdout.ends_with("status 1\n"),
        "{ran:?}"
    );
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
}

#[test]
fn a_namespace_that_vanishes_is_passed_over() {
    let test = "a_namespace_that_vanishes_is_passed_over";
    let Some(world) = World::plain(test, Sockets::default()) else { return };
    let Some(stays) = World::plain(test, Sockets::default()) else { return };
    let (resident, _stays) = (world.resident(), [stays.resident(), stays.resident()]);
    let (gone, here) = (world.inode(), stays.inode());
    // In a separate thread, which moves through the namespaces.
    let visited = thread::spawn(move || {
        let listed = netns::list().expect("list");
        assert!(listed.list().iter().any(|namespace| namespace.inode == gone));
        drop(resident);
        let mut visited = Vec::new();
        let missing = listed.visit(&mut |namespace| {
            visited.push(namespace.inode);
            Ok(())
        });
        let missing = missing.expect("visit");
        let own = std::fs::read_link("/proc/thread-self/ns/net").expect("the own namespace");
        (visited, missing.text(), own)
    });
    let (visited, missing, own) = visited.join().expect("the thread");
    assert!(!visited.contains(&gone) && missing.is_none(), "{visited:?} {missing:?}");
    assert_eq!(visited.iter().filter(|inode| **inode == here).count(), 1);
    assert_eq!(own, std::fs::read_link("/proc/self/ns/net").expect("the own namespace"));
}

/// The kernel's `alloc` counts its sockets: without it they would seem to be in no table.
#[test]
fn a_namespace_that_comes_after_the_others_were_listed_is_read() {
    let test = "a_namespace_that_comes_after_the_others_were_listed_is_read";
    let before = netns::list().expect("list");
    let sockets = Sockets { listen: 200, listen6: 100, ..Sockets::default() };
    let Some(world) = World::plain(test, sockets) else { return };
    let _resident = world.resident();
    let _alone = world::hold_machine();
    // In a separate thread, which moves through the namespaces.
    let read = thread::spawn(move || machine::read(&before, &Source::default()).expect("numbers"));
    let numbers = read.join().expect("the thread");
    let tcp = numbers.of.get(world.inode().to_string().as_bytes());
    assert_eq!(tcp.map(|tcp| (tcp.inuse, tcp.inuse6)), Some((200, 100)), "{numbers:?}");
}

#[test]
fn namespaces_that_come_and_go_disturb_nothing() {
    let test = "namespaces_that_come_and_go_disturb_nothing";
    let Some(world) = World::plain(test, Sockets { listen: 3, ..Sockets::default() }) else {
        return;
    };
    let _resident = world.resident();
    let label = world.inode().to_string();
    thread::scope(|scope| {
        let churn = scope.spawn(|| (0..200).for_each(|_| world::pass_through_a_namespace()));
        while !churn.is_finished() {
            let text = connbox_outside(&["tcpstates", "--netns", "all", "listen"]).clean();
            let rows = rows_of(&text, &[&label]);
            assert!(rows.len() == 1 && rows[0].ends_with("\tLISTEN\t3"), "{text}");
        }
    });
}

#[test]
fn files_that_are_no_namespaces_are_passed_over() {
    let test = "files_that_are_no_namespaces_are_passed_over";
    let Some(world) = World::plain(test, Sockets { listen: 1, ..Sockets::default() }) else {
        return;
    };
    let line = "touch /run/netns/stale /run/netns/mount && mkdir /run/netns/directory && \
                ln -s nowhere /run/netns/dangling && ln -s red /run/netns/also-red && \
                mount --bind /proc/self/ns/uts /run/netns/mount && \
                exec $connbox tcpstates --netns all listen";
    let Some(ran) = shell(test, &[("red", &world)], &["mount", "ln"], line) else { return };
    let text = ran.clean();
    assert_eq!(rows_of(&text, &["also-red"]), ["also-red\t-\tLISTEN\t1"], "{text}");
    for label in ["stale", "mount", "directory", "dangling", "red"] {
        assert!(rows_of(&text, &[label]).is_empty(), "{text}");
    }
}

/// As Docker keeps those of its networks, and nothing lives there.
#[test]
fn a_namespace_that_is_mounted_anywhere_is_counted() {
    let test = "a_namespace_that_is_mounted_anywhere_is_counted";
    let Some(world) = World::plain(test, Sockets { listen: 3, ..Sockets::default() }) else {
        return;
    };
    let file = support::scratch::scratch("mounted").join("a name");
    let line = format!(
        "touch '{0}' && mount --bind /run/netns/red '{0}' && umount /run/netns/red && stat -c %i '{0}' && \
         $connbox tcpstates --netns all listen && $connbox conncount -v tcp; echo $?",
        file.display()
    );
    let Some(ran) = shell(test, &[("red", &world)], &["mount", "umount", "stat"], &line) else {
        return;
    };
    let inode = ran.stdout.lines().next().unwrap();
    let wanted = format!("{inode}\t-\tLISTEN\t3");
    assert_eq!(rows_of(&ran.stdout, &[inode])[1..], [wanted], "{ran:?}");
    assert!(ran.stdout.ends_with("\n1\n") && ran.stderr.contains("use --netns all"), "{ran:?}");
}

/// As ip(8) makes it under a umask of 077.
#[test]
fn names_that_may_not_be_read_hide_no_namespace() {
    let test = "names_that_may_not_be_read_hide_no_namespace";
    let Some(world) = World::plain(test, Sockets { listen: 3, ..Sockets::default() }) else {
        return;
    };
    for (words, said) in [
        ("tcpstates --netns all -v listen", " may not be entered "),
        ("conncount -v tcp", "other network namespaces"),
        ("closedcalc -v unhashed", "other network namespaces"),
        ("tcpstates --netns red", "/run/netns/red: Permission denied (needs CAP_DAC_READ_SEARCH)"),
    ] {
        let line = format!(
            "chown 1:1 /run/netns && chmod 700 /run/netns && exec setpriv --inh-caps -all --bounding-set \
             -dac_override,-dac_read_search $connbox {words}"
        );
        let Some(ran) = shell(test, &[("red", &world)], &["setpriv", "chown"], &line) else {
            return;
        };
        assert!(ran.status == 1 && ran.stderr.contains(said), "{words} {ran:?}");
        assert_eq!(ran.stdout.is_empty(), words.ends_with(" red"), "{words} {ran:?}");
    }
}

/// Its sockets are there, and cannot be counted; a path that leads into a file system which does not answer is not tried.
#[test]
fn a_namespace_whose_mount_is_covered_is_missing() {
    let test = "a_namespace_whose_mount_is_covered_is_missing";
    let Some(world) = World::plain(test, Sockets { listen: 3, ..Sockets::default() }) else {
        return;
    };
    let directory = support::scratch::scratch("covered");
    let lines = [
        ("mount -t tmpfs none $place", "umount $place"),
        ("mount --bind /dev/null $place/red", "umount $place/red"),
        // To another place, with the same path.
        ("mount --bind /proc/self/ns/net $place/red", "umount $place/red"),
    ];
    let lines = lines.map(|(cover, uncover)| {
        format!("{cover} && $connbox sockstat --netns all TCP.mem >/dev/null; echo $?; {uncover}\n")
    });
    let line = format!(
        "place='{}'; touch $place/red && mount --bind /run/netns/red $place/red && \
         umount /run/netns/red && {} $connbox sockstat --netns all TCP.mem >/dev/null; echo $?",
        directory.display(),
        lines.concat(),
    );
    let Some(ran) = shell(test, &[("red", &world)], &["mount", "umount"], &line) else { return };
    assert_eq!(ran.stdout, "1\n1\n1\n0\n", "{ran:?}");
    let said = ran.stderr.matches("1 network namespace cannot be reached (another mount covers");
    assert_eq!(said.count(), 3, "{ran:?}");
}

#[test]
fn fifty_namespaces_need_few_descriptors() {
    let test = "fifty_namespaces_need_few_descriptors";
    let mut worlds = Vec::new();
    for number in 0..50 {
        let sockets = Sockets { listen: number % 5, ..Sockets::default() };
        let Some(world) = World::plain(test, sockets) else { return };
        worlds.push((format!("n{number:02}"), world));
    }
    let named: Vec<_> = worlds.iter().map(|(name, world)| (name.as_str(), world)).collect();
    let wanted: Vec<_> = (0..50).map(|n| format!("n{n:02}\t-\tLISTEN\t{}", n % 5)).collect();
    let labels: Vec<_> = named.iter().map(|(name, _)| *name).collect();
    let line = "ulimit -n 8; exec $connbox tcpstates --netns all listen";
    let Some(ran) = shell(test, &named, &["sh"], line) else { return };
    assert_eq!(rows_of(&ran.clean(), &labels), wanted);
}

#[test]
fn only_the_bare_word_means_all() {
    let test = "only_the_bare_word_means_all";
    let Some(world) = World::plain(test, Sockets { listen: 3, ..Sockets::default() }) else {
        return;
    };
    let named = [("all", &world)];
    let words = ["tcpstates", "listen", "--netns", "/run/netns/all"];
    assert_eq!(connbox_among(&named, Rights::Root, &words).clean(), "LISTEN\t3\n");
    let line = "cd /run/netns && exec $connbox tcpstates listen --netns ./all";
    assert_eq!(shell(test, &named, &["sh"], line).expect("sh").clean(), "LISTEN\t3\n");
    let text = all(&named, &["tcpstates", "listen"]);
    assert_eq!(rows_of(&text, &["all"]), ["all\t-\tLISTEN\t3"]);
}

#[test]
fn rates_are_those_of_the_same_namespace() {
    let test = "rates_are_those_of_the_same_namespace";
    let Some(three) = Three::make(test) else { return };
    let words = ["snmpget-tcp", "ActiveOpens", "--rate", "--interval", "0.01", "--count", "3"];
    let text = all(&three.named(), &words);
    for (label, count) in [("amber", 5), ("red", 0)] {
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .filter(|fields: &Vec<&str>| fields[1] == label)
            .collect();
        let count = count.to_string();
        let ends: Vec<_> = rows.iter().map(|fields| &fields[3..]).collect();
        let row = |rate| ["TcpActiveOpens", count.as_str(), rate];
        assert_eq!(ends, [row("-"), row("0.000"), row("0.000")], "{text}");
    }
}

/// A program and a namespace whose names could do harm in every format.
struct Hostile {
    world: World,
    _resident: world::Resident,
    directory: PathBuf,
}

const HOSTILE: &str = "a\"$(id)`'\\\t\n{";

impl Hostile {
    fn make(test: &str) -> Option<Self> {
        let world = World::plain(test, Sockets { listen: 2, ..Sockets::default() })?;
        let directory = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let sleep = directory.join(HOSTILE);
        let original = support::shell("command -v sleep");
        std::os::unix::fs::symlink(original.trim_end(), &sleep).expect("a link");
        let resident = world.resident_called(&sleep);
        Some(Self { world, _resident: resident, directory })
    }

    fn run(&self, words: &[&str]) -> String {
        all(&[(HOSTILE, &self.world)], &[&["tcpstates", "listen"], words].concat())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn hostile_names_do_no_harm_in_any_format() {
    let test = "hostile_names_do_no_harm_in_any_format";
    if !support::needs(test, &["jq", "bash"]) {
        return;
    }
    let Some(hostile) = Hostile::make(test) else { return };
    let of_it = |text: &str| text.lines().find(|line| line.contains("$(id)")).map(str::to_owned);

    let line = of_it(&hostile.run(&[])).expect("a row");
    let fields: Vec<_> = line.split('\t').collect();
    let escaped = "a\"$(id)`'\\\\\\t\\n{";
    assert!(fields.len() == 4 && fields[0] == escaped && fields[1].ends_with(escaped), "{line}");

    let json = hostile.run(&["--json"]);
    let fields = ["jq", "-rj", ".netns, \"/\", .resident, \"/\", .count, \";\""];
    let said = feed(&fields, json.as_bytes());
    assert!(
        said.contains(&format!("{HOSTILE}/")) && said.contains(&format!("/{HOSTILE}/2;")),
        "{said}"
    );

    let line = of_it(&hostile.run(&["--shell"])).expect("a row");
    let script = format!("set -u\n{line}\nprintf '%s|%s|%s' \"$NETNS\" \"$RESIDENT\" \"$COUNT\"");
    let shown = HOSTILE.replace(['\t', '\n'], "?");
    let said = feed(&["bash"], script.as_bytes());
    assert!(
        said.starts_with(&format!("{shown}|")) && said.ends_with(&format!("/{shown}|2")),
        "{said}"
    );

    let text = hostile.run(&["--prom"]);
    let label = "netns=\"a\\\"$(id)`'\\\\\t\\n{\",resident=\"";
    assert!(text.contains(label), "{text}");
    if support::needs(test, &["promtool"]) {
        feed(&["promtool", "check", "metrics"], text.as_bytes());
    }
}

/// The output of a program that must accept its input.
fn feed(words: &[&str], input: &[u8]) -> String {
    let output = support::feed(support::command(words[0]).args(&words[1..]), input);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("output in UTF-8")
}

#[test]
fn every_format_has_the_two_columns() {
    let Some(three) = Three::make("every_format_has_the_two_columns") else { return };
    let [amber, ..] = three.heads();
    let resident = amber.trim_start_matches("amber\t");
    let run =
        |words: &[&str]| all(&three.named(), &[&["closedcalc", "inuse", "alloc"], words].concat());
    assert!(run(&["-H"]).starts_with("netns\tresident\tname\tvalue\n"));
    let timed = run(&["-H", "--interval", "1", "--count", "1"]);
    assert!(timed.starts_with("time\tnetns\tresident\tname\tvalue\n"), "{timed}");
    for (format, amber, red, machine) in [
        (
            "--json",
            format!(
                "{{\"netns\":\"amber\",\"resident\":\"{resident}\",\"name\":\"inuse\",\"value\":1}}\n"
            ),
            "{\"netns\":\"red\",\"resident\":null,\"name\":\"inuse\",\"value\":2}\n",
            "\n{\"netns\":null,\"resident\":null,\"name\":\"alloc\",\"value\":",
        ),
        (
            "--shell",
            format!("NETNS=\"amber\" RESIDENT=\"{resident}\" NAME=\"inuse\" VALUE=\"1\"\n"),
            "NETNS=\"red\" RESIDENT=\"\" NAME=\"inuse\" VALUE=\"2\"\n",
            "\nNETNS=\"\" RESIDENT=\"\" NAME=\"alloc\" VALUE=\"",
        ),
        (
            "--prom",
            // Without the PID: each restart would make new series.
            "{netns=\"amber\",resident=\"sleep\",name=\"inuse\"} 1\n".into(),
            "{netns=\"red\",resident=\"\",name=\"inuse\"} 2\n",
            "{netns=\"\",resident=\"\",name=\"alloc\"} ",
        ),
    ] {
        let text = run(&[format]);
        for part in [amber.as_str(), red, machine] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn other_sources_are_refused() {
    for (words, message) in [
        (["--root", "/"], "closedcalc: --root: cannot be combined with --netns\n"),
        (
            ["--from", "-"],
            "closedcalc: --from: cannot be combined with --netns, but for all of a sosreport's folder\n",
        ),
    ] {
        let ran = connbox_outside(&[&["closedcalc", "--netns", "all"][..], &words].concat());
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (2, "", message));
    }
}

/// The machine's first namespace, which these tests start in unless they run in a container.
#[test]
fn the_first_namespace_is_called_host() {
    let test = "the_first_namespace_is_called_host";
    if !Path::new("/proc/sys/net/ipv4/tcp_max_orphans").exists() {
        return support::lacks(test, "network namespaces", "this is not the machine's first one");
    }
    let Some(three) = Three::make(test) else { return };
    let text = all(&three.named(), &["tcpstates", "listen"]);
    assert!(text.starts_with("host\t"), "{text}");
    assert_eq!(rows_of(&text, &["host"]).len(), 1);
    // Another one is not, whatever its name.
    let named = [("host", &three.red)];
    let text = all(&named, &["tcpstates", "listen"]);
    assert_eq!(rows_of(&text, &["host"]).len(), 1);
    assert_eq!(rows_of(&text, &[&three.red.inode().to_string()]).len(), 1);
    let groups = all(&[], &["conncount", "--by", "netns", "--state", "listen"]);
    let inode = three.unnamed.inode().to_string();
    assert_eq!(rows_of(&groups, &[&inode]), [format!("{inode}\t4")]);
    let inside = three.unnamed.connbox(&["conncount", "--by", "netns", "--state", "listen"]);
    assert_eq!(inside.clean(), format!("{inode}\t4\n"));
}

#[test]
fn empty_namespaces_can_be_skipped_and_the_largest_picked() {
    let test = "empty_namespaces_can_be_skipped_and_the_largest_picked";
    let Some(three) = Three::make(test) else { return };
    let Some(empty) = World::plain(test, Sockets::default()) else { return };
    let unnamed = three.unnamed.inode().to_string();
    let (empty, _alive) = (empty.inode().to_string(), empty.resident());
    let labels = ["red", "amber", &unnamed, &empty];
    let skipped = |words: &[&str]| -> Vec<bool> {
        let text = all(&three.named(), &[words, &["--skip-empty"]].concat());
        labels.map(|label| rows_of(&text, &[label]).is_empty()).to_vec()
    };
    // Limits, constants and numbers of the machine are not 0 in an empty namespace either.
    assert_eq!(skipped(&["sockstat", "TCP", "UDP", "--limits"]), [false, false, false, true]);
    assert_eq!(skipped(&["tcpstates"]), [false, false, false, true]);
    assert_eq!(skipped(&["snmpget-tcp"]), [true, false, true, true]);
    assert_eq!(skipped(&["tcpstates", "established"]), [true; 4]);
    assert_eq!(skipped(&["closedcalc"]), [false, false, false, true]);
    assert_eq!(skipped(&["conncount", "tcp", "estab", "timewait"]), [true; 4]);
    assert_eq!(skipped(&["conncount", "--transport", "inet"]), [false, false, false, true]);
    for format in ["--json", "--shell", "--prom"] {
        let text = all(&[], &["tcpstates", "listen", "--skip-empty", format]);
        assert!(text.contains(&unnamed) && !text.contains(&empty), "{text}");
    }
    // 1,000 sockets are more than any other namespace has.
    let sockets = Sockets { udp: 1000, listen: 900, ..Sockets::default() };
    let Some(large) = World::plain(test, sockets) else { return };
    let (large, _large) = (large.inode().to_string(), large.resident());
    for words in [
        &["tcpstates", "listen"][..],
        &["sockstat", "UDP.inuse"],
        &["conncount", "total"],
        &["conncount", "--state", "listen"],
        &["conncount", "-u"],
        &["closedcalc", "inuse"],
    ] {
        let text = all(&[], &[words, &["--top", "1"]].concat());
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows.len() == 1 && rows[0].starts_with(&large), "{words:?}: {text}");
    }
    for words in [&["sockstat", "--top", "1"][..], &["sockstat", "--skip-empty"]] {
        let ran = connbox_outside(words);
        assert!(ran.status == 2 && ran.stderr.contains("needs --netns all"), "{ran:?}");
    }
}

/// A process that moves into a new network namespace with a listener and a closed socket, and whose first thread then
/// ends (`headless`), or whose second thread alone moves there (`apart`). It prints the inode of the namespace.
const THREADS: &str = "
import ctypes, os, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
word = sys.stdin.readline().strip()
kept = []
def move():
    assert libc.unshare(0x40000000) == 0
    kept.extend([socket.create_server(('', 7001)), socket.socket()])
def has_first():
    try:
        return bool(os.readlink('/proc/%d/ns/net' % os.getpid()))
    except FileNotFoundError:
        return False
def stay():
    if word == 'apart':
        move()
    while word == 'headless' and has_first():
        time.sleep(.01)
    print(os.readlink('/proc/thread-self/ns/net')[5:-1], flush=True)
    sys.stdin.read()
    os._exit(0)
if word == 'headless':
    move()
threading.Thread(target=stay).start()
libc.pthread_exit(None) if word == 'headless' else time.sleep(600)
";

/// Of a process whose first thread has ended, and of a thread that has left its process's namespace.
#[test]
fn namespaces_that_only_a_later_thread_shows_are_counted() {
    let test = "namespaces_that_only_a_later_thread_shows_are_counted";
    if !support::needs(test, &["root", "python3"]) {
        return;
    }
    let Some(world) = World::plain(test, Sockets::default()) else { return };
    for word in ["headless", "apart"] {
        let looks = || {
            let mut script = world.script(THREADS);
            let _alone = world::hold_machine();
            let before = of_machine(&[], "closedcalc")[1];
            let inode = script.tell(word);
            (script, inode, of_machine(&[], "closedcalc")[1] - before)
        };
        // Other programs make sockets, too; but a wrong calculation is wrong every time.
        let end = Instant::now() + Duration::from_secs(120);
        let mut last = looks();
        while last.2 != 1 {
            assert!(Instant::now() < end, "{word}: never right: {}", last.2);
            last = looks();
        }
        let (script, inode, _) = last;
        let rows = rows_of(&all(&[], &["tcpstates", "listen"]), &[&inode]);
        assert_eq!(rows.len(), 1, "{word}: {rows:?}");
        assert!(rows[0].ends_with("\tLISTEN\t1"), "{word}: {rows:?}");
        let resident = rows[0].split('\t').nth(1).and_then(|cell| cell.split('/').next());
        let pid = script.pid().to_string();
        // The number of a thread opens the way, too.
        for id in [resident, Some(&pid[..]).filter(|_| word == "headless")].into_iter().flatten() {
            let ran = connbox_outside(&["tcpstates", "--netns", id, "-v", "listen"]);
            assert_eq!(ran.clean(), "1\n", "{word}");
        }
        let words = ["conncount", "--netns", &pid, "--by", "netns", "--state", "listen"];
        let groups = connbox_outside(&words).clean();
        assert_eq!(groups == format!("{inode}\t1\n"), word == "headless", "{word}: {groups}");
        if word == "headless" {
            for words in [&["--netns", &pid][..], &["--netns", "all"]] {
                let words = [&["closedcalc", "--by", "process", "--quiet-gaps"], words].concat();
                let closed = connbox_outside(&words).clean();
                let is_it = |line: &str| line.ends_with("python3\tunbound\t1");
                assert!(closed.lines().any(is_it), "{words:?}: {closed}");
            }
        }
    }
}
