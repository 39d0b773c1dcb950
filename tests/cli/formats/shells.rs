//! `--shell`, evaluated by the shells that scripts are written for.

use std::path::Path;
use std::process::Stdio;

use super::variants::{self, Kind, Table, Variant};
use crate::support;

/// The shells, with the arguments that precede a script.
const SHELLS: [(&str, &[&str]); 7] = [
    ("dash", &["-c"]),
    ("bash", &["-c"]),
    ("bash", &["--posix", "-c"]),
    ("ksh", &["-c"]),
    ("zsh", &["-f", "-c"]),
    ("zsh", &["--emulate", "sh", "-f", "-c"]),
    ("busybox", &["sh", "-c"]),
];

/// Whether all the shells are installed; if not, the test is skipped visibly.
pub fn are_here(test: &str) -> bool {
    support::needs(test, &SHELLS.map(|(program, _)| program))
}

/// Compares what `script` prints in every shell with `wanted`; it must succeed without a message.
pub fn check(script: &str, directory: &Path, wanted: &str) {
    let children = SHELLS.map(|(program, arguments)| {
        let mut command = support::command(program);
        command.args(arguments).arg(script).current_dir(directory).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        (program, arguments, child)
    });
    for (program, arguments, child) in children {
        let output = child.wait_with_output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let shell = format!("{program} {arguments:?} on {script}");
        assert!(output.status.success() && err.is_empty(), "{shell}: {:?} {err}", output.status);
        assert_eq!(out, wanted, "{shell}");
    }
}

/// The assignments that the contract demands for a table with Keys.
pub fn assignments(table: &Table, prefix: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for row in &table.rows {
        let keys: Vec<_> = table.keys(row).into_iter().map(folded).collect();
        for (place, (column, value)) in table.fields(row, Kind::Number).into_iter().enumerate() {
            let mut name = keys.join("_");
            if place > 0 {
                name = format!("{name}_{}", column.to_ascii_uppercase());
            }
            let digit = prefix.is_empty() && name.starts_with(|first: char| first.is_ascii_digit());
            let name = format!("{prefix}{}{name}", if digit { "_" } else { "" });
            all.push((name, value.unwrap_or_default().to_owned()));
        }
    }
    all
}

/// Names that we choose are in upper case; names that the kernel writes in mixed case are kept.
fn folded(key: &str) -> String {
    let has = |is: fn(&char) -> bool| key.chars().any(|letter| is(&letter));
    match has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase) {
        true => key.to_owned(),
        false => key.to_ascii_uppercase(),
    }
}

/// A script that evaluates a call, quoted or not, and prints the variables.
fn evaluate(
    variant: &Variant,
    prefix: &str,
    names: &[(String, String)],
    is_quoted: bool,
) -> String {
    let option = if prefix.is_empty() { String::new() } else { format!("--prefix {prefix}") };
    let quote = if is_quoted { "\"" } else { "" };
    let line = variant.line(&format!("--shell {option}"));
    let values: Vec<_> = names.iter().map(|(name, _)| format!("\"${name}\"")).collect();
    // In a subshell, so that no variable is left over from the previous call.
    format!("(eval {quote}$({line}){quote}; printf '%s\\n' {})\n", values.join(" "))
}

#[test]
fn eval_gives_the_numbers_of_the_table() {
    if !are_here("eval_gives_the_numbers_of_the_table") {
        return;
    }
    for variant in variants::all() {
        let table = variant.table();
        if !table.is_keyed() {
            continue;
        }
        let (mut script, mut wanted) = (String::from("set -eu\n"), String::new());
        for prefix in ["", "q_"] {
            let names = assignments(&table, prefix);
            for is_quoted in [true, false] {
                script.push_str(&evaluate(&variant, prefix, &names, is_quoted));
                names.iter().for_each(|(_, value)| wanted.push_str(&format!("{value}\n")));
            }
        }
        check(&script, Path::new("/"), &wanted);
    }
}

#[test]
fn assignments_stand_one_a_line_and_need_no_quotes() {
    for variant in variants::all() {
        let table = variant.table();
        if !table.is_keyed() {
            continue;
        }
        let wanted: String = assignments(&table, "")
            .into_iter()
            .inspect(|(name, value)| assert!(is_plain(value), "{name}={value}"))
            .map(|(name, value)| format!("{name}=\"{value}\"\n"))
            .collect();
        assert_eq!(variant.run(&["--shell"]), wanted);
    }
}

/// Whether a value is safe in an unquoted `eval $(…)`: no blank, no pattern, no quote.
fn is_plain(value: &str) -> bool {
    value.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.:/@%+,=-".contains(letter))
}

/// Reads each line of a table with Labels and prints its fields, in the way that the contract describes.
pub fn read_lines(variant: &Variant, columns: &[String], prefix: &str) -> String {
    let option = if prefix.is_empty() { String::new() } else { format!("--prefix {prefix}") };
    let line = variant.line(&format!("--shell {option}"));
    let names: Vec<_> = columns
        .iter()
        .map(|column| format!("\"${prefix}{}\"", column.to_ascii_uppercase()))
        .collect();
    let names = names.join(" ");
    format!(
        "{line} | while read -r line; do eval \"$line\"; printf '%s\\037' {names}; echo; done\n"
    )
}

#[test]
fn lines_of_a_table_with_labels_give_its_rows() {
    if !are_here("lines_of_a_table_with_labels_give_its_rows") {
        return;
    }
    for variant in variants::all() {
        let table = variant.table();
        if table.is_keyed() {
            continue;
        }
        let rows: String = table.rows.iter().map(|row| printed(row)).collect();
        let script: String =
            ["", "q_"].map(|prefix| read_lines(&variant, &table.columns, prefix)).concat();
        check(&format!("set -eu\n{script}"), Path::new("/"), &rows.repeat(2));
    }
}

/// A row as [`read_lines`] prints it; an absent value is empty.
fn printed(row: &[String]) -> String {
    let fields = row.iter().map(|field| if field == "-" { "" } else { field });
    fields.map(|field| format!("{field}\x1f")).collect::<String>() + "\n"
}

/// What fish prints for a script, which must succeed without a message.
pub fn fish(script: &str) -> String {
    let output = support::command("fish").args(["--no-config", "-c", script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "fish on {script}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn fish_gets_the_numbers_of_the_table() {
    if !support::needs("fish_gets_the_numbers_of_the_table", &["fish"]) {
        return;
    }
    let estab = Variant::new("conncount estab", &["--root", variants::world()]);
    assert_eq!(estab.run(&["--fish"]), "set -g ESTAB 17\n");
    for variant in variants::all() {
        let table = variant.table();
        for prefix in ["", "q_"] {
            let option = if prefix.is_empty() { "" } else { "--prefix q_" };
            let line = variant.line(&format!("--fish {option}"));
            let (script, wanted) = if table.is_keyed() {
                let names = assignments(&table, prefix);
                let values: String = names.iter().map(|(_, value)| format!("{value}\n")).collect();
                let uses: Vec<_> = names.iter().map(|(name, _)| format!("\"${name}\"")).collect();
                let print = format!("printf '%s\\n' {}", uses.join(" "));
                // In a function, as in a prompt.
                (format!("function get; {line} | source; end; get; {print}"), values)
            } else {
                let names: Vec<_> = table
                    .columns
                    .iter()
                    .map(|column| format!("\"${prefix}{}\"", column.to_ascii_uppercase()))
                    .collect();
                let print = format!("printf '%s\\x1f' {}; echo", names.join(" "));
                let rows = table.rows.iter().map(|row| printed(row)).collect();
                (format!("{line} | while read -l line; eval $line; {print}; end"), rows)
            };
            assert_eq!(fish(&script), wanted, "{script}");
        }
    }
}

#[test]
fn lines_of_a_stream_bear_their_time() {
    if !are_here("lines_of_a_stream_bear_their_time") {
        return;
    }
    let words = "snmpget-tcp --interval 0.001 --count 2 InSegs CurrEstab";
    let variant = Variant::new(words, &["--root", variants::world()]);
    let line = variant.line("--shell");
    let script = format!(
        "set -eu\n{line} | while read -r line; do eval \"$line\"; \
         case $TIME in 20??-??-??T*Z) echo \"$NAME $VALUE\";; esac; done\n"
    );
    check(&script, Path::new("/"), &"TcpInSegs 109\nTcpCurrEstab 17\n".repeat(2));
}

#[test]
fn a_prefix_must_begin_a_name() {
    for prefix in ["", "1a", "a-b", "a b", "$(id)", "ä", "a\n", "*"] {
        let output = support::run(&["closedcalc", "--shell", "--prefix", prefix]);
        assert_eq!(output.status.code(), Some(2), "{prefix:?}");
        assert!(output.stdout.is_empty(), "{prefix:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("closedcalc: --prefix: "));
    }
}
