//! The texts of `--help` and `--list`.

use super::{BOX_OPTIONS, explained, has_names, spelled};
use crate::applet::APPLETS;
use crate::cli::{OptDoc, common_docs};
use crate::frame::Applet;

/// The names of the applets, one per line.
pub fn list() -> String {
    APPLETS.iter().map(|applet| format!("{}\n", applet.name)).collect()
}

/// The help of the box: the applets, one per line, and its own options.
pub fn the_box() -> String {
    let mut text = String::from(
        "usage: connbox APPLET [OPTION...] [NAME...]\n   or: APPLET [OPTION...] [NAME...]\n\napplets:\n",
    );
    let width = APPLETS.iter().map(|applet| applet.name.len() + 2).max().unwrap_or_default();
    for applet in APPLETS {
        text += &format!("  {:<width$}{}\n", applet.name, applet.about);
    }
    text += "\noptions:\n";
    for option in BOX_OPTIONS {
        let spelled = format!("{} {}", option.name, option.operands);
        text += &line(spelled.trim_end(), option.help);
    }
    text + "\n'connbox help APPLET' explains an applet; 'connbox --man APPLET | man -l -' shows its manual.\n"
}

/// The help of an applet.
pub fn applet(applet: &Applet) -> String {
    let names = if has_names(applet) { " [NAME...]" } else { "" };
    let mut text = format!("usage: {} [OPTION...]{names}\n{}\n", applet.name, applet.about);
    text += &format!("\nrows:\n{}", filled(applet.rows));
    text += "\ncolumns:\n";
    for column in applet.columns {
        text += &line(column.name, column.help);
    }
    if !applet.options.is_empty() {
        text += "\noptions:\n";
        text += &options(applet.options);
    }
    if !applet.filters.is_empty() {
        text += "\nfilters:\n";
        text += &options(applet.filters);
    }
    text += "\noptions of all applets:\n";
    let common: Vec<_> = common_docs(applet.original, applet.options).collect();
    text += &options(&common);
    text += "\nexamples:\n";
    for example in applet.examples {
        text += &format!("  {}\n", example.command);
    }
    text
}

fn options(options: &[OptDoc]) -> String {
    let indented = |option: &OptDoc| match option.short {
        Some(_) => spelled(option),
        None => format!("    {}", spelled(option)),
    };
    options.iter().map(|option| line(&indented(option), &explained(option))).collect()
}

/// A term and its explanation, in two columns if the term is short enough.
fn line(term: &str, explanation: &str) -> String {
    const WIDTH: usize = 28;
    if term.len() + 2 > WIDTH {
        format!("  {term}\n{:WIDTH$}  {explanation}\n", "")
    } else {
        format!("  {term:<WIDTH$}{explanation}\n")
    }
}

/// A paragraph in lines of at most 78 columns.
fn filled(text: &str) -> String {
    let mut lines = vec![String::from(" ")];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > 78) {
            lines.push(String::from(" "));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}
