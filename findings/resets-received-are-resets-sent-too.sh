#!/usr/bin/env bash
# Guess: "connection resets received" of netstat -s counts RST segments that reached a connection.
# Really: it is EstabResets, which counts sockets that went from ESTABLISHED or CLOSE_WAIT straight to CLOSE, whichever
#   end sent the RST: a program that aborts its own connections, or closes with unread data, raises it. A RST that
#   reaches a connection in FIN_WAIT1 or FIN_WAIT2, after this end closed, is not in it.
# Matters: a rise is read as "peers reset us", and may be one's own service; between two processes of one host each abort
#   counts twice. Peers that reset after our close, as many clients do, are missing.
# Seen with: Linux 6.18, net-tools 2.10-0.1+deb12u2.
# Source: Linux, net/ipv4/tcp.c, tcp_set_state(); the words are net-tools' statistics.c.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' net-tools)
[[ $version == 2.10-0.1+deb12u2 ]] || { echo "changed: net-tools is $version, this was seen with 2.10-0.1+deb12u2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/resets.py" <<'PY'
import ctypes, os, re, socket, struct, subprocess, time

CLONE_NEWNET = 0x40000000

def numbers():
    text = subprocess.run(["netstat", "-st"], capture_output=True, text=True, check=True).stdout
    return tuple(int(re.search(rf"(\d+) {words}", text)[1]) for words in ("connection resets received", "resets sent"))

def abort(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
    time.sleep(0.2)

def connected():
    client = socket.create_connection(("192.0.2.2", 4001))
    os.write(command, b"a")
    os.read(done, 1)
    return client

# Two hosts: this namespace, and that of a child that keeps the server.
(child_command, command), (done, child_done) = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(command)
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        os._exit(1)
    os.write(child_done, b"n")
    os.read(child_command, 1)
    subprocess.run(["ip", "address", "add", "192.0.2.2/24", "dev", "there"], check=True)
    subprocess.run(["ip", "link", "set", "there", "up"], check=True)
    server = socket.socket()
    server.bind(("192.0.2.2", 4001))
    server.listen(5)
    os.write(child_done, b"l")
    while word := os.read(child_command, 1):
        if word == b"a":
            peer, _ = server.accept()
        else:
            abort(peer)
        os.write(child_done, b"d")
    os._exit(0)
os.read(done, 1)
run = lambda *words: subprocess.run(["ip", *words], check=True)
run("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(child))
run("address", "add", "192.0.2.1/24", "dev", "here")
run("link", "set", "here", "up")
os.write(command, b"g")
os.read(done, 1)

def show(what, action):
    before = numbers()
    action()
    time.sleep(0.2)
    received, sent = (new - old for new, old in zip(numbers(), before))
    print(f"{what}: resets received {received}, sent {sent}")

def peer_aborts():
    os.write(command, b"x")
    os.read(done, 1)

try:
    client = connected()
    show("this end aborts", lambda: abort(client))
    client = connected()
    show("the peer aborts", peer_aborts)
    client.close()
    client = connected()
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    show("the peer aborts after this end closed", peer_aborts)
finally:
    os.close(command)
    os.waitpid(child, 0)
PY
seen=$(timeout 30 unshare --net --pid --fork --kill-child --mount-proc python3 "$tmp/resets.py")
expected='this end aborts: resets received 1, sent 1
the peer aborts: resets received 1, sent 0
the peer aborts after this end closed: resets received 0, sent 0'

echo "Linux $(uname -r), net-tools $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: 'connection resets received' counts something else"; exit 1; }
echo "ok: a reset that this end sent counts as received, and one that arrives after its own close does not"
