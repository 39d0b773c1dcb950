//! `--ended --ipfix`: connections that have ended, as flows for a collector.

use std::time::Duration;

use super::Args;
use super::row::Row;
use crate::error::Error;
use crate::flow::ipfix::{Exporter, Settings};
use crate::sys::{self, Moment};
use crate::wire::ipfix::{Ends, Reason, Record};

/// The manual.
pub(super) const DETAILS: &str = "With --ipfix, each of these connections also goes to a collector (RFC 7011), as two \
    records, one per direction, the client's first: as connbox-conntrackd(1) describes it, with its queue for a collector \
    that is away. Bytes are payload; packets are the segments that the socket counted on this machine (a direction with \
    bytes has at least 1). A connection that is older than the watch starts with it. Records that did not reach the collector are \
    said at the end, with status 1.";

const TCP: u8 = 6;
/// How often records are sent.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Export {
    exporter: Exporter,
    begun_milliseconds: i64,
    next: Duration,
}

impl Export {
    /// The export that the arguments ask for.
    pub(super) fn new(args: &Args) -> Result<Option<Export>, Error> {
        let Some(target) = args.ipfix.clone() else { return Ok(None) };
        let domain = args.ipfix_domain.unwrap_or(2);
        let settings = Settings { target, domain, active: None, has_marks: false };
        let exporter = Exporter::new(&settings, &sys::Kernel::default())?;
        let (begun_milliseconds, next) = (sys::unix_milliseconds(), sys::monotonic());
        Ok(Some(Export { exporter, begun_milliseconds, next }))
    }

    /// Exports a connection that ended at `ended_at`, in milliseconds since 1970.
    pub(super) fn connection(
        &mut self,
        row: &Row,
        segments: Option<[u32; 2]>,
        now: Duration,
        ended_at: i64,
    ) {
        let age = row.began.map(|began| row.last_seen.min(now).saturating_sub(began).as_millis());
        let start = age.map_or(self.begun_milliseconds, |age| ended_at.saturating_sub(age as i64));
        let unix = |milliseconds| u64::try_from(milliseconds).unwrap_or_default();
        let ends = Ends {
            source: row.client.canonical(),
            destination: row.server.canonical(),
            ports: [row.client.port, row.server.port],
        };
        let [rx, tx] = row.known_totals();
        let bytes = [tx, rx];
        for (place, ends) in [ends, ends.turned()].into_iter().enumerate() {
            let (octets, segments) = (bytes[place], segments.map_or(0, |both| both[place]));
            self.exporter.record(&Record {
                ends,
                protocol: TCP,
                icmp: None,
                translated: None,
                reason: Reason::End,
                start_milliseconds: unix(start.min(ended_at)),
                end_milliseconds: unix(ended_at),
                packets: u64::from(segments).max((octets > 0).into()),
                octets,
                mark: 0,
                zone: 0,
            });
        }
    }

    /// When it needs a turn.
    pub(super) fn due(&self) -> Duration {
        self.exporter.due().map_or(self.next, |due| due.min(self.next))
    }

    /// Sends what waits, and once a second what has come, with the number of ends that were lost. Returns what is to be
    /// said about a collector that is away.
    pub(super) fn turn(&mut self, lost: u64) -> Option<String> {
        let now = Moment::now();
        if now.clock >= self.next {
            self.next = now.clock.saturating_add(PERIOD);
            self.exporter.tick(lost);
        }
        self.exporter.turn(now);
        self.exporter.failure(now.clock)
    }

    /// Sends what is left, with the number of ends that were lost in all. Returns what did not reach the collector.
    pub(super) fn finish(&mut self, lost: u64) -> Option<String> {
        self.exporter.tick(lost);
        self.exporter.finish()
    }
}
