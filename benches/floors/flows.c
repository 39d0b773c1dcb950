/* Floor of R7 and R8: dumps the flows of connection tracking and counts them without parsing. With `flows ADDR` the
 * kernel selects the flows from one address (CTA_FILTER, since Linux 5.8). */
#include "common.c"
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define NESTED(number) ((number) | NLA_F_NESTED)

struct request {
	struct nlmsghdr head;
	struct nfgenmsg body;
	/* The rest is sent only with an address. */
	struct nlattr filter;
	struct nlattr orig_flags;
	unsigned orig;
	struct nlattr reply_flags;
	unsigned reply;
	struct nlattr tuple;
	struct nlattr ip;
	struct nlattr source;
	struct in_addr address;
};

int main(int argc, char **argv)
{
	struct request request = {
		.head = { 0, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.body = { .nfgen_family = argc > 1 ? AF_INET : AF_UNSPEC },
		.filter = { 20, NESTED(CTA_FILTER) },
		.orig_flags = { 8, 1 },
		.orig = 1,
		.reply_flags = { 8, 2 },
		.tuple = { 16, NESTED(CTA_TUPLE_ORIG) },
		.ip = { 12, NESTED(CTA_TUPLE_IP) },
		.source = { 8, CTA_IP_V4_SRC },
	};
	size_t size = argc > 1 ? sizeof request : NLMSG_LENGTH(sizeof request.body);
	char line[64];
	long flows = 0;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	request.head.nlmsg_len = size;
	if (argc > 1 && inet_pton(AF_INET, argv[1], &request.address) != 1)
		return 1;
	if (fd < 0 || send(fd, &request, size, 0) != (ssize_t)size)
		return 1;
	for (;;) {
		int left = recv(fd, answer, sizeof answer, 0);
		const struct nlmsghdr *head = (void *)answer;
		if (left <= 0)
			return 1;
		for (; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type == NLMSG_DONE)
				return write(1, line, append(line, "flows", flows) - line) < 0;
			if (head->nlmsg_type == NLMSG_ERROR)
				return 1;
			flows++;
		}
	}
}
