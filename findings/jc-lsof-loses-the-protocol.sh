#!/usr/bin/env bash
# Guess: jc --lsof keeps the NODE column of lsof -i, which says TCP or UDP.
# Really: it turns node into a number, since it is an inode for files, and what is not a number becomes null. No other
#   field names the protocol: rows of TCP and UDP at one port are alike. With --raw the word is there.
# Matters: a count of TCP sockets by node == "TCP" is 0, and a count by port adds UDP to it; DNS and HTTP/3 servers hold
#   both at one port.
# Seen with: jc 1.26.1, lsof 4.95.0-1.
# Source: jc, jc/parsers/lsof.py, _process(): node is in its list of integers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    jc==1.26.1
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root lsof=4.95.0-1 >/dev/null
dpkg -x lsof_*.deb lsof

cat >both.py <<'PY'
import json, socket, subprocess, sys

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
for one in (stream, datagram):
    one.bind(("127.0.0.1", 4001))
stream.listen(5)
text = subprocess.run(["lsof/usr/bin/lsof", "-nP", "-i"], capture_output=True, text=True, check=True).stdout
print("lsof:", *(line.split()[7] for line in text.splitlines()[1:]))
for name, options in (("jc", []), ("jc --raw", ["--raw"])):
    out = subprocess.run([sys.executable, "-m", "jc", "--lsof", *options], input=text, capture_output=True, text=True, check=True)
    print(f"{name}:", *(row["node"] for row in json.loads(out.stdout)))
PY
seen=$(PYTHONPATH="$tmp/py" timeout 60 unshare --net python3 both.py)
expected='lsof: TCP UDP
jc: None None
jc --raw: TCP UDP'

echo "jc 1.26.1, lsof 4.95.0-1; the node of each row"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: jc treats the NODE of sockets otherwise"; exit 1; }
echo "ok: jc --lsof gives node null for TCP and UDP alike"
