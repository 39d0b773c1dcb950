//! Single numbers of /proc/net/sockstat and /proc/net/snmp: awk, cut, nstat, netstat, bc.

use super::run::{bash, can_mount, same};
use super::worlds;
use crate::support;
use crate::support::scratch::scratch;

#[test]
fn the_tenth_word_of_the_tcp_line() {
    for awk in ["gawk", "mawk", "busybox awk"] {
        if !support::needs("the_tenth_word_of_the_tcp_line", &[awk.split(' ').next().unwrap()]) {
            return;
        }
        // It also prints the word in the header, which names the number.
        let old = format!("{awk} '/^Tcp/ {{print $10}}' /proc/net/snmp");
        same(&old, "echo CurrEstab; snmpget-tcp -v CurrEstab");
        same(&format!("{old} | tail -n 1"), "snmpget-tcp -v CurrEstab");
    }
    same(
        "awk '/^Tcp:/ && $2 ~ /^[0-9]/ {print $13}' /proc/net/snmp",
        "snmpget-tcp -v tcpRetransSegs.0",
    );
}

#[test]
fn the_fields_stand_where_awk_expects_them() {
    if !support::needs("the_fields_stand_where_awk_expects_them", &["bash", "awk"]) {
        return;
    }
    // TSV keeps the kernel's order, so that the N-th row is the N-th word, without the group's name.
    for place in 2..=16 {
        same(
            &format!("awk '/^Tcp:/ {{print ${place}}}' /proc/net/snmp | tail -n 1"),
            &format!("snmpget-tcp -v | sed -n {}p", place - 1),
        );
    }
}

#[test]
fn words_of_sockstat() {
    if !support::needs("words_of_sockstat", &["bash", "awk"]) {
        return;
    }
    for (old, new) in [
        ("awk '/^TCP:/{print $3}' /proc/net/sockstat", "sockstat -v TCP.inuse"),
        ("cat /proc/net/sockstat | grep TCP | cut -d' ' -f7", "sockstat -v TCP.tw"),
        ("grep ^TCP: /proc/net/sockstat | cut -d ' ' -f 5", "sockstat -v tcp.orphan"),
        ("awk '/^TCP:/ {print $NF}' /proc/net/sockstat", "sockstat -v TCP.mem"),
        ("awk '/^sockets:/ {print $3}' /proc/net/sockstat", "sockstat -v sockets"),
        ("awk '$1==\"UDP6:\"{print $3}' /proc/net/sockstat6", "sockstat -v UDP6.inuse"),
        (
            "sed -n 's/^TCP:.*alloc \\([0-9]*\\).*/\\1/p' /proc/net/sockstat",
            "sockstat -v TCP.alloc",
        ),
        (
            "awk '/^TCP6?:/ {n += $3} END {print n}' /proc/net/sockstat /proc/net/sockstat6",
            "sockstat -v TCP.inuse TCP6.inuse | awk '{n += $1} END {print n}'",
        ),
        (
            "cat /proc/net/sockstat /proc/net/sockstat6 | \
             awk '{for (i = 2; i < NF; i += 2) print substr($1, 1, length($1) - 1), $i, $(i + 1)}'",
            "sockstat | tr '\\t' ' '",
        ),
    ] {
        same(old, new);
    }
}

#[test]
fn nstat_and_all_counters() {
    if !support::needs("nstat_and_all_counters", &["nstat"]) {
        return;
    }
    // nstat skips five of the group Tcp as "useless": four constants, and CurrEstab.
    let useless = "grep -vE '^Tcp(RtoAlgorithm|RtoMin|RtoMax|MaxConn|CurrEstab) '";
    same(
        "nstat -asz | awk '/^(Tcp|TcpExt|MPTcpExt)/ {print $1, $2}' | sort",
        &format!("snmpget-tcp --all | tr '\\t' ' ' | {useless} | sort"),
    );
    for (old, new) in [
        ("nstat -asz TcpRetransSegs | awk '/Retrans/ {print $2}'", "snmpget-tcp -v RetransSegs"),
        (
            "nstat -asz TcpExtListenOverflows TcpExtListenDrops | awk '/Listen/ {print $2}'",
            "snmpget-tcp -v ListenOverflows ListenDrops",
        ),
        (
            "nstat -asz 'TcpExt*Retrans*' | awk '!/^#/ {print $1, $2}'",
            "snmpget-tcp 'TcpExt*Retrans*' | tr '\\t' ' '",
        ),
        (
            "nstat -asz --json TcpInSegs | sed 's/.*\"TcpInSegs\":\\([0-9]*\\).*/\\1/'",
            "snmpget-tcp --json TcpInSegs | sed 's/.*\"TcpInSegs\":\\([0-9]*\\).*/\\1/'",
        ),
    ] {
        same(old, new);
    }
}

#[test]
fn the_recorded_nstat_knows_the_same_names() {
    if !support::needs("the_recorded_nstat_knows_the_same_names", &["bash", "awk"]) {
        return;
    }
    // It was recorded a moment after the files, so some of its numbers are a little higher.
    let world = support::world("own-lab-6.18");
    let recorded = world.join("tools/nstat-asz.txt");
    let theirs = bash(&world, &format!("awk '/Tcp/ {{print $1}}' {} | sort", recorded.display()));
    let ours = bash(&world, "snmpget-tcp --all | cut -f 1 | sort");
    for name in theirs.lines() {
        assert!(ours.lines().any(|other| other == name), "{name}");
    }
    let useless = ["TcpCurrEstab", "TcpMaxConn", "TcpRtoAlgorithm", "TcpRtoMax", "TcpRtoMin"];
    let more: Vec<_> = ours.lines().filter(|name| theirs.lines().all(|l| l != *name)).collect();
    assert_eq!(more, useless);
}

#[test]
fn sed_on_netstat_st() {
    if !support::needs("sed_on_netstat_st", &["bash", "awk"]) {
        return;
    }
    const SED: &str = r"sed -n 's/^ *\([0-9]*\) connections established.*/\1/p'";
    let world = support::world("own-lab-6.18");
    let recorded = world.join("tools/netstat-st.txt");
    let theirs = bash(&world, &format!("{SED} {}", recorded.display()));
    assert_eq!(theirs, bash(&world, "snmpget-tcp -v CurrEstab"));
    let test = "sed_on_netstat_st";
    if support::needs(test, &["netstat"]) && can_mount(test) {
        same(&format!("netstat -st | {SED}"), "snmpget-tcp -v CurrEstab");
        same(
            "netstat -st | awk '/segments retransmitted/ {print $1}'",
            "snmpget-tcp -v RetransSegs",
        );
        same(
            "netstat -st | awk '/active connection opening/ {print $1}'",
            "snmpget-tcp -v ActiveOpens",
        );
    }
}

#[test]
fn the_formula_of_the_documents_by_bc() {
    if !support::needs("the_formula_of_the_documents_by_bc", &["bc"]) {
        return;
    }
    let file = scratch("formula").join("saved");
    let text = "sockets: used 290\nTCP: inuse 27 orphan 0 tw 1 alloc 48 mem 3\nTCP6: inuse 10\n";
    std::fs::write(&file, text).unwrap();
    let from = format!("closedcalc --from {}", file.display());
    assert_eq!(support::shell("echo \"48-(27+10-1)\" | bc"), "12\n");
    assert_eq!(support::shell(&format!("{from} -v closed")), "12\n");
    // inuse does not include tw, so the formula counts the socket in TIME_WAIT as a closed one.
    assert_eq!(support::shell("echo \"48-27-10\" | bc"), "11\n");
    assert_eq!(support::shell(&format!("{from} -v unhashed")), "11\n");
    let terms = "eval $(FROM --shell); echo \"$ALLOC-($INUSE+$INUSE6-$TW)\" | bc";
    assert_eq!(support::shell(&terms.replace("FROM", &from)), "12\n");
    let explained = support::shell(&format!("{from} --explain closed"));
    assert!(explained.contains("48 - (27 + 10 - 1)"), "{explained}");
}

#[test]
fn bc_fed_from_the_files() {
    if !support::needs("bc_fed_from_the_files", &["bc"]) {
        return;
    }
    let formula = "alloc=$(awk '/^TCP:/{print $9}' /proc/net/sockstat); \
        inuse=$(awk '/^TCP:/{print $3}' /proc/net/sockstat); \
        inuse6=$(awk '/^TCP6:/{print $3}' /proc/net/sockstat6); \
        tw=$(awk '/^TCP:/{print $7}' /proc/net/sockstat); ";
    same(&format!("{formula} echo \"$alloc-($inuse+$inuse6-$tw)\" | bc"), "closedcalc -v closed");
    same(&format!("{formula} echo \"$alloc-$inuse-$inuse6\" | bc"), "closedcalc -v unhashed");
    same(
        &format!("{formula} echo \"$alloc-($inuse+$inuse6-$tw)\" | bc"),
        "cat /proc/net/sockstat /proc/net/sockstat6 | closedcalc --from - -v closed",
    );
    assert_eq!(worlds::all().len(), 2);
}
