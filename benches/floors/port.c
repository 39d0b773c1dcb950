/* Counts the ESTABLISHED sockets with local port 443. `port kernel` lets the kernel filter: the floor of R4 with a
 * filter. `port user` reads a full dump, the least that a program must do without push-down. */
#include "common.c"

enum { PORT = 443, ESTABLISHED = 1 << 1 };

static long sockets;

static void each(const struct inet_diag_msg *socket)
{
	/* Old kernels ignore the byte code, so a program must check even the filtered answers. */
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
