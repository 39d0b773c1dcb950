//! What people see at a terminal, where no option names a format; and that nothing else changes.

use crate::formats::variants::{self, Table, Variant};
use crate::support::terminal::{NEEDS, run, width};
use crate::support::{self, scratch::scratch};

const PLAIN: [(&str, &str); 1] = [("NO_COLOR", "1")];

/// The widths of terminals.
const WIDTHS: [usize; 4] = [40, 80, 120, 200];

fn is_here(test: &str) -> bool {
    support::needs(test, &NEEDS)
}

/// A table of this many columns, without colors.
fn shown(columns: usize, line: &str) -> String {
    run((columns, 50), line, &PLAIN)
}

#[test]
fn every_table_fits_and_shows_every_number() {
    if !is_here("every_table_fits_and_shows_every_number") {
        return;
    }
    for variant in variants::all() {
        let table: Table = variant.table();
        for columns in WIDTHS {
            let text = shown(columns, &variant.line(""));
            let lines: Vec<_> = text.lines().collect();
            let widest = lines.iter().map(|line| width(line)).max().unwrap_or_default();
            assert!(widest <= columns, "{variant:?} {columns}:\n{text}");
            assert!(lines.iter().all(|line| !line.ends_with(' ')), "{text}");
            // Percents are rounded; what has no room is counted.
            let is_whole =
                !text.contains(" with --wide\n") && !table.columns.contains(&"percent".into());
            for row in table.rows.iter().filter(|_| is_whole) {
                let numbers = table.fields(row, variants::Kind::Number);
                let has = |line: &&&str| {
                    let words: Vec<_> = line.split_whitespace().collect();
                    numbers.iter().all(|(_, number)| words.contains(&number.unwrap_or("-")))
                };
                assert!(lines.iter().any(|line| has(&line)), "{row:?} {columns}:\n{text}");
            }
        }
    }
}

#[test]
fn wide_tables_and_those_of_pipes_are_not_cut() {
    if !is_here("wide_tables_and_those_of_pipes_are_not_cut") {
        return;
    }
    for variant in variants::all() {
        let wide = shown(40, &variant.line("--wide"));
        assert_eq!(wide, variant.run(&["--human"]), "{variant:?}");
        assert_eq!(wide, variant.run(&["--format=human", "--color=never"]), "{variant:?}");
        let table = variant.table();
        assert_eq!(wide.lines().count(), 1 + table.rows.len(), "{wide}");
    }
}

#[test]
fn what_is_named_and_what_goes_elsewhere_is_as_ever() {
    if !is_here("what_is_named_and_what_goes_elsewhere_is_as_ever") {
        return;
    }
    for variant in variants::applets() {
        let piped = variant.run(&[]);
        assert_eq!(shown(80, &variant.line("--tsv")), piped, "{variant:?}");
        assert_eq!(shown(80, &variant.line("| cat")), piped, "{variant:?}");
        for format in ["-v", "--shell", "--fish", "--json", "--json=array", "--prom"] {
            assert_eq!(shown(80, &variant.line(format)), variant.run(&[format]), "{variant:?}");
        }
        let file = scratch("elsewhere").join("file");
        let line = variant.line(&format!("--output {}", file.display()));
        assert_eq!(shown(80, &line), "");
        assert_eq!(std::fs::read_to_string(file).unwrap(), piped);
        assert_eq!(variant.run(&["--wide", "--color=auto"]), piped);
    }
}

#[test]
fn names_are_aligned_by_what_they_show() {
    if !is_here("names_are_aligned_by_what_they_show") {
        return;
    }
    let directory = scratch("wide_names");
    let names = ["日本語の名前がとても長い", "e\u{301}tat\u{308}", "plain", "連接"];
    let users = names.iter().zip(0..).map(|(name, uid)| format!("{name}:x:{uid}:0::/:\n"));
    std::fs::create_dir_all(directory.join("etc")).unwrap();
    std::fs::create_dir_all(directory.join("proc/net")).unwrap();
    std::fs::write(directory.join("etc/passwd"), users.collect::<String>()).unwrap();
    // The first user has 1003 sockets, the last one 1000.
    let uids = (0..4).flat_map(|uid| std::iter::repeat_n(uid, 1003 - uid));
    std::fs::write(directory.join("proc/net/tcp"), sockets(1, uids)).unwrap();
    let line = format!("conncount --by user --root {}", directory.display());
    for columns in WIDTHS {
        let text = shown(columns, &line);
        let lines: Vec<_> = text.lines().collect();
        let end = width(lines[0]);
        assert!(end <= columns && lines.iter().all(|line| width(line) == end), "{text}");
        for (line, (name, count)) in lines[1..].iter().zip(names.iter().zip([1003, 1002, 1001])) {
            assert!(line.starts_with(name) && line.ends_with(&format!(" {count}")), "{text}");
        }
        assert_eq!(lines.len(), 5, "{text}");
    }
    // Where there is no room, no character is halved and none loses its accent.
    let text = shown(18, &line);
    assert!(
        text.contains("日本語の名…   1003\n") && text.contains("e\u{301}tat\u{308} "),
        "{text}"
    );
    assert!(text.lines().all(|line| width(line) <= 18), "{text}");
}

/// A table of sockets in a state, one for each of `uids`.
fn sockets(state: u8, uids: impl Iterator<Item = usize>) -> String {
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    let row = |(n, uid): (usize, usize)| {
        let ends = format!("0100007F:0016 0200007F:{:04X}", n + 1);
        format!(
            "{n:4}: {ends} {state:02X} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {} 1",
            n + 1
        )
    };
    let rows = std::iter::once(head.to_owned()).chain(uids.enumerate().map(row));
    rows.map(|row| format!("{row:<149}\n")).collect()
}

/// The first parts of the attributes of Tone.
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";

#[test]
fn trouble_has_a_color_where_there_are_colors() {
    if !is_here("trouble_has_a_color_where_there_are_colors") {
        return;
    }
    let directory = scratch("colors");
    let limits = directory.join("proc/sys/net/ipv4");
    std::fs::create_dir_all(&limits).unwrap();
    std::fs::create_dir_all(directory.join("proc/net")).unwrap();
    let sockstat = "sockets: used 9\nTCP: inuse 3 orphan 79 tw 96 alloc 4 mem 85\n";
    std::fs::write(directory.join("proc/net/sockstat"), sockstat).unwrap();
    for (name, text) in
        [("tcp_max_orphans", "100\n"), ("tcp_max_tw_buckets", "100\n"), ("tcp_mem", "10 20 100\n")]
    {
        std::fs::write(limits.join(name), text).unwrap();
    }
    let states = "tcpstates --root own-lab-6.18";
    let limits = format!("sockstat TCP --limits --quiet-gaps --root {}", directory.display());
    let text = run((80, 24), &limits, &[]);
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(!line(" orphan").contains(YELLOW) && !line(" orphan").contains(RED), "{text}");
    assert!(line(" mem").ends_with("\x1b[33m85.0\x1b[0m"), "{text}");
    assert!(line(" tw").ends_with("\x1b[1;31m96.0\x1b[0m"), "{text}");
    assert!(line(" inuse").contains("\x1b[2m-\x1b[0m"), "absent values are dim: {text}");
    let text = run((80, 24), states, &[]);
    let colored: Vec<_> = text.lines().filter(|line| line.contains(YELLOW)).collect();
    assert!(colored.len() == 1 && colored[0].contains("CLOSE_WAIT"), "{text}");
    // Those that mean no trouble have none.
    let text = run((80, 24), "tcpstates --state syn-recv --lport 1 --root own-lab-6.18", &[]);
    assert!(!text.contains(YELLOW), "{text}");
    for (options, variables, has_color) in [
        ("", &[][..], true),
        ("", &[("NO_COLOR", "1")], false),
        ("", &[("NO_COLOR", "")], true),
        ("", &[("TERM", "dumb")], false),
        ("", &[("TERM", "")], false),
        ("--color=never", &[], false),
        ("--color=auto", &[], true),
        ("--color=always", &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
        ("--human | cat", &[], false),
        ("--color=always | cat", &[], true),
        ("--tsv", &[], false),
    ] {
        let text = run((80, 24), &format!("{states} {options}"), variables);
        assert_eq!(text.contains('\x1b'), has_color, "{options} {variables:?}: {text}");
    }
}

#[test]
fn many_half_open_connections_are_trouble() {
    if !is_here("many_half_open_connections_are_trouble") {
        return;
    }
    for (number, is_trouble) in [(99, false), (100, true)] {
        let file = scratch("half_open").join("tcp");
        std::fs::write(&file, sockets(3, std::iter::repeat_n(0, number))).unwrap();
        let line = format!("conncount --by state --from {}", file.display());
        let text = run((80, 24), &line, &[]);
        assert!(text.contains("SYN_RECV") && text.contains(&number.to_string()), "{text}");
        assert_eq!(text.contains(YELLOW), is_trouble, "{text}");
    }
}

#[test]
fn a_table_without_rows_says_so() {
    if !is_here("a_table_without_rows_says_so") {
        return;
    }
    let line = "conncount --by raddr --lport 1 --root own-lab-6.18";
    assert_eq!(shown(80, line), "no TCP sockets match (-u counts UDP)\n");
    assert_eq!(shown(40, line), "no TCP sockets match (-u counts UDP)\n");
    assert_eq!(shown(80, &format!("{line} -tu")), "no sockets match\n");
    assert_eq!(support::shell(&format!("cd {} && {line}", support::fixtures().display())), "");
    let capture = "tcptrack -T own-lab-6.18/pcap/mixed-v4-v6.pcap 'port 1' 2>/dev/null";
    assert_eq!(shown(80, capture), "no connections match\n");
}

#[test]
fn the_columns_count_where_the_lines_are_not_told() {
    if !is_here("the_columns_count_where_the_lines_are_not_told") {
        return;
    }
    let line = "sockstat --explain --root own-lab-6.18";
    assert_eq!(run((200, 0), line, &PLAIN), shown(200, line));
    assert_ne!(shown(200, line), shown(80, line));
}

#[test]
fn samples_are_lines_with_a_heading_on_every_screen() {
    if !is_here("samples_are_lines_with_a_heading_on_every_screen") {
        return;
    }
    let line = "conncount --quick --interval 0.001 --count 20 --root own-lab-6.18";
    let text = run((80, 8), line, &PLAIN);
    let lines: Vec<_> = text.lines().collect();
    let heads: Vec<_> = (0..lines.len()).filter(|line| lines[*line].starts_with("UTC")).collect();
    assert_eq!(heads, [0, 7, 14, 21], "{text}");
    assert_eq!(lines.len(), 24);
    let head = ["UTC", "total", "tcp", "estab", "closed", "orphaned", "timewait", "unhashed"];
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), head);
    let root = ["--root", variants::world()];
    let wanted = Variant::new("conncount --quick -v", &root).run(&[]);
    let wanted: Vec<_> = wanted.lines().collect();
    for (place, line) in lines.iter().enumerate().filter(|(place, _)| !heads.contains(place)) {
        let (time, numbers) = line.split_once(' ').unwrap();
        assert_eq!((place, time.len(), time.matches(':').count()), (place, 8, 2), "{text}");
        assert_eq!(numbers.split_whitespace().collect::<Vec<_>>(), wanted, "{text}");
    }
    // A heading that is broken into several lines takes room from the samples.
    for columns in WIDTHS {
        let text =
            run((columns, 10), "tcpstates --interval 0.001 --count 30 --root own-lab-6.18", &PLAIN);
        assert!(text.lines().all(|line| width(line) <= columns), "{text}");
        let heads = text.lines().filter(|line| line.starts_with("UTC")).count();
        assert!((4..=6).contains(&heads), "{text}");
    }
}

#[test]
fn groups_are_drawn_over_those_of_the_last_sample() {
    if !is_here("groups_are_drawn_over_those_of_the_last_sample") {
        return;
    }
    let line = "conncount --by state,lport --interval 0.001 --count 3 --root own-lab-6.18";
    let text = run((80, 50), line, &PLAIN);
    let screens: Vec<_> = text.split("\r\x1b[").collect();
    assert_eq!(screens.len(), 3, "{text}");
    let height = screens[0].lines().count();
    for screen in &screens[1..] {
        let rest =
            screen.strip_prefix(&format!("{height}A\x1b[J")).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(rest.lines().count(), height);
        assert!(rest.lines().next().unwrap().ends_with(" UTC"), "{text}");
    }
    // Of a table that is too long, the cursor never has to leave the screen.
    let text = run((80, 6), line, &PLAIN);
    for screen in text.split("\r\x1b[") {
        assert!(screen.lines().count() == 5 && screen.contains(" more rows\n"), "{text}");
    }
    // A terminal that cannot go back gets one table below the other.
    let text = run((80, 50), line, &[("TERM", "dumb")]);
    assert!(!text.contains('\x1b') && text.lines().count() == 3 * height, "{text}");
}

#[test]
fn a_window_of_another_size_is_drawn_below() {
    if !is_here("a_window_of_another_size_is_drawn_below") {
        return;
    }
    let resize = "(sleep 0.7; stty cols 60 rows 20 < /dev/tty) &";
    let line = "conncount --by state --interval 1 --count 3 --root own-lab-6.18";
    let text = run((80, 24), &format!("{resize} {line}"), &PLAIN);
    // The second table stands below the first, and the third over the second.
    assert_eq!(text.matches(" UTC\n").count(), 3, "{text}");
    assert_eq!(text.matches("A\x1b[J").count(), 1, "{text}");
}
