# Thirteen flows in the connection tracker: TCP 4 of IPv4 and 2 of IPv6, UDP 2, UDP-Lite, ICMP, ICMPv6, GRE, ESP.
import socket, subprocess, sys

sys.stdin.readline()

def run(*command):
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        print("lacks", command[0], ended.stderr.strip().splitlines()[-1:], flush=True)
        sys.exit()

# Flows of packets are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook output priority 0; }; add rule inet t c ct state new")
for number in range(4):
    run("conntrack", *f"-I -s 192.0.2.1 -d 192.0.2.2 -t 900 -p tcp --sport {number + 1} --dport 80 --state ESTABLISHED".split())
for number in range(2):
    run("conntrack", *f"-I -s fd00::1 -d fd00::2 -t 900 -p tcp --sport {number + 1} --dport 80 --state TIME_WAIT".split())
for number in range(2):
    run("conntrack", *f"-I -s 192.0.2.1 -d 192.0.2.2 -t 900 -p udp --sport {number + 1} --dport 53".split())
run("conntrack", *"-I -s 192.0.2.1 -d 192.0.2.2 -t 900 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 4660".split())
run("conntrack", *"-I -s fd00::1 -d fd00::2 -t 900 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 4660".split())
run("conntrack", *"-I -s 192.0.2.1 -d 192.0.2.2 -t 900 -p gre --srckey 1 --dstkey 2".split())
esp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ESP)
esp.sendto(bytes(16), ("127.0.0.1", 0))
# IPPROTO_UDPLITE
lite = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
lite.bind(("127.0.0.1", 4001))
lite.sendto(bytes(1), ("127.0.0.1", 4001))
print("ready", flush=True)
sys.stdin.readline()
