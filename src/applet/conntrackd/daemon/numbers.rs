//! The numbers that the daemon sends to its clients.

use super::super::statistics::{ABSENT, Numbers, RATED, RATES, SANDBOX, SPANS};
use super::Daemon;
use crate::source::flows::conntrack;
use crate::sys;
use crate::sys::collector::Transport;
use crate::sys::sandbox::Sandbox;

impl Daemon {
    pub(super) fn numbers(&mut self) -> Numbers {
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
            ("foreign", sys::foreign()),
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
        let held = |part: fn(Sandbox) -> bool| {
            self.sandbox.map_or(ABSENT, |sandbox| u64::from(part(sandbox)))
        };
        // Datagrams cannot be limited.
        let exporter = self.ledger.exporter.as_ref();
        let is_of_tcp = exporter.is_some_and(|one| one.destination().0 == Transport::Tcp);
        let sandbox = [
            ("capabilities", held(|sandbox| sandbox.capabilities)),
            ("files", held(|sandbox| sandbox.files)),
            ("ports", if is_of_tcp { held(|sandbox| sandbox.ports) } else { ABSENT }),
            ("calls", held(|sandbox| sandbox.calls)),
        ];
        numbers.set_all(SANDBOX, &sandbox);
        let uptime = self.now.clock.saturating_sub(self.start).as_secs();
        numbers.set("daemon", "uptime_seconds", uptime);
        for (span, seconds) in SPANS.into_iter().enumerate() {
            let rates = self.window.thousandths_per_second(seconds);
            for ((_, _, names), rate) in RATED.into_iter().zip(rates) {
                numbers.set(RATES, names[span], rate);
            }
        }
        numbers
    }
}
