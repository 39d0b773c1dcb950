//! The messages of a run, on standard error.

use crate::error::Error;
use crate::source::netns;

/// Takes the name of the speaker and a line for standard error.
pub type Say = fn(&str, &[u8]);

/// The messages of a run.
#[derive(Clone, Debug)]
pub struct Report {
    name: &'static str,
    say: Say,
    noted: Vec<&'static str>,
    /// Messages that are held back, to be printed later.
    held: Option<Vec<Held>>,
    /// Whether something could not be read (an error said so).
    pub(super) is_troubled: bool,
    /// Whether requested network namespaces could not be counted (an error said so).
    pub(crate) is_partial: bool,
}

/// A message to print later.
#[derive(Clone, Debug)]
enum Held {
    Note(&'static str),
    Say(&'static str, Vec<u8>),
}

impl Report {
    /// The messages of a run of the applet `name`, printed with `say`.
    pub(super) fn new(name: &'static str, say: Say) -> Report {
        let (noted, held) = (Vec::new(), None);
        Report { name, say, noted, held, is_troubled: false, is_partial: false }
    }

    /// A report that holds its messages back, for another thread; see [`Report::add`].
    pub(super) fn apart(&self) -> Report {
        Report { held: Some(Vec::new()), ..Report::new(self.name, self.say) }
    }

    /// Prints the messages that `apart` has held back.
    pub(super) fn add(&mut self, apart: Report) {
        self.is_troubled |= apart.is_troubled;
        for held in apart.held.into_iter().flatten() {
            match held {
                Held::Note(text) => self.note(text),
                Held::Say(name, text) => self.write(name, &text),
            }
        }
    }

    fn write(&mut self, name: &'static str, text: &[u8]) {
        match &mut self.held {
            Some(held) => held.push(Held::Say(name, text.to_vec())),
            None => (self.say)(name, text),
        }
    }

    /// Prints a note, once per run.
    pub fn note(&mut self, text: &'static str) {
        if self.noted.contains(&text) {
            return;
        }
        match &mut self.held {
            Some(held) => held.push(Held::Note(text)),
            None => (self.say)(self.name, text.as_bytes()),
        }
        self.noted.push(text);
    }

    /// Prints a message, each time.
    pub fn say(&mut self, text: &str) {
        self.write(self.name, text.as_bytes());
    }

    /// Whether [`Report::note`] has printed this.
    pub(crate) fn has_said(&self, text: &'static str) -> bool {
        self.noted.contains(&text)
    }

    /// Prints a line in the form of the original tool, without the applet's name.
    pub fn line(&mut self, text: &str) {
        self.write("", text.as_bytes());
    }

    /// Prints an error and goes on; the run then ends with status 1.
    pub fn trouble(&mut self, error: &Error) {
        if let Error::Fault { text, .. } = error {
            self.write(self.name, text);
        }
        self.is_troubled = true;
    }

    /// Prints, once per run, which of all network namespaces could not be counted.
    pub(super) fn missing(&mut self, missing: netns::Missing) {
        let Some(text) = missing.text() else { return };
        if !std::mem::replace(&mut self.is_partial, true) {
            self.trouble(&Error::failed("--netns all", text));
        }
    }
}
