#compdef connbox closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack
# zsh completion for connbox and its applets; made by: connbox --completions zsh

_connbox_closedcalc() {
  _arguments -s \
    '--by=''[list who holds sockets that are neither connected nor listening]:KEY[,...]:(process pid user cgroup)' \
    '--top=''[show at most N groups]:N: ' \
    '--min=''[show only groups of at least COUNT sockets]:COUNT: ' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '--version''[print the version]' \
    '*:name:(closed unhashed alloc inuse inuse6 tw)'
}

_connbox_conncount() {
  _arguments -s \
    '--transport''[add the table of protocols and families of ss -s]' \
    '--quick''[skip synrecv, which needs a walk of the socket table]' \
    '(-t --tcp)'{-t,--tcp}'[count TCP sockets (the default)]' \
    '(-u --udp)'{-u,--udp}'[count UDP sockets; with -t both]' \
    '--by=''[count in groups, the largest first]:KEY[,...]:(state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns)' \
    '--top=''[show at most N groups]:N: ' \
    '--min=''[show only groups of at least COUNT sockets]:COUNT: ' \
    '--sum=''[add the bytes in these queues]:QUEUE[,...]:(recv_queue send_queue)' \
    '(-4 --ipv4)'{-4,--ipv4}'[IPv4 sockets only]' \
    '(-6 --ipv6)'{-6,--ipv6}'[IPv6 sockets only, v4-mapped ones included]' \
    '--state=''[in these states or groups of states]:STATE[,...]: ' \
    '--lport=''[with this local port, range A-B or service]:PORT[,...]: ' \
    '--rport=''[with this remote port, range A-B or service]:PORT[,...]: ' \
    '--laddr=''[with a local address in this network]:ADDR[/LEN][,...]: ' \
    '--raddr=''[with a remote address in this network]:ADDR[/LEN][,...]: ' \
    '--uid=''[created by this user]:USER|UID[,...]: ' \
    '--process=''[held by this process]:NAME|PID: ' \
    '--cgroup=''[created in this control group or below it]:PATH: ' \
    '--strict''[repeat until the count is confirmed, fail otherwise]' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '--version''[print the version]' \
    '*:name:(total tcp estab closed orphaned synrecv timewait unhashed)'
}

_connbox_conntrack() {
  _arguments -s \
    '(-L --dump)'{-L,--dump=}'[list the flows of a table]:[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-C --counter)'{-C,--counter=}'[count flows\: all, by the kernel'\''s counter, or those that match the filters]:[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-E --event)'{-E,--event=}'[show events as they come]:[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-G --get)'{-G,--get=}'[show the one flow that the options name]:[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-S --stats)'{-S,--stats=}'[show the counters of each CPU]:[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-s --src --orig-src)'{-s,--src=,--orig-src=}'[source address of the first packet, or its network]:ADDR[/LEN]: ' \
    '(-d --dst --orig-dst)'{-d,--dst=,--orig-dst=}'[destination address of the first packet, or its network]:ADDR[/LEN]: ' \
    '(-r --reply-src)'{-r,--reply-src=}'[source address of the replies, or its network]:ADDR[/LEN]: ' \
    '(-q --reply-dst)'{-q,--reply-dst=}'[destination address of the replies, or its network]:ADDR[/LEN]: ' \
    '--mask-src=''[the bits of --src that matter]:MASK: ' \
    '--mask-dst=''[the bits of --dst that matter]:MASK: ' \
    '(-p --protonum)'{-p,--protonum=}'[transport protocol, by name or number; its own options follow it]:PROTO: ' \
    '(-f --family)'{-f,--family=}'[network protocol]:FAMILY:(ipv4 ipv6)' \
    '(-u --status)'{-u,--status=}'[with these statuses, and without those marked with !]:STATUS[,...]:(ASSURED SEEN_REPLY FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED)' \
    '(-m --mark)'{-m,--mark=}'[with this mark]:VALUE[/MASK]: ' \
    '(-c --secmark)'{-c,--secmark=}'[with this mark of a security module]:VALUE: ' \
    '(-w --zone)'{-w,--zone=}'[in this zone for both directions]:ZONE: ' \
    '--orig-zone=''[in this zone for the original direction only]:ZONE: ' \
    '--reply-zone=''[in this zone for the reply direction only]:ZONE: ' \
    '(-l --label)'{-l,--label=}'[with all of these labels]:LABEL[,...]: ' \
    '(-n --src-nat)'{-n,--src-nat=}'[whose source was translated, if given\: to ADDR]:[ADDR[PORT]]: ' \
    '(-g --dst-nat)'{-g,--dst-nat=}'[whose destination was translated, if given\: to ADDR]:[ADDR[PORT]]: ' \
    '(-j --any-nat)'{-j,--any-nat=}'[whose source or destination was translated, if given\: to ADDR]:[ADDR[PORT]]: ' \
    '(-e --event-mask)'{-e,--event-mask=}'[with -E, show only these events]:EVENT[,...]:(ALL NEW UPDATES DESTROY)' \
    '(-o --output)'{-o,--output=}'[which parts the original text shows, and its form]:PART[,...]:(xml extended timestamp id ktimestamp labels save)' \
    '(-b --buffer-size)'{-b,--buffer-size=}'[with -E, the size of the receive buffer]:BYTES: ' \
    '--resync''[with -E, dump the table after a loss, and show the missed events]' \
    '(--sport --orig-port-src)'{--sport=,--orig-port-src=}'[source port of the first packet]:PORT: ' \
    '(--dport --orig-port-dst)'{--dport=,--orig-port-dst=}'[destination port of the first packet]:PORT: ' \
    '--reply-port-src=''[source port of the replies]:PORT: ' \
    '--reply-port-dst=''[destination port of the replies]:PORT: ' \
    '--state=''[TCP, SCTP or DCCP state, as conntrack writes it]:STATE: ' \
    '--icmp-type=''[ICMP type]:NUMBER: ' \
    '--icmp-code=''[ICMP code]:NUMBER: ' \
    '--icmp-id=''[ICMP identifier]:NUMBER: ' \
    '--icmpv6-type=''[ICMPv6 type]:NUMBER: ' \
    '--icmpv6-code=''[ICMPv6 code]:NUMBER: ' \
    '--icmpv6-id=''[ICMPv6 identifier]:NUMBER: ' \
    '(--srckey --orig-key-src)'{--srckey=,--orig-key-src=}'[GRE key of the original direction]:KEY: ' \
    '(--dstkey --orig-key-dst)'{--dstkey=,--orig-key-dst=}'[GRE key of the other direction]:KEY: ' \
    '--reply-key-src=''[GRE key of the replies]:KEY: ' \
    '--reply-key-dst=''[the other GRE key of the replies]:KEY: ' \
    '--by=''[count in groups, the largest first]:KEY[,...]:(proto state family src dst reply_src reply_dst sport dport reply_sport reply_dport zone orig_zone reply_zone mark status helper labels)' \
    '--sum=''[add these up, over both directions]:SUM[,...]:(packets bytes)' \
    '--top=''[show at most N groups]:N: ' \
    '--min=''[show only groups of at least COUNT flows]:COUNT: ' \
    '--limits''[with -C, add the columns limit, percent, early_drops and buckets]' \
    '(-I --create)'{-I,--create=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-D --delete)'{-D,--delete=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-U --update)'{-U,--update=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-A --add)'{-A,--add=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-F --flush)'{-F,--flush=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-R --load-file)'{-R,--load-file=}'[refused\: connbox never changes the table]:[...]: ' \
    '(-z --zero)'{-z,--zero=}'[refused\: connbox never changes the table]:[...]: ' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line]' \
    '--output-file=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--snapshots=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '(-V --version)'{-V,--version}'[print the version]'
}

_connbox_conntrackd() {
  _arguments -s \
    '(-d --daemon)'{-d,--daemon}'[run as a daemon in the background]' \
    '--foreground''[run as a daemon in the foreground, for systemd]' \
    '(-C --config)'{-C,--config=}'[read a conntrackd.conf]:FILE:_files' \
    '(-s --stats)'{-s,--stats=}'[show the statistics]:[TOPIC]:(ct cache runtime network link rsqueue queue process expect)' \
    '(-i --internal)'{-i,--internal=}'[show the flows that the daemon knows]:[TABLE]:(ct expect)' \
    '(-e --external)'{-e,--external=}'[show nothing\: for scripts]:[TABLE]:(ct expect)' \
    '(-x --xml)'{-x,--xml}'[show the flows of -i as XML]' \
    '(-R --resync)'{-R,--resync=}'[compare with the kernel'\''s table now, and wait until that has ended]:[TABLE]:(ct expect)' \
    '(-k --kill)'{-k,--kill}'[end the daemon]' \
    '--socket=''[the socket of the daemon]:PATH: ' \
    '--reconcile=''[compare with the kernel'\''s table every SECONDS]:SECONDS: ' \
    '--hash-limit=''[store at most N flows]:N: ' \
    '--log=''[append the flows that have ended to FILE]:FILE:_files' \
    '--log-format=''[the format of the log\: conntrackd'\''s lines, or rows]:FORMAT:(conntrackd json tsv)' \
    '(-f --flush-cache)'{-f,--flush-cache=}'[refused]:[WHICH]: ' \
    '(-F --flush-kernel)'{-F,--flush-kernel=}'[refused]:[TABLE]: ' \
    '(-c --commit)'{-c,--commit=}'[refused]:[TABLE]: ' \
    '(-B --bulk)'{-B,--bulk=}'[refused]:[TABLE]: ' \
    '(-n --request)'{-n,--request=}'[refused]:[TABLE]: ' \
    '(-t --reset-timers)'{-t,--reset-timers=}'[refused]:[TABLE]: ' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '(-v --version)'{-v,--version}'[print the version]'
}

_connbox_network-connections() {
  _arguments -s \
    '--always-ok''[exit with status 0 whatever the result]' \
    '--conn-status=''[count only sockets in this state; may be repeated]:STATUS:(all close close_wait closing established fin_wait1 fin_wait2 last_ack listen none syn_recv syn_sent time_wait)' \
    '--conn-type=''[count only sockets of this type; may be repeated]:TYPE:(all tcp tcp6 udp udp6)' \
    '(-c --critical)'{-c,--critical=}'[the critical threshold of each number]:RANGE: ' \
    '--no-perfdata''[do not print the performance data]' \
    '--rule=''[check this instead, with its own thresholds; may be repeated]:KEY;WARNING;CRITICAL: ' \
    '--strict''[show and check requested states without a socket, as 0]' \
    '--test=''[read the sockets from this JSON file]:STDOUT[,STDERR[,STATUS]]: ' \
    '(-w --warning)'{-w,--warning=}'[the warning threshold of each number]:RANGE: ' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '(-V --version)'{-V,--version}'[print the version]'
}

_connbox_check_network_connections() { _connbox_network-connections }

_connbox_snmpget-tcp() {
  _arguments -s \
    '(-a --all)'{-a,--all}'[add TcpExt, MPTcpExt and unknown groups]' \
    '--oid''[add the columns oid and type, and wrap values as SNMP does]' \
    '--describe''[add the column meaning]' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '--version''[print the version]' \
    '*:name:(RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts)'
}

_connbox_sockstat() {
  _arguments -s \
    '--limits''[add the columns limit and percent, and the row file used]' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '--version''[print the version]' \
    '*:name:(sockets TCP UDP UDPLITE RAW FRAG TCP6 UDP6 UDPLITE6 RAW6 FRAG6)'
}

_connbox_tcpstates() {
  _arguments -s \
    '--by=''[count by family too]:KEY:(family)' \
    '--hex''[write states as in /proc/net/tcp\: 01 to 0C]' \
    '--source=''[how to count]:SOURCE:(auto netlink procfs)' \
    '(-4 --ipv4)'{-4,--ipv4}'[IPv4 sockets only]' \
    '(-6 --ipv6)'{-6,--ipv6}'[IPv6 sockets only, v4-mapped ones included]' \
    '--state=''[in these states or groups of states]:STATE[,...]: ' \
    '--lport=''[with this local port, range A-B or service]:PORT[,...]: ' \
    '--rport=''[with this remote port, range A-B or service]:PORT[,...]: ' \
    '--laddr=''[with a local address in this network]:ADDR[/LEN][,...]: ' \
    '--raddr=''[with a remote address in this network]:ADDR[/LEN][,...]: ' \
    '--uid=''[created by this user]:USER|UID[,...]: ' \
    '--process=''[held by this process]:NAME|PID: ' \
    '--cgroup=''[created in this control group or below it]:PATH: ' \
    '--strict''[repeat until the count is confirmed, fail otherwise]' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '*--from=''[read saved kernel files; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '--version''[print the version]' \
    '*:name:(ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV all connected synchronized bucket big)'
}

_connbox_tcptrack() {
  _arguments -s \
    '(-i --interface)'{-i,--interface=}'[capture on this interface, or any]:IFACE: ' \
    '(-d --only-new)'{-d,--only-new}'[skip connections that began earlier]' \
    '(-f --fast)'{-f,--fast}'[ten ticks a second; with -i or -T each shows the speed of the last second]' \
    '(-p --no-promiscuous)'{-p,--no-promiscuous}'[do not set the interface promiscuous (the default)]' \
    '--promiscuous''[set the interface promiscuous]' \
    '(-r --remove-after)'{-r,--remove-after=}'[remove closed connections after SECONDS (2)]:SECONDS: ' \
    '(-T --read)'{-T,--read=}'[read a capture file instead, to its end]:FILE:_files' \
    '--rate-interval=''[the length of a tick, over which speeds are measured (1)]:SECONDS: ' \
    '--sort=''[the order of the rows (rate; with -T bytes)]:ORDER:(rate bytes idle rx tx state client server none)' \
    '--units=''[units on the screen]:UNIT:(bytes bits)' \
    '--once''[write one set of rows and exit]' \
    '--count=''[write N sets of rows and exit]:N: ' \
    '--interval=''[write a set of rows every SECONDS, with a leading time]:SECONDS: ' \
    '--conntrack''[read the flows of connection tracking instead]' \
    '--max-connections=''[keep at most N connections (100000)]:N: ' \
    '--by=''[count in groups, the largest first]:KEY[,...]:(client client_port server server_port state process pid)' \
    '--top=''[show at most N rows]:N: ' \
    '--min=''[show only groups of at least COUNT connections]:COUNT: ' \
    '--tsv''[columns between tabs (the default)]' \
    '--shell''[assignments for eval]' \
    '--json''[JSON]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv shell json prom)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line]' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all: ' \
    '--threads=''[share large dumps among N threads; 1 for none]:N: ' \
    '(-h --help)'{-h,--help}'[print this help]' \
    '(-v --version)'{-v,--version}'[print the version]'
}

_connbox() {
  local applet=${service:-connbox}
  local -a applets options
  applets=(
    'closedcalc:count closed TCP sockets, by the usual formula and in fact'
    'conncount:count connections: the summary of ss -s, or the sockets you choose, by any key'
    'conntrack:list, count and watch the flows that the kernel tracks, by any filter and key'
    'conntrackd:statistics of connection tracking that you can trust: a daemon and its client'
    'network-connections:check the numbers of connections, as a plugin for Nagios, Icinga and the like'
    'snmpget-tcp:print the kernel'\''s TCP counters by their SNMP names'
    'sockstat:print the kernel'\''s socket counts, and how full its limits are'
    'tcpstates:count TCP sockets by state'
    'tcptrack:watch TCP connections live: who, how far, how fast'
  )
  options=(
    '--list:list the names of the applets'
    '--help:list the applets'
    '--version:print the version'
    '--install:create links in DIR, one per applet'
    '--textfile:write the numbers of several applets to FILE, for node_exporter'
    '--man:print a man page'
    '--completions:print the completions for a shell'
  )
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
