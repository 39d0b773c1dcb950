# Run in the router's namespace with the process IDs of one process at the client and one at the server.
set -e
client=$1 server=$2
far() { nsenter -t "$1" -n "${@:2}"; }

ip link add c0 address 02:00:00:00:01:01 type veth peer name e0 address 02:00:00:00:01:02 netns "$client"
ip link add s0 address 02:00:00:00:02:01 type veth peer name e0 address 02:00:00:00:02:02 netns "$server"
for side in "c0 1 $client" "s0 2 $server"; do
    read -r device number pid <<<"$side"
    ip addr add "10.$number.0.1/24" dev "$device"
    ip addr add "fd0$number::1/64" dev "$device" nodad
    ip link set "$device" up
    far "$pid" ip addr add "10.$number.0.2/24" dev e0
    far "$pid" ip addr add "fd0$number::2/64" dev e0 nodad
    far "$pid" ip link set e0 up
    far "$pid" ip route add default via "10.$number.0.1"
    far "$pid" ip route add default via "fd0$number::1"
    # No packet waits for a neighbour. No host has the address .50, so nothing answers: packets from there are
    # made by hand, and a flow stays in the state that they bring it to.
    for last in 2 50; do
        ip neigh replace "10.$number.0.$last" lladdr "02:00:00:00:0$number:02" dev "$device" nud permanent
        ip neigh replace "fd0$number::$last" lladdr "02:00:00:00:0$number:02" dev "$device" nud permanent
    done
    far "$pid" ip neigh replace "10.$number.0.1" lladdr "02:00:00:00:0$number:01" dev e0 nud permanent
    far "$pid" ip neigh replace "fd0$number::1" lladdr "02:00:00:00:0$number:01" dev e0 nud permanent
done

echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
cd /proc/sys/net/netfilter
echo 1 >nf_conntrack_acct
echo 1 >nf_conntrack_timestamp
# Flows that begin before anybody listens report their end, too.
echo 1 >nf_conntrack_events
# Hand-made packets need neither checksums nor windows.
echo 0 >nf_conntrack_checksum
echo 1 >nf_conntrack_tcp_be_liberal
# No flow ends during a test.
for timeout in *timeout*; do
    [[ $timeout == *frag6* ]] || echo 100000 >"$timeout"
done

nft -f - <<'RULES'
table inet router {
    ct helper ftp {
        type "ftp" protocol tcp
    }
    chain zones {
        type filter hook prerouting priority raw
        th dport 7007 ct zone set 7
        th sport 7007 ct zone set 7
        th dport 7008 ct original zone set 8
        th dport 7009 ct reply zone set 9
        th sport 7009 ct reply zone set 9
    }
    chain marks {
        type filter hook prerouting priority mangle
        th dport 9001 ct mark set 0x10
        th dport 9002 ct mark set 0xffffffff
        th dport 9003 ct label set 3
        th dport 9004 ct label set 1
        th dport 9004 ct label set 127
        th dport 9005 ct label set 77
        tcp dport 21 ct helper set "ftp"
    }
    chain destinations {
        type nat hook prerouting priority dstnat
        iifname "c0" meta nfproto ipv4 tcp dport 8001 dnat ip to 10.2.0.2:9001
        iifname "c0" meta nfproto ipv6 tcp dport 8001 dnat ip6 to [fd02::2]:9001
        iifname "c0" meta nfproto ipv4 udp dport 8002 dnat ip to 10.2.0.2:9012
    }
    chain sources {
        type nat hook postrouting priority srcnat
        oifname "s0" th dport { 9011, 9012 } masquerade
    }
}
RULES
