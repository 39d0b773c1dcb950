//! Completions for bash, zsh and fish: applets, options, option values, and NAMEs.

use super::{BOX_OPTIONS, options};
use crate::applet::APPLETS;
use crate::cli::OptDoc;
use crate::frame::Applet;

/// The shells for which there are completions.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The completions for `shell`, if it is one of [`SHELLS`].
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// What an option's value can be.
enum Operand {
    Words(&'static [&'static str]),
    File,
    Directory,
    Other,
}

fn operand(option: &OptDoc) -> Option<Operand> {
    let value = option.value?;
    Some(match value {
        _ if !option.words.is_empty() => Operand::Words(option.words),
        "FILE" => Operand::File,
        "DIR" => Operand::Directory,
        _ => Operand::Other,
    })
}

/// All names of all applets, aliases included.
fn names() -> String {
    let all = APPLETS.iter().flat_map(|applet| std::iter::once(&applet.name).chain(applet.aliases));
    all.copied().collect::<Vec<_>>().join(" ")
}

/// An applet's names as a pattern of `case`.
fn pattern(applet: &Applet) -> String {
    let all = std::iter::once(&applet.name).chain(applet.aliases);
    all.copied().collect::<Vec<_>>().join("|")
}

fn box_words() -> String {
    let options = BOX_OPTIONS.map(|option| option.name).join(" ");
    format!("{} help {options}", names())
}

fn bash() -> String {
    let mut values = String::new();
    let mut words = String::new();
    for applet in APPLETS {
        for option in options(applet) {
            let Some(operand) = operand(&option) else { continue };
            let action = match operand {
                Operand::Words(words) => format!("_connbox_words '{}'", words.join(" ")),
                Operand::File => "_connbox_files -f".into(),
                Operand::Directory => "_connbox_files -d".into(),
                Operand::Other => ":".into(),
            };
            let pattern: Vec<_> = std::iter::once(&applet.name)
                .chain(applet.aliases)
                .flat_map(|name| option.longs().map(move |long| format!("{name}:--{long}")))
                .collect();
            values += &format!("    {}) {action}; return ;;\n", pattern.join("|"));
        }
        let flags: Vec<_> = options(applet)
            .flat_map(|option| option.longs().map(|long| format!("--{long}")))
            .collect();
        words += &format!(
            "    {}) options='{}' names='{}' ;;\n",
            pattern(applet),
            flags.join(" "),
            applet.names.join(" ")
        );
    }
    BASH.replace("@BOX@", &box_words())
        .replace("@NAMES@", &names())
        .replace("@VALUES@", &values)
        .replace("@WORDS@", &words)
}

const BASH: &str = r#"# bash completion for connbox and its applets; made by: connbox --completions bash
# shellcheck shell=bash

_connbox_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_connbox_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

_connbox() {
    local current=${COMP_WORDS[COMP_CWORD]} before='' applet=${COMP_WORDS[0]##*/}
    local options='' names=''
    ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}
    # The shell takes --option=value apart into three words.
    if [[ $current == '=' ]]; then
        current=''
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    if [[ $applet == connbox ]]; then
        if ((COMP_CWORD == 1)); then
            _connbox_words '@BOX@'
            return
        fi
        applet=${COMP_WORDS[1]}
    fi
    case $applet in
    help|--man) _connbox_words '@NAMES@'; return ;;
    --completions) _connbox_words 'bash zsh fish'; return ;;
    --install)
        if ((COMP_CWORD == 2)); then _connbox_files -d; else _connbox_words '@NAMES@ --force'; fi
        return ;;
    --textfile)
        # The applet whose options come next stands behind the file, or behind the last +.
        local place first=3
        for ((place = 3; place < COMP_CWORD; place++)); do
            [[ ${COMP_WORDS[place]} == + ]] && first=$((place + 1))
        done
        if ((COMP_CWORD == 2)); then _connbox_files -f; return; fi
        if ((COMP_CWORD == first)); then _connbox_words '@NAMES@'; return; fi
        applet=${COMP_WORDS[first]} ;;
    esac
    case $applet:$before in
@VALUES@    esac
    case $applet in
@WORDS@    esac
    if [[ $current == -* ]]; then
        _connbox_words "$options"
    else
        _connbox_words "$names"
    fi
}

complete -F _connbox connbox @NAMES@
"#;

fn zsh() -> String {
    let mut functions = String::new();
    let mut applets = String::new();
    for applet in APPLETS {
        applets += &format!("    {}\n", quoted(&format!("{}:{}", applet.name, applet.about)));
        functions += &format!("_connbox_{}() {{\n  _arguments -s", applet.name);
        for option in options(applet) {
            functions += &format!(" \\\n    {}", zsh_option(&option));
        }
        if !applet.names.is_empty() {
            let names = format!("*:name:({})", applet.names.join(" "));
            functions += &format!(" \\\n    {}", quoted(&names));
        }
        functions += "\n}\n\n";
        for alias in applet.aliases {
            functions += &format!("_connbox_{alias}() {{ _connbox_{} }}\n\n", applet.name);
        }
    }
    let options: String = BOX_OPTIONS
        .iter()
        .map(|option| format!("    {}\n", quoted(&format!("{}:{}", option.name, option.help))))
        .collect();
    ZSH.replace("@NAMES@", &names())
        .replace("@FUNCTIONS@", &functions)
        .replace("@APPLETS@", &applets)
        .replace("@OPTIONS@", &options)
}

fn zsh_option(option: &OptDoc) -> String {
    let help: String = option
        .help
        .chars()
        .flat_map(|c| matches!(c, '[' | ']' | ':' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    let action = match (operand(option), option.value) {
        (Some(Operand::Words(words)), Some(name)) => format!(":{name}:({})", words.join(" ")),
        (Some(Operand::File), Some(name)) => format!(":{name}:_files"),
        (Some(Operand::Directory), Some(name)) => format!(":{name}:_files -/"),
        (Some(Operand::Other), Some(name)) => format!(":{}: ", name.replace(':', "")),
        _ => String::new(),
    };
    let equals = if option.value.is_some() { "=" } else { "" };
    let repeats = if option.long == "from" { "*" } else { "" };
    let rest = quoted(&format!("[{help}]{action}"));
    let short = option.short.map(|letter| format!("-{letter}"));
    let names: Vec<_> =
        short.iter().cloned().chain(option.longs().map(|long| format!("--{long}"))).collect();
    let written: Vec<_> =
        short.into_iter().chain(option.longs().map(|l| format!("--{l}{equals}"))).collect();
    match written.as_slice() {
        [only] => format!("'{repeats}{only}'{rest}"),
        _ => format!("'({})'{{{}}}{rest}", names.join(" "), written.join(",")),
    }
}

const ZSH: &str = r#"#compdef connbox @NAMES@
# zsh completion for connbox and its applets; made by: connbox --completions zsh

@FUNCTIONS@_connbox() {
  local applet=${service:-connbox}
  local -a applets options
  applets=(
@APPLETS@  )
  options=(
@OPTIONS@  )
  if [[ $applet == connbox ]]; then
    if (( CURRENT == 2 )); then
      _describe -t applets applet applets
      _describe -t options option options
      compadd help
      return
    fi
    applet=$words[2]
    shift words
    (( CURRENT-- ))
    case $applet in
      help|--man) _describe -t applets applet applets; return ;;
      --completions) compadd bash zsh fish; return ;;
      --install)
        if (( CURRENT == 2 )); then
          _files -/
        else
          compadd -- --force
          _describe -t applets applet applets
        fi
        return ;;
      --textfile)
        if (( CURRENT == 2 )); then
          _files
          return
        fi
        # The applet whose options come next stands behind the file, or behind the last +.
        local -a before=("${(@)words[1,CURRENT-1]}")
        local -i last=${before[(I)+]}
        (( last > 2 )) || last=2
        shift $last words
        (( CURRENT -= last ))
        if (( CURRENT == 1 )); then
          _describe -t applets applet applets
          return
        fi
        applet=$words[1] ;;
    esac
  fi
  (( $+functions[_connbox_$applet] )) && _connbox_$applet
}

_connbox "$@"
"#;

fn fish() -> String {
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
            "--install" | "--textfile" => " -rF".into(),
            _ => String::new(),
        };
        let (long, help) = (&option.name[2..], quoted(option.help));
        text += &format!("complete -c connbox -n {alone} -l {long}{operand} -d {help}\n");
    }
    let textfile = "'__fish_contains_opt textfile'";
    text += &format!("complete -c connbox -f -n {textfile} -a '+ {}'\n", names());
    for applet in APPLETS {
        for name in std::iter::once(&applet.name).chain(applet.aliases) {
            text += &fish_applet(applet, &format!("-c {name}"));
            let seen = format!("-c connbox -n '__fish_seen_subcommand_from {name}'");
            text += &fish_applet(applet, &seen);
        }
    }
    text
}

/// The completions of an applet, called by its own name or through the box.
fn fish_applet(applet: &Applet, command: &str) -> String {
    let mut text = format!("\ncomplete {command} -f -a '{}'\n", applet.names.join(" "));
    for option in options(applet) {
        let short = option.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
        let operand = match operand(&option) {
            Some(Operand::Words(words)) => format!(" -xa '{}'", words.join(" ")),
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

/// `text` in single quotes, quoted so that bash, zsh and fish read the same.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
