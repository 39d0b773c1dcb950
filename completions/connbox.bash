# bash completion for connbox and its applets; made by: connbox --completions bash
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
            _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack help --list --help --version --install --uninstall --textfile --man --completions'
            return
        fi
        applet=${COMP_WORDS[1]}
    fi
    case $applet in
    help|--man) _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack'; return ;;
    --completions) _connbox_words 'bash zsh fish'; return ;;
    --install)
        if ((COMP_CWORD == 2)); then _connbox_files -d; else _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack --force'; fi
        return ;;
    --uninstall)
        if ((COMP_CWORD == 2)); then _connbox_files -d; else _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack'; fi
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
        if ((COMP_CWORD == first)); then _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack'; return; fi
        applet=${COMP_WORDS[first]} ;;
    esac
    case $applet:$before in
    closedcalc:--by) _connbox_list -W 'process pid user cgroup pod container'; return ;;
    closedcalc:--top) :; return ;;
    closedcalc:--max-groups) :; return ;;
    closedcalc:--min) :; return ;;
    closedcalc:--pods) _connbox_files -f; return ;;
    closedcalc:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    closedcalc:--prefix) :; return ;;
    closedcalc:--color) _connbox_words 'auto always never'; return ;;
    closedcalc:--output) _connbox_files -f; return ;;
    closedcalc:--interval) :; return ;;
    closedcalc:--count) :; return ;;
    closedcalc:--root) _connbox_files -d; return ;;
    closedcalc:--netns) _connbox_namespaces; return ;;
    closedcalc:--from) _connbox_files -f; return ;;
    closedcalc:--from-command) :; return ;;
    closedcalc:--byte-order) _connbox_words 'big little'; return ;;
    closedcalc:--threads) :; return ;;
    conncount:--by) _connbox_list -W 'state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns pod container inode'; return ;;
    conncount:--top) :; return ;;
    conncount:--max-groups) :; return ;;
    conncount:--min) :; return ;;
    conncount:--sum) _connbox_list -W 'recv_queue send_queue'; return ;;
    conncount:--state) _connbox_list -W 'ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big'; return ;;
    conncount:--lport) _connbox_services; return ;;
    conncount:--rport) _connbox_services; return ;;
    conncount:--laddr) :; return ;;
    conncount:--raddr) :; return ;;
    conncount:--iface) _connbox_interfaces; return ;;
    conncount:--uid) _connbox_users; return ;;
    conncount:--inode) :; return ;;
    conncount:--process) :; return ;;
    conncount:--cgroup) :; return ;;
    conncount:--pod) _connbox_interfaces; return ;;
    conncount:--container) :; return ;;
    conncount:--pods) _connbox_files -f; return ;;
    conncount:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    conncount:--prefix) :; return ;;
    conncount:--color) _connbox_words 'auto always never'; return ;;
    conncount:--output) _connbox_files -f; return ;;
    conncount:--interval) :; return ;;
    conncount:--count) :; return ;;
    conncount:--root) _connbox_files -d; return ;;
    conncount:--netns) _connbox_namespaces; return ;;
    conncount:--from) _connbox_files -f; return ;;
    conncount:--from-command) :; return ;;
    conncount:--byte-order) _connbox_words 'big little'; return ;;
    conncount:--threads) :; return ;;
    conntrack:-L|conntrack:--dump) [[ $current == -* ]] || { _connbox_words 'conntrack expect dying unconfirmed'; return; } ;;
    conntrack:-C|conntrack:--counter) [[ $current == -* ]] || { _connbox_words 'conntrack expect dying unconfirmed'; return; } ;;
    conntrack:-E|conntrack:--event) [[ $current == -* ]] || { _connbox_words 'conntrack expect dying unconfirmed'; return; } ;;
    conntrack:-G|conntrack:--get) [[ $current == -* ]] || { _connbox_words 'conntrack expect dying unconfirmed'; return; } ;;
    conntrack:-S|conntrack:--stats) [[ $current == -* ]] || { _connbox_words 'conntrack expect dying unconfirmed'; return; } ;;
    conntrack:-s|conntrack:--src|conntrack:--orig-src) :; return ;;
    conntrack:-d|conntrack:--dst|conntrack:--orig-dst) :; return ;;
    conntrack:-r|conntrack:--reply-src) :; return ;;
    conntrack:-q|conntrack:--reply-dst) :; return ;;
    conntrack:--mask-src) :; return ;;
    conntrack:--mask-dst) :; return ;;
    conntrack:-p|conntrack:--protonum) _connbox_marked -W 'tcp udp icmp icmpv6 sctp dccp gre udplite'; return ;;
    conntrack:-f|conntrack:--family) _connbox_words 'ipv4 ipv6'; return ;;
    conntrack:-u|conntrack:--status) _connbox_list -W 'ASSURED SEEN_REPLY FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED'; return ;;
    conntrack:-m|conntrack:--mark) :; return ;;
    conntrack:-c|conntrack:--secmark) :; return ;;
    conntrack:-w|conntrack:--zone) :; return ;;
    conntrack:--orig-zone) :; return ;;
    conntrack:--reply-zone) :; return ;;
    conntrack:-l|conntrack:--label) :; return ;;
    conntrack:-n|conntrack:--src-nat) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-g|conntrack:--dst-nat) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-j|conntrack:--any-nat) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-i|conntrack:--id) :; return ;;
    conntrack:-a|conntrack:--nat-range) :; return ;;
    conntrack:-e|conntrack:--event-mask) _connbox_list -W 'ALL NEW UPDATES DESTROY'; return ;;
    conntrack:-o|conntrack:--output) _connbox_list -W 'xml extended timestamp id ktimestamp labels save'; return ;;
    conntrack:-b|conntrack:--buffer-size) :; return ;;
    conntrack:--sport|conntrack:--orig-port-src) _connbox_services; return ;;
    conntrack:--dport|conntrack:--orig-port-dst) _connbox_services; return ;;
    conntrack:--reply-port-src) _connbox_services; return ;;
    conntrack:--reply-port-dst) _connbox_services; return ;;
    conntrack:--state) _connbox_marked -W 'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2 CLOSED COOKIE_WAIT COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID'; return ;;
    conntrack:--icmp-type) :; return ;;
    conntrack:--icmp-code) :; return ;;
    conntrack:--icmp-id) :; return ;;
    conntrack:--icmpv6-type) :; return ;;
    conntrack:--icmpv6-code) :; return ;;
    conntrack:--icmpv6-id) :; return ;;
    conntrack:--srckey|conntrack:--orig-key-src) :; return ;;
    conntrack:--dstkey|conntrack:--orig-key-dst) :; return ;;
    conntrack:--reply-key-src) :; return ;;
    conntrack:--reply-key-dst) :; return ;;
    conntrack:--by) _connbox_list -W 'proto state family src dst reply_src reply_dst sport dport reply_sport reply_dport zone orig_zone reply_zone mark status helper labels'; return ;;
    conntrack:--sum) _connbox_list -W 'packets bytes'; return ;;
    conntrack:--top) :; return ;;
    conntrack:--max-groups) :; return ;;
    conntrack:--min) :; return ;;
    conntrack:-I|conntrack:--create) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-D|conntrack:--delete) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-U|conntrack:--update) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-A|conntrack:--add) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-F|conntrack:--flush) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-R|conntrack:--load-file) [[ $current == -* ]] || { :; return; } ;;
    conntrack:-z|conntrack:--zero) [[ $current == -* ]] || { :; return; } ;;
    conntrack:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    conntrack:--prefix) :; return ;;
    conntrack:--color) _connbox_words 'auto always never'; return ;;
    conntrack:--output-file) _connbox_files -f; return ;;
    conntrack:--interval) :; return ;;
    conntrack:--snapshots) :; return ;;
    conntrack:--root) _connbox_files -d; return ;;
    conntrack:--netns) _connbox_namespaces; return ;;
    conntrack:--from) _connbox_files -f; return ;;
    conntrack:--threads) :; return ;;
    conntrackd:-C|conntrackd:--config) _connbox_files -f; return ;;
    conntrackd:-s|conntrackd:--stats) [[ $current == -* ]] || { _connbox_words 'ct cache runtime network link rsqueue queue process expect'; return; } ;;
    conntrackd:-i|conntrackd:--internal) [[ $current == -* ]] || { _connbox_words 'ct expect'; return; } ;;
    conntrackd:-e|conntrackd:--external) [[ $current == -* ]] || { _connbox_words 'ct expect'; return; } ;;
    conntrackd:-R|conntrackd:--resync) [[ $current == -* ]] || { _connbox_words 'ct expect'; return; } ;;
    conntrackd:--socket) :; return ;;
    conntrackd:--reconcile) :; return ;;
    conntrackd:--hash-limit) :; return ;;
    conntrackd:--log) _connbox_files -f; return ;;
    conntrackd:--log-format) _connbox_words 'conntrackd json tsv'; return ;;
    conntrackd:--ipfix) :; return ;;
    conntrackd:--ipfix-active) :; return ;;
    conntrackd:--ipfix-domain) :; return ;;
    conntrackd:-f|conntrackd:--flush-cache) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:-F|conntrackd:--flush-kernel) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:-c|conntrackd:--commit) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:-B|conntrackd:--bulk) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:-n|conntrackd:--request) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:-t|conntrackd:--reset-timers) [[ $current == -* ]] || { :; return; } ;;
    conntrackd:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    conntrackd:--prefix) :; return ;;
    conntrackd:--color) _connbox_words 'auto always never'; return ;;
    conntrackd:--output) _connbox_files -f; return ;;
    conntrackd:--interval) :; return ;;
    conntrackd:--count) :; return ;;
    conntrackd:--netns) _connbox_namespaces; return ;;
    conntrackd:--threads) :; return ;;
    network-connections:--conn-status|check_network_connections:--conn-status) _connbox_words 'all close close_wait closing established fin_wait1 fin_wait2 last_ack listen none syn_recv syn_sent time_wait'; return ;;
    network-connections:--conn-type|check_network_connections:--conn-type) _connbox_words 'all tcp tcp6 udp udp6'; return ;;
    network-connections:-c|network-connections:--critical|check_network_connections:-c|check_network_connections:--critical) :; return ;;
    network-connections:--rule|check_network_connections:--rule) :; return ;;
    network-connections:--test|check_network_connections:--test) :; return ;;
    network-connections:-w|network-connections:--warning|check_network_connections:-w|check_network_connections:--warning) :; return ;;
    network-connections:--format|check_network_connections:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    network-connections:--prefix|check_network_connections:--prefix) :; return ;;
    network-connections:--color|check_network_connections:--color) _connbox_words 'auto always never'; return ;;
    network-connections:--output|check_network_connections:--output) _connbox_files -f; return ;;
    network-connections:--root|check_network_connections:--root) _connbox_files -d; return ;;
    network-connections:--netns|check_network_connections:--netns) _connbox_namespaces; return ;;
    network-connections:--from|check_network_connections:--from) _connbox_files -f; return ;;
    network-connections:--from-command|check_network_connections:--from-command) :; return ;;
    network-connections:--byte-order|check_network_connections:--byte-order) _connbox_words 'big little'; return ;;
    network-connections:--threads|check_network_connections:--threads) :; return ;;
    snmpget-tcp:--top) :; return ;;
    snmpget-tcp:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    snmpget-tcp:--prefix) :; return ;;
    snmpget-tcp:--color) _connbox_words 'auto always never'; return ;;
    snmpget-tcp:--output) _connbox_files -f; return ;;
    snmpget-tcp:--interval) :; return ;;
    snmpget-tcp:--count) :; return ;;
    snmpget-tcp:--root) _connbox_files -d; return ;;
    snmpget-tcp:--netns) _connbox_namespaces; return ;;
    snmpget-tcp:--from) _connbox_files -f; return ;;
    snmpget-tcp:--from-command) :; return ;;
    snmpget-tcp:--byte-order) _connbox_words 'big little'; return ;;
    snmpget-tcp:--threads) :; return ;;
    sockstat:--top) :; return ;;
    sockstat:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    sockstat:--prefix) :; return ;;
    sockstat:--color) _connbox_words 'auto always never'; return ;;
    sockstat:--output) _connbox_files -f; return ;;
    sockstat:--interval) :; return ;;
    sockstat:--count) :; return ;;
    sockstat:--root) _connbox_files -d; return ;;
    sockstat:--netns) _connbox_namespaces; return ;;
    sockstat:--from) _connbox_files -f; return ;;
    sockstat:--from-command) :; return ;;
    sockstat:--byte-order) _connbox_words 'big little'; return ;;
    sockstat:--threads) :; return ;;
    tcpstates:--by) _connbox_list -W 'state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns pod container inode'; return ;;
    tcpstates:--top) :; return ;;
    tcpstates:--max-groups) :; return ;;
    tcpstates:--min) :; return ;;
    tcpstates:--source) _connbox_words 'auto netlink procfs'; return ;;
    tcpstates:--state) _connbox_list -W 'ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big'; return ;;
    tcpstates:--lport) _connbox_services; return ;;
    tcpstates:--rport) _connbox_services; return ;;
    tcpstates:--laddr) :; return ;;
    tcpstates:--raddr) :; return ;;
    tcpstates:--iface) _connbox_interfaces; return ;;
    tcpstates:--uid) _connbox_users; return ;;
    tcpstates:--inode) :; return ;;
    tcpstates:--process) :; return ;;
    tcpstates:--cgroup) :; return ;;
    tcpstates:--pod) _connbox_interfaces; return ;;
    tcpstates:--container) :; return ;;
    tcpstates:--pods) _connbox_files -f; return ;;
    tcpstates:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    tcpstates:--prefix) :; return ;;
    tcpstates:--color) _connbox_words 'auto always never'; return ;;
    tcpstates:--output) _connbox_files -f; return ;;
    tcpstates:--interval) :; return ;;
    tcpstates:--count) :; return ;;
    tcpstates:--root) _connbox_files -d; return ;;
    tcpstates:--netns) _connbox_namespaces; return ;;
    tcpstates:--from) _connbox_files -f; return ;;
    tcpstates:--from-command) :; return ;;
    tcpstates:--byte-order) _connbox_words 'big little'; return ;;
    tcpstates:--threads) :; return ;;
    tcptrack:-i|tcptrack:--interface) _connbox_interfaces; return ;;
    tcptrack:-r|tcptrack:--remove-after) :; return ;;
    tcptrack:-T|tcptrack:--read) _connbox_files -f; return ;;
    tcptrack:--rate-interval) :; return ;;
    tcptrack:--sort) _connbox_words 'rate bytes idle rx tx state client server none'; return ;;
    tcptrack:--units) _connbox_words 'bytes bits'; return ;;
    tcptrack:--count) :; return ;;
    tcptrack:--interval) :; return ;;
    tcptrack:--ipfix) :; return ;;
    tcptrack:--ipfix-domain) :; return ;;
    tcptrack:--max-connections) :; return ;;
    tcptrack:--by) _connbox_list -W 'client client_port server server_port state process pid peer service cgroup laddr lport raddr rport pod container'; return ;;
    tcptrack:--top) :; return ;;
    tcptrack:--max-groups) :; return ;;
    tcptrack:--min) :; return ;;
    tcptrack:--pods) _connbox_files -f; return ;;
    tcptrack:--format) _connbox_words 'tsv human shell fish json prom json=array'; return ;;
    tcptrack:--prefix) :; return ;;
    tcptrack:--color) _connbox_words 'auto always never'; return ;;
    tcptrack:--output) _connbox_files -f; return ;;
    tcptrack:--netns) _connbox_namespaces; return ;;
    tcptrack:--from) _connbox_files -f; return ;;
    tcptrack:--threads) :; return ;;
    esac
    case $applet in
    closedcalc) options='--by --top --max-groups --min --pods --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --explain --help --version' names='closed unhashed alloc inuse inuse6 tw' ;;
    conncount) options='--transport --quick --tcp --udp --by --top --max-groups --min --sum --ipv4 --ipv6 --state --lport --rport --laddr --raddr --iface --uid --inode --process --cgroup --pod --container --pods --strict --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --explain --help --version' names='total tcp estab closed orphaned synrecv timewait unhashed' ;;
    conntrack) options='--dump --counter --event --get --stats --src --orig-src --dst --orig-dst --reply-src --reply-dst --mask-src --mask-dst --protonum --family --status --mark --secmark --zone --orig-zone --reply-zone --label --src-nat --dst-nat --any-nat --id --nat-range --event-mask --output --buffer-size --resync --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --state --icmp-type --icmp-code --icmp-id --icmpv6-type --icmpv6-code --icmpv6-id --srckey --orig-key-src --dstkey --orig-key-dst --reply-key-src --reply-key-dst --by --sum --top --max-groups --min --limits --create --delete --update --add --flush --load-file --zero --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output-file --interval --snapshots --rate --root --netns --skip-empty --from --threads --quiet-gaps --help --version' names='' ;;
    conntrackd) options='--daemon --foreground --config --stats --internal --external --xml --resync --kill --socket --reconcile --hash-limit --log --log-format --ipfix --ipfix-active --ipfix-domain --ipfix-marks --no-sandbox --flush-cache --flush-kernel --commit --bulk --request --reset-timers --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --netns --skip-empty --threads --help --version' names='' ;;
    network-connections|check_network_connections) options='--always-ok --conn-status --conn-type --critical --no-perfdata --rule --strict --test --warning --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --help --version' names='' ;;
    snmpget-tcp) options='--all --oid --describe --top --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --explain --help --version' names='RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts' ;;
    sockstat) options='--limits --top --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --explain --help --version' names='sockets TCP UDP UDPLITE RAW FRAG TCP6 UDP6 UDPLITE6 RAW6 FRAG6' ;;
    tcpstates) options='--by --top --max-groups --min --hex --source --ipv4 --ipv6 --state --lport --rport --laddr --raddr --iface --uid --inode --process --cgroup --pod --container --pods --strict --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --interval --count --rate --root --netns --skip-empty --from --from-command --byte-order --threads --quiet-gaps --explain --help --version' names='ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big' ;;
    tcptrack) options='--interface --only-new --fast --no-promiscuous --promiscuous --remove-after --read --rate-interval --sort --units --once --count --interval --conntrack --no-sandbox --decapsulate --ended --ipfix --ipfix-domain --max-connections --by --top --max-groups --min --pods --tsv --human --shell --fish --json --prom --format --header --prefix --value --wide --color --output --netns --skip-empty --from --threads --quiet-gaps --help --version' names='' ;;
    esac
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

complete -F _connbox connbox closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack
