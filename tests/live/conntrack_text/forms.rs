//! Every combination of the values of `-o`, for flows and for expectations.

use super::both::{Bench, Form, corrected};
use crate::world::at_a_quiet_point;

#[test]
fn every_form_is_that_of_debians_conntrack() {
    let Some(bench) = Bench::new("every_form_is_that_of_debians_conntrack") else { return };
    let options = ["extended", "id", "timestamp", "ktimestamp", "labels", "xml"];
    let all = (1_u32 << options.len()) - 1;
    for set in (0..=all).filter(|set| set.count_ones() <= 2 || *set == all) {
        let chosen = options.iter().enumerate().filter(|(place, _)| set >> place & 1 != 0);
        let chosen: Vec<_> = chosen.map(|(_, option)| *option).collect();
        let list = chosen.join(",");
        let words: &[&str] = if set == 0 { &["-L"] } else { &["-L", "-o", &list] };
        let form = if chosen.contains(&"xml") { Form::Xml } else { Form::Line };
        assert!(bench.same(words, form).lines().count() > 90);
    }
}

/// Times are shown in the user's time zone, given by a rule and by a file of tzdata.
#[test]
fn times_are_those_of_the_users_time_zone() {
    let Some(bench) = Bench::new("times_are_those_of_the_users_time_zone") else { return };
    let mut seen = Vec::new();
    for tz in ["<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "Pacific/Kiritimati", ":", "UTC"] {
        let (theirs, ours) = bench.both_in(tz, &["-L", "-p", "tcp", "-o", "ktimestamp"]);
        assert_eq!((theirs.status, theirs.stderr), (ours.status, ours.stderr));
        assert_eq!(theirs.stdout, ours.stdout, "{tz}");
        // Only the dates are compared: timeouts decrease meanwhile.
        let dates = ours.stdout.split(" [start=").skip(1);
        let mut dates: Vec<_> =
            dates.filter_map(|rest| Some(rest.split_once(']')?.0.to_owned())).collect();
        dates.sort();
        assert!(!dates.is_empty(), "{}", ours.stdout);
        seen.push(dates);
    }
    assert!(seen[0] != seen[2] && seen[2] == seen[3]);
}

/// What conntrack prints to save a table lacks the marks, which its other lines of the same flows have.
#[test]
fn what_is_saved_is_what_debians_conntrack_saves_and_the_mark() {
    let test = "what_is_saved_is_what_debians_conntrack_saves_and_the_mark";
    let Some(bench) = Bench::new(test) else { return };
    let both = || Ok((bench.theirs(&["-L"]).stdout, bench.theirs(&["-L", "-o", "save"])));
    let ((lines, theirs), ours) = at_a_quiet_point(both, || bench.ours(&["-L", "-o", "save"]));
    assert_eq!((theirs.status, theirs.stderr), (ours.status, ours.stderr));
    let (theirs, ours) = (theirs.stdout, ours.stdout);
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

/// Debian's conntrack restores the table that ours has saved, including marks.
#[test]
fn debians_conntrack_loads_what_is_saved() {
    let Some(bench) = Bench::new("debians_conntrack_loads_what_is_saved") else { return };
    // A packet that comes between the flush and the restore makes a flow of its own.
    let mut tries = (0..4).map(|_| saved_and_loaded(&bench));
    if !tries.any(|(saved, loaded)| saved == loaded) {
        let (saved, loaded) = saved_and_loaded(&bench);
        assert_eq!(saved, loaded);
    }
}

/// What ours saves, and what it saves again after Debian's conntrack has restored that into an empty table.
fn saved_and_loaded(bench: &Bench) -> (Vec<String>, Vec<String>) {
    let words = ["-L", "-p", "tcp", "-f", "ipv4", "-o", "save"];
    // Neither program can create a flow that was expected.
    let is_made = |line: &&str| !line.contains("EXPECTED");
    let saved = bench.ours(&words).clean_but_for_the_trailer();
    let saved: String = saved.lines().filter(is_made).flat_map(|line| [line, "\n"]).collect();
    let file = std::env::temp_dir().join(format!("connbox-saved-{}", std::process::id()));
    std::fs::write(&file, &saved).unwrap();
    bench.theirs(&["-F"]);
    let loaded = bench.theirs(&["-R", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(loaded.status, 0, "{}", loaded.stderr);
    let sorted = |text: &str| {
        // Timeouts decrease meanwhile.
        let line = |line: &str| {
            let words = line.split(' ').enumerate();
            let words = words.filter(|(place, _)| *place != 2).map(|(_, word)| word);
            words.collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<_> = text.lines().map(line).collect();
        lines.sort();
        lines
    };
    (sorted(&saved), sorted(&bench.ours(&words).clean_but_for_the_trailer()))
}

#[test]
fn expectations_are_those_of_debians_conntrack() {
    let Some(bench) = Bench::new("expectations_are_those_of_debians_conntrack") else { return };
    for family in ["ipv4", "ipv6"] {
        for options in ["extended,id", "ktimestamp,labels", "xml", "xml,timestamp", "save"] {
            let words = ["-L", "expect", "-f", family, "-o", options];
            let text = bench.same(&words, Form::Line);
            assert!(text.contains("5002"), "{text}");
        }
    }
    // Without a family, the original shows those of IPv4 only.
    let listed = |words: &[&str]| {
        let (theirs, ours) = bench.both_in("UTC0", words);
        [theirs, ours].map(|ran| ran.stdout.lines().count())
    };
    let [v4, v6] = ["ipv4", "ipv6"].map(|family| listed(&["-L", "expect", "-f", family])[1]);
    assert!(v4 > 0 && v6 > 0, "{v4} {v6}");
    assert_eq!(listed(&["-L", "expect"]), [v4, v4 + v6]);
    assert_eq!(bench.ours(&["-C", "expect"]).stdout, format!("{}\n", v4 + v6));
    // Whatever the time is, some of these hours have one digit and some two.
    let mut digits = [false; 2];
    for hours in [0, 6, 12, 18] {
        let words = ["-L", "expect", "-f", "ipv4", "-o", "xml,timestamp"];
        let (theirs, ours) = bench.both_in(&format!("XXX+{hours}"), &words);
        assert_eq!((theirs.status, &theirs.stdout), (ours.status, &ours.stdout), "{hours}");
        let (_, hour) = ours.stdout.split_once("<hour>").unwrap();
        digits[hour.find('<').unwrap() - 1] = true;
    }
    assert_eq!(digits, [true; 2]);
}

#[test]
fn counts_and_single_flows_are_those_of_debians_conntrack() {
    let test = "counts_and_single_flows_are_those_of_debians_conntrack";
    let Some(bench) = Bench::new(test) else { return };
    bench.same(&["-C"], Form::Line);
    for words in [
        "-G -p tcp -s 10.1.0.50 -d 10.2.0.50 --sport 1004 --dport 80 -o id,extended",
        "-G -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 5 --dport 6",
        "-G -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 5 --dport 6 -o xml",
        "-G -p tcp -s fd01::50 -d fd02::50 --sport 1005 --dport 80",
        "-L dying",
        "-L unconfirmed",
        "-L -p tcp --state SYN_SENT -o xml",
        "-L -s 192.0.2.1 -o xml",
        "-L expect -f ipv4",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let form = if words.ends_with(&["xml"]) { Form::Xml } else { Form::Line };
        bench.same(&words, form);
    }
}
