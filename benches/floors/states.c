/* Floor of R3: one walk that skips the two large states, which follow by subtraction from sockstat and sockstat6.
 * `states udp`, the floor of R6, also dumps and counts the UDP sockets of both families. */
#include "common.c"

enum { ESTABLISHED = 1, SYN_RECV = 3, FIN_WAIT2 = 5, TIME_WAIT = 6, LAST = 11, TIMER_OF_MINISOCKET = 3 };

static const char *const names[LAST + 1] = {
	0, "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
	"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
};
static long count[LAST + 1], full, mini, udp;
static char sockstat[4096], sockstat6[4096];

static void each(const struct inet_diag_msg *socket)
{
	int is_mini = socket->idiag_state == FIN_WAIT2 && socket->idiag_timer == TIMER_OF_MINISOCKET;
	if (socket->idiag_state <= LAST)
		count[socket->idiag_state]++;
	mini += is_mini;
	/* sockstat's inuse counts hashed full sockets: not minisockets and not the request sockets of SYN_RECV. */
	full += !is_mini && socket->idiag_state != SYN_RECV;
}

static void each_udp(const struct inet_diag_msg *socket)
{
	(void)socket;
	udp++;
}

int main(int argc, char **argv)
{
	char out[512], *end = out;
	int with_udp = argc > 1 && !strcmp(argv[1], "udp");
	unsigned all = (1u << (LAST + 1)) - 2;
	if (walk(all & ~(1u << ESTABLISHED) & ~(1u << TIME_WAIT), each))
		return 1;
	if (with_udp && (walk_udp(AF_INET, each_udp) || walk_udp(AF_INET6, each_udp)))
		return 1;
	if (read_file("/proc/net/sockstat", sockstat, sizeof sockstat - 1) < 0)
		return 1;
	read_file("/proc/net/sockstat6", sockstat6, sizeof sockstat6 - 1);
	count[ESTABLISHED] = number_of(sockstat, "TCP:", "inuse ") + number_of(sockstat6, "TCP6:", "inuse ") - full;
	count[TIME_WAIT] = number_of(sockstat, "TCP:", "tw ") - mini;
	for (int state = 1; state <= LAST; state++)
		end = append(end, names[state], count[state]);
	if (with_udp)
		end = append(end, "udp", udp);
	return write(1, out, end - out) < 0;
}
