//! Completions for bash, zsh and fish: applets, options, option values, and NAMEs.

mod bash;
mod fish;
mod zsh;

use super::BOX_OPTIONS;
use crate::applet::APPLETS;
use crate::cli::OptDoc;
use crate::frame::Applet;

/// The shells for which there are completions.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The completions for `shell`, if it is one of [`SHELLS`].
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash::script()),
        "zsh" => Some(zsh::script()),
        "fish" => Some(fish::script()),
        _ => None,
    }
}

/// What an option's value can be.
enum Operand {
    Words(&'static [&'static str]),
    /// What the machine has, by the name of the functions that list it.
    Live(&'static str),
    File,
    Directory,
    Other,
}

/// Values of options that the machine knows: the name of the value, without what shows that there may be several, and
/// the functions of the scripts that list them.
const LIVE: [(&str, &str); 5] = [
    ("PORT", "services"),
    ("USER|UID", "users"),
    ("NAME", "interfaces"),
    ("IFACE", "interfaces"),
    ("NAME|PID|PATH|all", "namespaces"),
];

fn operand(option: &OptDoc) -> Option<Operand> {
    let value = option.value.filter(|_| !option.is_alone())?;
    Some(match (live(value), value) {
        _ if !option.words.is_empty() => Operand::Words(option.words),
        (Some(list), _) => Operand::Live(list),
        (None, "FILE") => Operand::File,
        (None, "DIR") => Operand::Directory,
        (None, _) => Operand::Other,
    })
}

fn live(value: &str) -> Option<&'static str> {
    let one = value.trim_end_matches("[,...]");
    LIVE.iter().find(|(name, _)| *name == one).map(|(_, list)| *list)
}

/// Whether the value may be a list with commas.
fn is_list(option: &OptDoc) -> bool {
    option.value.is_some_and(|value| value.ends_with("[,...]"))
}

/// Whether the next word may be the value, or an option, or a NAME.
fn is_optional(option: &OptDoc) -> bool {
    option.value.is_some_and(|value| value.starts_with('[')) && !is_marked(option)
}

/// Whether a ! may precede the value, or a word of it.
fn is_marked(option: &OptDoc) -> bool {
    option.value.is_some_and(|value| value.starts_with("[!]"))
}

/// All names of all applets, aliases included.
fn names() -> String {
    let all = APPLETS.iter().flat_map(|applet| std::iter::once(&applet.name).chain(applet.aliases));
    all.copied().collect::<Vec<_>>().join(" ")
}

/// An applet's names as a pattern of `case`.
fn pattern(applet: &Applet) -> String {
    let all = std::iter::once(&applet.name).chain(applet.aliases);
    all.copied().collect::<Vec<_>>().join("|")
}

fn box_words() -> String {
    let options = BOX_OPTIONS.map(|option| option.name).join(" ");
    format!("{} help {options}", names())
}

/// `text` in single quotes, quoted so that bash, zsh and fish read the same.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
