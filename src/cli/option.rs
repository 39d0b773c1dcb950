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
    /// The name of its value, if it takes one; `[,...]` at its end: a list; `[!]` before it: a ! may precede it.
    pub value: Option<&'static str>,
    /// The values that it takes, where they are words of a fixed set.
    pub words: &'static [&'static str],
    /// What it does, one clause.
    pub help: &'static str,
}

impl OptDoc {
    /// Whether it has no value, or one that only `=` attaches.
    pub fn is_alone(&self) -> bool {
        self.value.is_none_or(|value| value.starts_with("[="))
    }

    pub fn longs(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        std::iter::once(self.long).chain(self.alias)
    }
}

/// An option: what it is called, what it does, and how.
pub struct Opt<A> {
    doc: OptDoc,
    effect: Effect<A>,
}

enum Effect<A> {
    Switch(fn(&mut A)),
    /// A switch whose effect is told its long name, and what is attached to it (`--name=WORD`); it returns whether
    /// there is something of that name.
    Named(fn(&mut A, &'static str, Option<&OsStr>) -> bool),
    /// The error is the reason why the value is refused.
    Value(fn(&mut A, &OsStr) -> Result<(), String>),
    /// The same for an optional value.
    Optional(fn(&mut A, Option<&OsStr>) -> Result<(), String>),
    /// The same for a value that only `=` attaches: the next word never is it.
    Attached(fn(&mut A, Option<&OsStr>) -> Result<(), String>),
}

// Derived ones would ask the same of `A`.
impl<A> Clone for Opt<A> {
    fn clone(&self) -> Opt<A> {
        *self
    }
}
impl<A> Copy for Opt<A> {}
impl<A> Clone for Effect<A> {
    fn clone(&self) -> Effect<A> {
        *self
    }
}
impl<A> Copy for Effect<A> {}

impl<A> Opt<A> {
    /// An option without a value.
    pub const fn switch(long: &'static str, help: &'static str, effect: fn(&mut A)) -> Opt<A> {
        Opt { doc: doc(long, None, &[], help), effect: Effect::Switch(effect) }
    }

    /// An option without a value, one of several with the same effect, which is told the long name. A variant of it
    /// may be attached with `=`; the next word never is.
    pub const fn named(
        long: &'static str,
        help: &'static str,
        effect: fn(&mut A, &'static str, Option<&OsStr>) -> bool,
    ) -> Opt<A> {
        Opt { doc: doc(long, None, &[], help), effect: Effect::Named(effect) }
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

    /// An option whose optional value follows a `=`, as `value` shows it.
    pub const fn attached(
        long: &'static str,
        value: &'static str,
        help: &'static str,
        effect: fn(&mut A, Option<&OsStr>) -> Result<(), String>,
    ) -> Opt<A> {
        Opt { doc: doc(long, Some(value), &[], help), effect: Effect::Attached(effect) }
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
pub const fn docs<A, const N: usize>(options: &'static [Opt<A>; N]) -> [&'static OptDoc; N] {
    let mut docs = [&options[0].doc; N];
    let mut place = 0;
    while place < N {
        docs[place] = &options[place].doc;
        place += 1;
    }
    docs
}

/// What stands behind an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    Optional,
    /// Only what `=` attaches.
    Attached,
}

/// Options together with what they change: to the parser all such are the same.
pub(super) trait Options {
    fn len(&self) -> usize;

    fn doc(&self, place: usize) -> &OptDoc;

    fn takes(&self, place: usize) -> Takes;

    /// Does what the option does.
    ///
    /// # Errors
    /// The reason why the value is refused; also if a value is missing or there must not be one.
    fn apply(&mut self, place: usize, value: Option<&OsStr>) -> Result<(), String>;
}

impl dyn Options + '_ {
    pub(super) fn docs(&self) -> impl Iterator<Item = &OptDoc> {
        (0..self.len()).map(|place| self.doc(place))
    }

    /// The place of the first option that `is_it` accepts.
    pub(super) fn find(&self, is_it: &dyn Fn(&OptDoc) -> bool) -> Option<usize> {
        self.docs().position(is_it)
    }
}

/// The options of one table, and what they change.
pub(super) struct Bound<'a, A> {
    pub(super) options: &'a [Opt<A>],
    pub(super) args: &'a mut A,
}

impl<A> Options for Bound<'_, A> {
    fn len(&self) -> usize {
        self.options.len()
    }

    fn doc(&self, place: usize) -> &OptDoc {
        &self.options[place].doc
    }

    fn takes(&self, place: usize) -> Takes {
        match self.options[place].effect {
            Effect::Switch(_) => Takes::Nothing,
            Effect::Named(_) => Takes::Attached,
            Effect::Value(_) => Takes::Value,
            Effect::Optional(_) => Takes::Optional,
            Effect::Attached(_) => Takes::Attached,
        }
    }

    fn apply(&mut self, place: usize, value: Option<&OsStr>) -> Result<(), String> {
        let Opt { doc, effect } = &self.options[place];
        match (effect, value) {
            (Effect::Switch(effect), None) => {
                effect(self.args);
                Ok(())
            }
            (Effect::Named(effect), value) => match effect(self.args, doc.long, value) {
                true => Ok(()),
                false => {
                    let value = value.unwrap_or_default().display();
                    Err(format!("takes no value, but '{value}' was given"))
                }
            },
            (Effect::Value(effect), Some(value)) => effect(self.args, value),
            (Effect::Optional(effect) | Effect::Attached(effect), value) => {
                effect(self.args, value)
            }
            (Effect::Switch(_), Some(_)) => Err("takes no value".into()),
            (Effect::Value(_), None) => Err("needs a value".into()),
        }
    }
}
