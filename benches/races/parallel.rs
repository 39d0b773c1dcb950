//! The races in which threads matter: many sockets, many descriptors, many namespaces.

use crate::answer;
use crate::contest::{BEFORE, Contender, Cost, Race, SCALED};
use crate::ground::{self, SMALLER, SOCKETS, UNACCEPTED};
use crate::listing::{CPU_GOAL, applet, contender, floor};
use crate::report::{Goal, Measure};
use crate::scratch::Scratch;

/// tcptrack with a small load, in CPU time, because the ticks have a fixed rate.
pub fn watched(scratch: &Scratch) -> Race {
    let argv = ["tcptrack", "--fast", "--count", "10"];
    Race {
        id: "R10",
        title: "tcptrack --fast --count 10, 18,000 sockets: CPU ms".into(),
        ours: Contender { cost: Cost::Cpu, ..applet(scratch, &argv, answer::lines) },
        peers: Vec::new(),
        floor: None,
        goals: vec![CPU_GOAL],
    }
}

/// Namespaces without sockets.
pub fn spread(scratch: &Scratch) -> Race {
    Race {
        id: "R11",
        title: "tcpstates --netns all, 300 idle namespaces beside 180,000 sockets".into(),
        ours: applet(scratch, &["tcpstates", "--netns", "all"], answer::namespaces),
        peers: Vec::new(),
        floor: None,
        goals: vec![Goal::one("≤ 0.05 × before", &[BEFORE], 0.05), CPU_GOAL],
    }
}

/// Namespaces that connbox must search, because each has a listener.
pub fn listening(scratch: &Scratch) -> Race {
    Race {
        title: "tcpstates --netns all, 300 namespaces with a listener beside 180,000 sockets"
            .into(),
        goals: vec![Goal::one("≤ 0.60 × before", &[BEFORE], 0.6), CPU_GOAL],
        ..spread(scratch)
    }
}

/// Sockets by owner. lsof shows only sockets that a process holds.
pub fn owned(scratch: &Scratch) -> Race {
    let lsof = contender("lsof", &["lsof", "-nP", "+c0", "-iTCP"], answer::processes_of_lsof);
    let held = (SOCKETS - UNACCEPTED) / 1000;
    Race {
        id: "R12",
        title: format!("conncount --by process, 180,000 sockets, {held},000 descriptors"),
        ours: applet(scratch, &["conncount", "--by", "process"], answer::groups),
        peers: vec![
            contender("ss -tanp", &["ss", "-tanpH"], answer::processes_of_ss),
            lsof.against(answer::held),
        ],
        floor: None,
        goals: vec![Goal::one("≤ 0.60 × before", &[BEFORE], 0.6), CPU_GOAL],
    }
}

/// As many sockets as the memory holds, compared with connbox itself at 180,000.
pub fn many(scratch: &Scratch) -> Vec<Race> {
    let count = ground::many();
    let by_raddr = ["conncount", "--by", "raddr", "--state", "established"];
    let tcpstates = Race {
        id: "R13",
        title: format!("tcpstates, {count} sockets"),
        ours: applet(scratch, &["tcpstates"], answer::states),
        peers: Vec::new(),
        floor: Some(floor(scratch, &["states"], Some(answer::states))),
        goals: many_goals(),
    };
    let conncount = Race {
        id: "R13",
        title: format!("conncount --by raddr --state established, {count} sockets, 20,000 peers"),
        ours: applet(scratch, &by_raddr, answer::groups),
        peers: Vec::new(),
        floor: Some(floor(scratch, &["full"], Some(answer::sum)).against(answer::sum)),
        goals: many_goals(),
    };
    let scale = count as f64 / SOCKETS as f64;
    let with_smaller = |mut race: Race| {
        let smaller = race.ours.changed(SCALED, String::clone);
        race.peers.push(Contender { parse: None, within: Some(SMALLER), scale, ..smaller });
        race
    };
    [tcpstates, conncount].map(with_smaller).into()
}

/// Time may grow with the number of sockets, memory only with the number of groups.
fn many_goals() -> Vec<Goal> {
    const MEMORY: Goal = Goal {
        measure: Measure::Peak,
        ..Goal::new("peak RSS ≤ 1.1 × that at 180,000", "its peak at 180,000", &[SCALED], 1.1)
    };
    let time =
        Goal::new("time per socket ≤ 1.3 × that at 180,000", "its time at 180,000", &[SCALED], 1.3);
    vec![time, MEMORY]
}
