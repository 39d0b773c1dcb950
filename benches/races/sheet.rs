//! The result sheet: machine, main table, details, notes.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::contest::{BEFORE, FLOOR, SCALED};
use crate::machine;
use crate::report::{Measure, Outcome, Report, ratio_text};
use crate::scratch::Scratch;
use crate::table::Table;

const HEADER: [&str; 12] = [
    "race",
    "connbox ms",
    "peers ms",
    "before ms",
    "floor ms",
    "of best peer",
    "of before",
    "CPU of before",
    "of floor",
    "goal",
    "met?",
    "peak RSS KiB",
];
const DETAILS: [&str; 7] =
    ["race", "who", "rounds", "median ms", "best ms", "CPU ms", "peak RSS KiB"];

pub struct Sheet {
    machine: Vec<String>,
    reports: Vec<Report>,
    folders: [String; 2],
    /// Lines below the tables.
    pub notes: Vec<String>,
}

impl Sheet {
    /// A sheet that holds only the description of the machine.
    pub fn new(scratch: &Scratch) -> Sheet {
        let no_floors = scratch.no_floors.iter().map(|why| format!("No floors: {why}."));
        let no_before = scratch.no_before.iter().map(|why| format!("No older connbox: {why}."));
        let notes = no_floors.chain(no_before).collect();
        let folders =
            [&scratch.programs, &scratch.data].map(|folder| format!("{}/", folder.display()));
        Sheet { machine: machine::lines(), reports: Vec::new(), folders, notes }
    }

    /// Adds a race.
    pub fn add(&mut self, report: Report) {
        self.reports.push(report);
    }

    /// Adds a line below the tables.
    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Whether connbox answered in all races, and no peer gave a different answer.
    pub fn all_right(&self) -> bool {
        !self.reports.iter().any(|report| report.wrong)
    }

    fn main_table(&self) -> Table {
        let mut table = Table::new(&HEADER);
        for report in &self.reports {
            let peers: Vec<String> =
                report.peers().chain(report.named(SCALED)).map(with_name).collect();
            let number_of = |name| report.named(name).map_or_else(|| "-".to_owned(), number);
            table.row([
                format!("{} {}", report.id, report.title),
                report.ours().map(number).unwrap_or_default(),
                if peers.is_empty() { "-".to_owned() } else { peers.join(", ") },
                number_of(BEFORE),
                number_of(FLOOR),
                ratio(report.ratio_to_best_peer()),
                ratio(report.ratio_to(BEFORE, Measure::Time)),
                ratio(report.ratio_to(BEFORE, Measure::Cpu)),
                ratio(report.ratio_to(FLOOR, Measure::Time)),
                report.goal(),
                report.verdict(),
                report.ours().map(|ours| ours.peak.clone()).unwrap_or_default(),
            ]);
        }
        table
    }

    fn details(&self) -> Table {
        let mut table = Table::new(&DETAILS);
        for report in &self.reports {
            for outcome in &report.outcomes {
                let Ok(stats) = &outcome.stats else { continue };
                table.row([
                    format!("{} {}", report.id, report.title),
                    outcome.name.to_owned(),
                    stats.rounds.to_string(),
                    ms(stats.median),
                    ms(stats.best),
                    ms(stats.cpu),
                    outcome.peak.clone(),
                ]);
            }
        }
        table
    }
}

impl Sheet {
    /// The commands, without the temporary folders, which differ from run to run.
    fn commands(&self) -> String {
        let mut text = String::new();
        for report in &self.reports {
            for outcome in &report.outcomes {
                let command = self
                    .folders
                    .iter()
                    .fold(outcome.command.clone(), |command, folder| command.replace(folder, ""));
                text += &format!("{} {}: {command}\n", report.id, outcome.name);
            }
        }
        text
    }
}

impl Display for Sheet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.machine {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "\n{}", self.main_table())?;
        writeln!(out, "{}", self.details())?;
        writeln!(out, "```text\n{}```\n", self.commands())?;
        for report in self.reports.iter().filter(|report| !report.answer.is_empty()) {
            writeln!(out, "- {} {}: {}", report.id, report.title, report.answer)?;
        }
        for report in &self.reports {
            for note in &report.notes {
                writeln!(out, "- {} {note}", report.id)?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "- {note}"))
    }
}

fn with_name(outcome: &Outcome) -> String {
    format!("{} {}", outcome.name, number(outcome))
}

/// The median, or the reason why there is none.
fn number(outcome: &Outcome) -> String {
    match &outcome.stats {
        Ok(stats) => ms(stats.median),
        Err(why) if why.is_empty() => "-".to_owned(),
        Err(why) => format!("- ({why})"),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), ratio_text)
}

/// Milliseconds with about three digits.
fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ..1.0 => format!("{ms:.3}"),
        ..10.0 => format!("{ms:.2}"),
        ..100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}
