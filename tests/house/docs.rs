//! `man/` and `completions/` hold what the applet table generates, and their own tools accept them.

use crate::support;

use std::process::Command;

use connbox::applet::APPLETS;
use connbox::doc::{completions, help, man};

/// All man pages: file name and text.
fn pages() -> Vec<(String, String)> {
    let applets = APPLETS.iter().map(|a| (format!("man/connbox-{}.1", a.name), man::applet(a)));
    let others = [("man/connbox.1", man::the_box()), ("man/connbox-from.7", man::saved_text())];
    others.map(|(file, text)| (file.to_owned(), text)).into_iter().chain(applets).collect()
}

#[test]
fn man_holds_the_generated_pages() {
    for (file, text) in pages() {
        support::same_as_file(&file, &text);
    }
}

#[test]
fn pages_of_applets_have_all_sections_in_order() {
    const SECTIONS: [&str; 12] = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "PRIVILEGES",
        "EXAMPLES",
        "COLUMNS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "BUGS",
        "SEE ALSO",
    ];
    for applet in APPLETS {
        let page = man::applet(applet);
        let found: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".Sh ")).collect();
        assert_eq!(found, SECTIONS, "{}", applet.name);
        assert!(!applet.files.is_empty() && !applet.bugs.is_empty(), "{}", applet.name);
        assert!(applet.files.iter().all(|(_, purpose)| !purpose.ends_with('.')), "{}", applet.name);
    }
}

#[test]
fn completions_hold_the_generated_scripts() {
    for shell in completions::SHELLS {
        let file = format!("completions/connbox.{shell}");
        support::same_as_file(&file, &completions::script(shell).unwrap());
    }
}

#[test]
fn every_name_of_an_option_is_mentioned_everywhere() {
    for applet in APPLETS {
        let page = man::applet(applet).replace("\\-", "-");
        let scripts = completions::SHELLS.map(|shell| completions::script(shell).unwrap());
        for option in applet.options.iter().chain(applet.filters) {
            for long in option.longs() {
                let has = |text: &str, name: &str| {
                    text.split([' ', '\n', '\'', ',', '=', '{', '}', ')', ':', '['])
                        .any(|w| w == name)
                };
                let dashed = format!("--{long}");
                assert!(has(&help::applet(applet), &dashed), "help of {}: {long}", applet.name);
                assert!(has(&page, &format!("-{long}")), "man page of {}: {long}", applet.name);
                assert!(has(&scripts[0], &dashed) && has(&scripts[1], &dashed), "{long}");
                assert!(scripts[2].contains(&format!(" -l {long} ")), "{long}");
            }
        }
    }
}

#[test]
fn mandoc_accepts_the_pages() {
    if !support::needs("mandoc_accepts_the_pages", &["mandoc"]) {
        return;
    }
    for (file, _) in pages() {
        let mut mandoc = Command::new("mandoc");
        mandoc.args(["-Tlint", "-Wwarning", &file]).current_dir(env!("CARGO_MANIFEST_DIR"));
        // People read examples before statuses, whatever the convention.
        let output = String::from_utf8(mandoc.output().unwrap().stdout).unwrap();
        let mut wrong = output.lines().filter(|line| !line.contains("out of conventional order"));
        assert_eq!(wrong.next(), None, "{output}");
    }
}

/// Whether /etc/services has what the tests complete.
fn has_services() -> bool {
    std::fs::read_to_string("/etc/services").is_ok_and(|text| text.contains("\ndomain\t"))
}

/// bash's completions for the last of `words`.
fn bash(words: &[&str]) -> String {
    let script = r#"source completions/connbox.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1));
        _connbox; printf '%s\n' "${COMPREPLY[@]}""#;
    let mut shell = support::command("bash");
    shell.args(["-uc", script, "bash"]).args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Words of a command line, and what bash offers for the last one.
const IN_BASH: &[(&[&str], &str)] = &[
    (&["connbox", "tcp"], "tcpstates"),
    (&["connbox", "--comp"], "--completions"),
    (&["connbox", "--completions", "z"], "zsh"),
    (&["connbox", "help", "sock"], "sockstat"),
    (&["connbox", "tcpstates", "--hex"], "--hex"),
    (&["tcpstates", "--source", ""], "netlink"),
    (&["tcpstates", "--source", "=", "pro"], "procfs"),
    (&["conncount", "--json", "=", ""], "array"),
    (&["conncount", "--strict", "=", ""], ""),
    (&["conncount", "--transp"], "--transport"),
    (&["/usr/bin/conncount", "est"], "estab"),
    (&["sockstat", "--from", "Cargo.to"], "Cargo.toml"),
    (&["sockstat", "--root", "tes"], "tests"),
    (&["connbox", "--textfile", "Cargo.to"], "Cargo.toml"),
    (&["connbox", "--textfile", "x.prom", "tcp"], "tcpstates"),
    (&["connbox", "--textfile", "x.prom", "tcpstates", "--he"], "--hex"),
    (&["connbox", "--textfile", "x.prom", "tcpstates", "--hex", "+", "conn"], "conncount"),
    (&["connbox", "--textfile", "--interval", "9", "Cargo.to"], "Cargo.toml"),
    (&["connbox", "--textfile", "--interval", "9", "x.prom", "tcp"], "tcpstates"),
    (&["connbox", "--textfile", "--quiet-gaps", "--interval", "9", "Cargo.to"], "Cargo.toml"),
    (&["connbox", "--textfile", "--qu"], "--quiet-gaps"),
    (&["conncount", "--by", "state,ra"], "state,raddr"),
    (&["conncount", "--by", "=", "state,ra"], "state,raddr"),
    (&["conncount", "--state", "est"], "established"),
    (&["conncount", "--state", "!LIS"], "!LISTEN"),
    (&["conncount", "--state", "'!LISTEN,!time_w"], "!LISTEN,!time_wait"),
    (&["conncount", "--iface", "x,l"], "x,lo"),
    (&["conntrack", "-p", ""], "tcp"),
    (&["conntrack", "-p", "!icmp"], "!icmpv6"),
    (&["connbox", "conntrack", "--protonum", "=", "ud"], "udp"),
    (&["conntrack", "-p", "tcp", "--state", "TIME"], "TIME_WAIT"),
    (&["conntrack", "-p", "dccp", "--state", "!part"], "!partopen"),
    (&["conntrack", "--status", "!ass"], "!assured"),
    (&["conntrack", "-f", ""], "ipv4"),
    (&["conntrack", "-o", "xml,"], "xml,id"),
    (&["conncount", "--netns", "al"], "all"),
    (&["conncount", "--uid", "65534,ro"], "65534,root"),
    (&["conncount", "--lport", "22,dom"], "22,domain"),
    (&["connbox", "conntrack", "-p", "tcp", "--dport", "!dom"], "!domain"),
    (&["tcptrack", "-i", "l"], "lo"),
    (&["tcptrack", "-T", "Cargo.to"], "Cargo.toml"),
    (&["conntrack", "-f", "ipv"], "ipv6"),
    (&["conntrack", "-u", "ASSURED,SEEN"], "ASSURED,SEEN_REPLY"),
    (&["connbox", "conntrack", "-o", "xml,ext"], "xml,extended"),
    (&["tcpstates", "--by", "fam"], "family"),
    (&["conntrack", "-C", "--sta"], "--state"),
    (&["conntrack", "-L", ""], "dying"),
    (&["conntrack", "--src-nat", "--by"], "--by"),
    (&["tcpstates", "time"], "time_wait"),
    (&["connbox", "--uninstall", "tes"], "tests"),
    (&["connbox", "--uninstall", "/usr/bin", "conncou"], "conncount"),
    (&["connbox", "--textfile", "x.prom", "tcpstates", "+", "conncount", "--by", "ra"], "raddr"),
];

#[test]
fn bash_completes() {
    if !support::needs("bash_completes", &["bash"]) {
        return;
    }
    for (words, offer) in IN_BASH {
        if words.iter().any(|word| word.contains("dom")) && !has_services() {
            continue;
        }
        let offers = bash(words);
        assert!(offers.lines().any(|line| line == *offer), "{words:?}: {offers:?}");
    }
    // A directory of namespaces that is empty has no name in it.
    assert!(!bash(&["conncount", "--netns", ""]).contains('*'));
    for (line, used, free) in AGAIN {
        let words: Vec<_> = line.split(' ').collect();
        let offers = bash(&words);
        let has = |name| offers.lines().any(|offer| offer.rsplit([',', '!']).next() == Some(name));
        assert!(has(free) && !has(used), "{line}: {offers:?}");
    }
}

/// Lists of which some words are there, a word that is not offered again, and one that still is.
const AGAIN: [(&str, &str, &str); 3] = [
    ("conncount --by process --sum recv_queue,", "recv_queue", "send_queue"),
    ("conntrack -o xml,id,", "id", "extended"),
    ("conncount --state LISTEN,!TIME_WAIT,!", "TIME_WAIT", "ESTABLISHED"),
];

/// Command lines, and what fish offers.
const IN_FISH: &[(&str, &str)] = &[
    ("connbox tcp", "tcpstates"),
    ("connbox --compl", "--completions"),
    ("connbox --completions z", "zsh"),
    ("connbox help sock", "sockstat"),
    ("connbox tcpstates --he", "--hex"),
    ("tcpstates --source ", "netlink"),
    ("conncount --transp", "--transport"),
    ("conncount est", "estab"),
    ("sockstat --from Cargo.to", "Cargo.toml"),
    ("connbox --textfile Cargo.to", "Cargo.toml"),
    ("connbox --textfile x.prom tcp", "tcpstates"),
    ("conntrack --orig-sr", "--orig-src"),
    ("connbox --textfile x.prom tcpstates --he", "--hex"),
    ("connbox --textfile x.prom tcpstates + conn", "conncount"),
    ("connbox --textfile x.prom tcpstates + conncount --transp", "--transport"),
    ("connbox --textfile --interval 9 Cargo.to", "Cargo.toml"),
    ("connbox --textfile --quiet-gaps Cargo.to", "Cargo.toml"),
    ("connbox --textfile --interval 9 x.prom tcp", "tcpstates"),
    ("connbox --textfile --int", "--interval"),
    ("conncount --by state,ra", "state,raddr"),
    ("conncount --by=state,ra", "--by=state,raddr"),
    ("conncount --state est", "ESTABLISHED"),
    ("conncount --state !LIS", "!LISTEN"),
    ("conncount --iface x,l", "x,lo"),
    ("conncount --netns al", "all"),
    ("conncount --uid 65534,ro", "65534,root"),
    ("conncount --lport 22,domai", "22,domain"),
    ("tcptrack -i l", "lo"),
    ("tcptrack -T Cargo.to", "Cargo.toml"),
    ("conntrack -p ", "tcp"),
    ("conntrack -p !icmp", "!icmpv6"),
    ("conntrack -p tcp --state TIME", "TIME_WAIT"),
    ("conntrack --status !ASS", "!ASSURED"),
    ("conntrack -f ipv", "ipv6"),
    ("connbox conntrack -o xml,ext", "xml,extended"),
    ("conntrack -C --sta", "--state"),
    ("conntrack -L ", "dying"),
    ("tcpstates time", "TIME_WAIT"),
];

#[test]
fn fish_completes() {
    if !support::needs("fish_completes", &["fish"]) {
        return;
    }
    let offers = |line: &str| {
        let script = format!("source completions/connbox.fish; complete -C '{line}'");
        let mut fish = support::command("fish");
        fish.args(["--no-config", "-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR"));
        String::from_utf8(fish.output().unwrap().stdout).unwrap()
    };
    for (line, used, free) in AGAIN {
        let offers = offers(line);
        let has = |name| {
            let mut words = offers.lines().filter_map(|line| line.split('\t').next());
            words.any(|offer| offer.rsplit([',', '!']).next() == Some(name))
        };
        assert!(has(free) && !has(used), "{line}: {offers:?}");
    }
    for (line, offer) in IN_FISH {
        if line.contains("dom") && !has_services() {
            continue;
        }
        let offers = offers(line);
        let is_offered = offers.lines().any(|l| l.split('\t').next() == Some(*offer));
        assert!(is_offered, "{line}: {offers:?}");
    }
}

/// zsh's completions for a line, from a real line editor in its own terminal.
fn zsh(line: &str) -> String {
    let script = r#"
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PROMPT='' RPROMPT='' fpath=($PWD/.zsh \$fpath); autoload -Uz compinit; compinit -u -D"
        zpty -w z "source $PWD/.zsh/_connbox 2>/dev/null; compdef _connbox connbox tcpstates conncount sockstat"
        zpty -w z "zstyle ':completion:*' list-colors ''; zstyle ':completion:*' menu no; LISTMAX=0; setopt nobeep; print READY''NOW"
        zpty -r -m z line '*READYNOW*'
        zpty -n -w z "$1"$'\t'
        zpty -n -w z $'\x04\x04'
        sleep 0.7
        zpty -n -w z $'\x15print ALL''DONE\n'
        zpty -r -m z offers '*ALLDONE*'
        print -r -- "$offers"
        zpty -d z"#;
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("zsh");
    std::fs::create_dir_all(directory.join(".zsh")).unwrap();
    std::fs::write(directory.join(".zsh/_connbox"), completions::script("zsh").unwrap()).unwrap();
    let mut zsh = support::command("zsh");
    zsh.args(["-f", "-c", script, "zsh", line]).current_dir(&directory).env("TERM", "xterm");
    String::from_utf8_lossy(&zsh.output().unwrap().stdout).into_owned()
}

#[test]
fn zsh_completes() {
    if !support::needs("zsh_completes", &["zsh"]) {
        return;
    }
    for (line, offer) in [
        ("connbox tcpst", "tcpstates"),
        ("connbox ", "closedcalc"),
        ("connbox --compl", "--completions"),
        ("connbox tcpstates --he", "--hex"),
        ("tcpstates --source=", "netlink"),
        ("conncount --transp", "--transport"),
        ("connbox conntrack --orig-port-s", "--orig-port-src"),
        ("conncount est", "estab"),
        ("connbox --textfile x.prom tcpst", "tcpstates"),
        ("conntrack --orig-sr", "--orig-src"),
        ("connbox --textfile x.prom tcpstates --he", "--hex"),
        ("connbox --textfile x.prom tcpstates + conncount --transp", "--transport"),
        ("conncount --by state,rad", "state,raddr"),
        ("conncount --by=state,rad", "state,raddr"),
        ("conncount --state estab", "ESTABLISHED"),
        // Only what changes is drawn again.
        ("conncount --state LISTEN,time_w", "TIME_WAIT"),
        ("conncount --netns al", "all"),
        ("conncount --uid 65534,roo", "65534,root"),
        ("conncount --iface x,l", "x,lo"),
        ("connbox conntrack -p ", "udplite"),
        ("connbox conntrack -p '!udp", "udplite"),
        ("connbox conntrack -p tcp --state FIN", "FIN_WAIT"),
        ("connbox conntrack --status ASSURED,FIX", "FIXED_TIMEOUT"),
        ("connbox conntrack -f ipv", "ipv6"),
        ("connbox conntrack -o xml,ext", "xml,extended"),
        ("conncount --lport 22,domai", "22,domain"),
        ("connbox tcptrack -i l", "lo"),
        ("connbox conntrack -C --stat", "--status"),
        ("connbox conntrack -L ", "dying"),
        ("tcpstates time", "TIME_WAIT"),
        ("connbox --textfile --quiet-gaps x.prom tcpst", "tcpstates"),
    ] {
        if line.contains("dom") && !has_services() {
            continue;
        }
        let offers = zsh(line);
        assert!(offers.contains(offer), "{line}: {offers:?}");
    }
    for (line, used, free) in AGAIN {
        let line = format!("connbox {}", line.replace('!', "\\!"));
        // The line itself is drawn again and again.
        let offers = zsh(&line).replace(&line, "");
        assert!(offers.contains(free) && !offers.contains(used), "{line}: {offers:?}");
    }
}

#[test]
fn shells_accept_the_scripts() {
    for shell in completions::SHELLS {
        if support::needs("shells_accept_the_scripts", &[shell]) {
            let file = format!("completions/connbox.{shell}");
            let mut check = Command::new(shell);
            check.args(["-n", &file]).current_dir(env!("CARGO_MANIFEST_DIR"));
            let output = check.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    if support::needs("shells_accept_the_scripts", &["shellcheck"]) {
        let mut check = Command::new("shellcheck");
        check.arg("completions/connbox.bash").current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = check.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
