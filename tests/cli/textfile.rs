//! `connbox --textfile`: several applets in one file, for node_exporter's textfile collector.

use crate::support;

use crate::support::scratch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use scratch::{names_in, scratch};
use support::CONNBOX;

/// Runs `connbox --textfile FILE WORDS` in a saved world.
fn textfile(file: &Path, words: &str) -> Output {
    let mut command = support::command(CONNBOX);
    command.env("CONNBOX_ROOT", support::world("own-lab-6.18"));
    command.arg("--textfile").arg(file).args(words.split_whitespace()).output().unwrap()
}

/// The text of a file for which nothing went wrong.
fn written(test: &str, words: &str) -> String {
    let file = scratch(test).join("connbox.prom");
    let output = textfile(&file, words);
    assert_eq!(said(&output), (Some(0), String::new()), "{words}");
    assert!(output.stdout.is_empty(), "{words}");
    fs::read_to_string(file).unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The samples of a text, without those that say how applets did.
fn samples(text: &str) -> Vec<&str> {
    let is_sample = |line: &&str| !line.starts_with('#') && !line.starts_with("connbox_collect_");
    text.lines().filter(is_sample).collect()
}

/// Whether `text` holds the whole line `sample`.
fn has(text: &str, sample: &str) -> bool {
    text.lines().any(|line| line == sample)
}

fn success(applet: &str, is_good: bool) -> String {
    format!("connbox_collect_success{{applet=\"{applet}\"}} {}", u8::from(is_good))
}

#[test]
fn the_file_holds_what_each_applet_prints() {
    let root = support::world("own-lab-6.18");
    let words = ["tcpstates", "sockstat --limits", "snmpget-tcp", "conncount"];
    let mut wanted = String::new();
    for words in words {
        let words: Vec<_> = words.split(' ').chain(["--prom", "--root"]).collect();
        wanted += &support::stdout_of(&[&words[..], &[root.to_str().unwrap()]].concat());
    }
    for (test, words) in [("default", String::new()), ("named", words.join(" + "))] {
        let text = written(test, &words);
        assert_eq!(samples(&text), samples(&wanted), "{words}");
        for applet in ["tcpstates", "sockstat", "snmpget-tcp", "conncount"] {
            assert!(has(&text, &success(applet, true)), "{text}");
            let seconds = format!("connbox_collect_seconds{{applet=\"{applet}\"}} ");
            let seconds = text.lines().find_map(|line| line.strip_prefix(&seconds)).unwrap();
            assert!((0.0..60.0).contains(&seconds.parse().unwrap()), "{seconds}");
        }
    }
}

#[test]
fn promtool_accepts_the_file() {
    if !support::needs("promtool_accepts_the_file", &["promtool"]) {
        return;
    }
    for words in ["", "tcpstates --by family + tcpstates + snmpget-tcp --all --explain + sockstat"]
    {
        let text = written("promtool", words);
        let mut promtool = support::command("promtool");
        let output = support::feed(promtool.args(["check", "metrics"]), text.as_bytes());
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn an_applet_that_is_named_twice_merges() {
    let text = written("twice", "conncount estab + tcpstates + conncount timewait --quick");
    assert_eq!(text.matches("# TYPE connbox_conncount_sockets gauge\n").count(), 1, "{text}");
    assert_eq!(text.matches("# HELP connbox_conncount_sockets ").count(), 1, "{text}");
    let together = "connbox_conncount_sockets{name=\"estab\"} 17\n\
                    connbox_conncount_sockets{name=\"timewait\"} 12\n";
    assert!(text.contains(together), "{text}");
    assert_eq!(text.matches("connbox_collect_success{applet=\"conncount\"} 1\n").count(), 1);
    assert_eq!(text.matches("connbox_collect_seconds{applet=\"conncount\"} ").count(), 1);
}

#[test]
fn a_series_that_comes_twice_is_said_and_written_once() {
    let file = scratch("repeated").join("connbox.prom");
    // An empty label is none to Prometheus: --oid makes no new series of TcpExt's counters.
    for (words, series, more) in [
        ("conncount + conncount estab", "connbox_conncount_sockets{name=\"estab\"}", ""),
        ("conncount + conncount", "connbox_conncount_sockets{name=\"total\"}", ", as are 7 others"),
        (
            "snmpget-tcp TCPTimeouts + snmpget-tcp TCPTimeouts --oid",
            "connbox_snmp_tcp_total{name=\"TcpExtTCPTimeouts\",oid=\"\",type=\"\"}",
            "",
        ),
    ] {
        let applet = words.split(' ').next().unwrap();
        let text = format!("{applet}: {series}: is already given by another part{more}\n");
        assert_eq!(said(&textfile(&file, words)), (Some(1), text), "{words}");
        let text = fs::read_to_string(&file).unwrap();
        assert!(has(&text, &success(applet, false)), "{text}");
        let mut series: Vec<_> =
            samples(&text).iter().map(|line| line.split(',').next().unwrap().to_owned()).collect();
        let count = series.len();
        series.dedup();
        assert_eq!(series.len(), count, "{text}");
    }
}

#[test]
fn an_applet_that_fails_leaves_the_others_alone() {
    let file = scratch("fails").join("connbox.prom");
    let words = "tcpstates + sockstat --root /nowhere + conncount";
    let why = "sockstat: /nowhere/proc: No such file or directory\n".to_owned();
    assert_eq!(said(&textfile(&file, words)), (Some(1), why));
    let text = fs::read_to_string(&file).unwrap();
    assert!(has(&text, "connbox_tcp_sockets{state=\"LISTEN\"} 7"), "{text}");
    assert!(has(&text, "connbox_conncount_sockets{name=\"estab\"} 17"), "{text}");
    for (applet, is_good) in [("tcpstates", true), ("sockstat", false), ("conncount", true)] {
        assert!(has(&text, &success(applet, is_good)), "{text}");
    }
    assert!(!text.contains("connbox_sockstat"), "{text}");
    // A row that is not there is a fault of the world, not of the command line.
    let (status, why) = said(&textfile(&file, "sockstat NONE.used + conncount"));
    assert!(status == Some(1) && why.starts_with("sockstat: NONE.used: no row"), "{why}");
    assert!(has(&fs::read_to_string(&file).unwrap(), &success("conncount", true)));
}

#[test]
fn what_could_be_read_of_a_broken_file_is_there() {
    let directory = scratch("broken");
    fs::create_dir_all(directory.join("proc/net")).unwrap();
    let snmp = "Tcp: CurrEstab InSegs\nTcp: 3\nTcpNew: A\nTcpNew: 5\n";
    fs::write(directory.join("proc/net/snmp"), snmp).unwrap();
    let file = directory.join("connbox.prom");
    let from = directory.join("proc/net/snmp");
    let (status, why) =
        said(&textfile(&file, &format!("snmpget-tcp --all --from {}", from.display())));
    assert_eq!(status, Some(1), "{why}");
    assert!(why.contains("snmp:2: the names and values of this pair do not match"), "{why}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(has(&text, "connbox_snmp_tcp_total{name=\"TcpNewA\"} 5"), "{text}");
    assert!(has(&text, &success("snmpget-tcp", false)), "{text}");
}

/// A check that finds something bad has given all that it was asked for; one that cannot know has not.
#[test]
fn the_verdict_of_a_check_is_no_failure_but_unknown_is() {
    let file = scratch("verdict").join("connbox.prom");
    let words = "network-connections --rule CLOSE_WAIT;0;2 + closedcalc";
    assert_eq!(said(&textfile(&file, words)), (Some(0), String::new()));
    let text = fs::read_to_string(&file).unwrap();
    for (metric, number) in [("value", 5), ("result", 2)] {
        let sample = format!("connbox_network_connections_{metric}{{key=\"CLOSE_WAIT\",");
        let is_it =
            |line: &str| line.starts_with(&sample) && line.ends_with(&format!("}} {number}"));
        assert!(text.lines().any(is_it), "{metric}: {text}");
    }
    assert!(has(&text, &success("network-connections", true)), "{text}");
    // The world has no connection tracker.
    let words = "network-connections --rule conntrack_percent;80 --rule CLOSE_WAIT + closedcalc";
    let why =
        "network-connections: --textfile: ended with status 3: its numbers may be incomplete\n";
    assert_eq!(said(&textfile(&file, words)), (Some(1), why.to_owned()));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("{key=\"CLOSE_WAIT\",") && has(&text, &success("closedcalc", true)));
    assert!(has(&text, &success("network-connections", false)), "{text}");
}

#[test]
fn a_wrong_command_line_writes_nothing() {
    let directory = scratch("wrong");
    let file = directory.join("connbox.prom");
    fs::write(&file, "old\n").unwrap();
    let here = |words: &str| said(&textfile(&file, words));
    for (words, status, text) in [
        (
            "conncount --interval 1 --count 2",
            2,
            "conncount: --interval: cannot be combined with --textfile",
        ),
        ("conncount --json", 2, "conncount: --json: cannot be combined with --textfile"),
        ("tcpstates + conncount -v", 2, "conncount: --value: cannot be combined with --textfile"),
        ("conncount --format tsv", 2, "conncount: --tsv: cannot be combined with --textfile"),
        (
            "conncount --shell --prefix P_",
            2,
            "conncount: --shell: cannot be combined with --textfile",
        ),
        ("conncount --output x", 2, "conncount: --output: cannot be combined with --textfile"),
        ("conncount --rate", 2, "conncount: --rate: needs --interval"),
        ("conncount --help", 2, "conncount: --help and --version cannot be combined"),
        ("conncount --version", 2, "conncount: --help and --version cannot be combined"),
        ("conncount --xyzzy", 2, "conncount: --xyzzy: no such option"),
        ("conncount + + tcpstates", 2, "--textfile: + must stand between two applets"),
        ("+ tcpstates", 2, "--textfile: + must stand between two applets"),
        ("tcpstates +", 2, "--textfile: + must stand between two applets"),
        (
            "network-connections --json",
            2,
            "network-connections: --json: cannot be combined with --textfile",
        ),
        ("network-connections --nope", 2, "network-connections: --nope: no such option"),
        ("conntrack -Q", 2, "conntrack: -Q: no such option"),
        ("tcpstates + conncuont", 127, "conncuont: no such applet; did you mean conncount?"),
    ] {
        let (code, why) = here(words);
        assert_eq!(code, Some(status), "{words}: {why}");
        assert!(why.starts_with(&format!("connbox: {text}")), "{words}: {why}");
        assert_eq!(why.lines().count(), 1, "{words}: {why}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old\n");
    assert_eq!(names_in(&directory), ["connbox.prom"]);
    assert_eq!(here("conncount --prom --format prom").0, Some(0), "what it is anyway is no error");
}

#[test]
fn a_place_where_no_file_can_be_is_said() {
    let directory = scratch("places");
    fs::write(directory.join("file"), "").unwrap();
    for (place, status, text) in [
        ("missing/connbox.prom", 1, "missing: no such directory"),
        ("file/connbox.prom", 1, "file: no such directory"),
        ("", 2, ": is a directory: name a file in it, such as connbox.prom"),
        ("connbox.txt", 2, "connbox.txt: must end in .prom: node_exporter reads no other file"),
    ] {
        let path = directory.join(place);
        let (code, why) = said(&textfile(&path, "closedcalc"));
        assert_eq!(code, Some(status), "{why}");
        assert!(why.starts_with("connbox: ") && why.trim_end().ends_with(text), "{why}");
    }
    assert_eq!(names_in(&directory), ["file"]);
    let output = support::run(&["--textfile"]);
    assert_eq!(said(&output), (Some(2), "connbox: --textfile: needs a file\n".into()));
    let (code, why) = said(&support::run(&["--textfile", "--help"]));
    assert_eq!(code, Some(2));
    assert!(why.contains("needs a file, and '--help' is an option"), "{why}");
}

#[test]
fn a_directory_that_may_not_be_written_is_said() {
    if !support::needs("a_directory_that_may_not_be_written_is_said", &["setpriv", "bash"]) {
        return;
    }
    let directory = scratch("unwritable");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere, by a capability.
    let line = format!(
        "humbly() {{ [ $(id -u) = 0 ] || exec \"$@\"; exec setpriv --bounding-set -dac_override \
         --inh-caps -dac_override \"$@\"; }}; humbly {CONNBOX} --textfile {}/connbox.prom closedcalc",
        directory.display()
    );
    let output = support::command("bash").args(["-c", &line]).output().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!(
        "connbox: {}: Permission denied (a temporary file is written here, then renamed)\n",
        directory.display()
    );
    assert_eq!(said(&output), (Some(1), text));
}

#[test]
fn everybody_may_read_the_file() {
    if !support::needs("everybody_may_read_the_file", &["bash"]) {
        return;
    }
    let file = scratch("mode").join("connbox.prom");
    for (umask, mode) in [("022", 0o644), ("027", 0o640)] {
        let _ = fs::remove_file(&file);
        let words = format!("umask {umask}; {CONNBOX} --textfile {} closedcalc", file.display());
        support::shell(&words);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, mode, "{umask}");
    }
}

#[test]
fn a_pipe_may_have_any_name() {
    if !support::needs("a_pipe_may_have_any_name", &["bash"]) {
        return;
    }
    let text = support::shell("connbox --textfile /dev/stdout closedcalc unhashed | cat");
    assert_eq!(samples(&text).len(), 1, "{text}");
    assert_eq!(support::shell("connbox --textfile /dev/stdout | :"), "");
}

#[test]
fn conntrack_is_there_where_the_kernel_counts() {
    let root = scratch("tracks");
    let net = root.join("proc/sys/net/netfilter");
    fs::create_dir_all(&net).unwrap();
    let file = root.join("connbox.prom");
    let run = |words: &[&str]| {
        let mut command = support::command(CONNBOX);
        command.env("CONNBOX_ROOT", &root).arg("--textfile").arg(&file).args(words);
        let (status, why) = said(&command.output().unwrap());
        (status, why, fs::read_to_string(&file).unwrap_or_default())
    };
    let (status, why, text) = run(&["conntrack"]);
    assert!(status == Some(1) && why.contains("nf_conntrack_count: cannot be read"), "{why}");
    assert!(has(&text, &success("conntrack", false)), "{text}");
    // The world holds nothing else, so all the others fail; conntrack was not asked for by name.
    let (_, why, text) = run(&[]);
    assert!(!why.contains("conntrack") && !text.contains("conntrack"), "{why} {text}");

    fs::write(net.join("nf_conntrack_count"), "41\n").unwrap();
    for (limit, is_limit) in [("262144\n", true), ("0\n", false)] {
        fs::write(net.join("nf_conntrack_max"), limit).unwrap();
        for words in [&["conntrack"][..], &[]] {
            let (_, _, text) = run(words);
            assert!(has(&text, "connbox_conntrack_entries 41"), "{text}");
            assert_eq!(has(&text, "connbox_conntrack_entries_limit 262144"), is_limit, "{text}");
            assert!(has(&text, &success("conntrack", true)), "{text}");
        }
    }
}

#[test]
fn after_another_network_namespace_the_own_one_is_looked_at() {
    let test = "after_another_network_namespace_the_own_one_is_looked_at";
    if !support::needs(test, &["unshare"]) {
        return;
    }
    let _listeners: Vec<_> =
        (0..40).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let words = format!("sockstat sockets.used --netns {} + tcpstates listen", std::process::id());
    let mut command = support::command("unshare");
    command.args(["--net", CONNBOX, "--textfile", "/dev/stdout"]).args(words.split(' '));
    let output = command.output().unwrap();
    let (status, why) = said(&output);
    if why.starts_with("unshare: ") {
        return support::lacks(test, "user namespaces", &why);
    }
    assert_eq!((status, why.as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    let used = text.lines().find_map(|line| {
        line.strip_prefix("connbox_sockstat{protocol=\"sockets\",item=\"used\"} ")
    });
    assert!(used.unwrap().parse::<u64>().unwrap() >= 40, "{text}");
    assert!(has(&text, "connbox_tcp_sockets{state=\"LISTEN\"} 0"), "{text}");
}
