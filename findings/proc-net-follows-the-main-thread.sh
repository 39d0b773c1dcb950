#!/usr/bin/env bash
# Guess: a thread that has moved to another network namespace sees that namespace in /proc/net.
# Really: /proc/net is a link to self/net, and self is the process: what is read there is the namespace of the main
#   thread. Netlink sockets and /proc/sys/net of the same thread are those of the thread. /proc/thread-self/net is right.
# Matters: a collector that visits namespaces in a worker thread counts sockets of its own namespace once per visit if
#   it reads /proc/net, as psutil does, and mixes two namespaces if it also asks netlink or reads /proc/sys/net.
# Seen with: Linux 6.18, psutil 7.2.2, pyroute2 0.9.7.
# Source: Linux, fs/proc/proc_net.c (the link) and fs/proc/self.c; psutil, psutil/_pslinux.py.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    psutil==7.2.2 pyroute2==0.9.7

cat >"$tmp/threads.py" <<'PY'
import ctypes, socket, threading
import psutil
from pyroute2 import DiagSocket

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

def listeners(number):
    made = [socket.socket() for _ in range(number)]
    for one in made:
        one.bind(("0.0.0.0", 0))
        one.listen(1)
    return made

def rows(path):
    with open(path) as table:
        return sum(1 for _ in table) - 1

def look(who):
    with DiagSocket() as netlink:
        netlink.bind()
        asked = len(netlink.get_sock_stats(family=socket.AF_INET))
    with open("/proc/sys/net/ipv4/ip_local_port_range") as setting:
        ports = setting.read().split()[0]
    print(f"{who}: /proc/net {rows('/proc/net/tcp')}, thread-self {rows('/proc/thread-self/net/tcp')}, "
          f"psutil {len(psutil.net_connections('tcp'))}, netlink {asked}, ports from {ports}")

def elsewhere():
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as setting:
        setting.write("20000 30000")
    kept = listeners(5)
    look("thread")

kept = listeners(2)
look("main")
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
PY
seen=$(PYTHONPATH="$tmp/py" timeout 30 unshare --net python3 "$tmp/threads.py")
expected='main: /proc/net 2, thread-self 2, psutil 2, netlink 2, ports from 32768
thread: /proc/net 2, thread-self 5, psutil 2, netlink 5, ports from 20000'

echo "Linux $(uname -r), psutil 7.2.2, pyroute2 0.9.7"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: /proc/net no longer shows the namespace of the main thread"; exit 1; }
echo "ok: in a thread elsewhere, /proc/net and psutil list the main thread's 2 sockets, netlink the thread's 5"
