//! The races: connbox against other tools and against minimal C programs (floors), measured as whole
//! processes from outside.
//!
//! `cargo bench --bench races [-- R1 R3] [-- --quick]` prints two Markdown tables; README.md in this
//! folder explains them. It needs root to make network namespaces for its loads, and `cc` for the
//! floors; the table says what is missing. The exit status is 1 if connbox failed or a peer gave a
//! different answer; a missed goal does not change it.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[path = "races/answer.rs"]
mod answer;
#[path = "races/before.rs"]
mod before;
#[path = "races/contest.rs"]
mod contest;
#[path = "races/crowd.rs"]
mod crowd;
#[path = "races/export.rs"]
mod export;
#[path = "races/flows.rs"]
mod flows;
#[path = "races/ground.rs"]
mod ground;
#[path = "races/listing.rs"]
mod listing;
#[path = "races/load.rs"]
mod load;
#[path = "races/machine.rs"]
mod machine;
#[path = "races/measure.rs"]
mod measure;
#[path = "races/netns.rs"]
mod netns;
#[path = "races/parallel.rs"]
mod parallel;
#[path = "races/replay.rs"]
mod replay;
#[path = "races/report.rs"]
mod report;
#[path = "races/saved.rs"]
mod saved;
#[path = "races/scratch.rs"]
mod scratch;
#[path = "races/sheet.rs"]
mod sheet;
#[path = "races/sys.rs"]
mod sys;
#[path = "races/table.rs"]
mod table;
#[path = "races/tracked.rs"]
mod tracked;

use contest::{Plan, Race};
use ground::Ground;
use listing::{PLACES, Place};
use scratch::Scratch;
use sheet::Sheet;

const RACES: RangeInclusive<u8> = 1..=17;
/// A whole run takes about 25 minutes on an idle machine. A run longer than this hangs somewhere.
const LONGEST_SECONDS: u32 = 3600;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((role, rest)) if role == "--hold" => crowd::hold(rest).map(|()| true),
        Some((role, rest)) if role == "--watch" => {
            flows::watch(rest, &flows::FLOWS_BEGIN).map(|()| true)
        }
        Some((role, rest)) if role == "--close" => {
            flows::watch(rest, &flows::CONNECTIONS_END).map(|()| true)
        }
        Some((role, rest)) if role == "--export" => export::watch(rest).map(|()| true),
        Some((role, rest)) if role == "--sweep" => scratch::sweep(rest).map(|()| true),
        _ => bench(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If standard error is closed, there is no one to tell.
            let _ = writeln!(io::stderr().lock(), "races: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Wanted {
    races: Vec<String>,
    quick: bool,
}

impl Wanted {
    /// Gives `None` without cargo's own `--bench`, as under `cargo test --all-targets`: nothing to do.
    fn parse(arguments: &[String]) -> Result<Option<Wanted>, Box<dyn Error>> {
        let mut wanted = Wanted { races: Vec::new(), quick: false };
        for argument in arguments {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => wanted.quick = true,
                id if is_race(id) => wanted.races.push(id.to_owned()),
                other => return Err(format!("{other}: expected R1 to R17 or --quick").into()),
            }
        }
        Ok(arguments.iter().any(|argument| argument == "--bench").then_some(wanted))
    }

    fn wants(&self, race: &Race) -> bool {
        self.races.is_empty() || self.races.iter().any(|id| id == race.id)
    }

    fn plan(&self) -> Plan {
        match self.quick {
            true => Plan { least: 3, most: 101, budget: Duration::from_millis(250) },
            false => Plan { least: 11, most: 1001, budget: Duration::from_secs(2) },
        }
    }
}

fn is_race(id: &str) -> bool {
    id.strip_prefix('R').is_some_and(|number| RACES.contains(&number.parse().unwrap_or(0)))
}

/// Runs the wanted races and prints the sheet; true if every answer was right.
fn bench(arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let Some(wanted) = Wanted::parse(arguments)? else {
        writeln!(io::stdout().lock(), "to run the races: cargo bench --bench races")?;
        return Ok(true);
    };
    let binary = env::var_os("CONNBOX").unwrap_or_else(|| env!("CARGO_BIN_EXE_connbox").into());
    let scratch = Scratch::new(Path::new(&binary))?;
    sys::end_after(LONGEST_SECONDS);
    let start = Instant::now();
    let before = machine::load_average();
    let mut sheet = Sheet::new(&scratch);
    for place in PLACES {
        let saved = place.file(&scratch.data);
        let mut races = listing::races(place, &scratch, &saved);
        races.retain(|race| wanted.wants(race));
        if !races.is_empty() {
            hold(place, races, &scratch, wanted.plan(), &mut sheet);
        }
    }
    let took = start.elapsed().as_secs_f64();
    let after = machine::load_average();
    sheet.note(format!(
        "The whole run took {took:.0} s; load average {before} before, {after} after. The bench alone \
         causes about 1; with more, wall times are disturbed and CPU times say more."
    ));
    write!(io::stdout().lock(), "{sheet}")?;
    Ok(sheet.all_right())
}

/// Runs the races that share a place. If the place cannot be made, their rows say why.
fn hold(place: Place, races: Vec<Race>, scratch: &Scratch, plan: Plan, sheet: &mut Sheet) {
    let start = Instant::now();
    // The place exists only as long as this binding, so it must outlive the races.
    let ground = match Ground::make(place, &place.file(&scratch.data)) {
        Ok(ground) => ground,
        Err(why) => {
            return races
                .into_iter()
                .for_each(|race| sheet.add(race.not_run(&format!("not run: {why}"))));
        }
    };
    sheet.notes.extend(ground.note(start.elapsed()));
    let peak = scratch.no_floors.is_none().then(|| scratch.program("peak"));
    for race in races {
        // Progress for a person who waits; a closed standard error does not matter.
        let _ = writeln!(io::stderr().lock(), "{} {} ...", race.id, race.title);
        sheet.add(race.run(plan, &scratch.programs, peak.as_deref()));
    }
}
