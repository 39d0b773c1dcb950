//! network-connections: the text, performance data and statuses of Linuxfabrik's plugin, and what differs on
//! purpose. The live tests make their own network namespaces and compare with psutil, which that plugin uses.

use crate::support;
use crate::world;

use std::collections::BTreeMap;
use std::path::Path;

use world::oracle::{self, Histogram};
use world::{
    Ran, Rights, STATES, Sockets, World, at_a_quiet_point, connbox_among, connbox_outside,
    hold_machine,
};

/// Runs the applet: status, standard output and error.
fn run(words: &[&str]) -> (i32, String, String) {
    let output = support::run(&[&["network-connections"], words].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs it on data recorded for Linuxfabrik's tests.
fn recorded(name: &str, words: &[&str]) -> (i32, String, String) {
    let test = support::world("linuxfabrik").join(name);
    run(&[&["--test", &format!("{},,0", test.display())], words].concat())
}

/// The line that the plugin prints for these counts; those at the given places are flagged.
fn line(counts: &[(&str, u64)], flag: &str, flagged: &[usize]) -> String {
    let text: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(place, (key, count))| {
            let flag = if flagged.contains(&place) { format!(" [{flag}]") } else { String::new() };
            format!("{}: {count}{flag}", key.replace('_', " "))
        })
        .collect();
    let data: Vec<_> = counts.iter().map(|(key, count)| format!("'{key}'={count}")).collect();
    format!("{}|{}\n", text.join(", "), data.join(" "))
}

const MIXED: [(&str, u64); 5] = [
    ("tcp_ESTABLISHED", 2),
    ("tcp_LISTEN", 1),
    ("tcp6_LISTEN", 1),
    ("udp_NONE", 1),
    ("udp6_NONE", 1),
];
const TIME_WAIT: [(&str, u64); 3] =
    [("tcp_TIME_WAIT", 10), ("tcp_ESTABLISHED", 1), ("tcp_LISTEN", 1)];

/// Every recorded run of the plugin itself.
#[test]
fn it_says_what_the_plugin_says() {
    let listening = [("tcp_LISTEN", 1), ("tcp6_LISTEN", 1)];
    let cases: [(&str, &[&str], String, i32); 15] = [
        ("mixed-light-load", &[], line(&MIXED, "", &[]), 0),
        ("mixed-light-load", &["--conn-type=tcp"], line(&MIXED[..2], "", &[]), 0),
        ("mixed-light-load", &["--conn-status=listen"], line(&listening, "", &[]), 0),
        (
            "mixed-light-load",
            &["--conn-status", "listen", "--conn-status", "all"],
            line(&MIXED, "", &[]),
            0,
        ),
        ("mixed-light-load", &["--warning=2:"], line(&MIXED, "WARNING", &[1, 2, 3, 4]), 1),
        ("mixed-light-load", &["--warning=@1:2"], line(&MIXED, "WARNING", &[0, 1, 2, 3, 4]), 1),
        ("mixed-light-load", &["--warning=~:1"], line(&MIXED, "WARNING", &[0]), 1),
        ("mixed-light-load", &["--warning="], line(&MIXED, "", &[]), 0),
        ("mixed-light-load", &["--warning=none", "--critical", "None"], line(&MIXED, "", &[]), 0),
        ("mixed-light-load", &["--warning=abc"], "Range format incorrect\n".into(), 3),
        ("many-time-wait", &["-w", "5", "-c", "20"], line(&TIME_WAIT, "WARNING", &[0]), 1),
        ("many-time-wait", &["-w", "5", "-c", "8"], line(&TIME_WAIT, "CRITICAL", &[0]), 2),
        ("many-time-wait", &["--warn=5", "--crit=8"], line(&TIME_WAIT, "CRITICAL", &[0]), 2),
        ("many-time-wait", &["-w20:10"], "Start 20 must not be greater than end 10\n".into(), 3),
        ("many-time-wait", &["-w", r"\-1:20"], line(&TIME_WAIT, "", &[]), 0),
    ];
    for (name, words, text, status) in cases {
        assert_eq!(recorded(name, words), (status, text, String::new()), "{name} {words:?}");
    }
    for words in [&[][..], &["-w", "5", "-c", "8"], &["--warning=30:40"], &["--critical=@0"]] {
        let nothing = "No connections of type \"all\" in status \"all\" found.\n";
        assert_eq!(recorded("no-connections", words), (0, nothing.into(), String::new()));
    }
    let words = ["--conn-type=tcp", "--conn-type=udp6", "--conn-status=listen"];
    let nothing = "No connections of type \"tcp,udp6\" in status \"listen\" found.\n";
    assert_eq!(recorded("no-connections", &words).1, nothing);
}

#[test]
fn always_ok_and_no_perfdata() {
    let words = ["-w", "5", "-c", "8", "--always-ok"];
    let critical = line(&TIME_WAIT, "CRITICAL", &[0]);
    let (text, data) = critical.split_once('|').unwrap();
    assert_eq!(recorded("many-time-wait", &words).1, format!("{text} (always ok)|{data}"));
    assert_eq!(recorded("many-time-wait", &words).0, 0);
    let (status, out, _) = recorded("many-time-wait", &["-c", "8", "--no-perfdata"]);
    assert_eq!((status, out), (2, format!("{text}\n")));
    let nothing = "No connections of type \"all\" in status \"all\" found. (always ok)\n";
    assert_eq!(recorded("no-connections", &["--always-ok"]).1, nothing);
    // With an invalid threshold, there is no result that could be OK.
    assert_eq!(recorded("many-time-wait", &["-w", "x", "--always-ok"]).0, 3);
}

#[test]
fn what_is_wrong_is_unknown_and_said_where_it_is_looked_for() {
    for words in [
        &["--warnnig=1"][..],
        &["-x"],
        &["-H"],
        &["-v"],
        &["--conn-type=TCP"],
        &["--conn-status=open"],
        &["--conn-status=tcp"],
        &["--warning"],
        &["word"],
        &["--interval=1"],
        &["--count=1"],
        &["--explain"],
        &["--test=a,b,c"],
        &["--test=a,,0,1"],
        &["--test=[],,+1"],
        &["--test=x", "--root=/"],
        &["--rule=LISTEN", "-w1"],
        &["--rule=LISTEN", "--conn-type=all"],
        &["--rule=LISTEN", "--rule=listening;1"],
        &["--rule=LISTEN;1;2;3"],
        &["--rule=timewait", "--netns=all"],
        &["--rule=TCP.mem", "--netns=all"],
        &["--rule=[lport=no-such-service]"],
        &["--strict", "--conn-type=udp", "--conn-status=listen"],
    ] {
        let (status, out, err) = run(words);
        assert_eq!((status, out.as_str()), (3, ""), "{words:?} {err}");
        assert!(err.starts_with("network-connections: ") && err.lines().count() == 1, "{err}");
    }
    for words in [
        &["--root=/no/such"][..],
        &["--from=/no/such"],
        &["--netns=/no/such"],
        &["--test=/no/such"],
        &["--test=/dev/null"],
        &["--test=[],said"],
        &["--test=[],,1"],
        &["--output=/no/such/file"],
        &["-w", "1:2:3"],
    ] {
        let (status, out, err) = run(words);
        assert_eq!((status, err.as_str()), (3, ""), "{words:?} {out}");
        assert!(out.lines().count() == 1 && out.len() > 5, "{words:?} {out}");
    }
    assert_eq!(run(&["--test=[]"]).0, 0);
    // Rows are for programs: with them, standard output holds rows or nothing.
    let (status, out, err) = run(&["--json", "--root=/no/such"]);
    assert_eq!((status, out.as_str(), err.lines().count()), (3, "", 1));
}

#[test]
fn help_and_version_are_unknown_too() {
    for (word, begin) in
        [("-h", "usage: "), ("--help", "usage: "), ("-V", "connbox "), ("--vers", "connbox ")]
    {
        let (status, out, err) = run(&[word]);
        assert_eq!((status, err.as_str()), (3, ""));
        assert!(out.starts_with(begin), "{out}");
    }
    let help = support::stdout_of(&["help", "check_network_connections"]);
    assert!(run(&["-h"]).1.lines().count() <= 40 && help.lines().count() > 40);
    assert!(help.contains("-w, --warning") && !help.contains("-v, --value"), "{help}");
}

#[test]
fn a_recorded_run_may_hold_anything() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network_connections");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("list");
    let test = |json: &str| {
        std::fs::write(&file, json).unwrap();
        run(&["--test", file.to_str().unwrap()])
    };
    // Unknown names are kept, but not characters that have a meaning for a monitoring system.
    let (status, out, _) = test(
        r#"[{"proto":"udp","status":"ODD|'=<b>\u001b\n"},{"status":"LISTEN","proto":"tcp","pid":[1,{}]}]"#,
    );
    assert_eq!(status, 0);
    assert_eq!(
        out,
        "tcp LISTEN: 1, udp ODD!'=&lt;b>\\x1b\\x0a: 1|'tcp_LISTEN'=1 'udp_ODD!'':&lt;b>\\x1b\\x0a'=1\n"
    );
    let deep = format!("[{{\"pid\":{}", "[".repeat(100_000));
    // If an object has a name twice, the last value counts.
    let (_, out, _) = test(r#"[{"proto":"sctp","status":"LISTEN","proto":"tcp6"}]"#);
    assert!(out.starts_with("tcp6 LISTEN: 1"), "{out}");
    // Monitoring systems would take these for one series.
    for (one, other) in [("A:B", "A=B"), ("A|", "A!"), ("::", ":_"), ("A\u{1}", "A\\x01")] {
        let words = [one, "LISTEN", other, other]
            .map(|status| serde_json::json!({"proto": "tcp", "status": status}));
        let (status, out, _) = test(&serde_json::to_string(&words).unwrap());
        let what = "have the same label in performance data: 'tcp_";
        assert!(status == 3 && out.contains(what) && !out.contains('|'), "{out}");
        // What is not asked for does not matter.
        let file = file.to_str().unwrap();
        assert_eq!(run(&["--conn-status", "listen", "--test", file]).0, 0);
    }
    for (json, reason) in [
        ("", ":1: is not a JSON list of objects with proto and status"),
        ("[7]", ": is not a JSON list of objects"),
        ("[]\n[]", ":2: is not a JSON list of objects"),
        ("{}", ": is not a JSON list of objects"),
        (&deep, ":1: is not a JSON list of objects"),
        ("[{\"proto\":6,\"status\":\"LISTEN\"}]", ": a proto is not one of"),
        ("[\n{\"proto\":\"tcp\",}]", ":2: is not a JSON list of objects"),
        ("[{\"proto\":\"tcp\"}]", ": an object has no status"),
        ("[{\"status\":\"LISTEN\"}]", ": a proto is not one of tcp, tcp6, udp, udp6"),
        ("[{\"proto\":\"sctp\",\"status\":\"LISTEN\"}]", ": a proto is not one of"),
    ] {
        let (status, out, err) = test(json);
        assert_eq!((status, err.as_str()), (3, ""), "{json}");
        assert!(out.contains(reason) && out.lines().count() == 1, "{json}: {out}");
    }
}

#[test]
fn a_recorded_run_is_bounded() {
    for (words, name) in [("/dev/zero", "/dev/zero"), ("[],/dev/zero", "/dev/zero")] {
        let (status, out, _) = run(&["--test", words]);
        let wanted = format!("{name}: is longer than 16 MiB, the most that --test reads\n");
        assert_eq!((status, out), (3, wanted));
    }
    // As many states as sockets.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network_connections_states");
    let object = |number| format!("{{\"proto\":\"tcp\",\"status\":\"S{number}\"}}");
    let objects: Vec<_> = (0..80_000).chain(0..2).map(object).collect();
    std::fs::write(&file, format!("[{}]", objects.join(","))).unwrap();
    let start = std::time::Instant::now();
    let (status, out, _) = run(&["--no-perfdata", "--test", file.to_str().unwrap()]);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_eq!((status, out.split(", ").count()), (0, 80_000));
    assert!(out.starts_with("tcp S0: 2, tcp S1: 2, tcp S10: 1, "), "{}", &out[..100]);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn rows_hold_the_same_results() {
    let test = support::world("linuxfabrik").join("many-time-wait");
    let words = ["--test", test.to_str().unwrap(), "-w", "5:", "-c", "8"];
    let (status, out, _) = run(&[&words[..], &["--tsv", "--header"]].concat());
    let wanted = "key\tvalue\tresult\twarning\tcritical\tmax\treason\n\
                  tcp_TIME_WAIT\t10\tCRITICAL\t5:\t8\t-\t-\n\
                  tcp_ESTABLISHED\t1\tWARNING\t5:\t8\t-\t-\n\
                  tcp_LISTEN\t1\tWARNING\t5:\t8\t-\t-\n";
    assert_eq!((status, out.as_str()), (2, wanted));
    for format in ["--json", "--shell", "--prom", "--format=tsv"] {
        let (status, out, err) = run(&[&words[..], &[format]].concat());
        assert_eq!((status, err.as_str()), (2, ""));
        assert!(out.contains("tcp_TIME_WAIT") && out.contains("10"), "{format}: {out}");
    }
    if support::needs("rows_hold_the_same_results", &["promtool"]) {
        let (_, out, _) = run(&[&words[..], &["--prom"]].concat());
        let mut promtool = support::command("promtool");
        let judged = support::feed(promtool.args(["check", "metrics"]), out.as_bytes());
        assert!(judged.status.success(), "{out}{judged:?}");
    }
}

/// What a world contains, by the plugin's keys, without zeros.
fn truth(world: &World) -> Result<BTreeMap<String, u64>, String> {
    let Histogram { tcp, tcp6 } = oracle::histogram(world)?;
    let mut counts = BTreeMap::new();
    for (kind, numbers) in [("tcp", tcp), ("tcp6", tcp6)] {
        for (state, number) in STATES.iter().zip(numbers) {
            counts.insert(format!("{kind}_{state}"), number);
        }
    }
    for kind in ["udp", "udp6"] {
        let rows = world.proc_net(kind).lines().skip(1).count() as u64;
        counts.insert(format!("{kind}_NONE"), rows);
    }
    counts.retain(|_, number| *number > 0);
    Ok(counts)
}

/// The performance data of a run that succeeded, and the keys in the order of the text.
fn counted(ran: Ran) -> BTreeMap<String, u64> {
    let text = ran.clean();
    let (text, data) = text.trim_end().split_once('|').expect("performance data");
    let pairs: Vec<(String, u64)> = data
        .split(' ')
        .map(|pair| {
            let (label, number) = pair.split_once('=').expect("a pair");
            (label.trim_matches('\'').to_owned(), number.parse().expect("a number"))
        })
        .collect();
    let shown: Vec<_> =
        pairs.iter().map(|(key, number)| format!("{}: {number}", key.replace('_', " "))).collect();
    assert_eq!(text, shown.join(", "));
    assert!(pairs.is_sorted_by(|a, b| a.1 >= b.1), "{pairs:?}");
    pairs.into_iter().collect()
}

/// What psutil counts in the way of the plugin: a few lines in place of the plugin.
const PSUTIL: &str = r#"
import collections, socket, psutil
types = {socket.SOCK_STREAM: 'tcp', socket.SOCK_DGRAM: 'udp'}
counts = collections.Counter()
for c in psutil.net_connections(kind='inet'):
    six = '6' if c.family == socket.AF_INET6 else ''
    counts[types[c.type] + six + '_' + c.status] += 1
for key, count in sorted(counts.items()):
    print(key, count)
"#;
const PYTHON: &str = "/usr/bin/python3";

fn by_psutil(world: &World, rights: Rights) -> BTreeMap<String, u64> {
    let text = world.tool_as(rights, PYTHON, &["-c", PSUTIL]);
    let pair = |line: &str| {
        let (key, number) = line.split_once(' ').expect("a pair");
        (key.to_owned(), number.parse().expect("a number"))
    };
    text.lines().map(pair).collect()
}

#[test]
fn it_counts_what_psutil_counts_as_root() {
    let test = "it_counts_what_psutil_counts_as_root";
    let Some(world) = World::all_states(test) else { return };
    if !support::needs(test, &["psutil"]) {
        return;
    }
    let (by_kernel, (ours, theirs)) = at_a_quiet_point(
        || truth(&world),
        || {
            let ours = counted(world.connbox(&["network-connections"]));
            (ours, by_psutil(&world, Rights::Root))
        },
    );
    assert_eq!(ours, by_kernel);
    assert_eq!(theirs, by_kernel);
}

#[test]
fn nobody_counts_what_root_counts() {
    let Some(world) = World::all_states("nobody_counts_what_root_counts") else { return };
    let (by_kernel, ours) = at_a_quiet_point(
        || truth(&world),
        || counted(world.connbox_as(Rights::Nobody, &["check_network_connections"])),
    );
    assert_eq!(ours, by_kernel);
}

#[test]
fn sockets_that_are_alike_are_not_one() {
    let test = "sockets_that_are_alike_are_not_one";
    let Some(world) = World::plain(test, Sockets::default()) else { return };
    let _sockets = world.alike(8, 4);
    let wanted: BTreeMap<_, _> = [("tcp_LISTEN".into(), 8), ("udp_NONE".into(), 4)].into();
    for rights in [Rights::Root, Rights::Nobody] {
        assert_eq!(counted(world.connbox_as(rights, &["network-connections"])), wanted);
    }
    if support::needs(test, &["psutil"]) {
        assert_eq!(by_psutil(&world, Rights::Root), wanted);
        let collapsed = by_psutil(&world, Rights::Nobody);
        assert_eq!(collapsed.values().collect::<Vec<_>>(), [&1, &1], "psutil has been fixed");
    }
}

#[test]
fn it_counts_where_netlink_is_refused() {
    let test = "it_counts_where_netlink_is_refused";
    let Some(world) = World::all_states(test) else { return };
    let Some(rights) = Rights::without_netlink(test, libc::EPERM) else { return };
    let (by_kernel, ours) = at_a_quiet_point(
        || truth(&world),
        || counted(world.connbox_as(rights, &["network-connections"])),
    );
    assert_eq!(ours, by_kernel);
    // Without /proc, the number of TIME_WAIT sockets comes from a dump, and that of UDP from netlink.
    let (by_kernel, ours) = at_a_quiet_point(
        || truth(&world),
        || counted(world.connbox_as(Rights::NoProc, &["network-connections"])),
    );
    assert_eq!(ours, by_kernel);
}

#[test]
fn it_picks_types_and_states() {
    let Some(world) = World::all_states("it_picks_types_and_states") else { return };
    let (all, runs) = at_a_quiet_point(
        || truth(&world),
        || {
            let run = |words: &[&str]| {
                counted(world.connbox(&[&["network-connections"], words].concat()))
            };
            [
                run(&["--conn-type=tcp6"]),
                run(&["--conn-status=time_wait", "--conn-status=none"]),
                run(&["--conn-type=tcp", "--conn-type=udp", "--conn-status=established"]),
            ]
        },
    );
    let picked = |is_meant: &dyn Fn(&str) -> bool| -> BTreeMap<String, u64> {
        all.clone().into_iter().filter(|(key, _)| is_meant(key)).collect()
    };
    assert_eq!(runs[0], picked(&|key| key.starts_with("tcp6_")));
    assert_eq!(runs[1], picked(&|key| key.ends_with("_TIME_WAIT") || key.ends_with("_NONE")));
    assert_eq!(runs[2], picked(&|key| key == "tcp_ESTABLISHED"));
}

#[test]
fn rules_count_what_the_other_applets_count() {
    let Some(world) = World::all_states("rules_count_what_the_other_applets_count") else { return };
    let value = |words: &[&str]| world.connbox(words).clean().trim().to_owned();
    for (rule, words) in [
        ("tcp_TIME_WAIT", &["tcpstates", "-v", "-4", "time-wait"][..]),
        ("tcp6_FIN_WAIT2", &["tcpstates", "-v", "-6", "fin-wait-2"]),
        ("ESTABLISHED", &["tcpstates", "-v", "established"]),
        ("connected", &["conncount", "-v", "--state", "connected"]),
        ("udp_NONE", &["conncount", "-v", "-u", "-4"]),
        ("udp6_NONE", &["conncount", "-v", "-u", "-6"]),
        ("estab", &["conncount", "-v", "estab"]),
        ("synrecv", &["conncount", "-v", "synrecv"]),
        ("timewait", &["conncount", "-v", "timewait"]),
        ("raw_ip6", &["conncount", "--transport", "-v", "raw_ip6"]),
        ("tcp.INUSE", &["sockstat", "-v", "TCP.inuse"]),
        ("[lport=8004,8006]", &["conncount", "-v", "--lport", "8004,8006"]),
        ("[tcp,udp,ipv6,laddr=::/0]", &["conncount", "-v", "-t", "-u", "-6", "--laddr", "::/0"]),
        (
            "[state=established,listen,rport=8004]",
            &["conncount", "-v", "--state", "established,listen", "--rport", "8004"],
        ),
    ] {
        let (wanted, row) = at_a_quiet_point(
            || Ok(value(words)),
            || world.connbox(&["network-connections", "--tsv", "--rule", rule]).clean(),
        );
        let fields: Vec<_> = row.trim_end().split('\t').collect();
        assert_eq!(fields[1..5], [wanted.as_str(), "OK", "-", "-"], "{rule}");
    }
    // One call for several rules, in their order; the worst status counts.
    let ran = world.connbox(&[
        "network-connections",
        "--rule=LISTEN;@1:;",
        "--rule=[rport=1];;0",
        "--rule=udp_NONE;;1",
    ]);
    let verdicts: Vec<_> = ran.stdout.split('|').next().unwrap().split(", ").collect();
    assert!(verdicts[0].ends_with("[WARNING]") && verdicts[1].ends_with(": 0"), "{ran:?}");
    assert!(verdicts[2].ends_with("[CRITICAL]") && ran.status == 2, "{ran:?}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn percents_are_those_of_the_kernels_limits() {
    let Some(world) = World::all_states("percents_are_those_of_the_kernels_limits") else { return };
    let row = |rule: &str| {
        let text = world.connbox(&["network-connections", "--tsv", "--rule", rule]).stdout;
        text.trim_end().split('\t').map(str::to_owned).collect::<Vec<_>>()
    };
    let (limits, ours) = at_a_quiet_point(
        || Ok(world.connbox(&["sockstat", "--limits", "TCP.tw"]).clean()),
        || row("tw_percent;1000"),
    );
    let fields: Vec<_> = limits.trim_end().split('\t').collect();
    assert_eq!(ours[1], fields[4], "{limits}");
    // The limit of TCP's memory is shown only in the initial namespace.
    let memory = row("tcp_mem_percent;80;90");
    assert_eq!(memory[1..3], ["-", "UNKNOWN"], "{memory:?}");
    assert!(memory[6].contains("tcp_mem"), "{memory:?}");
    for rule in ["tcp_mem_percent;80;90", "orphan_percent;80"] {
        let row = row(rule);
        assert_eq!(row[1..3], ["-", "UNKNOWN"], "{row:?}");
        let cure = "only the machine's first network namespace has it: run connbox there";
        assert!(row[6].contains(cure) && row[6].contains("hostNetwork"), "{row:?}");
    }
}

#[test]
fn what_may_not_be_looked_at_is_unknown() {
    let test = "what_may_not_be_looked_at_is_unknown";
    let Some(world) = World::plain(test, Sockets { listen: 1, ..Sockets::default() }) else {
        return;
    };
    let _resident = world.resident();
    let rule = "--rule=[process=sleep];@0";
    let ran = world.connbox_as(Rights::Nobody, &["network-connections", rule]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stdout.contains(" cannot be read (needs CAP_DAC_READ_SEARCH and"), "{ran:?}");
    assert!(ran.stdout.contains(" [UNKNOWN]|"), "{ran:?}");
    let ran = world.connbox(&["network-connections", rule]);
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""), "{ran:?}");
    // A program may have the name that none of the public names is, and a user does not see other users' programs.
    let rule = "--rule=[process=no-such-process];@0";
    let ran = world.connbox_as(Rights::Nobody, &["network-connections", rule]);
    assert_eq!((ran.status, ran.stderr.as_str()), (3, ""), "{ran:?}");
    let reason = ": no process shows the name 'no-such-process', but programs that cannot be seen may have it (";
    assert!(ran.stdout.contains(reason) && ran.stdout.contains("[UNKNOWN]"), "{ran:?}");
}

#[test]
fn all_namespaces_are_one_check() {
    let test = "all_namespaces_are_one_check";
    let sockets = |listen, listen6| Sockets { listen, listen6, ..Sockets::default() };
    let Some(red) = World::plain(test, sockets(2, 1)) else { return };
    let Some(blue) = World::plain(test, sockets(3, 4)) else { return };
    let named = [("red", &red), ("blue", &blue)];
    let ports = |rights| {
        let words = [
            "network-connections",
            "--netns=all",
            "--rule=tcp_LISTEN",
            "--rule=[ipv6,state=listen]",
        ];
        connbox_among(&named, rights, &words)
    };
    let number = |text: &str, key: &str| -> u64 {
        let start = text.find(key).expect("the key") + key.len();
        let digits: String = text[start..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    let with_both = ports(Rights::Root).clean();
    let more = red.more(sockets(10, 0));
    let with_more = ports(Rights::Root).clean();
    // Other tests have namespaces at the same time, so only a lower bound is known.
    assert!(number(&with_both, "tcp LISTEN: ") >= 5, "{with_both}");
    assert!(number(&with_both, "[ipv6,state=listen]: ") >= 5, "{with_both}");
    assert!(number(&with_more, "tcp LISTEN: ") >= 15, "{with_more}");
    drop(more);
    let ran = ports(Rights::Nobody);
    assert_eq!(ran.status, 3, "{ran:?}");
    let unknown = "tcp LISTEN: --netns all: ";
    assert!(
        ran.stdout.starts_with(unknown) && ran.stdout.contains(" may not be entered"),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("[ipv6,state=listen]: unknown [UNKNOWN]|'tcp_LISTEN'=U;;;0 '"),
        "{ran:?}"
    );
    assert_eq!(ran.stderr, "", "the text says it");
    // Each number on its own, in rows and without rules too.
    let words = ["network-connections", "--netns=all", "--json", "--rule=LISTEN;@0"];
    let ran = connbox_among(&named, Rights::Nobody, &words);
    assert!(ran.stdout.contains("\"value\":null,\"result\":\"UNKNOWN\""), "{ran:?}");
    let words = ["network-connections", "--netns=all", "--conn-status=listen", "--strict"];
    let ran = connbox_among(&named, Rights::Nobody, &words);
    assert_eq!(ran.stdout.matches("=U").count(), 2, "{ran:?}");
    let ran = connbox_among(&named, Rights::Nobody, &[&words[..], &["--quiet-gaps"]].concat());
    assert!(ran.status == 0 && !ran.stdout.contains("=U"), "{ran:?}");
}

#[test]
fn what_counts_the_machine_is_checked_for_the_machine() {
    let test = "what_counts_the_machine_is_checked_for_the_machine";
    let sockets = Sockets { listen: 3, unbound: 4, ..Sockets::default() };
    let Some(world) = World::plain(test, sockets) else { return };
    let _resident = world.resident();
    // Beside another namespace the difference is of two scopes.
    for row in ["unhashed", "closed", "tcp"] {
        let rule = format!("--rule={row};~:100000");
        let ran = world.connbox(&["network-connections", &rule]);
        assert!(ran.status == 3 && ran.stderr.is_empty(), "{ran:?}");
        assert!(ran.stdout.starts_with(&format!("{row}: not the machine's first")), "{ran:?}");
        assert!(ran.stdout.contains("--netns all [UNKNOWN]|'"), "{ran:?}");
        let ran = world.connbox(&["network-connections", &rule, "--quiet-gaps"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    let ran = connbox_outside(&["network-connections", "--rule=unhashed;~:100000"]);
    assert!(ran.status == 3 && ran.stdout.contains("--netns all [UNKNOWN]|"), "{ran:?}");
    // All of them together.
    let _machine = hold_machine();
    for row in ["unhashed", "closed", "tcp", "orphaned"] {
        let number = |words: &[&str]| {
            let text = connbox_outside(&[words, &["--netns=all", "--quiet-gaps"]].concat()).stdout;
            text.split(['\t', '\n']).find_map(|field| field.parse::<i64>().ok()).ok_or(text)
        };
        let rule = format!("--rule={row}");
        let wanted = || number(&["conncount", "--quick", "-v", row]);
        let seen = || number(&["network-connections", "--tsv", "--strict", &rule]);
        // A namespace without a name is seen while a process of another test is in it.
        let agree = || at_a_quiet_point(wanted, seen);
        let agrees = (0..30).any(|_| {
            let (wanted, seen) = agree();
            seen == Ok(wanted)
        });
        assert!(agrees, "{row}: {:?}", agree());
    }
}

#[test]
fn an_interface_that_no_namespace_has_is_unknown() {
    let test = "an_interface_that_no_namespace_has_is_unknown";
    let Some(world) = World::plain(test, Sockets { listen: 1, ..Sockets::default() }) else {
        return;
    };
    let named = [("red", &world)];
    let check = |words: &[&str]| {
        let words = [&["network-connections", "--netns=all"], words].concat();
        connbox_among(&named, Rights::Root, &words)
    };
    // The namespaces of tests beside have sockets that are bound to theirs.
    let ran = check(&["--rule=[iface=nope];0;0", "--rule=[iface=lo];9999;9999"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let text =
        "[iface=nope]: no network namespace has an interface of that name [UNKNOWN], [iface=lo]: ";
    let rest = ran.stdout.strip_prefix(text).unwrap_or_else(|| panic!("{ran:?}"));
    let (count, _) = rest.split_once('|').unwrap();
    assert!(count.parse::<u64>().is_ok() && ran.stderr.is_empty(), "{ran:?}");
    // A number of no interface selects sockets that are bound to one that is gone; that it is none is said.
    let ran = world.connbox(&["conncount", "--iface", "999"]);
    let remark = "--iface: this network namespace has no interface 999";
    assert_eq!((ran.stdout.as_str(), ran.stderr), ("0\n", format!("conncount: {remark}\n")));
    let ran = world.connbox(&["network-connections", "--rule=[iface=999]"]);
    let text = "[iface=999]: 0 (this network namespace has no interface 999)|'[iface:999]'=0;;;0\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (text, ""));
    // Rows have the remark, too, on standard error as well.
    let ran = world.connbox(&["network-connections", "--rule=[iface=999]", "--json"]);
    let reason = "this network namespace has no interface 999";
    assert!(ran.stdout.contains(&format!("\"result\":\"OK\",\"warning\":null,\"critical\":null,\"max\":null,\"reason\":\"{reason}\"")), "{ran:?}");
    assert_eq!(ran.stderr, format!("network-connections: --rule [iface=999]: {reason}\n"));
    let ran = world.connbox(&["network-connections", "--rule=[iface=nope]"]);
    assert!(ran.status == 3 && ran.stdout.contains("iface: 'nope' is not an interface"), "{ran:?}");
}
