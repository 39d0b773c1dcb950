//! Damaged words of the command line: filters, keys, ranges, names, rules, expressions and formats.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::family::well_formed;
use super::part::Part;
use super::random::damaged;
use super::trial::{connbox, run};
use crate::support::world;

/// The words before the damaged one, that word, and the words after it. `R` is a saved kernel, `C` another one
/// with flows, `T` a capture. None of these words names a file that would be written.
const WORDS: [(&str, &str, &str); 61] = [
    ("conncount -t --root R --by", "state,raddr/24/64,lport", ""),
    ("conncount -u --root R --by", "proto,family,laddr", "--top 5"),
    ("conncount -t --root R --by service --top", "3", ""),
    ("conncount -t --root R --by state --min", "2", ""),
    ("conncount -t --root R --by state --sum", "recv_queue,send_queue", ""),
    ("conncount -t --root R --state", "estab,listen,synchronized", ""),
    ("conncount -t --root R --lport", "1-1023,8080,https", ""),
    ("conncount -t --root R --rport", "443", ""),
    ("conncount -t --root R --laddr", "10.0.0.0/8,fe80::1%2/64", ""),
    ("conncount -t --root R --raddr", "::ffff:192.0.2.1/120", ""),
    ("conncount -t --root R --uid", "0,root", ""),
    ("conncount --root R --prefix", "X_", "--shell"),
    ("conncount --root R --format", "json", ""),
    ("conncount --root R --threads", "2", ""),
    ("conncount --root R --count 1 --interval", "0.01", ""),
    ("conncount --root R", "estab", "timewait"),
    ("conncount --iface", "lo", "-t"),
    ("conncount --process", "1", "-t"),
    ("conncount --cgroup", "/user.slice/x", "-t"),
    ("conncount --netns", "1", ""),
    ("sockstat --root R", "TCP.inuse", ""),
    ("closedcalc --top", "3", "--by process"),
    ("closedcalc --by", "process,pid,user,cgroup", ""),
    ("tcpstates --root R", "fin-wait-1", ""),
    ("tcpstates --root R --byte-order", "big", ""),
    ("tcpstates --source", "netlink", ""),
    ("snmpget-tcp --root R", "TCP-MIB::tcpCurrEstab.0", ""),
    ("snmpget-tcp --root R --oid", "1.3.6.1.2.1.6.9.0", ""),
    ("snmpget-tcp --root R --all", "*[Rr]etrans?*", ""),
    ("network-connections --root R --warning", "30:40", ""),
    ("network-connections --root R --critical", "@~:20000", ""),
    ("network-connections --root R --rule", "CLOSE_WAIT;5000;10000", ""),
    ("network-connections --root R --rule", "[state=established,lport=443,8443];20000;", ""),
    ("network-connections --root R --conn-status", "time_wait", ""),
    ("network-connections --test", "a,b,0", ""),
    ("tcptrack -T T", "src port 80 or dst host 10.0.0.1 and not (port 22 or 443)", ""),
    ("tcptrack -T T", "ip6 net fe80::/10 or 2001:db8::/32", ""),
    ("tcptrack -T T", "net 10.0.0.0 mask 255.0.0.0 or portrange 1-1024", ""),
    ("tcptrack -T T --by", "client,server_port,state", ""),
    ("tcptrack -T T --sort", "bytes", ""),
    ("tcptrack -T T --remove-after", "2", ""),
    ("tcptrack -T T --rate-interval", "1", ""),
    ("tcptrack -T T --max-connections", "100", ""),
    ("conntrack --root C -C --by", "src/24/64,dport", ""),
    ("conntrack -L --src", "10.0.0.0/8", ""),
    ("conntrack -L --any-nat", "192.0.2.1:80", ""),
    ("conntrack -L --mark", "0x7/0xff", ""),
    ("conntrack -L --zone", "7", ""),
    ("conntrack -L --status", "ASSURED,!SEEN_REPLY", ""),
    ("conntrack -L --label", "1,127", ""),
    ("conntrack -L -o", "extended,id,timestamp,xml", ""),
    ("conntrack -L --protonum", "tcp", ""),
    ("conntrack -L -p tcp --state", "ESTABLISHED", ""),
    ("conntrack -L -p tcp --dport", "443", ""),
    ("conntrack -L -p icmp --icmp-type", "8", ""),
    ("conntrack -L -p gre --srckey", "0x1f", ""),
    ("conntrack -L --mask-src", "255.255.0.0", "-s 10.0.0.0"),
    ("conntrack -G -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport", "2", ""),
    ("conntrackd --socket /nonexistent/s -s", "runtime", ""),
    ("conntrackd --socket /nonexistent/s -i", "ct", ""),
    ("conntrackd -s --socket", "/nonexistent/s", ""),
];

/// One of them follows.
const FORMATS: [&str; 5] = ["", "--json", "--prom", "--tsv", "--human"];

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn words_of_the_command_line() {
    let part = Part::begin("words", 10);
    let (lab, made) = (world("own-lab-6.18"), world("made-conntrack"));
    let capture = lab.join("pcap/mixed-v4-v6.pcap");
    let path_of = |word: &str| match word {
        "R" => lab.as_os_str().to_owned(),
        "C" => made.as_os_str().to_owned(),
        "T" => capture.as_os_str().to_owned(),
        word => word.into(),
    };
    let others = WORDS.map(|(_, word, _)| word.as_bytes());
    part.in_parallel(|worker| {
        let folder = part.folder(worker);
        while let Some((case, mut random)) = part.next() {
            let (before, word, after) = *random.one(&WORDS);
            let mut bad = damaged(&mut random, word.as_bytes(), &others);
            // The kernel takes neither in an argument.
            bad.retain(|byte| *byte != 0);
            bad.truncate(4000);
            let format = *random.one(&FORMATS);
            // What begins with a dash is another option, and that may be one that writes.
            if bad.starts_with(b"-") {
                bad.insert(0, b'+');
            }
            let mut words: Vec<_> = before.split(' ').map(path_of).collect();
            words.push(OsStr::from_bytes(&bad).to_owned());
            words.extend(after.split_whitespace().chain(format.split_whitespace()).map(path_of));
            let ended = run(connbox(&words).current_dir(&folder));
            let what = format!("{before} {:.80} {after} {format}", String::from_utf8_lossy(&bad));
            part.count(&ended, &what.escape_debug().to_string());
            let is_own_text =
                before.starts_with("conntrack -") && !["--json", "--human"].contains(&format);
            let check = ended.check(bad.len()).and_then(|()| {
                if is_own_text { Ok(()) } else { well_formed(&ended, &words[0], format) }
            });
            if let Err(why) = check {
                part.fault(case, &format!("{what:?}"), &why, Some(&bad));
            }
        }
    });
    part.end("");
}
