//! `connbox --textfile`: several applets in one file, for node_exporter's textfile collector.

use crate::support;

use crate::support::scratch;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use scratch::{names_in, scratch};
use support::CONNBOX;

/// A saved kernel with limits.
fn tree() -> std::path::PathBuf {
    static TREE: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    let make = || {
        let root = scratch("textfile-tree");
        fs::create_dir_all(root.join("proc")).unwrap();
        for (world, part) in [("own-lab-6.18", "proc/net"), ("made-limits", "proc/sys")] {
            let part = std::path::Path::new(part);
            std::os::unix::fs::symlink(support::world(world).join(part), root.join(part)).unwrap();
        }
        root
    };
    TREE.get_or_init(make).clone()
}

/// Runs `connbox --textfile FILE WORDS` with a saved kernel.
fn textfile(file: &Path, words: &str) -> Output {
    let mut command = support::command(CONNBOX);
    command.env("CONNBOX_ROOT", tree());
    command.arg("--textfile").arg(file).args(words.split_whitespace()).output().unwrap()
}

/// The text of a file that was written without errors.
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

/// The samples of a text, without those about the applets' success.
fn samples(text: &str) -> Vec<&str> {
    let is_sample = |line: &&str| !line.starts_with('#') && !line.starts_with("connbox_collect_");
    text.lines().filter(is_sample).collect()
}

/// Whether `text` holds the whole line `sample`, but for the label that names the file.
fn has(text: &str, sample: &str) -> bool {
    text.lines().any(|line| without_file(line) == sample)
}

fn without_file(line: &str) -> String {
    let Some((before, rest)) = line.split_once(",file=\"/") else { return line.to_owned() };
    [before, rest.split_once('"').unwrap().1].concat()
}

fn success(applet: &str, is_good: bool) -> String {
    format!("connbox_collect_success{{applet=\"{applet}\"}} {}", u8::from(is_good))
}

#[test]
fn the_file_holds_what_each_applet_prints() {
    let root = tree();
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
            let number = |line| Some(without_file(line).strip_prefix(&seconds)?.parse().unwrap());
            let seconds: f64 = text.lines().find_map(number).unwrap();
            assert!((0.0..60.0).contains(&seconds), "{seconds}");
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
    assert_eq!(text.matches("connbox_collect_success{applet=\"conncount\",").count(), 1);
    assert_eq!(text.matches("connbox_collect_seconds{applet=\"conncount\",").count(), 1);
}

#[test]
fn the_applets_of_two_files_have_series_of_their_own() {
    let directory = scratch("two_files");
    let mut seen = std::collections::BTreeSet::new();
    for name in ["a.prom", "b.prom", "odd \"name\" \\.prom"] {
        let file = directory.join(name);
        assert_eq!(said(&textfile(&file, "tcpstates + conncount")), (Some(0), String::new()));
        // The path is whole, wherever the run began.
        let mut command = support::command(CONNBOX);
        command.current_dir(&directory).env("CONNBOX_ROOT", support::world("own-lab-6.18"));
        let written = fs::read_to_string(&file).unwrap();
        let output = command.args(["--textfile", name, "tcpstates", "+", "conncount"]).output();
        assert_eq!(said(&output.unwrap()), (Some(0), String::new()));
        let path = file.to_str().unwrap().replace('\\', "\\\\").replace('"', "\\\"");
        for text in [written, fs::read_to_string(&file).unwrap()] {
            let own = text.lines().filter(|line| line.starts_with("connbox_collect_"));
            let series: Vec<_> = own.map(|line| line.rsplit_once(' ').unwrap().0).collect();
            assert_eq!(series.len(), 4, "{text}");
            assert!(
                series.iter().all(|one| one.ends_with(&format!(",file=\"{path}\"}}"))),
                "{text}"
            );
            seen.extend(series.into_iter().map(str::to_owned));
        }
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn a_series_that_comes_twice_is_said_and_written_once() {
    let file = scratch("repeated").join("connbox.prom");
    // To Prometheus, an empty label is the same as none: --oid adds no series to TcpExt's counters.
    for (words, series, more) in [
        ("conncount + conncount estab", "connbox_conncount_sockets{name=\"estab\"}", ""),
        (
            "conncount + conncount --quiet-gaps",
            "connbox_conncount_sockets{name=\"total\"}",
            ", as are 7 others",
        ),
        (
            "snmpget-tcp TCPTimeouts + snmpget-tcp TCPTimeouts --oid",
            "connbox_snmp_tcp_total{name=\"TcpExtTCPTimeouts\",oid=\"\",type=\"\"}",
            "",
        ),
    ] {
        let applet = words.split(' ').next().unwrap();
        let cure = match applet {
            "conncount" | "tcpstates" => {
                "; for several filters: network-connections --rule '[state=established]' --rule '[state=listen]'"
            }
            _ => "",
        };
        let text = format!("{applet}: {series}: is already given by another part{more}{cure}\n");
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
    // A row that another kernel has is a failure at run time, not a usage error.
    let (status, why) = said(&textfile(&file, "sockstat file.used + conncount"));
    assert!(status == Some(1) && why.starts_with("sockstat: file.used: no row"), "{why}");
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

/// A check that finds a problem has given everything it was asked for; one whose verdict is UNKNOWN has not.
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
    // The saved kernel has no connection tracking.
    let words = "network-connections --rule conntrack_percent;80 --rule CLOSE_WAIT + closedcalc";
    let why =
        "network-connections: --textfile: ended with status 3: its numbers may be incomplete\n";
    let (status, stderr) = said(&textfile(&file, words));
    let reason = "network-connections: --rule conntrack_percent: ";
    assert!(status == Some(1) && stderr.starts_with(reason) && stderr.ends_with(why), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("{key=\"CLOSE_WAIT\",") && has(&text, &success("closedcalc", true)));
    assert!(has(&text, &success("network-connections", false)), "{text}");
}

#[test]
fn gaps_are_accepted_in_all_parts() {
    let folder = scratch("quiet-gaps");
    let (file, root) = (folder.join("connbox.prom"), folder.join("root"));
    fs::create_dir_all(root.join("proc/net")).unwrap();
    for name in ["tcp", "sockstat", "snmp", "tcp6", "snmp6"] {
        let from = support::world("own-lab-6.18").join("proc/net").join(name);
        fs::copy(from, root.join("proc/net").join(name)).unwrap();
    }
    let run = |before: &[&str], words: &str| {
        let mut command = support::command(CONNBOX);
        command.env("CONNBOX_ROOT", &root).arg("--textfile");
        command.args(before).args(words.split_whitespace());
        said(&command.output().unwrap())
    };
    let path = file.to_str().unwrap();
    // No sockstat6, no limits, and nothing says whether connections are tracked.
    let (status, stderr) = run(&[path], "");
    assert_eq!((status, stderr.lines().count()), (Some(1), 2), "{stderr}");
    assert!(stderr.contains("sockstat: ") && stderr.contains("conntrack: "), "{stderr}");
    assert!(has(&fs::read_to_string(&file).unwrap(), &success("conntrack", false)));
    let spelled = "tcpstates + sockstat --limits + snmpget-tcp + conncount";
    for words in ["", spelled] {
        for before in
            [&[path, "--quiet-gaps"][..], &["--quiet-gaps", path], &["--quiet-gaps", "--", path]]
        {
            assert_eq!(run(before, words), (Some(0), String::new()), "{words}");
            let text = fs::read_to_string(&file).unwrap();
            assert!(has(&text, &success("conncount", true)), "{text}");
        }
    }
    let (status, stderr) = run(&[path], spelled);
    assert!(status == Some(1) && stderr.contains("conncount: sockstat6 is missing"), "{stderr}");
    // What --help prints is help.
    let output = support::run(&["--textfile", "--help"]);
    assert_eq!(output.stdout, support::run(&["--help"]).stdout);
    assert!(output.status.success() && !output.stdout.is_empty());
    let (_, stderr) = run(&[path], "conncount --state estab + conncount --state listen");
    assert!(
        stderr.contains(
            "is already given by another part; for several filters: network-connections --rule"
        ),
        "{stderr}"
    );
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
            "conncount: --interval: cannot be combined with --textfile, whose own stands before the \
             applet: connbox --textfile --interval SECONDS FILE APPLET",
        ),
        ("conncount --count 2", 2, "conncount: --count: cannot be combined with --textfile"),
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
    assert_eq!(
        here("conncount --prom --format prom").0,
        Some(0),
        "a format that it has anyway is not an error"
    );
}

/// Some is found only when the applet runs.
#[test]
fn a_wrong_command_line_that_is_found_late_writes_nothing() {
    let directory = scratch("wrong-late");
    let file = directory.join("connbox.prom");
    fs::write(&file, "old\n").unwrap();
    for (words, text) in [
        ("tcpstates + conncount nosuch", "conncount: nosuch: no row of that name; "),
        ("tcpstates nosuch", "tcpstates: nosuch: no row of that name; "),
        ("closedcalc nosuch", "closedcalc: nosuch: no row of that name; "),
        (
            "tcpstates --state close-wait established",
            "tcpstates: established: is left out by --state",
        ),
        ("tcpstates + tcpstates", "--textfile: tcpstates is given twice with the same words"),
        (
            "network-connections -w abc",
            "network-connections: --warning: 'abc': Range format incorrect",
        ),
        ("network-connections -c 5:1", "network-connections: --critical: '5:1': "),
        ("sockstat NOPE", "sockstat: NOPE: no row of that name; "),
        ("snmpget-tcp NoSuchName", "snmpget-tcp: NoSuchName: no row of that name; "),
        ("snmpget-tcp NoSuch*", "snmpget-tcp: NoSuch*: no row of that name; "),
        ("conncount --top 3", "conncount: --top: needs --by"),
        ("closedcalc --min 3", "closedcalc: --min: needs --by"),
        ("conncount --ipv4 --ipv6", "conncount: --ipv6: cannot be combined with --ipv4"),
        ("conncount --uid nosuch", "conncount: --uid: 'nosuch' is not a user ID or a user in "),
        ("conncount --lport nosuch", "conncount: --lport: 'nosuch' is not a port, "),
    ] {
        let (code, why) = said(&textfile(&file, words));
        assert!(code == Some(2) && why.starts_with(&format!("connbox: {text}")), "{words}: {why}");
    }
    // What reads the running kernel alone; and no stream has an end.
    for (words, text) in [
        (&["tcptrack", "port"][..], "tcptrack: filter: at its end: expected an address"),
        (&["tcptrack", "--ended"], "tcptrack: --prom: needs --by and --count 1 with --ended"),
        (&["conntrack", "-E"], "conntrack: --prom: cannot be combined with -E"),
        (&["conntrackd", "--foreground"], "conntrackd: --prom: needs -s or -i"),
        (&["conntrackd", "-k"], "conntrackd: --prom: needs -s or -i"),
    ] {
        let (code, why) =
            said(&support::run(&[&["--textfile", file.to_str().unwrap()], words].concat()));
        assert!(
            code == Some(2) && why.starts_with(&format!("connbox: {text}")),
            "{words:?}: {why}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old\n");
    assert_eq!(names_in(&directory), ["connbox.prom"]);
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
    let file = directory.join("connbox.prom");
    let output = support::run(&["--textfile"]);
    assert_eq!(said(&output), (Some(2), "connbox: --textfile: needs a file\n".into()));
    let (code, why) = said(&support::run(&["--textfile", "--header"]));
    assert_eq!(code, Some(2));
    let cure = ": --textfile itself takes only --interval SECONDS and --quiet-gaps; ";
    assert!(why.starts_with(&format!("connbox: --header{cure}")), "{why}");
    for words in [&["--count", "3"][..], &["--count=3"], &["-v"], &["--interval=1", "-v"]] {
        for (before, after) in [(words, &[][..]), (&[], words)] {
            let path = [file.to_str().unwrap()];
            let (code, why) = said(&support::run(
                &[&["--textfile"], before, &path, after, &["sockstat"]].concat(),
            ));
            let option = words.last().filter(|word| **word == "-v").unwrap_or(&"--count");
            assert!(why.starts_with(&format!("connbox: {option}{cure}")), "{why}");
            assert_eq!(code, Some(2));
        }
    }
    for before in [&["-h"][..], &["--interval", "1", "--help"]] {
        assert!(support::run(&[&["--textfile"], before].concat()).status.success());
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_said() {
    if !support::needs("a_directory_that_may_not_be_written_is_said", &["setpriv", "bash"]) {
        return;
    }
    let directory = scratch("unwritable");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    // Root has a capability to write everywhere.
    let line = format!(
        "humbly() {{ [ $(id -u) = 0 ] || exec \"$@\"; exec setpriv --bounding-set -dac_override \
         --inh-caps -dac_override \"$@\"; }}; humbly {CONNBOX} --textfile {}/connbox.prom --quiet-gaps closedcalc",
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
    let text = support::shell("connbox --textfile /dev/stdout closedcalc alloc | cat");
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
    // The directory holds nothing else, so all other applets fail; conntrack was not asked for by name.
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

/// Waits until a file has been written `times` times more.
fn wait_for_writes(file: &Path, times: usize) {
    let mut seen = Vec::new();
    for _ in 0..3000 {
        // A whole file, whenever one looks.
        if let Ok(text) = fs::read_to_string(file) {
            assert!(text.contains("connbox_collect_success"), "{text}");
            let time = fs::metadata(file).map(|file| (file.mtime(), file.mtime_nsec())).unwrap();
            if !seen.contains(&time) {
                seen.push(time);
            }
        }
        if seen.len() > times {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{seen:?}");
}

#[test]
fn with_an_interval_the_file_is_written_again_and_again() {
    for (test, is_after, words) in [
        ("interval", false, &["--interval", "0.02"][..]),
        ("interval-equals", false, &["--interval=0.02"]),
        ("interval-after", true, &["--quiet-gaps", "--interval=0.02"]),
    ] {
        let directory = scratch(test);
        let file = directory.join("connbox.prom");
        let path = [file.to_str().unwrap()];
        let words = if is_after { [&path, words].concat() } else { [words, &path].concat() };
        let mut command = support::command(CONNBOX);
        command.env("CONNBOX_ROOT", support::world("own-lab-6.18"));
        command.arg("--textfile").args(words).arg("closedcalc");
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_for_writes(&file, 2);
        assert!(has(&fs::read_to_string(&file).unwrap(), &success("closedcalc", true)));
        // It ends when it cannot write any more.
        fs::remove_dir_all(&directory).unwrap();
        let (status, text) = said(&child.wait_with_output().unwrap());
        assert!(status == Some(1) && text.contains("no such directory"), "{status:?} {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// A message is said once, and again when it has changed or was gone meanwhile.
#[test]
fn a_message_is_not_repeated_at_each_writing() {
    let directory = scratch("messages");
    let (file, root) = (directory.join("connbox.prom"), directory.join("root"));
    fs::create_dir_all(root.join("proc/net")).unwrap();
    let sockstat = root.join("proc/net/sockstat");
    let good = fs::read(support::world("own-lab-6.18").join("proc/net/sockstat")).unwrap();
    let put = |text: &[u8]| {
        // As a whole: no writing sees half of it.
        fs::write(root.join("new"), text).unwrap();
        fs::rename(root.join("new"), &sockstat).unwrap();
        // One may have begun before.
        wait_for_writes(&file, 2);
    };
    let mut command = support::command(CONNBOX);
    command.env("CONNBOX_ROOT", &root).args(["--textfile", "--interval=0.02"]).arg(&file);
    let child = command.arg("closedcalc").stderr(Stdio::piped()).spawn().unwrap();
    wait_for_writes(&file, 3);
    put(&good);
    put(b"damaged\n");
    put(b"");
    put(&good);
    fs::remove_file(&sockstat).unwrap();
    wait_for_writes(&file, 3);
    fs::remove_dir_all(&directory).unwrap();
    let (_, text) = said(&child.wait_with_output().unwrap());
    let lines: Vec<_> = text.lines().collect();
    // Missing, damaged, empty, and missing again after a good one.
    let found = lines.iter().filter(|line| line.contains("sockstat")).count();
    assert!(found >= 4 && lines.windows(2).all(|pair| pair[0] != pair[1]), "{text}");
    assert!(lines.len() < 9, "{text}");
}

#[test]
fn an_interval_is_a_number_of_seconds_beside_the_file() {
    for (words, why) in [
        (&["--interval"][..], "--interval: needs a value"),
        (&["--interval", "0", "x.prom"], "--interval: '0' is not a number of seconds"),
        (&["x.prom", "--interval", "0"], "--interval: '0' is not a number of seconds"),
        (&["--quiet-gaps", "--interval", "0", "x.prom"], "--interval: '0' is not a number of"),
        (&["--interval", "1"], "--textfile: needs a file"),
        (&["--interval", "1", "--quiet-gaps"], "--textfile: needs a file"),
        (&["--interval", "1", "--interval"], "--interval: needs a value"),
        (&["--interval=0", "x.prom"], "--interval: '0' is not a number of seconds"),
        (&["x.prom", "--interval=", "sockstat"], "--interval: '' is not a number of seconds"),
        (&["--interval=1", "--quiet-gaps"], "--textfile: needs a file"),
        (&["--quiet-gaps=1", "x.prom"], "--quiet-gaps: takes no value, but '1' was given"),
    ] {
        let output = support::run(&[&["--textfile"], words].concat());
        let (status, text) = said(&output);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.starts_with(&format!("connbox: {why}")), "{text}");
    }
}
