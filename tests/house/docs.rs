//! `man/` and `completions/` hold what the table generates, and their own tools accept them.

use crate::support;

use std::process::Command;

use connbox::applet::APPLETS;
use connbox::doc::{completions, help, man};

/// All man pages: file name and text.
fn pages() -> Vec<(String, String)> {
    let applets = APPLETS.iter().map(|a| (format!("man/connbox-{}.1", a.name), man::applet(a)));
    std::iter::once(("man/connbox.1".to_owned(), man::the_box())).chain(applets).collect()
}

#[test]
fn man_holds_the_generated_pages() {
    for (file, text) in pages() {
        support::same_as_file(&file, &text);
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
                    text.split([' ', '\n', '\'', ',', '=', '{', '}', ')', ':']).any(|w| w == name)
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
        let output = mandoc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What bash offers for the last of `words`.
fn bash(words: &[&str]) -> String {
    let script = r#"source completions/connbox.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1));
        _connbox; printf '%s\n' "${COMPREPLY[@]}""#;
    let mut shell = support::command("bash");
    shell.args(["-uc", script, "bash"]).args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes() {
    if !support::needs("bash_completes", &["bash"]) {
        return;
    }
    for (words, offer) in [
        (&["connbox", "tcp"][..], "tcpstates"),
        (&["connbox", "--comp"], "--completions"),
        (&["connbox", "--completions", "z"], "zsh"),
        (&["connbox", "help", "sock"], "sockstat"),
        (&["connbox", "tcpstates", "--hex"], "--hex"),
        (&["tcpstates", "--source", ""], "netlink"),
        (&["tcpstates", "--source", "=", "pro"], "procfs"),
        (&["conncount", "--transp"], "--transport"),
        (&["/usr/bin/conncount", "est"], "estab"),
        (&["sockstat", "--from", "Cargo.to"], "Cargo.toml"),
        (&["sockstat", "--root", "tes"], "tests"),
        (&["connbox", "--textfile", "Cargo.to"], "Cargo.toml"),
        (&["connbox", "--textfile", "x.prom", "tcp"], "tcpstates"),
        (&["connbox", "--textfile", "x.prom", "tcpstates", "--he"], "--hex"),
        (&["connbox", "--textfile", "x.prom", "tcpstates", "--hex", "+", "conn"], "conncount"),
        (
            &["connbox", "--textfile", "x.prom", "tcpstates", "+", "conncount", "--by", "ra"],
            "raddr",
        ),
    ] {
        let offers = bash(words);
        assert!(offers.lines().any(|line| line == offer), "{words:?}: {offers:?}");
    }
}

#[test]
fn fish_completes() {
    if !support::needs("fish_completes", &["fish"]) {
        return;
    }
    for (line, offer) in [
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
    ] {
        let script = format!("source completions/connbox.fish; complete -C '{line}'");
        let mut fish = support::command("fish");
        fish.args(["--no-config", "-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let offers = String::from_utf8(fish.output().unwrap().stdout).unwrap();
        let is_offered = offers.lines().any(|l| l.split('\t').next() == Some(offer));
        assert!(is_offered, "{line}: {offers:?}");
    }
}

/// What zsh offers for a line: its completion runs in a real line editor, in a terminal of its own.
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
    ] {
        let offers = zsh(line);
        assert!(offers.contains(offer), "{line}: {offers:?}");
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
