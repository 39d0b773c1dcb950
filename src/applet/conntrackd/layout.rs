//! The layouts of `-s`, as conntrackd 1.4.7 prints them, to the byte.

use super::statistics::{Numbers, SANDBOX};

/// The topics of `-s`. In statistics mode conntrackd shows nothing for those of replication.
pub(super) const TOPICS: [&str; 9] =
    ["ct", "cache", "runtime", "network", "link", "rsqueue", "queue", "process", "expect"];

/// The topic that begins with `word`; the first one in conntrackd's order.
pub(super) fn topic(word: &str) -> Option<&'static str> {
    // The order in which conntrackd compares them.
    const ORDER: [&str; 9] =
        ["network", "cache", "runtime", "process", "link", "rsqueue", "queue", "ct", "expect"];
    ORDER.into_iter().find(|topic| topic.starts_with(word) && !word.is_empty())
}

type Get = fn(&Numbers) -> u64;

/// One piece of a layout: words, and a number right-aligned in a width.
type Piece = (&'static str, usize, Get);

const NONE: Get = |_| 0;
const ACTIVE: Get = |numbers| numbers.get("flows", "active");
const CREATED: Get = |numbers| numbers.get("flows", "created");
const FAILED: Get = |numbers| numbers.get("flows", "failed");
const UPDATED: Get = |numbers| numbers.get("flows", "updated");
const DESTROYED: Get = |numbers| numbers.get("flows", "destroyed");
const UNKNOWN: Get = |numbers| numbers.get("flows", "destroy_unknown");
const MALFORMED: Get = |numbers| numbers.get("events", "malformed");

const CT: [Piece; 9] = [
    ("cache stats:\ncurrent active connections:\t", 12, ACTIVE),
    ("\nconnections created:\t\t", 12, CREATED),
    ("\tfailed:\t", 12, FAILED),
    ("\nconnections updated:\t\t", 12, UPDATED),
    ("\tfailed:\t", 12, NONE),
    ("\nconnections destroyed:\t\t", 12, DESTROYED),
    ("\tfailed:\t", 12, UNKNOWN),
    ("\n\ntraffic processed:\n", 20, |numbers| sum(numbers, ["orig_bytes", "reply_bytes"])),
    (" Bytes      ", 20, |numbers| sum(numbers, ["orig_packets", "reply_packets"])),
];

fn sum(numbers: &Numbers, names: [&str; 2]) -> u64 {
    let [orig, reply] = names.map(|name| numbers.get("traffic", name));
    orig.saturating_add(reply)
}

const CACHE: [Piece; 13] = [
    ("cache:stats\tactive objects:\t\t", 12, ACTIVE),
    ("\n\tactive/total entries:\t\t", 12, ACTIVE),
    ("/", 12, ACTIVE),
    ("\n\tcreation OK/failed:\t\t", 12, CREATED),
    ("/", 12, FAILED),
    ("\n\t\tno memory available:\t", 12, NONE),
    ("\n\t\tno space left in cache:\t", 12, FAILED),
    ("\n\tupdate OK/failed:\t\t", 12, UPDATED),
    ("/", 12, NONE),
    ("\n\t\tentry not found:\t", 12, NONE),
    ("\n\tdeletion created/failed:\t", 12, DESTROYED),
    ("/", 12, UNKNOWN),
    ("\n\t\tentry not found:\t", 12, UNKNOWN),
];

const RUNTIME: [Piece; 16] = [
    ("\n\nnetlink stats:\n\tevents received:\t", 20, |numbers| numbers.get("events", "received")),
    ("\n\tevents filtered:\t", 20, |numbers| numbers.get("events", "filtered")),
    ("\n\tevents unknown type:\t\t", 12, |numbers| numbers.get("events", "unknown")),
    ("\n\tcatch event failed:\t\t", 12, MALFORMED),
    ("\n\tdump unknown type:\t\t", 12, NONE),
    ("\n\tnetlink overrun:\t\t", 12, |numbers| numbers.get("events", "overruns")),
    ("\n\tflush kernel table:\t\t", 12, NONE),
    ("\n\tresync with kernel table:\t", 12, |numbers| numbers.get("resync", "asked")),
    ("\n\tcurrent buffer size (in bytes):\t", 12, |numbers| {
        numbers.get("events", "buffer_asked_bytes")
    }),
    ("\n\nruntime stats:\n\tchild process failed:\t\t", 12, NONE),
    ("\n\t\tchild process segfault:\t", 12, NONE),
    ("\n\t\tchild process termsig:\t", 12, NONE),
    ("\n\tselect failed:\t\t\t", 12, NONE),
    ("\n\twait failed:\t\t\t", 12, NONE),
    ("\n\tlocal read failed:\t\t", 12, |numbers| numbers.get("clients", "dropped")),
    ("\n\tlocal unknown request:\t\t", 12, |numbers| numbers.get("clients", "bad_requests")),
];

const FOREIGN: Piece =
    ("\n\tforeign messages ignored:\t", 12, |numbers| numbers.get("events", "foreign"));

const IPFIX: [Piece; 4] = [
    ("\n\tIPFIX records sent:\t", 20, |numbers| numbers.get("ipfix", "records")),
    ("\n\tIPFIX records lost:\t", 20, |numbers| numbers.get("ipfix", "lost")),
    ("\n\tIPFIX records waiting:\t", 20, |numbers| numbers.get("ipfix", "waiting")),
    ("\n\tIPFIX collector failures:\t", 12, |numbers| numbers.get("ipfix", "failures")),
];

pub(super) fn text(topic: &str, numbers: &Numbers) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    match topic {
        "ct" => {
            pieces(&mut text, &CT, numbers);
            text.extend_from_slice(b" Pckts\n\n");
        }
        "cache" => {
            pieces(&mut text, &CACHE, numbers);
            text.extend_from_slice(b"\n\n");
        }
        "runtime" => {
            uptime(&mut text, numbers.get("daemon", "uptime_seconds"));
            pieces(&mut text, &RUNTIME, numbers);
            lacking(&mut text, numbers);
            // More lines of ours.
            if IPFIX.iter().any(|(_, _, get)| get(numbers) > 0) {
                pieces(&mut text, &IPFIX, numbers);
            }
            if numbers.get("events", "foreign") > 0 {
                pieces(&mut text, &[FOREIGN], numbers);
            }
            text.extend_from_slice(b"\n\n");
        }
        _ => {}
    }
    text
}

/// A line of ours, if the kernel lacks a part of the sandbox.
fn lacking(text: &mut Vec<u8>, numbers: &Numbers) {
    let parts = [
        ("capabilities", "dropped capabilities"),
        ("files", "Landlock"),
        ("ports", "Landlock for ports"),
        ("calls", "seccomp"),
    ];
    let lacks = parts.into_iter().filter(|(name, _)| numbers.get(SANDBOX, name) == 0);
    let names: Vec<&str> = lacks.map(|(_, name)| name).collect();
    if !names.is_empty() {
        text.extend_from_slice(b"\n\tsandbox without:\t\t");
        text.extend_from_slice(names.join(", ").as_bytes());
    }
}

fn pieces(text: &mut Vec<u8>, pieces: &[Piece], numbers: &Numbers) {
    for (words, places, get) in pieces {
        text.extend_from_slice(words.as_bytes());
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(get(numbers));
        text.resize(text.len() + places.saturating_sub(digits.len()), b' ');
        text.extend_from_slice(digits.as_bytes());
    }
}

/// `daemon uptime: 2 days 3 h 4 min`: leading zeros are skipped, except the minutes.
fn uptime(text: &mut Vec<u8>, seconds: u64) {
    text.extend_from_slice(b"daemon uptime:");
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let unit = if days == 1 { " day" } else { " days" };
    for (number, unit, is_shown) in
        [(days, unit, days > 0), (hours, " h", seconds >= 3600), (minutes, " min", true)]
    {
        if is_shown {
            text.push(b' ');
            text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            text.extend_from_slice(unit.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_be_abbreviated() {
        for (word, wanted) in [("cache", "cache"), ("c", "cache"), ("ct", "ct"), ("r", "runtime")] {
            assert_eq!(topic(word), Some(wanted));
        }
        assert!(TOPICS.into_iter().all(|word| topic(word) == Some(word)));
        assert_eq!([topic("bogus"), topic(""), topic("caches")], [None; 3]);
    }

    #[test]
    fn the_uptime_has_days_hours_and_minutes() {
        for (seconds, wanted) in [
            (59, "0 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (90_000, "1 day 1 h 0 min"),
            (2 * 86_400, "2 days 0 h 0 min"),
        ] {
            let mut text = Vec::new();
            uptime(&mut text, seconds);
            assert_eq!(String::from_utf8(text).unwrap(), format!("daemon uptime: {wanted}"));
        }
    }

    #[test]
    fn a_line_tells_what_the_kernel_lacks_for_the_sandbox() {
        let said = |parts: [u64; 4]| {
            let mut numbers = Numbers::default();
            let names = ["capabilities", "files", "ports", "calls"];
            names.iter().zip(parts).for_each(|(name, part)| numbers.set(SANDBOX, name, part));
            let text = String::from_utf8(text("runtime", &numbers)).unwrap();
            text.split_once("\tsandbox").map(|(_, line)| line.to_owned())
        };
        assert_eq!([said([1; 4]), said([u64::MAX; 4])], [None, None]);
        assert_eq!(said([1, 0, u64::MAX, 1]).unwrap(), " without:\t\tLandlock\n\n");
        assert_eq!(said([1, 1, 0, 1]).unwrap(), " without:\t\tLandlock for ports\n\n");
        assert_eq!(said([1, 0, u64::MAX, 0]).unwrap(), " without:\t\tLandlock, seccomp\n\n");
    }

    /// As conntrackd 1.4.7 printed it.
    #[test]
    fn the_layout_of_traffic_is_that_of_conntrackd() {
        let mut numbers = Numbers::default();
        numbers
            .set_all("flows", &[("active", 1), ("created", 6), ("updated", 26), ("destroyed", 5)]);
        numbers.set_all("traffic", &[("orig_bytes", 7000), ("reply_bytes", 680)]);
        numbers.set_all("traffic", &[("orig_packets", 25), ("reply_packets", 25)]);
        let wanted = "cache stats:\n\
            current active connections:\t           1\n\
            connections created:\t\t           6\tfailed:\t           0\n\
            connections updated:\t\t          26\tfailed:\t           0\n\
            connections destroyed:\t\t           5\tfailed:\t           0\n\n\
            traffic processed:\n                7680 Bytes                        50 Pckts\n\n";
        assert_eq!(String::from_utf8(text("ct", &numbers)).unwrap(), wanted);
    }
}
