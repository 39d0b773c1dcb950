//! What captures of all kinds have in common: their progress, and the headers before IP, here on an interface.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use super::around::{Around, steps, talk, tunnels};
use super::made::ethernet;
use super::rows::wait;
use super::support;
use super::terminal::{Terminal, has_tmux};
use crate::world::World;

#[test]
fn long_readings_show_their_progress_on_a_terminal_only() {
    const TEST: &str = "long_readings_show_their_progress_on_a_terminal_only";
    if !has_tmux(TEST) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let lab = support::world("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    let slowly =
        format!("(head -c 20000 {0}; sleep 1.5; tail -c +20001 {0}; sleep 2)", lab.display());
    let rows = std::env::temp_dir().join(format!("connbox-progress-{}", std::process::id()));
    let rows = rows.to_str().unwrap();
    let read = format!("{slowly} | {} tcptrack -T -", support::CONNBOX);
    let line = format!("{read} > {rows}; echo status $?; exec sleep 100");
    let terminal = Terminal::run(&world, (80, 24), &line);
    terminal.wait("progress", |lines| {
        lines[0].starts_with("0 MiB, ") && lines[0].ends_with(" connections")
    });
    // It leaves nothing behind.
    terminal.wait("the end", |lines| lines[0] == "status 0");
    let whole = world.connbox(&["tcptrack", "-T", lab.to_str().unwrap()]).clean();
    assert_eq!(std::fs::read_to_string(rows).unwrap(), whole);
    std::fs::remove_file(rows).unwrap();
    let silent = world.tool("sh", &["-c", &format!("{read} 2>&1")]);
    assert_eq!(silent, whole);
}

/// The frames of the conversation in all that may be around it, and in all tunnels; each has a client's port of its own.
fn conversations() -> [Vec<Vec<u8>>; 2] {
    let mut port = 40000u16;
    let mut with_port = |frames: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        port += 1;
        let [high, low] = port.to_be_bytes();
        let change = |mut frame: Vec<u8>| {
            let is_it = |ports: &[u8]| matches!(ports, [156, 64, 0, 80] | [0, 80, 156, 64]);
            let place = frame.windows(4).position(is_it).unwrap();
            let place = if frame[place] == 0 { place + 2 } else { place };
            frame[place..place + 2].copy_from_slice(&[high, low]);
            frame
        };
        frames.into_iter().map(change).collect()
    };
    let [mut stepped, mut inside] = [Vec::new(), Vec::new()];
    for is_ipv4 in [true, false] {
        for (_, around, _) in steps() {
            stepped.push(with_port(talk(is_ipv4, &around)));
        }
        for is_outer_ipv4 in [true, false] {
            for (_, around) in tunnels(is_outer_ipv4) {
                inside.push(with_port(talk(is_ipv4, &around)));
            }
        }
    }
    [stepped, inside].map(|all| all.concat())
}

#[test]
fn what_stands_before_ip_is_stepped_over_on_an_interface() {
    const TEST: &str = "what_stands_before_ip_is_stepped_over_on_an_interface";
    let Some(world) = World::quiet(TEST) else { return };
    world.veth("v0", "v1", None);
    ["v0", "v1"].iter().for_each(|name| world.set_up(name, true));
    let [stepped, inside] = conversations();
    let count = |frames: &[Vec<u8>]| frames.len() / 9;
    for interface in ["v0", "v1", "any"] {
        for (options, wanted) in [
            (&[][..], count(&stepped)),
            (&["tcp port 80"], count(&stepped)),
            (&["--decapsulate"], count(&stepped) + count(&inside)),
            (&["--decapsulate", "port 80"], count(&stepped) + count(&inside)),
        ] {
            let words = ["tcptrack", "-i", interface, "--rate-interval", "0.2", "-r", "60"];
            let (stdout, mut running) = world.connbox_running(&[&words[..], options].concat());
            // Not only made, but bound: the sixth column.
            let is_bound = |line: &str| line.split_ascii_whitespace().nth(5) == Some("1");
            wait("the capture", || world.proc_net("packet").lines().any(is_bound));
            let (mut seen, mut other) = (BTreeSet::new(), BTreeMap::new());
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            std::thread::scope(|scope| {
                // Rows are read meanwhile: a full pipe would keep tcptrack from showing those that end soon.
                scope.spawn(|| {
                    let frames = inside.iter().chain(&stepped).map(Vec::as_slice);
                    world.send_frames("v0", frames);
                });
                for line in BufReader::new(stdout).lines().map(Result::unwrap) {
                    let row: Vec<_> = line.split('\t').skip(1).collect();
                    if [row[4], row[8], row[9], row[11]] == ["CLOSED", "200", "100", "0"] {
                        seen.insert(row[1].to_owned());
                        other.remove(row[1]);
                    } else {
                        other.insert(row[1].to_owned(), line.clone());
                    }
                    if seen.len() >= wanted || std::time::Instant::now() > end {
                        break;
                    }
                }
            });
            assert_eq!(seen.len(), wanted, "{interface} {options:?}: {other:?}");
            running.end();
        }
    }
}

/// The kernel removes the tag of a VLAN before it hands a frame over: filters see it where it was.
#[test]
fn filters_see_the_tag_that_the_kernel_has_removed() {
    const TEST: &str = "filters_see_the_tag_that_the_kernel_has_removed";
    if !support::needs(TEST, &["ip"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    world.veth("v0", "v1", None);
    ["v0", "v1"].iter().for_each(|name| world.set_up(name, true));
    // Until then, what is sent is lost.
    let is_up = |name| world.tool("ip", &["-o", "link", "show", name]).contains("state UP");
    wait("the link", || is_up("v0") && is_up("v1"));
    let tag = |kind: u16, ip: &[u8]| {
        let frame = ethernet(kind, ip);
        [&frame[..12], &[0x81, 0, 0x60, 5], &frame[12..]].concat()
    };
    let around: Around = Box::new(tag);
    let frames = talk(true, &around);
    for (filter, is_met) in [
        ("ether[12:2] = 0x8100 and ether[14:2] & 0xfff = 5 and ether[16:2] = 0x800", true),
        ("vlan 5 and ether[14] >> 5 = 3 and ether[18] >> 4 = 4", true),
        ("ether[12:2] = 0x800 or vlan 6 or ether[14:2] = 5", false),
    ] {
        let options = "tcptrack -i v1 --rate-interval 0.2 -r 60 --count 9";
        let words: Vec<&str> = options.split(' ').chain([filter]).collect();
        let (stdout, mut running) = world.connbox_running(&words);
        let is_bound = |line: &str| line.split_ascii_whitespace().nth(5) == Some("1");
        wait("the capture", || world.proc_net("packet").lines().any(is_bound));
        world.send_frames("v0", frames.iter().map(Vec::as_slice));
        let mut totals: Vec<[String; 3]> = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            let fields: Vec<&str> = line.split('\t').collect();
            totals.push([5, 9, 10].map(|place| fields[place].to_owned()));
        }
        let wanted = is_met.then(|| ["CLOSED", "200", "100"].map(str::to_owned));
        assert_eq!(totals.pop(), wanted, "{filter}");
        assert_eq!(running.end(), 0);
    }
}
