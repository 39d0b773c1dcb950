//! `ss -s`, split by awk, sed and tee, compared with `conncount`.

use super::run::{bash, same};
use crate::support;

/// Splits the TCP line into variables, with one awk per variable after a single tee.
const INTO_VARIABLES: &str = "ss -s | awk '/^TCP:/' | tr -d '(),' | tee \
    >(awk '{print \"ESTAB=\" $4}') >(awk '{print \"CLOSED=\" $6}') \
    >(awk '{print \"ORPHANED=\" $8}') >(awk '{print \"TIMEWAIT=\" $10}') > /dev/null | sort";

/// The total and the established connections, in the same style.
const TOTAL_AND_ESTAB: &str = "ss -s | awk '/^TCP:/' | tee \
    >(awk '{print \"total\", $2}') >(awk -F'estab |,' '{print \"estab\", $2}') > /dev/null | sort";

/// The ways to set our variables.
const EVALS: [&str; 4] = [
    "eval $(conncount --shell)",
    "eval \"$(conncount --shell --quick)\"",
    "eval $(conncount --shell --from /proc/net/sockstat --from /proc/net/sockstat6 \
     --from /proc/net/snmp)",
    "eval $(cat /proc/net/sockstat /proc/net/sockstat6 /proc/net/snmp | \
     conncount --shell --from -)",
];

#[test]
fn the_pipeline_that_sets_variables() {
    if !support::needs("the_pipeline_that_sets_variables", &["ss"]) {
        return;
    }
    let print = "printf '%s\\n' CLOSED=$CLOSED ESTAB=$ESTAB ORPHANED=$ORPHANED TIMEWAIT=$TIMEWAIT";
    for eval in EVALS {
        same(INTO_VARIABLES, &format!("{eval}; {print}"));
    }
}

#[test]
fn the_pipeline_that_prints_total_and_estab() {
    if !support::needs("the_pipeline_that_prints_total_and_estab", &["ss"]) {
        return;
    }
    for eval in EVALS {
        same(TOTAL_AND_ESTAB, &format!("{eval}; echo estab $ESTAB; echo total $TCP"));
    }
    same(TOTAL_AND_ESTAB, "conncount estab tcp | sed 's/tcp/total/' | tr '\\t' ' '");
}

#[test]
fn single_numbers_of_the_summary() {
    if !support::needs("single_numbers_of_the_summary", &["ss"]) {
        return;
    }
    for (old, new) in [
        ("ss -s | awk '/^Total:/ {print $2}'", "conncount -v total"),
        ("ss -s | awk '/^TCP:/ {print $2}'", "conncount -v tcp"),
        ("ss -s | sed -n 's/.*estab \\([0-9]*\\).*/\\1/p'", "conncount -v estab"),
        ("ss -s | grep -oP 'closed \\K-?[0-9]+'", "conncount -v closed"),
        ("ss -s | grep -oE 'orphaned [0-9]+' | cut -d' ' -f2", "conncount -v orphaned"),
        ("ss -s | awk -F'[ ,()]+' '/^TCP:/ {print $10}'", "conncount -v timewait"),
        ("ss -s | head -n 2 | tail -n 1 | awk '{print $4}' | tr -d ,", "conncount -v estab"),
    ] {
        same(old, new);
    }
}

#[test]
fn the_table_below_the_summary() {
    if !support::needs("the_table_below_the_summary", &["ss"]) {
        return;
    }
    for (row, names) in [
        ("RAW", "raw raw_ip raw_ip6"),
        ("UDP", "udp udp_ip udp_ip6"),
        ("TCP", "tcp_inuse tcp_ip tcp_ip6"),
        ("INET", "inet inet_ip inet_ip6"),
        ("FRAG", "frag frag_ip frag_ip6"),
    ] {
        same(
            &format!("ss -s | awk '$1 == \"{row}\" {{print $2, $3, $4}}'"),
            &format!("conncount --transport -v {names} | paste -sd' '"),
        );
    }
}

#[test]
fn the_whole_summary_as_it_was_recorded() {
    if !support::needs("the_whole_summary_as_it_was_recorded", &["bash"]) {
        return;
    }
    // What ss printed when the files were saved, byte for byte.
    let world = support::world("own-lab-6.18");
    let line = "eval $(conncount --shell --transport); echo \"Total: $TOTAL\"
        echo \"TCP:   $TCP (estab $ESTAB, closed $CLOSED, orphaned $ORPHANED, timewait $TIMEWAIT)\"
        echo
        echo 'Transport Total     IP        IPv6'
        printf '%s\\t  %-10s%-10s%-9s\\n' RAW $RAW $RAW_IP $RAW_IP6 UDP $UDP $UDP_IP $UDP_IP6 \
            TCP $TCP_INUSE $TCP_IP $TCP_IP6 INET $INET $INET_IP $INET_IP6 \
            FRAG $FRAG $FRAG_IP $FRAG_IP6
        echo";
    let recorded = std::fs::read_to_string(world.join("expected.ss-s")).unwrap();
    assert_eq!(bash(&world, line), recorded);
}
