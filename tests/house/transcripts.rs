//! Runs `tests/transcripts/*.txt` (`$ command`, then its exact output, including standard error) and every
//! example in every man page.

use crate::support;

use std::path::Path;

use connbox::applet::APPLETS;
use connbox::frame::Applet;

/// Runs one command line in the directory of the saved kernels, and returns all that it prints.
fn said(line: &str) -> String {
    let mut shell = support::command("bash");
    let inner = format!("{{ {line}\n}} 2>&1; s=$?; [ $s = 0 ] || echo \"[$s]\"");
    shell.args(["-c", &inner]).current_dir(support::fixtures());
    String::from_utf8(shell.output().unwrap().stdout).unwrap()
}

/// A transcript with its outputs replaced by current ones.
fn replayed(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            result += &format!("{line}\n{}", said(command));
        } else if line.starts_with("## ") {
            // A comment begins a paragraph; any other line is output, which is generated again.
            let blank = if result.is_empty() { "" } else { "\n" };
            result += &format!("{blank}{line}\n");
        }
    }
    result
}

#[test]
fn transcripts_are_as_written() {
    if !support::needs("transcripts_are_as_written", &["bash", "awk"]) {
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    for applet in APPLETS {
        assert!(directory.join(format!("{}.txt", applet.name)).is_file(), "{}", applet.name);
    }
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = format!("tests/transcripts/{name}");
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
        support::same_as_file(&file, &replayed(&text.unwrap()));
    }
}

/// Runs the examples on the running kernel, as the reader of a man page would.
#[test]
fn examples_of_the_man_pages_work() {
    let test = "examples_of_the_man_pages_work";
    if !support::needs(test, &["bash", "awk"]) {
        return;
    }
    // Examples with a screen would not end; tests/live/tcptrack.rs runs them.
    let has_screen = |applet: &&&Applet| !applet.keyboard.is_empty();
    for applet in APPLETS.iter().filter(|applet| !has_screen(applet)) {
        if applet.name.starts_with("conntrack") && !support::needs(test, &["connection tracking"]) {
            continue;
        }
        for example in applet.examples {
            let output = match support::run_in_shell(example.command) {
                Ok(output) => output,
                // It works, and says that on this machine the answer is not complete.
                Err(why)
                    if why.contains(" cannot be read (")
                        && support::is_refused_of_some_process("ns/net") =>
                {
                    continue;
                }
                Err(why) if why.contains("this machine has other network namespaces") => continue,
                Err(why) if why.contains("(needs CAP_") => {
                    support::lacks(test, "capabilities", why.trim_end());
                    continue;
                }
                Err(why) => panic!("{why}"),
            };
            // If no socket matches, there is no group.
            let may_be_empty = ["awk", "--by"].iter().any(|word| example.command.contains(word));
            assert!(may_be_empty || !output.is_empty(), "{}", example.command);
        }
    }
}
