/* Floor of R9: receives every event of a new flow, one call each, and only counts them, until SIGTERM. The buffer is as
 * large as connbox's. */
#include "common.c"
#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t is_over;

static void end(int signal)
{
	(void)signal;
	is_over = 1;
}

int main(void)
{
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct sigaction action = { .sa_handler = end };
	int size = 8 << 20;
	char line[64];
	long events = 0;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	sigaction(SIGTERM, &action, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (fd < 0 || bind(fd, (void *)&groups, sizeof groups))
		return 1;
	while (!is_over)
		if (recv(fd, answer, sizeof answer, 0) > 0)
			events++;
		else if (errno != EINTR && errno != ENOBUFS)
			return 1;
	return write(1, line, append(line, "events", events) - line) < 0;
}
