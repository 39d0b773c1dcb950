//! Why a collector is away: said once for each outage, and not more than once a minute.

use std::time::Duration;

use rustix::io::Errno;

/// How long nothing is said after a message: a collector may come and go.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Outage {
    /// The first error of the outage that goes on.
    pub reason: Option<Errno>,
    is_untold: bool,
    quiet_until: Duration,
}

impl Outage {
    pub(super) fn begin(&mut self, error: Errno) {
        if self.reason.is_none() {
            (self.reason, self.is_untold) = (Some(error), true);
        }
    }

    pub(super) fn end(&mut self) {
        (self.reason, self.is_untold) = (None, false);
    }

    /// The reason, if it is to be said now.
    pub(super) fn tell(&mut self, clock: Duration) -> Option<Errno> {
        if !self.is_untold || clock < self.quiet_until {
            return None;
        }
        (self.is_untold, self.quiet_until) = (false, clock.saturating_add(QUIET));
        self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_and_a_collector_that_comes_and_goes_once_a_minute() {
        let mut outage = Outage::default();
        let at = Duration::from_secs;
        assert_eq!(outage.tell(at(0)), None);
        outage.begin(Errno::CONNREFUSED);
        outage.begin(Errno::TIMEDOUT);
        assert_eq!(outage.tell(at(1)), Some(Errno::CONNREFUSED));
        assert_eq!(outage.tell(at(200)), None);
        outage.end();
        outage.begin(Errno::HOSTUNREACH);
        assert_eq!(outage.tell(at(201)), Some(Errno::HOSTUNREACH));
        outage.end();
        outage.begin(Errno::PIPE);
        // It is said later, if it lasts.
        assert_eq!(outage.tell(at(260)), None);
        assert_eq!(outage.tell(at(261)), Some(Errno::PIPE));
        outage.end();
        outage.begin(Errno::PIPE);
        outage.end();
        assert_eq!(outage.tell(at(400)), None);
    }
}
