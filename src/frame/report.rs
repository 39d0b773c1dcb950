//! The messages of a run, on standard error.

use std::borrow::Cow;

use crate::error::{self, Error};
use crate::source::files::tables::Weight;
use crate::source::netns;
use crate::sys;

/// Takes the name of the speaker and a line for standard error.
pub type Say = fn(&str, &[u8]);

/// The messages of a run.
#[derive(Clone, Debug)]
pub struct Report {
    name: &'static str,
    say: Say,
    noted: Vec<String>,
    /// Messages that are held back, to be printed later.
    held: Option<Vec<Held>>,
    /// The messages that a run for a file of several applets would print, each with its speaker.
    pub(crate) kept: Option<Vec<(&'static str, Vec<u8>)>>,
    /// Whether something could not be read (an error said so).
    is_troubled: bool,
    /// Which of the requested network namespaces could not be counted (an error said so).
    pub(crate) partial: Option<String>,
    /// Whether a gap was reported.
    has_gap: bool,
    /// `--quiet-gaps`: whether gaps are accepted in silence.
    pub(crate) accepts_gaps: bool,
}

/// A message to print later.
#[derive(Clone, Debug)]
struct Held {
    kind: Kind,
    name: &'static str,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Note,
    Lack,
    Gap,
    Message,
}

impl Report {
    /// The messages of a run of the applet `name`, printed with `say`.
    pub(super) fn new(name: &'static str, say: Say) -> Report {
        Report {
            name,
            say,
            noted: Vec::new(),
            held: None,
            kept: None,
            is_troubled: false,
            partial: None,
            has_gap: false,
            accepts_gaps: false,
        }
    }

    /// A report that holds its messages back, for another thread; see [`Report::add`].
    pub(crate) fn apart(&self) -> Report {
        let held = Some(Vec::new());
        Report { held, accepts_gaps: self.accepts_gaps, ..Report::new(self.name, self.say) }
    }

    /// Holds all further messages back: what they say is told otherwise.
    pub(crate) fn hold(&mut self) {
        self.held = Some(Vec::new());
    }

    /// Prints all further messages again; what was held back has been told.
    pub(crate) fn release(&mut self) {
        self.held = None;
    }

    /// The messages that were held back, each with whether it casts doubt on the numbers.
    pub(crate) fn heard(&mut self) -> impl Iterator<Item = (bool, String)> + use<> {
        let held = self.held.replace(Vec::new()).unwrap_or_default();
        held.into_iter().map(|Held { kind, text, .. }| {
            (!matches!(kind, Kind::Note), String::from_utf8_lossy(&text).into_owned())
        })
    }

    /// Prints the messages that `apart` has held back.
    pub(super) fn add(&mut self, apart: Report) {
        self.is_troubled |= apart.is_troubled;
        for Held { kind, name, text } in apart.held.into_iter().flatten() {
            match kind {
                Kind::Note => self.note(&String::from_utf8_lossy(&text)),
                Kind::Lack => self.lack(&String::from_utf8_lossy(&text)),
                Kind::Gap => self.gap(&String::from_utf8_lossy(&text)),
                Kind::Message => self.write(kind, name, &text),
            }
        }
    }

    fn write(&mut self, kind: Kind, name: &'static str, text: &[u8]) {
        match (&mut self.held, &mut self.kept) {
            (Some(held), _) => held.push(Held { kind, name, text: text.to_vec() }),
            (_, Some(kept)) => kept.push((name, text.to_vec())),
            _ => (self.say)(name, text),
        }
    }

    /// Prints a note, once per run.
    pub(crate) fn note(&mut self, text: &str) {
        self.once(Kind::Note, text);
    }

    /// Prints, once per run, what is to be said about numbers, each with what it means for them.
    pub(crate) fn notes(&mut self, notes: impl Iterator<Item = (Weight, Cow<'static, str>)>) {
        notes.for_each(|(weight, text)| match weight {
            Weight::Note => self.note(&text),
            Weight::Gap => self.gap(&text),
            Weight::Lack => self.lack(&text),
        });
    }

    fn once(&mut self, kind: Kind, text: &str) {
        if !self.noted.iter().any(|noted| noted == text) {
            self.write(kind, self.name, text.as_bytes());
            self.noted.push(text.to_owned());
        }
    }

    /// Prints, once per run, that a number lacks processes that cannot be seen; the run then ends with status 1. Does
    /// nothing with `--quiet-gaps`.
    pub(crate) fn gap(&mut self, text: &str) {
        if self.accepts_gaps {
            return;
        }
        self.is_troubled = true;
        if !std::mem::replace(&mut self.has_gap, true) {
            self.write(Kind::Gap, self.name, text.as_bytes());
        }
    }

    /// Warns once if somebody else than the kernel sent netlink messages: they were ignored.
    #[inline(never)]
    pub(crate) fn foreign(&mut self) {
        if sys::take_foreign() {
            self.note(
                "netlink: ignored messages that were not sent by the kernel, but by a process in the network namespace",
            );
        }
    }

    /// Prints a message, each time.
    pub fn say(&mut self, text: &str) {
        self.write(Kind::Message, self.name, text.as_bytes());
    }

    /// The end of a run that has printed all it can.
    ///
    /// # Errors
    /// [`Error::Said`] if something was left out.
    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.is_troubled { Err(Error::Said) } else { Ok(()) }
    }

    /// Prints a line in the form of the original tool, without the applet's name.
    pub fn line(&mut self, text: &str) {
        self.write(Kind::Message, "", text.as_bytes());
    }

    /// Prints an error and goes on; the run then ends with status 1.
    pub fn trouble(&mut self, error: &Error) {
        if let Error::Fault { text, .. } = error {
            self.write(Kind::Message, self.name, text);
        }
        self.is_troubled = true;
    }

    /// Prints why a network namespace could not be counted, and goes on; the run then ends with status 1.
    pub(super) fn left_out(&mut self, error: &Error) {
        self.trouble(error);
        if let Error::Fault { text, .. } = error
            && !self.accepts_gaps
        {
            self.partial.get_or_insert_with(|| error::visible(text));
        }
    }

    /// Prints, once per run, what numbers lack or why they may be wrong, and goes on; the run then ends with status 1,
    /// and a check does not know them.
    pub(crate) fn lack(&mut self, text: &str) {
        self.is_troubled = true;
        self.once(Kind::Lack, text);
    }

    /// Prints, once per run, which of all network namespaces could not be counted. Does nothing with
    /// `--quiet-gaps`.
    pub(super) fn missing(&mut self, mut missing: netns::Missing) {
        if missing == netns::Missing::default() || self.accepts_gaps || self.partial.is_some() {
            return;
        }
        self.is_troubled = true;
        if self.has_gap {
            // The reasons were given.
            missing.sight = Default::default();
        }
        let text = missing.text();
        if let Some(text) = &text {
            self.trouble(&Error::failed("--netns all", text));
        }
        self.partial =
            Some(text.unwrap_or_else(|| "some network namespaces were not counted".into()));
    }
}
