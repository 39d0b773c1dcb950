//! `conntrack -S`: the counters of connection tracking on each CPU.

use super::count::all_counters;
use super::values::Listing;
use crate::error::Error;
use crate::frame::{Call, InTwoSteps, Report};
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::flows::conntrack;
use crate::source::flows::counters::{self, About, Counter, Name};

pub(super) const COLUMNS: [Column; 3] = [
    Column::label("cpu", "the number of the CPU"),
    Column::label("counter", "the counter's name in conntrack; its number if it has no name"),
    Column::counter("value", "conntrack_stat", "the count: 32 bits that wrap"),
];

pub(super) fn run(call: &mut Call, table: Listing) -> Result<(), Error> {
    let about = match table {
        Listing::Flows(_) => About::Flows,
        Listing::Expectations => About::Expectations,
    };
    let read = |source: &Source, _: &mut Report| {
        all_counters(source, about)?.ok_or_else(|| {
            let path = source.kernel.net_path(counters::FILE);
            let reason = match conntrack::is_off(&source.kernel) {
                true => "does not exist: nothing tracks connections",
                false => NOT_KNOWN,
            };
            Error::of_file(&path, reason)
        })
    };
    let write = |all: Vec<Counter>, out: &mut Out| match out.is_original() {
        true => text(&all, out),
        false => all.iter().try_for_each(|one| row(one, out)),
    };
    call.table(&COLUMNS, &[], &mut InTwoSteps::new(read, write))
}

/// The reason if the counters cannot be read, and nothing says that there are none.
const NOT_KNOWN: &str = "does not exist, and ctnetlink did not answer: whether anything tracks connections is not known";

fn row(counter: &Counter, out: &mut Out) -> Result<(), Error> {
    let name = match counter.name {
        Name::Known(name) => Value::Word(name),
        Name::Number(number) => Value::Int(number.into()),
    };
    out.row([Value::Int(counter.cpu.into()), name, Value::Int(counter.value.into())])
}

/// The original's lines, one per CPU.
fn text(all: &[Counter], out: &mut Out) -> Result<(), Error> {
    for of_cpu in all.chunk_by(|one, next| one.cpu == next.cpu) {
        let mut line = format!("cpu={:<4}\t", of_cpu.first().map_or(0, |counter| counter.cpu));
        for Counter { name, value, .. } in of_cpu {
            line += &match name {
                Name::Known(name) => format!("{name}={value} "),
                Name::Number(number) => format!("unknown{number}={value} "),
            };
        }
        line.push('\n');
        out.text(line.as_bytes())?;
    }
    Ok(())
}
