//! What a run says beside its rows, on standard error.

use crate::error::Error;
use crate::source::netns;

/// Takes a line for standard error, and whose it is.
pub type Say = fn(&str, &[u8]);

/// What a run says beside its rows.
#[derive(Clone, Debug)]
pub struct Report {
    name: &'static str,
    say: Say,
    noted: Vec<&'static str>,
    /// What was said apart, if that is to be said later.
    held: Option<Vec<Held>>,
    /// Whether something could not be read, which was said.
    pub(super) is_troubled: bool,
    /// Whether network namespaces that were to be counted are missing, which was said.
    pub(crate) is_partial: bool,
}

/// Something to say later.
#[derive(Clone, Debug)]
enum Held {
    Note(&'static str),
    Say(&'static str, Vec<u8>),
}

impl Report {
    /// What a run of the applet `name` says by `say`.
    pub(super) fn new(name: &'static str, say: Say) -> Report {
        let (noted, held) = (Vec::new(), None);
        Report { name, say, noted, held, is_troubled: false, is_partial: false }
    }

    /// One that says nothing itself, for another thread; see [`Report::add`].
    pub(super) fn apart(&self) -> Report {
        Report { held: Some(Vec::new()), ..Report::new(self.name, self.say) }
    }

    /// Says what was said apart.
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

    /// Says something that is good to know, once a run.
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

    /// Says something, however often.
    pub fn say(&mut self, text: &str) {
        self.write(self.name, text.as_bytes());
    }

    /// Whether [`Report::note`] has said this.
    pub(crate) fn has_said(&self, text: &'static str) -> bool {
        self.noted.contains(&text)
    }

    /// Says a line of the tool whose name the applet bears, without the applet's name.
    pub fn line(&mut self, text: &str) {
        self.write("", text.as_bytes());
    }

    /// Says what could not be read, while the rest goes on; the run then ends with status 1.
    pub fn trouble(&mut self, error: &Error) {
        if let Error::Fault { text, .. } = error {
            self.write(self.name, text);
        }
        self.is_troubled = true;
    }

    /// Says, once a run, which of all network namespaces could not be counted.
    pub(super) fn missing(&mut self, missing: netns::Missing) {
        let Some(text) = missing.text() else { return };
        if !std::mem::replace(&mut self.is_partial, true) {
            self.trouble(&Error::failed("--netns all", text));
        }
    }
}
