//! What people read: `--help`, man pages and completions, all from the applet table.

pub mod completions;
pub mod help;
pub mod man;

use crate::cli::{OptDoc, common_docs};
use crate::frame::Applet;

/// An option of the box itself.
pub struct BoxOption {
    /// As it is written.
    pub name: &'static str,
    /// Its operands.
    pub operands: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// The options of the box itself.
pub const BOX_OPTIONS: [BoxOption; 7] = [
    BoxOption { name: "--list", operands: "", help: "list the names of the applets" },
    BoxOption { name: "--help", operands: "", help: "list the applets" },
    BoxOption { name: "--version", operands: "", help: "print the version" },
    BoxOption {
        name: "--install",
        operands: "[--force] DIR [APPLET...]",
        help: "create links in DIR, one per applet",
    },
    BoxOption {
        name: "--textfile",
        operands: "FILE [APPLET [OPTION...] [+ APPLET...]]",
        help: "write the numbers of several applets to FILE, for node_exporter",
    },
    BoxOption { name: "--man", operands: "[APPLET]", help: "print a man page" },
    BoxOption {
        name: "--completions",
        operands: "bash|zsh|fish",
        help: "print the completions for a shell",
    },
];

/// The options of an applet: its own, then the common ones.
fn options(applet: &Applet) -> impl Iterator<Item = OptDoc> + use<> {
    let common = common_docs(applet.original, applet.options);
    applet.options.iter().chain(applet.filters).copied().chain(common)
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
    let value = option.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{}{value}", names.join(", "))
}

/// What an option does, and the words that it accepts.
fn explained(option: &OptDoc) -> String {
    match option.words {
        [] => option.help.to_owned(),
        words => format!("{}: {}", option.help, words.join(", ")),
    }
}
