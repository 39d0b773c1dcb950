//! Words in: an option is one expression, and parsing arguments does nothing but parse arguments.

mod check;
mod near;
mod option;
mod original;
mod words;

pub use check::refuse;
pub use near::{hint, near};
pub use option::{Opt, OptDoc, docs};
pub use original::{Original, common_docs};
pub use words::{choose, digits, number, seconds, set, words};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use option::Effect;

use crate::error::Error;
use crate::out::{Format, Style};

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
    /// `--threads`: how many threads share work.
    pub threads: Option<usize>,
    /// `--explain`: whether rows say what they mean.
    pub explain: bool,
    /// NAME…: which rows.
    pub names: Vec<OsString>,
    /// Whether the rows go into the file of `connbox --textfile`.
    pub is_collected: bool,
}

const FORMATS: [(&str, Format); 4] = [
    ("tsv", Format::Tsv),
    ("shell", Format::Shell),
    ("json", Format::Json),
    ("prom", Format::Prometheus),
];

const COMMON: [Opt<Common>; 19] = [
    Opt::switch("tsv", "columns between tabs (the default)", |c| c.style.format = Format::Tsv),
    Opt::switch("shell", "assignments for eval", |c| c.style.format = Format::Shell),
    Opt::switch("json", "JSON", |c| c.style.format = Format::Json),
    Opt::switch("prom", "Prometheus text", |c| c.style.format = Format::Prometheus),
    Opt::word("format", "NAME", &["tsv", "shell", "json", "prom"], "one of these formats", format),
    Opt::<Common>::switch("header", "name the columns in a first row of TSV", |c| {
        c.style.header = true
    })
    .short('H'),
    Opt::value("prefix", "P", "put P before every name of --shell", prefix),
    Opt::<Common>::switch("value", "print only the values, one row per line", |c| {
        c.style.format = Format::Bare;
    })
    .short('v'),
    Opt::value("output", "FILE", "write FILE, whole or not at all", |c, value| {
        c.style.output = Some(path(value)?);
        Ok(())
    }),
    Opt::value("interval", "SECONDS", "repeat every SECONDS, with a leading time", interval),
    Opt::value("count", "N", "stop after N snapshots", count),
    Opt::switch("rate", "follow each counter by its growth per second", |c| {
        c.style.rate = true;
    }),
    Opt::value("root", "DIR", "read DIR/proc instead of /proc", |c, value| {
        c.root = Some(path(value)?);
        Ok(())
    }),
    Opt::value("netns", "NAME|PID|PATH|all", "look at other network namespaces", |c, value| {
        c.style.by_namespace = value == "all";
        c.netns = Some(value.to_os_string()).filter(|value| value != "all");
        Ok(())
    }),
    Opt::value("from", "FILE", "read saved kernel files; - is standard input", |c, value| {
        c.from.push(path(value)?);
        Ok(())
    }),
    Opt::value("threads", "N", "share large dumps among N threads; 1 for none", threads),
    Opt::switch("explain", "add the columns scope, source and meaning", |c| {
        c.explain = true;
    }),
    Opt::<Common>::switch("help", "print this help", |_| {}).short('h'),
    Opt::switch("version", "print the version", |_| {}),
];

/// The documented halves of the options that all applets share.
pub const COMMON_DOCS: [OptDoc; 19] = docs(&COMMON);

fn path(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() { Err("is empty".into()) } else { Ok(value.into()) }
}

fn format(common: &mut Common, value: &OsStr) -> Result<(), String> {
    common.style.format = choose(&FORMATS, value)?;
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
    let (mut args, mut others) = (A::default(), B::default());
    if original.is_some() && !common.is_collected {
        common.style.format = Format::Original;
    }
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(lexopt_error)? {
        let (short, long) = match argument {
            // As an empty variable of a script gives it: it would mean no row, or all of them.
            lexopt::Arg::Value(name) if name.is_empty() && original.is_none() => {
                return Err(Error::usage("", "an empty NAME"));
            }
            lexopt::Arg::Value(name) => {
                common.names.push(name);
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
        let is_offered = |short: Option<char>| short.is_none() || original.is_none();
        if let Some(opt) = own.iter().find(|opt| is_it(&opt.doc)) {
            apply(opt, &long, &mut args, &mut parser)?;
        } else if let Some(opt) = shared.iter().find(|opt| is_it(&opt.doc)) {
            apply(opt, &long, &mut others, &mut parser)?;
        } else if let Some(opt) = COMMON.iter().find(|opt| {
            original::is_called(original, opt.doc.long, &long, || is_it(&opt.doc))
                && is_offered(short)
        }) {
            original::refuse(original, opt.doc.long)?;
            apply(opt, &long, &mut common, &mut parser)?;
        } else {
            let known = own.iter().flat_map(|opt| opt.doc.longs());
            let known = known.chain(shared.iter().flat_map(|opt| opt.doc.longs()));
            return Err(unknown(short, &long, known));
        }
    }
    check::check(&mut common, original)?;
    Ok((args, others, common))
}

/// The error for a value behind `--help` or `--version`.
fn surplus(long: &str, parser: &mut lexopt::Parser) -> Option<Error> {
    let value = if long.is_empty() { None } else { parser.optional_value() }?;
    Some(lexopt_error(lexopt::Error::UnexpectedValue { option: ["--", long].concat(), value }))
}

/// Does what `opt` does, which was called by `called` or, if that is empty, by its letter.
fn apply<A>(
    opt: &Opt<A>,
    called: &str,
    args: &mut A,
    parser: &mut lexopt::Parser,
) -> Result<(), Error> {
    let result = match opt.effect {
        Effect::Switch(effect) => {
            effect(args);
            Ok(())
        }
        Effect::Value(effect) => {
            let value = parser.value().map_err(lexopt_error)?;
            effect(args, &value)
        }
        Effect::Optional(effect) => {
            let value = optional_value(parser);
            effect(args, value.as_deref())
        }
    };
    let name = if called.is_empty() { opt.doc.long } else { called };
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

fn unknown<'a>(short: Option<char>, long: &str, own: impl Iterator<Item = &'a str>) -> Error {
    match short {
        Some(letter) => Error::usage(format!("-{letter}"), "no such option"),
        None => {
            let known = own.chain(COMMON_DOCS.iter().map(|doc| doc.long));
            let hint = hint(long, known).replace("mean ", "mean --");
            Error::usage(format!("--{long}"), format_args!("no such option{hint}"))
        }
    }
}

fn lexopt_error(error: lexopt::Error) -> Error {
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

/// An error for a NAME that is not one of `known`, with those that are near.
pub fn unknown_name<'a>(name: &OsStr, known: impl Iterator<Item = &'a str>) -> Error {
    let near = near(&name.to_string_lossy(), known);
    let reason = match near.as_slice() {
        [] => "no row of that name".to_owned(),
        near => format!("no row of that name; did you mean {}?", near.join(", ")),
    };
    Error::usage(name.as_bytes(), reason)
}

/// The rows that `names` pick of `known`, in the order given, each once; all of them without names.
/// Case does not matter.
///
/// # Errors
/// A usage error for a name that is not one of them.
pub fn pick(names: &[OsString], known: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    if names.is_empty() {
        return Ok(known.to_vec());
    }
    let mut picked = Vec::with_capacity(names.len());
    for name in names {
        let is_it = |known: &&&str| name.as_bytes().eq_ignore_ascii_case(known.as_bytes());
        match known.iter().find(is_it) {
            Some(row) if picked.contains(row) => {}
            Some(row) => picked.push(*row),
            None => return Err(unknown_name(name, known.iter().copied())),
        }
    }
    Ok(picked)
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
            (&["-x"], "-x: no such option"),
            (&["--zzzzzz"], "--zzzzzz: no such option"),
            (&["--format=xml"], "--format: 'xml' is not one of tsv, shell, json, prom"),
            (&["--json=1"], "--json: takes no value, but '1' was given"),
            (&["--from"], "--from: needs a value"),
            (&["--prefix", "1A", "--shell"], "--prefix: '1A' cannot begin a shell variable's name"),
            (&["--prefix", "A"], "--prefix: needs --shell"),
            (
                &["--interval", "0"],
                "--interval: '0' is not a number of seconds from 0.001 to 31622400 (one year)",
            ),
            (
                &["--interval", "nan"],
                "--interval: 'nan' is not a number of seconds from 0.001 to 31622400 (one year)",
            ),
            (&["--count", "3"], "--count: needs --interval"),
            (&["--interval=1", "--count=0"], "--count: '0' is not a positive integer"),
            (&["--threads=0"], "--threads: '0' is not a positive integer"),
            (&["--threads", "+2"], "--threads: '+2' is not a positive integer"),
            (&["--from=a", "--root=/"], "--from: cannot be combined with --root"),
            (&["--from=a", "--netns=all"], "--from: cannot be combined with --netns"),
            (&["--root=/", "--netns", "all"], "--root: cannot be combined with --netns"),
            (&["-h"], "Help"),
            (&["--version"], "Version"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), message);
        }
    }
}
