//! The daemon: one loop that waits for events, the dump, clients, the collector, signals and the clock at once, and
//! does a bounded amount of work for each in every turn.

mod ending;
mod numbers;
mod waiting;

use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Settings;
use super::clients::Clients;
use super::ledger::Ledger;
use super::log::Log;
use super::protocol::{self, Command};
use super::reconcile::Reconciler;
use super::statistics::RATED;
use crate::error::Error;
use crate::flow::ipfix::Exporter;
use crate::frame::Report;
use crate::source::flows::conntrack;
use crate::source::flows::events::{EventGroups, Events, Subject};
use crate::source::flows::follow::{Follower, Seen};
use crate::source::flows::labels::Labels;
use crate::source::multicast::Pace;
use crate::sys::daemon::{self, Listener, Lock, Notify};
use crate::sys::sandbox::Sandbox;
use crate::sys::signals::{SIGHUP, SIGINT, SIGTERM, Signals};
use crate::sys::{self, Moment, Netlink};
use crate::track::Window;

/// How many clients are accepted in one turn.
const ACCEPTS_A_TURN: usize = 16;
/// How often the rates are updated and slow clients dropped.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Daemon {
    settings: Settings,
    // Dropped in this order: the socket is removed while the lock is held.
    listener: Listener,
    lock: Lock,
    signals: Signals,
    notify: Notify,
    follower: Follower,
    /// Whether it may block until a socket is ready.
    may_wait: bool,
    /// Whether the receive buffer is large enough to let events gather.
    may_nap: bool,
    pace: Pace,
    /// The requested size of the buffer of events.
    buffer_bytes: usize,
    reconciler: Reconciler,
    /// For queries of how full the table is.
    kernel: Netlink,
    sandbox: Option<Sandbox>,
    ledger: Ledger,
    clients: Clients,
    window: Window<{ RATED.len() }>,
    now: Moment,
    start: Duration,
    next_tick: Duration,
    next_watchdog: Duration,
    /// Whether no client is accepted until the next tick, because descriptors or memory were missing.
    is_full: bool,
    is_stopping: bool,
}

impl Daemon {
    /// Takes the lock, opens the sockets, and reads the table.
    ///
    /// # Errors
    /// If a privilege is missing, another daemon runs, or a file cannot be created.
    pub(super) fn start(
        settings: Settings,
        labels: Labels,
        exporter: Option<Exporter>,
    ) -> Result<Daemon, Error> {
        let signals = Signals::of(&[SIGTERM, SIGINT, SIGHUP]);
        let signals = signals.map_err(|error| Error::system("signals", error))?;
        let events = Events::open(EventGroups::FLOWS, Some(settings.buffer_bytes))?;
        let may_nap = events.receive_buffer().is_ok_and(|bytes| bytes >= Pace::BUFFER_BYTES);
        let kernel = conntrack::open()?;
        let [socket, beside] = [&settings.socket, &settings.lock].map(|path| directory_of(path));
        let made = daemon::make_directory(socket)?;
        for directory in [socket, beside] {
            daemon::check_directory(directory, None)?;
        }
        let lock = Lock::take(&settings.lock)?;
        let listener = Listener::open(&settings.socket, 128)?;
        let log = match settings.log.clone() {
            Some((path, form)) => Some(Log::open(path, form, labels)?),
            None => None,
        };
        let mut ledger = Ledger::new(settings.limit, settings.filter.clone(), log);
        ledger.exporter = exporter;
        let clock = sys::monotonic();
        let mut daemon = Daemon {
            buffer_bytes: settings.buffer_bytes,
            reconciler: Reconciler::new(settings.reconcile),
            settings,
            listener,
            lock,
            signals,
            notify: Notify::default(),
            follower: Follower::of(events),
            may_wait: true,
            may_nap,
            pace: Pace::default(),
            kernel,
            sandbox: None,
            ledger,
            clients: Clients::default(),
            window: Window::default(),
            now: Moment::default(),
            start: clock,
            next_tick: clock,
            next_watchdog: clock,
            is_full: false,
            is_stopping: false,
        };
        while !daemon.is_loaded() && !daemon.is_stopping {
            daemon.turn()?;
            if let Some(failure) = daemon.reconciler.hopeless() {
                return Err(failure.into());
            }
        }
        made.keep();
        Ok(daemon)
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If the events can no longer be read.
    pub(super) fn run(mut self, report: &mut Report) -> Result<(), Error> {
        self.lock.sign();
        self.notify = Notify::of_environment();
        if self.settings.has_sandbox {
            let directories = [&self.settings.socket, &self.settings.lock];
            let (log, exporter) = (self.ledger.log.as_ref(), &self.ledger.exporter);
            self.sandbox = Some(Sandbox::of_daemon(
                directories.map(|path| directory_of(path)),
                log.map(Log::place),
                exporter.as_ref().map(Exporter::destination),
            ));
        }
        self.notify.tell("READY=1");
        self.next_watchdog = self.now.clock;
        let ended = self.serve_until_told(report);
        self.end(ended, report)
    }

    /// Waits for work, and does a bounded amount of each kind.
    fn turn(&mut self) -> Result<(), Error> {
        let ready = self.wait()?;
        self.now = Moment::now();
        while let Some(signal) = self.signals.next() {
            match signal {
                SIGHUP => self.reopen(),
                _ => self.is_stopping = true,
            }
        }
        self.follow()?;
        self.serve(&ready.clients);
        if ready.is_listener && self.accepts() {
            self.accept();
        }
        if let Some(log) = &mut self.ledger.log {
            log.flush(self.now.clock);
        }
        self.tick();
        if let Some(exporter) = &mut self.ledger.exporter {
            exporter.turn(self.now);
        }
        Ok(())
    }

    /// Whether the table was read; until then, clients wait.
    fn is_loaded(&self) -> bool {
        self.reconciler.completed() > 0
    }

    fn accepts(&self) -> bool {
        self.is_loaded() && !self.is_full
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

    /// Accepts the clients that wait. If descriptors or memory are missing, one client makes room; if that does
    /// not help, the others wait until the next tick, since a listener that is ready would end each wait at once.
    fn accept(&mut self) {
        let mut has_made_room = false;
        for _ in 0..ACCEPTS_A_TURN {
            match self.listener.accept() {
                Ok(fd) => {
                    self.clients.accept(fd, self.now.clock);
                    has_made_room = false;
                }
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
                    if !has_made_room && self.clients.len() > 0 =>
                {
                    // The kernel looks for a descriptor before it looks for a client.
                    if !self.does_somebody_wait() {
                        return;
                    }
                    self.clients.make_room();
                    has_made_room = true;
                }
                Err(_) => {
                    self.is_full = true;
                    return;
                }
            }
        }
    }

    /// Whether a client waits to be accepted.
    fn does_somebody_wait(&self) -> bool {
        let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
        rustix::event::poll(&mut listener, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
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
            // In the order of RATED.
            let rated =
                [counts.created, counts.updated, counts.destroyed, events.events, events.lost];
            self.window.push(self.now.clock, rated);
            if let Some(exporter) = &mut self.ledger.exporter {
                exporter.tick(events.lost);
            }
            self.clients.drop_slow(self.now.clock);
            self.is_full = false;
            self.next_tick = self.now.clock.saturating_add(TICK);
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
