//! The places where races run.

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use crate::listing::Place;
use crate::load::{Company, Load, Mix, affordable};
use crate::netns::{Home, Names, Namespace, OURS};
use crate::{flows, replay, saved};

/// Sockets of the usual load.
pub const SOCKETS: usize = 180_000;
/// Sockets of the small load, for a process that watches them.
const WATCHED: usize = 18_000;
/// Sockets of the usual load without a descriptor, in the race that counts by owner.
pub const UNACCEPTED: usize = 80_000;
/// Sockets of the largest load, if memory permits.
const MANY: usize = 1_000_000;
/// The name of the namespace with the usual load, beside the one with the largest.
pub const SMALLER: &str = "races-smaller";
/// Namespaces beside a load.
const NAMESPACES: usize = 300;
/// Flows in a table.
const FLOWS: usize = 200_000;
/// Rows of the saved table.
const ROWS: u64 = 1_000_000;
/// Packets of the capture.
const PACKETS: u32 = 1_000_000;

/// Sockets of the largest load that memory permits, decided at the first call.
pub fn many() -> usize {
    static COUNT: LazyLock<usize> = LazyLock::new(|| affordable(MANY));
    *COUNT
}

/// A place with this process in it, until it is dropped.
pub struct Ground {
    made: Made,
    _home: Option<Home>,
}

enum Made {
    Idle(#[expect(dead_code, reason = "held, not used")] Company),
    Loads(Vec<Load>, #[expect(dead_code, reason = "held, not used")] Option<Names>),
    Spread(Load, #[expect(dead_code, reason = "held, not used")] Spread),
    Saved,
    Replay,
    Flows(#[expect(dead_code, reason = "held, not used")] Namespace),
}

impl Ground {
    pub fn make(place: Place, saved: &Path) -> Result<Ground, Box<dyn Error>> {
        match place {
            Place::Idle => {
                let company = Company::new()?;
                let home = company.namespace.enter()?;
                Ok(Ground { _home: Some(home), made: Made::Idle(company) })
            }
            Place::Load => Ground::of_load(Mix::busy(SOCKETS)),
            Place::Watched => Ground::of_load(Mix::steady(WATCHED)),
            Place::Owned => Ground::of_load(Mix { unaccepted: UNACCEPTED, ..Mix::steady(SOCKETS) }),
            Place::Spread => Ground::of_namespaces(false),
            Place::Listening => Ground::of_namespaces(true),
            Place::Many => Ground::of_many(),
            Place::Saved => {
                saved::write(saved, ROWS)?;
                saved::write_ss(&saved::text_of_ss(saved), ROWS)?;
                Ok(Ground { _home: None, made: Made::Saved })
            }
            Place::SavedFlows => {
                saved::write_flows(saved, ROWS)?;
                Ok(Ground { _home: None, made: Made::Saved })
            }
            Place::Replay => {
                replay::write(saved, PACKETS)?;
                Ok(Ground { _home: None, made: Made::Replay })
            }
            Place::Flows => Ground::of_flows(flows::full(FLOWS)?),
            Place::Events | Place::Exports => Ground::of_flows(flows::tracking()?),
            Place::Ends => Ground::of_flows(Namespace::new()?),
        }
    }

    fn of_load(mix: Mix) -> Result<Ground, Box<dyn Error>> {
        let load = Load::new(mix)?;
        let home = load.namespace.enter()?;
        Ok(Ground { _home: Some(home), made: Made::Loads(vec![load], None) })
    }

    /// The namespaces and the load share the machine's hash table, as containers do.
    fn of_namespaces(with_listeners: bool) -> Result<Ground, Box<dyn Error>> {
        let spread = Spread::new(with_listeners)?;
        let load = Load::new(Mix { own_table: false, ..Mix::steady(SOCKETS) })?;
        spread.names.give(&format!("{OURS}load"), &load.namespace)?;
        Ok(Ground { _home: None, made: Made::Spread(load, spread) })
    }

    fn of_many() -> Result<Ground, Box<dyn Error>> {
        let count = many();
        if count < 2 * SOCKETS {
            return Err(format!("the memory holds only {count} sockets").into());
        }
        let names = Names::new()?;
        let smaller = Load::new(Mix::steady(SOCKETS))?;
        names.give(SMALLER, &smaller.namespace)?;
        let larger = Load::new(Mix::steady(count))?;
        let home = larger.namespace.enter()?;
        Ok(Ground { _home: Some(home), made: Made::Loads(vec![smaller, larger], Some(names)) })
    }

    fn of_flows(namespace: Namespace) -> Result<Ground, Box<dyn Error>> {
        let home = namespace.enter()?;
        Ok(Ground { _home: Some(home), made: Made::Flows(namespace) })
    }

    /// A note for the sheet.
    pub fn note(&self, took: Duration) -> Option<String> {
        let seconds = took.as_secs_f64();
        let load = |load: &Load| format!("{} sockets; {}", load.sockets, load.memory);
        match self.made {
            Made::Idle(_) | Made::Flows(_) => None,
            Made::Loads(ref loads, _) => {
                let loads: Vec<String> = loads.iter().map(load).collect();
                Some(format!("Load: made in {seconds:.1} s; {}.", loads.join("; ")))
            }
            Made::Spread(ref beside, _) => Some(format!(
                "Namespaces: {NAMESPACES} and a load, made in {seconds:.1} s; {}.",
                load(beside)
            )),
            Made::Saved => Some(format!("Saved table: {ROWS} rows, written in {seconds:.1} s.")),
            Made::Replay => Some(format!(
                "Capture: {PACKETS} packets of {} connections, written in {seconds:.1} s.",
                replay::CONNECTIONS
            )),
        }
    }
}

/// Many namespaces, kept alive by their names.
struct Spread {
    names: Names,
    _listeners: Vec<TcpListener>,
}

impl Spread {
    fn new(with_listeners: bool) -> Result<Spread, Box<dyn Error>> {
        let names = Names::new()?;
        let mut listeners = Vec::new();
        for number in 0..NAMESPACES {
            let namespace = Namespace::new()?;
            names.give(&format!("{OURS}{number}"), &namespace)?;
            if with_listeners {
                let _home = namespace.enter()?;
                listeners.push(TcpListener::bind("127.0.0.1:80")?);
            }
        }
        Ok(Spread { names, _listeners: listeners })
    }
}
