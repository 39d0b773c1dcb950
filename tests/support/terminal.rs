//! Commands whose standard output is a terminal of a known size: script(1) of util-linux makes it.

use std::process::Stdio;

use super::{bin_dir, fixtures, search_path};

/// What a test needs for [`run`].
pub const NEEDS: [&str; 3] = ["script", "stty", "sh"];

/// What a line of sh writes to a terminal of so many columns and lines, in the directory of the saved kernels.
/// `variables` are added to the environment, whose locale is UTF-8.
pub fn run((columns, lines): (usize, usize), line: &str, variables: &[(&str, &str)]) -> String {
    // Line ends stay as they are written.
    let line = format!("stty cols {columns} rows {lines} -onlcr; {line}");
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).current_dir(fixtures());
    let path = format!("{}:{}", bin_dir().display(), search_path().display());
    script.env("PATH", path).env("SHELL", "/bin/sh").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    script.env_remove("NO_COLOR").env_remove("CONNBOX_ROOT").envs(variables.iter().copied());
    String::from_utf8(script.output().unwrap().stdout).unwrap()
}

/// The columns that a text takes in the tests' own terms: wide are the scripts of East Asia, and the marks that
/// combine with a character take none.
pub fn width(text: &str) -> usize {
    let width = |letter: char| match letter {
        '\u{300}'..='\u{36f}' => 0,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{d7a3}' | '\u{ff00}'..='\u{ff60}' => 2,
        _ => 1,
    };
    text.chars().map(width).sum()
}
