# Three connections that end: by a FIN from either end, by a reset, and refused.
import socket, struct, sys

sys.stdin.readline()
listener = socket.socket()
listener.bind(("127.0.0.1", 4001))
listener.listen(5)

def pair():
    client = socket.create_connection(("127.0.0.1", 4001))
    return client, listener.accept()[0]

client, server = pair()
client.close()
server.recv(1)
server.close()
client, server = pair()
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
client.close()
try:
    server.recv(1)
except ConnectionResetError:
    server.close()
try:
    socket.create_connection(("127.0.0.1", 1))
except ConnectionRefusedError:
    print("ready", flush=True)
sys.stdin.readline()
