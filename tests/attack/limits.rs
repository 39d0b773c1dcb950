//! Runs without descriptors, memory, processes, room for files or standard streams: the right answer, or a message.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::part::Part;
use super::random::Random;
use super::sys;
use super::trial::{Ended, connbox, run, try_run};
use crate::support::world;
use crate::world::sys::{become_user, before_exec};

/// Answers that depend on files only: they are right, or not given. `R` is a saved kernel, `C` one
/// with flows, `B` a table of 5,000
/// sockets in which every socket is another group.
const FIXED: [&str; 12] = [
    "tcpstates --root R",
    "tcpstates --from B",
    "conncount --root R --transport",
    "conncount --root R -t -u --by proto,state,raddr",
    "conncount --from B -t --by raddr,rport --json",
    "conncount --from B -t --by state --threads 8",
    "closedcalc --root R",
    "sockstat --root R --prom",
    "snmpget-tcp --root R --all --oid",
    "network-connections --root R",
    "tcptrack -T R/pcap/mixed-v4-v6.pcap",
    "conntrack -S --root C",
];
/// Answers of the running kernel.
const LIVE: [&str; 11] = [
    "tcpstates",
    "tcpstates --netns all",
    "conncount",
    "conncount -t --by process,service --threads 8",
    "closedcalc --by process",
    "network-connections",
    "sockstat --netns all",
    "tcptrack --once",
    "tcptrack --once --by process",
    "conntrack -L",
    "conntrackd -s --socket /nonexistent/s",
];

/// A limit, or standard descriptors that are closed.
#[derive(Clone, Copy, Debug)]
enum Limit {
    OpenFiles(u64),
    AddressSpace(u64),
    Data(u64),
    FileSize(u64),
    /// For an ordinary user: root has no such limit.
    Processes(u64),
    /// The bits of those that are closed.
    Closed(u8),
}

/// Below this, the kernel may not be able to start a program, or the program's allocator to serve it: it may end,
/// but only so.
const ROOM: u64 = 24 << 20;

impl Limit {
    fn any(random: &mut Random) -> Limit {
        match random.below(6) {
            0 => Limit::OpenFiles(3 + random.below(11) as u64),
            1 => Limit::AddressSpace((24 + random.below(160) as u64) << 18),
            2 => Limit::Data((1 + random.below(160) as u64) << 17),
            3 => Limit::FileSize(*random.one(&[0, 1, 100, 4096, 65_536])),
            4 => Limit::Processes(random.below(4) as u64),
            _ => Limit::Closed(1 + random.below(7) as u8),
        }
    }

    fn apply(self, command: &mut Command) {
        let set = |resource, most| {
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            setrlimit(resource, limit).map_err(Into::into)
        };
        before_exec(command, move || match self {
            Limit::OpenFiles(most) => set(Resource::Nofile, most),
            Limit::AddressSpace(most) => set(Resource::As, most),
            Limit::Data(most) => set(Resource::Data, most),
            Limit::FileSize(most) => set(Resource::Fsize, most),
            Limit::Processes(most) => become_user(65_534).and_then(|()| set(Resource::Nproc, most)),
            Limit::Closed(mask) => {
                sys::close_standard(mask);
                Ok(())
            }
        });
    }

    /// Whether a run may end for want of memory under this limit.
    fn is_tight(self) -> bool {
        matches!(self, Limit::AddressSpace(most) | Limit::Data(most) if most < ROOM)
    }

    /// Whether what the run writes arrives.
    fn is_silent(self) -> bool {
        matches!(self, Limit::FileSize(_) | Limit::Closed(_))
    }
}

/// A table of 5,000 different sockets.
fn big_table() -> String {
    let mut text = String::from(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    );
    for number in 0..5000u32 {
        let row = format!(
            "{number:4}: 0100007F:0050 {:08X}:{:04X} 01 00000000:00000000 00:00000000 00000000     0        0 {} 1 \
             0000000000000000 20 4 30 10 -1",
            number.swap_bytes() | 10,
            1024 + number % 60_000,
            100_000 + number
        );
        text += &format!("{row:<149}\n");
    }
    text
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn limits_of_the_system() {
    let part = Part::begin("limits", 8);
    let root = world("own-lab-6.18").display().to_string();
    let table = part.folder("tables").join("tcp");
    fs::write(&table, big_table()).unwrap();
    let made = world("made-conntrack");
    let words_of = |line: &str| -> Vec<OsString> {
        let word = |word: &str| match word.split_once('/') {
            None if word == "B" => table.clone().into(),
            None if word == "C" => made.clone().into(),
            None if word == "R" => root.clone().into(),
            Some(("R", file)) => format!("{root}/{file}").into(),
            _ => word.into(),
        };
        line.split(' ').map(word).collect()
    };
    let right: BTreeMap<&str, Ended> =
        FIXED.iter().map(|line| (*line, run(&mut connbox(words_of(line))))).collect();
    right.iter().for_each(|(line, ended)| assert_eq!(ended.status, Some(0), "{line}"));
    let (without_memory, unstarted) = (AtomicU64::new(0), AtomicU64::new(0));
    let kinds = Mutex::new(BTreeMap::<String, [u64; 2]>::new());
    part.in_parallel(|worker| {
        let folder = part.folder(worker);
        while let Some((case, mut random)) = part.next() {
            let is_fixed = !random.is_one_in(3);
            let line = if is_fixed { *random.one(&FIXED) } else { *random.one(&LIVE) };
            let limit = Limit::any(&mut random);
            let mut command = connbox(words_of(line));
            limit.apply(&mut command);
            // The kernel may not be able to start it.
            let Ok(ended) = try_run(command.current_dir(&folder)) else {
                unstarted.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let what = format!("{line} under {limit:?}");
            part.count(&ended, &what);
            let is_ended_by_limit = limit.is_tight() && is_out_of_memory(&ended);
            without_memory.fetch_add(u64::from(is_ended_by_limit), Ordering::Relaxed);
            let kind = format!("{limit:?}").split('(').next().unwrap().to_owned();
            kinds.lock().unwrap().entry(kind).or_default()[usize::from(ended.status != Some(0))] +=
                1;
            let check =
                if is_ended_by_limit { Ok(()) } else { check(&ended, limit, right.get(line)) };
            if let Err(why) = check {
                part.fault(case, &what, &why, None);
            }
        }
    });
    let kinds: Vec<_> = kinds
        .into_inner()
        .unwrap()
        .into_iter()
        .map(|(kind, [answers, refusals])| format!("{kind} {answers} answers, {refusals} refusals"))
        .collect();
    let (ended, unstarted) = (without_memory.into_inner(), unstarted.into_inner());
    part.end(&format!(
        "; {}; {ended} ended for want of memory, {unstarted} not started",
        kinds.join(", ")
    ));
}

/// The allocator said so, or the kernel could not load the program.
fn is_out_of_memory(ended: &Ended) -> bool {
    let is_start = ended.stdout.is_empty() && ended.stderr.is_empty();
    match ended.signal {
        Some(libc::SIGABRT) => ended.said().contains("memory allocation of"),
        Some(libc::SIGKILL | libc::SIGSEGV) => is_start,
        _ => false,
    }
}

fn check(ended: &Ended, limit: Limit, right: Option<&Ended>) -> Result<(), String> {
    if limit.is_silent() {
        // A message may have had no place to go.
        let is_quiet = ended.signal.is_none() && !ended.is_hung;
        let is_known = matches!(ended.status, Some(0..=3));
        let Ended { status, signal, .. } = ended;
        return if is_quiet && is_known {
            right_or_refused(ended, limit, right)
        } else {
            Err(format!("status {status:?}, signal {signal:?}: {}", ended.said()))
        };
    }
    ended.check(0)?;
    right_or_refused(ended, limit, right)
}

/// An answer that is given is whole, and the same as without the limit.
fn right_or_refused(ended: &Ended, limit: Limit, right: Option<&Ended>) -> Result<(), String> {
    let is_stdout_closed = matches!(limit, Limit::Closed(mask) if mask & 2 != 0);
    let Some(right) = right else { return Ok(()) };
    if is_stdout_closed {
        // A check writes its errors to standard output, and so cannot say this one but by its status.
        return if ended.status == Some(0) {
            Err("success, but standard output was closed".into())
        } else {
            Ok(())
        };
    }
    if ended.status == right.status && ended.stdout != right.stdout {
        let seen = String::from_utf8_lossy(&ended.stdout);
        return Err(format!(
            "the same status, but another answer: {seen:.600}\n  said: {}",
            ended.said()
        ));
    }
    Ok(())
}
