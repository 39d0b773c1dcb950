//! Parses the answers of connbox and its peers into one form, to compare them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names and numbers; zeros are skipped, because some tools do not print them.
pub type Answer = BTreeMap<String, i64>;

/// Reads one tool's output.
pub type Parse = fn(&str) -> Answer;

/// The first difference in words, if there is one.
pub fn difference(own: &Answer, theirs: &Answer) -> Option<String> {
    if own.is_empty() && theirs.is_empty() {
        return Some("no numbers in either answer".to_owned());
    }
    let keys = own.keys().chain(theirs.keys());
    let number = |answer: &Answer, key: &String| answer.get(key).copied().unwrap_or(0);
    keys.map(|key| (key, number(own, key), number(theirs, key)))
        .find(|(_, ours, theirs)| ours != theirs)
        .map(|(key, ours, theirs)| format!("{key} is {theirs}, connbox says {ours}"))
}

fn collect<'a>(pairs: impl Iterator<Item = (String, &'a str)>) -> Answer {
    let numbers = pairs.filter_map(|(name, number)| Some((name, number.parse::<i64>().ok()?)));
    let mut answer = Answer::new();
    for (name, number) in numbers.filter(|(_, number)| *number != 0) {
        *answer.entry(name).or_insert(0) += number;
    }
    answer
}

/// The first two lines of `ss -s`: `Total: 11` and
/// `TCP:   11 (estab 10, closed 0, orphaned 0, timewait 0)`.
pub fn ss_summary(text: &str) -> Answer {
    let lines = text.lines().filter(|line| line.starts_with("Total:") || line.starts_with("TCP:"));
    let text: String = lines.flat_map(|line| [line, " "]).collect();
    let words: Vec<&str> =
        text.split([' ', '(', ')', ',', ':']).filter(|word| !word.is_empty()).collect();
    let pairs = words.chunks_exact(2);
    collect(pairs.filter_map(|pair| Some((pair.first()?.to_lowercase(), *pair.get(1)?))))
}

/// Rows of states in several namespaces: name, process, state, number. Only the bench's own namespaces
/// count, which their names show; they also count without a socket.
pub fn namespaces(text: &str) -> Answer {
    let rows = text.lines().map(|line| line.split('\t').collect::<Vec<&str>>());
    let ours: Vec<Vec<&str>> = rows
        .filter(|row| row.first().is_some_and(|name| name.starts_with(crate::netns::OURS)))
        .collect();
    let mut answer = collect(ours.iter().filter_map(|row| match row[..] {
        [name, _, state, number] => Some((format!("{name} {state}"), number)),
        _ => None,
    }));
    let names: BTreeSet<&str> = ours.iter().filter_map(|row| row.first().copied()).collect();
    answer.insert("namespaces".to_owned(), i64::try_from(names.len()).unwrap_or_default());
    answer
}

/// The rows of `ss -p`, counted by the name of the first process, as connbox does.
pub fn processes_of_ss(text: &str) -> Answer {
    let mut answer = Answer::new();
    for line in text.lines() {
        let name = line.split_once("users:((\"").and_then(|(_, rest)| rest.split('"').next());
        *answer.entry(name.unwrap_or("-").to_owned()).or_insert(0) += 1;
    }
    answer
}

/// The rows of lsof below its header, counted by their first word, the command.
pub fn processes_of_lsof(text: &str) -> Answer {
    let mut answer = Answer::new();
    for name in text.lines().skip(1).filter_map(|line| line.split(' ').next()) {
        *answer.entry(name.to_owned()).or_insert(0) += 1;
    }
    answer
}

/// Groups without the sockets that no process holds.
pub fn held(text: &str) -> Answer {
    let mut answer = groups(text);
    answer.remove("-");
    answer
}

/// Lines like `ESTAB=10` or `ESTAB="10"`; names become lower case.
pub fn assignments(text: &str) -> Answer {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    collect(pairs.map(|(name, number)| (name.to_lowercase(), number.trim_matches('"'))))
}

/// The payload of all connections in tcptrack's rows, both directions together.
pub fn payload(text: &str) -> Answer {
    let totals = text.lines().flat_map(|row| row.split('\t').skip(8).take(2));
    collect(totals.map(|total| ("bytes".to_owned(), total)))
}

/// `TCP: inuse 11 orphan 0` as TCP.inuse and TCP.orphan.
pub fn sockstat_files(text: &str) -> Answer {
    let mut answer = Answer::new();
    for (protocol, rest) in text.lines().filter_map(|line| line.split_once(": ")) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair.first()?, *pair.get(1)?)));
        answer.extend(collect(pairs.map(|(key, number)| (format!("{protocol}.{key}"), number))));
    }
    answer
}

/// Rows of keys and a number, `TCP<tab>inuse<tab>11`, as TCP.inuse.
pub fn keyed_rows(text: &str) -> Answer {
    let rows = text.lines().filter_map(|line| line.rsplit_once('\t'));
    collect(rows.map(|(keys, number)| (keys.replace('\t', "."), number)))
}

/// The last word of the output, a number.
pub fn last_number(text: &str) -> Answer {
    let word = text.split_whitespace().last().unwrap_or_default();
    collect(std::iter::once(("value".to_owned(), word)))
}

/// The number before "connections established" in `netstat -st`.
pub fn netstat_established(text: &str) -> Answer {
    let line = text.lines().find_map(|line| line.trim().strip_suffix(" connections established"));
    collect(line.into_iter().map(|number| ("value".to_owned(), number)))
}

/// Lines of a TCP state and a number, in any tool's spelling of the states.
pub fn states(text: &str) -> Answer {
    let rows = text.lines().filter_map(|line| line.rsplit_once(char::is_whitespace));
    collect(rows.map(|(state, number)| (state_name(state.trim()).to_owned(), number)))
}

/// The kernel's name of a state, from its number in /proc/net/tcp or its name in ss or netstat.
fn state_name(word: &str) -> &str {
    match word {
        "01" | "ESTAB" => "ESTABLISHED",
        "02" | "SYN-SENT" => "SYN_SENT",
        "03" | "SYN-RECV" => "SYN_RECV",
        "04" | "FIN-WAIT-1" => "FIN_WAIT1",
        "05" | "FIN-WAIT-2" => "FIN_WAIT2",
        "06" | "TIME-WAIT" => "TIME_WAIT",
        "07" | "UNCONN" => "CLOSE",
        "08" | "CLOSE-WAIT" => "CLOSE_WAIT",
        "09" | "LAST-ACK" => "LAST_ACK",
        "0A" => "LISTEN",
        "0B" => "CLOSING",
        name => name,
    }
}

/// `conncount --shell` without the numbers that `ss -s` does not have.
pub fn conncount(text: &str) -> Answer {
    let mut answer = assignments(text);
    answer.retain(|name, _| name != "synrecv" && name != "unhashed");
    answer
}

/// The number of rows that `head` prints.
const HEAD: usize = 10;

/// Rows of a name and a number.
pub fn groups(text: &str) -> Answer {
    let rows = text.lines().filter_map(|line| line.rsplit_once(char::is_whitespace));
    collect(rows.map(|(name, number)| (bare(name), number)))
}

/// The sum of the numbers of all rows.
pub fn sum(text: &str) -> Answer {
    let numbers = text.lines().filter_map(|line| line.rsplit(char::is_whitespace).next());
    collect(numbers.map(|number| ("value".to_owned(), number)))
}

/// The first rows of `conncount --by`, as many as `head` prints.
pub fn top_groups(text: &str) -> Answer {
    let head: Vec<&str> = text.lines().take(HEAD).collect();
    above_the_last(groups(&head.join("\n")))
}

/// The rows of `uniq -c | sort -rn | head`: numbers first.
pub fn top_of_uniq(text: &str) -> Answer {
    let rows = text.lines().filter_map(|line| line.trim().split_once(' '));
    above_the_last(collect(rows.map(|(number, name)| (bare(name), number))))
}

/// Removes the groups with the smallest number: which of several equal groups come first differs from
/// tool to tool.
fn above_the_last(mut answer: Answer) -> Answer {
    let least = answer.values().min().copied();
    answer.retain(|_, number| Some(*number) != least);
    answer
}

/// An address without the brackets that some tools write around IPv6.
fn bare(name: &str) -> String {
    name.trim_matches(['[', ']']).to_owned()
}

/// Rows of protocol, state and number, or of protocol or state, and number. UDP's states are ignored:
/// each tool has its own names for them.
pub fn proto_states(text: &str) -> Answer {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let named = rows.filter_map(|words| match words[..] {
        ["udp", .., number] => Some(("udp".to_owned(), number)),
        [.., state, number] => Some((state_name(state).to_owned(), number)),
        _ => None,
    });
    collect(named)
}

/// Rows that begin with a key and a number, `tcp6_LISTEN 7`.
pub fn connections(text: &str) -> Answer {
    let rows = text.lines().map(|line| line.split_whitespace());
    collect(rows.filter_map(|mut words| Some((words.next()?.to_owned(), words.next()?))))
}

/// Lines of flows as conntrack or /proc/net/nf_conntrack writes them, counted by protocol and state.
pub fn flows(text: &str) -> Answer {
    let mut answer = Answer::new();
    for line in text.lines() {
        let mut words: Vec<&str> = line.split_whitespace().take(6).collect();
        if line.starts_with("ipv") {
            words.drain(..2);
        }
        if let [protocol, _, _, state, ..] = words[..] {
            let state = if state.contains('=') { "" } else { state };
            *answer.entry(format!("{protocol} {state}")).or_insert(0) += 1;
        }
    }
    answer
}

/// The number of lines.
pub fn lines(text: &str) -> Answer {
    let count = i64::try_from(text.lines().count()).unwrap_or_default();
    Answer::from([("value".to_owned(), count)])
}

/// Rows of protocol, state and number; the state of UDP is ignored.
pub fn groups_of_flows(text: &str) -> Answer {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let named = rows.filter_map(|words| match words[..] {
        ["udp", .., number] => Some(("udp".to_owned(), number)),
        [protocol, state, number] => Some((format!("{protocol} {state}"), number)),
        _ => None,
    });
    collect(named)
}

/// The CPU time that `--watch` prints.
pub fn cost(text: &str) -> Option<Duration> {
    let micros = text.lines().find_map(|line| line.strip_prefix("cpu_us "))?;
    Some(Duration::from_micros(micros.parse().ok()?))
}
