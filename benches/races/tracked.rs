//! The races of connection tracking.

use std::env;

use crate::answer;
use crate::contest::{Contender, Cost, FLOOR, Race};
use crate::flows::ADDRESS;
use crate::listing::{CPU_GOAL, FLOOR_GOAL, applet, contender, floor};
use crate::report::Goal;
use crate::scratch::Scratch;

/// The number of new flows in R9, and their time in seconds.
const NEW_FLOWS: [&str; 2] = ["180000", "3"];

const COUNT: &str = "c[p == \"udp\" ? p : p \" \" s]++ } END { for (k in c) print k, c[k] }";

/// The races with a table of 200,000 flows.
pub fn listed(scratch: &Scratch) -> Vec<Race> {
    vec![list(scratch), list_from(scratch), by_proto_state(scratch)]
}

fn list(scratch: &Scratch) -> Race {
    Race {
        id: "R7",
        title: "conntrack -L, 200,000 flows".into(),
        ours: applet(scratch, &["conntrack", "-L"], answer::flows),
        peers: vec![
            contender("conntrack", &["conntrack", "-L"], answer::flows),
            contender("awk", &["awk", "{ print }", "/proc/net/nf_conntrack"], answer::flows),
        ],
        floor: Some(floor(scratch, &["flows"], Some(answer::sum)).against(answer::lines)),
        goals: vec![
            Goal::one("≤ 0.54 × conntrack", &["conntrack"], 0.54),
            Goal::one("≤ 1.05 × floor", &[FLOOR], 1.05),
            CPU_GOAL,
        ],
    }
}

fn list_from(scratch: &Scratch) -> Race {
    Race {
        id: "R8",
        title: "conntrack -L -s ADDR, 200,000 flows, 10 match".into(),
        ours: applet(scratch, &["conntrack", "-L", "-s", ADDRESS], answer::flows),
        peers: vec![contender("conntrack", &["conntrack", "-L", "-s", ADDRESS], answer::flows)],
        floor: Some(floor(scratch, &["flows", ADDRESS], Some(answer::sum)).against(answer::lines)),
        goals: vec![Goal::one("≤ 1/10 of conntrack", &["conntrack"], 0.1), FLOOR_GOAL],
    }
}

fn by_proto_state(scratch: &Scratch) -> Race {
    let listed = format!("conntrack -L 2>/dev/null | awk '{{ p = $1; s = $4; {COUNT}'");
    let file = format!("awk '{{ p = $3; s = $6; {COUNT}' /proc/net/nf_conntrack");
    Race {
        title: "conntrack -L --by proto,state, 200,000 flows".into(),
        ours: applet(
            scratch,
            &["conntrack", "-L", "--by", "proto,state", "--tsv"],
            answer::groups_of_flows,
        ),
        peers: vec![
            contender("conntrack+awk", &["sh", "-c", &listed], answer::groups_of_flows),
            contender("awk", &["sh", "-c", &file], answer::groups_of_flows),
        ],
        floor: Some(floor(scratch, &["flows"], Some(answer::sum)).against(answer::sum)),
        goals: vec![FLOOR_GOAL],
        ..list_from(scratch)
    }
}

/// The race of commands that watch new flows, in CPU time, because all run equally long.
pub fn watched(scratch: &Scratch) -> Vec<Race> {
    let watch = |watcher: Contender| {
        let this = env::current_exe().unwrap_or_default().display().to_string();
        let file = scratch.data.join("events").display().to_string();
        let [flows, seconds] = NEW_FLOWS.map(str::to_owned);
        let argv = [this, "--watch".to_owned(), flows, seconds, file];
        let argv = argv.into_iter().chain(watcher.argv).collect();
        Contender { argv, parse: None, cost: Cost::Told(answer::cost), ..watcher }
    };
    let new = ["conntrack", "-E", "-e", "NEW"];
    vec![Race {
        id: "R9",
        title: "conntrack -E, 180,000 new flows in 3 s: CPU ms".into(),
        ours: watch(applet(scratch, &new, answer::flows)),
        peers: vec![watch(contender("conntrack", &new, answer::flows))],
        floor: Some(watch(floor(scratch, &["events"], None))),
        goals: vec![Goal::one("≤ 1/2 of conntrack", &["conntrack"], 0.5)],
    }]
}
