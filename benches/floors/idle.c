/* Floor of R1: the counts of an idle machine: three files, one walk that finds almost nothing, one line. */
#include "common.c"

static char text[16384];

int main(void)
{
	char line[64];
	long bytes = 0;
	/* Only the first network namespace has tcp_mem: the cheapest way to learn which namespace this is. */
	access("/proc/sys/net/ipv4/tcp_mem", F_OK);
	bytes += read_file("/proc/net/sockstat", text, sizeof text);
	bytes += read_file("/proc/net/sockstat6", text, sizeof text);
	bytes += read_file("/proc/net/snmp", text, sizeof text);
	if (walk(1 << 3, 0))
		return 1;
	return write(1, line, append(line, "bytes", bytes) - line) < 0;
}
