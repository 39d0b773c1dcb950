//! `tcptrack` against the running kernel: its rows with known transfers, its screen through tmux, and
//! both beside the original.

use crate::support;

mod beside;
mod rows;
mod screen;
mod terminal;

/// A program in Python for a world: a server on ports 9001 (IPv4) and 9002 (IPv6), and a client of each.
/// At each line it moves 123457 bytes to the server and 98765 back, and says which ports the clients
/// have; at the line after the third it closes all and opens new ones.
const TRANSFER: &str = r#"
import socket, sys
listeners = [socket.socket(socket.AF_INET), socket.socket(socket.AF_INET6)]
ends = [("127.0.0.1", 9001), ("::1", 9002)]
for listener, end in zip(listeners, ends):
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(end)
    listener.listen(9)
def move(sender, receiver, size):
    while size:
        chunk = min(size, 20000)
        sender.sendall(b"x" * chunk)
        size -= chunk
        while chunk:
            chunk -= len(receiver.recv(chunk))
pairs = []
for line in sys.stdin:
    if line == "close\n" or not pairs:
        for pair in pairs:
            for one in pair: one.close()
        pairs = []
        for listener, end in zip(listeners, ends):
            client = socket.create_connection(end)
            pairs.append((client, listener.accept()[0]))
    for client, server in pairs:
        move(client, server, 123457)
        move(server, client, 98765)
    print(*[client.getsockname()[1] for client, _ in pairs], flush=True)
"#;

/// What [`TRANSFER`] has moved to the server and back after so many lines.
const MOVED: (u64, u64) = (123_457, 98_765);
