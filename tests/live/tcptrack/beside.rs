//! Compared with the original: the same connections, in the same words.

use std::collections::BTreeSet;

use super::support;
use super::terminal::{Terminal, has_tmux};
use crate::world::World;

/// Client, server and state of the rows on an 80-column screen.
fn connections(lines: &[String]) -> BTreeSet<(String, String, String)> {
    let rows = lines.iter().skip_while(|line| !line.starts_with(" Client"));
    let rows = rows.skip(1).take_while(|line| !line.starts_with(" TOTAL"));
    let words =
        rows.map(|line| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words
        .filter(|words| words.len() >= 4)
        .map(|words| (words[0].clone(), words[1].clone(), words[2].clone()))
        .filter(|(client, ..)| client.starts_with("127.") && client.ends_with(char::is_numeric))
        .collect()
}

#[test]
fn the_columns_are_those_of_tcptrack() {
    const TEST: &str = "the_columns_are_those_of_tcptrack";
    if !has_tmux(TEST) || !support::needs(TEST, &["tcptrack"]) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let theirs = Terminal::run(&world, (80, 24), "exec tcptrack -i lo");
    let ours = Terminal::tcptrack(&world, (80, 24), "-i lo");
    for (terminal, line) in [(&theirs, 0), (&ours, 1)] {
        terminal.wait("the screen", |lines| lines[line].contains("Client"));
    }
    // Speeds stand at the right here, so that they can be compared.
    let headings = theirs.lines()[0].replace("Speed", "    Speed");
    assert_eq!(ours.lines()[1], headings);
    super::rows::wait("the captures", || world.proc_net("packet").lines().count() >= 3);
    let mut script = world.companion("transfer");
    let port = script.go().split(' ').next().unwrap().to_owned();
    let state = |terminal: &Terminal<'_>, state: &str| {
        let wanted = (format!("127.0.0.1:{port}"), "127.0.0.1:9001".to_owned(), state.to_owned());
        let wanted = BTreeSet::from([wanted]);
        terminal.wait(state, |lines| connections(lines) == wanted)
    };
    let [theirs_seen, ours_seen] = [&theirs, &ours].map(|terminal| state(terminal, "ESTABLISHED"));
    let columns = |lines: &[String]| {
        let row = lines.iter().find(|line| line.contains("127.0.0.1:")).unwrap();
        ["127.0.0.1:9001", "ESTABLISHED"].map(|word| row.find(word).unwrap())
    };
    assert_eq!(columns(&ours_seen), columns(&theirs_seen));
}
