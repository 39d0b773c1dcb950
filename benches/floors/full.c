/* Floor of R4: dumps all ESTABLISHED sockets and counts them without parsing. */
#include "common.c"

static long sockets;

static void each(const struct inet_diag_msg *socket)
{
	(void)socket;
	sockets++;
}

int main(void)
{
	char line[64];
	if (walk(1 << 1, each))
		return 1;
	return write(1, line, append(line, "sockets", sockets) - line) < 0;
}
