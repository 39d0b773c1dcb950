//! What the daemon knows: the flows, and the counts of those that have ended.

use std::convert::Infallible;
use std::time::Duration;

use super::filter::Filter;
use super::log::Log;
use super::statistics::{Numbers, PROTOCOL, PROTOCOLS, STATEFUL};
use crate::flow::ipfix::Exporter;
use crate::model::{Change, Flow, Traffic};
use crate::sys::Moment;
use crate::track::Flows;
use crate::track::flows::Outcome;

/// The counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Flows added to the cache.
    pub created: u64,
    /// Changes of flows that events reported.
    pub updated: u64,
    /// Flows removed from the cache.
    pub destroyed: u64,
    /// Ends that events reported for flows that were not in the cache.
    pub destroy_unknown: u64,
    /// Events of flows that the filter skips.
    pub filtered: u64,
    /// The traffic of flows that have ended: original direction, then reply.
    pub traffic: [Traffic; 2],
    /// New flows, changes and ends that a dump showed and no event had reported.
    pub missed: [u64; 3],
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub flows: Flows,

    pub counts: Counts,
    /// The log of flows that have ended.
    pub log: Option<Log>,
    /// Their export.
    pub exporter: Option<Exporter>,
    filter: Filter,
    /// Whether no dump was completed yet: what the first one shows was not missed.
    is_loading: bool,
}

impl Ledger {
    /// A ledger of at most `limit` flows that pass `filter`.
    pub(super) fn new(limit: Option<usize>, filter: Filter, log: Option<Log>) -> Ledger {
        let (flows, counts) = (Flows::new(limit), Counts::default());
        Ledger { flows, counts, log, exporter: None, filter, is_loading: true }
    }

    pub(super) fn event(&mut self, kind: Change, flow: &Flow<'_>, now: Moment) {
        if !self.filter.passes(flow, kind == Change::Destroy) {
            self.counts.filtered += 1;
            return;
        }
        match kind {
            Change::Destroy => self.destroyed(flow, now),
            Change::New | Change::Update => {
                let change = self.flows.lives(flow, dated(now));
                self.counts.created += u64::from(change == Outcome::Created);
                self.counts.updated +=
                    u64::from(kind == Change::Update && change == Outcome::Updated);
            }
        }
    }

    fn destroyed(&mut self, flow: &Flow<'_>, now: Moment) {
        let Ledger { flows, counts, log, exporter, .. } = self;
        let outcome = flows.ended(flow, |known| {
            let last = known.as_ref().map_or(*flow, |(known, _)| merged(flow, known));
            account(counts, &last);
            if let Some(log) = log {
                log.ended(&last, now.unix_seconds(), now.clock);
            }
            if let Some(exporter) = exporter {
                exporter.ended(&last, known.map(|(_, since)| seconds(since)), now);
            }
        });
        match outcome {
            Outcome::Destroyed => counts.destroyed += 1,
            _ => counts.destroy_unknown += 1,
        }
    }

    /// Begins a comparison with a dump.
    pub(super) fn begin(&mut self) {
        self.flows.begin_reconcile();
    }

    /// Takes a flow of the dump.
    pub(super) fn dumped(&mut self, flow: &Flow<'_>, now: Moment) {
        if !self.filter.passes(flow, false) {
            return;
        }
        let change = self.flows.reconcile(flow, dated(now));
        let (is_new, is_changed) =
            (change == Some(Outcome::Created), change == Some(Outcome::Updated));
        self.counts.created += u64::from(is_new);
        if !self.is_loading {
            self.counts.missed[0] += u64::from(is_new);
            self.counts.missed[1] += u64::from(is_changed);
        }
        if let Some(exporter) = self.exporter.as_mut().filter(|exporter| exporter.is_active())
            && let Some((flow, since)) = self.flows.known(flow)
        {
            exporter.lives(&flow, seconds(since), self.is_loading, now);
        }
    }

    /// Ends the comparison. If the dump is not complete, no flow is taken to have ended.
    pub(super) fn end(&mut self, is_whole: bool, now: Moment) {
        if !is_whole {
            return self.flows.cancel_reconcile();
        }
        let Ledger { flows, counts, log, exporter, .. } = self;
        let Ok(()) = flows.end_reconcile(|gone, since| {
            counts.destroyed += 1;
            counts.missed[2] += 1;
            account(counts, gone);
            if let Some(log) = log {
                log.ended(gone, now.unix_seconds(), now.clock);
            }
            if let Some(exporter) = exporter {
                exporter.ended(gone, Some(seconds(since)), now);
            }
            Ok::<(), Infallible>(())
        });
        self.is_loading = false;
    }

    /// Exports what flows that go on have counted since their last record, if such flows are exported.
    pub(super) fn stop(&mut self, now: Moment) {
        /// After how many flows the collector gets what there is.
        const A_TURN: usize = 1024;
        let Some(exporter) = self.exporter.as_mut().filter(|exporter| exporter.is_active()) else {
            return;
        };
        for (place, (flow, since)) in self.flows.iter().enumerate() {
            exporter.stops(&flow, seconds(since), now);
            if place % A_TURN == 0 {
                exporter.turn(Moment::now());
            }
        }
    }

    /// Fills in its numbers.
    pub(super) fn tell(&self, numbers: &mut Numbers) {
        let (counts, totals) = (&self.counts, self.flows.totals());
        let [orig, reply] = counts.traffic;
        let flows = [
            ("active", self.flows.len() as u64),
            ("assured", totals.assured.into()),
            ("unreplied", totals.unreplied.into()),
            ("created", counts.created),
            ("failed", self.flows.refused()),
            ("updated", counts.updated),
            ("destroyed", counts.destroyed),
            ("destroy_unknown", counts.destroy_unknown),
        ];
        numbers.set_all("flows", &flows);
        let traffic = [
            ("orig_packets", orig.packets),
            ("orig_bytes", orig.bytes),
            ("reply_packets", reply.packets),
            ("reply_bytes", reply.bytes),
        ];
        numbers.set_all("traffic", &traffic);
        let [new, update, destroy] = counts.missed;
        let missed = [("missed_new", new), ("missed_update", update), ("missed_destroy", destroy)];
        numbers.set_all("resync", &missed);
        numbers.set("events", "filtered", counts.filtered);
        self.tell_kinds(numbers);
        if let Some(log) = &self.log {
            let log =
                [("lines", log.lines), ("lost", log.lost), ("is_failing", log.is_failing().into())];
            numbers.set_all("log", &log);
        }
        if let Some(exporter) = &self.exporter {
            let sent = exporter.sent();
            let ipfix = [
                ("records", sent.records),
                ("messages", sent.messages),
                ("bytes", sent.octets),
                ("lost", sent.unsent.records),
                ("uncounted", exporter.uncounted),
                ("failures", sent.failures),
                ("waiting", exporter.waiting()),
                ("is_connected", exporter.is_connected().into()),
            ];
            numbers.set_all("ipfix", &ipfix);
        }
    }

    fn tell_kinds(&self, numbers: &mut Numbers) {
        let totals = self.flows.totals();
        let mut other = 0;
        for (protocol, count) in totals.protocols() {
            match Flow::protocol_name(protocol).filter(|_| PROTOCOLS.contains(&protocol)) {
                Some(name) => numbers.set(PROTOCOL, name, count.into()),
                None => other += u64::from(count),
            }
        }
        numbers.set(PROTOCOL, "other", other);
        for (protocol, section, names) in STATEFUL {
            for (state, count) in totals.states(protocol) {
                // A state without a name counts as the first one, as the text lines show it.
                let name = names.get(usize::from(state)).filter(|_| state > 0);
                if let Some(name) = name {
                    numbers.set(section, name, count.into());
                } else if let Some(name) = names.first() {
                    numbers.set(section, name, numbers.get(section, name) + u64::from(count));
                }
            }
        }
    }
}

/// The monotonic clock in seconds, with which flows are dated.
pub(super) fn dated(now: Moment) -> u32 {
    u32::try_from(now.clock.as_secs()).unwrap_or(u32::MAX)
}

/// When a flow was added, on the monotonic clock.
fn seconds(since: u32) -> Duration {
    Duration::from_secs(since.into())
}

/// Adds the traffic of a flow that has ended.
fn account(counts: &mut Counts, flow: &Flow<'_>) {
    for (sum, traffic) in counts.traffic.iter_mut().zip(flow.traffic) {
        let traffic = traffic.unwrap_or_default();
        sum.packets = sum.packets.saturating_add(traffic.packets);
        sum.bytes = sum.bytes.saturating_add(traffic.bytes);
    }
}

/// A flow as the event of its end shows it, completed by what was known before.
fn merged<'a>(event: &Flow<'a>, known: &Flow<'a>) -> Flow<'a> {
    let [orig, reply] = event.traffic;
    Flow {
        status: event.status.or(known.status),
        state: event.state.or(known.state),
        vtags: event.vtags.or(known.vtags),
        traffic: [orig.or(known.traffic[0]), reply.or(known.traffic[1])],
        mark: event.mark.or(known.mark),
        secmark: event.secmark.or(known.secmark),
        secctx: event.secctx.or(known.secctx),
        start_nanoseconds: event.start_nanoseconds.or(known.start_nanoseconds),
        helper: event.helper.or(known.helper),
        labels: event.labels.or(known.labels),
        master: event.master.or(known.master),
        ..*event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ends, FlowStatus, Tuple};

    fn flow(port: u16, bytes: Option<u64>) -> Flow<'static> {
        let ends = Ends::Ports { source: port, destination: 80 };
        let orig = Tuple { protocol: 6, ends, ..Tuple::default() };
        let traffic = bytes.map(|bytes| Traffic { packets: 1, bytes });
        Flow {
            orig,
            reply: orig,
            id: Some(port.into()),
            state: Some(3),
            status: Some(FlowStatus(0xe)),
            traffic: [traffic, traffic],
            ..Flow::default()
        }
    }

    fn numbers(ledger: &Ledger) -> Numbers {
        let mut numbers = Numbers::default();
        ledger.tell(&mut numbers);
        numbers
    }

    #[test]
    fn created_less_destroyed_is_active_whatever_was_missed() {
        let mut ledger = Ledger::new(Some(100), Filter::default(), None);
        let now = Moment::default();
        ledger.begin();
        (0..10).for_each(|port| ledger.dumped(&flow(port, Some(5)), now));
        ledger.end(true, now);
        assert_eq!(ledger.counts.missed, [0; 3]);
        (10..20).for_each(|port| ledger.event(Change::New, &flow(port, None), now));
        ledger.event(Change::Update, &flow(3, None), now);
        // The event of an end has the traffic in 64 bits; if it has none, the last dump counts.
        ledger.event(Change::Destroy, &flow(3, Some(1 << 40)), now);
        ledger.event(Change::Destroy, &flow(4, None), now);
        ledger.event(Change::Destroy, &flow(99, None), now);
        // No event reported the end of 5 to 9, nor the beginning of 30.
        ledger.begin();
        (10..20).chain([30]).for_each(|port| ledger.dumped(&flow(port, Some(7)), now));
        ledger.end(true, now);
        let numbers = numbers(&ledger);
        let get = |name| numbers.get("flows", name);
        assert_eq!(get("active"), 11);
        assert_eq!(get("created") - get("destroyed"), get("active"));
        assert_eq!([get("updated"), get("destroy_unknown")], [1, 1]);
        assert_eq!(ledger.counts.missed, [1, 0, 8]);
        assert_eq!(numbers.get("traffic", "orig_bytes"), (1 << 40) + 5 + 8 * 5);
        assert_eq!(numbers.get("traffic", "reply_packets"), 10);
        assert_eq!(numbers.get("tcp", "ESTABLISHED"), 11);
        assert_eq!(numbers.get("protocol", "tcp"), 11);
    }

    #[test]
    fn a_dump_that_was_cut_takes_nothing_for_gone_and_a_limit_holds() {
        let mut ledger = Ledger::new(Some(5), Filter::default(), None);
        let now = Moment::default();
        (0..8).for_each(|port| ledger.event(Change::New, &flow(port, None), now));
        assert_eq!([ledger.counts.created, ledger.flows.refused()], [5, 3]);
        ledger.begin();
        ledger.dumped(&flow(1, None), now);
        ledger.end(false, now);
        assert_eq!(numbers(&ledger).get("flows", "active"), 5);
    }
}
