//! Our formats contain what the original's text contains.

use std::collections::BTreeMap;

use super::flows::{self, table};
use super::ours;
use crate::world::World;

/// The rows of a table: the column's name and the field.
fn rows(world: &World, line: &str) -> Vec<BTreeMap<String, String>> {
    let text = ours(world, &format!("{line} --tsv --header")).stdout;
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let header: Vec<_> = lines.next().unwrap().collect();
    lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
}

/// The line that conntrack -L prints for a row, without what changes with time.
fn line_of(row: &BTreeMap<String, String>) -> String {
    let get = |name: &str| row[name].as_str();
    let mut words = Vec::new();
    let known = get("proto").parse::<u8>().is_err();
    words.push(if known { get("proto") } else { "unknown" }.to_owned());
    words.extend(Some(get("state").to_owned()).filter(|state| state != "-"));
    let mut side = |prefix: &str, zone: &str, zone_column: &str| {
        for name in ["src", "dst", "sport", "dport", "icmp_type", "icmp_code", "icmp_id"] {
            let value = get(&format!("{prefix}{name}"));
            let name = name.strip_prefix("icmp_").unwrap_or(name);
            words.extend((value != "-").then(|| format!("{name}={value}")));
        }
        for name in ["srckey", "dstkey"] {
            let value = get(&format!("{prefix}{name}"));
            words.extend(value.parse::<u16>().ok().map(|key| format!("{name}=0x{key:x}")));
        }
        words.extend((get(zone_column) != "-").then(|| format!("{zone}={}", get(zone_column))));
        for name in ["packets", "bytes"] {
            words.push(format!("{name}={}", get(&format!("{prefix}{name}"))));
        }
        let has = |flag: &str| get("ct_status").split(',').any(|other| other == flag);
        words.extend((prefix.is_empty() && !has("SEEN_REPLY")).then(|| "[UNREPLIED]".into()));
        words.extend((!prefix.is_empty() && has("ASSURED")).then(|| "[ASSURED]".into()));
    };
    side("", "zone-orig", "orig_zone");
    side("reply_", "zone-reply", "reply_zone");
    words.push(format!("mark={}", get("ct_mark")));
    words.extend((get("zone") != "-").then(|| format!("zone={}", get("zone"))));
    words.push(format!("use={} id={}", get("uses"), get("id")));
    words.join(" ")
}

#[test]
fn rows_hold_what_the_lines_of_the_original_say() {
    let Some(world) = table("rows_hold_what_the_lines_of_the_original_say") else { return };
    let rows = rows(&world, "-L");
    assert_eq!(rows.len(), flows::COUNT);
    let mut ours: Vec<_> = rows.iter().map(line_of).collect();
    let theirs = world.ran("conntrack", &["-L", "-o", "id"]).stdout;
    let mut theirs: Vec<_> = theirs
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            // The protocol is followed by its number and the timeout.
            [&words[..1], &words[3..]].concat().join(" ")
        })
        .collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(rows.iter().all(|row| row["timeout_seconds"].parse::<u32>().is_ok()));
}

#[test]
fn every_format_has_every_flow() {
    let Some(world) = table("every_format_has_every_flow") else { return };
    let json = ours(&world, "-L --json").clean();
    assert_eq!(json.lines().count(), flows::COUNT);
    let assured = "\"ct_status\":[\"SEEN_REPLY\",\"ASSURED\",\"CONFIRMED\"]";
    assert_eq!(json.matches(assured).count(), 1, "{json}");
    let shell = ours(&world, "-L --shell").clean();
    assert!(shell.lines().all(|line| line.starts_with("FAMILY=\"ipv")), "{shell}");
    let prometheus = ours(&world, "-L --prom").clean();
    let series = |line: &&str| line.starts_with("connbox_conntrack_flow_packets_total{");
    assert_eq!(prometheus.lines().filter(series).count(), flows::COUNT);
}

#[test]
fn the_fill_has_its_limit_and_the_same_names_as_the_textfile() {
    let test = "the_fill_has_its_limit_and_the_same_names_as_the_textfile";
    let Some(world) = table(test) else { return };
    let rows = rows(&world, "-C --limits");
    let number = |name: &str| rows[0][name].parse::<u64>().unwrap();
    assert_eq!(number("entries"), flows::COUNT as u64);
    assert!(number("limit") > 0 && number("buckets") > 0 && number("early_drops") == 0);
    let thousandths = number("entries") * 100_000 / number("limit");
    assert_eq!(rows[0]["percent"], format!("{}.{:03}", thousandths / 1000, thousandths % 1000));
    let prometheus = ours(&world, "-C --limits --prom").clean();
    for name in ["connbox_conntrack_entries 33", "connbox_conntrack_entries_limit "] {
        assert!(prometheus.lines().any(|line| line.starts_with(name)), "{prometheus}");
    }
}

#[test]
fn groups_are_those_that_awk_would_count() {
    let Some(world) = table("groups_are_those_that_awk_would_count") else { return };
    let theirs = world.ran("conntrack", &["-L"]).stdout;
    let mut by_protocol: BTreeMap<String, u64> = BTreeMap::new();
    let mut unreplied = 0;
    for line in theirs.lines() {
        let name = line.split(' ').next().unwrap();
        let name = if name == "unknown" { "50" } else { name };
        *by_protocol.entry(name.to_owned()).or_default() += 1;
        unreplied += u64::from(line.contains("[UNREPLIED]"));
    }
    let groups = rows(&world, "-C --by proto --sum packets,bytes");
    let counted = |row: &BTreeMap<_, String>| (row["proto"].clone(), row["count"].parse().unwrap());
    assert_eq!(groups.iter().map(counted).collect::<BTreeMap<_, u64>>(), by_protocol);
    assert!(groups.iter().all(|row| row["sum_packets"] == "0" && row["sum_bytes"] == "0"));
    let statuses = rows(&world, "-L --by status");
    let of = |word: &str| statuses.iter().find(|row| row["ct_status"] == word).unwrap();
    assert_eq!(of("unreplied")["count"], unreplied.to_string());
    assert_eq!(of("assured")["count"], "2");
    let top = ours(&world, "-C --by src/8/16 --top 1 --tsv").clean();
    assert_eq!(top, "10.0.0.0/8\t23\n");
    assert_eq!(ours(&world, "-C --by proto --min 3 --tsv").clean(), "tcp\t15\nudp\t9\n");
}

#[test]
fn every_namespace_is_named_and_the_default_is_tsv_then() {
    let test = "every_namespace_is_named_and_the_default_is_tsv_then";
    let Some(world) = table(test) else { return };
    let of_it = |line: &str| {
        let words = [&["conntrack"], &super::words(line)[..], &["--netns", "all"]].concat();
        let ran = world.connbox_beside("router", &words);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}");
        let rows = ran.stdout.lines().filter_map(|row| row.strip_prefix("router\t-\t"));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_it("-C"), ["33"]);
    assert_eq!(of_it("-C -p tcp"), ["15"]);
    assert_eq!(of_it("-C --by proto --min 9"), ["tcp\t15", "udp\t9"]);
    assert_eq!(of_it("-L").len(), flows::COUNT);
    assert!(of_it("-S").contains(&"0\tdrop\t0".to_owned()));
    let one = world.connbox_beside("router", &["conntrack", "-C", "--netns", "router"]);
    assert_eq!(one.clean(), "33\n");
}

#[test]
fn snapshots_repeat_and_files_are_written() {
    let Some(world) = table("snapshots_repeat_and_files_are_written") else { return };
    let twice = ours(&world, "-C --json --interval 0.01 --snapshots 2").clean();
    assert_eq!(twice.lines().count(), 2);
    assert!(twice.lines().all(|line| line.ends_with("\"entries\":33}")), "{twice}");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("conntrack-rows.txt");
    let ran = ours(&world, &format!("-L -p 50 --output-file {}", file.display()));
    let shown = "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n";
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", shown));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(text.starts_with("unknown  50 "), "{text}");
}

/// Lists, ranges and services of ports select what the rows without a filter show.
#[test]
fn ports_are_lists_ranges_and_services() {
    let Some(world) = table("ports_are_lists_ranges_and_services") else { return };
    let all = rows(&world, "-L");
    for (option, column) in [
        ("--sport", "sport"),
        ("--dport", "dport"),
        ("--reply-port-src", "reply_sport"),
        ("--reply-port-dst", "reply_dport"),
    ] {
        let port = |row: &BTreeMap<String, String>| row[column].parse::<u16>().ok();
        let tcp: Vec<u16> =
            all.iter().filter(|row| row["proto"] == "tcp").filter_map(port).collect();
        let (low, high) = (*tcp.iter().min().unwrap(), *tcp.iter().max().unwrap());
        let (a, b) = (low, high.saturating_sub(1));
        type Is<'a> = &'a dyn Fn(u16) -> bool;
        let cases: [(String, Is<'_>); 7] = [
            (format!("{low},{high}"), &|port| port == low || port == high),
            (format!("{a}-{b}"), &|port| (a..=b).contains(&port)),
            (format!("{a}:{b}"), &|port| (a..=b).contains(&port)),
            (format!("'!{low}'"), &|port| port != low),
            (format!("'{a}-{high},!{low}'"), &|port| port != low),
            ("http".to_owned(), &|port| port == 80),
            ("http,443".to_owned(), &|port| port == 80 || port == 443),
        ];
        let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
        let has_names = ["\nhttp\t", "\nhttps\t"].iter().all(|name| services.contains(name));
        for (value, is_it) in
            cases.into_iter().filter(|(value, _)| has_names || !value.starts_with("http"))
        {
            let line = format!("-L -p tcp {option} {}", value.replace('\'', ""));
            let wanted = tcp.iter().filter(|port| is_it(**port)).count();
            assert_eq!(rows(&world, &line).len(), wanted, "{line}");
        }
    }
    let ran = ours(&world, "-L -p udp --dport no-such-service");
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("is not a port, a port range (A-B) or a service"), "{ran:?}");
    // What finds one flow needs one port.
    let ran = ours(&world, "-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 80,81");
    assert_eq!(
        (ran.status, ran.stderr.contains("needs --sport and --dport")),
        (2, true),
        "{ran:?}"
    );
}

/// A flow that began while the kernel counted nothing is none of 0 bytes.
#[test]
fn a_sum_of_flows_without_counters_is_absent() {
    const TEST: &str = "a_sum_of_flows_without_counters_is_absent";
    if !crate::support::needs(TEST, &["connection tracking", "conntrack", "sh", "sysctl"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let insert = |accounting: &str, last: u8| {
        world.tool("sysctl", &["-qw", &format!("net.netfilter.nf_conntrack_acct={accounting}")]);
        let line = format!(
            "conntrack -I -s 10.0.0.{last} -d 10.1.0.2 -p udp --sport 5 --dport 80 -t 9000 2>&1"
        );
        world.tool("sh", &["-c", &line]);
    };
    insert("0", 1);
    let ran = ours(&world, "-C --by src/24 --sum packets,bytes");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "10.0.0.0/24\t1\t-\t-\n"));
    assert!(ran.stderr.contains("have no sums"), "{ran:?}");
    insert("1", 2);
    let ran = ours(&world, "-C --by src/24 --sum packets,bytes");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "10.0.0.0/24\t2\t0\t0\n"));
    assert!(ran.stderr.contains("1 flow without counters is missing in the sums"), "{ran:?}");
}
