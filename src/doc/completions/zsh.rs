//! The completions for zsh.

use super::{Operand, is_list, is_marked, is_optional, names, operand, quoted};
use crate::applet::APPLETS;
use crate::cli::OptDoc;
use crate::doc::{BOX_OPTIONS, options};

pub(super) fn script() -> String {
    let mut functions = String::new();
    let mut applets = String::new();
    for applet in APPLETS {
        applets += &format!("    {}\n", quoted(&format!("{}:{}", applet.name, applet.about)));
        functions += &format!("_connbox_{}() {{\n  _arguments -s", applet.name);
        for option in options(applet) {
            functions += &format!(" \\\n    {}", zsh_option(&option));
        }
        if !applet.names.is_empty() {
            let names = format!("*:name:_connbox_words {}", applet.names.join(" "));
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
        (Some(Operand::Words(words)), Some(name)) if is_list(option) => {
            format!(":{name}:_connbox_list {}", words.join(" "))
        }
        (Some(Operand::Words(words)), Some(name)) if is_marked(option) => {
            format!(":{name}:_connbox_marked {}", words.join(" "))
        }
        (Some(Operand::Words(words)), Some(name)) => format!(":{name}:({})", words.join(" ")),
        (Some(Operand::Live(list)), Some(name)) => format!(":{name}:_connbox_{list}"),
        (Some(Operand::File), Some(name)) => format!(":{name}:_files"),
        (Some(Operand::Directory), Some(name)) => format!(":{name}:_files -/"),
        (Some(Operand::Other), Some(name)) => format!(":{}: ", name.replace(':', "")),
        _ => String::new(),
    };
    let action =
        if is_optional(option) && !action.is_empty() { format!(":{action}") } else { action };
    let equals = if option.is_alone() { "" } else { "=" };
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

_connbox_words() {
  compadd -M 'm:{a-zA-Z}={A-Za-z}' "$@"
}

# Completes the last word of a list, which a ! may precede, with those that the list does not have.
_connbox_marked() {
  local -a used
  [[ $PREFIX == *,* ]] && used=("${(@s:,:)${${PREFIX%,*}//\!}}")
  compset -P '*,'
  compset -P '\!'
  _connbox_words -F used "$@"
}

# The same for what is often a list: another word may follow.
_connbox_list() {
  _connbox_marked -S '' "$@"
}

_connbox_services() {
  _connbox_list "$@" ${${${(f)"$(</etc/services)"}%%[[:space:]\#]*}:#}
}

_connbox_users() {
  _connbox_list "$@" ${${(f)"$(</etc/passwd)"}%%:*}
}

_connbox_interfaces() {
  _connbox_list "$@" /sys/class/net/*(N:t)
}

_connbox_namespaces() {
  compadd "$@" all /run/netns/*(N:t)
}

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
      --uninstall)
        if (( CURRENT == 2 )); then
          _files -/
        else
          _describe -t applets applet applets
        fi
        return ;;
      --textfile)
        while [[ $words[2] == -* ]] && (( CURRENT > 2 )); do
          if [[ $words[2] == --interval ]]; then
            (( CURRENT == 3 )) && return
            shift words
            (( CURRENT-- ))
          fi
          shift words
          (( CURRENT-- ))
        done
        if (( CURRENT == 2 )); then
          if [[ $words[2] == -* ]]; then
            compadd -- --interval --quiet-gaps
          else
            _files
          fi
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
