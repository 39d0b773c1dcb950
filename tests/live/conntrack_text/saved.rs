//! What conntrack prints in any form, read back with --from: the groups are those of the running kernel.

use std::fs;
use std::path::PathBuf;

use super::both::Bench;
use crate::support::lacks;
use crate::world::at_a_quiet_point;

/// The keys that every form answers.
const KEYS: &str = "proto,state,family,src/24/64,dst,reply_src,reply_dst,sport,dport,reply_sport,reply_dport,zone,\
                    orig_zone,reply_zone,status";

/// A saved text, removed with the value.
struct Text(PathBuf);

impl Text {
    fn of(test: &str, text: &str) -> Text {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("saved-{test}"));
        fs::write(&path, text).unwrap();
        Text(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn groups_of_every_saved_form_are_those_of_the_kernel() {
    let test = "groups_of_every_saved_form_are_those_of_the_kernel";
    let Some(bench) = Bench::new(test) else { return };
    for (form, more) in [
        ("", ",mark,helper"),
        ("extended", ",mark,helper"),
        ("id,labels", ",mark,helper,labels"),
        ("extended,ktimestamp,timestamp,labels", ",mark,helper,labels"),
        ("xml", ",mark,helper"),
        ("xml,labels,ktimestamp", ",mark,helper,labels"),
        ("save", ""),
    ] {
        let words: &[&str] = if form.is_empty() { &["-L"] } else { &["-L", "-o", form] };
        let keys = [KEYS, more].concat();
        let sums: &[&str] = if form == "save" { &[] } else { &["--sum", "packets,bytes"] };
        let count = [&["-C", "--by", &keys], sums].concat();
        for list in [Bench::theirs, Bench::ours] {
            let list = || Ok(list(&bench, words));
            let (text, live) = at_a_quiet_point(list, || bench.ours(&count));
            assert!(live.stdout.lines().count() > 90, "{form}: {}", live.stderr);
            // As 2>&1 saves it; Debian's program has no name for this state.
            let stdout = text.stdout.replace("(null)", "HEARTBEAT_SENT");
            let text = Text::of(test, &[text.stderr, stdout].concat());
            let from = bench.ours(&[&count[..], &["--from", text.path()]].concat());
            // No text shows a label without a name.
            let live = live.stdout.replace("\t77\t", "\t-\t");
            assert_eq!(
                (differences(&from.stdout, &live, form), from.status),
                (vec![], 0),
                "{}",
                from.stderr
            );
        }
    }
}

#[test]
fn groups_of_the_kernels_file_are_those_of_netlink() {
    let test = "groups_of_the_kernels_file_are_those_of_netlink";
    let Some(bench) = Bench::new(test) else { return };
    let count = ["-C", "--by", &[KEYS, ",mark"].concat()];
    let file = || Ok(bench.router.ran("cat", &["/proc/net/nf_conntrack"]));
    let (file, live) = at_a_quiet_point(file, || bench.ours(&count));
    if file.status != 0 {
        return lacks(test, "connection tracking", "there is no /proc/net/nf_conntrack");
    }
    let text = Text::of(test, &file.stdout);
    let from = bench.ours(&[&count[..], &["--from", text.path()]].concat());
    assert_eq!(
        (differences(&from.stdout, &live.stdout, "/proc"), from.status),
        (vec![], 0),
        "{}",
        from.stderr
    );
}

/// A list in one form becomes the list in another, as the tool would have printed it.
#[test]
fn a_saved_list_becomes_every_other_form() {
    let test = "a_saved_list_becomes_every_other_form";
    let Some(bench) = Bench::new(test) else { return };
    for (saved, wanted) in [
        ("id", "xml"),
        ("id,labels", "xml,labels"),
        ("extended,id", ""),
        ("id,labels", "extended,labels"),
        ("id", "save"),
        ("xml,labels", "id,labels"),
    ] {
        let words =
            |form: &'static str| if form.is_empty() { vec!["-L"] } else { vec!["-L", "-o", form] };
        let saves = || Ok(bench.ours(&words(saved)).stdout);
        let (text, live) = at_a_quiet_point(saves, || bench.ours(&words(wanted)));
        let text = Text::of(test, &text);
        let from = bench.ours(&[&words(wanted)[..], &["--from", text.path()]].concat());
        let [from, live] = [from, live]
            .map(|ran| ran.stdout.lines().map(|line| told(line, saved) + "\n").collect::<String>());
        assert_eq!(differences(&from, &live, wanted), Vec::<String>::new(), "{saved}");
    }
}

#[test]
fn expectations_come_back_from_their_text() {
    let test = "expectations_come_back_from_their_text";
    let Some(bench) = Bench::new(test) else { return };
    let words = ["-L", "expect"];
    let both = || Ok((bench.theirs(&words), bench.ours(&words)));
    let ((theirs, ours), live) = at_a_quiet_point(both, || bench.ours(&words));
    assert!(live.stdout.lines().count() > 1, "{}", live.stderr);
    for text in [theirs, ours] {
        let saved = Text::of(test, &[text.stderr, text.stdout.clone()].concat());
        let from = bench.ours(&["-L", "expect", "--from", saved.path()]);
        assert_eq!((from.stdout, from.status), (text.stdout, 0), "{}", from.stderr);
    }
}

/// A line without what the saved form does not hold: XML has no fields of ICMP, and lines have neither all of the
/// status nor the tags of SCTP.
fn told(line: &str, saved: &str) -> String {
    let is_icmp = line.starts_with("icmp") && saved.starts_with("xml");
    let is_lost = |word: &&str| {
        is_icmp && ["type=", "code=", "id="].iter().any(|lost| word.starts_with(lost))
    };
    let line = line.split(" --orig-vtag ").next().unwrap();
    let line = line
        .replace("EXPECTED,", "")
        .replace(",FIXED_TIMEOUT", "")
        .replace("FIXED_TIMEOUT", "UNSET");
    // This flow was inserted with an answer from elsewhere, but without a translation.
    let line = line.replace(" -q 9.9.9.9", " -n 9.9.9.9");
    line.split(' ').filter(|word| !is_lost(word)).collect::<Vec<_>>().join(" ")
}

/// The lines that only one of two texts has, each with where it comes from.
fn differences(from: &str, live: &str, form: &str) -> Vec<String> {
    let only = |name: &str, one: &str, other: &str| {
        let lines = one.lines().filter(|line| !other.lines().any(|known| known == *line));
        lines.map(|line| format!("{form}: {name}: {line}")).collect::<Vec<_>>()
    };
    let mut all = only("saved", from, live);
    all.extend(only("live", live, from));
    if all.is_empty() && from.len() != live.len() {
        all.push(format!("{form}: {} and {} bytes", from.len(), live.len()));
    }
    all
}
