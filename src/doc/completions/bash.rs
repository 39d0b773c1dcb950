//! The completions for bash.

use super::{Operand, box_words, is_list, is_marked, is_optional, names, operand, pattern};
use crate::applet::APPLETS;
use crate::doc::options;

pub(super) fn script() -> String {
    let mut values = String::new();
    let mut words = String::new();
    for applet in APPLETS {
        for option in options(applet) {
            let Some(operand) = operand(&option) else { continue };
            let action = match operand {
                Operand::Words(words) if is_list(&option) => {
                    format!("_connbox_list -W '{}'", words.join(" "))
                }
                Operand::Words(words) if is_marked(&option) => {
                    format!("_connbox_marked -W '{}'", words.join(" "))
                }
                Operand::Words(words) => format!("_connbox_words '{}'", words.join(" ")),
                Operand::Live(list) => format!("_connbox_{list}"),
                Operand::File => "_connbox_files -f".into(),
                Operand::Directory => "_connbox_files -d".into(),
                Operand::Other => ":".into(),
            };
            let pattern: Vec<_> = std::iter::once(&applet.name)
                .chain(applet.aliases)
                .flat_map(|name| {
                    let short = option.short.map(|letter| format!("{name}:-{letter}"));
                    short
                        .into_iter()
                        .chain(option.longs().map(move |long| format!("{name}:--{long}")))
                })
                .collect();
            let action = match is_optional(&option) {
                true => format!("[[ $current == -* ]] || {{ {action}; return; }}"),
                false => format!("{action}; return"),
            };
            values += &format!("    {}) {action} ;;\n", pattern.join("|"));
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
    ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -W "${1,,}" -- "$current")
}

# Completes the last word of a list, which a ! may precede, with those that the list does not have; $@ says to compgen
# what there is.
_connbox_marked() {
    local head='' rest=$current used place
    [[ $rest == *,* ]] && head=${rest%,*}, rest=${rest##*,}
    used=,${head//!/}
    [[ $rest == '!'* ]] && head+='!' rest=${rest#'!'}
    mapfile -t COMPREPLY < <(compgen -P "$head" "$@" -- "$rest")
    if [[ $1 == -W && ${#COMPREPLY[@]} == 0 ]]; then
        mapfile -t COMPREPLY < <(compgen -P "$head" -W "${2,,}" -- "$rest")
    fi
    for place in "${!COMPREPLY[@]}"; do
        [[ $used == *,"${COMPREPLY[place]#"$head"}",* ]] && unset "COMPREPLY[place]"
    done
}

# The same for what is often a list: another word may follow.
_connbox_list() {
    compopt -o nospace 2>/dev/null
    _connbox_marked "$@"
}

_connbox_services() { _connbox_list -s; }
_connbox_users() { _connbox_list -u; }
_connbox_interfaces() { _connbox_list -W "$(cd /sys/class/net 2>/dev/null && echo *)"; }
_connbox_namespaces() { _connbox_words "all $(cd /run/netns 2>/dev/null && shopt -s nullglob && echo *)"; }

_connbox_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

_connbox() {
    local current=${COMP_WORDS[COMP_CWORD]} before='' applet=${COMP_WORDS[0]##*/}
    local options='' names=''
    ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}
    # The shell takes --option=value apart into three words.
    local is_value=''
    if [[ $current == '=' ]]; then
        current='' is_value=1
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]} is_value=1
    fi
    # The shell keeps the quote that a word begins with.
    current=${current#[\'\"]}
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
    --uninstall)
        if ((COMP_CWORD == 2)); then _connbox_files -d; else _connbox_words '@NAMES@'; fi
        return ;;
    --textfile)
        # The applet whose options come next stands behind the file, or behind the last +.
        local place file=2
        while ((file < COMP_CWORD)) && [[ ${COMP_WORDS[file]} == -* ]]; do
            [[ ${COMP_WORDS[file]} == --interval ]] && ((file++))
            ((file++))
        done
        local first=$((file + 1))
        for ((place = first; place < COMP_CWORD; place++)); do
            [[ ${COMP_WORDS[place]} == + ]] && first=$((place + 1))
        done
        if ((COMP_CWORD == file)) && [[ $current == -* ]]; then
            _connbox_words '--interval --quiet-gaps'
            return
        fi
        if ((COMP_CWORD <= file)); then _connbox_files -f; return; fi
        if ((COMP_CWORD == first)); then _connbox_words '@NAMES@'; return; fi
        applet=${COMP_WORDS[first]} ;;
    esac
    case $applet:$before in
@VALUES@    esac
    case $applet in
@WORDS@    esac
    # A value that an option may have is no name of a row.
    if [[ -n $is_value ]]; then
        [[ $before == --json ]] && _connbox_words array
        return
    fi
    if [[ $current == -* ]]; then
        _connbox_words "$options"
    else
        _connbox_words "$names"
    fi
}

complete -F _connbox connbox @NAMES@
"#;
