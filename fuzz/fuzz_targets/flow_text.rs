//! Saved text of flows, in any form, and of expectations: what was read is written as a line that is read as the same.
#![no_main]

mod memory;

use connbox::flow::{self, Parts};
use connbox::model::{Expectation, Flow, Tuple};
use connbox::source::Source;
use connbox::source::flows::expectations;
use connbox::source::flows::labels::Labels;
use connbox::source::flows::saved::{self, Seen};
use libfuzzer_sys::fuzz_target;
use memory::Memory;

thread_local! {
    static FILES: [Memory; 2] = [Memory::new("flows", 210), Memory::new("again", 211)];
}

fuzz_target!(|data: &[u8]| {
    FILES.with(|[first, again]| {
        first.hold(data);
        let mut lines = Vec::new();
        let before = all(first, &mut lines);
        again.hold(&lines);
        assert_eq!(all(again, &mut Vec::new()), before);
        lines.clear();
        let before = expected(first, &mut lines);
        again.hold(&lines);
        assert_eq!(expected(again, &mut Vec::new()), before);
    });
});

/// What must stay the same of a flow.
type Kept = (u8, Tuple, Tuple, Option<u32>, Option<u8>, Option<u32>, Option<u16>, Option<u32>);

/// The flows of a file, and the lines that they are written as.
fn all(file: &Memory, lines: &mut Vec<u8>) -> Vec<Kept> {
    let source = Source { saved: vec![file.path.clone()], ..Source::default() };
    let parts = Parts { extended: true, id: true, ..Parts::default() };
    let mut all = Vec::new();
    // What was read before an error counts.
    let _ = saved::read(&source, &Labels::default(), &mut |_, seen| {
        if let Seen::Flow(saved) = seen {
            // Their bytes may be words of the line.
            let flow = Flow { secctx: None, helper: None, ..saved.flow };
            flow::line(lines, &flow, &parts);
            lines.push(b'\n');
            let Flow { family, orig, reply, timeout_seconds, state, mark, zone, id, .. } = flow;
            all.push((family, orig, reply, timeout_seconds, state, mark, zone, id));
        }
        Ok(())
    });
    all
}

/// The tuples of the expectations of a file, and the lines that they are written as.
fn expected(file: &Memory, lines: &mut Vec<u8>) -> Vec<[Tuple; 3]> {
    let source = Source { saved: vec![file.path.clone()], ..Source::default() };
    let mut all = Vec::new();
    let _ = expectations::saved(&source, &mut |one| {
        flow::expectation_line(lines, &Expectation { helper: None, ..*one });
        lines.push(b'\n');
        all.push([one.expected, one.mask, one.master]);
        Ok(())
    });
    all
}
