# Three datagrams of IPv4 and two of IPv6 that are read, one of IPv4 that is not, more than a small buffer holds, and three
# connections, one of them of IPv6.
import socket, sys

sys.stdin.readline()
kept = []

def datagrams(family, address, sent, read, size=1, buffer=None):
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    if buffer:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    receiver.bind((address, 0))
    sender = socket.socket(family, socket.SOCK_DGRAM)
    for _ in range(sent):
        sender.sendto(bytes(size), receiver.getsockname())
    for _ in range(read):
        receiver.recv(size)
    kept.append(receiver)

datagrams(socket.AF_INET, "127.0.0.1", 4, 3)
datagrams(socket.AF_INET6, "::1", 2, 2)
datagrams(socket.AF_INET, "127.0.0.1", 50, 0, 1000, 4000)
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen(1)
    kept += [listener, socket.create_connection(listener.getsockname()[:2]), listener.accept()[0]]
print("ready", flush=True)
sys.stdin.readline()
