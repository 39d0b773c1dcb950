//! The races: connbox against the tools in use and against bare C floors, as whole processes, from
//! outside.
//!
//! `cargo bench --bench races [-- R1 R3] [-- --quick]` prints two Markdown tables. It needs root
//! for the network namespaces it makes its loads in, and `cc` for the floors; what it lacks it says
//! in the table. The exit status is 1 if connbox failed or a peer gave another answer; a goal
//! missed is only said.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[path = "races/answer.rs"]
mod answer;
#[path = "races/contest.rs"]
mod contest;
#[path = "races/flows.rs"]
mod flows;
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
#[path = "races/replay.rs"]
mod replay;
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
use listing::Place;
use load::{Company, Load};
use netns::{Home, Namespace};
use scratch::Scratch;
use sheet::Sheet;

/// Sockets of the load.
const SOCKETS: usize = 180_000;
/// Flows in a table.
const FLOWS: usize = 200_000;
/// Rows of the saved table.
const ROWS: u64 = 1_000_000;
/// Packets of the capture.
const PACKETS: u32 = 1_000_000;
/// A whole run that takes longer has hung somewhere.
const LONGEST_SECONDS: u32 = 900;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((role, rest)) if role == "--hold" => load::hold(rest).map(|()| true),
        Some((role, rest)) if role == "--watch" => flows::watch(rest).map(|()| true),
        Some((role, rest)) if role == "--sweep" => scratch::sweep(rest).map(|()| true),
        _ => bench(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to tell, should standard error be closed.
            let _ = writeln!(io::stderr().lock(), "races: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Wanted {
    races: Vec<String>,
    quick: bool,
}

impl Wanted {
    /// Without cargo's own `--bench`, which `cargo test --all-targets` does not give, there is
    /// nothing to do.
    fn parse(arguments: &[String]) -> Result<Option<Wanted>, Box<dyn Error>> {
        let mut wanted = Wanted { races: Vec::new(), quick: false };
        for argument in arguments {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => wanted.quick = true,
                "R1" | "R2" | "R3" | "R4" | "R5" | "R6" | "R7" | "R8" | "R9" | "R10" => {
                    wanted.races.push(argument.clone())
                }
                other => return Err(format!("{other}: neither R1 ... R10 nor --quick").into()),
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

/// Runs the wanted races and prints; true if every answer was right.
fn bench(arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let Some(wanted) = Wanted::parse(arguments)? else {
        writeln!(io::stdout().lock(), "the races are run by `cargo bench --bench races`")?;
        return Ok(true);
    };
    sys::end_after(LONGEST_SECONDS);
    let start = Instant::now();
    let before = machine::load_average();
    let scratch = Scratch::new(Path::new(env!("CARGO_BIN_EXE_connbox")))?;
    let mut sheet = Sheet::new(&scratch);
    let places =
        [Place::Idle, Place::Load, Place::Saved, Place::Flows, Place::Events, Place::Replay];
    for place in places {
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
         makes some 1; with more, wall times are disturbed and CPU times say more."
    ));
    write!(io::stdout().lock(), "{sheet}")?;
    Ok(sheet.all_right())
}

/// Holds races that share a place; a place that cannot be made is said in their rows.
fn hold(place: Place, races: Vec<Race>, scratch: &Scratch, plan: Plan, sheet: &mut Sheet) {
    let start = Instant::now();
    // Bound to a name until the races are over: the ground is gone with its last use.
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
        // Standard error is for a person who waits; nobody may be there.
        let _ = writeln!(io::stderr().lock(), "{} {} ...", race.id, race.title);
        sheet.add(race.run(plan, &scratch.programs, peak.as_deref()));
    }
}

/// A place that has been made, with this process in it until it is dropped.
struct Ground {
    made: Made,
    /// The way back.
    _home: Option<Home>,
}

enum Made {
    Idle(#[expect(dead_code, reason = "held, not used")] Company),
    Load(Load),
    Saved,
    Replay,
    Flows(#[expect(dead_code, reason = "held, not used")] Namespace),
}

impl Ground {
    fn make(place: Place, saved: &Path) -> Result<Ground, Box<dyn Error>> {
        Ok(match place {
            Place::Idle => {
                let company = Company::new()?;
                let home = company.namespace.enter()?;
                Ground { _home: Some(home), made: Made::Idle(company) }
            }
            Place::Load => {
                let load = Load::new(SOCKETS)?;
                let home = load.namespace.enter()?;
                Ground { _home: Some(home), made: Made::Load(load) }
            }
            Place::Saved => {
                saved::write(saved, ROWS)?;
                Ground { _home: None, made: Made::Saved }
            }
            Place::Replay => {
                replay::write(saved, PACKETS)?;
                Ground { _home: None, made: Made::Replay }
            }
            Place::Flows => Ground::of_flows(flows::full(FLOWS)?)?,
            Place::Events => Ground::of_flows(flows::tracking()?)?,
        })
    }

    fn of_flows(namespace: Namespace) -> Result<Ground, Box<dyn Error>> {
        let home = namespace.enter()?;
        Ok(Ground { _home: Some(home), made: Made::Flows(namespace) })
    }

    fn note(&self, took: Duration) -> Option<String> {
        let seconds = took.as_secs_f64();
        match self.made {
            Made::Idle(_) | Made::Flows(_) => None,
            Made::Load(ref load) => Some(format!("Load: made in {seconds:.1} s; {}.", load.memory)),
            Made::Saved => Some(format!("Saved table: {ROWS} rows, written in {seconds:.1} s.")),
            Made::Replay => Some(format!(
                "Capture: {PACKETS} packets of {} connections, written in {seconds:.1} s.",
                replay::CONNECTIONS
            )),
        }
    }
}
