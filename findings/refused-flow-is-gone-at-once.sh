#!/usr/bin/env bash
# Guess: a refused connection leaves a flow in state CLOSE for nf_conntrack_tcp_timeout_close, 10 seconds, marked as
#   answered, since a RST came back.
# Really: the RST removes the flow on the spot, while a reset of an established connection does leave CLOSE. Its DESTROY
#   event still says UNREPLIED, so an answer by RST cannot be told from no answer by that mark, only by the state: CLOSE
#   against SYN_SENT.
# Matters: conntrack -L and -C never see refused connections, however many: a port scan of closed ports leaves the table
#   empty. UNREPLIED in events counts refused ones as unanswered.
# Seen with: Linux 6.18, conntrack 1.4.7.
# Source: Linux, net/netfilter/nf_conntrack_proto_tcp.c, nf_conntrack_tcp_packet(): nf_ct_kill_acct() on a RST before
#   the first reply.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/refused.py" <<'PY'
import re, socket, struct, subprocess, sys, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def states(text):
    words = re.findall(r"\[(?:NEW|UPDATE|DESTROY)\]|\b(?:SYN_SENT|SYN_RECV|ESTABLISHED|CLOSE)\b|\[UNREPLIED\]", text)
    return " ".join(words) or "nothing"

run("ip", "link", "set", "lo", "up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new")
with open(sys.argv[1], "w") as events:
    watcher = subprocess.Popen(["conntrack", "-E", "-p", "tcp"], stdout=events, stderr=subprocess.DEVNULL)
    time.sleep(1)
    with socket.socket() as client:
        client.connect_ex(("127.0.0.1", 4001))
    print("refused, table:", states(run("conntrack", "-L", "-p", "tcp")))
    time.sleep(1)
    watcher.terminate()
    watcher.wait()
with open(sys.argv[1]) as events:
    print("refused, events:", states(events.read()))
server = socket.socket()
server.bind(("127.0.0.1", 4001))
server.listen(5)
client = socket.create_connection(server.getsockname())
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
client.close()
print("reset after it was established, table:", states(run("conntrack", "-L", "-p", "tcp")))
PY
seen=$(timeout 30 unshare --net --pid --fork --kill-child --mount-proc python3 "$tmp/refused.py" "$tmp/events")
expected='refused, table: nothing
refused, events: [NEW] SYN_SENT [UNREPLIED] [DESTROY] CLOSE [UNREPLIED]
reset after it was established, table: CLOSE'

echo "Linux $(uname -r), conntrack $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: a refused connection leaves other traces"; exit 1; }
echo "ok: the flow of a refused connection is gone at once, and its last event says UNREPLIED"
