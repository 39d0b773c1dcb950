//! Words in: an option is one expression, and parsing arguments does nothing but parse arguments.

mod check;
mod names;
mod near;
mod option;
mod original;
mod pattern;
mod saved;
mod words;

pub use check::{NOT_WITH_NETNS, refuse};
pub use names::{pick, unexpected, unknown_name, unknown_name_or_part};
pub use near::{hint, near};
pub use option::{Opt, OptDoc, docs};
pub use original::{Original, common_docs};
pub use pattern::matches;
pub use words::{choices, choose, digits, number, seconds, set, words, words_of};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use option::{Bound, Options, Takes};

use crate::error::Error;
use crate::out::{COLORS, FORMATS, Format, SWITCHES, Style};
use crate::wire::saved::command::Command;
use crate::wire::socket_row::ByteOrder;

/// What the options that all applets share say.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// How and where to write.
    pub style: Style,
    /// `--interval`: the time between two snapshots.
    pub interval: Option<Duration>,
    /// `--count`: how many snapshots.
    pub count: Option<u64>,
    /// `--root`: where proc and sys are.
    pub root: Option<PathBuf>,
    /// `--netns`: whose network namespace, if it is one; for all of them see `style`.
    pub netns: Option<OsString>,
    /// `--from`: saved files.
    pub from: Vec<PathBuf>,
    /// `--from-command`: what made the saved text.
    pub from_command: Option<Command>,
    /// `--byte-order`: that of the machine which wrote the socket tables.
    pub byte_order: Option<ByteOrder>,
    /// `--threads`: how many threads share work.
    pub threads: Option<usize>,
    /// `--quiet-gaps`: whether processes that cannot be seen are accepted in silence.
    pub quiet_gaps: bool,
    /// `--explain`: whether rows say what they mean.
    pub explain: bool,
    /// NAME…: which rows.
    pub names: Vec<OsString>,
    /// Whether the rows go into the file of `connbox --textfile`.
    pub is_collected: bool,
}

/// The words of `--format` and the long names of the switches.
const FORMAT_WORDS: [(&str, Format); FORMATS.len()] = {
    let mut words = [("", Format::Tsv); FORMATS.len()];
    let mut place = 0;
    while place < FORMATS.len() {
        words[place] = (FORMATS[place].word(), FORMATS[place].format);
        place += 1;
    }
    words
};

const BYTE_ORDERS: [(&str, ByteOrder); 2] =
    [("big", ByteOrder::Big), ("little", ByteOrder::Little)];

/// The switches of the formats, then all others.
static COMMON: [Opt<Common>; SWITCHES + OTHERS.len()] = {
    let mut all = [OTHERS[0]; SWITCHES + OTHERS.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = match place < SWITCHES {
            true => Opt::named(FORMATS[place].word(), FORMATS[place].help, |common, word, more| {
                // The switches have the words of the table.
                let mut word = OsString::from(word);
                for part in more.map(|more| [OsStr::new("="), more]).into_iter().flatten() {
                    word.push(part);
                }
                format(common, &word).is_ok()
            }),
            false => OTHERS[place - SWITCHES],
        };
        place += 1;
    }
    all
};

const OTHERS: [Opt<Common>; 21] = [
    Opt::word("format", "NAME", &words_of(&FORMAT_WORDS), "one of these formats", format),
    Opt::<Common>::switch("header", "name the columns in a first row of TSV", |c| {
        c.style.header = true
    })
    .short('H'),
    Opt::value("prefix", "P", "put P before every name of --shell", prefix),
    Opt::<Common>::switch(
        "value",
        "print only the values, one row per line, without a time",
        |c| {
            c.style.format = Format::Bare;
            c.style.is_chosen = true;
        },
    )
    .short('v'),
    Opt::switch("wide", "cut no cell of a table to the width of the terminal", |c| {
        c.style.is_wide = true
    }),
    Opt::word(
        "color",
        "WHEN",
        &words_of(&COLORS),
        "color in a table what means trouble; auto: at a terminal, unless NO_COLOR is set",
        |c, value| {
            c.style.color = choose(&COLORS, value)?;
            Ok(())
        },
    ),
    Opt::value("output", "FILE", "write FILE, whole or not at all", |c, value| {
        c.style.output = Some(path(value)?);
        Ok(())
    }),
    Opt::value("interval", "SECONDS", "repeat every SECONDS, or 1m, with a leading time", interval),
    Opt::value("count", "N", "stop after N snapshots", count),
    Opt::switch("rate", "follow each counter by its growth per second", |c| c.style.rate = true),
    Opt::value("root", "DIR", "read DIR/proc instead of /proc", |c, value| {
        c.root = Some(path(value)?);
        Ok(())
    }),
    Opt::value("netns", "NAME|PID|PATH|all", "look at other network namespaces", |c, value| {
        c.style.by_namespace = value == "all";
        c.netns = Some(value.to_os_string()).filter(|value| value != "all");
        Ok(())
    }),
    Opt::switch("skip-empty", "with --netns all, skip namespaces whose numbers are all 0", |c| {
        c.style.picks.skip_empty = true
    }),
    Opt::value("from", "FILE", "read saved files or text; - is standard input", saved::from),
    Opt::value("from-command", "COMMAND", "the command that made that text", saved::command),
    Opt::word(
        "byte-order",
        "ORDER",
        &words_of(&BYTE_ORDERS),
        "the byte order of saved socket tables",
        |c, v| {
            c.byte_order = Some(choose(&BYTE_ORDERS, v)?);
            Ok(())
        },
    ),
    Opt::value(
        "threads",
        "N",
        "share large dumps among N threads (64 if N is larger); 1 for none",
        threads,
    ),
    Opt::switch(
        "quiet-gaps",
        "accept in silence that some processes or namespaces are not seen",
        |c| c.quiet_gaps = true,
    ),
    Opt::switch("explain", "add the columns scope, source and meaning", |c| c.explain = true),
    Opt::<Common>::switch("help", "print this help; -h: a short one", |_| {}).short('h'),
    Opt::switch("version", "print the version", |_| {}),
];

/// The documented halves of the options that all applets share.
pub static COMMON_DOCS: [&OptDoc; COMMON.len()] = docs(&COMMON);

/// The path that a value is; an empty one is an error.
pub fn path(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() { Err("is empty".into()) } else { Ok(value.into()) }
}

fn format(common: &mut Common, value: &OsStr) -> Result<(), String> {
    common.style.format = choose(&FORMAT_WORDS, value)?;
    common.style.is_chosen = true;
    Ok(())
}

fn prefix(common: &mut Common, value: &OsStr) -> Result<(), String> {
    let is_name = |text: &&str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !text.is_empty()
            && !text.starts_with(|first: char| first.is_ascii_digit())
    };
    let text = value.to_str().filter(is_name);
    text.ok_or_else(|| format!("'{}' cannot begin a shell variable's name", value.display()))?
        .clone_into(&mut common.style.prefix);
    Ok(())
}

fn interval(common: &mut Common, value: &OsStr) -> Result<(), String> {
    common.interval = Some(seconds(value)?);
    Ok(())
}

fn threads(common: &mut Common, value: &OsStr) -> Result<(), String> {
    common.threads = Some(number(value)?);
    Ok(())
}

fn count(common: &mut Common, value: &OsStr) -> Result<(), String> {
    common.count = Some(number(value)?);
    Ok(())
}

/// Reads the arguments of an applet: its own options, those that it shares with some others, the
/// common ones, which change `common`, and names of rows. An applet that bears the name of an existing
/// tool has the letters, the abbreviations and the default output of its `original`.
///
/// # Errors
/// A usage error that names the option; [`Error::Help`] and [`Error::Version`] if asked for.
pub fn parse<A: Default, B: Default>(
    arguments: &[OsString],
    own: &[Opt<A>],
    shared: &[Opt<B>],
    original: Option<&Original>,
    mut common: Common,
) -> Result<(A, B, Common), Error> {
    if original.is_some() && !common.is_collected {
        common.style.format = Format::Original;
    }
    let (mut args, mut others) = (A::default(), B::default());
    let names = read(
        arguments,
        &mut Bound { options: own, args: &mut args },
        &mut Bound { options: shared, args: &mut others },
        &mut Bound { options: &COMMON, args: &mut common },
        original,
    )?;
    common.names.extend(names);
    check::check(&mut common, original)?;
    Ok((args, others, common))
}

/// Reads the arguments, whatever the options change; gives the names among them.
fn read(
    arguments: &[OsString],
    own: &mut dyn Options,
    shared: &mut dyn Options,
    common: &mut dyn Options,
    original: Option<&Original>,
) -> Result<Vec<OsString>, Error> {
    let mut names = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(lexopt_error)? {
        let (short, long) = match argument {
            // As an empty variable of a script gives it: it would mean no row, or all of them.
            lexopt::Arg::Value(name) if name.is_empty() && original.is_none() => {
                return Err(Error::usage("", "an empty NAME"));
            }
            lexopt::Arg::Value(name) => {
                names.push(name);
                continue;
            }
            lexopt::Arg::Short(letter) => (Some(letter), String::new()),
            lexopt::Arg::Long(word) => (None, original::whole(original, word, own).to_owned()),
        };
        if let Some(asked) = original::is_about_itself(original, short, &long) {
            return Err(surplus(&long, &mut parser).unwrap_or(asked));
        }
        let is_it = |doc: &OptDoc| match short {
            Some(letter) => doc.short == Some(letter),
            None => doc.longs().any(|name| name == long),
        };
        // The letters are those of the tool whose name the applet bears.
        let is_offered = short.is_none() || original.is_none();
        let is_common = |doc: &OptDoc| {
            is_offered && original::is_called(original, doc.long, &long, || is_it(doc))
        };
        if let Some(place) = own.find(&is_it) {
            apply(own, place, &long, &mut parser)?;
        } else if let Some(place) = shared.find(&is_it) {
            apply(shared, place, &long, &mut parser)?;
        } else if let Some(place) = common.find(&is_common) {
            original::refuse(original, common.doc(place).long)?;
            apply(common, place, &long, &mut parser)?;
        } else {
            let found = original::begun(original, &long, own);
            let all = own.docs().chain(shared.docs()).chain(common.docs());
            return Err(match found.len() {
                0 | 1 => unknown(short, &long, all),
                _ => Error::usage(
                    format!("--{long}"),
                    format_args!("is ambiguous: --{}", found.join(", --")),
                ),
            });
        }
    }
    Ok(names)
}

/// The error for a value behind `--help` or `--version`.
fn surplus(long: &str, parser: &mut lexopt::Parser) -> Option<Error> {
    let value = if long.is_empty() { None } else { parser.optional_value() }?;
    Some(lexopt_error(lexopt::Error::UnexpectedValue { option: ["--", long].concat(), value }))
}

/// Does what an option does, which was called by `called` or, if that is empty, by its letter.
fn apply(
    options: &mut dyn Options,
    place: usize,
    called: &str,
    parser: &mut lexopt::Parser,
) -> Result<(), Error> {
    let value = match options.takes(place) {
        Takes::Nothing => None,
        Takes::Value => Some(parser.value().map_err(lexopt_error)?),
        Takes::Optional => optional_value(parser),
        Takes::Attached => parser.optional_value(),
    };
    let name = if called.is_empty() { options.doc(place).long } else { called };
    let result = options.apply(place, value.as_deref());
    result.map_err(|reason| Error::usage(["--", name].concat(), reason))
}

/// The value of an option that may have none: what is attached to it, or the next argument unless
/// that is an option.
fn optional_value(parser: &mut lexopt::Parser) -> Option<OsString> {
    parser.optional_value().or_else(|| {
        let mut rest = parser.try_raw_args()?;
        rest.next_if(|next| !next.as_bytes().starts_with(b"-"))
    })
}

fn unknown<'a>(short: Option<char>, long: &str, all: impl Iterator<Item = &'a OptDoc>) -> Error {
    /// More options that begin with a word would not help.
    const MOST: usize = 6;
    let names: Vec<&str> = all.flat_map(OptDoc::longs).collect();
    let (option, word) = match short {
        Some(letter) => (format!("-{letter}"), letter.to_string()),
        None => (format!("--{long}"), long.to_owned()),
    };
    if let Some(cure) = near::cure(&word, &names) {
        return Error::usage(option, format_args!("no such option; {cure}"));
    } else if short.is_some() {
        return Error::usage(option, "no such option; --help lists them");
    }
    let begun: Vec<&str> = names.iter().filter(|name| name.starts_with(long)).copied().collect();
    let hint = match hint(long, names.into_iter()) {
        hint if !hint.is_empty() => hint.replace("mean ", "mean --"),
        _ if (1..=MOST).contains(&begun.len()) => {
            format!("; did you mean --{}?", begun.join(" or --"))
        }
        _ => "; --help lists them".to_owned(),
    };
    Error::usage(option, format_args!("no such option{hint}"))
}

/// What was wrong with the arguments.
pub(crate) fn lexopt_error(error: lexopt::Error) -> Error {
    match error {
        lexopt::Error::MissingValue { option: Some(option) } => {
            Error::usage(option, "needs a value")
        }
        lexopt::Error::UnexpectedValue { option, value } => Error::usage(
            option,
            format_args!("takes no value, but '{}' was given", value.display()),
        ),
        error => Error::usage("arguments", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Common, String> {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let common = Common::default();
        parse::<(), ()>(&arguments, &[], &[], None, common).map(|(.., common)| common).map_err(
            |error| match error {
                Error::Fault { text, .. } => String::from_utf8(text).unwrap(),
                other => format!("{other:?}"),
            },
        )
    }

    #[test]
    fn the_last_format_wins() {
        let format = |words: &[&str]| parsed(words).unwrap().style.format;
        assert_eq!(format(&[]), Format::Tsv);
        assert_eq!(format(&["--shell", "--json"]), Format::Json);
        assert_eq!(format(&["--format=prom", "--format", "shell"]), Format::Shell);
        assert_eq!(format(&["--json", "-v"]), Format::Bare);
    }

    #[test]
    fn only_the_bare_word_means_all_namespaces() {
        let namespaces = |words: &[&str]| {
            let common = parsed(words).unwrap();
            (common.style.by_namespace, common.netns.map(|path| path.into_string().unwrap()))
        };
        assert_eq!(namespaces(&["--netns=all"]), (true, None));
        assert_eq!(namespaces(&["--netns=a", "--netns=all"]), (true, None));
        for other in ["./all", "/run/netns/all", "ALL", "all "] {
            let words = ["--netns", "all", "--netns", other];
            assert_eq!(namespaces(&words), (false, Some(other.into())));
        }
    }

    #[test]
    fn threads_are_a_number_or_as_many_as_are_good() {
        assert_eq!(parsed(&[]).unwrap().threads, None);
        assert_eq!(parsed(&["--threads", "3"]).unwrap().threads, Some(3));
        // `--threads $(nproc)` is for every machine.
        assert_eq!(parsed(&["--threads", "128"]).unwrap().threads, Some(128));
    }

    #[test]
    fn names_and_options_mix_and_a_double_dash_ends_options() {
        let common = parsed(&["a", "-H", "b", "--", "-v"]).unwrap();
        assert_eq!(common.names, ["a", "b", "-v"]);
        assert!(common.style.header && common.style.format == Format::Tsv);
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (words, message) in [
            (&["--jsno"][..], "--jsno: no such option; did you mean --json?"),
            (&["-x"], "-x: no such option; --help lists them"),
            (&["--thr"], "--thr: no such option; did you mean --threads?"),
            (&["--co"], "--co: no such option; did you mean --color or --count?"),
            (&["--zzzzzz"], "--zzzzzz: no such option; --help lists them"),
            (
                &["--format=xml"],
                "--format: 'xml' is not one of tsv, human, shell, fish, json, prom, json=array",
            ),
            (&["--json=1"], "--json: takes no value, but '1' was given"),
            (&["--from"], "--from: needs a value"),
            (&["--prefix", "1A", "--shell"], "--prefix: '1A' cannot begin a shell variable's name"),
            (&["--prefix", "A"], "--prefix: needs --shell or --fish"),
            (
                &["--interval", "0"],
                "--interval: '0' is not a number of seconds from 0.001 to 31622400 (one year), nor a time like 500ms, 1m, 1h",
            ),
            (
                &["--interval", "nan"],
                "--interval: 'nan' is not a number of seconds from 0.001 to 31622400 (one year), nor a time like 500ms, 1m, 1h",
            ),
            (&["--count", "3"], "--count: needs --interval"),
            (&["--interval=1", "--count=0"], "--count: '0' is not a positive integer"),
            (&["--threads=0"], "--threads: '0' is not a positive integer"),
            (&["--threads", "+2"], "--threads: '+2' is not a positive integer"),
            (&["--from=a", "--root=/"], "--from: cannot be combined with --root"),
            (
                &["--from=a", "--netns=1"],
                "--from: cannot be combined with --netns, but for all of a sosreport's folder",
            ),
            (&["--root=/", "--netns", "all"], "--root: cannot be combined with --netns"),
            (&["-h"], "ShortHelp"),
            (&["--version"], "Version"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), message);
        }
    }
}
