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

/// A contender in a race of commands that read events, in CPU time, because all run equally long.
fn reading(scratch: &Scratch, [role, number, seconds]: [&str; 3], reader: Contender) -> Contender {
    let this = env::current_exe().unwrap_or_default().display().to_string();
    let file = scratch.data.join("events").display().to_string();
    let words = [role, number, seconds].map(str::to_owned);
    let argv = [vec![this], words.into(), vec![file], reader.argv].concat();
    Contender { argv, parse: None, cost: Cost::Told(answer::cost), ..reader }
}

/// The race of commands that tell which connections have ended. ss tells of both ends.
pub fn ended(scratch: &Scratch) -> Vec<Race> {
    let read = |reader| reading(scratch, ["--close", "200000", "10"], reader);
    vec![Race {
        id: "R14",
        title: "tcptrack --ended, 200,000 connections in 10 s: CPU ms".into(),
        ours: read(applet(scratch, &["tcptrack", "--ended"], answer::lines)),
        peers: vec![read(contender("ss -E", &["ss", "-E", "-tniO"], answer::lines))],
        floor: None,
        goals: vec![Goal::one("≤ 1/3 of ss -E", &["ss -E"], 1.0 / 3.0)],
    }]
}

/// The race of commands that export flows which have ended. Nobody listens at the port, and a rule drops the datagrams, so
/// that none is refused.
pub fn exported(scratch: &Scratch) -> Race {
    let this = env::current_exe().unwrap_or_default().display().to_string();
    let path = |name: &str| scratch.data.join(name).display().to_string();
    let socket = path("conntrackd.sock");
    let daemon = ["conntrackd", "--foreground", "--socket", &socket];
    let exporting = |contender: Contender| {
        let watch = [this.as_str(), "--export", "3000000", "60"].map(str::to_owned);
        let argv = [watch.to_vec(), contender.argv].concat();
        Contender { argv, parse: None, cost: Cost::Told(answer::cost), ..contender }
    };
    let with = [&daemon[..], &["--ipfix", "127.0.0.1:4739"]].concat();
    let without = applet(scratch, &daemon, answer::lines);
    let (pid, control) = (path("softflowd.pid"), path("softflowd.ctl"));
    let softflowd = [
        "softflowd",
        "-d",
        "-i",
        "lo",
        "-v",
        "10",
        "-n",
        "127.0.0.1:4739",
        "-p",
        &pid,
        "-c",
        &control,
    ];
    Race {
        id: "R17",
        title: "conntrackd --ipfix, 50,000 flows that end per second for 60 s: CPU ms".into(),
        ours: exporting(applet(scratch, &with, answer::lines)),
        peers: vec![
            exporting(Contender { name: "without --ipfix", ..without }),
            exporting(contender("softflowd", &softflowd, answer::lines)),
        ],
        floor: None,
        goals: vec![
            Goal::one("≤ 1.25 × without", &["without --ipfix"], 1.25),
            Goal::one("≤ 1/2 of softflowd", &["softflowd"], 0.5),
        ],
    }
}

/// The race over a saved list of flows.
pub fn saved(scratch: &Scratch, saved: &str) -> Race {
    let script = format!("{{ p = $1; s = $4; {COUNT}");
    let ours = ["conntrack", "-C", "--from", saved, "--by", "proto,state", "--tsv"];
    Race {
        id: "R16",
        title: "conntrack -C --from --by proto,state, 1,000,000 lines".into(),
        ours: applet(scratch, &ours, answer::groups_of_flows),
        peers: vec![contender("mawk", &["mawk", &script, saved], answer::groups_of_flows)],
        floor: Some(Contender::new(FLOOR, ["wc", "-l", saved].map(str::to_owned).to_vec())),
        goals: vec![Goal::one("≤ 1/3 of mawk", &["mawk"], 1.0 / 3.0)],
    }
}

/// The race of commands that watch new flows.
pub fn watched(scratch: &Scratch) -> Vec<Race> {
    let [flows, seconds] = NEW_FLOWS;
    let watch = |watcher| reading(scratch, ["--watch", flows, seconds], watcher);
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
