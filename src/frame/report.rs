//! What a run says beside its rows, on standard error.

use crate::error::Error;
use crate::source::netns;

/// Takes a line for standard error, and whose it is.
pub type Say = fn(&str, &[u8]);

/// What a run says beside its rows.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    say: Say,
    noted: Vec<&'static str>,
    /// Whether something could not be read, which was said.
    pub(super) is_troubled: bool,
    /// Whether network namespaces that were to be counted are missing, which was said.
    pub(crate) is_partial: bool,
}

impl Report {
    /// What a run of the applet `name` says by `say`.
    pub(super) fn new(name: &'static str, say: Say) -> Report {
        Report { name, say, noted: Vec::new(), is_troubled: false, is_partial: false }
    }

    /// Says something that is good to know, once a run.
    pub fn note(&mut self, text: &'static str) {
        if !self.noted.contains(&text) {
            (self.say)(self.name, text.as_bytes());
            self.noted.push(text);
        }
    }

    /// Says something, however often.
    pub fn say(&mut self, text: &str) {
        (self.say)(self.name, text.as_bytes());
    }

    /// Whether [`Report::note`] has said this.
    pub(crate) fn has_said(&self, text: &'static str) -> bool {
        self.noted.contains(&text)
    }

    /// Says a line of the tool whose name the applet bears, without the applet's name.
    pub fn line(&mut self, text: &str) {
        (self.say)("", text.as_bytes());
    }

    /// Says what could not be read, while the rest goes on; the run then ends with status 1.
    pub fn trouble(&mut self, error: &Error) {
        if let Error::Fault { text, .. } = error {
            (self.say)(self.name, text);
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
