//! `conntrack`: the flows that the kernel tracks, with the command line of conntrack-tools.

mod args;
mod count;
mod event_rows;
mod event_view;
mod events;
mod expect;
mod flow_keys;
mod get;
mod groups;
mod list;
mod options;
mod page;
mod saved;
mod saved_events;
mod stats;
mod text;
mod values;

use args::{About, Args, Command, Output};
use options::{DOCS, OPTIONS};
use values::Listing;

use crate::cli::{self, Original};
use crate::error::Error;
use crate::flow::row;
use crate::frame::{Applet, Call};
use crate::model::Masked;
use crate::out::Column;

pub(super) static APPLET: Applet = Applet {
    name: "conntrack",
    aliases: &[],
    about: "list, count and watch the flows that the kernel tracks, by any filter and key",
    details: &page::DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &page::EXAMPLES,
    files: &page::FILES,
    bugs: &page::BUGS,
    needs: "-L, -G, -E, and -C with a filter or --by, need CAP_NET_ADMIN in the network namespace. -C alone \
        and -S need no privileges.",
    rows: "With --tsv, --shell, --json or --prom: -L and -G one row per flow, -L expect one row per \
        expectation; -C one row; -S one row per counter and CPU. With --by one row per group, as TSV if no \
        format is named.",
    names: &[],
    keyboard: &[],
    original: Some(&ORIGINAL),
    run,
};

/// The beginning of the lines that conntrack-tools writes to standard error.
const BANNER: &str = "conntrack v1.4.7 (conntrack-tools): ";

const ORIGINAL: Original = Original {
    tool: "conntrack-tools",
    help: Some('h'),
    version: Some('V'),
    refused: &[
        ("from-command", "no text of ss is read"),
        ("byte-order", "no table of sockets is read"),
        ("explain", "this table has no columns that explain a row"),
    ],
    renamed: &[("output", "output-file"), ("count", "snapshots")],
    status_of_help: 0,
    status_of_usage: 2,
    status_of_failure: 1,
    statuses: "0 on success, also if no flow matches the filters; 1 if the kernel refuses, a privilege is \
        missing, -G finds no flow, or rows of -E lack events that were lost (text and --resync: 0); 2 after a wrong command line.",
};

/// All columns that `conntrack` may show.
const COLUMNS: [Column; WIDTH] = Column::joined(&[
    &row::COLUMNS,
    &count::COLUMNS,
    &stats::COLUMNS,
    &flow_keys::NUMBERS,
    &expect::MORE,
    &event_rows::HEAD,
    &event_rows::TAIL,
]);
const WIDTH: usize = row::COLUMNS.len()
    + count::COLUMNS.len()
    + stats::COLUMNS.len()
    + 3
    + expect::MORE.len()
    + event_rows::HEAD.len()
    + event_rows::TAIL.len();

fn run(call: &mut Call) -> Result<(), Error> {
    let mut args = call.args(&OPTIONS)?;
    if let Some(name) = call.names().first() {
        return Err(cli::unexpected(name, "unexpected argument; a table name follows -L or -E"));
    }
    let command = match args.commands.as_slice() {
        [] if args.given.is_empty() => return Err(Error::ShortHelp),
        [] => return Err(Error::usage("arguments", "a command is missing: -L, -C, -E, -G or -S")),
        [command] => *command,
        _ => return Err(Error::usage("arguments", "use only one of -L, -C, -E, -G and -S")),
    };
    call.is_about(command.subject());
    settle(&mut args)?;
    check(command, &args)?;
    let is_saved = !call.common().from.is_empty();
    if is_saved {
        saved::check(call, command, &args)?;
    }
    if args.has_nat_range {
        call.report.line("WARNING: ignoring -a, deprecated option.");
    }
    if call.is_of_all_namespaces() {
        // The original's text cannot say which namespace a line belongs to.
        call.has_no_original();
    }
    match command {
        Command::List(Listing::Expectations) => expect::list(call, &args),
        Command::Count(Listing::Expectations) => expect::count(call, &args),
        Command::List(Listing::Flows(table)) if groups::are_wanted(&args) => {
            groups::run(call, &args, table)
        }
        Command::List(Listing::Flows(table)) => list::run(call, &args, table),
        Command::Count(Listing::Flows(table)) => count::run(call, &args, table),
        Command::Events(_) if is_saved => {
            let source = call.source()?;
            let filter = list::filter(&source, &args)?;
            saved_events::run(call, &args, &source, filter)
        }
        Command::Events(table) => events::run(call, &args, table),
        Command::Get(table) => get::run(call, &args, table),
        Command::Stats(table) => stats::run(call, table),
    }
}

/// Combines options that depend on each other.
fn settle(args: &mut Args) -> Result<(), Error> {
    let Args { masks: [source, destination], filter, .. } = args;
    for (option, mask, address) in [
        ("--mask-src", source, &mut filter.orig.source),
        ("--mask-dst", destination, &mut filter.orig.destination),
    ] {
        let Some(mask) = *mask else { continue };
        match address {
            Some(Masked { mask: bits, .. }) => *bits = mask,
            None => {
                return Err(Error::usage(option, "needs an address without !: --src or --dst"));
            }
        }
    }
    let is_one_sided = filter.source_nat.is_some() || filter.destination_nat.is_some();
    cli::refuse([(
        is_one_sided && filter.any_nat.is_some(),
        "--any-nat",
        "cannot be combined with --src-nat or --dst-nat: it stands for either",
    )])
}

/// Refuses options that do not go with the command.
fn check(command: Command, args: &Args) -> Result<(), Error> {
    use About::*;
    let (letter, allowed): (&str, &[About]) = match command {
        Command::List(Listing::Flows(_)) => ("-L", &[Tuple, Family, Zone, Filter, Form, Groups]),
        Command::List(Listing::Expectations) => ("-L expect", &[Family, Form]),
        Command::Count(Listing::Flows(_)) => ("-C", &[Tuple, Family, Zone, Filter, Groups, Limits]),
        Command::Count(Listing::Expectations) => ("-C expect", &[]),
        Command::Events(Listing::Flows(_)) => ("-E", &[Tuple, Family, Zone, Filter, Form, Events]),
        Command::Events(Listing::Expectations) => ("-E expect", &[Form]),
        Command::Get(_) => ("-G", &[Tuple, Zone, Form, Id]),
        Command::Stats(_) => ("-S", &[]),
    };
    let save_alone = Output { save: true, ..Output::default() };
    if args.output.save && args.output != save_alone {
        return Err(Error::failed("--output", "save cannot be combined with other parts"));
    }
    match args.misplaced(allowed) {
        Some(option) => Err(Error::usage(option, format_args!("cannot be combined with {letter}"))),
        None => Ok(()),
    }
}
