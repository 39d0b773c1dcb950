//! The text of flows on a router, byte for byte against Debian's conntrack on the same table, but for what
//! `connbox::applet::flow::DIFFERENCES` lists: every combination of what `-o` takes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::fs;
use std::path::{Path, PathBuf};

use connbox::applet::flow::{self, Parts};
use connbox::model::{Flow, SCTP_STATES, TCP_STATES};
use connbox::source::conntrack::{Table, flows};
use connbox::source::expectations::expectations;
use connbox::source::labels::Labels;
use connbox::sys::Netlink;
use world::{Ran, Router, World, at_a_quiet_point};

/// The names of the labels that the router sets, but for 77.
const LABELS: &str = "1 one\n3 three of them\n127 last\n";

/// A directory to stand for /etc, with names of labels; removed with the value.
struct Etc(PathBuf);

impl Etc {
    fn new(test: &str) -> Etc {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("etc-{test}"));
        fs::create_dir_all(path.join("xtables")).unwrap();
        fs::write(path.join("xtables/connlabel.conf"), LABELS).unwrap();
        Etc(path)
    }

    /// What a program answers in the router's namespace, where this directory is /etc.
    fn ran(&self, router: &Router, program: &str, words: &[&str]) -> Ran {
        let mount = ["-m", "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""];
        let command = [self.0.to_str().unwrap(), program];
        router.ran("unshare", &[&mount[..], &command, words].concat())
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What Debian's conntrack prints, and that it counts as many as there are.
fn theirs(etc: &Etc, router: &Router, words: &[&str]) -> Result<String, String> {
    let Ran { status, stdout, stderr } = etc.ran(router, "conntrack", words);
    assert_eq!(status, 0, "{words:?}: {stderr}");
    let is_entry = |line: &&str| !line.starts_with("<?") && !line.ends_with("conntrack>");
    let count = stdout.lines().filter(is_entry).count();
    assert!(stderr.contains(&format!(": {count} flow entries have been shown.")), "{stderr}");
    Ok(stdout)
}

/// What we print of the same table.
fn ours(router: &Router, parts: &Parts<'_>, form: Form) -> String {
    router.inside(|| {
        let mut text = Vec::new();
        flows(&mut Netlink::netfilter().unwrap(), Table::Tracked, 0, &[], |flow| {
            match form {
                Form::Line => flow::line(&mut text, flow, parts),
                Form::Xml => flow::xml(&mut text, flow, parts, None),
                Form::Save => flow::save(&mut text, flow, None),
            }
            text.push(b'\n');
        })
        .unwrap();
        let text = String::from_utf8(text).unwrap();
        match form {
            Form::Xml => [flow::XML_HEAD, &text, flow::XML_TAIL].concat(),
            _ => text,
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Line,
    Xml,
    Save,
}

/// A line of conntrack without what it has wrong.
fn corrected(line: &str, form: Form) -> String {
    let is = |name: &str| line.starts_with(name) || line.contains(&format!(" {name} "));
    match form {
        Form::Line if is("dccp") => line.replace(" sport=0 dport=0", ""),
        Form::Line if line.ends_with(" labels") => format!("{line}="),
        Form::Xml if line.contains("protoname=\"dccp\"") => {
            line.replace("<sport>0</sport><dport>0</dport>", "")
        }
        Form::Xml if line.contains("protoname=\"sctp\"") => {
            let (before, rest) = line.split_once("<state>").unwrap();
            let (state, after) = rest.split_once('<').unwrap();
            let number = TCP_STATES.iter().position(|name| *name == state).unwrap();
            format!("{before}<state>{}<{after}", SCTP_STATES[number])
        }
        Form::Save => line.replace("--state (null)", "--state HEARTBEAT_SENT"),
        _ => line.to_owned(),
    }
}

/// Compares what both print with `options`, line by line and in order.
fn compare(etc: &Etc, router: &Router, options: &[&str], form: Form) -> usize {
    let names = Labels::of(LABELS.as_bytes());
    let list = options.join(",");
    let words: &[&str] = if list.is_empty() { &["-L"] } else { &["-L", "-o", &list] };
    let (theirs, ours) = at_a_quiet_point(
        || theirs(etc, router, words),
        || {
            let now = u64::try_from(connbox::sys::unix_milliseconds()).unwrap() / 1000;
            let has = |option| options.contains(&option);
            let parts = Parts {
                extended: has("extended"),
                id: has("id"),
                ktimestamp: has("ktimestamp"),
                labels: has("labels").then_some(&names),
                when_seconds: has("timestamp").then_some(now),
                now_seconds: now,
            };
            ours(router, &parts, form)
        },
    );
    assert_eq!(theirs.lines().count(), ours.lines().count(), "{list}");
    for (theirs, ours) in theirs.lines().zip(ours.lines()) {
        assert_eq!(corrected(theirs, form), ours, "{list}");
    }
    ours.lines().count()
}

#[test]
fn every_form_is_that_of_debians_conntrack() {
    let test = "every_form_is_that_of_debians_conntrack";
    let Some(router) = World::router(test) else { return };
    let etc = Etc::new(test);
    let options = ["extended", "id", "timestamp", "ktimestamp", "labels", "xml"];
    for set in 0..1_u32 << options.len() {
        let chosen = options.iter().enumerate().filter(|(place, _)| set >> place & 1 != 0);
        let chosen: Vec<_> = chosen.map(|(_, option)| *option).collect();
        let form = if chosen.contains(&"xml") { Form::Xml } else { Form::Line };
        assert!(compare(&etc, &router, &chosen, form) > 90);
    }
}

/// What conntrack prints to save a table lacks the marks, which are in its lines of the same flows.
#[test]
fn what_is_saved_is_what_debians_conntrack_saves_and_the_mark() {
    let test = "what_is_saved_is_what_debians_conntrack_saves_and_the_mark";
    let Some(router) = World::router(test) else { return };
    let etc = Etc::new(test);
    let both = || {
        let lines = theirs(&etc, &router, &["-L"])?;
        Ok((lines, theirs(&etc, &router, &["-L", "-o", "save"])?))
    };
    let ((lines, theirs), ours) =
        at_a_quiet_point(both, || ours(&router, &Parts::default(), Form::Save));
    assert_eq!(theirs.lines().count(), ours.lines().count());
    let mut marks = 0;
    for ((line, theirs), ours) in lines.lines().zip(theirs.lines()).zip(ours.lines()) {
        let mark = line.split(' ').find_map(|word| word.strip_prefix("mark=")).unwrap();
        let theirs = corrected(theirs, Form::Save);
        let (head, options) = theirs.split_once(" -u ").unwrap();
        let (flags, rest) = options.split_once(' ').unwrap();
        let with_mark = match mark {
            "0" => theirs.clone(),
            mark => format!("{head} -u {flags} -m {mark} {rest}"),
        };
        marks += usize::from(mark != "0");
        assert_eq!(with_mark, ours);
    }
    assert!(marks >= 6, "{marks}");
    // The expected data connection of FTP.
    assert!(ours.contains("-u EXPECTED,SEEN_REPLY,ASSURED "), "{ours}");
}

#[test]
fn expectations_are_those_of_debians_conntrack() {
    let test = "expectations_are_those_of_debians_conntrack";
    let Some(router) = World::router(test) else { return };
    let written = |family, is_xml| {
        router.inside(|| {
            let mut text = Vec::new();
            expectations(&mut Netlink::netfilter().unwrap(), family, |expectation| {
                let parts = Parts::default();
                match is_xml {
                    true => flow::expectation_xml(&mut text, expectation, &parts, None),
                    false => flow::expectation_line(&mut text, expectation),
                }
                text.push(b'\n');
            })
            .unwrap();
            let text = String::from_utf8(text).unwrap();
            match is_xml {
                true => [flow::XML_EXPECT_HEAD, &text, flow::XML_EXPECT_TAIL].concat(),
                false => text,
            }
        })
    };
    for (family, name) in [(2, "ipv4"), (10, "ipv6")] {
        for (is_xml, form) in [(false, "extended,id"), (true, "xml")] {
            let words = ["-L", "expect", "-f", name, "-o", form];
            let theirs = || {
                let Ran { status, stdout, stderr } = router.ran("conntrack", &words);
                assert_eq!(status, 0, "{stderr}");
                Ok(stdout)
            };
            let (theirs, ours) = at_a_quiet_point(theirs, || written(family, is_xml));
            assert_eq!(theirs, ours);
            assert!(theirs.contains("5002"), "{theirs}");
        }
    }
}

/// What the flows of the router are to show, for all tests that use it.
#[test]
fn the_router_has_flows_of_every_kind() {
    let Some(router) = World::router("the_router_has_flows_of_every_kind") else { return };
    let seen = router.inside(|| {
        let mut seen = Vec::new();
        flows(&mut Netlink::netfilter().unwrap(), Table::Tracked, 0, &[], |flow: &Flow<'_>| {
            let name = Flow::protocol_name(flow.orig.protocol).unwrap_or("unknown");
            seen.push(format!("{} {name} {}", flow.family, flow.state_name().unwrap_or("-")));
            seen.extend(flow.helper.map(|_| format!("{} helper", flow.family)));
            seen.extend(flow.zone.map(|_| format!("{} zone", flow.family)));
            seen.extend(flow.orig.zone.map(|_| format!("{} zone-orig", flow.family)));
            seen.extend(flow.reply.zone.map(|_| format!("{} zone-reply", flow.family)));
            seen.extend(flow.labels.map(|_| format!("{} labels", flow.family)));
            seen.extend(flow.start_nanoseconds.map(|_| format!("{} start", flow.family)));
            let (source, destination) =
                (flow.is_source_translated(), flow.is_destination_translated());
            seen.extend(source.then(|| format!("{} snat", flow.family)));
            seen.extend(destination.then(|| format!("{} dnat", flow.family)));
        })
        .unwrap();
        seen
    });
    let both = |what: &str| {
        for family in ["2", "10"] {
            let what = format!("{family} {what}");
            assert!(seen.contains(&what), "no {what}");
        }
    };
    TCP_STATES[1..].iter().for_each(|state| both(&format!("tcp {state}")));
    SCTP_STATES[1..9].iter().for_each(|state| both(&format!("sctp {state}")));
    for what in [
        "udp -",
        "gre -",
        "udplite -",
        "dccp -",
        "unknown -",
        "helper",
        "zone",
        "zone-orig",
        "zone-reply",
        "labels",
        "start",
        "snat",
        "dnat",
    ] {
        both(what);
    }
    assert!(seen.contains(&"2 icmp -".to_owned()) && seen.contains(&"10 icmpv6 -".to_owned()));
}
