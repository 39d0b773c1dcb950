//! A cache of flows that follows events and is corrected by dumps of the kernel's table.

mod record;
mod totals;

use std::hash::{BuildHasher, Hasher, RandomState};

use super::indexed::Indexed;
use crate::model::Flow;
use record::{Rare, Record};
pub use totals::Totals;

/// The effect of an event or a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The flow is new in the cache.
    Created,
    /// It was in the cache and is now updated.
    Updated,
    /// It was in the cache and is now removed.
    Destroyed,
    /// It ended, but was not in the cache.
    Unknown,
    /// The cache has reached its limit: the flow is not kept.
    Refused,
}

/// The known flows, each identified by its original tuple, zone and ID. With a million flows, each takes at
/// most 200 bytes in total, if it has no helper, labels, master or security context.
///
/// # How it is corrected
///
/// Between [`Flows::begin_reconcile`] and [`Flows::end_reconcile`] the flows of a dump are given to
/// [`Flows::reconcile`], and events are still given to [`Flows::lives`] and [`Flows::ended`]. Flows that
/// neither mentioned have ended. No live flow is taken for ended: a flow that lives from the beginning to
/// the end of the dump is in the dump; a flow created during the dump is reported by an event, if the
/// events waiting when the dump ended are given before the end. (The kernel may miss a flow if its hash
/// table is resized meanwhile; the next dump finds it.)
///
/// Events take precedence over the dump, since the kernel prepares parts of the dump some time before they
/// are read: the dump does not change a flow that an event has reported since the beginning, and a flow
/// whose end was reported stays as a ghost until the end of the dump, so that the dump does not bring it
/// back.
#[derive(Debug)]
pub struct Flows {
    records: Indexed<Record>,
    rares: Vec<Option<Box<Rare>>>,
    free_rares: Vec<u32>,
    random: RandomState,
    limit: usize,
    refused: u64,
    ghosts: usize,
    generation: u8,
    is_reconciling: bool,
    totals: Totals,
}

impl Flows {
    /// A cache of at most `limit` flows, of any number for `None`.
    pub fn new(limit: Option<usize>) -> Flows {
        Flows {
            records: Indexed::default(),
            rares: Vec::new(),
            free_rares: Vec::new(),
            random: RandomState::new(),
            limit: limit.unwrap_or(usize::MAX).min(Indexed::<Record>::MOST),
            refused: 0,
            ghosts: 0,
            generation: 0,
            is_reconciling: false,
            totals: Totals::default(),
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.records.len() - self.ghosts
    }

    /// Whether there are no flows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many flows were not kept because the cache was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The number of flows by kind.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Takes an event of a flow that is new or has changed, at `now_seconds` of the caller's clock. A new
    /// flow may be known already, if a dump showed it first; a change of an unknown flow adds the flow.
    pub fn lives(&mut self, flow: &Flow<'_>, now_seconds: u32) -> Outcome {
        let (hash, record) = self.key_of(flow);
        match self.find(hash, &record) {
            Some(place) if !self.records[place].is_ghost() => {
                self.update(place, flow);
                return Outcome::Updated;
            }
            // A new flow with the same key: nothing of the ended one is kept.
            Some(ghost) => self.remove(ghost),
            None => {}
        }
        self.insert(hash, record, flow, now_seconds)
    }

    /// Takes an event of a flow that has ended, and calls `last` with the flow as it was known and when it was added. A
    /// dump that is being read may still show the flow.
    pub fn ended(
        &mut self,
        flow: &Flow<'_>,
        last: impl FnOnce(Option<(Flow<'_>, u32)>),
    ) -> Outcome {
        let (hash, mut record) = self.key_of(flow);
        let found = self.find(hash, &record);
        let known = found.and_then(|place| self.at(place));
        let is_known = known.is_some();
        last(known);
        match found {
            Some(place) if is_known => self.forget(place),
            Some(ghost) => self.remove(ghost),
            None => {}
        }
        if self.is_reconciling && self.records.len() < self.limit {
            record.generation = self.generation;
            record.set_ghost(true);
            self.ghosts += 1;
            self.records.push(hash, record);
        }
        if is_known { Outcome::Destroyed } else { Outcome::Unknown }
    }

    /// Begins to compare with a dump.
    pub fn begin_reconcile(&mut self) {
        self.drop_ghosts();
        self.generation = self.generation.wrapping_add(1);
        self.is_reconciling = true;
    }

    /// Takes a flow of the current dump; `None` if it changes nothing but counters and timeouts.
    pub fn reconcile(&mut self, flow: &Flow<'_>, now_seconds: u32) -> Option<Outcome> {
        let (hash, record) = self.key_of(flow);
        let Some(place) = self.find(hash, &record) else {
            return Some(self.insert(hash, record, flow, now_seconds));
        };
        let is_told = self.records[place].generation == self.generation;
        (!is_told && self.update(place, flow)).then_some(Outcome::Updated)
    }

    /// Ends the comparison with a completely read dump, removes the flows that have ended and calls `gone`
    /// with each, and when it was added.
    ///
    /// # Errors
    /// The error of `gone`, which is then not called again; all of the flows are removed.
    pub fn end_reconcile<E>(
        &mut self,
        mut gone: impl FnMut(&Flow<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        self.drop_ghosts();
        self.is_reconciling = false;
        let (mut place, mut result) = (0, Ok(()));
        while place < self.records.len() {
            if self.records[place].generation == self.generation {
                place += 1;
            } else {
                let since_seconds = self.records[place].since_seconds;
                result = result.and_then(|()| gone(&self.flow_at(place), since_seconds));
                self.forget(place);
            }
        }
        self.records.shrink();
        result
    }

    /// Ends the comparison with an incomplete dump: no flow is removed.
    pub fn cancel_reconcile(&mut self) {
        self.drop_ghosts();
        self.is_reconciling = false;
    }

    /// The cached flow with the original tuple, zone and ID of `flow`, and when it was added.
    pub fn known(&self, flow: &Flow<'_>) -> Option<(Flow<'_>, u32)> {
        let (hash, record) = self.key_of(flow);
        self.at(self.find(hash, &record)?)
    }

    /// All flows in no order, and when each was added, in seconds of the caller's clock.
    pub fn iter(&self) -> impl Iterator<Item = (Flow<'_>, u32)> {
        let living = self.records.iter().filter(|record| !record.is_ghost());
        living.map(|record| (record.flow(self.rare_of(record)), record.since_seconds))
    }

    /// How many places there are, for [`Flows::at`].
    pub fn places(&self) -> usize {
        self.records.len()
    }

    /// The flow at a place and when it was added; `None` if the place is empty. A walk from the last place
    /// to the first misses no flow that exists throughout, whatever is added and removed meanwhile; but a
    /// flow that was already seen may move to a lower place and be seen again.
    pub fn at(&self, place: usize) -> Option<(Flow<'_>, u32)> {
        let record = self.records.get(place).filter(|record| !record.is_ghost())?;
        Some((record.flow(self.rare_of(record)), record.since_seconds))
    }

    fn flow_at(&self, place: usize) -> Flow<'_> {
        let record = &self.records[place];
        record.flow(self.rare_of(record))
    }

    fn rare_of(&self, record: &Record) -> Option<&Rare> {
        self.rares.get(record.rare as usize)?.as_deref()
    }

    /// The record of a flow, and the hash of its key.
    fn key_of(&self, flow: &Flow<'_>) -> (u64, Record) {
        let record = Record::of(flow);
        // A random key, so that no one can choose flows that collide.
        let mut hasher = self.random.build_hasher();
        record.key(|bytes| hasher.write(bytes));
        (hasher.finish(), record)
    }

    fn find(&self, hash: u64, key: &Record) -> Option<usize> {
        self.records.find(hash, |record| record.is(key))
    }

    fn insert(
        &mut self,
        hash: u64,
        mut record: Record,
        flow: &Flow<'_>,
        now_seconds: u32,
    ) -> Outcome {
        if self.records.len() >= self.limit {
            self.refused = self.refused.saturating_add(1);
            return Outcome::Refused;
        }
        (record.generation, record.since_seconds) = (self.generation, now_seconds);
        if let Some(rare) = Rare::of(flow, None) {
            record.rare = self.keep_rare(rare);
        }
        self.totals.count(&record, |count| *count += 1);
        self.records.push(hash, record);
        Outcome::Created
    }

    /// Updates a record; returns whether something changed that the kernel reports by events.
    fn update(&mut self, place: usize, flow: &Flow<'_>) -> bool {
        let record = &mut self.records[place];
        let old = record.clone();
        record.merge(flow);
        record.generation = self.generation;
        let mut differs = record.differs(&old);
        self.totals.count(&old, |count| *count -= 1);
        self.totals.count(&self.records[place], |count| *count += 1);
        let old = self.rare_of(&self.records[place]);
        if let Some(rare) = Rare::of(flow, old) {
            differs |= rare.differs(old.unwrap_or(&Rare::default()));
            match self.rares.get_mut(self.records[place].rare as usize) {
                Some(slot) => *slot = Some(rare),
                None => self.records[place].rare = self.keep_rare(rare),
            }
        }
        differs
    }

    /// Removes a flow, also from the totals.
    fn forget(&mut self, place: usize) {
        self.totals.count(&self.records[place], |count| *count -= 1);
        self.remove(place);
    }

    /// Removes a record; the last one takes its place.
    fn remove(&mut self, place: usize) {
        let record = self.records.swap_remove(place);
        if let Some(slot) = self.rares.get_mut(record.rare as usize) {
            *slot = None;
            self.free_rares.push(record.rare);
        }
        self.ghosts -= usize::from(record.is_ghost());
    }

    fn keep_rare(&mut self, rare: Box<Rare>) -> u32 {
        match self.free_rares.pop() {
            Some(place) => {
                self.rares[place as usize] = Some(rare);
                place
            }
            None => {
                self.rares.push(Some(rare));
                (self.rares.len() - 1) as u32
            }
        }
    }

    fn drop_ghosts(&mut self) {
        let mut place = 0;
        while self.ghosts > 0 && place < self.records.len() {
            if self.records[place].is_ghost() {
                self.remove(place);
            } else {
                place += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::model::{Ends, FlowStatus, Traffic, Tuple};

    /// Numbers that look random, the same in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: u64) -> u64 {
            self.0 =
                self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (self.0 >> 33) % most
        }
    }

    /// A flow that the number identifies. Its other values depend on `life`.
    fn flow(number: u32, life: u32) -> Flow<'static> {
        let [_, a, b, c] = number.to_be_bytes();
        let v4 = |last| Ipv4Addr::new(10, a, b, last).into();
        let v6 = |last| Ipv6Addr::new(0xfd00, 0, 0, a.into(), 0, b.into(), 0, last).into();
        let (source, destination) =
            if number.is_multiple_of(3) { (v6(1), v6(2)) } else { (v4(1), v4(2)) };
        let protocol = [6, 17, 1, 132, 47, 50][number as usize % 6];
        let ends = |first, second| match protocol {
            1 => Ends::Icmp { kind: 8, code: 0, id: first },
            47 => Ends::Keys { source: first, destination: second },
            50 => Ends::None,
            _ => Ends::Ports { source: first, destination: second },
        };
        let zone = number.is_multiple_of(5).then_some(7);
        let port = u16::from(c) + 1000;
        let orig = Tuple { source, destination, protocol, ends: ends(port, 53), zone };
        let reply = Tuple {
            source: destination,
            destination: source,
            ends: ends(53, port),
            zone: None,
            ..orig
        };
        Flow {
            family: if number.is_multiple_of(3) { 10 } else { 2 },
            orig,
            reply,
            id: Some(number),
            zone: number.is_multiple_of(4).then_some(9),
            status: Some(FlowStatus(0x188 | (life & 3) << 1)),
            state: matches!(protocol, 6 | 132).then_some((life % 10) as u8),
            helper: number.is_multiple_of(7).then_some(b"ftp"),
            ..Flow::default()
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut flows = Flows::new(None);
        let master = Tuple { source: Ipv4Addr::LOCALHOST.into(), ..Tuple::default() };
        let whole = Flow {
            master: Some(master),
            timeout_seconds: Some(u32::MAX),
            vtags: Some([1, u32::MAX]),
            traffic: [
                Some(Traffic { packets: u64::MAX, bytes: 1 }),
                Some(Traffic { packets: 2, bytes: u64::MAX }),
            ],
            mark: Some(0),
            secmark: Some(5),
            secctx: Some(b"a:b:c"),
            start_nanoseconds: Some(u64::MAX),
            helper: Some(b""),
            labels: Some(&[0, 1, 2, 3]),
            ..flow(3, 2)
        };
        for number in 0..1000 {
            let flow = if number == 3 { whole } else { flow(number, number) };
            assert_eq!(flows.lives(&flow, number), Outcome::Created);
            assert_eq!(flows.known(&flow).map(|(flow, _)| flow), Some(flow));
        }
        assert_eq!(flows.known(&whole).map(|(flow, _)| flow), Some(whole));
        // An event omits what did not change.
        let event = Flow { status: Some(FlowStatus(14)), mark: Some(8), ..flow(3, 2) };
        assert_eq!(flows.lives(&event, 5), Outcome::Updated);
        let wanted = Flow { status: event.status, mark: event.mark, ..whole };
        assert_eq!(flows.known(&whole).map(|(flow, _)| flow), Some(wanted));
        assert!(flows.iter().any(|seen| seen == (wanted, 3)));
        assert_eq!(flows.len(), 1000);
    }

    /// What the cache must hold, and whether the kernel has reported it since the dump began.
    type Model = BTreeMap<u32, (u32, bool)>;

    fn assert_same(flows: &Flows, model: &Model) {
        assert_eq!(flows.len(), model.len());
        let mut held: Vec<_> = flows.iter().map(|(flow, _)| (flow.id.unwrap(), flow)).collect();
        held.sort_by_key(|(id, _)| *id);
        for ((id, held), (number, (life, _))) in held.iter().zip(model) {
            assert_eq!((*id, *held), (*number, flow(*number, *life)));
        }
        let mut totals = Totals::default();
        held.iter().for_each(|(_, flow)| totals.count(&Record::of(flow), |count| *count += 1));
        assert_eq!(format!("{totals:?}"), format!("{:?}", flows.totals()));
        assert_eq!(totals.protocols().map(|(_, count)| count as usize).sum::<usize>(), model.len());
    }

    #[test]
    fn random_events_and_dumps_agree_with_a_plain_map() {
        let mut dice = Dice(1);
        for round in 0..300u64 {
            let (mut flows, mut model) = (Flows::new(None), Model::new());
            let (most, mut is_dumping) = (1 + dice.below(200), false);
            // The flows whose end was reported since the dump began.
            let mut ended = Vec::new();
            for _ in 0..400 {
                let (number, life) = (dice.below(most) as u32, dice.below(1000) as u32);
                let (told, known) = (flow(number, life), model.contains_key(&number));
                match dice.below(if is_dumping { 12 } else { 9 }) {
                    0..5 => {
                        let wanted = if known { Outcome::Updated } else { Outcome::Created };
                        assert_eq!(flows.lives(&told, 0), wanted);
                        model.insert(number, (life, true));
                        ended.retain(|other| *other != number);
                    }
                    5..8 => {
                        let wanted = if known { Outcome::Destroyed } else { Outcome::Unknown };
                        let ended_as = flows.ended(&told, |last| assert_eq!(last.is_some(), known));
                        assert_eq!(ended_as, wanted);
                        model.remove(&number);
                        ended.push(number);
                    }
                    8 if is_dumping => end(&mut flows, &mut model, &mut is_dumping),
                    8 => {
                        flows.begin_reconcile();
                        model.values_mut().for_each(|(_, is_told)| *is_told = false);
                        ended.clear();
                        is_dumping = true;
                    }
                    _ => dumped(&mut flows, &mut model, &ended, number, life),
                }
                if round < 20 {
                    assert_same(&flows, &model);
                }
            }
            assert_same(&flows, &model);
        }
    }

    /// A dump shows a flow.
    fn dumped(flows: &mut Flows, model: &mut Model, ended: &[u32], number: u32, life: u32) {
        let change = flows.reconcile(&flow(number, life), 0);
        match model.get_mut(&number) {
            None if ended.contains(&number) => assert_eq!(change, None),
            None => {
                model.insert(number, (life, true));
                assert_eq!(change, Some(Outcome::Created));
            }
            Some((_, true)) => assert_eq!(change, None),
            Some(old) => {
                let [before, after] = [flow(number, old.0), flow(number, life)];
                let differs = (before.status, before.state) != (after.status, after.state);
                assert_eq!(change, differs.then_some(Outcome::Updated));
                *old = (life, true);
            }
        }
    }

    fn end(flows: &mut Flows, model: &mut Model, is_dumping: &mut bool) {
        let mut gone = Vec::new();
        let Ok(()) = flows.end_reconcile(|flow, _| {
            gone.extend(flow.id);
            Ok::<(), Infallible>(())
        });
        gone.sort_unstable();
        let wanted: Vec<_> =
            model.iter().filter(|(_, (_, is_told))| !is_told).map(|(number, _)| *number).collect();
        assert_eq!(gone, wanted);
        model.retain(|_, (_, is_told)| *is_told);
        *is_dumping = false;
    }

    #[test]
    fn a_full_cache_refuses_and_counts() {
        let mut flows = Flows::new(Some(10));
        let changes: Vec<_> = (0..13).map(|number| flows.lives(&flow(number, 0), 0)).collect();
        assert_eq!(
            changes[9..],
            [Outcome::Created, Outcome::Refused, Outcome::Refused, Outcome::Refused]
        );
        assert_eq!((flows.len(), flows.refused()), (10, 3));
        assert_eq!(flows.ended(&flow(12, 0), |_| ()), Outcome::Unknown);
        assert_eq!(flows.ended(&flow(3, 0), |_| ()), Outcome::Destroyed);
        assert_eq!(flows.lives(&flow(12, 0), 0), Outcome::Created);
        assert_eq!(flows.lives(&flow(12, 1), 0), Outcome::Updated);
        assert_eq!((flows.len(), flows.refused()), (10, 3));
    }

    #[test]
    fn a_dump_that_was_cut_short_takes_nothing_away() {
        let mut flows = Flows::new(None);
        (0..100).for_each(|number| {
            flows.lives(&flow(number, 0), 0);
        });
        flows.begin_reconcile();
        assert_eq!(flows.reconcile(&flow(5, 0), 0), None);
        assert_eq!(flows.ended(&flow(6, 0), |_| ()), Outcome::Destroyed);
        flows.cancel_reconcile();
        assert_eq!(flows.len(), 99);
        // Flows that have ended may now come back.
        flows.begin_reconcile();
        (0..100).for_each(|number| {
            flows.reconcile(&flow(number, 0), 0);
        });
        flows.end_reconcile(|flow, _| Err(flow.id)).unwrap();
        assert_eq!(flows.len(), 100);
    }

    /// Resident memory of this process in bytes.
    fn resident_bytes() -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    fn a_million_flows_take_at_most_200_bytes_each() {
        const FLOWS: u32 = 1_000_000;
        let before = resident_bytes();
        let mut flows = Flows::new(None);
        for number in 0..FLOWS {
            let told = Flow { helper: None, ..flow(number, 0) };
            assert_eq!(flows.lives(&told, 0), Outcome::Created);
        }
        let each = (resident_bytes() - before) / FLOWS as usize;
        assert!(each <= 200, "{each} bytes per flow");
        // Other tests may release some memory meanwhile, but not this much.
        assert!(each >= 150, "{each} bytes per flow");
        flows.begin_reconcile();
        let mut gone = 0;
        // The first call fails: no other call is made, and all flows are removed.
        let result = flows.end_reconcile(|_, _| {
            gone += 1;
            Err(gone)
        });
        assert_eq!((result, gone), (Err(1), 1));
        assert!(flows.is_empty() && resident_bytes() < before + 20 * FLOWS as usize);
    }
}
