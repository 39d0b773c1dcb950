//! Known words that are similar to a misspelt one.

/// The end of an error about `word`: asks for the most similar word of `known`, if one is similar enough.
pub fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    match near(word, known).first() {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    }
}

/// What stands for an option of other tools (ss, netstat, conntrack, tcpdump, check plugins) where an applet has `known`: each with an
/// option that the cure needs.
const OF_OTHER_TOOLS: [(&[&str], &str, &str); 19] = [
    (&["a", "all"], "lport", "all states count without --state"),
    (&["n", "numeric"], "lport", "addresses and ports are always numbers"),
    (&["l", "listening"], "lport", "did you mean --state listen?"),
    (&["p", "processes"], "lport", "did you mean --by process,pid?"),
    (&["pid"], "process", "did you mean --process?"),
    (&["proto", "protocol"], "udp", "did you mean --tcp or --udp?"),
    (&["sport", "port"], "lport", "did you mean --lport?"),
    (&["dport"], "rport", "did you mean --rport?"),
    (&["src", "local"], "laddr", "did you mean --laddr?"),
    (&["dst", "peer"], "raddr", "did you mean --raddr?"),
    (
        &["port", "lport", "rport", "sport", "dport", "laddr", "raddr", "src", "dst", "host"],
        "promiscuous",
        "a filter follows the options: tcptrack 'host 192.0.2.1 and port 443'",
    ),
    (&["n"], "promiscuous", "addresses and ports are always numbers"),
    (&["c"], "promiscuous", "--count N ends after N sets of rows"),
    (&["w"], "promiscuous", "tcpdump -w FILE writes a capture, and -T FILE reads it"),
    (&["H", "hostname"], "rule", "this check looks at the machine that it runs on"),
    (&["t", "timeout"], "rule", "nothing is waited for; did you mean --test or --conn-type?"),
    (&["v", "verbose"], "rule", "all numbers are in the text; --json shows them as rows"),
    (&["user"], "uid", "did you mean --uid?"),
    (&["V"], "version", "did you mean --version?"),
];

/// What to write in place of an option of other tools, for an applet with the options `known`.
pub(super) fn cure(option: &str, known: &[&str]) -> Option<&'static str> {
    let is_it = |(words, needed, _): &&(&[&str], &str, _)| {
        words.contains(&option) && known.contains(needed)
    };
    OF_OTHER_TOOLS.iter().find(is_it).map(|(.., cure)| *cure)
}

/// At most three of `known` that are similar to `word`, the most similar first. Up to a third of the
/// letters may differ; one is always allowed.
pub fn near<'a>(word: &str, mut known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    near_of(word, &mut known)
}

/// Compiled once, not for each kind of iterator.
fn near_of<'a>(word: &str, known: &mut dyn Iterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_ascii_lowercase();
    let most = (word.len() / 3).max(1);
    let mut found: Vec<(usize, &str)> = Vec::new();
    // Names that differ more in length than words may differ are not compared: that takes long for a long word.
    for name in known.filter(|name| name.len().abs_diff(word.len()) <= most) {
        let distance = distance(word.as_bytes(), name.to_ascii_lowercase().as_bytes());
        if distance <= most && !found.contains(&(distance, name)) {
            let place = found.partition_point(|(other, _)| *other <= distance);
            found.insert(place, (distance, name));
        }
    }
    found.into_iter().map(|(_, name)| name).take(3).collect()
}

/// The edit distance: how many letters are inserted, deleted, replaced or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_near() {
        let known = ["sockstat", "tcpstates", "conncount", "closedcalc"];
        assert_eq!(hint("conncuont", known.into_iter()), "; did you mean conncount?");
        assert_eq!(hint("sockstats", known.into_iter()), "; did you mean sockstat?");
        assert_eq!(hint("ls", known.into_iter()), "");
    }

    #[test]
    fn an_option_of_another_tool_has_a_cure_where_the_applet_has_one() {
        assert_eq!(cure("pid", &["uid", "process"]), Some("did you mean --process?"));
        assert_eq!(cure("dport", &["lport", "rport"]), Some("did you mean --rport?"));
        assert_eq!(cure("pid", &["uid"]), None);
        assert!(cure("lport", &["promiscuous"]).is_some_and(|cure| cure.contains("port 443")));
        assert!(cure("n", &["promiscuous"]).is_some() && cure("H", &["rule"]).is_some());
        assert_eq!(cure("V", &["uid", "version"]), Some("did you mean --version?"));
        assert_eq!(cure("lpot", &["lport", "promiscuous"]), None);
    }
}
