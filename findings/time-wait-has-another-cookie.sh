#!/usr/bin/env bash
# Guess: a socket's cookie names one connection for good: the TIME_WAIT row of ss -e has the cookie with which ss -E
#   reports the end of the same socket.
# Really: a socket gets its cookie when somebody first asks for it. The small socket that takes its place in TIME_WAIT copies
#   the cookie that is there at that moment. If none is there, both get one of their own later: two cookies, one connection.
#   If a listing had asked for it while it was open, they are equal.
# Matters: whoever joins listings with the messages about ended sockets by cookie counts such a connection twice.
# Seen with: Linux 6.18, iproute2 6.1.0-3.
# Source: Linux, net/core/sock_diag.c, __sock_gen_cookie(); net/ipv4/inet_timewait_sock.c, inet_twsk_alloc().
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/cookies.py" <<'PY'
import re, socket, subprocess, time

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
# stdbuf: ss keeps what it has seen until 4 KiB are full.
ended = subprocess.Popen(["stdbuf", "-oL", "ss", "-EtneO"], stdout=subprocess.PIPE, text=True)
time.sleep(0.5)

def cookie(text, ends):
    return next(re.search(r"sk:(\w+)", line)[1] for line in text.splitlines() if ends in " ".join(line.split()))

def close_one(asks):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        ends = "127.0.0.1:%d 127.0.0.1:%d" % (client.getsockname()[1], server.getsockname()[1])
        if asks:
            subprocess.run(["ss", "-tne"], stdout=subprocess.DEVNULL, check=True)
        client.close()
        time.sleep(0.1)
        peer.close()
    time.sleep(0.3)
    row = subprocess.run(["ss", "-Htane", "state", "time-wait"], capture_output=True, text=True, check=True).stdout
    return ends, cookie(row, ends)

seen = {"nobody asked": close_one(False), "asked while open": close_one(True)}
time.sleep(0.5)
ended.terminate()
text = ended.communicate(timeout=5)[0]
for what, (ends, row) in seen.items():
    print(f"{what}: {'equal' if cookie(text, ends) == row else 'different'}")
PY
seen=$(timeout 30 unshare --net python3 "$tmp/cookies.py")
expected='nobody asked: different
asked while open: equal'

echo "Linux $(uname -r), iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the cookies of TIME_WAIT and of the end are otherwise"; exit 1; }
echo "ok: TIME_WAIT has a cookie of its own, unless the open socket's had been asked for"
