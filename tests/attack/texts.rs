//! Readers of what programs have printed: saved text of other tools, rows of connbox, folders of sosreports and lists
//! of pods; and readers of processes in a tree. What they read stands here, or is made of recorded text.

use std::path::Path;

use super::family::{Family, Reader, Way};
use super::seeds::{self, Seed};
use super::trial::{connbox, run};
use crate::support::{fixtures, world};

const TABLES: [Reader; 15] = [
    (Way::File, "conncount -t --by process,pid,uid,cgroup,iface,inode --from {}", "ss"),
    (Way::File, "conncount -t --by raddr/24/64,lport,state --from {}", "ss ss-netid busybox"),
    (Way::File, "conncount --state estab --by process --quiet-gaps --from {}", "ss netstat"),
    (Way::File, "conncount -t -u --by service,direction,uid --from {}", "ss-netid"),
    (Way::File, "conncount --from-command=ss~-Htn~state~time-wait --by raddr --from {}", "ss-one"),
    (Way::Input, "conncount -u --from-command=netstat~-tuanpeW --by proto --from {}", "netstat"),
    (Way::File, "conncount --from {}", "ss-s ss-s.txt"),
    (Way::Input, "conncount --transport --from {}", "ss-s ss-s.txt"),
    (Way::File, "closedcalc --explain --from {}", "ss-s ss-s.txt"),
    (Way::File, "tcpstates --by family --from {}", "ss netstat busybox"),
    (Way::Input, "tcpstates --process web,9 --iface !eth0 --from {}", "ss"),
    (Way::File, "tcpstates --threads 3 --from-command=ss~-Htan --from {}", "ss-headless"),
    (Way::File, "network-connections --rule [process=web,state=listen];9 --from {}", "ss"),
    (Way::File, "network-connections --conn-type=udp --from {}", "ss-netid netstat"),
    (Way::Input, "network-connections --conn-type=tcp6 -w 5 --from {}", "netstat busybox"),
];
const COUNTERS: [Reader; 5] = [
    (Way::File, "snmpget-tcp --all --from {}", "nstat nstat-asz.txt json netstat"),
    (Way::Input, "snmpget-tcp --all --describe --from {}", "nstat-asz.txt json netstat-st.txt"),
    (Way::File, "snmpget-tcp --explain --from {}", "nstat-asz.txt netstat-st.txt netstat"),
    (Way::File, "snmpget-tcp TCPTimeouts InSegs *Retrans* --from {}", "json netstat-st.txt"),
    (Way::Input, "snmpget-tcp --oid --from {}", "netstat-st.txt nstat-asz.txt"),
];
const FLOWS: [Reader; 18] = [
    (Way::File, "conntrack -L --from {}", LISTS),
    (Way::Input, "conntrack -L --from {}", LISTS),
    (Way::File, "conntrack -L -o extended,id,labels,ktimestamp --from {}", LISTS),
    (Way::File, "conntrack -L -o xml --from {}", LISTS),
    (Way::Input, "conntrack -L -o save --from {}", LISTS),
    (Way::File, "conntrack -L -p tcp --state !CLOSE -s 3.3.3.0/24 --threads 3 --from {}", LISTS),
    (Way::File, "conntrack -L --by src/24,dport,state --sum bytes --from {}", LISTS),
    (Way::File, "conntrack -L -n --from {}", LISTS),
    (Way::File, "conntrack -C --from {}", LISTS),
    (Way::Input, "conntrack -C -u UNREPLIED --from {}", LISTS),
    (Way::File, "conntrack -C --by proto,zone,status,reply_dst --from {}", LISTS),
    (
        Way::File,
        "conntrack -G -s 1.1.1.1 -d 2.2.2.2 -p sctp --sport 1000 --dport 2000 --from {}",
        LISTS,
    ),
    (Way::File, "conntrack -E --from {}", EVENTS),
    (Way::Input, "conntrack -E -e NEW,DESTROY -o timestamp,id --from {}", EVENTS),
    (Way::File, "conntrack -E -o xml,timestamp --from {}", EVENTS),
    (Way::File, "conntrack -E -o save --from {}", EVENTS),
    (Way::File, "conntrack -L expect --from {}", "expect"),
    (Way::Input, "conntrack -C expect --from {}", "expect"),
];
const LISTS: &str = "list xml proc save every-proto.L-id.txt every-proto.L-extended-id.txt every-proto.L-save.txt \
    every-proto.L-xml.xml every-proto.proc_nf_conntrack nf_conntrack list.both list.xml";
const EVENTS: &str = "events routed-nat-zones.E-id-timestamp-extended.txt events.xml events.save";
const ROWS: [Reader; 22] = [
    (Way::File, "sockstat --from {}", "sockstat"),
    (Way::Input, "sockstat --limits TCP.inuse *mem* --from {}", "sockstat-limits"),
    (Way::File, "tcpstates --from {}", "tcpstates"),
    (Way::Input, "tcpstates --by raddr,lport close-wait estab --from {}", "tcpstates-groups"),
    (Way::File, "snmpget-tcp --all --from {}", "snmpget-tcp"),
    (Way::Input, "snmpget-tcp CurrEstab --from {}", "snmpget-tcp"),
    (Way::File, "conncount --from {}", "conncount"),
    (Way::Input, "conncount --transport --from {}", "conncount-transport"),
    (Way::File, "conncount -t -u --by raddr/16/48,state --top 3 --from {}", "conncount-groups"),
    (Way::Input, "conncount -t -u --lport 1-9999 --by lport --from {}", "conncount-groups"),
    (Way::File, "conncount -t -u --by process,cgroup --from {}", "conncount-held"),
    (Way::File, "conncount -t -u --by proto --sum recv_queue --min 2 --from {}", "conncount-sums"),
    (Way::File, "closedcalc --from {}", "closedcalc"),
    (Way::Input, "closedcalc --explain --from {}", "closedcalc-explain"),
    (Way::File, "network-connections -w 3 --from {}", "network-connections"),
    (Way::Input, "network-connections --rule CLOSE_WAIT;0;1 --from {}", "network-connections"),
    (Way::File, "conntrack -L --from {}", "conntrack"),
    (Way::Input, "conntrack -C --by proto,src --from {}", "conntrack"),
    (Way::File, "conntrack -E --from {}", "conntrack-events"),
    (Way::File, "tcptrack --sort client --from {}", "tcptrack"),
    (Way::Input, "tcptrack --by server,state --from {}", "tcptrack tcptrack-groups"),
    (Way::File, "tcptrack --ended --by server_port,cgroup --from {}", "tcptrack-ended"),
];
/// Where the rows of these names come from: `R` is a saved kernel, `S` a table of ss, `F` flows, `E` events, `T` a capture.
const PRINTED: [(&str, &str); 18] = [
    ("sockstat", "sockstat --root R"),
    ("sockstat-limits", "sockstat --limits --root R"),
    ("tcpstates", "tcpstates --root R"),
    ("tcpstates-groups", "tcpstates --by raddr,lport --root R"),
    ("snmpget-tcp", "snmpget-tcp --all --root R"),
    ("conncount", "conncount --root R"),
    ("conncount-transport", "conncount --transport --root R"),
    ("conncount-groups", "conncount -t -u --by raddr,lport,state --root R"),
    ("conncount-held", "conncount --by process,pid,cgroup --from S"),
    ("conncount-sums", "conncount -t -u --by proto,lport --sum recv_queue --root R"),
    ("closedcalc", "closedcalc --root R"),
    ("closedcalc-explain", "closedcalc --explain --root R"),
    ("network-connections", "network-connections --root R"),
    ("conntrack", "conntrack -L --from F"),
    ("conntrack-events", "conntrack -E --from E"),
    ("tcptrack", "tcptrack -T T"),
    ("tcptrack-groups", "tcptrack --by server,state -T T"),
    ("tcptrack-ended", "tcptrack --ended --from D"),
];
const SOSREPORTS: [Reader; 9] = [
    (Way::Tree, "conncount --by state,process --from {}", "ss_-peaonmi"),
    (Way::Tree, "conncount --from {}", "sockstat sockstat6 snmp"),
    (
        Way::Tree,
        "conncount -t -u --by proto,pid --netns all --from {}",
        "ip_netns_exec_blue_netstat_-W_-neopa ip_netns_exec_red_ss_-peaonmi ss_-peaonmi",
    ),
    (Way::Tree, "tcpstates --netns all --from {}", "ip_netns_exec_blue_netstat_-W_-neopa tcp tcp6"),
    (Way::Tree, "network-connections --from {}", "ss_-peaonmi"),
    (Way::Tree, "snmpget-tcp --all --from {}", "snmp netstat"),
    (
        Way::Tree,
        "snmpget-tcp --all --netns all --from {}",
        "ip_netns_exec_blue_netstat_-s ip_netns_exec_red_nstat_-zas",
    ),
    (Way::Tree, "conntrack -C --by proto --netns all --from {}", "conntrack_-L_-o_extended"),
    (Way::Tree, "conntrack -L expect --from {}", "conntrack_-L_expect"),
];
const PODS: [Reader; 5] = [
    (Way::Tree, "conncount --by pod,container --from {}/ss --pods {}/pods.json", "pods.json ss"),
    (Way::Tree, "conncount --pod shop/web-0 --from {}/ss --pods {}/pods.json", "pods.json"),
    (Way::Tree, "tcpstates --container nginx --from {}/ss --pods {}/pods.json", "pods.json"),
    (
        Way::Tree,
        "network-connections --rule [pods={}/pods.json,pod=web-0];9 --from {}/ss",
        "pods.json",
    ),
    (Way::Tree, "conncount -t --by pod,container --root {} --pods {}/pods.json", "pods.json log"),
];
const PROCESSES: [Reader; 7] = [
    (Way::Tree, "conncount -t --by process,pid --root {}", "comm 3 4"),
    (Way::Tree, "conncount -t --by cgroup,user --root {}", "cgroup mountinfo pid self"),
    (Way::Tree, "conncount -t --process web,9 --root {}", "exe cmdline comm"),
    (Way::Tree, "conncount -t --by pod,container --root {}", "cgroup"),
    (Way::Tree, "tcpstates --process web --root {}", "comm stat exe cmdline 3"),
    (Way::Tree, "tcpstates --by process --cgroup /kubepods.slice --root {}", "cgroup status stat"),
    (Way::Tree, "network-connections --rule [process=web];9 --root {}", "comm 3 4"),
];

/// Text of which no file of the project is made.
const SS_NETID: &str = "\
    Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n\
    tcp   ESTAB  0      20     10.0.0.1%eth0:22    10.0.0.2:50000    users:((\"sshd\",pid=7,fd=4)) ino:5 sk:1 <->\n\
    tcp   LISTEN 0      128    [::]:22             [::]:*            users:((\"sshd\",pid=6,fd=3)) ino:4 sk:2 v6only:1\n\
    udp   UNCONN 0      0      127.0.0.53%lo:53    0.0.0.0:*         uid:101 ino:6 sk:3\n\
    udp   ESTAB  0      0      [fe80::1]%eth0:546  [fe80::2]:547     ino:7 sk:4\n\
    p_raw UNCONN 0      0      *:eth0              *\n";
const SS_HEADLESS: &str = "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:*\nESTAB 0 0 127.0.0.1:7000 127.0.0.1:9\n\
    TIME-WAIT 0 0 [::1]:9 [::1]:7000 timer:(timewait,7.904ms,0)\n";
const SS_ONE_STATE: &str = "0 0 127.0.0.1:7000 127.0.0.1:9\n0 0 [::1]:9 [::1]:7000\n";
const BUSYBOX: &str = "Active Internet connections (servers and established)\n\
    Proto Recv-Q Send-Q Local Address           Foreign Address         State       \n\
    tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      \n\
    tcp        0     44 10.0.0.1:22             10.0.0.2:50000          ESTABLISHED \n\
    tcp        0      0 :::80                   :::*                    LISTEN      \n\
    udp        0      0 127.0.0.1:323           0.0.0.0:*                           \n";
const ENDED: &str = "time\tclient\tclient_port\tserver\tserver_port\trx_bytes_total\ttx_bytes_total\trtt_seconds\t\
    retransmits_total\tduration_seconds\tprocess\tpid\tcgroup\n\
    2026-11-29T04:05:06.789Z\t10.0.0.1\t40000\t10.0.0.2\t443\t5\t7\t0.001500\t0\t-\tcurl\t9\t/a\n\
    2026-11-29T04:05:06.790Z\t::1\t40001\t::2\t443\t1\t2\t-\t1\t0.012\t-\t-\t-\n";
const UID: &str = "6b1e7a0c-21d3-4a5f-9c8e-0f1a2b3c4d5e";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The families of readers of this file.
pub fn families() -> Vec<Family> {
    vec![
        Family::new("tables of ss and netstat", &TABLES, tables(), 6),
        Family::new("counters of nstat and netstat", &COUNTERS, counters(), 3),
        Family::new("flows", &FLOWS, flows(), 6),
        Family::new("rows of connbox", &ROWS, rows(), 6),
        Family::new("sosreports", &SOSREPORTS, sosreport(), 4),
        Family::new("lists of pods", &PODS, pods(), 2),
        Family::new("processes", &PROCESSES, processes(), 3),
    ]
}

fn tables() -> Vec<Seed> {
    let mut all = seeds::of("fuzz/seeds/saved_text");
    all.push(recorded("tools/ss-s.txt"));
    all.extend([
        Seed::new("ss-netid", SS_NETID),
        Seed::new("ss-headless", SS_HEADLESS),
        Seed::new("ss-one", SS_ONE_STATE),
        Seed::new("busybox", BUSYBOX),
    ]);
    all
}

fn counters() -> Vec<Seed> {
    let mut all = seeds::of("fuzz/seeds/counters");
    all.extend(["tools/nstat-asz.txt", "tools/netstat-st.txt"].map(recorded));
    all
}

/// What was recorded on the saved kernel.
fn recorded(place: &str) -> Seed {
    seeds::seed(&fixtures().join("own-lab-6.18").join(place), &fixtures())
}

fn project(place: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(place).to_str().unwrap().to_owned()
}

/// The text of an applet, with the letters of [`PRINTED`] in its words.
fn printed(line: &str) -> Vec<u8> {
    let lab = world("own-lab-6.18");
    let of_lab = |place: &str| lab.join(place).to_str().unwrap().to_owned();
    let words = line.split(' ').map(|word| match word {
        "R" => of_lab(""),
        "S" => project("fuzz/seeds/saved_text/ss"),
        "F" => of_lab("conntrack/every-proto.L-extended-id.txt"),
        "E" => of_lab("conntrack/routed-nat-zones.E-id-timestamp-extended.txt"),
        "T" => of_lab("pcap/mixed-v4-v6.pcap"),
        "D" => "-".to_owned(),
        word => word.to_owned(),
    });
    let ended = run(connbox(words).stdin(super::trial::stdin_of(ENDED.as_bytes())));
    assert!(!ended.stdout.is_empty(), "{line}: {}", ended.said());
    ended.stdout
}

fn flows() -> Vec<Seed> {
    let mut all = seeds::of("fuzz/seeds/flow_text");
    let lab = seeds::of("tests/fixtures/own-lab-6.18/conntrack");
    all.extend(lab.into_iter().filter(|seed| !seed.name.ends_with(".hex")));
    // The lines of standard error stand before the rows of a list (2>&1).
    let both = ["every-proto.L.stderr", "every-proto.L-id.txt"]
        .map(|name| all.iter().find(|seed| seed.name == name).unwrap().bytes.as_slice());
    let both = both.concat();
    all.push(Seed::new("list.both", both));
    // A file of this name has both families.
    all.push(Seed::new("nf_conntrack", recorded("conntrack/every-proto.proc_nf_conntrack").bytes));
    for (name, line) in [
        ("list.xml", "conntrack -L -o xml --from F"),
        ("events.xml", "conntrack -E -o xml --from E"),
        ("events.save", "conntrack -E -o save --from E"),
    ] {
        all.push(Seed::new(name, printed(line)));
    }
    all
}

fn rows() -> Vec<Seed> {
    let mut all = Vec::new();
    for (name, line) in PRINTED {
        for form in ["--tsv --header", "--json", "--json=array"] {
            // Of flows and events, only the lines are read.
            if !(line.starts_with("conntrack ") && form == "--json=array") {
                all.push(Seed::new(name, printed(&format!("{line} {form}"))));
            }
        }
    }
    all
}

fn sosreport() -> Vec<Seed> {
    const NETWORKING: &str = "sos_commands/networking";
    let text = |place: &str| std::fs::read(project(place)).unwrap();
    let (ss, netstat) = (text("fuzz/seeds/saved_text/ss"), text("fuzz/seeds/saved_text/netstat"));
    let mut all: Vec<Seed> = seeds::of("tests/fixtures/own-lab-6.18/proc");
    all.iter_mut().for_each(|seed| seed.place = Path::new("proc").join(&seed.place));
    let red = format!("{NETWORKING}/namespaces/red/ip_netns_exec_red");
    let conntrack = |name: &str| format!("sos_commands/conntrack/{name}");
    all.extend([
        Seed::new(&format!("{NETWORKING}/ss_-peaonmi"), ss.clone()),
        Seed::new(&format!("{NETWORKING}/netstat_-W_-neopa"), netstat.clone()),
        Seed::new(&format!("{NETWORKING}/ip_netns_exec_blue_netstat_-W_-neopa"), netstat),
        Seed::new(
            &format!("{NETWORKING}/ip_netns_exec_blue_netstat_-s"),
            recorded("tools/netstat-st.txt").bytes,
        ),
        Seed::new(&format!("{red}_ss_-peaonmi"), ss),
        Seed::new(&format!("{red}_nstat_-zas"), recorded("tools/nstat-asz.txt").bytes),
        Seed::new(
            &conntrack("conntrack_-L_-o_extended"),
            recorded("conntrack/every-proto.L-extended-id.txt").bytes,
        ),
        Seed::new(&conntrack("conntrack_-L_expect"), text("fuzz/seeds/flow_text/expect")),
        Seed::new(
            "proc/net/nf_conntrack",
            recorded("conntrack/every-proto.proc_nf_conntrack").bytes,
        ),
    ]);
    all
}

/// The control group of a pod.
fn group() -> String {
    format!("/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{ID}.scope", UID.replace('-', "_"))
}

fn pods() -> Vec<Seed> {
    let list = format!(
        "{{\"items\":[{{\"metadata\":{{\"name\":\"web-0\",\"namespace\":\"shop\",\"uid\":\"{UID}\",\"annotations\":\
         {{\"kubernetes.io/config.hash\":\"{}\"}}}},\"status\":{{\"containerStatuses\":[{{\"name\":\"nginx\",\
         \"containerID\":\"containerd://{ID}\"}}],\"initContainerStatuses\":[]}}}}]}}\n",
        &ID[..32]
    );
    let table = format!(
        "LISTEN 0 5 127.0.0.1:7000 0.0.0.0:* users:((\"web\",pid=1,fd=2)) ino:5 sk:1 cgroup:{} <->\n\
         ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"db\",pid=2,fd=2)) uid:1 ino:6 sk:2 cgroup:/a <->\n",
        group()
    );
    let mut all = processes();
    all.extend([Seed::new("pods.json", list), Seed::new("ss", table)]);
    all
}

/// Two processes with sockets of the saved kernel.
fn processes() -> Vec<Seed> {
    let lab = ["proc/net/tcp", "proc/net/tcp6", "proc/net/sockstat", "proc/net/protocols"];
    let mut all: Vec<Seed> =
        lab.map(|place| Seed::new(place, recorded(place).bytes)).into_iter().collect();
    let tcp = String::from_utf8(all[0].bytes.clone()).unwrap();
    let inodes: Vec<&str> =
        tcp.lines().skip(1).filter_map(|l| l.split_whitespace().nth(9)).collect();
    for (pid, name, inode) in [(1, "init", inodes[0]), (100, "web", inodes[1])] {
        let mut add = |file: &str, text: &str| {
            all.push(Seed::new(&format!("proc/{pid}/{file}"), text));
        };
        add("comm", &format!("{name}\n"));
        add("cmdline", &format!("/usr/bin/{name}\0-d\0"));
        add(
            "stat",
            &format!("{pid} ({name}) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 2 0 7 0 0\n"),
        );
        add("status", &format!("Name:\t{name}\nPid:\t{pid}\nUid:\t0\t0\t0\t0\n"));
        add("cgroup", &format!("1:name=systemd:/old\n0::{}\n", group()));
        add("exe", &format!("/usr/bin/{name}"));
        add("fd/3", &format!("socket:[{inode}]"));
        add("fd/4", "anon_inode:[io_uring]");
        add("fd/5", "socket:[424242]");
        add("ns/net", "net:[4026531840]");
        add(&format!("task/{pid}/comm"), &format!("{name}\n"));
        add(&format!("task/{}/comm", pid + 1), "thread\n");
    }
    let link = format!("/var/log/pods/shop_web-0_{UID}/nginx/0.log");
    let mut log = Seed::new(&format!("var/log/containers/web-0_shop_nginx-{ID}.log"), link);
    log.name = "log".into();
    all.extend([
        log,
        Seed::new("proc/self", "1"),
        Seed::new("proc/1/ns/pid", "pid:[4026531836]"),
        Seed::new(
            "proc/1/mountinfo",
            "24 27 0:23 / /proc rw - proc proc rw,hidepid=2\n\
             32 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
        ),
        Seed::new("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ]);
    all
}
