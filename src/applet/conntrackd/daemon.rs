//! The daemon: one loop that waits for events, the dump, clients, signals and the clock at once, and does a
//! bounded amount of work for each in every turn.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Settings;
use super::clients::Clients;
use super::ledger::{Ledger, Now};
use super::log::Log;
use super::protocol::{self, Command};
use super::reconcile::Reconciler;
use super::statistics::{ABSENT, Numbers, RATE_NAMES, RATED, RATES, SPANS};
use crate::error::Error;
use crate::source::flows::conntrack;
use crate::source::flows::events::{EventGroups, Events, Subject};
use crate::source::flows::follow::{Follower, Seen};
use crate::source::flows::labels::Labels;
use crate::sys::daemon::{self, Lock, Notify};
use crate::sys::signals::{SIGHUP, SIGINT, SIGTERM, Signals};
use crate::sys::{self, Netlink};
use crate::track::Window;

/// How many clients are accepted in one turn.
const ACCEPTS_A_TURN: usize = 16;
/// How often the rates are updated and slow clients dropped.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Daemon {
    settings: Settings,
    lock: Lock,
    listener: OwnedFd,
    signals: Signals,
    notify: Notify,
    follower: Follower,
    /// Whether it may block until a socket is ready.
    may_wait: bool,
    /// The requested size of the buffer of events.
    buffer_bytes: usize,
    reconciler: Reconciler,
    /// For queries of how full the table is.
    kernel: Netlink,
    ledger: Ledger,
    clients: Clients,
    window: Window<{ RATED.len() }>,
    now: Now,
    start: Duration,
    next_tick: Duration,
    next_watchdog: Duration,
    is_stopping: bool,
}

impl Daemon {
    /// Takes the lock, opens the sockets, and reads the table.
    ///
    /// # Errors
    /// If a privilege is missing, another daemon runs, or a file cannot be created.
    pub fn start(settings: Settings, labels: Labels) -> Result<Daemon, Error> {
        let signals = Signals::of(&[SIGTERM, SIGINT, SIGHUP]);
        let signals = signals.map_err(|error| Error::system("signals", error))?;
        let events = Events::open(EventGroups::FLOWS, Some(settings.buffer_bytes))?;
        let kernel = conntrack::open()?;
        daemon::prepare_directory(settings.socket.parent().unwrap_or(Path::new("/")))?;
        let lock = lock(&settings.lock)?;
        let listener = daemon::listen(&settings.socket, 128)?;
        let log = match settings.log.clone() {
            Some((path, form)) => Some(Log::open(path, form, labels)?),
            None => None,
        };
        let ledger = Ledger::new(settings.limit, settings.filter.clone(), log);
        let clock = sys::monotonic();
        let mut daemon = Daemon {
            buffer_bytes: settings.buffer_bytes,
            reconciler: Reconciler::new(settings.reconcile),
            settings,
            lock,
            listener,
            signals,
            notify: Notify::default(),
            follower: Follower::of(events),
            may_wait: true,
            kernel,
            ledger,
            clients: Clients::default(),
            window: Window::default(),
            now: Now::default(),
            start: clock,
            next_tick: clock,
            next_watchdog: clock,
            is_stopping: false,
        };
        while !daemon.is_loaded() && !daemon.is_stopping {
            daemon.turn()?;
            if let Some(failure) = daemon.reconciler.hopeless() {
                return Err(failure.into());
            }
        }
        Ok(daemon)
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If the events can no longer be read.
    pub fn run(mut self) -> Result<(), Error> {
        self.lock.sign();
        self.notify = Notify::of_environment();
        self.notify.tell("READY=1");
        self.next_watchdog = self.now.clock;
        while !self.is_stopping {
            self.turn()?;
        }
        self.notify.tell("STOPPING=1");
        if let Some(log) = &mut self.ledger.log {
            log.flush(self.now.clock);
        }
        let _ = rustix::fs::unlink(&self.settings.socket);
        self.lock.release();
        Ok(())
    }

    /// Waits for work, and does a bounded amount of each kind.
    fn turn(&mut self) -> Result<(), Error> {
        let ready = self.wait()?;
        self.now.clock = sys::monotonic();
        self.now.unix_seconds = u64::try_from(sys::unix_milliseconds() / 1000).unwrap_or_default();
        while let Some(signal) = self.signals.next() {
            match signal {
                SIGHUP => self.reopen(),
                _ => self.is_stopping = true,
            }
        }
        self.follow()?;
        self.serve(&ready);
        if self.is_loaded() {
            self.accept();
        }
        if let Some(log) = &mut self.ledger.log {
            log.flush(self.now.clock);
        }
        self.tick();
        Ok(())
    }

    /// Whether the table was read; until then, clients wait.
    fn is_loaded(&self) -> bool {
        self.reconciler.completed() > 0
    }

    /// Waits until something is ready, or until the next timed task. Returns which clients are ready, in
    /// their order.
    fn wait(&self) -> Result<Vec<bool>, Error> {
        let mut next = self.next_tick;
        if !self.follower.is_dumping() {
            next = next.min(self.reconciler.due());
        }
        if self.notify.watchdog.is_some() {
            next = next.min(self.next_watchdog);
        }
        let mut patience = next.saturating_sub(sys::monotonic());
        if !self.may_wait {
            patience = Duration::ZERO;
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(1),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let own = [
            Some(self.signals.as_fd()),
            Some(self.follower.events.as_fd()),
            self.is_loaded().then(|| self.listener.as_fd()),
            self.follower.dump(),
        ];
        let own = own.into_iter().flatten().map(|fd| (fd, PollFlags::IN));
        let count = own.clone().count();
        let mut fds: Vec<PollFd<'_>> = own
            .chain(self.clients.wanted())
            .map(|(fd, wanted)| PollFd::from_borrowed_fd(fd, wanted))
            .collect();
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::system("poll", error)),
        }
        Ok(fds.iter().skip(count).map(|fd| !fd.revents().is_empty()).collect())
    }

    /// Continues with the events and the comparison, and begins a comparison if one is due.
    fn follow(&mut self) -> Result<(), Error> {
        let mut ended = None;
        if !self.follower.is_dumping() && self.now.clock >= self.reconciler.due() {
            self.reconciler.begin(self.now.clock);
            match self.follower.start() {
                Ok(()) => self.ledger.begin(),
                Err(failure) => ended = Some(Err(failure)),
            }
        }
        let (ledger, now, mut is_lost) = (&mut self.ledger, self.now, false);
        self.may_wait = self.follower.turn(|seen| {
            match seen {
                Seen::Event(event) => {
                    if let Subject::Flow(flow) = event.subject {
                        ledger.event(event.kind, flow, now);
                    }
                }
                Seen::Lost(_) => is_lost = true,
                Seen::Dumped(flow) => ledger.dumped(flow, now),
                Seen::Ended(result) => ended = Some(result),
            }
            Ok(())
        })?;
        if is_lost {
            self.repair();
        }
        if let Some(ended) = ended {
            let number = self.reconciler.end(ended, now.clock);
            self.ledger.end(number.is_some(), now);
            number.iter().for_each(|number| self.clients.compared(*number, now.clock));
        }
        Ok(())
    }

    /// After a loss, enlarges the buffer and schedules an early comparison to find what was missed.
    fn repair(&mut self) {
        let doubled = self.buffer_bytes.saturating_mul(2).min(self.settings.most_buffer_bytes);
        if doubled > self.buffer_bytes && self.follower.events.set_receive_buffer(doubled).is_ok() {
            self.buffer_bytes = doubled;
        }
        if let Some(delay) = self.settings.overrun {
            self.reconciler.hurry(self.now.clock.saturating_add(delay));
        }
    }

    /// Continues with the clients that are ready.
    fn serve(&mut self, ready: &[bool]) {
        for (place, _) in ready.iter().enumerate().filter(|(_, is_ready)| **is_ready) {
            let wanted = self.clients.go_on(place, &self.ledger.flows, self.now);
            if let Some(command) = wanted {
                self.command(place, command);
            }
        }
        self.clients.close_ended();
    }

    fn command(&mut self, place: usize, command: Command) {
        match command {
            Command::Statistics => {
                let numbers = self.numbers();
                self.clients.answer(place, protocol::NUMBERS, |bytes| numbers.write(bytes));
            }
            Command::Flows => self.clients.answer_flows(place, &self.ledger.flows),
            Command::Reconcile => {
                let number = self.reconciler.ask(self.now.clock);
                self.clients.wait(place, number);
            }
            Command::Stop => {
                self.clients.stay(place, &self.ledger.flows, self.now);
                self.is_stopping = true;
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_A_TURN {
            match daemon::accept(&self.listener) {
                Ok(fd) => self.clients.accept(fd, self.now.clock),
                Err(Errno::MFILE | Errno::NFILE) => self.clients.make_room(),
                Err(_) => return,
            }
        }
    }

    /// Reopens the log, as systemd's protocol for a reload.
    fn reopen(&mut self) {
        let microseconds = sys::monotonic().as_micros();
        self.notify.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
        if let Some(log) = &mut self.ledger.log {
            log.reopen(self.now.clock);
        }
        self.notify.tell("READY=1");
    }

    /// Runs the timed tasks that are due.
    fn tick(&mut self) {
        if let Some(period) = self.notify.watchdog.filter(|_| self.now.clock >= self.next_watchdog)
        {
            self.notify.tell("WATCHDOG=1");
            self.next_watchdog = self.now.clock.saturating_add(period / 2);
        }
        if self.now.clock >= self.next_tick {
            let (counts, events) = (self.ledger.counts, self.follower.events.counts());
            let rated =
                [counts.created, counts.updated, counts.destroyed, events.events, events.lost];
            self.window.push(self.now.clock, rated);
            self.clients.drop_slow(self.now.clock);
            self.next_tick = self.now.clock.saturating_add(TICK);
        }
    }

    /// The current numbers.
    fn numbers(&mut self) -> Numbers {
        let mut numbers = Numbers::default();
        self.ledger.tell(&mut numbers);
        let limit = self.settings.limit.map_or(ABSENT, |limit| limit as u64);
        numbers.set("flows", "limit", limit);
        let fill = conntrack::fill(&mut self.kernel).ok();
        let entries = fill.map_or(ABSENT, |fill| fill.entries);
        let limit = fill.and_then(|fill| fill.limit).unwrap_or(ABSENT);
        numbers.set_all("table", &[("entries", entries), ("limit", limit)]);
        let counts = self.follower.events.counts();
        let events = [
            ("received", counts.events),
            ("unknown", counts.unknown),
            ("malformed", counts.malformed),
            ("lost", counts.lost),
            ("overruns", counts.overruns),
            ("buffer_bytes", self.follower.events.receive_buffer().unwrap_or_default() as u64),
            ("buffer_asked_bytes", self.buffer_bytes as u64),
        ];
        numbers.set_all("events", &events);
        self.reconciler.tell(&mut numbers, self.now.clock);
        let clients = [
            ("connected", self.clients.len() as u64),
            ("accepted", self.clients.accepted),
            ("dropped", self.clients.dropped),
            ("bad_requests", self.clients.bad),
        ];
        numbers.set_all("clients", &clients);
        let uptime = self.now.clock.saturating_sub(self.start).as_secs();
        numbers.set("daemon", "uptime_seconds", uptime);
        for (span, seconds) in SPANS.into_iter().enumerate() {
            let rates = self.window.thousandths_per_second(seconds);
            for (names, rate) in RATE_NAMES.iter().zip(rates) {
                numbers.set(RATES, names[span], rate);
            }
        }
        numbers
    }
}

/// Takes the lock that only one daemon can hold.
fn lock(path: &Path) -> Result<Lock, Error> {
    let name = path.as_os_str().as_bytes();
    Lock::take(path).map_err(|error| match error {
        Errno::WOULDBLOCK => Error::failed(name, "another daemon is running and holds this lock"),
        Errno::PERM => Error::failed(name, "belongs to another user"),
        error => Error::system(name, error),
    })
}
