//! The original's text, as `-o` asks for it.

use super::args::Output;
use crate::flow::{self, Parts, XML_EXPECT_HEAD, XML_EXPECT_TAIL, XML_HEAD, XML_TAIL};
use crate::model::{Expectation, Flow};
use crate::source::flows::labels::Labels;
use crate::sys;

/// Writes the text of flows or of expectations, one after another.
#[derive(Debug)]
pub struct Text {
    output: Output,
    /// The names of labels.
    pub labels: Labels,
    now_milliseconds: u64,
    buffer: Vec<u8>,
    /// What ends the document, if it has begun.
    tail: &'static str,
}

impl Text {
    /// The text that `output` asks for, of this moment.
    pub fn new(output: Output, labels: Labels) -> Text {
        let now_milliseconds = u64::try_from(sys::unix_milliseconds()).unwrap_or_default();
        Text { output, labels, now_milliseconds, buffer: Vec::with_capacity(512), tail: "" }
    }

    /// The text of a flow, with the line end and what goes before the first one.
    pub fn flow(&mut self, one: &Flow<'_>) -> &[u8] {
        self.begin(XML_HEAD, XML_TAIL);
        let Text { output, labels, now_milliseconds, buffer, .. } = self;
        let parts = parts(*output, labels, *now_milliseconds);
        // Of lists of flows not even XML tells when they were read.
        let parts = Parts { when_seconds: None, ..parts };
        match output {
            Output { save: true, .. } => flow::save(buffer, one, None),
            Output { xml: true, .. } => flow::xml(buffer, one, &parts, None),
            _ => flow::line(buffer, one, &parts),
        }
        buffer.push(b'\n');
        buffer
    }

    /// The text of an expectation, likewise.
    pub fn expectation(&mut self, one: &Expectation<'_>) -> &[u8] {
        self.begin(XML_EXPECT_HEAD, XML_EXPECT_TAIL);
        let Text { output, labels, now_milliseconds, buffer, .. } = self;
        let parts = parts(*output, labels, *now_milliseconds);
        if output.xml {
            flow::expectation_xml(buffer, one, &parts, None);
        } else {
            if output.timestamp {
                flow::time_prefix(buffer, now_milliseconds.saturating_mul(1000));
            }
            flow::expectation_line(buffer, one);
        }
        buffer.push(b'\n');
        buffer
    }

    fn begin(&mut self, head: &'static str, tail: &'static str) {
        self.buffer.clear();
        if self.output.xml && self.tail.is_empty() {
            self.buffer.extend_from_slice(head.as_bytes());
            self.tail = tail;
        }
    }

    /// What stands behind the last one.
    pub fn end(&self) -> &'static [u8] {
        self.tail.as_bytes()
    }
}

fn parts(output: Output, labels: &Labels, now_milliseconds: u64) -> Parts<'_> {
    let now_seconds = now_milliseconds / 1000;
    Parts {
        extended: output.extended,
        id: output.id,
        ktimestamp: output.ktimestamp,
        labels: output.labels.then_some(labels),
        when_seconds: output.timestamp.then_some(now_seconds),
        now_seconds,
    }
}
