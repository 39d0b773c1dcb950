# Run in the router's namespace: makes the flows that pass through it, and keeps the sockets of those
# that have any. CLIENT and SERVER are process IDs.
import ctypes, os, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)

def inside(pid, make):
    """What make() gives in the network namespace of a process."""
    here, there = (os.open(f'/proc/{who}/ns/net', os.O_RDONLY) for who in ('self', pid))
    assert libc.setns(there, 0) == 0
    made = make()
    assert libc.setns(here, 0) == 0
    os.close(here), os.close(there)
    return made

V4, V6 = socket.AF_INET, socket.AF_INET6
def raw(family):
    return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
wires = {(pid, family): inside(pid, lambda: raw(family)) for pid in (CLIENT, SERVER) for family in (V4, V6)}
HOSTS = {V4: ('10.1.0.50', '10.2.0.50'), V6: ('fd01::50', 'fd02::50')}

def send(family, protocol, payload, back=False):
    """A packet of the client who does not exist to the server who does not, or back."""
    source, target = HOSTS[family][::-1] if back else HOSTS[family]
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    if family == V4:
        head = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    else:
        head = struct.pack('>IHBB', 6 << 28, len(payload), protocol, 64)
    wires[SERVER if back else CLIENT, family].sendto(head + ends + payload, (target, 0))

SYN, FIN, RST, ACK = 2, 1, 4, 16
def tcp(family, port, *steps):
    """Segments, '>' from the client and '<' from the server, with sequence numbers that fit."""
    sequence = {'>': 1000, '<': 5000}
    for way, flags in steps:
        back = way == '<'
        ports = (80, port) if back else (port, 80)
        other = sequence['>' if back else '<']
        acked = other if flags & ACK else 0
        send(family, 6, struct.pack('>HHIIBBHHH', *ports, sequence[way], acked, 0x50, flags, 0xffff, 0, 0), back)
        sequence[way] += bool(flags & (SYN | FIN))

def every_state(family, base=1000):
    shake = ('>', SYN), ('<', SYN | ACK), ('>', ACK)
    fin, acked, last = ('>', FIN | ACK), ('<', ACK), ('<', FIN | ACK)
    tcp(family, base + 1, *shake[:1])                             # SYN_SENT
    tcp(family, base + 2, *shake[:2])                             # SYN_RECV
    tcp(family, base + 3, *shake)                                 # ESTABLISHED
    tcp(family, base + 4, *shake, fin)                            # FIN_WAIT
    tcp(family, base + 5, *shake, fin, acked)                     # CLOSE_WAIT
    tcp(family, base + 6, *shake, fin, acked, last)               # LAST_ACK
    tcp(family, base + 7, *shake, fin, acked, last, ('>', ACK))   # TIME_WAIT
    tcp(family, base + 8, *shake, ('<', RST | ACK))               # CLOSE
    tcp(family, base + 9, ('>', SYN), ('<', SYN))                 # SYN_SENT2
    tcp(family, base + 10, ('>', ACK))                            # picked up mid-stream

INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK = 1, 2, 4, 5, 7, 8, 10, 11
def sctp(family, port, *steps):
    for way, kind in steps:
        back = way == '<'
        ports = (3868, port) if back else (port, 3868)
        tag = 0 if kind == INIT else 0x11111111 if back else 0x22222222
        body = b''
        if kind in (INIT, INIT_ACK):
            body = struct.pack('>IIHHI', 0x22222222 if back else 0x11111111, 65535, 1, 1, 1)
        chunk = struct.pack('>BBH', kind, 0, 4 + len(body)) + body
        send(family, 132, struct.pack('>HHII', *ports, tag, 0) + chunk, back)

def other_protocols(family):
    start = ('>', INIT), ('<', INIT_ACK), ('>', COOKIE_ECHO), ('<', COOKIE_ACK)
    for count in range(1, 5):
        sctp(family, 2000 + count, *start[:count])
    sctp(family, 2005, *start, ('>', SHUTDOWN))
    sctp(family, 2006, *start, ('<', SHUTDOWN))
    sctp(family, 2007, *start, ('>', SHUTDOWN), ('<', SHUTDOWN_ACK))
    sctp(family, 2008, ('>', HEARTBEAT))
    echo, answer, protocol = (8, 0, 1) if family == V4 else (128, 129, 58)
    for number, kinds in ((77, (echo, answer)), (78, (echo,))):
        for place, kind in enumerate(kinds):
            send(family, protocol, struct.pack('>BBHHH', kind, 0, 0, number, 1), place == 1)
    if family == V4:
        send(V4, 1, struct.pack('>BBHHHIII', 13, 0, 0, 79, 1, 0, 0, 0))          # a timestamp
    send(family, 47, struct.pack('>HH', 0, 0x0800) + b'data')                    # GRE
    send(family, 47, struct.pack('>HHHHI', 0x2001, 0x880b, 0, 0xabc, 1))         # GRE of PPTP
    for back in (False, True):                                                   # UDP-Lite
        send(family, 136, struct.pack('>HHHH', 3000 + back, 3001 - back, 8, 0xffff), back)
    send(family, 33, struct.pack('>HHBBHI', 4000, 4001, 4, 0, 0, 1) + bytes(8))  # DCCP
    for unknown in (50, 253):                                                    # ESP, and an unused one
        send(family, unknown, b'12345678')
    send(family, 253, b'12345678', True)

kept = []
ADDRESS = {V4: ('10.1.0.2', '10.2.0.2'), V6: ('fd01::2', 'fd02::2')}
def listener(family, port, pid=None):
    def make():
        made = socket.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((ADDRESS[family][pid is None or pid == SERVER], port))
        made.listen()
        return made
    return inside(pid or SERVER, make)

def connect(family, port, to=None, at=None, pid=None):
    """A connection of real sockets, the client's end and the server's."""
    to, at = to or ADDRESS[family][1], at or listener(family, port)
    made = inside(pid or CLIENT, lambda: socket.socket(family))
    made.connect((to, port))
    kept.extend((made, at, at.accept()[0]))
    return made, kept[-1]

def datagrams(family, port, to=None, port_there=None, answer=True):
    def bound():
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.bind((ADDRESS[family][1], port_there or port))
        return made
    there = inside(SERVER, bound)
    here = inside(CLIENT, lambda: socket.socket(family, socket.SOCK_DGRAM))
    here.sendto(b'question', (to or ADDRESS[family][1], port))
    question, sender = there.recvfrom(99)
    if answer:
        there.sendto(b'a longer answer', sender)
        here.recv(99)
    kept.extend((there, here))

def ftp(family, port, used):
    """A session that announces a connection, which then comes or does not."""
    at = ftp.listeners.setdefault(family, None) or listener(family, 21)
    ftp.listeners[family] = at
    here, there = connect(family, 21, at=at)
    there.sendall(b'220 hello\r\n'), here.recv(99)
    here.sendall(b'USER me\r\n'), there.recv(99)
    there.sendall(b'331 and\r\n'), here.recv(99)
    if family == V4:
        here.sendall(b'PORT 10,1,0,2,%d,%d\r\n' % (port >> 8, port & 255))
    else:
        here.sendall(b'EPRT |2|fd01::2|%d|\r\n' % port)
    there.recv(99), there.sendall(b'200 yes\r\n'), here.recv(99)
    if used:
        connect(family, port, ADDRESS[family][0], listener(family, port, CLIENT), SERVER)
ftp.listeners = {}

def real_sockets(family):
    router = '10.1.0.1' if family == V4 else 'fd01::1'
    first = listener(family, 9001)
    here, there = connect(family, 9001, at=first)
    here.sendall(bytes(100000))
    while len(there.recv(1 << 20, socket.MSG_PEEK)) < 100000: pass
    made = inside(CLIENT, lambda: socket.socket(family))
    made.connect((router, 8001))                         # its destination is translated
    kept.extend((made, first.accept()[0]))
    for port in (9002, 9003, 9004, 9005, 9011, 7007, 7008, 7009):
        connect(family, port)
    datagrams(family, 9011), datagrams(family, 9004), datagrams(family, 9020, answer=False)
    for port in (7007, 7008, 7009):
        datagrams(family, port)
    if family == V4:
        datagrams(family, 8002, router, 9012)            # both ends are translated
    ftp(family, 5001, True), ftp(family, 5002, False)

def ends(family, base):
    """What the kernel ends by itself: a flow that was refused, and one whose ports are used again."""
    tcp(family, base + 11, ('>', ACK), ('<', RST | ACK))
    tcp(family, base + 7, ('>', SYN))

sys.stdin.readline()
for family in (V4, V6):
    every_state(family), other_protocols(family), real_sockets(family)
print('done', flush=True)
for base in range(20000, 60000, 100):
    if not sys.stdin.readline(): break
    for family in (V4, V6):
        every_state(family, base), ends(family, base)
    print('done', flush=True)
