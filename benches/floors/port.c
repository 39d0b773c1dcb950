/* How many ESTABLISHED sockets are at local port 443: `port kernel` lets the kernel filter and is the floor of R4's
 * filter; `port user` looks at a full dump, which is the least that a program without push-down must do. */
#include "common.c"

enum { PORT = 443, ESTABLISHED = 1 << 1 };

static long sockets;

static void each(const struct inet_diag_msg *socket)
{
	/* Old kernels take no notice of the byte code: even where they filter, a program has to look. */
	sockets += socket->id.idiag_sport == htons(PORT);
}

int main(int argc, char **argv)
{
	char line[64];
	int in_user_space = argc > 1 && !strcmp(argv[1], "user");
	if (in_user_space ? walk(ESTABLISHED, each) : walk_port(ESTABLISHED, PORT, each))
		return 1;
	return write(1, line, append(line, "sockets", sockets) - line) < 0;
}
