//! The completions for fish.

use super::{Operand, is_list, is_marked, names, operand, quoted};
use crate::applet::APPLETS;
use crate::doc::{BOX_OPTIONS, options};
use crate::frame::Applet;

pub(super) fn script() -> String {
    let mut text = String::from(
        "# fish completion for connbox and its applets; made by: connbox --completions fish\n\n",
    );
    let alone = format!("'not __fish_seen_subcommand_from {} help'", names());
    for applet in APPLETS {
        let about = quoted(applet.about);
        text += &format!("complete -c connbox -f -n {alone} -a {} -d {about}\n", applet.name);
    }
    text += &format!("complete -c connbox -f -n {alone} -a help -d 'explain an applet'\n");
    text +=
        &format!("complete -c connbox -f -n '__fish_seen_subcommand_from help' -a '{}'\n", names());
    for option in BOX_OPTIONS {
        let operand = match option.name {
            "--man" => format!(" -xa '{}'", names()),
            "--completions" => " -xa 'bash zsh fish'".into(),
            "--install" | "--uninstall" | "--textfile" => " -rF".into(),
            _ => String::new(),
        };
        let (long, help) = (&option.name[2..], quoted(option.help));
        text += &format!("complete -c connbox -n {alone} -l {long}{operand} -d {help}\n");
    }
    text += FISH;
    let textfile = "'__fish_contains_opt textfile; and not __connbox_awaits_file'";
    text += &format!("complete -c connbox -f -n {textfile} -a '+ {}'\n", names());
    text += "complete -c connbox -F -n __connbox_awaits_file\n";
    text += "complete -c connbox -n __connbox_awaits_file -l interval -x -d 'seconds between two writes'\n";
    text +=
        "complete -c connbox -n __connbox_awaits_file -l quiet-gaps -d 'accept gaps in silence'\n";
    for applet in APPLETS {
        for name in std::iter::once(&applet.name).chain(applet.aliases) {
            text += &fish_applet(applet, &format!("-c {name}"));
            let seen = format!("-c connbox -n '__fish_seen_subcommand_from {name}'");
            text += &fish_applet(applet, &seen);
        }
    }
    text
}

/// Functions that list the values of options.
const FISH: &str = r"
# The words that a list does not have, behind what precedes its last word.
function __connbox_list
    set -l token (string replace -r '^--[^=]*=' '' -- (commandline -ct) | string trim -l -c '\'')
    set -l head (string replace -r '^((?:.*,)?!?).*$' '$1' -- $token)
    set -l used (string split , -- (string replace -a '!' '' -- $head))
    for word in $argv
        contains -- $word $used
        or printf '%s\n' $head$word
    end
end

# Whether the file of --textfile comes next.
function __connbox_awaits_file
    set -l words (commandline -opc)
    set -l place (contains -i -- --textfile $words)
    or return 1
    set -e words[1..$place]
    while set -q words[1]
        switch $words[1]
            case --interval
                set -q words[2]
                or return 1
                set -e words[1..2]
            case '-*'
                set -e words[1]
            case '*'
                return 1
        end
    end
end

function __connbox_services
    __connbox_list (string match -r '^[A-Za-z0-9][^\s#]*' </etc/services)
end

function __connbox_users
    __connbox_list (string replace -r ':.*' '' </etc/passwd)
end

function __connbox_interfaces
    __connbox_list (command ls /sys/class/net)
end

function __connbox_namespaces
    printf '%s\n' all (command ls /run/netns 2>/dev/null)
end

";

/// The completions of an applet, called by its own name or through the box.
fn fish_applet(applet: &Applet, command: &str) -> String {
    let mut text = format!("\ncomplete {command} -f -a '{}'\n", applet.names.join(" "));
    for option in options(applet) {
        let short = option.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
        let operand = match operand(&option) {
            Some(Operand::Words(words)) if is_list(&option) || is_marked(&option) => {
                format!(" -xa '(__connbox_list {})'", words.join(" "))
            }
            Some(Operand::Words(words)) => format!(" -xa '{}'", words.join(" ")),
            Some(Operand::Live(list)) => format!(" -xa '(__connbox_{list})'"),
            Some(Operand::File) => " -rF".into(),
            Some(Operand::Directory) => " -xa '(__fish_complete_directories)'".into(),
            Some(Operand::Other) => " -x".into(),
            None => String::new(),
        };
        let longs: String = option.longs().map(|long| format!(" -l {long}")).collect();
        let help = quoted(option.help);
        text += &format!("complete {command}{short}{longs}{operand} -d {help}\n");
    }
    text
}
