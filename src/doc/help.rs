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
        let about = wrapped(applet.about, width + 2);
        text += &format!("  {:<width$}{about}\n", applet.name);
    }
    text += "\noptions:\n";
    for option in BOX_OPTIONS {
        text += &line(&option.spelled(), option.help);
    }
    text + "\n'connbox help APPLET' explains an applet,\n'connbox --man APPLET | man -l -' shows its manual.\n"
}

/// The whole help of an applet.
pub fn applet(applet: &Applet) -> String {
    let mut text = head(applet);
    text += &format!("\nrows:\n{}", filled(applet.rows));
    if !applet.options.is_empty() {
        text += "\noptions:\n";
        text += &options(applet.options.iter().map(|doc| **doc));
    }
    if !applet.filters.is_empty() {
        text += "\nfilters (a word behind ! excludes: --lport '!22'):\n";
        text += &options(applet.filters.iter().map(|doc| **doc));
    }
    text += "\noptions of all applets:\n";
    text += &options(common_docs(applet.original, applet.options));
    if !applet.keyboard.is_empty() {
        text += "\nkeys of the screen:\n";
        applet.keyboard.iter().for_each(|(key, meaning)| text += &line(key, meaning));
    }
    text += "\ncolumns:\n";
    for column in applet.columns {
        text += &line(column.name, column.help);
    }
    text + &examples(applet, usize::MAX)
}

/// The most lines of the short help, which fit a screen with the prompts before and behind it.
const SHORT_LINES: usize = 40;
const WIDTH: usize = 80;

/// The short help of an applet: what fits a screen, one line per option as long as there is room.
pub fn short(applet: &Applet) -> String {
    let (head, examples) = (head(applet), examples(applet, 3));
    let end =
        format!("\n--help: everything; the manual: connbox --man {} | man -l -\n", applet.name);
    let own: Vec<OptDoc> = applet.options.iter().chain(applet.filters).map(|doc| **doc).collect();
    let common: Vec<OptDoc> = common_docs(applet.original, applet.options).collect();
    let mut shown = own.len();
    loop {
        let (lines, rest) = own.split_at(shown);
        let lines: String = lines.iter().map(one_line).collect();
        let names: Vec<_> = rest.iter().chain(&common).map(spelled).collect();
        let heading = if lines.is_empty() { "" } else { "\noptions:\n" };
        let text = [&head, heading, &lines, "\nand:\n", &listed(&names), &examples, &end].concat();
        if shown == 0 || text.lines().count() <= SHORT_LINES {
            return text;
        }
        shown -= 1;
    }
}

fn head(applet: &Applet) -> String {
    let names = if has_names(applet) { " [NAME...]" } else { "" };
    let about = wrapped(applet.about, 0);
    format!("usage: {} [OPTION...]{names}\n{about}\n", applet.name)
}

fn examples(applet: &Applet, most: usize) -> String {
    let mut text = String::from("\nexamples:\n");
    for example in applet.examples.iter().take(most) {
        text += &format!("  {}\n", example.command);
    }
    text
}

/// An option in one line: of a long explanation the clauses that have room.
fn one_line(option: &OptDoc) -> String {
    let term = indented(option);
    let room = WIDTH.saturating_sub(COLUMN.max(term.len() + 4));
    let mut help = option.help;
    while help.len() > room {
        match help.rfind([',', ';', ':', '(']) {
            Some(place) => help = help[..place].trim_end(),
            None => help = help[..room].rsplit_once(' ').map_or("", |(words, _)| words),
        }
    }
    let width = (COLUMN - 2).max(term.len() + 2);
    format!("  {term:<width$}{help}\n")
}

/// Options with commas between them, in lines.
fn listed(names: &[String]) -> String {
    let mut lines = vec![String::from(" ")];
    for (place, name) in names.iter().enumerate() {
        let comma = if place + 1 < names.len() { "," } else { "" };
        let word = [" ", name, comma].concat();
        if lines.last().is_some_and(|line| line.len() + word.len() > WIDTH) {
            lines.push(String::from(" "));
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(&word));
    }
    lines.join("\n") + "\n"
}

fn options(options: impl Iterator<Item = OptDoc>) -> String {
    options.map(|option| line(&indented(&option), &explained(&option))).collect()
}

/// An option as it is written; those without a letter are set below the others' long names.
fn indented(option: &OptDoc) -> String {
    match option.short {
        Some(_) => spelled(option),
        None => format!("    {}", spelled(option)),
    }
}

/// Where explanations begin.
const COLUMN: usize = 30;

/// A term and its explanation, in two columns if the term is short enough.
fn line(term: &str, explanation: &str) -> String {
    let explanation = wrapped(explanation, COLUMN);
    let width = COLUMN - 2;
    if term.len() + 2 > width {
        format!("  {term}\n{:COLUMN$}{explanation}\n", "")
    } else {
        format!("  {term:<width$}{explanation}\n")
    }
}

/// A text in lines that begin in a column.
fn wrapped(text: &str, column: usize) -> String {
    let (mut wrapped, mut at) = (String::new(), column);
    for word in text.split(' ') {
        if at > column && at + 1 + word.len() > WIDTH {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', column));
            at = column;
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
            at += 1;
        }
        wrapped.push_str(word);
        at += word.len();
    }
    wrapped
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_help_fits_a_screen_and_the_long_one_its_width() {
        for applet in APPLETS {
            let text = short(applet);
            let (lines, widest) = (text.lines().count(), text.lines().map(str::len).max());
            assert!(lines <= SHORT_LINES && widest <= Some(WIDTH), "{lines} {widest:?} {text}");
            assert!(text.starts_with("usage: ") && text.contains("\nexamples:\n"), "{text}");
            let options = applet.options.iter().chain(applet.filters).map(|doc| **doc);
            for option in options.chain(common_docs(applet.original, applet.options)) {
                assert!(text.contains(&format!("--{}", option.long)), "{}", option.long);
            }
            let shown = text.rsplit("examples:\n").next().unwrap().lines();
            assert_eq!(
                shown.filter(|line| line.starts_with("  ")).count(),
                applet.examples.len().min(3),
                "{text}"
            );
            let help = super::applet(applet);
            assert!(help.lines().all(|line| line.len() <= WIDTH), "{help}");
            let order =
                ["\noptions:\n", "\noptions of all applets:\n", "\ncolumns:\n", "\nexamples:\n"];
            let places: Vec<_> = order.iter().filter_map(|heading| help.find(heading)).collect();
            assert!(places.is_sorted(), "{help}");
        }
        let the_box = the_box();
        assert!(the_box.lines().all(|line| line.len() <= WIDTH), "{the_box}");
    }

    #[test]
    fn an_explanation_is_cut_between_clauses() {
        let shown = |help| {
            one_line(&OptDoc { short: None, long: "a", alias: None, value: None, words: &[], help })
        };
        let long = "do this and that and more of it, in all of the ways that there are; never more";
        assert_eq!(shown(long), "      --a                     do this and that and more of it\n");
        let words = "do this and that and more of it in all of the ways that there are";
        assert_eq!(
            shown(words),
            "      --a                     do this and that and more of it in all of the\n"
        );
    }
}
