# A listener at port 4001 that three processes hold, the first of them by two descriptors; a socket that is only bound; a
# connection in TIME_WAIT and one in FIN_WAIT2 without an owner; prints the process IDs, the lowest first.
import os, socket, sys

sys.stdin.readline()
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 4001))
listener.listen(5)
end, keep = os.pipe()
pids = [os.getpid()]
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os.close(keep)
        # Ends with the first process.
        os.read(end, 1)
        os._exit(0)
    pids.append(pid)
again = os.dup(listener.fileno())
bound = socket.socket()
bound.bind(("127.0.0.1", 4002))
client = socket.create_connection(("127.0.0.1", 4001))
server, _ = listener.accept()
client.close()
server.recv(1)
server.close()
other = socket.create_server(("127.0.0.1", 4003))
client = socket.create_connection(("127.0.0.1", 4003))
half_closed, _ = other.accept()
other.close()
client.close()
print("ready", *sorted(pids), flush=True)
sys.stdin.readline()
