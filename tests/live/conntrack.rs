//! conntrack compared with Debian's conntrack on the same table: which flows a command line selects, its
//! output, and its errors.

mod flows;
mod kernel;
mod lines;
mod negation;
mod pairs;
mod rows;
use crate::support::needs;
use crate::world;

use flows::table;
use lines::{DIFFERENT, SAME};
use world::{Ran, Rights, World};

/// The words of a command line.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect()
}

/// The result of our conntrack.
fn ours(world: &World, line: &str) -> Ran {
    world.connbox(&[&["conntrack"], &words(line)[..]].concat())
}

/// The lines of a list, in order, without the numbers that change with time.
fn timeless(text: &str) -> Vec<String> {
    let timeless = |line: &str| {
        let line = match (line.split_once("<timeout>"), line.split_once("</timeout>")) {
            (Some((before, _)), Some((_, after))) => [before, after].concat(),
            _ => line.to_owned(),
        };
        let mut before = "";
        let mut kept = Vec::new();
        for word in line.split_ascii_whitespace() {
            let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
            // The timeout follows the protocol number, or its option.
            let is_after_protocol = !before.is_empty() && is_number(before) && kept.len() < 5;
            let is_timeout = is_number(word) && (is_after_protocol || before == "-t");
            before = word;
            if !is_timeout && !word.starts_with("delta-time=") {
                kept.push(word);
            }
        }
        kept.join(" ")
    };
    let mut lines: Vec<_> = text.lines().map(timeless).collect();
    lines.sort();
    lines
}

#[test]
fn the_counters_need_no_netlink() {
    let test = "the_counters_need_no_netlink";
    let Some(world) = table(test) else { return };
    let lines = ["-C", "-C --limits", "-C --json", "-S", "-S --json", "-S expect", "-C conntrack"];
    let refused = [libc::EPERM, libc::EACCES, libc::EAFNOSUPPORT, libc::ENOSYS]
        .map(|errno| Rights::without_netlink(test, errno));
    for rights in refused {
        let Some(rights) = rights else { return };
        for line in lines {
            let ran = world.connbox_as(rights, &[&["conntrack"], &words(line)[..]].concat());
            assert_eq!(ran.clean(), ours(&world, line).clean(), "{line}");
        }
    }
    // A shortage is no reason to read other sources.
    let Some(short) = Rights::without_netlink(test, libc::EMFILE) else { return };
    for line in lines {
        let ran = world.connbox_as(short, &[&["conntrack"], &words(line)[..]].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{line}");
        assert_eq!(ran.stderr, "conntrack: ctnetlink: Too many open files\n");
    }
}

#[test]
fn the_flow_that_is_named_must_have_the_id() {
    let Some(world) = table("the_flow_that_is_named_must_have_the_id") else { return };
    let tuple = "-G -s 10.0.0.1 -d 10.1.0.2 -p tcp --sport 1 --dport 443";
    let shown = ours(&world, &format!("{tuple} -o id")).stdout;
    let id: u32 = shown.trim().rsplit_once("id=").unwrap().1.parse().unwrap();
    for (id, status) in [(id, 0), (id.wrapping_add(1), 1)] {
        for line in [format!("{tuple} -i {id}"), format!("{tuple} --id={id} -o id")] {
            let (theirs, ours) = (world.ran("conntrack", &words(&line)), ours(&world, &line));
            assert_eq!((ours.status, theirs.status), (status, status), "{line}");
            assert_eq!(timeless(&ours.stdout), timeless(&theirs.stdout), "{line}");
        }
    }
}

/// Beyond some thousand flows, a thread receives them.
#[test]
fn a_long_table_is_read_to_its_end() {
    let Some(world) = table("a_long_table_is_read_to_its_end") else { return };
    let script = "seq 1 60 | while read -r host; do seq 1001 1100 | sed \"s/.*/-A -t 90000 -s 10.2.0.$host \
                  -d 10.3.0.1 -p udp --sport & --dport 53/\"; done | conntrack -R /dev/stdin 2>&1 | \
                  grep -c . ; conntrack -C";
    let count = world.ran("sh", &["-c", script]).stdout;
    let count: usize = count.lines().last().unwrap().parse().unwrap();
    assert!(count > 6000, "{count}");
    let theirs = timeless(&world.ran("conntrack", &["-L"]).stdout);
    let ran = ours(&world, "-L");
    assert_eq!((theirs.len(), timeless(&ran.stdout) == theirs), (count, true));
    assert!(ran.stderr.contains(&format!(" {count} flow entries have been shown")), "{ran:?}");
    assert_eq!(ours(&world, "-C -d 10.3.0.1 --by dport").stdout, "53\t6000\n");
    // The reader stops after one line.
    let connbox = env!("CARGO_BIN_EXE_connbox");
    let line = format!("({connbox} conntrack -L; echo $? >&2) | head -n 1 | wc -l");
    let ran = world.ran("sh", &["-c", &line]);
    assert_eq!((ran.stdout.trim(), ran.stderr.lines().last()), ("1", Some("0")), "{ran:?}");
}

#[test]
fn command_lines_mean_what_they_mean_to_debians_conntrack() {
    let Some(world) = table("command_lines_mean_what_they_mean_to_debians_conntrack") else {
        return;
    };
    let mut wrong = Vec::new();
    for line in SAME {
        let theirs = world.ran("conntrack", &words(line));
        let ours = ours(&world, line);
        let is_same = theirs.status == ours.status
            && timeless(&theirs.stdout) == timeless(&ours.stdout)
            && (theirs.status != 0 || theirs.stderr == ours.stderr);
        if !is_same {
            wrong.push(format!("{line}\n  theirs {theirs:?}\n  ours   {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_original_has_wrong_is_right_here() {
    let Some(world) = table("what_the_original_has_wrong_is_right_here") else { return };
    for (line, status, flows) in DIFFERENT {
        let ran = ours(&world, line);
        assert_eq!((ran.status, ran.stdout.lines().count()), (status, flows), "{line}: {ran:?}");
        let theirs = world.ran("conntrack", &words(line));
        let is_same = theirs.status == status && theirs.stdout.lines().count() == flows;
        assert!(!is_same, "{line}: there is no difference");
    }
}

#[test]
fn counting_counts_the_lines_of_the_list() {
    let Some(world) = table("counting_counts_the_lines_of_the_list") else { return };
    assert_eq!(ours(&world, "-C").clean(), format!("{}\n", flows::COUNT));
    // -a is no filter, and says so.
    let is_filter = |line: &&&str| {
        line.starts_with("-L -") && !["-o", " -a", "nat-r"].iter().any(|word| line.contains(word))
    };
    let all = SAME.iter().chain(DIFFERENT.iter().map(|(line, ..)| line));
    for line in all.filter(is_filter).step_by(3) {
        let list = ours(&world, line);
        if list.status != 0 {
            continue;
        }
        let count = ours(&world, &line.replacen("-L", "-C", 1)).clean();
        assert_eq!(count, format!("{}\n", list.stdout.lines().count()), "{line}");
        let groups = ours(&world, &format!("{line} --by proto,state,src/24,status --value"));
        let sum: usize = groups.clean().lines().map(|line| line.parse::<usize>().unwrap()).sum();
        assert_eq!(count, format!("{sum}\n"), "{line}");
    }
}

#[test]
fn what_changes_the_table_is_refused_and_changes_nothing() {
    let Some(world) = table("what_changes_the_table_is_refused_and_changes_nothing") else {
        return;
    };
    let flow = "-s 10.0.0.1 -d 10.1.0.2 -p tcp --sport 1 --dport 443";
    for letter in ["-D", "-I", "-U", "-A", "-F", "-R /dev/null", "-L -z", "--delete", "--flush"] {
        let ran = ours(&world, &format!("{letter} {flow}"));
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{letter}");
        assert!(ran.stderr.contains("connbox only reads"), "{letter}: {}", ran.stderr);
    }
    assert_eq!(ours(&world, "-C").clean(), format!("{}\n", flows::COUNT));
}

#[test]
fn the_counters_of_each_cpu_are_the_originals() {
    let Some(world) = table("the_counters_of_each_cpu_are_the_originals") else { return };
    let theirs = || Ok(world.tool("conntrack", &["-S"]));
    let (theirs, ours) = world::at_a_quiet_point(theirs, || ours(&world, "-S"));
    assert_eq!(ours.clean(), theirs);
    assert!(theirs.contains("insert="), "{theirs}");
}

#[test]
fn without_rights_there_are_counts_and_for_lists_the_reason() {
    let Some(world) = table("without_rights_there_are_counts_and_for_lists_the_reason") else {
        return;
    };
    let nobody =
        |line: &str| world.connbox_as(Rights::Nobody, &[&["conntrack"], &words(line)[..]].concat());
    for line in ["-C", "-C --limits --shell", "-C --json", "-S", "-S --tsv", "-S expect"] {
        assert_eq!(nobody(line).clean(), ours(&world, line).clean(), "{line}");
    }
    for line in [
        "-L",
        "-L --json",
        "-C -p tcp",
        "-C --by proto",
        "-L expect",
        "-G -p 50 -s 1.1.1.1 -d 2.2.2.2",
    ] {
        let ran = nobody(line);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{line}");
        assert!(ran.stderr.contains("(needs CAP_NET_ADMIN)"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn an_empty_table_says_why_it_may_be_empty() {
    let test = "an_empty_table_says_why_it_may_be_empty";
    if !needs(test, &["connection tracking"]) {
        return;
    }
    let Some(world) = World::quiet(test) else { return };
    let note = "conntrack: no flow is tracked: possibly no rule of this network namespace uses \
                connection tracking\n";
    for line in ["-L --tsv", "-L --json", "-C --by proto"] {
        let ran = ours(&world, line);
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", note), "{line}");
    }
    let shown = "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n";
    assert_eq!(ours(&world, "-L").stderr, [note, shown].concat());
    assert_eq!(ours(&world, "-L -p tcp").stderr, [note, shown].concat());
    for line in ["-C", "-C -p tcp"] {
        let ran = ours(&world, line);
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "0\n", note));
    }
    assert!(ours(&world, "-C --limits").stderr == note);
}
