//! An option: what it is called, what it does, and how, in one expression.

use std::ffi::OsStr;

/// The documented half of an option.
#[derive(Clone, Copy, Debug)]
pub struct OptDoc {
    /// The letter after one dash.
    pub short: Option<char>,
    /// The word after two dashes.
    pub long: &'static str,
    /// A second long name with the same meaning.
    pub alias: Option<&'static str>,
    /// The name of its value, if it takes one.
    pub value: Option<&'static str>,
    /// The values that it takes, where they are words of a fixed set.
    pub words: &'static [&'static str],
    /// What it does, one clause.
    pub help: &'static str,
}

impl OptDoc {
    /// The long names.
    pub fn longs(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        std::iter::once(self.long).chain(self.alias)
    }
}

/// An option: what it is called, what it does, and how.
pub struct Opt<A> {
    pub(super) doc: OptDoc,
    pub(super) effect: Effect<A>,
}

pub(super) enum Effect<A> {
    Switch(fn(&mut A)),
    /// The error is the reason why the value is refused.
    Value(fn(&mut A, &OsStr) -> Result<(), String>),
    /// The same for an optional value.
    Optional(fn(&mut A, Option<&OsStr>) -> Result<(), String>),
}

impl<A> Opt<A> {
    /// An option without a value.
    pub const fn switch(long: &'static str, help: &'static str, effect: fn(&mut A)) -> Opt<A> {
        Opt { doc: doc(long, None, &[], help), effect: Effect::Switch(effect) }
    }

    /// An option with a value.
    pub const fn value(
        long: &'static str,
        value: &'static str,
        help: &'static str,
        effect: fn(&mut A, &OsStr) -> Result<(), String>,
    ) -> Opt<A> {
        Opt { doc: doc(long, Some(value), &[], help), effect: Effect::Value(effect) }
    }

    /// An option whose value is one of `words`.
    pub const fn word(
        long: &'static str,
        value: &'static str,
        words: &'static [&'static str],
        help: &'static str,
        effect: fn(&mut A, &OsStr) -> Result<(), String>,
    ) -> Opt<A> {
        Opt { doc: doc(long, Some(value), words, help), effect: Effect::Value(effect) }
    }

    /// An option with an optional value, which `value` shows in brackets: the next word is its value unless
    /// it begins with a dash.
    pub const fn optional(
        long: &'static str,
        value: &'static str,
        words: &'static [&'static str],
        help: &'static str,
        effect: fn(&mut A, Option<&OsStr>) -> Result<(), String>,
    ) -> Opt<A> {
        Opt { doc: doc(long, Some(value), words, help), effect: Effect::Optional(effect) }
    }

    /// The same option with a letter.
    pub const fn short(self, letter: char) -> Opt<A> {
        Opt { doc: OptDoc { short: Some(letter), ..self.doc }, effect: self.effect }
    }

    /// The same option with a second long name.
    pub const fn alias(self, alias: &'static str) -> Opt<A> {
        Opt { doc: OptDoc { alias: Some(alias), ..self.doc }, effect: self.effect }
    }
}

const fn doc(
    long: &'static str,
    value: Option<&'static str>,
    words: &'static [&'static str],
    help: &'static str,
) -> OptDoc {
    OptDoc { short: None, long, alias: None, value, words, help }
}

/// The documented halves of `options`, for the applet's entry in the table.
pub const fn docs<A, const N: usize>(options: &[Opt<A>; N]) -> [OptDoc; N] {
    let mut docs = [doc("", None, &[], ""); N];
    let mut place = 0;
    while place < N {
        docs[place] = options[place].doc;
        place += 1;
    }
    docs
}
