#!/usr/bin/env bash
# Guess: nstat NAME prints the growth of NAME and leaves that of all other counters for a later call.
# Really: it leaves it for counters that the history names, and these are the ones that were not 0. A counter that was 0
#   and has grown since is written to the history with its present value, as if it had been printed: its first growth
#   is in no call. With -z zeros are in the history and nothing is lost.
# Matters: it hits the counters that are rare and matter, such as failures and overflows: of two scripts that ask for
#   different names, the first takes the second one's first events away.
# Seen with: iproute2 6.1.0-3.
# Source: iproute2, misc/nstat.c, dump_kern_db(): zeros are skipped, and for a name that no pattern matches the value of
#   the history is written if there is one, else the kernel's.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/refused.py" <<'PY'
import socket, subprocess, sys

def nstat(*words):
    lines = subprocess.run(["nstat", *words], capture_output=True, text=True, check=True).stdout.splitlines()
    return " ".join(f"{line.split()[0]}={line.split()[1]}" for line in lines if not line.startswith("#")) or "nothing"

def refused(number):
    for _ in range(number):
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", 9))

def round_of(what, *options):
    nstat(*options)
    refused(3)
    nstat(*options, "TcpActiveOpens")
    print(f"{what}:", nstat("TcpAttemptFails"))

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
if sys.argv[1] == "zeros":
    round_of("the same with -z, from 0", "-z")
else:
    round_of("3 failures, another name, and the failures")
    refused(1)
    round_of("the same when there were failures before")
PY
seen=$(for history in plain zeros; do
    NSTAT_HISTORY=$tmp/$history timeout 30 unshare --net python3 "$tmp/refused.py" "$history"
done)
expected='3 failures, another name, and the failures: nothing
the same when there were failures before: TcpAttemptFails=3
the same with -z, from 0: TcpAttemptFails=3'

echo "iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: nstat NAME treats the history of other counters otherwise"; exit 1; }
echo "ok: asked for another name, nstat loses the first 3 failures, and none of those that follow"
