//! Malicious saved files: no byte of them is executed, and none breaks a format.

use std::fs;
use std::path::{Path, PathBuf};

use super::json::{self, Json};
use super::owned;
use super::prometheus;
use super::shells;
use super::variants::{Table, Variant, quoted};
use crate::support;
use crate::support::scratch::{names_in, scratch};

/// The strangest names and numbers that the parser of sockstat accepts.
const SOCKSTAT: &str = "sockets: used 0\n\
    TCP: inuse 18446744073709551615 orphan 9223372036854775808\n\
    TCP: tw 18446744073709551615 alloc 0 mem 1\n\
    TCP6: inuse 18446744073709551615\n\
    Z9_: a__ 9223372036854775807 X_9Z 18446744073709551614\n\
    eval: exit 1 set 2 unset 3 if 4 fi 5 do 6\n\
    Camel: Case 7 lower 8 UPPER 9\n";

/// The same for snmp and netstat: a signed number, unknown groups, and names that are shell keywords.
const SNMP: &str = "Tcp: RtoAlgorithm MaxConn CurrEstab InSegs\n\
    Tcp: 1 -9223372036854775808 18446744073709551615 18446744073709551615\n\
    if: then fi\n\
    if: 1 2\n\
    x9_: z__ z_9 Y\n\
    x9_: 18446744073709551614 0 9223372036854775808\n";

/// Writes `text` to a file called `name` in the test's directory.
fn saved(test: &str, name: &str, text: &str) -> PathBuf {
    let file = scratch(test).join(name);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn weird_names_and_great_numbers_come_through_every_shell() {
    if !shells::are_here("weird_names_and_great_numbers_come_through_every_shell") {
        return;
    }
    for (words, text) in [("sockstat", SOCKSTAT), ("snmpget-tcp --all", SNMP)] {
        let file = saved("weird_names", "saved", text);
        let variant = Variant::new(words, &["--from", file.to_str().unwrap()]);
        let names = shells::assignments(&variant.table(), "");
        let values: String = names.iter().map(|(_, value)| format!("{value}\n")).collect();
        let uses: Vec<_> = names.iter().map(|(name, _)| format!("\"${name}\"")).collect();
        let line = variant.line("--shell");
        let print = format!("printf '%s\\n' {}", uses.join(" "));
        let script = format!("set -eu\n(eval \"$({line})\"; {print})\n(eval $({line}); {print})\n");
        shells::check(&script, file.parent().unwrap(), &values.repeat(2));
        assert_eq!(names_in(file.parent().unwrap()), ["saved"]);
    }
}

#[test]
fn weird_names_come_through_fish_and_to_terminals() {
    let has_fish = support::needs("weird_names_come_through_fish_and_to_terminals", &["fish"]);
    for (words, text) in [("sockstat", SOCKSTAT), ("snmpget-tcp --all", SNMP)] {
        let file = saved("weird_fish", "saved", text);
        let variant = Variant::new(words, &["--from", file.to_str().unwrap()]);
        let names = shells::assignments(&variant.table(), "");
        let values: String = names.iter().map(|(_, value)| format!("{value}\n")).collect();
        let uses: Vec<_> = names.iter().map(|(name, _)| format!("\"${name}\"")).collect();
        let print = format!("printf '%s\\n' {}", uses.join(" "));
        if has_fish {
            let line = variant.line("--fish");
            assert_eq!(shells::fish(&format!("{line} | source; {print}")), values);
        }
        let table = variant.run(&["--human", "--color=always"]);
        assert!(table.contains("9223372036854775808"), "{table}");
    }
}

/// Names of users, which may hold anything but a colon and a line end.
const USERS: [&[u8]; 6] = [
    b"$(touch pwned)'; touch pwned; '",
    b"`touch pwned` \\' (touch pwned) \\",
    b"\x1b[31mred\x9b1m\xc2\x9b1m\t",
    b"\xe2\x80\xaegnp\xff",
    b"%self ~ * ? { } < > & | ; # \" \r",
    b"-e\0x",
];

#[test]
fn hostile_names_run_nothing_in_fish_and_do_nothing_to_a_terminal() {
    let directory = scratch("hostile_users");
    for part in ["etc", "proc/net"] {
        fs::create_dir_all(directory.join(part)).unwrap();
    }
    let world = Path::new(super::variants::world()).join("proc/net");
    for table in ["tcp", "tcp6"] {
        fs::copy(world.join(table), directory.join("proc/net").join(table)).unwrap();
    }
    for user in USERS {
        let passwd = [user, b":x:0:0::/:\n"].concat();
        fs::write(directory.join("etc/passwd"), passwd).unwrap();
        let root = ["--root", directory.to_str().unwrap()];
        let variant = Variant::new("conncount --by user", &root);
        let table = variant.output(&["--human", "--color=always"]);
        let text = String::from_utf8(table.stdout).expect("all is UTF-8");
        let plain = text.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "");
        let is_obeyed =
            |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!plain.contains(is_obeyed), "{plain:?}");
        assert_eq!(plain.lines().count(), 3, "{plain:?}");
        if support::needs("hostile_names_run_nothing_in_fish", &["fish"]) {
            let line = variant.line("--fish");
            let script = format!(
                "cd '{}'; {line} | while read -l line; eval $line; end; {line} | source",
                directory.display()
            );
            assert_eq!(shells::fish(&script), "");
            assert_eq!(names_in(&directory), ["etc", "proc"]);
        }
    }
}

#[test]
fn numbers_of_64_bits_are_whole_in_every_format() {
    let file = saved("great_numbers", "saved", SOCKSTAT);
    let source = ["--from", file.to_str().unwrap()];
    let sockstat = Variant::new("sockstat", &source);
    let table = sockstat.table();
    assert_eq!(table.rows[1], ["TCP", "inuse", "18446744073709551615"]);
    json::check_nested(&Json::object(sockstat.run(&["--json"]).trim_end()), &table);
    let text = sockstat.run(&["--prom"]);
    assert!(text.contains("{protocol=\"Z9_\",item=\"X_9Z\"} 18446744073709551614\n"), "{text}");
    // 0 - (18446744073709551615 + 18446744073709551615 - 18446744073709551615), and the same without tw.
    let closed = Variant::new("closedcalc closed unhashed", &source).run(&["-v"]);
    assert_eq!(closed, "-18446744073709551615\n-36893488147419103230\n");
}

#[test]
fn no_saved_file_sets_a_variable_of_the_shells() {
    // Group and field are joined: `U` and `ID` become UID, and an assignment to it makes bash fail.
    let snmp: String =
        ["U ID", "pa th", "I FS", "P PID", "H OME", "E NV", "SHELL OPTS", "BASH_ ENV"]
            .map(|pair| pair.split_once(' ').unwrap())
            .map(|(group, field)| format!("{group}: {field} Z\n{group}: 5 6\n"))
            .concat();
    let snmp = saved("owned_snmp", "saved", &snmp);
    let sockstat = "BASH: versinfo 1 env 2\nPrompt: command 3\nLC: ALL 4\nZSH: subshell 5\n";
    let sockstat = saved("owned_sockstat", "saved", sockstat);
    let owned = owned::listed();
    let mut bad = Vec::new();
    for (words, file) in [("snmpget-tcp --all", snmp), ("sockstat", sockstat)] {
        let variant = Variant::new(words, &["--from", file.to_str().unwrap()]);
        // As data, they are harmless.
        assert!(!variant.run(&["--tsv"]).is_empty());
        let text = String::from_utf8(variant.output(&["--shell"]).stdout).unwrap();
        let names = owned::names(&text).into_iter();
        bad.extend(names.filter(|name| owned.contains(&name.to_ascii_uppercase())));
    }
    assert!(bad.is_empty(), "sets {bad:?}");
}

/// What a file could hold in place of a name to have it executed.
const ATTACKS: [&str; 14] = [
    "$(touch${IFS}pwned)",
    "`touch${IFS}pwned`",
    "a=$(id)",
    "a;touch",
    "a\"b",
    "a'b",
    "a\\b",
    "a&b",
    "a|b",
    "a\x1b[31m",
    "ä",
    "a-b",
    "9a",
    "a\rb",
];

#[test]
fn what_is_no_name_is_never_evaluated() {
    for attack in ATTACKS {
        for (words, text) in [
            ("sockstat", format!("TCP: inuse 1\n{attack}: inuse 5\n")),
            ("sockstat", format!("TCP: {attack} 5\n")),
            ("sockstat", format!("TCP: inuse {attack}\n")),
            ("snmpget-tcp --all", format!("Tcp: InSegs {attack}\nTcp: 1 2\n")),
            ("snmpget-tcp --all", format!("Tcp: InSegs X\nTcp: 1 {attack}\n")),
            ("snmpget-tcp --all", format!("{attack}: A B\n{attack}: 1 2\n")),
            ("conncount", format!("TCP: inuse 1 alloc 2 tw {attack}\n")),
            ("closedcalc", format!("TCP: inuse 1 alloc 2 tw {attack}\n")),
        ] {
            let file = saved("attacks", "saved", &text);
            let variant = Variant::new(words, &["--from", file.to_str().unwrap()]);
            let output = variant.output(&["--shell"]);
            assert_eq!(output.status.code(), Some(1), "{words} {text:?}");
            check_assignments(&String::from_utf8(output.stdout).unwrap());
            check_message(&String::from_utf8(output.stderr).unwrap());
        }
    }
}

/// Every line must assign a number.
fn check_assignments(text: &str) {
    for line in text.lines() {
        let (name, value) = line.split_once('=').unwrap();
        assert!(name.chars().all(|l| l.is_ascii_alphanumeric() || l == '_'), "{line}");
        assert!(value.trim_matches('"').chars().all(|l| l.is_ascii_digit() || l == '-'), "{line}");
    }
}

/// A message must not hold a control character, except for its newline.
fn check_message(text: &str) {
    assert!(!text.is_empty() && text.chars().all(|l| l == '\n' || !l.is_control()), "{text:?}");
}

/// A file's name is data in the column `source`: it holds everything that shells, JSON and labels escape.
const FILE_NAME: &str = "a\"b`touch pwned`$(touch pwned)\\;'&\t\n!#{x}* ü";

#[test]
fn the_name_of_a_file_is_data_in_every_shell() {
    if !shells::are_here("the_name_of_a_file_is_data_in_every_shell") {
        return;
    }
    let file = saved("file_name", FILE_NAME, SNMP.split("if:").next().unwrap());
    let (directory, name) = (file.parent().unwrap(), file.file_name().unwrap().to_str().unwrap());
    let script = format!(
        "set -eu\nsnmpget-tcp --from {} --shell --explain InSegs | \
         while read -r line; do eval \"$line\"; printf '%s\\n' \"$SOURCE\" \"$VALUE\"; done\n",
        quoted(name)
    );
    // Control characters become `?`, since they could break the line.
    let shown = FILE_NAME.replace(['\t', '\n'], "?");
    shells::check(&script, directory, &format!("{shown} Tcp InSegs\n18446744073709551615\n"));
    assert_eq!(names_in(directory), [FILE_NAME]);
}

#[test]
fn the_name_of_a_file_is_data_in_the_other_formats() {
    let file = saved("file_name_2", FILE_NAME, SNMP.split("if:").next().unwrap());
    let path = file.to_str().unwrap();
    let variant = Variant::new("snmpget-tcp --explain InSegs", &["--from", path]);
    let json = Json::object(variant.run(&["--json"]).trim_end());
    assert_eq!(*json.get("source"), Json::Text(format!("{path} Tcp InSegs")));
    let table: Table = variant.table();
    let escaped = path.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    assert_eq!(table.rows[0][3], format!("{escaped} Tcp InSegs"));
    if support::needs("the_name_of_a_file_is_data_in_the_other_formats", &["jq", "promtool"]) {
        assert!(json::jq_takes(&variant.run(&["--json"])));
        assert_eq!(prometheus::complaints(&variant.run(&["--prom"])), "");
    }
}

#[test]
fn a_file_name_that_is_no_utf8_breaks_no_format() {
    use std::os::unix::ffi::OsStrExt;
    let directory = scratch("not_utf8");
    let name = Path::new(std::ffi::OsStr::from_bytes(b"a\xff\x9b\xe2\x82b"));
    fs::write(directory.join(name), SNMP).unwrap();
    for format in ["--json", "--prom"] {
        let mut command = support::command("snmpget-tcp");
        command.current_dir(&directory).args(["--explain", "--all", format, "--from"]).arg(name);
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty() || output.status.code() == Some(1));
        String::from_utf8(output.stdout).expect("JSON and Prometheus text are UTF-8");
    }
}
