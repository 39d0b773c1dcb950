//! Man pages in mdoc(7).

use super::from::{SAVED_TEXT, SAVED_TEXT_END};
use super::{BOX_OPTIONS, box_texts, explained, has_names, options};
use crate::applet::APPLETS;
use crate::cli::{OptDoc, Original};
use crate::frame::Applet;
use crate::wire::saved::FORMS;

/// The date of the pages: that of the release.
const DATE: &str = "November 29, 2026";

/// The table of an applet's keys, if it has a screen.
fn keyboard(applet: &Applet) -> String {
    if applet.keyboard.is_empty() {
        return String::new();
    }
    let mut text = ".Ss Keys\n.Bl -column \"Home, End\" \"what it does\"\n".to_owned();
    for (key, meaning) in applet.keyboard {
        text += &format!(".It {} Ta {}\n", escape(key), escape(meaning));
    }
    text + ".El\n"
}

/// The page of an applet, connbox-NAME(1).
pub fn applet(applet: &Applet) -> String {
    let page = format!("connbox-{}", applet.name);
    let mut text = head(&page, applet.about);
    let names = if has_names(applet) { ".Op Ar name ...\n" } else { "" };
    text += &format!(".Sh SYNOPSIS\n.Nm connbox {}\n.Op Ar option ...\n{names}", applet.name);
    for name in std::iter::once(&applet.name).chain(applet.aliases) {
        text += &format!(".Nm {name}\n.Op Ar option ...\n{names}");
    }
    text += ".Sh DESCRIPTION\n";
    text += &paragraphs(applet.details);
    text += &format!(".Ss Rows\n{}", paragraph_of(applet.rows));
    if !applet.options.is_empty() {
        text +=
            ".Sh OPTIONS\nThe options that all applets share are described in\n.Xr connbox 1 .\n";
        text += applet.original.map(original_options).unwrap_or_default().as_str();
        text += &option_list(applet.options.iter().map(|doc| **doc));
    }
    if !applet.filters.is_empty() {
        text += ".Ss Filters\nA socket counts if it matches all of them.\nA ! before a word of a list excludes what the word selects: \\(aq!22\\(aq; shells want it quoted.\n";
        text += &option_list(applet.filters.iter().map(|doc| **doc));
    }
    text += &keyboard(applet);
    text += &format!(".Sh PRIVILEGES\n{}", paragraph_of(applet.needs));
    text += ".Sh EXAMPLES\n";
    for example in applet.examples {
        text += &format!(
            "{}:\n.Bd -literal -offset indent -compact\n{}\n.Ed\n",
            escape(example.about),
            escape(example.command)
        );
        text += ".Pp\n";
    }
    text.truncate(text.trim_end_matches(".Pp\n").len());
    text += &columns(applet);
    text += &match applet.original {
        None => EXIT_STATUS.to_owned(),
        Some(original) => format!(".Sh EXIT STATUS\n{}", paragraph_of(original.statuses)),
    };
    text += super::files::ENVIRONMENT_ELSEWHERE;
    text += &files(applet);
    text += &format!(".Sh BUGS\n{}", paragraphs(applet.bugs));
    text + &see_also(Some(applet))
}

/// The page about saved text, connbox-from(7).
pub fn saved_text() -> String {
    let mut text = head_of("connbox-from", 7, "saved text of other tools, for --from");
    text += SAVED_TEXT;
    for known in &FORMS {
        text += &format!(".It {}\n", escape(known.what));
        text += &format!("Save it with\n.Ql {} .\n", escape(known.save));
        let applets = known.applets.iter().map(|name| format!(".Xr connbox-{name} 1"));
        text += &format!(
            "For\n{} .\n{}",
            applets.collect::<Vec<_>>().join(" ,\n"),
            paragraph_of(known.answers)
        );
    }
    text += SAVED_TEXT_END;
    text + &see_also_of(None, Some("connbox-from"))
}

/// The columns, one line each where it is wide enough.
fn columns(applet: &Applet) -> String {
    let widest = applet.columns.iter().max_by_key(|column| column.name.len());
    let mut text = String::from(".Sh COLUMNS\n");
    text += &format!(".Bl -tag -width {} -compact\n", widest.map_or("", |column| column.name));
    for column in applet.columns {
        let (name, kind) = (escape(column.name), column.kind.name());
        text += &format!(".It {name}\n{} ({kind})\n", escape(column.help));
    }
    text + ".El\n"
}

/// What the applets with the name of a tool have instead of the options of all others.
fn drop_ins() -> String {
    const HEAD: [&str; 4] = ["-H", "-v", "--output", "--count"];
    let mut text = String::from(
        ".Ss Applets with the names of other tools\n\
         They keep the options of the tool; what means something else there, or is called otherwise:\n\
         .Bl -column \"network\\-connections\" \"version\" \"version\" \"output\\-file\" \"snapshots\"\n.It applet",
    );
    HEAD.iter().for_each(|option| text += &format!(" Ta {}", escape(option)));
    text += "\n.It all others Ta header Ta value Ta output Ta count\n";
    for applet in APPLETS {
        let Some(original) = applet.original else { continue };
        let docs: Vec<OptDoc> = options(applet).collect();
        let of_letter = |letter| docs.iter().find(|doc| doc.short == Some(letter));
        let name = |doc: Option<&OptDoc>| doc.map_or("\\-".to_owned(), |doc| escape(doc.long));
        text += &format!(".It {}", escape(applet.name));
        ['H', 'v'].iter().for_each(|letter| text += &format!(" Ta {}", name(of_letter(*letter))));
        for long in ["output", "count"] {
            let renamed = original.renamed.iter().find(|(common, _)| *common == long);
            let called = renamed.map_or(long, |(_, name)| name);
            text += &format!(" Ta {}", name(docs.iter().find(|doc| doc.long == called)));
        }
        text += "\n";
    }
    text + ".El\nEach cell is the long name of the option; \\- is none.\n"
}

/// The page of the box, connbox(1).
pub fn the_box() -> String {
    let mut text = head("connbox", "count and watch network connections");
    text += ".Sh SYNOPSIS\n.Nm connbox\n.Ar applet\n.Op Ar option ...\n.Op Ar name ...\n";
    for option in BOX_OPTIONS {
        text += &format!(".Nm connbox\n.Fl {}", escape(&option.name[1..]));
        text += &operands(option.operands);
        text += "\n";
    }
    text += box_texts::DESCRIPTION;
    text += ".Ss Applets\n.Bl -tag -width Ds\n";
    for applet in APPLETS {
        text += &format!(".It Xr connbox-{} 1\n{}", applet.name, paragraph_of(applet.about));
    }
    text += ".El\n.Ss Options of the box\n.Bl -tag -width Ds\n";
    for option in BOX_OPTIONS {
        let letter = option.letter.map(|letter| format!("{letter} , Fl ")).unwrap_or_default();
        text += &format!(".It Fl {letter}{}", escape(&option.name[1..]));
        text += &operands(option.operands);
        text += &format!("\n{}", paragraph_of(option.help));
    }
    text += ".El\n";
    text += box_texts::TEXTFILE;
    text += ".Sh OPTIONS\nAll applets share these options.\n";
    let none = Applet { options: &[], filters: &[], original: None, ..*APPLETS[0] };
    text += &option_list(options(&none));
    text += &drop_ins();
    text += box_texts::FORMATS;
    text += super::files::WRITTEN;
    text += box_texts::EXAMPLES;
    text += EXIT_STATUS;
    text += super::files::ENVIRONMENT;
    text += super::files::READ;
    text += box_texts::BUGS;
    text + &see_also(None)
}

const EXIT_STATUS: &str = "\
.Sh EXIT STATUS
0 on success, also if the reader closes the pipe early; 1 if something failed or was skipped; 2 if the
command line was wrong; 127 if there is no such applet.
";

/// How the options differ for an applet with the name of an existing tool.
fn original_options(original: &Original) -> String {
    let mut text = format!(
        "The applet has the name of {}, so of these it takes only the long forms, except for\n",
        escape(original.tool)
    );
    let letters = [(original.help, "help"), (original.version, "version")];
    let letters = letters.map(|(letter, long)| match letter {
        Some(letter) => format!(".Fl {letter} , -{long}"),
        None => format!(".Fl -{long}"),
    });
    text += &format!("{}\nand\n{} .\n", letters[0], letters[1]);
    if !original.refused.is_empty() {
        let refused: Vec<_> =
            original.refused.iter().map(|(long, _)| format!(".Fl -{}", escape(long))).collect();
        text += &format!("It does not take\n{} .\n", refused.join(" ,\n"));
    }
    for (long, name) in original.renamed {
        let (long, name) = (escape(long), escape(name));
        text += &format!(
            ".Fl -{long}\nis an option of that tool; the common option is\n.Fl -{name} .\n"
        );
    }
    text + "The applet's own options may be abbreviated.\n"
}
fn head(page: &str, about: &str) -> String {
    head_of(page, 1, about)
}

fn head_of(page: &str, section: u8, about: &str) -> String {
    let title = page.to_uppercase();
    format!(
        ".Dd {DATE}\n.Dt {title} {section}\n.Os connbox {}\n.Sh NAME\n.Nm {page}\n.Nd {}\n",
        env!("CARGO_PKG_VERSION"),
        escape(about)
    )
}

fn option_list(options: impl Iterator<Item = OptDoc>) -> String {
    let mut text = String::from(".Bl -tag -width Ds\n");
    for option in options {
        let short = option.short.map(String::from);
        let longs = option.longs().map(|long| format!("-{}", escape(long)));
        let names: Vec<_> = short.into_iter().chain(longs).collect();
        let value = match option.value {
            // The one form is [=VALUE].
            Some(value) if option.is_alone() => {
                format!(" Ns Op = Ns Ar {}", escape(value.trim_matches(['[', '=', ']'])))
            }
            Some(value) => format!(" Ar {}", escape(value)),
            None => String::new(),
        };
        text += &format!(
            ".It Fl {}{value}\n{}",
            names.join(" , Fl "),
            paragraph_of(&explained(&option))
        );
    }
    text + ".El\n"
}

/// The operands of an option of the box: `[A [B...]]` in mdoc macros.
fn operands(text: &str) -> String {
    let text = text.replace('[', "[ ").replace(']', " ]");
    let word = |word: &str| match word {
        "[" => " Oo".to_owned(),
        "]" => " Oc".to_owned(),
        "+" => " Cm +".to_owned(),
        "--force" => " Fl -force".to_owned(),
        "--interval" => " Fl -interval".to_owned(),
        word => format!(" Ar {}", escape(&word.replace("...", " ..."))),
    };
    text.split_whitespace().map(word).collect()
}

/// What an applet reads.
fn files(applet: &Applet) -> String {
    let mut text = String::from(".Sh FILES\n.Bl -tag -width Ds -compact\n");
    for (file, purpose) in applet.files {
        let path = if file.starts_with('/') { "Pa " } else { "" };
        text += &format!(".It {path}{}\n{}", escape(file), paragraph_of(purpose));
    }
    text + ".El\n" + super::files::FILES_ELSEWHERE
}

fn paragraphs(all: &[&str]) -> String {
    let all: Vec<_> = all.iter().map(|text| paragraph_of(text)).collect();
    all.join(".Pp\n")
}

/// A paragraph: one sentence per line, with a full stop at its end.
fn paragraph_of(text: &str) -> String {
    let text = escape(text);
    let mut lines = text.replace(". ", ".\n");
    let ends = |sign: &[char]| lines.ends_with(sign);
    if !ends(&['.', ':', '?']) {
        lines.push('.');
    }
    lines.push('\n');
    lines
}

/// Escapes what mdoc would interpret: a backslash, and a dot or apostrophe at the start of a line.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.strip_prefix(['.', '\'']) {
        Some(_) => format!("\\&{text}"),
        None => text,
    }
}

fn see_also(own: Option<&Applet>) -> String {
    see_also_of(own, None)
}

/// The other pages; `page` is the own one, if it is not that of an applet.
fn see_also_of(own: Option<&Applet>, page: Option<&str>) -> String {
    // By section and name, as the applets are.
    let is_box = own.is_none() && page.is_none();
    let mut pages: Vec<(String, u8)> =
        (!is_box).then(|| ("connbox".to_owned(), 1)).into_iter().collect();
    let others = APPLETS.iter().filter(|applet| own.is_none_or(|own| own.name != applet.name));
    pages.extend(others.map(|applet| (format!("connbox-{}", applet.name), 1)));
    pages.extend(
        [("proc", 5), ("connbox-from", 7), ("sock_diag", 7), ("ss", 8)]
            .into_iter()
            .filter(|(name, _)| Some(*name) != page)
            .map(|(page, section)| (page.into(), section)),
    );
    let count = pages.len();
    let mut text = String::from(".Sh SEE ALSO\n");
    for (place, (page, section)) in pages.into_iter().enumerate() {
        let comma = if place + 1 < count { " ," } else { "" };
        text += &format!(".Xr {page} {section}{comma}\n");
    }
    text
}
