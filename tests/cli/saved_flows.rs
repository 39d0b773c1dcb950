//! What conntrack-tools and the kernel print of flows, read back with --from.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::saved_text::of_two_files;
use crate::support::scratch::scratch;
use crate::support::{CONNBOX, fixtures, run, run_with_input};

/// The recorded text of a table of every protocol, in one form.
fn recording(name: &str) -> String {
    std::fs::read_to_string(fixtures().join("own-lab-6.18/conntrack").join(name)).unwrap()
}

/// Runs conntrack on a saved text: its standard output, its standard error, its status.
fn ran(line: &str, text: &str) -> (String, String, i32) {
    let words: Vec<_> = line.split(' ').collect();
    let output =
        run_with_input(&[&["conntrack"], &words[..], &["--from", "-"]].concat(), text.as_bytes());
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace("standard input:", "")
            .replace("conntrack:  ", "conntrack: ")
    };
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

const LISTS: [&str; 5] = [
    "every-proto.L-id.txt",
    "every-proto.L-extended-id.txt",
    "every-proto.L-xml.xml",
    "every-proto.L-save.txt",
    "every-proto.proc_nf_conntrack",
];

#[test]
fn every_form_has_the_same_flows() {
    const KEYS: &str =
        "-C --by proto,state,family,src,dst,sport,dport,reply_dst,reply_sport,zone,status";
    let plain = recording(LISTS[0]);
    let wanted = ran(KEYS, &plain);
    assert!(
        wanted.0.lines().count() > 15 && (wanted.1.as_str(), wanted.2) == ("", 0),
        "{}",
        wanted.1
    );
    for name in LISTS {
        let text = recording(name);
        assert_eq!(ran("-C", &text), ("19\n".into(), String::new(), 0), "{name}");
        assert_eq!(ran(KEYS, &text), wanted, "{name}");
        // Text from Windows, a terminal, or a program that says how many there were.
        assert_eq!(ran(KEYS, &text.replace('\n', "\r\n")), wanted, "{name}");
        let said = recording("every-proto.L.stderr");
        assert_eq!(ran(KEYS, &[said.as_str(), &text].concat()), wanted, "{name}");
        for filter in [
            "-p tcp",
            "-u UNREPLIED",
            "-s 3.3.3.0/24",
            "-d 4.4.4.4",
            "-f ipv6",
            "-p tcp --dport 80",
            "-n",
            "-p tcp --state CLOSE",
            "-p !tcp",
            "-s !3.3.3.0/24,!fd::/16",
            "-p tcp --state !CLOSE,!ESTABLISHED",
            "-n !",
        ] {
            let line = format!("-C {filter}");
            assert_eq!(ran(&line, &text), ran(&line, &plain), "{name} {filter}");
        }
    }
}

/// A value behind a ! selects the flows that the value alone does not, of any family and protocol.
#[test]
fn what_is_excluded_and_what_is_not_are_all() {
    let text = recording(LISTS[1]);
    let count = |line: &str| {
        let (counted, said, _) = ran(format!("-C {line}").trim(), &text);
        counted.trim().parse::<usize>().unwrap_or_else(|_| panic!("{line}: {said}"))
    };
    for (before, option, value) in [
        ("", "-s", "3.3.3.0/24"),
        ("", "-d", "fd::2"),
        ("", "-r", "2.2.2.2"),
        ("", "-q", "9.9.9.9"),
        ("", "-p", "tcp"),
        ("", "-w", "0"),
        ("", "-n", "9.9.9.9"),
        ("", "-j", "9.9.9.9:99"),
        ("-p tcp ", "--state", "CLOSE"),
        ("-p tcp ", "--sport", "101-104"),
        ("-p icmp ", "--icmp-type", "8"),
        ("-p gre ", "--srckey", "1"),
        ("-f ipv4 ", "-m", "0"),
    ] {
        let all = count(before);
        let [with, without] =
            ["", "!"].map(|mark| count(&format!("{before}{option} {mark}{value}")));
        assert!(with > 0 || option == "-w", "{option} {value}");
        assert_eq!(with + without, all, "{before}{option} {value}");
    }
    // What a form does not tell cannot be excluded either.
    let (_, said, status) = ran("-C -m !1", &recording(LISTS[3]));
    assert!(status == 1 && said.contains("--mark cannot be answered"), "{said}");
}

#[test]
fn a_list_becomes_what_the_tool_would_have_printed() {
    // conntrack shows ports 0 where the kernel gives none.
    let plain = recording(LISTS[0]);
    let of = |line: &str, text: &str| ran(line, text).0;
    let without_ports = |text: &str| {
        let fixed = |line: &str| match line.contains("dccp") {
            true => line.replace(" sport=0 dport=0", ""),
            false => line.to_owned(),
        };
        text.lines().map(|line| fixed(line) + "\n").collect::<String>()
    };
    assert_eq!(of("-L -o id", &plain), without_ports(&plain));
    assert_eq!(of("-L -o extended,id", &plain), without_ports(&recording(LISTS[1])));
    let xml = of("-L -o xml", &plain);
    let theirs = recording(LISTS[2]);
    let others = theirs.lines().zip(xml.lines()).filter(|(theirs, ours)| theirs != ours);
    assert!(
        others.into_iter().all(|(theirs, _)| theirs.contains("sctp") || theirs.contains("dccp"))
    );
    assert_eq!(theirs.lines().count(), xml.lines().count());
    // Back and forth.
    for form in ["xml", "save", "id", "extended"] {
        // XML of an SCTP flow that was inserted could be conntrack's or ours, which call states differently.
        let one = of(
            &format!("-L -o {form}"),
            &plain.replace("3599 ESTABLISHED src=1.1.1.1", "3599 CLOSED src=1.1.1.1"),
        );
        assert_eq!(of(&format!("-L -o {form}"), &one), one, "{form}");
    }
    let (stdout, stderr, status) = ran("-L", &plain);
    assert_eq!((stdout.lines().count(), status), (19, 0));
    assert_eq!(stderr, "conntrack v1.4.7 (conntrack-tools): 19 flow entries have been shown.\n");
}

#[test]
fn the_total_of_a_list_is_the_last_line_of_both_outputs() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved-flows-and-their-total");
    let both = File::create(&path).unwrap();
    let status = Command::new(CONNBOX)
        .args(["conntrack", "-L", "--from"])
        .arg(fixtures().join("own-lab-6.18/conntrack").join(LISTS[0]))
        .stdout(both.try_clone().unwrap())
        .stderr(both)
        .status();
    assert!(status.unwrap().success());
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 20, "{text}");
    assert!(lines[19].ends_with(": 19 flow entries have been shown."), "{text}");
}

#[test]
fn events_are_shown_as_they_were_printed() {
    let text = recording("routed-nat-zones.E-id-timestamp-extended.txt");
    let (stdout, stderr, status) = ran("-E -o id,timestamp,extended", &text);
    assert_eq!((stdout.as_str(), status), (text.as_str(), 0));
    assert_eq!(stderr, "conntrack v1.4.7 (conntrack-tools): 36 flow events have been shown.\n");
    let destroyed = ran("-E -e DESTROY -o id,timestamp,extended", &text).0;
    assert_eq!(destroyed.lines().count(), text.matches("[DESTROY]").count());
    let table = ran("-E --human", &text).0;
    assert_eq!(table.matches("DESTROY").count(), text.matches("[DESTROY]").count(), "{table}");
    let rows = ran("-E --tsv", &text).0;
    assert!(
        rows.starts_with(
            "2026-11-21T09:56:52.255Z\tNEW\tfalse\t-\tipv4\ttcp\tSYN_SENT\t120\t10.88.1.2\t"
        ),
        "{rows}"
    );
    // As XML, and back; the time of XML is to the second.
    let xml = ran("-E -o xml,timestamp", &text).0;
    assert_eq!(ran("-E -o xml,timestamp", &xml), (xml.clone(), stderr, 0));
    // Without a time there is none.
    let untimed: String =
        text.lines().map(|line| line.split_once('\t').unwrap().1.to_owned() + "\n").collect();
    assert!(ran("-E --json", &untimed).0.starts_with("{\"time\":null,\"event\":\"NEW\","));
    assert_eq!(ran("-E -o id,extended,timestamp", &untimed).0, untimed);
    let lost = format!("WARNING: We have hit ENOBUFS! We are losing events.\n{untimed}");
    assert!(ran("-E --tsv", &lost).0.starts_with("-\tLOST\tfalse\t0\t"));
    for words in ["-E", "-E --tsv"] {
        let (_, stderr, status) = ran(words, &lost);
        let said = "conntrack: 1: the tool lost events here\n";
        assert!(stderr.starts_with(said) && status == 1, "{words}: {stderr}");
    }
}

#[test]
fn one_flow_is_found_by_its_tuple() {
    let text = recording(LISTS[0]);
    let (stdout, _, status) = ran("-G -p tcp -s 3.3.3.3 -d 4.4.4.4 --sport 107 --dport 80", &text);
    assert!(
        stdout.starts_with("tcp      6 3599 TIME_WAIT src=3.3.3.3 ") && status == 0,
        "{stdout}"
    );
    let (stdout, stderr, status) =
        ran("-G -p tcp -s 3.3.3.3 -d 4.4.4.4 --sport 1 --dport 80", &text);
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), status),
        ("", "conntrack: --get: no such flow\n", 1)
    );
}

#[test]
fn what_a_text_does_not_tell_is_refused() {
    let (plain, save) = (recording(LISTS[0]), recording(LISTS[3]));
    let xml = recording(LISTS[2]);
    for (line, text, wanted) in [
        (
            "-C -m 5",
            &save,
            "1: --mark cannot be answered: this form shows no marks; save with -o extended,id,labels",
        ),
        (
            "-C --by mark",
            &save,
            "1: --by cannot be answered: this form shows no marks; save with -o extended,id,labels",
        ),
        (
            "-C --by proto --sum bytes",
            &save,
            "1: --sum cannot be answered: this form shows no packets and bytes; save with -o extended,id,labels",
        ),
        (
            "-C --by helper",
            &recording(LISTS[4]),
            "1: --by cannot be answered: this form shows no helpers; save with -o extended,id,labels",
        ),
        (
            "-C --by labels",
            &plain,
            "--by cannot be answered: no flow shows its labels; save with -o extended,id,labels",
        ),
        (
            "-C -l 5",
            &plain,
            "--label cannot be answered: no flow shows its labels; save with -o extended,id,labels",
        ),
        (
            "-C -u EXPECTED",
            &plain,
            "1: --status cannot be answered: the text does not tell EXPECTED",
        ),
        (
            "-C -u FIXED_TIMEOUT",
            &xml,
            "3: --status cannot be answered: the text does not tell FIXED_TIMEOUT",
        ),
        ("-E", &plain, "1: a flow of a list, and not an event; conntrack -L reads lists"),
    ] {
        assert_eq!(ran(line, text), (String::new(), format!("conntrack: {wanted}\n"), 1), "{line}");
    }
    let (_, stderr, status) = ran("-C -p icmp --icmp-type 8", &xml);
    assert!(stderr.contains(": --icmp-type cannot be answered: ") && status == 1, "{stderr}");
}

#[test]
fn what_needs_the_running_kernel_is_refused() {
    let plain = recording(LISTS[0]);
    for line in [
        "-S",
        "-E expect",
        "-L dying",
        "-C --limits",
        "-E --resync",
        "-E -b 100000",
        "-E --prom",
        "-E --value",
    ] {
        let (stdout, stderr, status) = ran(line, &plain);
        assert_eq!((stdout.as_str(), status), ("", 2), "{line}: {stderr}");
    }
}

#[test]
fn what_is_not_whole_is_said() {
    let plain = recording(LISTS[0]);
    let second = plain.match_indices('\n').nth(1).unwrap().0 + 1;
    let line = "conntrack: 3: the file is cut: its last line has no line end\n".to_owned();
    assert_eq!(ran("-C", &plain[..second + 9]), ("2\n".into(), line, 1));
    for (text, wanted) in [
        (
            [&plain[..second], "what is this\n"].concat(),
            "3: not a line of conntrack (-L, -G or -E, in any form of -o), of /proc/net/nf_conntrack, or a row of connbox conntrack below its header",
        ),
        (
            [&plain[..second], "    [NEW] ", &plain].concat(),
            "3: an event, which may be one of several of its flow; conntrack -E reads events",
        ),
        (
            [&plain[..second], "Total: 152\n"].concat(),
            "3: the summary of ss -s: closedcalc and conncount read it, conntrack does not",
        ),
        (
            plain[..second].replace("ESTABLISHED", "OPEN"),
            "1: 'OPEN' is not a state of this protocol",
        ),
    ] {
        assert_eq!(ran("-C", &text), (String::new(), format!("conntrack: {wanted}\n"), 1));
    }
    for (text, count, wanted) in [
        (
            [&plain[..second], &recording("every-proto.L.stderr")].concat(),
            2,
            "holds 2 flows, but the tool said that it printed 19",
        ),
        (
            recording(LISTS[2]).replace("</conntrack>\n", ""),
            19,
            "the XML is cut: </conntrack> is missing",
        ),
        (
            String::new(),
            0,
            "holds no flow: none was tracked, or the command failed; save with 2>&1, and the text says which",
        ),
        (
            format!(
                "{}conntrack v1.4.7 (conntrack-tools): Operation failed: x\n",
                &plain[..second]
            ),
            2,
            "3: the tool said: conntrack v1.4.7 (conntrack-tools): Operation failed: x",
        ),
    ] {
        assert_eq!(ran("-C", &text), (format!("{count}\n"), format!("conntrack: {wanted}\n"), 1));
    }
    let none = "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n";
    assert_eq!(ran("-C", none), ("0\n".into(), String::new(), 0));
}

/// conntrack writes rows in blocks and messages at once: in text of 2>&1 one lies in the middle of a row.
#[test]
fn a_row_that_a_message_has_split_is_whole_again() {
    const SAID: &str = "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n";
    let labelled = "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 \
        use=1 helper=ftp labels=one,two of them";
    let lists = LISTS.map(recording);
    let rows = lists.iter().map(|text| text.lines().find(|line| line.contains("udp")).unwrap());
    for row in rows.chain([labelled]) {
        let split = |place| [&row[..place], SAID, &row[place..], "\n"].concat();
        let text: String = (0..=row.len()).map(split).collect();
        let once = ran("-L --json", &format!("{row}\n")).0;
        let (stdout, stderr, status) = ran("-L --json", &text);
        let is_twice =
            stderr == "conntrack: --from: the same flows are given twice: they count twice\n";
        assert_eq!((stdout, status), (once.repeat(row.len() + 1), 1), "{stderr}");
        assert!(is_twice, "{stderr}");
    }
    let said = SAID.replace("1 flow entries", "1 expectations");
    let row = EXPECTED.lines().next().unwrap();
    let split = |place| [&row[..place], &said, &row[place..], "\n"].concat();
    let text: String = (0..=row.len()).map(split).collect();
    assert_eq!(ran("-C expect", &text).0, format!("{}\n", row.len() + 1));
    // Beside what another applet reads.
    let table = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp ESTAB 0 0 10.0.0.1:80 10.0.0.2:1\n";
    let text = [table, labelled, "\n", &labelled[..60], SAID, &labelled[60..], "\n"].concat();
    let output =
        run_with_input(&["tcpstates", "-v", "--from", "-", "established"], text.as_bytes());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1\n");
    // What follows is not the rest, or is not there.
    let head = [&labelled[..60], SAID].concat();
    let (stdout, stderr, status) = ran("-C", &[head.as_str(), labelled, "\n"].concat());
    assert!(stdout.is_empty() && status == 1 && stderr.contains("2: not a line of"), "{stderr}");
    let (stdout, stderr, status) = ran("-C", &[labelled, "\n", &head].concat());
    assert_eq!((stdout.as_str(), status), ("1\n", 1));
    assert!(stderr.contains("the rest of a row is missing"), "{stderr}");
    // -o labels without a file of names.
    let text = ["nfct_labelmap_new: No such file or directory\n", labelled, "\n"].concat();
    assert_eq!(ran("-C", &text), ("1\n".into(), String::new(), 0));
}

/// What a form does not show, rows made of it do not tell either.
#[test]
fn gaps_of_a_form_stay_gaps_in_rows() {
    for (name, line) in [
        (LISTS[3], "-C -m 0"),
        (LISTS[3], "-C --by mark"),
        (LISTS[3], "-C -l 5"),
        (LISTS[3], "-C --by labels"),
        (LISTS[3], "-C --by helper"),
        (LISTS[3], "-C --by proto --sum bytes"),
    ] {
        let text = recording(name);
        for form in ["-L --json", "-L --tsv --header"] {
            for text in [text.as_str(), &ran(form, &text).0] {
                let (stdout, stderr, status) = ran(line, text);
                let is_refused = stderr.contains(" cannot be answered: ");
                assert!(stdout.is_empty() && status == 1 && is_refused, "{line} {form}: {stderr}");
            }
        }
    }
    let rows = ran("-L --json", &recording(LISTS[1])).0;
    assert_eq!(ran("-C -m 0", &rows), ran("-C -m 0", &recording(LISTS[1])));
    let typeless = rows.replace("icmp_type\":8", "icmp_type\":null");
    assert!(
        ran("-C -p icmp --icmp-type 0", &typeless).1.contains("--icmp-type cannot be answered")
    );
    // XML has no type, so that no form made of it may show one.
    let xml = recording(LISTS[2]);
    let untyped = ran("-L --json", &xml).0;
    assert!(untyped.contains("\"icmp\"") && !untyped.contains("icmp_type\":0"), "{untyped}");
    for form in ["-L", "-L -o save", "-L -o xml", "-L --json", "-L --tsv --header"] {
        let text = ran(form, &xml).0;
        assert!(!text.contains("type=") && !text.contains("-type"), "{form}: {text}");
        assert_eq!(ran("-C -p icmp", &text), ("1\n".into(), String::new(), 0), "{form}");
        let (_, stderr, _) = ran("-C -p icmp --icmp-type 0", &text);
        assert!(stderr.contains("--icmp-type cannot be answered"), "{form}: {stderr}");
    }
    // A kernel's row tells that there is none.
    let kernels = rows.replace("\"ct_status\":[", "\"ct_status\":[\"CONFIRMED\",");
    let kernels = kernels.replace("\"CONFIRMED\",]", "\"CONFIRMED\"]");
    assert_eq!(ran("-C --by helper", &kernels).2, 0);
    // Nor does a status that is null.
    let start = rows.find("\"ct_status\":").unwrap();
    let list = &rows[start..=start + rows[start..].find(']').unwrap()];
    let (_, stderr, status) = ran("-C -u UNREPLIED", &rows.replacen(list, "\"ct_status\":null", 1));
    assert!(status == 1 && stderr.contains("1: --status cannot be answered"), "{stderr}");
    for text in [rows.replacen("{", "{\"src\":\"1.1.1.1\",", 1), "src\tdst\tsrc\n".to_owned()] {
        let (_, stderr, status) = ran("-C", &text);
        assert_eq!((stderr.as_str(), status), ("conntrack: 1: src stands there twice\n", 1));
    }
}

/// A header without rows is an answer, as that of conncount is; nothing at all is none.
#[test]
fn a_header_alone_is_of_no_flows() {
    let none = ran("-L -p 222 --tsv --header", &recording(LISTS[0])).0;
    assert_eq!(none.lines().count(), 1, "{none}");
    assert_eq!(ran("-C", &none), ("0\n".into(), String::new(), 0));
    assert_eq!(ran("-C --by proto", &none), (String::new(), String::new(), 0));
    let (_, stderr, status) = ran("-C", "\n");
    assert!(stderr.contains("holds no flow") && status == 1, "{stderr}");
}

#[test]
fn json_over_several_lines_is_refused_by_its_name() {
    let rows = ran("-L --json", &recording(LISTS[0])).0;
    let pretty = rows.replace("{\"", "{\n  \"").replace('}', "\n}");
    let one = "1: JSON over several lines: rows are read one on each line, as jq -c . writes them";
    let array =
        "1: an array of JSON: rows are read one on each line, as --json and jq -c '.[]' write them";
    let whole = format!("[{}]\n", rows.trim_end().replace('\n', ","));
    for (text, wanted) in
        [(&pretty, one), (&ran("-L --json=array", &rows).0, array), (&whole, array)]
    {
        assert_eq!(ran("-C", text), (String::new(), format!("conntrack: {wanted}\n"), 1));
    }
    // Another applet must not take it for text of nstat alone.
    let output = run_with_input(&["conncount", "--from", "-"], b"{\n  \"ESTABLISHED\": 1\n}\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    let wanted = "1: JSON over several lines: that of nstat is for snmpget-tcp, and rows of connbox are read one on each line";
    assert!(stderr.contains(wanted), "{stderr}");
}

#[test]
fn both_directions_may_add_up_to_more_than_64_bits() {
    let flow = "udp 17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=18446744073709551615 bytes=1 \
        src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=2 mark=0 use=1\n";
    let line = "-C --by proto --sum packets,bytes";
    let most = "udp\t1\t18446744073709551615\t3\n";
    assert_eq!(ran(line, flow), (most.into(), String::new(), 0));
    let (stdout, stderr, status) = ran(line, &flow.replace("packets=0", "packets=1"));
    assert!(stdout.is_empty() && status == 1 && stderr.contains("more than 64 bits"), "{stderr}");
}

/// A flow without counters is none of 0 bytes.
#[test]
fn a_sum_says_what_it_lacks() {
    const CURE: &str = "for new flows: sysctl -w net.netfilter.nf_conntrack_acct=1\n";
    const ONE: &str = "conntrack: 1 flow without counters is missing in the sums; for new flows: sysctl -w \
         net.netfilter.nf_conntrack_acct=1\n";
    let flow = |proto: &str, port: u32, traffic: &str| {
        format!(
            "{proto} 29 src=10.0.0.1 dst=10.0.0.2 sport={port} dport=1 {traffic}src=10.0.0.2 dst=10.0.0.1 sport=1 \
             dport={port} {traffic}mark=0 use=1\n"
        )
    };
    let (counted, bare) =
        (flow("udp 17", 1, "packets=1 bytes=50 "), |port| flow("udp 17", port, ""));
    let mix = [counted.clone(), bare(2), bare(3)].concat();
    let tcp = flow("tcp 6", 4, "").replace("29 ", "29 CLOSE ");
    let apart = [counted.clone(), tcp].concat();
    let groups = format!("conntrack: groups of flows without counters have no sums; {CURE}");
    let mixed = format!("conntrack: 2 flows without counters are missing in the sums; {CURE}");
    let line = "-C --by proto --sum packets,bytes";
    for (line, text, stdout, stderr, status) in [
        (line, &counted, "udp\t1\t2\t100\n", "", 0),
        (line, &mix, "udp\t3\t2\t100\n", &mixed, 1),
        (line, &apart, "tcp\t1\t-\t-\nudp\t1\t2\t100\n", &groups, 0),
        ("-C --sum bytes --value", &mix, "3\t100\n", &mixed, 1),
        ("-C --by proto", &mix, "udp\t3\n", "", 0),
    ] {
        let wanted = (stdout.to_owned(), stderr.to_owned(), status);
        assert_eq!(ran(line, text), wanted, "{line} {text}");
    }
    let json = ran("-C --by proto --sum bytes --json", &apart).0;
    assert!(json.contains("\"count\":1,\"sum_bytes\":null}"), "{json}");
    let samples = ran("-C --by proto --sum bytes --prom", &apart).0;
    assert!(samples.contains("matching_flows{proto=\"tcp\"} 1\n"), "{samples}");
    assert!(!samples.contains("matching_bytes{proto=\"tcp\"}"), "{samples}");
    // One direction alone is a part of the sum.
    let half = counted.replacen("packets=1 bytes=50 src=10.0.0.2", "src=10.0.0.2", 1);
    assert_eq!(ran(line, &half), ("udp\t1\t1\t50\n".into(), ONE.into(), 1));
    let (stdout, stderr, status) = ran(line, &bare(2));
    assert!(stdout.is_empty() && status == 1, "{stdout}");
    let wanted = format!(": --sum cannot be answered: no flow shows its packets and bytes; {CURE}");
    assert!(stderr.ends_with(&wanted), "{stderr}");
}

#[test]
fn rows_of_connbox_are_flows_again() {
    let plain = recording(LISTS[0]);
    let keys = "-C --by proto,state,family,src,dst,sport,dport,reply_dst,reply_sport,zone,mark,status --sum packets";
    let wanted = ran(keys, &plain);
    for line in ["-L --tsv --header", "-L --json"] {
        let rows = ran(line, &plain).0;
        assert_eq!(ran(keys, &rows), wanted, "{line}");
        assert_eq!(ran(line, &rows).0, rows, "{line}");
        assert_eq!(ran("-L -o xml", &rows).0, ran("-L -o xml", &plain).0, "{line}");
        let (_, stderr, status) = ran("-C", &rows.replace("4.4.4.4", "4.4.4"));
        assert!(stderr.contains(": not a line of conntrack ") && status == 1, "{stderr}");
    }
    let events = recording("routed-nat-zones.E-id-timestamp-extended.txt");
    for line in ["-E --tsv --header", "-E --json"] {
        let rows = ran(line, &events).0;
        assert_eq!(ran(line, &rows).0, rows, "{line}");
        // Rows have the time to the millisecond, and no age.
        let bare = |text: &str| {
            let words = |line: &str| -> Vec<String> {
                let words = line.split_whitespace().filter(|word| !word.starts_with("delta-time="));
                words.map(str::to_owned).collect()
            };
            text.lines().map(words).collect::<Vec<_>>()
        };
        let untimed: String =
            events.lines().map(|line| line.split_once('\t').unwrap().1.to_owned() + "\n").collect();
        assert_eq!(bare(&ran("-E -o id,extended", &rows).0), bare(&untimed), "{line}");
    }
    // Rows without a header do not tell their columns, and those of groups are not flows.
    for rows in [ran("-L --tsv", &plain).0, ran("-C --by proto --header", &plain).0] {
        let (stdout, stderr, status) = ran("-C", &rows);
        assert!(
            stdout.is_empty() && stderr.contains("below its header") && status == 1,
            "{stderr}"
        );
    }
}

/// Several threads read a long list, or leave it to one: the answer is the same.
#[test]
fn a_long_list_is_the_same_for_any_number_of_threads() {
    let plain = recording(LISTS[0]);
    let mut text = plain.repeat(1400);
    assert!(text.len() > 4 << 20);
    let path =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved-flows-of-many-threads");
    let ran = |text: &str, line: &str, threads: &str| {
        std::fs::write(&path, text).unwrap();
        let words = ["conntrack", "--threads", threads, "--from", path.to_str().unwrap()];
        let output = run(&[&words[..], &line.split(' ').collect::<Vec<_>>()].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    };
    let said = format!(
        "conntrack v1.4.7 (conntrack-tools): {} flow entries have been shown.\n",
        19 * 1400
    );
    let groups = "-C --by proto,state,dst --sum packets";
    let (head, rest) = plain.split_at(40);
    let split = [head, &said.replace("26600", "26619"), rest].concat();
    let mores = ["", &said, &said.replace("266", "267"), &split, "what is this\n", "tcp      6 1"];
    let lines = ["-C -p tcp", "-C --by labels", "-C -u EXPECTED"].map(|line| (line, ""));
    // A family that may not have been listed.
    let v4: String =
        plain.lines().filter(|line| !line.contains("::")).flat_map(|line| [line, "\n"]).collect();
    let long = v4.repeat((5 << 20) / v4.len());
    for line in ["-C -f ipv6", "-C -f ipv4", "-C --by family", "-C -p icmpv6"] {
        assert_eq!(ran(&long, line, "3"), ran(&long, line, "1"), "{line}");
    }
    assert!(ran(&long, "-C -f ipv6", "3").1.contains("may not list flows of IPv6"));
    for (line, more) in mores.map(|more| (groups, more)).into_iter().chain(lines) {
        text.truncate(plain.len() * 1400);
        text.push_str(more);
        assert_eq!(ran(&text, line, "3"), ran(&text, line, "1"), "{more} {line}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn flows_that_are_given_twice_count_twice_and_it_is_said() {
    const TWICE: &str = "conntrack: --from: the same flows are given twice: they count twice\n";
    let all = LISTS.map(recording);
    for one in &all {
        for other in &all {
            let (stdout, stderr, status) = ran("-C", &[one.as_str(), other].concat());
            assert_eq!((stdout.as_str(), stderr.as_str(), status), ("38\n", TWICE, 1));
        }
        assert_eq!(ran("-C", one).1, "");
    }
    let path = fixtures().join("own-lab-6.18/conntrack").join(LISTS[0]);
    let path = path.to_str().unwrap();
    let output = run(&["conntrack", "-L", "--from", path, "--from", path]);
    assert!(String::from_utf8(output.stderr).unwrap().contains(TWICE));
    let flow = |port: u32| {
        format!(
            "udp 17 29 src=10.0.0.1 dst=10.0.{}.2 sport={} dport=53 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 mark=0 use=1\n",
            port % 200,
            1024 + port % 60_000
        )
    };
    // Two routers may have some flows in common.
    let list = |from: u32, to| (from..to).map(flow).collect::<String>();
    assert_eq!(ran("-C", &[list(0, 30), list(9, 99)].concat()), ("120\n".into(), String::new(), 0));
    let long = list(0, 50_000);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("twice.txt");
    std::fs::write(
        &file,
        [&long, "conntrack v1.4.7 (conntrack-tools): 50000 flow entries have been shown.\n"]
            .concat(),
    )
    .unwrap();
    let file_name = file.to_str().unwrap();
    let counted = |threads| {
        let output = run(&["conntrack", "-C", "--from", file_name, "--threads", threads]);
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(counted("3"), ("50000\n".into(), String::new()));
    std::fs::write(&file, [long.as_str(), &long].concat()).unwrap();
    for threads in ["1", "3"] {
        assert_eq!(counted(threads), ("100000\n".into(), TWICE.into()));
    }
    std::fs::remove_file(file).unwrap();
}

/// The flows of one protocol beside all, saved before or after, of which a few have ended: a part that was given twice.
#[test]
fn a_part_of_the_flows_that_is_given_once_more_is_noticed() {
    const TWICE: &str = "conntrack: --from: the same flows are given twice: they count twice\n";
    let tcp = |port: u32| {
        format!(
            "tcp 6 99 ESTABLISHED src=10.0.0.1 dst=10.0.1.2 sport={port} dport=443 src=10.0.1.2 dst=10.0.0.1 sport=443 \
             dport={port} [ASSURED] mark=0 use=1\n"
        )
    };
    let udp = |port: u32| {
        format!(
            "udp 17 29 src=10.0.0.1 dst=10.0.1.2 sport={port} dport=53 src=10.0.1.2 dst=10.0.0.1 sport=53 dport={port} mark=0 use=1\n"
        )
    };
    let icmp = |id: u32| {
        format!(
            "icmp 1 29 src=10.0.0.1 dst=10.0.1.2 type=8 code=0 id={id} src=10.0.1.2 dst=10.0.0.1 type=0 code=0 id={id} mark=0 use=1\n"
        )
    };
    let list =
        |flow: &dyn Fn(u32) -> String, ids: std::ops::Range<u32>| ids.map(flow).collect::<String>();
    let all = [list(&tcp, 0..40), list(&udp, 0..9), list(&icmp, 0..3)].concat();
    let folder = scratch("saved-flows-parts");
    let count = |line: &str, texts: [&str; 2]| of_two_files(&folder, line, texts);
    let twice = |number: &str| (number.to_owned(), TWICE.to_owned(), Some(1));
    let once = |number: &str| (number.to_owned(), String::new(), Some(0));
    for (part, line, number) in [
        (list(&udp, 0..9), "conntrack -C -p udp", "18\n"),
        (list(&icmp, 0..3), "conntrack -C -p icmp", "6\n"),
        (list(&tcp, 0..40), "conntrack -C", "92\n"),
        // One has ended, and one has come.
        (list(&udp, 1..10), "conntrack -C -p udp", "18\n"),
    ] {
        for texts in [[&all[..], &part], [&part, &all]] {
            assert_eq!(count(line, texts), twice(number), "{texts:?}");
        }
    }
    // Parts of one answer, and two routers with some flows in common.
    assert_eq!(count("conntrack -C", [&list(&udp, 0..9), &list(&tcp, 0..40)]), once("49\n"));
    let routers = [list(&udp, 0..30), list(&udp, 25..60)];
    assert_eq!(count("conntrack -C", [&routers[0], &routers[1]]), once("65\n"));
}

/// What `conntrack -L expect` prints, with what it says on standard error.
const EXPECTED: &str = "\
299 proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5002 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=40001 dport=21 class=0 helper=ftp
60 proto=17 src=fd01::2 dst=fd02::2 sport=0 dport=6000 mask-src=:: mask-dst=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff sport=0 dport=65535 master-src=fd01::2 master-dst=fd02::2 sport=5060 dport=5060 zone=3 PERMANENT class=1 helper=sip
";

#[test]
fn expectations_are_read_as_they_are_printed() {
    const SAID: &str = "conntrack v1.4.7 (conntrack-tools): 2 expectations have been shown.\n";
    let whole = [SAID, EXPECTED].concat();
    let (_, stderr, status) = ran("-C expect", &[EXPECTED, EXPECTED].concat());
    let twice = "conntrack: --from: the same expectations are given twice: they count twice\n";
    assert_eq!((stderr.as_str(), status), (twice, 1));
    assert_eq!(ran("-L expect", &whole), (EXPECTED.into(), SAID.replace("v1.4.7", &version()), 0));
    let (xml, _, status) = ran("-L expect -o xml", &whole);
    assert_eq!((xml.matches("<flow>").count(), status), (2, 0), "{xml}");
    for (line, count) in [("-C expect", "2\n"), ("-C expect --json", "{\"count\":2}\n")] {
        assert_eq!(ran(line, &whole), (count.into(), String::new(), 0));
        assert_eq!(ran(line, EXPECTED), (count.into(), String::new(), 0));
    }
    let (rows, _, status) = ran("-L expect -f ipv6 --tsv", &whole);
    let wanted = "ipv6\tudp\t60\tfd01::2\tfd02::2\t0\t6000\t::\tffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\t0\t65535\t\
                  fd01::2\tfd02::2\t1\tPERMANENT\t3\tsip\t-\n";
    assert_eq!((rows.as_str(), status), (wanted, 0));
    // Every version lists one family.
    let of_v4 = EXPECTED.split_inclusive('\n').next().unwrap();
    let (rows, stderr, status) = ran("-L expect -f ipv6 --tsv", of_v4);
    assert_eq!((rows.as_str(), status), ("", 1));
    assert!(
        stderr.contains("may not list expectations of IPv6 (conntrack -L expect lists IPv4 alone"),
        "{stderr}"
    );
    assert_eq!(ran("-L expect -f ipv4", of_v4).2, 0);
    let (_, stderr, status) = ran("-C expect", &EXPECTED[..EXPECTED.len() - 5]);
    assert!(status == 1 && stderr.contains("2: the file is cut"), "{stderr}");
    let more = whole.replace(": 2 exp", ": 3 exp");
    let (stdout, stderr, status) = ran("-C expect", &more);
    assert_eq!((stdout.as_str(), status), ("2\n", 1));
    assert!(
        stderr.contains("holds 2 expectations, but the tool said that it printed 3"),
        "{stderr}"
    );
    const OTHER: &str =
        "not a line of conntrack -L expect; its XML and /proc/net/nf_conntrack_expect are not read";
    let kernels = "299 l3proto = 2 proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5002 ftp\n";
    for text in [kernels, &xml, &EXPECTED.replace("PERMANENT", "FOREIGN")] {
        let line = if text.contains("FOREIGN") { 2 } else { 1 };
        assert_eq!(ran("-C expect", text).1, format!("conntrack: {line}: {OTHER}\n"), "{text}");
    }
    assert_eq!(
        ran("-C", EXPECTED).1,
        "conntrack: 1: an expectation, and not a flow; conntrack -L expect reads it\n"
    );
    // What counts the lines of the other table is not taken for an empty one of this.
    const FLOWS: &str =
        "conntrack: 1: of flows, and not of expectations; -L, -C and -E without expect read it\n";
    let no_flows = SAID.replace("2 expectations", "0 flow entries");
    for text in [&recording(LISTS[0]), &no_flows] {
        assert_eq!(ran("-C expect", text), (String::new(), FLOWS.into(), 1));
    }
    assert_eq!(
        ran("-C", &SAID.replace('2', "0")).1,
        "conntrack: 1: counts expectations, and not flows; -L expect and -C expect read it\n"
    );
    let (stdout, stderr, status) = ran("-C expect", "");
    assert_eq!((stdout.as_str(), status), ("0\n", 1));
    assert!(stderr.contains("holds no expectation"), "{stderr}");
}

/// The version in the banner of conntrack.
fn version() -> String {
    let banner = ran("-L expect", EXPECTED).1;
    banner.split(' ').nth(1).unwrap().to_owned()
}

/// Text of one family may be of `-f`; conntrack before 1.4.7 lists IPv4 alone without it, and so does every version of the
/// table of expectations.
#[test]
fn a_family_that_the_tool_may_not_have_listed_is_no_zero() {
    const V4: &str = "tcp      6 117 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 \
        dport=1 [ASSURED] mark=0 use=1\n";
    const V6: &str = "icmpv6   58 29 src=fe80::1 dst=ff02::2 type=128 code=0 id=7 [UNREPLIED] src=ff02::2 dst=fe80::1 \
        type=129 code=0 id=7 mark=0 use=1\n";
    let of_version = |version: &str, rows: &str| {
        let number = rows.lines().count();
        format!(
            "{rows}conntrack v{version} (conntrack-tools): {number} flow entries have been shown.\n"
        )
    };
    let lacks = |family: &str| {
        format!(
            "conntrack: --from: one of the texts may not list flows of IPv{family} (-f lists one family, and conntrack before \
             1.4.7 lists IPv4 alone without it): give the text of conntrack -L -f ipv{family} 2>&1, too\n"
        )
    };
    let old = of_version("1.4.4", V4);
    let asks = ["-C -f ipv6", "-C -s 2001:db8::/32", "-C -d ::1", "-C -p icmpv6", "-C -j ::1"];
    for ask in asks {
        // Every version says the same number of -f ipv4, and the kernel's ip_conntrack has no other.
        let compat = V4.replace("mark=0", "mark=0 zone=0");
        let (new, extended) = (of_version("1.4.8", V4), format!("ipv4     2 {V4}"));
        let none = of_version("1.4.8", "");
        for text in [V4, &old, &new, &none, &compat, &extended, &of_version("1.4.4", "")] {
            assert_eq!(ran(ask, text), ("0\n".into(), lacks("6"), 1), "{ask} of {text}");
        }
        // The kernel's own list has both.
        let kernel = format!("ipv4     2 {compat}");
        assert_eq!(ran(ask, &kernel), ("0\n".into(), String::new(), 0), "{ask}");
        let both = [V4, V6].concat();
        assert_eq!((ran(ask, &both).1, ran(ask, &both).2), (String::new(), 0), "{ask}");
    }
    assert_eq!(ran("-C -p icmp", V6), ("0\n".into(), lacks("4"), 1));
    assert_eq!(ran("-L -f ipv6 --tsv", V4), (String::new(), lacks("6"), 1));
    let (_, said, status) = ran("-G -p tcp -s ::1 -d ::2 --sport 1 --dport 2", V4);
    assert_eq!((said, status), (lacks("6") + "conntrack: --get: no such flow\n", 1));
    // Who asks for no family is told if the groups may lack one.
    assert_eq!(ran("-C --by family", V4), ("ipv4\t1\n".into(), lacks("6"), 0));
    for line in ["-C", "-C -f ipv4", "-C -p tcp", "-C -s !::1", "-C --by proto"] {
        assert_eq!((ran(line, V4).1, ran(line, V4).2), (String::new(), 0), "{line}");
    }
    // Rows of connbox, and the header alone.
    for rows in
        [ran("-L --tsv --header", V4).0, ran("-L --tsv --header", &of_version("1.4.7", "")).0]
    {
        assert_eq!(ran("-C -f ipv6", &rows), ("0\n".into(), lacks("6"), 1), "{rows}");
    }
}

/// A flow of a protocol.
fn row(protocol: &str) -> String {
    let (head, ports) = match protocol {
        "tcp" => ("tcp      6 117 TIME_WAIT", "sport=1 dport=2 "),
        "udp" => ("udp      17 29", "sport=1 dport=2 "),
        _ => ("unknown  99 29", ""),
    };
    format!(
        "{head} src=10.0.0.1 dst=10.0.0.2 {ports}src=10.0.0.2 dst=10.0.0.1 {ports}mark=0 use=1\n"
    )
}

/// Text of one protocol may be of `-p`.
#[test]
fn a_protocol_that_the_tool_may_not_have_listed_is_no_zero() {
    let lacks = |name: &str| {
        format!(
            "conntrack: --from: one of the texts lists flows of {name} alone, and may be of -p {name}: give the text of \
             conntrack -L 2>&1\n"
        )
    };
    let (tcp, none) = (row("tcp"), String::new());
    let said = "conntrack v1.4.8 (conntrack-tools): 1 flow entries have been shown.\n";
    let rows = ran("-L --tsv --header", &tcp).0;
    for text in [&tcp, &[&tcp, said].concat(), &rows] {
        for ask in ["-C -p udp", "-C -p udp --dport 53", "-C -p icmp", "-C -p !tcp", "-C -p 99"] {
            assert_eq!(ran(ask, text), ("0\n".into(), lacks("tcp"), 1), "{ask} of {text}");
        }
        for ask in ["-C -p tcp", "-C", "-C -p !udp", "-C -s 10.0.0.1"] {
            assert_eq!(ran(ask, text), ("1\n".into(), none.clone(), 0), "{ask} of {text}");
        }
        assert_eq!(ran("-C -p tcp --dport 9", text), ("0\n".into(), none.clone(), 0), "{text}");
    }
    assert_eq!(ran("-C -p udp", &row("99")), ("0\n".into(), lacks("99"), 1));
    // -p lists one: a list of two is whole. So is the kernel's.
    let both = [tcp.clone(), row("udp")].concat();
    assert_eq!(ran("-C -p icmp", &both), ("0\n".into(), none.clone(), 0));
    let kernel = format!("ipv4     2 {}", tcp.replace("mark=0", "mark=0 zone=0"));
    assert_eq!(ran("-C -p udp", &kernel), ("0\n".into(), none, 0));
    // Texts of two protocols complete each other.
    let dir = scratch("protocols");
    let empty = said.replace(" 1 flow", " 0 flow");
    for (name, text) in [("tcp", tcp.clone()), ("udp", row("udp")), ("none", empty)] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    for (names, ask, is_lacking) in [
        (&["tcp", "udp"][..], "udp", false),
        (&["tcp", "udp"], "icmp", true),
        (&["tcp", "none"], "udp", false),
    ] {
        let mut words = vec!["conntrack", "-C", "-p", ask];
        let paths: Vec<_> = names.iter().map(|name| dir.join(name)).collect();
        paths.iter().for_each(|path| words.extend(["--from", path.to_str().unwrap()]));
        let output = run(&words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            stderr.contains(" alone, and may be of -p tcp"),
            is_lacking,
            "{words:?} {stderr}"
        );
    }
    // Many threads say the same.
    let (path, text) = (dir.join("long"), tcp.repeat((5 << 20) / tcp.len()));
    std::fs::write(&path, &text).unwrap();
    let words = ["conntrack", "-C", "-p", "udp", "--from", path.to_str().unwrap(), "--threads"];
    let of = |threads: &'static str| run(&[&words[..], &[threads]].concat());
    assert_eq!(of("3"), of("1"));
    assert!(String::from_utf8_lossy(&of("3").stderr).contains("may be of -p tcp"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn texts_of_two_families_complete_each_other() {
    let dir = scratch("families");
    let row = |source: &str, end: &str| {
        format!(
            "udp      17 29 src={source}1 dst={source}2 sport=1 dport=2 src={source}2 dst={source}1 sport=2 dport=1 mark=0 use=1\n{end}"
        )
    };
    let end = |number: u8| {
        format!("conntrack v1.4.6 (conntrack-tools): {number} flow entries have been shown.\n")
    };
    std::fs::create_dir(dir.join("other")).unwrap();
    for (name, text) in [
        ("v4", row("10.0.0.", &end(1))),
        ("other-v4", row("192.0.2.", "")),
        ("v6", row("fe80::", &end(1))),
        ("none", end(0)),
        ("none-either", end(0)),
        ("nf_conntrack", format!("ipv4     2 {}", row("203.0.113.", ""))),
        ("other/nf_conntrack", row("198.51.100.", "")),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    for (names, count, lacks) in [
        (&["v4", "v6"][..], 1, false),
        (&["v4", "other-v4", "v6"], 1, true),
        (&["v4", "none"], 0, false),
        (&["none"], 0, true),
        (&["none", "none-either"], 0, false),
        (&["nf_conntrack"], 0, false),
        (&["other/nf_conntrack"], 0, true),
        (&["nf_conntrack", "v4"], 0, true),
    ] {
        let from = names
            .iter()
            .flat_map(|name| ["--from".to_owned(), dir.join(name).display().to_string()]);
        let from: Vec<_> = from.collect();
        let mut words = vec!["conntrack", "-C", "-f", "ipv6"];
        words.extend(from.iter().map(String::as_str));
        let output = run(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("{count}\n"),
            "{names:?}: {said}"
        );
        let has_warned =
            said.contains("may not list flows of IPv6") && output.status.code() == Some(1);
        assert_eq!((has_warned, said.is_empty()), (lacks, !lacks), "{names:?}: {said}");
    }
}
