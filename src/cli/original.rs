//! Applets with the name of an existing tool: they keep its short options and its exit statuses.

use super::option::Options;
use super::{COMMON_DOCS, OptDoc};
use crate::error::Error;

/// How an applet with the name of an existing tool differs from the others. It takes only the long forms of
/// the common options; its own long options may be abbreviated, as the usual parsers allow; and its default
/// output is the tool's text.
#[derive(Debug)]
pub struct Original {
    /// Whose tool it is.
    pub tool: &'static str,
    /// The letter of `--help`.
    pub help: Option<char>,
    /// The letter of `--version`.
    pub version: Option<char>,
    /// Common options that the applet refuses, each with the reason.
    pub refused: &'static [(&'static str, &'static str)],
    /// Common options whose long name means something else in the tool, each with its name here.
    pub renamed: &'static [(&'static str, &'static str)],
    /// The exit status after help or the version.
    pub status_of_help: u8,
    /// The exit status of a usage error.
    pub status_of_usage: u8,
    /// The exit status of a failure.
    pub status_of_failure: u8,
    /// The exit statuses in words, for the man page.
    pub statuses: &'static str,
}

/// The letters of `--help` and `--version`.
pub(super) fn letters(original: Option<&Original>) -> [Option<char>; 2] {
    original.map_or([Some('h'), None], |original| [original.help, original.version])
}

/// Whether `word` asks for the applet's help or its version.
pub(super) fn is_about_itself(
    original: Option<&Original>,
    short: Option<char>,
    long: &str,
) -> Option<Error> {
    let [help, version] = letters(original);
    match long {
        "help" => Some(Error::Help),
        "version" => Some(Error::Version),
        _ if short.is_none() => None,
        _ if short == help => Some(Error::ShortHelp),
        _ if short == version => Some(Error::Version),
        _ => None,
    }
}

/// The option that `word` abbreviates: getopt_long(3) and argparse accept the beginning of an option's name
/// if no other option begins with it.
pub(super) fn whole<'a>(original: Option<&Original>, word: &'a str, own: &dyn Options) -> &'a str {
    let is_common = COMMON_DOCS.iter().any(|doc| name(original, doc.long) == word);
    if original.is_none()
        || is_common
        || own.docs().flat_map(OptDoc::longs).any(|long| long == word)
    {
        return word;
    }
    match begun(original, word, own)[..] {
        [long] => long,
        _ => word,
    }
}

/// The options that begin with `word`, where abbreviations are taken.
pub(super) fn begun(
    original: Option<&Original>,
    word: &str,
    own: &dyn Options,
) -> Vec<&'static str> {
    let is_begun = |long: &&str| long.starts_with(word);
    let known = own.docs().filter_map(|doc| doc.longs().find(is_begun));
    let about_itself = ["help", "version"].into_iter().filter(is_begun);
    let is_asked = original.is_some() && !word.is_empty();
    if is_asked { known.chain(about_itself).collect() } else { Vec::new() }
}

/// What the common option `long` is called.
pub(super) fn name(original: Option<&Original>, long: &'static str) -> &'static str {
    let renamed = original.map_or(&[][..], |original| original.renamed);
    renamed.iter().find(|(common, _)| *common == long).map_or(long, |(_, name)| name)
}

/// Whether `word`, or a letter for an empty one, calls the common option `long`.
pub(super) fn is_called(
    original: Option<&Original>,
    long: &'static str,
    word: &str,
    is_it: impl Fn() -> bool,
) -> bool {
    if word.is_empty() { is_it() } else { name(original, long) == word }
}

/// Refuses a common option that the applet does not take.
pub(super) fn refuse(original: Option<&Original>, long: &str) -> Result<(), Error> {
    let refused = original.map_or(&[][..], |original| original.refused);
    match refused.iter().find(|(option, _)| *option == long) {
        Some((_, reason)) => Err(Error::usage(["--", long].concat(), reason)),
        None => Ok(()),
    }
}

/// The documented halves of the common options of an applet whose own options are `own`.
pub fn common_docs<'a>(
    original: Option<&'static Original>,
    own: &'a [&OptDoc],
) -> impl Iterator<Item = OptDoc> + use<'a> {
    let is_refused = move |doc: &OptDoc| {
        original.is_some_and(|original| original.refused.iter().any(|(long, _)| *long == doc.long))
    };
    let [help, version] = letters(original);
    COMMON_DOCS
        .iter()
        .filter(move |doc| !is_refused(doc))
        .map(move |doc| OptDoc { long: name(original, doc.long), ..**doc })
        .filter(move |doc| own.iter().flat_map(|doc| doc.longs()).all(|long| long != doc.long))
        .map(move |doc| match (doc.long, original) {
            ("help", Some(_)) => OptDoc { short: help, ..doc },
            ("version", Some(_)) => OptDoc { short: version, ..doc },
            (_, Some(_)) => OptDoc { short: None, ..doc },
            _ => doc,
        })
}

#[cfg(test)]
mod tests {
    use super::super::{Common, Opt, parse};
    use super::*;
    use std::ffi::OsString;

    #[derive(Debug, Default, PartialEq)]
    struct Args {
        source: String,
        warning: String,
        count: bool,
        verbose: bool,
    }

    static ORIGINAL: Original = Original {
        tool: "a tool",
        help: Some('h'),
        version: Some('V'),
        refused: &[("interval", "is not for this one")],
        renamed: &[("output", "output-file")],
        status_of_help: 3,
        status_of_usage: 3,
        status_of_failure: 3,
        statuses: "",
    };

    static OPTIONS: [Opt<Args>; 4] = [
        Opt::<Args>::value("src", "ADDR", "where from", |args, value| {
            args.source = value.to_str().filter(|text| *text != "x").ok_or("is x")?.to_owned();
            Ok(())
        })
        .short('s')
        .alias("orig-src"),
        Opt::<Args>::value("warning", "RANGE", "a range", |args, value| {
            args.warning = value.to_string_lossy().into_owned();
            Ok(())
        })
        .short('w'),
        Opt::<Args>::switch("count", "count", |args| args.count = true).short('C'),
        Opt::<Args>::switch("verbose", "say more", |args| args.verbose = true).short('v'),
    ];

    fn parsed(words: &[&str]) -> Result<Args, String> {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        parse::<Args, ()>(&arguments, &OPTIONS, &[], Some(&ORIGINAL), Common::default())
            .map(|(args, ..)| args)
            .map_err(|error| match error {
                Error::Fault { text, .. } => String::from_utf8(text).unwrap(),
                other => format!("{other:?}"),
            })
    }

    #[test]
    fn letters_are_those_of_the_tool() {
        let wanted = Args { warning: "5".into(), count: true, verbose: true, ..Args::default() };
        assert_eq!(parsed(&["-w", "5", "-Cv"]), Ok(wanted));
        assert_eq!(parsed(&["-h"]), Err("ShortHelp".into()));
        assert_eq!(parsed(&["-V"]), Err("Version".into()));
        assert_eq!(parsed(&["-H"]), Err("-H: no such option; --help lists them".into()));
        assert_eq!(parsed(&["--header", "--json"]), Ok(Args::default()));
    }

    #[test]
    fn own_options_may_be_abbreviated_and_go_first() {
        for word in ["--w=5", "--warn=5", "--warning=5"] {
            assert_eq!(parsed(&[word]), Ok(Args { warning: "5".into(), ..Args::default() }));
        }
        assert_eq!(parsed(&["--vers"]), Err("Version".into()));
        assert_eq!(parsed(&["--verb"]), Ok(Args { verbose: true, ..Args::default() }));
        assert_eq!(parsed(&["--count"]), Ok(Args { count: true, ..Args::default() }));
        assert_eq!(parsed(&["--ve"]), Err("--ve: is ambiguous: --verbose, --version".into()));
        assert_eq!(parsed(&["--jso"]), Err("--jso: no such option; did you mean --json?".into()));
        let refused = Err("--interval: is not for this one".into());
        assert_eq!(parsed(&["--interval", "1"]), refused);
    }

    #[test]
    fn an_alias_is_the_option_by_another_name() {
        for words in [&["-s", "1"][..], &["--src=1"], &["--orig-src", "1"], &["--orig=1"]] {
            assert_eq!(parsed(words), Ok(Args { source: "1".into(), ..Args::default() }));
        }
        // Errors name the option as it was written.
        assert_eq!(parsed(&["--orig-src=x"]), Err("--orig-src: is x".into()));
        assert_eq!(parsed(&["--o=x"]), Err("--orig-src: is x".into()));
        assert_eq!(parsed(&["-sx"]), Err("--src: is x".into()));
        let near = "--orig-srcc: no such option; did you mean --orig-src?";
        assert_eq!(parsed(&["--orig-srcc=1"]), Err(near.into()));
    }

    #[test]
    fn nothing_stands_behind_help_and_version() {
        let wrong = |name| format!("{name}: takes no value, but '1' was given");
        for (word, name) in [
            ("--help=1", "--help"),
            ("--he=1", "--help"),
            ("--version=1", "--version"),
            ("--vers=1", "--version"),
        ] {
            assert_eq!(parsed(&[word]), Err(wrong(name)), "{word}");
        }
        assert_eq!(parsed(&["--help="]), Err("--help: takes no value, but '' was given".into()));
        assert_eq!(parsed(&["--help", "1"]), Err("Help".into()));
        assert_eq!(parsed(&["-h1"]), Err("ShortHelp".into()));
    }

    #[test]
    fn the_common_options_are_shown_as_they_are() {
        let docs: Vec<_> = common_docs(Some(&ORIGINAL), &super::super::docs(&OPTIONS)).collect();
        let shorts: Vec<_> = docs.iter().filter_map(|doc| doc.short).collect();
        assert_eq!(shorts, ['h', 'V']);
        // An option of the tool hides the common option of the same name, also by its alias.
        let own = OptDoc { alias: Some("json"), ..*super::super::docs(&OPTIONS)[0] };
        assert!(common_docs(Some(&ORIGINAL), &[&own]).all(|doc| doc.long != "json"));
        assert!(docs.iter().all(|doc| !["count", "interval"].contains(&doc.long)));
        assert_eq!(common_docs(None, &[]).count(), COMMON_DOCS.len());
    }
}
