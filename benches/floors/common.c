/* Code that all floors share: reading a kernel file whole, sock_diag walks, one line of output.
 *
 * A floor does the least that any program must do for the answer: the same system calls and the same walk, without
 * options, formats, or checks beyond "did it work". It includes this file instead of linking it, so that
 * `cc -O2 -static floor.c` is enough and the compiler drops unused functions. */
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* The kernel never sends more than this in one datagram of a dump. */
static char answer[32768];

/* Opens, reads and closes one file; gives the number of bytes, or -1. A missing sockstat6 is not an error: IPv6 may
 * be off. */
UNUSED static long read_file(const char *path, char *buffer, size_t size)
{
	long total = 0, got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((got = read(fd, buffer + total, size - total)) > 0)
		total += got;
	close(fd);
	return got < 0 ? -1 : total;
}

/* The number after "KEY " in the line that starts with LINE, or 0. The text must end in a NUL. */
UNUSED static long number_of(const char *text, const char *line, const char *key)
{
	const char *at = strstr(text, line);
	long number = 0;
	if (!at || !(at = strstr(at, key)))
		return 0;
	for (at += strlen(key); *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (*at - '0');
	return number;
}

/* Appends "name number\n" to the output. */
UNUSED static char *append(char *out, const char *name, long number)
{
	char digits[24];
	int count = 0;
	while (*name)
		*out++ = *name++;
	*out++ = ' ';
	if (number < 0) {
		*out++ = '-';
		number = -number;
	}
	do
		digits[count++] = '0' + number % 10;
	while (number /= 10);
	while (count)
		*out++ = digits[--count];
	*out++ = '\n';
	return out;
}

/* Receives the answers of one dump and passes each to `each` (which may be null); gives 0 or -1. */
UNUSED static int take(int fd, void (*each)(const struct inet_diag_msg *))
{
	for (;;) {
		int left = recv(fd, answer, sizeof answer, 0);
		const struct nlmsghdr *head = (void *)answer;
		if (left <= 0)
			return -1;
		for (; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type == NLMSG_DONE)
				return 0;
			if (head->nlmsg_type == NLMSG_ERROR)
				return -1;
			if (each)
				each(NLMSG_DATA(head));
		}
	}
}

/* Requests a dump on a new socket and receives the answers; gives 0 or -1. */
UNUSED static int dump(const void *request, size_t size, void (*each)(const struct inet_diag_msg *))
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0 || send(fd, request, size, 0) != (ssize_t)size)
		return -1;
	return take(fd, each) ? -1 : close(fd);
}

/* Walks the TCP sockets in the given states once, both families: message type 18 (TCPDIAG_GETSOCK). */
UNUSED static int walk(unsigned states, void (*each)(const struct inet_diag_msg *))
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req body;
	} request = {
		.head = { sizeof request, TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.body = { .idiag_family = AF_UNSPEC, .idiag_states = states },
	};
	return dump(&request, sizeof request, each);
}

/* The same, but the kernel skips sockets with another local port: sport >= PORT and sport <= PORT, in the byte code
 * that every kernel knows. An operation jumps by its first number of bytes if it holds, else by the second, past the
 * end, which means "no". */
UNUSED static int walk_port(unsigned states, unsigned short port, void (*each)(const struct inet_diag_msg *))
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req body;
		struct nlattr attribute;
		struct inet_diag_bc_op code[4];
	} request = {
		.head = { sizeof request, TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.body = { .idiag_family = AF_UNSPEC, .idiag_states = states },
		.attribute = { sizeof request.attribute + sizeof request.code, INET_DIAG_REQ_BYTECODE },
		.code = {
			{ INET_DIAG_BC_S_GE, 8, 20 }, { .no = port },
			{ INET_DIAG_BC_S_LE, 8, 12 }, { .no = port },
		},
	};
	return dump(&request, sizeof request, each);
}

/* Walks the UDP sockets of one family: message type 20 (SOCK_DIAG_BY_FAMILY). */
UNUSED static int walk_udp(unsigned char family, void (*each)(const struct inet_diag_msg *))
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = { sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_UDP, .idiag_states = -1 },
	};
	return dump(&request, sizeof request, each);
}
