//! The screen: every key, every size, and the terminal restored at every end.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::process::Signal;

use super::terminal::{Terminal, has_tmux};
use super::{MOVED, support};
use crate::world::{Script, World};

/// A world in which the companion `transfer` runs, and its report: the ports of the clients.
pub fn talking(test: &str) -> Option<(World, Script, [String; 2])> {
    if !has_tmux(test) {
        return None;
    }
    let world = World::quiet(test)?;
    let mut script = world.companion("transfer");
    let ports = script.go();
    let (one, other) = ports.split_once(' ').unwrap();
    Some((world, script, [one.to_owned(), other.to_owned()]))
}

/// The lines between the headings and the total that are not empty.
pub fn rows(lines: &[String]) -> Vec<&str> {
    let rows = lines.iter().skip(2).map(String::as_str);
    rows.take_while(|line| !line.starts_with(" TOTAL")).filter(|line| !line.is_empty()).collect()
}

fn has_two(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with(" Connections 1-2 of 2"))
}

#[test]
fn it_looks_like_tcptrack_at_80_columns() {
    let Some((world, mut script, [port, port6])) = talking("it_looks_like_tcptrack_at_80_columns")
    else {
        return;
    };
    let terminal = Terminal::tcptrack(&world, (80, 24), "--sort client");
    let lines = terminal.wait("two connections", has_two);
    let title = format!(
        " Sockets: all TCP (host {})",
        rustix::system::uname().nodename().to_string_lossy()
    );
    assert_eq!(lines[0], title);
    let headings = " Client                Server                State        Idle A     Speed";
    assert_eq!(lines[1], headings);
    for (row, client, server) in [
        (&lines[2], format!(" 127.0.0.1:{port}"), "127.0.0.1:9001"),
        (&lines[3], format!(" [::1]:{port6}"), "[::1]:9002"),
    ] {
        let wanted = format!("{client:<22} {server:<21} ESTABLISHED  ");
        assert!(row.starts_with(&wanted), "{row}");
    }
    assert!(lines[21].starts_with(" TOTAL") && lines[21].ends_with("B/s"), "{}", lines[21]);
    let status = " Connections 1-2 of 2                       Unpaused  Sorted by client";
    assert_eq!(lines[22], status);
    assert_eq!(
        lines[23],
        " q quit  s sort  / filter  g group  ? help     8 more columns in a wider window"
    );
    script.go();
    let is_active = |line: &String| line.contains("s * ");
    terminal.wait("activity", |lines| lines[2..4].iter().all(is_active));
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), "0");
}

#[test]
fn every_key_does_what_help_says() {
    let Some((world, _script, [port, port6])) = talking("every_key_does_what_help_says") else {
        return;
    };
    let terminal = Terminal::tcptrack(&world, (100, 24), "");
    terminal.wait("two connections", has_two);
    for sort in ["bytes", "idle", "rx", "tx", "state", "client", "server"] {
        terminal.press(&["s"]);
        terminal.wait_for(&format!("Sorted by {sort}"));
    }
    let first = |lines: &[String]| rows(lines)[0].to_owned();
    assert!(first(&terminal.lines()).contains(&port));
    terminal.press(&["r"]);
    let lines = terminal.wait_for("Sorted by server, reversed");
    assert!(first(&lines).contains(&port6));
    terminal.press(&["s"]);
    terminal.wait_for("Unsorted, reversed");
    terminal.press(&["r"]);
    terminal.wait("no order", |lines| lines[22].ends_with("Unsorted"));
    terminal.press(&["p"]);
    terminal.wait_for("  Paused  ");
    terminal.press(&["p"]);
    terminal.wait_for("Unpaused");
    // The filter, while it is being typed.
    terminal.press(&["/", "9", "0", "0", "2", "x"]);
    let nothing = " None of the 2 connections contains '9002x'; Esc clears the filter";
    terminal
        .wait("nothing found", |l| l[23].starts_with(" /9002x   Enter") && rows(l) == [nothing]);
    terminal.press(&["BSpace"]);
    terminal.wait("one found", |l| l[23].starts_with(" /9002   ") && rows(l).len() == 1);
    terminal.press(&["Enter"]);
    terminal.wait_for(" Filter: 9002  q quit  s sort  / filter  g group  ? help");
    terminal.press(&["Escape"]);
    terminal.wait("no filter", |lines| rows(lines).len() == 2);
    terminal.press(&["/", "E", "s", "t", "a", "Escape"]);
    terminal.wait("no filter", |lines| has_two(lines) && lines[23].starts_with(" q quit"));
    terminal.press(&["x"]);
    terminal.wait("a remark", |l| l[23] == " 'x' does nothing; ? lists the keys");
    terminal.press(&["F5"]);
    terminal.wait("a remark", |l| l[23] == " that key does nothing; ? lists the keys");
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), "0");
}

#[test]
fn the_cursor_goes_where_keys_and_wheel_move_it() {
    const TEST: &str = "the_cursor_goes_where_keys_and_wheel_move_it";
    let Some((world, _script, [port, port6])) = talking(TEST) else { return };
    let terminal = Terminal::tcptrack(&world, (100, 24), "");
    terminal.wait("two connections", has_two);
    for _ in 0..6 {
        terminal.press(&["s"]);
    }
    terminal.wait_for("Sorted by client");
    terminal.press(&["Home", "d"]);
    terminal.wait_for(&format!(" Client      127.0.0.1:{port}"));
    terminal.wait_for(&format!("{} bytes", MOVED.0));
    terminal.wait_for("   process   companion, pid ");
    terminal.press(&["Down"]);
    terminal.wait_for(&format!(" Client      [::1]:{port6}"));
    for (key, port) in [
        ("Up", &port),
        ("End", &port6),
        ("PPage", &port),
        ("NPage", &port6),
        ("k", &port),
        ("j", &port6),
        // The mouse wheel, where the terminal reports it.
        ("\x1b[<64;1;1M", &port),
        ("\x1b[<65;1;1M", &port6),
    ] {
        terminal.press(&[key]);
        terminal.wait_for(&format!(":{port}"));
    }
    terminal.press(&["d"]);
    terminal.wait("the list", has_two);
    // The order by columns, and a key that does nothing.
    for (key, sort) in [("Left", "bytes"), ("Right", "client"), ("Right", "server")] {
        terminal.press(&[key]);
        terminal.wait_for(&format!("Sorted by {sort}"));
    }
    terminal.press(&["?"]);
    let is_there = |lines: &[String], key: &str| lines.iter().any(|line| line.contains(key));
    let keys = connbox::applet::find("tcptrack").unwrap().keyboard;
    terminal.wait("all keys", |lines| keys.iter().all(|(key, _)| is_there(lines, key)));
    terminal.press(&["Escape"]);
    terminal.wait("the list", has_two);
    terminal.press(&["C-l"]);
    terminal.wait("the list", has_two);
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), "0");
}

#[test]
fn every_size_is_drawn_and_any_change_of_it() {
    let Some((world, _script, [port, _])) = talking("every_size_is_drawn_and_any_change_of_it")
    else {
        return;
    };
    let terminal = Terminal::tcptrack(&world, (80, 24), "--sort client");
    terminal.wait("two connections", has_two);
    let client = format!(" 127.0.0.1:{port}");
    for (columns, lines) in
        [(400, 60), (40, 10), (1, 1), (160, 12), (2, 24), (79, 3), (63, 24), (64, 24), (20, 2)]
    {
        terminal.resize(columns, lines);
        let start: String = client.chars().take(columns as usize).collect();
        let place = usize::from(lines >= 3) + usize::from(lines >= 5);
        terminal.wait(&format!("{columns}x{lines}"), |seen| {
            seen.len() == lines as usize && seen[place] == start.trim_end()
                || seen[place].starts_with(&format!("{start} "))
        });
    }
    terminal.resize(400, 20);
    let headings =
        ["Rx speed", "Tx speed", "Process", "Rx total", "Tx total", "RTT", "Retr", "Last ticks"];
    let has_all = |lines: &[String]| headings.iter().all(|heading| lines[1].contains(heading));
    terminal.wait("all columns", has_all);
    terminal
        .wait("processes", |lines| lines[2].contains("companion") && lines[2].contains("121 KB"));
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), "0");
}

#[test]
fn options_change_the_screen() {
    let Some((world, mut script, [port, _])) = talking("options_change_the_screen") else { return };
    let options = "-f --units bits --sort tx --max-connections 1000 'ip and dst port 9001'";
    let terminal = Terminal::tcptrack(&world, (180, 10), options);
    let lines = terminal.wait_for("Sorted by tx");
    assert!(lines[0].starts_with(" Sockets: ip and dst port 9001 (host "), "{}", lines[0]);
    assert!(lines[2].starts_with(&format!(" 127.0.0.1:{port}")), "{}", lines[2]);
    assert!(rows(&lines).len() == 1, "{lines:?}");
    assert!(lines[7].contains("0 b/s") && lines[8].starts_with(" Connections 1-1 of 1"));
    script.go();
    // 2 x 123457 bytes to the server.
    terminal.wait_for("2.0 Mb ");
    // Only new connections; there are none.
    let terminal = Terminal::tcptrack(&world, (80, 10), "-d");
    terminal.wait_for(" Connections 0-0 of 0");
    script.go();
    assert_eq!(rows(&terminal.lines()), [" No TCP connection has begun yet"]);
}

#[test]
fn what_was_idle_before_the_first_tick_is_not_marked_as_active() {
    let test = "what_was_idle_before_the_first_tick_is_not_marked_as_active";
    let Some((world, _script, _)) = talking(test) else { return };
    std::thread::sleep(std::time::Duration::from_secs(2));
    let terminal = Terminal::tcptrack(&world, (80, 24), "");
    let lines = terminal.wait("two connections", has_two);
    assert!(rows(&lines).iter().all(|row| !row.contains('*')), "{lines:?}");
}

/// A shell that runs the program, and the settings of its terminal before and after.
fn in_a_shell<'a>(world: &'a World, name: &str) -> (Terminal<'a>, [std::path::PathBuf; 2]) {
    let place = |when: &str| {
        let name = format!("connbox-{}-{name}-{when}", std::process::id());
        std::env::temp_dir().join(name)
    };
    let files = [place("before"), place("after")];
    let shell = "PS1='$ ' exec bash --norc --noprofile -i";
    let terminal = Terminal::run(world, (80, 24), shell);
    terminal.wait_for("$");
    terminal.press(&[&format!("stty -a > {}; echo begun", files[0].display()), "Enter"]);
    terminal.wait("begun", |lines| lines.iter().any(|line| line == "begun"));
    (terminal, files)
}

/// The terminal is as before: modes, screen, cursor.
fn is_restored(terminal: &Terminal<'_>, files: &[std::path::PathBuf; 2]) {
    terminal.wait("the old screen", |lines| lines.iter().any(|line| line == "begun"));
    let after = files[1].display();
    terminal.press(&[&format!("stty -a > {after}; echo over"), "Enter"]);
    terminal.wait("over", |lines| lines.iter().any(|line| line == "over"));
    let [before, after] = [0, 1].map(|place| std::fs::read_to_string(&files[place]).unwrap());
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    assert_eq!(before, after);
    for (what, wanted) in [("alternate_on", "0"), ("cursor_flag", "1"), ("wrap_flag", "1")] {
        assert_eq!(terminal.knows(what), wanted, "{what}");
    }
}

#[test]
fn the_terminal_is_as_it_was_after_every_end() {
    let Some((world, _script, _)) = talking("the_terminal_is_as_it_was_after_every_end") else {
        return;
    };
    for (name, end, status) in [
        ("q", Some("q"), 0),
        ("int", Some("C-c"), 0),
        ("quit", Some("C-\\"), 131),
        ("term", None, 143),
        ("hup", None, 129),
    ] {
        let (terminal, files) = in_a_shell(&world, name);
        let line = format!("{} tcptrack; echo status $?", support::CONNBOX);
        terminal.press(&[&line, "Enter"]);
        terminal.wait("two connections", has_two);
        assert_eq!(
            (terminal.knows("alternate_on"), terminal.knows("cursor_flag")),
            ("1".into(), "0".into())
        );
        match end {
            Some(key) => terminal.press(&[key]),
            None => {
                terminal.signal(if name == "term" { Signal::TERM } else { Signal::HUP });
            }
        }
        terminal.wait(&format!("status {status}"), |lines| {
            lines.iter().any(|line| *line == format!("status {status}"))
        });
        is_restored(&terminal, &files);
    }
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    let Some((world, _script, _)) = talking("it_can_be_stopped_and_goes_on") else { return };
    let (terminal, files) = in_a_shell(&world, "stop");
    terminal.press(&[&format!("{} tcptrack", support::CONNBOX), "Enter"]);
    terminal.wait("two connections", has_two);
    terminal.press(&["C-z"]);
    terminal.wait_for("Stopped");
    is_restored(&terminal, &files);
    terminal.press(&["fg", "Enter"]);
    terminal.wait("two connections", has_two);
    assert_eq!(terminal.knows("alternate_on"), "1");
    terminal.press(&["?"]);
    terminal.wait_for("connbox tcptrack: keys");
    // Stopped by another process, it also restores its screen.
    terminal.signal(Signal::STOP);
    terminal.wait_for("Stopped");
    terminal.press(&["fg", "Enter"]);
    terminal.wait("help again", |lines| lines[0] == " connbox tcptrack: keys");
    terminal.press(&["q"]);
    terminal.wait("the shell", |lines| lines.iter().any(|line| line == "begun"));
}

#[test]
fn no_name_is_a_command_to_the_terminal() {
    if !has_tmux("no_name_is_a_command_to_the_terminal") {
        return;
    }
    let Some(world) = World::quiet("no_name_is_a_command_to_the_terminal") else { return };
    // At most 15 bytes: the sequence that changes a terminal's title.
    let name = OsStr::from_bytes(b"\x1b]2;pwned\x07\xff\x9b1");
    let mut script = world.companion_called("transfer", name);
    script.go();
    let terminal = Terminal::tcptrack(&world, (200, 10), "");
    terminal.wait_for("?]2;pwned???1");
    terminal.press(&["d"]);
    terminal.wait_for("?]2;pwned???1, pid");
    assert!(!terminal.knows("pane_title").contains("pwned"));
    terminal.press(&["/"]);
    terminal.press(&["-l", "pwned"]);
    terminal.wait("found by name", |lines| rows(lines).len() == 2);
    terminal.press(&["Escape", "g"]);
    terminal.wait("a group", |lines| rows(lines)[0].starts_with(" ?]2;pwned???1"));
    let rows = world.connbox(&["tcptrack", "--once", "--json"]).clean();
    assert!(rows.contains("\\u001b]2;pwned\\u0007") && !rows.contains('\x1b'), "{rows}");
}

#[test]
fn colour_and_letters_are_what_the_environment_allows() {
    let Some((world, mut script, _)) =
        talking("colour_and_letters_are_what_the_environment_allows")
    else {
        return;
    };
    let program = support::CONNBOX;
    let run = |environment: &str| {
        let line = format!("exec env {environment} {program} tcptrack -f");
        let terminal = Terminal::run(&world, (220, 12), &line);
        terminal.wait("two connections", has_two);
        terminal
    };
    let (plain, blocks) = (run("NO_COLOR=1"), run("LC_ALL=C.UTF-8"));
    script.go();
    blocks.wait_for("█");
    plain.wait("bars in ASCII", |lines| rows(lines).iter().all(|row| row.contains('#')));
    assert!(blocks.looks().contains("\x1b[32m"));
    // 39 and 49 are the terminal's default colours.
    let coloured = |looks: &str| (30..38).any(|code| looks.contains(&format!("\x1b[{code}m")));
    assert!(coloured(&blocks.looks()) && !coloured(&plain.looks()), "{:?}", plain.looks());
    let dumb = Terminal::run(
        &world,
        (200, 24),
        &format!("TERM=dumb {program} tcptrack --max-connections 9 2>&1 | cat; read x"),
    );
    dumb.wait_for("127.0.0.1\t".trim_end());
    let line = format!("exec env TERM=dumb {program} tcptrack");
    let dumb = Terminal::run(&world, (200, 24), &line);
    dumb.wait_for("the terminal (TERM) has no cursor control: writing rows instead");
    dumb.wait_for("ESTABLISHED");
    assert_eq!(dumb.knows("alternate_on"), "0");
}

#[test]
fn a_killed_peer_leaves_the_screen() {
    if !has_tmux("a_killed_peer_leaves_the_screen") {
        return;
    }
    let Some(world) = World::quiet("a_killed_peer_leaves_the_screen") else { return };
    let mut script = world.companion("transfer");
    script.go();
    let kernel = Terminal::tcptrack(&world, (80, 24), "");
    let packets = Terminal::tcptrack(&world, (80, 24), "-i lo");
    kernel.wait("two connections", has_two);
    packets.wait("the screen", |lines| lines[1].contains("Client"));
    script.go();
    packets.wait("two connections", has_two);
    script.kill();
    for terminal in [&kernel, &packets] {
        terminal.wait("nothing", |lines| lines[22].starts_with(" Connections 0-0 of 0"));
        assert_eq!(rows(&terminal.lines()), [" All connections that were seen have ended"]);
    }
}

/// The examples of the man page, as its reader would run them, with the right interface and file.
#[test]
fn examples_work() {
    let Some((world, _script, _)) = talking("examples_work") else { return };
    let bin = support::bin_dir().display();
    let capture = support::fixtures().join("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    for example in connbox::applet::find("tcptrack").unwrap().examples {
        let command = example.command.replace("eth0", "lo").replace("--count 10", "--count 2");
        let command = command.replace("capture.pcap", capture.to_str().unwrap());
        // It goes on until a signal ends it.
        let timeout =
            if command.contains("--ended") { "timeout --preserve-status -s INT 1 " } else { "" };
        let line = format!("PATH={bin}:$PATH; {timeout}{command}; echo status $?");
        let terminal = Terminal::run(&world, (200, 24), &format!("sh -c {line:?}"));
        if ["--once", "--count", "-T", "--ended"].iter().all(|word| !command.contains(word)) {
            terminal.wait("the screen", |lines| lines[23].starts_with(" q quit"));
            terminal.press(&["q"]);
        }
        terminal.wait_for("status 0");
    }
}
