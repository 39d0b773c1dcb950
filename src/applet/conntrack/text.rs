//! The original's text, as `-o` asks for it.

use super::args::Output;
use crate::flow::{self, Parts, XML_EXPECT_HEAD, XML_EXPECT_TAIL, XML_HEAD, XML_TAIL};
use crate::model::{Change, Expectation, Flow};
use crate::source::flows::labels::Labels;
use crate::sys;

/// Writes flows or expectations, or events of either, as text, one after another.
#[derive(Debug)]
pub(super) struct Text {
    output: Output,

    pub labels: Labels,
    now_microseconds: u64,
    buffer: Vec<u8>,
    /// The end of the XML document, if it has begun.
    tail: &'static str,
}

impl Text {
    /// A writer of the text that `output` asks for; ages are relative to now.
    pub(super) fn new(output: Output, labels: Labels) -> Text {
        let now_microseconds = sys::unix_microseconds();
        Text { output, labels, now_microseconds, buffer: Vec::with_capacity(512), tail: "" }
    }

    /// Changes the form for what comes next; not whether it is XML.
    pub(super) fn set_output(&mut self, output: Output) {
        self.output = output;
    }

    /// The text of a flow, with the line end, and with the XML head before the first one.
    pub(super) fn flow(&mut self, one: &Flow<'_>) -> &[u8] {
        self.line(|text, buffer| text.push_flow(buffer, one, None, text.now_microseconds))
    }

    /// The text of an expectation, likewise.
    pub(super) fn expectation(&mut self, one: &Expectation<'_>) -> &[u8] {
        self.line(|text, buffer| text.push_expectation(buffer, one, None, text.now_microseconds))
    }

    fn line(&mut self, push: impl FnOnce(&mut Text, &mut Vec<u8>)) -> &[u8] {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        push(self, &mut buffer);
        buffer.push(b'\n');
        self.buffer = buffer;
        &self.buffer
    }

    /// Appends the text of a flow, or of an event of it at that moment, without the line end.
    pub(super) fn push_flow(
        &mut self,
        buffer: &mut Vec<u8>,
        one: &Flow<'_>,
        change: Option<Change>,
        unix_microseconds: u64,
    ) {
        self.begin(buffer, XML_HEAD, XML_TAIL);
        let mut parts = self.parts(unix_microseconds);
        if change.is_none() {
            // Lists of flows do not say when they were read, not even in XML.
            parts.when_seconds = None;
        }
        if self.output.save {
            flow::save(buffer, one, change);
        } else if self.output.xml {
            flow::xml(buffer, one, &parts, change);
        } else {
            prefix(buffer, change, parts.when_seconds.map(|_| unix_microseconds));
            flow::line(buffer, one, &parts);
        }
    }

    /// Appends the text of an expectation, likewise.
    pub(super) fn push_expectation(
        &mut self,
        buffer: &mut Vec<u8>,
        one: &Expectation<'_>,
        change: Option<Change>,
        unix_microseconds: u64,
    ) {
        self.begin(buffer, XML_EXPECT_HEAD, XML_EXPECT_TAIL);
        let parts = self.parts(unix_microseconds);
        if self.output.xml {
            flow::expectation_xml(buffer, one, &parts, change);
        } else {
            prefix(buffer, change, parts.when_seconds.map(|_| unix_microseconds));
            flow::expectation_line(buffer, one);
        }
    }

    fn begin(&mut self, buffer: &mut Vec<u8>, head: &'static str, tail: &'static str) {
        if self.output.xml && self.tail.is_empty() {
            buffer.extend_from_slice(head.as_bytes());
            self.tail = tail;
        }
    }

    /// What follows the last one.
    pub(super) fn end(&self) -> &'static [u8] {
        self.tail.as_bytes()
    }

    fn parts(&self, unix_microseconds: u64) -> Parts<'_> {
        let Output { extended, id, timestamp, ktimestamp, labels, .. } = self.output;
        let now_seconds = unix_microseconds / 1_000_000;
        Parts {
            extended,
            id,
            ktimestamp,
            labels: labels.then_some(&self.labels),
            when_seconds: timestamp.then_some(now_seconds),
            now_seconds,
        }
    }
}

/// Appends the beginning of an event's line: when and what.
fn prefix(buffer: &mut Vec<u8>, change: Option<Change>, unix_microseconds: Option<u64>) {
    if let Some(microseconds) = unix_microseconds {
        flow::time_prefix(buffer, microseconds);
    }
    if let Some(change) = change {
        flow::event_prefix(buffer, change);
    }
}
