//! What people read: `--help`, man pages and completions, all from the applet table.

mod box_texts;
pub mod completions;
mod files;
mod from;
pub mod help;
pub mod man;

use crate::cli::{OptDoc, common_docs};
use crate::frame::Applet;

/// An option of the box itself.
pub struct BoxOption {
    /// As it is written.
    pub name: &'static str,
    pub operands: &'static str,
    pub help: &'static str,
    /// Its letter after one dash.
    pub letter: Option<char>,
    pub task: BoxTask,
}

/// What an option of the box is for.
#[derive(Clone, Copy, Debug)]
pub enum BoxTask {
    List,
    Help,
    Version,
    Install,
    Uninstall,
    Textfile,
    Man,
    Completions,
}

impl BoxOption {
    const fn new(
        task: BoxTask,
        name: &'static str,
        operands: &'static str,
        help: &'static str,
    ) -> BoxOption {
        BoxOption { name, operands, help, letter: None, task }
    }

    const fn letter(self, letter: char) -> BoxOption {
        BoxOption { letter: Some(letter), ..self }
    }

    /// How it is written: `-h, --help`.
    fn spelled(&self) -> String {
        let letter = self.letter.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        format!("{letter}{} {}", self.name, self.operands).trim_end().to_owned()
    }

    /// Whether the option is called so: `--name`, or a dash and its letter.
    pub fn is_called(&self, word: &str) -> bool {
        let letter = word.strip_prefix('-').and_then(|rest| rest.parse().ok());
        self.name == word || letter.is_some() && self.letter == letter
    }
}

/// The options of the box itself.
pub const BOX_OPTIONS: [BoxOption; 8] = [
    BoxOption::new(BoxTask::List, "--list", "", "list the names of the applets"),
    BoxOption::new(BoxTask::Help, "--help", "", "list the applets").letter('h'),
    BoxOption::new(BoxTask::Version, "--version", "", "print the version").letter('V'),
    BoxOption::new(
        BoxTask::Install,
        "--install",
        "[--force] DIR [APPLET...]",
        "create links in DIR: to these applets, or to all whose names no other program on PATH has",
    ),
    BoxOption::new(
        BoxTask::Uninstall,
        "--uninstall",
        "DIR [APPLET...]",
        "remove these links from DIR, if they lead to this binary",
    ),
    BoxOption::new(
        BoxTask::Textfile,
        "--textfile",
        "[--interval SECONDS] FILE [APPLET [OPTION...] [+ APPLET...]]",
        "write the numbers of several applets to FILE, for node_exporter",
    ),
    BoxOption::new(BoxTask::Man, "--man", "[APPLET]", "print a man page"),
    BoxOption::new(
        BoxTask::Completions,
        "--completions",
        "bash|zsh|fish",
        "print the completions for a shell",
    ),
];

/// The options of an applet: its own, then the common ones.
fn options(applet: &Applet) -> impl Iterator<Item = OptDoc> + use<> {
    let common = common_docs(applet.original, applet.options);
    applet.options.iter().chain(applet.filters).map(|doc| **doc).chain(common)
}

/// Whether the applet takes NAMEs after its options.
fn has_names(applet: &Applet) -> bool {
    applet.original.is_none() || !applet.names.is_empty()
}

/// `-4, --ipv4`, `--by KEY`, `-s, --src, --orig-src ADDR`.
fn spelled(option: &OptDoc) -> String {
    let short = option.short.map(|letter| format!("-{letter}"));
    let longs = option.longs().map(|long| format!("--{long}"));
    let names: Vec<_> = short.into_iter().chain(longs).collect();
    let space = if option.is_alone() { "" } else { " " };
    let value = option.value.map(|value| [space, value].concat()).unwrap_or_default();
    format!("{}{value}", names.join(", "))
}

/// What an option does, and the words that it accepts.
fn explained(option: &OptDoc) -> String {
    match option.words {
        [] => option.help.to_owned(),
        words => format!("{}: {}", option.help, words.join(", ")),
    }
}
