# bash completion for connbox and its applets; made by: connbox --completions bash
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
            _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack help --list --help --version --install --textfile --man --completions'
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
    --textfile)
        # The applet whose options come next stands behind the file, or behind the last +.
        local place first=3
        for ((place = 3; place < COMP_CWORD; place++)); do
            [[ ${COMP_WORDS[place]} == + ]] && first=$((place + 1))
        done
        if ((COMP_CWORD == 2)); then _connbox_files -f; return; fi
        if ((COMP_CWORD == first)); then _connbox_words 'closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack'; return; fi
        applet=${COMP_WORDS[first]} ;;
    esac
    case $applet:$before in
    closedcalc:--by) _connbox_words 'process pid user cgroup'; return ;;
    closedcalc:--top) :; return ;;
    closedcalc:--min) :; return ;;
    closedcalc:--format) _connbox_words 'tsv shell json prom'; return ;;
    closedcalc:--prefix) :; return ;;
    closedcalc:--output) _connbox_files -f; return ;;
    closedcalc:--interval) :; return ;;
    closedcalc:--count) :; return ;;
    closedcalc:--root) _connbox_files -d; return ;;
    closedcalc:--netns) :; return ;;
    closedcalc:--from) _connbox_files -f; return ;;
    closedcalc:--threads) :; return ;;
    conncount:--by) _connbox_words 'state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns'; return ;;
    conncount:--top) :; return ;;
    conncount:--min) :; return ;;
    conncount:--sum) _connbox_words 'recv_queue send_queue'; return ;;
    conncount:--state) :; return ;;
    conncount:--lport) :; return ;;
    conncount:--rport) :; return ;;
    conncount:--laddr) :; return ;;
    conncount:--raddr) :; return ;;
    conncount:--uid) :; return ;;
    conncount:--process) :; return ;;
    conncount:--cgroup) :; return ;;
    conncount:--format) _connbox_words 'tsv shell json prom'; return ;;
    conncount:--prefix) :; return ;;
    conncount:--output) _connbox_files -f; return ;;
    conncount:--interval) :; return ;;
    conncount:--count) :; return ;;
    conncount:--root) _connbox_files -d; return ;;
    conncount:--netns) :; return ;;
    conncount:--from) _connbox_files -f; return ;;
    conncount:--threads) :; return ;;
    conntrack:--dump) _connbox_words 'conntrack expect dying unconfirmed'; return ;;
    conntrack:--counter) _connbox_words 'conntrack expect dying unconfirmed'; return ;;
    conntrack:--event) _connbox_words 'conntrack expect dying unconfirmed'; return ;;
    conntrack:--get) _connbox_words 'conntrack expect dying unconfirmed'; return ;;
    conntrack:--stats) _connbox_words 'conntrack expect dying unconfirmed'; return ;;
    conntrack:--src|conntrack:--orig-src) :; return ;;
    conntrack:--dst|conntrack:--orig-dst) :; return ;;
    conntrack:--reply-src) :; return ;;
    conntrack:--reply-dst) :; return ;;
    conntrack:--mask-src) :; return ;;
    conntrack:--mask-dst) :; return ;;
    conntrack:--protonum) :; return ;;
    conntrack:--family) _connbox_words 'ipv4 ipv6'; return ;;
    conntrack:--status) _connbox_words 'ASSURED SEEN_REPLY FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED'; return ;;
    conntrack:--mark) :; return ;;
    conntrack:--secmark) :; return ;;
    conntrack:--zone) :; return ;;
    conntrack:--orig-zone) :; return ;;
    conntrack:--reply-zone) :; return ;;
    conntrack:--label) :; return ;;
    conntrack:--src-nat) :; return ;;
    conntrack:--dst-nat) :; return ;;
    conntrack:--any-nat) :; return ;;
    conntrack:--event-mask) _connbox_words 'ALL NEW UPDATES DESTROY'; return ;;
    conntrack:--output) _connbox_words 'xml extended timestamp id ktimestamp labels save'; return ;;
    conntrack:--buffer-size) :; return ;;
    conntrack:--sport|conntrack:--orig-port-src) :; return ;;
    conntrack:--dport|conntrack:--orig-port-dst) :; return ;;
    conntrack:--reply-port-src) :; return ;;
    conntrack:--reply-port-dst) :; return ;;
    conntrack:--state) :; return ;;
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
    conntrack:--by) _connbox_words 'proto state family src dst reply_src reply_dst sport dport reply_sport reply_dport zone orig_zone reply_zone mark status helper labels'; return ;;
    conntrack:--sum) _connbox_words 'packets bytes'; return ;;
    conntrack:--top) :; return ;;
    conntrack:--min) :; return ;;
    conntrack:--create) :; return ;;
    conntrack:--delete) :; return ;;
    conntrack:--update) :; return ;;
    conntrack:--add) :; return ;;
    conntrack:--flush) :; return ;;
    conntrack:--load-file) :; return ;;
    conntrack:--zero) :; return ;;
    conntrack:--format) _connbox_words 'tsv shell json prom'; return ;;
    conntrack:--prefix) :; return ;;
    conntrack:--output-file) _connbox_files -f; return ;;
    conntrack:--interval) :; return ;;
    conntrack:--snapshots) :; return ;;
    conntrack:--root) _connbox_files -d; return ;;
    conntrack:--netns) :; return ;;
    conntrack:--threads) :; return ;;
    conntrackd:--config) _connbox_files -f; return ;;
    conntrackd:--stats) _connbox_words 'ct cache runtime network link rsqueue queue process expect'; return ;;
    conntrackd:--internal) _connbox_words 'ct expect'; return ;;
    conntrackd:--external) _connbox_words 'ct expect'; return ;;
    conntrackd:--resync) _connbox_words 'ct expect'; return ;;
    conntrackd:--socket) :; return ;;
    conntrackd:--reconcile) :; return ;;
    conntrackd:--hash-limit) :; return ;;
    conntrackd:--log) _connbox_files -f; return ;;
    conntrackd:--log-format) _connbox_words 'conntrackd json tsv'; return ;;
    conntrackd:--flush-cache) :; return ;;
    conntrackd:--flush-kernel) :; return ;;
    conntrackd:--commit) :; return ;;
    conntrackd:--bulk) :; return ;;
    conntrackd:--request) :; return ;;
    conntrackd:--reset-timers) :; return ;;
    conntrackd:--format) _connbox_words 'tsv shell json prom'; return ;;
    conntrackd:--prefix) :; return ;;
    conntrackd:--output) _connbox_files -f; return ;;
    conntrackd:--interval) :; return ;;
    conntrackd:--count) :; return ;;
    conntrackd:--netns) :; return ;;
    conntrackd:--threads) :; return ;;
    network-connections:--conn-status|check_network_connections:--conn-status) _connbox_words 'all close close_wait closing established fin_wait1 fin_wait2 last_ack listen none syn_recv syn_sent time_wait'; return ;;
    network-connections:--conn-type|check_network_connections:--conn-type) _connbox_words 'all tcp tcp6 udp udp6'; return ;;
    network-connections:--critical|check_network_connections:--critical) :; return ;;
    network-connections:--rule|check_network_connections:--rule) :; return ;;
    network-connections:--test|check_network_connections:--test) :; return ;;
    network-connections:--warning|check_network_connections:--warning) :; return ;;
    network-connections:--format|check_network_connections:--format) _connbox_words 'tsv shell json prom'; return ;;
    network-connections:--prefix|check_network_connections:--prefix) :; return ;;
    network-connections:--output|check_network_connections:--output) _connbox_files -f; return ;;
    network-connections:--root|check_network_connections:--root) _connbox_files -d; return ;;
    network-connections:--netns|check_network_connections:--netns) :; return ;;
    network-connections:--from|check_network_connections:--from) _connbox_files -f; return ;;
    network-connections:--threads|check_network_connections:--threads) :; return ;;
    snmpget-tcp:--format) _connbox_words 'tsv shell json prom'; return ;;
    snmpget-tcp:--prefix) :; return ;;
    snmpget-tcp:--output) _connbox_files -f; return ;;
    snmpget-tcp:--interval) :; return ;;
    snmpget-tcp:--count) :; return ;;
    snmpget-tcp:--root) _connbox_files -d; return ;;
    snmpget-tcp:--netns) :; return ;;
    snmpget-tcp:--from) _connbox_files -f; return ;;
    snmpget-tcp:--threads) :; return ;;
    sockstat:--format) _connbox_words 'tsv shell json prom'; return ;;
    sockstat:--prefix) :; return ;;
    sockstat:--output) _connbox_files -f; return ;;
    sockstat:--interval) :; return ;;
    sockstat:--count) :; return ;;
    sockstat:--root) _connbox_files -d; return ;;
    sockstat:--netns) :; return ;;
    sockstat:--from) _connbox_files -f; return ;;
    sockstat:--threads) :; return ;;
    tcpstates:--by) _connbox_words 'family'; return ;;
    tcpstates:--source) _connbox_words 'auto netlink procfs'; return ;;
    tcpstates:--state) :; return ;;
    tcpstates:--lport) :; return ;;
    tcpstates:--rport) :; return ;;
    tcpstates:--laddr) :; return ;;
    tcpstates:--raddr) :; return ;;
    tcpstates:--uid) :; return ;;
    tcpstates:--process) :; return ;;
    tcpstates:--cgroup) :; return ;;
    tcpstates:--format) _connbox_words 'tsv shell json prom'; return ;;
    tcpstates:--prefix) :; return ;;
    tcpstates:--output) _connbox_files -f; return ;;
    tcpstates:--interval) :; return ;;
    tcpstates:--count) :; return ;;
    tcpstates:--root) _connbox_files -d; return ;;
    tcpstates:--netns) :; return ;;
    tcpstates:--from) _connbox_files -f; return ;;
    tcpstates:--threads) :; return ;;
    tcptrack:--interface) :; return ;;
    tcptrack:--remove-after) :; return ;;
    tcptrack:--read) _connbox_files -f; return ;;
    tcptrack:--rate-interval) :; return ;;
    tcptrack:--sort) _connbox_words 'rate bytes idle rx tx state client server none'; return ;;
    tcptrack:--units) _connbox_words 'bytes bits'; return ;;
    tcptrack:--count) :; return ;;
    tcptrack:--interval) :; return ;;
    tcptrack:--max-connections) :; return ;;
    tcptrack:--by) _connbox_words 'client client_port server server_port state process pid'; return ;;
    tcptrack:--top) :; return ;;
    tcptrack:--min) :; return ;;
    tcptrack:--format) _connbox_words 'tsv shell json prom'; return ;;
    tcptrack:--prefix) :; return ;;
    tcptrack:--output) _connbox_files -f; return ;;
    tcptrack:--netns) :; return ;;
    tcptrack:--threads) :; return ;;
    esac
    case $applet in
    closedcalc) options='--by --top --min --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --root --netns --from --threads --explain --help --version' names='closed unhashed alloc inuse inuse6 tw' ;;
    conncount) options='--transport --quick --tcp --udp --by --top --min --sum --ipv4 --ipv6 --state --lport --rport --laddr --raddr --uid --process --cgroup --strict --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --root --netns --from --threads --explain --help --version' names='total tcp estab closed orphaned synrecv timewait unhashed' ;;
    conntrack) options='--dump --counter --event --get --stats --src --orig-src --dst --orig-dst --reply-src --reply-dst --mask-src --mask-dst --protonum --family --status --mark --secmark --zone --orig-zone --reply-zone --label --src-nat --dst-nat --any-nat --event-mask --output --buffer-size --resync --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --state --icmp-type --icmp-code --icmp-id --icmpv6-type --icmpv6-code --icmpv6-id --srckey --orig-key-src --dstkey --orig-key-dst --reply-key-src --reply-key-dst --by --sum --top --min --limits --create --delete --update --add --flush --load-file --zero --tsv --shell --json --prom --format --header --prefix --value --output-file --interval --snapshots --rate --root --netns --threads --help --version' names='' ;;
    conntrackd) options='--daemon --foreground --config --stats --internal --external --xml --resync --kill --socket --reconcile --hash-limit --log --log-format --flush-cache --flush-kernel --commit --bulk --request --reset-timers --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --netns --threads --help --version' names='' ;;
    network-connections|check_network_connections) options='--always-ok --conn-status --conn-type --critical --no-perfdata --rule --strict --test --warning --tsv --shell --json --prom --format --header --prefix --value --output --root --netns --from --threads --help --version' names='' ;;
    snmpget-tcp) options='--all --oid --describe --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --root --netns --from --threads --explain --help --version' names='RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts' ;;
    sockstat) options='--limits --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --root --netns --from --threads --explain --help --version' names='sockets TCP UDP UDPLITE RAW FRAG TCP6 UDP6 UDPLITE6 RAW6 FRAG6' ;;
    tcpstates) options='--by --hex --source --ipv4 --ipv6 --state --lport --rport --laddr --raddr --uid --process --cgroup --strict --tsv --shell --json --prom --format --header --prefix --value --output --interval --count --rate --root --netns --from --threads --explain --help --version' names='ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV all connected synchronized bucket big' ;;
    tcptrack) options='--interface --only-new --fast --no-promiscuous --promiscuous --remove-after --read --rate-interval --sort --units --once --count --interval --conntrack --max-connections --by --top --min --tsv --shell --json --prom --format --header --prefix --value --output --netns --threads --help --version' names='' ;;
    esac
    if [[ $current == -* ]]; then
        _connbox_words "$options"
    else
        _connbox_words "$names"
    fi
}

complete -F _connbox connbox closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack
