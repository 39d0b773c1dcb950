#compdef connbox closedcalc conncount conntrack conntrackd network-connections check_network_connections snmpget-tcp sockstat tcpstates tcptrack
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

_connbox_closedcalc() {
  _arguments -s \
    '--by=''[list who holds sockets that are neither connected nor listening]:KEY[,...]:_connbox_list process pid user cgroup pod container' \
    '--top=''[show at most N groups; with --netns all and no --by, N namespaces]:N: ' \
    '--max-groups=''[fail if there are more than N groups (default 1000000)]:N: ' \
    '--min=''[show only groups of at least COUNT sockets]:COUNT: ' \
    '--pods=''[with --by pod or container, take names from FILE\: kubectl get pods -A -o json]:FILE:_files' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '--version''[print the version]' \
    '*:name:_connbox_words closed unhashed alloc inuse inuse6 tw'
}

_connbox_conncount() {
  _arguments -s \
    '--transport''[add the table of protocols and families of ss -s]' \
    '--quick''[skip synrecv, which needs a walk of the socket table]' \
    '(-t --tcp)'{-t,--tcp}'[count TCP sockets (the default)]' \
    '(-u --udp)'{-u,--udp}'[count UDP sockets; with -t both]' \
    '--by=''[count in groups, the largest first]:KEY[,...]:_connbox_list state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns pod container inode' \
    '--top=''[show at most N groups; with --netns all and no --by, N namespaces]:N: ' \
    '--max-groups=''[fail if there are more than N groups (default 1000000)]:N: ' \
    '--min=''[show only groups of at least COUNT sockets]:COUNT: ' \
    '--sum=''[add the bytes in these queues]:QUEUE[,...]:_connbox_list recv_queue send_queue' \
    '(-4 --ipv4)'{-4,--ipv4}'[IPv4 sockets only]' \
    '(-6 --ipv6)'{-6,--ipv6}'[IPv6 sockets only, v4-mapped ones included]' \
    '--state=''[in these states or groups of states, in the spelling of any tool]:STATE[,...]:_connbox_list ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big' \
    '--lport=''[with this local port, range A-B or service]:PORT[,...]:_connbox_services' \
    '--rport=''[with this remote port, range A-B or service]:PORT[,...]:_connbox_services' \
    '--laddr=''[with a local address in this network]:ADDR[%ZONE][/LEN][,...]: ' \
    '--raddr=''[with a remote address in this network]:ADDR[%ZONE][/LEN][,...]: ' \
    '--iface=''[bound to this interface\: its name or number]:NAME[,...]:_connbox_interfaces' \
    '--uid=''[created by this user]:USER|UID[,...]:_connbox_users' \
    '--inode=''[with this inode number]:INODE[,...]: ' \
    '--process=''[held by this process]:NAME|PID[,...]: ' \
    '--cgroup=''[created in this control group or below it]:PATH[,...]: ' \
    '--pod=''[created in this pod\: NAMESPACE/NAME, NAME or UID]:NAME[,...]:_connbox_interfaces' \
    '--container=''[created in this container\: its name in the pod, or its ID or the first 12 digits]:NAME|ID[,...]: ' \
    '--pods=''[take names of pods and containers from FILE\: kubectl get pods -A -o json]:FILE:_files' \
    '--strict''[repeat for at most SECONDS (5) until the count is confirmed, fail otherwise]' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '--version''[print the version]' \
    '*:name:_connbox_words total tcp estab closed orphaned synrecv timewait unhashed'
}

_connbox_conntrack() {
  _arguments -s \
    '(-L --dump)'{-L,--dump=}'[list the flows of a table]::[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-C --counter)'{-C,--counter=}'[count flows\: all, by the kernel'\''s counter, or those that match the filters]::[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-E --event)'{-E,--event=}'[show events as they come]::[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-G --get)'{-G,--get=}'[show the one flow that the options name]::[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-S --stats)'{-S,--stats=}'[show the counters of each CPU]::[TABLE]:(conntrack expect dying unconfirmed)' \
    '(-s --src --orig-src)'{-s,--src=,--orig-src=}'[source address of the first packet, or its network]:[!]ADDR[/LEN]: ' \
    '(-d --dst --orig-dst)'{-d,--dst=,--orig-dst=}'[destination address of the first packet, or its network]:[!]ADDR[/LEN]: ' \
    '(-r --reply-src)'{-r,--reply-src=}'[source address of the replies, or its network]:[!]ADDR[/LEN]: ' \
    '(-q --reply-dst)'{-q,--reply-dst=}'[destination address of the replies, or its network]:[!]ADDR[/LEN]: ' \
    '--mask-src=''[the bits of --src that matter]:MASK: ' \
    '--mask-dst=''[the bits of --dst that matter]:MASK: ' \
    '(-p --protonum)'{-p,--protonum=}'[transport protocol, by name or number; its own options follow it]:[!]PROTO:_connbox_marked tcp udp icmp icmpv6 sctp dccp gre udplite' \
    '(-f --family)'{-f,--family=}'[network protocol]:FAMILY:(ipv4 ipv6)' \
    '(-u --status)'{-u,--status=}'[with these statuses, and without those marked with !]:STATUS[,...]:_connbox_list ASSURED SEEN_REPLY FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED' \
    '(-m --mark)'{-m,--mark=}'[with this mark]:[!]VALUE[/MASK]: ' \
    '(-c --secmark)'{-c,--secmark=}'[with this mark of a security module]:[!]VALUE: ' \
    '(-w --zone)'{-w,--zone=}'[in this zone for both directions]:[!]ZONE: ' \
    '--orig-zone=''[in this zone for the original direction only]:[!]ZONE: ' \
    '--reply-zone=''[in this zone for the reply direction only]:[!]ZONE: ' \
    '(-l --label)'{-l,--label=}'[with these labels, and without those marked with !]:LABEL[,...]: ' \
    '(-n --src-nat)'{-n,--src-nat=}'[whose source was translated, if given\: to ADDR]::[[!]ADDR[PORT]]: ' \
    '(-g --dst-nat)'{-g,--dst-nat=}'[whose destination was translated, if given\: to ADDR]::[[!]ADDR[PORT]]: ' \
    '(-j --any-nat)'{-j,--any-nat=}'[whose source or destination was translated, if given\: to ADDR]::[[!]ADDR[PORT]]: ' \
    '(-i --id)'{-i,--id=}'[with -G, only if the flow has this ID]:ID: ' \
    '(-a --nat-range)'{-a,--nat-range=}'[deprecated\: has no effect, as with conntrack]:ADDR: ' \
    '(-e --event-mask)'{-e,--event-mask=}'[with -E, show only these events]:EVENT[,...]:_connbox_list ALL NEW UPDATES DESTROY' \
    '(-o --output)'{-o,--output=}'[which parts the original text shows, and its form]:PART[,...]:_connbox_list xml extended timestamp id ktimestamp labels save' \
    '(-b --buffer-size)'{-b,--buffer-size=}'[with -E, the size of the receive buffer]:BYTES: ' \
    '--resync''[with -E, dump the table after a loss, and show the missed events]' \
    '(--sport --orig-port-src)'{--sport=,--orig-port-src=}'[source port of the first packet, range A-B or service]:PORT[,...]:_connbox_services' \
    '(--dport --orig-port-dst)'{--dport=,--orig-port-dst=}'[destination port of the first packet, range A-B or service]:PORT[,...]:_connbox_services' \
    '--reply-port-src=''[source port of the replies]:PORT[,...]:_connbox_services' \
    '--reply-port-dst=''[destination port of the replies]:PORT[,...]:_connbox_services' \
    '--state=''[TCP, SCTP or DCCP state, as conntrack writes it]:[!]STATE:_connbox_marked NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2 CLOSED COOKIE_WAIT COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID' \
    '--icmp-type=''[ICMP type]:[!]NUMBER: ' \
    '--icmp-code=''[ICMP code]:[!]NUMBER: ' \
    '--icmp-id=''[ICMP identifier]:[!]NUMBER: ' \
    '--icmpv6-type=''[ICMPv6 type]:[!]NUMBER: ' \
    '--icmpv6-code=''[ICMPv6 code]:[!]NUMBER: ' \
    '--icmpv6-id=''[ICMPv6 identifier]:[!]NUMBER: ' \
    '(--srckey --orig-key-src)'{--srckey=,--orig-key-src=}'[GRE key of the original direction]:[!]KEY: ' \
    '(--dstkey --orig-key-dst)'{--dstkey=,--orig-key-dst=}'[GRE key of the other direction]:[!]KEY: ' \
    '--reply-key-src=''[GRE key of the replies]:[!]KEY: ' \
    '--reply-key-dst=''[the other GRE key of the replies]:[!]KEY: ' \
    '--by=''[count in groups, the largest first]:KEY[,...]:_connbox_list proto state family src dst reply_src reply_dst sport dport reply_sport reply_dport zone orig_zone reply_zone mark status helper labels' \
    '--sum=''[add these up, over both directions]:SUM[,...]:_connbox_list packets bytes' \
    '--top=''[show at most N groups; with --netns all and no --by, N namespaces]:N: ' \
    '--max-groups=''[fail if there are more than N groups (default 1000000)]:N: ' \
    '--min=''[show only groups of at least COUNT flows]:COUNT: ' \
    '--limits''[with -C, add the columns limit, percent, early_drops and buckets]' \
    '(-I --create)'{-I,--create=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-D --delete)'{-D,--delete=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-U --update)'{-U,--update=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-A --add)'{-A,--add=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-F --flush)'{-F,--flush=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-R --load-file)'{-R,--load-file=}'[refused\: connbox never changes the table]::[...]: ' \
    '(-z --zero)'{-z,--zero=}'[refused\: connbox never changes the table]::[...]: ' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output-file=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--snapshots=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '(-V --version)'{-V,--version}'[print the version]'
}

_connbox_conntrackd() {
  _arguments -s \
    '(-d --daemon)'{-d,--daemon}'[run as a daemon in the background]' \
    '--foreground''[run as a daemon in the foreground, for systemd]' \
    '(-C --config)'{-C,--config=}'[read a conntrackd.conf]:FILE:_files' \
    '(-s --stats)'{-s,--stats=}'[show the statistics]::[TOPIC]:(ct cache runtime network link rsqueue queue process expect)' \
    '(-i --internal)'{-i,--internal=}'[show the flows that the daemon knows]::[TABLE]:(ct expect)' \
    '(-e --external)'{-e,--external=}'[show nothing\: for scripts]::[TABLE]:(ct expect)' \
    '(-x --xml)'{-x,--xml}'[show the flows of -i as XML]' \
    '(-R --resync)'{-R,--resync=}'[compare with the kernel'\''s table now, and wait until that has ended]::[TABLE]:(ct expect)' \
    '(-k --kill)'{-k,--kill}'[end the daemon]' \
    '--socket=''[the socket of the daemon]:PATH: ' \
    '--reconcile=''[compare with the kernel'\''s table every SECONDS]:SECONDS: ' \
    '--hash-limit=''[store at most N flows]:N: ' \
    '--log=''[append the flows that have ended to FILE]:FILE:_files' \
    '--log-format=''[the format of the log\: conntrackd'\''s lines, or rows]:FORMAT:(conntrackd json tsv)' \
    '--ipfix=''[export the flows that have ended to a collector of IPFIX (UDP)]:HOSTPORT[/udp|tcp]: ' \
    '--ipfix-active=''[with --ipfix, export flows that go on, too, every SECONDS]:SECONDS: ' \
    '--ipfix-domain=''[with --ipfix, the number of the observation domain (1)]:N: ' \
    '--ipfix-marks''[with --ipfix, export marks and zones, too]' \
    '--no-sandbox''[keep all privileges after the start]' \
    '(-f --flush-cache)'{-f,--flush-cache=}'[refused]::[WHICH]: ' \
    '(-F --flush-kernel)'{-F,--flush-kernel=}'[refused]::[TABLE]: ' \
    '(-c --commit)'{-c,--commit=}'[refused]::[TABLE]: ' \
    '(-B --bulk)'{-B,--bulk=}'[refused]::[TABLE]: ' \
    '(-n --request)'{-n,--request=}'[refused]::[TABLE]: ' \
    '(-t --reset-timers)'{-t,--reset-timers=}'[refused]::[TABLE]: ' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
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
    '--strict''[show and check requested states without a socket, as 0; with --rule, repeat counts until they are confirmed]' \
    '--test=''[read the sockets from this JSON file]:STDOUT[,STDERR[,STATUS]]: ' \
    '(-w --warning)'{-w,--warning=}'[the warning threshold of each number]:RANGE: ' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '(-V --version)'{-V,--version}'[print the version]'
}

_connbox_check_network_connections() { _connbox_network-connections }

_connbox_snmpget-tcp() {
  _arguments -s \
    '(-a --all)'{-a,--all}'[add TcpExt, MPTcpExt and unknown groups]' \
    '--oid''[add the columns oid and type, and wrap values as SNMP does]' \
    '--describe''[add the column meaning]' \
    '--top=''[with --netns all, show only the N namespaces whose first number is the largest]:N: ' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '--version''[print the version]' \
    '*:name:_connbox_words RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts'
}

_connbox_sockstat() {
  _arguments -s \
    '--limits''[add the columns limit and percent, and the row file used]' \
    '--top=''[with --netns all, show only the N namespaces whose first number is the largest]:N: ' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '--version''[print the version]' \
    '*:name:_connbox_words sockets TCP UDP UDPLITE RAW FRAG TCP6 UDP6 UDPLITE6 RAW6 FRAG6'
}

_connbox_tcpstates() {
  _arguments -s \
    '--by=''[count by these keys, too]:KEY[,...]:_connbox_list state proto family laddr raddr lport rport direction service uid user pid process cgroup iface netns pod container inode' \
    '--top=''[show at most N groups; with --netns all and no --by, N namespaces]:N: ' \
    '--max-groups=''[fail if there are more than N groups (default 1000000)]:N: ' \
    '--min=''[show only groups of at least COUNT sockets]:COUNT: ' \
    '--hex''[write states as in /proc/net/tcp\: 01 to 0C]' \
    '--source=''[how to count]:SOURCE:(auto netlink procfs)' \
    '(-4 --ipv4)'{-4,--ipv4}'[IPv4 sockets only]' \
    '(-6 --ipv6)'{-6,--ipv6}'[IPv6 sockets only, v4-mapped ones included]' \
    '--state=''[in these states or groups of states, in the spelling of any tool]:STATE[,...]:_connbox_list ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big' \
    '--lport=''[with this local port, range A-B or service]:PORT[,...]:_connbox_services' \
    '--rport=''[with this remote port, range A-B or service]:PORT[,...]:_connbox_services' \
    '--laddr=''[with a local address in this network]:ADDR[%ZONE][/LEN][,...]: ' \
    '--raddr=''[with a remote address in this network]:ADDR[%ZONE][/LEN][,...]: ' \
    '--iface=''[bound to this interface\: its name or number]:NAME[,...]:_connbox_interfaces' \
    '--uid=''[created by this user]:USER|UID[,...]:_connbox_users' \
    '--inode=''[with this inode number]:INODE[,...]: ' \
    '--process=''[held by this process]:NAME|PID[,...]: ' \
    '--cgroup=''[created in this control group or below it]:PATH[,...]: ' \
    '--pod=''[created in this pod\: NAMESPACE/NAME, NAME or UID]:NAME[,...]:_connbox_interfaces' \
    '--container=''[created in this container\: its name in the pod, or its ID or the first 12 digits]:NAME|ID[,...]: ' \
    '--pods=''[take names of pods and containers from FILE\: kubectl get pods -A -o json]:FILE:_files' \
    '--strict''[repeat for at most SECONDS (5) until the count is confirmed, fail otherwise]' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '(-H --header)'{-H,--header}'[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '(-v --value)'{-v,--value}'[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--interval=''[repeat every SECONDS, or 1m, with a leading time]:SECONDS: ' \
    '--count=''[stop after N snapshots]:N: ' \
    '--rate''[follow each counter by its growth per second]' \
    '--root=''[read DIR/proc instead of /proc]:DIR:_files -/' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--from-command=''[the command that made that text]:COMMAND: ' \
    '--byte-order=''[the byte order of saved socket tables]:ORDER:(big little)' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '--explain''[add the columns scope, source and meaning]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
    '--version''[print the version]' \
    '*:name:_connbox_words ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE all connected synchronized bucket big'
}

_connbox_tcptrack() {
  _arguments -s \
    '(-i --interface)'{-i,--interface=}'[capture on this interface, or any]:IFACE:_connbox_interfaces' \
    '(-d --only-new)'{-d,--only-new}'[skip connections that began earlier]' \
    '(-f --fast)'{-f,--fast}'[ten ticks a second; with -i or -T each shows the speed of the last second]' \
    '(-p --no-promiscuous)'{-p,--no-promiscuous}'[do not set the interface promiscuous (the default)]' \
    '--promiscuous''[set the interface promiscuous]' \
    '(-r --remove-after)'{-r,--remove-after=}'[remove closed connections after SECONDS (2, or two ticks if they take longer)]:SECONDS: ' \
    '(-T --read)'{-T,--read=}'[read a capture file instead, to its end]:FILE:_files' \
    '--rate-interval=''[the length of a tick, over which speeds are measured (1)]:SECONDS: ' \
    '--sort=''[the order of the rows (rate; with -T bytes)]:ORDER:(rate bytes idle rx tx state client server none)' \
    '--units=''[units on the screen]:UNIT:(bytes bits)' \
    '--once''[write one set of rows and exit]' \
    '--count=''[write N sets of rows and exit]:N: ' \
    '--interval=''[write a set of rows every SECONDS, with a leading time]:SECONDS: ' \
    '--conntrack''[read the flows of connection tracking instead]' \
    '--no-sandbox''[with -i\: keep all privileges while capturing]' \
    '--decapsulate''[look into tunnels\: GRE, IP in IP, VXLAN, GENEVE]' \
    '--ended''[write a row for each connection when it ends]' \
    '--ipfix=''[with --ended, export the connections to a collector of IPFIX (UDP), too]:HOSTPORT[/udp|tcp]: ' \
    '--ipfix-domain=''[with --ipfix, the number of the observation domain (2)]:N: ' \
    '--max-connections=''[keep at most N connections (100000)]:N: ' \
    '--by=''[count in groups, the largest first]:KEY[,...]:_connbox_list client client_port server server_port state process pid peer service cgroup laddr lport raddr rport pod container' \
    '--top=''[show at most N rows]:N: ' \
    '--max-groups=''[fail if there are more than N groups (default 1000000)]:N: ' \
    '--min=''[show only groups of at least COUNT connections]:COUNT: ' \
    '--pods=''[with --by pod or container, take names from FILE\: kubectl get pods -A -o json]:FILE:_files' \
    '--tsv''[columns between tabs (the default, except at a terminal)]' \
    '--human''[a table for people, with units (the default at a terminal)]' \
    '--shell''[assignments for eval]' \
    '--fish''[assignments for fish]' \
    '--json''[JSON; --json=array\: all rows in one array]' \
    '--prom''[Prometheus text]' \
    '--format=''[one of these formats]:NAME:(tsv human shell fish json prom json=array)' \
    '--header''[name the columns in a first row of TSV]' \
    '--prefix=''[put P before every name of --shell]:P: ' \
    '--value''[print only the values, one row per line, without a time]' \
    '--wide''[cut no cell of a table to the width of the terminal]' \
    '--color=''[color in a table what means trouble; auto\: at a terminal, unless NO_COLOR is set]:WHEN:(auto always never)' \
    '--output=''[write FILE, whole or not at all]:FILE:_files' \
    '--netns=''[look at other network namespaces]:NAME|PID|PATH|all:_connbox_namespaces' \
    '--skip-empty''[with --netns all, skip namespaces whose numbers are all 0]' \
    '*--from=''[read saved files or text; - is standard input]:FILE:_files' \
    '--threads=''[share large dumps among N threads (64 if N is larger); 1 for none]:N: ' \
    '--quiet-gaps''[accept in silence that some processes or namespaces are not seen]' \
    '(-h --help)'{-h,--help}'[print this help; -h\: a short one]' \
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
    '--install:create links in DIR: to these applets, or to all whose names no other program on PATH has'
    '--uninstall:remove these links from DIR, if they lead to this binary'
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
